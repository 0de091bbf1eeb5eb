//! What was repaired while the log was stopped, left for its next start, whose epoch entry tells it to everybody.
//!
//! The file `repaired`: the size of the log on the first line, stable words on the second. It counts only as long as
//! the log has that size: the start's own entry makes it one longer, so nothing has to be removed in time.

use std::fs;
use std::path::Path;

use crate::tiles::{TileError, durable, read_bounded};

/// Name of the file in the log directory.
pub(crate) const REPAIRED_FILE: &str = "repaired";
/// Bytes of the file at most.
const BYTES_MAX: u64 = 4_096;

/// Adds `words` to what was repaired of the log of `size` entries.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(dir: &Path, size: u64, words: &[String]) -> Result<(), TileError> {
    let mut all = read(dir, size);
    for word in words {
        if !all.contains(word) {
            all.push(word.clone());
        }
    }
    let path = dir.join(REPAIRED_FILE);
    let text = format!("{size}\n{}\n", all.join(" "));
    durable::write_file(&path, text.as_bytes()).map_err(|error| TileError::io(&path, error))
}

/// What was repaired of the log while it had `size` entries. Damaged or none: nothing.
pub(crate) fn read(dir: &Path, size: u64) -> Vec<String> {
    let bytes = read_bounded(&dir.join(REPAIRED_FILE), BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    let mut lines = text.lines();
    if lines.next() != Some(size.to_string().as_str()) {
        return Vec::new();
    }
    let words = lines.next().unwrap_or_default().split(' ');
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Removes the file of a log that has grown since.
pub(crate) fn forget(dir: &Path, size: u64) {
    if read(dir, size).is_empty() {
        // It counts for nothing any more; the next rebuild writes over one that stays.
        let _ = fs::remove_file(dir.join(REPAIRED_FILE));
    }
}
