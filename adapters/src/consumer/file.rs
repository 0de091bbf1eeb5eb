//! An answer in chunks as a file, which is there whole or not at all.
//!
//! Chunks go to a file beside the wanted one, readable by its owner alone. Only when the end was proved and the disk has all of it
//! does it get its name; whatever goes wrong before takes it away, and what a killed process left the next run with this name does.

use std::io::ErrorKind;
use std::path::Path;

use proto::chunks::Total;

use super::stream::{Complete, Streamed};
use super::{Answer, Ask, StreamError};
use crate::whole::{WholeFile, sweep};

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
        let told = |cause| StreamError::File {
            path: path.to_owned(),
            cause,
        };
        if path.symlink_metadata().is_ok() {
            return Err(told(ErrorKind::AlreadyExists.into()));
        }
        // What an earlier run left that was killed. A folder that cannot be listed is no reason not to ask.
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            let here = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            if let Err(error) = sweep(here, |part| name == part) {
                tracing::debug!(%error, "nothing was swept");
            }
        }
        let mut part = WholeFile::beside(path).map_err(told)?;
        match self.stream().await? {
            Streamed::Whole(answer) => {
                part.write(&answer.payload).await.map_err(told)?;
                let length = answer.payload.len() as u64;
                part.keep().await.map_err(told)?;
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
                    part.write(&chunk).await.map_err(told)?;
                    progress(incoming.received(), announced);
                }
                part.keep().await.map_err(told)?;
                Ok(Saved {
                    answer: incoming.opened().clone(),
                    complete: incoming.complete().cloned(),
                    length: incoming.received(),
                })
            }
        }
    }
}
