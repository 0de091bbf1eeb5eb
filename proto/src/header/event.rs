//! The headers of events: what happened, and what became of it with one subscriber.

use bytes::Bytes;
use prost::Message;

use super::{Seen, bytes_of, digest, fields, optional_digest, texts, uuid};
use crate::canonical::{HeaderError, decode_header};
use crate::commitment::{Commitment, Form};
use crate::digest::Digest;
use crate::id::{EventId, Part, SubscriptionId, SystemId};
use crate::limits::{EVENT_BYTES_MAX, HEADER_BYTES_MAX, HEADER_VERSION};
use crate::refusal::Code;
use crate::wire::exchange::v1 as wire;

/// One operation of one service, whose events are followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    /// Who tells.
    pub publisher: SystemId,
    /// The publisher's service.
    pub service: Part,
    /// One operation of its contract.
    pub operation: Part,
}

/// An event header, parsed. Field meanings stand in `envelope.proto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// This event of its publisher.
    pub event_id: EventId,
    /// Who tells, and of what.
    pub topic: Topic,
    /// SHA-256 of the service's published definition.
    pub contract: Digest,
    /// Events of one key reach each subscriber in their order; `None`: in no order.
    pub key: Option<Digest>,
    /// Fields in it, ascending, each once.
    pub fields: Vec<Part>,
    /// When it happened, Unix time, milliseconds.
    pub occurred_at_ms: u64,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// The payload, in one piece, at most [`EVENT_BYTES_MAX`].
    pub payload: Commitment,
    /// The largest checkpoint the signer verified.
    pub seen: Option<Seen>,
}

impl EventHeader {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::EventHeader {
            version: HEADER_VERSION,
            event_id: self.event_id.as_bytes().to_vec().into(),
            publisher: self.topic.publisher.to_string(),
            service: self.topic.service.to_string(),
            operation: self.topic.operation.to_string(),
            contract: self.contract.0.to_vec().into(),
            key: bytes_of(self.key),
            fields: texts(&self.fields),
            occurred_at_ms: self.occurred_at_ms,
            issued_at_ms: self.issued_at_ms,
            payload: Some(self.payload.to_wire()),
            seen: self.seen.map(Seen::to_wire),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes, every field strictly.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::EventHeader = decode_header(bytes, HEADER_BYTES_MAX)?;
        let payload = Commitment::from_wire(wire.payload)?;
        if payload.form != Form::Whole {
            return Err(HeaderError::Malformed(
                "an event's payload comes in one piece, in the open",
            ));
        }
        if payload.length > EVENT_BYTES_MAX as u64 {
            return Err(HeaderError::TooLarge {
                len: usize::try_from(payload.length).unwrap_or(usize::MAX),
                max: EVENT_BYTES_MAX,
            });
        }
        Ok(Self {
            event_id: uuid(&wire.event_id, "its event id is not a UUIDv7")?,
            topic: topic(&wire.publisher, &wire.service, &wire.operation)?,
            contract: digest(&wire.contract, "its contract digest is not 32 bytes")?,
            key: optional_digest(&wire.key, "its key is not 32 bytes")?,
            fields: fields(&wire.fields)?,
            occurred_at_ms: wire.occurred_at_ms,
            issued_at_ms: wire.issued_at_ms,
            payload,
            seen: Seen::from_wire(wire.seen)?,
        })
    }
}

pub(super) fn topic(publisher: &str, service: &str, operation: &str) -> Result<Topic, HeaderError> {
    let part = |text: &str| {
        Part::parse(text)
            .map_err(|_| HeaderError::Malformed("its service or operation is not a name part"))
    };
    Ok(Topic {
        publisher: SystemId::parse(publisher)
            .map_err(|_| HeaderError::Malformed("its publisher is not a system name"))?,
        service: part(service)?,
        operation: part(operation)?,
    })
}

/// What became of an event with one subscriber, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventReceiptHeader {
    /// The subscription that it was brought for.
    pub subscription_id: SubscriptionId,
    /// The event.
    pub event_id: EventId,
    /// SHA-256 of its header.
    pub event_header: Digest,
    /// Why it is not taken; `None`: it was.
    pub refusal: Option<Code>,
    /// Unix time, milliseconds.
    pub taken_at_ms: u64,
}

impl EventReceiptHeader {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::EventReceiptHeader {
            version: HEADER_VERSION,
            subscription_id: self.subscription_id.as_bytes().to_vec().into(),
            event_id: self.event_id.as_bytes().to_vec().into(),
            event_header_sha256: self.event_header.0.to_vec().into(),
            refusal_code: self.refusal.map_or("", Code::name).to_owned(),
            taken_at_ms: self.taken_at_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes, every field strictly.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::EventReceiptHeader = decode_header(bytes, HEADER_BYTES_MAX)?;
        let refusal = match wire.refusal_code.as_str() {
            "" => None,
            code => Some(Code::parse(code).ok_or(HeaderError::Malformed(
                "its refusal code is not one of the protocol",
            ))?),
        };
        Ok(Self {
            subscription_id: uuid(&wire.subscription_id, "its subscription id is not a UUIDv7")?,
            event_id: uuid(&wire.event_id, "its event id is not a UUIDv7")?,
            event_header: digest(
                &wire.event_header_sha256,
                "its event digest is not 32 bytes",
            )?,
            refusal,
            taken_at_ms: wire.taken_at_ms,
        })
    }
}
