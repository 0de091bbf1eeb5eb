//! `mohawel submission`: words and options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use proto::id::{ExchangeId, Part, ServiceId};

/// `mohawel submission`.
#[derive(Debug, Subcommand)]
pub enum Submission {
    /// Leave a question with the switch, sealed to its provider, whether that one is there or not.
    Send(Box<SendSubmission>),
    /// Collect answers: of one submission, or of all that this home left.
    Collect {
        /// The exchange. When left out, every submission that this home keeps.
        #[arg(value_parser = super::audit::exchange_id)]
        exchange: Option<ExchangeId>,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        /// How long to wait for an answer that is not there yet: 5s, 1m at most.
        #[arg(long, default_value = "0s", value_parser = super::span)]
        wait: Duration,
        /// Write each answer into this folder as EXCHANGE.json instead of printing it.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// How all submissions of this system stand: who is before them, how often they were asked, until when they wait.
    List {
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// Take back a submission that is not answered; its end is recorded.
    Withdraw {
        /// The exchange.
        #[arg(value_parser = super::audit::exchange_id)]
        exchange: ExchangeId,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// Send a submission again of which no receipt came: the very same bytes, so it is never two.
    Again {
        /// The exchange.
        #[arg(value_parser = super::audit::exchange_id)]
        exchange: ExchangeId,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
}

/// `mohawel submission send`.
#[derive(Debug, Args)]
pub struct SendSubmission {
    /// INSTANCE/CLASS/AGENCY/SYSTEM/service.
    pub service: ServiceId,
    /// The operation.
    #[arg(value_parser = Part::parse)]
    pub operation: Part,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// The legal reason, a purpose code.
    #[arg(long, value_parser = Part::parse)]
    pub purpose: Part,
    /// Fields asked for, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
    pub fields: Vec<Part>,
    /// Parameters as JSON, @FILE, or - for standard input.
    #[arg(long, default_value = "{}")]
    pub data: String,
    /// How long it may wait for its answer: over two minutes, up to 30 days.
    #[arg(long, default_value = "7d", value_parser = super::span)]
    pub within: Duration,
    /// The clerk for whom it is asked: the header carries a pseudonym that only this agency can tell, made with the
    /// home's own actor.key.
    #[arg(long)]
    pub actor: Option<String>,
    /// A commitment to the case that it belongs to, 64 hexadecimal digits, as `mohawel compose show` prints it.
    #[arg(long, value_parser = commitment)]
    pub case: Option<proto::Digest>,
}

fn commitment(text: &str) -> Result<proto::Digest, &'static str> {
    proto::Digest::from_hex(text).ok_or("a case's commitment is 64 hexadecimal digits")
}
