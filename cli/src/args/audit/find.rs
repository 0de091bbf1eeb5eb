//! What can be typed after `mohawel audit find`.

use audit::find::Check;
use clap::Args;

use super::{LogDir, Wanted};

/// `mohawel audit find`.
#[derive(Debug, Args)]
pub struct Find {
    /// Which log.
    #[command(flatten)]
    pub log: LogDir,
    /// Which entries.
    #[command(flatten)]
    pub wanted: Wanted,
    /// How much is proved.
    #[command(flatten)]
    pub proved: Proved,
    /// Read every entry of the range, and ask no index which ones to read. Takes longer, and proves that none is left out.
    #[arg(long)]
    pub no_index: bool,
    /// A table instead of a line for each entry.
    #[arg(long)]
    pub table: bool,
    /// Show this many entries at most; all are counted. A table has at most 1000.
    #[arg(short = 'n', long)]
    pub limit: Option<u64>,
}

/// How much of an answer is proved. Without an option: every entry looked at is hashed up to the signed checkpoint, so
/// that what is shown is in the log, and nothing was left out of the range; decisions are not judged again.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Proved {
    /// Replay the whole log first: every seal, every decision.
    #[arg(
        long,
        conflicts_with = "unverified",
        help_heading = "How much is proved"
    )]
    pub verified: bool,
    /// Prove nothing: only read the entries, and say so.
    #[arg(long, help_heading = "How much is proved")]
    pub unverified: bool,
}

impl Proved {
    /// What the library is asked for.
    pub fn check(self) -> Check {
        match self {
            Self { verified: true, .. } => Check::Replay,
            Self {
                unverified: true, ..
            } => Check::Nothing,
            _ => Check::Hashes,
        }
    }
}
