//! Who follows what, and what became of which event: a state over entries, the same at the switch and in every replay.
//!
//! Takes events, subscriptions, their ends and the outcomes, in the order of the log. Says which event concerns which
//! subscription, and whether what comes next may stand: an id once, an outcome once, for a living subscription, of an event
//! that it follows. Changes no right in the registry. Memory: some 400 bytes for each event of the last 30 days and 60 for
//! each that a subscription was told of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use thiserror::Error;

use crate::digest::Digest;
use crate::header::{EventHeader, SubscriptionHeader, Topic};
use crate::id::{EventId, Part, SubscriptionId, SystemId};
use crate::limits::{EVENT_KEPT_MS, SUBSCRIPTIONS_MAX};
use crate::refusal::Code;

/// A recorded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Leaf hash of its entry.
    pub leaf: Digest,
    /// SHA-256 of its header.
    pub header: Digest,
    /// Its id.
    pub id: EventId,
    /// Who tells, and of what.
    pub topic: Topic,
    /// What it is ordered by.
    pub key: Option<Digest>,
    /// What is in it.
    pub fields: Vec<Part>,
    /// Unix time, milliseconds.
    pub recorded_at_ms: u64,
}

impl Event {
    /// What an entry with these parts records.
    pub fn of(header: &EventHeader, bytes: &[u8], leaf: Digest, recorded_at_ms: u64) -> Self {
        Self {
            leaf,
            header: Digest::of(bytes),
            id: header.event_id,
            topic: header.topic.clone(),
            key: header.key,
            fields: header.fields.clone(),
            recorded_at_ms,
        }
    }
}

/// A recorded subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Leaf hash of its entry.
    pub leaf: Digest,
    /// What its subscriber sealed.
    pub header: SubscriptionHeader,
    /// Unix time, milliseconds.
    pub recorded_at_ms: u64,
    /// The entry that ended it, and why the switch did; empty: its subscriber did.
    pub ended: Option<(u64, String)>,
    /// What became of the events that it was told of, by their index: how it ended, and the entry that says so.
    pub outcomes: BTreeMap<u64, (Fate, u64)>,
}

/// What became of an event with a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Under the subscriber's seal.
    Taken,
    /// Refused under the subscriber's seal.
    Refused,
    /// Given up by the switch. It can be brought again, and then be taken or refused.
    Dead,
    /// It has fields that the subscription does not.
    Withheld,
}

impl Fate {
    /// What an entry records: under a seal or by the switch alone, with this code in its facts.
    pub fn recorded(is_sealed: bool, code: &str) -> Self {
        match (is_sealed, code) {
            (true, "") => Self::Taken,
            (true, _) => Self::Refused,
            (false, code) if code == Code::FieldNotGranted.name() => Self::Withheld,
            (false, _) => Self::Dead,
        }
    }

    /// Whether `next` may follow.
    fn can_become(self, next: Self) -> bool {
        self == Self::Dead && matches!(next, Self::Taken | Self::Refused)
    }
}

impl Subscription {
    /// Whether the event at `at`, recorded at some time, is one that it is told of.
    pub fn follows(&self, index: u64, (at, event): (u64, &Event)) -> bool {
        let since = self
            .header
            .from_ms
            .is_some_and(|from_ms| event.recorded_at_ms >= from_ms);
        self.header.topic == event.topic && (at > index || since)
    }

    /// The first field of `event` that it does not cover.
    pub fn uncovered<'e>(&self, event: &'e Event) -> Option<&'e Part> {
        let covered = &self.header.fields;
        event.fields.iter().find(|field| !covered.contains(field))
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Events {
    events: BTreeMap<u64, Event>,
    event_ids: HashMap<(SystemId, EventId), u64>,
    topics: HashMap<Topic, BTreeSet<u64>>,
    subscriptions: BTreeMap<u64, Subscription>,
    subscription_ids: HashMap<(SystemId, SubscriptionId), u64>,
}

