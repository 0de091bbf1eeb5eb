//! `mohawel log-key …`: which key signs the log, which did before, and the next one.
//!
//! Takes a switch's folder, or a copy of a log. Rotating makes a key file and leaves a request beside it, nothing else: the
//! next start of the switch, which alone may write to the log, seals and records it. So it can be done while the switch
//! runs, can be taken back until then, and a step that was cut short is done again by the same command.

use std::fs;
use std::path::{Path, PathBuf};

use audit::checkpoint::LogKey;
use audit::clock::Clock;
use audit::verify::VKEY_FILE;
use broker::Config;
use broker::switch::{LogKeyFile, LogKeyFiles, Rotation};
use certs::{SealAlgorithm, SealKeyFile};
use proto::key::Signer as _;
use serde::Serialize;
use serde_json::json;

use super::switch_dir::{SwitchDir, in_file};
use crate::args::{LogKeys, OfLog, RotateLogKey};
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

const DAY_MS: u64 = 86_400_000;

/// Shows, lists, rotates.
///
/// # Errors
/// What cannot be read, and why a rotation cannot be asked for now.
pub fn run(keys: LogKeys, output: Output) -> Result<(), Failure> {
    match keys {
        LogKeys::Show(log) => show(&log, output),
        LogKeys::List(log) => list(&log, output),
        LogKeys::Rotate(asked) if asked.cancel => cancel(&asked, output),
        LogKeys::Rotate(asked) => rotate(&asked, &Clock::System, output),
    }
}

/// A log's keys, and of a switch also the files.
struct Keys {
    key: LogKey,
    of_switch: Option<(PathBuf, LogKeyFiles)>,
}

impl Keys {
    fn of(log: &OfLog) -> Result<Self, Failure> {
        match (&log.switch, &log.log) {
            (Some(switch), _) => Self::of_switch(&SwitchDir::new(switch)),
            (None, Some(dir)) => Ok(Self {
                key: beside(dir)?,
                of_switch: None,
            }),
            (None, None) => Err(Failure::usage("name a switch or a log")),
        }
    }

    fn of_switch(switch: &SwitchDir) -> Result<Self, Failure> {
        let config = Config::load(&switch.config()).map_err(Failure::usage)?;
        let path = config.log.key;
        let files = LogKeyFiles::load(&path).map_err(|error| in_file(&path, error))?;
        Ok(Self {
            key: beside(&config.log.dir)?,
            of_switch: Some((path, files)),
        })
    }
}

/// The key beside the log, and those that followed it.
fn beside(dir: &Path) -> Result<LogKey, Failure> {
    let path = dir.join(VKEY_FILE);
    let text = fs::read_to_string(&path).map_err(|error| in_file(&path, error))?;
    let key = LogKey::from_vkey(&text).map_err(|error| in_file(&path, error))?;
    key.follow_beside(dir).map_err(Failure::untrusted)?;
    Ok(key)
}

fn show(log: &OfLog, output: Output) -> Result<(), Failure> {
    let vkey = Keys::of(log)?.key.newest().to_vkey();
    output.show(&json!({ "log_vkey": vkey }), || output.line(&vkey))
}

/// One key of a log.
#[derive(Debug, Serialize)]
struct Row {
    log_vkey: String,
    /// Checkpoints of more entries than this are signed by it; `None` for a key that waits for the next start.
    from_entry: Option<u64>,
    /// Entry by which it was followed.
    followed_at: Option<u64>,
    /// RFC 3339: until when it signs besides the next one.
    signs_until: Option<String>,
    state: &'static str,
    file: Option<String>,
}

fn rows(keys: &Keys, now_ms: u64) -> Result<Vec<Row>, Failure> {
    let known = keys.key.successions();
    let file = |key: &proto::key::PublicKey| {
        let (_, files) = keys.of_switch.as_ref()?;
        Some(files.path_of(key)?.display().to_string())
    };
    let first = keys.key.first();
    let begun =
        std::iter::once((first, 0)).chain(known.iter().map(|one| (one.next.clone(), one.index)));
    let mut rows: Vec<Row> = begun
        .enumerate()
        .map(|(at, (key, from))| {
            let followed = known.get(at);
            let overlap_until_ms = followed.map(|one| one.overlap_until_ms);
            Row {
                log_vkey: key.to_vkey(),
                from_entry: Some(from),
                followed_at: followed.map(|one| one.index),
                signs_until: overlap_until_ms.map(time_of_ms),
                state: match overlap_until_ms {
                    None => "signs",
                    Some(until_ms) if now_ms < until_ms => "overlap",
                    Some(_) => "ended",
                },
                file: file(key.public()),
            }
        })
        .collect();
    if let Some(asked) = asked(keys)? {
        let key = LogKey::from_vkey(&asked.key).map_err(Failure::usage)?;
        if !keys.key.has(&key) {
            rows.push(Row {
                file: file(key.note_key().public()),
                log_vkey: asked.key,
                from_entry: None,
                followed_at: None,
                signs_until: None,
                state: "waits",
            });
        }
    }
    Ok(rows)
}

fn asked(keys: &Keys) -> Result<Option<Rotation>, Failure> {
    match &keys.of_switch {
        Some((path, _)) => Rotation::read(path).map_err(Failure::usage),
        None => Ok(None),
    }
}

