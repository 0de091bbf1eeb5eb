//! The book of events: the fold over the log, and beside it what is under way.
//!
//! Takes what was recorded. Says what is due for whom: in the order of the log for each key, so that no event overtakes an
//! earlier one of its key with the same subscriber; again after a pause that doubles; and what is given up. Counts of
//! attempts and pauses are of this run alone. Never waits and never reads a file.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::Digest;
use proto::events::{Event, EventFault, Events, Fate};
use proto::header::SubscriptionHeader;
use proto::id::{EventId, SystemId};
use tokio::sync::Notify;

use self::turn::Turn;
use super::Policy;

mod held;
mod inner;
mod turn;

pub(super) use self::held::{Coming, Held};

/// Entries that the next start may read again: a copy of the fold costs more than so many.
const GROWN: u64 = 100_000;

/// All that is known of events.
#[derive(Debug)]
pub(super) struct Book {
    policy: Policy,
    inner: Mutex<Inner>,
    /// Something may be due.
    pub(super) news: Notify,
    /// Something was settled.
    pub(super) moved: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) events: Events,
    lines: BTreeMap<u64, Line>,
    /// Ids of events on their way into the log, and how large that was when they set out.
    coming: HashMap<(SystemId, EventId), u64>,
    /// The fold changed since it was kept.
    pub(super) changed: bool,
    /// Entries of the log that what was kept knows.
    pub(super) known: u64,
    /// Events whose payloads are kept, with their bytes.
    kept: BTreeMap<u64, u64>,
    /// The sum of them.
    bytes: u64,
}

/// What waits for one subscription, in the order of the log.
#[derive(Debug, Default)]
struct Line {
    open: BTreeMap<u64, Try>,
    /// It ends: nothing more is recorded for it.
    ending: bool,
}

/// How the bringing of one event stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Try {
    pub(super) attempts: u32,
    /// Not before this time, Unix milliseconds; 0: now.
    pub(super) next_ms: u64,
    /// It was brought and is not acknowledged; by which link, if by one.
    out: Option<Option<u64>>,
    /// Its outcome is on its way into the log, which had so many entries when it set out.
    held: Option<u64>,
}

/// One event for one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) subscription: u64,
    pub(super) event: u64,
    pub(super) what: What,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It is brought, for this time.
    Bring(u32),
    /// It has fields that the subscription does not.
    Withhold,
    /// It was brought as often as may be.
    GiveUpAttempts,
    /// It is kept no longer.
    GiveUpAge,
}

