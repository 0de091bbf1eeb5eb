//! Exchanges under way: how many one agency may have, one provider, and the switch in all; and whose turn it is.
//!
//! Takes an agency, from the connection alone: nothing of a request is read or verified before it is let in. Gives a
//! [`Permit`] that is held until the exchange is closed, not until its caller is gone: hanging up frees nothing.
//! And a [`Turn`]: the switch works on so many at once as it can ([`pace`]), further ones wait, and agencies are
//! served in turn, those with little under way first ([`Share`]). When as many wait as may, the agency that has most waiting gives up its last. What is over a limit is
//! told so at once, and not recorded.
//!
//! | | holds |
//! |---|---|
//! | [`turns`] | who waits, who is worked on |
//! | [`pace`] | how many at once |
//! | [`calm`] | how many of those who ask much, until they are closed, while somebody asks little |
//! | `step` | how these two numbers fall and grow |
//! | [`held`] | how long a no is held back in a flood |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::Code;
use proto::id::{AgencyId, SystemId};

mod calm;
mod held;
mod pace;
mod step;
mod turns;

use self::held::Held;
pub use self::turns::{Turn, Work};
use self::turns::{Turns, Whole};

/// Whoever has less under way than one such part of what each agency has on average asks little: it does not wait, and while
/// it is here and somebody is told no, those who ask much have less under way. A small part: among agencies that ask alike, each has now and then
/// less than the others.
const LITTLE: usize = 4;
/// Whoever has at least one such part asks much. All of many that flood do, also those that have somewhat less than the others;
/// and whoever is slowed by a flood and has more under way for that alone stays below it.
const MUCH: usize = 2;

/// The bounds of everything that [`Limits`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Exchanges under way in all.
    pub all: usize,
    /// Of one consumer agency. Three quarters of these with one provider.
    pub per_agency: usize,
    /// With one provider's system, whoever asks.
    pub per_provider: usize,
    /// Of all: not begun yet.
    pub waiting: usize,
}

/// The counters behind every permit.
#[derive(Debug)]
pub struct Limits {
    bounds: Bounds,
    under_way: Mutex<UnderWay>,
    turns: Arc<Turns>,
    held: Held,
}

#[derive(Debug, Default)]
struct UnderWay {
    all: usize,
    by_agency: HashMap<AgencyId, usize>,
    by_provider: HashMap<SystemId, Asked>,
}

/// Exchanges with one provider.
#[derive(Debug, Default)]
struct Asked {
    all: usize,
    by_agency: HashMap<AgencyId, usize>,
}

/// What an agency has under way, until it is closed, beside the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// Less than one [`LITTLE`]th of what each has on average.
    Little,
    /// Less than one [`MUCH`]th.
    Less,
    /// At least that.
    Much,
}

/// The right to have one exchange under way. Dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    limits: Arc<Limits>,
    agency: AgencyId,
    /// Whom it asks, once that is known.
    provider: Option<SystemId>,
    /// From its turn on.
    whole: Option<Whole>,
}

impl Limits {
    /// At most `all` exchanges at once, `per_agency` of one consumer agency, all of them with one provider.
    #[must_use]
    pub fn new(all: usize, per_agency: usize) -> Arc<Self> {
        Self::within(Bounds {
            all,
            per_agency,
            per_provider: all,
            waiting: all,
        })
    }

