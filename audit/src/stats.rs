//! Figures of a log: how much, by whom, how it ended, how long it took; by one dimension at a time.
//!
//! Takes: the rows of a scan. Gives: a [`Stats`] with one [`Tally`] for each of the busiest keys, one for all others, and
//! the total. Never: keeps more than a bounded number of keys, whatever the log holds; the total is exact, and where
//! keys had to be dropped on the way each row says by how much it may be too small.

use std::fmt::Write as _;

use proto::Code;
use proto::entry::Kind;
use proto::header::Outcome;
use time::OffsetDateTime;

use crate::find::Row;

pub(crate) mod bounded;
mod figures;
mod tally;
#[cfg(test)]
mod tests;

pub use figures::{bytes, duration};
pub use tally::{Quantiles, Tally, Times};

use bounded::{Bounded, Top};

/// Keys kept while counting: 92 days of hours. Twice as many may be held for a moment.
const KEYS_MAX: usize = 92 * 24;

/// What the figures are by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The agency that asks.
    Consumer,
    /// The system that asks.
    ConsumerSystem,
    /// The agency that is asked.
    Provider,
    /// The service, with the system that offers it.
    Service,
    /// The operation, with its service.
    Operation,
    /// The stated purpose.
    Purpose,
    /// The agreement that decided.
    Agreement,
    /// Outcome or refusal code.
    Outcome,
    /// The hour, UTC.
    Hour,
    /// The clerk, under the pseudonym, with the system that speaks for them.
    Actor,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 10] = [
        Self::Consumer,
        Self::ConsumerSystem,
        Self::Provider,
        Self::Service,
        Self::Operation,
        Self::Purpose,
        Self::Agreement,
        Self::Outcome,
        Self::Hour,
        Self::Actor,
    ];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::ConsumerSystem => "consumer-system",
            Self::Provider => "provider",
            Self::Service => "service",
            Self::Operation => "operation",
            Self::Purpose => "purpose",
            Self::Agreement => "agreement",
            Self::Outcome => "outcome",
            Self::Hour => "hour",
            Self::Actor => "actor",
        }
    }

    /// Reads the stable word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dimension| dimension.name() == name)
    }

    /// Writes the key that `row` counts under; `false` where the row has none.
    fn key(self, row: &Row, key: &mut String) -> bool {
        let event = &row.event;
        let both = |key: &mut String, name: &str| {
            let Some(provider) = &event.provider else {
                return false;
            };
            write!(key, "{provider}/{name}").is_ok()
        };
        match self {
            Self::Consumer => show(key, event.consumer.as_ref().map(|system| system.agency())),
            Self::ConsumerSystem => show(key, event.consumer.as_ref()),
            Self::Provider => show(key, event.provider.as_ref().map(|system| system.agency())),
            Self::Service => both(key, &event.service),
            Self::Operation => {
                both(key, &event.service) && write!(key, " {}", event.operation).is_ok()
            }
            Self::Purpose => show(key, Some(&event.purpose).filter(|text| !text.is_empty())),
            Self::Agreement => show(key, event.agreement),
            Self::Outcome => show(key, Some(&event.code).filter(|text| !text.is_empty())),
            Self::Hour => show(key, hour(event.recorded_at_us)),
            Self::Actor => match (&event.consumer, event.actor) {
                (Some(consumer), Some(actor)) => write!(key, "{consumer} {actor}").is_ok(),
                _ => false,
            },
        }
    }
}

fn show(key: &mut String, value: Option<impl std::fmt::Display>) -> bool {
    value.is_some_and(|value| write!(key, "{value}").is_ok())
}

/// `2026-11-23T09`, UTC.
fn hour(unix_us: u64) -> Option<String> {
    let seconds = i64::try_from(unix_us / 1_000_000).ok()?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    let date = time.date();
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    Some(format!("{year:04}-{month:02}-{day:02}T{:02}", time.hour()))
}

/// The figures while they are counted.
#[derive(Debug)]
pub struct Counting {
    by: Dimension,
    keys: Bounded<String, Tally>,
    unnamed: Tally,
    total: Tally,
    key: String,
}

impl Counting {
    /// Nothing counted yet.
    pub fn by(dimension: Dimension) -> Self {
        Self::keeping(KEYS_MAX, dimension)
    }

