//! `make bench`: the switch beside nginx, in one run, with the CPU of each process.
//!
//! One binary plays every part that is ours. Without a role it is the harness, which starts the others, sends
//! the load to one side after the other, and reports. Called as `mohawel` it is `mohawel`: what is measured is
//! the code that an agency runs, started by the same commands, not a switch made for measuring.
//!
//! | file | what it holds |
//! |---|---|
//! | [`harness`] | one run: start, rounds, stop, evidence, report |
//! | [`child`] | processes that the harness starts and ends |
//! | [`load`] | the closed loop: so many in flight, each answered before the next |
//! | [`ours`] | the switch with a provider and a consumer |
//! | [`peer`] | nginx with a gRPC server behind it, and the client that calls it |
//! | [`cost`] | CPU, memory, synced appends, what else the machine does |
//! | [`evidence`] | the log of the run, verified from its files |
//! | [`report`] | medians, spreads, ratios; the table and the JSON |
//!
//! `benches authorise` is another measurement, of one function: [`authorise`]. `benches replay` is one of an auditor's
//! walk over a log: [`replay`].

mod authorise;
mod child;
mod cost;
mod evidence;
mod harness;
mod load;
mod ours;
mod peer;
mod replay;
mod report;

use std::ffi::OsStr;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use harness::Plan;

/// The name under which this binary is the switch's own one.
const MOHAWEL: &str = "mohawel";

/// The switch beside nginx: a closed loop of requests through each, in one run.
#[derive(Debug, Parser)]
#[command(name = "benches", version)]
struct Arguments {
    #[command(flatten)]
    plan: Plan,
    #[command(subcommand)]
    role: Option<Role>,
}

/// Another measurement, or a part that the harness starts. A part ends when its standard input does.
#[derive(Debug, Subcommand)]
enum Role {
    /// What one decision costs at 10, 1,000 and 100,000 agreements.
    Authorise,
    /// How fast a log is hashed, folded and judged again, with all its seals.
    Replay(replay::Plan),
    /// The gRPC server behind nginx.
    #[command(hide = true)]
    Backend {
        /// Folder of the peer's certificates.
        dir: PathBuf,
    },
    /// The client of nginx.
    #[command(hide = true)]
    PeerLoad {
        /// Folder of the peer's certificates.
        dir: PathBuf,
        /// Where nginx listens.
        address: String,
        /// Connections to it.
        connections: usize,
        /// Bytes of each request.
        payload_bytes: usize,
    },
    /// The provider's adapter, which gives every payload back.
    #[command(hide = true)]
    Provider {
        /// The adapter's home.
        home: PathBuf,
    },
    /// The consumer's adapters, one for each home, in one process.
    #[command(hide = true)]
    ConsumerLoad {
        /// Bytes of each request.
        payload_bytes: usize,
        /// The adapters' homes.
        homes: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    if Path::new(&name).file_name() == Some(OsStr::new(MOHAWEL)) {
        return cli::run();
    }
    let Arguments { plan, role } = Arguments::parse();
    let done = match role {
        // It mostly waits; one thread leaves the cores to what is measured.
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Into::into)
            .and_then(|runtime| runtime.block_on(harness::run(&plan))),
        Some(Role::Authorise) => authorise::run(),
        Some(Role::Replay(plan)) => replay::run(&plan),
        Some(Role::Backend { dir }) => play(peer::backend::serve(dir)),
        Some(Role::PeerLoad {
            dir,
            address,
            connections,
            payload_bytes,
        }) => play(peer::client::load(dir, address, connections, payload_bytes)),
        Some(Role::Provider { home }) => play(ours::provider(home)),
        Some(Role::ConsumerLoad {
            payload_bytes,
            homes,
        }) => play(ours::consumer(homes, payload_bytes)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a part on the runtime that `mohawel` uses, too.
fn play(part: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(part)
}
