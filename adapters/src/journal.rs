//! The journal: what this side of every exchange holds as evidence, kept in the home and written behind the answers.
//!
//! ```text
//! exchange → note (no waiting) → one thread → each 200 ms: payloads encrypted, records appended, one fsync
//! ```
//!
//! Takes sealed bytes, receipts and payloads as they come; gives them back exchange by exchange ([`read`]), a payload on
//! request, and erases payloads with their keys. Never waits in an exchange, never holds more than its bound in memory:
//! before a new exchange begins, [`Journal::room`] waits while much is unwritten, and says so when nothing can be
//! written at all. What a record proves is nobody's word: header, seal and receipt are the exact bytes.
//!
//! | file | what it holds |
//! |---|---|
//! | `record` | one record, byte for byte |
//! | `frames`, `segments` | files that only grow, each frame with its checksum |
//! | `vault` | payloads and salts, encrypted until their day |
//! | `writer` | the one thread |
//! | [`erasure`] | payloads destroyed, and the log told so |
//! | `read` | records put together, exchange by exchange |
//! | `export` | the same as JSON Lines |

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use audit::clock::Clock;
use bytes::Bytes;
use proto::commitment::Salt;
use proto::digest::Digest;
use proto::id::ExchangeId;
use proto::registry::Registry;
use thiserror::Error;
use tokio::sync::{Notify, oneshot};

mod day;
pub mod erasure;
pub mod export;
mod frames;
pub mod read;
mod record;
mod segments;
mod vault;
mod writer;

pub use record::{Record, Role, SealedBytes};
pub use vault::{Half, Opened, VaultError};

use day::Day;
use segments::Held;
use vault::{Item, ItemId, Vault};
use writer::{BATCH_BYTES, Job, Writer};

/// Bytes that may wait for the disk before new exchanges wait too.
const BUSY_BYTES: usize = 32 << 20;
/// Bytes that may wait for the disk at all; what comes then is lost, counted and told.
const QUEUE_BYTES_MAX: usize = 128 << 20;
/// How long a new exchange waits for room.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// The folder with the records, in the journal's.
const RECORDS: &str = "receipts";

/// What the settings say of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The folder, relative to the home.
    pub dir: PathBuf,
    /// Whether payloads and salts are kept, encrypted, for as long as the grant says.
    pub keep_payload: bool,
    /// What happens when the journal cannot be written.
    pub when_unwritable: WhenUnwritable,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("journal"),
            keep_payload: true,
            when_unwritable: WhenUnwritable::Stop,
        }
    }
}

/// What happens when the journal cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenUnwritable {
    /// Nothing is asked or answered: no receipt, no exchange.
    Stop,
    /// Exchanges go on without evidence of this side; what is lost is counted and told.
    GoOn,
}

impl WhenUnwritable {
    /// The word in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::GoOn => "go_on",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Stop, Self::GoOn]
            .into_iter()
            .find(|when| when.name() == text)
    }
}

/// The journal of one running adapter. Clones share it; the last one writes what is left.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: Options,
    clock: Clock,
    state: Arc<State>,
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What exchanges and the writing thread both know.
#[derive(Debug, Default)]
struct State {
    /// Bytes handed over and not yet written.
    waiting: AtomicUsize,
    written: Notify,
    /// Why the last write failed; `None` while writing works.
    failing: Mutex<Option<String>>,
    lost: AtomicU64,
}

