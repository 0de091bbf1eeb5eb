//! The start: who follows what, and what became of which event, is read from the log, from where an earlier run kept it.
//!
//! Payloads whose event is not in the log are let go: it never was, and its publisher was told nothing.

use std::collections::HashMap;

use proto::canonical::HeaderError;
use proto::digest::leaf_hash;
use proto::entry::{Entry, EntryError, Kind};
use proto::events::{Event, Events, Fate};
use proto::facts;
use proto::header::{EventHeader, SubscriptionHeader};
use tracing::warn;

use super::name;
use crate::exchange::Exchange;
use crate::exchange::resume::{CHUNK, ResumeError};

impl Exchange {
    /// Reads all entries about events.
    pub(in crate::exchange) async fn resume_events(&self) -> Result<(), ResumeError> {
        if self.events.settings.dir.as_os_str().is_empty() {
            return Ok(());
        }
        let (mut events, known_size) = self.known().await;
        let size = self.log.head().size();
        let mut index = self.log.minimum_index().max(known_size);
        while index < size {
            let chunk = self.log.entries(index..size.min(index + CHUNK)).await?;
            let Some((last, _)) = chunk.last() else {
                return Err(ResumeError::Missing(index));
            };
            index = last + 1;
            for (at, bytes) in &chunk {
                let kind = bytes.first().and_then(|kind| Kind::from_byte(*kind).ok());
                if !kind.is_some_and(Kind::is_event) {
                    continue;
                }
                let broken = |error: EntryError| ResumeError::Entry { index: *at, error };
                let entry = Entry::decode(bytes).map_err(broken)?;
                let leaf = leaf_hash(bytes);
                fold(&mut events, *at, &entry, leaf)
                    .map_err(|error| ResumeError::Content { index: *at, error })?;
            }
        }
        let now_ms = self.clock.now_ms();
        events.forget(now_ms);
        let known: HashMap<String, u64> = events
            .events_from(0)
            .map(|(index, event)| (name(&event.topic.publisher, event.id), index))
            .collect();
        let mut kept = Vec::new();
        for (page, size) in self.events.pages.names().await? {
            if let Some(index) = known.get(&page) {
                kept.push((*index, size));
            } else if let Err(error) = self.events.pages.remove(&page).await {
                warn!(%error, "an event that is not in the log is still kept");
            }
        }
        let mut inner = self.events.book.lock();
        inner.events = events;
        inner.known = known_size;
        kept.into_iter()
            .for_each(|(index, bytes)| inner.keep(index, bytes));
        drop(inner);
        self.events.book.line_up(now_ms);
        Ok(())
    }
}

/// Takes one recorded entry about events.
fn fold(
    events: &mut Events,
    index: u64,
    entry: &Entry,
    leaf: proto::Digest,
) -> Result<(), HeaderError> {
    let recorded_at_ms = entry.stamp.recorded_at_ms();
    let facts = facts::event(&entry.facts)?;
    match entry.kind {
        Kind::Event => {
            let header = EventHeader::open(&entry.header)?;
            let event = Event::of(&header, &entry.header, leaf, recorded_at_ms);
            events.publish(index, event);
        }
        Kind::Subscription => {
            let header = SubscriptionHeader::open(&entry.header)?;
            events.begin(index, leaf, header, recorded_at_ms);
        }
        Kind::SubscriptionEnd => events.end(facts.subscription_index, index, &facts.code),
        _ => {
            let fate = Fate::recorded(!entry.header.is_empty(), &facts.code);
            events.settle(facts.subscription_index, facts.event_index, fate, index);
        }
    }
    Ok(())
}
