//! How long a no is held back from an agency that gets very many of them.
//!
//! A no costs little, but ten thousand a second cost everybody's time on the way in. So an agency is told
//! [`PER_SECOND`] a second at once; further ones come later, by at most [`LONGEST`], which is no later than it was asked to come
//! back. What is held occupies the caller's own streams: HTTP/2 then lets it bring no more. Holds no request while it waits.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::id::AgencyId;

/// Noes a second that one agency is told without delay, in the long run.
const PER_SECOND: u32 = 500;
/// And at once, after a pause.
const AT_ONCE: u32 = 500;
/// The longest that one is held.
const LONGEST: Duration = Duration::from_millis(500);
/// Agencies remembered before those that need not be are forgotten.
const REMEMBERED: usize = 1_024;

/// When each agency's next no is due.
#[derive(Debug, Default)]
pub(super) struct Held {
    due: Mutex<HashMap<AgencyId, Instant>>,
}

impl Held {
    /// How long one more no to `agency` is held.
    pub(super) fn hold(&self, agency: &AgencyId, now: Instant) -> Duration {
        let step = Duration::from_secs(1) / PER_SECOND;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= REMEMBERED {
            due.retain(|_, due| *due > now);
        }
        // `due` runs ahead of the clock by one step for each no; the first ones of a burst are not held for that.
        let ahead = due.entry(agency.clone()).or_insert(now);
        let burst = step * AT_ONCE;
        *ahead = ((*ahead).max(now) + step).min(now + burst + LONGEST);
        ahead.saturating_duration_since(now).saturating_sub(burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_told_at_once_and_a_flood_is_held_no_longer_than_it_may() {
        let (held, now) = (Held::default(), Instant::now());
        let moss = AgencyId::parse("EG/GOV/MOSS").unwrap();
        let holds = |at| held.hold(&moss, at);
        assert!((0..AT_ONCE).all(|_| holds(now).is_zero()));
        let next: Vec<_> = (0..3).map(|_| holds(now).as_millis()).collect();
        assert_eq!(next, [2, 4, 6]);
        assert_eq!((0..1_000).map(|_| holds(now)).max(), Some(LONGEST));
        // Nobody else is held for that, and it is over when it is over.
        let civil = AgencyId::parse("EG/GOV/CIVIL").unwrap();
        assert!(held.hold(&civil, now).is_zero());
        assert!(holds(now + Duration::from_secs(2)).is_zero());
    }

    #[test]
    fn agencies_that_need_not_be_remembered_are_forgotten() {
        let (held, now) = (Held::default(), Instant::now());
        for number in 0..10_000_u32 {
            let agency = AgencyId::parse(&format!("EG/GOV/A{number}")).unwrap();
            held.hold(&agency, now + Duration::from_millis(u64::from(number)));
        }
        let due = held.due.lock().unwrap();
        assert!(due.len() <= REMEMBERED, "{}", due.len());
    }
}
