//! Requests and their endings: each request ends once, each ending names its request, no id is used twice.
//!
//! Takes requests and endings in the order of the log. Remembers an open request whole; of an ended one its index, for
//! late answers and disputes, whose request is then read from the files again; of a used exchange id for how long the
//! rules forbid it. So memory grows with what is open, and with what happens within minutes, not with the log.

use std::collections::{HashMap, HashSet, VecDeque};

use proto::Digest;
use proto::header::RequestHeader;
use proto::id::{ExchangeId, SystemId};
use proto::limits::{DEADLINE_MS_MAX, KEPT_ANSWER_MS, WINDOW_MS, WINDOW_MS_MAX};

use super::RECORD_DELAY_MS;

/// How long an exchange id is one: a window before, a window after, and the longest deadline. The
/// switch forgets it then, too, and a request that old is stale.
const DUPLICATE_MS: u64 = 2 * WINDOW_MS + DEADLINE_MS_MAX as u64;
/// How long the very same header cannot come a second time, however wide a switch's window is: it would be stale.
const SAME_HEADER_MS: u64 = 2 * WINDOW_MS_MAX + DEADLINE_MS_MAX as u64;
/// How long an id is remembered: decisions are recorded up to this much later.
const ID_REMEMBERED_US: u64 = (SAME_HEADER_MS + RECORD_DELAY_MS) * 1_000;
/// How long ended requests are remembered for late answers and disputes.
const ENDED_REMEMBERED_US: u64 = (DUPLICATE_MS + KEPT_ANSWER_MS) * 1_000;

/// A request as the log holds it.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) index: u64,
    pub(super) leaf: Digest,
    pub(super) recorded_at_us: u64,
    pub(super) header_sha256: Digest,
    pub(super) seal_sha256: Digest,
    pub(super) opened: Box<RequestHeader>,
    pub(super) agreement: Option<Digest>,
    pub(super) grant: u32,
    /// The key that sealed it.
    pub(super) sealed_by: Digest,
    /// When an act of the registry was recorded since which it is permitted no longer; noted of what may take long.
    pub(super) ended_us: Option<u64>,
    /// The opening of an answer in chunks, once it came.
    pub(super) opening: Option<Box<Opening>>,
    /// The trailer of its own chunks came.
    pub(super) is_trailed: bool,
}

impl Recorded {
    /// Whether more than a call's time may pass before its answer.
    fn takes_long(&self) -> bool {
        self.opening.is_some() || self.opened.is_upload() || self.opened.is_submission()
    }
}

/// What a trailer must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// SHA-256 of the answer header.
    pub(super) header_sha256: Digest,
    /// Bytes that it announced; 0: it did not say.
    pub(super) length: u64,
}

/// A use of an exchange id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub(super) recorded_at_us: u64,
    pub(super) decided_at_ms: u64,
    pub(super) header_sha256: Digest,
}

/// What is known of a request that an entry names.
#[derive(Debug)]
pub(super) enum Named {
    /// It has not ended.
    Open(Box<Recorded>),
    /// It ended a while ago; the files have the rest.
    Ended,
    /// There is none, or it ended too long ago to be named.
    Unknown,
}

/// Open and recently ended requests, and the ids in use.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    open: HashMap<u64, Box<Recorded>>,
    ended: HashSet<u64>,
    /// When each ended, the oldest first.
    ended_first: VecDeque<(u64, u64)>,
    ids: HashMap<(SystemId, ExchangeId), Use>,
    /// When each was recorded, the oldest first.
    ids_first: VecDeque<(u64, SystemId, ExchangeId)>,
}

impl Pairing {
    /// Notes the use of an id; `false` when the rules forbid it, because its system used the same one before.
    pub(super) fn use_id(&mut self, system: &SystemId, exchange: ExchangeId, used: Use) -> bool {
        self.forget_ids(used.recorded_at_us);
        let id = (system.clone(), exchange);
        self.ids_first
            .push_back((used.recorded_at_us, system.clone(), exchange));
        let Some(before) = self.ids.insert(id, used) else {
            return true;
        };
        let forbidden_ms = if before.header_sha256 == used.header_sha256 {
            SAME_HEADER_MS
        } else {
            DUPLICATE_MS
        };
        used.decided_at_ms >= before.decided_at_ms.saturating_add(forbidden_ms)
    }

