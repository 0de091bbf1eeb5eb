//! Where to look: from an exchange, agency, system, service, purpose, hour, key, clerk or person to the indexes of the
//! entries that name it.
//!
//! Built in bulk from sealed bundles, each compared with the signed root; kept in sled databases of their own under
//! `index/`, which can be removed and made again at any time. Never trusted: what a look-up gives are places where to
//! look. Whoever uses it reads the entry, compares it, and proves it from the tiles. Somebody else's index could leave
//! something out; an auditor builds one from the bundles, or reads all of them.
//!
//! A database covers [`DATABASE_ENTRIES`] indexes, so that sled stays quick to open; only those that a look-up's range
//! touches are opened, and only for the look-up.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use proto::Digest;
use proto::id::{AgencyId, ExchangeId, Part, SystemId};
use thiserror::Error;

use self::database::{Database, State};
use crate::checkpoint::Checkpoint;
use crate::tiles::copies::Copies;
use crate::tiles::proven::{ProvenTiles, Unproven};
use crate::tiles::reread::RereadError;
use crate::tiles::{Pruned, PrunedError, TILE_WIDTH, TileError, TileReader, TileStore};
use crate::tree::edge_at;

mod build;
mod database;
mod postings;
#[cfg(test)]
mod tests;

/// Name of the directory in the log directory that holds the indexes.
pub const INDEX_DIR: &str = "index";
/// Entries in one chunk: what is indexed at once, and the unit of memory of a build (about 10 MB). Small in this crate's
/// own tests, so that several chunks and databases follow each other.
pub const CHUNK_ENTRIES: u64 = if cfg!(test) { 2_560 } else { 65_536 };
/// Entries in one database.
pub const DATABASE_ENTRIES: u64 = CHUNK_ENTRIES * if cfg!(test) { 2 } else { 64 };

/// What an entry can be looked up by. The number is part of the databases' keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dimension {
    /// Exchange id.
    Exchange = 1,
    /// An agency that takes part.
    Agency = 2,
    /// A system that takes part.
    System = 3,
    /// The service's name.
    Service = 4,
    /// The stated purpose.
    Purpose = 5,
    /// The hour of recording.
    Hour = 6,
    /// The key that sealed the entry.
    Key = 7,
    /// The clerk's pseudonym.
    Actor = 8,
    /// A person's pseudonym.
    Subject = 9,
}

/// A value of a dimension, ready to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term {
    /// What kind of value.
    pub dimension: Dimension,
    /// The first bytes of a digest over it. Two values with one hash give more places to look, never fewer.
    hash: u64,
}

impl Term {
    fn of(dimension: Dimension, value: &[u8]) -> Self {
        let digest = Digest::of_parts(&[&[dimension as u8], value]);
        let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
        Self {
            dimension,
            hash: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        }
    }

    /// Entries of this exchange.
    pub fn exchange(id: &ExchangeId) -> Self {
        Self::of(Dimension::Exchange, id.as_bytes())
    }

    /// Entries of exchanges in which a system of this agency takes part.
    pub fn agency(id: &AgencyId) -> Self {
        Self::of(Dimension::Agency, id.as_str().as_bytes())
    }

    /// Entries of exchanges in which this system takes part.
    pub fn system(id: &SystemId) -> Self {
        Self::of(Dimension::System, id.as_str().as_bytes())
    }

    /// Entries of exchanges of a service with this name.
    pub fn service(name: &Part) -> Self {
        Self::of(Dimension::Service, name.as_str().as_bytes())
    }

    /// Entries of exchanges for this purpose.
    pub fn purpose(code: &Part) -> Self {
        Self::of(Dimension::Purpose, code.as_str().as_bytes())
    }

    /// Entries recorded in the hour of this Unix time, milliseconds.
    pub fn hour(unix_ms: u64) -> Self {
        Self::of(Dimension::Hour, &(unix_ms / 3_600_000).to_be_bytes())
    }

