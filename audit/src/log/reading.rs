//! What can be read back from an open log: entries from the journal, proofs from the published tiles.

use std::io;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use proto::digest::Digest;
use proto::entry::Entry;

use super::{LogError, Shared};
use crate::checkpoint::SignedCheckpoint;
use crate::receipt::Receipt;
use crate::tiles::{TileError, TilePath, TileReader};
use crate::timestamp::kept::{self, Kept};
use crate::tree::{TreeHead, consistency_proof, inclusion_proof, root_of, verify_consistency};

/// Entries in one answer at most.
pub const READ_ENTRIES_MAX: u64 = 1024;
/// Bytes of entries in one answer at most, unless the first alone is larger.
pub const READ_BYTES_MAX: usize = 1 << 20;

pub(super) fn entries(shared: &Shared, range: Range<u64>) -> Result<Vec<(u64, Bytes)>, LogError> {
    let from = shared.pruned.bundles_from();
    if range.start >= from {
        let end = range.end.min(range.start.saturating_add(READ_ENTRIES_MAX));
        return Ok(shared.journal.read(range.start..end, READ_BYTES_MAX)?);
    }
    // Below the minimum index only registry entries are kept; whatever else the range holds comes behind them.
    let (mut found, next) =
        shared
            .pruned
            .kept_between(range.start, range.end, READ_ENTRIES_MAX as usize)?;
    if found.is_empty() && next >= from {
        found = entries(shared, from..range.end)?;
    }
    Ok(found)
}

/// The receipt of an entry below the size of `published`.
pub(super) fn receipt(
    shared: &Shared,
    index: u64,
    published: &SignedCheckpoint,
) -> Result<Receipt, LogError> {
    let found = entries(shared, index..index + 1)?;
    let bytes = found.first().map(|(_, bytes)| bytes.clone());
    let bytes = bytes.ok_or(LogError::Pruned {
        index,
        minimum: shared.pruned.minimum(),
    })?;
    let entry = Entry::decode(&bytes).map_err(|error| LogError::Entry { index, error })?;
    let size = published.checkpoint.size;
    let proof = inclusion_proof(&*reader(shared, size), index, size)?;
    Ok(Receipt {
        index,
        kind: entry.kind,
        stamp: entry.stamp,
        facts: entry.facts,
        proof,
        checkpoint: published.note.clone(),
    })
}

/// The first `width` hashes of a tile of the published tree; `None` when that tree has fewer.
pub(super) fn hashes(
    shared: &Shared,
    (level, index, width): (u8, u64, u16),
    published: u64,
) -> Result<Option<Vec<Digest>>, LogError> {
    let whole = TilePath::hashes(level, index).at_size(published);
    let Some(tile) = whole.filter(|tile| width > 0 && width <= tile.width()) else {
        return Ok(None);
    };
    let mut hashes = shared.tiles.read_hashes(tile)?;
    hashes.truncate(usize::from(width));
    Ok(Some(hashes))
}

/// The sizes in `sizes` whose checkpoint an authority stamped, rising.
pub(super) fn stamped(shared: &Shared, sizes: &RangeInclusive<u64>) -> Result<Vec<u64>, LogError> {
    let mut found = kept::sizes(shared.tiles.dir()).map_err(|error| time_error(shared, error))?;
    found.retain(|size| sizes.contains(size));
    Ok(found)
}

/// What is kept of the stamping of `size`; `None` without a token.
pub(super) fn time(shared: &Shared, size: u64) -> Result<Option<Kept>, LogError> {
    kept::read(shared.tiles.dir(), size).map_err(|error| time_error(shared, error))
}

fn time_error(shared: &Shared, error: io::Error) -> LogError {
    TileError::io(&shared.tiles.dir().join(kept::TIME_DIR), error).into()
}

/// The proofs from sizes to a later one, up to that of `published`.
pub(super) fn consistency(
    shared: &Shared,
    old: &[u64],
    new: u64,
    published: &SignedCheckpoint,
) -> Result<Vec<Vec<Digest>>, LogError> {
    let reader = reader(shared, published.checkpoint.size);
    let proofs = old
        .iter()
        .map(|old| consistency_proof(&*reader, *old, new))
        .collect::<Result<_, _>>()?;
    Ok(proofs)
}

/// The tree of `old` entries, and the proof that `new` begins with it; both verified against each other.
pub(super) fn extension(
    shared: &Shared,
    old: u64,
    new: TreeHead,
) -> Result<(TreeHead, Vec<Digest>), LogError> {
    if old > new.size {
        let (new, size) = (new.size, new.size);
        return Err(LogError::OutOfRange { old, new, size });
    }
    // Not the reader that adapters share: it is of another size than theirs while a checkpoint is held.
    let tiles = shared.tiles.reader(new.size);
    let root = root_of(&tiles, old)?;
    let proof = consistency_proof(&tiles, old, new.size)?;
    verify_consistency(old, &root, new.size, &new.root, &proof)?;
    Ok((TreeHead { size: old, root }, proof))
}

/// The reader of the published size, with the tiles that earlier proofs used. Held only while it is looked up.
fn reader(shared: &Shared, size: u64) -> Arc<TileReader> {
    let mut reader = shared.reader.lock().unwrap_or_else(PoisonError::into_inner);
    if reader.size() != size {
        *reader = Arc::new(shared.tiles.reader(size));
    }
    Arc::clone(&reader)
}
