//! `make bench`: the switch beside what only moves calls, in one run, with the CPU of each process.
//!
//! One binary plays every part that is ours. Without a role it is the harness, which starts the others, sends
//! the load to one side after the other, and reports. Called as `mohawel` it is `mohawel`: what is measured is
//! the code that an agency runs, started by the same commands, not a switch made for measuring. The load generator is
//! `mohawel`'s own (`cli::bench`), as operators run it with `mohawel bench`.
//!
//! | file | what it holds |
//! |---|---|
//! | [`plan`], [`side`] | what is measured, and who |
//! | [`harness`] | one comparison: start, rounds, stop, evidence, report |
//! | [`peer`] | nginx, haproxy and the bare hub, the backend and the client that calls them |
//! | [`crowd`], [`thin`] | many systems: founded in a new switch's log; consumers of whom thousands fit in a process |
//! | [`report`], [`audit::svg`] | medians, spreads, ratios, goals; the table, the JSON and the drawing |
//!
//! `benches slow-reader` is one of what others notice of streams that nobody reads: [`slow_reader`].
//! `benches overload` is another measurement, of what happens above the peak: [`overload`]. `benches attached` is one of
//! what grows with attached adapters: [`attached`]. `benches agreements` is one of what grows with agreements in force: [`agreements`].
//! `benches authorise` is another measurement, of one function: [`authorise`]. `benches replay` is one of an auditor's
//! walk over a log: [`replay`]. `benches draw` draws a table of figures: [`draw`].

mod agreements;
mod attached;
mod authorise;
mod crowd;
mod draw;
mod harness;
mod overload;
mod peer;
mod plan;
mod progress;
mod replay;
mod report;
mod side;
mod slow_reader;
mod thin;

use std::ffi::OsStr;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::bench::child::MOHAWEL;
use tokio::signal::unix::{SignalKind, signal};

use plan::Plan;

/// The switch beside nginx, haproxy and a bare hub, in one run.
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
    /// Twice the rate that goes through, an agency that floods, a provider that hangs.
    Overload(overload::Plan),
    /// What others notice of consumers that stop reading.
    SlowReader(slow_reader::Plan),
    /// What grows with the adapters that are attached.
    Attached(attached::Plan),
    /// What grows with the agreements in force: exchanges, memory, starts.
    Agreements(agreements::Plan),
    /// A chart of a table of figures.
    Draw(draw::Plan),
    /// The gRPC server behind nginx and haproxy.
    #[command(hide = true)]
    Backend {
        /// Folder of the peer's certificates.
        dir: PathBuf,
    },
    /// The bare hub.
    #[command(hide = true)]
    Hub {
        /// Folder of the peer's certificates.
        dir: PathBuf,
    },
    /// What answers behind the bare hub.
    #[command(hide = true)]
    HubBackend {
        /// Folder of the peer's certificates.
        dir: PathBuf,
        /// Where the hub listens.
        address: String,
    },
    /// The client of a peer.
    #[command(hide = true)]
    PeerLoad {
        /// Folder of the peer's certificates.
        dir: PathBuf,
        /// The name in its certificate.
        peer: String,
        /// Where it listens.
        address: String,
        /// Connections to it.
        connections: usize,
        /// Bytes of each request, or several by weight.
        payloads: String,
    },
    /// The adapters' ends of a crowd of links.
    #[command(hide = true)]
    Holder {
        /// Where the homes lie, named by their numbers.
        homes: PathBuf,
        /// How many there are.
        most: usize,
    },
    /// A consumer that asks for long answers and reads nothing of them.
    #[command(hide = true)]
    StalledReads {
        /// Its home.
        home: PathBuf,
        /// How many answers.
        streams: u16,
    },
    /// Thin consumers, one for each home.
    #[command(hide = true)]
    ThinLoad(thin::Task),
}

/// As `mohawel`'s own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    if Path::new(&name).file_name() == Some(OsStr::new(MOHAWEL)) {
        return cli::run();
    }
    let Arguments { plan, role } = Arguments::parse();
    let done =
        match role {
            None => conduct(harness::run(&plan)),
            Some(Role::Attached(plan)) => conduct(attached::run(&plan)),
            Some(Role::Agreements(plan)) => conduct(agreements::run(&plan)),
            Some(Role::Holder { homes, most }) => play(attached::holder::run(homes, most)),
            Some(Role::Overload(plan)) => conduct(overload::run(&plan)),
            Some(Role::SlowReader(plan)) => conduct(slow_reader::run(&plan)),
            Some(Role::StalledReads { home, streams }) => {
                play(slow_reader::stalled::run(home, streams))
            }
            Some(Role::Authorise) => authorise::run(),
            Some(Role::Replay(plan)) => replay::run(&plan),
            Some(Role::Draw(plan)) => draw::run(&plan),
            Some(Role::Backend { dir }) => play(peer::backend::run(dir)),
            Some(Role::Hub { dir }) => play(peer::hub::run(dir)),
            Some(Role::HubBackend { dir, address }) => play(peer::hub::backend(dir, address)),
            Some(Role::PeerLoad {
                dir,
                peer,
                address,
                connections,
                payloads,
            }) => play(async move {
                peer::client::load(dir, &peer, &address, connections, &payloads).await
            }),
            Some(Role::ThinLoad(task)) => play(thin::load(task)),
        };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a measurement that starts others. It mostly waits; one thread leaves the cores to what is measured. Interrupted,
/// it ends what it started.
fn conduct(run: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let run: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(run);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        tokio::select! {
            done = run => done,
            _ = interrupt.recv() => anyhow::bail!("interrupted"),
            _ = terminate.recv() => anyhow::bail!("told to end"),
        }
    })
}

/// Runs a part on the runtime that `mohawel` uses, too.
fn play(part: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let part: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(part);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(part)
}
