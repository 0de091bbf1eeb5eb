//! Exchanges under way: how many one agency may have, and how many the switch carries in all.
//!
//! Takes an agency. Gives a [`Permit`] that is held until the exchange is closed, not until its caller is
//! gone: hanging up frees nothing. Never queues: what is over a limit is told so at once, and not recorded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::Code;
use proto::id::AgencyId;

/// The counters behind every permit.
#[derive(Debug)]
pub struct Limits {
    all: usize,
    per_agency: usize,
    under_way: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    all: usize,
    by_agency: HashMap<AgencyId, usize>,
}

/// The right to have one exchange under way. Dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    limits: Arc<Limits>,
    agency: AgencyId,
}

impl Limits {
    /// At most `all` exchanges at once, `per_agency` of one consumer agency.
    #[must_use]
    pub fn new(all: usize, per_agency: usize) -> Arc<Self> {
        Arc::new(Self {
            all,
            per_agency,
            under_way: Mutex::default(),
        })
    }

    /// A place for one more exchange of `agency`.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when the agency has all its places, [`Code::Overloaded`] when the switch has.
    pub fn enter(self: &Arc<Self>, agency: &AgencyId) -> Result<Permit, Code> {
        let mut under_way = self.lock();
        // The agency first: whoever is over its own limit should not be told that the switch is full.
        let own = under_way.by_agency.get(agency).copied().unwrap_or(0);
        if own >= self.per_agency {
            return Err(Code::RateLimited);
        }
        if under_way.all >= self.all {
            return Err(Code::Overloaded);
        }
        under_way.all += 1;
        under_way.by_agency.insert(agency.clone(), own + 1);
        Ok(Permit {
            limits: Arc::clone(self),
            agency: agency.clone(),
        })
    }

    /// Exchanges under way now.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.lock().all
    }

    /// The counters are whole whenever the lock is free, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut under_way = self.limits.lock();
        under_way.all = under_way.all.saturating_sub(1);
        if let Some(own) = under_way.by_agency.get_mut(&self.agency) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                under_way.by_agency.remove(&self.agency);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agency_over_its_limit_does_not_take_from_others() {
        let limits = Limits::new(3, 2);
        let (moss, civil) = (
            AgencyId::parse("EG/GOV/MOSS").unwrap(),
            AgencyId::parse("EG/GOV/CIVIL").unwrap(),
        );
        let first = limits.enter(&moss).unwrap();
        let _second = limits.enter(&moss).unwrap();
        assert_eq!(limits.enter(&moss).unwrap_err(), Code::RateLimited);
        let _third = limits.enter(&civil).unwrap();
        assert_eq!(limits.enter(&civil).unwrap_err(), Code::Overloaded);
        // Over its own limit and the switch full: it hears of its own.
        assert_eq!(limits.enter(&moss).unwrap_err(), Code::RateLimited);
        drop(first);
        assert_eq!(limits.under_way(), 2);
        let _fourth = limits.enter(&civil).unwrap();
    }

    #[test]
    fn what_is_given_back_leaves_nothing_behind() {
        let limits = Limits::new(8, 8);
        let moss = AgencyId::parse("EG/GOV/MOSS").unwrap();
        drop((limits.enter(&moss).unwrap(), limits.enter(&moss).unwrap()));
        assert_eq!(limits.under_way(), 0);
        assert!(limits.lock().by_agency.is_empty());
    }
}
