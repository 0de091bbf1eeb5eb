//! What can be typed after `mohawel audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::id::ExchangeId;

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

/// Which entries are shown.
#[derive(Debug, Default, Args)]
pub struct Wanted {
    /// Only this exchange.
    #[arg(long, value_parser = exchange_id)]
    pub exchange: Option<ExchangeId>,
    /// Only this agency or system.
    #[arg(long)]
    pub party: Option<String>,
    /// Only this service, for example persons.v1.
    #[arg(long)]
    pub service: Option<String>,
    /// Only this purpose.
    #[arg(long)]
    pub purpose: Option<String>,
    /// Only this outcome or refusal code.
    #[arg(long)]
    pub code: Option<String>,
    /// From this RFC 3339 time on.
    #[arg(long)]
    pub since: Option<String>,
    /// Before this RFC 3339 time.
    #[arg(long)]
    pub until: Option<String>,
    /// From this index on.
    #[arg(long)]
    pub from: Option<u64>,
    /// Before this index.
    #[arg(long)]
    pub to: Option<u64>,
}

/// `mohawel audit …`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Recompute every hash, root, stamp and the checkpoint's signature.
    Verify(#[command(flatten)] LogDir),
    /// Verify, then fold the registry again and re-judge every decision.
    Replay {
        #[command(flatten)]
        /// Which log.
        log: LogDir,
        #[command(flatten)]
        /// Which entries to list.
        wanted: Wanted,
        /// List the entries that match, not only the findings.
        #[arg(long)]
        list: bool,
    },
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
        wanted: Wanted,
    },
    /// One entry in full.
    Show {
        /// Log index.
        index: u64,
        #[command(flatten)]
        /// Which log.
        log: LogDir,
    },
    /// A proof that one entry is in the log, as a C2SP tlog-proof.
    Prove {
        /// Log index.
        index: u64,
        #[command(flatten)]
        /// Which log.
        log: LogDir,
        /// Write the proof to this file instead of standard output.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

fn exchange_id(text: &str) -> Result<ExchangeId, String> {
    ExchangeId::parse(text).ok_or_else(|| "not a UUIDv7".to_owned())
}
