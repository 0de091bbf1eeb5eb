//! Who looks whom up: one person again and again, or many persons in a short time.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;

use proto::header::Subject;

use super::{Asked, Odd, Oddity, Rules, Traces, Who};
use crate::stats::bounded::{Bounded, Merge};

/// Pairs of asker and person kept while counting.
const PAIRS_MAX: usize = 100_000;
/// Clerks watched at one time.
const CLERKS_MAX: usize = 50_000;
/// Look-ups of one clerk remembered at one time, for each person that makes it odd.
const LOOKUPS_PER_SUBJECT: usize = 4;

/// Counts look-ups of each person by each asker.
#[derive(Debug)]
pub(super) struct Repeated {
    pairs: Bounded<(Who, String), Lookups>,
}

#[derive(Debug, Default)]
struct Lookups {
    count: u64,
    subject: Option<Subject>,
    traces: Traces,
}

impl Merge for Lookups {
    fn merge(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
    }
}

impl Repeated {
    pub(super) fn new() -> Self {
        Self {
            pairs: Bounded::new(PAIRS_MAX),
        }
    }

    pub(super) fn take(&mut self, asked: &Asked<'_>) {
        for subject in &asked.row.event.subjects {
            let key = (
                asked.who.clone(),
                format!("{}:{}", subject.scheme, subject.pseudonym),
            );
            let lookups = self.pairs.entry(&key, 1);
            lookups.count += 1;
            lookups.subject.get_or_insert_with(|| subject.clone());
            lookups.traces.add(asked.row);
        }
    }

    pub(super) fn finish(self, rules: &Rules) -> Vec<Oddity> {
        self.pairs
            .finish(PAIRS_MAX)
            .kept
            .into_iter()
            .filter(|kept| kept.value.count >= rules.repeated_min)
            .filter_map(|kept| {
                let (who, _) = kept.key;
                Some(Oddity {
                    who,
                    odd: Odd::Repeated {
                        subject: kept.value.subject?,
                        missed_max: kept.missed_max,
                    },
                    count: kept.value.count,
                    traces: kept.value.traces,
                })
            })
            .collect()
    }
}

/// Counts the persons that each clerk looked up within the last moments. A system whose requests name no clerk looks up
/// many by its nature, and is not watched.
#[derive(Debug, Default)]
pub(super) struct ManySubjects {
    clerks: HashMap<Who, Window>,
    found: HashMap<Who, Most>,
    hasher: RandomState,
    unwatched: u64,
}

#[derive(Debug, Default)]
struct Window {
    /// When, index, and a hash of whom; the oldest first.
    lookups: VecDeque<(u64, u64, u64)>,
    persons: HashMap<u64, u32>,
}

/// The window with the most persons.
#[derive(Debug, Default)]
struct Most {
    persons: usize,
    traces: Traces,
}

impl ManySubjects {
    pub(super) fn take(&mut self, rules: &Rules, asked: &Asked<'_>) {
        if !matches!(asked.who, Who::Clerk(..)) || asked.row.event.subjects.is_empty() {
            return;
        }
        if !self.clerks.contains_key(&asked.who) && self.clerks.len() >= CLERKS_MAX {
            self.forget_idle(rules, asked.at_ms);
            if self.clerks.len() >= CLERKS_MAX {
                self.unwatched += 1;
                return;
            }
        }
        let window = self.clerks.entry(asked.who.clone()).or_default();
        window.forget_before(asked.at_ms.saturating_sub(rules.subjects_window_ms));
        for subject in &asked.row.event.subjects {
            let person = self
                .hasher
                .hash_one((subject.scheme.as_str(), subject.pseudonym));
            window
                .lookups
                .push_back((asked.at_ms, asked.row.event.index, person));
            *window.persons.entry(person).or_insert(0) += 1;
            if window.lookups.len() > rules.subjects_min.max(1) * LOOKUPS_PER_SUBJECT {
                window.forget_oldest();
            }
        }
        let persons = window.persons.len();
        if persons < rules.subjects_min {
            return;
        }
        let most = self.found.entry(asked.who.clone()).or_default();
        if persons > most.persons {
            most.persons = persons;
            most.traces = Traces::default();
            for (at_ms, index, _) in &window.lookups {
                most.traces.add_at(*index, *at_ms);
            }
        }
    }

    fn forget_idle(&mut self, rules: &Rules, now_ms: u64) {
        let before_ms = now_ms.saturating_sub(rules.subjects_window_ms);
        self.clerks.retain(|_, window| {
            let last = window.lookups.back();
            last.is_some_and(|(at_ms, ..)| *at_ms >= before_ms)
        });
    }

    pub(super) fn unwatched(&self) -> u64 {
        self.unwatched
    }

    pub(super) fn finish(self) -> Vec<Oddity> {
        self.found
            .into_iter()
            .map(|(who, most)| Oddity {
                who,
                odd: Odd::ManySubjects,
                count: most.persons as u64,
                traces: most.traces,
            })
            .collect()
    }
}

impl Window {
    fn forget_before(&mut self, before_ms: u64) {
        while self
            .lookups
            .front()
            .is_some_and(|(at_ms, ..)| *at_ms < before_ms)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, _, person)) = self.lookups.pop_front() else {
            return;
        };
        if let Some(count) = self.persons.get_mut(&person) {
            *count -= 1;
            if *count == 0 {
                self.persons.remove(&person);
            }
        }
    }
}
