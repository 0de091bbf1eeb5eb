//! The registry as the switch holds it: the fold of the log, published as lock-free snapshots.
//!
//! Takes acts that agencies, operators and the switch's own authority bring. Gives a snapshot that every
//! decision reads, and the recorded entries as encoded, for mirrors. Never records an act that the fold of
//! `proto` refuses, never changes a snapshot that somebody holds, and never publishes one that is not durable.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use audit::clock::Clock;
use audit::log::{AppendError, Appended, Log};
use bytes::Bytes;
use proto::entry::{Draft, Entry, Kind};
use proto::facts::{self, RegistryFacts};
use proto::registry::{Act, FoldError, Registry};
use proto::seal::Seal;
use thiserror::Error;
use tokio::sync::{Mutex, watch};
use tokio_util::task::TaskTracker;

pub mod issuing;
mod opening;

pub use opening::OpenError;

/// How much later than now an act is judged, milliseconds. The writer stamps it a little after it was judged;
/// an invitation that ends in between must not leave an entry that no replay can fold.
const JUDGED_AHEAD_MS: u64 = 30_000;

/// The registry of a running switch. Cheap to clone; all clones are one registry.
#[derive(Clone)]
pub struct RegistryHandle(Arc<Inner>);

struct Inner {
    snapshot: ArcSwap<Registry>,
    /// Registry entries in `snapshot`; set after it.
    size: watch::Sender<u64>,
    /// Log index and bytes of every registry entry, in order.
    entries: RwLock<Vec<(u64, Bytes)>>,
    log: Log,
    clock: Clock,
    /// One act is judged and recorded at a time: each is judged on what all earlier ones made.
    submitting: Mutex<()>,
    /// Acts under way. They end even when whoever sent them hangs up.
    tasks: TaskTracker,
}

impl RegistryHandle {
    /// The registry as of the last durable act. Lock-free; what it gives never changes.
    pub fn load(&self) -> Arc<Registry> {
        self.0.snapshot.load_full()
    }

    /// Resolves when the snapshot that [`RegistryHandle::load`] gives holds at least `size` registry entries.
    pub async fn reached(&self, size: u64) {
        let mut sizes = self.0.size.subscribe();
        // The sender lives in self, so this ends only when the size is reached.
        let _ = sizes.wait_for(|reached| *reached >= size).await;
    }

    /// The number of registry entries, as it grows: what mirrors wait on.
    pub fn sizes(&self) -> watch::Receiver<u64> {
        self.0.size.subscribe()
    }

    /// Recorded registry entries from the `from`-th on (counted among registry entries), at most `limit`,
    /// each with its index in the log.
    pub fn entries_from(&self, from: u64, limit: usize) -> Vec<(u64, Bytes)> {
        let entries = self
            .0
            .entries
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(from)
            .unwrap_or(usize::MAX)
            .min(entries.len());
        entries[from..].iter().take(limit).cloned().collect()
    }

    /// The log index of the registry entry with exactly this header and seal. Walks all entries: not for the way of
    /// an exchange.
    pub(crate) fn find(&self, kind: Kind, header: &Bytes, seal: &Seal) -> Option<u64> {
        let entries = self
            .0
            .entries
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().rev().find(|(_, bytes)| {
            bytes.first() == Some(&(kind as u8))
                && Entry::decode(bytes)
                    .is_ok_and(|entry| entry.header == *header && entry.seal.as_ref() == Some(seal))
        });
        found.map(|(index, _)| *index)
    }

    /// Judges an act by the fold, records it, and publishes the registry that it makes, in this order. Acts are
    /// taken one at a time. Once begun it goes on to its end, also when the caller no longer waits.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was recorded then, except with [`SubmitError::Diverged`].
    pub async fn submit(
        &self,
        kind: Kind,
        facts: RegistryFacts,
        header: Bytes,
        seal: Option<Seal>,
    ) -> Result<Appended, SubmitError> {
        self.record(Draft {
            kind,
            facts: facts::encode(&facts),
            header,
            seal,
        })
        .await
    }

