//! What an agency's administrators can type about their own systems and keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::id::{AgencyId, Part, SystemId};

use super::{AuthorityKey, Revoke, Source};

/// `mohawel adapter apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The switch's card, or @FILE: the operator publishes it (`mohawel agency card`).
    pub card: String,
    /// Folder for the adapter's keys and configuration.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// Who applies: INSTANCE/CLASS/AGENCY.
    #[arg(long)]
    pub agency: AgencyId,
    /// The first system, one name part, for example registry.
    #[arg(long, value_parser = Part::parse)]
    pub system: Part,
    /// This adapter's own name.
    #[arg(long, default_value = "a1", value_parser = Part::parse)]
    pub adapter: Part,
    /// The agency's name in Arabic.
    #[arg(long)]
    pub name_ar: String,
    /// The agency's name in English.
    #[arg(long)]
    pub name_en: String,
    /// How the operator reaches the agency's administrators.
    #[arg(long)]
    pub contact: String,
    #[command(flatten)]
    /// Where the agency's authority key is made: AGENCY.authority.key beside the home when not given.
    pub authority: AuthorityKey,
    /// Leave the authority key without a passphrase: whoever copies its file can bind the agency.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub no_passphrase: bool,
}

/// `mohawel adapter enrol`.
#[derive(Debug, Args)]
pub struct Enrol {
    /// The invitation's text, or @FILE; left out where the home holds an approved application.
    pub invitation: Option<String>,
    /// Folder for the adapter's keys and configuration.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// The system, one name part, for example registry.
    #[arg(long, value_parser = Part::parse)]
    pub system: Option<Part>,
    /// This adapter's own name.
    #[arg(long, default_value = "a1", value_parser = Part::parse)]
    pub adapter: Part,
    /// The agency's name in Arabic.
    #[arg(long)]
    pub name_ar: Option<String>,
    /// The agency's name in English.
    #[arg(long)]
    pub name_en: Option<String>,
    #[command(flatten)]
    /// Where the agency's authority key is made: AGENCY.authority.key beside the home when not given.
    pub authority: AuthorityKey,
    /// Leave the authority key without a passphrase: whoever copies its file can bind the agency.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub no_passphrase: bool,
}

/// `mohawel system …`.
#[derive(Debug, Subcommand)]
pub enum System {
    /// List systems with their adapters.
    List(#[command(flatten)] Source),
    /// Add a system, or a further adapter of one, to an agency that is on board.
    Add {
        /// A new folder for the adapter's keys and configuration.
        home: PathBuf,
        /// INSTANCE/CLASS/AGENCY/SYSTEM, new or known.
        #[arg(long)]
        system: SystemId,
        /// The adapter's own name; another one than the system's other adapters have.
        #[arg(long, default_value = "a1", value_parser = Part::parse)]
        adapter: Part,
        /// The home of another adapter at the same switch.
        #[arg(long, required_unless_present = "card")]
        from: Option<PathBuf>,
        /// The switch's card, or @FILE, where there is no other home at hand.
        #[arg(long, conflicts_with = "from")]
        card: Option<String>,
        #[command(flatten)]
        /// What it is sealed with.
        authority: AuthorityKey,
    },
    /// End a system of the own agency, with all its keys and certificates, for good.
    End {
        /// INSTANCE/CLASS/AGENCY/SYSTEM.
        system: SystemId,
        /// A stable word: retired, compromised, court_order.
        #[arg(long, value_parser = Part::parse)]
        reason: Part,
        /// The home of an adapter of the agency.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// What it is sealed with.
        authority: AuthorityKey,
    },
    /// End a system of any agency, with all its keys and certificates (operators).
    Revoke(Revoke),
}

/// `mohawel key …`.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// List seal keys, ended ones included.
    List(#[command(flatten)] Source),
    /// Let a new seal key follow the home's present one; then start the adapter again.
    Succeed {
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// End the key that the home's present one followed, by the present one's own word.
    Retire {
        /// The older key's digest, or its first digits.
        kid: String,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// End a seal key of the agency: what it sealed before stays evidence, nothing after does.
    End {
        /// The key's digest, or its first digits.
        kid: String,
        /// A stable word: superseded, compromised, retired.
        #[arg(long, value_parser = Part::parse)]
        reason: Part,
        /// The home of an adapter of the agency.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// What it is sealed with.
        authority: AuthorityKey,
    },
}
