//! `benches attached`: what grows with the adapters that are attached: memory in the switch, the return of all of them
//! after its restart, and the exchanges of others beside them.
//!
//! Every adapter is a system of its own with its own certificate and connection, a link, the registry's stream, and a look
//! at the checkpoint every ten seconds, as an idle adapter has them. What an adapter keeps on its own side (mirror, journal) is
//! left out, or no machine would hold a thousand.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use cli::bench::cost;
use cli::bench::evidence::{Evidence, verified};
use cli::bench::load::{Arrival, Order, Outcome};
use cli::bench::window::{self, Measured, Watched, measure};
use serde::Serialize;

use crate::harness::{Ground, draw, give_out};
use crate::progress::Progress;

pub(crate) mod holder;
mod table;
mod world;

use world::World;

/// What is measured.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Plan {
    /// Adapters attached, separated by commas; growing.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1_000], value_parser = clap::value_parser!(u32).range(1..=20_000))]
    adapters: Vec<u32>,
    /// Rounds of exchanges beside them; medians and spreads are over these.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Requests in flight for the exchanges beside them.
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

/// What so many attached adapters took.
#[derive(Clone, Copy, Debug, Serialize)]
struct Step {
    adapters: u32,
    /// Resident memory of the switch, all of it.
    switch_rss_kib: u64,
    /// What it grew by since nobody was attached, by adapter.
    switch_kib_each: f64,
    /// The same of the process that holds the other ends.
    holder_kib_each: f64,
    /// CPU of the switch while nobody asks anything, in percent of one core.
    idle_percent: f64,
}

/// The return of all of them after the switch started again.
#[derive(Clone, Debug, Serialize)]
struct Storm {
    adapters: u32,
    /// From the start of the process until it listened.
    start_ms: f64,
    /// From then until half, 99 of 100, all were attached again.
    half_ms: f64,
    /// 99 of 100.
    most_ms: f64,
    /// All.
    all_ms: f64,
    /// CPU of the switch until then, with its start.
    switch_cpu_ms: f64,
    /// The most memory that the switch had by then, its start included.
    switch_peak_kib: u64,
    /// What others heard who asked [`STORM_RATE`] times a second from the moment when it listened. Refused is who asked before
    /// the provider was back.
    caller: Outcome,
}

/// Exchanges of others beside so many attached.
#[derive(Debug, Serialize)]
struct Beside {
    adapters: u32,
    round: u32,
    #[serde(flatten)]
    measured: Measured,
}

/// A whole run.
#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    optimised: bool,
    load_average_before: f64,
    plan: Plan,
    steps: Vec<Step>,
    storm: Storm,
    beside: Vec<Beside>,
    log: Evidence,
}

/// How long the idle switch is looked at.
const IDLE_LOOK: Duration = Duration::from_secs(5);
/// How long all adapters may take to attach.
const ATTACH_LIMIT: Duration = Duration::from_secs(180);
/// How often others ask during the storm, a second.
const STORM_RATE: f64 = 100.0;
/// How long they ask, and how much longer for each adapter.
const STORM_MS: (u64, u64) = (5_000, 1);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Measures and reports.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<()> {
    let mut plan = plan.clone();
    plan.adapters.sort_unstable();
    plan.adapters.dedup();
    let most = *plan.adapters.last().context("no number of adapters")?;
    world::enough_files(most)?;
    let report = Ground::measured(plan.dir.as_ref(), async |ground| {
        Box::pin(whole(&plan, most, ground)).await
    })
    .await?;
    draw(plan.svg.as_ref(), || table::drawing(&report))?;
    give_out(&report, plan.json)
}

async fn whole(plan: &Plan, most: u32, ground: &Ground) -> anyhow::Result<Report> {
    let load_average_before = cost::load_average()?;
    let windows = plan.adapters.len() * (1 + plan.rounds as usize) + plan.rounds as usize + 1;
    let progress = Progress::of(windows as u64);
    progress.say(&format!("founding a registry of {most} systems"));
    let mut world = World::start(&ground.dir, &ground.logs, most).await?;
    let mut answered: u64 = world.load.ready().parse()?;
    let steps = steps(plan, &mut world, &progress).await?;
    let storm = storm(most, &mut world).await?;
    answered += storm.caller.answered_in_all;
    let refused: u64 = storm.caller.refusals.values().sum();
    progress.done(&format!(
        "after a restart all {most} were attached in {:.0} ms",
        storm.all_ms
    ));
    let mut beside = Vec::new();
    for round in 1..=plan.rounds {
        // From many to none, so that each round meets every number of them.
        for adapters in plan.adapters.iter().rev().chain(&[0]) {
            attach(&mut world, *adapters).await?;
            // What coming and going itself costs is not in the window.
            cost::until_quiet(&[(world.switch_id()?, false)]).await?;
            let order = Order {
                arrival: Arrival::InFlight(usize::from(plan.in_flight)),
                warm_up_ms: plan.warm_up_ms,
                measure_ms: plan.measure_ms,
                may_refuse: false,
            };
            let watched = world.watched()?;
            let measured = measure(&mut world.load, order, &watched)
                .await
                .with_context(|| format!("beside {adapters} adapters"))?;
            answered += measured.outcome.answered_in_all;
            progress.done(&format!(
                "round {round}, beside {adapters}: {:.0}/s",
                measured.exchanges_per_s
            ));
            beside.push(Beside {
                adapters: *adapters,
                round,
                measured,
            });
        }
    }
    let (log, key) = world.stop().await?;
    let (log, others) = verified(&log, key)?;
    ensure!(
        log.requests == answered && log.closings == answered && others <= refused,
        "{answered} exchanges were answered and {refused} refused, but the log holds {others} of these and {log:?}"
    );
    Ok(Report {
        machine: cost::machine(),
        optimised: !cfg!(debug_assertions),
        load_average_before,
        plan: plan.clone(),
        steps,
        storm,
        beside,
        log,
    })
}

