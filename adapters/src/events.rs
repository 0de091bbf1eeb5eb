//! Events: telling what happened, and being told.
//!
//! ```text
//! publish:   payload → judged by the published contract → sealed → Events.Publish → the event's entry proved
//! subscribe: which operation, why, which fields → the agreement found → sealed → Events.Subscribe → proved
//! told:      brought by the link, or pulled → proved and judged by the own mirror → the agency's own code → a sealed receipt
//! ```
//!
//! An event comes at least once, and those of one key in their order. Nothing reaches the agency's code whose publisher did
//! not seal it, that the log does not hold, or that no agreement permits. `docs/protocol.md` §3, "Events".

use std::time::Duration;

use audit::receipt::Receipt;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use proto::Digest;
use proto::id::{EventId, Part, ServiceId, SubscriptionId, SystemId};
use proto::refusal::Code;
use proto::wire::events::v1 as wire;
use serde_json::{Value, json};
use thiserror::Error;
use uuid::{NoContext, Timestamp, Uuid};

use crate::adapter::{Adapter, ProofError};
use crate::error::Distrust;
use crate::sealer::SealerError;

mod judge;
mod publish;
mod send;
mod subscribe;
mod taken;

pub use judge::Unfit;

pub(crate) use taken::{First, Taken};

/// How long the switch may take for one call.
const WITHIN: Duration = Duration::from_secs(30);

/// The adapter's side of events.
#[derive(Clone, Debug)]
pub struct Events {
    adapter: Adapter,
}

/// Something that happened.
#[derive(Clone)]
pub struct Publication {
    /// The id; `None`: a new one. Who publishes again after a doubt gives the same.
    pub event_id: Option<EventId>,
    /// The own service and the operation whose answer schema the payload has.
    pub service: Part,
    /// See `service`.
    pub operation: Part,
    /// What it is ordered by, for example a licence number: nobody else learns it. `None`: in no order.
    pub key: Option<String>,
    /// Unix time, milliseconds; `None`: now.
    pub occurred_at_ms: Option<u64>,
    /// A JSON object with the fields of the operation, or a list of such.
    pub payload: Bytes,
}

/// A recorded event.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its id.
    pub event_id: EventId,
    /// The index of its entry.
    pub index: u64,
    /// The receipt of its entry, proved. Absent where an event with this id was recorded before.
    pub receipt: Option<Receipt>,
    /// How many subscriptions are told.
    pub subscribers: u32,
}

/// What somebody wants to be told of.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose service.
    pub service: ServiceId,
    /// Which operation of it.
    pub operation: Part,
    /// The legal reason.
    pub purpose: Part,
    /// Fields, ascending, each once; an event with any other is withheld.
    pub fields: Vec<Part>,
    /// Unix time, milliseconds: events recorded since then come first, as far as they are kept.
    pub from_ms: Option<u64>,
    /// How often an event is brought; `None`: as often as the switch is set to.
    pub attempts: Option<u32>,
    /// The pause after the first time; `None`: as the switch is set to.
    pub pause: Option<Duration>,
}

/// A recorded subscription.
#[derive(Clone, Debug)]
pub struct Subscribed {
    /// Its id.
    pub subscription_id: SubscriptionId,
    /// The receipt of its entry, proved.
    pub receipt: Receipt,
}

/// An event that passed every check. `Debug` never shows the payload.
#[derive(Clone)]
pub struct Told {
    /// The event: the same one may come twice.
    pub event_id: EventId,
    /// For which subscription.
    pub subscription_id: SubscriptionId,
    /// Who tells.
    pub publisher: SystemId,
    /// The publisher's service.
    pub service: Part,
    /// The operation.
    pub operation: Part,
    /// Fields in it.
    pub fields: Vec<Part>,
    /// What it is ordered by, as its publisher commits to it.
    pub key: Option<Digest>,
    /// When it happened, by its publisher, Unix time, milliseconds.
    pub occurred_at_ms: u64,
    /// When it was recorded, Unix time, milliseconds.
    pub recorded_at_ms: u64,
    /// Index of its entry: larger ones came later.
    pub index: u64,
    /// How often it was brought, this time included.
    pub attempt: u32,
    /// The payload's media type.
    pub content_type: String,
    /// The bytes.
    pub payload: Bytes,
    /// SHA-256 of its header, which the receipt names.
    pub(crate) header: Digest,
}

impl Events {
    pub(crate) fn new(adapter: Adapter) -> Self {
        Self { adapter }
    }

