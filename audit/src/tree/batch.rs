//! Inclusion proofs for the leaves of one batch, from the edge before it and nothing else.
//!
//! Takes: the right edge before the batch and the batch's leaf hashes. Gives: the edge after it and
//! a proof for each leaf in the tree as it stands right after the batch. Never reads a store.
//! Cost: k + O(log n) hashes for the batch, then O(log n) copies for each proof.

use proto::digest::{Digest, node_hash};

use super::{Edge, TreeError};

/// Proofs of one batch of leaves in the tree right after it.
#[derive(Debug)]
pub struct BatchProofs {
    old_size: u64,
    after: Edge,
    levels: Vec<Level>,
}

/// Whole subtrees of one level that the batch's proofs may need.
#[derive(Debug)]
struct Level {
    /// Index of the first of `nodes` at this level; even.
    start: u64,
    /// Heads of whole subtrees; the first may be older than the batch.
    nodes: Vec<Digest>,
    /// Head over all leaves right of the last whole subtree of this level, if there are any.
    ragged: Option<Digest>,
}

impl BatchProofs {
    /// Appends `leaves` (leaf hashes) to the tree with the edge `before`.
    pub fn new(before: &Edge, leaves: &[Digest]) -> Self {
        let old_size = before.size();
        let size = old_size + leaves.len() as u64;
        let mut levels: Vec<Level> = Vec::new();
        let mut fresh = leaves.to_vec();
        let mut ragged: Option<Digest> = None;
        let height = if size == 0 { 0 } else { size.ilog2() + 1 };
        let mut edge = Vec::with_capacity(size.count_ones() as usize);
        for level in 0..height {
            // `fresh` holds the whole subtrees that end inside the batch: old>>level .. size>>level.
            let first = old_size >> level;
            let mut nodes = Vec::with_capacity(fresh.len() + 1);
            // An odd first one has an older left sibling, and the edge holds exactly that one.
            nodes.extend(before.at_level(level));
            nodes.append(&mut fresh);
            fresh = nodes
                .chunks_exact(2)
                .map(|pair| node_hash(&pair[0], &pair[1]))
                .collect();
            let below = ragged;
            if nodes.len() & 1 == 1
                && let Some(last) = nodes.last()
            {
                edge.push(*last);
                ragged = Some(ragged.map_or(*last, |right| node_hash(last, &right)));
            }
            levels.push(Level {
                start: first & !1,
                nodes,
                ragged: below,
            });
        }
        edge.reverse();
        Self {
            old_size,
            after: Edge { size, hashes: edge },
            levels,
        }
    }

    /// The right edge after the batch.
    pub fn after(&self) -> &Edge {
        &self.after
    }

    /// The proof of the batch's leaf number `position` (from 0) in the tree of `after().size()`.
    ///
    /// # Errors
    /// [`TreeError::OutOfRange`] when the batch has no such leaf.
    pub fn proof(&self, position: usize) -> Result<Vec<Digest>, TreeError> {
        let size = self.after.size();
        let index = self.old_size + position as u64;
        if index >= size {
            return Err(TreeError::OutOfRange { index, size });
        }
        let mut proof = Vec::with_capacity(self.levels.len());
        for (level, held) in self.levels.iter().enumerate() {
            let sibling = (index >> level) ^ 1;
            let whole = size >> level;
            let hash = if sibling < whole {
                usize::try_from(sibling - held.start)
                    .ok()
                    .and_then(|at| held.nodes.get(at))
            } else if sibling == whole {
                held.ragged.as_ref()
            } else {
                None
            };
            // No sibling: at this level the node stands alone and moves up as it is.
            proof.extend(hash);
        }
        Ok(proof)
    }
}
