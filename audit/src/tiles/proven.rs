//! Hash tiles that were checked against the root: what the files only claim becomes what the log signed.
//!
//! Takes the places of a log and a signed head; gives each hash tile after comparing it with the one above, up to the
//! unfinished tiles at the right edge, which together must make the root. A tile that no copy holds whole is made
//! again from what lies below it. Gives nothing that the root does not prove.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use proto::digest::{Digest, node_hash, tree_head};
use thiserror::Error;

use super::copies::{Copies, keep_new};
use super::path::{TILE_LEVELS, TILE_WIDTH, TilePath, hashes_at};
use super::write::edge_of;
use crate::tree::TreeHead;

/// Combinations tried where several copies say different things.
const COMBINATIONS_MAX: usize = 4_096;
/// Tiles remembered of each level: walks go from left to right.
const REMEMBERED: usize = 2;

/// The hash tiles of one signed tree.
#[derive(Debug)]
pub struct ProvenTiles<'a> {
    copies: &'a Copies<'a>,
    head: TreeHead,
    /// The unfinished tile of each level; empty where there is none.
    edge: Vec<Arc<Vec<Digest>>>,
    /// Tiles proved last, by level and index.
    known: BTreeMap<(u8, u64), Arc<Vec<Digest>>>,
}

impl<'a> ProvenTiles<'a> {
    /// The tiles of the tree `head`, which somebody signed.
    ///
    /// # Errors
    /// [`Unproven`]: nothing that is there makes its root.
    pub fn of(copies: &'a Copies<'a>, head: TreeHead) -> Result<Self, Unproven> {
        let edge = find_edge(copies, head)?;
        Ok(Self {
            copies,
            head,
            edge: edge.into_iter().map(Arc::new).collect(),
            known: BTreeMap::new(),
        })
    }

    /// The tree whose tiles these are.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The hashes of tile number `index` of `level`, as many as the tree has there.
    ///
    /// # Errors
    /// [`Unproven`]: no copy holds it, and what lies below does not make it.
    pub fn tile(&mut self, level: u8, index: u64) -> Result<Arc<Vec<Digest>>, Unproven> {
        let size = self.head.size;
        let unproven = || Unproven::of(level, index, size);
        let unfinished = hashes_at(level, size) / u64::from(TILE_WIDTH);
        if level >= TILE_LEVELS || index > unfinished {
            return Err(unproven());
        }
        if index == unfinished {
            let tile = self.edge[usize::from(level)].clone();
            return if tile.is_empty() {
                Err(unproven())
            } else {
                Ok(tile)
            };
        }
        if let Some(tile) = self.known.get(&(level, index)) {
            return Ok(tile.clone());
        }
        // Named by the tile above, which is proved the same way.
        let above = self.tile(level + 1, index / u64::from(TILE_WIDTH))?;
        let wanted = above
            .get((index % u64::from(TILE_WIDTH)) as usize)
            .ok_or_else(unproven)?;
        let tile = TilePath::hashes(level, index);
        let is_it = |hashes: &Vec<Digest>| tree_head(hashes) == *wanted;
        let below = |depth| derived(self.copies, tile, depth).find(is_it);
        let found = self.copies.hashes(tile).find(is_it);
        let found = found
            .or_else(|| below(Depth::Tiles))
            .or_else(|| below(Depth::Entries));
        let found = Arc::new(found.ok_or_else(unproven)?);
        self.remember(level, index, &found);
        Ok(found)
    }

    /// The root of the tree over the first `size` entries, at most as many as [`ProvenTiles::head`] has.
    ///
    /// # Errors
    /// [`Unproven`]: a tile on the way.
    pub fn root_at(&mut self, size: u64) -> Result<Digest, Unproven> {
        let mut root: Option<Digest> = None;
        let mut end = size;
        for level in (0..u64::BITS).filter(|level| size >> level & 1 == 1) {
            end -= 1 << level;
            // Subtrees of this level, in one tile of the level below it that tiles have.
            let (tile_level, within) = ((level / 8) as u8, level % 8);
            let at = end >> (8 * u32::from(tile_level));
            let tile = self.tile(tile_level, at / u64::from(TILE_WIDTH))?;
            let first = (at % u64::from(TILE_WIDTH)) as usize;
            let hashes = tile.get(first..first + (1 << within));
            let left = tree_head(hashes.ok_or_else(|| Unproven::of(tile_level, at, size))?);
            root = Some(root.map_or(left, |right| node_hash(&left, &right)));
        }
        Ok(root.unwrap_or_else(|| Digest::of(&[])))
    }

    fn remember(&mut self, level: u8, index: u64, tile: &Arc<Vec<Digest>>) {
        let held: Vec<_> = self
            .known
            .range((level, 0)..=(level, u64::MAX))
            .map(|(key, _)| *key)
            .collect();
        if held.len() >= REMEMBERED {
            // The lowest: walks do not turn back.
            self.known.remove(&held[0]);
        }
        self.known.insert((level, index), tile.clone());
    }
}

