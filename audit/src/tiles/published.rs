//! The published checkpoint: one file, replaced by compare-and-set.
//!
//! Whoever publishes names the head that it believes to be published; when the file says otherwise,
//! somebody else published or an old copy of the disk is running, and nothing is written. The file
//! never moves to a smaller tree, nor to another tree of the same size or another log. The record of what was shown to
//! witnesses is a file of the same kind.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use super::{durable, read_bounded};
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::note::NOTE_BYTES_MAX;
use crate::tree::TreeHead;

/// Name of the file in the log directory.
pub const CHECKPOINT_FILE: &str = "checkpoint";

/// Name of the file that says what was signed and shown to witnesses last: it is ahead of the published one while they are
/// asked.
pub const SUBMITTED_FILE: &str = "submitted";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Origin, size and root. Not verified: see [`checkpoint::open`].
    pub checkpoint: Checkpoint,
    /// The note's bytes.
    pub note: Bytes,
}

/// Reads the published checkpoint of the log directory `dir`; `None` before the first.
/// Does not verify signatures.
///
/// # Errors
/// [`PublishError::Io`], [`PublishError::Checkpoint`].
pub fn read_published(dir: &Path) -> Result<Option<Published>, PublishError> {
    read_file(dir, CHECKPOINT_FILE)
}

/// Reads [`SUBMITTED_FILE`] of the log directory `dir`; `None` where witnesses were never asked. Does not verify signatures.
///
/// # Errors
/// As [`read_published`].
pub fn read_submitted(dir: &Path) -> Result<Option<Published>, PublishError> {
    read_file(dir, SUBMITTED_FILE)
}

fn read_file(dir: &Path, name: &str) -> Result<Option<Published>, PublishError> {
    let path = dir.join(name);
    match read_bounded(&path, NOTE_BYTES_MAX as u64) {
        Ok(note) => {
            let checkpoint = checkpoint::read_unverified(&note)?;
            Ok(Some(Published {
                checkpoint,
                note: note.into(),
            }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PublishError::Io { path, source }),
    }
}

/// Publishes `note` if the file now says `expected` (`None`: there is no file). Durable when it
/// returns. The tiles of the new size must have been written before.
///
/// # Errors
/// [`PublishError`]; the file is then as it was, except after [`PublishError::Io`], where either the
/// old or the new checkpoint stands whole.
pub fn publish(
    dir: &Path,
    expected: Option<TreeHead>,
    note: &[u8],
) -> Result<Checkpoint, PublishError> {
    compare_and_set(dir, CHECKPOINT_FILE, expected, note)
}

/// Records `note` as shown to witnesses if the record now says `expected`. Durable when it returns.
///
/// # Errors
/// As [`publish`].
pub fn submit(
    dir: &Path,
    expected: Option<TreeHead>,
    note: &[u8],
) -> Result<Checkpoint, PublishError> {
    compare_and_set(dir, SUBMITTED_FILE, expected, note)
}

fn compare_and_set(
    dir: &Path,
    name: &str,
    expected: Option<TreeHead>,
    note: &[u8],
) -> Result<Checkpoint, PublishError> {
    let next = checkpoint::read_unverified(note)?;
    durable::create_dirs(dir).map_err(|source| PublishError::Io {
        path: dir.to_owned(),
        source,
    })?;
    // Held until this returns: two processes cannot both compare before either sets.
    let lock = File::open(dir).and_then(|lock| lock.lock().map(|()| lock));
    let _lock = lock.map_err(|source| PublishError::Io {
        path: dir.to_owned(),
        source,
    })?;
    let current = read_file(dir, name)?.map(|published| published.checkpoint);
    let found = current.as_ref().map(Checkpoint::head);
    if found != expected {
        return Err(PublishError::NotExpected { found, expected });
    }
    if let Some(current) = current {
        if current.origin != next.origin {
            return Err(PublishError::OtherLog {
                found: current.origin,
                given: next.origin,
            });
        }
        let forks = next.size == current.size && next.root != current.root;
        if next.size < current.size || forks {
            return Err(PublishError::NotForward {
                from: current.size,
                to: next.size,
            });
        }
    }
    let path = dir.join(name);
    durable::write_file(&path, note).map_err(|source| PublishError::Io { path, source })?;
    Ok(next)
}

/// Why a checkpoint was not published or could not be read.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The note, or the file on disk, is not a checkpoint.
    #[error("the published checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The file says something else than the caller believes.
    #[error(
        "the published checkpoint is {found:?}, expected {expected:?}: another writer, or an old copy of the disk"
    )]
    NotExpected {
        /// What the file says.
        found: Option<TreeHead>,
        /// What the caller believed.
        expected: Option<TreeHead>,
    },
    /// The new checkpoint is smaller, or another tree of the same size.
    #[error("a checkpoint of size {to} cannot follow the published one of size {from}")]
    NotForward {
        /// Size on disk.
        from: u64,
        /// Size given.
        to: u64,
    },
    /// The new checkpoint is another log's.
    #[error("the directory holds the log {found}, the checkpoint is of {given}")]
    OtherLog {
        /// Origin on disk.
        found: String,
        /// Origin given.
        given: String,
    },
    /// The operating system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}
