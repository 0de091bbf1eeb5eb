//! What lies under the book's lock: lines, and which payloads are kept.

use proto::Digest;
use proto::events::EventFault;
use proto::id::{EventId, SubscriptionId, SystemId};

use super::Inner;

impl Inner {
    pub(in crate::exchange::event) fn line(&mut self, index: u64, since_ms: u64) {
        let open: Vec<u64> = self
            .events
            .open(index)
            .filter(|(_, event)| event.recorded_at_ms > since_ms)
            .map(|(at, _)| at)
            .collect();
        let line = self.lines.entry(index).or_default();
        for at in open {
            line.open.entry(at).or_default();
        }
    }

    pub(in crate::exchange::event) fn leaves(
        &self,
        subscription: u64,
        event: u64,
    ) -> Result<(Digest, Digest), EventFault> {
        let held = self.events.subscription(subscription);
        let held = held.ok_or(EventFault::NoSubscription(subscription))?;
        let told = self.events.event(event).ok_or(EventFault::NoEvent(event))?;
        Ok((held.leaf, told.leaf))
    }

    /// The payload of the event at `index` is kept.
    pub(in crate::exchange::event) fn keep(&mut self, index: u64, bytes: u64) {
        self.bytes += bytes;
        self.kept.insert(index, bytes);
    }

    /// It is kept no longer.
    pub(in crate::exchange::event) fn let_go(&mut self, index: u64) {
        self.bytes -= self.kept.remove(&index).unwrap_or_default();
    }

    /// Bytes of all that are kept.
    pub(in crate::exchange::event) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Kept events of before `since_ms` that wait for nobody; who told them, where that is still known.
    pub(in crate::exchange::event) fn over(
        &self,
        since_ms: u64,
    ) -> Vec<(u64, Option<(SystemId, EventId)>)> {
        let told = |index: &u64| self.events.event(*index);
        let waits = |index: &u64| {
            self.lines
                .values()
                .any(|line| line.open.contains_key(index))
        };
        let old = self
            .kept
            .keys()
            // In the order of the log, which is that of time.
            .take_while(|index| told(index).is_none_or(|event| event.recorded_at_ms <= since_ms));
        old.filter(|index| !waits(index))
            .map(|index| {
                let event = told(index);
                (
                    *index,
                    event.map(|event| (event.topic.publisher.clone(), event.id)),
                )
            })
            .collect()
    }

    /// The living subscription of that id.
    pub(in crate::exchange::event) fn own(
        &self,
        subscriber: &SystemId,
        id: SubscriptionId,
    ) -> Option<u64> {
        let (index, held) = self.events.subscription_of(subscriber, id)?;
        held.ended.is_none().then_some(index)
    }

    /// Events that wait for the subscription.
    pub(in crate::exchange::event) fn waiting(&self, index: u64) -> impl Iterator<Item = u64> {
        let line = self.lines.get(&index);
        line.into_iter().flat_map(|line| line.open.keys().copied())
    }
}
