//! The way of an exchange, room after room.
//!
//! ```text
//! Received → Verified → Fresh → Permitted → Routed → Recorded → Answered → Attested → Receipt
//! ```
//!
//! Each room lives in its own file, takes the token of the room before, and is the only place where its own token can
//! be made: leaving one out does not compile. `docs/protocol.md` §3.

mod attach;
mod authorise;
mod budget;
mod caller;
mod counts;
mod dispute;
pub mod event;
mod freshness;
mod late;
mod memory;
mod outcome;
mod pages;
mod provider;
mod quota;
mod rate;
pub(crate) mod record;
pub mod refusal;
pub mod reply;
mod response;
mod resume;
pub(crate) mod reviews;
mod route;
mod stream;
pub mod submission;
mod under_way;
mod upload;
pub mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use audit::clock::Clock;
use audit::log::Log;
use proto::Code;
use proto::id::AgencyId;
use proto::limits;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

pub use record::Receipt;
pub use refusal::{Recording, Refused};
pub use resume::{ResumeError, Resumed};
pub use stream::Streamed;
pub use verify::Received;

use self::budget::Budget;
pub(crate) use self::caller::Caller;
use self::caller::{Told, told};
use self::counts::Ended;
use self::event::EventHouse;
use self::memory::Memory;
use self::quota::Quota;
use self::rate::Rates;
use self::record::{Recorded, Unrecorded};
use self::refusal::Refusal;
use self::reviews::ReviewBook;
use self::route::Routed;
use self::stream::Places;
use self::submission::Submissions;
use self::under_way::UnderWay;
use crate::door::limits::{Limits, Permit, Work};
use crate::door::trace;
use crate::links::{self, Links};
use crate::registry::RegistryHandle;

/// How often one request is judged again because the registry moved in between; after that the switch is busy.
const JUDGEMENTS_MAX: u32 = 16;
/// How often whoever waits for its turn looks whether it has come: what is under way for long makes room without a word.
const LOOK: Duration = Duration::from_secs(1);
/// Receipts of events that may wait to be looked at; more are dropped, and their events brought again.
const EVENT_RECEIPTS: usize = 1_024;
/// How long exchanges have for their closing entries once they were told to end.
const ENDING: Duration = Duration::from_secs(5);

/// How exchanges are judged and remembered.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How far a request's time may lie from the switch's clock, milliseconds.
    pub window_ms: u64,
    /// Refusals of one peer that are recorded singly in a minute.
    pub refusals_per_minute: u32,
    /// How long what goes in chunks may stand still.
    pub idle: Duration,
    /// Exchanges remembered at most, about 150 bytes each.
    pub remembered: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_ms: limits::WINDOW_MS,
            refusals_per_minute: 60,
            idle: Duration::from_millis(limits::STREAM_IDLE_MS),
            remembered: 4_000_000,
        }
    }
}

/// What an exchange needs of the rest of the switch.
#[derive(Debug)]
pub struct Parts {
    /// Where everything is recorded.
    pub log: Log,
    /// What everything is judged by.
    pub registry: RegistryHandle,
    /// How many may be under way.
    pub limits: Arc<Limits>,
    /// Where decisions take their time from.
    pub clock: Clock,
    /// How exchanges are judged.
    pub settings: Settings,
    /// How much may wait on links.
    pub links: links::Settings,
    /// Where submissions wait, and how many may.
    pub submissions: submission::Settings,
    /// Where events are kept, and how they are brought.
    pub events: event::Settings,
}

/// All exchanges of a switch.
pub struct Exchange {
    log: Log,
    registry: RegistryHandle,
    links: Arc<Links>,
    limits: Arc<Limits>,
    clock: Clock,
    settings: Settings,
    memory: Arc<Memory>,
    quota: Arc<Quota>,
    rates: Arc<Rates>,
    reviews: Arc<ReviewBook>,
    budget: Budget,
    streams: Arc<Places>,
    submissions: Submissions,
    events: EventHouse,
    ended: Ended,
    /// Exchanges under way. They end even when their callers hang up.
    exchanges: TaskTracker,
    /// What runs beside them: late answers, counted refusals.
    beside: TaskTracker,
    /// Cancelled when exchanges must end at once.
    stop: CancellationToken,
    /// Cancelled when what runs beside them must end.
    end: CancellationToken,
}

