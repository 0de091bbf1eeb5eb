//! What receipts promised and no published checkpoint has confirmed yet, kept across restarts.
//!
//! A receipt's checkpoint is signed before it is published. Without this file a switch that is killed and put back
//! to an older copy of its log could answer a later run of this adapter as if the receipt had never been given. The
//! file holds signed notes, each before a line of ten dashes: those of earlier runs that are still unproved, and the
//! largest. It is written behind the answers, not before each.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use audit::checkpoint::{self, LogKey, SignedCheckpoint};
use bytes::Bytes;
use certs::key_files::replace_public;

use super::SeenError;
use crate::identity::{HomeError, read_text};

/// Name of the file in a home.
pub(super) const FILE: &str = "promised.txt";
/// Notes that the file holds at most.
pub(super) const NOTES_MAX: usize = 16;
/// What ends each note.
const LINE: &str = "----------\n";
/// A published checkpoint that lies behind a promise older than this is not just late.
const LATE: Duration = Duration::from_secs(2);

/// The notes that an earlier run left; none when there is no file.
///
/// # Errors
/// [`SeenError::Damaged`], [`SeenError::Home`].
pub(super) fn read(file: &Path, key: &LogKey) -> Result<Vec<SignedCheckpoint>, SeenError> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = read_text(file)?;
    text.split(LINE)
        .filter(|note| !note.is_empty())
        .map(|note| {
            let note = Bytes::copy_from_slice(note.as_bytes());
            match checkpoint::open(&note, key) {
                Ok(checkpoint) => Ok(SignedCheckpoint { checkpoint, note }),
                Err(cause) => Err(SeenError::Damaged {
                    file: file.to_owned(),
                    cause,
                }),
            }
        })
        .collect()
}

/// Whether the file was written long enough ago that everything in it should be published by now.
pub(super) fn is_old(file: &Path) -> bool {
    let written = std::fs::metadata(file).and_then(|data| data.modified());
    let age = written.map(|written| SystemTime::now().duration_since(written));
    // A time in the future says nothing, so it counts as old.
    !matches!(age, Ok(Ok(age)) if age < LATE)
}

/// Replaces the file. Durable when it returns.
pub(super) fn write(file: &Path, notes: &[SignedCheckpoint]) -> Result<(), HomeError> {
    let mut text = Vec::new();
    for signed in notes {
        text.extend_from_slice(&signed.note);
        text.extend_from_slice(LINE.as_bytes());
    }
    Ok(replace_public(file, &text)?)
}

/// Held while files of the home are read and replaced: several processes may use one home.
pub(super) fn lock(dir: &Path) -> Result<File, HomeError> {
    let held = File::open(dir).and_then(|dir| dir.lock().map(|()| dir));
    held.map_err(|cause| HomeError::Read {
        path: dir.to_owned(),
        cause,
    })
}
