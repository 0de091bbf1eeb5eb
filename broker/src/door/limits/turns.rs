//! Whose turn it is: exchanges that wait to be worked on, and those that are.
//!
//! Takes an agency; gives a [`Turn`], which becomes [`Work`] when there is room. Agencies are served one after the
//! other, whatever each has waiting, those that have less under way than others first, and one that asks little does not wait at
//! all. While it is here and somebody is told no, those that ask much have only so many under way until they are closed ([`Calm`]). Never holds a
//! lock while it wakes somebody, and never waits for a provider: work ends when the request is on its way.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use proto::Code;
use proto::id::AgencyId;
use tokio::sync::oneshot;

use super::Share;
use super::calm::Calm;
use super::pace::Pace;

mod waiting;
mod whole;

use waiting::{Called, Waiter, Waiting};
pub(super) use whole::Whole;

/// So long after a no more comes than can. Where nobody is told no, whoever has much under way is no flood.
const FLOODED: Duration = Duration::from_secs(1);
/// An agency that asks little does not wait with no more than these here, or one such part of what is worked on.
const FEW: (usize, usize) = (8, 4);

/// Everybody's turns.
#[derive(Debug)]
pub(super) struct Turns {
    waiting: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Pieces of work under way, of exchanges that begin and that end.
    working: usize,
    /// Exchanges of each agency that wait or are being begun.
    here: HashMap<AgencyId, usize>,
    waiting: Waiting,
    next: u64,
    pace: Pace,
    calm: Calm,
    /// When somebody was told no.
    refused: Option<Instant>,
}

/// One that is called.
#[derive(Debug)]
struct Next {
    waiter: Waiter,
    much: bool,
    beside: usize,
}

/// One exchange's turn. Waiting for it gives [`Work`]; dropping it gives it up.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    agency: AgencyId,
    /// It asks much: counts among those of which only so many are under way while somebody asks little.
    much: bool,
    state: Waits,
}

#[derive(Debug)]
enum Waits {
    /// It is its turn.
    No { beside: usize, began: Instant },
    For {
        number: u64,
        called: oneshot::Receiver<Called>,
    },
    /// It has become work, or nothing.
    Over,
}

/// The right to be worked on. Dropping it lets the next one begin.
#[derive(Debug)]
pub struct Work {
    turns: Arc<Turns>,
    /// Whose exchange begins; `None` for one that ends.
    agency: Option<AgencyId>,
    began: Instant,
    beside: usize,
    is_done: bool,
    whole: Option<Whole>,
}

impl Turns {
    /// At most `waiting` wait, and `most` are worked on.
    pub(super) fn new(waiting: usize, most: usize) -> Arc<Self> {
        Arc::new(Self {
            waiting,
            state: Mutex::new(State {
                working: 0,
                here: HashMap::new(),
                waiting: Waiting::default(),
                next: 0,
                pace: Pace::new(most, Instant::now()),
                calm: Calm::new(most, Instant::now()),
                refused: None,
            }),
        })
    }

    /// A turn for `agency`; `None` when as many wait as may, and none of the others has more of them.
    pub(super) fn take(self: &Arc<Self>, agency: &AgencyId, share: Share) -> Option<Turn> {
        let much = share == Share::Much;
        let now = Instant::now();
        let mut state = self.lock();
        let waits = if state.is_free_for(agency, share, now) {
            if much {
                state.calm.begins(now);
            }
            state.working += 1;
            Waits::No {
                beside: state.working - 1,
                began: now,
            }
        } else {
            // Not where it is for calm that it waits.
            if state.working >= state.pace.at_once() {
                state.pace.wanted();
            }
            if state.waiting.len() >= self.waiting {
                state.refused = Some(now);
                let (other, waiter) = state.waiting.make_room_for(agency)?;
                state.is_gone(&other);
                // Whoever is gone needs no word.
                let _ = waiter.call.send(Called::Away);
            }
            let (call, called) = oneshot::channel();
            let number = state.next;
            state.next += 1;
            let waiter = Waiter { number, call };
            state.waiting.push(agency.clone(), share, waiter);
            Waits::For { number, called }
        };
        state.comes(agency);
        Some(Turn {
            turns: Arc::clone(self),
            agency: agency.clone(),
            much,
            state: waits,
        })
    }

    /// Somebody was told no before it could wait for a turn.
    pub(super) fn refused(&self) {
        self.lock().refused = Some(Instant::now());
    }

    /// Work on an exchange that ends; it counts, and does not wait.
    pub(super) fn go_on(self: &Arc<Self>) -> Work {
        let mut state = self.lock();
        state.working += 1;
        let beside = state.working - 1;
        drop(state);
        Work::new(Arc::clone(self), None, beside)
    }

    /// One piece of work less. Whoever can begin now is called.
    fn end(&self, work: Option<&Work>, agency: Option<&AgencyId>) {
        self.change(|state, now| {
            if let Some(work) = work {
                let took = now.saturating_duration_since(work.began);
                state.pace.note(took, work.beside, now);
            }
            if let Some(agency) = agency {
                state.is_gone(agency);
            }
            state.working = state.working.saturating_sub(1);
        });
    }

    /// Somebody hears only now that it was called at that time: so long waits everything that is ready here.
    fn heard(&self, at: Instant) {
        let now = Instant::now();
        let late = now.saturating_duration_since(at);
        self.lock().calm.note(late, now);
    }

