//! The answer header: what the provider says to one request, bound to that request's bytes.

use bytes::Bytes;
use prost::Message;

use super::{Seen, digest, exchange_id, fields, texts};
use crate::canonical::{HeaderError, decode_header};
use crate::commitment::{Commitment, Form};
use crate::digest::Digest;
use crate::id::{ExchangeId, Part};
use crate::limits::{HEADER_BYTES_MAX, HEADER_VERSION};
use crate::refusal::Code;
use crate::wire::exchange::v1 as wire;

/// How the provider ended the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerStatus {
    /// With a payload.
    Answered,
    /// The backend has no such record.
    NotFound,
    /// The backend does not accept the payload.
    InvalidRequest,
    /// The backend cannot answer now.
    Unavailable,
    /// The backend broke.
    Failed,
    /// The provider's adapter refused before its backend saw anything.
    Refused(Code),
}

impl AnswerStatus {
    /// The stable word in logs and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotFound => "not_found",
            Self::InvalidRequest => "invalid_request",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Refused(code) => code.name(),
        }
    }

    /// How an exchange with such an answer is closed in the log.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Answered | Self::NotFound | Self::InvalidRequest => Outcome::Answered,
            Self::Unavailable | Self::Failed | Self::Refused(_) => Outcome::ProviderFailed,
        }
    }
}

/// How an exchange ended: the code of its one closing entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The provider answered, and the answer counts as disclosed.
    Answered,
    /// The provider's side broke, refused, or answered with something that does not hold.
    ProviderFailed,
    /// No answer in time.
    Deadline,
    /// The consumer hung up first.
    Cancelled,
    /// The broker stopped in between; closed at its next start.
    Abandoned,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] = [
        Self::Answered,
        Self::ProviderFailed,
        Self::Deadline,
        Self::Cancelled,
        Self::Abandoned,
    ];

    /// The stable word in facts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ProviderFailed => "provider_failed",
            Self::Deadline => "deadline",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
        }
    }

    /// Reads the stable word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// An answer header, parsed. Field meanings stand in `envelope.proto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerHeader {
    /// The exchange it answers.
    pub exchange_id: ExchangeId,
    /// SHA-256 of the request header as received.
    pub request_header: Digest,
    /// SHA-256 of the request's COSE_Sign1 as received.
    pub request_seal: Digest,
    /// How it ended.
    pub status: AnswerStatus,
    /// Fields returned, ascending, each once.
    pub fields: Vec<Part>,
    /// Unix time, milliseconds.
    pub answered_at_ms: u64,
    /// The payload; empty unless answered.
    pub payload: Commitment,
    /// The largest checkpoint the signer verified.
    pub seen: Option<Seen>,
}

impl AnswerHeader {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        let (status, refusal_code) = match self.status {
            AnswerStatus::Answered => (wire::AnswerStatus::Answered, ""),
            AnswerStatus::NotFound => (wire::AnswerStatus::NotFound, ""),
            AnswerStatus::InvalidRequest => (wire::AnswerStatus::InvalidRequest, ""),
            AnswerStatus::Unavailable => (wire::AnswerStatus::Unavailable, ""),
            AnswerStatus::Failed => (wire::AnswerStatus::Failed, ""),
            AnswerStatus::Refused(code) => (wire::AnswerStatus::Refused, code.name()),
        };
        wire::AnswerHeader {
            version: HEADER_VERSION,
            exchange_id: self.exchange_id.as_bytes().to_vec().into(),
            request_header_sha256: self.request_header.0.to_vec().into(),
            request_seal_sha256: self.request_seal.0.to_vec().into(),
            status: status as i32,
            refusal_code: refusal_code.to_owned(),
            fields: texts(&self.fields),
            answered_at_ms: self.answered_at_ms,
            payload: Some(self.payload.to_wire()),
            seen: self.seen.map(Seen::to_wire),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes, every field strictly.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::AnswerHeader = decode_header(bytes, HEADER_BYTES_MAX)?;
        let status = match (
            wire::AnswerStatus::try_from(wire.status),
            wire.refusal_code.as_str(),
        ) {
            (Ok(wire::AnswerStatus::Answered), "") => AnswerStatus::Answered,
            (Ok(wire::AnswerStatus::NotFound), "") => AnswerStatus::NotFound,
            (Ok(wire::AnswerStatus::InvalidRequest), "") => AnswerStatus::InvalidRequest,
            (Ok(wire::AnswerStatus::Unavailable), "") => AnswerStatus::Unavailable,
            (Ok(wire::AnswerStatus::Failed), "") => AnswerStatus::Failed,
            (Ok(wire::AnswerStatus::Refused), code) => {
                AnswerStatus::Refused(Code::parse(code).ok_or(HeaderError::Malformed(
                    "its refusal code is not one of the protocol",
                ))?)
            }
            _ => {
                return Err(HeaderError::Malformed(
                    "its status is not one of the protocol",
                ));
            }
        };
        let payload = Commitment::from_wire(wire.payload)?;
        if payload.form == Form::Items && status != AnswerStatus::Answered {
            return Err(HeaderError::Malformed(
                "only a result has items, and its status says that it is none",
            ));
        }
        if payload.form == Form::Chunks && status != AnswerStatus::Answered {
            return Err(HeaderError::Malformed(
                "only a result comes in chunks, and its status says that it is none",
            ));
        }
        Ok(Self {
            exchange_id: exchange_id(&wire.exchange_id)?,
            request_header: digest(
                &wire.request_header_sha256,
                "its request digest is not 32 bytes",
            )?,
            request_seal: digest(
                &wire.request_seal_sha256,
                "its request seal digest is not 32 bytes",
            )?,
            status,
            fields: fields(&wire.fields)?,
            answered_at_ms: wire.answered_at_ms,
            payload,
            seen: Seen::from_wire(wire.seen)?,
        })
    }
}
