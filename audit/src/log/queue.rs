//! The writer's queue: bounded, and quiet.
//!
//! A full queue refuses. An arrival wakes the writer only when the writer is idle, or when it is the
//! last one a gathering writer still waits for; while a sync runs, arrivals gather unnoticed, because waking
//! a thread per entry costs more than recording it.

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
            Taker::Busy => false,
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
