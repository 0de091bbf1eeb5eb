//! The journal of one broker: the synced tail is the commit point, the store takes the rest in bulk.
//!
//! Takes batches from the log's writer; gives back entries to any reader. Between tail and store the
//! entries wait in memory, at most [`Layout::behind_bytes_max`]: a writer that runs ahead of the keeper
//! does the keeper's work itself. A tail segment is deleted only when the store holds its entries
//! durably and the published tiles cover them, so that a lost store can always be rebuilt.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock};

use bytes::Bytes;
use proto::digest::Digest;

use super::behind::Behind;
use super::letting_go::superseded;
use super::recovery::{self, Bundles, Recovery, RecoveryReport};
use super::store::{Store, StoreLimits};
use super::tail::{Place, Tail};
use super::{
    Admission, Committed, Declined, Head, Journal, JournalError, Recorded, SealBatch, Statistics,
    Superseded,
};
use crate::tree::TreeHead;

/// Where a journal stands on disk, and its sizes.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The log's directory; `tail/` and `store/` are made in it.
    pub dir: PathBuf,
    /// SHA-256 of the log's origin line: binds every tail segment to its log.
    pub origin: Digest,
    /// Bytes of a tail segment before the next one starts.
    pub segment_bytes: u64,
    /// Entries of one store database before the next one starts. sled lets go of a page only after 64 further accesses to
    /// its part of the cache, so what bounds its memory and its files is the size of the database.
    pub store_entries: u64,
    /// sled's page cache, bytes.
    pub store_cache_bytes: u64,
    /// Bytes of entries that may wait in memory between tail and store.
    pub behind_bytes_max: u64,
    /// Bytes of entries that the store has and that are kept in memory until they are published; the rest is read from the
    /// tail.
    pub kept_bytes_max: u64,
}

impl Layout {
    /// The sizes that were measured to serve: 32 MiB segments, 100,000 entries, 16 MiB of cache, 16 MiB waiting, 32 MiB kept.
    pub fn new(dir: &Path, origin: &str) -> Self {
        Self {
            dir: dir.to_owned(),
            origin: Digest::of(origin.as_bytes()),
            segment_bytes: 32 << 20,
            store_entries: 100_000,
            store_cache_bytes: 16 << 20,
            behind_bytes_max: 16 << 20,
            kept_bytes_max: 32 << 20,
        }
    }

    pub(super) fn tail_dir(&self) -> PathBuf {
        self.dir.join("tail")
    }

    pub(super) fn store_dir(&self) -> PathBuf {
        self.dir.join("store")
    }

    pub(super) fn store_limits(&self) -> StoreLimits {
        StoreLimits {
            entries: self.store_entries,
            cache_bytes: self.store_cache_bytes,
        }
    }
}

/// Synced tail, sled behind it.
#[derive(Debug)]
pub struct TailAndStore {
    layout: Layout,
    bundles: Option<Bundles>,
    pub(super) tail: Mutex<Tail>,
    pub(super) behind: Mutex<Behind>,
    store: RwLock<Arc<Store>>,
    /// Held while the store is fed, by the keeper or by a writer that ran ahead of it.
    feeding: Mutex<()>,
    failed: OnceLock<JournalError>,
}

impl TailAndStore {
    /// Starts an empty journal.
    ///
    /// # Errors
    /// [`JournalError::Refused`] where a tail or a store already stands.
    pub fn create(layout: Layout, bundles: Option<Bundles>) -> Result<Self, JournalError> {
        for dir in [layout.tail_dir(), layout.store_dir()] {
            if dir.exists() {
                let reason = format!(
                    "{} is already there; a new log never overwrites one",
                    dir.display()
                );
                return Err(JournalError::Refused(reason));
            }
        }
        let head = Head::default();
        let store = Store::create(&layout.store_dir(), 0, &[], &head, layout.store_limits())?;
        let tail = Tail::create(
            &layout.tail_dir(),
            layout.origin,
            layout.segment_bytes,
            &head,
        )?;
        Ok(Self::from_parts(
            layout,
            bundles,
            tail,
            store,
            Behind::new(head, Vec::new()),
        ))
    }

