//! The store behind the tail: sled, fed in bulk. The only place that names it.
//!
//! Takes runs of durable entries; gives them back by index. One tree: the key is the index of a pack's
//! first entry (u64, big-endian), the value up to 16 entries, each behind a u16 length; registry entries
//! stand alone. The head goes into the same batch. A database takes [`StoreLimits::entries`], then the next
//! directory `store/<first index, 20 digits>` starts, empty but for the head. The one before it stays open to be read
//! until all of its entries are published; then the bundles hold them, and it is not opened again.
//!
//! sled's own `flush` ends in sync_file_range, which a power cut does not respect
//! (`docs/decisions/0001-commit-point-is-a-synced-tail.md`). Every feed therefore ends in our own
//! fdatasync, and nothing here is ever the only copy of an acknowledged entry.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::entry::Kind;

use super::tail::sync_dir;
use super::{Head, JournalError};
use crate::disk;

/// sled writes pages above a quarter of this to files that it never syncs; a page holds 17 values at
/// most while it splits, and 17 of our largest stay below.
const SEGMENT_BYTES: usize = 8 << 20;
/// Entries in one value. More would break sled's cache limit, fewer cost time (measured).
const PACK_ENTRIES: usize = 16;
const HEAD_KEY: &[u8] = b"head";
/// What sled says when somebody holds the database.
const LOCK_HELD: &str = "could not acquire lock";
/// How long a database is waited for that its last owner is letting go, and how often it is looked at.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_LOOK: Duration = Duration::from_millis(5);

/// Sizes of the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreLimits {
    /// Entries after which the next database starts.
    pub(super) entries: u64,
    /// sled's page cache, bytes.
    pub(super) cache_bytes: u64,
}

/// What stood where the store should be.
#[derive(Debug)]
pub(super) enum Opened {
    /// A store and the head it ends with.
    Ready(Box<(Store, Head)>),
    /// No database at all.
    Missing,
    /// A database without a head: never fed, or emptied by a power cut.
    Empty(PathBuf),
    /// A database that does not open or does not parse, and why.
    Corrupt(PathBuf, String),
}

/// One open database.
pub(super) struct Store {
    path: PathBuf,
    first: u64,
    tree: sled::Db,
    db_file: File,
    limits: StoreLimits,
    /// The one before it, while not all of its entries are published.
    before: RwLock<Option<Arc<Store>>>,
}

impl fmt::Debug for Store {
    /// Where it is. sled's own form prints every entry.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

impl Store {
    /// Opens the newest database under `dir`, and the one before it where that is there and the newest begins beyond
    /// `published`. Whatever sled does on opening, panic included, becomes an outcome here.
    ///
    /// # Errors
    /// `dir` cannot be read.
    pub(super) fn open(
        dir: &Path,
        limits: StoreLimits,
        published: u64,
    ) -> Result<Opened, JournalError> {
        let mut standing = databases(dir)?;
        let Some((first, path)) = standing.pop() else {
            return Ok(Opened::Missing);
        };
        let opened = Self::open_one(first, path, limits)?;
        if let (Opened::Ready(ready), Some((first, path))) = (&opened, standing.pop())
            && ready.0.first > published
            && let Opened::Ready(older) = Self::open_one(first, path, limits)?
            && older.1.size() == ready.0.first
        {
            *ready.0.before_mut() = Some(Arc::new(older.0));
        }
        Ok(opened)
    }

    fn open_one(first: u64, path: PathBuf, limits: StoreLimits) -> Result<Opened, JournalError> {
        let opened = guarded(|| {
            let store = Self::open_at(&path, first, limits)?;
            let head = store.stored_head()?;
            Ok((store, head))
        });
        Ok(match opened {
            Ok((store, Some(head))) => Opened::Ready(Box::new((store, head))),
            Ok((store, None)) if store.tree.is_empty() => Opened::Empty(path),
            Ok((_, None)) => Opened::Corrupt(path, "it holds entries and no head".into()),
            // Held by somebody is not damaged: setting it aside would take it away under whoever writes it.
            Err(reason) if reason.contains(LOCK_HELD) => {
                return Err(JournalError::io("opening the store", &path, reason));
            }
            Err(reason) => Opened::Corrupt(path, reason),
        })
    }

    /// Starts a database that holds `entries` from index `first` on, and makes its files durable.
    pub(super) fn create(
        dir: &Path,
        first: u64,
        entries: &[Bytes],
        head: &Head,
        limits: StoreLimits,
    ) -> Result<Self, JournalError> {
        let path = dir.join(format!("{first:020}"));
        disk::change(&path, || std::fs::create_dir_all(&path))
            .map_err(|e| JournalError::io("creating", &path, e))?;
        let failed = |reason: String| JournalError::io("creating the store", &path, reason);
        let open = || guarded(|| Self::open_at(&path, first, limits)).map_err(io::Error::other);
        let store = disk::change(&path, open).map_err(|e| failed(e.to_string()))?;
        store.append(first, entries, head)?;
        for name in ["conf", "db"] {
            let file = path.join(name);
            disk::sync_file(&file, || File::open(&file)?.sync_all())
                .map_err(|e| JournalError::io("syncing", &file, e))?;
        }
        for dir in [Some(path.as_path()), Some(dir), dir.parent()]
            .into_iter()
            .flatten()
        {
            sync_dir(dir)?;
        }
        Ok(store)
    }

