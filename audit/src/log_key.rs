//! Whom a checkpoint is accepted from: a log's origin, the one key of it that the reader holds, and the keys that follow
//! or went before it, as far as their entries show.
//!
//! Takes a key as text, and entries of kind `log_key_succeeded` from wherever they come: each is sealed by both of its
//! keys, so whoever holds one key of a log needs nobody's word for the next. Gives the key that must stand under a
//! checkpoint of so many entries. Never forgets an entry, and never takes a second one in its place.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::act::LogKeySuccession;
use proto::digest::Digest;
use proto::entry::{Entry, EntryError, Kind};
use proto::key::PublicKey;
use proto::limits::LOG_KEY_OVERLAP_MS_MAX;
use proto::registry::FoldError;
use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::note::{NoteError, NoteKey};
use crate::tiles::{durable, read_bounded};

/// Name of the file beside `log.vkey` that holds the entries by which the log's key was followed by others.
pub const SUCCESSIONS_FILE: &str = "log.keys";
/// Bytes of that file at most, which is far more than a key a month for a century.
const SUCCESSIONS_BYTES_MAX: u64 = 1 << 20;

/// A log's origin and keys. Clones share what they learn.
#[derive(Clone)]
pub struct LogKey {
    held: NoteKey,
    known: Arc<Known>,
}

/// What was learnt beside the key that is held.
#[derive(Default)]
struct Known {
    /// In the order of the log; empty where the log has one key, or nobody showed more.
    successions: ArcSwap<Vec<Succession>>,
    /// Where it is kept.
    file: Option<PathBuf>,
    /// One learns at a time.
    learning: Mutex<()>,
}

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
    fn read(origin: &str, index: u64, bytes: &Bytes) -> Result<Self, SuccessionError> {
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
            () if act.size != index => Some(FoldError::OutOfPlace),
            () if act.overlap_until_ms > latest_ms => Some(FoldError::OverlapTooLong),
            () => None,
        };
        if let Some(fault) = fault {
            return Err(wrong(fault.into()));
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
    fn header(&self) -> Result<Bytes, SuccessionError> {
        let index = self.index;
        let what = |error: EntryError| SuccessionError::Entry {
            index,
            what: error.into(),
        };
        Ok(Entry::decode(&self.entry).map_err(what)?.header)
    }

    /// Whether it can come after `older`.
    fn is_after(&self, older: &Self) -> bool {
        let recorded_at_ms = Entry::decode(&self.entry).map(|entry| entry.stamp.recorded_at_ms());
        self.index > older.index
            && self.previous == older.next
            && recorded_at_ms.is_ok_and(|at_ms| at_ms >= older.overlap_until_ms)
    }
}

impl LogKey {
    /// A key of the log `origin`.
    ///
    /// # Errors
    /// [`CheckpointError::Note`] when `origin` cannot name a key or the key is not Ed25519.
    pub fn new(origin: &str, key: &PublicKey) -> Result<Self, CheckpointError> {
        Ok(Self::of(NoteKey::new(origin, key)?))
    }

    /// Reads vkey text; space around it is ignored, for it comes from files and forms.
    ///
    /// # Errors
    /// [`CheckpointError::Note`].
    pub fn from_vkey(text: &str) -> Result<Self, CheckpointError> {
        Ok(Self::of(NoteKey::from_vkey(text.trim())?))
    }

    fn of(held: NoteKey) -> Self {
        let known = Arc::new(Known::default());
        Self { held, known }
    }

    /// The same key, with what lies in `file`; from here on what is learnt is written there before it counts. No file is
    /// the same as an empty one.
    ///
    /// # Errors
    /// [`SuccessionError`].
    pub fn kept_in(&self, file: &Path) -> Result<Self, SuccessionError> {
        let kept = Self {
            held: self.held.clone(),
            known: Arc::new(Known {
                file: Some(file.to_owned()),
                ..Known::default()
            }),
        };
        kept.learn(&read(file)?, false)?;
        Ok(kept)
    }

