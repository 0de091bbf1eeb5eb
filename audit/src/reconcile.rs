//! Reconcile: what the parties hold against what the log holds, each exchange, both ways.
//!
//! Takes: a log directory, its key, and the receipts that consumers and providers exported (`mohawel adapter receipts
//! --export`, JSON Lines, see `docs/log.md`). Gives: a [`Report`] that names what is missing on which side and whom that
//! convicts. Never: a server, or anybody's word: a receipt counts only when it proves itself under the log's key.
//!
//! ```text
//! each receipt    proves itself → the log has the same leaf there → the log extends its checkpoint → marked
//! each log entry  of a system whose receipts are here, in their time → marked? else somebody is missing something
//! ```
//!
//! Both are read once, line by line and bundle by bundle. What stays in memory is one bit for each log entry of a side,
//! the numbers of each adapter run as ranges, and what was found, within bounds.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use proto::id::{ExchangeId, SystemId};
use thiserror::Error;

use crate::checkpoint::LogKey;
use crate::tiles::PublishError;
use crate::tiles::published::read_published;
use crate::verify::{self, OnProgress, Severity};

mod against;
mod line;
mod marks;
mod numbers;
#[cfg(test)]
mod tests;
mod walk;

pub use line::Role;

/// What was found, as a stable word.
pub mod rule {
    /// A receipt that proves itself, of an exchange that the log does not hold at all.
    pub const NOT_IN_LOG: &str = "not_in_log";
    /// A receipt that proves itself, of an entry that the log holds otherwise: at another place, or with other bytes.
    pub const ALTERED: &str = "altered";
    /// The log does not extend a checkpoint that its own key signed.
    pub const FORKED: &str = "forked";
    /// A receipt of an entry behind the end of this copy of the log.
    pub const BEYOND: &str = "beyond";
    /// The log has a request that its consumer's journal has not.
    pub const UNKNOWN_TO_CONSUMER: &str = "unknown_to_consumer";
    /// The log has an answer that its provider's journal has not.
    pub const UNKNOWN_TO_PROVIDER: &str = "unknown_to_provider";
    /// A receipt that does not hold: it says nothing against the log.
    pub const UNPROVEN: &str = "unproven";
    /// A line that is not one of an export.
    pub const MALFORMED: &str = "malformed";
    /// The log has a request of which the consumer knows, but never got an answer or a receipt.
    pub const UNRECEIPTED: &str = "unreceipted";
    /// Sealed, and not in the log; no receipt was given.
    pub const UNRECORDED: &str = "unrecorded";
    /// Numbers of an adapter run that neither its journal nor the log has.
    pub const GAP: &str = "gap";
    /// The log's files could not be read where a receipt points.
    pub const UNREADABLE: &str = "unreadable";
}

/// How to reconcile.
#[derive(Default)]
pub struct Options<'a> {
    /// The log's key from somewhere the operator does not control; see [`crate::verify::Options::key`].
    pub key: Option<LogKey>,
    /// Log entries recorded from this Unix time in milliseconds on are expected in the journals; when not given, from
    /// each journal's first receipt on.
    pub from_ms: Option<u64>,
    /// And before this one; when not given, up to each journal's last receipt.
    pub to_ms: Option<u64>,
    /// Told how far the walk through the log is.
    pub on_progress: Option<OnProgress<'a>>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("key", &self.key)
            .field("from_ms", &self.from_ms)
            .field("to_ms", &self.to_ms)
            .finish_non_exhaustive()
    }
}

/// Whether somebody holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Has {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// The log has this exchange, at this other place or in other words.
    Otherwise(u64),
    /// Its receipts were not given, or it is not about one exchange.
    Unknown,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// One of [`rule`].
    pub rule: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// The exchange, if it is about one.
    pub exchange: Option<ExchangeId>,
    /// The log index that it is about.
    pub index: Option<u64>,
    /// Whether the log has it.
    pub log: Has,
    /// Whether the consumer's journal has it.
    pub consumer: Has,
    /// Whether the provider's journal has it.
    pub provider: Has,
    /// What was expected and what was there.
    pub detail: String,
}

/// One side whose receipts were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Whose journal.
    pub system: SystemId,
    /// In which role.
    pub role: Role,
    /// Exchanges in it.
    pub exchanges: u64,
    /// Receipts in it that prove themselves.
    pub proven: u64,
    /// Unix time, microseconds, of its first and last receipt.
    pub span_us: Option<(u64, u64)>,
}

/// What the comparison found.
#[derive(Debug)]
pub struct Report {
    /// What [`crate::verify::verify_directory`] found of the log's files.
    pub files: verify::Report,
    /// The sides, as their receipts were given.
    pub sides: Vec<Side>,
    /// What was found, at most 1,000 of each rule.
    pub rows: Vec<Row>,
    /// How much more was found.
    pub dropped: u64,
    /// Findings of weight error, those not kept included.
    pub errors: u64,
    /// Log entries of these sides that both, or all that were given, agree on.
    pub agreed: u64,
}

