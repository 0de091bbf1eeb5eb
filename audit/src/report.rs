//! A report for those who decide: what a log says about a period, by service, agency, centre and official, by day and by
//! hour; volumes, refusals with their reasons, and how long exchanges took.
//!
//! Takes: a log directory and which entries count. Gives: a [`Report`], which is a page for people ([`page`]), a table for
//! analysts ([`table`]) and JSON, all with the same figures. Never: judges or names a person; an official stands in it
//! under the pseudonym that the log has, and what a request was about is not in it at all.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::{Value, json};

use crate::anomaly::Zone;
use crate::checkpoint::LogKey;
use crate::export::texts_of;
use crate::find::{self, Check, FindError, Row, Scanned};
use crate::replay::Filter;
use crate::stats::{Counting, Dimension, Part, Stats, Tally};
use crate::verify::OnProgress;

mod days;
mod names;
mod page;
mod places;
mod table;
#[cfg(test)]
mod tests;

pub use days::Days;
pub use places::Places;

use names::Names;

/// Keys of a section kept while counting.
const KEYS_MAX: usize = 512;
/// Lines of a section at most.
pub const LINES_MAX: usize = KEYS_MAX;

/// What the lines of a section are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// A service, with the system that offers it.
    Service,
    /// An agency that asks.
    Agency,
    /// A centre: a system of an agency that asks.
    Centre,
    /// An agency that is asked.
    Provider,
    /// An official, under the pseudonym, with the centre.
    Official,
}

impl By {
    /// Every section, in the order of the report.
    pub const ALL: [Self; 5] = [
        Self::Service,
        Self::Agency,
        Self::Centre,
        Self::Provider,
        Self::Official,
    ];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Agency => "agency",
            Self::Centre => "centre",
            Self::Provider => "provider",
            Self::Official => "official",
        }
    }

    fn dimension(self) -> Dimension {
        match self {
            Self::Service => Dimension::Service,
            Self::Agency => Dimension::Consumer,
            Self::Centre => Dimension::ConsumerSystem,
            Self::Provider => Dimension::Provider,
            Self::Official => Dimension::Actor,
        }
    }
}

/// What to report.
#[derive(Debug)]
pub struct Options {
    /// The log's key from somewhere the operator does not control; without it the key beside the log is used.
    pub key: Option<LogKey>,
    /// Which entries count. What it says of indexes is also what is read.
    pub filter: Filter,
    /// How much is proved.
    pub check: Check,
    /// Whose days and hours.
    pub zone: Zone,
    /// Lines of a section; all others stand in one. At most [`LINES_MAX`].
    pub top: usize,
    /// Whether there is a section by official: who reads it may know their hours.
    pub officials: bool,
}

/// The figures of a period.
#[derive(Debug)]
pub struct Report {
    /// What was looked at; `matched` are the entries that are counted: those of exchanges, in the period.
    pub scanned: Scanned,
    /// Which entries count.
    pub filter: Filter,
    /// Whose days and hours.
    pub zone: Zone,
    /// When the first and the last entry that counts was recorded, Unix time in microseconds.
    pub recorded_us: Option<(u64, u64)>,
    /// Everything.
    pub total: Tally,
    /// In the order of [`By::ALL`]; the one by official only where it was asked for.
    pub sections: Vec<Section>,
    /// By day and by hour of the day.
    pub days: Days,
}

/// The figures by one thing.
#[derive(Debug)]
pub struct Section {
    /// What the lines are.
    pub by: By,
    /// The busiest first.
    pub lines: Vec<Line>,
    /// All others in one: how many, and their figures.
    pub others: Option<(u64, Tally)>,
    /// What names none: refusals of what nobody sealed, requests without an official.
    pub unnamed: Tally,
}

/// One line.
#[derive(Debug)]
pub struct Line {
    /// The identifier, as the log has it.
    pub key: String,
    /// What the registry calls it, in English and in Arabic; of an official, what it calls the agency.
    pub names: Option<[String; 2]>,
    /// Its figures.
    pub tally: Tally,
    /// Entries that may stand among the others; 0 unless there were too many keys to keep.
    pub missed_max: u64,
}

