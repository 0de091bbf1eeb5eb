//! A file that is there whole or not at all.
//!
//! It is written beside the wanted one, readable by its owner alone. Only when it is kept, and the disk has all of it, does it
//! get its name; dropped before, it is gone. A process that is killed leaves the part behind, under a name that begins with a
//! dot and ends with `.part`.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// The file before it has its name. Dropped, it is gone.
pub(crate) struct WholeFile {
    file: File,
    path: PathBuf,
    wanted: PathBuf,
}

impl WholeFile {
    /// Begins beside `wanted`.
    pub(crate) fn beside(wanted: &Path) -> io::Result<Self> {
        let name = wanted.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.part", std::process::id()));
        let path = wanted.with_file_name(beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok(Self {
            file: File::from_std(file),
            path,
            wanted: wanted.to_owned(),
        })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// Gives it its name, once the disk has it. A name that was taken meanwhile stays taken.
    pub(crate) async fn keep(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        // A link, not a rename: what appeared there in the meantime stays.
        match tokio::fs::hard_link(&self.path, &self.wanted).await {
            Ok(()) => {}
            // Some file systems have no links.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Unsupported | ErrorKind::PermissionDenied
                ) && self.wanted.symlink_metadata().is_err() =>
            {
                tokio::fs::rename(&self.path, &self.wanted).await?;
            }
            Err(error) => return Err(error),
        }
        let folder = self
            .wanted
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
            .await?
            .sync_all()
            .await
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // Linked, renamed or neither: this name has served, and may be gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_stands_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("register.bin");
        let left = || std::fs::read_dir(dir.path()).unwrap().count();
        let mut part = WholeFile::beside(&path).unwrap();
        part.write(b"half").await.unwrap();
        assert!(!path.exists() && left() == 1);
        drop(part);
        assert_eq!(left(), 0);
        let mut part = WholeFile::beside(&path).unwrap();
        part.write(b"all of it").await.unwrap();
        let mut late = WholeFile {
            path: dir.path().join("late"),
            file: File::create(dir.path().join("late")).await.unwrap(),
            wanted: path.clone(),
        };
        part.keep().await.unwrap();
        drop(part);
        late.write(b"too late").await.unwrap();
        assert!(late.keep().await.is_err());
        drop(late);
        assert_eq!(std::fs::read(&path).unwrap(), b"all of it");
        assert_eq!(left(), 1);
        assert!(WholeFile::beside(Path::new("/")).is_err());
    }
}
