//! `mohawel adapter receipts`: what this side of each exchange holds as evidence, shown and handed out.
//!
//! Reads the home's journal, beside a running adapter or without one.

use std::path::{Path, PathBuf};

use adapters::config::Config;
use adapters::identity::Home;
use adapters::journal::{self, Half, JournalError, Record, Role, export, read};
use audit::clock::Clock;
use proto::id::ExchangeId;
use serde_json::json;

use crate::args::Receipts;
use crate::commands::new_file::NewFile;
use crate::failure::{Exit, Failure};
use crate::output::{Output, ms_of_time, time_of_ms};

/// Rows of a table that people still read; more are for files.
const TABLE_ROWS_MAX: usize = 1_000;

/// Lists, exports or discloses.
///
/// # Errors
/// A usage failure for a home that cannot be read; [`Exit::Found`] when a part of the journal is damaged.
pub fn run(args: &Receipts, output: Output) -> Result<(), Failure> {
    let home = settings(&args.home)?;
    // What is over is destroyed before anything is shown.
    journal::expire(&home.journal, Clock::System.now_ms()).map_err(|error| failed(&error))?;
    if let Some(exchange) = args.disclose {
        return disclose(&home, exchange, args.output.as_deref(), output);
    }
    let wanted = Wanted::of(args)?;
    match &args.export {
        Some(path) => write(&home, &wanted, path, output),
        None => list(&home, &wanted, output),
    }
}

/// The journal and whose it is.
struct Of {
    journal: PathBuf,
    config: Config,
}

fn settings(dir: &Path) -> Result<Of, Failure> {
    let home = Home::open(dir).map_err(Failure::usage)?;
    let config = home.config().clone();
    Ok(Of {
        journal: home.path(&config.journal.dir),
        config,
    })
}

struct Wanted {
    exchange: Option<ExchangeId>,
    since_ms: u64,
    until_ms: u64,
}

impl Wanted {
    fn of(args: &Receipts) -> Result<Self, Failure> {
        let ms = |text: &Option<String>| text.as_deref().map(ms_of_time).transpose();
        Ok(Self {
            exchange: args.exchange,
            since_ms: ms(&args.since)?.unwrap_or(0),
            until_ms: ms(&args.until)?.unwrap_or(u64::MAX),
        })
    }

    fn admits(&self, record: &Record) -> bool {
        self.exchange.is_none_or(|wanted| wanted == record.exchange)
            && (self.since_ms..self.until_ms).contains(&record.at_ms)
    }
}

fn list(home: &Of, wanted: &Wanted, output: Output) -> Result<(), Failure> {
    let (mut rows, mut more, mut lost) = (Vec::new(), 0_u64, None);
    let told = read::read(&home.journal, |record| {
        if !wanted.admits(&record) {
            return;
        }
        if output.json {
            let shown = output.json_line(&export::exchange(&record, &home.config.system));
            lost = shown.err().or(lost.take());
        } else if rows.len() < TABLE_ROWS_MAX {
            rows.push(row(&record, output));
        } else {
            more += 1;
        }
    });
    let told = told.map_err(|error| failed(&error))?;
    if let Some(failure) = lost {
        return Err(failure);
    }
    if !output.json {
        let heading = [
            output.say("time", "الوقت"),
            output.say("exchange", "التبادل"),
            output.say("role", "الدور"),
            output.say("other party", "الطرف الآخر"),
            output.say("outcome", "النتيجة"),
            output.say("entries", "القيدان"),
        ];
        output.table(heading, rows);
        if more > 0 {
            output.line(format!(
                "{more} {}",
                output.say(
                    "more; narrow it with --since and --until, or --export them",
                    "غيرها؛ ضيّق النطاق بالخيارين ‎--since‎ و‎--until‎ أو استخدم ‎--export‎"
                )
            ));
        }
    }
    damaged(&told, output)
}

fn row(record: &Record, output: Output) -> [String; 6] {
    let index =
        |receipt| export::index(receipt).map_or_else(|| "-".to_owned(), |index| index.to_string());
    let role = match record.role {
        Role::Consumer => output.say("consumer", "مستفيد"),
        Role::Provider => output.say("provider", "مزوّد"),
    };
    let outcome = match record.outcome.as_str() {
        "" => output.say("open", "مفتوح"),
        outcome => outcome,
    };
    [
        time_of_ms(record.at_ms),
        record.exchange.to_string(),
        role.to_owned(),
        record.other.to_string(),
        outcome.to_owned(),
        format!(
            "{} + {}",
            index(record.request_receipt.as_ref()),
            index(record.answer_receipt.as_ref())
        ),
    ]
}

