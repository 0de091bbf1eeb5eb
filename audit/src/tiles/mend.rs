//! Makes the files of a signed tree whole again: hash tiles, entry bundles and what is kept of pruned ones.
//!
//! Takes the places of a log and a signed head; walks over all entries from the first to the last, each checked
//! against the root, and writes every file of the own directory that is missing or holds something else. What stood
//! there before is set aside, never deleted. Gives the entries in order on the way, and names every range that no place
//! holds. Never writes a byte that the root does not prove. Memory: one bundle and two tiles a level.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::digest::{Digest, leaf_hash};
use proto::entry::Kind;
use thiserror::Error;

use super::bundle;
use super::copies::{Copies, Places};
use super::path::{TILE_LEVELS, TILE_WIDTH, TilePath, hashes_at};
use super::proven::{ProvenTiles, Unproven};
use super::pruned::kept_path;
use super::{Pruned, PrunedError, TileError};
use crate::tree::TreeHead;
use files::Files;

mod files;

/// What the walk meets at an index.
#[derive(Debug)]
pub enum Leaf<'a> {
    /// The entry.
    Entry(&'a Bytes),
    /// No entry, pruned or lost; only its hash is known.
    Hash(&'a Digest),
}

/// Entries that no place holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Their indexes.
    pub entries: Range<u64>,
    /// The file that should hold them, inside the log directory.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// What a walk found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Files that were written, or would be, inside the log directory.
    pub files: Vec<PathBuf>,
    /// What cannot be restored, in order.
    pub lost: Vec<Lost>,
}

/// How to walk.
pub struct Options<'a> {
    /// The directory, which is made when it is needed, for files that are replaced; without it nothing is written.
    pub set_aside: Option<&'a Path>,
    /// Given each index in order, up to the first tile that is not proved.
    pub on_leaf: &'a mut dyn FnMut(u64, Leaf<'_>),
    /// Told how many of how many entries are done.
    pub on_progress: &'a mut dyn FnMut(u64, u64),
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("set_aside", &self.set_aside)
            .finish_non_exhaustive()
    }
}

/// Walks over the tree `head` and mends what is not whole.
///
/// # Errors
/// [`MendError`]: nothing of the tree can be proved, or a file cannot be written. What was written by then is proved.
pub fn mend(
    copies: &Copies<'_>,
    head: TreeHead,
    options: Options<'_>,
) -> Result<Mended, MendError> {
    let mut walk = Walk {
        copies,
        tiles: ProvenTiles::of(copies, head)?,
        pruned: Pruned::of(copies.own())?,
        files: Files::of(copies.own(), options.set_aside),
        lost: Vec::new(),
    };
    let width = u64::from(TILE_WIDTH);
    let mut number = 0;
    while let Some(tile) = TilePath::entries(number).at_size(head.size) {
        number = match walk.tiles.tile(0, number) {
            Ok(leaves) => {
                walk.bundle(tile, &leaves, options.on_leaf)?;
                walk.tiles_at(number)?;
                number + 1
            }
            Err(unproven) => walk.unproven(&unproven, tile).div_ceil(width),
        };
        (options.on_progress)((number * width).min(head.size), head.size);
    }
    walk.edge()?;
    walk.files.finish()?;
    Ok(Mended {
        files: walk.files.written,
        lost: walk.lost,
    })
}

struct Walk<'a, 'b> {
    copies: &'a Copies<'b>,
    tiles: ProvenTiles<'a>,
    pruned: Pruned,
    files: Files<'a>,
    lost: Vec<Lost>,
}

