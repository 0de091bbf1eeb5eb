//! The log: where a draft becomes an entry that nobody can take back.
//!
//! [`Log::append`] takes a draft and gives back the stamped entry with its receipt, once it is durable and
//! signed. Two threads stand behind it: the writer records, the keeper feeds the store and publishes. (A third, the
//! sweeper, does what nobody waits for; and a draft that is alone is recorded without waking the writer.) When
//! either fails the log stops for good: nothing is acknowledged after that, [`Log::stopped`] says why, and
//! the process must end and start again.
//!
//! A log's directory: `lock`, `log.vkey`, `log.keys`, `checkpoint`, `tile/`, and the journal's `tail/` and `store/`.

use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use bytes::Bytes;
use proto::digest::Digest;
use proto::entry::{Draft, Entry, EntryError};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use self::alone::Relief;
use self::commits::Commits;
use self::keeper::Call;
use self::queue::{Queue, Rejected};
use self::signers::Signers;
use self::writer::{Recorder, Waiting};
use crate::checkpoint::{CheckpointError, LogKey, SignedCheckpoint, SuccessionError};
use crate::journal::{
    Admission, Declined, Head, Journal, JournalError, RecoveryReport, Statistics,
};
use crate::note::NoteSignature;
use crate::receipt::Receipt;
use crate::tiles::published::PublishError;
use crate::tiles::{Pruned, PrunedError, TileError, TileReader, TileStore};
use crate::timestamp::kept::Kept;
use crate::tree::TreeHead;

mod alone;
mod commits;
mod config;
mod directory;
mod ending;
mod keeper;
mod queue;
mod reading;
mod signers;
mod start;
mod sweeper;
mod writer;

#[cfg(test)]
mod tests;

pub use commits::{COMMIT_BOUNDS, CommitCounts};
pub use config::Config;
pub(crate) use directory::{bundles, lock_to_change};
pub use reading::{READ_BYTES_MAX, READ_ENTRIES_MAX};

/// An entry that is durable and signed for.
#[derive(Clone, Debug)]
pub struct Appended {
    /// Its index in the log.
    pub index: u64,
    /// The entry as stamped and recorded.
    pub entry: Entry,
    /// RFC 6962 leaf hash of its bytes.
    pub leaf: Digest,
    /// Its receipt, under the checkpoint of the commit.
    pub receipt: Receipt,
}

/// A handle to an open log; clones share it. When the last one goes without [`Log::close`], the log ends
/// as if power were cut: nothing acknowledged is lost, the latest entries are not published yet.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Inner>,
}

/// Says that one more draft is on its way: see [`Log::arriving`].
#[derive(Debug)]
pub struct Arriving {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    queue: Arc<Queue<Waiting>>,
    recorder: Arc<Recorder>,
    relief: Arc<Relief>,
    keeper: mpsc::Sender<Call>,
    threads: Mutex<Option<Threads>>,
    report: Option<RecoveryReport>,
    /// Held open, and so locked, until everything else is gone.
    _lock: Option<std::fs::File>,
}

#[derive(Debug)]
struct Threads {
    writer: JoinHandle<()>,
    keeper: JoinHandle<()>,
    sweeper: JoinHandle<()>,
    relief: JoinHandle<()>,
    /// The sweeper ends when this is dropped.
    sweeping: mpsc::Sender<()>,
}

/// What handle, writer and keeper share.
#[derive(Debug)]
struct Shared {
    signers: Signers,
    journal: Arc<dyn Journal>,
    tiles: TileStore,
    /// What an earlier pruning left below the minimum index. It does not move while a log is open.
    pruned: Pruned,
    /// Reads the tiles of the size published last: adapters ask for many proofs under one checkpoint.
    reader: Mutex<Arc<TileReader>>,
    /// The checkpoint of the last commit.
    latest: ArcSwap<SignedCheckpoint>,
    head: watch::Sender<Arc<Head>>,
    registry: watch::Sender<u64>,
    published: watch::Sender<Arc<SignedCheckpoint>>,
    /// What is held for cosignatures, or was last.
    submitted: watch::Sender<Option<Arc<SignedCheckpoint>>>,
    stopped: watch::Sender<Option<Arc<str>>>,
    arriving: AtomicUsize,
    commits: Commits,
}

