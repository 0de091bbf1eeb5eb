//! Room 2, freshness: `Verified → Fresh`.
//!
//! Takes a verified request. Gives one whose time lies within the window and whose id is reserved for it alone.
//! Says no with stale, duplicate (with the first outcome) and overloaded (the memory is full). Never burns an id:
//! that happens once an entry is durable.

use proto::Code;

use super::Exchange;
use super::memory::{Reservation, Taken};
use super::refusal::Refusal;
use super::verify::{Passage, Verified};

/// A request that is new, and judged at one time.
#[derive(Debug)]
pub(super) struct Fresh {
    verified: Verified,
    reservation: Reservation,
    decided_at_ms: u64,
}

impl Fresh {
    pub(super) fn verified(&self) -> &Verified {
        &self.verified
    }

    pub(super) fn passage_mut(&mut self) -> &mut Passage {
        self.verified.passage_mut()
    }

    /// Unix time in milliseconds at which everything about this request is decided.
    pub(super) fn decided_at_ms(&self) -> u64 {
        self.decided_at_ms
    }

    /// For the record: the request, and the id that its entry burns.
    pub(super) fn into_parts(self) -> (Verified, Reservation, u64) {
        (self.verified, self.reservation, self.decided_at_ms)
    }

    /// A refusal by a later room. It keeps the id until it is recorded.
    pub(super) fn refuse(self, code: Code) -> Box<Refusal> {
        let mut verified = self.verified;
        verified.passage_mut().reservation = Some(self.reservation);
        Refusal::read(code, self.decided_at_ms, verified)
    }
}

impl Exchange {
    /// Says that this is now and the first time.
    pub(super) fn freshness(&self, mut verified: Verified) -> Result<Fresh, Box<Refusal>> {
        let now_ms = self.clock.now_ms();
        if now_ms.abs_diff(verified.header().issued_at_ms) > self.settings.window_ms {
            return Err(Refusal::read(Code::Stale, now_ms, verified));
        }
        // Judged again, a request holds its own id already and must not meet itself.
        let reservation = match verified.passage_mut().reservation.take() {
            Some(held) => held,
            None => match self.memory.reserve(verified.key(), now_ms) {
                Ok(reserved) => reserved,
                Err(Taken::By(first)) => {
                    return Err(Refusal::read(Code::Duplicate, now_ms, verified).with_first(first));
                }
                Err(Taken::Full) => {
                    return Err(Refusal::read(Code::Overloaded, now_ms, verified));
                }
            },
        };
        Ok(Fresh {
            verified,
            reservation,
            decided_at_ms: now_ms,
        })
    }
}