impl Events {
    /// Whether the event with this header is a new one.
    ///
    /// # Errors
    /// [`EventFault::Duplicate`] with the index of the first.
    pub fn judge_event(&self, header: &EventHeader) -> Result<(), EventFault> {
        let key = (header.topic.publisher.clone(), header.event_id);
        match self.event_ids.get(&key) {
            Some(first) => Err(EventFault::Duplicate(*first)),
            None => Ok(()),
        }
    }

    /// Notes a recorded event.
    pub fn publish(&mut self, index: u64, event: Event) {
        let key = (event.topic.publisher.clone(), event.id);
        self.event_ids.insert(key, index);
        let topic = self.topics.entry(event.topic.clone()).or_default();
        topic.insert(index);
        self.events.insert(index, event);
    }

    /// Whether the subscription with this header may begin.
    ///
    /// # Errors
    /// [`EventFault::Duplicate`] with the index of the first, [`EventFault::TooMany`].
    pub fn judge_begin(&self, header: &SubscriptionHeader) -> Result<(), EventFault> {
        let key = (header.subscriber.clone(), header.subscription_id);
        if let Some(first) = self.subscription_ids.get(&key) {
            return Err(EventFault::Duplicate(*first));
        }
        let living = self.subscriptions.values().filter(|subscription| {
            subscription.ended.is_none() && subscription.header.subscriber == header.subscriber
        });
        match living.count() {
            SUBSCRIPTIONS_MAX.. => Err(EventFault::TooMany),
            _ => Ok(()),
        }
    }

    /// Notes a recorded subscription.
    pub fn begin(
        &mut self,
        index: u64,
        leaf: Digest,
        header: SubscriptionHeader,
        recorded_at_ms: u64,
    ) {
        let key = (header.subscriber.clone(), header.subscription_id);
        self.subscription_ids.insert(key, index);
        let subscription = Subscription {
            leaf,
            header,
            recorded_at_ms,
            ended: None,
            outcomes: BTreeMap::new(),
        };
        self.subscriptions.insert(index, subscription);
    }

    /// The living subscription at `index` whose entry has this leaf.
    ///
    /// # Errors
    /// [`EventFault::NoSubscription`], [`EventFault::Ended`].
    pub fn living(&self, index: u64, leaf: &Digest) -> Result<&Subscription, EventFault> {
        let found = self.subscriptions.get(&index);
        let found = found.filter(|subscription| subscription.leaf == *leaf);
        let subscription = found.ok_or(EventFault::NoSubscription(index))?;
        match subscription.ended {
            Some(_) => Err(EventFault::Ended(index)),
            None => Ok(subscription),
        }
    }

    /// Notes the recorded end of a subscription; `code` is empty where its subscriber ended it.
    pub fn end(&mut self, index: u64, end: u64, code: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(&index) {
            subscription.ended.get_or_insert((end, code.to_owned()));
        }
    }

    /// Whether the event `event`, given by index and leaf, may end so with the living subscription at `index`.
    ///
    /// # Errors
    /// [`EventFault`].
    pub fn judge_outcome(
        &self,
        (index, leaf): (u64, &Digest),
        event: (u64, &Digest),
        fate: Fate,
    ) -> Result<(&Subscription, &Event), EventFault> {
        let subscription = self.living(index, leaf)?;
        let (at, event_leaf) = event;
        let found = self.events.get(&at);
        let event = found
            .filter(|event| event.leaf == *event_leaf && subscription.follows(index, (at, event)))
            .ok_or(EventFault::NoEvent(at))?;
        let is_withheld = subscription.uncovered(event).is_some();
        if is_withheld != (fate == Fate::Withheld) {
            return Err(EventFault::Fields(at));
        }
        match subscription.outcomes.get(&at) {
            Some((before, _)) if !before.can_become(fate) => Err(EventFault::Twice(at)),
            _ => Ok((subscription, event)),
        }
    }

    /// Notes a recorded outcome.
    pub fn settle(&mut self, index: u64, event: u64, fate: Fate, outcome: u64) {
        if let Some(subscription) = self.subscriptions.get_mut(&index) {
            subscription.outcomes.insert(event, (fate, outcome));
        }
    }

