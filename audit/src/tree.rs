//! The Merkle tree of RFC 6962, grown at its right edge and proved from stored hashes.
//!
//! [`Edge`] is all that a writer must keep to append; [`BatchProofs`] proves the leaves of one batch
//! without reading any store; [`inclusion_proof`] and [`consistency_proof`] read whole subtrees
//! through a [`HashReader`]. Verification follows RFC 9162 §2.1.3.2 and §2.1.4.2.

use std::io;

use proto::digest::{Digest, head_from_path, node_hash};
use thiserror::Error;

pub use batch::BatchProofs;

mod batch;
#[cfg(test)]
mod tests;

/// Hashes in any proof at most: the tree of 2^64 leaves is 64 nodes high, and a consistency proof
/// may carry one more.
pub const PROOF_HASHES_MAX: usize = 65;

/// A tree named by its size and the hash at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Leaves in the tree.
    pub size: u64,
    /// RFC 6962 head over them.
    pub root: Digest,
}

impl TreeHead {
    /// The head of the tree without leaves.
    pub fn empty() -> Self {
        Edge::new().head()
    }
}

/// The right edge of a tree: its size and the heads of its whole subtrees, largest first.
/// One hash for every bit that is set in the size, so at most 64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    hashes: Vec<Digest>,
}

impl Edge {
    /// The edge of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Heads of the whole subtrees, largest first.
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// Appends one leaf hash.
    ///
    /// # Panics
    /// After 2^64 − 1 leaves, which no log reaches.
    pub fn push(&mut self, leaf: Digest) {
        let mut head = leaf;
        // Every trailing one of the size is a subtree that the new leaf completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                head = node_hash(&left, &head);
            }
        }
        self.hashes.push(head);
        self.size += 1;
    }

    /// Appends a whole subtree of 2^`level` leaves by its head; `false`, and nothing appended, where no such subtree
    /// begins at this size.
    #[must_use]
    pub fn push_subtree(&mut self, level: u8, head: Digest) -> bool {
        let leaves = 1u64.checked_shl(u32::from(level)).unwrap_or(0);
        let Some(size) = self.size.checked_add(leaves) else {
            return false;
        };
        if leaves == 0 || !self.size.is_multiple_of(leaves) {
            return false;
        }
        let mut head = head;
        for _ in 0..(self.size >> level).trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                head = node_hash(&left, &head);
            }
        }
        self.hashes.push(head);
        self.size = size;
        true
    }

    /// Head of the tree. Empty: SHA-256 of nothing.
    pub fn root(&self) -> Digest {
        fold(self.hashes.iter().rev().copied()).unwrap_or_else(|| Digest::of(&[]))
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead {
            size: self.size,
            root: self.root(),
        }
    }

    /// `u64 size ‖ hashes`, big-endian, at most 2,056 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.hashes.len() * Digest::LEN);
        out.extend_from_slice(&self.size.to_be_bytes());
        for hash in &self.hashes {
            out.extend_from_slice(hash.as_bytes());
        }
        out
    }

    /// Reads what [`Edge::encode`] wrote; the number of hashes must be the one the size calls for.
    ///
    /// # Errors
    /// [`TreeError::BadEdge`] for any other length.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(TreeError::BadEdge)?;
        let size = u64::from_be_bytes(*size);
        if rest.len() != size.count_ones() as usize * Digest::LEN {
            return Err(TreeError::BadEdge);
        }
        let hashes = rest
            .chunks_exact(Digest::LEN)
            .filter_map(Digest::from_slice)
            .collect();
        Ok(Self { size, hashes })
    }

    /// The head of the whole subtree of 2^`level` leaves, if the edge has one at that level.
    fn at_level(&self, level: u32) -> Option<Digest> {
        if self.size >> level & 1 == 0 {
            return None;
        }
        let above = (self.size >> level).count_ones() as usize;
        self.hashes.get(above - 1).copied()
    }
}

/// Reads the heads of whole subtrees from wherever they are kept.
pub trait HashReader {
    /// The head over leaves `index·2^level ..  (index+1)·2^level`, all of them in the tree.
    ///
    /// # Errors
    /// Whatever the store says; [`io::ErrorKind::NotFound`] or `InvalidData` when it does not hold it.
    fn node(&self, level: u8, index: u64) -> io::Result<Digest>;
}