impl Log {
    /// Records `draft` and waits until it is durable and signed. `judged_registry` is the registry size that
    /// the decision in it was made against. A caller that stops waiting may find the entry recorded.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was recorded, except that after [`AppendError::Stopped`] the entry may
    /// stand in the log when it starts again.
    pub async fn append(
        &self,
        draft: Draft,
        judged_registry: Option<u64>,
    ) -> Result<Appended, AppendError> {
        if let Some(key) = self.inner.shared.signers.missing_for(&draft) {
            return Err(AppendError::NoSigner(key));
        }
        let (answer, told) = oneshot::channel();
        let admission = Admission {
            draft,
            judged_registry,
        };
        if let Some(waiting) = self.inner.record_alone(Waiting { admission, answer }) {
            let queued = self.inner.queue.push(waiting);
            queued.map_err(|rejected| match rejected {
                Rejected::Full => AppendError::Full,
                Rejected::Closed => self.inner.shared.stopped_error(),
            })?;
        }
        match told.await {
            Ok(Ok(placed)) => placed.appended(),
            Ok(Err(Declined::RegistryMoved { size })) => Err(AppendError::RegistryMoved { size }),
            Ok(Err(Declined::TooLarge(error))) => Err(AppendError::TooLarge(error)),
            Err(_) => Err(self.inner.shared.stopped_error()),
        }
    }

    /// Announces a draft that is on its way to [`Log::append`], until the guard is dropped. The writer
    /// gathers for those announced, and does not wait at all when nobody else is on the way.
    pub fn arriving(&self) -> Arriving {
        self.inner.shared.arriving.fetch_add(1, Ordering::Relaxed);
        Arriving {
            shared: Arc::clone(&self.inner.shared),
        }
    }

    /// Of the entries below this index only registry entries are there; 0 where nothing was pruned.
    pub fn minimum_index(&self) -> u64 {
        self.inner.shared.pruned.bundles_from()
    }

    /// How many entries the commits hold, since the log was opened.
    pub fn commits(&self) -> CommitCounts {
        self.inner.shared.commits.counts()
    }

    /// The durable head.
    pub fn head(&self) -> Arc<Head> {
        self.inner.shared.head.borrow().clone()
    }

    /// The registry size, and a way to wait for it to move.
    pub fn registry_changed(&self) -> watch::Receiver<u64> {
        self.inner.shared.registry.subscribe()
    }

    /// The published checkpoint, and a way to wait for the next.
    pub fn published(&self) -> watch::Receiver<Arc<SignedCheckpoint>> {
        self.inner.shared.published.subscribe()
    }

    /// The checkpoint that witnesses are asked about: announced before it is published, and held for up to
    /// [`Config::cosign_wait`]. `None` until the first one since the start.
    pub fn submitted(&self) -> watch::Receiver<Option<Arc<SignedCheckpoint>>> {
        self.inner.shared.submitted.subscribe()
    }

    /// Puts cosignatures, which must have been verified, under the checkpoint of `size`, held or published; for another
    /// one they come too late. `complete` when no further ones are waited for.
    pub fn cosign(&self, size: u64, lines: Vec<NoteSignature>, complete: bool) {
        // A keeper that is gone publishes nothing any more.
        let _ = self.inner.keeper.send(Call::Cosigned {
            size,
            lines,
            complete,
        });
    }

    /// The tree of `old` entries and the proof that the submitted or published `new` begins with it, as a witness is shown
    /// it. Verified: whoever is not convinced holds another tree.
    ///
    /// # Errors
    /// [`LogError::Proof`] when the tiles do not make `new`, or are not there any more; [`LogError::OutOfRange`].
    pub async fn extension(
        &self,
        old: u64,
        new: TreeHead,
    ) -> Result<(TreeHead, Vec<Digest>), LogError> {
        self.blocking(move |shared| reading::extension(shared, old, new))
            .await
    }

