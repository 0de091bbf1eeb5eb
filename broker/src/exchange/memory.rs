//! The memory of exchanges: every (system, exchange id) seen within the window and the longest deadline.
//!
//! Takes ids as requests become fresh. Gives a [`Reservation`], or what became of the first request of that id.
//! Sharded, bounded, and rebuilt at start from the log's last entries. Never holds headers or payloads: what is
//! recorded is read from the log.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::Code;
use proto::header::Outcome;
use proto::id::ExchangeId;

/// Locks among which ids are spread.
const SHARDS: usize = 64;

/// An exchange: ids are unique for each consumer's system only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Log index of the consumer system's first key: a number that never changes.
    pub(super) system: u64,
    /// The id in its header.
    pub(super) exchange: ExchangeId,
}

/// What became of an exchange so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Being judged; nothing is durable.
    Reserved,
    /// Its request is durable.
    Open { request: u64 },
    /// Its closing entry is durable.
    Closed {
        request: u64,
        closing: u64,
        outcome: Outcome,
        disputed: bool,
    },
    /// Its refusal is durable.
    Refused { code: Code, entry: u64 },
}

/// What a duplicate is told of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct First {
    /// `open` while under way, else the outcome's or the refusal's stable word.
    pub(super) outcome: &'static str,
    /// The entry that ended it.
    pub(super) entry: Option<u64>,
}

/// Why an id cannot be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Seen before.
    By(First),
    /// The memory is full.
    Full,
}

/// Why an exchange cannot be disputed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoDispute {
    /// Not remembered, or not answered.
    Unknown,
    /// Disputed before.
    Twice,
}

/// All remembered exchanges.
#[derive(Debug)]
pub(super) struct Memory {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    retain_ms: u64,
    per_shard: usize,
}

#[derive(Debug, Default)]
struct Shard {
    slots: HashMap<Key, Slot>,
    /// When each slot may be forgotten, the oldest first.
    ends: VecDeque<(u64, Key)>,
}

#[derive(Debug)]
struct Slot {
    ends_ms: u64,
    state: State,
}

/// One id, held by one request. Dropped before [`Reservation::burn`] it gives the id back.
#[derive(Debug)]
pub(super) struct Reservation {
    memory: Arc<Memory>,
    key: Key,
    burned: bool,
}

impl Memory {
    /// Remembers each exchange for `retain_ms`, at most about `bound` of them.
    pub(super) fn new(retain_ms: u64, bound: usize) -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            retain_ms,
            per_shard: (bound / SHARDS).max(1),
        })
    }

    /// How long an exchange is remembered.
    pub(super) fn retain_ms(&self) -> u64 {
        self.retain_ms
    }

    /// Reserves `key` for one request.
    pub(super) fn reserve(self: &Arc<Self>, key: Key, now_ms: u64) -> Result<Reservation, Taken> {
        let mut shard = self.shard(&key);
        shard.forget(now_ms);
        if let Some(slot) = shard.slots.get(&key) {
            return Err(Taken::By(slot.state.first()));
        }
        if shard.ends.len() >= self.per_shard {
            return Err(Taken::Full);
        }
        shard.insert(key, now_ms.saturating_add(self.retain_ms), State::Reserved);
        Ok(Reservation {
            memory: Arc::clone(self),
            key,
            burned: false,
        })
    }

    /// Remembers what the log says of an exchange recorded at `recorded_at_ms`. For the start only: not bounded
    /// by number, because what the log holds must be known.
    pub(super) fn restore(&self, key: Key, recorded_at_ms: u64, state: State) {
        let mut shard = self.shard(&key);
        match shard.slots.get_mut(&key) {
            Some(slot) => slot.state = state,
            None => shard.insert(key, recorded_at_ms.saturating_add(self.retain_ms), state),
        }
    }

    /// The exchange's closing entry is durable.
    pub(super) fn close(&self, key: Key, outcome: Outcome, closing: u64) {
        if let Some(slot) = self.shard(&key).slots.get_mut(&key)
            && let State::Open { request } = slot.state
        {
            slot.state = State::Closed {
                request,
                closing,
                outcome,
                disputed: false,
            };
        }
    }

    /// The end of a stream is durable. It may have run longer than an exchange is remembered: that counts from now.
    pub(super) fn close_stream(
        &self,
        key: Key,
        (request, outcome, closing): (u64, Outcome, u64),
        now_ms: u64,
    ) {
        let state = State::Closed {
            request,
            closing,
            outcome,
            disputed: false,
        };
        self.shard(&key)
            .insert(key, now_ms.saturating_add(self.retain_ms), state);
    }

    /// Marks an answered exchange as disputed, once; gives the indexes of its request and closing entries.
    pub(super) fn dispute(&self, key: Key) -> Result<(u64, u64), NoDispute> {
        match self
            .shard(&key)
            .slots
            .get_mut(&key)
            .map(|slot| &mut slot.state)
        {
            Some(State::Closed { disputed: true, .. }) => Err(NoDispute::Twice),
            Some(State::Closed {
                request,
                closing,
                disputed,
                ..
            }) => {
                *disputed = true;
                Ok((*request, *closing))
            }
            Some(State::Reserved | State::Open { .. } | State::Refused { .. }) | None => {
                Err(NoDispute::Unknown)
            }
        }
    }

    /// Takes back a dispute that was not recorded.
    pub(super) fn undispute(&self, key: Key) {
        if let Some(slot) = self.shard(&key).slots.get_mut(&key)
            && let State::Closed { disputed, .. } = &mut slot.state
        {
            *disputed = false;
        }
    }

    fn set(&self, key: Key, state: State) {
        if let Some(slot) = self.shard(&key).slots.get_mut(&key) {
            slot.state = state;
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        // Keyed by a secret, so that nobody can choose ids that all fall into one shard.
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        // A shard is whole whenever the lock is free, also after a panic elsewhere.
        self.shards[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn insert(&mut self, key: Key, ends_ms: u64, state: State) {
        self.slots.insert(key, Slot { ends_ms, state });
        self.ends.push_back((ends_ms, key));
    }

    fn forget(&mut self, now_ms: u64) {
        while let Some((ends_ms, key)) = self.ends.front().copied() {
            if ends_ms > now_ms {
                return;
            }
            self.ends.pop_front();
            // A key that was given back and reserved again has a later end.
            if self
                .slots
                .get(&key)
                .is_some_and(|slot| slot.ends_ms == ends_ms)
            {
                self.slots.remove(&key);
            }
        }
    }
}

impl State {
    fn first(&self) -> First {
        match self {
            Self::Reserved | Self::Open { .. } => First {
                outcome: "open",
                entry: None,
            },
            Self::Closed {
                outcome, closing, ..
            } => First {
                outcome: outcome.name(),
                entry: Some(*closing),
            },
            Self::Refused { code, entry } => First {
                outcome: code.name(),
                entry: Some(*entry),
            },
        }
    }
}

impl Reservation {
    /// Its entry is durable: the id is used up, as `state` says.
    pub(super) fn burn(mut self, state: State) {
        self.burned = true;
        self.memory.set(self.key, state);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.burned {
            // Its place in the order of ends stays until then, so that giving back costs nothing to bound.
            self.memory.shard(&self.key).slots.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests;