    /// Entries sealed by the key with this id.
    pub fn key(kid: &Digest) -> Self {
        Self::of(Dimension::Key, kid.as_bytes())
    }

    /// Entries of exchanges of the clerk with this pseudonym.
    pub fn actor(pseudonym: &Digest) -> Self {
        Self::of(Dimension::Actor, pseudonym.as_bytes())
    }

    /// Entries of exchanges about the person with this pseudonym.
    pub fn subject(pseudonym: &Digest) -> Self {
        Self::of(Dimension::Subject, pseudonym.as_bytes())
    }
}

/// The indexes of one log directory.
#[derive(Debug)]
pub struct Index {
    store: TileStore,
    checkpoint: Checkpoint,
    reader: TileReader,
    /// What each database covers, by its first index.
    covers: Vec<Range<u64>>,
}

/// What a refresh did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Entries that were indexed now.
    pub entries: u64,
    /// Up to which index entries are indexed.
    pub upto: u64,
}

impl Index {
    /// Looks at the indexes of the log in `dir`, whose published and verified checkpoint is `checkpoint`. Opens no
    /// database. Indexes of another log or another history count as none.
    ///
    /// # Errors
    /// [`IndexError`]: the directory cannot be read.
    pub fn open(dir: &Path, checkpoint: Checkpoint) -> Result<Self, IndexError> {
        let store = TileStore::new(dir);
        let reader = store.reader(checkpoint.size);
        let mut index = Self {
            store,
            checkpoint,
            reader,
            covers: Vec::new(),
        };
        index.covers = index.states()?;
        Ok(index)
    }

    /// Every entry below this index is indexed, as far as it is there at all. What is newer must be read.
    pub fn upto(&self) -> u64 {
        let mut upto = 0;
        for range in &self.covers {
            if range.start > upto {
                break;
            }
            upto = upto.max(range.end);
        }
        upto
    }

    /// Brings the indexes up to the last sealed bundle of the checkpoint; with `whole_chunks`, up to the last whole
    /// chunk, so that nothing is ever indexed twice. Ends early when `go_on` says so before a bundle: it is given how
    /// many of how many entries are done.
    ///
    /// # Errors
    /// [`IndexError`]: a bundle is not as it was signed, or a database cannot be written. What is indexed by then stays.
    pub fn refresh(
        &mut self,
        whole_chunks: bool,
        go_on: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Refreshed, IndexError> {
        let unit = if whole_chunks {
            CHUNK_ENTRIES
        } else {
            u64::from(TILE_WIDTH)
        };
        let end = self.checkpoint.size / unit * unit;
        let from = Pruned::of(&self.store)?.bundles_from() / DATABASE_ENTRIES;
        let mut done = Refreshed::default();
        if self.upto() < end {
            let own = self.store.clone();
            let copies = Copies::of(&own);
            let mut tiles = ProvenTiles::of(&copies, self.checkpoint.head())?;
            for number in from..end.div_ceil(DATABASE_ENTRIES) {
                let first = number * DATABASE_ENTRIES;
                let wanted = first..(first + DATABASE_ENTRIES).min(end);
                let have = self.covers.iter().find(|range| range.start == first);
                if have.is_some_and(|range| range.end >= wanted.end) {
                    continue;
                }
                let from = have.map_or(first, |range| range.end);
                let built = build::database(self, &mut tiles, from, wanted, go_on)?;
                done.entries += built.saturating_sub(from);
                self.covers = self.states()?;
                if built < (first + DATABASE_ENTRIES).min(end) {
                    break;
                }
            }
        }
        done.upto = self.upto();
        Ok(done)
    }

    /// Indexes in `range`, ascending, of entries that name `term`, as far as [`Index::upto`]. Ends after the first error.
    pub fn lookup(&self, term: Term, range: Range<u64>) -> Lookup<'_> {
        let end = range.end.min(self.upto());
        Lookup {
            index: self,
            term,
            chunk: range.start / CHUNK_ENTRIES,
            range: range.start..end,
            open: None,
            found: Vec::new().into_iter(),
        }
    }

