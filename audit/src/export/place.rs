//! A place for a file that appears whole and synced, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::ExportError;
use crate::tiles::durable;

/// A temporary file beside the place. Dropped before [`Place::put`], nothing stays behind.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    beside: PathBuf,
    file: File,
    replace: bool,
}

impl Place {
    /// Tries the place at once: a missing folder or a name that is taken is told before any work.
    pub(crate) fn at(path: &Path, replace: bool) -> Result<Self, ExportError> {
        let taken = match fs::symlink_metadata(path) {
            // What is no plain file is never replaced: a device, a link to somewhere.
            Ok(found) => !replace || !found.is_file(),
            Err(_) => false,
        };
        if taken {
            return Err(ExportError::Exists(path.display().to_string()));
        }
        let named = |what: &str| io::Error::new(ErrorKind::InvalidInput, what.to_owned());
        let mut name = path
            .file_name()
            .ok_or_else(|| named("the path does not name a file"))?
            .to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let beside = path.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&beside)?;
        Ok(Self {
            path: path.to_owned(),
            beside,
            file,
            replace,
        })
    }

    /// Syncs the file and lets it appear.
    pub(crate) fn put(self) -> Result<(), ExportError> {
        self.file.sync_all()?;
        let put = if self.replace {
            fs::rename(&self.beside, &self.path)
        } else {
            // A link, not a rename: what appeared there in the meantime stays.
            fs::hard_link(&self.beside, &self.path).or_else(|error| match error.kind() {
                // Some file systems have no links.
                ErrorKind::Unsupported | ErrorKind::PermissionDenied if !self.path.exists() => {
                    fs::rename(&self.beside, &self.path)
                }
                _ => Err(error),
            })
        };
        match put {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(ExportError::Exists(self.path.display().to_string()))
            }
            Err(error) => Err(error.into()),
            Ok(()) => {
                let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
                durable::sync_dir(dir.unwrap_or(Path::new(".")))?;
                Ok(())
            }
        }
    }
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Linked, renamed or neither: this name has served, and may be gone already.
        let _ = fs::remove_file(&self.beside);
    }
}
