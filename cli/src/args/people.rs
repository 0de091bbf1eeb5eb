//! What can be typed about the persons in a log: keys of pseudonyms, a person's record, a breach, a hold.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::digest::Digest;
use proto::id::{AgencyId, ExchangeId, Part, SystemId};

use super::{AuthorityKey, LogDir};

/// The data-protection authority's folder of epoch masters.
#[derive(Clone, Debug, Args)]
pub struct Masters {
    /// The folder with the epoch masters, made by `mohawel audit subject-key new`.
    #[arg(long)]
    pub dir: PathBuf,
    /// Owner-only file with their passphrase; asked for on the terminal when not given.
    #[arg(long, value_name = "FILE", env = "MOHAWEL_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// When an epoch begins.
#[derive(Clone, Debug, Args)]
pub struct Begins {
    /// When it begins, RFC 3339; now when not given. Later than now leaves time to hand the keys out.
    #[arg(long)]
    pub from: Option<String>,
    /// For how many hours after that the epoch before is accepted too.
    #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u32).range(0..=8_760))]
    pub overlap_hours: u32,
}

/// `mohawel audit subject-key …`.
#[derive(Debug, Subcommand)]
pub enum SubjectKey {
    /// Make the folder and the first epoch's master, under a passphrase.
    New {
        #[command(flatten)]
        /// Where.
        masters: Masters,
        #[command(flatten)]
        /// From when.
        begins: Begins,
    },
    /// Write the key file that the two parties of an agreement get for an epoch.
    Derive {
        #[command(flatten)]
        /// From what.
        masters: Masters,
        /// The agreement's whole id, 64 hex digits.
        #[arg(long, value_parser = digest)]
        agreement: Digest,
        /// Which epoch; the newest when not given.
        #[arg(long)]
        epoch: Option<u32>,
        /// The new key file; named after agreement and epoch when not given.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Begin a new epoch. The older ones are kept, for looking up.
    Rotate {
        #[command(flatten)]
        /// Where.
        masters: Masters,
        #[command(flatten)]
        /// From when.
        begins: Begins,
        /// Write the new epoch's key files into this folder, for every agreement that had one.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// List the epochs.
    List {
        /// The folder with the epoch masters.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Destroy an epoch's master for good: nobody is found in that epoch any more.
    Destroy {
        /// The folder with the epoch masters.
        #[arg(long)]
        dir: PathBuf,
        /// Which epoch.
        #[arg(long)]
        epoch: u32,
        /// Yes, for good.
        #[arg(long)]
        yes: bool,
        /// Have the destruction recorded: an adapter's home of the authority, which is an agency like others.
        #[arg(long)]
        home: Option<PathBuf>,
        /// The reason, a code that goes into the log.
        #[arg(long, default_value = "retention", value_parser = Part::parse)]
        ground: Part,
        #[command(flatten)]
        /// The authority's key as an agency.
        authority: AuthorityKey,
    },
}

/// `mohawel audit about`.
#[derive(Debug, Args)]
pub struct About {
    #[command(flatten)]
    /// Which log.
    pub log: LogDir,
    #[command(flatten)]
    /// The authority's keys.
    pub masters: Masters,
    /// The scheme of the id, for example nid.
    #[arg(long, value_parser = Part::parse)]
    pub scheme: Part,
    /// The person's id, or @FILE, or - for standard input, so that it stands in no list of processes.
    #[arg(long)]
    pub id: String,
    /// From this RFC 3339 time on.
    #[arg(long)]
    pub since: Option<String>,
    /// Before this RFC 3339 time.
    #[arg(long)]
    pub until: Option<String>,
    /// For the authority itself: show also what a hold keeps back from the person, and count it.
    #[arg(long)]
    pub held: bool,
    /// Write the record as a page to print, in Arabic and English, into this new file.
    #[arg(long, value_name = "FILE", conflicts_with = "held")]
    pub html: Option<PathBuf>,
}

/// `mohawel audit subjects`.
#[derive(Debug, Args)]
pub struct Subjects {
    #[command(flatten)]
    /// Which log.
    pub log: LogDir,
    /// The authority's folder of epoch masters; or name the agreement's own keys with --subject-key.
    #[arg(long, required_unless_present = "subject_key")]
    pub dir: Option<PathBuf>,
    /// Owner-only file with the masters' passphrase; asked for on the terminal when not given.
    #[arg(long, value_name = "FILE", env = "MOHAWEL_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// A key file of the agreement, as its parties have it. May be given more than once.
    #[arg(long, value_name = "FILE")]
    pub subject_key: Vec<PathBuf>,
    /// What a party disclosed of an exchange: JSON with exchange_id and request {salt, payload} in base64. Give the
    /// files of both sides.
    #[arg(long, required = true, num_args = 1..)]
    pub disclosed: Vec<PathBuf>,
}

/// `mohawel audit breach`.
#[derive(Debug, Args)]
pub struct Breach {
    #[command(flatten)]
    /// Which log.
    pub log: LogDir,
    #[command(flatten)]
    /// What was stolen or broken into.
    pub suspect: Suspect,
    /// From this RFC 3339 time on.
    #[arg(long)]
    pub from: String,
    /// Before this RFC 3339 time.
    #[arg(long)]
    pub to: String,
    /// When the agency learned of it, RFC 3339: the 72 hours count from here. Now when not given.
    #[arg(long)]
    pub learned_at: Option<String>,
    /// Write a draft of the notification, in Arabic and English, into this new file.
    #[arg(long, value_name = "FILE")]
    pub letter: Option<PathBuf>,
}

/// What was stolen or broken into.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Suspect {
    /// A seal key that was stolen: its kid, 64 hex digits.
    #[arg(long, value_parser = digest)]
    pub kid: Option<Digest>,
    /// An agency that was broken into: INSTANCE/CLASS/AGENCY.
    #[arg(long, value_parser = AgencyId::parse)]
    pub agency: Option<AgencyId>,
    /// A system that was broken into: INSTANCE/CLASS/AGENCY/SYSTEM.
    #[arg(long, value_parser = SystemId::parse)]
    pub system: Option<SystemId>,
}

/// `mohawel agency hold`.
#[derive(Debug, Args)]
pub struct Hold {
    /// An adapter's home of the agency.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// The exchanges, up to 128. The agency must be a party of each.
    #[arg(long = "exchange", required = true, num_args = 1.., value_parser = super::audit::exchange_id)]
    pub exchanges: Vec<ExchangeId>,
    /// The law that allows the delay, a code that goes into the log.
    #[arg(long, value_parser = Part::parse)]
    pub ground: Part,
    /// When the hold is over by itself, RFC 3339.
    #[arg(long, required_unless_present = "end")]
    pub until: Option<String>,
    /// Instead: the hold is over now.
    #[arg(long, conflicts_with = "until")]
    pub end: bool,
    #[command(flatten)]
    /// The agency's authority key.
    pub authority: AuthorityKey,
}

pub(super) fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_hex(text).ok_or_else(|| "not 64 hex digits".to_owned())
}
