//! The store under the log, and the seam at which it may fail.
//!
//! A [`Journal`] takes a batch of drafts, lets the log stamp and hash them against the head it holds,
//! and makes them durable: when [`Journal::commit`] returns, the batch survives a power cut. Its shape
//! allows several brokers over one shared store: the journal owns the head, locks it, may decline
//! drafts by checks of its own, and only then calls the log's `seal`.
//!
//! [`TailAndStore`] is the journal of one broker: a synced tail is the commit point, sled takes the same
//! entries in bulk behind it. [`conformance`] is the suite that every journal must pass.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use proto::digest::{Digest, leaf_hash};
use proto::entry::{Draft, Entry, EntryError, Kind, Stamp};
use thiserror::Error;

use crate::tree::Edge;

mod base;
mod behind;
pub mod conformance;
pub(crate) mod letting_go;
mod recovery;
pub(crate) mod salvage;
mod stamping;
mod store;
mod tail;
mod tail_and_store;

#[cfg(test)]
mod tests;

pub use recovery::{Bundles, Recovery, RecoveryReport, StoreFound};
pub use stamping::stamp_batch;
pub(crate) use store::{guarded, open_database};
pub use tail::tail_size;
pub use tail_and_store::{Layout, TailAndStore};

/// Where a log stands: everything a writer must know to append.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Right edge of the tree over all entries.
    pub edge: Edge,
    /// Right edge of the tree over the registry entries alone.
    pub registry_edge: Edge,
    /// Stamp of the last entry, Unix microseconds; 0 in an empty log.
    pub last_recorded_at_us: u64,
}

impl Head {
    /// Entries in the log.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Registry entries in the log.
    pub fn registry_size(&self) -> u64 {
        self.registry_edge.size()
    }

    /// `u16+edge ‖ u16+registry edge ‖ u64 last_recorded_at_us`, big-endian, at most 4,124 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        for edge in [&self.edge, &self.registry_edge] {
            let bytes = edge.encode();
            // At most 2,056 bytes: one hash for each of 64 bits and the size.
            out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
            out.extend_from_slice(&bytes);
        }
        out.extend_from_slice(&self.last_recorded_at_us.to_be_bytes());
        out
    }

    /// Reads what [`Head::encode`] wrote. `None` for any other bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        fn edge(bytes: &[u8]) -> Option<(Edge, &[u8])> {
            let (len, rest) = bytes.split_first_chunk::<2>()?;
            let (edge, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            Some((Edge::decode(edge).ok()?, rest))
        }
        let (whole, rest) = edge(bytes)?;
        let (registry_edge, rest) = edge(rest)?;
        let last_recorded_at_us = u64::from_be_bytes(rest.try_into().ok()?);
        Some(Self {
            edge: whole,
            registry_edge,
            last_recorded_at_us,
        })
    }

    /// Follows one entry that was recorded before: hashes it, and checks that its stamp stands on
    /// this very head (registry size and root, time not going backwards).
    ///
    /// # Errors
    /// Why these bytes cannot be the entry after this head.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(), NotNext> {
        let kind = Kind::from_byte(*bytes.first().ok_or(EntryError::Truncated)?)?;
        let stamp = bytes.get(1..=Stamp::LEN).ok_or(EntryError::Truncated)?;
        let stamp = Stamp::decode(stamp)?;
        if stamp.registry_size != self.registry_size()
            || stamp.registry_root != self.registry_edge.root()
        {
            return Err(NotNext::Registry);
        }
        if stamp.recorded_at_us < self.last_recorded_at_us {
            return Err(NotNext::Time);
        }
        self.push(kind, leaf_hash(bytes), stamp.recorded_at_us);
        Ok(())
    }

    /// Passes an entry of which only the leaf hash is known: no registry entry, for those are kept.
    pub(crate) fn pass(&mut self, leaf: Digest) {
        self.edge.push(leaf);
    }

    /// Appends one leaf that is known to stand on this head.
    fn push(&mut self, kind: Kind, leaf: Digest, recorded_at_us: u64) {
        self.edge.push(leaf);
        if kind.is_registry() {
            self.registry_edge.push(leaf);
        }
        self.last_recorded_at_us = recorded_at_us;
    }
}

/// Why bytes are not the entry that follows a head.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotNext {
    /// They are no entry.
    #[error("{0}")]
    NoEntry(#[from] EntryError),
    /// The stamp names another registry than the one recorded before it.
    #[error("its stamp names another registry than the entries before it make")]
    Registry,
    /// The stamp is earlier than the one before it.
    #[error("its stamp is earlier than the stamp before it")]
    Time,
}

