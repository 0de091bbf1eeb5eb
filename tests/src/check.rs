//! What every scenario ends with: the log, read from its files alone, verifies and replays without a finding.

use std::collections::BTreeMap;
use std::path::Path;

use audit::checkpoint::{self, LogKey};
use audit::replay::{self, Event, Report};
use audit::tiles::TileStore;
use audit::tiles::published::read_published;
use audit::verify::{self, Finding, Severity};
use proto::digest::Digest;
use proto::entry::{Entry, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::id::ExchangeId;

/// A log that was checked, and what stands in it.
#[derive(Debug)]
pub struct Told {
    /// The replay's report.
    pub report: Report,
    /// One event for each entry.
    pub events: Vec<Event>,
    /// All entries.
    pub entries: Vec<Entry>,
}

/// Verifies and replays the log in `dir`.
///
/// # Panics
/// On any finding heavier than a notice.
pub fn check_log(dir: &Path, key: &LogKey) -> Told {
    check(dir, key, &|_| false)
}

/// As [`check_log`], where a process was cut off while it wrote: a file that was never finished may lie beside the log,
/// and an auditor is told of it. Nothing else.
///
/// # Panics
/// On any other finding heavier than a notice.
pub fn check_log_after_a_crash(dir: &Path, key: &LogKey) -> Told {
    check(dir, key, &|finding| {
        finding.rule == verify::rule::UNKNOWN_FILE
            && finding.detail.ends_with(".tmp was never finished")
    })
}

fn check(dir: &Path, key: &LogKey, may_be: &dyn Fn(&Finding) -> bool) -> Told {
    let options = verify::Options {
        key: Some(key.clone()),
        ..Default::default()
    };
    let files = verify::verify_directory(dir, options);
    assert!(
        files.is_proven(),
        "the files do not prove the log: {:?}",
        files.findings.kept()
    );
    let mut events = Vec::new();
    let mut keep = |event: &Event| events.push(event.clone());
    let options = replay::Options {
        key: Some(key.clone()),
        on_event: Some(&mut keep),
        ..Default::default()
    };
    let report = replay::replay(dir, options);
    let heavy: Vec<_> = report
        .all_findings()
        .filter(|finding| finding.severity > Severity::Notice && !may_be(finding))
        .map(ToString::to_string)
        .collect();
    assert!(
        report.is_clean() && heavy.is_empty(),
        "the replay finds: {heavy:#?}"
    );
    let entries = entries(dir);
    assert_eq!(entries.len() as u64, files.entries);
    Told {
        report,
        events,
        entries,
    }
}

/// All published entries of the log in `dir`.
pub fn entries(dir: &Path) -> Vec<Entry> {
    let size = read_published(dir)
        .unwrap()
        .map_or(0, |published| published.checkpoint.size);
    TileStore::new(dir)
        .read_entries(0..size, size)
        .map(|entry| Entry::decode(&entry.unwrap().1).unwrap())
        .collect()
}

/// The published size, verified under `key`.
pub fn published_size(dir: &Path, key: &LogKey) -> u64 {
    let published = read_published(dir).unwrap().unwrap();
    checkpoint::open(&published.note, key).unwrap().size
}

impl Told {
    /// How many entries of `kind` there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.kind == kind)
            .count()
    }

    /// Entries of `kind` with their indexes and facts.
    pub fn of(&self, kind: Kind) -> Vec<(u64, &Entry, ExchangeFacts)> {
        let indexed = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.kind == kind);
        indexed
            .map(|(index, entry)| (index as u64, entry, facts::exchange(&entry.facts).unwrap()))
            .collect()
    }

    /// Endings and refusals by code.
    pub fn codes(&self) -> BTreeMap<&str, u64> {
        self.report
            .codes
            .iter()
            .map(|(code, count)| (*code, *count))
            .collect()
    }

    /// How often `code` ended or refused an exchange.
    pub fn coded(&self, code: &str) -> u64 {
        self.report.codes.get(code).copied().unwrap_or(0)
    }

    /// What happened to one exchange, in order.
    pub fn story(&self, exchange: ExchangeId) -> Vec<(Kind, &str)> {
        let about = self
            .events
            .iter()
            .filter(|event| event.exchange == Some(exchange));
        about
            .map(|event| (event.kind, event.code.as_str()))
            .collect()
    }

    /// Leaf hash of the entry at `index`.
    pub fn leaf(&self, index: u64) -> Digest {
        self.entries[usize::try_from(index).unwrap()]
            .leaf()
            .unwrap()
    }
}
