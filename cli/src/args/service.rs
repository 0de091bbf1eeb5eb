//! What a provider's administrators can type about its services.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use proto::id::{Part, ServiceId};

use super::{AuthorityKey, Source};

/// `mohawel service …`.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Publish a service, sealed by the agency's authority key: from a TOML file or an OpenAPI 3 document.
    Publish(Box<Publish>),
    /// Publish another agency's definition under the own system.
    Copy(CopyService),
    /// Make another agency's service live here in one command: its contract over the own table, published, agreed, served.
    RollOut(RollOut),
    /// Switch an operation or a whole service off, with a notice to those who ask.
    Disable {
        #[command(flatten)]
        /// What.
        switched: Switched,
        /// Why and until when, in Arabic.
        #[arg(long)]
        notice_ar: String,
        /// Why and until when, in English.
        #[arg(long)]
        notice_en: String,
    },
    /// Switch it on again.
    Enable(#[command(flatten)] Switched),
    /// Ask the own service through the switch, before anybody else may.
    Try(Try),
    /// Show one service: operations, subjects, schemas (whole with --json), notices.
    Show {
        /// INSTANCE/CLASS/AGENCY/SYSTEM/service.
        service: ServiceId,
        #[command(flatten)]
        /// Where to read.
        source: Source,
    },
    /// List published services.
    List(#[command(flatten)] Source),
}

/// `mohawel service publish`.
#[derive(Debug, Args)]
pub struct Publish {
    /// The definition in TOML; see docs/operating.md.
    #[arg(required_unless_present = "openapi", conflicts_with = "openapi")]
    pub file: Option<PathBuf>,
    /// An OpenAPI 3.0 or 3.1 document, JSON or YAML: its operations become the service's.
    #[arg(long, value_name = "DOC", requires_all = ["service", "name_ar", "name_en", "owner_contact"])]
    pub openapi: Option<PathBuf>,
    /// With --openapi: the service's own name, for example persons.v1.
    #[arg(long, requires = "openapi", value_parser = Part::parse)]
    pub service: Option<Part>,
    /// With --openapi: its name in Arabic.
    #[arg(long, requires = "openapi")]
    pub name_ar: Option<String>,
    /// With --openapi: its name in English.
    #[arg(long, requires = "openapi")]
    pub name_en: Option<String>,
    /// With --openapi: whom to ask about it.
    #[arg(long, requires = "openapi")]
    pub owner_contact: Option<String>,
    /// With --openapi: how sensitive its data is.
    #[arg(long, requires = "openapi", value_enum)]
    pub sensitivity: Option<Sensitivity>,
    #[command(flatten)]
    /// What about changes.
    pub care: Care,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    #[command(flatten)]
    /// What it is sealed with.
    pub authority: AuthorityKey,
}

/// What happens with changes that break those who use the published definition.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Care {
    /// Publish although it breaks those who use the published definition.
    #[arg(long)]
    pub accept_breaking: bool,
    /// Say what would be published and what it would break, and publish nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// How sensitive a service's data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sensitivity {
    /// Anybody may know it.
    Public,
    /// For public bodies.
    Internal,
    /// Personal data.
    Personal,
    /// Sensitive personal data in the sense of Law 151/2020.
    Sensitive,
    /// Not for the switch: an agreement on it says so again, and its payloads are sealed.
    Restricted,
    /// The same, and asked for in an emergency only; each exchange under an agreement that says so is reviewed.
    BreakGlass,
}

impl Sensitivity {
    /// The word in the registry.
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Personal => "personal",
            Self::Sensitive => "sensitive",
            Self::Restricted => "restricted",
            Self::BreakGlass => "break-glass",
        }
    }
}

/// `mohawel service copy`.
#[derive(Debug, Args)]
pub struct CopyService {
    /// INSTANCE/CLASS/AGENCY/SYSTEM/service, whose definition is taken.
    pub service: ServiceId,
    /// Another name for it here.
    #[arg(long = "as", value_name = "NAME", value_parser = Part::parse)]
    pub name: Option<Part>,
    /// Whom to ask about it here.
    #[arg(long)]
    pub owner_contact: String,
    #[command(flatten)]
    /// What about changes.
    pub care: Care,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    #[command(flatten)]
    /// What it is sealed with.
    pub authority: AuthorityKey,
}

/// `mohawel service roll-out`.
#[derive(Debug, Args)]
pub struct RollOut {
    /// Which service is taken over, and in which table of the own store its answers lie; see docs/operating.md.
    pub plan: PathBuf,
    /// The providers file to which the service is added; `providers.toml` beside the plan when not given.
    #[arg(long)]
    pub providers: Option<PathBuf>,
    /// Go on as `mohawel adapter run` with that file.
    #[arg(long, conflicts_with = "dry_run")]
    pub serve: bool,
    #[command(flatten)]
    /// What about changes.
    pub care: Care,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    #[command(flatten)]
    /// What it is sealed with.
    pub authority: AuthorityKey,
}

/// What is switched off or on.
#[derive(Debug, Args)]
pub struct Switched {
    /// INSTANCE/CLASS/AGENCY/SYSTEM/service.
    pub service: ServiceId,
    /// One operation; the whole service when not given.
    #[arg(long, value_parser = Part::parse)]
    pub operation: Option<Part>,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    #[command(flatten)]
    /// What it is sealed with.
    pub authority: AuthorityKey,
}

/// `mohawel service try`.
#[derive(Debug, Args)]
pub struct Try {
    /// INSTANCE/CLASS/AGENCY/SYSTEM/service, of the home's own agency.
    pub service: ServiceId,
    /// The operation.
    #[arg(value_parser = Part::parse)]
    pub operation: Part,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    #[command(flatten)]
    /// What the agency's agreement with itself is sealed with, when one has to be made.
    pub authority: AuthorityKey,
    /// Fields asked for, separated by commas; all of the operation's when not given.
    #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
    pub fields: Vec<Part>,
    /// Parameters as JSON, @FILE, or - for standard input.
    #[arg(long, default_value = "{}")]
    pub data: String,
    /// Milliseconds to wait for the answer.
    #[arg(long, default_value_t = proto::limits::DEADLINE_MS_DEFAULT)]
    pub deadline_ms: u32,
}
