//! Writes the tiles and bundles that make a size fully covered.
//!
//! Takes: the head that the files cover, the head they shall cover, the entries between. Gives: every
//! full and partial file of the new size, durable. Never changes a file but in [`TileWriter::rebuild`], never
//! publishes, and never builds on files that do not make the old root. Memory: one bundle and one tile a level.

use std::fs;
use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use proto::digest::{Digest, leaf_hash, tree_head};

use super::bundle;
use super::durable::DurableFiles;
use super::path::{TILE_LEVELS, TILE_WIDTH, TilePath, hashes_at};
use super::{TileError, TileStore, read_bounded};
use crate::disk;
use crate::tree::{Edge, TreeHead};

mod edge;
mod gone;

pub use gone::GoneBundle;

/// The one writer of a [`TileStore`].
#[derive(Debug)]
pub struct TileWriter {
    store: TileStore,
    /// What the last call left, so that the next need not read it back.
    tip: Option<Tip>,
    /// Whether files of a size that is not published yet may be replaced.
    replacing: bool,
}

/// The unfinished right end of every level.
#[derive(Clone, Debug)]
struct Tip {
    edge: Edge,
    /// Entries of the unfinished bundle, encoded.
    bundle: Vec<u8>,
    /// Hashes of the unfinished tile of each level.
    levels: Vec<Vec<Digest>>,
}

impl TileWriter {
    pub(super) fn new(store: TileStore) -> Self {
        Self {
            store,
            tip: None,
            replacing: false,
        }
    }

    /// Writes all files that the tree `new` needs beyond those of the tree `old`, durably.
    /// `entries` are the entries `old.size .. new.size`, in order.
    ///
    /// # Errors
    /// [`TileError::WrongRoot`] when the files do not make `old` (nothing is written then) or the
    /// entries do not make `new` (full tiles may have been written, and must not be published);
    /// [`TileError::WrongCount`], [`TileError::Conflict`], [`TileError::EntryTooLarge`],
    /// [`TileError::Malformed`], [`TileError::Io`].
    pub fn write_for<I>(
        &mut self,
        old: TreeHead,
        new: TreeHead,
        entries: I,
    ) -> Result<(), TileError>
    where
        I: IntoIterator<Item = Result<Bytes, TileError>>,
    {
        let mut tip = match self.tip.take() {
            Some(tip) if tip.edge.head() == old => tip,
            _ => Tip::load(&self.store, old)?,
        };
        let mut files = Files::new(&self.store);
        files.mended = self.replacing.then(Vec::new);
        tip.extend(new, entries, &mut files)?;
        files.sync_dirs()?;
        self.tip = Some(tip);
        Ok(())
    }

    /// Whether [`TileWriter::write_for`] replaces files that hold something else: only at start, for what an earlier
    /// run wrote and never published.
    pub fn replace_unpublished(&mut self, yes: bool) {
        self.replacing = yes;
    }

    /// Writes every file of the tree `head` that is missing or holds something else, from all its `entries`. Only for
    /// files that are known to be damaged: nothing else may change a file. Gives the files that it wrote.
    ///
    /// # Errors
    /// As [`TileWriter::write_for`]; what was rewritten by then is what the entries make.
    pub fn rebuild<I>(&mut self, head: TreeHead, entries: I) -> Result<Vec<PathBuf>, TileError>
    where
        I: IntoIterator<Item = Result<Bytes, TileError>>,
    {
        self.tip = None;
        let mut files = Files::new(&self.store);
        files.mended = Some(Vec::new());
        let mut tip = Tip::load(&self.store, TreeHead::empty())?;
        tip.extend(head, entries, &mut files)?;
        files.sync_dirs()?;
        self.tip = Some(tip);
        Ok(files.mended.unwrap_or_default())
    }

    /// Removes partial files between the sizes `old` and `new` that a full one supersedes. Call it
    /// after `new` was published. Without it nothing breaks, the directory only holds more files.
    ///
    /// # Errors
    /// [`TileError::Io`].
    pub fn remove_superseded(&self, old: u64, new: u64) -> Result<(), TileError> {
        let bundles = (None, old, new);
        let levels = (0..TILE_LEVELS)
            .map(|level| (Some(level), hashes_at(level, old), hashes_at(level, new)));
        for (level, from, to) in std::iter::once(bundles).chain(levels) {
            for index in from / u64::from(TILE_WIDTH)..to / u64::from(TILE_WIDTH) {
                let tile = level.map_or_else(
                    || TilePath::entries(index),
                    |level| TilePath::hashes(level, index),
                );
                let partials = self.store.dir().join(tile.partials_dir());
                // Only under a full file that is really there.
                if partials.is_dir() && self.store.file(tile).is_file() {
                    disk::change(&partials, || fs::remove_dir_all(&partials))
                        .map_err(|error| TileError::io(&partials, error))?;
                }
            }
        }
        Ok(())
    }
}

impl Tip {
    /// Reads the unfinished files of the tree `head` and makes sure that they make its root.
    fn load(store: &TileStore, head: TreeHead) -> Result<Self, TileError> {
        let width = u64::from(TILE_WIDTH);
        let mut levels = Vec::with_capacity(usize::from(TILE_LEVELS));
        for level in 0..TILE_LEVELS {
            let tile =
                TilePath::hashes(level, hashes_at(level, head.size) / width).at_size(head.size);
            levels.push(tile.map_or_else(|| Ok(Vec::new()), |tile| store.read_hashes(tile))?);
        }
        let mut bundle = Vec::new();
        if let Some(tile) = TilePath::entries(head.size / width).at_size(head.size) {
            for (entry, hash) in store.read_bundle(tile)?.iter().zip(&levels[0]) {
                if leaf_hash(entry) != *hash {
                    return Err(TileError::malformed(
                        tile,
                        "an entry is not the one its tile names",
                    ));
                }
                // It was read from a bundle, so it fits one.
                let _ = bundle::push(&mut bundle, entry);
            }
        }
        let edge = edge_of(head.size, &levels)?;
        if edge.head() != head {
            return Err(TileError::WrongRoot {
                what: "files",
                size: head.size,
            });
        }
        Ok(Self {
            edge,
            bundle,
            levels,
        })
    }