    /// Opens what stands in the layout's directory: replays the tail, rebuilds a lost store, and makes sure
    /// that the result extends `published`.
    ///
    /// # Errors
    /// [`JournalError::Refused`] when it would start shorter than `published`, or without entries that
    /// may have been acknowledged; the message names the index range and the way to repair.
    pub fn open(
        layout: Layout,
        bundles: Option<Bundles>,
        published: Option<TreeHead>,
        recovery: Recovery,
    ) -> Result<(Self, RecoveryReport), JournalError> {
        let found = recovery::recover(&layout, bundles.as_ref(), published, recovery)?;
        let journal = Self::from_parts(layout, bundles, found.tail, found.store, found.behind);
        journal.feed()?;
        Ok((journal, found.report))
    }

    fn from_parts(
        layout: Layout,
        bundles: Option<Bundles>,
        tail: Tail,
        store: Store,
        behind: Behind,
    ) -> Self {
        Self {
            layout,
            bundles,
            tail: Mutex::new(tail),
            behind: Mutex::new(behind),
            store: RwLock::new(Arc::new(store)),
            feeding: Mutex::new(()),
            failed: OnceLock::new(),
        }
    }

    /// Moves everything that waits into the store, durably. Gives the size the store then has.
    pub(super) fn feed(&self) -> Result<u64, JournalError> {
        let _feeding = locked(&self.feeding)?;
        let ((first, entries), head) = {
            let behind = locked(&self.behind)?;
            (behind.to_store(), behind.head().clone())
        };
        if entries.is_empty() {
            return Ok(first);
        }
        self.store()?.append(first, &entries, &head)?;
        let gone = locked(&self.behind)?.stored(head.size(), self.layout.kept_bytes_max);
        drop(gone);
        Ok(head.size())
    }

    /// Starts the next database once the open one is full.
    fn rotate_store(&self, published: u64) -> Result<(), JournalError> {
        let _feeding = locked(&self.feeding)?;
        let store = self.store()?;
        if let Some(next) = store.successor(&self.layout.store_dir(), published)? {
            *self.store.write().map_err(|_| poisoned())? = Arc::new(next);
        }
        Ok(())
    }

    /// Appends a sealed batch to the tail: the commit point. Gives the bytes that wait for the store.
    fn append(
        &self,
        tail: &mut Tail,
        before: &Head,
        outcomes: &[Result<Recorded, Declined>],
        head: &Head,
    ) -> Result<u64, JournalError> {
        let recorded: Vec<&Bytes> = outcomes.iter().flatten().map(|one| &one.bytes).collect();
        if recorded.is_empty() {
            return Ok(0);
        }
        let place = tail.append(before, recorded.iter().copied(), head)?;
        let mut behind = locked(&self.behind)?;
        behind.push(recorded.into_iter().cloned(), head, place);
        Ok(behind.waiting().1)
    }

    pub(super) fn store(&self) -> Result<Arc<Store>, JournalError> {
        Ok(self.store.read().map_err(|_| poisoned())?.clone())
    }

    /// Runs `work` unless an earlier error ended the journal; an error of it ends the journal.
    pub(super) fn final_on_error<T>(
        &self,
        work: impl FnOnce() -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        if let Some(error) = self.failed.get() {
            return Err(JournalError::Stopped(error.to_string()));
        }
        work().inspect_err(|error| {
            self.failed.get_or_init(|| error.clone());
        })
    }

