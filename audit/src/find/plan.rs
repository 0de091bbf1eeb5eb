//! Which entries a scan reads: all of its range, or those that an index names and whatever the index does not reach.
//!
//! Takes a filter, a range and an index. Gives the steps of the scan, bundle by bundle, in order. An index only ever
//! says where nothing stands that the filter wants: what cannot be looked up is read, and from the first chunk of it
//! that is missing or damaged on everything is. Pruned bundles are steps, too: that they are gone is to be told.

use std::collections::VecDeque;
use std::ops::Range;

use proto::id::{AgencyId, Part, SystemId};

use crate::index::{Index, Lookup, Term};
use crate::replay::Filter;
use crate::tiles::{Pruned, TILE_WIDTH};

const HOUR_MS: u64 = 3_600_000;
/// Hours that are looked up one by one: a month. A longer time is read.
const HOURS_MAX: u64 = 31 * 24;

/// A bundle, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Number of the bundle.
    pub(super) bundle: u64,
    /// Indexes of the range that it holds.
    pub(super) range: Range<u64>,
    /// Those that the filter may want; `None`: all of them.
    pub(super) only: Option<Vec<u64>>,
}

/// The steps of one scan.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    next: u64,
    end: u64,
    pruned: Pruned,
    lookup: Option<Lookup<'a>>,
    /// Below this index everything was looked up.
    looked_up: u64,
    places: VecDeque<u64>,
    /// Entries that are in no step, or in one that does not want them.
    pub(super) skipped: u64,
    /// Why the index was not used, or no further.
    pub(super) remark: Option<String>,
}

impl<'a> Plan<'a> {
    /// Reads all of `range`.
    pub(super) fn everything(range: &Range<u64>, pruned: Pruned) -> Self {
        Self {
            next: range.start,
            end: range.end,
            pruned,
            lookup: None,
            looked_up: 0,
            places: VecDeque::new(),
            skipped: 0,
            remark: None,
        }
    }

    /// Reads of `range` what `index` says that `filter` may want, and what it does not reach.
    pub(super) fn by(
        index: &'a Index,
        filter: &Filter,
        range: &Range<u64>,
        pruned: Pruned,
    ) -> Self {
        let mut plan = Self::everything(range, pruned);
        let mut wanted = terms(filter);
        if wanted.is_empty() {
            return plan;
        }
        // Whoever reads everything says what cannot be read, whatever is wanted.
        wanted.iter_mut().for_each(|any| any.push(Term::unread()));
        if index.ignored() > 0 {
            plan.remark = Some(format!(
                "{} of the index's databases are damaged, of another log or of another version, and count for nothing",
                index.ignored()
            ));
        }
        plan.lookup = Some(index.places(wanted, range.clone()));
        plan
    }

    /// Whether everything below `end` was looked up.
    fn knows(&mut self, end: u64) -> bool {
        while self.looked_up < end {
            let Some(lookup) = &mut self.lookup else {
                return false;
            };
            match lookup.next_chunk() {
                Some(Ok(chunk)) => {
                    self.looked_up = chunk.range.end;
                    self.places.extend(chunk.places);
                }
                Some(Err(error)) => {
                    self.remark = Some(error.to_string());
                    self.lookup = None;
                }
                None => self.lookup = None,
            }
        }
        true
    }
}

impl Iterator for Plan<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let width = u64::from(TILE_WIDTH);
        while self.next < self.end {
            let bundle = self.next / width;
            let range = self.next..(bundle + 1).saturating_mul(width).min(self.end);
            self.next = range.end;
            let known = self.knows(range.end);
            let named = self.places.iter().take_while(|place| **place < range.end);
            let named = named.count();
            let only: Vec<u64> = self.places.drain(..named).collect();
            if !known || self.pruned.covers(bundle) {
                return Some(Step {
                    bundle,
                    range,
                    only: None,
                });
            }
            self.skipped += range.end - range.start - only.len() as u64;
            if !only.is_empty() {
                return Some(Step {
                    bundle,
                    range,
                    only: Some(only),
                });
            }
        }
        None
    }
}

/// What an entry that `filter` admits names for certain: at least one of each list.
fn terms(filter: &Filter) -> Vec<Vec<Term>> {
    let mut all = Vec::new();
    all.extend(filter.exchange.iter().map(|id| vec![Term::exchange(id)]));
    all.extend(filter.key.iter().map(|kid| vec![Term::key(kid)]));
    all.extend(filter.actor.iter().map(|who| vec![Term::actor(who)]));
    all.extend(filter.case.iter().map(|case| vec![Term::case(case)]));
    let subject = filter.subject.iter();
    all.extend(subject.map(|subject| vec![Term::subject(&subject.pseudonym)]));
    let parties = [&filter.party, &filter.consumer, &filter.provider];
    all.extend(parties.into_iter().flatten().filter_map(|name| party(name)));
    let part = |name: &Option<String>| Part::parse(name.as_deref()?).ok();
    all.extend(part(&filter.purpose).map(|code| vec![Term::purpose(&code)]));
    all.extend(part(&filter.service).map(|name| vec![Term::service(&name)]));
    if let (Some(from), Some(to)) = (filter.from_ms, filter.to_ms) {
        let hours = from / HOUR_MS..to.div_ceil(HOUR_MS);
        if hours.end.saturating_sub(hours.start) <= HOURS_MAX {
            // None at all where it ends before it begins, and then nothing can match.
            all.push(hours.map(|hour| Term::hour(hour * HOUR_MS)).collect());
        }
    }
    all
}

/// `None`: neither an agency nor a system, but what several of them begin with.
fn party(name: &str) -> Option<Vec<Term>> {
    let agency = AgencyId::parse(name).ok().map(|id| Term::agency(&id));
    let system = || SystemId::parse(name).ok().map(|id| Term::system(&id));
    Some(vec![agency.or_else(system)?])
}
