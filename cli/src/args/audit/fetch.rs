//! What can be typed after `mohawel audit fetch`.

use std::path::PathBuf;

use clap::Args;

/// An auditor's own copy of the log, made or brought up to date over the wire.
#[derive(Debug, Args)]
pub struct Fetch {
    /// The auditor's own folder, as `mohawel role take` left it.
    #[arg(long = "as", value_name = "DIR", env = "MOHAWEL_OPERATOR")]
    pub person: PathBuf,
    /// The folder of the copy; made when it is not there.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Why the entries are read: a case, an order. The switch records its SHA-256, never the text.
    #[arg(long, default_value = "")]
    pub reason: String,
}