fn list(log: &OfLog, output: Output) -> Result<(), Failure> {
    let keys = Keys::of(log)?;
    let rows = rows(&keys, Clock::System.now_ms())?;
    output.show(&json!({ "log_keys": rows }), || {
        let number =
            |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        output.table(
            [
                output.say("log key", "مفتاح السجل"),
                output.say("from entry", "من القيد"),
                output.say("followed at", "خُلف عند القيد"),
                output.say("signs until", "يوقّع حتى"),
                output.say("state", "الحالة"),
                output.say("file", "الملف"),
            ],
            rows.iter().map(|row| {
                [
                    row.log_vkey.clone(),
                    number(row.from_entry),
                    number(row.followed_at),
                    row.signs_until.clone().unwrap_or_default(),
                    state(row.state, output).to_owned(),
                    row.file.clone().unwrap_or_default(),
                ]
            }),
        );
    })
}

fn state(state: &str, output: Output) -> &'static str {
    let (english, arabic) = match state {
        "signs" => ("signs", "يوقّع"),
        "overlap" => ("signs besides the next one", "يوقّع إلى جانب خلفه"),
        "ended" => ("ended: its file may be destroyed", "انتهى ويجوز إتلاف ملفه"),
        _ => ("waits for the next start", "ينتظر بدء التشغيل التالي"),
    };
    output.say(english, arabic)
}

fn rotate(asked: &RotateLogKey, clock: &Clock, output: Output) -> Result<(), Failure> {
    let switch = SwitchDir::new(&asked.switch);
    let keys = Keys::of_switch(&switch)?;
    let Some((path, files)) = &keys.of_switch else {
        return Err(Failure::usage("name a switch"));
    };
    let now_ms = clock.now_ms();
    may_rotate(&keys, files, now_ms)?;
    let overlap_ms = u64::from(asked.overlap_days) * DAY_MS;
    // One that an earlier call made and no start has recorded is taken up again.
    let unused = files.files().find(|(_, file)| {
        LogKey::new(keys.key.origin(), file.key()).is_ok_and(|key| !keys.key.has(&key))
    });
    let free = LogKeyFiles::free(path).ok_or_else(|| {
        Failure::usage(format!("{}: too many key files beside it", path.display()))
    })?;
    if asked.check {
        let value = json!({ "would_rotate": true, "overlap_days": asked.overlap_days, "from": keys.key.newest().to_vkey() });
        return output.show(&value, || {
            output.line(output.say(
                "It could be rotated now; nothing was done.",
                "يمكن تدوير المفتاح الآن، ولم يُنفَّذ شيء.",
            ));
        });
    }
    let (file, next) = match unused {
        Some((file, key)) => (file.to_owned(), key.key().clone()),
        None => {
            let seal =
                SealKeyFile::generate(SealAlgorithm::Ed25519).map_err(Failure::unavailable)?;
            let key = LogKeyFile::new(seal).map_err(Failure::unavailable)?;
            key.save(&free).map_err(|error| in_file(&free, error))?;
            (free, key.key().clone())
        }
    };
    let vkey = LogKey::new(keys.key.origin(), &next)
        .map_err(Failure::usage)?
        .to_vkey();
    let request = Rotation {
        key: vkey.clone(),
        overlap_ms,
    };
    request
        .write(path)
        .map_err(|error| in_file(&Rotation::file(path), error))?;
    let value = json!({
        "log_vkey": vkey,
        "file": file.display().to_string(),
        "overlap_days": asked.overlap_days,
        "recorded": false,
    });
    output.show(&value, || {
        output.line(format!("{}: {vkey}", output.say("next log key", "مفتاح السجل التالي")));
        output.line(format!("{}: {}", output.say("its file", "ملفه"), file.display()));
        output.line(output.say(
            "Back it up, then restart the switch: that start records it, sealed by both keys. Until then nothing has changed.",
            "انسخه احتياطيًا ثم أعد تشغيل المحوِّل: يسجّله ذلك التشغيل مختومًا بالمفتاحين، ولا يتغير شيء قبله.",
        ));
    })
}

/// Whether the log's keys are as they must be before another one comes.
fn may_rotate(keys: &Keys, files: &LogKeyFiles, now_ms: u64) -> Result<(), Failure> {
    let newest = keys.key.newest();
    if files.path_of(newest.public()).is_none() {
        return Err(Failure::usage(format!(
            "the file of {}, which signs now, is not here: bring it back first, it must seal the next one",
            newest.to_vkey()
        )));
    }
    let known = keys.key.successions();
    match known.last().filter(|last| now_ms < last.overlap_until_ms) {
        None => Ok(()),
        Some(last) => {
            let until = time_of_ms(last.overlap_until_ms);
            Err(Failure::new(
                Exit::Usage,
                [
                    format!(
                        "Two keys sign side by side until {until}: a third one cannot come before that."
                    ),
                    format!("يوقّع مفتاحان معًا حتى {until}، ولا يمكن أن يأتي ثالث قبل ذلك."),
                ],
                ["Rotate again after that.", "أعد المحاولة بعد ذلك الوقت."],
            ))
        }
    }
}

fn cancel(asked: &RotateLogKey, output: Output) -> Result<(), Failure> {
    let config = Config::load(&SwitchDir::new(&asked.switch).config()).map_err(Failure::usage)?;
    let path = config.log.key;
    let file = Rotation::file(&path);
    if !file.exists() {
        return Err(Failure::usage(format!(
            "{}: no rotation waits; `mohawel log-key list` tells what was recorded",
            file.display()
        )));
    }
    Rotation::remove(&path).map_err(|error| in_file(&file, error))?;
    output.show(&json!({ "cancelled": true }), || {
        output.line(output.say(
            "Taken back. The key's file stays, and the next rotation uses it.",
            "سُحب الطلب. يبقى ملف المفتاح وتستخدمه عملية التدوير التالية.",
        ));
    })
}

#[cfg(test)]
mod tests;
