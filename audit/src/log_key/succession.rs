//! One entry by which a log's key was followed by the next: read strictly, both seals verified.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use proto::act::LogKeySuccession;
use proto::digest::Digest;
use proto::entry::{Entry, EntryError, Kind};
use proto::key::PublicKey;
use proto::limits::LOG_KEY_OVERLAP_MS_MAX;
use proto::registry::{FoldError, LogKeyFault};
use thiserror::Error;

use crate::note::{NoteError, NoteKey};

/// A log's key followed by the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Index of its entry: a checkpoint of more entries is signed by the next key.
    pub index: u64,
    /// Root of the tree over the entries before it, as both keys sealed it.
    pub root: Digest,
    /// The key up to here.
    pub previous: NoteKey,
    /// The key from here on.
    pub next: NoteKey,
    /// Unix time, milliseconds: a checkpoint whose last entry was recorded before it is signed by both.
    pub overlap_until_ms: u64,
    /// The entry's bytes.
    pub entry: Bytes,
}

impl Succession {
    /// Whether both keys sign a checkpoint of `size` entries of which the last was recorded at `recorded_at_ms`.
    pub fn overlaps(&self, size: u64, recorded_at_ms: u64) -> bool {
        self.index < size && recorded_at_ms < self.overlap_until_ms
    }

    /// Reads entry `index` of the log `origin`, and verifies both seals.
    pub(super) fn read(origin: &str, index: u64, bytes: &Bytes) -> Result<Self, SuccessionError> {
        let wrong = |what: Wrong| SuccessionError::Entry { index, what };
        let entry = Entry::decode(bytes).map_err(|error| wrong(error.into()))?;
        if entry.kind != Kind::LogKeySucceeded {
            return Err(wrong(Wrong::Kind(entry.kind.name())));
        }
        let seal = entry.seal.as_ref();
        let act = LogKeySuccession::proven(origin, &entry.header, seal, &entry.facts)
            .map_err(|error| wrong(error.into()))?;
        let latest_ms = entry
            .stamp
            .recorded_at_ms()
            .saturating_add(LOG_KEY_OVERLAP_MS_MAX);
        let fault = match () {
            () if act.size != index => Some(LogKeyFault::OutOfPlace),
            () if act.overlap_until_ms > latest_ms => Some(LogKeyFault::OverlapTooLong),
            () => None,
        };
        if let Some(fault) = fault {
            return Err(wrong(FoldError::from(fault).into()));
        }
        let named =
            |key: &PublicKey| NoteKey::new(origin, key).map_err(|error| wrong(error.into()));
        Ok(Self {
            index,
            root: act.root,
            previous: named(&act.previous)?,
            next: named(&act.key)?,
            overlap_until_ms: act.overlap_until_ms,
            entry: bytes.clone(),
        })
    }

    /// What both keys sealed.
    pub(super) fn header(&self) -> Result<Bytes, SuccessionError> {
        let index = self.index;
        let what = |error: EntryError| SuccessionError::Entry {
            index,
            what: error.into(),
        };
        Ok(Entry::decode(&self.entry).map_err(what)?.header)
    }

    /// Whether it can come after `older`.
    pub(super) fn is_after(&self, older: &Self) -> bool {
        let recorded_at_ms = Entry::decode(&self.entry).map(|entry| entry.stamp.recorded_at_ms());
        self.index > older.index
            && self.previous == older.next
            && recorded_at_ms.is_ok_and(|at_ms| at_ms >= older.overlap_until_ms)
    }
}

/// Why entries do not lead from one key of a log to another.
#[derive(Debug, Error)]
pub enum SuccessionError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A line of the file is not an index and an entry.
    #[error("{}: line {line} is not an index and the base64 of an entry; take the file from another copy of the log", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// An entry that rotates no log key.
    #[error("entry {index} does not rotate this log's key: {what}")]
    Entry {
        /// Its index.
        index: u64,
        /// Why.
        what: Wrong,
    },
    /// It does not follow the one before it.
    #[error(
        "entry {0} does not follow the log key before it, or came while that one was still in its overlap"
    )]
    NotNext(u64),
    /// None of them is of the key that is held.
    #[error("none of the entries that rotate the log's key is about {0}")]
    OtherKey(String),
    /// One key was followed twice.
    #[error(
        "the log's key was followed by another at entry {known}, and differently at entry {other}: two histories under one key"
    )]
    Contradicts {
        /// What was known.
        known: u64,
        /// What came now.
        other: u64,
    },
}

/// What is wrong with an entry.
#[derive(Debug, Error)]
pub enum Wrong {
    /// Its bytes.
    #[error(transparent)]
    Bytes(#[from] EntryError),
    /// Its kind.
    #[error("it is of kind {0}")]
    Kind(&'static str),
    /// Its content or one of its seals.
    #[error(transparent)]
    Act(#[from] FoldError),
    /// The origin cannot name a key.
    #[error(transparent)]
    Key(#[from] NoteError),
}
