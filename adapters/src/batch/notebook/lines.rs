//! The lines of a notebook, written and read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proto::case::Case;
use proto::commitment::Salt;
use proto::header::AnswerStatus;
use proto::id::ExchangeId;
use proto::items::ItemResult;
use serde_json::{Value, json};

use super::{Opening, VERSION};
use crate::batch::{Cut, Question};

/// How items ended, and how many did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With a result.
    pub answered: u64,
    /// The register has no such record.
    pub not_found: u64,
    /// Nobody can answer such an item.
    pub invalid: u64,
    /// The backend could not answer then.
    pub unavailable: u64,
    /// The backend broke at it.
    pub failed: u64,
}

impl Counts {
    /// Counts results.
    pub fn of(results: &[ItemResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            *match result.status {
                AnswerStatus::Answered => &mut counts.answered,
                AnswerStatus::NotFound => &mut counts.not_found,
                AnswerStatus::InvalidRequest => &mut counts.invalid,
                AnswerStatus::Unavailable => &mut counts.unavailable,
                AnswerStatus::Failed | AnswerStatus::Refused(_) => &mut counts.failed,
            } += 1;
        }
        counts
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.not_found += other.not_found;
        self.invalid += other.invalid;
        self.unavailable += other.unavailable;
        self.failed += other.failed;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.answered + self.not_found + self.invalid + self.unavailable + self.failed
    }

    /// Those that asking again may help.
    pub fn unfinished(&self) -> u64 {
        self.unavailable + self.failed
    }

    /// For machines.
    pub fn to_json(self) -> Value {
        json!({
            "answered": self.answered,
            "not_found": self.not_found,
            "invalid_request": self.invalid,
            "unavailable": self.unavailable,
            "failed": self.failed,
        })
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            answered: value["answered"].as_u64()?,
            not_found: value["not_found"].as_u64()?,
            invalid: value["invalid_request"].as_u64()?,
            unavailable: value["unavailable"].as_u64()?,
            failed: value["failed"].as_u64()?,
        })
    }
}

/// A segment whose results were written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Which, from 0.
    pub segment: u64,
    /// The try that was answered.
    pub exchange: ExchangeId,
    /// Its request's entry in the log.
    pub request_index: u64,
    /// Its closing entry.
    pub closing_index: u64,
    /// Bytes of results up to its end.
    pub written: u64,
    /// How its items ended.
    pub counts: Counts,
    /// Unix time, milliseconds.
    pub at_ms: u64,
}

impl Done {
    pub(super) fn to_line(self) -> Value {
        json!({
            "done": self.segment,
            "exchange": self.exchange.to_string(),
            "request": self.request_index,
            "closing": self.closing_index,
            "written": self.written,
            "counts": self.counts.to_json(),
            "at_ms": self.at_ms,
        })
    }

    fn read(line: &Value) -> Option<Self> {
        Some(Self {
            segment: line["done"].as_u64()?,
            exchange: ExchangeId::parse(line["exchange"].as_str()?)?,
            request_index: line["request"].as_u64()?,
            closing_index: line["closing"].as_u64()?,
            written: line["written"].as_u64()?,
            counts: Counts::read(&line["counts"])?,
            at_ms: line["at_ms"].as_u64()?,
        })
    }
}

/// A batch as its notebook says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The opening of what the log knows it by.
    pub case: Case,
    /// The salt that its segments' salts are made from.
    pub(in crate::batch) salt: Salt,
    /// What is asked of every item.
    pub question: Question,
    /// Its items, cut.
    pub cut: Cut,
    /// Where the results go.
    pub out: PathBuf,
    /// Unix time, milliseconds.
    pub begun_ms: u64,
    /// The first try of each segment that was sent.
    pub(super) sent: BTreeMap<u64, ExchangeId>,
    /// Segments that are done, in order.
    pub done: Vec<Done>,
}

impl Known {
    /// Its name.
    pub fn name(&self) -> &str {
        self.case.reference()
    }

    /// Whether every segment is done.
    pub fn is_complete(&self) -> bool {
        self.done.len() as u64 == self.cut.segments()
    }

    /// How the items ended that are done.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.done.iter().for_each(|done| counts.add(done.counts));
        counts
    }

    /// Bytes of results that stand.
    pub fn written(&self) -> u64 {
        self.done.last().map_or(0, |done| done.written)
    }
}

/// The first line of a notebook.
pub(super) fn first(name: &str, opening: &Opening, case_salt: &Salt) -> Value {
    let question = &opening.question;
    json!({
        "version": VERSION,
        "batch": name,
        "salt": hex::encode(opening.salt.0),
        "case_salt": hex::encode(case_salt.0),
        "question": {
            "service": question.service,
            "operation": question.operation,
            "purpose": question.purpose,
            "fields": question.fields,
            "content_type": question.content_type,
        },
        "segment": opening.cut.segment,
        "total": opening.cut.total,
        "roots": hex::encode(opening.cut.roots()),
        "out": opening.out.display().to_string(),
        "begun_ms": opening.begun_ms,
    })
}

pub(super) fn opening(line: &[u8]) -> Option<Known> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let salt = |name: &str| Salt::from_slice(&hex::decode(line[name].as_str()?).ok()?).ok();
    let asked = &line["question"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let segment = u32::try_from(line["segment"].as_u64()?).ok()?;
    let fields = asked["fields"].as_array()?.iter().map(text);
    let roots = hex::decode(line["roots"].as_str()?).ok()?;
    (line["version"] == VERSION).then_some(Known {
        case: Case::open(line["batch"].as_str()?, salt("case_salt")?).ok()?,
        salt: salt("salt")?,
        question: Question {
            service: text(&asked["service"])?,
            operation: text(&asked["operation"])?,
            purpose: text(&asked["purpose"])?,
            fields: fields.collect::<Option<_>>()?,
            content_type: text(&asked["content_type"])?,
        },
        cut: Cut::kept(segment, line["total"].as_u64()?, &roots)?,
        out: PathBuf::from(text(&line["out"])?),
        begun_ms: line["begun_ms"].as_u64()?,
        sent: BTreeMap::new(),
        done: Vec::new(),
    })
}

pub(super) fn add(known: &mut Known, line: &[u8]) -> Option<()> {
    let line: Value = serde_json::from_slice(line).ok()?;
    if line["done"].is_u64() {
        let done = Done::read(&line)?;
        // In order, none left out.
        if done.segment != known.done.len() as u64 {
            return None;
        }
        known.done.push(done);
        return Some(());
    }
    let exchange = ExchangeId::parse(line["exchange"].as_str()?)?;
    known.sent.insert(line["sent"].as_u64()?, exchange);
    Some(())
}
