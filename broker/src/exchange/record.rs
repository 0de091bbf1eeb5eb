//! Rooms 5 and 8, record: `Routed → Recorded` and `Attested → Receipt`.
//!
//! Takes what was decided. Gives it back durable: the request before the provider sees it, the closing entry before
//! the consumer sees the outcome. Says no with log_unavailable and overloaded. Never records a decision against
//! another registry than it was made with: then everything is judged again.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use audit::log::{AppendError, Appended, Arriving};
use audit::receipt::Receipt as LogReceipt;
use bytes::Bytes;
use proto::Code;
use proto::authorise::Permission;
use proto::entry::Draft;
use proto::envelope::Envelope;
use proto::facts::{self, ExchangeFacts};
use proto::header::Outcome;
use proto::id::ExchangeId;
use proto::wire::audit::v1::RecordedEntry;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::Exchange;
use super::memory::State;
use super::outcome::Fault;
use super::refusal::{Overtaken, Recording, Refusal, Refused, bytes_of, code_of, micros};
use super::response::Attested;
use super::route::{Route, Routed};
use super::verify::Verified;
use crate::door::trace;
use crate::links::seat::Seat;

mod before;
mod closing;

pub(super) use before::NotHeld;
pub(super) use closing::closing_facts;

/// What is kept of the caller's own deadline to tell it that its time is up.
const TELLING_MS: u64 = 20;
/// How often a closing entry is tried while the log is full. About ten seconds: the log is gone then.
pub(super) const CLOSING_TRIES: u32 = 200;

/// A durable request, holding everything until its closing entry. A link delivers nothing else.
#[derive(Debug)]
pub(crate) struct Recorded(Box<Inner>);

#[derive(Debug)]
struct Inner {
    verified: Verified,
    permission: Permission,
    request: Appended,
    deadline: Instant,
    seat: Seat,
    /// Of a request in chunks: all of them came, and its trailer is durable.
    is_whole: bool,
}

/// A durable request with its place, before it is on its way.
#[derive(Debug)]
pub(super) struct Durable<P> {
    pub(super) verified: Verified,
    pub(super) permission: Permission,
    pub(super) request: Appended,
    pub(super) place: P,
}

/// The end of an answered exchange: what the consumer gets.
#[derive(Debug)]
pub struct Receipt {
    answer: Envelope,
    closing: LogReceipt,
    request: RecordedEntry,
}

/// Why a routed request is not recorded.
#[derive(Debug)]
pub(super) enum Unrecorded {
    /// The registry moved: judge again.
    Overtaken(Overtaken),
    /// The log did not take it.
    Refused(Box<Refusal>),
}

impl Recorded {
    fn new(durable: Durable<Seat>, deadline: Instant) -> Self {
        let is_upload = durable.verified.header().is_upload();
        Self(Box::new(Inner {
            verified: durable.verified,
            permission: durable.permission,
            request: durable.request,
            deadline,
            seat: durable.place,
            is_whole: !is_upload,
        }))
    }

    /// The entry of the request.
    pub(crate) fn request(&self) -> &Appended {
        &self.0.request
    }

    /// The request as the consumer sealed it.
    pub(crate) fn envelope(&self) -> &Envelope {
        self.0.verified.envelope()
    }

    /// When the answer is no longer wanted: the header's deadline, or the caller's own if that is earlier.
    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// The trace context that came beside the envelope.
    pub(crate) fn traceparent(&self) -> &str {
        &self.0.verified.passage().traceparent
    }

    /// The exchange.
    pub(super) fn id(&self) -> ExchangeId {
        self.0.verified.header().exchange_id
    }

    /// Whether the caller takes an answer in chunks.
    pub(crate) fn takes_chunks(&self) -> bool {
        self.0.verified.passage().takes_chunks
    }

