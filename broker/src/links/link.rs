//! One attached adapter: its credits, what is pending with it, and what to send it next.
//!
//! All of it under one short lock that is never held while anything is awaited. What is sent is pulled by the
//! [`Outbox`](super::outbox::Outbox): control messages first, then requests in turn while there is credit.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proto::id::{ExchangeId, SystemId};
use proto::wire::audit::v1::Receipt;
use proto::wire::exchange::v1::attach_response::Message;
use proto::wire::exchange::v1::{
    AnswerRecorded, Attach, Attached, Cancel, CancelReason, DeliverEvent, Drain, Envelope,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::lanes::Lanes;
use super::parcel::Parcel;
use super::seat::NoSeat;
use super::{LateAnswer, LinkEnd, Settings};
use crate::door::Peer;

/// Closed exchanges whose late answers a link still knows.
const CLOSED_KNOWN: usize = 1024;
/// Control messages that may wait beyond four for each exchange at once; more means that nobody reads.
const CONTROL_SLACK: usize = 1024;

mod streams;

pub(crate) use streams::Frame;

/// One attached adapter.
#[derive(Debug)]
pub(crate) struct Link {
    id: u64,
    peer: Arc<Peer>,
    system: SystemId,
    settings: Settings,
    late: mpsc::Sender<LateAnswer>,
    /// Taken seats, and credits: a hint for choosing, read without the lock.
    seats: AtomicUsize,
    credits: AtomicUsize,
    unknown: AtomicU64,
    gone: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    credits: usize,
    in_flight: usize,
    pending: HashMap<ExchangeId, Pending>,
    queue: Lanes<u64, Parcel>,
    control: VecDeque<Message>,
    /// Chunks of requests, and their trailers, and events: in turn, behind everything else.
    chunks: Lanes<ExchangeId, Message>,
    /// The adapter takes requests in chunks.
    takes_uploads: bool,
    /// The adapter takes events.
    takes_events: bool,
    /// Exchanges that were delivered and are closed, with the index of their request; the oldest first.
    closed: VecDeque<(ExchangeId, u64)>,
    /// Why the switch ends it, until the adapter was told.
    end: Option<LinkEnd>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// No Attach yet.
    #[default]
    New,
    Open,
    /// No new seats; what has one is finished.
    Draining,
    /// The same, because the adapter asked for it: the stream ends once nothing is pending.
    Leaving,
    Ended,
}

#[derive(Debug)]
struct Pending {
    /// Absent once an answer was handed over, or the exchange waits no more.
    answer: Option<oneshot::Sender<Option<Envelope>>>,
    /// The index of the request's entry, once it left for the adapter.
    sent: Option<u64>,
    /// The same, from the moment it was queued.
    queued: Option<u64>,
    /// What came after that. Kept until the exchange is closed: a late entry follows its closing entry.
    late: Option<Option<Envelope>>,
    /// Where the chunks of an answer go that was opened, or the credit for those of a request.
    stream: Option<mpsc::Sender<Frame>>,
}

impl Link {
    pub(super) fn new(
        id: u64,
        peer: Arc<Peer>,
        system: SystemId,
        settings: &Settings,
        late: mpsc::Sender<LateAnswer>,
    ) -> Self {
        Self {
            late,
            id,
            peer,
            system,
            settings: settings.clone(),
            seats: AtomicUsize::new(0),
            credits: AtomicUsize::new(0),
            unknown: AtomicU64::new(0),
            gone: CancellationToken::new(),
            state: Mutex::default(),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn system(&self) -> &SystemId {
        &self.system
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Cancelled once the link has ended.
    pub(super) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    /// Seats taken, in millionths of its credits.
    pub(super) fn load(&self) -> usize {
        let credits = self.credits.load(Ordering::Relaxed).max(1);
        self.seats.load(Ordering::Relaxed).saturating_mul(1_000_000) / credits
    }

    /// Counts an answer that nobody asked for, and gives how many there were.
    pub(super) fn count_unknown(&self) -> u64 {
        self.unknown.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The adapter is ready for so many at once, of which the switch uses no more than its own limit.
    pub(super) fn attach(&self, offered: Attach) -> Result<(), LinkEnd> {
        let limit = u32::try_from(self.settings.in_flight_max).unwrap_or(u32::MAX);
        self.credit(offered.max_in_flight.min(limit))?;
        self.change(|state| {
            state.takes_uploads = offered.takes_uploads;
            state.takes_events = offered.takes_events;
            if state.phase == Phase::New {
                state.phase = Phase::Open;
            }
            state
                .control
                .push_back(Message::Attached(Attached { link_id: self.id }));
        });
        Ok(())
    }

    /// The adapter takes more at once.
    pub(super) fn credit(&self, more: u32) -> Result<(), LinkEnd> {
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        self.change(|state| {
            let credits = state.credits.saturating_add(more);
            if more == 0 || credits > self.settings.in_flight_max {
                return Err(LinkEnd::Credits);
            }
            state.credits = credits;
            self.credits.store(credits, Ordering::Relaxed);
            Ok(())
        })
    }

    /// No new seats, and the adapter is told.
    pub(super) fn drain(&self) {
        self.change(|state| {
            if state.phase == Phase::Open {
                state.phase = Phase::Draining;
                state.control.push_back(Message::Drain(Drain {}));
            }
        });
    }

    /// No new seats, as the adapter asks. What has one may not even be recorded yet, so only this side knows when
    /// the link has nothing left to do: it then ends the stream.
    pub(super) fn let_go(&self) {
        self.change(|state| {
            if matches!(state.phase, Phase::Open | Phase::Draining) {
                state.phase = Phase::Leaving;
            }
        });
    }

    /// Ends the link: everything pending on it fails. The first reason stays.
    pub(super) fn end(&self, reason: Option<LinkEnd>) {
        let dropped = self.change(|state| {
            if state.phase == Phase::Ended {
                return None;
            }
            state.phase = Phase::Ended;
            state.end = reason;
            state.queue.clear();
            state.chunks.clear();
            Some(std::mem::take(&mut state.pending))
        });
        // Outside the lock: dropping the senders wakes the exchanges.
        drop(dropped);
        self.gone.cancel();
    }

    /// A seat for `exchange`. A second exchange of the same id finds no seat here: answers name only the id.
    pub(super) fn take_seat(
        &self,
        exchange: ExchangeId,
        consumer: u64,
        is_upload: bool,
    ) -> Result<oneshot::Receiver<Option<Envelope>>, NoSeat> {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Err(NoSeat::Offline);
        }
        if is_upload && !state.takes_uploads {
            return Err(NoSeat::NoUploads);
        }
        let full = state.pending.len() >= state.credits + self.settings.queue
            || state.queue.lane_len(&consumer) >= self.settings.queue_per_consumer;
        if full || state.pending.contains_key(&exchange) {
            return Err(NoSeat::Full);
        }
        let (sender, answer) = oneshot::channel();
        let pending = Pending {
            answer: Some(sender),
            sent: None,
            queued: None,
            late: None,
            stream: None,
        };
        state.pending.insert(exchange, pending);
        self.seats.store(state.pending.len(), Ordering::Relaxed);
        Ok(answer)
    }

    pub(super) fn enqueue(&self, consumer: u64, request_index: u64, parcel: Parcel) {
        self.change(|state| {
            // Without its seat the link has ended, and the exchange knows.
            if let Some(pending) = state.pending.get_mut(&parcel.exchange) {
                pending.queued = Some(request_index);
                state.queue.push(consumer, parcel);
            }
        });
    }

    /// Hands an answer to its exchange; one that is late, once, to be recorded. `false` for what was never asked
    /// here, and for anything after the late answer.
    pub(super) fn take_answer(&self, exchange: ExchangeId, envelope: Option<Envelope>) -> bool {
        let mut state = self.lock();
        if let Some(pending) = state.pending.get_mut(&exchange) {
            if pending.sent.is_none() {
                return false;
            }
            let late = match pending.answer.take() {
                Some(waiting) => match waiting.send(envelope) {
                    Ok(()) => return true,
                    Err(envelope) => envelope,
                },
                None => envelope,
            };
            let first = pending.late.is_none();
            pending.late.get_or_insert(late);
            return first;
        }
        let known = state
            .closed
            .iter()
            .position(|(closed, _)| *closed == exchange);
        let Some((_, request_index)) = known.and_then(|at| state.closed.remove(at)) else {
            return false;
        };
        drop(state);
        self.send_late(request_index, envelope);
        true
    }

    /// The exchange waits no more. `crossed` is an answer that was handed over in the same moment.
    pub(super) fn cancel(
        &self,
        exchange: ExchangeId,
        reason: CancelReason,
        crossed: Option<Option<Envelope>>,
    ) {
        self.change(|state| {
            let Some(pending) = state.pending.get_mut(&exchange) else {
                return;
            };
            pending.answer = None;
            pending.stream = None;
            state.chunks.drop_lane(&exchange);
            if pending.sent.is_none() {
                return;
            }
            if crossed.is_some() {
                pending.late = crossed;
            } else {
                let (exchange_id, reason) = (bytes_of(exchange), reason.into());
                state.control.push_back(Message::Cancel(Cancel {
                    exchange_id,
                    reason,
                }));
            }
        });
        self.end_unread();
    }

    /// Whether it can be brought events now.
    pub(super) fn takes_events(&self) -> bool {
        let state = self.lock();
        state.phase == Phase::Open && state.takes_events
    }

    /// Queues an event behind everything else; `false`: the link takes none any more.
    pub(super) fn bring_event(&self, event: DeliverEvent) -> bool {
        // Each subscription has a lane of its own; one that cannot be read would have none.
        let Some(lane) = ExchangeId::from_slice(&event.subscription_id) else {
            return false;
        };
        self.change(|state| {
            let is_open = state.phase == Phase::Open && state.takes_events;
            if is_open {
                state.chunks.push(lane, Message::DeliverEvent(event));
            }
            is_open
        })
    }

    pub(super) fn answer_recorded(&self, exchange: ExchangeId, receipt: Receipt) {
        self.change(|state| {
            let recorded = AnswerRecorded {
                exchange_id: bytes_of(exchange),
                receipt: Some(receipt),
            };
            if state.phase != Phase::Ended {
                state.control.push_back(Message::AnswerRecorded(recorded));
            }
        });
        self.end_unread();
    }

    /// The exchange is closed: its credit comes back, and what came late can be recorded.
    pub(super) fn leave(&self, exchange: ExchangeId, consumer: u64) {
        let late = self.change(|state| {
            let pending = state.pending.remove(&exchange)?;
            state.chunks.drop_lane(&exchange);
            self.seats.store(state.pending.len(), Ordering::Relaxed);
            let Some(request_index) = pending.sent else {
                if pending.queued.is_some() {
                    state
                        .queue
                        .remove(&consumer, |parcel| parcel.exchange == exchange);
                }
                return None;
            };
            state.in_flight = state.in_flight.saturating_sub(1);
            if let Some(late) = pending.late {
                return Some((request_index, late));
            }
            state.closed.push_back((exchange, request_index));
            if state.closed.len() > CLOSED_KNOWN {
                state.closed.pop_front();
            }
            None
        });
        if let Some((request_index, envelope)) = late {
            self.send_late(request_index, envelope);
        }
    }

    fn send_late(&self, request_index: u64, envelope: Option<Envelope>) {
        let peer = Arc::clone(&self.peer);
        let late = LateAnswer {
            peer,
            request_index,
            envelope,
        };
        if self.late.try_send(late).is_err() {
            warn!(request_index, "a late answer was dropped: too many wait");
        }
    }

    /// The next message to the adapter.
    pub(super) fn poll_out(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, LinkEnd>>> {
        let mut state = self.lock();
        if let Some(end) = state.end.take() {
            state.control.clear();
            return Poll::Ready(Some(Err(end)));
        }
        if let Some(message) = state.control.pop_front() {
            return Poll::Ready(Some(Ok(message)));
        }
        if state.phase == Phase::Ended || state.phase == Phase::Leaving && state.pending.is_empty()
        {
            return Poll::Ready(None);
        }
        if state.in_flight < state.credits
            && let Some(parcel) = state.queue.pop()
        {
            state.in_flight += 1;
            if let Some(pending) = state.pending.get_mut(&parcel.exchange) {
                pending.sent = pending.queued;
            }
            return Poll::Ready(Some(Ok(Message::Deliver(parcel.into_wire()))));
        }
        if let Some(chunk) = state.chunks.pop() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn end_unread(&self) {
        let (waiting, bound) = {
            let state = self.lock();
            (
                state.control.len(),
                state
                    .credits
                    .saturating_mul(4)
                    .saturating_add(CONTROL_SLACK),
            )
        };
        if waiting > bound {
            self.end(Some(LinkEnd::NotReading));
        }
    }

    /// Changes the state, then wakes the outbox, outside the lock.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (changed, waker) = {
            let mut state = self.lock();
            (change(&mut state), state.waker.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        changed
    }

    /// The state is whole whenever the lock is free, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes_of(exchange: ExchangeId) -> Bytes {
    Bytes::copy_from_slice(exchange.as_bytes())
}
