//! What can be typed: the whole command tree, so that help and completions have one source.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use proto::digest::Digest;
use proto::id::{ExchangeId, Part, ServiceId};
use proto::refusal::Language;

mod agency;
mod agreement;
mod audit;
mod backup;
mod batch;
mod bench;
mod border;
mod certs;
mod compose;
mod declare;
mod directory;
mod doctor;
mod event;
mod keeping;
mod log_key;
mod members;
mod operate;
mod people;
mod receipts;
mod review;
mod service;
mod submission;
mod witness;

pub use agency::{Agency, AuthorityKey, NewAuthorityKey};
pub use agreement::{Agreement, Explain, HandOn, Template, WhoCan};
pub use audit::{
    Anomalies, Audit, Bundle, ExportEntries, Fetch, Find, LogDir, MakeReport, Proved, Replaying,
    Stats, TamperDemo, TimeRoots, Verified, Vouched, Wanted,
};
pub use backup::{Backup, Restore};
pub use batch::{Batch, RunBatch};
pub use bench::{Bench, BenchPart, Profile};
pub use border::{CloseAbroad, Instance, OpenAbroad};
pub use certs::Certs;
pub use compose::{Compose, RunCase};
pub use declare::{ApplyPlan, Export, Plan};
pub use directory::Directory;
pub use doctor::Doctor;
pub use event::{Event, PublishEvent, Subscribe};
pub use keeping::{IndexLog, Prune, Rebuild};
pub use log_key::{LogKeys, OfLog, RotateLogKey};
pub use members::{Apply, Enrol, Key, System};
pub use operate::{Acting, Approvals, Membership, Policy, Purpose, Registry, Revoke, Role};
pub use people::{About, Begins, Breach, Hold, Masters, SubjectKey, Subjects, Suspect};
pub use receipts::{Alarms, Erase, NewEncryptionKey, Receipts, Reconcile};
pub use review::{Finding, GiveReview, Review};
pub use service::{Care, CopyService, Publish, RollOut, Sensitivity, Service, Switched, Try};
pub use submission::{SendSubmission, Submission};
pub use witness::Witness;

/// Mohawel (المحوِّل): a government data-exchange switch.
///
/// Exit codes: 0 done; 1 a check found something; 2 the command line or a file is wrong;
/// 3 the switch or the provider said no; 4 a proof does not hold; 5 something is unreachable or broke.
#[derive(Debug, Parser)]
#[command(
    name = "mohawel",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Language of everything that people read.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "en",
        env = "MOHAWEL_LANG"
    )]
    pub lang: Lang,
    /// Machine-readable JSON on standard output instead of tables.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English.
    En,
    /// Arabic, العربية.
    Ar,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::English,
            Lang::Ar => Self::Arabic,
        }
    }
}

/// A whole number and its unit.
fn span(text: &str) -> Result<std::time::Duration, &'static str> {
    broker::config::duration_of(text)
        .ok_or("a span is a whole number and s, m, h or d, for example 30d")
}

