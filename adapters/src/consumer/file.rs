//! An answer in chunks as a file, which is there whole or not at all.
//!
//! Chunks go to a file beside the wanted one, readable by its owner alone. Only when the end was proved and the disk has all of it
//! does it get its name; whatever goes wrong before takes it away.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use proto::chunks::Total;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::stream::{Complete, Streamed};
use super::{Answer, Ask, StreamError};

/// A file that was saved, and its proof.
#[derive(Debug)]
pub struct Saved {
    /// The answer in one piece, or the proved opening of the one in chunks.
    pub answer: Answer,
    /// The proved end of the chunks; absent for an answer in one piece.
    pub complete: Option<Complete>,
    /// Bytes.
    pub length: u64,
}

impl Saved {
    /// Count, length and root of the chunks, where there were any.
    pub fn total(&self) -> Option<Total> {
        self.complete.as_ref().map(|complete| complete.total)
    }
}

impl Ask<'_> {
    /// Asks as [`Ask::stream`] and saves the payload at `path`, where nothing may stand yet. `progress` is told the bytes
    /// so far, and all of them where the provider announced that.
    ///
    /// # Errors
    /// [`StreamError`]; no file stands at `path` then, but for one that is whole and whose folder could not be synced.
    pub async fn to_file(
        self,
        path: &Path,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Saved, StreamError> {
        // Before anything is asked: what could not be saved is not disclosed.
        let mut part = Part::beside(path)?;
        match self.stream().await? {
            Streamed::Whole(answer) => {
                part.write(&answer.payload).await?;
                let length = answer.payload.len() as u64;
                part.keep().await?;
                progress(length, Some(length));
                Ok(Saved {
                    answer: *answer,
                    complete: None,
                    length,
                })
            }
            Streamed::Chunks(mut incoming) => {
                let announced = incoming.announced();
                progress(0, announced);
                while let Some(chunk) = incoming.chunk().await? {
                    part.write(&chunk).await?;
                    progress(incoming.received(), announced);
                }
                part.keep().await?;
                Ok(Saved {
                    answer: incoming.opened().clone(),
                    complete: incoming.complete().cloned(),
                    length: incoming.received(),
                })
            }
        }
    }
}

/// The file before it has its name. Dropped, it is gone.
struct Part {
    file: File,
    path: PathBuf,
    wanted: PathBuf,
}

impl Part {
    fn beside(wanted: &Path) -> Result<Self, StreamError> {
        let told = |path: &Path, cause| StreamError::File {
            path: path.to_owned(),
            cause,
        };
        if wanted.symlink_metadata().is_ok() {
            return Err(told(wanted, ErrorKind::AlreadyExists.into()));
        }
        let name = wanted
            .file_name()
            .ok_or_else(|| told(wanted, ErrorKind::InvalidInput.into()))?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.part", std::process::id()));
        let path = wanted.with_file_name(beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|cause| told(&path, cause))?;
        Ok(Self {
            file: File::from_std(file),
            path,
            wanted: wanted.to_owned(),
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        let written = self.file.write_all(bytes).await;
        written.map_err(|cause| self.told(cause))
    }

    /// Gives it its name, once the disk has it. A name that was taken meanwhile stays taken.
    async fn keep(&mut self) -> Result<(), StreamError> {
        let kept = async {
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
        };
        let kept = kept.await;
        kept.map_err(|cause| self.told(cause))
    }

    fn told(&self, cause: std::io::Error) -> StreamError {
        StreamError::File {
            path: self.wanted.clone(),
            cause,
        }
    }
}

impl Drop for Part {
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
        let mut part = Part::beside(&path).unwrap();
        part.write(b"half").await.unwrap();
        assert!(!path.exists() && left() == 1);
        drop(part);
        assert_eq!(left(), 0);
        let mut part = Part::beside(&path).unwrap();
        part.write(b"all of it").await.unwrap();
        let mut late = Part {
            path: dir.path().join("late"),
            file: File::create(dir.path().join("late")).await.unwrap(),
            wanted: path.clone(),
        };
        part.keep().await.unwrap();
        drop(part);
        late.write(b"too late").await.unwrap();
        assert!(matches!(late.keep().await, Err(StreamError::File { .. })));
        drop(late);
        assert_eq!(std::fs::read(&path).unwrap(), b"all of it");
        assert_eq!(left(), 1);
        assert!(matches!(Part::beside(&path), Err(StreamError::File { .. })));
        assert!(Part::beside(Path::new("/")).is_err());
    }
}