    /// Starts the next database under `dir`, at the end of this one, which stays open behind it. `None` where this one is
    /// not full, or its predecessor is still needed: its entries are published up to `published`.
    ///
    /// # Errors
    /// The head cannot be read, or the new database cannot be written.
    pub(super) fn successor(
        self: &Arc<Self>,
        dir: &Path,
        published: u64,
    ) -> Result<Option<Self>, JournalError> {
        if published >= self.first {
            self.before_mut().take();
        }
        if self.before().is_some() {
            return Ok(None);
        }
        let damaged =
            |reason| JournalError::Damaged(format!("store {}: {reason}", self.path.display()));
        let head = guarded(|| self.stored_head()).map_err(damaged)?;
        let full = |head: &Head| head.size().saturating_sub(self.first) >= self.limits.entries;
        let Some(head) = head.filter(full) else {
            return Ok(None);
        };
        let next = Self::create(dir, head.size(), &[], &head, self.limits)?;
        *next.before_mut() = Some(Arc::clone(self));
        Ok(Some(next))
    }

    /// Its directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Index of the oldest entry that can be read here.
    pub(super) fn first(&self) -> u64 {
        self.before().map_or(self.first, |before| before.first)
    }

    fn before(&self) -> Option<Arc<Self>> {
        self.before
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn before_mut(&self) -> RwLockWriteGuard<'_, Option<Arc<Self>>> {
        self.before.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `entries` from index `from` on, ending at `head`, and makes them durable.
    ///
    /// # Errors
    /// sled or the sync failed: what the database holds is no longer known.
    pub(super) fn append(
        &self,
        from: u64,
        entries: &[Bytes],
        head: &Head,
    ) -> Result<(), JournalError> {
        let feed = || {
            let mut batch = sled::Batch::default();
            for (key, value) in self.packs(from, entries)? {
                batch.insert(&key.to_be_bytes(), value);
            }
            batch.insert(HEAD_KEY, head.encode());
            self.tree.apply_batch(batch).map_err(|e| e.to_string())?;
            self.tree.flush().map_err(|e| e.to_string())
        };
        disk::change(&self.path, || guarded(feed).map_err(io::Error::other))
            .map_err(|e| JournalError::io("feeding the store", &self.path, e))?;
        let db = self.path.join("db");
        disk::sync_file(&db, || self.db_file.sync_data())
            .map_err(|e| JournalError::io("syncing", &db, e))
    }

    /// Entries of `range` (all of them stored here), each with its index, until `bytes_max` would be passed.
    ///
    /// # Errors
    /// An entry that should be here cannot be read.
    pub(super) fn read(
        &self,
        range: Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<(u64, Bytes)>, JournalError> {
        if let Some(before) = self.before().filter(|_| range.start < self.first) {
            let end = range.end.min(self.first);
            let mut found = before.read(range.start..end, bytes_max)?;
            let used = found.iter().map(|(_, entry)| entry.len()).sum();
            let whole = range.start + found.len() as u64 == end;
            if whole && end < range.end && bytes_max > used {
                found.extend(self.read(end..range.end, bytes_max - used)?);
            }
            return Ok(found);
        }
        let failed = |reason: String| {
            JournalError::Damaged(format!("store {}: {reason}", self.path.display()))
        };
        guarded(|| {
            let mut found = Vec::new();
            let mut bytes = 0usize;
            if range.is_empty() {
                return Ok(found);
            }
            let Some((start, _)) = self.pack_of(range.start)? else {
                return Err(format!("entry {} is missing", range.start));
            };
            for pair in self
                .tree
                .range(start.to_be_bytes()..range.end.to_be_bytes())
            {
                let (key, value) = pair.map_err(|e| e.to_string())?;
                let pack_first = index_of(&key).ok_or("a key is not an index")?;
                for (place, entry) in unpack(&value)?.into_iter().enumerate() {
                    let index = pack_first + place as u64;
                    let next = range.start + found.len() as u64;
                    if index < next || index >= range.end {
                        continue;
                    }
                    bytes += entry.len();
                    if index != next {
                        return Err(format!("entry {next} is missing"));
                    }
                    if bytes > bytes_max && !found.is_empty() {
                        return Ok(found);
                    }
                    found.push((index, entry));
                }
            }
            match range.start + found.len() as u64 {
                next if next < range.end => Err(format!("entry {next} is missing")),
                _ => Ok(found),
            }
        })
        .map_err(failed)
    }

    fn open_at(path: &Path, first: u64, limits: StoreLimits) -> Result<Self, String> {
        let tree = open_database(path, limits.cache_bytes)?;
        let db_file = File::open(path.join("db")).map_err(|e| e.to_string())?;
        Ok(Self {
            path: path.to_owned(),
            first,
            tree,
            db_file,
            limits,
            before: RwLock::new(None),
        })
    }

    /// The stored head, checked against the last pack. `None` when there is none.
    fn stored_head(&self) -> Result<Option<Head>, String> {
        let Some(bytes) = self.tree.get(HEAD_KEY).map_err(|e| e.to_string())? else {
            return Ok(None);
        };
        let head = Head::decode(&bytes).ok_or("its head does not parse")?;
        if head.size() > self.first {
            let end = match self.pack_of(head.size() - 1)? {
                Some((start, entries)) => start + entries.len() as u64,
                None => self.first,
            };
            if end != head.size() {
                return Err(format!(
                    "its head says {} entries, its last ends at {end}",
                    head.size()
                ));
            }
        }
        Ok(Some(head))
    }

    /// Groups entries into packs; the last stored pack is filled up first.
    fn packs(&self, from: u64, entries: &[Bytes]) -> Result<Vec<(u64, Vec<u8>)>, String> {
        let mut packs = Vec::with_capacity(entries.len() / PACK_ENTRIES + 2);
        let mut start = from;
        let mut open: Vec<Bytes> = Vec::with_capacity(PACK_ENTRIES);
        if from > self.first
            && let Some((first, stored)) = self.pack_of(from - 1)?
        {
            if first + stored.len() as u64 != from {
                return Err(format!("feeding entry {from} would leave a gap"));
            }
            if !stored.iter().any(stands_alone) {
                (start, open) = (first, stored);
            }
        }
        for (place, entry) in entries.iter().enumerate() {
            let index = from + place as u64;
            if open.len() == PACK_ENTRIES || stands_alone(entry) || open.iter().any(stands_alone) {
                if !open.is_empty() {
                    packs.push((start, pack(&open)));
                }
                open.clear();
            }
            if open.is_empty() {
                start = index;
            }
            open.push(entry.clone());
        }
        if !open.is_empty() {
            packs.push((start, pack(&open)));
        }
        Ok(packs)
    }

    /// The pack that would hold entry `index`: its first index and its entries.
    fn pack_of(&self, index: u64) -> Result<Option<(u64, Vec<Bytes>)>, String> {
        let Some(pair) = self.tree.range(..=index.to_be_bytes()).next_back() else {
            return Ok(None);
        };
        let (key, value) = pair.map_err(|e| e.to_string())?;
        let first = index_of(&key).ok_or("a key is not an index")?;
        Ok(Some((first, unpack(&value)?)))
    }
}

/// Opens a database, and waits a while for whoever still has it.
///
/// # Errors
/// What sled says; [`LOCK_HELD`] is in it where somebody keeps it.
pub(crate) fn open_database(path: &Path, cache_bytes: u64) -> Result<sled::Db, String> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes)
        .segment_size(SEGMENT_BYTES)
        .mode(sled::Mode::HighThroughput)
        // Every feed flushes and syncs by itself, and an error of the background thread would only be logged.
        .flush_every_ms(None);
    let began = Instant::now();
    loop {
        match config.open() {
            Ok(tree) => return Ok(tree),
            // sled's own threads let go of the lock a moment after the last handle is gone.
            Err(error) if error.to_string().contains(LOCK_HELD) && began.elapsed() < LOCK_WAIT => {
                std::thread::sleep(LOCK_LOOK);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Runs what may panic inside sled; a panic is an error like any other.
///
/// # Errors
/// Those of `work`, and what a panic said.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Err(format!("sled panicked: {text}"))
    })
}

/// The database with the highest first index under `dir`.
pub(super) fn newest(dir: &Path) -> Result<Option<(u64, PathBuf)>, JournalError> {
    Ok(databases(dir)?.pop())
}

/// All databases under `dir`, by their first index.
pub(super) fn databases(dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let reading = |e| JournalError::io("reading", dir, e);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(reading(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(reading)?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| name.len() == 20);
        if let Some(first) = name.and_then(|name| name.parse::<u64>().ok()) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Registry entries may be large and are never packed; anything that is no entry is not either.
fn stands_alone(entry: &Bytes) -> bool {
    entry
        .first()
        .and_then(|byte| Kind::from_byte(*byte).ok())
        .is_none_or(Kind::is_registry)
}

fn pack(entries: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.len()).sum());
    for entry in entries {
        // An entry is at most 60 KiB.
        out.extend_from_slice(&(entry.len() as u16).to_be_bytes());
        out.extend_from_slice(entry);
    }
    out
}

fn unpack(value: &[u8]) -> Result<Vec<Bytes>, String> {
    let mut rest = value;
    let mut entries = Vec::with_capacity(PACK_ENTRIES);
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len));
        let (entry, after) = after
            .split_at_checked(len)
            .ok_or("a pack ends inside an entry")?;
        entries.push(Bytes::copy_from_slice(entry));
        rest = after;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err("a pack ends inside a length".into())
    }
}

fn index_of(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}
