//! Compares a proof that somebody kept, above all a receipt, with a log directory: does the log still extend it?
//!
//! Takes the files, the proof and the log's key; gives the published checkpoint, or what contradicts what. A log that
//! was put back to an older copy, or written anew with the real key, cannot pass: the proof's own checkpoint is signed.

use std::path::Path;

use proto::digest::leaf_hash;
use thiserror::Error;

use super::prove::{ProveError, prove, prove_leaf};
use crate::checkpoint::{self, Checkpoint, LogKey};
use crate::receipt::tlog_proof::{TlogProof, TlogProofError};
use crate::tiles::TileStore;
use crate::tiles::published::read_published;
use crate::tree::{consistency_proof, verify_consistency};

/// Two checkpoints that hold together: the one in the proof, and the one that is published now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What the proof was given under.
    pub then: Checkpoint,
    /// What the log's files say now.
    pub now: Checkpoint,
}

/// Whether the log in `dir` still has the entry of `proof` and extends its checkpoint. The proof's extra data, where
/// there is any, must be the entry, as in the receipts that `mohawel call` writes.
///
/// # Errors
/// [`HeldError`].
pub fn compare(dir: &Path, proof: &TlogProof, key: &LogKey) -> Result<Held, HeldError> {
    key.follow_beside(dir).map_err(ProveError::from)?;
    let then = checkpoint::open(&proof.checkpoint, key).map_err(TlogProofError::from)?;
    if let Some(entry) = &proof.extra {
        proof.verify(&leaf_hash(entry), key)?;
    }
    let published = read_published(dir).map_err(ProveError::from)?;
    let published = published.ok_or_else(|| ProveError::NotPublished(dir.to_owned()))?;
    let now = checkpoint::open(&published.note, key).map_err(ProveError::from)?;
    if now.size < then.size {
        return Err(HeldError::Shorter {
            then: then.size,
            now: now.size,
        });
    }
    let tiles = TileStore::new(dir).reader(now.size);
    let consistent = consistency_proof(&tiles, then.size, now.size).map_err(ProveError::from)?;
    if verify_consistency(then.size, &then.root, now.size, &now.root, &consistent).is_err() {
        return Err(HeldError::Forked {
            then: then.size,
            now: now.size,
        });
    }
    // The same tree up to there, so what it holds at the index is what the proof is of.
    let leaf = match prove(dir, proof.index, key) {
        Ok(there) => leaf_hash(&there.bytes),
        Err(ProveError::Pruned { index, .. }) => prove_leaf(&TileStore::new(dir), index, &now)?,
        Err(error) => return Err(error.into()),
    };
    proof.verify(&leaf, key)?;
    Ok(Held { then, now })
}

/// What does not hold together.
#[derive(Debug, Error)]
pub enum HeldError {
    /// The proof itself does not hold: it says nothing against the log.
    #[error(transparent)]
    Proof(#[from] TlogProofError),
    /// The log is smaller than what it signed for.
    #[error(
        "the log ends at {now} entries, and it signed for {then}: it was put back to an older copy, or this copy is older than the proof"
    )]
    Shorter {
        /// Entries under the proof's checkpoint.
        then: u64,
        /// Entries published now.
        now: u64,
    },
    /// The log is another one than it signed for.
    #[error(
        "the log of {now} entries does not extend the {then} that it signed for: two histories under one key, or a damaged hash tile (`mohawel audit verify` tells)"
    )]
    Forked {
        /// Entries under the proof's checkpoint.
        then: u64,
        /// Entries published now.
        now: u64,
    },
    /// The log's files do not prove anything.
    #[error("the log's files: {0}")]
    Log(#[from] ProveError),
}
