//! Daily quotas: how many requests were recorded today (UTC) under each grant that has one.
//!
//! Takes a grant and its quota. Gives a [`Counted`] that counts once its request is durable, and gives the number
//! back when it is dropped before. Rebuilt at start from today's entries. Never counts what was refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::Digest;

/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 86_400_000;

/// The counters of one day.
#[derive(Debug, Default)]
pub(super) struct Quota {
    today: Mutex<Today>,
}

#[derive(Debug, Default)]
struct Today {
    day: u64,
    used: HashMap<(Digest, u32), u64>,
}

/// One request counted under a quota.
#[derive(Debug)]
pub(super) struct Counted {
    quota: Arc<Quota>,
    grant: (Digest, u32),
    day: u64,
    used: u64,
    kept: bool,
}

impl Quota {
    /// Counts one request at `at_ms` under `grant` of `agreement`; `None` when `daily` are used up.
    pub(super) fn count(
        self: &Arc<Self>,
        agreement: Digest,
        grant: u32,
        daily: u64,
        at_ms: u64,
    ) -> Option<Counted> {
        let day = at_ms / DAY_MS;
        let mut today = self.on(day);
        let used = today.used.entry((agreement, grant)).or_default();
        if *used >= daily {
            return None;
        }
        *used += 1;
        let used = *used;
        Some(Counted {
            quota: Arc::clone(self),
            grant: (agreement, grant),
            day,
            used,
            kept: false,
        })
    }

    /// Counts a request that the log holds, decided at `at_ms`.
    pub(super) fn restore(&self, agreement: Digest, grant: u32, at_ms: u64) {
        *self
            .on(at_ms / DAY_MS)
            .used
            .entry((agreement, grant))
            .or_default() += 1;
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
            && let Some(used) = today.used.get_mut(&self.grant)
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
        let agreement = Digest([7; 32]);
        let count = |at_ms| quota.count(agreement, 1, 2, at_ms);
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
        // Another grant of the same agreement has its own.
        assert!(quota.count(agreement, 2, 1, 4).is_some());
        assert_eq!(count(DAY_MS).unwrap().used(), 1);
    }

    #[test]
    fn what_the_log_holds_counts() {
        let quota = Arc::new(Quota::default());
        quota.restore(Digest([7; 32]), 1, 2 * DAY_MS);
        assert!(quota.count(Digest([7; 32]), 1, 1, 2 * DAY_MS + 5).is_none());
        assert!(quota.count(Digest([7; 32]), 1, 1, 3 * DAY_MS).is_some());
    }
}