impl State {
    fn failing(&self) -> Option<String> {
        self.failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_failing(&self, reason: Option<String>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

impl Journal {
    /// Starts the thread. Nothing is written, not even the folder, before something is noted.
    ///
    /// # Errors
    /// [`JournalError::Start`] when the system gives no thread.
    pub fn start(home: &Path, options: Options, clock: Clock) -> Result<Self, JournalError> {
        let state = Arc::new(State::default());
        let (queue, jobs) = mpsc::channel();
        let writer = Writer::new(home.join(&options.dir), Arc::clone(&state), clock.clone());
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&jobs))
            .map_err(|error| JournalError::Start(error.to_string()))?;
        Ok(Self(Arc::new(Shared {
            options,
            clock,
            state,
            queue: Some(queue),
            thread: Some(thread),
        })))
    }

    /// Waits until there is room for another exchange.
    ///
    /// # Errors
    /// [`JournalError::Unwritable`] when the disk takes nothing, unless the settings say to go on all the same.
    pub(crate) async fn room(&self) -> Result<(), JournalError> {
        let state = &self.0.state;
        let unwritable = |reason| match self.0.options.when_unwritable {
            WhenUnwritable::Stop => Err(JournalError::Unwritable(reason)),
            WhenUnwritable::GoOn => Ok(()),
        };
        if let Some(reason) = state.failing() {
            return unwritable(reason);
        }
        if state.waiting.load(Ordering::Relaxed) < BUSY_BYTES {
            return Ok(());
        }
        let written = async {
            while state.waiting.load(Ordering::Relaxed) >= BUSY_BYTES {
                let written = state.written.notified();
                if state.waiting.load(Ordering::Relaxed) >= BUSY_BYTES {
                    written.await;
                }
            }
        };
        match tokio::time::timeout(ROOM_WAIT, written).await {
            Ok(()) => Ok(()),
            Err(_) => unwritable("the disk is too slow for what is exchanged".to_owned()),
        }
    }

    /// Notes what happened. Never waits.
    pub(crate) fn note(&self, record: Record) {
        let weight = record.weight();
        self.hand_over(Job::Record(Box::new(record)), weight);
    }

    /// Keeps a payload with its salt, for the days that the grant allows; 0: not at all.
    pub(crate) fn keep(
        &self,
        (role, exchange, half): (Role, ExchangeId, Half),
        retention_days: u32,
        salt: &[u8],
        payload: Bytes,
    ) {
        let Ok(salt) = Salt::from_slice(salt) else {
            return;
        };
        if retention_days == 0 || !self.0.options.keep_payload {
            return;
        }
        let weight = payload.len() + 256;
        let item = Item {
            id: ItemId {
                exchange,
                role,
                half,
            },
            until: Day::of_ms(self.0.clock.now_ms()).after(retention_days),
            salt,
            payload,
        };
        self.hand_over(Job::Keep(item), weight);
    }

    /// Waits until everything noted so far is durable.
    ///
    /// # Errors
    /// [`JournalError::Unwritable`] when it is not.
    pub async fn synced(&self) -> Result<(), JournalError> {
        let (done, synced) = oneshot::channel();
        let gone = || JournalError::Unwritable("its thread has ended".to_owned());
        let queue = self.0.queue.as_ref().ok_or_else(gone)?;
        queue.send(Job::Sync(done)).map_err(|_| gone())?;
        self.0.hurry();
        synced
            .await
            .map_err(|_| gone())?
            .map_err(JournalError::Unwritable)
    }

    /// Records lost because they could not be written. Above 0: look at the disk.
    pub fn lost(&self) -> u64 {
        self.0.state.lost.load(Ordering::Relaxed)
    }

    fn hand_over(&self, job: Job, weight: usize) {
        let state = &self.0.state;
        let waits = state.waiting.fetch_add(weight, Ordering::Relaxed);
        let sent = waits < QUEUE_BYTES_MAX
            && self
                .0
                .queue
                .as_ref()
                .is_some_and(|queue| queue.send(job).is_ok());
        if waits < BATCH_BYTES && waits + weight >= BATCH_BYTES {
            self.0.hurry();
        }
        if !sent {
            state.waiting.fetch_sub(weight, Ordering::Relaxed);
            if state.lost.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::error!(
                    "RECEIPTS ARE LOST: the journal takes no more; look at the disk of this adapter's home"
                );
            }
        }
    }
}

impl Shared {
    /// Ends the thread's pause, in which it gathers.
    fn hurry(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Closes the queue: the thread writes what is left, and ends.
        self.queue = None;
        self.hurry();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                "the journal's thread ended by a fault; the last receipts may be missing"
            );
        }
    }
}

/// The payload of one half of an exchange in the journal `dir`; `None` when it is not kept any more, or never was.
///
/// # Errors
/// [`JournalError`].
pub fn disclose(
    dir: &Path,
    role: Role,
    exchange: ExchangeId,
    half: Half,
) -> Result<Option<Opened>, JournalError> {
    let _held = Held::shared(dir);
    let id = ItemId {
        exchange,
        role,
        half,
    };
    Ok(Vault::new(dir).open(id)?)
}

/// Destroys what has passed its last day at `now_ms`. A running adapter does so at its start and each day.
///
/// # Errors
/// [`JournalError`].
pub fn expire(dir: &Path, now_ms: u64) -> Result<u64, JournalError> {
    if !dir.exists() {
        return Ok(0);
    }
    let _held = Held::alone(dir).map_err(JournalError::Io)?;
    Ok(Vault::new(dir).expire(Day::of_ms(now_ms))?)
}

/// How many days both parties keep payload and salt, as the grant `number` (from 1) of the agreement `id` says; 0 where
/// there is none.
pub(crate) fn retention_days(registry: &Registry, id: &[u8], number: u32) -> u32 {
    let agreement = Digest::from_slice(id).and_then(|id| registry.agreement(&id));
    let place = number
        .checked_sub(1)
        .and_then(|place| usize::try_from(place).ok());
    agreement
        .zip(place)
        .and_then(|(agreement, place)| agreement.content.grants.get(place))
        .map_or(0, |grant| grant.retention_days)
}

/// Why the journal does not do what it is for.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The thread could not be started.
    #[error("the journal's thread could not start: {0}")]
    Start(String),
    /// The disk takes nothing.
    #[error(
        "the journal of receipts cannot be written ({0}); make room or change the disk, or set journal.when_unwritable"
    )]
    Unwritable(String),
    /// The disk.
    #[error("the journal: {0}")]
    Io(#[source] std::io::Error),
    /// The kept payloads.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

#[cfg(test)]
mod tests;
