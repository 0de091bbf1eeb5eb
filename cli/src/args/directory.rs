//! What can be typed after `mohawel directory`.

use clap::Subcommand;
use proto::id::ServiceId;

use super::Source;

/// `mohawel directory …`.
#[derive(Debug, Subcommand)]
pub enum Directory {
    /// Find agencies, services and operations by their names, identifiers and fields, in Arabic or English.
    Search {
        /// Words that must all be there, in any order; however alef, hamza, ta marbuta, digits and marks are written.
        #[arg(required = true)]
        words: Vec<String>,
        /// At most so many results.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Where to read.
        #[command(flatten)]
        source: Source,
    },
    /// Show one service whole, in both languages.
    Show {
        /// INSTANCE/CLASS/AGENCY/SYSTEM/service.
        service: ServiceId,
        /// Where to read.
        #[command(flatten)]
        source: Source,
    },
}
