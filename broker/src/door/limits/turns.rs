//! Whose turn it is: exchanges that wait to be worked on, and those that are.
//!
//! Takes an agency; gives a [`Turn`], which becomes [`Work`] when there is room. Agencies are served one after the
//! other, whatever each has waiting, and one that asks far less than its share does not wait at all. Never holds a
//! lock while it wakes somebody, and never waits for a provider: work ends when the request is on its way.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use proto::Code;
use proto::id::AgencyId;
use tokio::sync::oneshot;

use super::pace::Pace;
use crate::links::lanes::Lanes;

/// An agency with less than one such part of what each has on average does not wait. A small part: among agencies that
/// ask alike, each has now and then much less than the others here, with the rest at providers.
const LITTLE: usize = 16;
/// And with no more than these, or one such part of what is worked on.
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
    /// Exchanges that wait or are being begun, in all and of each agency.
    here: usize,
    by_agency: HashMap<AgencyId, usize>,
    lanes: Lanes<AgencyId, Waiter>,
    next: u64,
    pace: Pace,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    call: oneshot::Sender<Called>,
}

/// What a waiter is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    /// It can begin, beside so many others.
    Beside(usize),
    /// It made room for an agency that has less waiting.
    Away,
}

/// One exchange's turn. Waiting for it gives [`Work`]; dropping it gives it up.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    agency: AgencyId,
    state: Waits,
}

#[derive(Debug)]
enum Waits {
    /// It is its turn.
    No { beside: usize },
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
    whole: bool,
}

impl Turns {
    /// At most `waiting` wait, and `most` are worked on.
    pub(super) fn new(waiting: usize, most: usize) -> Arc<Self> {
        Arc::new(Self {
            waiting,
            state: Mutex::new(State {
                working: 0,
                here: 0,
                by_agency: HashMap::new(),
                lanes: Lanes::default(),
                next: 0,
                pace: Pace::new(most, Instant::now()),
            }),
        })
    }

    /// A turn for `agency`; `None` when as many wait as may, and none of the others has more of them.
    pub(super) fn take(self: &Arc<Self>, agency: &AgencyId) -> Option<Turn> {
        let mut state = self.lock();
        let waits = if state.is_free_for(agency) {
            state.working += 1;
            Waits::No {
                beside: state.working - 1,
            }
        } else {
            state.pace.wanted();
            if state.lanes.len() >= self.waiting {
                let own = state.lanes.lane_len(agency);
                // Taking from somebody who would then have less than this one is no gain in fairness.
                let (other, waiter) = state.lanes.pop_longest(own + 1)?;
                state.is_gone(&other);
                // Whoever is gone needs no word.
                let _ = waiter.call.send(Called::Away);
            }
            let (call, called) = oneshot::channel();
            let number = state.next;
            state.next += 1;
            let waiter = Waiter { number, call };
            state.lanes.push(agency.clone(), waiter);
            Waits::For { number, called }
        };
        state.comes(agency);
        Some(Turn {
            turns: Arc::clone(self),
            agency: agency.clone(),
            state: waits,
        })
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
        let mut called = {
            let mut state = self.lock();
            if let Some(work) = work {
                let now = Instant::now();
                let took = now.saturating_duration_since(work.began);
                state.pace.note(took, work.beside, now);
            }
            if let Some(agency) = agency {
                state.is_gone(agency);
            }
            state.working = state.working.saturating_sub(1);
            state.call()
        };
        // Outside the lock: whoever is called is woken.
        while !called.is_empty() {
            let told = called
                .into_iter()
                .map(|(waiter, beside)| waiter.call.send(Called::Beside(beside)));
            let unheard = told.filter(Result::is_err).count();
            if unheard == 0 {
                return;
            }
            let mut state = self.lock();
            state.working = state.working.saturating_sub(unheard);
            called = state.call();
        }
    }

    /// The state is whole whenever the lock is free, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether one more of `agency` can begin at once.
    fn is_free_for(&mut self, agency: &AgencyId) -> bool {
        let at_once = self.pace.at_once();
        if self.working < at_once && self.lanes.len() == 0 {
            return true;
        }
        let own = self.by_agency.get(agency).copied().unwrap_or(0) + 1;
        let agencies = self.by_agency.len() + usize::from(own == 1);
        // `here ÷ agencies` is what each has on average.
        let little = own * LITTLE * agencies <= self.here && own <= (at_once / FEW.1).max(FEW.0);
        if little {
            self.pace.calm(Instant::now());
        }
        little
    }

    /// Counts one more of `agency`.
    fn comes(&mut self, agency: &AgencyId) {
        self.here += 1;
        match self.by_agency.get_mut(agency) {
            Some(own) => *own += 1,
            None => {
                self.by_agency.insert(agency.clone(), 1);
            }
        }
    }

    /// Counts one less of `agency`.
    fn is_gone(&mut self, agency: &AgencyId) {
        self.here = self.here.saturating_sub(1);
        super::give_back(&mut self.by_agency, agency);
    }

    /// Takes those whose turn it is out of the lanes.
    fn call(&mut self) -> Vec<(Waiter, usize)> {
        let mut called = Vec::new();
        while self.working < self.pace.at_once()
            && let Some(next) = self.lanes.pop()
        {
            called.push((next, self.working));
            self.working += 1;
        }
        called
    }
}

impl Future for Turn {
    /// [`Code::Overloaded`] when it had to make room.
    type Output = Result<Work, Code>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let beside = match &mut self.state {
            Waits::No { beside } => Some(*beside),
            Waits::For { called, .. } => match ready!(Pin::new(called).poll(cx)) {
                Ok(Called::Beside(beside)) => Some(beside),
                Ok(Called::Away) | Err(_) => None,
            },
            Waits::Over => None,
        };
        self.state = Waits::Over;
        Poll::Ready(match beside {
            Some(beside) => {
                let agency = Some(self.agency.clone());
                Ok(Work::new(Arc::clone(&self.turns), agency, beside))
            }
            None => Err(Code::Overloaded),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        match &mut self.state {
            Waits::No { .. } => self.turns.end(None, Some(&self.agency)),
            Waits::For { number, called } => {
                let waited = {
                    let mut state = self.turns.lock();
                    let found = state
                        .lanes
                        .remove(&self.agency, |one| one.number == *number);
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
                    Ok(Called::Beside(_)) => self.turns.end(None, Some(&self.agency)),
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
            whole: false,
        }
    }

    /// It was done, and not broken off: how long it took says how fast the switch is.
    pub fn done(mut self) {
        self.whole = true;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let noted = self.whole.then_some(&*self);
        self.turns.end(noted, self.agency.as_ref());
    }
}

#[cfg(test)]
mod tests;
