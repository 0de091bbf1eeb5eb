//! Answers that were sent on one link and wait for the proof that they were recorded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proto::header::AnswerStatus;
use proto::id::{ExchangeId, SystemId};

use super::exchange::Delivered;
use crate::sealer::Sealed;

/// Answers that may wait for their `AnswerRecorded` at once; the oldest gives way.
const UNRECORDED_MAX: usize = 4_096;

/// One link's answers without a receipt. Gone with the link, as the receipts that were still to come.
#[derive(Default)]
pub(super) struct Unrecorded(Mutex<Waits>);

#[derive(Default)]
struct Waits {
    by_id: HashMap<ExchangeId, Sent>,
    oldest_first: VecDeque<ExchangeId>,
}

/// An answer that was sent and waits for its receipt.
pub(super) struct Sent {
    pub(super) sealed: Sealed,
    pub(super) status: AnswerStatus,
    /// Who asked.
    pub(super) consumer: SystemId,
    pub(super) stage: Stage,
    /// When.
    pub(super) at: Instant,
}

/// What was sent, and so what its entry must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// An answer in one piece.
    Answer,
    /// The beginning of one in chunks.
    Opening,
    /// The end of one in chunks.
    Trailer,
}

impl Sent {
    pub(super) fn new(
        sealed: &Sealed,
        status: AnswerStatus,
        delivered: &Delivered,
        stage: Stage,
    ) -> Self {
        Self {
            sealed: sealed.clone(),
            status,
            consumer: delivered.consumer().clone(),
            stage,
            at: Instant::now(),
        }
    }
}

impl Unrecorded {
    /// An answer is about to be sent.
    pub(super) fn expect(&self, id: ExchangeId, sent: Sent) {
        let mut waits = self.lock();
        if waits.by_id.insert(id, sent).is_none() {
            waits.oldest_first.push_back(id);
        }
        while waits.oldest_first.len() > UNRECORDED_MAX {
            if let Some(oldest) = waits.oldest_first.pop_front() {
                waits.by_id.remove(&oldest);
            }
        }
    }

    /// Its receipt is here.
    pub(super) fn take(&self, id: ExchangeId) -> Option<Sent> {
        let mut waits = self.lock();
        let waits = &mut *waits;
        let sent = waits.by_id.remove(&id);
        // Receipts come nearly in order, so the front is soon clean.
        while let Some(oldest) = waits.oldest_first.front()
            && !waits.by_id.contains_key(oldest)
        {
            waits.oldest_first.pop_front();
        }
        sent
    }

    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