    /// Within all these bounds.
    #[must_use]
    pub fn within(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            under_way: Mutex::default(),
            turns: Turns::new(bounds.waiting, bounds.all),
            held: Held::default(),
        })
    }

    /// A place for one more exchange of `agency`, and its turn to wait for.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when the agency has all its places, [`Code::Overloaded`] when the switch has, or as many
    /// wait as may and no agency has more of them than this one.
    pub fn enter(self: &Arc<Self>, agency: &AgencyId) -> Result<(Permit, Turn), Code> {
        let (permit, share) = self.permit(agency).inspect_err(|_| self.turns.refused())?;
        let turn = self.turns.take(agency, share).ok_or(Code::Overloaded)?;
        Ok((permit, turn))
    }

    fn permit(self: &Arc<Self>, agency: &AgencyId) -> Result<(Permit, Share), Code> {
        let mut under_way = self.lock();
        // The agency first: whoever is over its own limit should not be told that the switch is full.
        let own = under_way.by_agency.get(agency).copied().unwrap_or(0);
        if own >= self.bounds.per_agency {
            return Err(Code::RateLimited);
        }
        if under_way.all >= self.bounds.all {
            return Err(Code::Overloaded);
        }
        under_way.all += 1;
        under_way.by_agency.insert(agency.clone(), own + 1);
        let share = Share::of(own + 1, under_way.all, under_way.by_agency.len());
        let permit = Permit {
            limits: Arc::clone(self),
            agency: agency.clone(),
            provider: None,
            whole: None,
        };
        Ok((permit, share))
    }

    /// How long `agency` waits for one more no: nothing, unless it gets very many.
    pub fn hold(&self, agency: &AgencyId) -> Duration {
        self.held.hold(agency, Instant::now())
    }

    /// Work on an exchange that was begun: what is begun is ended, so it never waits.
    pub fn go_on(&self) -> Work {
        self.turns.go_on()
    }

    /// Calls whoever can begin now, where nobody has ended who would have called them.
    pub fn look(&self) {
        self.turns.look();
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

impl Share {
    /// Of an agency that has `own` of `all` under way, beside `agencies`, itself among them.
    fn of(own: usize, all: usize, agencies: usize) -> Self {
        let parts = |part: usize| own * part * agencies;
        if parts(LITTLE) <= all {
            Self::Little
        } else if parts(MUCH) <= all {
            Self::Less
        } else {
            Self::Much
        }
    }
}

impl Permit {
    /// Its turn has come, of which `work` is the beginning.
    pub(crate) fn begins(&mut self, work: &mut Work) {
        self.whole = work.whole();
    }

    /// Counts it with the provider that it asks: one that hangs must not hold the places of all others.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when the agency has three quarters of its places with this provider,
    /// [`Code::Overloaded`] when the provider has as many as one may.
    pub(crate) fn asks(&mut self, provider: &SystemId) -> Result<(), Code> {
        if self.provider.as_ref() == Some(provider) {
            return Ok(());
        }
        self.leave_provider();
        let bounds = self.limits.bounds;
        let mut under_way = self.limits.lock();
        let asked = under_way.by_provider.get(provider);
        let own = asked.and_then(|asked| asked.by_agency.get(&self.agency));
        if own.copied().unwrap_or(0) >= bounds.per_agency - bounds.per_agency / 4 {
            return Err(Code::RateLimited);
        }
        if asked.map_or(0, |asked| asked.all) >= bounds.per_provider {
            return Err(Code::Overloaded);
        }
        let asked = under_way.by_provider.entry(provider.clone()).or_default();
        asked.all += 1;
        *asked.by_agency.entry(self.agency.clone()).or_default() += 1;
        self.provider = Some(provider.clone());
        Ok(())
    }

    fn leave_provider(&mut self) {
        let Some(provider) = self.provider.take() else {
            return;
        };
        let mut under_way = self.limits.lock();
        if let Some(asked) = under_way.by_provider.get_mut(&provider) {
            asked.all = asked.all.saturating_sub(1);
            give_back(&mut asked.by_agency, &self.agency);
            if asked.all == 0 {
                under_way.by_provider.remove(&provider);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.leave_provider();
        let mut under_way = self.limits.lock();
        under_way.all = under_way.all.saturating_sub(1);
        give_back(&mut under_way.by_agency, &self.agency);
    }
}

fn give_back(counts: &mut HashMap<AgencyId, usize>, agency: &AgencyId) {
    if let Some(own) = counts.get_mut(agency) {
        *own = own.saturating_sub(1);
        if *own == 0 {
            counts.remove(agency);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn agency(name: &str) -> AgencyId {
        AgencyId::parse(&format!("EG/GOV/{name}")).unwrap()
    }

    fn system(name: &str) -> SystemId {
        SystemId::parse(&format!("EG/GOV/{name}/registry")).unwrap()
    }

    #[test]
    fn an_agency_over_its_limit_does_not_take_from_others() {
        let limits = Limits::new(3, 2);
        let (moss, civil) = (agency("MOSS"), agency("CIVIL"));
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
    fn a_provider_that_hangs_holds_no_more_than_its_own() {
        let limits = Limits::within(Bounds {
            all: 64,
            per_agency: 8,
            per_provider: 9,
            waiting: 64,
        });
        let (hangs, other) = (system("HANGS"), system("CIVIL"));
        let ask = |name: &str, provider| {
            let mut permit = limits.permit(&agency(name)).unwrap().0;
            permit.asks(provider).map(|()| permit)
        };
        let mut held: Vec<_> = (0..6).map(|_| ask("MOSS", &hangs).unwrap()).collect();
        // Three quarters of one agency's places; the rest is for whom else it asks.
        assert_eq!(ask("MOSS", &hangs).unwrap_err(), Code::RateLimited);
        held.extend((0..2).map(|_| ask("MOSS", &other).unwrap()));
        assert_eq!(
            limits.permit(&agency("MOSS")).unwrap_err(),
            Code::RateLimited
        );
        held.extend((0..3).map(|_| ask("GIZA", &hangs).unwrap()));
        assert_eq!(ask("GIZA", &hangs).unwrap_err(), Code::Overloaded);
        let _other = ask("GIZA", &other).unwrap();
        // Judged again, the same request counts once.
        held[0].asks(&hangs).unwrap();
        held.remove(0);
        let again = ask("MOSS", &hangs).unwrap();
        drop((held, again));
        assert_eq!(limits.lock().by_provider.len(), 1);
    }

    #[test]
    fn what_an_agency_has_under_way_is_held_against_what_each_has() {
        let of_two = |own| Share::of(own, 1_000 + own, 2);
        let shares = [1, 142, 143, 333, 334, 1_000].map(of_two);
        let [much, less, little] = [Share::Much, Share::Less, Share::Little];
        assert_eq!(shares, [little, little, less, less, much, much]);
        assert_eq!(Share::of(1, 1, 1), much, "whoever is alone");
        // Of ten that ask alike none asks little, and none less than much.
        assert!((52..=150).all(|own| Share::of(own, 1_000, 10) == much));
        assert!((26..=150).all(|own| Share::of(own, 1_000, 10) != little));
    }

    #[test]
    fn an_exchange_is_under_way_until_its_place_is_given_back() {
        let limits = Limits::new(8, 8);
        limits.turns.stand_still();
        let (mut permit, turn) = limits.enter(&agency("MOSS")).unwrap();
        let mut work = turn.now_or_never().unwrap().unwrap();
        permit.begins(&mut work);
        // Recorded, and at its provider.
        work.done();
        assert_eq!(limits.turns.under_way(), 1);
        drop(permit);
        assert_eq!(limits.turns.under_way(), 0);
    }

    #[test]
    fn what_is_given_back_leaves_nothing_behind() {
        let limits = Limits::new(8, 8);
        let moss = agency("MOSS");
        let (mut permit, turn) = limits.enter(&moss).unwrap();
        permit.asks(&system("CIVIL")).unwrap();
        drop((permit, turn, limits.enter(&moss).unwrap()));
        assert_eq!(limits.under_way(), 0);
        let under_way = limits.lock();
        assert!(under_way.by_agency.is_empty() && under_way.by_provider.is_empty());
    }
}
