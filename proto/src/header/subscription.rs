//! The headers of subscriptions: who wants to be told of what, and who wants it no more.

use bytes::Bytes;
use prost::Message;

use super::event::{Topic, topic};
use super::{bytes_of, digest, fields, optional_digest, texts, uuid};
use crate::canonical::{HeaderError, decode_header};
use crate::commitment::{Commitment, Form};
use crate::digest::Digest;
use crate::header::RequestHeader;
use crate::id::{ExchangeId, Part, SubscriptionId, SystemId};
use crate::limits::{
    DEADLINE_MS_DEFAULT, DELEGATION_MAX, EVENT_ATTEMPTS_MAX, EVENT_PAUSE_MS_MAX, HEADER_BYTES_MAX,
    HEADER_VERSION,
};
use crate::wire::exchange::v1 as wire;

/// A subscription header, parsed. Field meanings stand in `envelope.proto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionHeader {
    /// This subscription of its subscriber.
    pub subscription_id: SubscriptionId,
    /// Who wants to be told.
    pub subscriber: SystemId,
    /// By whom, and of what.
    pub topic: Topic,
    /// The legal reason.
    pub purpose: Part,
    /// The agreement that permits it; `None` when the subscriber has none.
    pub agreement: Option<Digest>,
    /// Act ids of a delegation.
    pub delegation: Vec<Digest>,
    /// An event with any other field is withheld. Ascending, each once.
    pub fields: Vec<Part>,
    /// Unix time, milliseconds: events recorded since then come first. `None`: what comes from now on.
    pub from_ms: Option<u64>,
    /// How often an event is brought that is not acknowledged, 1 to [`EVENT_ATTEMPTS_MAX`]; `None`: the switch's own.
    pub attempts: Option<u32>,
    /// The pause after the first time, milliseconds, 1 to [`EVENT_PAUSE_MS_MAX`]; `None`: the switch's own.
    pub pause_ms: Option<u32>,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

impl SubscriptionHeader {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::SubscriptionHeader {
            version: HEADER_VERSION,
            subscription_id: self.subscription_id.as_bytes().to_vec().into(),
            subscriber: self.subscriber.to_string(),
            publisher: self.topic.publisher.to_string(),
            service: self.topic.service.to_string(),
            operation: self.topic.operation.to_string(),
            purpose: self.purpose.to_string(),
            agreement: bytes_of(self.agreement),
            delegation: self
                .delegation
                .iter()
                .map(|id| id.0.to_vec().into())
                .collect(),
            fields: texts(&self.fields),
            from_ms: self.from_ms.unwrap_or_default(),
            attempts: self.attempts.unwrap_or_default(),
            pause_ms: self.pause_ms.unwrap_or_default(),
            issued_at_ms: self.issued_at_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes, every field strictly.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::SubscriptionHeader = decode_header(bytes, HEADER_BYTES_MAX)?;
        if wire.delegation.len() > DELEGATION_MAX {
            return Err(HeaderError::Malformed("its delegation is too long"));
        }
        if wire.attempts > EVENT_ATTEMPTS_MAX || wire.pause_ms > EVENT_PAUSE_MS_MAX {
            return Err(HeaderError::Malformed(
                "it asks for over 1,000 attempts, or for a first pause of over an hour",
            ));
        }
        Ok(Self {
            subscription_id: uuid(&wire.subscription_id, "its subscription id is not a UUIDv7")?,
            subscriber: subscriber(&wire.subscriber)?,
            topic: topic(&wire.publisher, &wire.service, &wire.operation)?,
            purpose: Part::parse(&wire.purpose)
                .map_err(|_| HeaderError::Malformed("its purpose is not a name part"))?,
            agreement: optional_digest(&wire.agreement, "its agreement id is not 32 bytes")?,
            delegation: wire
                .delegation
                .iter()
                .map(|id| digest(id, "a delegation act id is not 32 bytes"))
                .collect::<Result<_, _>>()?,
            fields: fields(&wire.fields)?,
            from_ms: some(wire.from_ms),
            attempts: some(wire.attempts),
            pause_ms: some(wire.pause_ms),
            issued_at_ms: wire.issued_at_ms,
        })
    }

    /// The question whose answer the events are: who may ask it may be told, and nobody else. Judged by
    /// [`crate::authorise::authorise`] when the subscription begins, before each event is brought, and in every replay.
    pub fn question(&self) -> RequestHeader {
        RequestHeader {
            exchange_id: ExchangeId::UNSENT,
            attempt_of: None,
            run_id: [0; 16],
            sequence: 1,
            consumer: self.subscriber.clone(),
            provider: self.topic.publisher.clone(),
            service: self.topic.service.clone(),
            operation: self.topic.operation.clone(),
            contract: Digest::default(),
            purpose: self.purpose.clone(),
            agreement: self.agreement,
            delegation: self.delegation.clone(),
            external_id_hash: None,
            case_reference: None,
            subjects: Vec::new(),
            actor: None,
            fields: self.fields.clone(),
            issued_at_ms: self.issued_at_ms,
            deadline_ms: DEADLINE_MS_DEFAULT,
            // Events go in the open: under a grant that wants them sealed there is no subscription.
            payload: Commitment {
                form: Form::Whole,
                content_type: String::new(),
                length: 0,
                hmac: Digest::default(),
            },
            seen: None,
        }
    }
}

/// The end of a subscription by its subscriber, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionEndHeader {
    /// The subscription.
    pub subscription_id: SubscriptionId,
    /// Whose it is.
    pub subscriber: SystemId,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

impl SubscriptionEndHeader {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::SubscriptionEndHeader {
            version: HEADER_VERSION,
            subscription_id: self.subscription_id.as_bytes().to_vec().into(),
            subscriber: self.subscriber.to_string(),
            issued_at_ms: self.issued_at_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes, every field strictly.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::SubscriptionEndHeader = decode_header(bytes, HEADER_BYTES_MAX)?;
        Ok(Self {
            subscription_id: uuid(&wire.subscription_id, "its subscription id is not a UUIDv7")?,
            subscriber: subscriber(&wire.subscriber)?,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}

fn subscriber(text: &str) -> Result<SystemId, HeaderError> {
    SystemId::parse(text).map_err(|_| HeaderError::Malformed("its subscriber is not a system name"))
}

fn some<N: Default + PartialEq>(number: N) -> Option<N> {
    (number != N::default()).then_some(number)
}
