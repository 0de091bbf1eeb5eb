//! What can be typed after `mohawel witness`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

/// `mohawel witness …`.
#[derive(Debug, Subcommand)]
pub enum Witness {
    /// Make a new witness: its key, its empty memory and its configuration.
    Init {
        /// The new witness's folder; must not exist or be empty.
        dir: PathBuf,
        /// Its name, a URL without scheme, for example witness.audit.example/1. It stands in every cosignature.
        #[arg(long)]
        name: String,
        /// Where logs ask it: plain HTTP, for what is asked is public and signed.
        #[arg(long, default_value = "127.0.0.1:7445")]
        listen: SocketAddr,
        /// A log that it shall cosign: its verifier key, or @FILE. May be repeated.
        #[arg(long)]
        log: Vec<String>,
    },
    /// Let it cosign one more log, from its next start on.
    Add {
        /// The witness's folder.
        dir: PathBuf,
        /// The log's verifier key, or @FILE, from somewhere that the log's operator does not control alone.
        log: String,
    },
    /// Run it until it is told to stop.
    Run {
        /// The witness's folder.
        dir: PathBuf,
    },
    /// What it remembers of each log, and whether anything was kept as evidence.
    Status {
        /// The witness's folder.
        dir: PathBuf,
    },
}
