//! What operators can type about a directory that describes the registry.

use std::path::PathBuf;

use clap::Args;

use super::{Acting, Source};

/// `mohawel plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// The directory of TOML files; docs/operating.md explains every key.
    pub dir: PathBuf,
    #[command(flatten)]
    /// Where the registry is read.
    pub source: Source,
}

/// `mohawel apply`.
#[derive(Debug, Args)]
pub struct ApplyPlan {
    /// The directory of TOML files; docs/operating.md explains every key.
    pub dir: PathBuf,
    #[command(flatten)]
    /// Who acts.
    pub acting: Acting,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Folder for the invitations of new agencies, one owner-only file each.
    #[arg(long, value_name = "FOLDER")]
    pub invitations: Option<PathBuf>,
    /// Hours until an invitation is worthless.
    #[arg(long, default_value_t = 72)]
    pub hours: u32,
}

/// `mohawel export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Where to write; must not exist or be empty.
    pub dir: PathBuf,
    #[command(flatten)]
    /// Where the registry is read.
    pub source: Source,
}