    /// Entries older than the open database: from the published bundles.
    fn read_bundles(
        &self,
        range: Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<(u64, Bytes)>, JournalError> {
        let damaged = |reason: String| {
            JournalError::Damaged(format!("entries {}..{}: {reason}", range.start, range.end))
        };
        let bundles = self.bundles.as_ref().ok_or_else(|| {
            damaged("older than the open store, and there are no bundles to read them from".into())
        })?;
        let end = range.end.min(range.start + recovery::BUNDLE_ENTRIES);
        let entries = bundles
            .read(range.start..end)
            .map_err(|e| damaged(e.to_string()))?;
        let mut bytes = 0;
        let within = |(place, entry): &(usize, Bytes)| {
            bytes += entry.len();
            *place == 0 || bytes <= bytes_max
        };
        let taken = entries.into_iter().enumerate().take_while(within);
        Ok(taken
            .map(|(place, entry)| (range.start + place as u64, entry))
            .collect())
    }
}

impl Journal for TailAndStore {
    fn commit(
        &self,
        drafts: Vec<Admission>,
        seal: &mut SealBatch<'_>,
    ) -> Result<Committed, JournalError> {
        self.final_on_error(|| {
            // Held from the head that is read to the head that is durable: one batch after the other.
            let mut tail = locked(&self.tail)?;
            let before = locked(&self.behind)?.head().clone();
            let sealed = seal(&before, drafts);
            let waiting = self.append(&mut tail, &before, &sealed.outcomes, &sealed.head)?;
            drop(tail);
            if waiting > self.layout.behind_bytes_max {
                self.feed()?;
            }
            Ok(Committed {
                before,
                outcomes: sealed.outcomes,
                head: sealed.head,
            })
        })
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, JournalError> {
        // What is in memory is looked at first: an entry leaves it only after the store has it.
        let behind = locked(&self.behind)?;
        let end = range.end.min(behind.head().size());
        if range.start >= end {
            return Ok(Vec::new());
        }
        let first = behind.first();
        if range.start >= first {
            return Ok(behind.read(range.start..end, bytes_max));
        }
        let in_tail = behind.in_tail(&range, bytes_max);
        drop(behind);
        let mut found = read_tail(&in_tail, &(range.start..end), bytes_max);
        if found.is_empty() {
            let store = self.store()?;
            found = if range.start < store.first() {
                self.read_bundles(range.start..end.min(store.first()), bytes_max)?
            } else {
                store.read(range.start..end.min(first), bytes_max)?
            };
        }
        // The rest may stand in the next place; callers with room left get it in the same answer.
        let next = range.start + found.len() as u64;
        let used: usize = found.iter().map(|(_, entry)| entry.len()).sum();
        if next < end && used < bytes_max {
            let rest = self.read(next..end, bytes_max - used)?;
            let fits = rest
                .first()
                .is_some_and(|(_, entry)| used + entry.len() <= bytes_max);
            found.extend(rest.into_iter().filter(|_| fits));
        }
        Ok(found)
    }

    fn head(&self) -> Result<Head, JournalError> {
        Ok(locked(&self.behind)?.head().clone())
    }

    fn keep(&self, published: u64) -> Result<(), JournalError> {
        self.final_on_error(|| {
            let stored = self.feed()?;
            let gone = locked(&self.behind)?.let_go(published, self.layout.kept_bytes_max);
            drop(gone);
            self.rotate_store(published)?;
            let retired = locked(&self.tail)?.retire(stored.min(published));
            retired.delete()
        })
    }

    fn superseded(&self) -> Result<Vec<Superseded>, JournalError> {
        superseded(&self.layout.store_dir(), self.store()?.first())
    }

    fn statistics(&self) -> Statistics {
        let Ok(behind) = locked(&self.behind) else {
            return Statistics::default();
        };
        let (behind_entries, behind_bytes) = behind.waiting();
        Statistics {
            size: behind.head().size(),
            commits: behind.commits(),
            behind_entries,
            behind_bytes,
        }
    }
}

/// Entries of `range` from batches in the tail, until `bytes_max` would be passed; one at least, where the first can be read. A
/// segment that went meanwhile is published, so whoever calls has another place to look.
fn read_tail(batches: &[(u64, Place)], range: &Range<u64>, bytes_max: usize) -> Vec<(u64, Bytes)> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for (first, place) in batches {
        let Ok(entries) = place.read() else {
            return found;
        };
        let in_range = (*first..).zip(entries);
        for (index, entry) in in_range.filter(|(index, _)| range.contains(index)) {
            bytes += entry.len();
            if bytes > bytes_max && !found.is_empty() {
                return found;
            }
            found.push((index, entry));
        }
    }
    found
}

/// A lock whose last holder panicked guards a state nobody knows.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, JournalError> {
    mutex.lock().map_err(|_| poisoned())
}

fn poisoned() -> JournalError {
    JournalError::Stopped("a thread that was changing the journal panicked".into())
}