    /// Remembers a request as open.
    pub(super) fn begin(&mut self, request: Recorded) {
        self.open.insert(request.index, Box::new(request));
    }

    /// Notes that an answer in chunks began; the one that had begun before, if any did.
    pub(super) fn open_stream(&mut self, index: u64, opening: Opening) -> Option<Box<Opening>> {
        self.open
            .get_mut(&index)?
            .opening
            .replace(Box::new(opening))
    }

    /// Notes that the chunks of the request at `index` are complete; whether they were before.
    pub(super) fn trail(&mut self, index: u64) -> bool {
        let request = self.open.get_mut(&index);
        request.is_some_and(|request| std::mem::replace(&mut request.is_trailed, true))
    }

    /// Notes of each open request that may take long whether it is permitted at `now_us`.
    pub(super) fn note_ended_rights(&mut self, now_us: u64, permits: impl Fn(&Recorded) -> bool) {
        for request in self.open.values_mut().filter(|open| open.takes_long()) {
            let still = permits(request);
            request.ended_us = (!still).then(|| request.ended_us.unwrap_or(now_us));
        }
    }

    /// Notes the same of the request at `index` alone.
    pub(super) fn note_ended_right(
        &mut self,
        index: u64,
        now_us: u64,
        permits: impl Fn(&Recorded) -> bool,
    ) {
        if let Some(request) = self.open.get_mut(&index)
            && !permits(request)
        {
            request.ended_us.get_or_insert(now_us);
        }
    }

    /// Ends the request at `index` and gives it, at `now_us`.
    pub(super) fn end(&mut self, index: u64, now_us: u64) -> Named {
        self.forget_ended(now_us);
        match self.open.remove(&index) {
            Some(request) => {
                self.ended.insert(index);
                self.ended_first.push_back((now_us, index));
                Named::Open(request)
            }
            None => self.ended_at(index),
        }
    }

    /// The request at `index`, open or recently ended.
    pub(super) fn named(&mut self, index: u64, now_us: u64) -> Named {
        self.forget_ended(now_us);
        match self.open.get(&index) {
            Some(request) => Named::Open(request.clone()),
            None => self.ended_at(index),
        }
    }

    fn ended_at(&self, index: u64) -> Named {
        if self.ended.contains(&index) {
            Named::Ended
        } else {
            Named::Unknown
        }
    }

    /// Requests without an ending, oldest first.
    pub(super) fn still_open(&self) -> Vec<u64> {
        let mut open: Vec<u64> = self.open.keys().copied().collect();
        open.sort_unstable();
        open
    }

    /// Drops what ended too long ago for anything late to name it.
    fn forget_ended(&mut self, now_us: u64) {
        while let Some((ended_us, index)) = self.ended_first.front().copied() {
            if ended_us.saturating_add(ENDED_REMEMBERED_US) > now_us {
                return;
            }
            self.ended_first.pop_front();
            self.ended.remove(&index);
        }
    }

    /// Drops ids that may be used again.
    fn forget_ids(&mut self, now_us: u64) {
        while let Some((recorded_us, ..)) = self.ids_first.front() {
            let recorded_us = *recorded_us;
            if recorded_us.saturating_add(ID_REMEMBERED_US) > now_us {
                return;
            }
            let Some((_, system, exchange)) = self.ids_first.pop_front() else {
                return;
            };
            let id = (system, exchange);
            // Unless it was used again since: that use stands further back in the queue.
            let last = self.ids.get(&id);
            if last.is_some_and(|used| used.recorded_at_us == recorded_us) {
                self.ids.remove(&id);
            }
        }
    }

    /// How many requests and ids are remembered: open, ended, ids.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize, usize) {
        (
            self.open.len(),
            self.ended_first.len(),
            self.ids_first.len(),
        )
    }
}

#[cfg(test)]
mod tests;
