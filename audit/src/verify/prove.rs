//! Takes one entry out of a log directory with everything that proves it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::Digest;
use proto::entry::{Entry, EntryError};
use thiserror::Error;

use crate::checkpoint::{self, Checkpoint, CheckpointError, LogKey};
use crate::receipt::tlog_proof::TlogProof;
use crate::receipt::{Receipt, ReceiptError};
use crate::tiles::published::read_published;
use crate::tiles::{Pruned, PrunedError, PublishError, TileError, TileStore};
use crate::tree::{HashReader as _, TreeError, inclusion_proof, verify_inclusion};

/// An entry under the published checkpoint. Only [`prove`] makes one, and only after verifying it.
#[derive(Clone, Debug)]
pub struct ProvenEntry {
    /// Index, stamp, facts, proof and checkpoint, as the holder of header and seal keeps them.
    pub receipt: Receipt,
    /// The entry, decoded.
    pub entry: Entry,
    /// The entry's bytes, as hashed.
    pub bytes: Bytes,
    /// The checkpoint, opened.
    pub checkpoint: Checkpoint,
}

impl ProvenEntry {
    /// The proof as a C2SP tlog-proof file; `extra` is not covered by it.
    pub fn to_tlog_proof(&self, extra: Option<Bytes>) -> TlogProof {
        TlogProof {
            extra,
            index: self.receipt.index,
            proof: self.receipt.proof.clone(),
            checkpoint: self.receipt.checkpoint.clone(),
        }
    }
}

/// Proves entry `index` of the log in `dir` under its published checkpoint, from the tiles alone.
/// What it gives has been verified against `key`: damaged files make an error, not a wrong proof.
///
/// # Errors
/// [`ProveError`]: the first step that failed.
pub fn prove(dir: &Path, index: u64, key: &LogKey) -> Result<ProvenEntry, ProveError> {
    let published = read_published(dir)?.ok_or_else(|| ProveError::NotPublished(dir.to_owned()))?;
    key.follow_beside(dir)?;
    let checkpoint = checkpoint::open(&published.note, key)?;
    let size = checkpoint.size;
    let store = TileStore::new(dir);
    let Some(bytes) = store
        .read_entries(index..index.saturating_add(1), size)
        .next()
    else {
        return Err(ProveError::Beyond { index, size });
    };
    let bytes = match bytes {
        Ok((_, bytes)) => bytes,
        Err(error) if error.is_missing() => kept(&store, index)?.ok_or(error)?,
        Err(error) => return Err(error.into()),
    };
    let entry = Entry::decode(&bytes)?;
    let receipt = Receipt {
        index,
        kind: entry.kind,
        stamp: entry.stamp,
        facts: entry.facts.clone(),
        proof: inclusion_proof(&store.reader(size), index, size)?,
        checkpoint: published.note,
    };
    receipt.verify(&entry.header, entry.seal.as_ref(), key)?;
    Ok(ProvenEntry {
        receipt,
        entry,
        bytes,
        checkpoint,
    })
}

/// The entry at `index` among those that are kept below the minimum index; `None` above it.
fn kept(store: &TileStore, index: u64) -> Result<Option<Bytes>, ProveError> {
    let pruned = Pruned::of(store)?;
    let minimum = pruned.minimum();
    if index >= minimum {
        return Ok(None);
    }
    let (kept, _) = pruned.kept_between(index, index + 1, 1)?;
    let kept = kept.into_iter().next().map(|(_, bytes)| bytes);
    kept.map(Some).ok_or(ProveError::Pruned { index, minimum })
}

/// The leaf hash at `index` as the tiles have it, proved under `checkpoint`: what is left of a pruned entry.
///
/// # Errors
/// [`ProveError::Tree`]: a tile cannot be read, or they do not make the checkpoint's root.
pub(super) fn prove_leaf(
    store: &TileStore,
    index: u64,
    checkpoint: &Checkpoint,
) -> Result<Digest, ProveError> {
    let reader = store.reader(checkpoint.size);
    let leaf = reader.node(0, index).map_err(TreeError::Read)?;
    let proof = inclusion_proof(&reader, index, checkpoint.size)?;
    verify_inclusion(&leaf, index, checkpoint.size, &proof, &checkpoint.root)?;
    Ok(leaf)
}

/// Why an entry could not be proved from the files.
#[derive(Debug, Error)]
pub enum ProveError {
    /// No checkpoint was published yet.
    #[error("{} holds no published checkpoint", .0.display())]
    NotPublished(PathBuf),
    /// The checkpoint file cannot be read.
    #[error(transparent)]
    Published(#[from] PublishError),
    /// The checkpoint is not one that this log signed.
    #[error("the published checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The index is past the end of the log.
    #[error("entry {index} is not in the log yet: it holds {size} entries, 0 to {}", size.saturating_sub(1))]
    Beyond {
        /// The index asked for.
        index: u64,
        /// Entries under the published checkpoint.
        size: u64,
    },
    /// The entry was pruned.
    #[error(
        "entry {index} is not here any more: entries below {minimum}, this directory's minimum index, were pruned and only registry entries kept. A copy from before the pruning has it"
    )]
    Pruned {
        /// The index asked for.
        index: u64,
        /// The minimum index.
        minimum: u64,
    },
    /// The minimum index cannot be read.
    #[error(transparent)]
    Minimum(#[from] PrunedError),
    /// A tile cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A bundle cannot be read.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// The bytes at this index are no entry.
    #[error("the bytes at this index are no entry: {0}")]
    Entry(#[from] EntryError),
    /// Bundle, tiles and checkpoint do not fit together; `mohawel audit verify` says where.
    #[error("the files do not prove the entry: {0}")]
    Unproven(#[from] ReceiptError),
}