impl Exchange {
    /// Reads the log's last entries, closes what an earlier run left open, and is ready.
    ///
    /// # Errors
    /// [`ResumeError`]: the log cannot be read or takes no entry.
    pub async fn start(parts: Parts) -> Result<(Arc<Self>, Resumed), ResumeError> {
        let (late, waiting) = mpsc::channel(parts.links.late_backlog.max(1));
        let (taken, receipts) = mpsc::channel(EVENT_RECEIPTS);
        // A request may be issued one window early and lives until one window late; its deadline counts from then.
        let retain_ms = 2 * parts.settings.window_ms + u64::from(limits::DEADLINE_MS_MAX);
        let exchange = Arc::new(Self {
            links: Links::new(parts.links, late, taken),
            memory: Memory::new(retain_ms, parts.settings.remembered),
            quota: Arc::default(),
            rates: Arc::default(),
            reviews: Arc::default(),
            budget: Budget::new(parts.settings.refusals_per_minute),
            streams: Arc::default(),
            submissions: Submissions::new(parts.submissions),
            events: EventHouse::new(parts.events),
            ended: Ended::default(),
            log: parts.log,
            registry: parts.registry,
            limits: parts.limits,
            clock: parts.clock,
            settings: parts.settings,
            exchanges: TaskTracker::new(),
            beside: TaskTracker::new(),
            stop: CancellationToken::new(),
            end: CancellationToken::new(),
        });
        let resumed = Box::pin(exchange.resume()).await?;
        exchange
            .beside
            .spawn(late::record_late(Arc::clone(&exchange), waiting));
        exchange
            .beside
            .spawn(budget::record_counted(Arc::clone(&exchange)));
        exchange
            .beside
            .spawn(submission::dispatch(Arc::clone(&exchange)));
        exchange
            .beside
            .spawn(event::take(Arc::clone(&exchange), receipts));
        exchange
            .beside
            .spawn(event::dispatch(Arc::clone(&exchange)));
        Ok((exchange, resumed))
    }

    /// Exchanges under way.
    pub fn under_way(&self) -> usize {
        self.exchanges.len()
    }

    /// The providers' adapters.
    pub fn links(&self) -> &Arc<Links> {
        &self.links
    }

    /// Carries one request through all rooms: once its request is durable an exchange goes on to its closing entry, whoever
    /// still waits. Carried by this future, so it has to be looked at whenever it is woken.
    ///
    /// # Errors
    /// What the caller is told instead of an answer.
    pub async fn call(self: &Arc<Self>, received: Received) -> Result<Receipt, Box<Refused>> {
        let (under_way, answer) = self.begun(received).await?;
        under_way.await;
        told(answer).await
    }

    /// As [`Exchange::call`], in a task of its own from the beginning: HTTP/2 looks at a stream only while its caller reads,
    /// and an exchange must not stand still for that.
    ///
    /// # Errors
    /// As [`Exchange::call`].
    pub async fn call_beside(
        self: &Arc<Self>,
        received: Received,
    ) -> Result<Receipt, Box<Refused>> {
        let (under_way, answer) = self.begun(received).await?;
        drop(under_way);
        told(answer).await
    }

    /// An exchange that has its place under the limits, and where it says how it ended.
    async fn begun(
        self: &Arc<Self>,
        mut received: Received,
    ) -> Result<(UnderWay, oneshot::Receiver<Told>), Box<Refused>> {
        // Whoever waits for its turn counts as under way: the switch does not end over its head.
        let waits = self.exchanges.token();
        let admitted = match received.peer().agency.clone() {
            Some(agency) => match self.admitted(&agency).await {
                Ok(admitted) => Some(admitted),
                Err(code) => {
                    drop((received, waits));
                    return Err(self.turned_away(&agency, code).await);
                }
            },
            // Nobody's agency: the first room refuses it.
            None => None,
        };
        received.admit(admitted, self.log.arriving());
        let span = trace::span(received.traceparent());
        let (mut caller, waiting) = Caller::new(received.patience_ends());
        let this = Arc::clone(self);
        let exchange = async move {
            let ended = this.way(received, &mut caller).await;
            this.ended
                .note(ended.as_ref().err().map(|refused| refused.code));
            trace::ended(
                ended
                    .as_ref()
                    .map_or_else(|refused| refused.code.name(), |_| "answered"),
            );
            // A caller that hung up hears nothing; the entry stands all the same.
            let _ = caller.answer.send(ended);
        };
        let under_way = UnderWay::new(exchange.instrument(span), &self.exchanges);
        drop(waits);
        Ok((under_way, waiting))
    }

