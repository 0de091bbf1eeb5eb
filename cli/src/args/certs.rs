//! What can be typed about certificates.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use proto::id::Part;

use super::{AuthorityKey, Source};

/// `mohawel certs …`.
#[derive(Debug, Subcommand)]
pub enum Certs {
    /// List certificates with their ends; those in use, and ended ones that nothing has replaced.
    List {
        /// Only those that end within this time and that nothing has replaced, for example 30d, 36h or 20m; exit code 1
        /// when there are any.
        #[arg(long, value_parser = super::span)]
        expiring: Option<Duration>,
        #[command(flatten)]
        /// Where to read.
        source: Source,
    },
    /// End a certificate before its time; its connections are closed within a second.
    Revoke {
        /// SHA-256 of the certificate, or its first digits.
        sha256: String,
        /// A stable word: retired, compromised, superseded.
        #[arg(long, value_parser = Part::parse)]
        reason: Part,
        /// As an agency: the home of one of its adapters.
        #[arg(long, conflicts_with = "switch", required_unless_present = "switch")]
        home: Option<PathBuf>,
        #[command(flatten)]
        /// As an agency: what it is sealed with.
        authority: AuthorityKey,
        /// As an operator: the folder made by `mohawel init`.
        #[arg(long)]
        switch: Option<PathBuf>,
        /// As an operator: the acting person's own folder.
        #[arg(long, env = "MOHAWEL_OPERATOR")]
        operator: Option<PathBuf>,
    },
    /// Let a certificate of an outside authority speak for the home's system.
    Bind {
        /// The certificate, PEM; its chain may follow it.
        file: PathBuf,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// What it is sealed with.
        authority: AuthorityKey,
    },
}
