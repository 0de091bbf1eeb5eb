//! What can be typed about certificates.

use std::time::Duration;

use broker::config::duration_of;
use clap::Subcommand;

use super::Source;

/// `mohawel certs …`.
#[derive(Debug, Subcommand)]
pub enum Certs {
    /// List certificates with their ends; those in use, and ended ones that nothing has replaced.
    List {
        /// Only those that end within this time and that nothing has replaced, for example 30d, 36h or 20m; exit code 1
        /// when there are any.
        #[arg(long, value_parser = span)]
        expiring: Option<Duration>,
        #[command(flatten)]
        /// Where to read.
        source: Source,
    },
}

fn span(text: &str) -> Result<Duration, &'static str> {
    duration_of(text).ok_or("a span is a whole number and s, m, h or d, for example 30d")
}
