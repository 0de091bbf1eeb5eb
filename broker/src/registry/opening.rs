//! The registry at start: every registry entry of the log, folded in order, one chunk in memory at a time.

use std::sync::{Arc, RwLock};

use arc_swap::ArcSwap;
use audit::clock::Clock;
use audit::log::{Log, LogError};
use bytes::Bytes;
use proto::entry::{Entry, EntryError, Kind};
use proto::registry::{FoldError, Registry};
use thiserror::Error;
use tokio::sync::{Mutex, watch};
use tokio_util::task::TaskTracker;

use super::{Inner, RegistryHandle};

impl RegistryHandle {
    /// Folds the whole log and keeps its registry entries.
    ///
    /// # Errors
    /// [`OpenError`]: a switch must not start on a log whose registry does not fold.
    pub async fn open(log: Log, clock: Clock) -> Result<Self, OpenError> {
        let mut registry = Registry::empty();
        let mut entries = Vec::new();
        let end = log.head().size();
        // Below it only registry entries are kept, and those are all that matters here.
        let pruned = log.minimum_index();
        let mut next = 0;
        while next < end {
            let chunk = log.entries(next..end).await?;
            // Never empty inside the log; without this a broken store would loop for ever.
            if chunk.is_empty() {
                return Err(OpenError::Gap {
                    expected: next,
                    found: end,
                });
            }
            for (index, bytes) in chunk {
                if index < next || index > next.max(pruned) {
                    return Err(OpenError::Gap {
                        expected: next,
                        found: index,
                    });
                }
                next = index + 1;
                follow(&mut registry, &mut entries, index, &bytes)?;
            }
        }
        if registry.genesis().is_none() {
            return Err(OpenError::NoGenesis);
        }
        let expected = log.head().registry_size();
        if registry.size() != expected {
            return Err(OpenError::Size {
                folded: registry.size(),
                expected,
            });
        }
        let (size, _) = watch::channel(registry.size());
        Ok(Self(Arc::new(Inner {
            snapshot: ArcSwap::from_pointee(registry),
            size,
            entries: RwLock::new(entries),
            log,
            clock,
            submitting: Mutex::new(()),
            tasks: TaskTracker::new(),
        })))
    }
}

fn follow(
    registry: &mut Registry,
    entries: &mut Vec<(u64, Bytes)>,
    index: u64,
    bytes: &Bytes,
) -> Result<(), OpenError> {
    let unreadable = |error| OpenError::Entry { index, error };
    let kind = Kind::from_byte(*bytes.first().ok_or(unreadable(EntryError::Truncated))?)
        .map_err(unreadable)?;
    if kind.is_registry() {
        let entry = Entry::decode(bytes).map_err(unreadable)?;
        registry
            .apply(index, &entry)
            .map_err(|fault| OpenError::Fold { index, fault })?;
        // A copy, so that a kept entry does not hold the whole chunk that it was read with.
        entries.push((index, Bytes::copy_from_slice(bytes)));
    }
    Ok(())
}

/// Why the registry of a log cannot be served.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The log has no entry 0, or it is not a genesis.
    #[error("the log has no genesis; found it first with `mohawel init`")]
    NoGenesis,
    /// Entries are missing.
    #[error("entry {expected} of the log is missing: the next one read is {found}")]
    Gap {
        /// The index that should have come.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// The log's head and its entries disagree.
    #[error("the log holds {folded} registry entries, its head says {expected}")]
    Size {
        /// Entries folded.
        folded: u64,
        /// Entries by the head.
        expected: u64,
    },
    /// An entry cannot be read.
    #[error("entry {index} cannot be read: {error}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        error: EntryError,
    },
    /// An entry does not fold: this log is not one that an honest switch wrote.
    #[error(
        "entry {index} may not stand in the registry ({fault}); run `mohawel audit verify` on the log"
    )]
    Fold {
        /// Its index.
        index: u64,
        /// What the fold said.
        fault: FoldError,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_a_kind_that_this_version_does_not_know_is_not_guessed_at() {
        let mut registry = Registry::empty();
        let mut entries = Vec::new();
        // A newer broker's kind, registry or not: nobody here can say what it changed.
        let newer = Bytes::from_static(&[31, 0, 0, 0]);
        let refused = follow(&mut registry, &mut entries, 7, &newer).unwrap_err();
        assert!(
            matches!(
                refused,
                OpenError::Entry {
                    index: 7,
                    error: EntryError::UnknownKind(31)
                }
            ),
            "{refused}"
        );
        assert!(entries.is_empty());
    }
}