    /// Stops the log for good, as if it had failed: nothing is acknowledged any more. For whoever was shown that going on
    /// would make a second history.
    pub fn halt(&self, reason: &str) {
        tracing::error!(%reason, "the log is stopped");
        self.inner.shared.stop(reason);
        self.inner.queue.abandon();
    }

    /// The key that the log's checkpoints are verified with.
    pub fn key(&self) -> &LogKey {
        self.inner.shared.signers.key()
    }

    /// What opening found and did; `None` for a log that was just created.
    pub fn recovered(&self) -> Option<&RecoveryReport> {
        self.inner.report.as_ref()
    }

    /// How the journal stands.
    pub fn statistics(&self) -> Statistics {
        self.inner.shared.journal.statistics()
    }

    /// Publishes everything that is durable now, and gives the checkpoint.
    ///
    /// # Errors
    /// [`LogError::Stopped`].
    pub async fn publish_now(&self) -> Result<Arc<SignedCheckpoint>, LogError> {
        self.ask_keeper(Call::Publish).await
    }

    async fn ask_keeper(
        &self,
        call: impl FnOnce(oneshot::Sender<Arc<SignedCheckpoint>>) -> Call,
    ) -> Result<Arc<SignedCheckpoint>, LogError> {
        let (answer, told) = oneshot::channel();
        let stopped = || LogError::Stopped(self.inner.shared.reason());
        let sent = self.inner.keeper.send(call(answer));
        sent.map_err(|_| stopped())?;
        told.await.map_err(|_| stopped())
    }

