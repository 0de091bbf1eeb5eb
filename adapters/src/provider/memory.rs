//! Which exchanges were already delivered here: the provider's own memory of duplicates.
//!
//! An id is remembered as long as its request could pass the time window again. Before this run, the
//! log's own order stands in for memory: a request recorded before we began was not for this run.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use proto::digest::Digest;
use proto::header::RequestHeader;
use proto::id::{ExchangeId, SystemId};
use proto::refusal::Code;

/// Exchanges remembered at most; a window of a minute at ten thousand a second.
const REMEMBERED_MAX: usize = 600_000;

/// The memory.
#[derive(Debug)]
pub(super) struct Memory {
    /// Entries below this index were in the log before this run attached.
    floor: u64,
    known: Mutex<Known>,
}

/// By [`asked_by`]: what is looked up among hundreds of thousands should lie in one place.
#[derive(Debug, Default)]
struct Known {
    ids: HashSet<Digest>,
    oldest_first: VecDeque<(u64, Digest)>,
}

/// Names an exchange of a consumer. The id has one length, so no two pairs are the same bytes.
pub(super) fn asked_by(consumer: &SystemId, id: ExchangeId) -> Digest {
    Digest::of_parts(&[consumer.as_str().as_bytes(), id.as_bytes()])
}

impl Memory {
    /// A memory for a run that attached when the log had at least `floor` entries.
    pub(super) fn new(floor: u64) -> Self {
        Self {
            floor,
            known: Mutex::default(),
        }
    }

    /// Lets a request through the first time it comes; but a submission, which the switch brings until its answer is
    /// recorded: what was answered a while ago is answered with what was kept.
    pub(super) fn first(
        &self,
        request: &RequestHeader,
        request_index: u64,
        (window_ms, now_ms): (u64, u64),
    ) -> Result<(), Code> {
        if request.is_submission() {
            return Ok(());
        }
        let until_ms = request.issued_at_ms.saturating_add(window_ms);
        let (consumer, id) = (&request.consumer, request.exchange_id);
        self.remember(consumer, id, request_index, until_ms, now_ms)
    }

    /// Remembers an exchange until `until_ms`, the first time it comes.
    fn remember(
        &self,
        consumer: &SystemId,
        id: ExchangeId,
        request_index: u64,
        until_ms: u64,
        now_ms: u64,
    ) -> Result<(), Code> {
        if request_index < self.floor {
            return Err(Code::Duplicate);
        }
        let asked = asked_by(consumer, id);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((until, over)) = known.oldest_first.pop_front() {
            if until >= now_ms {
                known.oldest_first.push_front((until, over));
                break;
            }
            known.ids.remove(&over);
        }
        if known.ids.contains(&asked) {
            return Err(Code::Duplicate);
        }
        if known.ids.len() >= REMEMBERED_MAX {
            return Err(Code::Overloaded);
        }
        known.ids.insert(asked);
        known.oldest_first.push_back((until_ms, asked));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_arrival_is_a_duplicate_until_its_window_has_passed() {
        let memory = Memory::new(10);
        let one = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
        let other = SystemId::parse("EG/GOV/MOSS/other").unwrap();
        let id = ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap();
        assert_eq!(memory.remember(&one, id, 9, 100, 50), Err(Code::Duplicate));
        assert_eq!(memory.remember(&one, id, 10, 100, 50), Ok(()));
        assert_eq!(memory.remember(&one, id, 11, 100, 60), Err(Code::Duplicate));
        assert_eq!(memory.remember(&other, id, 11, 100, 60), Ok(()));
        assert_eq!(memory.remember(&one, id, 12, 300, 101), Ok(()));
    }
}
