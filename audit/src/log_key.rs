//! Whom a checkpoint is accepted from: a log's origin, the one key of it that the reader holds, and the keys that follow
//! or went before it, as far as their entries show.
//!
//! Takes a key as text, and entries of kind `log_key_succeeded` from wherever they come: each is sealed by both of its
//! keys, so whoever holds one key of a log needs nobody's word for the next. Gives the key that must stand under a
//! checkpoint of so many entries. Never forgets an entry, and never takes a second one in its place.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use proto::act::LogKeySuccession;
use proto::entry::Entry;
use proto::key::PublicKey;

use crate::checkpoint::CheckpointError;
use crate::note::NoteKey;

mod kept;
mod succession;

pub use kept::{SUCCESSIONS_FILE, parse_successions, successions_text};
pub use succession::{Succession, SuccessionError, Wrong};

use kept::{read, write_file};

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
        self.look_at_signer(size, NoteKey::clone)
    }

    /// Whether that key is `key`, which names the log, too.
    pub fn has_signer(&self, size: u64, key: &NoteKey) -> bool {
        self.look_at_signer(size, |signer| signer == key)
    }

    fn look_at_signer<T>(&self, size: u64, look: impl FnOnce(&NoteKey) -> T) -> T {
        let known = self.known.successions.load();
        let last = known.iter().rev().find(|one| one.index < size);
        let first = known.first().map(|one| &one.previous);
        look(last.map(|one| &one.next).or(first).unwrap_or(&self.held))
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

    /// The same log, held by the key that signs a checkpoint of `size` entries.
    #[must_use]
    pub fn held_at(&self, size: u64) -> Self {
        Self {
            held: self.signer_of(size),
            known: Arc::clone(&self.known),
        }
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

#[cfg(test)]
pub(crate) mod tests;
