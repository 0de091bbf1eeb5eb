//! What can be typed after `mohawel audit report`.

use std::path::PathBuf;

use audit::anomaly::Zone;
use audit::report::LINES_MAX;
use clap::Args;

use super::anomalies::zone;
use super::{LogDir, Proved, Wanted};

/// `mohawel audit report`.
#[derive(Debug, Args)]
pub struct MakeReport {
    /// Which log.
    #[command(flatten)]
    pub log: LogDir,
    /// The page, one HTML file in Arabic and English with everything in it.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The same figures as an Apache Parquet table.
    #[arg(long, value_name = "FILE")]
    pub parquet: Option<PathBuf>,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
    /// Whose days and hours: egypt (UTC+2, in summer UTC+3), or an offset such as +02:00.
    #[arg(long, default_value = "egypt", value_parser = zone)]
    pub zone: Zone,
    /// Lines of a section at most; all others stand together in one.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=LINES_MAX as i64))]
    pub top: u16,
    /// Leave the section by official out: for readers who could tell from hours and numbers who it is.
    #[arg(long)]
    pub no_officials: bool,
    /// Which entries are counted; a period is --since and --until.
    #[command(flatten)]
    pub wanted: Wanted,
    /// How much is proved.
    #[command(flatten)]
    pub proved: Proved,
}
