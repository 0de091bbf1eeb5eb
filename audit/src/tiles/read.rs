//! Reads hashes and entries back from the files. What is read here is claimed by the files, not
//! proved: whoever uses it verifies the proof it leads to.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use proto::digest::{Digest, node_hash};

use super::path::{TILE_HEIGHT, TILE_LEVELS, TILE_WIDTH, TilePath};
use super::{TileError, TileStore};
use crate::tree::HashReader;

/// Tiles kept by one reader: 16 KiB each with their subtrees.
const CACHE_TILES_MAX: usize = 64;

/// Reads the hashes of the tree of one size; keeps the last tiles used, at most 1 MiB.
#[derive(Debug)]
pub struct TileReader {
    store: TileStore,
    size: u64,
    /// Oldest use first.
    cache: Mutex<VecDeque<(TilePath, Arc<Subtrees>)>>,
}

/// A tile's hashes and every whole subtree over them, level by level: worked out once, used by many proofs.
#[derive(Debug)]
struct Subtrees(Vec<Vec<Digest>>);

impl Subtrees {
    fn over(hashes: Vec<Digest>) -> Self {
        let mut levels = vec![hashes];
        for _ in 1..TILE_HEIGHT {
            let below = levels.last().map(Vec::as_slice).unwrap_or_default();
            let level = below
                .chunks_exact(2)
                .map(|pair| node_hash(&pair[0], &pair[1]))
                .collect();
            levels.push(level);
        }
        Self(levels)
    }
}

impl TileReader {
    pub(super) fn new(store: TileStore, size: u64) -> Self {
        Self {
            store,
            size,
            cache: Mutex::new(VecDeque::new()),
        }
    }

    /// Leaves of the tree that it reads.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn tile(&self, tile: TilePath) -> Result<Arc<Subtrees>, TileError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cache.iter().rposition(|(held, _)| *held == tile)
            && let Some(held) = cache.remove(at)
        {
            let hashes = held.1.clone();
            cache.push_back(held);
            return Ok(hashes);
        }
        // Not held while the disk is read: other proofs go on.
        drop(cache);
        let hashes = Arc::new(Subtrees::over(self.store.read_hashes(tile)?));
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE_TILES_MAX {
            cache.pop_front();
        }
        cache.push_back((tile, hashes.clone()));
        Ok(hashes)
    }
}

impl HashReader for TileReader {
    fn node(&self, level: u8, index: u64) -> io::Result<Digest> {
        let outside = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the subtree is not whole at this size",
            )
        };
        let last = index
            .checked_add(1)
            .and_then(|end| end.checked_mul(1u64.checked_shl(u32::from(level))?));
        if last.is_none_or(|end| end > self.size) {
            return Err(outside());
        }
        // The deepest tile level that holds hashes this subtree is made of, and where in it.
        let tile_level = level / TILE_HEIGHT as u8;
        let within = u32::from(level) % TILE_HEIGHT;
        // Subtrees of this level in one tile.
        let width = u64::from(TILE_WIDTH) >> within;
        let number = index / width;
        let tile = TilePath::hashes(tile_level, number)
            .at_size(self.size)
            .ok_or_else(outside)?;
        if tile_level >= TILE_LEVELS {
            return Err(outside());
        }
        let subtrees = self.tile(tile).map_err(|error| match error {
            TileError::Io { source, .. } => source,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        })?;
        // Both below 256.
        let (level, at) = (within as usize, (index % width) as usize);
        let found = subtrees.0.get(level).and_then(|level| level.get(at));
        found.copied().ok_or_else(outside)
    }
}

/// Entries in order, with their indices; one bundle in memory at a time. Ends after the first error.
#[derive(Debug)]
pub struct Entries {
    store: TileStore,
    size: u64,
    next: u64,
    end: u64,
    bundle: VecDeque<Bytes>,
}

impl Entries {
    pub(super) fn new(store: TileStore, range: Range<u64>, size: u64) -> Self {
        Self {
            store,
            size,
            next: range.start,
            end: range.end.min(size),
            bundle: VecDeque::new(),
        }
    }

    fn refill(&mut self) -> Result<(), TileError> {
        let width = u64::from(TILE_WIDTH);
        let bundle = TilePath::entries(self.next / width);
        let tile = bundle
            .at_size(self.size)
            .ok_or_else(|| TileError::malformed(bundle, "outside the log"))?;
        self.bundle = self.store.read_bundle(tile)?.into();
        // Below 256.
        self.bundle
            .drain(..((self.next % width) as usize).min(self.bundle.len()));
        Ok(())
    }
}

impl Iterator for Entries {
    type Item = Result<(u64, Bytes), TileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        if self.bundle.is_empty()
            && let Err(error) = self.refill()
        {
            self.end = 0;
            return Some(Err(error));
        }
        let entry = self.bundle.pop_front()?;
        let index = self.next;
        self.next += 1;
        Some(Ok((index, entry)))
    }
}
