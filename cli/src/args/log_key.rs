//! What can be typed after `mohawel log-key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `mohawel log-key …`.
#[derive(Debug, Subcommand)]
pub enum LogKeys {
    /// Print the verifier key that signs now: what auditors, agencies and witnesses write down.
    Show(OfLog),
    /// Every key that the log has had, when each signs, and where its file lies.
    List(OfLog),
    /// Make the next key. The switch records it at its next start; both sign until the overlap is over.
    Rotate(RotateLogKey),
}

/// Which log: one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct OfLog {
    /// The folder made by `mohawel init`.
    #[arg(long, env = "MOHAWEL_SWITCH")]
    pub switch: Option<PathBuf>,
    /// A log directory, for example an auditor's copy.
    #[arg(long)]
    pub log: Option<PathBuf>,
}

/// `mohawel log-key rotate`.
#[derive(Debug, Args)]
pub struct RotateLogKey {
    /// The folder made by `mohawel init`. The switch may run; it is not touched before its next start.
    #[arg(long, env = "MOHAWEL_SWITCH")]
    pub switch: PathBuf,
    /// How long both keys sign, counted from that start: the time in which everybody who wrote the older key down writes
    /// the next one down. 0 where the older key is not to be trusted any more.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(0..=400))]
    pub overlap_days: u32,
    /// Say what would be done, and do nothing.
    #[arg(long, conflicts_with = "cancel")]
    pub check: bool,
    /// Take back a rotation that no start has recorded yet. The key's file stays.
    #[arg(long)]
    pub cancel: bool,
}