fn write(home: &Of, wanted: &Wanted, path: &Path, output: Output) -> Result<(), Failure> {
    let mut file = NewFile::at(path, 0o600)?;
    let (mut count, mut lost) = (0_u64, None);
    let mut buffer = Vec::new();
    let told = read::read(&home.journal, |record| {
        if !wanted.admits(&record) || lost.is_some() {
            return;
        }
        buffer.extend_from_slice(
            export::exchange(&record, &home.config.system)
                .to_string()
                .as_bytes(),
        );
        buffer.push(b'\n');
        count += 1;
        if buffer.len() > 1 << 20 {
            lost = file.add(&buffer).err();
            buffer.clear();
        }
    });
    let told = told.map_err(|error| failed(&error))?;
    if let Some(failure) = lost {
        return Err(failure);
    }
    file.write(&buffer)?;
    let value = json!({ "exchanges": count, "file": path.display().to_string(), "damaged": told.damaged.len() });
    output.show(&value, || {
        output.line(format!(
            "{count} {} {}",
            output.say("exchanges written to", "تبادل كُتب في"),
            path.display()
        ));
    })?;
    damaged(&told, output)
}

/// Damage is told whatever else was asked for.
fn damaged(told: &read::Told, output: Output) -> Result<(), Failure> {
    if told.torn_bytes > 0 {
        output.note(format!(
            "{} {}",
            told.torn_bytes,
            output.say(
                "bytes at the journal's end are not whole: a write under way, or one that an end of the process cut short",
                "بايت في نهاية الدفتر غير مكتملة: كتابة جارية أو قطعها توقف العملية",
            )
        ));
    }
    let Some(first) = told.damaged.first() else {
        return Ok(());
    };
    let (count, file) = (told.damaged.len(), first.file.display());
    Err(Failure::new(
        Exit::Found,
        [
            format!(
                "{count} part(s) of the journal are damaged and hold no receipts any more, the first in {file} at byte {}",
                first.at
            ),
            format!(
                "عدد الأجزاء التالفة في الدفتر {count}، ولم تعد فيها إيصالات، أولها في {file} عند البايت {}",
                first.at
            ),
        ],
        [
            "Everything else is shown. Take the file from a backup, and look at the disk.",
            "عُرض كل ما عداها. استعد الملف من نسخة احتياطية وافحص القرص.",
        ],
    ))
}

fn disclose(
    home: &Of,
    exchange: ExchangeId,
    path: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    let open = |half| {
        // A system that asks itself has both roles; the bytes are the same.
        for role in [Role::Consumer, Role::Provider] {
            let opened = journal::disclose(&home.journal, role, exchange, half);
            if let Some(opened) = opened.map_err(|error| failed(&error))? {
                return Ok(Some(opened));
            }
        }
        Ok::<_, Failure>(None)
    };
    let (request, answer) = (open(Half::Request)?, open(Half::Answer)?);
    if request.is_none() && answer.is_none() {
        return Err(Failure::new(
            Exit::Usage,
            [
                format!("Nothing of exchange {exchange} is kept in this home"),
                format!("لا يُحفظ شيء من التبادل {exchange} في هذا المجلد"),
            ],
            [
                "Payloads are kept as long as the grant says (retention_days), and only with journal.keep_payload; an erased one is gone for good.",
                "تُحفظ البيانات بالمدة المذكورة في المنحة (retention_days) وفقط مع journal.keep_payload؛ وما مُحي لا يعود.",
            ],
        ));
    }
    let value = export::disclosure(exchange, request.as_ref(), answer.as_ref());
    let text = serde_json::to_string_pretty(&value).map_err(Failure::unavailable)?;
    match path {
        Some(path) => {
            NewFile::at(path, 0o600)?.write(format!("{text}\n").as_bytes())?;
            let value =
                json!({ "exchange_id": exchange.to_string(), "file": path.display().to_string() });
            output.show(&value, || {
                output.line(format!(
                    "{} {}",
                    output.say("Opened. It holds personal data in the clear; hand it over with the receipts:", "كُشفت البيانات. الملف يحوي بيانات شخصية صريحة؛ سلّمه مع الإيصالات:"),
                    path.display()
                ));
            })
        }
        None if output.json => output.show(&value, || {}),
        None => {
            output.line(text);
            Ok(())
        }
    }
}

/// When an exchange began, as its id says: a UUIDv7 begins with the Unix time in milliseconds.
pub(super) fn begun_at_ms(id: ExchangeId) -> u64 {
    let first = id.as_bytes().iter().take(6);
    first.fold(0, |ms, byte| ms << 8 | u64::from(*byte))
}

pub(super) fn failed(error: &JournalError) -> Failure {
    match error {
        JournalError::Vault(_) => Failure::usage(error),
        _ => Failure::unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_id_says_when_it_began() {
        let id = ExchangeId::parse("019aaf1d-e93a-7e5f-8a6b-0c1d2e3f4a5b").unwrap();
        assert_eq!(begun_at_ms(id), 0x019a_af1d_e93a);
    }
}
