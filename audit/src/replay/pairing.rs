//! Requests and their endings: each request ends once, each ending names its request.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use proto::Digest;
use proto::header::RequestHeader;
use proto::id::{ExchangeId, SystemId};
use proto::limits::{DEADLINE_MS_MAX, KEPT_ANSWER_MS, WINDOW_MS};
use proto::seal::Seal;

/// How long ended requests are remembered for late answers and disputes.
const REMEMBERED_US: u64 = (DUPLICATE_MS + KEPT_ANSWER_MS) * 1_000;
/// How long an exchange id is one: a window before, a window after, and the longest deadline. The
/// switch forgets it then, too, and a request that old is stale.
const DUPLICATE_MS: u64 = 2 * WINDOW_MS + DEADLINE_MS_MAX as u64;

/// A request as the log holds it.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) index: u64,
    pub(super) leaf: Digest,
    pub(super) recorded_at_us: u64,
    pub(super) header: Bytes,
    pub(super) seal: Seal,
    pub(super) opened: RequestHeader,
    pub(super) agreement: Option<Digest>,
    pub(super) grant: u32,
    pub(super) ended: bool,
}

/// Open and recently ended requests. Bounded by time, not by the length of the log.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    by_index: HashMap<u64, Recorded>,
    by_id: HashMap<(SystemId, ExchangeId), u64>,
    oldest_first: VecDeque<u64>,
    open: u64,
}

impl Pairing {
    /// Remembers a request; `false` when its system used this exchange id before.
    pub(super) fn begin(&mut self, request: Recorded) -> bool {
        self.forget(request.recorded_at_us);
        let id = (request.opened.consumer.clone(), request.opened.exchange_id);
        let before = self.by_id.insert(id, request.index);
        let earliest_us = request.recorded_at_us.saturating_sub(DUPLICATE_MS * 1_000);
        let first = before
            .and_then(|index| self.by_index.get(&index))
            .is_none_or(|earlier| earlier.recorded_at_us < earliest_us);
        self.oldest_first.push_back(request.index);
        self.by_index.insert(request.index, request);
        self.open += 1;
        first
    }

    /// The request at `index`, open or recently ended.
    pub(super) fn request(&self, index: u64) -> Option<&Recorded> {
        self.by_index.get(&index)
    }

    /// Ends the request at `index`; `false` when it had ended.
    pub(super) fn end(&mut self, index: u64) -> bool {
        match self.by_index.get_mut(&index) {
            Some(request) if !request.ended => {
                request.ended = true;
                self.open -= 1;
                true
            }
            _ => false,
        }
    }

    /// Requests without an ending, oldest first.
    pub(super) fn still_open(&self) -> Vec<u64> {
        let mut open: Vec<u64> = self
            .by_index
            .values()
            .filter(|request| !request.ended)
            .map(|r| r.index)
            .collect();
        open.sort_unstable();
        open
    }

    /// Drops ended requests that are older than anything late may still name.
    fn forget(&mut self, now_us: u64) {
        for _ in 0..2 {
            let Some(index) = self.oldest_first.front().copied() else {
                return;
            };
            let Some(oldest) = self.by_index.get(&index) else {
                self.oldest_first.pop_front();
                continue;
            };
            if oldest.recorded_at_us.saturating_add(REMEMBERED_US) > now_us {
                return;
            }
            self.oldest_first.pop_front();
            if oldest.ended {
                let id = (oldest.opened.consumer.clone(), oldest.opened.exchange_id);
                if self.by_id.get(&id) == Some(&index) {
                    self.by_id.remove(&id);
                }
                self.by_index.remove(&index);
            }
        }
    }
}
