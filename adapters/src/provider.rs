//! The provider's side: an agency implements [`Provider`], [`serve`] does everything else.
//!
//! Before the backend sees anything, the request's receipt, its seal, the agreement, the contract,
//! its time and its payload are judged against this adapter's own mirror: no request receipt, no
//! answer. What the contract says of payloads is enforced both ways ([`contract`]). What a check refuses is answered with a sealed refusal, which the switch records.
//! Specification: `docs/protocol.md` §3.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
pub use proto::authorise::Row;
use proto::id::{ExchangeId, Part, SystemId};
use proto::limits::PAYLOAD_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::adapter::{Adapter, AdapterError};
use crate::events::Told;
use crate::identity::Home;

mod asking;
mod backend;
mod blind;
pub mod checks;
pub mod contract;
mod exchange;
mod handle;
mod items;
mod kept;
mod link;
mod links;
mod long;
mod memory;
mod noted;
mod outbound;
mod promise;
mod sealing;
mod streams;
mod taking;
mod told;
mod unrecorded;
mod upload;

use backend::Backend;
pub use contract::Form;
pub use handle::{Handle, ServeError, Status};
pub use long::LongReply;
#[cfg(test)]
pub(crate) use upload::Piece;
pub use upload::Upload;

/// What becomes of many requests, in their order.
pub type Replies = Vec<Result<Reply, Failure>>;

/// What an agency implements to answer.
pub trait Provider: Send + Sync + 'static {
    /// The operation that the payload itself asks for, where it can be told. The adapter refuses a
    /// request whose header names another one. `None` means that the payload names none.
    fn operation_of(&self, content_type: &str, payload: &[u8]) -> Option<String> {
        let _ = (content_type, payload);
        None
    }

    /// What in a payload of `service` the contract's schemas describe.
    fn form(&self, service: &str) -> Form {
        let _ = service;
        Form::Whole
    }

    /// Answers in chunks: a file, or a result too long for one piece. Asked first, and only where the consumer takes
    /// chunks. `None`: [`Provider::answer`] is asked instead. Nothing is kept of it for a retry.
    fn stream(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Option<LongReply>, Failure>> + Send {
        let _ = request;
        async { Ok(None) }
    }

    /// Takes a request whose payload follows in chunks: `request` without a payload, and `upload`, which is read as any file
    /// and whose end comes only once all of it was proved. What was read counts for nothing before, so write it where it can
    /// be dropped. An answer is sent after that end alone; a failure at once. Asked again, it runs again.
    fn upload(
        &self,
        request: Request,
        upload: Upload,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send {
        let _ = (request, upload);
        async {
            Err(Failure::InvalidRequest(
                "this provider takes no requests in chunks".to_owned(),
            ))
        }
    }

    /// Answers many requests of one exchange, in their order: `request` is what they have in common, without a payload.
    /// Override it where a backend finds many at once faster than one after the other, which is what it does else.
    fn items(&self, request: Request, items: Vec<Bytes>) -> impl Future<Output = Replies> + Send {
        async move {
            let mut results = Vec::with_capacity(items.len());
            for payload in items {
                results.push(self.answer(request.with(payload)).await);
            }
            results
        }
    }

    /// Whether it takes the events that its system follows; asked once, when it is attached.
    fn follows(&self) -> bool {
        false
    }

    /// Takes in an event that passed every check. Once this returns well it is acknowledged and does not come again; it may
    /// have come before, so look at its id. [`Failure::InvalidRequest`] refuses it for good; after any other failure it comes again.
    fn told(&self, event: Told) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = event;
        async { Err(Failure::Unavailable) }
    }

    /// Answers one request that passed every check. May be written as `async fn`. Dropped at an
    /// await when the consumer hangs up or the deadline passes; what takes long without one belongs
    /// in `tokio::task::spawn_blocking`. A panic is a failed answer and nothing more.
    fn answer(&self, request: Request) -> impl Future<Output = Result<Reply, Failure>> + Send;
}

/// Opens a consumer's request. `Debug` never shows the payload.
#[derive(Clone)]
pub struct Request {
    /// This exchange: what to write into the agency's own log.
    pub exchange_id: ExchangeId,
    /// Its entry in the switch's log.
    pub request_index: u64,
    /// Who asks.
    pub consumer: SystemId,
    /// Which service of this system.
    pub service: Part,
    /// Which operation of its contract.
    pub operation: Part,
    /// The legal reason.
    pub purpose: Part,
    /// The fields that may be returned, and no others.
    pub fields: Vec<Part>,
    /// Only records for which every one of these holds: a signed term of the grant. Empty means every record.
    pub rows: Vec<Row>,
    /// The payload's media type.
    pub content_type: String,
    /// The consumer's bytes.
    pub payload: Bytes,
    /// What is left of the consumer's deadline.
    pub remaining: Duration,
    /// W3C trace context, unsigned; empty when there is none.
    pub traceparent: String,
}

impl Request {
    /// The same request of one item.
    #[must_use]
    pub fn with(&self, payload: Bytes) -> Self {
        Self {
            payload,
            ..self.clone()
        }
    }

