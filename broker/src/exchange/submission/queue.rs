//! The queue of submissions: how each stands, whose turn it is, and how many an agency may leave here.
//!
//! Takes places, states and the time. Gives what is due. Never holds a payload (the [store](super::store) does) and never
//! waits: all of it stands under one short lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::envelope::Envelope;
use proto::header::RequestHeader;
use proto::id::{AgencyId, SystemId};
use tokio::sync::Notify;

use super::item::{Id, Item, State};

/// Submissions of one provider that are asked at once: calls of the moment come first.
const ASKED_AT_ONCE: usize = 8;
/// The first pause after a provider that could not answer, doubled with each.
const PAUSE_MS: u64 = 1_000;
/// The longest pause.
const PAUSE_MS_MAX: u64 = 10 * 60 * 1_000;

/// How much an agency may leave here.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Submissions whose payload is here.
    pub per_agency: u64,
    /// Bytes of them.
    pub bytes_per_agency: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            per_agency: 10_000,
            bytes_per_agency: 256 << 20,
        }
    }
}

/// What has to be done with a submission now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum Due {
    /// Ask its provider.
    Ask,
    /// Its time is over.
    Expire,
    /// Nobody needs it any more.
    Forget,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum NoPlace {
    /// No room for one more of this agency.
    Full,
    /// One of this id is here. It is remembered for longer than other exchanges are.
    Known(State),
}

/// All submissions.
#[derive(Debug)]
pub(in crate::exchange) struct Queue {
    bounds: Bounds,
    inner: Mutex<Inner>,
    /// Something may be due.
    pub(in crate::exchange) news: Notify,
    /// A submission moved on: whoever waits for an answer looks again.
    pub(in crate::exchange) moved: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    items: HashMap<Id, Item>,
    /// Open ones of each provider, in the order in which they were recorded.
    open: HashMap<SystemId, BTreeMap<u64, Id>>,
    held: HashMap<AgencyId, Held>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    count: u64,
    bytes: u64,
}

/// Room for one submission that is not recorded yet. Dropped it gives the room back.
#[derive(Debug)]
pub(in crate::exchange) struct Place {
    queue: Arc<Queue>,
    agency: AgencyId,
    pub(in crate::exchange) bytes: u64,
}

