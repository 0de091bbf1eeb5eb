//! The start: what the log's last entries say about exchanges, read before the first call is taken.
//!
//! Rebuilds the memory of exchanges, today's quotas and what waits for its review, and closes what an earlier run left open as `abandoned`.
//! Changes nothing that is recorded.

use std::collections::BTreeMap;

use audit::log::{AppendError, Log, LogError};
use bytes::Bytes;
use proto::Code;
use proto::canonical::HeaderError;
use proto::digest::{Digest, leaf_hash};
use proto::entry::{Draft, Entry, EntryError, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::header::{Outcome, RequestHeader};
use proto::limits::{DEADLINE_MS_MAX, STREAM_MS_MAX};
use proto::registry::Registry;
use thiserror::Error;
use tracing::info;

use super::Exchange;
use super::memory::{Key, State};
use super::pages::StoreError;
use super::quota::{Counter, DAY_MS};
use super::refusal::bytes_of;
use super::submission::Left;

/// Entries asked for at once.
pub(super) const CHUNK: u64 = 1024;

/// What the start found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Entries read.
    pub read: u64,
    /// Exchanges remembered.
    pub remembered: u64,
    /// Exchanges that an earlier run left open, closed now.
    pub abandoned: u64,
    /// Submissions that wait on.
    pub waiting: u64,
}

/// A request without a closing entry so far.
struct Open {
    key: Key,
    exchange: Bytes,
    leaf: Digest,
    facts: ExchangeFacts,
}

/// The walk through the log's last entries.
struct Walk<'a> {
    exchange: &'a Exchange,
    registry: &'a Registry,
    now_ms: u64,
    open: BTreeMap<u64, Open>,
    left: Left,
    resumed: Resumed,
}

impl Exchange {
    /// Reads what must be known and closes what was left open.
    pub(super) async fn resume(&self) -> Result<Resumed, ResumeError> {
        let registry = self.registry.load();
        let left = self.left().await?;
        let now_ms = self.clock.now_ms();
        self.resume_reviews(&registry).await?;
        self.resume_events().await?;
        let size = self.log.head().size();
        let since_ms = self.since_ms(now_ms, size).await?;
        let mut index = first_since(&self.log, since_ms, size).await?;
        let mut walk = Walk {
            exchange: self,
            registry: &registry,
            now_ms,
            open: BTreeMap::new(),
            left,
            resumed: Resumed::default(),
        };
        while index < size {
            let chunk = self.log.entries(index..size.min(index + CHUNK)).await?;
            let Some((last, _)) = chunk.last() else {
                return Err(ResumeError::Missing(index));
            };
            index = last + 1;
            for (at, bytes) in &chunk {
                walk.take(*at, bytes)?;
            }
        }
        let Walk {
            open,
            left,
            mut resumed,
            ..
        } = walk;
        for (request, open) in open {
            // It waits on, and so does who asked.
            if left.holds(request) {
                continue;
            }
            self.abandon(request, open).await?;
            resumed.abandoned += 1;
        }
        resumed.waiting = self.take_up(left).await? as u64;
        info!(
            read = resumed.read,
            remembered = resumed.remembered,
            abandoned = resumed.abandoned,
            waiting = resumed.waiting,
            "exchanges resumed from the log"
        );
        Ok(resumed)
    }

    /// Since when entries are read: what is still remembered, today's requests for the quotas (operators may set one
    /// later in the day), and what the last run may have left open. The latter counts from its last request: a run
    /// that was cut off may be long ago.
    async fn since_ms(&self, now_ms: u64, size: u64) -> Result<u64, ResumeError> {
        let retain_ms = self.memory.retain_ms();
        let mut from_ms = now_ms
            .saturating_sub(retain_ms)
            .min(now_ms - now_ms % DAY_MS);
        if let Some(last_ms) = last_request_ms(&self.log, size).await? {
            // A stream may have begun as long ago as one can run, and an upload is answered after that.
            let stream_ms = STREAM_MS_MAX + u64::from(DEADLINE_MS_MAX);
            from_ms = from_ms.min(last_ms.saturating_sub(retain_ms + stream_ms));
        }
        Ok(from_ms)
    }

    async fn abandon(&self, request_index: u64, open: Open) -> Result<(), ResumeError> {
        let facts = ExchangeFacts {
            decided_at_ms: self.clock.now_ms(),
            code: Outcome::Abandoned.name().to_owned(),
            agreement: open.facts.agreement,
            grant: open.facts.grant,
            request_index,
            request_leaf: bytes_of(&open.leaf),
            exchange_id: open.exchange,
            ..ExchangeFacts::default()
        };
        let facts = facts::encode(&facts);
        let draft = Draft {
            kind: Kind::Closing,
            facts,
            header: Bytes::new(),
            seal: None,
        };
        let appended = self.log.append(draft, None).await?;
        self.memory
            .close(open.key, Outcome::Abandoned, appended.index);
        Ok(())
    }
}

