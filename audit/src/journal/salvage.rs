//! What is left of a journal whose tail or store is lost: for [`crate::rebuild`], on a stopped log.
//!
//! Takes a journal's layout; gives the entries that its tail and its store still have, puts a new tail in the place
//! of a damaged one, and sets a store aside. Never deletes anything.

use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;

use super::recovery::set_aside;
use super::store::{Opened, Store};
use super::tail::{Salvage, Tail, sync_dir};
use super::tail_and_store::Layout;
use super::{Head, JournalError};
use crate::disk;

/// Bytes of entries in one frame of a new tail.
const FRAME_BYTES: usize = 1 << 20;
/// Where a new tail is made.
const BUILDING: &str = "tail.rebuilding";

/// What tail and store still have.
#[derive(Debug)]
pub(crate) struct Remains {
    tail: Salvage,
    store: Option<(Store, Head)>,
    /// Why there is no store to read from.
    pub(crate) no_store: Option<String>,
}

impl Remains {
    /// Looks at `layout`'s directory. The store is opened only with `open_store`, for sled writes when it opens.
    ///
    /// # Errors
    /// A file cannot be read, or somebody has the store.
    pub(crate) fn of(layout: &Layout, open_store: bool) -> Result<Self, JournalError> {
        let tail = Salvage::of(&layout.tail_dir(), &layout.origin)?;
        let (store, no_store) = if !open_store {
            (None, None)
        } else {
            // What is published may be lost as well: whatever is there is of use.
            match Store::open(&layout.store_dir(), layout.store_limits(), 0)? {
                Opened::Ready(ready) => (Some(*ready), None),
                Opened::Missing => (None, Some("missing".to_owned())),
                Opened::Empty(_) => (None, Some("empty".to_owned())),
                Opened::Corrupt(_, reason) => (None, Some(reason)),
            }
        };
        Ok(Self {
            tail,
            store,
            no_store,
        })
    }

    /// What is wrong with the tail.
    pub(crate) fn tail_damage(&self) -> &[String] {
        &self.tail.damage
    }

    /// What tail and store have of a range, each with its index. Proves nothing.
    pub(crate) fn read(&self, range: Range<u64>) -> Vec<(u64, Bytes)> {
        let mut found = self.tail.read(range.clone());
        if let Some((store, head)) = &self.store {
            let stored = range.start.max(store.first())..range.end.min(head.size());
            // A damaged page costs the whole answer: then one by one.
            match store.read(stored.clone(), usize::MAX) {
                Ok(entries) => found.extend(entries),
                Err(_) => found.extend(stored.filter_map(|index| {
                    let one = store.read(index..index + 1, usize::MAX).ok()?;
                    one.into_iter().next()
                })),
            }
        }
        found
    }

    /// Entries that follow `head`, as far as tail or store have them. Gives them, and the head they end with.
    pub(crate) fn extend(&self, head: &Head) -> (Vec<Bytes>, Head) {
        let (mut entries, mut end) = (Vec::new(), head.clone());
        self.tail.extend(&mut end, &mut entries);
        if let Some((store, stored)) = &self.store
            && stored.size() > end.size()
            && store.first() <= end.size()
            && let Ok(more) = store.read(end.size()..stored.size(), usize::MAX)
        {
            let mut next = end.clone();
            let follows = more.iter().all(|(_, entry)| next.follow(entry).is_ok());
            // Another log's store, or another history's, ends in another head.
            if follows && next == *stored {
                entries.extend(more.into_iter().map(|(_, entry)| entry));
                end = next;
                self.tail.extend(&mut end, &mut entries);
            }
        }
        (entries, end)
    }

    /// Whether more may have been acknowledged than a log of `size` entries holds.
    pub(crate) fn may_lack(&self, size: u64) -> bool {
        self.tail.may_lack(size)
    }

    /// The range of entries that the open store holds; `None` without one.
    pub(crate) fn stored(&self) -> Option<Range<u64>> {
        let (store, head) = self.store.as_ref()?;
        Some(store.first()..head.size())
    }

    /// Entries of a part of [`Remains::stored`], in order.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub(crate) fn read_store(&self, range: Range<u64>) -> Result<Vec<(u64, Bytes)>, JournalError> {
        match &self.store {
            Some((store, _)) => store.read(range, usize::MAX),
            None => Ok(Vec::new()),
        }
    }

    /// Closes the store and moves it out of the way; gives where it then is.
    ///
    /// # Errors
    /// It cannot be moved.
    pub(crate) fn set_store_aside(self) -> Result<Option<PathBuf>, JournalError> {
        let Some((store, _)) = self.store else {
            return Ok(None);
        };
        let path = store.path().to_owned();
        drop(store);
        set_aside(&path).map(Some)
    }
}

/// Puts a new tail in the place of the one in `layout`: it starts at `start` and holds `entries`, which end at `end`.
/// Gives where the old one then is. At no time is there no tail, where the file system can exchange two names.
///
/// # Errors
/// A file cannot be written or moved.
pub(crate) fn replace_tail(
    layout: &Layout,
    start: &Head,
    entries: &[Bytes],
    end: &Head,
    before_exchange: &mut dyn FnMut() -> Result<(), JournalError>,
) -> Result<Option<PathBuf>, JournalError> {
    let building = layout.dir.join(BUILDING);
    let old = layout.tail_dir();
    if building.exists() {
        // A run that was cut short left it: a new tail, or, after the exchange, the old one.
        set_aside_as(&building, &old)?;
    }
    let mut made = Tail::create(&building, layout.origin, layout.segment_bytes, start)?;
    let mut head = start.clone();
    let mut rest = entries;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|entry| {
            bytes += entry.len();
            bytes <= FRAME_BYTES
        });
        let (frame, after) = rest.split_at(fits.count().max(1));
        let before = head.clone();
        for entry in frame {
            let refused = |e| JournalError::Damaged(format!("entry {}: {e}", before.size()));
            head.follow(entry).map_err(refused)?;
        }
        made.append(&before, frame.iter(), &head)?;
        rest = after;
    }
    if head != *end {
        let reason = "the entries of the new tail do not end where they should";
        return Err(JournalError::Damaged(reason.into()));
    }
    drop(made);
    before_exchange()?;
    exchange(&building, &old)?;
    sync_dir(&layout.dir)?;
    if !building.exists() {
        return Ok(None);
    }
    set_aside_as(&building, &old).map(Some)
}

/// Gives `new` the name of `old`, and `old`, if there is one, the name of `new`.
fn exchange(new: &std::path::Path, old: &std::path::Path) -> Result<(), JournalError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let failed = |e: std::io::Error| JournalError::io("putting in place", old, e);
    let rename = || disk::change(old, || std::fs::rename(new, old)).map_err(failed);
    if !old.exists() {
        return rename();
    }
    let exchanged = disk::change(old, || {
        match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            // This file system cannot.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    });
    if exchanged.map_err(failed)? {
        return Ok(());
    }
    set_aside(old)?;
    rename()
}

/// Moves `path` to the name under which `like` is set aside.
fn set_aside_as(path: &std::path::Path, like: &std::path::Path) -> Result<PathBuf, JournalError> {
    let aside = super::recovery::name_aside(like)?;
    disk::change(&aside, || std::fs::rename(path, &aside))
        .map_err(|e| JournalError::io("setting aside", path, e))?;
    if let Some(parent) = path.parent() {
        sync_dir(parent)?;
    }
    Ok(aside)
}
