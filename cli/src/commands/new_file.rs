//! A file that a command promises to write: the place is tried before anything is done that cannot be undone.
//!
//! A temporary file is made beside the place, so that a missing folder, a full disk or a name that is taken is told
//! at once; the file appears whole, and never in place of another.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::switch_dir::in_file;
use crate::failure::{Exit, Failure};

/// A place that can be written. Dropped unwritten, nothing stays behind.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl NewFile {
    /// Tries the place. `mode` is the file's permissions: 0600 for a secret.
    ///
    /// # Errors
    /// A usage failure when something stands there already, or nothing can be made there.
    pub fn at(path: &Path, mode: u32) -> Result<Self, Failure> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(Failure::new(
                Exit::Usage,
                [
                    format!(
                        "{} is there already and is not written over; nothing was done",
                        path.display()
                    ),
                    format!("الملف {} موجود ولا يُكتب فوقه؛ ولم يُنفَّذ شيء", path.display()),
                ],
                [
                    "Name a new file, or move that one away.",
                    "اذكر ملفًا جديدًا أو انقل الملف الموجود.",
                ],
            ));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let beside = path.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)
            .map_err(|error| in_file(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            beside,
            file,
        })
    }

    /// Where it will stand.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file; durable when it returns.
    ///
    /// # Errors
    /// [`Exit::Unavailable`] when it cannot be written after all.
    pub fn write(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.add(bytes)?;
        self.finish()
    }

    /// Adds to what [`NewFile::finish`] will put in its place, for files that are written piece by piece.
    ///
    /// # Errors
    /// As [`NewFile::write`].
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.unwritable(&error))
    }

    /// Puts the file in its place; durable when it returns.
    ///
    /// # Errors
    /// As [`NewFile::write`].
    pub fn finish(self) -> Result<(), Failure> {
        let written = self
            .file
            .sync_all()
            // A link, not a rename: what appeared there in the meantime stays.
            .and_then(|()| fs::hard_link(&self.beside, &self.path))
            .or_else(|error| match error.kind() {
                // Some file systems have no links.
                ErrorKind::Unsupported | ErrorKind::PermissionDenied if !self.path.exists() => {
                    fs::rename(&self.beside, &self.path)
                }
                _ => Err(error),
            });
        written.map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &std::io::Error) -> Failure {
        let path = self.path.display();
        Failure::new(
            Exit::Unavailable,
            [
                format!("{path} cannot be written: {error}"),
                format!("تعذّرت كتابة {path}: {error}"),
            ],
            ["", ""],
        )
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Linked or not, this name has served; it may be gone already.
        let _ = fs::remove_file(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_tried_first_and_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answer.proof");
        let names = || fs::read_dir(dir.path()).unwrap().count();
        drop(NewFile::at(&path, 0o644).unwrap());
        assert_eq!(names(), 0);
        NewFile::at(&path, 0o600).unwrap().write(b"whole").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap().as_slice(), names()),
            (&b"whole"[..], 1)
        );
        let taken = NewFile::at(&path, 0o644).unwrap_err();
        assert_eq!(taken.exit, Exit::Usage);
        assert!(taken.what[0].contains("there already"), "{taken:?}");
        for nowhere in ["missing/answer.proof", "..", ""] {
            let failure = NewFile::at(&dir.path().join(nowhere), 0o644).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{nowhere}");
        }
    }

    #[test]
    fn what_appeared_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("invitation");
        let file = NewFile::at(&path, 0o600).unwrap();
        fs::write(&path, "another's").unwrap();
        assert_eq!(file.write(b"ours").unwrap_err().exit, Exit::Unavailable);
        assert_eq!(fs::read(&path).unwrap(), b"another's");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
