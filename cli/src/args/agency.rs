//! What can be typed about agencies: invited, shown, bound by their authority keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::id::AgencyId;

use super::{Hold, Membership, Source};

/// The agency's authority key, for commands that bind the agency.
#[derive(Clone, Debug, Default, Args)]
pub struct AuthorityKey {
    /// The agency's authority key. When not given: where the home says that it last was; at enrolment,
    /// AGENCY.authority.key beside the home.
    #[arg(long, value_name = "FILE")]
    pub authority: Option<PathBuf>,
    /// Owner-only file with the key's passphrase; asked for on the terminal when not given.
    #[arg(long, value_name = "FILE", env = "MOHAWEL_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Where a new authority key is made.
#[derive(Clone, Debug, Args)]
pub struct NewAuthorityKey {
    /// File of the new key; must not exist.
    #[arg(long, value_name = "FILE")]
    pub new_authority: PathBuf,
    /// Owner-only file with the new key's passphrase; asked for on the terminal when not given.
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Leave the new key without a passphrase.
    #[arg(long, conflicts_with = "new_passphrase_file")]
    pub new_no_passphrase: bool,
}

impl From<NewAuthorityKey> for crate::commands::agency::authority::NewKey {
    fn from(key: NewAuthorityKey) -> Self {
        Self {
            path: key.new_authority,
            no_passphrase: key.new_no_passphrase,
            passphrase_file: key.new_passphrase_file,
        }
    }
}

/// `mohawel agency …`.
#[derive(Debug, Subcommand)]
pub enum Agency {
    /// Invite an agency: prints an invitation to hand over in person.
    Invite {
        /// INSTANCE/CLASS/AGENCY.
        agency: AgencyId,
        /// The folder made by `mohawel init`.
        #[arg(long, env = "MOHAWEL_SWITCH")]
        switch: PathBuf,
        /// Hours until the invitation is worthless.
        #[arg(long, default_value_t = 72)]
        hours: u32,
        /// Write the invitation to this file instead of standard output.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    #[command(flatten)]
    /// What operators do beside inviting.
    Membership(Membership),
    /// Print the switch's card: the public text that applicants and further systems need.
    Card {
        /// The folder made by `mohawel init`.
        #[arg(long, env = "MOHAWEL_SWITCH")]
        switch: PathBuf,
    },
    /// List agencies and open invitations.
    List(#[command(flatten)] Source),
    /// Show one agency: systems, keys, services, agreements.
    Show {
        /// INSTANCE/CLASS/AGENCY.
        agency: AgencyId,
        #[command(flatten)]
        /// Where to read.
        source: Source,
    },
    /// Make a new authority key in place of a lost one, and the request for two operators to replace it.
    NewAuthority {
        /// An adapter's home of the agency.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// The new key.
        key: NewAuthorityKey,
        /// Where to write the request.
        #[arg(long, short)]
        output: PathBuf,
    },
    /// Let a new authority key follow the present one, at once.
    RotateAuthority {
        /// An adapter's home of the agency.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// The present key.
        authority: AuthorityKey,
        #[command(flatten)]
        /// The new key.
        key: NewAuthorityKey,
    },
    /// Object to a replacement of the authority key that operators began: the present key is not lost.
    Object {
        /// An adapter's home of the agency.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        #[command(flatten)]
        /// The present key.
        authority: AuthorityKey,
    },
    /// Delay what a person's own record shows of exchanges, where a law allows it; or end the delay.
    Hold(Hold),
    /// Print the fingerprint of an agency's authority key, as `agency show` prints it. Asks no switch.
    Fingerprint {
        /// An adapter's home, which says where the key last was.
        #[arg(long, env = "MOHAWEL_HOME", required_unless_present = "authority")]
        home: Option<PathBuf>,
        #[command(flatten)]
        /// The key.
        authority: AuthorityKey,
    },
}
