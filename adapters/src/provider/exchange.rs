//! One delivered request, from its receipt to its sealed answer.
//!
//! Takes what the switch delivered. Gives a sealed answer: the backend's, or a refusal that says
//! which check failed. Never gives the backend anything before every check has passed, and never
//! sends a reason that the backend wrote: those stay in this adapter's own log.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::authorise::{Row, SealedRequest, row_scope};
use proto::commitment::Form;
use proto::envelope::Envelope;
use proto::header::{AnswerStatus, RequestHeader};
use proto::id::{ExchangeId, SystemId};
use proto::limits::STREAM_MS_MAX;
use proto::refusal::Code;
use proto::sealed::EncryptionKey;
use proto::wire::exchange::v1 as wire;

use super::contract::Contracts;
use super::kept::{Claim, Kept, Outcome};
use super::memory::Memory;
use super::sealing::status_of;
use super::streams::Opening;
use super::taking::Intake;
use super::unrecorded::Unrecorded;
use super::{Backend, checks};
use crate::adapter::Adapter;
use crate::events::Taken;
use crate::journal::{Half, retention_days};
use crate::mirror::MirrorError;

/// How often a retry takes over from a run that was dropped.
const TAKEOVERS_MAX: usize = 3;

/// What all exchanges of a served provider share.
pub(super) struct Desk {
    pub(super) adapter: Adapter,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) memory: Memory,
    pub(super) kept: Arc<Kept>,
    pub(super) counts: Counts,
    pub(super) contracts: Contracts,
    pub(super) taken: Taken,
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
    /// The items, where it asks for many things; `None` in the place of one that nobody can answer.
    items: Option<Vec<Option<Bytes>>>,
}

/// A delivery that can be answered at all: its header opens.
pub(super) struct Delivered {
    pub(super) envelope: Envelope,
    pub(super) takes_chunks: bool,
    request: RequestHeader,
    pub(super) receipt: Option<Receipt>,
    pub(super) remaining: Duration,
    pub(super) traceparent: String,
    /// Of a sealed payload that opened: the envelope in the open, and what the answer is sealed to.
    opened: OnceLock<(Envelope, EncryptionKey)>,
}

impl Delivered {
    /// Takes the parts off the wire. `None` for what nobody could answer.
    pub(super) fn open(deliver: wire::Deliver) -> Option<Self> {
        let envelope = Envelope::from_wire(deliver.envelope).ok()?;
        let request = RequestHeader::open(&envelope.header).ok()?;
        Some(Self {
            envelope,
            takes_chunks: deliver.takes_chunks,
            request,
            receipt: deliver
                .receipt
                .and_then(|receipt| Receipt::from_wire(receipt).ok()),
            remaining: Duration::from_millis(u64::from(deliver.remaining_ms)),
            traceparent: deliver.traceparent,
            opened: OnceLock::new(),
        })
    }

    pub(super) fn exchange_id(&self) -> ExchangeId {
        self.request.exchange_id
    }

    /// The envelope in the open; one that was not opened yet, or could not be, as it came.
    pub(super) fn in_the_open(&self) -> &Envelope {
        self.opened
            .get()
            .map_or(&self.envelope, |(envelope, _)| envelope)
    }

    /// Keeps what a sealed payload opened to. It opens once.
    pub(super) fn keep_open(&self, envelope: Envelope, answer_key: EncryptionKey) {
        self.opened.get_or_init(|| (envelope, answer_key));
    }

    /// What the answer is sealed to, once a sealed payload opened.
    pub(super) fn answer_key(&self) -> Option<&EncryptionKey> {
        self.opened.get().map(|(_, key)| key)
    }

    /// How long it can last at the most; the switch says when it is over before.
    pub(super) fn lasts(&self) -> Duration {
        let answer_ms = u64::from(self.request.deadline_ms);
        let chunks_ms = match self.request.is_upload() {
            true => STREAM_MS_MAX + answer_ms,
            false => 0,
        };
        self.remaining + Duration::from_millis(chunks_ms)
    }

