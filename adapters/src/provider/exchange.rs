//! One delivered request, from its receipt to its sealed answer.
//!
//! Takes what the switch delivered. Gives a sealed answer: the backend's, or a refusal that says
//! which check failed. Never gives the backend anything before every check has passed, and never
//! sends a reason that the backend wrote: those stay in this adapter's own log.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::commitment::{Commitment, Salt};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader};
use proto::id::ExchangeId;
use proto::refusal::Code;
use proto::seal::SealMemory;
use proto::wire::exchange::v1 as wire;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::contract::Contracts;
use super::kept::{Claim, Kept, Outcome};
use super::memory::Memory;
use super::promise::allowed;
use super::{Backend, Failure, Request, checks};
use crate::adapter::Adapter;
use crate::mirror::MirrorError;
use crate::sealer::Sealed;

/// Answers that may wait for their `AnswerRecorded` at once.
const UNRECORDED_MAX: usize = 4_096;
/// How long a drain waits for the receipt of an answer that was sent.
const RECORD_WAIT: Duration = Duration::from_secs(5);
/// How often a retry takes over from a run that was dropped.
const TAKEOVERS_MAX: usize = 3;
/// The media type of no payload.
const NOTHING: &str = "application/octet-stream";

/// What all exchanges of a served provider share.
pub(super) struct Desk {
    pub(super) adapter: Adapter,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) memory: Memory,
    pub(super) kept: Arc<Kept>,
    pub(super) counts: Counts,
    seals: SealMemory,
    pub(super) contracts: Contracts,
    unrecorded: Mutex<Unrecorded>,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) answered: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) recorded: AtomicU64,
    pub(super) unproven: AtomicU64,
}

#[derive(Default)]
struct Unrecorded {
    by_id: HashMap<ExchangeId, Sent>,
    oldest_first: VecDeque<ExchangeId>,
}

/// An answer that was sent and waits for its receipt.
struct Sent {
    sealed: Sealed,
    status: AnswerStatus,
    at: Instant,
}

/// A delivery that can be answered at all: its header opens.
pub(super) struct Delivered {
    envelope: Envelope,
    request: RequestHeader,
    receipt: Option<Receipt>,
    pub(super) remaining: Duration,
    traceparent: String,
}

impl Delivered {
    /// Takes the parts off the wire. `None` for what nobody could answer.
    pub(super) fn open(deliver: wire::Deliver) -> Option<Self> {
        let envelope = Envelope::from_wire(deliver.envelope).ok()?;
        let request = RequestHeader::open(&envelope.header).ok()?;
        Some(Self {
            envelope,
            request,
            receipt: deliver
                .receipt
                .and_then(|receipt| Receipt::from_wire(receipt).ok()),
            remaining: Duration::from_millis(u64::from(deliver.remaining_ms)),
            traceparent: deliver.traceparent,
        })
    }

    pub(super) fn exchange_id(&self) -> ExchangeId {
        self.request.exchange_id
    }
}

impl Desk {
    pub(super) fn new(
        adapter: Adapter,
        backend: Arc<dyn Backend>,
        memory: Memory,
        kept: Arc<Kept>,
    ) -> Self {
        Self {
            adapter,
            backend,
            memory,
            kept,
            counts: Counts::default(),
            seals: SealMemory::default(),
            contracts: Contracts::default(),
            unrecorded: Mutex::default(),
        }
    }

    /// Judges, asks the backend, seals.
    pub(super) async fn exchange(&self, delivered: &Delivered) -> Option<wire::Answer> {
        let outcome = match self.judge(delivered).await {
            Ok(request_index) => self.answer(delivered, request_index).await,
            Err(code) => Outcome::of(AnswerStatus::Refused(code)),
        };
        self.seal(delivered, &outcome).await
    }

    /// Refuses without judging: the adapter is full.
    pub(super) async fn refuse(&self, delivered: &Delivered, code: Code) -> Option<wire::Answer> {
        self.seal(delivered, &Outcome::of(AnswerStatus::Refused(code)))
            .await
    }

