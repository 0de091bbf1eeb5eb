//! `benches slow-reader`: what others notice of consumers that ask for long answers and stop reading.
//!
//! In each round: one agency asks a provider by itself; then the same beside another agency with so many streams from the same
//! provider, over the same link, of which nobody reads anything. A ratio is taken within a round; its median is over
//! rounds. Who does not read uses no CPU, so no load elsewhere has to be held against it.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use audit::checkpoint::LogKey;
use clap::Args;
use cli::bench::child::Child;
use cli::bench::cost;
use cli::bench::evidence::{Evidence, verified};
use cli::bench::load::{Arrival, Order};
use cli::bench::ours;
use cli::bench::spread::Spread;
use cli::bench::window::{Measured, Watched, measure};
use proto::limits::{STREAM_IDLE_MS, STREAMS_PER_CONSUMER_MAX};
use serde::Serialize;

use crate::crowd::Founding;
use crate::harness::{Ground, give_out};
use crate::peer::program::free_address;
use crate::progress::Progress;

pub(crate) mod stalled;

/// p99 beside those who do not read, of what it is alone.
const BESIDE_GOAL: f64 = 1.2;
/// Systems of the agency that is measured, each with a connection of its own.
const EACH: usize = 4;

/// What is measured.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Plan {
    /// Rounds; medians and spreads are over these.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Requests in flight of the agency that is measured.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=384))]
    in_flight: u16,
    /// Streams that nobody reads.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=STREAMS_PER_CONSUMER_MAX as i64))]
    streams: u16,
    /// Milliseconds of load before each window.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    warm_up_ms: u64,
    /// Milliseconds of each window. A stream that nobody reads is void after a minute, so both end before.
    #[arg(long, default_value_t = 8_000, value_parser = clap::value_parser!(u64).range(100..=40_000))]
    measure_ms: u64,
    /// The whole report as JSON on standard output.
    #[arg(long)]
    #[serde(skip)]
    json: bool,
    /// Folder on the disk to measure, in which the run makes and removes a folder of its own; target/ when not given.
    #[arg(long)]
    #[serde(skip)]
    dir: Option<PathBuf>,
}

/// One round.
#[derive(Debug, Serialize)]
struct Round {
    alone: Measured,
    beside: Measured,
}

/// A whole run.
#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    optimised: bool,
    disk_is_memory: bool,
    load_average_before: f64,
    plan: Plan,
    rounds: Vec<Round>,
    log: Evidence,
}

/// Who takes part, running.
struct World {
    switch: Child,
    provider: Child,
    steady: Child,
    /// Home of whoever does not read.
    slow: PathBuf,
    log: PathBuf,
    log_key: LogKey,
}

/// Measures and reports.
///
/// # Errors
/// What does not start, is not answered, or does not verify.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<()> {
    ensure!(
        plan.warm_up_ms + plan.measure_ms < STREAM_IDLE_MS,
        "within {STREAM_IDLE_MS} ms a stream that nobody reads is void: shorten --warm-up-ms or --measure-ms"
    );
    let report = Ground::measured(plan.dir.as_ref(), async |ground| {
        Box::pin(whole(plan, ground)).await
    })
    .await?;
    give_out(&report, plan.json)
}

async fn whole(plan: &Plan, ground: &Ground) -> anyhow::Result<Report> {
    let load_average_before = cost::load_average()?;
    let progress = Progress::of(u64::from(plan.rounds) * 2);
    let mut world = World::start(&ground.dir, &ground.logs).await?;
    let mut rounds = Vec::new();
    for number in 1..=plan.rounds {
        let alone = world.measured(plan).await.context("one agency alone")?;
        progress.done(&format!("round {number}, alone: {}", said(&alone)));
        let streams = plan.streams.to_string();
        let slow = world.slow.display().to_string();
        let role = ["stalled-reads", slow.as_str(), streams.as_str()];
        let slow = Child::role("stalled", &role, &ground.logs).await?;
        let beside = world.measured(plan).await;
        let beside = beside.context("beside streams that nobody reads")?;
        slow.dismiss().await?;
        progress.done(&format!("round {number}, beside: {}", said(&beside)));
        rounds.push(Round { alone, beside });
    }
    let (log, key) = world.stop().await?;
    let (log, _) = verified(&log, key)?;
    Ok(Report {
        machine: cost::machine(),
        optimised: !cfg!(debug_assertions),
        disk_is_memory: ground.is_memory_only()?,
        load_average_before,
        plan: plan.clone(),
        rounds,
        log,
    })
}