    /// Learns what lies in the directory of a log, or of a copy of one, beside its `log.vkey`. Says whether it was new.
    ///
    /// # Errors
    /// [`CheckpointError::Keys`].
    pub fn follow_beside(&self, dir: &Path) -> Result<bool, CheckpointError> {
        let learnt = read(&dir.join(SUCCESSIONS_FILE)).and_then(|entries| self.follow(&entries));
        learnt.map_err(|error| CheckpointError::Keys(error.to_string()))
    }

    /// Learns from the entries by which this log's key was followed, from the first on, each with its index. Says whether
    /// something was new. Fewer than are known say nothing.
    ///
    /// # Errors
    /// [`SuccessionError`]; nothing was learnt then. [`SuccessionError::Contradicts`] is evidence against whoever holds
    /// the log's keys.
    pub fn follow(&self, entries: &[(u64, Bytes)]) -> Result<bool, SuccessionError> {
        self.learn(entries, true)
    }

    /// As [`LogKey::follow`], from entries that come without their indexes: each names its own.
    ///
    /// # Errors
    /// As [`LogKey::follow`].
    pub fn follow_entries(&self, entries: &[Bytes]) -> Result<bool, SuccessionError> {
        let at = |entry: &Bytes| {
            // One that does not say where it stands is refused as what it is.
            let header = Entry::decode(entry).map(|entry| entry.header);
            let act = header.map(|header| LogKeySuccession::open(&header));
            let index = act.ok().and_then(Result::ok).map_or(0, |act| act.size);
            (index, entry.clone())
        };
        self.follow(&entries.iter().map(at).collect::<Vec<_>>())
    }

    /// As [`LogKey::follow`], from one more entry after those that are known.
    ///
    /// # Errors
    /// As [`LogKey::follow`].
    pub fn follow_next(&self, index: u64, entry: &Bytes) -> Result<bool, SuccessionError> {
        let mut entries = self.entries();
        entries.retain(|(known, _)| *known < index);
        entries.push((index, entry.clone()));
        self.follow(&entries)
    }

    fn learn(&self, entries: &[(u64, Bytes)], write: bool) -> Result<bool, SuccessionError> {
        let _one_at_a_time = self
            .known
            .learning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = self.known.successions.load_full();
        for (have, (index, entry)) in known.iter().zip(entries) {
            if (have.index, &have.entry) == (*index, entry) {
                continue;
            }
            // What nobody sealed contradicts nothing; nor does the same act under another stamp, which no key sealed.
            let other = Succession::read(self.origin(), *index, entry)?;
            if other.previous != have.previous {
                return Err(SuccessionError::NotNext(*index));
            }
            if other.header()? != have.header()? {
                return Err(SuccessionError::Contradicts {
                    known: have.index,
                    other: other.index,
                });
            }
        }
        if entries.len() <= known.len() {
            return Ok(false);
        }
        let mut all = Vec::clone(&known);
        for (index, entry) in &entries[known.len()..] {
            let next = Succession::read(self.origin(), *index, entry)?;
            if all.last().is_some_and(|last| !next.is_after(last)) {
                return Err(SuccessionError::NotNext(*index));
            }
            all.push(next);
        }
        let own = |one: &Succession| one.previous == self.held || one.next == self.held;
        if !all.iter().any(own) {
            return Err(SuccessionError::OtherKey(self.to_vkey()));
        }
        if let Some(file) = self.known.file.as_ref().filter(|_| write) {
            write_file(file, &all)?;
        }
        self.known.successions.store(Arc::new(all));
        Ok(true)
    }

    /// The vkey text of the key that is held, without a line end.
    pub fn to_vkey(&self) -> String {
        self.held.to_vkey()
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        self.held.name()
    }

    /// The key that is held, as signed notes know it.
    pub fn note_key(&self) -> &NoteKey {
        &self.held
    }

    /// What is known of further keys, in the order of the log.
    pub fn successions(&self) -> Arc<Vec<Succession>> {
        self.known.successions.load_full()
    }

    /// The entries by which the key was followed, each with its index: what [`LogKey::follow`] takes.
    pub fn entries(&self) -> Vec<(u64, Bytes)> {
        let known = self.successions();
        let entries = known.iter().map(|one| (one.index, one.entry.clone()));
        entries.collect()
    }