    /// Everything that must hold before the backend sees the request. Gives the request's index.
    async fn judge(&self, delivered: &Delivered) -> Result<u64, Code> {
        let (adapter, envelope) = (&self.adapter, &delivered.envelope);
        let config = adapter.home().config();
        // First of all the log: no request receipt, no answer.
        let receipt = delivered.receipt.as_ref();
        let logged = checks::proof(envelope, receipt, adapter.home().log_key())?;
        let (index, note) = receipt
            .map(|receipt| (receipt.index, receipt.checkpoint.clone()))
            .ok_or(Code::NotLogged)?;
        adapter
            .checkpoints()
            .note(logged.proven.checkpoint.clone(), note)
            .map_err(|_| Code::NotLogged)?;
        // The switch judged by the registry that it shows us, or nothing is believed any more.
        let stamp = &logged.proven.entry.stamp;
        let wait = config.mirror_wait.min(delivered.remaining);
        let agreed = adapter.mirror().agrees(stamp, wait).await;
        let registry = agreed.map_err(|error| {
            if let MirrorError::Late { wanted, size } = error {
                tracing::warn!(exchange = %delivered.exchange_id(), wanted, size, "refused: the registry mirror is late");
            }
            Code::NotLogged
        })?;
        // The same decision, by our own mirror and clock.
        let now_ms = adapter.clock().now_ms();
        let own = checks::Own {
            registry: &registry,
            system: adapter.home().system(),
            now_ms,
            window_ms: config.window_ms,
            memory: &self.seals,
        };
        let request = checks::permission(envelope, &logged.facts, own)?;
        // Once only, even if the switch brings it twice.
        let until_ms = request.issued_at_ms.saturating_add(config.window_ms);
        self.memory.first(
            &request.consumer,
            request.exchange_id,
            index,
            until_ms,
            now_ms,
        )?;
        // What the header commits to is what we opened.
        checks::contents(&request, envelope, |content_type, payload| {
            self.backend.operation_of(content_type, payload)
        })?;
        self.promised(&registry, &request, &envelope.payload)?;
        adapter.standing().hold().map_err(|_| Code::NotLogged)?;
        Ok(index)
    }

    /// The kept answer to this question, or the backend's.
    async fn answer(&self, delivered: &Delivered, request_index: u64) -> Arc<Outcome> {
        for _ in 0..TAKEOVERS_MAX {
            match self
                .kept
                .claim(&delivered.request, self.adapter.clock().now_ms())
            {
                Claim::Refuse(code) => return Outcome::of(AnswerStatus::Refused(code)),
                Claim::Run(run) => {
                    let outcome = self.ask_backend(delivered, request_index).await;
                    run.finish(&outcome);
                    return outcome;
                }
                Claim::Wait(mut outcome) => {
                    // An error means that the run was cancelled: then this one takes over.
                    if let Ok(found) = outcome.wait_for(Option::is_some).await
                        && let Some(outcome) = &*found
                    {
                        return Arc::clone(outcome);
                    }
                }
            }
        }
        Outcome::of(AnswerStatus::Unavailable)
    }