    /// A turn that had come and was not used.
    fn give_up(&self, turn: &Turn, began: Instant) {
        self.end(None, Some(&turn.agency));
        if turn.much {
            self.change(|state, now| state.calm.closes(began, now));
        }
    }

    /// See [`Calm::stand_still`].
    #[cfg(test)]
    pub(super) fn stand_still(&self) {
        self.lock().calm.stand_still(Instant::now());
    }

    /// Exchanges under way that count while it is calm.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.lock().calm.under_way()
    }

    /// Calls whoever can begin: what is under way for long counts no more, and nobody ends with that.
    pub(super) fn look(&self) {
        self.change(|_, _| {});
    }

    /// Changes the state, and calls whoever can begin then.
    fn change(&self, change: impl FnOnce(&mut State, Instant)) {
        let now = Instant::now();
        let mut called = {
            let mut state = self.lock();
            change(&mut state, now);
            state.call(now)
        };
        // Outside the lock: whoever is called is woken.
        while !called.is_empty() {
            let told = called.into_iter().filter_map(|called| {
                let word = Called::Beside(called.beside, now);
                called.waiter.call.send(word).err().map(|_| called.much)
            });
            let unheard: Vec<bool> = told.collect();
            if unheard.is_empty() {
                return;
            }
            let mut state = self.lock();
            state.working = state.working.saturating_sub(unheard.len());
            let much = unheard.into_iter().filter(|much| *much);
            much.for_each(|_| state.calm.closes(now, now));
            called = state.call(now);
        }
    }

    /// The state is whole whenever the lock is free, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether one more of `agency` can begin at once.
    fn is_free_for(&mut self, agency: &AgencyId, share: Share, now: Instant) -> bool {
        let at_once = self.pace.at_once();
        let little = share == Share::Little;
        let is_flooded = self
            .refused
            .is_some_and(|refused| now.saturating_duration_since(refused) < FLOODED);
        if little && is_flooded && (self.waiting.len() > 0 || self.working >= at_once) {
            self.pace.calm(now);
            self.calm.begin(now);
        }
        let is_next = !self.waiting.is_before(share) && self.working < at_once;
        if is_next && (share != Share::Much || self.calm.has_room(now)) {
            return true;
        }
        let own = self.here.get(agency).copied().unwrap_or(0);
        little && own < (at_once / FEW.1).max(FEW.0)
    }

    /// Counts one more of `agency`.
    fn comes(&mut self, agency: &AgencyId) {
        match self.here.get_mut(agency) {
            Some(own) => *own += 1,
            None => {
                self.here.insert(agency.clone(), 1);
            }
        }
    }

    /// Counts one less of `agency`.
    fn is_gone(&mut self, agency: &AgencyId) {
        super::give_back(&mut self.here, agency);
    }

    /// Takes out those whose turn it is.
    fn call(&mut self, now: Instant) -> Vec<Next> {
        let mut called = Vec::new();
        while self.working < self.pace.at_once()
            && let Some((waiter, much)) = self.waiting.pop(|| self.calm.has_room(now))
        {
            called.push(Next {
                waiter,
                much,
                beside: self.working,
            });
            self.working += 1;
            if much {
                self.calm.begins(now);
            }
        }
        called
    }
}

impl Future for Turn {
    /// [`Code::Overloaded`] when it had to make room.
    type Output = Result<Work, Code>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let begins = match &mut this.state {
            Waits::No { beside, began } => Some((*beside, *began)),
            Waits::For { called, .. } => match ready!(Pin::new(called).poll(cx)) {
                Ok(Called::Beside(beside, at)) => {
                    this.turns.heard(at);
                    Some((beside, at))
                }
                Ok(Called::Away) | Err(_) => None,
            },
            Waits::Over => None,
        };
        this.state = Waits::Over;
        Poll::Ready(match begins {
            Some((beside, began)) => {
                let agency = Some(this.agency.clone());
                let mut work = Work::new(Arc::clone(&this.turns), agency, beside);
                work.whole = this
                    .much
                    .then(|| Whole::new(Arc::clone(&this.turns), began));
                Ok(work)
            }
            None => Err(Code::Overloaded),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        match &mut self.state {
            Waits::No { began, .. } => {
                let began = *began;
                self.turns.give_up(self, began);
            }
            Waits::For { number, called } => {
                let waited = {
                    let mut state = self.turns.lock();
                    let found = state.waiting.remove(&self.agency, *number);
                    if found.is_some() {
                        state.is_gone(&self.agency);
                    }
                    found.is_some()
                };
                if waited {
                    return;
                }
                // It was called, or made room, in the same moment; one that is called later hears that nobody waits.
                called.close();
                match called.try_recv() {
                    Ok(Called::Beside(_, began)) => self.turns.give_up(self, began),
                    Ok(Called::Away) => {}
                    Err(_) => self.turns.lock().is_gone(&self.agency),
                }
            }
            Waits::Over => {}
        }
    }
}

impl Work {
    fn new(turns: Arc<Turns>, agency: Option<AgencyId>, beside: usize) -> Self {
        Self {
            turns,
            agency,
            began: Instant::now(),
            beside,
            is_done: false,
            whole: None,
        }
    }

    /// The exchange of which this is the beginning, for whoever holds it until it is closed.
    pub(super) fn whole(&mut self) -> Option<Whole> {
        self.whole.take()
    }

    /// It was done, and not broken off: how long it took says how fast the switch is.
    pub fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let noted = self.is_done.then_some(&*self);
        self.turns.end(noted, self.agency.as_ref());
    }
}

#[cfg(test)]
mod tests;
