//! What can be typed after `mohawel audit export`.

use std::path::PathBuf;

use audit::export::Format;
use clap::Args;

use super::{Proved, Wanted};

/// `mohawel audit export`.
#[derive(Debug, Args)]
pub struct ExportEntries {
    /// The log directory (checkpoint, log.vkey, tile/). With --check: make the file again from it, and compare.
    #[arg(long, required_unless_present = "check")]
    pub log: Option<PathBuf>,
    /// The log's verifier key, or @FILE; without it the key beside the log is used and the manifest says so.
    #[arg(long)]
    pub key: Option<String>,
    /// jsonl (every value and every entry as recorded), csv (safe in a spreadsheet) or parquet; what FILE ends with
    /// when not given.
    #[arg(long, value_parser = format)]
    pub format: Option<Format>,
    /// The new file; FILE.manifest.json stands beside it.
    #[arg(
        long,
        short,
        value_name = "FILE",
        required_unless_present = "check",
        conflicts_with = "check"
    )]
    pub output: Option<PathBuf>,
    /// A byte order mark before CSV, for spreadsheets that read UTF-8 only then.
    #[arg(long)]
    pub bom: bool,
    /// Replace FILE and its manifest.
    #[arg(long)]
    pub force: bool,
    /// Instead: whether the file of this manifest is what it says.
    #[arg(long, value_name = "MANIFEST")]
    pub check: Option<PathBuf>,
    /// Which entries.
    #[command(flatten)]
    pub wanted: Wanted,
    /// How much is proved.
    #[command(flatten)]
    pub proved: Proved,
}

fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| {
        let names = Format::ALL.map(Format::name).join(", ");
        format!("there are {names}")
    })
}
