//! The consumer's side: ask in a few lines, and get an answer only after everything about it was proved.
//!
//! ```text
//! ask → seal → Exchange.Call → the answer's entry proved → same registry as ours → the provider's
//! seal → this very request → the payload is what was committed to → the payload is handed out
//! ```
//!
//! Specification: `docs/protocol.md` §2, §3.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use proto::chunks::ChunkPlan;
use proto::commitment::Salt;
use proto::digest::Digest;
use proto::header::Subject;
use proto::id::{ExchangeId, Part, ServiceId};
use proto::limits::{DEADLINE_MS_DEFAULT, DEADLINE_MS_MAX, FIELDS_MAX, PAYLOAD_BYTES_MAX};
use serde::Serialize;

use crate::adapter::{Adapter, AdapterError};
use crate::identity::Home;

mod blind;
mod dispute;
mod file;
mod items;
mod naming;
mod noted;
mod outcome;
mod refusal;
mod send;
mod stream;
mod submission;
mod upload;
pub mod verify;

pub use file::Saved;
pub(crate) use items::At;
pub use items::Results;
pub use outcome::{Answer, Attempt, ExchangeError, Refused, StreamError};
pub use stream::{Complete, Incoming, Streamed};
pub use submission::{Collected, Kept, KeptError, Submitted};
pub use upload::{Broken, UploadError, Uploaded};
pub use verify::Untrusted;

/// Asks in the name of one system. Cheap to clone; clones share the adapter.
#[derive(Clone, Debug)]
pub struct Consumer {
    adapter: Adapter,
}

impl Consumer {
    /// Connects as the home's system and waits until the registry is here.
    ///
    /// # Errors
    /// [`AdapterError`] when the home cannot be used or the switch does not answer.
    pub async fn connect(home: Home) -> Result<Self, AdapterError> {
        Ok(Adapter::connect(home).await?.consumer())
    }

    pub(crate) fn new(adapter: Adapter) -> Self {
        Self { adapter }
    }

    /// The adapter under it: mirror, checkpoints, clock.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// An id and a salt for the first try of a question that is not sent yet: see [`Ask::begin_as`].
    ///
    /// # Errors
    /// [`ExchangeError::Unsent`]: the system gave no random bytes.
    pub fn first_attempt(&self) -> Result<Attempt, ExchangeError> {
        Ok(self.new_try(None)?.attempt())
    }

    /// Begins a request to `service`, for example `EG/GOV/CIVIL/registry/persons.v1`.
    pub fn ask(&self, service: impl AsRef<str>) -> Ask<'_> {
        let mut problem = None;
        let service = ServiceId::parse(service.as_ref())
            .map_err(|error| problem = Some(error.to_string()))
            .ok();
        Ask {
            consumer: self,
            service,
            operation: None,
            purpose: None,
            fields: Vec::new(),
            subjects: Vec::new(),
            actor: None,
            case_reference: None,
            external_id_hash: None,
            agreement: None,
            content_type: "application/json".to_owned(),
            payload: Bytes::new(),
            deadline: Duration::from_millis(u64::from(DEADLINE_MS_DEFAULT)),
            attempt: None,
            first: None,
            written_first: false,
            sealed: false,
            retries: 0,
            problem,
        }
    }
}

/// A request being put together. Mistakes are told by [`Ask::send`], so that the lines stay lines.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before `send`"]
pub struct Ask<'a> {
    consumer: &'a Consumer,
    service: Option<ServiceId>,
    operation: Option<Part>,
    purpose: Option<Part>,
    fields: Vec<Part>,
    subjects: Vec<Subject>,
    actor: Option<Digest>,
    case_reference: Option<Digest>,
    external_id_hash: Option<Digest>,
    agreement: Option<Digest>,
    content_type: String,
    payload: Bytes,
    deadline: Duration,
    attempt: Option<Attempt>,
    first: Option<Attempt>,
    written_first: bool,
    sealed: bool,
    retries: u32,
    problem: Option<String>,
}