/// Attaches or detaches until so many are; gives how long it took.
async fn attach(world: &mut World, adapters: u32) -> anyhow::Result<Duration> {
    let began = Instant::now();
    world.holder.order(&format!("attach {adapters}")).await?;
    while attached(world).await? != adapters {
        ensure!(
            began.elapsed() < ATTACH_LIMIT,
            "{} of {adapters} adapters attached within {ATTACH_LIMIT:?}",
            attached(world).await?
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(began.elapsed())
}

/// How many are attached now.
async fn attached(world: &mut World) -> anyhow::Result<u32> {
    world.holder.order("count").await?;
    Ok(world.holder.line().await?.parse()?)
}

/// Memory at each number, before anything was asked.
async fn steps(plan: &Plan, world: &mut World, progress: &Progress) -> anyhow::Result<Vec<Step>> {
    let ids = [world.switch_id()?, world.holder.id()?];
    let watched = ids.map(|id| (id, false));
    cost::until_quiet(&watched).await?;
    let rss = || -> anyhow::Result<[u64; 2]> {
        let [switch, holder] = ids.map(|id| cost::usage(id, false));
        Ok([switch?.rss_kib, holder?.rss_kib])
    };
    let before = rss()?;
    let mut steps = Vec::new();
    for adapters in &plan.adapters {
        let taken = attach(world, *adapters).await?;
        cost::until_quiet(&watched).await?;
        let idle = cost::usage(ids[0], false)?.cpu_us;
        tokio::time::sleep(IDLE_LOOK).await;
        let idle = cost::usage(ids[0], false)?.cpu_us - idle;
        let after = rss()?;
        let each = |at: usize| after[at].saturating_sub(before[at]) as f64 / f64::from(*adapters);
        let step = Step {
            adapters: *adapters,
            switch_rss_kib: after[0],
            switch_kib_each: each(0),
            holder_kib_each: each(1),
            idle_percent: idle as f64 * 100.0 / IDLE_LOOK.as_micros() as f64,
        };
        progress.done(&format!(
            "{adapters} attached in {:.1} s: {:.0} KiB each in the switch",
            taken.as_secs_f64(),
            step.switch_kib_each
        ));
        steps.push(step);
    }
    Ok(steps)
}

/// Ends the switch in order and starts it again, while everybody tries to come back.
async fn storm(most: u32, world: &mut World) -> anyhow::Result<Storm> {
    attach(world, most).await?;
    let began = Instant::now();
    let start = world.restart().await?;
    let listening = Instant::now();
    let order = Order {
        arrival: Arrival::PerSecond(STORM_RATE),
        warm_up_ms: 0,
        measure_ms: STORM_MS.0 + u64::from(most) * STORM_MS.1,
        may_refuse: true,
    };
    window::begin(&mut world.load, order).await?;
    let (mut half, mut nearly) = (None, None);
    loop {
        let now = attached(world).await?;
        let since = listening.elapsed();
        if now * 2 >= most {
            half.get_or_insert(since);
        }
        if u64::from(now) * 100 >= u64::from(most) * 99 {
            nearly.get_or_insert(since);
        }
        if now == most {
            break;
        }
        ensure!(
            began.elapsed() < ATTACH_LIMIT,
            "{now} of {most} adapters came back within {ATTACH_LIMIT:?}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let all = listening.elapsed();
    let switch = world.switch_id()?;
    let switch_cpu_ms = cost::usage(switch, false)?.cpu_us as f64 / 1e3;
    let switch_peak_kib = cost::peak_kib(switch)?;
    window::expect(&mut world.load, "end").await?;
    let caller = window::outcome(&mut world.load).await?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Storm {
        adapters: most,
        start_ms: ms(start),
        half_ms: ms(half.unwrap_or(all)),
        most_ms: ms(nearly.unwrap_or(all)),
        all_ms: ms(all),
        switch_cpu_ms,
        switch_peak_kib,
        caller,
    })
}

impl World {
    fn watched(&self) -> anyhow::Result<[Watched; 3]> {
        Ok([
            Watched::one("switch", self.switch_id()?),
            Watched::one("holder", self.holder.id()?),
            Watched::one("consumers", self.load.id()?),
        ])
    }
}