    /// The same, keeping so many keys: whoever counts by several dimensions at once holds that many of each.
    pub(crate) fn keeping(keys: usize, dimension: Dimension) -> Self {
        Self {
            by: dimension,
            keys: Bounded::new(keys),
            unnamed: Tally::default(),
            total: Tally::default(),
            key: String::new(),
        }
    }

    /// Counts one row. Entries that are no part of an exchange are left out.
    pub fn take(&mut self, row: &Row) {
        let Some(part) = Part::of(row) else { return };
        // A request has no outcome of its own; its ending has.
        if self.by == Dimension::Outcome && row.event.kind.asks() {
            return self.total.add(&part);
        }
        self.total.add(&part);
        self.key.clear();
        if self.by.key(row, &mut self.key) {
            self.keys.entry(&self.key, part.weight()).add(&part);
        } else {
            self.unnamed.add(&part);
        }
    }

    /// The `top` busiest keys, all others in one, and the total.
    pub fn finish(self, top: usize) -> Stats {
        let Top { kept, others } = self.keys.finish(top);
        let mut rows: Vec<_> = kept
            .into_iter()
            .map(|kept| StatsRow {
                key: kept.key,
                tally: kept.value,
                missed_max: kept.missed_max,
            })
            .collect();
        if self.by == Dimension::Hour {
            rows.sort_by(|one, other| one.key.cmp(&other.key));
        }
        Stats {
            by: self.by,
            rows,
            others,
            unnamed: self.unnamed,
            total: self.total,
        }
    }
}

/// What was counted.
#[derive(Debug)]
pub struct Stats {
    /// What the rows are by.
    pub by: Dimension,
    /// The busiest keys, the busiest first; hours in order of time.
    pub rows: Vec<StatsRow>,
    /// The other keys together: how many, and their figures. A key that was dropped and came again counts twice.
    pub others: Option<(u64, Tally)>,
    /// What has no such key: refusals that name nobody, endings whose request is not there.
    pub unnamed: Tally,
    /// Everything.
    pub total: Tally,
}

/// One key.
#[derive(Debug)]
pub struct StatsRow {
    /// The key as text.
    pub key: String,
    /// Its figures.
    pub tally: Tally,
    /// Entries of this key that may stand among the others; 0 unless there were too many keys to keep.
    pub missed_max: u64,
}

/// What one row adds to a tally.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Request {
        decide_us: u64,
        bytes: u64,
    },
    Refused {
        /// `None` for a word that is no code.
        code: Option<Code>,
        count: u64,
        decide_us: u64,
    },
    Ended {
        outcome: Option<Outcome>,
        provider_us: u64,
        /// From the request's entry to this one; 0 where that request is not there.
        whole_us: u64,
        bytes: u64,
    },
    Late,
    Disputed,
}

impl Part {
    pub(crate) fn of(row: &Row) -> Option<Self> {
        let facts = row.facts.as_ref()?;
        let asked = |row: &Row| row.request.as_ref().map_or(0, |asked| asked.payload.length);
        let answered = match (&row.answer, &row.trailer) {
            (_, Some(trailer)) => trailer.length,
            (Some(answer), None) => answer.payload.length,
            (None, None) => 0,
        };
        match row.event.kind {
            Kind::Request | Kind::Upload => Some(Self::Request {
                decide_us: facts.decide_us,
                bytes: asked(row),
            }),
            Kind::Refusal => Some(Self::Refused {
                code: Code::parse(&facts.code),
                count: facts.count.max(1),
                decide_us: facts.decide_us,
            }),
            Kind::Closing | Kind::Trailer => Some(Self::Ended {
                outcome: Outcome::parse(&facts.code),
                provider_us: facts.provider_us,
                whole_us: row
                    .asked_at_us
                    .map_or(0, |asked| row.event.recorded_at_us.saturating_sub(asked)),
                bytes: answered,
            }),
            Kind::Late => Some(Self::Late),
            Kind::Dispute => Some(Self::Disputed),
            _ => None,
        }
    }

    pub(crate) fn weight(self) -> u64 {
        match self {
            Self::Refused { count, .. } => count,
            Self::Request { .. } | Self::Ended { .. } | Self::Late | Self::Disputed => 1,
        }
    }
}