/// Reads the log and counts.
///
/// # Errors
/// [`FindError`] where there is no log to look at. Whether what is there holds stands in [`Report::scanned`].
pub fn report(
    dir: &Path,
    options: Options,
    on_progress: OnProgress<'_>,
) -> Result<Report, FindError> {
    let Options {
        key,
        filter,
        check,
        zone,
        top,
        officials,
    } = options;
    let mut gathering = Gathering::new(zone, officials);
    let mut on_row = |row: &Row| {
        gathering.names.follow(row);
        if filter.admits(&row.event) {
            gathering.take(row);
        }
        ControlFlow::Continue(())
    };
    // Everything is read that the indexes allow: names stand in entries of any time.
    let wide = Filter {
        from: filter.from,
        to: filter.to,
        ..Filter::default()
    };
    let scan = find::Options {
        key,
        filter: wide,
        check,
        // A report is for those who cannot ask again: nothing in it rests on an index.
        by_index: false,
        threads: 0,
        under: None,
        on_progress: Some(on_progress),
    };
    let mut scanned = find::scan(dir, scan, &mut on_row)?;
    scanned.matched = gathering.matched;
    Ok(gathering.finish(scanned, filter, top.min(LINES_MAX)))
}

/// The figures while they are counted.
struct Gathering {
    names: Names,
    counting: Vec<(By, Counting)>,
    days: days::Counting,
    total: Tally,
    matched: u64,
    recorded_us: Option<(u64, u64)>,
    zone: Zone,
}

impl Gathering {
    fn new(zone: Zone, officials: bool) -> Self {
        let sections = By::ALL.into_iter();
        let sections = sections.filter(|by| officials || *by != By::Official);
        let counting = |by: By| (by, Counting::keeping(KEYS_MAX, by.dimension()));
        Self {
            names: Names::default(),
            counting: sections.map(counting).collect(),
            days: days::Counting::of(zone),
            total: Tally::default(),
            matched: 0,
            recorded_us: None,
            zone,
        }
    }

    fn take(&mut self, row: &Row) {
        let Some(part) = Part::of(row) else { return };
        self.matched += 1;
        let at_us = row.event.recorded_at_us;
        let (first, last) = self.recorded_us.unwrap_or((at_us, at_us));
        self.recorded_us = Some((first.min(at_us), last.max(at_us)));
        self.total.add(&part);
        self.days.take(at_us / 1_000, &part);
        for (_, counting) in &mut self.counting {
            counting.take(row);
        }
    }

    fn finish(self, scanned: Scanned, filter: Filter, top: usize) -> Report {
        let names = self.names;
        let section = |(by, counting): (By, Counting)| {
            let Stats {
                rows,
                others,
                unnamed,
                ..
            } = counting.finish(top);
            let lines = rows.into_iter().map(|row| Line {
                names: names.of(by, &row.key),
                key: row.key,
                tally: row.tally,
                missed_max: row.missed_max,
            });
            Section {
                by,
                lines: lines.collect(),
                others,
                unnamed,
            }
        };
        Report {
            scanned,
            filter,
            zone: self.zone,
            recorded_us: self.recorded_us,
            total: self.total,
            sections: self.counting.into_iter().map(section).collect(),
            days: self.days.finish(),
        }
    }
}

impl Report {
    /// Whether nothing was asked and nothing ended.
    pub fn is_empty(&self) -> bool {
        self.recorded_us.is_none()
    }

    /// Every figure, and which entries counted; not how they were proved.
    pub fn to_json(&self) -> Value {
        let with = |tally: &Tally, more: Value| {
            let mut figures = tally.to_json();
            if let Value::Object(more) = more {
                figures.extend(more);
            }
            Value::Object(figures)
        };
        let line = |line: &Line| {
            let name = |at: usize| line.names.as_ref().and_then(|names| names.get(at));
            let more = json!({
                "key": line.key, "name_en": name(0), "name_ar": name(1), "missed_max": line.missed_max,
            });
            with(&line.tally, more)
        };
        let section = |section: &Section| {
            let others = section.others.as_ref();
            let value = json!({
                "rows": section.lines.iter().map(line).collect::<Vec<_>>(),
                "others": others.map(|(keys, tally)| with(tally, json!({ "keys": keys }))),
                "unnamed": with(&section.unnamed, json!({})),
            });
            (section.by.name(), value)
        };
        let keyed = |(key, tally): (String, &Tally)| with(tally, json!({ "key": key }));
        let others = self.days.others.as_ref();
        json!({
            "since_ms": self.filter.from_ms,
            "until_ms": self.filter.to_ms,
            "first_recorded_us": self.recorded_us.map(|(first, _)| first),
            "last_recorded_us": self.recorded_us.map(|(_, last)| last),
            "filter": texts_of(&self.filter),
            "zone": self.zone.to_string(),
            "total": with(&self.total, json!({})),
            "by": self.sections.iter().map(section).collect::<BTreeMap<_, _>>(),
            "days": self.days.days().map(keyed).collect::<Vec<_>>(),
            "other_days": others.map(|(keys, tally)| with(tally, json!({ "keys": keys }))),
            "hours": self.days.hours().map(keyed).collect::<Vec<_>>(),
        })
    }
}
