//! Bundles read back and compared with the signed root: what stands between a bundle that was written and the
//! removal of any other place that holds its entries.

use std::ops::Range;

use bytes::Bytes;
use proto::digest::leaf_hash;
use thiserror::Error;

use super::path::{TILE_WIDTH, TilePath};
use super::proven::{ProvenTiles, Unproven};
use super::{TileError, TileStore};

/// The entries of bundle number `bundle` of `store`, each the one that the root of `tiles` names. None outside the tree.
///
/// # Errors
/// [`RereadError`]: what is not as it was signed.
pub fn reread(
    tiles: &mut ProvenTiles<'_>,
    store: &TileStore,
    bundle: u64,
) -> Result<Vec<Bytes>, RereadError> {
    let Some(tile) = TilePath::entries(bundle).at_size(tiles.head().size) else {
        return Ok(Vec::new());
    };
    let leaves = tiles.tile(0, bundle)?;
    let entries = store.read_bundle(tile)?;
    let first = bundle * u64::from(TILE_WIDTH);
    for ((index, entry), leaf) in (first..).zip(&entries).zip(leaves.iter()) {
        if leaf_hash(entry) != *leaf {
            return Err(RereadError::Altered {
                index,
                path: tile.to_path(),
            });
        }
    }
    Ok(entries)
}

/// Makes sure that every entry of `range` stands in its bundle as it was signed. Ends early, with `false`, when `go_on`
/// says so before a bundle.
///
/// # Errors
/// [`RereadError`]: the first that does not.
pub fn all_as_signed(
    tiles: &mut ProvenTiles<'_>,
    store: &TileStore,
    range: Range<u64>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<bool, RereadError> {
    let width = u64::from(TILE_WIDTH);
    if range.end > tiles.head().size {
        return Err(RereadError::Beyond(tiles.head().size));
    }
    for bundle in range.start / width..range.end.div_ceil(width) {
        if !go_on() {
            return Ok(false);
        }
        reread(tiles, store, bundle)?;
    }
    Ok(true)
}

/// What is not as it was signed.
#[derive(Debug, Error)]
pub enum RereadError {
    /// Hash tiles.
    #[error(transparent)]
    Tiles(#[from] Unproven),
    /// A bundle that cannot be read.
    #[error(transparent)]
    Bundle(#[from] TileError),
    /// A bundle that holds something else.
    #[error("{path}: entry {index} is not the one that was signed")]
    Altered {
        /// The entry.
        index: u64,
        /// Its file, inside the log directory.
        path: String,
    },
    /// Not published yet.
    #[error("only {0} entries are published")]
    Beyond(u64),
}
