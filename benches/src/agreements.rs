//! `benches agreements`: what grows with the agreements in force: exchanges of a real switch, its memory and its start, and
//! the start of an adapter, which folds them all before it believes anything.
//!
//! For each number a world of its own: a switch whose log holds so many, a provider's adapter, and two loads. The first asks
//! under one agreement, as one agency's adapter does; the second is a crowd of systems of as many agencies as there are, up
//! to one each, who all ask the same provider, each agency under its own agreement. All worlds stand at the same time and are
//! idle unless they are measured; ratios are taken within a round.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use cli::bench::cost;
use cli::bench::evidence::{Evidence, examine};
use cli::bench::load::{Arrival, Order};
use cli::bench::window::{Measured, measure};
use serde::Serialize;

use crate::harness::{Ground, draw, give_out};
use crate::progress::Progress;

mod table;
#[cfg(test)]
mod tests;
mod world;

use world::World;

/// What is measured.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Plan {
    /// Agreements in force, separated by commas; growing. Ratios are to the fewest.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 1_000, 100_000], value_parser = clap::value_parser!(u32).range(10..=400_000))]
    agreements: Vec<u32>,
    /// Rounds; medians and spreads are over these.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Requests in flight.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=384))]
    in_flight: u16,
    /// Milliseconds of load before each window.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    warm_up_ms: u64,
    /// Milliseconds of each window.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    measure_ms: u64,
    /// The whole report as JSON on standard output.
    #[arg(long)]
    #[serde(skip)]
    json: bool,
    /// Draw the report into this SVG file.
    #[arg(long)]
    #[serde(skip)]
    svg: Option<PathBuf>,
    /// Folder on the disk to measure, in which the run makes and removes a folder of its own; target/ when not given.
    #[arg(long)]
    #[serde(skip)]
    dir: Option<PathBuf>,
}

/// Under how many agreements is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Asked {
    /// One, by one agency's adapters.
    One,
    /// As many as there are agencies beside the provider's, up to one for each of the crowd.
    Many,
}

/// What so many agreements took before anybody asked anything.
#[derive(Clone, Copy, Debug, Serialize)]
struct Start {
    agreements: u32,
    agencies: usize,
    /// Under how many of them the crowd asks.
    asked: usize,
    /// Making, sealing and recording all acts.
    founding_s: f64,
    /// From the start of the switch's process until it listened.
    switch_s: f64,
    /// Its CPU until then.
    switch_cpu_s: f64,
    /// Its resident memory once it was quiet.
    switch_rss_mib: f64,
    /// From the start of the provider's process until it was attached: the first start of an adapter, with the fold of all acts.
    adapter_s: f64,
    /// Its CPU until then.
    adapter_cpu_s: f64,
    /// Its resident memory then.
    adapter_rss_mib: f64,
}

/// Exchanges in one world.
#[derive(Debug, Serialize)]
struct Window {
    agreements: u32,
    asked: Asked,
    round: u32,
    #[serde(flatten)]
    measured: Measured,
}

/// A whole run.
#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    optimised: bool,
    disk_is_memory: bool,
    load_average_before: f64,
    plan: Plan,
    starts: Vec<Start>,
    windows: Vec<Window>,
    /// Each world's log, in the order of `starts`.
    logs: Vec<Evidence>,
}

/// Measures and reports.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<()> {
    let mut plan = plan.clone();
    plan.agreements.sort_unstable();
    plan.agreements.dedup();
    ensure!(
        !plan.agreements.is_empty(),
        "--agreements names no number; 10,1000,100000 is what stands there without it"
    );
    let report = Ground::measured(plan.dir.as_ref(), async |ground| {
        Box::pin(whole(&plan, ground)).await
    })
    .await?;
    draw(plan.svg.as_ref(), || table::drawing(&report))?;
    give_out(&report, plan.json)
}

async fn whole(plan: &Plan, ground: &Ground) -> anyhow::Result<Report> {
    let load_average_before = cost::load_average()?;
    let windows = plan.agreements.len() * (1 + 2 * plan.rounds as usize);
    let progress = Progress::of(windows as u64);
    let mut worlds = Vec::new();
    let mut starts = Vec::new();
    for agreements in &plan.agreements {
        let (world, start) = World::start(ground, *agreements, &progress)
            .await
            .with_context(|| format!("with {agreements} agreements"))?;
        progress.done(&format!(
            "{agreements} agreements of {} agencies recorded in {:.1} s; the switch listened after {:.1} s ({:.0} MiB), an adapter \
             was attached after {:.1} s",
            start.agencies,
            start.founding_s,
            start.switch_s,
            start.switch_rss_mib,
            start.adapter_s
        ));
        worlds.push(world);
        starts.push(start);
    }
    let mut windows = Vec::new();
    for round in 1..=plan.rounds {
        for asked in [Asked::One, Asked::Many] {
            // Who is first in one round is last in the next one.
            let mut order: Vec<&mut World> = worlds.iter_mut().collect();
            if round % 2 == 0 {
                order.reverse();
            }
            for world in order {
                let window = window(plan, world, asked, round).await?;
                progress.done(&format!(
                    "round {round}, {} agreements, asked under {}: {:.0}/s",
                    world.agreements,
                    world.asked_under(asked),
                    window.measured.exchanges_per_s
                ));
                windows.push(window);
            }
        }
    }
    let mut logs = Vec::new();
    for world in worlds {
        let (agreements, answered) = (world.agreements, world.answered);
        progress.say(&format!("verifying the log of {agreements} agreements"));
        let (log, key) = world.stop().await?;
        let log = examine(&log, key, answered);
        logs.push(log.with_context(|| format!("with {agreements} agreements"))?);
    }
    Ok(Report {
        machine: cost::machine(),
        optimised: !cfg!(debug_assertions),
        disk_is_memory: ground.is_memory_only()?,
        load_average_before,
        plan: plan.clone(),
        starts,
        windows,
        logs,
    })
}

/// One window of one world.
async fn window(
    plan: &Plan,
    world: &mut World,
    asked: Asked,
    round: u32,
) -> anyhow::Result<Window> {
    let order = Order {
        arrival: Arrival::InFlight(usize::from(plan.in_flight)),
        warm_up_ms: plan.warm_up_ms,
        measure_ms: plan.measure_ms,
        may_refuse: false,
    };
    let agreements = world.agreements;
    let watched = world.watched(asked)?;
    let measured = measure(world.load(asked), order, &watched)
        .await
        .with_context(|| format!("round {round}, with {agreements} agreements"))?;
    world.answered += measured.outcome.answered_in_all;
    Ok(Window {
        agreements,
        asked,
        round,
        measured,
    })
}
