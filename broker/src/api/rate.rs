//! Rates: so many a second and so many at once, for strangers all together and for each agency alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use proto::id::AgencyId;

/// How often something may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// In the long run.
    pub(super) per_second: f64,
    /// At once, after a pause.
    pub(super) at_once: f64,
}

/// A bucket of tokens that fills by time.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn full(allowed: Allowed, now: Instant) -> Self {
        Self {
            tokens: allowed.at_once,
            filled: now,
        }
    }

    fn pass(&mut self, allowed: Allowed, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * allowed.per_second;
        self.tokens = (self.tokens + gained).min(allowed.at_once);
        self.filled = self.filled.max(now);
        let passes = self.tokens >= 1.0;
        if passes {
            self.tokens -= 1.0;
        }
        passes
    }
}

/// One rate for everybody together.
#[derive(Debug)]
pub(super) struct Rate {
    allowed: Allowed,
    bucket: Mutex<Bucket>,
}

impl Rate {
    pub(super) fn new(allowed: Allowed) -> Self {
        Self {
            allowed,
            bucket: Mutex::new(Bucket::full(allowed, Instant::now())),
        }
    }

    /// Whether one more may pass now.
    pub(super) fn pass(&self) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.pass(self.allowed, Instant::now())
    }
}

/// A rate for each agency. Ask only for registered agencies: each that was asked for is remembered.
#[derive(Debug)]
pub(super) struct RatePerAgency {
    allowed: Allowed,
    buckets: Mutex<HashMap<AgencyId, Bucket>>,
}

impl RatePerAgency {
    pub(super) fn new(allowed: Allowed) -> Self {
        Self {
            allowed,
            buckets: Mutex::default(),
        }
    }

    /// Whether one more of `agency` may pass now.
    pub(super) fn pass(&self, agency: &AgencyId) -> bool {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets
            .entry(agency.clone())
            .or_insert_with(|| Bucket::full(self.allowed, now));
        bucket.pass(self.allowed, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn so_many_at_once_and_no_more_however_long_nobody_came() {
        let allowed = Allowed {
            per_second: 10.0,
            at_once: 20.0,
        };
        let start = Instant::now();
        let mut bucket = Bucket::full(allowed, start);
        let mut passed = |at| (0..50).filter(|_| bucket.pass(allowed, at)).count();
        assert_eq!(passed(start), 20);
        let later = start + Duration::from_millis(500);
        assert_eq!(passed(later), 5);
        assert_eq!(passed(start), 0, "an earlier time gives nothing");
        assert_eq!(passed(later + Duration::from_secs(3600)), 20);
    }

    #[test]
    fn one_agency_does_not_use_up_another() {
        let rates = RatePerAgency::new(Allowed {
            per_second: 0.001,
            at_once: 1.0,
        });
        let (one, other) = (
            "EG/GOV/ONE".parse().unwrap(),
            "EG/GOV/OTHER".parse().unwrap(),
        );
        assert!(rates.pass(&one) && !rates.pass(&one) && rates.pass(&other));
    }
}
