//! The right edge of the files: what stands unfinished there, and whether all of it makes the published root.

use std::fs;

use proto::digest::{Digest, leaf_hash, tree_head};

use super::{TileWriter, Tip, flat};
use crate::tiles::path::{TILE_LEVELS, TILE_WIDTH, TilePath, hashes_at};
use crate::tiles::{TileError, TileStore};
use crate::tree::TreeHead;

impl TileWriter {
    /// Makes sure that the files at the right edge of the tree `head` make its root: all unfinished ones, and the
    /// newest full one of each level. What lies left of them is for [`crate::verify`].
    ///
    /// # Errors
    /// [`TileError`]: the first file that is missing or damaged.
    pub fn check_edge(&self, head: TreeHead) -> Result<(), TileError> {
        let tip = Tip::load(&self.store, head)?;
        for partial in tip.partials() {
            for (tile, bytes) in partial.narrower(&self.store)? {
                if self.store.read_file(tile)? != bytes {
                    let what = "it is not the beginning of the wider one beside it";
                    return Err(TileError::malformed(tile, what));
                }
            }
        }
        let width = u64::from(TILE_WIDTH);
        for (level, above) in (0..TILE_LEVELS).zip(1..=TILE_LEVELS) {
            let Some(last) = (hashes_at(level, head.size) / width).checked_sub(1) else {
                break;
            };
            let tile = TilePath::hashes(level, last);
            let hashes = self.store.read_hashes(tile)?;
            if level == 0 {
                let bundle = self.store.read_bundle(TilePath::entries(last))?;
                if !bundle
                    .iter()
                    .map(|entry| leaf_hash(entry))
                    .eq(hashes.iter().copied())
                {
                    let what = "its entries are not the ones that its tile names";
                    return Err(TileError::malformed(TilePath::entries(last), what));
                }
            }
            // The tile above names it: the unfinished one, which the root proves, or a full one, which comes next.
            let parent = match usize::try_from(last % width).unwrap_or_default() {
                place if (last + 1) % width == 0 => self
                    .store
                    .read_hashes(TilePath::hashes(above, last / width))?
                    .get(place)
                    .copied(),
                place => tip
                    .levels
                    .get(usize::from(above))
                    .and_then(|tile| tile.get(place))
                    .copied(),
            };
            if parent != Some(tree_head(&hashes)) {
                return Err(TileError::malformed(
                    tile,
                    "it is not what the tile above names",
                ));
            }
        }
        Ok(())
    }
}

impl Tip {
    /// The unfinished files as they stand on disk.
    pub(super) fn partials(&self) -> Vec<Partial> {
        let size = self.edge.size();
        let width = u64::from(TILE_WIDTH);
        let mut partials = Vec::new();
        if let Some(tile) = TilePath::entries(size / width).at_size(size) {
            let mut ends = Vec::new();
            let mut at = 0;
            while let Some([high, low]) = self.bundle.get(at..at + 2) {
                at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
                ends.push(at);
            }
            let bytes = self.bundle.clone();
            partials.push(Partial { tile, bytes, ends });
        }
        for (level, hashes) in (0..TILE_LEVELS).zip(&self.levels) {
            let index = hashes_at(level, size) / width;
            if let Some(tile) = TilePath::hashes(level, index).at_size(size) {
                let ends = (1..=hashes.len())
                    .map(|count| count * Digest::LEN)
                    .collect();
                let bytes = flat(hashes);
                partials.push(Partial { tile, bytes, ends });
            }
        }
        partials
    }
}

/// An unfinished file.
pub(super) struct Partial {
    pub(super) tile: TilePath,
    pub(super) bytes: Vec<u8>,
    /// Where each of its hashes or entries ends.
    ends: Vec<usize>,
}

impl Partial {
    /// The files of earlier sizes beside it, each with what it must hold.
    pub(super) fn narrower(&self, store: &TileStore) -> Result<Vec<(TilePath, &[u8])>, TileError> {
        let dir = store.dir().join(self.tile.partials_dir());
        let failed = |error| TileError::io(&dir, error);
        let mut found = Vec::new();
        for file in fs::read_dir(&dir).map_err(failed)? {
            let name = file.map_err(failed)?.file_name();
            let width = name.to_str().and_then(|name| name.parse().ok());
            let tile = width.and_then(|width| self.tile.with_width(width));
            if let Some(tile) = tile.filter(|tile| tile.width() < self.tile.width())
                && let Some(end) = self.ends.get(usize::from(tile.width()) - 1)
            {
                found.push((tile, &self.bytes[..*end]));
            }
        }
        Ok(found)
    }
}
