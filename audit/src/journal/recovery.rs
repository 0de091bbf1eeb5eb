//! Start: brings tail, store, bundles and published checkpoint into one head, or refuses with the reason.
//!
//! Takes what stands in a log's directory; gives an open tail, an open store, the entries the store
//! still lacks, and a report. Never starts shorter than the published checkpoint, and never drops
//! bytes that may have been acknowledged unless the operator said so.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use proto::digest::Digest;

use super::behind::Behind;
use super::store::{Opened, Store, databases};
use super::tail::{Replay, Step, Tail, replay};
use super::tail_and_store::Layout;
use super::{Head, JournalError};
use crate::tree::TreeHead;

mod aside;
mod judge;
mod rebuild;

pub(super) use aside::{name_aside, set_aside};

/// Entries read from bundles at once: one bundle.
pub(super) const BUNDLE_ENTRIES: u64 = 256;

/// Reads published entry bundles: all entries of a range, in order.
#[derive(Clone)]
pub struct Bundles {
    read: Arc<ReadBundles>,
    /// The head that the first bundle which is there follows; without it that is the empty one.
    base: Option<Arc<ReadBase>>,
}

type ReadBundles = dyn Fn(Range<u64>) -> io::Result<Vec<Bytes>> + Send + Sync;
type ReadBase = dyn Fn() -> io::Result<Head> + Send + Sync;

impl Bundles {
    /// Bundles read by `read`, which gives every entry of the range it is asked for, or an error.
    pub fn new(
        read: impl Fn(Range<u64>) -> io::Result<Vec<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            read: Arc::new(read),
            base: None,
        }
    }

    /// As [`Bundles::new`], of a log whose entries below the head that `base` gives were pruned.
    pub fn pruned(
        read: impl Fn(Range<u64>) -> io::Result<Vec<Bytes>> + Send + Sync + 'static,
        base: impl Fn() -> io::Result<Head> + Send + Sync + 'static,
    ) -> Self {
        Self {
            read: Arc::new(read),
            base: Some(Arc::new(base)),
        }
    }

    /// The head from which on there are bundles.
    pub(super) fn base(&self) -> io::Result<Head> {
        self.base
            .as_ref()
            .map_or_else(|| Ok(Head::default()), |base| base())
    }

    /// Every entry of `range`.
    pub(super) fn read(&self, range: Range<u64>) -> io::Result<Vec<Bytes>> {
        let wanted = range.end - range.start;
        let entries = (self.read)(range)?;
        if entries.len() as u64 != wanted {
            let missing = format!("{wanted} entries asked for, {} given", entries.len());
            return Err(io::Error::other(missing));
        }
        Ok(entries)
    }
}

impl fmt::Debug for Bundles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bundles")
    }
}

/// What may be given up to start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing that may have been acknowledged.
    #[default]
    Strict,
    /// What a missing or damaged tail may have held. Never more: a log shorter than its published checkpoint
    /// is refused all the same. For an operator who has tried the repairs the refusal named.
    AcceptTailLoss,
}

/// In which state the store was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFound {
    /// It opened, and the tail goes on from it.
    Whole,
    /// There was none.
    Missing,
    /// It opened empty, as sled does after some power cuts.
    Empty,
    /// It did not open, or what it holds does not fit the tail: why.
    Corrupt(String),
}