fn said(measured: &Measured) -> String {
    let latency = &measured.outcome.latency;
    format!(
        "p50 {:.2} ms, p99 {:.2} ms",
        latency.p50_ms(),
        latency.p99_ms()
    )
}

impl World {
    async fn start(dir: &Path, logs: &Path) -> anyhow::Result<Self> {
        let text = |path: &Path| path.display().to_string();
        let folder = dir.join("switch");
        let [exchange, enrol] = [free_address()?, free_address()?];
        ours::init(&text(&folder), [&exchange, &enrol]).await?;
        let (homes, keys) = (dir.join("homes"), dir.join("keys"));
        let (answers, slow) = (dir.join("answers"), dir.join("slow"));
        let founding = Founding::open(&folder).await?;
        let mut agencies = founding.crowd((EACH, EACH), &homes, &keys).await?;
        let reader = founding.agency("EG/GOV/SLOW", &keys).await?;
        founding.system(&reader, "reader", &slow).await?;
        agencies.push(reader);
        let provider = founding.agency(ours::PROVIDER, &keys).await?;
        let name = ours::PROVIDER_SYSTEM;
        let system = founding.system(&provider, name, &answers).await?;
        founding.publish(&provider, &system).await?;
        for agency in &agencies {
            founding.agree(agency, &provider, &system).await?;
        }
        founding.close().await?;
        let switch = ours::switch("switch", &text(&folder), logs).await?;
        let log_key = adapters::Home::open(&answers)?.log_key().clone();
        let provider = Child::part("provider", &["provider", &text(&answers)], logs).await?;
        let count = EACH.to_string();
        let steady = ["thin-load", "1024", &text(&homes), "0", &count];
        Ok(Self {
            steady: Child::role("steady", &steady, logs).await?,
            switch,
            provider,
            slow,
            log: folder.join("log"),
            log_key,
        })
    }

    async fn measured(&mut self, plan: &Plan) -> anyhow::Result<Measured> {
        let watched = [
            Watched::one("switch", self.switch.id()?),
            Watched::one("provider", self.provider.id()?),
            Watched::one("consumers", self.steady.id()?),
        ];
        let order = Order {
            arrival: Arrival::InFlight(usize::from(plan.in_flight)),
            warm_up_ms: plan.warm_up_ms,
            measure_ms: plan.measure_ms,
            may_refuse: false,
        };
        measure(&mut self.steady, order, &watched).await
    }

    async fn stop(self) -> anyhow::Result<(PathBuf, LogKey)> {
        self.steady.dismiss().await?;
        self.provider.dismiss().await?;
        self.switch.terminate().await?;
        Ok((self.log, self.log_key))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = |value: &dyn Fn(&Round) -> f64| {
            let spread = Spread::of(self.rounds.iter().map(value));
            spread.map_or_else(String::new, |spread| spread.text(2))
        };
        writeln!(f, "\n{}; median (lowest..highest)", self.machine)?;
        if !self.optimised {
            writeln!(f, "built for debugging: these are no measurements")?;
        }
        let p99 = |measured: &Measured| measured.outcome.latency.p99_ms();
        let p50 = |measured: &Measured| measured.outcome.latency.p50_ms();
        let ratio = |one: &Round| p99(&one.beside) / p99(&one.alone);
        let beside = format!("beside {} streams that nobody reads", self.plan.streams);
        writeln!(f, "\none agency, {} in flight", self.plan.in_flight)?;
        for (name, value) in [
            ("alone: p50 ms", over(&|one| p50(&one.alone))),
            ("alone: p99 ms", over(&|one| p99(&one.alone))),
            (&*format!("{beside}: p50 ms"), over(&|one| p50(&one.beside))),
            (&*format!("{beside}: p99 ms"), over(&|one| p99(&one.beside))),
        ] {
            writeln!(f, "  {name:<56} {value}")?;
        }
        let median = Spread::of(self.rounds.iter().map(ratio));
        let met = match median.is_some_and(|spread| spread.median <= BESIDE_GOAL) {
            true => "met",
            false => "NOT MET",
        };
        let text = over(&ratio);
        writeln!(
            f,
            "  {:<56} {text:<28} goal ≤ {BESIDE_GOAL}: {met}",
            "  p99 ÷ alone"
        )?;
        writeln!(
            f,
            "\nthe log verifies: {} entries, {} requests, {} endings; load average before {:.2}",
            self.log.entries, self.log.requests, self.log.closings, self.load_average_before
        )
    }
}
