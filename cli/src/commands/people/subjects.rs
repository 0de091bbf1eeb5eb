//! `mohawel audit subjects`: whether the headers in the log name the persons whom disclosed payloads name.
//!
//! Takes what the parties of exchanges disclosed, and the keys. A payload counts only when it is what the sealed header
//! commits to, so both sides' files of one exchange either hold the same payload or one of them is told to be another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use adapters::subjects::{KeyFile, Start, persons, pseudonyms};
use audit::people::{self, Requested};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto::digest::Digest;
use proto::header::Subject;
use proto::id::ExchangeId;
use proto::limits::PAYLOAD_BYTES_MAX;
use proto::subject::SubjectKey;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{open_masters, proven, standing_json};
use crate::args::{Masters, Subjects};
use crate::commands::audit::{directory, given_key};
use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Bytes of a disclosure at most: payloads of both directions in base64, and the rest.
const DISCLOSURE_BYTES_MAX: u64 = 4 * PAYLOAD_BYTES_MAX as u64;

/// What a party disclosed. What else stands in the file is for others.
#[derive(Deserialize)]
struct Shape {
    exchange_id: String,
    request: Side,
}

#[derive(Deserialize)]
struct Side {
    salt: String,
    payload: String,
}

struct Disclosed {
    path: PathBuf,
    exchange: ExchangeId,
    salt: Vec<u8>,
    payload: Vec<u8>,
}

/// What a disclosure shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The header names exactly the persons of the payload, under this epoch's key.
    Named(u32),
    /// It names others, or too few, or too many.
    Mismatch,
    /// The payload is not what the header commits to.
    OtherPayload,
    /// No such exchange in the log.
    Absent,
    /// The contract marks nobody.
    Unmarked,
    /// None of the keys is of this agreement.
    NoKey,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Named(_) => "named",
            Self::Mismatch => "subject_mismatch",
            Self::OtherPayload => "payload_mismatch",
            Self::Absent => "not_in_the_log",
            Self::Unmarked => "nobody_marked",
            Self::NoKey => "no_key",
        }
    }

    fn told(self, output: Output) -> &'static str {
        match self {
            Self::Named(_) => output.say(
                "the header names these persons",
                "الترويسة تذكر هؤلاء الأشخاص",
            ),
            Self::Mismatch => output.say(
                "the header names other persons",
                "الترويسة تذكر أشخاصًا آخرين",
            ),
            Self::OtherPayload => {
                output.say("not the payload that was sealed", "ليس المحتوى الذي خُتم")
            }
            Self::Absent => output.say(
                "no such exchange in this log",
                "لا يوجد هذا التبادل في السجل",
            ),
            Self::Unmarked => output.say("the contract marks nobody", "العقد لا يحدد أشخاصًا"),
            Self::NoKey => output.say("no key of this agreement", "لا مفتاح لهذه الاتفاقية"),
        }
    }

    /// Whether somebody has to explain it.
    fn is_finding(self) -> bool {
        matches!(self, Self::Mismatch | Self::OtherPayload | Self::Absent)
    }
}

/// With what pseudonyms are made again.
enum Keys {
    Masters(people::Masters),
    Files(Vec<KeyFile>),
}

impl Keys {
    fn of(&self, agreement: &Digest) -> Vec<(u32, SubjectKey)> {
        match self {
            Self::Masters(masters) => masters
                .iter()
                .filter_map(|(epoch, master)| Some((*epoch, master.key(agreement).ok()?)))
                .collect(),
            Self::Files(files) => files
                .iter()
                .filter(|file| file.agreement == *agreement)
                .map(|file| (file.epoch, file.key.clone()))
                .collect(),
        }
    }
}

/// Compares and prints.
///
/// # Errors
/// [`Exit::Found`] when a header names others than its payload, or a payload is not what was sealed.
pub fn run(subjects: &Subjects, output: Output) -> Result<(), Failure> {
    let dir = directory(&subjects.log)?;
    let disclosed: Vec<_> = subjects
        .disclosed
        .iter()
        .map(|path| read(path))
        .collect::<Result<_, _>>()?;
    let keys = keys(subjects, output)?;
    let ids: BTreeSet<_> = disclosed.iter().map(|one| one.exchange).collect();
    let bar = output.progress(0, "reading the log", "جارٍ قراءة السجل");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let found = people::requests(dir, given_key(&subjects.log)?, Some(&mut on_progress), &ids);
    bar.finish_and_clear();
    let judged: Vec<_> = disclosed
        .iter()
        .map(|one| (one, judge(one, &found.found, &keys)))
        .collect();
    show(standing_json(&found.files, &found.faults), &judged, output)?;
    proven(&found.files, &found.faults, output)?;
    let findings = judged
        .iter()
        .filter(|(_, (verdict, _))| verdict.is_finding())
        .count();
    if findings == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Found,
        [
            format!(
                "{findings} of {} disclosed file(s) and the log do not agree",
                judged.len()
            ),
            format!(
                "{findings} من {} من الملفات المقدَّمة لا توافق السجل",
                judged.len()
            ),
        ],
        [
            "Ask the side whose file it is. With subject_mismatch both sides must explain: the consumer named others, and the provider answered.",
            "اسأل الجهة صاحبة الملف. ومع subject_mismatch على الطرفين التفسير: السائل ذكر غيرهم والمزوّد أجاب.",
        ],
    ))
}

