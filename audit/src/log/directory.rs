//! A log's directory: the lock that keeps it to one process, and its published bundles.

use std::fs::{File, OpenOptions};
use std::path::Path;

use super::LogError;
use super::start::io;
use crate::journal::{Bundles, Head};
use crate::tiles::TileStore;
use crate::tiles::published::read_published;

const LOCK_FILE: &str = "lock";

/// The published bundles of `dir`, at whatever size is published when they are asked.
pub(crate) fn bundles(dir: &Path) -> Bundles {
    let tiles = TileStore::new(dir);
    let published = |tiles: &TileStore| -> std::io::Result<u64> {
        let published = read_published(tiles.dir()).map_err(std::io::Error::other)?;
        Ok(published.map_or(0, |published| published.checkpoint.size))
    };
    let base_tiles = tiles.clone();
    let base = move || Head::at_minimum(&base_tiles, published(&base_tiles)?);
    let read = move |range| {
        tiles
            .read_entries(range, published(&tiles)?)
            .map(|entry| entry.map(|(_, bytes)| bytes).map_err(std::io::Error::other))
            .collect()
    };
    Bundles::pruned(read, base)
}

/// Locks `dir` for this process where something in it is going to be changed: see [`lock`].
pub(crate) fn lock_to_change(dir: &Path, changes: bool) -> Result<Option<File>, LogError> {
    changes.then(|| lock(dir)).transpose()
}

/// Locks `dir` for this process, for as long as the file stays open.
pub(crate) fn lock(dir: &Path) -> Result<File, LogError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io("opening", &path))?;
    match crate::lock::exclusive(&file) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(LogError::InUse(dir.display().to_string())),
        Err(error) => Err(io("locking", &path)(error.into())),
    }
}
