//! The real journal with a switch in front of it: fails when told to, or holds commits back.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use audit::journal::{
    Admission, Committed, Head, Journal, JournalError, SealBatch, Statistics, TailAndStore,
};
use bytes::Bytes;

/// What a failing disk says here.
pub const NO_SPACE: &str = "no space left on device";

/// A journal that fails at a chosen commit, before anything is written or after.
#[derive(Debug)]
pub struct Faulty {
    journal: TailAndStore,
    /// Commits until one fails; negative: never.
    left: AtomicI64,
    /// Whether the failing commit is on disk all the same: a sync that fails says nothing about that.
    written: bool,
    held: Mutex<bool>,
    released: Condvar,
    /// Commits that wait to be let go.
    waiting: AtomicI64,
}

impl Faulty {
    /// Never fails until told to. `written`: the failing commit reached the disk.
    pub fn new(journal: TailAndStore, written: bool) -> Arc<Self> {
        Arc::new(Self {
            journal,
            left: AtomicI64::new(-1),
            written,
            held: Mutex::new(false),
            released: Condvar::new(),
            waiting: AtomicI64::new(0),
        })
    }

    /// Commits that are held back now.
    pub fn waiting(&self) -> i64 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// After `commits` more commits, every one fails.
    pub fn fail_after(&self, commits: i64) {
        self.left.store(commits, Ordering::SeqCst);
    }

    /// Holds commits back, or lets them go.
    pub fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }
}

impl Journal for Faulty {
    fn commit(
        &self,
        drafts: Vec<Admission>,
        seal: &mut SealBatch<'_>,
    ) -> Result<Committed, JournalError> {
        let held = self.held.lock().unwrap();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        drop(self.released.wait_while(held, |held| *held).unwrap());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let fails = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                (left > 0).then(|| left - 1)
            })
            == Err(0);
        let committed = if fails && !self.written {
            None
        } else {
            Some(self.journal.commit(drafts, seal)?)
        };
        match committed {
            Some(committed) if !fails => Ok(committed),
            _ => Err(JournalError::Io {
                what: "syncing the tail".to_owned(),
                reason: NO_SPACE.to_owned(),
            }),
        }
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, JournalError> {
        self.journal.read(range, bytes_max)
    }

    fn head(&self) -> Result<Head, JournalError> {
        self.journal.head()
    }

    fn keep(&self, published: u64) -> Result<(), JournalError> {
        self.journal.keep(published)
    }

    fn statistics(&self) -> Statistics {
        self.journal.statistics()
    }
}
