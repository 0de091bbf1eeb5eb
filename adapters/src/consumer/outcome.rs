//! What comes of asking: an answer that was proved, or the one of five ways in which there is none.

use std::fmt;
use std::time::Duration;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::commitment::Salt;
use proto::header::{AnswerHeader, AnswerStatus};
use proto::id::{ExchangeId, Part, SystemId};
use proto::refusal::Code;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::verify::Untrusted;
use crate::error::Distrust;

/// A proved answer. `Debug` never shows the payload.
#[derive(Clone)]
pub struct Answer {
    /// The provider's bytes, as its sealed header commits to them.
    pub payload: Bytes,
    /// Their media type.
    pub content_type: String,
    /// The fields returned.
    pub fields: Vec<Part>,
    /// How the provider ended it: answered, where [`super::Ask::send`] gives `Ok`.
    pub status: AnswerStatus,
    /// This exchange.
    pub exchange_id: ExchangeId,
    /// The request's entry in the log.
    pub request_index: u64,
    /// What the log's writer and the switch added to the request: with its header and seal, the entry that the closing
    /// entry names.
    pub request_entry: super::verify::Recorded,
    /// The closing entry.
    pub closing_index: u64,
    /// The receipt of the closing entry, verified. Keep it with header, seal, salt and payload: together they are evidence.
    pub receipt: Receipt,
    /// The provider's sealed header, opened.
    pub header: AnswerHeader,
    /// Header and seal as they came; salt and payload, too, or as they were under the encryption.
    pub envelope: proto::envelope::Envelope,
}

impl Answer {
    /// Reads the payload as JSON.
    ///
    /// # Errors
    /// The payload is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.payload)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Answer({}, {}, entries {} and {}, {} bytes)",
            self.exchange_id,
            self.status.name(),
            self.request_index,
            self.closing_index,
            self.payload.len()
        )
    }
}

/// The first try of a question: what a retry names, and the salt that makes it the same question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The first exchange.
    pub exchange_id: ExchangeId,
    /// The salt of its payload commitment.
    pub salt: Salt,
}

/// A refusal of the switch, or an end without an answer.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The stable code.
    pub code: Code,
    /// This exchange.
    pub exchange_id: ExchangeId,
    /// The clause that decided, where one did.
    pub clause: Option<String>,
    /// The agreement that was judged, as the switch names it.
    pub agreement: Option<String>,
    /// The grant inside it, from 1.
    pub grant: Option<u32>,
    /// With `operation_disabled`: what the provider says about it, in Arabic.
    pub notice_ar: Option<String>,
    /// The same, in English.
    pub notice_en: Option<String>,
    /// With `duplicate`: how the first exchange ended, or `open`.
    pub first_outcome: Option<String>,
    /// What happened, in English.
    pub sentence: &'static str,
    /// What to do, in English.
    pub remedy: &'static str,
    /// What happened, in Arabic.
    pub sentence_ar: &'static str,
    /// What to do, in Arabic.
    pub remedy_ar: &'static str,
    /// How long to wait before trying again, where the switch says so.
    pub retry_after: Option<Duration>,
    /// The receipt of the refusal's entry, where there is one.
    pub receipt: Option<Receipt>,
    /// Whether the receipt proves that the log holds a refusal or an end of this very exchange.
    pub proven: bool,
    /// What a retry names.
    pub attempt: Attempt,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The request was not complete; nothing left this process.
    #[error("not sent: {0}")]
    Unsent(String),
    /// What is asked is sealed to this system, which has bound no key for it. Nothing of it was sent.
    #[error(
        "not sent: it goes sealed or not at all, and {0} has bound no encryption key; ask its administrators for `mohawel adapter encryption-key`"
    )]
    NoEncryptionKey(SystemId),
    /// The switch refused, or ended the exchange without an answer.
    #[error("{}{} ({}{}) {}", .0.sentence, .0.notice_en.as_deref().map(|notice| format!(" It says: {notice}")).unwrap_or_default(), .0.code, .0.clause.as_deref().map(|clause| format!(", {clause}")).unwrap_or_default(), .0.remedy)]
    Refused(Box<Refused>),
    /// The provider answered, and not with a result. The answer is proved like any other.
    #[error("the provider says '{}' to exchange {}; it stands in the log at {}", .answer.status.name(), .answer.exchange_id, .answer.closing_index)]
    Provider {
        /// Its own class of error.
        status: AnswerStatus,
        /// The proved answer, without a payload.
        answer: Box<Answer>,
    },
    /// What came back is not what an honest switch and provider send. Nothing of it was handed out.
    #[error(
        "the answer to exchange {exchange_id} is not trusted: {reason}. Keep the exchange id and tell the auditor"
    )]
    Untrusted {
        /// What does not hold.
        #[source]
        reason: Untrusted,
        /// This exchange.
        exchange_id: ExchangeId,
        /// Whether a sealed dispute about it stands in the log.
        disputed: bool,
    },
    /// The switch is no longer believed; nothing is asked any more.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// The switch could not be reached, or the connection broke. Whether the provider answered is not known.
    #[error("exchange {} did not come through: {reason}. Ask again with attempt_of", .attempt.exchange_id)]
    Transport {
        /// What the network said.
        reason: String,
        /// What a retry names.
        attempt: Attempt,
    },
    /// This adapter could not seal.
    #[error("not sent: {0}")]
    Sealer(#[from] crate::sealer::SealerError),
}

impl ExchangeError {
    /// The refusal code, where there is one: the switch's, or the provider's adapter's.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refused) => Some(refused.code),
            Self::Provider {
                status: AnswerStatus::Refused(code),
                ..
            } => Some(*code),
            _ => None,
        }
    }

    /// What a retry names, where one makes sense.
    pub fn attempt(&self) -> Option<Attempt> {
        match self {
            Self::Refused(refused) => Some(refused.attempt),
            Self::Transport { attempt, .. } => Some(*attempt),
            _ => None,
        }
    }

    /// Whether asking the very same again is safe and may help.
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Refused(refused) => matches!(
                refused.code,
                Code::ProviderOffline | Code::Overloaded | Code::RateLimited | Code::Deadline
            ),
            Self::Transport { .. } => true,
            _ => false,
        }
    }
}

/// Why there is no whole stream.
#[derive(Debug, Error)]
pub enum StreamError {
    /// It did not begin: as of any exchange.
    #[error(transparent)]
    NotBegun(#[from] ExchangeError),
    /// It began and has no end that holds.
    #[error(
        "the answer to exchange {exchange_id} is void: {reason} Nothing of the {received} bytes that came may be used"
    )]
    Void {
        /// This exchange.
        exchange_id: ExchangeId,
        /// Bytes that came.
        received: u64,
        /// What ended it.
        reason: Box<ExchangeError>,
    },
    /// It could not be written.
    #[error("{path}: {cause}", path = .path.display())]
    File {
        /// Where.
        path: std::path::PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
}