/// The first word.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new switch: authority, keys, log and configuration.
    Init(Init),
    /// Run the switch.
    Broker(Broker),
    /// Copy a whole switch, also while it runs.
    Backup(Backup),
    /// Make a switch's folder out of such a copy, on this or another machine.
    Restore(Restore),
    /// Register agencies (operators).
    #[command(subcommand)]
    Agency(Agency),
    /// Enrol and run the agency side.
    #[command(subcommand)]
    Adapter(Adapter),
    /// Publish and list services.
    #[command(subcommand)]
    Service(Service),
    /// Propose, accept, revoke and read agreements.
    #[command(subcommand)]
    Agreement(Agreement),
    /// Find agencies, services and operations, in Arabic and English.
    #[command(subcommand)]
    Directory(Directory),
    /// Say whether a system may ask something, which clause decides, and what would change it.
    Explain(Explain),
    /// List every system that may read a field, and through which agreement.
    WhoCan(WhoCan),
    /// Ask a service once.
    Call(Call),
    /// Ask several agencies in one case, as a file declares it; list and open this home's cases.
    #[command(subcommand)]
    Compose(Compose),
    /// Ask one question for each line of a file; list this home's batches, and prove one item of them.
    #[command(subcommand)]
    Batch(Batch),
    /// Leave questions for providers that are not there, and collect their answers later.
    #[command(subcommand)]
    Submission(Submission),
    /// Tell what happened to those who follow it, follow what others tell, and see who has been told.
    #[command(subcommand)]
    Event(Event),
    /// List what waits for a review after the glass was broken, and give one.
    #[command(subcommand)]
    Review(Review),
    /// Add, list and end systems.
    #[command(subcommand)]
    System(System),
    /// Seal keys: list, succeed, end.
    #[command(subcommand)]
    Key(Key),
    /// The key that signs the log: show it, list those before it, rotate it.
    #[command(subcommand)]
    LogKey(LogKeys),
    /// Other countries whose agencies may be members.
    #[command(subcommand)]
    Instance(Instance),
    /// The catalogue of purposes.
    #[command(subcommand)]
    Purpose(Purpose),
    /// People and their roles: operators, approvers, auditors, data-protection officers.
    #[command(subcommand)]
    Role(Role),
    /// Acts that wait for a second person's seal.
    #[command(subcommand)]
    Approval(Approvals),
    /// Which acts need two seals.
    #[command(subcommand)]
    Policy(Policy),
    /// The registry as a whole.
    #[command(subcommand)]
    Registry(Registry),
    /// TLS certificates that the registry knows.
    #[command(subcommand)]
    Certs(Certs),
    /// Find out what is wrong: every hop of an agency or a switch, with the remedy for each that fails.
    Doctor(Doctor),
    /// Show how the registry differs from what a directory describes.
    Plan(Plan),
    /// Make the registry what a directory describes, as far as operators can.
    Apply(ApplyPlan),
    /// Write the registry as a directory that describes it.
    Export(Export),
    /// Verify, replay and read a log directory. Needs no server.
    #[command(subcommand)]
    Audit(Audit),
    /// Be a witness: remember and cosign the checkpoints of logs that others run.
    #[command(subcommand)]
    Witness(Witness),
    /// Measure what this machine carries, with a switch and agencies made for it.
    Bench(Bench),
    /// A whole switch on this machine: one broker, five agencies, a story, a verified log.
    Demo(Demo),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// `mohawel init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The new switch's folder; must not exist or be empty.
    pub dir: PathBuf,
    /// First part of every name, for example EG.
    #[arg(long)]
    pub instance: String,
    /// Name of the log, a URL without scheme, for example switch.example/log.
    #[arg(long)]
    pub origin: String,
    /// SPIFFE trust domain; the origin's host when not given.
    #[arg(long)]
    pub trust_domain: Option<String>,
    /// Name of the first operator.
    #[arg(long, default_value = "operator")]
    pub operator: String,
    /// Where agencies call.
    #[arg(long, default_value = "127.0.0.1:7443")]
    pub exchange_listen: SocketAddr,
    /// Where agencies enrol.
    #[arg(long, default_value = "127.0.0.1:7444")]
    pub enrol_listen: SocketAddr,
    /// host:port under which agencies reach the exchange door; the listen address when not given.
    #[arg(long)]
    pub exchange_address: Option<String>,
    /// host:port under which agencies reach the enrolment door; the listen address when not given.
    #[arg(long)]
    pub enrol_address: Option<String>,
}

/// `mohawel broker`.
#[derive(Debug, Args)]
pub struct Broker {
    /// The folder made by `mohawel init`.
    #[arg(long, env = "MOHAWEL_SWITCH")]
    pub switch: PathBuf,
    /// Do not offer the built-in echo service.
    #[arg(long)]
    pub no_echo: bool,
    /// Read and check the configuration and everything that it names, print what is in force, and stop.
    #[arg(long)]
    pub check: bool,
    /// Start although the log's tail lost something that may have been acknowledged. Only once, after trying what the
    /// refusal said: it is recorded for good which entries are gone.
    #[arg(long, conflicts_with = "check")]
    pub accept_tail_loss: bool,
    /// Start although no quorum of the configured witnesses says how far it has seen this log. It is recorded for good.
    #[arg(long, conflicts_with = "check")]
    pub without_witnesses: bool,
}

