//! What can be typed after `mohawel backup` and `mohawel restore`.

use std::path::PathBuf;

use clap::Args;

/// A copy of a whole switch, also of one that runs: log, authority, keys, configuration.
#[derive(Debug, Args)]
pub struct Backup {
    /// The folder made by `mohawel init`.
    #[arg(long, env = "MOHAWEL_SWITCH")]
    pub switch: PathBuf,
    /// The folder of the copy; an earlier copy of the same switch is brought up to date.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// Makes a switch's folder out of a copy.
#[derive(Debug, Args)]
pub struct Restore {
    /// The folder of the copy.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// The switch's new folder; it must not be there.
    #[arg(long, value_name = "DIR")]
    pub switch: PathBuf,
}
