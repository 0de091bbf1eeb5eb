//! The refusal budget: a flood of bad requests cannot fill the log.
//!
//! Takes each refusal that would be recorded. Says whether it gets its own entry or is counted; what was counted
//! comes out once a minute for each peer and code. Never loses a count: it is given back when it cannot be recorded.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use proto::entry::{Draft, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::{Code, Digest};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::Exchange;
use super::refusal::bytes_of;

/// How long one budget lasts.
const MINUTE_MS: u64 = 60_000;
/// How often budgets are looked over.
const LOOK_OVER: Duration = Duration::from_secs(1);

/// The budgets of all peers that were refused in the last minute.
#[derive(Debug)]
pub(super) struct Budget {
    per_minute: u32,
    peers: Mutex<HashMap<Digest, Minute>>,
}

#[derive(Debug)]
struct Minute {
    began_ms: u64,
    recorded: u32,
    counted: BTreeMap<Code, u64>,
}

/// How one refusal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// As an entry of its own.
    Recorded,
    /// In a number.
    Counted,
}

/// Refusals of one peer with one code that one entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    /// SHA-256 of the peer's certificate.
    pub(super) peer: Digest,
    /// Their code.
    pub(super) code: Code,
    /// How many.
    pub(super) count: u64,
}

impl Budget {
    /// `per_minute` entries for each peer.
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            peers: Mutex::default(),
        }
    }

    /// Spends one refusal of `peer`.
    pub(super) fn spend(&self, peer: Digest, code: Code, now_ms: u64) -> Spent {
        let mut peers = self.lock();
        let fresh = Minute {
            began_ms: now_ms,
            recorded: 0,
            counted: BTreeMap::new(),
        };
        let minute = peers.entry(peer).or_insert(fresh);
        if minute.is_over(now_ms) && minute.counted.is_empty() {
            minute.began_ms = now_ms;
            minute.recorded = 0;
        }
        if minute.recorded < self.per_minute {
            minute.recorded += 1;
            return Spent::Recorded;
        }
        *minute.counted.entry(code).or_default() += 1;
        Spent::Counted
    }

    /// Takes the counts of minutes that are over, or of `all`, and forgets those peers.
    pub(super) fn due(&self, now_ms: u64, all: bool) -> Vec<Tally> {
        let mut due = Vec::new();
        self.lock().retain(|peer, minute| {
            let over = all || minute.is_over(now_ms);
            if over {
                let counts = std::mem::take(&mut minute.counted);
                due.extend(counts.into_iter().map(|(code, count)| Tally {
                    peer: *peer,
                    code,
                    count,
                }));
            }
            !over
        });
        due
    }

    /// Takes back a count that was not recorded.
    pub(super) fn give_back(&self, tally: Tally, now_ms: u64) {
        let used_up = Minute {
            began_ms: now_ms,
            recorded: self.per_minute,
            counted: BTreeMap::new(),
        };
        let mut peers = self.lock();
        let minute = peers.entry(tally.peer).or_insert(used_up);
        *minute.counted.entry(tally.code).or_default() += tally.count;
    }

    /// The counts are whole whenever the lock is free, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Minute>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records counts as their minutes end; at the end of the switch, all of them.
pub(super) async fn record_counted(exchange: Arc<Exchange>) {
    let mut ticks = interval(LOOK_OVER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            () = exchange.end.cancelled() => true,
            _ = ticks.tick() => false,
        };
        for tally in exchange.budget.due(exchange.clock.now_ms(), last) {
            exchange.record_tally(tally).await;
        }
        if last {
            return;
        }
    }
}

impl Exchange {
    async fn record_tally(&self, tally: Tally) {
        let now_ms = self.clock.now_ms();
        let facts = ExchangeFacts {
            peer_sha256: bytes_of(&tally.peer),
            decided_at_ms: now_ms,
            code: tally.code.name().to_owned(),
            count: tally.count,
            ..ExchangeFacts::default()
        };
        let facts = facts::encode(&facts);
        let draft = Draft {
            kind: Kind::Refusal,
            facts,
            header: Bytes::new(),
            seal: None,
        };
        if let Err(error) = self.log.append(draft, None).await {
            warn!(%error, code = %tally.code, count = tally.count, "counted refusals were not recorded");
            self.budget.give_back(tally, now_ms);
        }
    }
}

impl Minute {
    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.began_ms) >= MINUTE_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);

    #[test]
    fn above_the_budget_refusals_are_counted_by_peer_and_code() {
        let budget = Budget::new(2);
        for (code, spent) in [
            (Code::Stale, Spent::Recorded),
            (Code::BadSeal, Spent::Recorded),
            (Code::Stale, Spent::Counted),
            (Code::BadSeal, Spent::Counted),
            (Code::BadSeal, Spent::Counted),
        ] {
            assert_eq!(budget.spend(PEER, code, 1_000), spent);
        }
        assert_eq!(budget.spend(OTHER, Code::Stale, 1_000), Spent::Recorded);
        assert_eq!(budget.due(60_999, false), []);
        let mut due = budget.due(61_000, false);
        due.sort_by_key(|tally| tally.count);
        let (stale, seal) = (
            Tally {
                peer: PEER,
                code: Code::Stale,
                count: 1,
            },
            Tally {
                peer: PEER,
                code: Code::BadSeal,
                count: 2,
            },
        );
        assert_eq!(due, [stale, seal]);
        // The next minute has a budget of its own, and nothing is kept of peers that went quiet.
        assert!(budget.lock().is_empty());
        assert_eq!(budget.spend(PEER, Code::Stale, 61_001), Spent::Recorded);
    }

    #[test]
    fn a_count_that_was_not_recorded_is_not_lost() {
        let budget = Budget::new(0);
        assert_eq!(budget.spend(PEER, Code::Stale, 0), Spent::Counted);
        let due = budget.due(0, true);
        budget.give_back(due[0], 5);
        assert_eq!(
            budget.due(5, true),
            [Tally {
                peer: PEER,
                code: Code::Stale,
                count: 1
            }]
        );
    }
}