    /// Lets go of what can reach nobody any more at `now_ms`, and of subscriptions that ended before that.
    pub fn forget(&mut self, now_ms: u64) -> Vec<u64> {
        let mut gone = Vec::new();
        // Stamps never go back: the oldest come first.
        while let Some(oldest) = self.events.first_entry() {
            if oldest.get().recorded_at_ms.saturating_add(EVENT_KEPT_MS) > now_ms {
                break;
            }
            let (index, event) = oldest.remove_entry();
            self.event_ids
                .remove(&(event.topic.publisher.clone(), event.id));
            if let Some(topic) = self.topics.get_mut(&event.topic) {
                topic.remove(&index);
                if topic.is_empty() {
                    self.topics.remove(&event.topic);
                }
            }
            gone.push(index);
        }
        if let Some(last) = gone.last() {
            for subscription in self.subscriptions.values_mut() {
                subscription.outcomes = subscription.outcomes.split_off(&(last + 1));
            }
        }
        gone
    }

    /// The event at `index`.
    pub fn event(&self, index: u64) -> Option<&Event> {
        self.events.get(&index)
    }

    /// The event of that id.
    pub fn event_of(&self, publisher: &SystemId, id: EventId) -> Option<(u64, &Event)> {
        let index = *self.event_ids.get(&(publisher.clone(), id))?;
        Some((index, self.events.get(&index)?))
    }

    /// Events from the index `from` on.
    pub fn events_from(&self, from: u64) -> impl Iterator<Item = (u64, &Event)> {
        self.events
            .range(from..)
            .map(|(index, event)| (*index, event))
    }

    /// Events that the subscription at `index` is told of and has no outcome for.
    pub fn open(&self, index: u64) -> impl Iterator<Item = (u64, &Event)> {
        let subscription = self.subscriptions.get(&index);
        let topic = subscription.and_then(|held| self.topics.get(&held.header.topic));
        let events = topic.into_iter().flatten();
        events.filter_map(move |at| {
            let (subscription, event) = (subscription?, self.events.get(at)?);
            let is_open = !subscription.outcomes.contains_key(at)
                && subscription.follows(index, (*at, event));
            is_open.then_some((*at, event))
        })
    }

    /// The subscription at `index`.
    pub fn subscription(&self, index: u64) -> Option<&Subscription> {
        self.subscriptions.get(&index)
    }

    /// The subscription of that id.
    pub fn subscription_of(
        &self,
        subscriber: &SystemId,
        id: SubscriptionId,
    ) -> Option<(u64, &Subscription)> {
        let index = *self.subscription_ids.get(&(subscriber.clone(), id))?;
        Some((index, self.subscriptions.get(&index)?))
    }

    /// Every subscription, in the order of the log.
    pub fn subscriptions(&self) -> impl Iterator<Item = (u64, &Subscription)> {
        self.subscriptions
            .iter()
            .map(|(index, subscription)| (*index, subscription))
    }

    /// Subscriptions that are told of the event at `at`.
    pub fn followers(&self, at: u64) -> impl Iterator<Item = (u64, &Subscription)> {
        let event = self.events.get(&at);
        self.subscriptions().filter(move |(index, subscription)| {
            event.is_some_and(|event| subscription.follows(*index, (at, event)))
        })
    }
}

/// Why an entry about events may not stand.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EventFault {
    /// The id was used before.
    #[error("its id is that of entry {0}")]
    Duplicate(u64),
    /// The subscriber has as many as a system may have.
    #[error("its subscriber has {SUBSCRIPTIONS_MAX} subscriptions that have not ended")]
    TooMany,
    /// No such subscription.
    #[error("entry {0} is no subscription, or another one")]
    NoSubscription(u64),
    /// It ended before.
    #[error("the subscription of entry {0} has ended")]
    Ended(u64),
    /// No such event, or none that the subscription follows.
    #[error("entry {0} is no event of this subscription, or was recorded too long ago")]
    NoEvent(u64),
    /// Withheld though covered, or brought though not.
    #[error("the fields of entry {0} say otherwise")]
    Fields(u64),
    /// It has ended with this subscription.
    #[error("what became of entry {0} is recorded already")]
    Twice(u64),
}

#[cfg(test)]
mod tests;