    /// Waits until the log has stopped and gives the reason. The process must then end.
    pub async fn stopped(&self) -> Arc<str> {
        let mut stopped = self.inner.shared.stopped.subscribe();
        match stopped.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_else(|| "no reason given".into()),
            Err(_) => "the log was dropped".into(),
        }
    }

    /// Takes nothing more in, records what waits, feeds the store, publishes the last checkpoint, ends the
    /// threads. The directory is free again when the last clone of the handle is dropped.
    ///
    /// # Errors
    /// [`LogError::Stopped`] if something failed before or during it.
    pub async fn close(&self) -> Result<(), LogError> {
        let inner = Arc::clone(&self.inner);
        let ended = tokio::task::spawn_blocking(move || inner.end(Call::Close)).await;
        let shared = &self.inner.shared;
        if ended.is_err() {
            shared.stop("a thread of the log panicked while it was closed");
        }
        match shared.stopped.borrow().as_deref() {
            Some(reason) if reason != start::CLOSED => Err(LogError::Stopped(reason.into())),
            _ => Ok(()),
        }
    }

    /// Entries from `range.start` on, each with its index: at most [`READ_ENTRIES_MAX`] and about
    /// [`READ_BYTES_MAX`] at once, so ask again from where the answer ends. Without a gap, but for what was pruned
    /// below [`Log::minimum_index`].
    ///
    /// # Errors
    /// [`LogError::Journal`] when entries that exist cannot be read.
    pub async fn entries(&self, range: Range<u64>) -> Result<Vec<(u64, Bytes)>, LogError> {
        self.blocking(move |shared| reading::entries(shared, range))
            .await
    }

    /// The entry at `index`; `None` outside the log.
    ///
    /// # Errors
    /// As [`Log::entries`].
    pub async fn entry(&self, index: u64) -> Result<Option<Bytes>, LogError> {
        let found = self.entries(index..index.saturating_add(1)).await?;
        Ok(found.into_iter().next().map(|(_, entry)| entry))
    }

    /// The receipt of the entry at `index` under the published checkpoint; publishes first if the entry is
    /// newer. `None` outside the log.
    ///
    /// # Errors
    /// [`LogError`]: entry or tiles cannot be read, or the log has stopped.
    pub async fn receipt(&self, index: u64) -> Result<Option<Receipt>, LogError> {
        if index >= self.head().size() {
            return Ok(None);
        }
        let published = self.covering(index + 1).await?;
        self.blocking(move |shared| reading::receipt(shared, index, &published))
            .await
            .map(Some)
    }

    /// For each size in `old` the proof that the tree of `new` entries begins with that of so many; publishes first if
    /// `new` is newer.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] unless each `old <= new <=` the log's size; or as [`Log::receipt`].
    pub async fn consistency(&self, old: Vec<u64>, new: u64) -> Result<Vec<Vec<Digest>>, LogError> {
        let size = self.head().size();
        let largest = old.iter().copied().max().unwrap_or(0);
        if largest > new || new > size {
            let old = largest;
            return Err(LogError::OutOfRange { old, new, size });
        }
        let published = self.covering(new).await?;
        // All in one piece of work: handing each proof to another thread cost more than making it.
        self.blocking(move |shared| reading::consistency(shared, &old, new, &published))
            .await
    }

    /// The first `width` hashes of tile `index` at `level` (C2SP tlog-tiles) of the published tree; `None` when it has
    /// no such tile or fewer hashes in it.
    ///
    /// # Errors
    /// [`LogError`]: the tile cannot be read.
    pub async fn tile_hashes(
        &self,
        level: u8,
        index: u64,
        width: u16,
    ) -> Result<Option<Vec<Digest>>, LogError> {
        let published = self.published().borrow().checkpoint.size;
        self.blocking(move |shared| reading::hashes(shared, (level, index, width), published))
            .await
    }

    /// The sizes in `sizes` whose published checkpoint an authority stamped, rising.
    ///
    /// # Errors
    /// [`LogError`]: the folder cannot be read.
    pub async fn stamped(&self, sizes: RangeInclusive<u64>) -> Result<Vec<u64>, LogError> {
        self.blocking(move |shared| reading::stamped(shared, &sizes))
            .await
    }

    /// The checkpoint of `size` as it was stamped, with the authority's answers; `None` without one.
    ///
    /// # Errors
    /// [`LogError`]: a file cannot be read.
    pub async fn time(&self, size: u64) -> Result<Option<Kept>, LogError> {
        self.blocking(move |shared| reading::time(shared, size))
            .await
    }

    /// The published checkpoint if it covers `size` entries; else one that does and whose tiles are written, whether or
    /// not it is held for witnesses.
    async fn covering(&self, size: u64) -> Result<Arc<SignedCheckpoint>, LogError> {
        let published = self.inner.shared.published.borrow().clone();
        if published.checkpoint.size >= size {
            return Ok(published);
        }
        self.ask_keeper(|answer| Call::Cover(size, answer)).await
    }

    /// Runs what may touch the disk off the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let log = self.clone();
        tokio::task::spawn_blocking(move || work(&log.inner.shared))
            .await
            .map_err(|error| LogError::Stopped(error.to_string().into()))?
    }
}

