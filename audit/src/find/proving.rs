//! Proves that a range of entries is in the log: their own hashes, and outside the range those of the tiles, must make
//! the signed root. A wrong tile makes another root, never a wrong proof.

use std::ops::Range;
use std::path::Path;

use proto::Digest;

use crate::checkpoint::{Checkpoint, LogKey};
use crate::tiles::{TileReader, TileStore, read_bounded};
use crate::tree::{Edge, HashReader as _, TreeHead, consistency_proof, verify_consistency};
use crate::verify::VKEY_FILE;

/// The key that was given, or the one that lies beside the log, if one can be read. What lies there of further keys and
/// does not lead from it leaves it as it is: the checkpoint is then another key's.
pub(super) fn key_of(dir: &Path, given: Option<LogKey>) -> Option<LogKey> {
    let beside = || {
        let text = read_bounded(&dir.join(VKEY_FILE), 4 * 1024).ok()?;
        LogKey::from_vkey(std::str::from_utf8(&text).ok()?).ok()
    };
    let key = given.or_else(beside)?;
    let _ = key.follow_beside(dir);
    Some(key)
}

/// A full bundle has 2^8 entries.
const TILE_HEIGHT: u8 = 8;

/// The tree as far as the scan has come.
#[derive(Debug)]
pub(super) struct Proving {
    tiles: TileReader,
    published: TreeHead,
    edge: Edge,
    /// Why the tree cannot be made any more.
    failed: Option<String>,
}

impl Proving {
    pub(super) fn new(store: &TileStore, published: TreeHead) -> Self {
        Self {
            tiles: store.reader(published.size),
            published,
            edge: Edge::new(),
            failed: None,
        }
    }

    /// The leaf hash of the next entry.
    pub(super) fn push(&mut self, leaf: Digest) {
        self.edge.push(leaf);
    }

    /// The head over the entries of the next full bundle.
    pub(super) fn push_bundle(&mut self, head: Digest) {
        let at = self.edge.size();
        if self.failed.is_none() && !self.edge.push_subtree(TILE_HEIGHT, head) {
            self.failed = Some(format!("a bundle does not begin at entry {at}"));
        }
    }

    /// Takes the hashes up to entry `end` from the tiles. Where entries in the range are unreadable their hashes come
    /// from there, too: what was read stays proved, and the gap is told apart.
    pub(super) fn skip_to(&mut self, end: u64) {
        while self.edge.size() < end && self.failed.is_none() {
            let at = self.edge.size();
            // The largest whole subtree that begins here and ends by then. Both below 64.
            let aligned = if at == 0 { 63 } else { at.trailing_zeros() };
            let level = aligned.min((end - at).ilog2()) as u8;
            match self.tiles.node(level, at >> level) {
                Ok(head) => {
                    let _ = self.edge.push_subtree(level, head);
                }
                Err(error) => {
                    self.failed = Some(format!("the hash tiles from entry {at} on: {error}"));
                }
            }
        }
    }

    /// Whether all of it makes `checkpoint`, and the published log extends that.
    pub(super) fn finish(
        mut self,
        checkpoint: &Checkpoint,
        range: &Range<u64>,
    ) -> Result<(), String> {
        self.skip_to(range.end);
        self.skip_to(checkpoint.size);
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if self.edge.head() != checkpoint.head() {
            return Err(format!(
                "entries and hash tiles make the root {}, the checkpoint says {}; `mohawel audit verify` says where",
                self.edge.root(),
                checkpoint.root
            ));
        }
        let (old, new) = (checkpoint.head(), self.published);
        let proof = consistency_proof(&self.tiles, old.size, new.size)
            .map_err(|error| format!("the hash tiles: {error}"))?;
        verify_consistency(old.size, &old.root, new.size, &new.root, &proof).map_err(|_| {
            format!(
                "the log of {} entries does not extend the {} looked at",
                new.size, old.size
            )
        })
    }
}
