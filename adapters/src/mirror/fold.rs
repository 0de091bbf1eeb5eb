//! The mirror's own fold: entry after entry, with the registry tree's root at every size.
//!
//! Takes entries as the switch streams them. Gives a registry that this adapter computed itself, or
//! the lie that it found. Never asks anybody; the network is the parent's.

use audit::checkpoint::{LogKey, SuccessionError};
use audit::tree::Edge;
use bytes::Bytes;
use proto::digest::{Digest, leaf_hash};
use proto::entry::{Entry, EntryError, Kind};
use proto::registry::{FoldError, Registry};
use thiserror::Error;

/// The fold so far.
#[derive(Debug)]
pub(super) struct Fold {
    genesis: Digest,
    log_key: LogKey,
    registry: Registry,
    edge: Edge,
    last_index: Option<u64>,
}

impl Fold {
    /// Before entry 0 of the log that `genesis` and `log_key` pin.
    pub(super) fn new(genesis: Digest, log_key: LogKey) -> Self {
        Self {
            genesis,
            log_key,
            registry: Registry::empty(),
            edge: Edge::new(),
            last_index: None,
        }
    }

    /// The registry so far.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How many entries the log has at least: one more than the last registry entry's index.
    pub(super) fn log_size(&self) -> u64 {
        self.last_index.map_or(0, |index| index.saturating_add(1))
    }

    /// Folds the next registry entry, and gives the tree's root after it.
    pub(super) fn push(&mut self, index: u64, bytes: &Bytes) -> Result<Digest, Lie> {
        let size = self.edge.size();
        if self.last_index.map_or(index != 0, |last| index <= last) {
            return Err(Lie::Order { size, index });
        }
        let entry = Entry::decode(bytes).map_err(|cause| Lie::Entry { index, cause })?;
        // The writer stamped it against the very registry that we hold, or one of the two is false.
        if entry.stamp.registry_size != size || entry.stamp.registry_root != self.edge.root() {
            return Err(Lie::Stamp { index });
        }
        self.registry
            .apply(index, &entry)
            .map_err(|cause| Lie::Fold { index, cause })?;
        if size == 0 {
            self.pinned()?;
        }
        if entry.kind == Kind::LogKeySucceeded {
            self.follow_log_key(index, bytes)?;
        }
        self.edge.push(leaf_hash(bytes));
        self.last_index = Some(index);
        Ok(self.edge.root())
    }

    /// The log's next key, which the fold has judged, must be the one that this home was shown, if it was.
    fn follow_log_key(&self, index: u64, bytes: &Bytes) -> Result<(), Lie> {
        match self.log_key.follow_next(index, bytes) {
            Ok(_) => Ok(()),
            // The watch over checkpoints tries again, and says so where it must give up.
            Err(cause @ SuccessionError::Io { .. }) => {
                tracing::error!(%cause, "the log's next key could not be written down");
                Ok(())
            }
            Err(cause) => Err(Lie::LogKey {
                index,
                cause: cause.to_string(),
            }),
        }
    }

    /// Entry 0 is the one that enrolment pinned, and its log key is ours.
    fn pinned(&self) -> Result<(), Lie> {
        let same_log = self.registry.genesis().is_some_and(|genesis| {
            genesis.origin == self.log_key.origin()
                && genesis.log_key == *self.log_key.first().public()
        });
        if self.registry.genesis_sha256() == self.genesis && same_log {
            Ok(())
        } else {
            Err(Lie::OtherLog)
        }
    }
}

/// What an honest switch never streams.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Lie {
    /// Entry 0 is of another log.
    #[error("entry 0 is not the one that this adapter enrolled with")]
    OtherLog,
    /// Indexes go backwards, or the first is not 0.
    #[error("registry entry {size} has log index {index}, which is not after the one before it")]
    Order {
        /// Its place in the registry.
        size: u64,
        /// Its place in the log.
        index: u64,
    },
    /// Not an entry.
    #[error("entry {index}: {cause}")]
    Entry {
        /// Its place in the log.
        index: u64,
        /// Why.
        cause: EntryError,
    },
    /// Stamped against another registry.
    #[error("entry {index} is stamped against another registry than the one streamed before it")]
    Stamp {
        /// Its place in the log.
        index: u64,
    },
    /// The log's next key is not the one that this home was shown before.
    #[error("entry {index}: {cause}")]
    LogKey {
        /// Its place in the log.
        index: u64,
        /// Why.
        cause: String,
    },
    /// It may not stand in the registry.
    #[error("entry {index}: {cause}")]
    Fold {
        /// Its place in the log.
        index: u64,
        /// Why.
        cause: FoldError,
    },
}
