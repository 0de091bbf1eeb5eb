//! The writer's queue: bounded, and quiet.
//!
//! A full queue refuses. An arrival wakes the writer only when the writer is idle, or when it is the
//! last one a gathering writer still waits for; while a sync runs, arrivals gather unnoticed, because waking
//! a thread per entry costs more than recording it. For the same reason an idle writer can be left asleep: whoever
//! has the only item may do the writer's work itself ([`Queue::stand_in`]).

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A bounded queue with one taker.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
    bound: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    taker: Taker,
    open: bool,
}

/// What the taker is doing.
#[derive(Debug)]
enum Taker {
    /// Elsewhere; it will look by itself.
    Busy,
    /// Waiting for anything.
    Idle,
    /// Waiting for this many items.
    Gathering(usize),
    /// Waiting for anything, while someone stands in for it.
    Replaced,
}

/// Someone who does the idle taker's work for one item. What arrived meanwhile is the taker's when this is dropped.
#[derive(Debug)]
pub(super) struct StandIn<'a, T> {
    queue: &'a Queue<T>,
}

/// Why an item was not taken in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// As many items wait as may.
    Full,
    /// The queue was closed.
    Closed,
}

impl<T> Queue<T> {
    /// An open queue of at most `bound` items.
    pub(super) fn new(bound: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            taker: Taker::Busy,
            open: true,
        };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            bound,
        }
    }

    /// Adds an item, or refuses at once.
    pub(super) fn push(&self, item: T) -> Result<(), Rejected> {
        let mut state = self.lock();
        if !state.open {
            return Err(Rejected::Closed);
        }
        if state.items.len() >= self.bound {
            return Err(Rejected::Full);
        }
        state.items.push_back(item);
        let enough = match state.taker {
            Taker::Busy | Taker::Replaced => false,
            Taker::Idle => true,
            Taker::Gathering(expected) => state.items.len() >= expected,
        };
        if enough {
            state.taker = Taker::Busy;
            drop(state);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Waits for items and takes up to `max`. Once one is there, waits up to `gather` for as many as
    /// `expected` says; not at all when that many are there. `None` when the queue is closed and empty.
    pub(super) fn take(
        &self,
        max: usize,
        gather: Duration,
        expected: impl Fn() -> usize,
    ) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.items.is_empty() {
            if !state.open {
                return None;
            }
            state.taker = Taker::Idle;
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let expected = expected().min(max).min(self.bound);
        let deadline = Instant::now() + gather;
        while state.open && state.items.len() < expected {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.taker = Taker::Gathering(expected);
            state = self
                .wake
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.taker = Taker::Busy;
        let count = state.items.len().min(max);
        Some(state.items.drain(..count).collect())
    }

    /// Stands in for the taker, where that is idle and the queue open: then no item waits.
    pub(super) fn stand_in(&self) -> Option<StandIn<'_, T>> {
        let mut state = self.lock();
        if !state.open || !matches!(state.taker, Taker::Idle) {
            return None;
        }
        state.taker = Taker::Replaced;
        Some(StandIn { queue: self })
    }

    /// Takes nothing in any more; what waits can still be taken.
    pub(super) fn close(&self) {
        self.lock().open = false;
        self.wake.notify_all();
    }

    /// Closes and drops what waits.
    pub(super) fn abandon(&self) {
        let dropped = {
            let mut state = self.lock();
            state.open = false;
            std::mem::take(&mut state.items)
        };
        self.wake.notify_all();
        drop(dropped);
    }

    /// The state is whole whenever the lock is free, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for StandIn<'_, T> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        // A taker that woke by itself meanwhile has said what it does.
        if !matches!(state.taker, Taker::Replaced) {
            return;
        }
        if state.items.is_empty() {
            state.taker = Taker::Idle;
            return;
        }
        state.taker = Taker::Busy;
        drop(state);
        self.queue.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// A taker that takes once, and has begun to wait for something.
    fn waiting(queue: &Arc<Queue<u32>>) -> JoinHandle<Option<Vec<u32>>> {
        let theirs = Arc::clone(queue);
        let taker = thread::spawn(move || theirs.take(8, Duration::ZERO, || 1));
        while !matches!(queue.lock().taker, Taker::Idle) {
            thread::yield_now();
        }
        taker
    }

    #[test]
    fn whoever_stands_in_leaves_the_taker_asleep() {
        let queue = Arc::new(Queue::new(8));
        assert!(queue.stand_in().is_none(), "nobody is idle yet");
        let taker = waiting(&queue);
        let stand_in = queue.stand_in();
        assert!(stand_in.is_some());
        assert!(queue.stand_in().is_none(), "one at a time");
        drop(stand_in);
        assert!(!taker.is_finished());
        assert!(queue.stand_in().is_some(), "idle as before");
        queue.push(7).unwrap();
        assert_eq!(taker.join().unwrap(), Some(vec![7]));
        assert!(queue.stand_in().is_none(), "the taker is elsewhere");
    }

    #[test]
    fn what_arrives_meanwhile_is_the_takers_afterwards() {
        let queue = Arc::new(Queue::new(2));
        let taker = waiting(&queue);
        let stand_in = queue.stand_in();
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        assert_eq!(queue.push(3), Err(Rejected::Full));
        thread::sleep(Duration::from_millis(20));
        assert!(!taker.is_finished(), "nobody woke it");
        drop(stand_in);
        assert_eq!(taker.join().unwrap(), Some(vec![1, 2]));
    }

    #[test]
    fn a_closed_queue_has_no_stand_in_and_ends_its_taker() {
        let queue = Arc::new(Queue::new(2));
        let taker = waiting(&queue);
        let stand_in = queue.stand_in();
        queue.close();
        assert_eq!(taker.join().unwrap(), None);
        drop(stand_in);
        assert!(queue.stand_in().is_none());
        assert_eq!(queue.push(1), Err(Rejected::Closed));
    }
}