    /// As [`RegistryHandle::submit`], with facts of whatever form its kind has.
    ///
    /// # Errors
    /// As [`RegistryHandle::submit`].
    pub(crate) async fn record(&self, draft: Draft) -> Result<Appended, SubmitError> {
        let inner = Arc::clone(&self.0);
        self.to_its_end(async move { inner.submit(draft).await })
            .await?
    }

    /// Runs `work` to its end, also when the caller no longer waits for it.
    ///
    /// # Errors
    /// [`SubmitError::Interrupted`] when the process ends first.
    pub(crate) async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, SubmitError> {
        self.0
            .tasks
            .spawn(work)
            .await
            .map_err(|_| SubmitError::Interrupted)
    }

    /// What the registry would be after `acts`, judged as [`RegistryHandle::submit`] would judge them now.
    /// Records nothing: for a request of several acts that must stand together or not at all.
    ///
    /// # Errors
    /// The first act's [`FoldError`].
    pub fn rehearse(&self, acts: &[(Kind, &Bytes, &Seal)]) -> Result<Registry, FoldError> {
        let mut registry = Registry::clone(&self.load());
        for (kind, header, seal) in acts {
            registry.apply_act(Act {
                index: u64::MAX,
                recorded_at_ms: self.0.judged_at_ms(),
                kind: *kind,
                facts: &[],
                header,
                seal: Some(seal),
            })?;
        }
        Ok(registry)
    }

    /// Unix time, milliseconds, of the one clock.
    pub(crate) fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }

    /// Waits for the acts under way. Called after the last caller is gone.
    pub(crate) async fn finish(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    async fn submit(&self, draft: Draft) -> Result<Appended, SubmitError> {
        let _one_at_a_time = self.submitting.lock().await;
        let before = self.snapshot.load_full();
        self.judge(&before, &draft)?;
        let appended = self.log.append(draft, Some(before.size())).await?;
        // The stamp is known only now; the published registry is the fold of the entry as recorded.
        let diverged = |fault: FoldError| SubmitError::Diverged {
            index: appended.index,
            fault,
        };
        let mut after = Registry::clone(&before);
        after
            .apply(appended.index, &appended.entry)
            .map_err(diverged)?;
        let bytes = appended
            .entry
            .encode()
            .map_err(|error| diverged(error.into()))?;
        self.publish(after, appended.index, bytes);
        Ok(appended)
    }

    fn publish(&self, registry: Registry, index: u64, bytes: Bytes) {
        let size = registry.size();
        self.entries
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push((index, bytes));
        self.snapshot.store(Arc::new(registry));
        self.size.send_replace(size);
    }

    /// An act must stand now and when the writer stamps it: a replaced key counts by the time of recording.
    fn judge(&self, before: &Registry, draft: &Draft) -> Result<(), FoldError> {
        for recorded_at_ms in [self.clock.now_ms(), self.judged_at_ms()] {
            Registry::clone(before).apply_act(Act {
                index: self.log.head().size(),
                recorded_at_ms,
                kind: draft.kind,
                facts: &draft.facts,
                header: &draft.header,
                seal: draft.seal.as_ref(),
            })?;
        }
        Ok(())
    }

    fn judged_at_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add(JUDGED_AHEAD_MS)
    }
}

impl fmt::Debug for RegistryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegistryHandle({} entries)", self.load().size())
    }
}

/// Why an act was not recorded.
#[derive(Clone, Debug, Error)]
pub enum SubmitError {
    /// The fold refuses it.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The log did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It was recorded and then does not fold: its commit took longer than the switch judges ahead.
    #[error("entry {index} was recorded but does not fold ({fault}); the switch must stop")]
    Diverged {
        /// The entry.
        index: u64,
        /// What the fold said.
        fault: FoldError,
    },
    /// The switch is being torn down.
    #[error("the switch is stopping; the act may or may not have been recorded")]
    Interrupted,
}

#[cfg(test)]
mod tests;