impl Queue {
    pub(in crate::exchange) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            inner: Mutex::default(),
            news: Notify::new(),
            moved: Notify::new(),
        })
    }

    /// Room for one more of its agency.
    pub(in crate::exchange) fn place(
        self: &Arc<Self>,
        header: &RequestHeader,
        envelope: &Envelope,
    ) -> Result<Place, NoPlace> {
        let agency = header.consumer.agency();
        let bytes = (envelope.header.len() + envelope.payload.len()) as u64;
        let mut inner = self.lock();
        if let Some(known) = inner.items.get(&Id::of(header)) {
            return Err(NoPlace::Known(known.state));
        }
        let held = inner.held.get(&agency).copied().unwrap_or_default();
        let over = held.count >= self.bounds.per_agency
            || held.bytes.saturating_add(bytes) > self.bounds.bytes_per_agency;
        if over {
            return Err(NoPlace::Full);
        }
        take(&mut inner.held, agency.clone(), bytes);
        Ok(Place {
            queue: Arc::clone(self),
            agency,
            bytes,
        })
    }

    /// Takes up a submission that is recorded. Its room is its own from now on.
    pub(in crate::exchange) fn enter(&self, id: Id, item: Item) {
        let mut inner = self.lock();
        if item.weighs() {
            take(&mut inner.held, id.consumer.agency(), item.bytes);
        }
        if item.is_open() {
            let open = inner.open.entry(item.service.system()).or_default();
            open.insert(item.request, id.clone());
        }
        inner.items.insert(id, item);
        drop(inner);
        self.news.notify_one();
    }

    /// How it stands, and how many wait for the same provider before it.
    pub(in crate::exchange) fn item(&self, id: &Id) -> Option<(Item, usize)> {
        let inner = self.lock();
        let item = inner.items.get(id)?.clone();
        let before = inner.before(&item);
        Some((item, before))
    }

    /// All of one system, the oldest first.
    pub(in crate::exchange) fn of(&self, consumer: &SystemId) -> Vec<(Id, Item, usize)> {
        let inner = self.lock();
        let own = inner
            .items
            .iter()
            .filter(|(id, _)| id.consumer == *consumer);
        let mut own: Vec<_> = own
            .map(|(id, item)| (id.clone(), item.clone(), inner.before(item)))
            .collect();
        own.sort_by_key(|(_, item, _)| item.request);
        own
    }

    /// How many have no end yet, and how many answers wait to be collected.
    pub(in crate::exchange) fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        let open = inner.open.values().map(BTreeMap::len).sum();
        let answered = |item: &&Item| matches!(item.state, State::Answered { .. });
        (open, inner.items.values().filter(answered).count())
    }

    /// What is due at `now_ms`, marked as taken; of each provider that is `there`, no more than may be asked at once.
    pub(in crate::exchange) fn due(
        &self,
        now_ms: u64,
        there: impl Fn(&SystemId) -> bool,
    ) -> Vec<(Id, Due)> {
        let mut inner = self.lock();
        let Inner { items, open, .. } = &mut *inner;
        let mut due = Vec::new();
        for (provider, waiting) in open.iter() {
            let is_there = there(provider);
            let asked = |id: &&Id| {
                items
                    .get(*id)
                    .is_some_and(|item| item.state == State::Asked)
            };
            let mut room = ASKED_AT_ONCE.saturating_sub(waiting.values().filter(asked).count());
            for id in waiting.values() {
                let Some(item) = items.get_mut(id) else {
                    continue;
                };
                if item.state != State::Waiting {
                    continue;
                }
                if item.expires_at_ms <= now_ms {
                    item.state = State::Asked;
                    due.push((id.clone(), Due::Expire));
                } else if is_there && room > 0 && item.next_ms <= now_ms {
                    item.state = State::Asked;
                    item.attempts += 1;
                    room -= 1;
                    due.push((id.clone(), Due::Ask));
                }
            }
        }
        let over = items
            .iter()
            .filter(|(_, item)| !item.is_open() && item.next_ms <= now_ms);
        due.extend(over.map(|(id, _)| (id.clone(), Due::Forget)));
        due
    }

    /// Takes one that waits, to end it: nothing else is done with it any more.
    pub(in crate::exchange) fn take(&self, id: &Id) -> Option<Item> {
        let mut inner = self.lock();
        let item = inner.items.get_mut(id)?;
        if item.state != State::Waiting {
            return None;
        }
        item.state = State::Asked;
        Some(item.clone())
    }

    /// It waits again: after a pause where its provider could not answer, else at once.
    pub(in crate::exchange) fn back(&self, id: &Id, now_ms: u64, pause: bool) {
        if let Some(item) = self.lock().items.get_mut(id) {
            item.state = State::Waiting;
            let doubled = item.attempts.clamp(1, 16) - 1;
            let wait_ms = if pause {
                (PAUSE_MS << doubled).min(PAUSE_MS_MAX)
            } else {
                PAUSE_MS
            };
            item.next_ms = now_ms.saturating_add(wait_ms);
        }
        self.news.notify_one();
        self.moved.notify_waiters();
    }

    /// It is not open any more, weighs as much as its answer, and is forgotten at `forget_ms`.
    pub(in crate::exchange) fn end(&self, id: &Id, state: State, bytes: u64, forget_ms: u64) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if let Some(item) = inner.items.get_mut(id) {
            let agency = id.consumer.agency();
            if item.weighs() {
                give_back(&mut inner.held, &agency, item.bytes);
            }
            item.state = state;
            item.bytes = bytes;
            item.next_ms = forget_ms;
            if item.weighs() {
                take(&mut inner.held, agency, bytes);
            }
            if let Some(open) = inner.open.get_mut(&item.service.system()) {
                open.remove(&item.request);
                if open.is_empty() {
                    inner.open.remove(&item.service.system());
                }
            }
        }
        self.news.notify_one();
        self.moved.notify_waiters();
    }

    /// It was never here.
    pub(in crate::exchange) fn forget(&self, id: &Id) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if let Some(item) = inner.items.remove(id)
            && item.weighs()
        {
            give_back(&mut inner.held, &id.consumer.agency(), item.bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whole whenever the lock is free, also after a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn before(&self, item: &Item) -> usize {
        let open = self.open.get(&item.service.system());
        let before = open.filter(|_| item.is_open());
        before.map_or(0, |open| open.range(..item.request).count())
    }
}

fn take(held: &mut HashMap<AgencyId, Held>, agency: AgencyId, bytes: u64) {
    let own = held.entry(agency).or_default();
    own.count += 1;
    own.bytes += bytes;
}

fn give_back(held: &mut HashMap<AgencyId, Held>, agency: &AgencyId, bytes: u64) {
    if let Some(own) = held.get_mut(agency) {
        own.count = own.count.saturating_sub(1);
        own.bytes = own.bytes.saturating_sub(bytes);
        if own.count == 0 {
            held.remove(agency);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        give_back(&mut self.queue.lock().held, &self.agency, self.bytes);
    }
}

#[cfg(test)]
mod tests;
