//! What came of each part: an answer, why there is none, or why it was not even asked.

use proto::id::ExchangeId;
use proto::refusal::Language;
use serde_json::{Map, Value};

use crate::consumer::{Answer, ExchangeError};
use crate::provider::contract::is_json;

/// The end of one part.
#[derive(Debug)]
pub struct Outcome {
    /// Its place in the composition.
    pub part: usize,
    /// How it ended.
    pub end: End,
    /// The last exchange that was sent for it, if any.
    pub exchange: Option<ExchangeId>,
    /// The first one, where the last was a retry.
    pub attempt_of: Option<ExchangeId>,
    /// Milliseconds from the case's beginning.
    pub after_ms: u64,
}

/// How a part ended.
#[derive(Debug)]
pub enum End {
    /// The provider answered, and everything about it was proved.
    Answered {
        /// The answer.
        answer: Box<Answer>,
        /// What it says; `None` when its payload is no JSON object.
        rows: Option<Rows>,
    },
    /// It acts, was done in an earlier run of the case, and is not done again.
    Earlier {
        /// The exchange that did it.
        exchange: ExchangeId,
        /// What was answered then, where this home's journal still keeps it.
        rows: Option<Rows>,
    },
    /// It was asked, and brought no answer.
    NoAnswer(Box<ExchangeError>),
    /// It was not asked.
    NotAsked(NotAsked),
}

impl Outcome {
    /// Whether what needs this part can go on.
    pub fn is_done(&self) -> bool {
        matches!(self.end, End::Answered { .. } | End::Earlier { .. })
    }
}

/// The rows of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Each with the fields that were asked for.
    pub rows: Vec<Map<String, Value>>,
    /// Whether the provider cut them.
    pub truncated: bool,
}

impl Rows {
    /// Reads a payload: rows as stock providers give them, or else one object as the one row.
    pub(super) fn read(content_type: &str, payload: &[u8]) -> Option<Self> {
        if !is_json(content_type) {
            return None;
        }
        let Value::Object(mut answer) = serde_json::from_slice(payload).ok()? else {
            return None;
        };
        let is_stock = answer.len() == 2 && answer.get("truncated").is_some_and(Value::is_boolean);
        if !is_stock || !answer.get("rows").is_some_and(Value::is_array) {
            return Some(Self {
                rows: vec![answer],
                truncated: false,
            });
        }
        let truncated = answer.get("truncated") == Some(&Value::Bool(true));
        let Some(Value::Array(rows)) = answer.remove("rows") else {
            return None;
        };
        let rows = rows.into_iter().map(|row| match row {
            Value::Object(row) => Some(row),
            _ => None,
        });
        Some(Self {
            rows: rows.collect::<Option<_>>()?,
            truncated,
        })
    }
}

/// Why a part was not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// This part, which it needs, has no answer.
    Needs(String),
    /// The part and field that it needs are empty.
    NoValue((String, String)),
    /// The part and field that it needs have several values; how many.
    ManyRows((String, String), usize),
    /// The case's time was over.
    Deadline,
    /// It acts, and how an earlier run of it ended is not known.
    EndUnknown(ExchangeId),
    /// What is to be sent could not be written down first.
    Unwritten(String),
}

impl NotAsked {
    /// The stable word in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Needs(_) => "needs_part",
            Self::NoValue(_) => "no_value",
            Self::ManyRows(..) => "many_rows",
            Self::Deadline => "case_deadline",
            Self::EndUnknown(_) => "end_unknown",
            Self::Unwritten(_) => "unwritten",
        }
    }

    /// What happened.
    pub fn sentence(&self, language: Language) -> String {
        let say = |english: String, arabic: String| match language {
            Language::English => english,
            Language::Arabic => arabic,
        };
        match self {
            Self::Needs(part) => say(
                format!("Not asked: it needs '{part}', which has no answer."),
                format!("لم يُسأل: يحتاج إلى '{part}' الذي لم يأتِ له رد."),
            ),
            Self::NoValue((part, field)) => say(
                format!("Not asked: '{part}' gave no value for '{field}'."),
                format!("لم يُسأل: لم يعطِ '{part}' قيمة للحقل '{field}'."),
            ),
            Self::ManyRows((part, field), rows) => say(
                format!("Not asked: '{part}' gave {rows} rows, so '{field}' is not one value."),
                format!(
                    "لم يُسأل: أعطى '{part}' عدد {rows} من السجلات، فليس للحقل '{field}' قيمة واحدة."
                ),
            ),
            Self::Deadline => say(
                "Not asked: the time of the case was over.".to_owned(),
                "لم يُسأل: انتهى وقت الحالة.".to_owned(),
            ),
            Self::EndUnknown(exchange) => say(
                format!(
                    "Not asked again: it acts, and how exchange {exchange} ended is not known."
                ),
                format!(
                    "لم يُسأل مرة أخرى: هذا الجزء ينفّذ إجراءً، ولا يُعرف كيف انتهى التبادل {exchange}."
                ),
            ),
            Self::Unwritten(why) => say(
                format!("Not asked: what is sent is written down first, and that failed: {why}"),
                format!("لم يُسأل: يُدوَّن ما يُرسل قبل إرساله، وتعذّر ذلك: {why}"),
            ),
        }
    }

    /// What to do.
    pub fn remedy(&self, language: Language) -> &'static str {
        let [english, arabic] = match self {
            Self::Needs(_) => [
                "See why that part has no answer, then run the case again under the same reference.",
                "راجع سبب عدم وصول رد ذلك الجزء، ثم أعد تشغيل الحالة بالمرجع نفسه.",
            ],
            Self::NoValue(_) | Self::ManyRows(..) => [
                "Ask the agency about this record; the rest of the case stands.",
                "اسأل الجهة عن هذا السجل؛ وتبقى بقية الحالة كما هي.",
            ],
            Self::Deadline => [
                "Run the case again under the same reference, or give it more time in the file (deadline_ms).",
                "أعد تشغيل الحالة بالمرجع نفسه، أو امنحها وقتًا أطول في الملف (deadline_ms).",
            ],
            Self::EndUnknown(_) => [
                "Ask the provider about that exchange; if it was not done, repeat the part with --again.",
                "اسأل الجهة المزوِّدة عن ذلك التبادل؛ ثم أعد الجزء بالخيار ‎--again‎ إن لم يكن قد نُفّذ.",
            ],
            Self::Unwritten(_) => [
                "Look at the disk of this home, then run the case again.",
                "راجع قرص هذا المجلد، ثم أعد تشغيل الحالة.",
            ],
        };
        match language {
            Language::English => english,
            Language::Arabic => arabic,
        }
    }
}