    /// Whether the question is not for the switch to read.
    pub(super) fn is_sealed(&self) -> bool {
        self.request.payload.form == Form::Sealed
    }

    /// What is asked.
    pub(super) fn request(&self) -> &RequestHeader {
        &self.request
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
            taken: Taken::default(),
        }
    }

    /// Judges, asks the backend, seals. The answer's receipt is then expected in `unrecorded`.
    pub(super) async fn exchange(
        &self,
        delivered: &Delivered,
        unrecorded: &Unrecorded,
        intake: Intake<'_>,
    ) -> Option<(wire::Answer, Option<Opening>)> {
        if let Err(error) = self.adapter.journal().room().await {
            tracing::error!(exchange = %delivered.exchange_id(), %error, "not answered: no receipt could be kept");
            let answer = self
                .refuse_with(delivered, AnswerStatus::Unavailable, unrecorded)
                .await;
            return answer.map(|answer| (answer, None));
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
                ..
            }) if delivered.request.is_upload() => {
                let taken = Box::pin(self.take(delivered, index, &rows, intake));
                (taken.await?, days)
            }
            Ok(Judged {
                index,
                rows: Some(rows),
                days,
                items,
            }) => {
                // What is sealed, and results of items, come in one piece.
                let whole = delivered.is_sealed() || items.is_some();
                let long = match delivered.takes_chunks && !whole {
                    true => Box::pin(self.ask_long(delivered, index, &rows)).await,
                    false => Ok(None),
                };
                match long {
                    Ok(Some(long)) => {
                        let opened = Box::pin(self.open_long(delivered, long, days, unrecorded));
                        return opened
                            .await
                            .map(|(answer, opening)| (answer, Some(opening)));
                    }
                    Ok(None) => (self.answer(delivered, index, rows, items).await, days),
                    Err(failure) => (Outcome::of(status_of(&failure, delivered)), days),
                }
            }
            Err(code) => (Outcome::of(AnswerStatus::Refused(code)), 0),
        };
        let answer = self.seal(delivered, &outcome, days, unrecorded).await;
        answer.map(|answer| (answer, None))
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
        let request = delivered.request();
        let asked = SealedRequest {
            header: &envelope.header,
            opened: request,
            seal: &envelope.seal,
        };
        let permission = checks::permission(asked, &logged, own)?;
        let rows = row_scope(&registry, request, &permission);
        self.memory
            .first(request, index, (config.window_ms, now_ms))?;
        // What the header commits to is what we opened.
        let envelope = self.unseal(delivered)?;
        checks::contents(request, envelope, |content_type, payload| {
            self.backend.operation_of(content_type, payload)
        })?;
        let items = self.asked(&registry, request, envelope, now_ms)?;
        adapter.standing().hold().map_err(|_| Code::NotLogged)?;
        let days = retention_days(&registry, &permission.agreement.0, permission.grant);
        self.keep(
            request,
            Half::Request,
            days,
            &envelope.salt,
            &envelope.payload,
        );
        Ok(Judged {
            index,
            rows,
            days,
            items,
        })
    }

    /// The kept answer to this question, or the backend's.
    async fn answer(
        &self,
        delivered: &Delivered,
        request_index: u64,
        rows: Vec<Row>,
        items: Option<Vec<Option<Bytes>>>,
    ) -> Arc<Outcome> {
        for _ in 0..TAKEOVERS_MAX {
            match self
                .kept
                .claim(&delivered.request, self.adapter.clock().now_ms())
            {
                Claim::Refuse(code) => return Outcome::of(AnswerStatus::Refused(code)),
                Claim::Ended(outcome) => return outcome,
                Claim::Run(run) => {
                    let outcome = match &items {
                        Some(items) => {
                            Box::pin(self.ask_items(delivered, request_index, &rows, items)).await
                        }
                        None => {
                            self.ask_backend(delivered, request_index, rows.clone())
                                .await
                        }
                    };
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
}
