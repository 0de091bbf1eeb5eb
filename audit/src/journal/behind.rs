//! What lies in memory behind the tail: entries that the store still lacks, and those it has that are not published yet.
//!
//! Takes entries as they become durable; gives them to the store's feeding, and to whoever writes tiles. The second kind is
//! kept so that publishing does not read back what was just written. Where there is too much of it, its places in the tail are
//! known, for sled lets go of pages only long after they were read.
//! Bounded by whoever feeds ([`super::Layout::behind_bytes_max`]) and by
//! [`super::Layout::kept_bytes_max`]. Never the only copy of an entry.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::Head;
use super::tail::Place;

/// Entries in memory, up to the durable head.
#[derive(Debug)]
pub(super) struct Behind {
    head: Head,
    /// Index of the first entry here.
    first: u64,
    /// Index of the first that the store lacks.
    waiting_from: u64,
    entries: VecDeque<Bytes>,
    /// Bytes of those that the store lacks, and of those it has.
    waiting_bytes: u64,
    kept_bytes: u64,
    /// Batches that are not known to be published: index of the first entry, and where the tail has it.
    places: VecDeque<(u64, Place)>,
    commits: u64,
}

impl Behind {
    /// `entries`, which the store lacks, and which end at `head`.
    pub(super) fn new(head: Head, entries: Vec<Bytes>) -> Self {
        let first = head.size() - entries.len() as u64;
        Self {
            waiting_bytes: entries.iter().map(|entry| entry.len() as u64).sum(),
            head,
            first,
            waiting_from: first,
            entries: entries.into(),
            kept_bytes: 0,
            places: VecDeque::new(),
            commits: 0,
        }
    }

    /// The durable head.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Index of the first entry that is read here.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Batches that were committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits
    }

    /// Takes a batch that ends at `head` and is durable at `place` of the tail.
    pub(super) fn push(&mut self, batch: impl Iterator<Item = Bytes>, head: &Head, place: Place) {
        self.places.push_back((self.head.size(), place));
        for entry in batch {
            self.waiting_bytes += entry.len() as u64;
            self.entries.push_back(entry);
        }
        self.head = head.clone();
        self.commits += 1;
    }

    /// How many entries the store lacks, and their bytes.
    pub(super) fn waiting(&self) -> (u64, u64) {
        (self.head.size() - self.waiting_from, self.waiting_bytes)
    }

    /// The entries that the store lacks, from the index on that is given first.
    pub(super) fn to_store(&self) -> (u64, Vec<Bytes>) {
        let kept = (self.waiting_from - self.first) as usize;
        (
            self.waiting_from,
            self.entries.iter().skip(kept).cloned().collect(),
        )
    }

    /// Notes that the store has all below `stored`. Gives what is let go of, as [`Behind::let_go`].
    #[must_use]
    pub(super) fn stored(&mut self, stored: u64, kept_bytes_max: u64) -> Vec<Bytes> {
        let kept = (self.waiting_from - self.first) as usize;
        let count = (stored - self.waiting_from) as usize;
        let moved = self.entries.iter().skip(kept).take(count);
        let bytes = moved.map(|entry| entry.len() as u64).sum::<u64>();
        self.waiting_bytes -= bytes;
        self.kept_bytes += bytes;
        self.waiting_from = stored;
        self.let_go(0, kept_bytes_max)
    }

    /// Lets go of what the store has, where it is `published` or more than `kept_bytes_max`. Gives it, to be freed once nobody
    /// waits for this any more: a commit does.
    #[must_use]
    pub(super) fn let_go(&mut self, published: u64, kept_bytes_max: u64) -> Vec<Bytes> {
        let (mut count, end) = (0, self.head.size());
        let ends = |places: &VecDeque<(u64, Place)>| places.get(1).map_or(end, |next| next.0);
        while !self.places.is_empty() && ends(&self.places) <= published {
            self.places.pop_front();
        }
        for entry in &self.entries {
            let is_kept = self.first < self.waiting_from;
            if !is_kept || self.first >= published && self.kept_bytes <= kept_bytes_max {
                break;
            }
            self.kept_bytes -= entry.len() as u64;
            self.first += 1;
            count += 1;
        }
        self.entries.drain(..count).collect()
    }

    /// Where the tail has `range`, which begins before [`Behind::first`]: batches in order, each with the index of its first
    /// entry, until `bytes_max` would be passed; none where the tail may lack the first entry.
    pub(super) fn in_tail(&self, range: &Range<u64>, bytes_max: usize) -> Vec<(u64, Place)> {
        let after = self
            .places
            .partition_point(|(first, _)| *first <= range.start);
        let Some(begin) = after.checked_sub(1) else {
            return Vec::new();
        };
        let mut bytes = 0;
        let within = |(first, place): &&(u64, Place)| {
            bytes += place.len;
            *first <= range.start || *first < range.end && bytes <= bytes_max
        };
        let found = self.places.iter().skip(begin).take_while(within);
        found.cloned().collect()
    }

    /// Entries of `range`, which begins at [`Behind::first`] or later, until `bytes_max` would be passed; one at least.
    pub(super) fn read(&self, range: Range<u64>, bytes_max: usize) -> Vec<(u64, Bytes)> {
        let skip = (range.start - self.first) as usize;
        let mut bytes = 0;
        let within = |(entry, index): &(&Bytes, u64)| {
            bytes += entry.len();
            *index == range.start || bytes <= bytes_max
        };
        let found = self.entries.iter().skip(skip).zip(range.clone());
        found
            .take_while(within)
            .map(|(entry, index)| (index, entry.clone()))
            .collect()
    }
}