impl Book {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            inner: Mutex::default(),
            news: Notify::new(),
            moved: Notify::new(),
        }
    }

    /// Everything under its short lock.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // The book is whole whenever the lock is free, also after a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds an event's id while it is recorded in a log of `size` entries; `None`: somebody else does.
    pub(super) fn coming(
        &self,
        publisher: &SystemId,
        id: EventId,
        size: u64,
    ) -> Option<Coming<'_>> {
        let key = (publisher.clone(), id);
        match self.lock().coming.entry(key.clone()) {
            Entry::Vacant(free) => free.insert(size),
            Entry::Occupied(_) => return None,
        };
        Some(Coming { book: self, key })
    }

    /// The fold, where the log has grown by much since it was kept, or at the end where it changed, and how many entries of the log it surely knows: all that were durable
    /// before the first of those that are on their way. `size` is that of the log now.
    pub(super) fn take_changed(
        &self,
        at_the_end: bool,
        size: impl FnOnce() -> u64,
    ) -> Option<(Events, u64)> {
        let mut inner = self.lock();
        let size = size();
        let has_grown = size >= inner.known.saturating_add(GROWN);
        if !(has_grown || at_the_end && inner.changed) {
            return None;
        }
        inner.changed = false;
        let attempts = inner.lines.values().flat_map(|line| line.open.values());
        let held = attempts.filter_map(|attempt| attempt.held);
        let set_out = held.chain(inner.coming.values().copied());
        let known = set_out.fold(size, u64::min);
        inner.known = known;
        Some((inner.events.clone(), known))
    }

    /// Puts every living subscription's events in its line, as far as they are kept: once, at the start.
    pub(super) fn line_up(&self, now_ms: u64) {
        let mut inner = self.lock();
        let living: Vec<u64> = inner
            .events
            .subscriptions()
            .filter(|(_, held)| held.ended.is_none())
            .map(|(index, _)| index)
            .collect();
        for index in living {
            inner.line(index, now_ms.saturating_sub(self.policy.kept_ms));
        }
        drop(inner);
        self.news.notify_one();
    }

    /// A subscription is recorded: what it follows waits for it from now on.
    pub(super) fn begun(
        &self,
        (index, leaf, recorded_at_ms): (u64, Digest, u64),
        header: SubscriptionHeader,
        now_ms: u64,
    ) {
        let since_ms = now_ms.saturating_sub(self.policy.kept_ms);
        let mut inner = self.lock();
        inner.changed = true;
        inner.events.begin(index, leaf, header, recorded_at_ms);
        inner.line(index, since_ms);
        drop(inner);
        self.news.notify_one();
    }

    /// An event is recorded, and its payload of so many bytes is kept; how many are told.
    pub(super) fn published(&self, index: u64, event: Event, bytes: u64) -> usize {
        let mut inner = self.lock();
        inner.changed = true;
        inner.events.publish(index, event);
        inner.keep(index, bytes);
        let told: Vec<u64> = inner
            .events
            .followers(index)
            .filter(|(_, held)| held.ended.is_none())
            .map(|(index, _)| index)
            .collect();
        for subscription in &told {
            let line = inner.lines.entry(*subscription).or_default();
            line.open.insert(index, Try::default());
        }
        drop(inner);
        self.news.notify_one();
        told.len()
    }

    /// Nothing more is recorded for the subscription. `None`: an outcome is on its way into the log.
    pub(super) fn ending(&self, index: u64) -> Option<()> {
        let mut inner = self.lock();
        let line = inner.lines.entry(index).or_default();
        if line.open.values().any(|attempt| attempt.held.is_some()) {
            return None;
        }
        line.ending = true;
        Some(())
    }

    /// Its end could not be recorded.
    pub(super) fn goes_on(&self, index: u64) {
        if let Some(line) = self.lock().lines.get_mut(&index) {
            line.ending = false;
        }
    }

    /// Its end is recorded.
    pub(super) fn ended(&self, index: u64, end: u64, code: &str) {
        let mut inner = self.lock();
        inner.events.end(index, end, code);
        inner.changed = true;
        inner.lines.remove(&index);
        drop(inner);
        self.moved.notify_waiters();
    }

    /// Judges an outcome and holds its event, while it is recorded in a log of `size` entries.
    ///
    /// # Errors
    /// [`EventFault`]; what is held already, or waits for nothing, is there twice.
    pub(super) fn hold(
        &self,
        subscription: u64,
        event: u64,
        (fate, size): (Fate, u64),
    ) -> Result<Held<'_>, EventFault> {
        let mut inner = self.lock();
        let leaves = inner.leaves(subscription, event)?;
        let at = ((subscription, &leaves.0), (event, &leaves.1));
        inner.events.judge_outcome(at.0, at.1, fate)?;
        let line = inner.lines.entry(subscription).or_default();
        if line.ending {
            return Err(EventFault::Ended(subscription));
        }
        // One that was given up waits in no line, and its receipt may still come.
        let attempt = line.open.entry(event).or_default();
        if attempt.held.is_some() {
            return Err(EventFault::Twice(event));
        }
        attempt.held = Some(size);
        let attempts = attempt.attempts;
        drop(inner);
        Ok(Held {
            book: self,
            due: (subscription, event),
            attempts,
            leaves,
        })
    }

    /// What is due at `now_ms`. `link` says by which link a subscription can be brought something; `None`: by none.
    pub(super) fn due(
        &self,
        now_ms: u64,
        mut link: impl FnMut(u64, &SystemId) -> Option<u64>,
    ) -> Vec<Due> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let mut due = Vec::new();
        for (index, line) in &mut inner.lines {
            let Some(held) = inner.events.subscription(*index).filter(|_| !line.ending) else {
                continue;
            };
            if line.open.is_empty() {
                continue;
            }
            let through = link(*index, &held.header.subscriber);
            let turn = Turn {
                subscription: *index,
                policy: self.policy.of(&held.header),
                now_ms,
                through: through.map(Some),
            };
            turn.look(&inner.events, line, &mut due);
        }
        due
    }

    /// The same for one subscription whose events are pulled, at most `most`.
    pub(super) fn pull(&self, index: u64, most: usize, now_ms: u64) -> Vec<Due> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let held = inner.events.subscription(index);
        let (Some(held), Some(line)) = (held, inner.lines.get_mut(&index)) else {
            return Vec::new();
        };
        let turn = Turn {
            subscription: index,
            policy: self.policy.of(&held.header),
            now_ms,
            through: Some(None),
        };
        let mut due = Vec::new();
        turn.look(&inner.events, line, &mut due);
        // What is over is not out.
        for over in due
            .iter()
            .filter(|due| matches!(due.what, What::Bring(_)))
            .skip(most)
        {
            if let Some(attempt) = line.open.get_mut(&over.event) {
                *attempt = Try {
                    attempts: attempt.attempts - 1,
                    ..Try::default()
                };
            }
        }
        let mut brought = 0;
        due.retain(|due| {
            let is_brought = matches!(due.what, What::Bring(_));
            brought += usize::from(is_brought);
            is_brought && brought <= most
        });
        due
    }

    /// It was not brought after all.
    pub(super) fn not_brought(&self, due: Due) {
        let mut inner = self.lock();
        let line = inner.lines.get_mut(&due.subscription);
        if let Some(attempt) = line.and_then(|line| line.open.get_mut(&due.event)) {
            attempt.attempts = attempt.attempts.saturating_sub(1);
            attempt.next_ms = 0;
            attempt.out = None;
        }
    }

    /// Given up events of the subscription are brought again; how many.
    pub(super) fn again(&self, index: u64, event: Option<u64>, kept_since_ms: u64) -> usize {
        let mut inner = self.lock();
        let Some(held) = inner
            .events
            .subscription(index)
            .filter(|held| held.ended.is_none())
        else {
            return 0;
        };
        let dead: Vec<u64> = held
            .outcomes
            .iter()
            .filter(|(at, (fate, _))| {
                let is_kept = inner
                    .events
                    .event(**at)
                    .is_some_and(|event| event.recorded_at_ms > kept_since_ms);
                *fate == Fate::Dead && is_kept && event.is_none_or(|event| event == **at)
            })
            .map(|(at, _)| *at)
            .collect();
        let line = inner.lines.entry(index).or_default();
        for at in &dead {
            line.open.entry(*at).or_default();
        }
        drop(inner);
        self.news.notify_one();
        dead.len()
    }

    /// How the bringing of an event stands.
    pub(super) fn attempt(inner: &Inner, subscription: u64, event: u64) -> Option<Try> {
        inner.lines.get(&subscription)?.open.get(&event).copied()
    }

    /// Subscriptions that live, events that wait, and bytes that are kept.
    pub(super) fn counts(&self) -> (usize, usize, u64) {
        let inner = self.lock();
        let waiting = inner.lines.values().map(|line| line.open.len()).sum();
        let living = inner
            .events
            .subscriptions()
            .filter(|(_, held)| held.ended.is_none());
        (living.count(), waiting, inner.bytes)
    }
}