impl Report {
    /// Whether the files prove the log, and nothing of weight error was found.
    pub fn is_clean(&self) -> bool {
        self.files.is_proven() && self.errors == 0
    }
}

/// Rows kept of each rule.
const ROWS_PER_RULE_MAX: u64 = 1_000;

/// Rows as they are found.
#[derive(Debug, Default)]
struct Rows {
    kept: Vec<Row>,
    by_rule: BTreeMap<&'static str, u64>,
    dropped: u64,
    errors: u64,
}

impl Rows {
    fn add(&mut self, row: Row) {
        self.errors += u64::from(row.severity == Severity::Error);
        let count = self.by_rule.entry(row.rule).or_default();
        *count += 1;
        if *count <= ROWS_PER_RULE_MAX {
            self.kept.push(row);
        } else {
            self.dropped += 1;
        }
    }

    /// About no exchange that could be named.
    fn note(&mut self, rule: &'static str, severity: Severity, detail: String) {
        self.add(Row {
            rule,
            severity,
            exchange: None,
            index: None,
            log: Has::Unknown,
            consumer: Has::Unknown,
            provider: Has::Unknown,
            detail,
        });
    }
}

/// Compares the log directory `dir` with the receipts in `files`.
///
/// # Errors
/// [`ReconcileError`] when there is nothing to compare; what is wrong with either is a finding.
pub fn reconcile(
    dir: &Path,
    files: &[PathBuf],
    mut options: Options<'_>,
) -> Result<Report, ReconcileError> {
    let published = read_published(dir)?;
    let published = published.ok_or_else(|| ReconcileError::NotPublished(dir.to_owned()))?;
    let key = match &options.key {
        Some(key) => key.clone(),
        None => key_beside(dir)?,
    };
    key.follow_beside(dir)
        .map_err(|error| ReconcileError::Key(error.to_string()))?;
    let mut against = against::Against::new(dir, &published.checkpoint, key);
    for file in files {
        let open = std::fs::File::open(file);
        let open = open.map_err(|error| ReconcileError::Receipts(file.clone(), error))?;
        read(std::io::BufReader::new(open), file, &mut against)
            .map_err(|error| ReconcileError::Receipts(file.clone(), error))?;
    }
    if against.is_empty() {
        return Err(ReconcileError::Nothing);
    }
    let mut walk = walk::Walk::new(against, options.from_ms, options.to_ms);
    let mut on_entry = |index: u64, entry: &proto::entry::Entry| walk.entry(index, entry);
    let mut forward = |done, total| {
        if let Some(on_progress) = &mut options.on_progress {
            on_progress(done, total);
        }
    };
    let files = verify::verify_directory(
        dir,
        verify::Options {
            key: options.key,
            on_progress: Some(&mut forward),
            on_entry: Some(&mut on_entry),
            ..Default::default()
        },
    );
    Ok(walk.finish(files))
}

/// Gives each line to `against`; one that is too long or no line of an export is a finding.
fn read(
    mut lines: impl BufRead,
    file: &Path,
    against: &mut against::Against,
) -> std::io::Result<()> {
    let mut number = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        number += 1;
        let taken =
            std::io::Read::take(&mut lines, line::BYTES_MAX + 1).read_until(b'\n', &mut line)?;
        if taken == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let parsed = if taken as u64 > line::BYTES_MAX {
            Err("it is too long")
        } else {
            line::Line::parse(&line)
        };
        match parsed {
            Ok(line) => against.line(&line),
            Err(reason) => {
                against.malformed(&format!("{}, line {number}: {reason}", file.display()))
            }
        }
    }
}

fn key_beside(dir: &Path) -> Result<LogKey, ReconcileError> {
    let text = std::fs::read_to_string(dir.join(verify::VKEY_FILE));
    let text = text.map_err(|error| ReconcileError::Key(error.to_string()))?;
    LogKey::from_vkey(text.trim()).map_err(|error| ReconcileError::Key(error.to_string()))
}

/// Why nothing can be compared.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// The directory holds no checkpoint.
    #[error("{} holds no published checkpoint; name the log directory, or a copy of it", .0.display())]
    NotPublished(PathBuf),
    /// Nor one that can be read.
    #[error(transparent)]
    Published(#[from] PublishError),
    /// No key was given, and the one beside the log cannot be used.
    #[error("no key was given, and {file}: {0}", file = verify::VKEY_FILE)]
    Key(String),
    /// A file with receipts cannot be read.
    #[error("{}: {}", .0.display(), .1)]
    Receipts(PathBuf, std::io::Error),
    /// No receipts in any of the files.
    #[error(
        "there is no receipt to compare in these files; `mohawel adapter receipts --export` writes them"
    )]
    Nothing,
}
