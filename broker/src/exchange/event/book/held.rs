//! What is on its way into the log: given back where it does not come to be recorded.

use proto::Digest;
use proto::events::Fate;
use proto::id::{EventId, SystemId};

use super::Book;

/// An outcome that may stand, and is about to be recorded. Dropped before, the event waits as it did.
#[derive(Debug)]
pub(in crate::exchange::event) struct Held<'a> {
    pub(in crate::exchange::event) book: &'a Book,
    pub(in crate::exchange::event) due: (u64, u64),
    pub(in crate::exchange::event) attempts: u32,
    pub(in crate::exchange::event) leaves: (Digest, Digest),
}

/// An event on its way into the log.
#[derive(Debug)]
pub(in crate::exchange::event) struct Coming<'a> {
    pub(in crate::exchange::event) book: &'a Book,
    pub(in crate::exchange::event) key: (SystemId, EventId),
}

impl Held<'_> {
    /// Its outcome is recorded.
    pub(in crate::exchange::event) fn settle(self, fate: Fate, outcome: u64) {
        let (subscription, event) = self.due;
        let mut inner = self.book.lock();
        inner.events.settle(subscription, event, fate, outcome);
        inner.changed = true;
        if let Some(line) = inner.lines.get_mut(&subscription) {
            line.open.remove(&event);
        }
        drop(inner);
        self.book.news.notify_one();
        self.book.moved.notify_waiters();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let (subscription, event) = self.due;
        let mut inner = self.book.lock();
        let line = inner.lines.get_mut(&subscription);
        if let Some(attempt) = line.and_then(|line| line.open.get_mut(&event)) {
            attempt.held = None;
        }
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.book.lock().coming.remove(&self.key);
    }
}