    /// Reads the payload as JSON.
    ///
    /// # Errors
    /// [`Failure::InvalidRequest`] when it is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.payload)
            .map_err(|error| Failure::InvalidRequest(error.to_string()))
    }

    /// Whether the grant covers a record: every row rule holds of it. `value` gives the record's value of a field.
    ///
    /// # Errors
    /// [`Failure::Failed`] when the record lacks a field that a rule needs: then nobody can say.
    pub fn covers(&self, value: impl Fn(&str) -> Option<Value>) -> Result<bool, Failure> {
        for row in &self.rows {
            let found = value(row.field.as_str()).ok_or_else(|| {
                Failure::failed(format_args!(
                    "a row rule of the grant needs the field '{}', which the record lacks",
                    row.field
                ))
            })?;
            let same = match found {
                Value::String(text) => text == row.equals,
                Value::Number(number) => number.to_string() == row.equals,
                Value::Bool(yes) => yes.to_string() == row.equals,
                Value::Null | Value::Array(_) | Value::Object(_) => false,
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether `field` was asked for.
    pub fn wants(&self, field: &str) -> bool {
        self.fields.iter().any(|asked| asked.as_str() == field)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Request({}, {} asks {}, payload {} bytes)",
            self.exchange_id,
            self.consumer,
            self.operation,
            self.payload.len()
        )
    }
}

/// What a provider gives back. `Debug` never shows the payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The fields inside the payload; only ones that were asked for.
    pub fields: Vec<Part>,
    /// The payload's media type.
    pub content_type: String,
    /// The bytes.
    pub payload: Bytes,
    /// Whether the request's row rules were applied. Without rules it makes no difference.
    pub(crate) rows_applied: bool,
}

impl Reply {
    /// A reply of any media type. Fields that are not name parts are left out of the header, and the
    /// adapter then refuses to send them: name fields as the contract does.
    ///
    /// # Errors
    /// [`Failure::Failed`] when a field is no field name.
    pub fn new(
        fields: impl IntoIterator<Item = impl AsRef<str>>,
        content_type: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Self, Failure> {
        let fields = fields
            .into_iter()
            .map(|field| Part::parse(field.as_ref()).map_err(Failure::failed))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            fields,
            content_type: content_type.to_owned(),
            payload: payload.into(),
            rows_applied: false,
        })
    }

    /// Says that the payload holds only records which [`Request::covers`]: the adapter sends no answer under a
    /// grant with row rules without this word. [`Reply::record`] says it by itself.
    #[must_use]
    pub fn within_rows(mut self) -> Self {
        self.rows_applied = true;
        self
    }

    /// One record as JSON: of `record`'s top-level members exactly those that were asked for. The record must hold
    /// the fields that the grant's row rules name, also where they were not asked for.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for a record that the grant's row rules do not cover; [`Failure::Failed`] when `record`
    /// is not a JSON object, or lacks what a rule needs.
    pub fn record(request: &Request, record: &impl Serialize) -> Result<Self, Failure> {
        let Value::Object(members) = serde_json::to_value(record).map_err(Failure::failed)? else {
            return Err(Failure::failed("the record is not a JSON object"));
        };
        if !request.covers(|field| members.get(field).cloned())? {
            return Err(Failure::NotFound);
        }
        let asked: Map<String, Value> = members
            .into_iter()
            .filter(|(name, _)| request.wants(name))
            .collect();
        let payload = serde_json::to_vec(&asked).map_err(Failure::failed)?;
        Ok(Self::new(asked.keys(), "application/json", payload)?.within_rows())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({:?}, {} bytes)", self.fields, self.payload.len())
    }
}

/// Why a backend gives no answer. The reasons stay in this adapter's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No such record.
    NotFound,
    /// The payload is not what the operation takes; the reason is not sent.
    InvalidRequest(String),
    /// Not now: try again later.
    Unavailable,
    /// The backend broke; the reason is not sent.
    Failed(String),
}

impl Failure {
    /// The backend broke with `cause`, which stays here.
    pub fn failed(cause: impl fmt::Display) -> Self {
        Self::Failed(cause.to_string())
    }
}

/// How an adapter serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Exchanges answered at once; the switch delivers no more. 1 and more.
    pub max_in_flight: u32,
    /// Bytes of answers kept for retries. More memory keeps them longer, ten minutes at most.
    pub kept_bytes: usize,
    /// How long a drain waits for what is under way.
    pub drain_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_in_flight: 256,
            kept_bytes: 64 * PAYLOAD_BYTES_MAX,
            drain_within: Duration::from_secs(30),
        }
    }
}

/// Connects as the home's system and serves `provider` until the handle is drained or dropped.
///
/// # Errors
/// [`AdapterError`] when the home cannot be used or the switch does not answer.
pub async fn serve(
    home: Home,
    provider: impl Provider,
    options: Options,
) -> Result<Handle, AdapterError> {
    let adapter = Adapter::connect(home).await?;
    Ok(adapter.serve(provider, options).await)
}
