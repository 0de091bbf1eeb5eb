//! What in a log is unlike the rest: a list of places to look at, each with the reason why it is there.
//!
//! Takes: the rows of a scan, in order, and the [`Rules`]. Gives: [`Oddity`]s with figures, thresholds and indexes.
//! Never: says that anybody did wrong (a night shift, a campaign, a new clerk look the same), and never keeps more than
//! a bounded number of anything: what was too much to watch is said in [`Report::unwatched`].

use std::collections::BTreeMap;

use proto::Digest;
use proto::entry::Kind;
use proto::header::Subject;
use proto::id::{AgencyId, SystemId};

use crate::find::Row;

mod hours;
mod lookups;
mod refusals;
mod reviews;
#[cfg(test)]
mod tests;
mod volume;
mod zone;

pub use zone::Zone;

use hours::Hours;
use lookups::{ManySubjects, Repeated};
use refusals::{Clusters, Sequences};
use reviews::Reviews;
use volume::Volume;

/// Indexes that an oddity names at most: the first ones, and the last.
pub const INDEXES_MAX: usize = 10;
/// Oddities of one rule that are told at most, those of the largest figures.
pub const ROWS_PER_RULE_MAX: usize = 1_000;

/// When something is worth a look. Every default is a beginning, to be set to what is usual here.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Volume: how many typical deviations above the median of its active hours an hour must lie.
    pub volume_factor: f64,
    /// Volume: requests that such an hour must have.
    pub volume_min: u64,
    /// Volume: active hours before there is anything typical.
    pub volume_hours_min: u64,
    /// Hours: which clock.
    pub zone: Zone,
    /// Hours: the working hours, from one hour of the day to before another; `None` says nothing about them.
    pub working: Option<(u8, u8)>,
    /// Hours: days without work, 0 is Monday.
    pub weekend: Vec<u8>,
    /// Hours: share outside the working hours, 0 to 1.
    pub outside_share: f64,
    /// Hours: an hour of the day is unusual for an agency when it is active in it on less than this share of its days.
    pub usual_share: f64,
    /// Hours: requests that must lie outside, or in an unusual hour.
    pub hours_min: u64,
    /// Hours: days on which an agency must be active before anything is usual.
    pub days_min: u64,
    /// Look-ups of one person by one asker.
    pub repeated_min: u64,
    /// Distinct persons looked up by one clerk within [`Rules::subjects_window_ms`].
    pub subjects_min: usize,
    /// See [`Rules::subjects_min`].
    pub subjects_window_ms: u64,
    /// Refusals of one asker.
    pub refused_min: u64,
    /// Their share of all that this one asked, 0 to 1.
    pub refused_share: f64,
    /// How long after a refusal a permitted request counts as its sequel.
    pub sequel_ms: u64,
    /// Such sequels of one asker at one service.
    pub sequels_min: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            volume_factor: 6.0,
            volume_min: 50,
            volume_hours_min: 24,
            zone: Zone::Egypt,
            working: None,
            weekend: vec![4, 5],
            outside_share: 0.2,
            usual_share: 0.2,
            hours_min: 10,
            days_min: 5,
            repeated_min: 10,
            subjects_min: 100,
            subjects_window_ms: 3_600_000,
            refused_min: 10,
            refused_share: 0.5,
            sequel_ms: 600_000,
            sequels_min: 1,
        }
    }
}

/// Whom an oddity is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// An agency.
    Agency(AgencyId),
    /// A clerk of a system, under the pseudonym.
    Clerk(SystemId, Digest),
    /// A system whose requests name no clerk.
    System(SystemId),
    /// A connection whose requests named nobody: SHA-256 of its certificate.
    Connection(Digest),
}

/// What is odd, with the figures that make it so.
#[derive(Clone, Debug, PartialEq)]
pub enum Odd {
    /// More requests in one hour than the same agency asks this service in its typical hours.
    Volume {
        /// Provider system and service.
        service: String,
        /// The hour's begin, Unix milliseconds.
        hour_ms: u64,
        /// Median of all active hours.
        median: u64,
        /// The typical deviation used: at least a tenth of the median, and 1.
        deviation: f64,
        /// What would still have been usual.
        limit: u64,
        /// Active hours.
        hours: u64,
    },
    /// A large share outside the working hours.
    OutsideHours {
        /// All requests.
        total: u64,
    },
    /// Activity in an hour of the day in which this agency is rarely active.
    UnusualHour {
        /// The hour of the day, 0 to 23, by the clock of the rules.
        hour: u8,
        /// Days on which it was active in it.
        days: u64,
        /// Days on which it was active at all.
        days_in_all: u64,
    },
    /// The same person, again and again.
    Repeated {
        /// Under this pseudonym.
        subject: Subject,
        /// Look-ups that may be missing from the count.
        missed_max: u64,
    },
    /// Many persons in a short time.
    ManySubjects,
    /// Mostly refused.
    Refused {
        /// Everything asked.
        asked: u64,
        /// Refusals by code.
        codes: BTreeMap<String, u64>,
    },
    /// Refused, then let through with another request about the same.
    RefusedThenPermitted {
        /// Provider system and service.
        service: String,
        /// What was changed in between; empty: nothing, so the registry changed.
        changed: Vec<&'static str>,
    },
    /// Looks under break-glass grants that this agency was asked for, and has not reviewed in time.
    ReviewOverdue {
        /// Who looked.
        consumer: AgencyId,
    },
    /// Looks under break-glass grants that were found unjustified.
    Unjustified {
        /// Who found so.
        provider: AgencyId,
    },
}

