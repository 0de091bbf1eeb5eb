//! What a comparison measures, as it is typed.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cli::bench::load::payloads::MIX;
use cli::bench::round::{LOADS, Load, Size};
use serde::Serialize;

use crate::side::Side;

/// What is measured.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Plan {
    /// Interleaved rounds; medians and spreads are over these.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Requests in flight when a side is loaded.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=384))]
    pub(crate) in_flight: u16,
    /// Connections of the client, over which the requests are spread.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(crate) connections: u16,
    /// What is asked, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["1k", "mix", "zipf"])]
    pub(crate) profile: Vec<Profile>,
    /// Who is measured, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["nginx", "haproxy", "hub", "single", "batches", "stream"])]
    pub(crate) sides: Vec<Side>,
    /// Systems of the profile zipf.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=3_000))]
    pub(crate) systems: u32,
    /// Milliseconds of load before each window.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    pub(crate) warm_up_ms: u64,
    /// Milliseconds of each window.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub(crate) measure_ms: u64,
    /// The whole report as JSON on standard output.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) json: bool,
    /// Draw the report into this SVG file.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) svg: Option<PathBuf>,
    /// Folder on the disk to measure, in which the run makes and removes a folder of its own; target/ when not given.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) dir: Option<PathBuf>,
}

impl Plan {
    /// How long and how much.
    pub(crate) fn size(&self) -> Size {
        Size {
            in_flight: usize::from(self.in_flight),
            warm_up_ms: self.warm_up_ms,
            measure_ms: self.measure_ms,
        }
    }

    /// The sides that take part in `profile`, in the order of the plan, each once.
    pub(crate) fn sides_of(&self, profile: Profile) -> Vec<Side> {
        let mut sides = Vec::new();
        for side in &self.sides {
            if profile.has(*side) && !sides.contains(side) {
                sides.push(*side);
            }
        }
        sides
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rounds,
            connections,
            warm_up_ms,
            measure_ms,
            ..
        } = self;
        write!(
            f,
            "mutual TLS on every connection, {connections} connections; {rounds} rounds of {measure_ms} ms after \
             {warm_up_ms} ms; median (lowest..highest)"
        )
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// 1,024 bytes each way.
    #[value(name = "1k")]
    #[serde(rename = "1k")]
    Small,
    /// X-Road's official mix: 2 KB 30 %, 10 KB 60 %, 100 KB 9 %; answers of 2 MB 0.9 % and 10 MB 0.1 % in chunks.
    Mix,
    /// 1,024 bytes from many systems, each over a connection of its own with one request at a time.
    Zipf,
}

impl Profile {
    /// As payloads are written.
    pub(crate) fn payloads(self) -> &'static str {
        match self {
            Self::Small | Self::Zipf => "1024",
            Self::Mix => MIX,
        }
    }

    /// The loads of a round. Goals are about 1 KiB, so the others show only what goes through.
    pub(crate) fn loads(self) -> &'static [Load] {
        match self {
            Self::Small => &LOADS,
            Self::Mix | Self::Zipf => &[Load::Full],
        }
    }

    /// Whether a side takes part. The bare hub carries no chunks; a system that has one request at a time seals it alone in
    /// any mode.
    fn has(self, side: Side) -> bool {
        match self {
            Self::Small => true,
            Self::Mix => side != Side::Hub,
            Self::Zipf => matches!(side, Side::Nginx | Side::Batches),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "1 KiB each way",
            Self::Mix => "X-Road's mix: 2 KB 30 %, 10 KB 60 %, 100 KB 9 %, answers of 2 MB 0.9 % and 10 MB 0.1 %",
            Self::Zipf => "1 KiB, many systems by Zipf, one request each at a time",
        })
    }
}
