//! What can be typed after `mohawel doctor`.

use std::path::PathBuf;

use clap::Args;
use proto::id::{Part, ServiceId};

/// `mohawel doctor`: an agency's side with --home, the operator's with --switch; else as MOHAWEL_HOME or
/// MOHAWEL_SWITCH says.
#[derive(Debug, Default, Args)]
pub struct Doctor {
    /// An adapter's home: every hop from its files to the log.
    #[arg(long, conflicts_with = "switch")]
    pub home: Option<PathBuf>,
    /// The folder made by `mohawel init`: configuration, keys, certificates, log, disk, doors.
    #[arg(long)]
    pub switch: Option<PathBuf>,
    /// The service of an intended call: says which agreement and clause decide. INSTANCE/CLASS/AGENCY/SYSTEM/service.
    #[arg(
        long,
        requires = "operation",
        requires = "purpose",
        conflicts_with = "switch"
    )]
    pub service: Option<ServiceId>,
    /// The operation of that call.
    #[arg(long, requires = "service", value_parser = Part::parse)]
    pub operation: Option<Part>,
    /// The legal reason of that call, a purpose code.
    #[arg(long, requires = "service", value_parser = Part::parse)]
    pub purpose: Option<Part>,
    /// The fields of that call, separated by commas.
    #[arg(long, requires = "service", value_delimiter = ',', value_parser = Part::parse)]
    pub fields: Vec<Part>,
    /// Verify the whole log, not only its end (with --switch).
    #[arg(long, conflicts_with = "home")]
    pub deep: bool,
}