impl Inner {
    /// Ends both threads, the writer first. Does nothing the second time.
    fn end(&self, last: Call) {
        let threads = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(threads) = threads else {
            return;
        };
        let Threads {
            writer,
            keeper,
            sweeper,
            relief,
            sweeping,
        } = threads;
        drop(sweeping);
        if matches!(last, Call::Close) {
            self.queue.close();
        } else {
            self.queue.abandon();
        }
        // A thread that panicked has stopped the log with that reason.
        let _ = writer.join();
        self.recorder.settle();
        let _ = self.keeper.send(last);
        let _ = keeper.join();
        let _ = sweeper.join();
        self.relief.end();
        let _ = relief.join();
        self.shared.stop(start::CLOSED);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end(Call::Abandon);
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.shared.arriving.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Records why the log has stopped; the first reason stays.
    fn stop(&self, reason: &str) {
        self.stopped.send_if_modified(|stopped| {
            let first = stopped.is_none();
            if first {
                *stopped = Some(reason.into());
            }
            first
        });
    }

    /// Stops the log before anyone who waits finds out by being dropped.
    fn failed(&self, reason: String) -> String {
        self.stop(&reason);
        reason
    }

    fn reason(&self) -> Arc<str> {
        self.stopped
            .borrow()
            .clone()
            .unwrap_or_else(|| "the log is ending".into())
    }

    fn stopped_error(&self) -> AppendError {
        AppendError::Stopped(self.reason())
    }

    /// Drafts announced as on their way.
    fn arriving(&self) -> usize {
        self.arriving.load(Ordering::Relaxed)
    }
}

/// Why a draft was not recorded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AppendError {
    /// As many drafts wait as may: try again later.
    #[error("the log's queue is full")]
    Full,
    /// The registry moved between decision and record: decide again.
    #[error("the registry moved to size {size} after the decision was made")]
    RegistryMoved {
        /// Registry entries now.
        size: u64,
    },
    /// The log has stopped and takes nothing more.
    #[error("the log has stopped: {0}")]
    Stopped(Arc<str>),
    /// A part of the draft is over its limit.
    #[error("{0}")]
    TooLarge(EntryError),
    /// The draft rotates the log's key to one that is not at hand: nothing could be signed after it.
    #[error("the key {0} that would sign next is not at hand")]
    NoSigner(Digest),
}

/// Why a log does not open, or what it cannot give.
#[derive(Debug, Error)]
pub enum LogError {
    /// Another process has the directory.
    #[error("{0} is in use by another broker; one directory serves one broker")]
    InUse(String),
    /// The directory holds no log, a log already, or another one.
    #[error("{0}")]
    WrongDirectory(String),
    /// The journal refuses, or broke.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Tiles or bundles cannot be read.
    #[error(transparent)]
    Tiles(#[from] TileError),
    /// Published tiles or bundles are damaged and cannot be written again.
    #[error("{0}")]
    Mending(String),
    /// The published checkpoint cannot be read.
    #[error(transparent)]
    Published(#[from] PublishError),
    /// The published checkpoint is not this log's, or the key cannot sign one.
    #[error("the published checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// What is known of the log's further keys cannot be read, or is not this log's.
    #[error("the log's keys: {0}")]
    Keys(#[from] SuccessionError),
    /// A key that signs is not at hand.
    #[error("{0}")]
    Signer(String),
    /// A proof cannot be made from the tiles.
    #[error(transparent)]
    Proof(#[from] crate::tree::TreeError),
    /// An entry that was read back is not one.
    #[error("entry {index} as read back: {error}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        error: EntryError,
    },
    /// The log does not extend what was signed and shown to witnesses.
    #[error(
        "the log of {head} entries does not begin with the {size} that were signed and shown to witnesses (the file \
         `submitted`): it was put back to an older copy. Do not start it: bring back the newest tail/, store/ and tile/ \
         together; if entries are lost for good, tell the witnesses and begin a new log under a new origin"
    )]
    Submitted {
        /// Entries that were shown.
        size: u64,
        /// Entries that the log has.
        head: u64,
    },
    /// The entry was pruned.
    #[error("entry {index} is not here any more: entries below {minimum} were pruned")]
    Pruned {
        /// Its index.
        index: u64,
        /// The minimum index.
        minimum: u64,
    },
    /// The minimum index cannot be read.
    #[error(transparent)]
    Minimum(#[from] PrunedError),
    /// Sizes that the log does not have.
    #[error("no consistency proof from {old} to {new}: the log has {size} entries")]
    OutOfRange {
        /// The smaller size asked for.
        old: u64,
        /// The larger size asked for.
        new: u64,
        /// Entries in the log.
        size: u64,
    },
    /// The operating system says no.
    #[error("{what}: {error}")]
    Io {
        /// What was being done, with its path.
        what: String,
        /// What it said.
        error: std::io::Error,
    },
    /// The log has stopped.
    #[error("the log has stopped: {0}")]
    Stopped(Arc<str>),
}
