//! The book of reviews: which exchanges under break-glass grants wait for theirs, and who is overdue.
//!
//! Takes what the log holds: each request under such a grant once it is durable, each review before and after. Rebuilt at
//! start from the log, from the first agreement with such a grant on. Judges by [`proto::reviews`], as every replay does.
//! Never lets two reviews of one request be recorded: who comes first holds it until its entry is durable or given up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audit::log::Appended;
use bytes::Bytes;
use proto::act::Review;
use proto::authorise::Permission;
use proto::entry::{Entry, EntryError, Kind};
use proto::facts;
use proto::header::RequestHeader;
use proto::id::AgencyId;
use proto::registry::Registry;
use proto::reviews::{ReviewFault, Reviews, Waiting, broken_glass, first_break_glass};

use super::Exchange;
use super::resume::{CHUNK, ResumeError};

/// All that waits, and what is being reviewed now.
#[derive(Debug, Default)]
pub(crate) struct ReviewBook {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    reviews: Reviews,
    /// Named by a review that is on its way into the log.
    held: BTreeSet<u64>,
}

/// A review that may stand, and is about to be recorded. Dropped before, what it names waits as it did.
#[derive(Debug)]
pub(crate) struct Reviewing {
    book: Arc<ReviewBook>,
    review: Review,
}

impl ReviewBook {
    /// Notes a durable request under a break-glass grant.
    pub(super) fn begin(&self, index: u64, waiting: Waiting) {
        self.lock().reviews.begin(index, waiting);
    }

    /// Whether a review of what `consumer` asked `provider` is overdue at `at_ms`.
    pub(super) fn is_overdue(&self, consumer: &AgencyId, provider: &AgencyId, at_ms: u64) -> bool {
        let since = self.lock().reviews.overdue_since(consumer, provider, at_ms);
        since.is_some()
    }

    /// Judges a review and holds what it names.
    ///
    /// # Errors
    /// [`ReviewFault`]; what another review holds waits for none.
    pub(crate) fn hold(self: &Arc<Self>, review: Review) -> Result<Reviewing, ReviewFault> {
        let mut inner = self.lock();
        inner.reviews.judge(&review)?;
        let indexes = || review.requests.iter().map(|request| request.index);
        if let Some(index) = indexes().find(|index| inner.held.contains(index)) {
            return Err(ReviewFault::NotWaiting(index));
        }
        inner.held.extend(indexes());
        drop(inner);
        Ok(Reviewing {
            book: Arc::clone(self),
            review,
        })
    }

    /// Of what waits and `agency` asked or was asked, at most `most` from the index `from` on; whether there is more.
    pub(crate) fn of(
        &self,
        agency: &AgencyId,
        from: u64,
        most: usize,
    ) -> (Vec<(u64, Waiting)>, bool) {
        let inner = self.lock();
        let mut own = inner.reviews.waiting_from(from).filter(|(_, waiting)| {
            waiting.provider.belongs_to(agency) || waiting.consumer.belongs_to(agency)
        });
        let page = own.by_ref().take(most);
        let page = page
            .map(|(index, waiting)| (index, waiting.clone()))
            .collect();
        (page, own.next().is_some())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The book is whole whenever the lock is free, also after a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reviewing {
    /// Its entry is durable, recorded at this time.
    pub(crate) fn keep(self, recorded_at_ms: u64) {
        // What it names is let go when this is dropped, after the lock.
        let mut inner = self.book.lock();
        inner.reviews.settle(&self.review, recorded_at_ms);
        drop(inner);
    }
}

impl Drop for Reviewing {
    fn drop(&mut self) {
        let mut inner = self.book.lock();
        for request in &self.review.requests {
            inner.held.remove(&request.index);
        }
    }
}

impl Exchange {
    /// What waits for its review.
    pub(crate) fn reviews(&self) -> &Arc<ReviewBook> {
        &self.reviews
    }

    /// Notes a request that is durable now, if it waits for a review.
    pub(super) fn note_look(
        &self,
        permission: Permission,
        header: &RequestHeader,
        request: &Appended,
    ) {
        if permission.wants_review {
            let grant = (permission.agreement, permission.grant);
            let recorded_at_ms = request.entry.stamp.recorded_at_ms();
            let waiting = Waiting::of(header, grant, request.leaf, recorded_at_ms);
            self.reviews.begin(request.index, waiting);
        }
    }

    /// Reads what waits for its review: a debt may be older than anything else that is remembered. Without any
    /// break-glass agreement nothing is read.
    pub(super) async fn resume_reviews(&self, registry: &Registry) -> Result<(), ResumeError> {
        let Some(first) = first_break_glass(registry) else {
            return Ok(());
        };
        let size = self.log.head().size();
        let mut index = first.max(self.log.minimum_index());
        while index < size {
            let chunk = self.log.entries(index..size.min(index + CHUNK)).await?;
            let Some((last, _)) = chunk.last() else {
                return Err(ResumeError::Missing(index));
            };
            index = last + 1;
            for (at, bytes) in &chunk {
                self.note_review(registry, *at, bytes)?;
            }
        }
        Ok(())
    }

    fn note_review(
        &self,
        registry: &Registry,
        index: u64,
        bytes: &Bytes,
    ) -> Result<(), ResumeError> {
        let first = bytes.first().copied().unwrap_or_default();
        if first != Kind::Request as u8 && first != Kind::Review as u8 {
            return Ok(());
        }
        let broken = |error: EntryError| ResumeError::Entry { index, error };
        let content = |error| ResumeError::Content { index, error };
        let entry = Entry::decode(bytes).map_err(broken)?;
        let recorded_at_ms = entry.stamp.recorded_at_ms();
        if entry.kind == Kind::Review {
            let review = Review::open(&entry.header).map_err(content)?;
            self.reviews.lock().reviews.settle(&review, recorded_at_ms);
            return Ok(());
        }
        let facts = facts::exchange(&entry.facts).map_err(content)?;
        if let Some(grant) = broken_glass(registry, &facts) {
            let header = RequestHeader::open(&entry.header).map_err(content)?;
            let leaf = entry.leaf().map_err(broken)?;
            let waiting = Waiting::of(&header, grant, leaf, recorded_at_ms);
            self.reviews.begin(index, waiting);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
