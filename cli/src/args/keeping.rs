//! What can be typed after `mohawel audit rebuild`, `mohawel audit prune` and `mohawel audit index`.

use std::path::PathBuf;

use clap::Args;

use super::{LogDir, Vouched};

/// `mohawel audit rebuild`.
#[derive(Debug, Args)]
pub struct Rebuild {
    #[command(flatten)]
    /// Which log. The switch must be stopped.
    pub log: LogDir,
    /// Another copy of the log that may have what is lost: an auditor's, a replica's, a backup. May be repeated.
    #[arg(long, value_name = "DIR")]
    pub from: Vec<PathBuf>,
    /// A signed checkpoint that the log must not end before, for example a witness's. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// Only say what would be done. The store is then not looked at.
    #[arg(long)]
    pub check: bool,
    /// Only the checkpoint and tile/: for a copy without tail and store.
    #[arg(long)]
    pub files_only: bool,
    /// Go on although the tail lost entries that may have been acknowledged. The next start's entry says so.
    #[arg(long)]
    pub accept_tail_loss: bool,
}

/// `mohawel audit prune`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("before").required(true))]
pub struct Prune {
    #[command(flatten)]
    /// Which log. The switch must be stopped.
    pub log: LogDir,
    /// Prune entries below this index, rounded down to a bundle of 256.
    #[arg(long, group = "before", value_name = "N")]
    pub before_index: Option<u64>,
    /// Prune entries that are so many days older than the newest one.
    #[arg(long, group = "before", value_name = "DAYS")]
    pub older_than: Option<u32>,
    /// A signed checkpoint, for example a witness's: what it does not cover stays. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    #[command(flatten)]
    /// Whose witnesses must have seen it.
    pub vouched: Vouched,
    /// Prune although the retention of some grant has not passed. Every replay will report it.
    #[arg(long)]
    pub despite_retention: bool,
    /// Only say what would be pruned.
    #[arg(long)]
    pub check: bool,
}

/// `mohawel audit index`.
#[derive(Debug, Args)]
pub struct IndexLog {
    #[command(flatten)]
    /// Which log; a copy, or a switch that runs.
    pub log: LogDir,
    /// Remove the indexes that are there, and make them anew.
    #[arg(long)]
    pub anew: bool,
}
