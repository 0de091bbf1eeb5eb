//! Rates of grants: so many requests a second, averaged, under each grant that has a rate.
//!
//! Takes a grant and its rate. Gives a [`Drawn`] that counts once its request is durable, and goes back when it is
//! dropped before; or says when the next one may come. A bucket holds one second's worth, so that much may come at
//! once. Never queues. Not kept across restarts: a start forgets one second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::Digest;

/// A request, in the unit that buckets are filled by: a rate of one a second gives one such part a millisecond.
const ONE: u64 = 1_000;

/// The buckets of all grants that were asked under.
#[derive(Debug, Default)]
pub(super) struct Rates {
    buckets: Mutex<HashMap<Grant, Bucket>>,
}

/// An agreement and the number of a grant in it.
type Grant = (Digest, u32);

#[derive(Debug)]
struct Bucket {
    /// In parts of [`ONE`] request.
    left: u64,
    filled_at_ms: u64,
}

/// One request drawn from a bucket.
#[derive(Debug)]
pub(super) struct Drawn {
    rates: Arc<Rates>,
    grant: Grant,
    kept: bool,
}

impl Rates {
    /// Draws one request under `grant` at `at_ms`.
    ///
    /// # Errors
    /// Milliseconds until there will be one.
    pub(super) fn draw(
        self: &Arc<Self>,
        grant: Grant,
        rate_per_s: u32,
        at_ms: u64,
    ) -> Result<Drawn, u64> {
        let rate = u64::from(rate_per_s.max(1));
        let full = rate * ONE;
        let mut buckets = self.lock();
        let bucket = buckets.entry(grant).or_insert(Bucket {
            left: full,
            filled_at_ms: at_ms,
        });
        // A clock that was set back gives nothing until it is where it was.
        let gained = at_ms
            .saturating_sub(bucket.filled_at_ms)
            .saturating_mul(rate);
        bucket.left = bucket.left.saturating_add(gained).min(full);
        bucket.filled_at_ms = bucket.filled_at_ms.max(at_ms);
        if bucket.left < ONE {
            return Err((ONE - bucket.left).div_ceil(rate));
        }
        bucket.left -= ONE;
        Ok(Drawn {
            rates: Arc::clone(self),
            grant,
            kept: false,
        })
    }

    /// The buckets are whole whenever the lock is free, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, HashMap<Grant, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drawn {
    /// Its request is durable: it counts.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Some(bucket) = self.rates.lock().get_mut(&self.grant) {
            // The next draw cuts off what would be above the brim.
            bucket.left = bucket.left.saturating_add(ONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRANT: Grant = (Digest([7; 32]), 1);

    #[test]
    fn a_second_s_worth_at_once_then_one_each_time_that_one_is_due() {
        let rates = Arc::new(Rates::default());
        let draw = |at_ms| rates.draw(GRANT, 4, at_ms).map(Drawn::keep);
        for _ in 0..4 {
            draw(10_000).unwrap();
        }
        assert_eq!(draw(10_000), Err(250));
        assert_eq!(draw(10_249), Err(1));
        draw(10_250).unwrap();
        assert_eq!(draw(10_250), Err(250));
        assert_eq!(draw(9_000), Err(250), "an earlier time gives nothing");
        // However long nobody came.
        for _ in 0..4 {
            draw(99_000_000).unwrap();
        }
        assert!(draw(99_000_000).is_err());
        // Another grant has its own.
        assert!(rates.draw((GRANT.0, 2), 1, 10_250).is_ok());
    }

    #[test]
    fn what_was_not_recorded_goes_back() {
        let rates = Arc::new(Rates::default());
        for _ in 0..5 {
            drop(rates.draw(GRANT, 1, 5).unwrap());
        }
        rates.draw(GRANT, 1, 5).unwrap().keep();
        assert_eq!(rates.draw(GRANT, 1, 5).unwrap_err(), 1_000);
    }

    #[test]
    fn the_largest_rate_and_the_largest_time_do_not_overflow() {
        let rates = Arc::new(Rates::default());
        rates.draw(GRANT, u32::MAX, 0).unwrap().keep();
        rates.draw(GRANT, u32::MAX, u64::MAX).unwrap().keep();
    }
}