    /// The databases that are of this log, each with what it covers, ascending.
    fn states(&self) -> Result<Vec<Range<u64>>, IndexError> {
        let dir = self.dir();
        let failed = |error| TileError::io(&dir, error);
        let names = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names.map_err(failed)?,
        };
        let mut covers = Vec::new();
        for name in names {
            let path = name.map_err(failed)?.path();
            if let Some(state) = State::read(&path)
                && self.is_ours(&state)
            {
                covers.push(state.first..state.upto);
            }
        }
        covers.sort_by_key(|range| range.start);
        // Of a pruned log the oldest databases are gone, and nothing is there for them to index.
        let pruned = Pruned::of(&self.store)?.bundles_from() / DATABASE_ENTRIES * DATABASE_ENTRIES;
        if pruned > 0 {
            covers.insert(0, 0..pruned);
        }
        Ok(covers)
    }

    /// Whether what was indexed is the beginning of this very log.
    fn is_ours(&self, state: &State) -> bool {
        state.origin == self.checkpoint.origin
            && state.upto <= self.checkpoint.size
            && edge_at(&self.reader, state.upto).is_ok_and(|edge| edge.root() == state.root)
    }

    fn dir(&self) -> PathBuf {
        self.store.dir().join(INDEX_DIR)
    }

    fn database(&self, first: u64) -> PathBuf {
        self.dir().join(format!("{first:020}"))
    }
}

/// The answer to a look-up, read chunk by chunk.
#[derive(Debug)]
pub struct Lookup<'a> {
    index: &'a Index,
    term: Term,
    chunk: u64,
    range: Range<u64>,
    open: Option<(u64, Database)>,
    found: std::vec::IntoIter<u64>,
}

impl Lookup<'_> {
    /// What the next chunk has.
    fn next_chunk(&mut self) -> Result<Vec<u64>, IndexError> {
        let first = self.chunk * CHUNK_ENTRIES / DATABASE_ENTRIES * DATABASE_ENTRIES;
        if self.open.as_ref().is_none_or(|(open, _)| *open != first) {
            // The one before goes first: one at a time.
            self.open = None;
            let path = self.index.database(first);
            if !path.is_dir() {
                // Pruned: nothing is there for it to name.
                self.chunk = (first + DATABASE_ENTRIES) / CHUNK_ENTRIES;
                return Ok(Vec::new());
            }
            self.open = Some((first, Database::open(&path)?));
        }
        let Some((_, database)) = &self.open else {
            return Ok(Vec::new());
        };
        let found = database.lookup(self.term, self.chunk)?;
        let base = self.chunk * CHUNK_ENTRIES;
        self.chunk += 1;
        let indexes = found.into_iter().map(|offset| base + u64::from(offset));
        Ok(indexes.filter(|index| self.range.contains(index)).collect())
    }
}

impl Iterator for Lookup<'_> {
    type Item = Result<u64, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(index) = self.found.next() {
                return Some(Ok(index));
            }
            if self.chunk.saturating_mul(CHUNK_ENTRIES) >= self.range.end {
                return None;
            }
            match self.next_chunk() {
                Ok(found) => self.found = found.into_iter(),
                Err(error) => {
                    self.range.end = 0;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Why an index cannot be built or read. It can always be removed and made again.
#[derive(Debug, Error)]
pub enum IndexError {
    /// A database cannot be opened, read or written.
    #[error("{}: {reason}; the indexes can be removed and made again", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The hash tiles do not make the root.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// A bundle is not as it was signed.
    #[error(transparent)]
    Bundle(#[from] RereadError),
    /// The minimum index.
    #[error(transparent)]
    Minimum(#[from] PrunedError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Tile(#[from] TileError),
}
