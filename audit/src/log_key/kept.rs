//! `log.keys`: the entries by which a log's key was followed, as a file of lines. Nothing in it is believed for lying there.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::succession::{Succession, SuccessionError};
use crate::tiles::{durable, read_bounded};

/// Name of the file beside `log.vkey` that holds the entries by which the log's key was followed by others.
pub const SUCCESSIONS_FILE: &str = "log.keys";
/// Bytes of that file at most, which is far more than a key a month for a century.
const SUCCESSIONS_BYTES_MAX: u64 = 1 << 20;

/// The text of the file: a line for each, its index and the entry's bytes in base64.
pub fn successions_text(entries: &[(u64, Bytes)]) -> String {
    let line = |(index, entry): &(u64, Bytes)| format!("{index} {}\n", STANDARD.encode(entry));
    entries.iter().map(line).collect()
}

/// Reads that text. Nothing is verified yet.
///
/// # Errors
/// The number of the line that is not in its one form, from 1.
pub fn parse_successions(text: &[u8]) -> Result<Vec<(u64, Bytes)>, usize> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(1);
    };
    let mut entries = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let read = line.split_once(' ').and_then(|(index, entry)| {
            Some((index.parse().ok()?, STANDARD.decode(entry).ok()?.into()))
        });
        entries.push(read.ok_or(number)?);
    }
    // One form: no sign or leading zero, no line that was cut.
    if successions_text(&entries) == text {
        Ok(entries)
    } else {
        Err(entries.len().max(1))
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<(u64, Bytes)>, SuccessionError> {
    match read_bounded(path, SUCCESSIONS_BYTES_MAX) {
        Ok(text) => parse_successions(&text).map_err(|line| SuccessionError::Line {
            path: path.to_owned(),
            line,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(SuccessionError::Io {
            path: path.to_owned(),
            error,
        }),
    }
}

pub(super) fn write_file(path: &Path, all: &[Succession]) -> Result<(), SuccessionError> {
    let entries: Vec<_> = all
        .iter()
        .map(|one| (one.index, one.entry.clone()))
        .collect();
    match durable::write_file(path, successions_text(&entries).as_bytes()) {
        Ok(()) => Ok(()),
        // Another process of the same home renamed the file that both had written, at the same moment. Any other error may
        // leave the right content under the name and nothing of it on the disk.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && read(path).is_ok_and(|there| there == entries) =>
        {
            Ok(())
        }
        Err(error) => Err(SuccessionError::Io {
            path: path.to_owned(),
            error,
        }),
    }
}
