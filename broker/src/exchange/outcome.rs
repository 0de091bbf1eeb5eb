//! Outcomes without an answer: how a recorded request ends when nothing that holds came back.
//!
//! Takes the reason. Gives the facts of the one closing entry and the code that the caller hears. Two words, never
//! one: the log keeps the outcome and the clause, the caller gets its code.

use proto::facts::ExchangeFacts;
use proto::header::Outcome;
use proto::{Code, Digest};

use super::record::{Recorded, closing_facts};
use super::refusal::bytes_of;

/// A recorded request that got no answer that holds.
#[derive(Debug)]
pub(super) struct Fault {
    recorded: Recorded,
    cause: Cause,
    provider_us: u64,
}

/// What ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The deadline passed.
    Deadline,
    /// The caller hung up.
    HangUp,
    /// The provider's link ended.
    LinkLost,
    /// The switch was told to stop and could not wait any longer.
    Stopping,
    /// A stream that is no longer permitted.
    Cut(Code),
    /// A stream that the provider broke; a stable word.
    Stream(&'static str),
    /// A request in chunks that its caller broke.
    Upload {
        /// A stable word.
        word: String,
        /// What the caller hears.
        code: Code,
    },
    /// A stream that its caller does not read.
    NotRead,
    /// A stream that ran longer than any may.
    TooLong,
    /// The provider sent an answer that does not hold.
    Answer {
        /// Why it does not, a stable word.
        fault: String,
        /// SHA-256 of the header that came.
        header: Digest,
    },
}

impl Fault {
    /// Ends `recorded` because of `cause`, `provider_us` microseconds after it was delivered.
    pub(super) fn new(recorded: Recorded, cause: Cause, provider_us: u64) -> Self {
        Self {
            recorded,
            cause,
            provider_us,
        }
    }

    pub(super) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// What ended it.
    pub(super) fn cause(&self) -> &Cause {
        &self.cause
    }

    /// How the exchange is closed.
    pub(super) fn outcome(&self) -> Outcome {
        match self.cause {
            Cause::Deadline | Cause::TooLong => Outcome::Deadline,
            Cause::HangUp | Cause::Cut(_) | Cause::NotRead | Cause::Upload { .. } => {
                Outcome::Cancelled
            }
            Cause::LinkLost | Cause::Stream(_) | Cause::Answer { .. } => Outcome::ProviderFailed,
            Cause::Stopping => Outcome::Abandoned,
        }
    }

    /// What the caller hears.
    pub(super) fn code(&self) -> Code {
        match self.cause {
            // After a hang-up nobody hears it.
            Cause::Deadline | Cause::HangUp | Cause::NotRead | Cause::TooLong => Code::Deadline,
            Cause::LinkLost | Cause::Stopping | Cause::Stream(_) => Code::ProviderFailed,
            Cause::Cut(code) | Cause::Upload { code, .. } => code,
            Cause::Answer { .. } => Code::AnswerInvalid,
        }
    }

    /// What the log keeps beside the outcome.
    pub(super) fn clause(&self) -> Option<String> {
        match &self.cause {
            Cause::Deadline | Cause::HangUp => None,
            Cause::LinkLost => Some("link_lost".to_owned()),
            Cause::Stopping => Some("stopping".to_owned()),
            Cause::Cut(code) => Some(format!("cut: {code}")),
            Cause::Stream(word) => Some(format!("stream: {word}")),
            Cause::Upload { word, .. } => Some(format!("upload: {word}")),
            Cause::NotRead => Some("stream: not_read".to_owned()),
            Cause::TooLong => Some("stream: too_long".to_owned()),
            Cause::Answer { fault, .. } => Some(format!("answer_invalid: {fault}")),
        }
    }

    /// The facts of its closing entry, but for code and time.
    pub(super) fn facts(&self) -> ExchangeFacts {
        let mut facts = closing_facts(&self.recorded);
        facts.clause = self.clause().unwrap_or_default();
        facts.provider_us = self.provider_us;
        let exchange = self.recorded.verified().header().exchange_id;
        facts.exchange_id = bytes::Bytes::copy_from_slice(exchange.as_bytes());
        if let Cause::Answer { header, .. } = &self.cause {
            facts.peer_sha256 = bytes_of(&self.recorded.seat().peer().sha256());
            facts.refused_sha256 = bytes_of(header);
        }
        facts
    }
}