    /// A place under the limits, and the turn of it. Decided by who is connected alone, so that a no costs next to
    /// nothing: no seal is verified and no task begun for it.
    pub(in crate::exchange) async fn admitted(
        &self,
        agency: &AgencyId,
    ) -> Result<(Permit, Work), Code> {
        let (mut permit, mut turn) = self.limits.enter(agency)?;
        let mut work = loop {
            tokio::select! {
                biased;
                work = &mut turn => break work?,
                () = self.stop.cancelled() => return Err(Code::Overloaded),
                () = tokio::time::sleep(LOOK) => self.limits.look(),
            }
        };
        permit.begins(&mut work);
        Ok((permit, work))
    }

    /// What is told to whoever was not let in. An agency that hears it very often hears it later.
    async fn turned_away(&self, agency: &AgencyId, code: Code) -> Box<Refused> {
        self.ended.note(Some(code));
        let hold = self.limits.hold(agency);
        if !hold.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(hold) => {}
                () = self.stop.cancelled() => {}
            }
        }
        Refused::unrecorded(code)
    }

    /// THE WAY.
    async fn way(&self, received: Received, caller: &mut Caller) -> Result<Receipt, Box<Refused>> {
        // No entry, no exchange: nothing is delivered that was not judged and recorded against one registry.
        let recorded = self.judged_and_recorded(received, caller).await?;
        // The provider sees it only now; every way out of here, a fault too, leads to the closing entry.
        let answered = self.provider(recorded, caller).await;
        let work = self.limits.go_on();
        let ended = match answered {
            // An answer is believed by its seal, not by the link that brought it.
            Ok(answered) => self.response(answered),
            Err(fault) => Err(fault),
        };
        // The consumer sees it only once it is durable.
        let told = self.close(ended).await;
        work.done();
        told
    }

    /// The four rooms that decide. Nothing is awaited between them, so one registry judges all of it.
    fn judge(&self, received: Received) -> Result<Routed, Box<Refusal>> {
        // Who speaks: before that, not one byte of the header is believed.
        let verified = self.verify(received)?;
        trace::opened(verified.header());
        // Now, and for the first time: else a copy would be asked again.
        let fresh = self.freshness(verified)?;
        // Both agencies agreed: before that, the caller is not even told what exists.
        let permitted = self.authorise(fresh)?;
        // There is somebody to ask, and room to ask.
        self.route(permitted)
    }

    /// Judges and records; judges again when the registry moved in between.
    async fn judged_and_recorded(
        &self,
        mut received: Received,
        caller: &Caller,
    ) -> Result<Recorded, Box<Refused>> {
        for _ in 0..JUDGEMENTS_MAX {
            // Before the request is durable a hang-up drops it: whatever it holds is given back.
            if caller.answer.is_closed() {
                return Err(Refused::unrecorded(Code::Deadline));
            }
            let refusal = match self.judge(received) {
                Ok(routed) => match self.record(routed).await {
                    Ok(recorded) => return Ok(recorded),
                    Err(Unrecorded::Overtaken(overtaken)) => Err(overtaken),
                    Err(Unrecorded::Refused(refusal)) => self.refuse(refusal).await,
                },
                Err(refusal) => self.refuse(refusal).await,
            };
            let overtaken = match refusal {
                Ok(refused) => return Err(refused),
                Err(overtaken) => overtaken,
            };
            self.registry.reached(overtaken.size).await;
            received = overtaken.received;
            received.announce(self.log.arriving());
        }
        Err(Refused::unrecorded(Code::Overloaded))
    }

    /// Waits for the exchanges under way, at most `patience`; then ends them with a closing entry each, records what
    /// was only counted, and ends what runs beside. Called after the last call was taken, before the log is closed.
    pub async fn finish(&self, patience: Duration) {
        self.exchanges.close();
        if timeout(patience, self.exchanges.wait()).await.is_err() {
            self.stop.cancel();
            // What even then has no closing entry is closed as abandoned at the next start.
            let _ = timeout(ENDING, self.exchanges.wait()).await;
        }
        self.end.cancel();
        self.beside.close();
        self.beside.wait().await;
        self.keep_known(true).await;
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({} under way)", self.exchanges.len())
    }
}

#[cfg(test)]
mod tests;
