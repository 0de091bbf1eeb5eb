//! Removes entry bundles that lie wholly below an index, whatever an earlier run left of them.

use std::fs;
use std::io;
use std::path::Path;

use super::PruneError;
use crate::disk;
use crate::tiles::{TILE_WIDTH, TileError, durable};

/// Removes from `dir` every bundle that ends at or below `cut`, oldest names first.
pub(super) fn remove_below(dir: &Path, cut: u64) -> Result<(), PruneError> {
    let bundles = cut / u64::from(TILE_WIDTH);
    clear(&dir.join("tile").join("entries"), 0, bundles)?;
    Ok(())
}

/// Clears one directory of bundles: those whose number, `prefix` and then their three digits, is below `end`.
/// Directories that hold only higher numbers are not entered.
fn clear(dir: &Path, prefix: u64, end: u64) -> Result<(), TileError> {
    let failed = |error: io::Error| TileError::io(dir, error);
    let names = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(failed)?,
    };
    let mut paths = names
        .map(|name| name.map(|name| name.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    paths.sort();
    let mut changed = false;
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        let (digits, group) = match name.strip_prefix('x') {
            Some(digits) => (digits, true),
            // Partial forms of one bundle.
            None => (name.strip_suffix(".p").unwrap_or(name), false),
        };
        let Some(digits) = digits.parse::<u64>().ok().filter(|_| digits.len() == 3) else {
            continue;
        };
        let number = prefix * 1_000 + digits;
        if group && number * 1_000 < end {
            clear(&path, number, end)?;
            let gone = disk::change(&path, || match fs::remove_dir(&path) {
                // Higher numbers stay.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
                removed => removed.map(|()| true),
            });
            changed |= gone.map_err(|error| TileError::io(&path, error))?;
        } else if !group && number < end {
            let remove = || match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            disk::change(&path, remove).map_err(|error| TileError::io(&path, error))?;
            changed = true;
        }
    }
    if changed {
        durable::sync_dir(dir).map_err(failed)?;
    }
    Ok(())
}
