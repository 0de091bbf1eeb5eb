//! What operators can type: applications, suspensions, purposes, roles, approvals, the registry itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::act::PersonRole;
use proto::id::{AgencyId, Part, SystemId};

use super::Source;

/// Who acts: an operator at a switch.
#[derive(Clone, Debug, Args)]
pub struct Acting {
    /// The folder made by `mohawel init`.
    #[arg(long, env = "MOHAWEL_SWITCH")]
    pub switch: PathBuf,
    /// The acting person's own folder; the first operator's inside the switch when not given.
    #[arg(long, env = "MOHAWEL_OPERATOR")]
    pub operator: Option<PathBuf>,
}

/// `mohawel purpose …`.
#[derive(Debug, Subcommand)]
pub enum Purpose {
    /// List the catalogue of purposes.
    List(#[command(flatten)] Source),
    /// Add a purpose or change its texts.
    Set {
        /// The code that grants and requests name.
        #[arg(value_parser = Part::parse)]
        code: Part,
        /// Its name in Arabic.
        #[arg(long)]
        name_ar: String,
        /// Its name in English.
        #[arg(long)]
        name_en: String,
        /// The law it stands on, in Arabic.
        #[arg(long)]
        legal_basis_ar: String,
        /// The law it stands on, in English.
        #[arg(long)]
        legal_basis_en: String,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
    /// End a purpose: no new agreement may name it, those that do keep it.
    End {
        /// The code.
        #[arg(value_parser = Part::parse)]
        code: Part,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
}

/// `mohawel role …`.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// List who has which role.
    List(#[command(flatten)] Source),
    /// Make the keys of a person here, and the request that an operator grants.
    Request {
        /// A new folder for the person's keys.
        dir: PathBuf,
        /// operator, approver, auditor or dpo.
        #[arg(long, value_parser = role)]
        role: PersonRole,
        /// The person's name, one part.
        #[arg(long, value_parser = Part::parse)]
        name: Part,
    },
    /// Grant what a request asks for; writes what the person's folder needs.
    Grant {
        /// The request's file.
        request: PathBuf,
        /// Where to write the answer for the person.
        #[arg(long, short)]
        output: PathBuf,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
    /// Put the operator's answer into the person's folder.
    Take {
        /// The person's folder.
        dir: PathBuf,
        /// The answer's file.
        answer: PathBuf,
    },
    /// Take a role away; the person's connections are closed within a second.
    End {
        /// operator, approver, auditor or dpo.
        #[arg(long, value_parser = role)]
        role: PersonRole,
        /// The person's name.
        #[arg(long, value_parser = Part::parse)]
        name: Part,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
}

/// `mohawel approval …`.
#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// List acts that wait for a second seal.
    List(#[command(flatten)] Source),
    /// Put the second seal on an act.
    Approve {
        /// The act's digest, or its first digits.
        id: String,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
    /// Turn an act down; the operator who made it may take it back in the same way.
    Reject {
        /// The act's digest, or its first digits.
        id: String,
        /// Why, for people.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
}

/// `mohawel policy …`.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Show which acts need two seals.
    Show(#[command(flatten)] Source),
    /// Say which acts need two seals from now on; none when no name is given.
    Set {
        /// Names of acts, separated by commas: `mohawel policy show` lists those that there are.
        #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
        two_operators: Vec<Part>,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
}

/// `mohawel registry …`.
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// Print one value for the whole registry: equal histories give equal values.
    Digest(#[command(flatten)] Source),
}

/// What operators do to agencies, beside inviting: part of `mohawel agency …`.
#[derive(Debug, Subcommand)]
pub enum Membership {
    /// List applications and how they stand.
    Applications(#[command(flatten)] Source),
    /// Approve an application: it may enrol with the key that it named, and no other.
    Approve {
        /// The application's digest, or its first digits.
        id: String,
        /// Hours within which it must enrol.
        #[arg(long, default_value_t = 72)]
        hours: u32,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
    /// Turn an application down.
    Reject {
        /// The application's digest, or its first digits.
        id: String,
        /// Told to the applicant.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
    /// Cut an agency off: connections close within a second, requests are refused.
    Suspend {
        /// INSTANCE/CLASS/AGENCY.
        agency: AgencyId,
        /// Why, for people.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
    /// Lift a suspension.
    Resume {
        /// INSTANCE/CLASS/AGENCY.
        agency: AgencyId,
        /// Why, for people.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
    /// Limit what all systems of an agency may ask in a day (UTC).
    Quota {
        /// INSTANCE/CLASS/AGENCY.
        agency: AgencyId,
        /// Requests a day; 0 means no limit.
        #[arg(long)]
        daily: u64,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
    /// Replace a lost authority key: needs a second operator, and counts 72 hours after that.
    ReplaceAuthority {
        /// The file that `mohawel agency new-authority` wrote.
        request: PathBuf,
        #[command(flatten)]
        /// Who acts.
        acting: Acting,
    },
}

/// `mohawel system …` for operators.
#[derive(Debug, Args)]
pub struct Revoke {
    /// INSTANCE/CLASS/AGENCY/SYSTEM.
    pub system: SystemId,
    /// A stable word: retired, compromised, court_order.
    #[arg(long, value_parser = Part::parse)]
    pub reason: Part,
    #[command(flatten)]
    /// Who acts.
    pub acting: Acting,
}

fn role(text: &str) -> Result<PersonRole, String> {
    PersonRole::parse(text)
        .ok_or_else(|| format!("'{text}' is not operator, approver, auditor or dpo"))
}
