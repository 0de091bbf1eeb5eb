//! A report as one Parquet table: a row for each line of each section, and one for each reason of a line.
//!
//! `section` says what the row is by; `total` is everything. A row with a `reason` has `refused_as` and no other figure, so
//! that no sum over a section counts anything twice. Times are microseconds. What the whole file is about stands in its
//! key-value metadata.

use std::io::{self, Write};

use proto::header::Outcome;

use super::Report;
use crate::export::columnar::{Columnar, Titled};
use crate::export::columns::{Column, Type, Value, column};
use crate::export::{TOOL, texts_of};
use crate::find::Standing;
use crate::stats::{Quantiles, Tally, Times};

/// What a row is about whose `key` is missing.
const OTHERS: &str = "others";
const UNNAMED: &str = "unnamed";

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Flat {
    section: &'static str,
    /// `line`, `others` or `unnamed`.
    line: &'static str,
    key: Option<String>,
    names: Option<[String; 2]>,
    /// Keys that stand together in it.
    keys: u64,
    missed_max: u64,
    holds: Holds,
}

/// What a row holds.
#[derive(Clone, Debug)]
enum Holds {
    Figures(Box<Tally>),
    Reason(&'static str, u64),
}

impl Flat {
    fn figure(&self, figure: impl FnOnce(&Tally) -> u64) -> Value {
        match &self.holds {
            Holds::Figures(tally) => Value::Number(figure(tally)),
            Holds::Reason(..) => Value::Nothing,
        }
    }

    fn time(
        &self,
        which: impl FnOnce(&Tally) -> &Times,
        at: impl FnOnce(Quantiles) -> u64,
    ) -> Value {
        match &self.holds {
            Holds::Figures(tally) => {
                let found = which(tally).quantiles();
                found.map_or(Value::Nothing, |found| Value::Number(at(found)))
            }
            Holds::Reason(..) => Value::Nothing,
        }
    }

    fn name(&self, at: usize) -> Value {
        text(self.names.as_ref().and_then(|names| names.get(at)))
    }
}

fn text(text: Option<&String>) -> Value {
    text.map_or(Value::Nothing, |text| Value::Text(text.clone()))
}

macro_rules! figure {
    ($name:literal, |$tally:ident| $figure:expr) => {
        column($name, Type::Number, |row| row.figure(|$tally| $figure))
    };
}

macro_rules! time {
    ($name:literal, $which:ident, $at:ident) => {
        column($name, Type::Number, |row| {
            row.time(|tally| &tally.$which, |found| found.$at)
        })
    };
}

/// Every column, in order. New ones go to the end.
pub(super) const COLUMNS: &[Column<Flat>] = &[
    column("section", Type::Text, |row| {
        Value::Text(row.section.to_owned())
    }),
    column("line", Type::Text, |row| Value::Text(row.line.to_owned())),
    column("key", Type::Text, |row| text(row.key.as_ref())),
    column("name_en", Type::Text, |row| row.name(0)),
    column("name_ar", Type::Text, |row| row.name(1)),
    column("keys", Type::Number, |row| Value::Number(row.keys)),
    column("missed_max", Type::Number, |row| {
        Value::Number(row.missed_max)
    }),
    column("reason", Type::Text, |row| match row.holds {
        Holds::Reason(reason, _) => Value::Text(reason.to_owned()),
        Holds::Figures(_) => Value::Nothing,
    }),
    column("refused_as", Type::Number, |row| match row.holds {
        Holds::Reason(_, count) => Value::Number(count),
        Holds::Figures(_) => Value::Nothing,
    }),
    figure!("requests", |tally| tally.requests),
    figure!("refused", |tally| tally.refused),
    figure!("answered", |tally| tally.ended_as(Outcome::Answered)),
    figure!("not_answered", |tally| tally.not_answered()),
    figure!("late", |tally| tally.late),
    figure!("disputes", |tally| tally.disputes),
    figure!("bytes_asked", |tally| tally.bytes_asked),
    figure!("bytes_answered", |tally| tally.bytes_answered),
    time!("whole_count", whole, count),
    time!("whole_p50_us", whole, p50_us),
    time!("whole_p95_us", whole, p95_us),
    time!("whole_p99_us", whole, p99_us),
    time!("whole_max_us", whole, max_us),
    time!("decide_p50_us", decide, p50_us),
    time!("decide_p95_us", decide, p95_us),
    time!("decide_p99_us", decide, p99_us),
    time!("provider_p50_us", provider, p50_us),
    time!("provider_p95_us", provider, p95_us),
    time!("provider_p99_us", provider, p99_us),
];

/// Every row of `report`.
pub(super) fn rows(report: &Report) -> Vec<Flat> {
    let mut rows = Vec::new();
    let blank = |section| Flat {
        section,
        line: "line",
        key: None,
        names: None,
        keys: 1,
        missed_max: 0,
        holds: Holds::Reason("", 0),
    };
    let mut put = |flat: Flat, tally: &Tally| {
        rows.push(Flat {
            holds: Holds::Figures(Box::new(tally.clone())),
            ..flat.clone()
        });
        let reasons = tally.refused_as.iter();
        rows.extend(reasons.map(|(reason, count)| Flat {
            holds: Holds::Reason(reason, *count),
            ..flat.clone()
        }));
    };
    let others = |section, keys| Flat {
        line: OTHERS,
        keys,
        ..blank(section)
    };
    put(blank("total"), &report.total);
    for section in &report.sections {
        let name = section.by.name();
        for line in &section.lines {
            let flat = Flat {
                key: Some(line.key.clone()),
                names: line.names.clone(),
                missed_max: line.missed_max,
                ..blank(name)
            };
            put(flat, &line.tally);
        }
        if let Some((keys, tally)) = &section.others {
            put(others(name, *keys), tally);
        }
        let unnamed = Flat {
            line: UNNAMED,
            keys: 0,
            ..blank(name)
        };
        put(unnamed, &section.unnamed);
    }
    let keyed = |section, key| Flat {
        key: Some(key),
        ..blank(section)
    };
    for (day, tally) in report.days.days() {
        put(keyed("day", day), tally);
    }
    if let Some((keys, tally)) = &report.days.others {
        put(others("day", *keys), tally);
    }
    for (hour, tally) in report.days.hours() {
        put(keyed("hour", hour), tally);
    }
    rows
}

/// Writes the table to `out`.
pub(super) fn write<W: Write + Send>(report: &Report, out: W) -> io::Result<W> {
    let scanned = &report.scanned;
    // A map of texts has a JSON form.
    let filter = serde_json::to_string(&texts_of(&report.filter)).unwrap_or_default();
    let standing = match &scanned.standing {
        Standing::NotLooked => "not looked at",
        Standing::InTheLog => "in the signed log",
        Standing::Replayed => "replayed",
        Standing::Broken(_) => "broken",
    };
    let unreadable = scanned.unreadable.as_ref().map_or(0, |found| found.count);
    let titled = Titled {
        name: "report",
        facts: vec![
            ("mohawel.tool", TOOL.to_owned()),
            ("mohawel.origin", scanned.checkpoint.origin.clone()),
            ("mohawel.size", scanned.checkpoint.size.to_string()),
            ("mohawel.root", scanned.checkpoint.root.to_string()),
            ("mohawel.standing", standing.to_owned()),
            ("mohawel.unreadable", unreadable.to_string()),
            ("mohawel.filter", filter),
            ("mohawel.zone", report.zone.to_string()),
        ],
    };
    let mut columnar = Columnar::new(out, &titled, COLUMNS)?;
    for row in rows(report) {
        columnar.row(&row)?;
    }
    columnar.finish()
}
