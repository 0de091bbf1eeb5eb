//! How events and subscriptions stand, for those whose they are: to a publisher all that is told, to a subscriber its own.

use bytes::Bytes;
use proto::events::{Event, Fate, Subscription};
use proto::id::{AgencyId, EventId, SubscriptionId, SystemId};
use proto::wire::events::v1 as wire;

use super::book::{Book, Inner};
use crate::exchange::Exchange;

/// Events told of at once.
const PAGE: usize = 256;

impl Exchange {
    /// Every subscription of `system`, and those of others to what it publishes.
    pub fn subscriptions(&self, system: &SystemId) -> Vec<wire::Subscription> {
        let inner = self.events.book.lock();
        let own = inner.events.subscriptions().filter(|(_, held)| {
            held.header.subscriber == *system || held.header.topic.publisher == *system
        });
        own.map(|(index, held)| subscription(&inner, index, held))
            .collect()
    }

    /// How events from the index `from` on stand that `system` published or follows; the index to go on at.
    pub fn event_status(
        &self,
        system: &SystemId,
        id: Option<EventId>,
        from: u64,
        dead: bool,
    ) -> (Vec<wire::EventStatus>, Option<u64>) {
        let inner = self.events.book.lock();
        let mut told = Vec::new();
        for (at, event) in inner.events.events_from(from) {
            if id.is_some_and(|id| id != event.id) {
                continue;
            }
            let is_own = event.topic.publisher == *system;
            let mut deliveries: Vec<wire::Delivery> = inner
                .events
                .followers(at)
                .filter(|(_, held)| is_own || held.header.subscriber == *system)
                .filter_map(|(index, held)| delivery(&inner, (index, held), at))
                .collect();
            if dead {
                let over = [wire::DeliveryState::Dead, wire::DeliveryState::Refused];
                deliveries.retain(|one| over.contains(&one.state()));
            }
            if deliveries.is_empty() && (dead || !is_own) {
                continue;
            }
            if told.len() == PAGE {
                return (told, Some(at));
            }
            told.push(wire::EventStatus {
                event_id: bytes_of(event.id),
                service: service(event),
                operation: event.topic.operation.to_string(),
                index: at,
                recorded_at_ms: event.recorded_at_ms,
                deliveries,
            });
        }
        (told, None)
    }

    /// Whether a system of `agency` is told of the event at `index`, or was: not where it is withheld from it.
    pub fn is_told(&self, agency: &AgencyId, index: u64) -> bool {
        let inner = self.events.book.lock();
        let Some(event) = inner.events.event(index) else {
            return false;
        };
        inner.events.followers(index).any(|(_, held)| {
            held.header.subscriber.belongs_to(agency)
                && held.uncovered(event).is_none()
                && (held.ended.is_none() || held.outcomes.contains_key(&index))
        })
    }

    /// Brings given up events of a subscription of `system` again; `None`: there is no such subscription.
    pub fn redeliver(
        &self,
        system: &SystemId,
        id: SubscriptionId,
        event: Option<EventId>,
    ) -> Option<usize> {
        let (index, event) = {
            let inner = self.events.book.lock();
            let index = inner.own(system, id)?;
            let publisher = &inner.events.subscription(index)?.header.topic.publisher;
            let event = match event {
                Some(event) => Some(inner.events.event_of(publisher, event)?.0),
                None => None,
            };
            (index, event)
        };
        let since_ms = self.events.kept_since_ms(self.clock.now_ms());
        Some(self.events.book.again(index, event, since_ms))
    }

    /// Subscriptions that live, events that wait for one, and bytes that are kept.
    pub fn event_counts(&self) -> (usize, usize, u64) {
        self.events.book.counts()
    }
}

fn subscription(inner: &Inner, index: u64, held: &Subscription) -> wire::Subscription {
    let fates = |wanted: &[Fate]| {
        let fates = held.outcomes.values();
        fates.filter(|(fate, _)| wanted.contains(fate)).count() as u64
    };
    let (waiting, oldest) = inner.waiting(index).fold((0, None), |(count, oldest), at| {
        (count + 1, oldest.or(Some(at)))
    });
    let oldest = oldest.and_then(|at| inner.events.event(at));
    let (end_index, end_code) = held.ended.clone().unwrap_or_default();
    let topic = &held.header.topic;
    wire::Subscription {
        subscription_id: bytes_of(held.header.subscription_id),
        subscriber: held.header.subscriber.to_string(),
        service: topic.publisher.service(&topic.service).to_string(),
        operation: topic.operation.to_string(),
        purpose: held.header.purpose.to_string(),
        index,
        began_at_ms: held.recorded_at_ms,
        end_index,
        end_code,
        waiting,
        taken: fates(&[Fate::Taken]),
        dead: fates(&[Fate::Dead, Fate::Refused]),
        oldest_at_ms: oldest.map_or(0, |event| event.recorded_at_ms),
    }
}

/// `None`: the subscription ended before it was told.
fn delivery(inner: &Inner, (index, held): (u64, &Subscription), at: u64) -> Option<wire::Delivery> {
    let attempt = Book::attempt(inner, index, at);
    let outcome = held.outcomes.get(&at);
    let (state, code) = match (outcome, attempt) {
        (Some((Fate::Taken, _)), _) => (wire::DeliveryState::Taken, ""),
        (Some((Fate::Refused, _)), _) => (wire::DeliveryState::Refused, ""),
        (Some((Fate::Withheld, _)), _) => (
            wire::DeliveryState::Withheld,
            proto::Code::FieldNotGranted.name(),
        ),
        // Given up once, and brought again.
        (_, Some(_)) => (wire::DeliveryState::Waiting, ""),
        (Some((Fate::Dead, _)), None) => (wire::DeliveryState::Dead, proto::Code::Deadline.name()),
        (None, None) => return None,
    };
    let attempt = attempt.unwrap_or_default();
    Some(wire::Delivery {
        subscription_id: bytes_of(held.header.subscription_id),
        subscriber: held.header.subscriber.to_string(),
        state: state.into(),
        code: code.to_owned(),
        attempts: attempt.attempts,
        next_at_ms: attempt.next_ms,
        outcome_index: outcome.map_or(0, |(_, index)| *index),
    })
}

fn service(event: &Event) -> String {
    let topic = &event.topic;
    topic.publisher.service(&topic.service).to_string()
}

fn bytes_of(id: EventId) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}