/// A draft that asks to be recorded.
#[derive(Clone, Debug)]
pub struct Admission {
    /// What to record.
    pub draft: Draft,
    /// The registry size that the decision in the draft was made against; `None` where nothing was decided.
    pub judged_registry: Option<u64>,
}

/// An entry as it was recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The stamped entry.
    pub entry: Entry,
    /// Its bytes, as hashed.
    pub bytes: Bytes,
    /// RFC 6962 leaf hash of the bytes.
    pub leaf: Digest,
}

/// Why a draft left its batch. Nothing of it was recorded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Declined {
    /// The registry moved between the decision and the record: decide again.
    #[error("the registry moved to size {size} after the decision was made")]
    RegistryMoved {
        /// Registry entries now.
        size: u64,
    },
    /// A part of the draft is over its limit.
    #[error("{0}")]
    TooLarge(EntryError),
}

/// A batch after stamping and hashing, one outcome per admission and in their order.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// What became of each admission.
    pub outcomes: Vec<Result<Recorded, Declined>>,
    /// The head after the recorded ones.
    pub head: Head,
}

/// What the log gives to [`Journal::commit`]: stamps and hashes `admissions` on the head it is shown.
pub type SealBatch<'a> = dyn FnMut(&Head, Vec<Admission>) -> Sealed + 'a;

/// A batch that is durable.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The head that the batch was appended to.
    pub before: Head,
    /// What became of each admission, in their order.
    pub outcomes: Vec<Result<Recorded, Declined>>,
    /// The head after the batch.
    pub head: Head,
}

/// How a journal stands; for metrics, and for the keeper to know when to work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Entries that are durable.
    pub size: u64,
    /// Commits since the journal was opened.
    pub commits: u64,
    /// Entries that [`Journal::keep`] has yet to move.
    pub behind_entries: u64,
    /// Bytes of those entries.
    pub behind_bytes: u64,
}

/// A part of a journal that newer parts and the published bundles have taken the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// The entries in it that no other part of the journal has.
    pub entries: Range<u64>,
    /// Its directory.
    pub path: PathBuf,
}

/// The store under the log. One writer commits, one keeper keeps, anyone reads.
///
/// Every error is final: the journal that returned one refuses all later commits, because after a
/// failed write or sync nobody knows what the disk holds until it is read again at the next start.
pub trait Journal: Send + Sync + fmt::Debug {
    /// Seals the batch on the current head and makes it durable, whole or not at all. An empty batch,
    /// and one whose drafts were all declined, writes nothing.
    ///
    /// # Errors
    /// The batch must then count as not recorded, and must not be acknowledged.
    fn commit(
        &self,
        drafts: Vec<Admission>,
        seal: &mut SealBatch<'_>,
    ) -> Result<Committed, JournalError>;

    /// Durable entries from `range.start` on, in order and without a gap, each with its index. Ends at
    /// `range.end`, at the head, or before `bytes_max` would be passed; gives at least one entry if
    /// the range holds one.
    ///
    /// # Errors
    /// The entries exist and cannot be read.
    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, JournalError>;

    /// The durable head.
    ///
    /// # Errors
    /// The head cannot be read.
    fn head(&self) -> Result<Head, JournalError>;

    /// Work behind the commit point, called again and again by one thread: whatever the journal keeps
    /// besides its commit point is brought up to date, and what `published` entries in tiles make
    /// unnecessary is let go. Nothing is acknowledged or lost by it.
    ///
    /// # Errors
    /// As final as those of [`Journal::commit`].
    fn keep(&self, published: u64) -> Result<(), JournalError> {
        let _ = published;
        Ok(())
    }

    /// Places that hold entries, are never read again, and may go once their bundles are known to be whole.
    ///
    /// # Errors
    /// They cannot be listed.
    fn superseded(&self) -> Result<Vec<Superseded>, JournalError> {
        Ok(Vec::new())
    }

    /// How the journal stands.
    fn statistics(&self) -> Statistics;
}

/// What broke under the log.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JournalError {
    /// A write or a sync failed. Never retried: the process must stop.
    #[error("{what}: {reason}; the log stops, because what the disk now holds is not known")]
    Io {
        /// What was being done, with its path.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// An earlier error ended this journal.
    #[error("the journal has stopped: {0}")]
    Stopped(String),
    /// What is on disk is not what was written.
    #[error("{0}")]
    Damaged(String),
    /// Opening would start the log shorter than what others hold, or lose entries.
    #[error("refusing to start: {0}")]
    Refused(String),
}

impl JournalError {
    /// An operation on `path` that failed.
    pub(crate) fn io(what: &str, path: &std::path::Path, error: impl fmt::Display) -> Self {
        Self::Io {
            what: format!("{what} {}", path.display()),
            reason: error.to_string(),
        }
    }
}
