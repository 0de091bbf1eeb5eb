//! Roots of this log at the sizes that sealed headers name: a header that has seen another root has
//! been shown a fork, and says so under its agency's seal.

use std::collections::HashMap;

use proto::Digest;
use proto::digest::node_hash;

use crate::tiles::{TileReader, TileStore};
use crate::tree::HashReader as _;

/// Roots remembered; adapters name the published checkpoints, one a second at most.
const REMEMBERED_MAX: usize = 4_096;

/// Computes roots from hash tiles, which the same pass compares with the entries.
#[derive(Debug)]
pub(super) struct Heads {
    tiles: TileReader,
    known: HashMap<u64, Option<Digest>>,
}

impl Heads {
    /// Over the log of `published` entries.
    pub(super) fn new(store: &TileStore, published: u64) -> Self {
        Self {
            tiles: store.reader(published),
            known: HashMap::new(),
        }
    }

    /// The root over the first `size` entries; `None` when the tiles do not hold it.
    pub(super) fn at(&mut self, size: u64) -> Option<Digest> {
        if size == 0 || size > self.tiles.size() {
            return None;
        }
        if let Some(root) = self.known.get(&size) {
            return *root;
        }
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        let root = head(&self.tiles, size);
        self.known.insert(size, root);
        root
    }

    /// The leaf hash at `index`; `None` when the tiles do not hold it.
    pub(super) fn leaf(&self, index: u64) -> Option<Digest> {
        self.tiles.node(0, index).ok()
    }
}

/// RFC 6962 head over the first `size` leaves: its full subtrees joined from the right.
fn head(reader: &TileReader, size: u64) -> Option<Digest> {
    let mut root: Option<Digest> = None;
    let mut end = size;
    for level in 0..u64::BITS {
        if size & (1 << level) == 0 {
            continue;
        }
        end -= 1 << level;
        // Below 64.
        let left = reader.node(level as u8, end >> level).ok()?;
        root = Some(root.map_or(left, |right| node_hash(&left, &right)));
    }
    root
}