/// One file with what it shows, and of which entry.
type Judged<'a> = (&'a Disclosed, (Verdict, Option<u64>));

fn show(log: Value, judged: &[Judged<'_>], output: Output) -> Result<(), Failure> {
    let rows = judged.iter().map(|(one, (verdict, index))| {
        let epoch = match verdict {
            Verdict::Named(epoch) => Some(*epoch),
            _ => None,
        };
        json!({
            "file": one.path.display().to_string(),
            "exchange_id": one.exchange.to_string(),
            "index": index,
            "verdict": verdict.name(),
            "epoch": epoch,
        })
    });
    let value = json!({
        "log": log,
        "disclosed": rows.collect::<Vec<_>>(),
    });
    output.show(&value, || {
        let heading = [
            output.say("file", "الملف"),
            output.say("entry", "القيد"),
            output.say("exchange", "التبادل"),
            output.say("code", "الرمز"),
            output.say("finding", "النتيجة"),
        ];
        let rows = judged.iter().map(|(one, (verdict, index))| {
            [
                one.path.display().to_string(),
                index.map(|index| index.to_string()).unwrap_or_default(),
                one.exchange.to_string(),
                verdict.name().to_owned(),
                verdict.told(output).to_owned(),
            ]
        });
        output.table(heading, rows);
    })
}

fn keys(subjects: &Subjects, output: Output) -> Result<Keys, Failure> {
    if !subjects.subject_key.is_empty() {
        let files = subjects.subject_key.iter().map(|path| KeyFile::load(path));
        let files: Result<_, _> = files.collect();
        return files.map(Keys::Files).map_err(Failure::usage);
    }
    let Some(dir) = subjects.dir.clone() else {
        return Err(Failure::usage("name the keys, with --dir or --subject-key"));
    };
    let masters = Masters {
        dir,
        passphrase_file: subjects.passphrase_file.clone(),
    };
    open_masters(&masters, output).map(Keys::Masters)
}

fn read(path: &Path) -> Result<Disclosed, Failure> {
    let wrong = |error: &str| in_file(path, error);
    let size = std::fs::metadata(path)
        .map_err(|error| in_file(path, error))?
        .len();
    if size > DISCLOSURE_BYTES_MAX {
        return Err(wrong("it is larger than any disclosure"));
    }
    let bytes = std::fs::read(path).map_err(|error| in_file(path, error))?;
    // What serde says may repeat what stands there: a payload.
    let shape: Shape = serde_json::from_slice(&bytes).map_err(|_| {
        wrong("it is no disclosure: JSON with exchange_id and request {salt, payload}, both in base64")
    })?;
    let decode = |text: &str, what: &str| STANDARD.decode(text).map_err(|_| wrong(what));
    Ok(Disclosed {
        path: path.to_owned(),
        exchange: ExchangeId::parse(&shape.exchange_id)
            .ok_or_else(|| wrong("its exchange_id is not a UUIDv7"))?,
        salt: decode(&shape.request.salt, "its request's salt is not base64")?,
        payload: decode(
            &shape.request.payload,
            "its request's payload is not base64",
        )?,
    })
}

fn judge(
    disclosed: &Disclosed,
    found: &BTreeMap<ExchangeId, Vec<Requested>>,
    keys: &Keys,
) -> (Verdict, Option<u64>) {
    let Some(requests) = found.get(&disclosed.exchange) else {
        return (Verdict::Absent, None);
    };
    let opened = requests.iter().find(|request| {
        let commitment = &request.header.payload;
        commitment.open(&disclosed.payload, &disclosed.salt).is_ok()
    });
    match opened {
        Some(request) => (compare(disclosed, request, keys), Some(request.index)),
        None => (
            Verdict::OtherPayload,
            requests.first().map(|request| request.index),
        ),
    }
}

fn compare(disclosed: &Disclosed, request: &Requested, keys: &Keys) -> Verdict {
    let header = &request.header;
    if request.fields.is_empty() {
        return Verdict::Unmarked;
    }
    let keys = header
        .agreement
        .map(|agreement| keys.of(&agreement))
        .unwrap_or_default();
    if keys.is_empty() {
        return Verdict::NoKey;
    }
    let content_type = &header.payload.content_type;
    let named = persons(
        &request.fields,
        content_type,
        &disclosed.payload,
        Start::Either,
    );
    let Ok(named) = named else {
        return Verdict::Mismatch;
    };
    let same = |made: Vec<Subject>| {
        made.len() == header.subjects.len()
            && made.iter().all(|subject| header.subjects.contains(subject))
    };
    let epoch = keys
        .iter()
        .find(|(_, key)| pseudonyms(&named, key).is_ok_and(same))
        .map(|(epoch, _)| *epoch);
    epoch.map_or(Verdict::Mismatch, Verdict::Named)
}