    /// An id for an event, to be kept until it is known that the event is recorded.
    ///
    /// # Errors
    /// [`EventError::Unsent`] when the clock makes none.
    pub fn new_id(&self) -> Result<EventId, EventError> {
        let now_us = self.adapter.clock().now_us();
        // Below a thousand million.
        let nanos = (now_us % 1_000_000) as u32 * 1_000;
        let uuid = Uuid::new_v7(Timestamp::from_unix(NoContext, now_us / 1_000_000, nanos));
        EventId::from_uuid(uuid).ok_or_else(|| EventError::Unsent("the clock makes no id".into()))
    }

    /// All subscriptions of this system, and those of others to what it publishes.
    ///
    /// # Errors
    /// [`EventError`].
    pub async fn subscriptions(&self) -> Result<Vec<wire::Subscription>, EventError> {
        let mut client = self.adapter.connection().events();
        let listed = send::once(client.subscriptions(wire::SubscriptionsRequest {})).await?;
        Ok(listed.subscriptions)
    }

    /// How events stand that this system published or follows, from the index `from` on: of one event, or of all; where
    /// `dead`, only those that somebody was given up on. The second is the index to go on at.
    ///
    /// # Errors
    /// [`EventError`].
    pub async fn status(
        &self,
        event: Option<EventId>,
        from: u64,
        dead: bool,
    ) -> Result<(Vec<wire::EventStatus>, Option<u64>), EventError> {
        let mut client = self.adapter.connection().events();
        let request = wire::StatusRequest {
            event_id: event.as_ref().map(id_bytes).unwrap_or_default(),
            from_index: from,
            dead,
        };
        let told = send::once(client.status(request)).await?;
        Ok((
            told.events,
            (told.next_index > 0).then_some(told.next_index),
        ))
    }

    /// Has events brought again that were given up: one, or all of a subscription. How many.
    ///
    /// # Errors
    /// [`EventError`]; refused as `stale` where there is no such subscription or event.
    pub async fn redeliver(
        &self,
        subscription: SubscriptionId,
        event: Option<EventId>,
    ) -> Result<u32, EventError> {
        let mut client = self.adapter.connection().events();
        let request = wire::RedeliverRequest {
            subscription_id: id_bytes(&subscription),
            event_id: event.as_ref().map(id_bytes).unwrap_or_default(),
        };
        Ok(send::once(client.redeliver(request)).await?.events)
    }
}

impl Told {
    /// As machines read it. A payload that is JSON stands there as it is, any other as base64.
    pub fn to_json(&self) -> Value {
        let payload = serde_json::from_slice(&self.payload);
        let payload = payload.unwrap_or_else(|_| Value::from(BASE64.encode(&self.payload)));
        json!({
            "event": self.event_id.to_string(),
            "subscription": self.subscription_id.to_string(),
            "publisher": self.publisher.to_string(),
            "service": self.service.to_string(),
            "operation": self.operation.to_string(),
            "fields": self.fields.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "occurred_at_ms": self.occurred_at_ms,
            "recorded_at_ms": self.recorded_at_ms,
            "index": self.index,
            "content_type": self.content_type,
            "payload": payload,
        })
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Told({} {} {}, {} bytes)",
            self.event_id,
            self.service,
            self.operation,
            self.payload.len()
        )
    }
}

impl std::fmt::Debug for Publication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            service, operation, ..
        } = self;
        write!(
            f,
            "Publication({service} {operation}, {} bytes)",
            self.payload.len()
        )
    }
}

fn id_bytes(id: &EventId) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

/// Why nothing was published, subscribed or told.
#[derive(Debug, Error)]
pub enum EventError {
    /// It never left: what is wrong with it.
    #[error("{0}")]
    Unsent(String),
    /// The switch refused.
    #[error("refused: {code}")]
    Refused {
        /// The code.
        code: Code,
        /// The clause that decided, where one did.
        clause: Option<String>,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// Nobody knows whether it is recorded: send the same again.
    #[error("the switch gave no receipt: {0}")]
    Transport(String),
    /// What the switch gave proves nothing.
    #[error("the switch's receipt does not hold: {0}")]
    Untrusted(String),
    /// The switch is not believed any more.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// Nothing can be sealed.
    #[error(transparent)]
    Sealer(#[from] SealerError),
}

impl From<ProofError> for EventError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Distrust(distrust) => Self::Distrust(distrust),
            error @ ProofError::Receipt(_) => Self::Untrusted(error.to_string()),
        }
    }
}
