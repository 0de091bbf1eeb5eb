//! Replay: fold the registry again, re-judge every decision, pair every request with its end.
//!
//! Takes: an auditor's copy of the log directory and the log's key. Gives: a report with findings.
//! Never: a server, a store, or the switch's word. Judging is [`proto::authorise`], the function
//! that the switch itself decided with; the structural checks are [`crate::verify`]'s, in the same
//! single pass. Memory grows with the registry and with what is open at one time, not with the log.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use proto::Code;
use proto::facts;

use crate::checkpoint::LogKey;
use crate::policy::Policy;
use crate::tiles::TileStore;
use crate::verify::pool::Pool;
use crate::verify::walk::Met;
use crate::verify::{self, At, Finding, Findings, OnProgress, Severity};

mod again;
mod counts;
mod docket;
mod event;
mod filter;
mod heads;
mod judge;
mod pairing;
mod prepare;
pub(crate) mod pruning;
#[cfg(test)]
pub(crate) mod tests;
pub mod what_if;

pub use event::Event;
pub use filter::Filter;

use judge::Judge;
use prepare::{Prepared, prepare};
use what_if::{Changed, Flip, WhatIf};

/// The rules that a replay adds to [`crate::verify::rule`].
pub mod rule {
    /// A registry entry that the fold refuses.
    pub const FOLD: &str = "fold";
    /// Facts that are not in their one form, or contradict the entry.
    pub const FACTS: &str = "facts";
    /// A seal that no bound key made for this header and use.
    pub const SEAL: &str = "seal";
    /// A request that was let through and must not have been, or under another grant.
    pub const DECISION: &str = "decision";
    /// A refusal that the same rules do not give.
    pub const REFUSAL: &str = "refusal";
    /// An exchange id recorded twice for one system.
    pub const DUPLICATE: &str = "duplicate";
    /// An ending without its request, or a second ending.
    pub const PAIRING: &str = "pairing";
    /// A request without an ending.
    pub const OPEN: &str = "open";
    /// An ending that does not fit the sealed answer, or an answer that does not fit its request.
    pub const ANSWER: &str = "answer";
    /// More requests than a daily quota allows.
    pub const QUOTA: &str = "quota";
    /// Times that contradict each other.
    pub const TIME: &str = "time";
    /// Let through under a break-glass grant while a review was overdue.
    pub const REVIEW: &str = "review";
    /// A reading, hold, erasure, review or witness change that is not what it must be.
    pub const OVERSIGHT: &str = "oversight";
    /// An event, a subscription, its end or an outcome that is not what it must be.
    pub const EVENT: &str = "event";
    /// A broker start that does not continue the log.
    pub const EPOCH: &str = "epoch";
    pub use crate::verify::rule::FORK;
    /// Entries that name requests, events or subscriptions below the minimum index, and could not be judged.
    pub const PRUNED: &str = "pruned";
    /// Entries were pruned before the retention of the grants that they were exchanged under had passed.
    pub const RETENTION: &str = "retention";
    /// Sequence numbers of one adapter run that never reached the log.
    pub const SEQUENCE: &str = "sequence";
}

/// How to replay.
#[derive(Default)]
pub struct Options<'a> {
    /// The log's key from somewhere the operator does not control; see [`crate::verify::Options::key`].
    pub key: Option<LogKey>,
    /// Whose cosignatures the published checkpoint must carry; see [`crate::verify::Options::policy`].
    pub policy: Option<Policy>,
    /// Threads; 0: as many as there are cores. The report is the same for any number.
    pub threads: usize,
    /// Replay the log as of this older checkpoint or size, and leave out everything after it.
    pub at: Option<At>,
    /// Which entries [`Options::on_event`] is given.
    pub filter: Filter,
    /// Told how far the walk is.
    pub on_progress: Option<OnProgress<'a>>,
    /// Given each judged entry that passes the filter.
    pub on_event: Option<&'a mut dyn FnMut(&Event)>,
    /// The time-stamp authorities' roots; see [`crate::verify::Options::time`].
    pub time: Option<verify::TimeOptions>,
    /// Agreements that are supposed to stand otherwise; see [`Report::changed`].
    pub what_if: Option<WhatIf>,
    /// Given each decision that would have been another by it, of entries that pass the filter.
    pub on_flip: Option<&'a mut dyn FnMut(&Flip)>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("key", &self.key)
            .field("threads", &self.threads)
            .field("at", &self.at)
            .field("filter", &self.filter)
            .field("what_if", &self.what_if)
            .finish_non_exhaustive()
    }
}