/// The right edge of the tree over the first `size` leaves.
///
/// # Errors
/// Whatever the reader says.
pub fn edge_at(reader: &impl HashReader, size: u64) -> io::Result<Edge> {
    let mut hashes = Vec::new();
    let mut at = 0;
    while at < size {
        let level = (size - at).ilog2();
        // At most 63, so it fits.
        hashes.push(reader.node(level as u8, at >> level)?);
        at += 1 << level;
    }
    Ok(Edge { size, hashes })
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves: its sibling first.
///
/// # Errors
/// [`TreeError::OutOfRange`] unless `index < size`; [`TreeError::Read`] when the reader fails.
pub fn inclusion_proof(
    reader: &impl HashReader,
    index: u64,
    size: u64,
) -> Result<Vec<Digest>, TreeError> {
    if index >= size {
        return Err(TreeError::OutOfRange { index, size });
    }
    let (mut low, mut high) = (0, size);
    let mut proof = Vec::new();
    while high - low > 1 {
        let split = low + split_point(high - low);
        if index < split {
            proof.push(range_head(reader, split, high)?);
            high = split;
        } else {
            proof.push(range_head(reader, low, split)?);
            low = split;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof of RFC 6962 §2.1.2 that the tree of `new` leaves begins with the tree of `old` leaves.
/// Empty when `old` is 0 or equals `new`.
///
/// # Errors
/// [`TreeError::OutOfRange`] when `old > new`; [`TreeError::Read`] when the reader fails.
pub fn consistency_proof(
    reader: &impl HashReader,
    old: u64,
    new: u64,
) -> Result<Vec<Digest>, TreeError> {
    if old > new {
        return Err(TreeError::OutOfRange {
            index: old,
            size: new,
        });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut low, mut high) = (0, new);
    let mut proof = Vec::new();
    // Walk down to the range that ends where the old tree ended.
    while high != old {
        let split = low + split_point(high - low);
        if old <= split {
            proof.push(range_head(reader, split, high)?);
            high = split;
        } else {
            proof.push(range_head(reader, low, split)?);
            low = split;
        }
    }
    // A range that starts at 0 is the old tree itself, whose root the verifier already holds.
    if low != 0 {
        proof.push(range_head(reader, low, high)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The head over the first `size` leaves.
///
/// # Errors
/// [`TreeError::Read`] when the reader fails, above all when it has fewer leaves.
pub fn root_of(reader: &impl HashReader, size: u64) -> Result<Digest, TreeError> {
    if size == 0 {
        return Ok(Edge::new().root());
    }
    range_head(reader, 0, size)
}

/// Checks that `leaf` is leaf `index` of the tree of `size` leaves whose head is `root`.
///
/// # Errors
/// [`TreeError::NotIncluded`] whatever is wrong with the proof.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), TreeError> {
    match head_from_path(leaf, index, size, proof) {
        Some(head) if head == *root => Ok(()),
        _ => Err(TreeError::NotIncluded),
    }
}

/// Checks that the tree `(new, new_root)` begins with the tree `(old, old_root)`.
///
/// # Errors
/// [`TreeError::NotConsistent`] whatever is wrong with the proof, the sizes or the roots.
pub fn verify_consistency(
    old: u64,
    old_root: &Digest,
    new: u64,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), TreeError> {
    let holds = match old {
        _ if old > new => false,
        // Nothing is claimed about an empty tree but its one possible head.
        0 => proof.is_empty() && *old_root == Digest::of(&[]),
        _ if old == new => proof.is_empty() && old_root == new_root,
        _ => heads_from_consistency(old, old_root, new, proof)
            .is_some_and(|(first, second)| first == *old_root && second == *new_root),
    };
    if holds {
        Ok(())
    } else {
        Err(TreeError::NotConsistent)
    }
}

/// RFC 9162 §2.1.4.2 for 0 < `old` < `new`: the heads of both trees that the proof leads to.
fn heads_from_consistency(
    old: u64,
    old_root: &Digest,
    new: u64,
    proof: &[Digest],
) -> Option<(Digest, Digest)> {
    let (start, rest) = if old.is_power_of_two() {
        (*old_root, proof)
    } else {
        let (start, rest) = proof.split_first()?;
        (*start, rest)
    };
    if rest.is_empty() {
        return None;
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut first, mut second) = (start, start);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            first = node_hash(hash, &first);
            second = node_hash(hash, &second);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            second = node_hash(&second, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((first, second))
}

/// Head over the leaves `low..high`, where `low` is a multiple of the largest power of two in the range.
fn range_head(reader: &impl HashReader, low: u64, high: u64) -> Result<Digest, TreeError> {
    let mut heads = Vec::new();
    let mut at = low;
    while at < high {
        let level = (high - at).ilog2();
        // At most 63, so it fits.
        heads.push(
            reader
                .node(level as u8, at >> level)
                .map_err(TreeError::Read)?,
        );
        at += 1 << level;
    }
    fold(heads.into_iter().rev()).ok_or(TreeError::OutOfRange {
        index: low,
        size: high,
    })
}

/// Joins subtree heads given from the rightmost (smallest) to the leftmost.
fn fold(heads: impl Iterator<Item = Digest>) -> Option<Digest> {
    heads.reduce(|right, left| node_hash(&left, &right))
}

/// The largest power of two strictly below `len` (`len` ≥ 2).
fn split_point(len: u64) -> u64 {
    1 << (len - 1).ilog2()
}

/// Why the tree or a proof says no.
#[derive(Debug, Error)]
pub enum TreeError {
    /// The index, or the old size, is not in the tree.
    #[error("{index} is outside the tree of size {size}")]
    OutOfRange {
        /// What was asked for.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// Stored bytes are not an edge.
    #[error("the stored right edge does not have the length its size calls for")]
    BadEdge,
    /// The inclusion proof does not lead to the root.
    #[error("the inclusion proof does not lead from the leaf to the root")]
    NotIncluded,
    /// The consistency proof does not join the two roots.
    #[error("the consistency proof does not join the two roots")]
    NotConsistent,
    /// The hashes could not be read.
    #[error("a hash of the tree cannot be read: {0}")]
    Read(#[source] io::Error),
}