    /// Appends `entries` up to the tree `new` and writes its files.
    fn extend<I>(
        &mut self,
        new: TreeHead,
        entries: I,
        files: &mut Files<'_>,
    ) -> Result<(), TileError>
    where
        I: IntoIterator<Item = Result<Bytes, TileError>>,
    {
        let old = self.edge.size();
        let mut given = 0;
        for entry in entries {
            given += 1;
            if old + given > new.size {
                break;
            }
            self.push(&entry?, files)?;
        }
        if old.checked_add(given) != Some(new.size) {
            return Err(TileError::WrongCount {
                old,
                new: new.size,
                given,
            });
        }
        if self.edge.head() != new {
            return Err(TileError::WrongRoot {
                what: "entries",
                size: new.size,
            });
        }
        self.write_partials(files)
    }

    /// Appends one entry; writes each bundle and tile that it fills.
    fn push(&mut self, entry: &[u8], files: &mut Files<'_>) -> Result<(), TileError> {
        if !bundle::push(&mut self.bundle, entry) {
            return Err(TileError::EntryTooLarge(entry.len()));
        }
        let leaf = leaf_hash(entry);
        self.edge.push(leaf);
        self.levels[0].push(leaf);
        if self.levels[0].len() < usize::from(TILE_WIDTH) {
            return Ok(());
        }
        let index = self.edge.size() / u64::from(TILE_WIDTH) - 1;
        files.write(TilePath::entries(index), &self.bundle)?;
        self.bundle.clear();
        files.write(TilePath::hashes(0, index), &flat(&self.levels[0]))?;
        let head = tree_head(&self.levels[0]);
        self.levels[0].clear();
        self.push_above(head, files)
    }

    /// Appends the head of a full tile of level 0; writes each tile above that it fills.
    fn push_above(&mut self, head: Digest, files: &mut Files<'_>) -> Result<(), TileError> {
        let size = self.edge.size();
        let mut hash = head;
        let above = (0..TILE_LEVELS).zip(&mut self.levels);
        for (level, hashes) in above.skip(1) {
            hashes.push(hash);
            if hashes.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let index = (hashes_at(level, size) - 1) / u64::from(TILE_WIDTH);
            files.write(TilePath::hashes(level, index), &flat(hashes))?;
            hash = tree_head(hashes);
            hashes.clear();
        }
        Ok(())
    }

    /// Writes what is unfinished as partial files; where damaged files are replaced, the narrower ones of earlier sizes
    /// that are still there too.
    fn write_partials(&self, files: &mut Files<'_>) -> Result<(), TileError> {
        for partial in self.partials() {
            files.write(partial.tile, &partial.bytes)?;
            if files.mended.is_some() {
                for (tile, bytes) in partial.narrower(files.store)? {
                    files.write(tile, bytes)?;
                }
            }
        }
        Ok(())
    }
}

/// The edge of the tree of `size` leaves out of the unfinished tiles of its levels.
pub(super) fn edge_of(size: u64, levels: &[Vec<Digest>]) -> Result<Edge, TileError> {
    // Of each unfinished tile, largest level first, the whole subtrees from the left.
    let mut hashes = Vec::new();
    for tile in levels.iter().rev() {
        let mut rest = &tile[..];
        while !rest.is_empty() {
            let (whole, after) = rest.split_at(1 << rest.len().ilog2());
            hashes.push(tree_head(whole));
            rest = after;
        }
    }
    let mut encoded = size.to_be_bytes().to_vec();
    hashes
        .iter()
        .for_each(|hash| encoded.extend_from_slice(hash.as_bytes()));
    Edge::decode(&encoded).map_err(|_| TileError::WrongRoot {
        what: "files",
        size,
    })
}

/// Writes immutable files of one call.
struct Files<'a> {
    store: &'a TileStore,
    durable: DurableFiles,
    /// Where damaged files are replaced: those that were.
    mended: Option<Vec<PathBuf>>,
}

impl<'a> Files<'a> {
    fn new(store: &'a TileStore) -> Self {
        Self {
            store,
            durable: DurableFiles::under(store.dir()),
            mended: None,
        }
    }

    /// Writes `tile`, unless it stands there already with the same bytes.
    fn write(&mut self, tile: TilePath, bytes: &[u8]) -> Result<(), TileError> {
        let path = self.store.file(tile);
        let io = |error| TileError::io(&path, error);
        match (read_bounded(&path, bytes.len() as u64), &mut self.mended) {
            (Ok(found), _) if found == bytes => self.durable.adopt(&path).map_err(io),
            (_, Some(mended)) => {
                self.durable.write(&path, bytes).map_err(io)?;
                mended.push(path);
                Ok(())
            }
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => {
                self.durable.write(&path, bytes).map_err(io)
            }
            (Ok(_), None) => Err(TileError::Conflict { path }),
            (Err(error), None) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(TileError::Conflict { path })
            }
            (Err(error), None) => Err(io(error)),
        }
    }

    fn sync_dirs(&mut self) -> Result<(), TileError> {
        let synced = self.durable.sync_dirs();
        synced.map_err(|error| TileError::io(self.store.dir(), error))
    }
}

/// Hashes one after the other, as tiles hold them.
pub(super) fn flat(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
