//! What can be typed about agreements: made, handed on, ended, explained.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::id::{AgencyId, Part, ServiceId, SystemId};

use super::{AuthorityKey, CloseAbroad, OpenAbroad, Source};

/// `mohawel agreement …`.
#[derive(Debug, Subcommand)]
pub enum Agreement {
    /// Propose an agreement that a TOML file describes; prints its id.
    Propose {
        /// The terms.
        file: PathBuf,
        /// Values for the file's ${NAME} placeholders, NAME=VALUE; may be given several times.
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// What it is sealed with.
        authority: AuthorityKey,
    },
    /// Templates of agreements to begin with.
    #[command(subcommand)]
    Template(Template),
    /// Accept a proposal of another agency, after reading it.
    Accept {
        /// The agreement's id, or its first digits.
        id: String,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// What it is sealed with.
        authority: AuthorityKey,
    },
    /// End an agreement for good.
    Revoke {
        /// The agreement's id, or its first digits.
        id: String,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// What it is sealed with.
        authority: AuthorityKey,
    },
    /// Hand a grant on to another agency, never wider than it is held.
    Delegate(HandOn),
    /// End a delegation, and with it everything that was handed on below it.
    EndDelegation {
        /// The delegation's id, or its first digits.
        id: String,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// What it is sealed with.
        authority: AuthorityKey,
    },
    /// Open operations of a grant to agencies of another country, which get nothing otherwise.
    OpenAbroad(OpenAbroad),
    /// End what was opened abroad, before its time.
    CloseAbroad(CloseAbroad),
    /// List agreements.
    List(#[command(flatten)] Source),
    /// Show one agreement with its grants, acts and delegations.
    Show {
        /// The agreement's id, or its first digits.
        id: String,
        #[command(flatten)]
        /// Where to read.
        source: Source,
    },
    /// Write an agency's register of processing activities, generated from its agreements, in both languages.
    Register {
        /// INSTANCE/CLASS/AGENCY.
        agency: AgencyId,
        #[command(flatten)]
        /// Where to read.
        source: Source,
    },
}

/// `mohawel agreement template …`.
#[derive(Debug, Subcommand)]
pub enum Template {
    /// List the templates.
    List,
    /// Print one, to be saved as a file and filled in.
    Show {
        /// Its name.
        name: String,
    },
}

/// `mohawel agreement delegate`.
#[derive(Debug, Args)]
pub struct HandOn {
    /// The agreement's id, or its first digits.
    pub id: String,
    /// Number of the grant in it, from 1.
    #[arg(long, default_value_t = 1)]
    pub grant: u32,
    /// The delegation that is handed on further, where the own right comes from one: its id or first digits.
    #[arg(long)]
    pub parent: Option<String>,
    /// Who may ask: INSTANCE/CLASS/AGENCY.
    #[arg(long)]
    pub to: AgencyId,
    /// Operations, separated by commas; all that are held when not given.
    #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
    pub operations: Vec<Part>,
    /// Purposes, separated by commas; all that are held when not given.
    #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
    pub purposes: Vec<Part>,
    /// Fields, separated by commas; all that are held when not given.
    #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
    pub fields: Vec<Part>,
    /// Days from now; as long as what is held when not given.
    #[arg(long)]
    pub days: Option<u32>,
    /// How often it may be handed on further.
    #[arg(long, default_value_t = 0)]
    pub depth: u32,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    #[command(flatten)]
    /// What it is sealed with.
    pub authority: AuthorityKey,
}

/// `mohawel explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// INSTANCE/CLASS/AGENCY/SYSTEM/service.
    pub service: ServiceId,
    /// The operation.
    #[arg(value_parser = Part::parse)]
    pub operation: Part,
    /// Who would ask: INSTANCE/CLASS/AGENCY/SYSTEM.
    #[arg(long = "as", value_name = "SYSTEM")]
    pub consumer: SystemId,
    /// The legal reason, a purpose code.
    #[arg(long, value_parser = Part::parse)]
    pub purpose: Part,
    /// Fields asked for, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
    pub fields: Vec<Part>,
    /// At this time, RFC 3339; now when not given.
    #[arg(long)]
    pub at: Option<String>,
    #[command(flatten)]
    /// Where to read.
    pub source: Source,
}

/// `mohawel who-can`.
#[derive(Debug, Args)]
pub struct WhoCan {
    /// INSTANCE/CLASS/AGENCY/SYSTEM/service.
    #[arg(long)]
    pub service: ServiceId,
    /// The field.
    #[arg(long, value_parser = Part::parse)]
    pub field: Part,
    /// At this time, RFC 3339; now when not given.
    #[arg(long)]
    pub at: Option<String>,
    #[command(flatten)]
    /// Where to read.
    pub source: Source,
}
