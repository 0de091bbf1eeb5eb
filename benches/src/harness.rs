//! One run: both sides started once, then loaded in turns, round after round; at the end the log is verified.
//!
//! While one side is measured the other one stands idle, and neither begins before the other has finished what it
//! put off. Rounds are interleaved, so what the machine does meanwhile hits both sides alike.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::child::Child;
use crate::load::{Order, Outcome};
use crate::ours::Ours;
use crate::peer::{self, Peer};
use crate::report::{Measurement, Part, Report, Side};
use crate::{cost, evidence};

/// Beyond its own length, how long one measurement may take.
const SLACK: Duration = Duration::from_secs(90);

/// What is measured.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Plan {
    /// Interleaved rounds; medians and spreads are over these.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Requests in flight, one measurement each, separated by commas.
    #[arg(long, default_values_t = [128, 1], value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=512))]
    in_flight: Vec<u16>,
    /// Connections of the client, over which the requests are spread.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    connections: u16,
    /// Bytes of each request and of its answer.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    payload_bytes: u32,
    /// Milliseconds of load before the window.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    warm_up_ms: u64,
    /// Milliseconds of the window.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    measure_ms: u64,
    /// Only one side, for a profiler.
    #[arg(long, value_enum)]
    only: Option<Side>,
    /// The whole report as JSON on standard output.
    #[arg(long)]
    #[serde(skip)]
    json: bool,
    /// Folder on the disk to measure, in which the run makes and removes a folder of its own; target/ when not given.
    #[arg(long)]
    #[serde(skip)]
    dir: Option<PathBuf>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rounds,
            connections,
            payload_bytes,
            warm_up_ms,
            measure_ms,
            ..
        } = self;
        write!(
            f,
            "{payload_bytes} bytes each way, mutual TLS on every connection, {connections} connections; {rounds} rounds \
             of {measure_ms} ms after {warm_up_ms} ms; median (lowest..highest)"
        )
    }
}

/// Measures and reports. Interrupted, it ends what it started.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let report = tokio::select! {
        report = Box::pin(whole(plan)) => report?,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("told to end"),
    };
    if plan.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

async fn whole(plan: &Plan) -> anyhow::Result<Report> {
    let base = match &plan.dir {
        Some(dir) => dir.clone(),
        None => beside_this_binary()?,
    };
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(&base)?;
    let (dir, logs) = (
        std::fs::canonicalize(folder.path())?,
        folder.path().join("logs"),
    );
    for name in ["peer", "ours", "logs"] {
        std::fs::create_dir(dir.join(name))?;
    }
    let mut report = Report {
        machine: cost::machine(),
        nginx: peer::nginx_version().await?,
        optimised: !cfg!(debug_assertions),
        disk_is_memory: cost::is_memory_only(&dir)?,
        load_average_before: cost::load_average()?,
        plan: plan.clone(),
        synced_append_us: Vec::new(),
        measurements: Vec::new(),
        log: None,
    };
    let sides = start(plan, &dir, &logs).await?;
    let outcome = rounds(plan, sides, &dir, &mut report).await;
    if outcome.is_err() {
        tell_logs(&logs);
    }
    outcome?;
    Ok(report)
}

/// `target/`, where a run leaves nothing behind that anybody would keep.
fn beside_this_binary() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?;
    let target = binary.parent().and_then(Path::parent);
    Ok(target
        .context("this binary lies in no target folder; give --dir")?
        .to_owned())
}

/// Both sides, or the one that is wanted.
struct Sides {
    peer: Option<Peer>,
    ours: Option<Ours>,
}

async fn start(plan: &Plan, dir: &Path, logs: &Path) -> anyhow::Result<Sides> {
    let (connections, bytes) = (usize::from(plan.connections), plan.payload_bytes as usize);
    let peer = match plan.only {
        Some(Side::Mohawel) => None,
        _ => Some(Peer::start(&dir.join("peer"), logs, connections, bytes).await?),
    };
    let ours = match plan.only {
        Some(Side::Nginx) => None,
        _ => Some(Ours::start(&dir.join("ours"), logs, connections, bytes).await?),
    };
    Ok(Sides { peer, ours })
}

