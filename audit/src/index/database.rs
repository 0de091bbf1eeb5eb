//! One index database: sled, and beside it a plain file that says how far it reaches.
//!
//! The key is `dimension u8 ‖ bucket u8 ‖ chunk u64`, big-endian; the bucket is the first byte of a term's hash. Under
//! dimension 0 stands which buckets each chunk has and how far it was indexed, so that a value that is gone, or older than
//! what `state` says, is an error and not an answer. The file `state` is written only after what it speaks of is durable,
//! and tells more without sled being opened.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use proto::Digest;

use super::postings;
use super::{IndexError, Term};
use crate::journal::{guarded, open_database};
use crate::tiles::{TileError, durable, read_bounded};

/// Name of the plain file.
const STATE_FILE: &str = "state";
const STATE_BYTES_MAX: u64 = 1_024;
/// First line of the file.
const FORMAT: &str = "mohawel index 3";
/// sled's page cache, bytes.
const CACHE_BYTES: u64 = 16 << 20;

/// How far a database reaches, and of which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) origin: String,
    pub(super) first: u64,
    pub(super) upto: u64,
    /// The root over the first `upto` entries.
    pub(super) root: Digest,
}

impl State {
    /// Reads the file of the database at `path`; anything but its one form is none.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let bytes = read_bounded(&path.join(STATE_FILE), STATE_BYTES_MAX).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let format = lines.next()?;
        let state = Self {
            origin: lines.next()?.to_owned(),
            first: lines.next()?.parse().ok()?,
            upto: lines.next()?.parse().ok()?,
            root: Digest::from_hex(lines.next()?)?,
        };
        let name = path.file_name()?.to_str()?;
        let fits = format == FORMAT && name == format!("{:020}", state.first);
        (fits && state.text() == text).then_some(state)
    }

    /// Writes the file, durably.
    pub(super) fn write(&self, path: &Path) -> Result<(), TileError> {
        let file = path.join(STATE_FILE);
        durable::write_file(&file, self.text().as_bytes())
            .map_err(|error| TileError::io(&file, error))
    }

    fn text(&self) -> String {
        format!(
            "{FORMAT}\n{}\n{}\n{}\n{}\n",
            self.origin,
            self.first,
            self.upto,
            hex::encode(self.root.as_bytes())
        )
    }
}

/// An open database.
pub(super) struct Database {
    path: PathBuf,
    tree: sled::Db,
}

impl fmt::Debug for Database {
    /// Where it is. sled's own form prints everything in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.path.display())
    }
}

impl Database {
    /// Opens the database at `path`, or begins one.
    pub(super) fn open(path: &Path) -> Result<Self, IndexError> {
        let failed = |reason: String| IndexError::Database {
            path: path.to_owned(),
            reason,
        };
        durable::create_dirs(path).map_err(|error| failed(error.to_string()))?;
        let tree = guarded(|| open_database(path, CACHE_BYTES)).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            tree,
        })
    }

    /// Removes whatever stands at `path`.
    pub(super) fn remove(path: &Path) -> Result<(), IndexError> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(TileError::io(path, error).into())
            }
            _ => Ok(()),
        }
    }

    /// Puts the terms of one chunk in, durably: pairs of a term and an offset in the chunk, in any order, of all its
    /// entries below index `upto`.
    pub(super) fn put(
        &self,
        chunk: u64,
        upto: u64,
        mut pairs: Vec<(Term, u32)>,
    ) -> Result<(), IndexError> {
        pairs.sort_unstable();
        pairs.dedup();
        let mut batch = sled::Batch::default();
        let mut buckets = Buckets::new(upto);
        let bucket = |term: &Term| (term.dimension, (term.hash >> 56) as u8);
        for group in pairs.chunk_by(|a, b| bucket(&a.0) == bucket(&b.0)) {
            let hashes: Vec<(u64, u32)> = group
                .iter()
                .map(|(term, offset)| (term.hash, *offset))
                .collect();
            batch.insert(&key(group[0].0, chunk), postings::encode(&hashes));
            buckets.set(group[0].0);
        }
        batch.insert(&buckets_key(chunk), buckets.encode());
        let failed = |reason: String| self.failed(reason);
        guarded(|| {
            self.tree.apply_batch(batch).map_err(|e| e.to_string())?;
            self.tree.flush().map_err(|e| e.to_string())?;
            // sled's own flush does not reach the disk: see the journal's store.
            let db = File::open(self.path.join("db")).map_err(|e| e.to_string())?;
            db.sync_data().map_err(|e| e.to_string())
        })
        .map_err(failed)
    }

    /// What is held of `chunk`, of which the entries below index `upto` must have been indexed.
    pub(super) fn chunk(&self, chunk: u64, upto: u64) -> Result<Chunk<'_>, IndexError> {
        let buckets = self.get(&buckets_key(chunk))?;
        let buckets = buckets.and_then(|value| Buckets::decode(&value));
        match buckets {
            Some(buckets) if buckets.upto() >= upto => Ok(Chunk {
                database: self,
                number: chunk,
                buckets,
            }),
            _ => Err(self.damaged(chunk)),
        }
    }

    fn damaged(&self, chunk: u64) -> IndexError {
        self.failed(format!(
            "what it holds of chunk {chunk} is missing or damaged"
        ))
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, IndexError> {
        guarded(|| self.tree.get(key).map_err(|e| e.to_string()))
            .map_err(|reason| self.failed(reason))
    }

    fn failed(&self, reason: String) -> IndexError {
        IndexError::Database {
            path: self.path.clone(),
            reason,
        }
    }
}

