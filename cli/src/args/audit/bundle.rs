//! What can be typed to make a bundle of evidence, and to verify one.

use std::path::PathBuf;

use clap::Args;

use super::{LogDir, Wanted};

/// `mohawel audit bundle`.
#[derive(Debug, Args)]
pub struct Bundle {
    #[command(flatten)]
    /// Which log.
    pub log: LogDir,
    #[command(flatten)]
    /// Which entries; an exchange is always taken whole.
    pub wanted: Box<Wanted>,
    /// The new file; without it evidence-ID.zip or evidence-FROM-TO.zip in this folder.
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// A party's file with payload and salt of an exchange, to be put in; can be named again.
    #[arg(long, value_name = "FILE")]
    pub disclose: Vec<PathBuf>,
    /// A C2SP tlog-policy to put in, instead of the witness.policy beside the log.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Root certificates of the time-stamp authority, PEM, to put in beside the token.
    #[arg(long, value_name = "FILE")]
    pub time_roots: Option<PathBuf>,
    /// Put in every registry entry, not only those that the exchange stands on: proves that none was left out, and
    /// shows those of agencies that have no part in it.
    #[arg(long)]
    pub whole_registry: bool,
}

/// What `mohawel audit verify` looks at.
#[derive(Debug, Args)]
pub struct Verified {
    /// A bundle of evidence: the zip, or the folder that it was unpacked into.
    pub bundle: Option<PathBuf>,
    /// Instead: a log directory (checkpoint, log.vkey, tile/).
    #[arg(long, required_unless_present = "bundle", conflicts_with = "bundle")]
    pub log: Option<PathBuf>,
    /// The log's verifier key, or @FILE; without it the key that lies inside is used and the report says so.
    #[arg(long)]
    pub key: Option<String>,
    /// With a bundle: write its page, made anew from the evidence, to this file.
    #[arg(long, value_name = "FILE", requires = "bundle")]
    pub page: Option<PathBuf>,
}

impl Verified {
    /// The log directory, where one was named.
    pub fn log_dir(&self) -> Option<LogDir> {
        let log = self.log.clone()?;
        Some(LogDir {
            log,
            key: self.key.clone(),
        })
    }
}