/// The unfinished tiles that make the root: from the copies, or made again from what lies below.
fn find_edge(copies: &Copies<'_>, head: TreeHead) -> Result<Vec<Vec<Digest>>, Unproven> {
    let places: Vec<Option<TilePath>> = (0..TILE_LEVELS)
        .map(|level| {
            let index = hashes_at(level, head.size) / u64::from(TILE_WIDTH);
            TilePath::hashes(level, index).at_size(head.size)
        })
        .collect();
    let makes_root = |levels: &Vec<Vec<Digest>>| {
        edge_of(head.size, levels).is_ok_and(|edge| edge.head() == head)
    };
    let mut candidates: Vec<Vec<Vec<Digest>>> = places
        .iter()
        .map(|place| match place {
            None => vec![Vec::new()],
            Some(tile) => distinct(copies.hashes(*tile)),
        })
        .collect();
    for depth in [None, Some(Depth::Tiles), Some(Depth::Entries)] {
        for (place, found) in places.iter().zip(&mut candidates) {
            if let (Some(tile), Some(depth)) = (place, depth) {
                derived(copies, *tile, depth).for_each(|tile| keep_new(found, Some(tile)));
            }
        }
        if let Some(levels) = combinations(candidates.clone()).find(makes_root) {
            return Ok(levels);
        }
    }
    Err(Unproven::Edge { size: head.size })
}

/// How far below a tile its candidates are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// In the tiles below, and further down only where there are none: cheap, and enough for a missing tile.
    Tiles,
    /// Down to the entries: reads all of them, for several damaged tiles above each other.
    Entries,
}

/// Candidates for `tile` out of what lies below it: entries under level 0, else the tiles of the level below.
fn derived(
    copies: &Copies<'_>,
    tile: TilePath,
    depth: Depth,
) -> Box<dyn Iterator<Item = Vec<Digest>>> {
    let Some(level) = tile.level() else {
        return Box::new(std::iter::empty());
    };
    let Some(below) = level.checked_sub(1) else {
        let bundle = TilePath::entries(tile.index()).with_width_of(tile);
        return Box::new(copies.leaves(bundle).into_iter());
    };
    let first = tile.index() * u64::from(TILE_WIDTH);
    let mut heads: Vec<Vec<Digest>> = Vec::with_capacity(usize::from(tile.width()));
    for child in (first..).take(usize::from(tile.width())) {
        let child = TilePath::hashes(below, child);
        let files = distinct(copies.hashes(child));
        let candidates = if depth == Depth::Tiles && !files.is_empty() {
            files
        } else {
            let made = distinct(derived(copies, child, depth));
            // What a file and the entries under it agree on is right, or both were altered to agree.
            match made.iter().find(|made| files.contains(made)) {
                Some(agreed) => vec![agreed.clone()],
                None => made.into_iter().chain(files).collect(),
            }
        };
        if candidates.is_empty() {
            return Box::new(std::iter::empty());
        }
        heads.push(candidates.iter().map(|tile| tree_head(tile)).collect());
    }
    Box::new(combinations(heads))
}

fn distinct(candidates: impl Iterator<Item = Vec<Digest>>) -> Vec<Vec<Digest>> {
    let mut found = Vec::new();
    candidates.for_each(|candidate| keep_new(&mut found, Some(candidate)));
    found
}

/// One candidate of each place: the first everywhere, the last everywhere, then every combination up to
/// [`COMBINATIONS_MAX`].
fn combinations<T: Clone>(places: Vec<Vec<T>>) -> impl Iterator<Item = Vec<T>> {
    let count = places
        .iter()
        .try_fold(1usize, |count, place| count.checked_mul(place.len()))
        .unwrap_or(COMBINATIONS_MAX)
        .min(COMBINATIONS_MAX);
    let last: Option<Vec<T>> = places.iter().map(|place| place.last().cloned()).collect();
    let each = move |mut number: usize| {
        let chosen = places.iter().map(|place| {
            let at = number % place.len();
            number /= place.len();
            place[at].clone()
        });
        chosen.collect()
    };
    let mut each = (0..count).map(each);
    let first = each.next();
    first.into_iter().chain(last).chain(each)
}

/// What the signed root does not prove.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unproven {
    /// Nothing makes the root.
    #[error(
        "the hash tiles at the right edge of {size} entries are missing or damaged in every copy, and what lies below does not make the signed root"
    )]
    Edge {
        /// Entries under the root.
        size: u64,
    },
    /// One tile.
    #[error(
        "{path} is missing or damaged in every copy, and what lies below it does not make what the tile above names"
    )]
    Tile {
        /// The tile's path inside the log directory.
        path: String,
        /// The entries under it.
        entries: Range<u64>,
    },
}

impl Unproven {
    fn of(level: u8, index: u64, size: u64) -> Self {
        let width = 1u64
            .checked_shl(8 * (u32::from(level) + 1))
            .unwrap_or(u64::MAX);
        let first = index.saturating_mul(width).min(size);
        Self::Tile {
            path: TilePath::hashes(level, index).to_path(),
            entries: first..first.saturating_add(width).min(size),
        }
    }

    /// The entries that nothing can be proved of.
    pub fn entries(&self) -> Range<u64> {
        match self {
            Self::Edge { size } => 0..*size,
            Self::Tile { entries, .. } => entries.clone(),
        }
    }
}
