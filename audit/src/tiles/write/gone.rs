//! Files over entries that are gone: their hash tiles, and the registry entries that were kept of them.
//!
//! Takes full tiles of level 0 in order, each with what was kept of its bundle; gives the tree over them. A kept entry is
//! written only if the tile names it. What the tiles themselves are worth is proved by the root that they lead to, once
//! the entries behind them are there.

use bytes::Bytes;
use proto::digest::{Digest, leaf_hash, tree_head};

use super::{Files, TileWriter, Tip};
use crate::tiles::path::{TILE_HEIGHT, TILE_WIDTH, TilePath};
use crate::tiles::pruned::write_kept;
use crate::tiles::{TileError, TileStore};
use crate::tree::TreeHead;

/// A bundle of which only hashes and registry entries are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneBundle {
    /// The leaf hashes of its entries: as many as a tile holds.
    pub hashes: Vec<Digest>,
    /// Kept entries with their indexes, ascending.
    pub kept: Vec<(u64, Bytes)>,
}

impl TileWriter {
    /// Begins a log whose first `bundles` are gone, and writes what stands in their place. Gives the tree over them;
    /// [`TileWriter::write_for`] goes on from there. Whoever publishes it must say so with the minimum index.
    ///
    /// # Errors
    /// [`TileError`]: a tile that is not full, an entry that its tile does not name, or a file that cannot be written.
    pub fn write_gone<I>(&mut self, bundles: I) -> Result<TreeHead, TileError>
    where
        I: IntoIterator<Item = Result<GoneBundle, TileError>>,
    {
        self.tip = None;
        let store = self.store.clone();
        let mut tip = Tip::load(&store, TreeHead::empty())?;
        let mut files = Files::new(&store);
        files.mended = self.replacing.then(Vec::new);
        for (number, bundle) in (0..).zip(bundles) {
            let bundle = bundle?;
            bundle.keep(number, &store, &mut files)?;
            tip.push_tile(number, &bundle.hashes, &mut files)?;
        }
        files.sync_dirs()?;
        let head = tip.edge.head();
        self.tip = Some(tip);
        Ok(head)
    }
}

impl GoneBundle {
    /// Writes what is kept of it.
    fn keep(&self, number: u64, store: &TileStore, files: &mut Files<'_>) -> Result<(), TileError> {
        let tile = TilePath::hashes(0, number);
        if self.hashes.len() != usize::from(TILE_WIDTH) {
            return Err(TileError::malformed(tile, "it is not full"));
        }
        let first = number * u64::from(TILE_WIDTH);
        for (index, entry) in &self.kept {
            let place = index.checked_sub(first).map(|place| place as usize);
            let named = place.and_then(|place| self.hashes.get(place));
            if named != Some(&leaf_hash(entry)) {
                return Err(TileError::malformed(
                    tile,
                    "it does not name an entry that was kept",
                ));
            }
        }
        write_kept(store, &mut files.durable, number, &self.kept)
    }
}

impl Tip {
    /// Appends a full tile of level 0 without its entries; writes it, and each tile above that it fills.
    fn push_tile(
        &mut self,
        number: u64,
        hashes: &[Digest],
        files: &mut Files<'_>,
    ) -> Result<(), TileError> {
        let tile = TilePath::hashes(0, number);
        files.write(tile, &super::flat(hashes))?;
        let head = tree_head(hashes);
        // Below 64.
        if !self.edge.push_subtree(TILE_HEIGHT as u8, head) {
            return Err(TileError::malformed(tile, "it does not begin a tile"));
        }
        self.push_above(head, files)
    }
}
