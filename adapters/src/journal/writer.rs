//! The journal's one thread: gathers for 200 ms, writes, syncs once, tells who waits.
//!
//! Takes jobs in order. Payloads are made durable before the records, so that a record never promises one that is not
//! there. A write that fails is tried again with everything that waited; while it fails, new exchanges are told.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use audit::clock::Clock;
use bytes::BytesMut;
use tokio::sync::oneshot;

use super::day::Day;
use super::frames;
use super::record::Record;
use super::segments::{Appender, Held};
use super::vault::{Item, Vault};
use super::{JournalError, RECORDS, State};

/// How long a record may wait for others to share its sync.
const GATHER: Duration = Duration::from_millis(200);
/// Bytes that are written at once at most.
pub(super) const BATCH_BYTES: usize = 4 << 20;
/// The pause after a write that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked whether a day is over.
const LOOK: Duration = Duration::from_secs(600);

/// What the thread is given.
pub(super) enum Job {
    Record(Box<Record>),
    Keep(Item),
    Sync(oneshot::Sender<Result<(), String>>),
}

/// The thread's own things.
pub(super) struct Writer {
    dir: PathBuf,
    state: Arc<State>,
    clock: Clock,
    vault: Vault,
    appender: Appender,
    /// What waits to be written.
    frames: BytesMut,
    items: Vec<Item>,
    weight: usize,
    waiters: Vec<oneshot::Sender<Result<(), String>>>,
    expired: Option<Day>,
}

impl Writer {
    pub(super) fn new(dir: PathBuf, state: Arc<State>, clock: Clock) -> Self {
        Self {
            vault: Vault::new(&dir),
            appender: Appender::new(dir.join(RECORDS)),
            dir,
            state,
            clock,
            frames: BytesMut::new(),
            items: Vec::new(),
            weight: 0,
            waiters: Vec::new(),
            expired: None,
        }
    }

    /// Runs until the queue is closed, and writes what is left.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        self.expire();
        loop {
            let is_open = self.gather(jobs);
            while !self.is_empty() || !self.waiters.is_empty() {
                let written = self.write();
                self.tell(&written);
                match written {
                    Ok(()) => break,
                    // Nobody is left to wait for another try.
                    Err(_) if !is_open => break,
                    Err(_) => std::thread::sleep(AGAIN),
                }
                // What came meanwhile is written with it; who waits for a sync is told that it fails.
                while self.weight < BATCH_BYTES
                    && let Ok(job) = jobs.try_recv()
                {
                    self.take(job);
                }
            }
            if !is_open {
                return;
            }
            self.expire();
        }
    }

    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.items.is_empty()
    }

    /// Waits for something to write, and then a little for what comes with it. `false` when nothing can come any more.
    fn gather(&mut self, jobs: &Receiver<Job>) -> bool {
        match jobs.recv_timeout(LOOK) {
            Ok(job) => self.take(job),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        // Parked, not waiting on the queue: else each record of a busy adapter would wake this thread.
        let until = Instant::now() + GATHER;
        while self.waiters.is_empty() && self.weight < BATCH_BYTES {
            match jobs.try_recv() {
                Ok(job) => self.take(job),
                Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return true;
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
        true
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Record(record) => {
                self.weight += record.weight();
                frames::put(&mut self.frames, |out| record.put(out));
            }
            Job::Keep(item) => {
                self.weight += item.payload.len() + 256;
                self.items.push(item);
            }
            Job::Sync(done) => self.waiters.push(done),
        }
    }

    fn write(&mut self) -> Result<(), JournalError> {
        if self.is_empty() {
            return Ok(());
        }
        let _held = Held::alone(&self.dir).map_err(JournalError::Io)?;
        self.vault.keep(&self.items)?;
        self.items.clear();
        if !self.frames.is_empty() {
            let today = Day::of_ms(self.clock.now_ms());
            self.appender
                .append(today, &self.frames)
                .map_err(JournalError::Io)?;
            self.frames.clear();
        }
        Ok(())
    }

    fn tell(&mut self, written: &Result<(), JournalError>) {
        let reason = written.as_ref().err().map(ToString::to_string);
        if let (Some(reason), None) = (&reason, self.state.failing()) {
            tracing::error!(dir = %self.dir.display(), reason, "THE JOURNAL OF RECEIPTS CANNOT BE WRITTEN: make room or change the disk");
        }
        self.state.set_failing(reason.clone());
        if reason.is_none() {
            self.state.waiting.fetch_sub(self.weight, Ordering::Relaxed);
            self.weight = 0;
            self.state.written.notify_waiters();
        }
        for waiter in self.waiters.drain(..) {
            // Whoever waited may be gone.
            let _ = waiter.send(reason.clone().map_or(Ok(()), Err));
        }
    }

    /// Once a day, what has passed its day is destroyed.
    fn expire(&mut self) {
        let today = Day::of_ms(self.clock.now_ms());
        if self.expired == Some(today) || !self.dir.exists() {
            return;
        }
        match super::expire(&self.dir, self.clock.now_ms()) {
            Ok(_) => self.expired = Some(today),
            Err(error) => {
                tracing::error!(%error, "kept payloads whose day is over are not destroyed yet");
            }
        }
    }
}