    async fn ask_backend(&self, delivered: &Delivered, request_index: u64) -> Arc<Outcome> {
        let header = &delivered.request;
        let request = Request {
            exchange_id: header.exchange_id,
            request_index,
            consumer: header.consumer.clone(),
            service: header.service.clone(),
            operation: header.operation.clone(),
            purpose: header.purpose.clone(),
            fields: header.fields.clone(),
            content_type: header.payload.content_type.clone(),
            payload: delivered.envelope.payload.clone(),
            remaining: delivered.remaining,
            traceparent: delivered.traceparent.clone(),
        };
        // On its own task, so that a panic of the agency's code is a failed answer and nothing more;
        // dropped with this future when the exchange is cancelled.
        let running =
            AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self.backend).answer(request)));
        let result = match running.await {
            Ok(Ok(reply)) => self
                .kept_to(header, reply)
                .and_then(|reply| allowed(header, reply)),
            Ok(Err(failure)) => Err(failure),
            Err(error) => Err(Failure::failed(error)),
        };
        let status = match result {
            Ok(reply) => {
                return Arc::new(Outcome {
                    status: AnswerStatus::Answered,
                    reply: Some(reply),
                });
            }
            Err(Failure::NotFound) => AnswerStatus::NotFound,
            Err(Failure::InvalidRequest(reason)) => {
                tracing::info!(exchange = %header.exchange_id, reason, "the backend does not accept the request");
                AnswerStatus::InvalidRequest
            }
            Err(Failure::Unavailable) => AnswerStatus::Unavailable,
            Err(Failure::Failed(reason)) => {
                tracing::error!(exchange = %header.exchange_id, reason, "the backend failed");
                AnswerStatus::Failed
            }
        };
        Outcome::of(status)
    }

    async fn seal(&self, delivered: &Delivered, outcome: &Outcome) -> Option<wire::Answer> {
        let id = delivered.exchange_id();
        if let AnswerStatus::Refused(code) = outcome.status {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(exchange = %id, %code, "refused before the backend saw anything");
        } else {
            self.counts.answered.fetch_add(1, Ordering::Relaxed);
        }
        let (fields, content_type, payload) = match &outcome.reply {
            Some(reply) => (
                reply.fields.clone(),
                reply.content_type.as_str(),
                reply.payload.clone(),
            ),
            None => (Vec::new(), NOTHING, Bytes::new()),
        };
        let salt = Salt::random()
            .inspect_err(|error| tracing::error!(%error, "no answer"))
            .ok()?;
        let header = AnswerHeader {
            exchange_id: id,
            request_header: Digest::of(&delivered.envelope.header),
            request_seal: Digest::of(&delivered.envelope.seal.cose),
            status: outcome.status,
            fields,
            answered_at_ms: self.adapter.clock().now_ms(),
            payload: Commitment::new(content_type, &payload, &salt),
            seen: self.adapter.checkpoints().seen(),
        };
        let sealed = self.adapter.sealer().answer(header).await;
        let sealed = sealed
            .inspect_err(
                |error| tracing::error!(exchange = %id, %error, "the answer could not be sealed"),
            )
            .ok()?;
        let envelope = sealed.with_payload(salt, payload).to_wire();
        self.expect_record(id, sealed, outcome.status);
        Some(wire::Answer {
            exchange_id: Bytes::copy_from_slice(id.as_bytes()),
            envelope: Some(envelope),
        })
    }

    fn expect_record(&self, id: ExchangeId, sealed: Sealed, status: AnswerStatus) {
        let mut waits = self
            .unrecorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let sent = Sent {
            sealed,
            status,
            at: Instant::now(),
        };
        if waits.by_id.insert(id, sent).is_none() {
            waits.oldest_first.push_back(id);
        }
        while waits.oldest_first.len() > UNRECORDED_MAX {
            if let Some(oldest) = waits.oldest_first.pop_front() {
                waits.by_id.remove(&oldest);
            }
        }
    }

    /// Whether every answer that was sent has its receipt, or will not get one any more.
    pub(super) fn all_recorded(&self) -> bool {
        let waits = self
            .unrecorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waits
            .by_id
            .values()
            .all(|sent| sent.at.elapsed() > RECORD_WAIT)
    }

    /// A link is gone, and with it the receipts that were still to come.
    pub(super) fn forget_unrecorded(&self) {
        let mut waits = self
            .unrecorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *waits = Unrecorded::default();
    }

    /// Proves that an answer of ours stands in the log as we sealed it.
    pub(super) fn recorded(&self, message: wire::AnswerRecorded) {
        let Some(id) = ExchangeId::from_slice(&message.exchange_id) else {
            return;
        };
        let sent = {
            let mut waits = self
                .unrecorded
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let waits = &mut *waits;
            let sent = waits.by_id.remove(&id);
            // Receipts come nearly in order, so the front is soon clean.
            while let Some(oldest) = waits.oldest_first.front()
                && !waits.by_id.contains_key(oldest)
            {
                waits.oldest_first.pop_front();
            }
            sent
        };
        let Some(sent) = sent else {
            return;
        };
        match self.prove_recorded(&sent, message.receipt) {
            Ok(()) => {
                self.counts.recorded.fetch_add(1, Ordering::Relaxed);
            }
            Err(reason) => {
                self.counts.unproven.fetch_add(1, Ordering::Relaxed);
                tracing::error!(exchange = %id, reason, "the switch says it recorded our answer, and the receipt does not prove it");
            }
        }
    }

    fn prove_recorded(
        &self,
        sent: &Sent,
        receipt: Option<proto::wire::audit::v1::Receipt>,
    ) -> Result<(), String> {
        let receipt = Receipt::from_wire(receipt.ok_or("there is no receipt")?)
            .map_err(|error| error.to_string())?;
        let proven = self
            .adapter
            .prove(&receipt, &sent.sealed.header, Some(&sent.sealed.seal))
            .map_err(|error| error.to_string())?;
        let facts =
            proto::facts::exchange(&proven.entry.facts).map_err(|error| error.to_string())?;
        match proven.entry.kind {
            Kind::Closing if facts.code == sent.status.outcome().name() => Ok(()),
            Kind::Closing => Err(format!("it is recorded as {}", facts.code)),
            Kind::Late => Ok(()),
            kind => Err(format!("it is an entry of kind {}", kind.name())),
        }
    }
}