    /// The request entry, for whoever holds its header and seal.
    pub(super) fn entry(&self) -> RecordedEntry {
        let request = self.request();
        RecordedEntry {
            index: request.index,
            kind: u32::from(request.entry.kind as u8),
            stamp: Bytes::copy_from_slice(&request.entry.stamp.encode()),
            facts: request.entry.facts.clone(),
        }
    }

    pub(super) fn verified(&self) -> &Verified {
        &self.0.verified
    }

    pub(super) fn permission(&self) -> Permission {
        self.0.permission
    }

    pub(super) fn seat(&self) -> &Seat {
        &self.0.seat
    }

    pub(super) fn seat_mut(&mut self) -> &mut Seat {
        &mut self.0.seat
    }

    /// What it is permitted by, and its seat.
    pub(super) fn split(&mut self) -> (&Verified, Permission, &mut Seat) {
        let inner = &mut *self.0;
        (&inner.verified, inner.permission, &mut inner.seat)
    }

    /// Whether all of the request came.
    pub(super) fn is_whole(&self) -> bool {
        self.0.is_whole
    }

    /// The last of its chunks came, and its trailer is durable.
    pub(super) fn complete(&mut self) {
        self.0.is_whole = true;
    }
}

impl Receipt {
    /// The provider's answer, the closing entry's receipt, and the request entry that it names.
    pub fn into_parts(self) -> (Envelope, LogReceipt, RecordedEntry) {
        (self.answer, self.closing, self.request)
    }
}

impl Exchange {
    /// Makes the request durable. From here on there is exactly one closing entry, whatever happens.
    pub(super) async fn record(&self, routed: Routed) -> Result<Recorded, Unrecorded> {
        let durable = self.record_request(routed).await?;
        let deadline = self.deadline(&durable.verified);
        Ok(Recorded::new(durable, deadline))
    }

    /// The same for any place that it may have.
    pub(super) async fn record_request<P>(
        &self,
        mut routed: Routed<P>,
    ) -> Result<Durable<P>, Unrecorded> {
        let (draft, judged, arriving) = request_draft(&mut routed);
        let request = match self.append(draft, Some(judged), arriving).await {
            Ok(request) => request,
            Err(AppendError::RegistryMoved { size }) => {
                let received = routed.back();
                return Err(Unrecorded::Overtaken(Overtaken { size, received }));
            }
            Err(error) => return Err(Unrecorded::Refused(routed.refuse(code_of(&error)))),
        };
        trace::recorded(request.index);
        let Route {
            permitted,
            counted,
            place,
        } = routed.into_parts();
        let permission = permitted.permission();
        let (mut verified, reservation, _) = permitted.into_fresh().into_parts();
        // From here the provider works. The end is work again, which does not wait.
        if let Some(work) = verified.passage_mut().work.take() {
            work.done();
        }
        reservation.burn(State::Open {
            request: request.index,
        });
        counted.keep();
        self.note_look(permission, verified.header(), &request);
        Ok(Durable {
            verified,
            permission,
            request,
            place,
        })
    }

    /// Makes the one closing entry durable, then tells both sides.
    pub(super) async fn close(
        &self,
        mut ended: Result<Attested, Fault>,
    ) -> Result<Receipt, Box<Refused>> {
        let exchange = match &ended {
            Ok(attested) => attested.recorded().id(),
            Err(fault) => fault.recorded().id(),
        };
        for attempt in 1..=CLOSING_TRIES {
            let closing = self.closing_draft(&mut ended);
            match self
                .append(closing.draft, closing.judged, closing.arriving)
                .await
            {
                Ok(entry) => return self.tell(ended, closing.outcome, entry),
                Err(AppendError::RegistryMoved { size }) => {
                    self.registry.reached(size).await;
                    // The answer's key may have ended in between: it is verified against the registry of now.
                    ended = ended.and_then(|attested| self.response(attested.back()));
                }
                Err(AppendError::Full) => {
                    sleep(Duration::from_millis(u64::from(attempt.min(10)) * 5)).await;
                }
                Err(AppendError::Stopped(reason)) => {
                    warn!(%exchange, %reason, "a closing entry was not recorded: closed as abandoned at the next start");
                    break;
                }
                Err(error @ (AppendError::TooLarge(_) | AppendError::NoSigner(_))) => {
                    warn!(%exchange, %error, "a closing entry cannot be recorded");
                    break;
                }
            }
        }
        Err(Refused::unrecorded(Code::LogUnavailable))
    }

