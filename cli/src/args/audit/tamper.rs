//! What can be typed after `mohawel audit tamper-demo`.

use std::path::PathBuf;

use clap::Args;

/// The tamper matrix.
#[derive(Debug, Args)]
pub struct TamperDemo {
    /// A new or empty folder for the world, the outsiders' holdings and every forged log.
    pub dir: PathBuf,
}
