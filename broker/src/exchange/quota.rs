//! Daily quotas: how many requests were recorded today (UTC) under each grant that has one, and of each agency.
//!
//! Takes a counter and its quota. Gives a [`Counted`] that counts once its request is durable, and gives the number
//! back when it is dropped before. Rebuilt at start from today's entries. Never counts what was refused.
//!
//! Agencies are counted with or without a quota: operators may set one in the middle of a day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::Digest;

/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 86_400_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Counter {
    /// Requests under a grant of an agreement, by its number, from 1; handed on or not.
    Grant(Digest, u32),
    /// Requests of all systems of an agency, by the log index of its enrolment.
    Agency(u64),
}

/// The counters of one day.
#[derive(Debug, Default)]
pub(super) struct Quota {
    today: Mutex<Today>,
}

#[derive(Debug, Default)]
struct Today {
    day: u64,
    used: HashMap<Counter, u64>,
}

/// One request counted under a quota.
#[derive(Debug)]
pub(super) struct Counted {
    quota: Arc<Quota>,
    counter: Counter,
    day: u64,
    used: u64,
    kept: bool,
}

impl Quota {
    /// Counts one request at `at_ms`; `None` when `daily` are used up. A quota of 0 is none.
    pub(super) fn count(
        self: &Arc<Self>,
        counter: Counter,
        daily: u64,
        at_ms: u64,
    ) -> Option<Counted> {
        let day = at_ms / DAY_MS;
        let mut today = self.on(day);
        let used = today.used.entry(counter).or_default();
        if daily > 0 && *used >= daily {
            return None;
        }
        *used += 1;
        let used = *used;
        Some(Counted {
            quota: Arc::clone(self),
            counter,
            day,
            used,
            kept: false,
        })
    }

    /// Counts a request that the log holds, decided at `at_ms`.
    pub(super) fn restore(&self, counter: Counter, at_ms: u64) {
        *self.on(at_ms / DAY_MS).used.entry(counter).or_default() += 1;
    }

    /// The counters of `day`: a new day begins with none. A clock that was set back keeps the later day's.
    fn on(&self, day: u64) -> MutexGuard<'_, Today> {
        // The counters are whole whenever the lock is free, also after a panic elsewhere.
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if day > today.day {
            *today = Today {
                day,
                used: HashMap::new(),
            };
        }
        today
    }
}

impl Counted {
    /// The number of this request today, from 1.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Its request is durable: it counts.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let mut today = self.quota.on(self.day);
        if today.day == self.day
            && let Some(used) = today.used.get_mut(&self.counter)
        {
            *used = used.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_kept_counts_and_a_new_day_begins_with_none() {
        let quota = Arc::new(Quota::default());
        let grant = |number| Counter::Grant(Digest([7; 32]), number);
        let count = |at_ms| quota.count(grant(1), 2, at_ms);
        let first = count(0).unwrap();
        assert_eq!(first.used(), 1);
        first.keep();
        let dropped = count(1).unwrap();
        assert!(count(2).is_none());
        drop(dropped);
        let second = count(3).unwrap();
        assert_eq!(second.used(), 2);
        second.keep();
        assert!(count(DAY_MS - 1).is_none());
        // Another grant of the same agreement has its own, and so has an agency.
        assert!(quota.count(grant(2), 1, 4).is_some());
        assert!(quota.count(Counter::Agency(1), 1, 4).is_some());
        assert_eq!(count(DAY_MS).unwrap().used(), 1);
    }

    #[test]
    fn what_the_log_holds_counts() {
        let quota = Arc::new(Quota::default());
        let grant = Counter::Grant(Digest([7; 32]), 1);
        quota.restore(grant, 2 * DAY_MS);
        assert!(quota.count(grant, 1, 2 * DAY_MS + 5).is_none());
        assert!(quota.count(grant, 1, 3 * DAY_MS).is_some());
    }

    #[test]
    fn a_quota_that_comes_in_the_middle_of_a_day_counts_what_was_before() {
        let quota = Arc::new(Quota::default());
        for _ in 0..3 {
            quota.count(Counter::Agency(1), 0, 5).unwrap().keep();
        }
        assert!(quota.count(Counter::Agency(1), 3, 6).is_none());
        assert_eq!(quota.count(Counter::Agency(1), 4, 6).unwrap().used(), 4);
    }
}
