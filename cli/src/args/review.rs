//! What can be typed after `mohawel review`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use proto::act;

use super::AuthorityKey;

/// `mohawel review …`.
#[derive(Debug, Subcommand)]
pub enum Review {
    /// List the exchanges under break-glass grants that wait for a review, and until when.
    List {
        /// An adapter's home of either agency.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// Give the review of exchanges that were asked of this agency. It cannot be taken back.
    Give(GiveReview),
}

/// `mohawel review give`.
#[derive(Debug, Args)]
pub struct GiveReview {
    /// The log indexes of the requests, as `mohawel review list` shows them: up to 32, all with the same finding.
    #[arg(required = true, num_args = 1..)]
    pub entries: Vec<u64>,
    /// Whether it was right to break the glass.
    #[arg(long, value_enum)]
    pub finding: Finding,
    /// Why: a text, or @FILE. The log holds its SHA-256; keep the text.
    #[arg(long)]
    pub reason: String,
    /// An adapter's home of the agency that was asked.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// The agency's authority key.
    #[command(flatten)]
    pub authority: AuthorityKey,
}

/// A finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Finding {
    /// It was right.
    Justified,
    /// It was not.
    Unjustified,
}

impl From<Finding> for act::Finding {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Justified => Self::Justified,
            Finding::Unjustified => Self::Unjustified,
        }
    }
}
