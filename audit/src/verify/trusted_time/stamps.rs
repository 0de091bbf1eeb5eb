//! The stamps of single entries, read where tokens ask for them. Believes nothing that the head does not prove.

use std::path::Path;

use bytes::Bytes;
use proto::digest::leaf_hash;
use proto::entry::Entry;

use crate::tiles::{TILE_WIDTH, TilePath, TileReader, TileStore};
use crate::tree::{TreeHead, inclusion_proof, verify_inclusion};

/// Stamps of single entries, each proved under the head; the last bundle is kept, for a quiet log asks it often.
pub(super) struct Stamps<'a> {
    head: TreeHead,
    reader: &'a TileReader,
    store: TileStore,
    bundle: Option<(TilePath, Vec<Bytes>)>,
}

impl<'a> Stamps<'a> {
    pub(super) fn new(dir: &Path, head: TreeHead, reader: &'a TileReader) -> Self {
        Self {
            head,
            reader,
            store: TileStore::new(dir),
            bundle: None,
        }
    }

    /// When entry `index` says it was recorded. `None` where it cannot be read or is not the one under the head: that
    /// is a finding of the walk over all entries.
    pub(super) fn of(&mut self, index: u64) -> Option<u64> {
        let width = u64::from(TILE_WIDTH);
        let tile = TilePath::entries(index / width).at_size(self.head.size)?;
        if self.bundle.as_ref().is_none_or(|(held, _)| *held != tile) {
            self.bundle = Some((tile, self.store.read_bundle(tile).ok()?));
        }
        let (_, entries) = self.bundle.as_ref()?;
        let bytes = entries.get(usize::try_from(index % width).ok()?)?;
        let proof = inclusion_proof(self.reader, index, self.head.size).ok()?;
        let (size, root) = (self.head.size, &self.head.root);
        verify_inclusion(&leaf_hash(bytes), index, size, &proof, root).ok()?;
        Some(Entry::decode(bytes).ok()?.stamp.recorded_at_us)
    }
}
