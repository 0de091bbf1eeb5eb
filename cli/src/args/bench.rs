//! What can be typed after `mohawel bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::bench::load::payloads::MIX;
use crate::bench::ours::Mode;

/// `mohawel bench`: a switch, a provider and a consumer of their own, for a minute; no switch in use is touched.
#[derive(Clone, Debug, Args, Serialize)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    /// Rounds; medians and spreads are over these.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Requests in flight when it is loaded.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub in_flight: u16,
    /// Adapters of the consumer, each with a connection of its own.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub connections: u16,
    /// What requests and answers carry.
    #[arg(long, value_enum, default_value = "1k")]
    pub profile: Profile,
    /// How adapters work.
    #[arg(long, value_enum, default_value = "batches")]
    pub mode: Mode,
    /// Milliseconds of load before each window.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    pub warm_up_ms: u64,
    /// Milliseconds of each window.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub measure_ms: u64,
    /// Folder on the disk to measure, in which a folder is made and removed; the working folder when not given.
    #[arg(long)]
    #[serde(skip)]
    pub dir: Option<PathBuf>,
    /// A part that a bench starts.
    #[command(subcommand)]
    #[serde(skip)]
    pub part: Option<BenchPart>,
}

/// What requests and answers carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// 1,024 bytes each way.
    #[value(name = "1k")]
    #[serde(rename = "1k")]
    Small,
    /// X-Road's official mix: 2 KB 30 %, 10 KB 60 %, 100 KB 9 %; answers of 2 MB 0.9 % and 10 MB 0.1 % in chunks.
    Mix,
}

impl Profile {
    /// As [`crate::bench::load::Payloads`] reads it.
    pub fn payloads(self) -> &'static str {
        match self {
            Self::Small => "1024",
            Self::Mix => MIX,
        }
    }
}

/// A part that a bench starts; it ends when its standard input does.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchPart {
    /// The provider's adapter, which gives every payload back.
    #[command(hide = true)]
    Provider {
        /// The adapter's home.
        home: PathBuf,
        /// Take every request and never answer.
        #[arg(long)]
        hangs: bool,
    },
    /// The consumer's adapters, one for each home, in one process.
    #[command(hide = true)]
    Consumer {
        /// Bytes of each request, or several by weight; what is too long for one message is asked for.
        payloads: String,
        /// The adapters' homes.
        homes: Vec<PathBuf>,
    },
}
