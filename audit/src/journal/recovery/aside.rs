//! Moving what is damaged out of the way: it is never deleted, so that somebody can look at it.
//!
//! Takes a path; gives the name under which it then stands, beside where it was.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::journal::JournalError;
use crate::journal::tail::sync_dir;

/// Moves `path` out of the way under a name that is never opened again, so that it can be looked at.
pub(in crate::journal) fn set_aside(path: &Path) -> Result<PathBuf, JournalError> {
    let aside = name_aside(path)?;
    disk::change(&aside, || std::fs::rename(path, &aside))
        .map_err(|e| JournalError::io("setting aside", path, e))?;
    if let Some(parent) = path.parent() {
        sync_dir(parent)?;
    }
    Ok(aside)
}

/// The name that `path` would get when it is set aside.
pub(in crate::journal) fn name_aside(path: &Path) -> Result<PathBuf, JournalError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = (1..1000)
        .map(|number| path.with_file_name(format!("{name}.set-aside-{number}")))
        .find(|aside| !aside.exists());
    aside.ok_or_else(|| {
        let full = "a thousand set aside stand there already";
        JournalError::io("setting aside", path, io::Error::other(full))
    })
}