impl Odd {
    /// The stable word of the rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Volume { .. } => "volume",
            Self::OutsideHours { .. } => "outside_hours",
            Self::UnusualHour { .. } => "unusual_hour",
            Self::Repeated { .. } => "repeated",
            Self::ManySubjects => "many_subjects",
            Self::Refused { .. } => "refused",
            Self::RefusedThenPermitted { .. } => "refused_then_permitted",
            Self::ReviewOverdue { .. } => "review_overdue",
            Self::Unjustified { .. } => "unjustified",
        }
    }
}

/// One place to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Oddity {
    /// Who asked.
    pub who: Who,
    /// Why it is here.
    pub odd: Odd,
    /// How many: requests, look-ups, persons, refusals, sequels, as the rule counts.
    pub count: u64,
    /// Where.
    pub traces: Traces,
}

/// Where something is in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// The first indexes, and after [`INDEXES_MAX`] of them the last one in the place of the tenth.
    pub indexes: Vec<u64>,
    /// When the first one was recorded, Unix milliseconds.
    pub first_ms: u64,
    /// When the last one was.
    pub last_ms: u64,
}

impl Traces {
    fn add(&mut self, row: &Row) {
        self.add_at(row.event.index, row.event.recorded_at_us / 1_000);
    }

    fn add_at(&mut self, index: u64, at_ms: u64) {
        if self.indexes.is_empty() {
            self.first_ms = at_ms;
        }
        self.last_ms = at_ms;
        if self.indexes.len() >= INDEXES_MAX {
            self.indexes.pop();
        }
        self.indexes.push(index);
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Rule after rule, the largest figures first.
    pub oddities: Vec<Oddity>,
    /// Oddities left out because their rule had too many.
    pub left_out: u64,
    /// What could not be watched because there was too much of it, and by which rule.
    pub unwatched: BTreeMap<&'static str, u64>,
}

/// Watches rows for all rules at once.
#[derive(Debug)]
pub struct Watch {
    rules: Rules,
    volume: Volume,
    hours: Hours,
    repeated: Repeated,
    subjects: ManySubjects,
    clusters: Clusters,
    sequences: Sequences,
    reviews: Reviews,
}

impl Watch {
    /// Nothing watched yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            volume: Volume::default(),
            hours: Hours::default(),
            repeated: Repeated::new(),
            subjects: ManySubjects::default(),
            clusters: Clusters::new(),
            sequences: Sequences::new(),
            reviews: Reviews::default(),
        }
    }

    /// Takes the next row; only requests and refusals matter, and for reviews what they are about.
    pub fn take(&mut self, row: &Row) {
        self.reviews.take(row);
        let Some(asked) = Asked::of(row) else { return };
        self.clusters.take(&asked);
        if !matches!(asked.who, Who::Connection(_)) {
            self.volume.take(&asked);
            self.hours.take(&self.rules, &asked);
            self.sequences.take(&self.rules, &asked);
        }
        if asked.refused.is_none() {
            self.repeated.take(&asked);
            self.subjects.take(&self.rules, &asked);
        }
    }

    /// What is odd.
    pub fn finish(self) -> Report {
        let rules = &self.rules;
        let unwatched = [
            ("volume", self.volume.unwatched()),
            ("unusual_hour", self.hours.unwatched()),
            ("many_subjects", self.subjects.unwatched()),
            ("refused_then_permitted", self.sequences.unwatched()),
            ("review_overdue", self.reviews.unwatched()),
        ];
        let mut report = Report {
            unwatched: unwatched
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .collect(),
            ..Report::default()
        };
        let (outside, unusual) = self.hours.finish(rules);
        let (overdue, unjustified) = self.reviews.finish();
        for mut found in [
            overdue,
            unjustified,
            self.volume.finish(rules),
            outside,
            unusual,
            self.repeated.finish(rules),
            self.subjects.finish(),
            self.clusters.finish(rules),
            self.sequences.finish(rules),
        ] {
            found.sort_by(|one, other| (other.count, &one.who).cmp(&(one.count, &other.who)));
            report.left_out += found.len().saturating_sub(ROWS_PER_RULE_MAX) as u64;
            found.truncate(ROWS_PER_RULE_MAX);
            report.oddities.append(&mut found);
        }
        report
    }
}

/// A row that asks for something.
struct Asked<'a> {
    row: &'a Row,
    who: Who,
    at_ms: u64,
    /// The code, if the switch said no.
    refused: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn of(row: &'a Row) -> Option<Self> {
        let event = &row.event;
        let refused = match event.kind {
            Kind::Request | Kind::Upload => None,
            Kind::Refusal => Some(event.code.as_str()),
            _ => return None,
        };
        let facts = row.facts.as_ref()?;
        let who = match (&event.consumer, event.actor) {
            (Some(system), Some(actor)) => Who::Clerk(system.clone(), actor),
            (Some(system), None) => Who::System(system.clone()),
            (None, _) => Who::Connection(Digest::from_slice(&facts.peer_sha256)?),
        };
        Some(Self {
            row,
            who,
            at_ms: event.recorded_at_us / 1_000,
            refused,
        })
    }

    fn agency(&self) -> Option<AgencyId> {
        self.row.event.consumer.as_ref().map(SystemId::agency)
    }

    /// Provider system and service.
    fn service(&self) -> String {
        let event = &self.row.event;
        match &event.provider {
            Some(provider) => format!("{provider}/{}", event.service),
            None => event.service.clone(),
        }
    }

    /// How many it stands for.
    fn count(&self) -> u64 {
        let facts = self.row.facts.as_ref();
        facts.map_or(1, |facts| facts.count.max(1))
    }
}
