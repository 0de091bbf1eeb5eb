//! Where to look: from an exchange, agency, system, service, purpose, hour, key, clerk, person or case to the indexes of
//! the entries that name it.
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

use self::database::State;
use crate::checkpoint::Checkpoint;
use crate::tiles::copies::Copies;
use crate::tiles::proven::{ProvenTiles, Unproven};
use crate::tiles::reread::RereadError;
use crate::tiles::{Pruned, PrunedError, TILE_WIDTH, TileError, TileReader, TileStore};
use crate::tree::edge_at;

mod build;
mod database;
mod lookup;
mod postings;
#[cfg(test)]
mod tests;

pub use lookup::{LookedUp, Lookup};

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
    /// Entries that are not in their one form, so that nobody can say what they name.
    Unread = 10,
    /// The case, as its consumer commits to it.
    Case = 11,
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

    /// Entries of exchanges of the case with this commitment.
    pub fn case(commitment: &Digest) -> Self {
        Self::of(Dimension::Case, commitment.as_bytes())
    }

    /// Entries that are not in their one form: whoever reads everything meets them, so whoever looks up must, too.
    pub fn unread() -> Self {
        Self::of(Dimension::Unread, &[])
    }
}

/// The indexes of one log directory.
#[derive(Debug)]
pub struct Index {
    store: TileStore,
    checkpoint: Checkpoint,
    reader: TileReader,
    /// Databases that are there and do not count.
    ignored: usize,
    /// What each database covers, by its first index.
    covers: Vec<Range<u64>>,
    /// Below this index databases may be gone, because the bundles are: whole databases.
    pruned: u64,
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
            ignored: 0,
            covers: Vec::new(),
            pruned: 0,
        };
        // Of a pruned log the oldest databases are gone, and nothing is there for them to index.
        index.pruned =
            Pruned::of(&index.store)?.bundles_from() / DATABASE_ENTRIES * DATABASE_ENTRIES;
        (index.covers, index.ignored) = index.states()?;
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
                (self.covers, self.ignored) = self.states()?;
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
        self.places(vec![vec![term]], range)
    }

    /// The same of entries that name at least one term of each list. One look-up at a time: its databases are locked.
    pub fn places(&self, wanted: Vec<Vec<Term>>, range: Range<u64>) -> Lookup<'_> {
        Lookup::new(self, wanted, range)
    }

    /// Databases that are there and count for nothing: damaged, of another log or history, or of another version.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// What the databases that are of this log cover, ascending, and how many others there are.
    fn states(&self) -> Result<(Vec<Range<u64>>, usize), IndexError> {
        let dir = self.dir();
        let failed = |error| TileError::io(&dir, error);
        let names = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            names => names.map_err(failed)?,
        };
        let (mut covers, mut ignored) = (Vec::new(), 0);
        for name in names {
            let path = name.map_err(failed)?.path();
            if let Some(state) = State::read(&path)
                && self.is_ours(&state)
            {
                covers.push(state.first..state.upto);
            } else {
                ignored += 1;
            }
        }
        covers.sort_by_key(|range| range.start);
        if self.pruned > 0 {
            covers.insert(0, 0..self.pruned);
        }
        Ok((covers, ignored))
    }

    /// Whether what was indexed is the beginning of this very log.
    fn is_ours(&self, state: &State) -> bool {
        state.origin == self.checkpoint.origin
            && state.upto <= self.checkpoint.size
            && edge_at(&self.reader, state.upto).is_ok_and(|edge| edge.root() == state.root)
    }

    /// Up to which index the database that begins at `first` reaches.
    fn covered(&self, first: u64) -> u64 {
        let range = self.covers.iter().find(|range| range.contains(&first));
        range.map_or(first, |range| range.end)
    }

    /// Whether the database that begins at `first` went with its bundles.
    fn is_pruned(&self, first: u64) -> bool {
        self.pruned > first
    }

    fn dir(&self) -> PathBuf {
        self.store.dir().join(INDEX_DIR)
    }

    fn database(&self, first: u64) -> PathBuf {
        self.dir().join(format!("{first:020}"))
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
