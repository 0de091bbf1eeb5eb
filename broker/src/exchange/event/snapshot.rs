//! What the start need not read again: the fold over the log as far as it was kept, beside the payloads.
//!
//! It counts only while the log still holds the last entry that it knows, with the same leaf: a log that was put back, or went
//! on otherwise, is read from its beginning. Losing it costs time and nothing else, but that subscriptions older than a
//! pruned log's minimum index are known from here alone.

use bytes::Bytes;
use proto::Digest;
use proto::digest::leaf_hash;
use proto::events::{Event, Events, Fate};
use proto::header::{SubscriptionHeader, Topic};
use proto::id::{EventId, Part, ServiceId};
use tracing::warn;

use crate::exchange::Exchange;

/// The page's name.
const NAME: &str = "known";

/// The fold, as it lies on the disk.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Snapshot {
    /// Entries of the log that it knows.
    #[prost(uint64, tag = "1")]
    size: u64,
    /// Leaf hash of the last of them.
    #[prost(bytes = "bytes", tag = "2")]
    leaf: Bytes,
    #[prost(message, repeated, tag = "3")]
    events: Vec<KnownEvent>,
    #[prost(message, repeated, tag = "4")]
    subscriptions: Vec<Known>,
    #[prost(message, repeated, tag = "5")]
    outcomes: Vec<Outcome>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KnownEvent {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(bytes = "bytes", tag = "2")]
    leaf: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    header: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    id: Bytes,
    #[prost(string, tag = "5")]
    service: String,
    #[prost(string, tag = "6")]
    operation: String,
    #[prost(bytes = "bytes", tag = "7")]
    key: Bytes,
    #[prost(string, repeated, tag = "8")]
    fields: Vec<String>,
    #[prost(uint64, tag = "9")]
    recorded_at_ms: u64,
}

/// A subscription's entry.
#[derive(Clone, PartialEq, prost::Message)]
struct Known {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(bytes = "bytes", tag = "2")]
    leaf: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    header: Bytes,
    #[prost(uint64, tag = "4")]
    recorded_at_ms: u64,
    /// Of a subscription that ended: that entry, and its code.
    #[prost(uint64, tag = "5")]
    end: u64,
    #[prost(string, tag = "6")]
    end_code: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Outcome {
    #[prost(uint64, tag = "1")]
    subscription: u64,
    #[prost(uint64, tag = "2")]
    event: u64,
    #[prost(uint32, tag = "3")]
    fate: u32,
    #[prost(uint64, tag = "4")]
    index: u64,
}

impl KnownEvent {
    fn event(&self) -> Option<Event> {
        let service = ServiceId::parse(&self.service).ok()?;
        let fields = self.fields.iter().map(|field| Part::parse(field).ok());
        Some(Event {
            leaf: Digest::from_slice(&self.leaf)?,
            header: Digest::from_slice(&self.header)?,
            id: EventId::from_slice(&self.id)?,
            topic: Topic {
                publisher: service.system(),
                service: service.service(),
                operation: Part::parse(&self.operation).ok()?,
            },
            key: match &self.key[..] {
                [] => None,
                key => Some(Digest::from_slice(key)?),
            },
            fields: fields.collect::<Option<_>>()?,
            recorded_at_ms: self.recorded_at_ms,
        })
    }
}

const FATES: [Fate; 4] = [Fate::Taken, Fate::Refused, Fate::Dead, Fate::Withheld];

impl Snapshot {
    /// Of the fold over a log of `size` entries whose last has the leaf `leaf`.
    fn of(events: &Events, size: u64, leaf: &Digest) -> Self {
        let digest = |digest: &Digest| Bytes::copy_from_slice(digest.as_ref());
        let mut snapshot = Self {
            size,
            leaf: digest(leaf),
            ..Self::default()
        };
        for (index, event) in events.events_from(0) {
            let topic = &event.topic;
            snapshot.events.push(KnownEvent {
                index,
                leaf: digest(&event.leaf),
                header: digest(&event.header),
                id: Bytes::copy_from_slice(event.id.as_bytes()),
                service: topic.publisher.service(&topic.service).to_string(),
                operation: topic.operation.to_string(),
                key: event.key.as_ref().map(digest).unwrap_or_default(),
                fields: event.fields.iter().map(ToString::to_string).collect(),
                recorded_at_ms: event.recorded_at_ms,
            });
        }
        for (index, held) in events.subscriptions() {
            let (end, end_code) = held.ended.clone().unwrap_or_default();
            snapshot.subscriptions.push(Known {
                index,
                leaf: digest(&held.leaf),
                header: held.header.encode(),
                recorded_at_ms: held.recorded_at_ms,
                end,
                end_code,
            });
            for (event, (fate, outcome)) in &held.outcomes {
                let fate = FATES.iter().position(|one| one == fate).unwrap_or_default();
                snapshot.outcomes.push(Outcome {
                    subscription: index,
                    event: *event,
                    fate: u32::try_from(fate).unwrap_or_default(),
                    index: *outcome,
                });
            }
        }
        snapshot
    }

    /// The fold. `None`: it is not what was written.
    fn fold(self) -> Option<Events> {
        let mut events = Events::default();
        for known in self.events {
            events.publish(known.index, known.event()?);
        }
        for known in self.subscriptions {
            let header = SubscriptionHeader::open(&known.header).ok()?;
            let leaf = Digest::from_slice(&known.leaf)?;
            events.begin(known.index, leaf, header, known.recorded_at_ms);
            if known.end > 0 {
                events.end(known.index, known.end, &known.end_code);
            }
        }
        for outcome in self.outcomes {
            let fate = FATES.get(outcome.fate as usize)?;
            events.settle(outcome.subscription, outcome.event, *fate, outcome.index);
        }
        Some(events)
    }
}

impl Exchange {
    /// The fold that an earlier run kept, and how many entries it knows; none of them where the log is another one.
    pub(super) async fn known(&self) -> (Events, u64) {
        let nothing = || (Events::default(), 0);
        let snapshot = match self.events.known.read(NAME).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::debug!(%error, "who follows what is read from the log");
                return nothing();
            }
        };
        let (size, leaf) = (snapshot.size, Digest::from_slice(&snapshot.leaf));
        let last = match size.checked_sub(1) {
            Some(last) if size <= self.log.head().size() => self.log.entry(last).await,
            _ => return nothing(),
        };
        match (last, snapshot.fold()) {
            (Ok(Some(bytes)), Some(events)) if Some(leaf_hash(&bytes)) == leaf => (events, size),
            _ => {
                warn!("who follows what was kept for another log; it is read again");
                nothing()
            }
        }
    }

    /// Keeps the fold for the next run: when the log has grown by much, and `at_the_end`.
    pub(in crate::exchange) async fn keep_known(&self, at_the_end: bool) {
        let house = &self.events;
        if house.settings.dir.as_os_str().is_empty() {
            return;
        }
        // No subscription begins or ends meanwhile.
        let _none = house.acts.lock().await;
        let Some((events, size)) = house
            .book
            .take_changed(at_the_end, || self.log.head().size())
        else {
            return;
        };
        let last = match size.checked_sub(1) {
            Some(last) => self.log.entry(last).await.ok().flatten(),
            None => None,
        };
        let Some(leaf) = last.map(|bytes| leaf_hash(&bytes)) else {
            return;
        };
        let snapshot = Snapshot::of(&events, size, &leaf);
        if let Err(error) = house.known.write(NAME, snapshot).await {
            warn!(%error, "who follows what is not kept for the next start");
            house.book.lock().changed = true;
        }
    }
}