impl Ask<'_> {
    /// One operation of the service's contract.
    pub fn operation(mut self, operation: impl AsRef<str>) -> Self {
        self.operation = self.part("operation", operation.as_ref());
        self
    }

    /// The legal reason, as the agreement names it.
    pub fn purpose(mut self, purpose: impl AsRef<str>) -> Self {
        self.purpose = self.part("purpose", purpose.as_ref());
        self
    }

    /// The fields wanted, and no others; in any order.
    pub fn fields(mut self, fields: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        for field in fields {
            if let Some(field) = self.part("field", field.as_ref()) {
                self.fields.push(field);
            }
        }
        self.fields.sort_unstable();
        self.fields.dedup();
        self
    }

    /// The payload as JSON.
    pub fn payload_json(self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.payload("application/json", bytes),
            Err(error) => self.wrong(format!("the payload cannot be written as JSON: {error}")),
        }
    }

    /// The payload as it is, at most 1 MiB.
    pub fn payload(mut self, content_type: &str, payload: impl Into<Bytes>) -> Self {
        self.content_type = content_type.to_owned();
        self.payload = payload.into();
        self
    }

    /// How long the answer is waited for: 1 ms to 2 minutes, 10 seconds when not said.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Asks under this agreement. When not said, the first one that permits the request is taken.
    pub fn agreement(mut self, id: Digest) -> Self {
        self.agreement = Some(id);
        self
    }

    /// This is a retry of an earlier attempt, whose error carries it. Ask for exactly the same: the
    /// provider then gives the same answer without running again.
    pub fn attempt_of(mut self, attempt: Attempt) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// Sends the first try under an id and a salt of [`Consumer::first_attempt`]'s making, so that the caller can write down
    /// beforehand what a retry would have to name.
    pub fn begin_as(mut self, first: Attempt) -> Self {
        self.first = Some(first);
        self
    }

    /// Lets nothing leave before this home's journal holds it durably: whatever ends this process, what was sent is known.
    /// It costs a sync of the disk for each try.
    pub fn written_first(mut self) -> Self {
        self.written_first = true;
        self
    }

    /// Seals question and answer so that the switch cannot read them, also where the agreement does not ask for it. Where
    /// it does, that is done without a word.
    pub fn sealed(mut self) -> Self {
        self.sealed = true;
        self
    }

    /// Tries again by itself, at most so often, and only where that is safe: nobody was there, nobody
    /// had room, no answer came in time, or the connection broke. Each try is a new exchange that
    /// names the first.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries.min(16);
        self
    }

    /// A person it is about, under the pseudonym that both parties compute.
    pub fn subject(mut self, scheme: impl AsRef<str>, pseudonym: Digest) -> Self {
        if let Some(scheme) = self.part("scheme", scheme.as_ref()) {
            self.subjects.push(Subject { scheme, pseudonym });
        }
        self
    }

    /// The clerk's pseudonym under the agency's own key.
    pub fn actor(mut self, pseudonym: Digest) -> Self {
        self.actor = Some(pseudonym);
        self
    }

    /// A commitment to the case that this belongs to.
    pub fn case_reference(mut self, commitment: Digest) -> Self {
        self.case_reference = Some(commitment);
        self
    }

    /// A message id of another system; only its SHA-256 leaves this process.
    pub fn external_id(mut self, id: &str) -> Self {
        self.external_id_hash = Some(Digest::of(id.as_bytes()));
        self
    }

    /// Seals, sends, waits, proves.
    ///
    /// # Errors
    /// [`ExchangeError`]: refused, not answered, not trusted, or not reached.
    pub async fn send(self) -> Result<Answer, ExchangeError> {
        let consumer = self.consumer;
        let (retries, attempt, first) = (self.retries, self.attempt, self.first);
        let draft = self.into_draft()?;
        // Boxed as what every crate awaits, so that it is compiled in this one.
        let sending: BoxFuture<'_, _> = Box::pin(consumer.send(draft, (attempt, first), retries));
        sending.await
    }

    fn into_draft(self) -> Result<Draft, ExchangeError> {
        if let Some(problem) = self.problem {
            return Err(ExchangeError::Unsent(problem));
        }
        let unsent = |problem: &str| ExchangeError::Unsent(problem.to_owned());
        let deadline_ms = u32::try_from(self.deadline.as_millis()).unwrap_or(u32::MAX);
        if !(1..=DEADLINE_MS_MAX).contains(&deadline_ms) {
            return Err(unsent("the deadline is not within 1 ms and two minutes"));
        }
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(unsent("the payload is over 1 MiB"));
        }
        if self.fields.len() > FIELDS_MAX {
            return Err(unsent("more than 64 fields are asked for"));
        }
        Ok(Draft {
            service: self.service.ok_or_else(|| unsent("no service is named"))?,
            operation: self
                .operation
                .ok_or_else(|| unsent("no operation is named"))?,
            purpose: self.purpose.ok_or_else(|| unsent("no purpose is stated"))?,
            fields: self.fields,
            subjects: self.subjects,
            actor: self.actor,
            case_reference: self.case_reference,
            external_id_hash: self.external_id_hash,
            agreement: self.agreement,
            content_type: self.content_type,
            payload: self.payload,
            deadline_ms,
            written_first: self.written_first,
            sealed: self.sealed,
            items: None,
            chunks: None,
        })
    }

    fn part(&mut self, what: &str, text: &str) -> Option<Part> {
        match Part::parse(text) {
            Ok(part) => Some(part),
            Err(error) => {
                self.problem.get_or_insert(format!("{what}: {error}"));
                None
            }
        }
    }

    fn wrong(mut self, problem: String) -> Self {
        self.problem.get_or_insert(problem);
        self
    }
}