    /// Records `draft`. `arriving` announced it to the writer and ends once it stands in the writer's queue.
    pub(super) async fn append(
        &self,
        draft: Draft,
        judged: Option<u64>,
        arriving: Option<Arriving>,
    ) -> Result<Appended, AppendError> {
        let mut append = pin!(self.log.append(draft, judged));
        // Queued by the first poll.
        let queued = poll_fn(|cx| Poll::Ready(append.as_mut().poll(cx))).await;
        drop(arriving);
        match queued {
            Poll::Ready(appended) => appended,
            Poll::Pending => append.await,
        }
    }

    fn deadline(&self, verified: &Verified) -> Instant {
        let header = verified.header();
        let due_ms = header
            .issued_at_ms
            .saturating_add(u64::from(header.deadline_ms));
        let left = Duration::from_millis(due_ms.saturating_sub(self.clock.now_ms()));
        let sealed = Instant::now() + left;
        let passage = verified.passage();
        match passage.patience {
            Some(patience) => {
                let telling = Duration::from_millis(TELLING_MS).min(patience / 4);
                sealed.min(passage.arrived + (patience - telling))
            }
            None => sealed,
        }
    }

    fn tell(
        &self,
        ended: Result<Attested, Fault>,
        outcome: Outcome,
        entry: Appended,
    ) -> Result<Receipt, Box<Refused>> {
        let recorded = match &ended {
            Ok(attested) => attested.recorded(),
            Err(fault) => fault.recorded(),
        };
        let (key, header) = (recorded.verified().key(), recorded.verified().header());
        match header.is_upload() {
            true => {
                let ended = (recorded.request().index, outcome, entry.index);
                self.memory.close_stream(key, ended, self.clock.now_ms());
            }
            false => self.memory.close(key, outcome, entry.index),
        }
        match ended {
            Ok(attested) => {
                let (recorded, answer) = attested.into_parts();
                recorded.seat().answer_recorded(entry.receipt.to_wire());
                Ok(Receipt {
                    answer,
                    closing: entry.receipt,
                    request: recorded.entry(),
                })
            }
            Err(fault) => {
                let permission = fault.recorded().permission();
                Err(Box::new(Refused {
                    code: fault.code(),
                    exchange_id: Some(fault.recorded().verified().header().exchange_id),
                    clause: fault.clause(),
                    agreement: Some(permission.agreement),
                    grant: permission.grant,
                    notice: None,
                    retry_after_ms: None,
                    outcome: Some(outcome.name()),
                    recording: Recording::Recorded,
                    receipt: Some(entry.receipt),
                }))
            }
        }
    }
}

fn request_draft<P>(routed: &mut Routed<P>) -> (Draft, u64, Option<Arriving>) {
    let arriving = routed.take_arriving();
    let permission = routed.permission();
    let verified = routed.verified();
    let facts = ExchangeFacts {
        peer_sha256: bytes_of(&verified.passage().peer.sha256()),
        decided_at_ms: routed.decided_at_ms(),
        agreement: bytes_of(&permission.agreement),
        grant: permission.grant,
        quota_used: routed.quota_used(),
        decide_us: micros(verified.passage().arrived),
        ..ExchangeFacts::default()
    };
    let envelope = verified.envelope();
    let draft = Draft {
        kind: verified.header().kind(),
        facts: facts::encode(&facts),
        header: envelope.header.clone(),
        seal: Some(envelope.seal.clone()),
    };
    (draft, verified.registry().size(), arriving)
}
