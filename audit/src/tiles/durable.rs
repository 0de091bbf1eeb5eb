//! Files that are there after a power cut, whole or not at all.
//!
//! Temporary file beside the target, fsync, rename, fsync of the directory; a new directory is synced
//! in its parent. [`DurableFiles`] syncs each directory once for many files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk;

/// Files written together. Nothing is durable before [`DurableFiles::sync_dirs`] returns.
#[derive(Debug)]
pub struct DurableFiles {
    root: PathBuf,
    dirs: BTreeSet<PathBuf>,
}

impl DurableFiles {
    /// No files yet. Directories are synced up to `root`, for a run that died may have left some
    /// that its end never synced; what is above `root` is taken to be durable.
    pub fn under(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            dirs: BTreeSet::new(),
        }
    }

    /// Writes or replaces `path`. Its content is synced when this returns, its name is not yet.
    ///
    /// # Errors
    /// Whatever the operating system says; the old file, if any, then still stands whole.
    pub fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let dir = parent(path)?;
        create_dirs(dir)?;
        // A run that died left the same name behind: it is simply written again.
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(TEMPORARY_SUFFIX);
        let temporary = PathBuf::from(temporary);
        let mut file = disk::change(&temporary, || File::create(&temporary))?;
        disk::change(&temporary, || file.write_all(bytes))?;
        disk::sync_file(&temporary, || file.sync_all())?;
        disk::change(path, || fs::rename(&temporary, path))?;
        self.touch(dir);
        Ok(())
    }

    /// Counts a file that is already there among those whose names are synced.
    ///
    /// # Errors
    /// `InvalidInput` for a path without a directory.
    pub fn adopt(&mut self, path: &Path) -> io::Result<()> {
        self.touch(parent(path)?);
        Ok(())
    }

    fn touch(&mut self, dir: &Path) {
        for dir in dir
            .ancestors()
            .take_while(|dir| dir.starts_with(&self.root))
        {
            if !self.dirs.insert(dir.to_owned()) {
                // What is above it is in already.
                break;
            }
        }
    }

    /// Syncs every directory written to.
    ///
    /// # Errors
    /// Whatever the operating system says. After a failed sync nothing may be assumed: stop.
    pub fn sync_dirs(&mut self) -> io::Result<()> {
        while let Some(dir) = self.dirs.pop_first() {
            sync_dir(&dir)?;
        }
        Ok(())
    }
}

/// Ends the names of files that are being written.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// Writes or replaces one file; it is durable when this returns.
///
/// # Errors
/// Whatever the operating system says.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut files = DurableFiles::under(parent(path)?);
    files.write(path, bytes)?;
    files.sync_dirs()
}

/// Makes `dir` and what is missing above it, each synced in its parent.
///
/// # Errors
/// Whatever the operating system says.
pub fn create_dirs(dir: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut at = dir;
    while !at.is_dir() {
        missing.push(at);
        at = parent(at)?;
    }
    for dir in missing.into_iter().rev() {
        match disk::change(dir, || fs::create_dir(dir)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => sync_dir(parent(dir)?)?,
        }
    }
    Ok(())
}

/// Syncs the names in `dir`.
///
/// # Errors
/// Whatever the operating system says.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    disk::sync_dir(dir)
}

/// The directory of `path`; of a bare name, the current one.
fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(dir) => Ok(dir),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path has no directory",
        )),
    }
}