/// A request that is complete but for what each attempt sets: ids, times, contract, agreement.
#[derive(Clone, Debug)]
struct Draft {
    service: ServiceId,
    operation: Part,
    purpose: Part,
    fields: Vec<Part>,
    subjects: Vec<Subject>,
    actor: Option<Digest>,
    case_reference: Option<Digest>,
    external_id_hash: Option<Digest>,
    agreement: Option<Digest>,
    content_type: String,
    payload: Bytes,
    deadline_ms: u32,
    written_first: bool,
    sealed: bool,
    /// Set where the payload is one of items.
    items: Option<Packed>,
    /// Set where the payload follows in chunks: their encoded plan is the envelope's.
    chunks: Option<Chunked>,
}

/// What is known of a payload in chunks before the first.
#[derive(Clone, Copy, Debug)]
struct Chunked {
    plan: ChunkPlan,
    length: Option<u64>,
}

impl Draft {
    /// Whether its payload is one question in one piece.
    fn is_one_piece(&self) -> bool {
        self.items.is_none() && self.chunks.is_none()
    }
}

/// What is known of a payload of items beside its bytes.
#[derive(Clone, Debug)]
struct Packed {
    /// Encoded.
    manifest: Bytes,
    count: usize,
}

/// The ids of one try: its own, and the first one's with its salt.
#[derive(Clone, Copy, Debug)]
struct Try {
    id: ExchangeId,
    attempt_of: Option<ExchangeId>,
    salt: Salt,
}

impl Try {
    /// The one that everything later names.
    fn first(attempt: Attempt) -> Self {
        Self {
            id: attempt.exchange_id,
            attempt_of: None,
            salt: attempt.salt,
        }
    }

    /// What a later retry of this must name.
    fn attempt(&self) -> Attempt {
        Attempt {
            exchange_id: self.attempt_of.unwrap_or(self.id),
            salt: self.salt,
        }
    }
}
