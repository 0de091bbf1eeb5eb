//! This home's cases: what the log knows them by, what was sent in them, and their openings.

use std::collections::BTreeSet;
use std::path::Path;

use adapters::Home;
use adapters::compose::{Book, CaseFile, Sent};
use adapters::journal::read;
use proto::header::RequestHeader;
use proto::id::{ExchangeId, Part};
use serde_json::{Value, json};

use super::of_book;
use crate::commands::adapter::erase::{Erased, erase};
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

fn book(home: &Path) -> Result<Book, Failure> {
    Ok(Book::of(&Home::open(home).map_err(Failure::usage)?))
}

/// Lists all cases, the newest first.
pub(super) fn list(home: &Path, output: Output) -> Result<(), Failure> {
    let mut all = Vec::new();
    book(home)?.each(|case| all.push(case)).map_err(of_book)?;
    all.sort_by_key(|case| std::cmp::Reverse(case.begun_ms));
    let value: Vec<Value> = all.iter().map(head).collect();
    output.show(&value, || {
        let rows = all.iter().map(|case| {
            [
                case.case.reference().to_owned(),
                time_of_ms(case.begun_ms),
                case.sent.len().to_string(),
                case.case.commitment().to_string(),
            ]
        });
        let heading = [
            output.say("case", "الحالة"),
            output.say("begun", "بدأت"),
            output.say("sent", "أُرسل"),
            output.say("in the log (--case)", "في السجل (‎--case‎)"),
        ];
        output.table(heading, rows);
    })
}

/// Shows one case with its opening.
pub(super) fn show(home: &Path, case: &str, output: Output) -> Result<(), Failure> {
    let found = book(home)?.find(case).map_err(of_book)?;
    let found = found.ok_or_else(|| unknown(case))?;
    let mut value = head(&found);
    value["salt"] = json!(hex::encode(found.case.salt().0));
    value["sent"] = found.sent.iter().map(sent_json).collect();
    output.show(&value, || {
        output.line(format!(
            "{}  {}",
            found.case.reference(),
            time_of_ms(found.begun_ms)
        ));
        output.line(format!(
            "{} {}",
            output.say("in the log:", "في السجل:"),
            found.case.commitment()
        ));
        let rows = found.sent.iter().map(|sent| {
            let unknown = output.say("not known", "غير معروف").to_owned();
            let ended = sent.ended.as_ref();
            [
                time_of_ms(sent.at_ms),
                format!("{}: {}", sent.composition, sent.part),
                ended.map_or(unknown, |(outcome, _)| outcome.clone()),
                ended.map_or(sent.exchange, |(_, last)| *last).to_string(),
            ]
        });
        let heading = [
            output.say("sent", "أُرسل"),
            output.say("part", "الجزء"),
            output.say("end", "النهاية"),
            output.say("exchange", "التبادل"),
        ];
        output.table(heading, rows);
        output.line(output.say(
            "With --json this is the opening that `mohawel audit find --case @FILE` takes: give it to those only who may know the case.",
            "مع ‎--json‎ يكون هذا ما يفتح الالتزام للأمر mohawel audit find --case @FILE: فلا تعطه إلا لمن يحق له معرفة الحالة.",
        ));
    })
}

/// Destroys the opening of a case; with a ground first what was exchanged in it, which the log is told.
pub(super) async fn forget(
    dir: &Path,
    case: &str,
    ground: Option<&Part>,
    output: Output,
) -> Result<(), Failure> {
    let home = Home::open(dir).map_err(Failure::usage)?;
    let book = Book::of(&home);
    let found = book.find(case).map_err(of_book)?;
    let found = found.ok_or_else(|| unknown(case))?;
    let erased = match ground {
        Some(ground) => {
            // Nobody runs it meanwhile. The page goes last: it says what is to go, if this is cut off.
            let page = book.open(case, found.begun_ms).map_err(of_book)?;
            let exchanges = exchanged(&home, &found)?;
            let chosen = |id| exchanges.contains(&id);
            let erased = Box::pin(erase(home, &chosen, &exchanges, ground, output)).await?;
            drop(page);
            Some(erased)
        }
        None => None,
    };
    if !book.forget(case).map_err(of_book)? {
        return Err(unknown(case));
    }
    let mut value = erased.as_ref().map_or(json!({}), Erased::to_json);
    value["forgotten"] = json!(case);
    output.show(&value, || {
        output.line(output.say(
            "The opening is destroyed: the thread in the log stays, and nobody can tell whose it is.",
            "أُتلف ما يفتح الالتزام: يبقى الخيط في السجل ولا يستطيع أحد معرفة صاحبه.",
        ));
        if let Some(erased) = &erased {
            erased.print(output);
        }
    })
}

/// Everything that was exchanged in a case: what its page names, and each try in between, which the journal knows.
fn exchanged(home: &Home, found: &CaseFile) -> Result<BTreeSet<ExchangeId>, Failure> {
    let named = found.sent.iter().flat_map(|sent| {
        let last = sent.ended.as_ref().map(|(_, last)| *last);
        [sent.exchange].into_iter().chain(last)
    });
    let mut exchanges: BTreeSet<ExchangeId> = named.collect();
    let commitment = found.case.commitment();
    let journal = home.path(&home.config().journal.dir);
    let told = read::read(&journal, |record| {
        let header = record.request.as_ref();
        let header = header.and_then(|request| RequestHeader::open(&request.header).ok());
        if header.is_some_and(|header| header.case_reference == Some(commitment)) {
            exchanges.insert(record.exchange);
        }
    });
    told.map_err(Failure::unavailable)?;
    Ok(exchanges)
}

fn head(found: &CaseFile) -> Value {
    json!({
        "case": found.case.reference(),
        "case_reference": found.case.commitment().to_string(),
        "begun_at": time_of_ms(found.begun_ms),
        "sent": found.sent.len(),
    })
}

fn sent_json(sent: &Sent) -> Value {
    let ended = sent.ended.as_ref();
    json!({
        "composition": sent.composition,
        "part": sent.part,
        "first_exchange": sent.exchange.to_string(),
        "exchange_id": ended.map_or(sent.exchange, |(_, last)| *last).to_string(),
        "outcome": ended.map(|(outcome, _)| outcome),
        "at": time_of_ms(sent.at_ms),
    })
}

fn unknown(case: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        [
            format!("This home has no case '{case}'"),
            format!("لا توجد في هذا المجلد حالة باسم '{case}'"),
        ],
        [
            "`mohawel compose list` shows those that there are.",
            "يعرض الأمر mohawel compose list الحالات الموجودة.",
        ],
    )
}
