//! Bundles read ahead of the walk, in order: read, decoded and hashed by the threads of a pool.
//!
//! Takes a store, how many entries there are and how far to go. Gives each bundle with the leaf hash of every entry, the
//! entries decoded, and what the caller wants to know of each that needs nothing before it. At most
//! [`AHEAD_PER_THREAD`] bundles a thread wait, each at most 16 MiB by its format, and some 250 KiB in a log of exchanges.

use std::collections::VecDeque;

use bytes::Bytes;
use proto::digest::{Digest, leaf_hash, tree_head};
use proto::entry::{Entry, EntryError};

use super::pool::{Pending, Pool};
use crate::tiles::{Pruned, TILE_WIDTH, TileError, TilePath, TileStore, bundle};

/// Bundles that wait or are worked on, for each thread.
const AHEAD_PER_THREAD: usize = 3;

/// One bundle, worked out as far as it goes alone.
pub(super) struct Bundle<T> {
    pub(super) tile: TilePath,
    /// Entries wanted of it: fewer than its width where the walk ends inside.
    pub(super) wanted: u16,
    /// Of a damaged one, those before the damage; of a pruned one, those that are kept.
    pub(super) entries: Vec<Read<T>>,
    pub(super) damage: Option<TileError>,
    /// Whether it lies below the minimum index and is not there.
    pub(super) pruned: bool,
    /// The hash tile over it, as far as it is wanted.
    pub(super) hashes: Result<Vec<Digest>, TileError>,
    /// Head over the leaves of a full bundle.
    pub(super) head: Option<Digest>,
}

/// One entry of a bundle.
pub(super) struct Read<T> {
    /// Its place in the bundle.
    pub(super) place: u16,
    pub(super) leaf: Digest,
    pub(super) entry: Result<Entry, EntryError>,
    /// What [`Ahead`] was asked to find out of each entry that decodes.
    pub(super) prepared: Option<T>,
}

/// Which files are read, and how far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Entries that the files hold: it names the narrow ones.
    pub(super) files: u64,
    /// Entries to walk over.
    pub(super) end: u64,
}

/// Reads ahead.
pub(super) struct Ahead<'p, T> {
    pool: &'p Pool,
    store: TileStore,
    pruned: Pruned,
    reach: Reach,
    prepare: fn(&Entry) -> T,
    next: u64,
    waiting: VecDeque<Pending<Bundle<T>>>,
}

impl<'p, T: Send + 'static> Ahead<'p, T> {
    pub(super) fn new(
        pool: &'p Pool,
        store: &TileStore,
        pruned: &Pruned,
        reach: Reach,
        prepare: fn(&Entry) -> T,
    ) -> Self {
        Self {
            pool,
            store: store.clone(),
            pruned: pruned.clone(),
            reach,
            prepare,
            next: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Starts work until enough waits.
    fn fill(&mut self) {
        while self.waiting.len() < AHEAD_PER_THREAD * self.pool.threads() {
            let first = self.next * u64::from(TILE_WIDTH);
            let left = self.reach.end.saturating_sub(first);
            let Some(tile) = TilePath::entries(self.next).at_size(self.reach.files) else {
                return;
            };
            // At most a tile's width.
            let wanted = left.min(u64::from(tile.width())) as u16;
            if wanted == 0 {
                return;
            }
            self.next += 1;
            let (store, files, prepare) = (self.store.clone(), self.reach.files, self.prepare);
            let pruned = self.pruned.clone();
            let read = move || read((&store, &pruned), tile, wanted, files, prepare);
            self.waiting.push_back(self.pool.start(read));
        }
    }
}

impl<T: Send + 'static> Iterator for Ahead<'_, T> {
    type Item = Bundle<T>;

    fn next(&mut self) -> Option<Bundle<T>> {
        self.fill();
        let first = self.waiting.pop_front()?;
        Some(self.pool.finish(&first))
    }
}

fn read<T>(
    (store, kept): (&TileStore, &Pruned),
    tile: TilePath,
    wanted: u16,
    files: u64,
    prepare: fn(&Entry) -> T,
) -> Bundle<T> {
    let (bytes, damage) = whole_or_damaged(store, tile);
    let mut placed: Vec<(u16, Bytes)> = (0..).zip(bytes).collect();
    let (mut damage, mut pruned) = (damage, false);
    if damage.as_ref().is_some_and(TileError::is_missing) && kept.covers(tile.index()) {
        pruned = true;
        (placed, damage) = match kept_in(kept, tile) {
            Ok(kept) => (kept, None),
            Err(error) => (Vec::new(), Some(error)),
        };
    }
    placed.retain(|(place, _)| *place < wanted);
    let entries: Vec<Read<T>> = placed
        .iter()
        .map(|(place, bytes)| {
            let entry = Entry::decode(bytes);
            Read {
                place: *place,
                leaf: leaf_hash(bytes),
                prepared: entry.as_ref().ok().map(prepare),
                entry,
            }
        })
        .collect();
    // The tile of the same number, in the form that it has at this size.
    let hashes = TilePath::hashes(0, tile.index()).at_size(files);
    let hashes = store.read_hashes(hashes.unwrap_or(tile)).map(|mut hashes| {
        hashes.truncate(usize::from(wanted));
        hashes
    });
    let full = entries.len() == usize::from(TILE_WIDTH);
    let head = full.then(|| {
        let leaves: Vec<Digest> = entries.iter().map(|read| read.leaf).collect();
        tree_head(&leaves)
    });
    Bundle {
        tile,
        wanted,
        entries,
        damage,
        pruned,
        hashes,
        head,
    }
}

/// What is kept of a pruned bundle, each by its place.
fn kept_in(pruned: &Pruned, tile: TilePath) -> Result<Vec<(u16, Bytes)>, TileError> {
    let first = tile.index() * u64::from(TILE_WIDTH);
    let kept = pruned.kept(tile.index())?;
    // Below 256: a kept entry lies inside its bundle.
    let place = |index: u64| (index - first) as u16;
    Ok(kept
        .into_iter()
        .map(|(index, bytes)| (place(index), bytes))
        .collect())
}

/// The entries of a bundle; of a damaged one, those before the damage, and what is wrong.
fn whole_or_damaged(store: &TileStore, tile: TilePath) -> (Vec<Bytes>, Option<TileError>) {
    match store.read_bundle(tile) {
        Ok(entries) => (entries, None),
        Err(error) => {
            let bytes = store.read_file(tile).unwrap_or_default();
            (bundle::decode_prefix(&bytes, tile.width()).0, Some(error))
        }
    }
}

/// The entries of a bundle as the walk reads them, for whoever looks at one a second time.
pub(crate) fn entries_of(store: &TileStore, tile: TilePath) -> Vec<Bytes> {
    whole_or_damaged(store, tile).0
}