/// What opening a journal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Entries after opening.
    pub size: u64,
    /// In which state the store was found.
    pub store: StoreFound,
    /// Entries the store lacked and took from the tail.
    pub replayed: Range<u64>,
    /// Entries read back from published bundles to rebuild the store.
    pub rebuilt: Range<u64>,
    /// Bytes of a write that was cut short, and cut off: never acknowledged.
    pub torn_bytes: u64,
    /// What an operator accepted to lose, each with its indexes.
    pub remarks: Vec<String>,
    /// Stable words for what was repaired on the stopped log since its last entry.
    pub repaired: Vec<String>,
    /// Files under `tile/` that were damaged or missing, and were written again from the store.
    pub mended: Vec<PathBuf>,
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries", self.size)?;
        match &self.store {
            StoreFound::Whole => {}
            StoreFound::Missing => write!(f, "; the store was missing")?,
            StoreFound::Empty => write!(f, "; the store was empty")?,
            StoreFound::Corrupt(reason) => write!(f, "; the store was corrupt ({reason})")?,
        }
        if !self.rebuilt.is_empty() {
            write!(
                f,
                "; {}..{} rebuilt from bundles",
                self.rebuilt.start, self.rebuilt.end
            )?;
        }
        if !self.replayed.is_empty() {
            write!(
                f,
                "; {}..{} replayed from the tail",
                self.replayed.start, self.replayed.end
            )?;
        }
        if self.torn_bytes > 0 {
            write!(f, "; a torn write of {} bytes cut off", self.torn_bytes)?;
        }
        if let Some(first) = self.mended.first() {
            let (count, first) = (self.mended.len(), first.display());
            write!(
                f,
                "; {count} damaged or missing tile file(s) written again from the store, the first {first}"
            )?;
        }
        if !self.repaired.is_empty() {
            write!(
                f,
                "; repaired before this start: {}",
                self.repaired.join(" ")
            )?;
        }
        self.remarks
            .iter()
            .try_for_each(|remark| write!(f, "; tail loss accepted: {remark}"))
    }
}

/// A recovered journal, in parts.
pub(super) struct Recovered {
    pub(super) tail: Tail,
    pub(super) store: Store,
    pub(super) behind: Behind,
    pub(super) report: RecoveryReport,
}

/// What following the tail showed.
#[derive(Default)]
struct Followed {
    /// The head it starts from; `None` without any segment.
    start: Option<Head>,
    /// The head it ends with.
    end: Head,
    /// Its entries.
    entries: Vec<Bytes>,
    /// The root where the published checkpoint ends, if the tail passes there.
    root_at_published: Option<Digest>,
    /// The head where the store ends, if the tail passes there.
    head_at_stored: Option<Head>,
}

/// The store as it was found.
struct Standing {
    /// Open, with its head.
    store: Option<(Store, Head)>,
    /// Its directory, if there is one.
    path: Option<PathBuf>,
    state: StoreFound,
}

/// Brings everything under `layout` together. `published` is the verified published checkpoint.
pub(super) fn recover(
    layout: &Layout,
    bundles: Option<&Bundles>,
    published: Option<TreeHead>,
    recovery: Recovery,
) -> Result<Recovered, JournalError> {
    let mut standing = open_store(layout, published.map_or(0, |published| published.size))?;
    let stored = standing.store.as_ref().map(|(_, head)| head.clone());
    let (replay, mut followed) = follow_tail(layout, published, stored.as_ref())?;
    let remarks = judge::tail(&replay, &followed, stored.as_ref(), published);
    judge::nothing_lost(layout, &remarks, recovery)?;
    let tail_start = followed.start.clone().unwrap_or_default();
    standing.distrust_unless(&followed, &tail_start);
    let mut rebuilt = 0..0;
    let (store, base) = match standing.store.take() {
        Some(whole) => whole,
        None => {
            rebuilt = 0..tail_start.size();
            (
                rebuild::store(layout, bundles, &tail_start, standing.path.as_deref())?,
                tail_start,
            )
        }
    };
    if base.size() > followed.end.size() || followed.start.is_none() {
        followed.end = base.clone();
    }
    judge::extends(published, &followed)?;

    // Entries that the tail has and the store lacks; none where the store goes further.
    let lacking = (followed.end.size() - base.size()) as usize;
    let entries = followed
        .entries
        .split_off(followed.entries.len().saturating_sub(lacking));
    let report = RecoveryReport {
        size: followed.end.size(),
        store: standing.state,
        replayed: base.size()..followed.end.size(),
        rebuilt,
        torn_bytes: replay.torn_bytes,
        remarks,
        repaired: Vec::new(),
        mended: Vec::new(),
    };
    let tail = if report.remarks.is_empty() {
        Tail::resume(
            &layout.tail_dir(),
            layout.origin,
            layout.segment_bytes,
            &replay,
        )?
    } else {
        // The tail's files are moved away below; what they alone hold must be durable elsewhere first.
        store.append(base.size(), &entries, &followed.end)?;
        if layout.tail_dir().exists() {
            set_aside(&layout.tail_dir())?;
        }
        None
    };
    let tail = match tail {
        Some(tail) => tail,
        None => Tail::create(
            &layout.tail_dir(),
            layout.origin,
            layout.segment_bytes,
            &followed.end,
        )?,
    };
    let behind = if report.remarks.is_empty() {
        Behind::new(followed.end, entries)
    } else {
        Behind::new(followed.end, Vec::new())
    };
    Ok(Recovered {
        tail,
        store,
        behind,
        report,
    })
}