/// What the replay found.
#[derive(Debug)]
pub struct Report {
    /// What [`crate::verify::verify_directory`] found of the files themselves.
    pub files: verify::Report,
    /// What re-judging found.
    pub findings: Findings,
    /// Entries by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Endings and refusals by code; `unknown` stands for all that are none.
    pub codes: BTreeMap<&'static str, u64>,
    /// Requests without an ending at the end of the log.
    pub open: u64,
    /// Seals verified.
    pub seals: u64,
    /// What [`Options::what_if`] would have changed. It says nothing about this log.
    pub changed: Option<Changed>,
}

impl Report {
    /// Whether the files prove the log and every decision in it holds.
    pub fn is_clean(&self) -> bool {
        self.files.is_proven() && self.findings.errors() == 0
    }

    /// All findings kept, those of the files first.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.files
            .findings
            .kept()
            .iter()
            .chain(self.findings.kept())
    }
}

/// Findings of each rule kept; more are only counted.
const FINDINGS_MAX: usize = 1_000;
/// How far the writer's stamp may lie behind the decision that it records.
const RECORD_DELAY_MS: u64 = 60_000;
/// How much earlier than the sealed time a submission's end may be recorded: a switch's clock may be set back meanwhile.
const CLOCK_STEP_MS: u64 = 5_000;

/// Replays the log directory `dir`. What cannot be read is a finding, too.
pub fn replay(dir: &Path, options: Options<'_>) -> Report {
    let threads = options.threads;
    Pool::with(threads, |pool| replay_with(pool, dir, options))
}

fn replay_with(pool: &Pool, dir: &Path, options: Options<'_>) -> Report {
    let Options {
        key,
        policy,
        threads: _,
        at,
        filter,
        on_progress,
        mut on_event,
        time,
        what_if,
        mut on_flip,
    } = options;
    let store = TileStore::new(dir);
    let told = on_event.is_some() || what_if.is_some();
    let mut judge = Judge::new(pool, &store, told, what_if);
    let mut meet = |met: Met<'_, Prepared>| match met {
        Met::Entry(reached) => {
            let event = judge.entry(reached);
            let flip = judge.take_flip();
            if !told || !filter.admits(&event) {
                return;
            }
            if let Some(on_event) = &mut on_event {
                on_event(&event);
            }
            if let Some(flip) = flip {
                judge.count_flip(&flip);
                if let Some(on_flip) = &mut on_flip {
                    on_flip(&flip);
                }
            }
        }
        Met::BundleEnd => judge.pause(),
    };
    let options = verify::Options {
        key,
        policy,
        time,
        at,
        on_progress,
        ..Default::default()
    };
    let files = verify::walk_directory(pool, dir, options, prepare, &mut meet);
    let (findings, tally) = judge.finish();
    Report {
        files,
        findings,
        kinds: tally.kinds,
        codes: tally.codes,
        open: tally.open,
        seals: tally.seals,
        changed: tally.changed,
    }
}

/// A finding of weight error, in one line for the judge's rooms.
fn error(index: u64, rule: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        index: Some(index),
        rule,
        severity: Severity::Error,
        detail: detail.into(),
    }
}

/// Reads a refusal code from facts.
fn code_in(facts: &facts::ExchangeFacts) -> Option<Code> {
    Code::parse(&facts.code)
}
