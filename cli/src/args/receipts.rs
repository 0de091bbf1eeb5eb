//! What can be typed after `mohawel adapter receipts`, `erase`, `alarms` and `encryption-key`, and `mohawel audit reconcile`.

use std::path::PathBuf;

use clap::Args;
use proto::id::{ExchangeId, Part};

use super::AuthorityKey;
use super::audit::exchange_id;

/// `mohawel adapter receipts`: list, export or open what this side of each exchange holds as evidence.
#[derive(Debug, Args)]
pub struct Receipts {
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// Only this exchange.
    #[arg(long, value_parser = exchange_id)]
    pub exchange: Option<ExchangeId>,
    /// From this RFC 3339 time on.
    #[arg(long)]
    pub since: Option<String>,
    /// Before this RFC 3339 time.
    #[arg(long)]
    pub until: Option<String>,
    /// Write the exchanges to this new file, JSON Lines with the exact bytes: for `mohawel audit reconcile`.
    #[arg(long, conflicts_with = "disclose")]
    pub export: Option<PathBuf>,
    /// Instead: open payload and salt of this exchange, as JSON. Whoever has them and the receipts can prove what was
    /// exchanged.
    #[arg(long, value_parser = exchange_id, conflicts_with_all = ["exchange", "since", "until"])]
    pub disclose: Option<ExchangeId>,
    /// Write what is disclosed to this new file, readable by its owner alone, instead of standard output.
    #[arg(long, short, requires = "disclose")]
    pub output: Option<PathBuf>,
}

/// `mohawel adapter erase`: destroy payloads and salts, and say so in the log. Receipts stay.
#[derive(Debug, Args)]
pub struct Erase {
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// These exchanges.
    #[arg(long, value_parser = exchange_id, required_unless_present = "before")]
    pub exchange: Vec<ExchangeId>,
    /// All exchanges begun before this RFC 3339 time.
    #[arg(long, conflicts_with = "exchange")]
    pub before: Option<String>,
    /// Why: a code, for example subject-request. It stands in the log.
    #[arg(long, value_parser = Part::parse)]
    pub ground: Part,
}

/// `mohawel adapter alarms`: what the log binds to this agency although this home neither made it nor was told of it.
#[derive(Debug, Args)]
pub struct Alarms {
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// Acknowledge the alarm with this fingerprint: the whole, or its beginning of 8 digits or more. Compare it first with
    /// whoever holds the key.
    #[arg(long, value_name = "FINGERPRINT")]
    pub acknowledge: Vec<String>,
    /// List acknowledged ones too.
    #[arg(long)]
    pub all: bool,
}

/// `mohawel audit reconcile`: compare the parties' receipts with the log, both ways.
#[derive(Debug, Args)]
pub struct Reconcile {
    #[command(flatten)]
    /// Which log.
    pub log: super::LogDir,
    /// What `mohawel adapter receipts --export` wrote, of one or both parties.
    #[arg(long, required = true, num_args = 1..)]
    pub receipts: Vec<PathBuf>,
    /// Expect log entries from this RFC 3339 time on in the journals; else from each journal's first receipt on.
    #[arg(long)]
    pub since: Option<String>,
    /// And before this one; else up to each journal's last receipt.
    #[arg(long)]
    pub until: Option<String>,
}

/// `mohawel adapter encryption-key`.
#[derive(Debug, Args)]
pub struct NewEncryptionKey {
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    #[command(flatten)]
    /// The agency's authority key.
    pub authority: AuthorityKey,
}