async fn rounds(
    plan: &Plan,
    mut sides: Sides,
    dir: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut answered = 0;
    if let Some(ours) = &sides.ours {
        answered += ours.load.ready().parse::<u64>()?;
    }
    for round in 1..=plan.rounds {
        report.synced_append_us.push(cost::synced_append_us(dir)?);
        for in_flight in &plan.in_flight {
            let order = Order {
                in_flight: usize::from(*in_flight),
                warm_up_ms: plan.warm_up_ms,
                measure_ms: plan.measure_ms,
            };
            if let Some(Peer {
                load,
                nginx,
                backend,
            }) = &mut sides.peer
            {
                let parts = [
                    ("nginx", nginx.id()?, true),
                    ("backend", backend.id()?, false),
                    ("client", load.id()?, false),
                ];
                let (measured, _) = measure(Side::Nginx, round, order, load, &parts).await?;
                report.measurements.push(measured);
            }
            if let Some(Ours {
                load,
                switch,
                provider,
                ..
            }) = &mut sides.ours
            {
                let parts = [
                    ("switch", switch.id()?, false),
                    ("provider", provider.id()?, false),
                    ("consumer", load.id()?, false),
                ];
                let (measured, in_all) = measure(Side::Mohawel, round, order, load, &parts).await?;
                report.measurements.push(measured);
                answered += in_all;
            }
        }
    }
    if let Some(peer) = sides.peer {
        peer.stop().await?;
    }
    if let Some(ours) = sides.ours {
        let (log, key) = ours.stop().await?;
        report.log = Some(evidence::examine(&log, key, answered)?);
    }
    Ok(())
}

/// One measurement of one side; gives also how many exchanges it made in all.
async fn measure(
    side: Side,
    round: u32,
    order: Order,
    load: &mut Child,
    parts: &[(&'static str, u32, bool)],
) -> anyhow::Result<(Measurement, u64)> {
    let ids: Vec<(u32, bool)> = parts.iter().map(|(_, id, family)| (*id, *family)).collect();
    let used = || {
        ids.iter()
            .map(|(id, family)| cost::usage(*id, *family))
            .collect::<anyhow::Result<Vec<_>>>()
    };
    let limit = Duration::from_millis(order.warm_up_ms + order.measure_ms) + SLACK;
    let window = async {
        load.order(&serde_json::to_string(&order)?).await?;
        expect(load, "begin").await?;
        let (before, machine_before) = (used()?, cost::machine_used()?);
        expect(load, "end").await?;
        let (after, machine_after) = (used()?, cost::machine_used()?);
        let outcome: Outcome = serde_json::from_str(&load.line().await?)?;
        anyhow::Ok((before, after, machine_after.since(machine_before), outcome))
    };
    let (before, after, machine, outcome) = tokio::time::timeout(limit, window)
        .await
        .with_context(|| format!("{side} gave no outcome within {limit:?}"))??;
    if let Some(error) = outcome.error {
        bail!("{side}, {} in flight: {error}", order.in_flight);
    }
    ensure!(
        outcome.answered > 0,
        "{side}, {} in flight: nothing was answered in the window",
        order.in_flight
    );
    let put_off = cost::until_quiet(&ids).await?;
    let each = |cpu_us: u64| cpu_us as f64 / outcome.answered as f64;
    let mut parts_cpu_us = 0;
    let costs = parts
        .iter()
        .zip(before.iter().zip(&after))
        .zip(put_off)
        .map(|(((name, ..), (before, after)), put_off)| {
            let cpu_us = after.cpu_us.saturating_sub(before.cpu_us);
            parts_cpu_us += cpu_us;
            Part {
                name,
                cpu_us_per_exchange: each(cpu_us),
                put_off_us_per_exchange: each(put_off),
                rss_mib: after.rss_kib as f64 / 1_024.0,
            }
        });
    let costs = costs.collect();
    let seconds = order.measure_ms as f64 / 1e3;
    let measured = Measurement {
        side,
        in_flight: order.in_flight,
        round,
        exchanges_per_s: outcome.answered as f64 / seconds,
        p50_ms: outcome.p50_us as f64 / 1e3,
        p99_ms: outcome.p99_us as f64 / 1e3,
        max_ms: outcome.max_us as f64 / 1e3,
        parts: costs,
        others_cpu_percent: machine.busy_us.saturating_sub(parts_cpu_us) as f64 / (seconds * 1e4),
        stolen_percent: machine.stolen_us as f64 / (seconds * 1e4),
        load_average: cost::load_average()?,
    };
    eprintln!("{measured}");
    Ok((measured, outcome.answered_in_all))
}

async fn expect(load: &mut Child, wanted: &str) -> anyhow::Result<()> {
    let line = load.line().await?;
    ensure!(
        line == wanted,
        "the load said '{line}' where '{wanted}' was due"
    );
    Ok(())
}

/// What the parts said on standard error, for a run that failed.
fn tell_logs(logs: &Path) {
    for entry in std::fs::read_dir(logs).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(5).collect();
        for line in last.into_iter().rev() {
            eprintln!("{}: {line}", entry.file_name().display());
        }
    }
}
