//! The log as plain files, in the layout of C2SP tlog-tiles: entry bundles, hash tiles of height 8,
//! and the published checkpoint.
//!
//! Files are immutable: written once (temporary file, fsync, rename, fsync of the directory), never
//! changed. Any web server, copy or archive of the directory is a mirror of the log.
//! [`TileWriter`] makes a size fully covered before it is published, [`TileReader`] proves from the
//! files, [`published`] holds the compare-and-set of the checkpoint file.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::digest::Digest;
use thiserror::Error;

pub use path::{TILE_WIDTH, TilePath};
pub use pruned::{Pruned, PrunedError};
pub use published::{PublishError, Published};
pub use read::{Entries, TileReader};
pub use write::{GoneBundle, TileWriter};

pub mod bundle;
pub mod copies;
pub mod durable;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod mend;
mod path;
pub mod proven;
pub mod pruned;
pub mod published;
mod read;
pub mod reread;
#[cfg(test)]
mod tests;
mod write;

/// A directory in the tlog-tiles layout. Holds no state: cheap to make and to clone.
#[derive(Clone, Debug)]
pub struct TileStore {
    dir: PathBuf,
}

impl TileStore {
    /// The store in `dir`; nothing is read or made yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory that holds `checkpoint` and `tile/`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The one writer of this store.
    pub fn writer(&self) -> TileWriter {
        TileWriter::new(self.clone())
    }

    /// Reads hashes of the tree of `size` leaves.
    pub fn reader(&self, size: u64) -> TileReader {
        TileReader::new(self.clone(), size)
    }

    /// Reads the entries of `range` in order, one bundle in memory at a time, out of the log of
    /// `size` entries. The range is cut at `size`. Stops after the first error.
    pub fn read_entries(&self, range: Range<u64>, size: u64) -> Entries {
        Entries::new(self.clone(), range, size)
    }

    /// The file of `tile`.
    pub fn file(&self, tile: TilePath) -> PathBuf {
        self.dir.join(tile.to_path())
    }

    /// Reads the first hashes of a hash tile, as many as `tile` is wide; a full tile serves where a
    /// partial one was superseded.
    ///
    /// # Errors
    /// [`TileError::Io`] (`NotFound` when neither file exists), [`TileError::Malformed`] for a wrong length.
    pub fn read_hashes(&self, tile: TilePath) -> Result<Vec<Digest>, TileError> {
        let (found, bytes) = self.read_tile(tile)?;
        if bytes.len() != usize::from(found.width()) * Digest::LEN {
            return Err(TileError::malformed(found, "a hash tile of another length"));
        }
        let hashes = bytes
            .chunks_exact(Digest::LEN)
            .filter_map(Digest::from_slice);
        Ok(hashes.take(usize::from(tile.width())).collect())
    }

    /// Reads the first entries of a bundle, as many as `tile` is wide; a full bundle serves where a
    /// partial one was superseded.
    ///
    /// # Errors
    /// [`TileError::Io`] (`NotFound` when neither file exists), [`TileError::Malformed`] when the file
    /// is not exactly as many entries as its name says.
    pub fn read_bundle(&self, tile: TilePath) -> Result<Vec<Bytes>, TileError> {
        let (found, bytes) = self.read_tile(tile)?;
        let mut entries = bundle::decode(&bytes, found.width())
            .map_err(|what| TileError::malformed(found, what))?;
        entries.truncate(usize::from(tile.width()));
        Ok(entries)
    }

    /// The bytes of `tile`, or of the full tile that superseded it, whatever they hold.
    ///
    /// # Errors
    /// [`TileError::Io`], [`TileError::Malformed`] for a file longer than its name allows.
    pub fn read_file(&self, tile: TilePath) -> Result<Bytes, TileError> {
        self.read_tile(tile).map(|(_, bytes)| bytes)
    }

    /// The file of `tile`, or of the full tile that superseded it, and which of the two it was.
    fn read_tile(&self, tile: TilePath) -> Result<(TilePath, Bytes), TileError> {
        let mut found = tile;
        let mut bytes = read_bounded(&self.file(tile), tile.bytes_max());
        let missing = matches!(&bytes, Err(error) if error.kind() == io::ErrorKind::NotFound);
        if missing && !tile.is_full() {
            found = tile.full();
            bytes = read_bounded(&self.file(found), found.bytes_max());
        }
        match bytes {
            Ok(bytes) => Ok((found, bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(TileError::malformed(
                found,
                "the file is longer than its name allows",
            )),
            Err(error) => Err(TileError::io(&self.file(found), error)),
        }
    }
}

/// Reads a plain file of at most `limit` bytes; a longer one is `FileTooLarge` and is not read.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    // Before opening: opening a pipe would wait for its other end.
    let data = fs::metadata(path)?;
    if !data.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a plain file",
        ));
    }
    if data.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let file = fs::File::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(data.len()).unwrap_or_default());
    // One byte more than allowed, so that a file that grows meanwhile is noticed.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// What can be wrong with the files.
#[derive(Debug, Error)]
pub enum TileError {
    /// The operating system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{path}: {what}")]
    Malformed {
        /// Path inside the log directory.
        path: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A file that is to be written exists with other content. Tiles never change.
    #[error(
        "{} exists with other content; the disk or an earlier run damaged it. Run `mohawel audit verify`, then remove the damaged file",
        path.display()
    )]
    Conflict {
        /// Which file.
        path: PathBuf,
    },
    /// The files, or the entries given, do not make the tree they were said to make.
    #[error("the {what} at size {size} do not make the expected root; nothing was published")]
    WrongRoot {
        /// Files on disk, or entries given.
        what: &'static str,
        /// The tree's size.
        size: u64,
    },
    /// The caller's sizes run backwards, or the entries are more or fewer than they say.
    #[error("entries {old}..{new} were announced, {given} were given")]
    WrongCount {
        /// Size before.
        old: u64,
        /// Size after.
        new: u64,
        /// Entries given.
        given: u64,
    },
    /// An entry does not fit a bundle.
    #[error("an entry of {0} bytes does not fit a bundle (at most 65,535)")]
    EntryTooLarge(usize),
}

impl TileError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn malformed(tile: TilePath, what: &'static str) -> Self {
        Self::Malformed {
            path: tile.to_path(),
            what,
        }
    }

    /// Whether a file is simply not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