/// One chunk of an open database.
pub(super) struct Chunk<'a> {
    database: &'a Database,
    number: u64,
    buckets: Buckets,
}

impl Chunk<'_> {
    /// Offsets in the chunk of entries that name `term`, ascending.
    pub(super) fn lookup(&self, term: Term) -> Result<Vec<u32>, IndexError> {
        if !self.buckets.has(term) {
            return Ok(Vec::new());
        }
        let value = self.database.get(&key(term, self.number))?;
        let found = value.and_then(|value| postings::find(&value, term.hash));
        found.ok_or_else(|| self.database.damaged(self.number))
    }
}

fn key(term: Term, chunk: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[0] = term.dimension as u8;
    key[1] = (term.hash >> 56) as u8;
    key[2..].copy_from_slice(&chunk.to_be_bytes());
    key
}

fn buckets_key(chunk: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[2..].copy_from_slice(&chunk.to_be_bytes());
    key
}

/// Which buckets of which dimensions a chunk has: 256 bits a dimension, then up to which index the chunk was indexed
/// (u64, big-endian), then a CRC-32C.
struct Buckets([u8; Self::LEN]);

impl Buckets {
    const DIMENSIONS: usize = 11;
    const BITS: usize = Self::DIMENSIONS * 32;
    const LEN: usize = Self::BITS + 8;

    fn new(upto: u64) -> Self {
        let mut buckets = [0; Self::LEN];
        buckets[Self::BITS..].copy_from_slice(&upto.to_be_bytes());
        Self(buckets)
    }

    fn upto(&self) -> u64 {
        let mut upto = [0; 8];
        upto.copy_from_slice(&self.0[Self::BITS..]);
        u64::from_be_bytes(upto)
    }

    fn place(term: Term) -> (usize, u8) {
        let bucket = (term.hash >> 56) as usize;
        // Dimensions count from 1.
        let first = (term.dimension as usize - 1) * 32;
        (first + bucket / 8, 1 << (bucket % 8))
    }

    fn set(&mut self, term: Term) {
        let (at, bit) = Self::place(term);
        self.0[at] |= bit;
    }

    fn has(&self, term: Term) -> bool {
        let (at, bit) = Self::place(term);
        self.0[at] & bit != 0
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = self.0.to_vec();
        out.extend_from_slice(&crc32c::crc32c(&self.0).to_be_bytes());
        out
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let (bytes, crc) = value.split_last_chunk::<4>()?;
        let bytes = <[u8; Self::LEN]>::try_from(bytes).ok()?;
        (crc32c::crc32c(&bytes) == u32::from_be_bytes(*crc)).then_some(Self(bytes))
    }
}
