//! What can be typed about the border: other instances admitted and withdrawn, grants opened to them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::id::Part;

use super::{Acting, AuthorityKey, Source};

/// `mohawel instance …`.
#[derive(Debug, Subcommand)]
pub enum Instance {
    /// List other countries: admitted, or withdrawn and why.
    List(#[command(flatten)] Source),
    /// Admit another country: its agencies can then be invited (operators).
    Admit {
        /// Its code, two capital letters: the first part of its agencies' names.
        #[arg(value_parser = Part::parse)]
        instance: Part,
        /// Its name in Arabic.
        #[arg(long)]
        name_ar: String,
        /// Its name in English.
        #[arg(long)]
        name_en: String,
        /// The law or treaty it stands on.
        #[arg(long)]
        legal_basis: String,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
    /// Withdraw a country: its agencies' questions are refused from then on (operators).
    Withdraw {
        /// Its code.
        #[arg(value_parser = Part::parse)]
        instance: Part,
        /// Why, for people; it stands in the log.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
}

/// `mohawel agreement open-abroad`.
#[derive(Debug, Args)]
pub struct OpenAbroad {
    /// The agreement's id, or its first digits.
    pub id: String,
    /// Number of the grant in it, from 1.
    #[arg(long, default_value_t = 1)]
    pub grant: u32,
    /// Operations, separated by commas; all of the grant when not given.
    #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
    pub operations: Vec<Part>,
    /// To the agencies of which country: its code.
    #[arg(long, value_parser = Part::parse)]
    pub to: Part,
    /// The law or treaty it stands on.
    #[arg(long)]
    pub legal_basis: String,
    /// Days from now; as long as the agreement when not given.
    #[arg(long)]
    pub days: Option<u32>,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    #[command(flatten)]
    /// What it is sealed with.
    pub authority: AuthorityKey,
}

/// `mohawel agreement close-abroad`.
#[derive(Debug, Args)]
pub struct CloseAbroad {
    /// The digest of the act that opened, or its first digits: `mohawel agreement show` tells it.
    pub id: String,
    /// Why, for people; it stands in the log.
    #[arg(long)]
    pub reason: String,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    #[command(flatten)]
    /// What it is sealed with.
    pub authority: AuthorityKey,
}
