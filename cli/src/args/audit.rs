//! What can be typed after `mohawel audit`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

mod anomalies;
mod export;
mod find;
mod report;
mod stats;
mod wanted;

pub use anomalies::Anomalies;
pub use export::ExportEntries;
pub use find::{Find, Proved};
pub use report::MakeReport;
pub use stats::Stats;
pub use wanted::Wanted;
pub(super) use wanted::exchange_id;

use super::{About, Breach, IndexLog, Prune, Rebuild, SubjectKey, Subjects};

mod bundle;

pub use bundle::{Bundle, Verified};

mod fetch;
mod tamper;

pub use fetch::Fetch;
pub use tamper::TamperDemo;

/// Which log directory, and whose key.
#[derive(Debug, Args)]
pub struct LogDir {
    /// The log directory (checkpoint, log.vkey, tile/).
    #[arg(long)]
    pub log: PathBuf,
    /// The log's verifier key, or @FILE; without it the key beside the log is used and the report says so.
    #[arg(long)]
    pub key: Option<String>,
}

/// Whom the published checkpoint must be cosigned by.
#[derive(Debug, Default, Args)]
pub struct Vouched {
    /// A C2SP tlog-policy file: its witnesses must have cosigned the published checkpoint. A log line in it gives the
    /// log's key too.
    #[arg(long)]
    pub policy: Option<PathBuf>,
}

/// With what time-stamp tokens are verified.
#[derive(Debug, Args)]
pub struct TimeRoots {
    /// Root certificates of the time-stamp authorities, PEM, from the authorities themselves: verify every token under
    /// time/ and hold the stamps against them.
    #[arg(long, value_name = "FILE")]
    pub time_roots: Option<PathBuf>,
    /// How far a stamp may lie beyond a token's time: a whole number and s, m, h or d.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub time_tolerance: Duration,
}

/// How a log is replayed.
#[derive(Debug, Default, Args)]
pub struct Replaying {
    /// List the entries that match, not only the findings.
    #[arg(long)]
    pub list: bool,
    /// Replay the log as of an older checkpoint: a file with its signed note (a receipt, a witness's, an earlier copy's
    /// checkpoint), or a number of entries. What came after is left out; a checkpoint that this log does not extend is a
    /// fork.
    #[arg(long, value_name = "CHECKPOINT")]
    pub at: Option<String>,
    /// Say which recorded decisions would have been others if agreements stood as this TOML file supposes: `revoke = [ids]`,
    /// `add = [terms files]`, `[[without_grant]]` agreement, grant. Says nothing about the log itself.
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    pub what_if: Option<PathBuf>,
    /// Threads; as many as there are cores when left out. The report is the same for any number.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// `mohawel audit …`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Recompute every hash, root, stamp and the checkpoint's signature of a log, or everything in a bundle of evidence;
    /// with a policy, the cosignatures.
    Verify {
        #[command(flatten)]
        /// What.
        what: Verified,
        #[command(flatten)]
        /// Whose witnesses.
        vouched: Vouched,
        #[command(flatten)]
        /// Whose time.
        time: TimeRoots,
    },
    /// One exchange, or a range, with everything that proves it, in one zip for a court.
    Bundle(#[command(flatten)] Box<Bundle>),
    /// The time-stamp tokens beside the log: what each says, and whether the stamps agree.
    Time {
        #[command(flatten)]
        /// Which log.
        log: LogDir,
        #[command(flatten)]
        /// Whose time.
        time: TimeRoots,
    },
    /// Verify, then fold the registry again and re-judge every decision.
    Replay {
        #[command(flatten)]
        /// Which log.
        log: LogDir,
        #[command(flatten)]
        /// Whose witnesses.
        vouched: Vouched,
        #[command(flatten)]
        /// Which entries to list.
        wanted: Box<Wanted>,
        #[command(flatten)]
        /// How to replay.
        how: Replaying,
        #[command(flatten)]
        /// Whose time.
        time: TimeRoots,
    },
    /// Compare the parties' receipts with the log: what is missing on which side, and whom that convicts.
    Reconcile(super::Reconcile),
    /// Find entries by any of their parts, and say whether the answer is proved.
    Find(Box<Find>),
    /// Figures by agency, service, purpose, outcome, hour or clerk.
    Stats(Box<Stats>),
    /// A report for those who decide: by service, agency, centre and official, by day and hour; as a page, a table, JSON.
    Report(Box<MakeReport>),
    /// What in the log is unlike the rest: places to look at, each with the reason. No judgement.
    Anomalies(Box<Anomalies>),
    /// Write entries to a file for other tools, with a manifest that proves it; or check such a file.
    Export(Box<ExportEntries>),
    /// The last entries.
    Tail {
        #[command(flatten)]
        /// Which log.
        log: LogDir,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        count: u64,
        #[command(flatten)]
        /// Which entries.
        wanted: Box<Wanted>,
    },
    /// One entry in full.
    Show {
        /// Log index.
        index: u64,
        #[command(flatten)]
        /// Which log.
        log: LogDir,
    },
    /// Everything that an operator with all its keys could try, and who catches it: on a switch made for it.
    TamperDemo(TamperDemo),
    /// Make, or bring up to date, an auditor's own copy of the log; the switch records the reading.
    Fetch(Fetch),
    /// A proof that one entry is in the log, as a C2SP tlog-proof; or whether one given out earlier still holds.
    Prove {
        /// Log index.
        #[arg(required_unless_present = "check")]
        index: Option<u64>,
        /// Instead: compare this proof, for example a receipt that `mohawel call --receipt` wrote, with the log. It
        /// holds when the log still has its entry and extends the checkpoint in it.
        #[arg(long, conflicts_with_all = ["index", "output"])]
        check: Option<PathBuf>,
        #[command(flatten)]
        /// Which log.
        log: LogDir,
        /// Write the proof to this file instead of standard output.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// The data-protection authority's keys for pseudonyms of persons.
    #[command(subcommand)]
    SubjectKey(SubjectKey),
    /// One person's record: who asked whom about them, when, for which purpose and by which law.
    About(Box<About>),
    /// Whether headers name the persons whom disclosed payloads name.
    Subjects(Subjects),
    /// What a stolen key or an intruder exposed: persons, services, whom to tell, and by when.
    Breach(Breach),
    /// Put a stopped log together again from whatever still has its entries.
    Rebuild(#[command(flatten)] Rebuild),
    /// Remove the oldest entries of a stopped log after their retention; proofs and registry stay.
    Prune(#[command(flatten)] Prune),
    /// Build or refresh the indexes that searching uses.
    Index(#[command(flatten)] IndexLog),
}

fn duration(text: &str) -> Result<Duration, String> {
    broker::config::duration_of(text)
        .ok_or_else(|| "write a whole number and s, m, h or d, for example 5s".to_owned())
}