impl Standing {
    /// Gives the store up if the tail contradicts it, or starts only behind it.
    fn distrust_unless(&mut self, followed: &Followed, tail_start: &Head) {
        let Some((_, head)) = &self.store else { return };
        let why = match &followed.head_at_stored {
            Some(passed) if passed != head => "its head is not the one the tail passes there",
            _ if head.size() < tail_start.size() => "it ends before the tail starts",
            _ => return,
        };
        self.state = StoreFound::Corrupt(why.into());
        self.store = None;
    }
}

/// Opens the store. It must reach back to what is published: a database that was begun later needs the one before it.
fn open_store(layout: &Layout, published: u64) -> Result<Standing, JournalError> {
    let opened = loop {
        match Store::open(&layout.store_dir(), layout.store_limits(), published)? {
            // Begun when power was cut: the one before it is whole.
            Opened::Empty(path) if databases(&layout.store_dir())?.len() > 1 => {
                set_aside(&path)?;
            }
            opened => break opened,
        }
    };
    let found = |path, state| Standing {
        store: None,
        path,
        state,
    };
    Ok(match opened {
        Opened::Ready(ready) if ready.0.first() > published => {
            let why = "it begins beyond what is published, and the one before it cannot be read";
            found(
                Some(ready.0.path().to_owned()),
                StoreFound::Corrupt(why.into()),
            )
        }
        Opened::Ready(ready) => Standing {
            path: Some(ready.0.path().to_owned()),
            store: Some(*ready),
            state: StoreFound::Whole,
        },
        Opened::Missing => found(None, StoreFound::Missing),
        Opened::Empty(path) => found(Some(path), StoreFound::Empty),
        Opened::Corrupt(path, reason) => found(Some(path), StoreFound::Corrupt(reason)),
    })
}

/// Follows the tail from its start, noting where published checkpoint and store end.
fn follow_tail(
    layout: &Layout,
    published: Option<TreeHead>,
    stored: Option<&Head>,
) -> Result<(Replay, Followed), JournalError> {
    let mut followed = Followed::default();
    let replay = replay(&layout.tail_dir(), &layout.origin, &mut |step| {
        let head = match step {
            Step::Start(head) => {
                followed.start = Some(head.clone());
                head
            }
            Step::Entry { bytes, head } => {
                followed.entries.push(bytes.clone());
                head
            }
        };
        if published.is_some_and(|published| published.size == head.size()) {
            followed.root_at_published = Some(head.edge.root());
        }
        if stored.is_some_and(|stored| stored.size() == head.size()) {
            followed.head_at_stored = Some(head.clone());
        }
        followed.end = head.clone();
        Ok(())
    })?;
    Ok((replay, followed))
}

/// Makes a store anew from `bundles`, beside the one that is there, which is not opened again.
pub(super) fn rebuild_store(
    layout: &Layout,
    bundles: &Bundles,
    goal: &Head,
) -> Result<Store, JournalError> {
    rebuild::store(layout, Some(bundles), goal, None)
}
