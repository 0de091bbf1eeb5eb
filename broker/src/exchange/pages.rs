//! Pages: messages that a folder keeps for the next run, one file each, whole or not there.
//!
//! Takes a page and its name; it is durable when that is said. Gives it back as it was written, or says that it was not:
//! each file begins with SHA-256 of the rest. Never decides anything.

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use audit::tiles::durable;
use proto::Digest;
use thiserror::Error;
use tokio::task::spawn_blocking;

/// What a page that cannot be read is called from then on.
const BROKEN: &str = "broken";

/// The folder of pages of one sort.
#[derive(Clone, Debug)]
pub(super) struct Pages<M> {
    dir: PathBuf,
    suffix: &'static str,
    page: PhantomData<fn() -> M>,
}

impl<M: prost::Message + Default + 'static> Pages<M> {
    /// The folder `dir`, made when the first page is written; its files end in `suffix`.
    pub(super) fn new(dir: PathBuf, suffix: &'static str) -> Self {
        Self {
            dir,
            suffix,
            page: PhantomData,
        }
    }

    /// Makes it durable in the place of what was there.
    pub(super) async fn write(&self, name: &str, page: M) -> Result<(), StoreError> {
        let path = self.path(name);
        blocking(move || {
            let body = page.encode_to_vec();
            let bytes = [Digest::of(&body).as_ref(), &body].concat();
            durable::write_file(&path, &bytes).map_err(|cause| StoreError::File { path, cause })
        })
        .await
    }

    /// Reads it.
    pub(super) async fn read(&self, name: &str) -> Result<M, StoreError> {
        let path = self.path(name);
        blocking(move || read(&path)).await
    }

    /// Puts it where nobody takes it for a page, for a person to look at.
    pub(super) async fn set_aside(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        blocking(move || aside(path)).await
    }

    /// Lets it go.
    pub(super) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        blocking(move || match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::File { path, cause })
            }
            _ => Ok(()),
        })
        .await
    }

    /// The names of all pages, and the bytes of their files.
    pub(super) async fn names(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let (dir, suffix) = (self.dir.clone(), self.suffix);
        blocking(move || {
            let paths = paths(&dir, suffix)?.into_iter();
            let named = paths.map(|path| {
                let bytes = fs::metadata(&path).map_or(0, |file| file.len());
                let name = path.file_stem().unwrap_or_default();
                (name.to_string_lossy().into_owned(), bytes)
            });
            Ok(named.collect())
        })
        .await
    }

    /// Every page there is. One that cannot be read is set aside under another name and counted.
    pub(super) async fn all(&self) -> Result<(Vec<M>, u64), StoreError> {
        let (dir, suffix) = (self.dir.clone(), self.suffix);
        blocking(move || {
            let (mut pages, mut broken) = (Vec::new(), 0);
            for path in paths(&dir, suffix)? {
                match read(&path) {
                    Ok(page) => pages.push(page),
                    Err(error) => {
                        tracing::error!(%error, "a page cannot be read and is set aside");
                        broken += 1;
                        aside(path)?;
                    }
                }
            }
            Ok((pages, broken))
        })
        .await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.{}", self.suffix))
    }
}

fn paths(dir: &Path, suffix: &str) -> Result<Vec<PathBuf>, StoreError> {
    let listed = match fs::read_dir(dir) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => {
            let path = dir.to_owned();
            return Err(StoreError::File { path, cause });
        }
    };
    let mut paths = Vec::new();
    for entry in listed {
        let path = entry.map(|entry| entry.path());
        let path = path.map_err(|cause| StoreError::File {
            path: dir.to_owned(),
            cause,
        })?;
        if path.extension().is_some_and(|end| end == suffix) {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn aside(path: PathBuf) -> Result<(), StoreError> {
    let to = path.with_extension(BROKEN);
    fs::rename(&path, to).map_err(|cause| StoreError::File { path, cause })
}

fn read<M: prost::Message + Default>(path: &Path) -> Result<M, StoreError> {
    let bytes = fs::read(path).map_err(|cause| StoreError::File {
        path: path.to_owned(),
        cause,
    })?;
    let page = bytes
        .split_at_checked(Digest::LEN)
        .filter(|(digest, body)| Digest::of(body).as_ref() == *digest)
        .and_then(|(_, body)| M::decode(body).ok());
    page.ok_or_else(|| StoreError::Broken(path.to_owned()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.unwrap_or(Err(StoreError::Gone))
}

/// Why a page cannot be kept or read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// What the system said.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is not what was written.
    #[error("{} is damaged", .0.display())]
    Broken(PathBuf),
    /// The process ends.
    #[error("the switch ends")]
    Gone,
}
