//! Links: the providers' adapters, each on one long-lived stream that the adapter dialled.
//!
//! Takes a [`Seat`] request for a provider's system; gives a place on its least-loaded adapter, where
//! exactly one recorded request can be delivered and answered. An adapter that renews its certificate has two links
//! for a while, and new work goes to the newer. Never verifies anything and never waits while it
//! holds a lock: an answer is handed to the task of its exchange as it came.
//!
//! | file | what it holds |
//! |---|---|
//! | [`link`] | one adapter: credits, what is pending, what to send next |
//! | [`seat`] | one exchange's place on a link; `deliver` accepts only `Recorded` |
//! | [`lanes`] | the queue that is fair between consumers |
//! | [`outbox`] | the stream towards the adapter; it pulls, so a slow adapter holds up only itself |
//! | [`reader`] | the stream from the adapter |
//! | [`table`] | which links each system has |

pub(crate) mod lanes;
pub(crate) mod link;
pub mod outbox;
mod parcel;
pub(crate) mod reader;
pub(crate) mod seat;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use proto::id::{ExchangeId, SystemId};
use proto::wire::exchange::v1 as wire;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tracing::{debug, info};

use self::link::Link;
use self::outbox::Outbox;
use self::seat::{NoSeat, Seat};
use self::table::{Entered, Table};
use crate::door::Peer;

/// How much may wait on links.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most exchanges that one adapter may take at once, whatever it offers.
    pub in_flight_max: usize,
    /// Recorded requests that may wait on one link for credit.
    pub queue: usize,
    /// Of these, of one consumer's system.
    pub queue_per_consumer: usize,
    /// How long a new stream may take to send its Attach.
    pub attach_timeout: Duration,
    /// Late answers that may wait to be recorded, over all links; more are dropped.
    pub late_backlog: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            in_flight_max: 4096,
            queue: 1024,
            queue_per_consumer: 256,
            attach_timeout: Duration::from_secs(10),
            late_backlog: 256,
        }
    }
}

/// An answer for an exchange that was delivered on this link and is closed, or is being closed.
#[derive(Debug)]
pub(crate) struct LateAnswer {
    pub(crate) peer: Arc<Peer>,
    pub(crate) request_index: u64,
    pub(crate) envelope: Option<wire::Envelope>,
}

/// The receipt of an event, as it came.
#[derive(Debug)]
pub(crate) struct TakenEvent {
    pub(crate) peer: Arc<Peer>,
    pub(crate) receipt: Option<wire::Envelope>,
}

/// All attached adapters.
#[derive(Debug)]
pub struct Links {
    table: Table,
    settings: Settings,
    next_id: AtomicU64,
    /// Where the search among equally loaded links begins: they take turns.
    turn: AtomicUsize,
    late: mpsc::Sender<LateAnswer>,
    taken: mpsc::Sender<TakenEvent>,
    draining: CancellationToken,
    readers: TaskTracker,
}

impl Links {
    /// No adapter yet; late answers go to `late`, receipts of events to `taken`.
    pub(crate) fn new(
        settings: Settings,
        late: mpsc::Sender<LateAnswer>,
        taken: mpsc::Sender<TakenEvent>,
    ) -> Arc<Self> {
        Arc::new(Self {
            table: Table::default(),
            settings,
            next_id: AtomicU64::new(1),
            turn: AtomicUsize::new(0),
            late,
            taken,
            draining: CancellationToken::new(),
            readers: TaskTracker::new(),
        })
    }

    /// Begins a link with `peer`, which speaks for `system`. The adapter's messages are read in a task of its own;
    /// what the switch sends it comes out of the [`Outbox`].
    pub(crate) fn open<S>(
        self: &Arc<Self>,
        peer: Arc<Peer>,
        system: SystemId,
        messages: S,
    ) -> Outbox
    where
        S: Stream<Item = Result<wire::AttachRequest, Status>> + Send + Unpin + 'static,
    {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let link = Arc::new(Link::new(
            id,
            peer,
            system,
            &self.settings,
            self.late.clone(),
        ));
        if self.draining.is_cancelled() {
            link.end(Some(LinkEnd::Stopping));
        } else {
            self.readers
                .spawn(reader::read(Arc::clone(self), Arc::clone(&link), messages));
        }
        Outbox::new(link)
    }

    /// A place for `exchange` on the least-loaded adapter of `provider`. `consumer` is the lane it queues in.
    ///
    /// # Errors
    /// [`NoSeat::Offline`] when no adapter takes new work, [`NoSeat::Full`] when all have as much as may wait,
    /// [`NoSeat::NoUploads`] when it comes in chunks and no adapter takes such requests.
    pub(crate) fn seat(
        &self,
        provider: &SystemId,
        exchange: ExchangeId,
        consumer: u64,
        is_upload: bool,
    ) -> Result<Seat, NoSeat> {
        // A link that drains may have handed over to one that entered since the table was read, which is then open:
        // an adapter drains only after it was told so. The second look finds that one.
        for _ in 0..2 {
            let Some(links) = self.table.links_of(provider) else {
                return Err(NoSeat::Offline);
            };
            match self.seat_among(&links, exchange, consumer, is_upload) {
                Ok(seat) => return Ok(seat),
                Err(none @ (NoSeat::Full | NoSeat::NoUploads)) => return Err(none),
                Err(NoSeat::Offline) => {}
            }
        }
        Err(NoSeat::Offline)
    }