    /// The key that must have signed a checkpoint of `size` entries, as far as is known.
    pub fn signer_of(&self, size: u64) -> NoteKey {
        let known = self.known.successions.load();
        let last = known.iter().rev().find(|one| one.index < size);
        let first = known.first().map(|one| &one.previous);
        last.map(|one| &one.next)
            .or(first)
            .unwrap_or(&self.held)
            .clone()
    }

    /// The key that signs now, as far as is known.
    pub fn newest(&self) -> NoteKey {
        self.signer_of(u64::MAX)
    }

    /// The key that entry 0 must name, as far as is known.
    pub fn first(&self) -> NoteKey {
        self.signer_of(0)
    }

    /// The key that signs a checkpoint of `size` entries, the last recorded at `recorded_at_ms`, beside
    /// [`LogKey::signer_of`].
    pub fn also_signs(&self, size: u64, recorded_at_ms: u64) -> Option<NoteKey> {
        let known = self.known.successions.load();
        let last = known.iter().rev().find(|one| one.index < size)?;
        let overlaps = last.overlaps(size, recorded_at_ms);
        overlaps.then(|| last.previous.clone())
    }

    /// Each key that no longer signs, held alone, with the index of the entry that ended it.
    pub fn ended(&self) -> Vec<(Self, u64)> {
        let known = self.known.successions.load();
        let alone = known
            .iter()
            .map(|one| (Self::of(one.previous.clone()), one.index));
        alone.collect()
    }

    /// Whether `other` holds one of the keys of this log.
    pub fn has(&self, other: &Self) -> bool {
        let known = self.known.successions.load();
        let in_chain = |one: &Succession| one.previous == other.held || one.next == other.held;
        self.held == other.held || known.iter().any(in_chain)
    }
}

/// Two readers of one log who hold the same key of it, whatever else they know.
impl PartialEq for LogKey {
    fn eq(&self, other: &Self) -> bool {
        self.held == other.held
    }
}

impl Eq for LogKey {}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.known.successions.load().len();
        write!(f, "LogKey({}, {more} followed)", self.to_vkey())
    }
}

/// The text of the file: a line for each, its index and the entry's bytes in base64.
pub fn successions_text(entries: &[(u64, Bytes)]) -> String {
    let line = |(index, entry): &(u64, Bytes)| format!("{index} {}\n", STANDARD.encode(entry));
    entries.iter().map(line).collect()
}

/// Reads that text. Nothing is verified yet.
///
/// # Errors
/// The number of the line that is not in its one form, from 1.
pub fn parse_successions(text: &[u8]) -> Result<Vec<(u64, Bytes)>, usize> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(1);
    };
    let mut entries = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let read = line.split_once(' ').and_then(|(index, entry)| {
            Some((index.parse().ok()?, STANDARD.decode(entry).ok()?.into()))
        });
        entries.push(read.ok_or(number)?);
    }
    // One form: no sign or leading zero, no line that was cut.
    if successions_text(&entries) == text {
        Ok(entries)
    } else {
        Err(entries.len().max(1))
    }
}

fn read(path: &Path) -> Result<Vec<(u64, Bytes)>, SuccessionError> {
    match read_bounded(path, SUCCESSIONS_BYTES_MAX) {
        Ok(text) => parse_successions(&text).map_err(|line| SuccessionError::Line {
            path: path.to_owned(),
            line,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(SuccessionError::Io {
            path: path.to_owned(),
            error,
        }),
    }
}

fn write_file(path: &Path, all: &[Succession]) -> Result<(), SuccessionError> {
    let entries: Vec<_> = all
        .iter()
        .map(|one| (one.index, one.entry.clone()))
        .collect();
    match durable::write_file(path, successions_text(&entries).as_bytes()) {
        Ok(()) => Ok(()),
        // Another process of the same home wrote it at the same moment.
        Err(_) if read(path).is_ok_and(|there| there == entries) => Ok(()),
        Err(error) => Err(SuccessionError::Io {
            path: path.to_owned(),
            error,
        }),
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

#[cfg(test)]
pub(crate) mod tests;