impl Walk<'_, '_> {
    /// One bundle whose leaf hashes are proved.
    fn bundle(
        &mut self,
        tile: TilePath,
        leaves: &[Digest],
        on_leaf: &mut dyn FnMut(u64, Leaf<'_>),
    ) -> Result<(), MendError> {
        let own = self.copies.own().read_bundle(tile).ok().filter(|entries| {
            let hashes = entries.iter().map(|entry| leaf_hash(entry));
            hashes.eq(leaves.iter().copied())
        });
        let own_is_whole = own.is_some();
        let places = match own {
            Some(entries) => entries.into_iter().map(Some).collect(),
            None => self.fill(tile, leaves),
        };
        let gone = || !self.copies.own().file(tile).exists();
        if !own_is_whole && self.pruned.covers(tile.index()) && gone() {
            self.kept(tile, &places)?;
        } else if places.iter().all(Option::is_some) {
            if !own_is_whole {
                self.files.put(tile, &encode(&places, tile))?;
            }
            for form in self.files.narrower(tile) {
                self.files.put_form(form, &encode(&places, form))?;
            }
        } else {
            self.lose(tile, &places);
        }
        let first = tile.index() * u64::from(TILE_WIDTH);
        for (index, (entry, leaf)) in (first..).zip(places.iter().zip(leaves)) {
            on_leaf(index, entry.as_ref().map_or(Leaf::Hash(leaf), Leaf::Entry));
        }
        Ok(())
    }

    /// For each leaf an entry that makes it, from wherever there is one.
    fn fill(&self, tile: TilePath, leaves: &[Digest]) -> Places {
        let mut places: Places = vec![None; leaves.len()];
        for candidate in self.copies.entries(tile) {
            for ((place, entry), leaf) in places.iter_mut().zip(candidate).zip(leaves) {
                if place.is_none() {
                    *place = entry.filter(|entry| leaf_hash(entry) == *leaf);
                }
            }
            if places.iter().all(Option::is_some) {
                break;
            }
        }
        places
    }

    /// What must be kept of a pruned bundle: every registry entry that any place still holds.
    fn kept(&mut self, tile: TilePath, places: &[Option<Bytes>]) -> Result<(), MendError> {
        let first = tile.index() * u64::from(TILE_WIDTH);
        let is_registry = |entry: &Bytes| {
            let kind = entry.first().map(|byte| Kind::from_byte(*byte));
            kind.is_some_and(|kind| kind.is_ok_and(Kind::is_registry))
        };
        let kept: Vec<(u64, Bytes)> = (first..)
            .zip(places)
            .filter_map(|(index, entry)| Some((index, entry.clone()?)))
            .filter(|(_, entry)| is_registry(entry))
            .collect();
        let found = self.pruned.kept(tile.index());
        if found.as_ref().is_ok_and(|found| *found == kept) {
            return Ok(());
        }
        // What stands there and hashes to nothing that was signed is lost, unless another place has it.
        let lost = match found {
            Ok(found) => found
                .into_iter()
                .map(|(index, _)| index)
                .find(|index| !kept.iter().any(|(at, _)| at == index)),
            Err(_) => kept.is_empty().then_some(first),
        };
        if let Some(index) = lost {
            self.lost.push(Lost {
                entries: index..first + u64::from(tile.width()),
                path: kept_path(tile.index()),
                what: "registry entries that were kept are damaged, and no copy has them"
                    .to_owned(),
            });
            return Ok(());
        }
        self.files.put_kept(tile.index(), &kept)
    }

    /// Names what of a bundle no place holds.
    fn lose(&mut self, tile: TilePath, places: &[Option<Bytes>]) {
        let first = tile.index() * u64::from(TILE_WIDTH);
        let what = match self.copies.own().read_bundle(tile) {
            Ok(_) => "altered, and no copy has the entries that were signed".to_owned(),
            Err(error) if error.is_missing() => "missing in every copy".to_owned(),
            Err(error) => format!("damaged ({error}), and no copy has it whole"),
        };
        let mut from = 0;
        while from < places.len() {
            let gap = places[from..]
                .iter()
                .take_while(|entry| entry.is_none())
                .count();
            if gap > 0 {
                self.lost.push(Lost {
                    entries: first + from as u64..first + (from + gap) as u64,
                    path: tile.to_path(),
                    what: what.clone(),
                });
            }
            from += gap.max(1);
        }
    }

    /// Names what lies under a tile that nothing proves; gives where it ends.
    fn unproven(&mut self, unproven: &Unproven, at: TilePath) -> u64 {
        let entries = unproven.entries();
        let path = match unproven {
            Unproven::Tile { path, .. } => path.clone(),
            Unproven::Edge { .. } => at.to_path(),
        };
        let end = entries.end;
        self.lost.push(Lost {
            entries,
            path,
            what: unproven.to_string(),
        });
        end
    }

    /// The full hash tiles that end with bundle `number`.
    fn tiles_at(&mut self, number: u64) -> Result<(), MendError> {
        let (width, size) = (u64::from(TILE_WIDTH), self.tiles.head().size);
        let mut index = number;
        for level in 0..TILE_LEVELS {
            if index >= hashes_at(level, size) / width {
                break;
            }
            // One above whose own parent is not proved was named already.
            if let Ok(hashes) = self.tiles.tile(level, index) {
                self.files
                    .put_unless_there(TilePath::hashes(level, index), &hashes)?;
            }
            if !(index + 1).is_multiple_of(width) {
                break;
            }
            index /= width;
        }
        Ok(())
    }

    /// The unfinished hash tiles.
    fn edge(&mut self) -> Result<(), MendError> {
        let size = self.tiles.head().size;
        for level in 0..TILE_LEVELS {
            let index = hashes_at(level, size) / u64::from(TILE_WIDTH);
            if let Some(tile) = TilePath::hashes(level, index).at_size(size) {
                let hashes = self.tiles.tile(level, index)?;
                self.files.put_unless_there(tile, &hashes)?;
            }
        }
        Ok(())
    }
}

/// The bytes of the bundle `form` out of entries that are all there. Each made a signed leaf, so it fits a bundle.
fn encode(places: &[Option<Bytes>], form: TilePath) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in places.iter().take(usize::from(form.width())).flatten() {
        let _ = bundle::push(&mut bytes, entry);
    }
    bytes
}

/// A name in the log directory `dir` for files that are replaced, which nothing has yet.
pub fn set_aside_dir(dir: &Path) -> PathBuf {
    (1..)
        .map(|number| dir.join(format!("set-aside-{number}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| dir.join("set-aside"))
}

/// Why a walk ended before its end.
#[derive(Debug, Error)]
pub enum MendError {
    /// The root proves nothing that is there.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The minimum index cannot be read.
    #[error(transparent)]
    Minimum(#[from] PrunedError),
    /// A file cannot be written.
    #[error(transparent)]
    Tile(#[from] TileError),
}

#[cfg(test)]
mod tests;