/// Where the registry is read from: one of these, or else the folder that MOHAWEL_SWITCH or MOHAWEL_HOME names.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub struct Source {
    /// The folder made by `mohawel init`; reads its published log, which is a moment behind a running switch.
    #[arg(long)]
    pub switch: Option<PathBuf>,
    /// A log directory, for example an auditor's copy.
    #[arg(long)]
    pub log: Option<PathBuf>,
    /// An adapter's home; asks the switch.
    #[arg(long)]
    pub home: Option<PathBuf>,
}

/// `mohawel adapter …`.
#[derive(Debug, Subcommand)]
pub enum Adapter {
    /// Use an invitation or an approved application: makes all keys here and enrols the agency with its first system.
    Enrol(Enrol),
    /// Ask to be invited, where nobody invited the agency; an operator decides.
    Apply(Apply),
    /// Serve the stock providers that a TOML file describes.
    Run {
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        /// What to serve; see docs/operating.md.
        #[arg(long)]
        providers: PathBuf,
    },
    /// The journal: list, export or open what this side of each exchange holds as evidence.
    Receipts(Receipts),
    /// Destroy kept payloads and salts, and say so in the log; receipts stay.
    Erase(Erase),
    /// Keys, certificates and administrators of this agency that nobody here knows of: list and acknowledge.
    Alarms(Alarms),
    /// Make the key to which others seal what the switch must not read, and bind it to this system; a newer one follows it.
    EncryptionKey(NewEncryptionKey),
    /// Check keys, certificate, connection, clock and the log's consistency: `mohawel doctor --home`.
    Check {
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
}

/// `mohawel call`.
#[derive(Debug, Args)]
pub struct Call {
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
    /// Send this file as the payload, of any length, in chunks; - for standard input. Asked once; what broke off begins anew.
    #[arg(long, conflicts_with_all = ["data", "retries", "attempt_of", "output"])]
    pub upload: Option<PathBuf>,
    /// The media type of the file that is sent.
    #[arg(long, default_value = "application/octet-stream", requires = "upload")]
    pub content_type: String,
    /// The agreement; found in the registry when not given.
    #[arg(long)]
    pub agreement: Option<String>,
    /// Milliseconds to wait for the answer.
    #[arg(long, default_value_t = proto::limits::DEADLINE_MS_DEFAULT)]
    pub deadline_ms: u32,
    /// Tries after the first, where trying again is safe.
    #[arg(long, default_value_t = 0)]
    pub retries: u32,
    /// Ask the very same again after an attempt that brought no answer: the exchange id that it named. For ten minutes
    /// the provider gives the answer that it gave then, without running again.
    #[arg(long, value_parser = audit::exchange_id)]
    pub attempt_of: Option<ExchangeId>,
    /// Write the receipt to this new file.
    #[arg(long)]
    pub receipt: Option<PathBuf>,
    /// Save the answer as this new file, of any length: a long one comes in chunks, and the file is there only once all of
    /// it was proved. Asked once.
    #[arg(long, conflicts_with = "retries")]
    pub output: Option<PathBuf>,
    /// The clerk for whom it is asked: the header carries a pseudonym that only this agency can tell, made with the
    /// home's own actor.key.
    #[arg(long)]
    pub actor: Option<String>,
    /// The case that it is asked in, by its commitment, 64 hex digits: `mohawel compose show` tells it.
    #[arg(long, value_name = "COMMITMENT", value_parser = people::digest)]
    pub case: Option<Digest>,
}

/// `mohawel demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Synthetic people in the registers.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(50..=1_000_000))]
    pub people: u32,
    /// Keep everything in this folder and say how to go on by hand.
    #[arg(long)]
    pub keep: Option<PathBuf>,
    /// After the story keep the processes running until interrupted; needs --keep.
    #[arg(long, requires = "keep")]
    pub hold: bool,
}