impl Walk<'_> {
    fn take(&mut self, index: u64, bytes: &Bytes) -> Result<(), ResumeError> {
        self.resumed.read += 1;
        let broken = |error: EntryError| ResumeError::Entry { index, error };
        let kind = Kind::from_byte(bytes.first().copied().unwrap_or_default()).map_err(broken)?;
        if !matches!(
            kind,
            Kind::Request | Kind::Upload | Kind::Closing | Kind::Trailer | Kind::Refusal
        ) {
            return Ok(());
        }
        let entry = Entry::decode(bytes).map_err(broken)?;
        let facts =
            facts::exchange(&entry.facts).map_err(|error| ResumeError::Content { index, error })?;
        let at_ms = entry.stamp.recorded_at_ms();
        match kind {
            Kind::Request | Kind::Upload => self.request(index, bytes, &entry, facts)?,
            Kind::Closing | Kind::Trailer => {
                let outcome = Outcome::parse(&facts.code);
                self.left.close(facts.request_index, index);
                if let (Some(open), Some(outcome)) =
                    (self.open.remove(&facts.request_index), outcome)
                {
                    self.exchange.memory.close(open.key, outcome, index);
                }
            }
            _ => {
                // A duplicate's entry ends nothing, and what was stale never had its id.
                let ends = |code: &Code| !matches!(code, Code::Duplicate | Code::Stale);
                let code = Code::parse(&facts.code).filter(ends);
                if let (Some(code), Some(key)) = (code, self.key(&entry)) {
                    self.remember(key, at_ms, State::Refused { code, entry: index });
                }
            }
        }
        Ok(())
    }

    fn request(
        &mut self,
        index: u64,
        bytes: &Bytes,
        entry: &Entry,
        facts: ExchangeFacts,
    ) -> Result<(), ResumeError> {
        let header = RequestHeader::open(&entry.header)
            .map_err(|error| ResumeError::Content { index, error })?;
        let system = self
            .registry
            .system(&header.consumer)
            .ok_or(ResumeError::Missing(index))?;
        let key = Key {
            system: system.index,
            exchange: header.exchange_id,
        };
        if facts.decided_at_ms / DAY_MS == self.now_ms / DAY_MS {
            self.count(&header, &facts);
        }
        self.remember(
            key,
            entry.stamp.recorded_at_ms(),
            State::Open { request: index },
        );
        self.left.meet(index, &header);
        let exchange = Bytes::copy_from_slice(header.exchange_id.as_bytes());
        self.open.insert(
            index,
            Open {
                key,
                exchange,
                leaf: leaf_hash(bytes),
                facts,
            },
        );
        Ok(())
    }

    /// Counts a request of today, as it was counted when it was recorded.
    fn count(&self, header: &RequestHeader, facts: &ExchangeFacts) {
        let quota = &self.exchange.quota;
        if let Some(agency) = self.registry.agency(&header.consumer.agency()) {
            quota.restore(Counter::Agency(agency.index), facts.decided_at_ms);
        }
        if facts.quota_used > 0
            && let Some(agreement) = Digest::from_slice(&facts.agreement)
        {
            quota.restore(Counter::Grant(agreement, facts.grant), facts.decided_at_ms);
        }
    }

    /// The exchange of a verified header; `None` for refusals of what was not verified.
    fn key(&self, entry: &Entry) -> Option<Key> {
        let header = RequestHeader::open(&entry.header).ok()?;
        let system = self.registry.system(&header.consumer)?;
        Some(Key {
            system: system.index,
            exchange: header.exchange_id,
        })
    }

    fn remember(&mut self, key: Key, at_ms: u64, state: State) {
        if at_ms.saturating_add(self.exchange.memory.retain_ms()) > self.now_ms {
            self.exchange.memory.restore(key, at_ms, state);
            self.resumed.remembered += 1;
        }
    }
}

/// The first index recorded at `from_ms` or later: stamps never go back, so halving finds it.
async fn first_since(log: &Log, from_ms: u64, size: u64) -> Result<u64, ResumeError> {
    // What was pruned is older than anything that a start asks for.
    let (mut low, mut high) = (log.minimum_index(), size);
    while low < high {
        let middle = low + (high - low) / 2;
        let bytes = log
            .entry(middle)
            .await?
            .ok_or(ResumeError::Missing(middle))?;
        let entry = Entry::decode(&bytes).map_err(|error| ResumeError::Entry {
            index: middle,
            error,
        })?;
        if entry.stamp.recorded_at_ms() < from_ms {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Whether an entry that begins with this byte is a request.
fn asks(kind: u8) -> bool {
    Kind::from_byte(kind).is_ok_and(Kind::asks)
}

/// When the last request was recorded; walks back from the end.
async fn last_request_ms(log: &Log, size: u64) -> Result<Option<u64>, ResumeError> {
    let (first, mut end) = (log.minimum_index(), size);
    while end > first {
        let start = end.saturating_sub(CHUNK).max(first);
        let mut last = None;
        let mut index = start;
        while index < end {
            let chunk = log.entries(index..end).await?;
            let Some((at, _)) = chunk.last() else {
                return Err(ResumeError::Missing(index));
            };
            index = at + 1;
            last = chunk
                .into_iter()
                .rfind(|(_, bytes)| bytes.first().is_some_and(|kind| asks(*kind)))
                .or(last);
        }
        if let Some((index, bytes)) = last {
            let entry =
                Entry::decode(&bytes).map_err(|error| ResumeError::Entry { index, error })?;
            return Ok(Some(entry.stamp.recorded_at_ms()));
        }
        end = start;
    }
    Ok(None)
}

/// Why exchanges cannot be resumed; the switch does not start then.
#[derive(Debug, Error)]
pub enum ResumeError {
    /// The log cannot be read.
    #[error("reading the log's last entries: {0}")]
    Read(#[from] LogError),
    /// What waits here cannot be read.
    #[error("reading the submissions that wait: {0}")]
    Submissions(#[from] StoreError),
    /// The log does not take the closing entries of abandoned exchanges.
    #[error("closing abandoned exchanges: {0}")]
    Append(#[from] AppendError),
    /// An entry is not one.
    #[error("entry {index}: {error}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        error: EntryError,
    },
    /// An exchange's entry does not say what it must.
    #[error("entry {index}: {error}")]
    Content {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        error: HeaderError,
    },
    /// An entry, or the system that it names, is not there.
    #[error("entry {0}, or the system that it names, is not there")]
    Missing(u64),
}
