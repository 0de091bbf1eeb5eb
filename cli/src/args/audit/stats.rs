//! What can be typed after `mohawel audit stats`.

use audit::stats::Dimension;
use clap::Args;

use super::{LogDir, Proved, Wanted};

/// `mohawel audit stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// Which log.
    #[command(flatten)]
    pub log: LogDir,
    /// What the figures are by: consumer, consumer-system, provider, service, operation, purpose, agreement, outcome,
    /// hour (UTC) or actor.
    #[arg(long, value_parser = dimension, default_value = "consumer")]
    pub by: Dimension,
    /// Rows at most; all others stand together in one. When not given: 20, but with --by hour all.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=2_208))]
    pub top: Option<u16>,
    /// Which entries are counted.
    #[command(flatten)]
    pub wanted: Wanted,
    /// How much is proved.
    #[command(flatten)]
    pub proved: Proved,
}

fn dimension(text: &str) -> Result<Dimension, String> {
    Dimension::parse(text).ok_or_else(|| {
        let names = Dimension::ALL.map(Dimension::name).join(", ");
        format!("there are {names}")
    })
}
