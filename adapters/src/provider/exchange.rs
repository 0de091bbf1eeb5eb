//! One delivered request, from its receipt to its sealed answer.
//!
//! Takes what the switch delivered. Gives a sealed answer: the backend's, or a refusal that says
//! which check failed. Never gives the backend anything before every check has passed, and never
//! sends a reason that the backend wrote: those stay in this adapter's own log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::authorise::{Row, row_scope};
use proto::commitment::{Commitment, Salt};
use proto::digest::Digest;
use proto::envelope::Envelope;
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader};
use proto::id::{ExchangeId, SystemId};
use proto::refusal::Code;
use proto::wire::exchange::v1 as wire;
use tokio_util::task::AbortOnDropHandle;

use super::contract::Contracts;
use super::kept::{Claim, Kept, Outcome};
use super::memory::Memory;
use super::promise::allowed;
use super::unrecorded::{Sent, Unrecorded};
use super::{Backend, Failure, Request, checks};
use crate::adapter::Adapter;
use crate::journal::{Half, retention_days};
use crate::mirror::MirrorError;

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
    pub(super) contracts: Contracts,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) answered: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) recorded: AtomicU64,
    pub(super) unproven: AtomicU64,
}

/// A request that passed every check.
struct Judged {
    /// Its entry in the log.
    index: u64,
    /// The rows that its grant covers; `None`: none at all.
    rows: Option<Vec<Row>>,
    /// How many days the payloads are kept.
    days: u32,
}

/// A delivery that can be answered at all: its header opens.
pub(super) struct Delivered {
    pub(super) envelope: Envelope,
    request: RequestHeader,
    pub(super) receipt: Option<Receipt>,
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

    /// Who asks, as the header says.
    pub(super) fn consumer(&self) -> &SystemId {
        &self.request.consumer
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
            contracts: Contracts::default(),
        }
    }

    /// Judges, asks the backend, seals. The answer's receipt is then expected in `unrecorded`.
    pub(super) async fn exchange(
        &self,
        delivered: &Delivered,
        unrecorded: &Unrecorded,
    ) -> Option<wire::Answer> {
        if let Err(error) = self.adapter.journal().room().await {
            tracing::error!(exchange = %delivered.exchange_id(), %error, "not answered: no receipt could be kept");
            return self
                .refuse_with(delivered, AnswerStatus::Unavailable, unrecorded)
                .await;
        }
        let (outcome, days) = match self.judge(delivered).await {
            // The grant shows this agency no row at all.
            Ok(Judged {
                rows: None, days, ..
            }) => (Outcome::of(AnswerStatus::NotFound), days),
            Ok(Judged {
                index,
                rows: Some(rows),
                days,
            }) => (self.answer(delivered, index, rows).await, days),
            Err(code) => (Outcome::of(AnswerStatus::Refused(code)), 0),
        };
        self.seal(delivered, &outcome, days, unrecorded).await
    }

    /// Refuses without judging: the adapter is full.
    pub(super) async fn refuse(
        &self,
        delivered: &Delivered,
        code: Code,
        unrecorded: &Unrecorded,
    ) -> Option<wire::Answer> {
        self.refuse_with(delivered, AnswerStatus::Refused(code), unrecorded)
            .await
    }

    async fn refuse_with(
        &self,
        delivered: &Delivered,
        status: AnswerStatus,
        unrecorded: &Unrecorded,
    ) -> Option<wire::Answer> {
        let outcome = Outcome::of(status);
        self.seal(delivered, &outcome, 0, unrecorded).await
    }

    /// Everything that must hold before the backend sees the request.
    async fn judge(&self, delivered: &Delivered) -> Result<Judged, Code> {
        let (adapter, envelope) = (&self.adapter, &delivered.envelope);
        let config = adapter.home().config();
        // First of all the log: no request receipt, no answer.
        let receipt = delivered.receipt.as_ref();
        let logged = checks::proof(envelope, receipt, adapter.notes());
        self.note_asked(delivered, logged.is_ok());
        let logged = logged?;
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
            if let MirrorError::Late { wanted, size, .. } = error {
                tracing::warn!(exchange = %delivered.exchange_id(), wanted, size, "refused: the registry mirror is late");
            }
            Code::NotLogged
        })?;
        // Where the settings ask for it: keys and agreements lie under a checkpoint that witnesses vouch for.
        let view = adapter.mirror().log_size();
        let vouched = adapter
            .checkpoints()
            .under_witness(view, adapter.connection(), wait);
        vouched.await.map_err(|error| {
            tracing::error!(exchange = %delivered.exchange_id(), %error, "refused: no witness vouches for the registry in time");
            Code::NotLogged
        })?;
        // The same decision, by our own mirror and clock.
        let now_ms = adapter.clock().now_ms();
        let own = checks::Own {
            registry: &registry,
            system: adapter.home().system(),
            now_ms,
            window_ms: config.window_ms,
            memory: adapter.seals(),
        };
        let (request, permission) = checks::permission(envelope, &logged.facts, own)?;
        let rows = row_scope(&registry, &request, &permission);
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
        self.persons(&registry, &request, &envelope.payload, now_ms)?;
        adapter.standing().hold().map_err(|_| Code::NotLogged)?;
        let days = retention_days(&registry, &permission.agreement.0, permission.grant);
        self.keep(
            &request,
            Half::Request,
            days,
            &envelope.salt,
            &envelope.payload,
        );
        Ok(Judged { index, rows, days })
    }

    /// The kept answer to this question, or the backend's.
    async fn answer(
        &self,
        delivered: &Delivered,
        request_index: u64,
        rows: Vec<Row>,
    ) -> Arc<Outcome> {
        for _ in 0..TAKEOVERS_MAX {
            match self
                .kept
                .claim(&delivered.request, self.adapter.clock().now_ms())
            {
                Claim::Refuse(code) => return Outcome::of(AnswerStatus::Refused(code)),
                Claim::Run(run) => {
                    let outcome = self
                        .ask_backend(delivered, request_index, rows.clone())
                        .await;
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

    async fn ask_backend(
        &self,
        delivered: &Delivered,
        request_index: u64,
        rows: Vec<Row>,
    ) -> Arc<Outcome> {
        let header = &delivered.request;
        let request = Request {
            exchange_id: header.exchange_id,
            request_index,
            consumer: header.consumer.clone(),
            service: header.service.clone(),
            operation: header.operation.clone(),
            purpose: header.purpose.clone(),
            fields: header.fields.clone(),
            rows: rows.clone(),
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
            Ok(Ok(reply)) if !rows.is_empty() && !reply.rows_applied => Err(Failure::failed(
                "the grant has row rules and the backend does not say that it applied them",
            )),
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

    async fn seal(
        &self,
        delivered: &Delivered,
        outcome: &Outcome,
        days: u32,
        unrecorded: &Unrecorded,
    ) -> Option<wire::Answer> {
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
        self.note_answer(delivered, &sealed);
        if outcome.reply.is_some() {
            self.keep(&delivered.request, Half::Answer, days, &salt.0, &payload);
        }
        let envelope = sealed.with_payload(salt, payload).to_wire();
        let sent = Sent {
            sealed,
            status: outcome.status,
            consumer: delivered.consumer().clone(),
        };
        unrecorded.expect(id, sent);
        Some(wire::Answer {
            exchange_id: Bytes::copy_from_slice(id.as_bytes()),
            envelope: Some(envelope),
        })
    }
}