    fn seat_among(
        &self,
        links: &[Entered],
        exchange: ExchangeId,
        consumer: u64,
        is_upload: bool,
    ) -> Result<Seat, NoSeat> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut by_load: Vec<&Entered> = (0..links.len())
            .map(|at| &links[(turn.wrapping_add(at)) % links.len()])
            .collect();
        // A stable sort: among equals the turn decides.
        by_load.sort_by_key(|entered| (entered.superseded, entered.link.load()));
        let mut none = NoSeat::Offline;
        for Entered { link, .. } in by_load {
            match link.take_seat(exchange, consumer, is_upload) {
                Ok(answer) => return Ok(Seat::new(Arc::clone(link), exchange, consumer, answer)),
                Err(NoSeat::Offline) => {}
                Err(NoSeat::Full) => none = NoSeat::Full,
                Err(NoSeat::NoUploads) if none == NoSeat::Offline => none = NoSeat::NoUploads,
                Err(NoSeat::NoUploads) => {}
            }
        }
        Err(none)
    }

    /// The link by which `system` is brought events now: the newest of those whose adapters take them.
    pub(crate) fn events_link(&self, system: &SystemId) -> Option<u64> {
        self.event_link(system).map(|link| link.id())
    }

    /// Queues an event for `system`, behind everything else; whether there was a link.
    pub(crate) fn bring_event(&self, system: &SystemId, event: wire::DeliverEvent) -> bool {
        let link = self.event_link(system);
        link.is_some_and(|link| link.bring_event(event))
    }

    fn event_link(&self, system: &SystemId) -> Option<Arc<Link>> {
        let links = self.table.links_of(system)?;
        // The newest: an event that went by a link stays out while that one is attached.
        let open = links.iter().filter(|entered| entered.link.takes_events());
        let best = open.max_by_key(|entered| (!entered.superseded, entered.link.id()))?;
        Some(Arc::clone(&best.link))
    }

    /// Hands the receipt of an event on. Where too many wait it is dropped, and the event is brought again.
    fn event_taken(&self, peer: &Arc<Peer>, receipt: Option<wire::Envelope>) {
        let peer = Arc::clone(peer);
        if self.taken.try_send(TakenEvent { peer, receipt }).is_err() {
            debug!("the receipt of an event was dropped: too many wait");
        }
    }

    /// Whether an adapter of `system` is attached.
    #[must_use]
    pub(crate) fn has(&self, system: &SystemId) -> bool {
        self.table.links_of(system).is_some()
    }

    /// The systems with attached adapters, and how many each has.
    #[must_use]
    pub fn attached(&self) -> Vec<(SystemId, usize)> {
        let all = self.table.all().into_iter();
        let mut attached: Vec<_> = all.map(|(system, links)| (system, links.len())).collect();
        attached.sort();
        attached
    }

    /// Tells every adapter that no new work comes, and takes no new link.
    pub fn drain(&self) {
        self.draining.cancel();
        self.each(Link::drain);
    }

    /// Ends every link and waits for their readers. What is still pending on them fails.
    pub async fn close(&self) {
        self.draining.cancel();
        self.each(|link| link.end(Some(LinkEnd::Stopping)));
        self.readers.close();
        self.readers.wait().await;
    }

    /// Enters a link and opens it: from now on it is found by [`Links::seat`]. In this order, because its adapter may
    /// drain an older link as soon as it hears that this one is attached.
    fn enter(&self, link: &Arc<Link>, offered: wire::Attach) -> Result<(), LinkEnd> {
        self.table.enter(link);
        if let Err(end) = link.attach(offered) {
            self.table.leave(link);
            return Err(end);
        }
        info!(link = link.id(), system = %link.system(), "an adapter attached");
        // A drain that walked the table a moment ago did not see this link.
        if self.draining.is_cancelled() {
            link.drain();
        }
        Ok(())
    }

    fn leave(&self, link: &Arc<Link>) {
        self.table.leave(link);
        info!(link = link.id(), system = %link.system(), "an adapter is gone");
    }

    fn each(&self, does: impl Fn(&Link)) {
        for (_, links) in self.table.all() {
            links.iter().for_each(|entered| does(&entered.link));
        }
    }
}

/// Why the switch ended a link; the adapter hears it as the stream's status.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LinkEnd {
    /// The first message was something else, or none came in time.
    #[error("the first message of a link is Attach, and it comes within seconds")]
    NotAttach,
    /// A second Attach.
    #[error("a link is attached once")]
    AttachedTwice,
    /// Attach or Credit names no number that can be served.
    #[error("max_in_flight and more are from 1 up to the switch's limit together")]
    Credits,
    /// A message without content.
    #[error(
        "a message of a link holds one of attach, answer, credit, drain, chunk, trailer, upload_credit, event_taken"
    )]
    Empty,
    /// The adapter does not read what it is sent.
    #[error("the adapter does not read what the switch sends")]
    NotReading,
    /// The switch shuts down.
    #[error("the switch is shutting down; attach to another broker or again later")]
    Stopping,
}

#[cfg(test)]
mod tests;
