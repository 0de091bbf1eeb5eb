//! `benches overload`: what goes through when more comes than can, and what others notice.
//!
//! In each round: the peak (a closed loop over ten agencies); twice that rate from the same ten; one agency at a fifth of
//! the peak by itself; the same while another agency floods at twice the peak; the same while a third asks a provider
//! that never answers. Consumers are thin, so that the generator takes as little of the machine as it can.
//!
//! What it takes all the same it takes from the switch, on one machine. So each of these is held against the same load
//! beside an equal flood *elsewhere*: at a second switch on this machine that refuses all of it. Machine and flood are then the
//! same on both sides, and what is left between them is what the flood does inside the switch. Whoever floods has its requests
//! sealed before the window: on a machine of its own that would cost the switch nothing.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use cli::bench::cost;
use cli::bench::evidence::{Evidence, verified};
use cli::bench::load::{Arrival, Order, Outcome};
use cli::bench::window::{Measured, Watched, begin, expect, measure, outcome, prepare};
use serde::Serialize;

use crate::harness::{Ground, give_out};
use crate::progress::Progress;

mod elsewhere;
mod table;
mod world;

use world::World;

/// What is measured.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Plan {
    /// Rounds; medians and spreads are over these.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Requests in flight for the peak.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=384))]
    in_flight: u16,
    /// Milliseconds of load before each window: at twice the peak it takes some seconds until all places are taken.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    warm_up_ms: u64,
    /// Milliseconds of each window.
    #[arg(long, default_value_t = 8_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
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
    /// The closed loop.
    peak: Measured,
    /// The same beside as many refusals elsewhere as there were here at twice the rate.
    peak_beside_elsewhere: Beside,
    /// At twice its rate.
    double: Measured,
    /// One agency by itself.
    alone: Measured,
    /// The same beside the same flood elsewhere.
    flood_elsewhere: Beside,
    /// The same beside an agency that floods.
    flooded: Beside,
    /// The same beside as much as is asked of the provider that hangs, elsewhere.
    asked_elsewhere: Beside,
    /// The same beside an agency whose provider hangs.
    hanging: Beside,
}

/// What one agency met while another did something.
#[derive(Debug, Serialize)]
struct Beside {
    /// The one.
    steady: Outcome,
    /// The other.
    other: Outcome,
    /// CPU of the switch in the steady one's window, in percent of one core.
    switch_percent: f64,
    /// CPU of both generators in it, in percent of one core.
    generators_percent: f64,
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
    /// Entries of refusals and late answers in the log: what a flood leaves there.
    refusals_recorded: u64,
}

/// Of the peak's rate, what the agency asks that others must not disturb.
const STEADY_SHARE: f64 = 0.2;
/// How much longer than the steady one's window whatever disturbs it goes on, milliseconds.
const MARGIN_MS: u64 = 500;

/// Measures and reports.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<()> {
    let report = Ground::measured(plan.dir.as_ref(), async |ground| {
        Box::pin(whole(plan, ground)).await
    })
    .await?;
    give_out(&report, plan.json)
}

async fn whole(plan: &Plan, ground: &Ground) -> anyhow::Result<Report> {
    let load_average_before = cost::load_average()?;
    let progress = Progress::of(u64::from(plan.rounds) * 8);
    let mut world = World::start(&ground.dir, &ground.logs).await?;
    let mut rounds = Vec::new();
    for number in 1..=plan.rounds {
        let round = round(plan, number, &mut world, &progress).await?;
        rounds.push(round);
    }
    let (log, key) = Box::pin(world.stop()).await?;
    let (log, refusals_recorded) = verified(&log, key)?;
    Ok(Report {
        machine: cost::machine(),
        optimised: !cfg!(debug_assertions),
        disk_is_memory: ground.is_memory_only()?,
        load_average_before,
        plan: plan.clone(),
        rounds,
        log,
        refusals_recorded,
    })
}

impl Plan {
    /// The window of whatever disturbs: all of the other one's time, and a margin.
    fn longer_ms(&self) -> u64 {
        self.warm_up_ms + self.measure_ms + 2 * MARGIN_MS
    }

    fn order(&self, arrival: Arrival, may_refuse: bool) -> Order {
        Order {
            arrival,
            warm_up_ms: self.warm_up_ms,
            measure_ms: self.measure_ms,
            may_refuse,
        }
    }
}

async fn round(
    plan: &Plan,
    number: u32,
    world: &mut World,
    progress: &Progress,
) -> anyhow::Result<Round> {
    let done = |what: &str, said: String| progress.done(&format!("round {number}, {what}: {said}"));
    let watched = world.watched(&world.many)?;
    let order = plan.order(Arrival::InFlight(usize::from(plan.in_flight)), false);
    prepare(&mut world.many, order).await?;
    let peak = measure(&mut world.many, order, &watched)
        .await
        .context("the peak")?;
    let rate = peak.exchanges_per_s;
    done("peak", format!("{rate:.0}/s"));
    let twice = plan.order(Arrival::PerSecond(2.0 * rate), true);
    prepare(&mut world.many, twice).await?;
    let double = measure(&mut world.many, twice, &watched)
        .await
        .context("twice the peak")?;
    // As many as were refused here are refused elsewhere.
    let refused = double.outcome.refused as f64 * 1e3 / plan.measure_ms as f64;
    let elsewhere = (Pair::PeakElsewhere, refused.max(1.0));
    let peak_beside_elsewhere = beside(plan, world, order, elsewhere)
        .await
        .context("the peak beside a flood elsewhere")?;
    let spared = peak_beside_elsewhere.per_s(plan);
    done("peak beside a flood elsewhere", format!("{spared:.0}/s"));
    let share = double.exchanges_per_s / spared;
    done("twice the peak", format!("goodput {share:.2} of that"));
    let steady = plan.order(Arrival::PerSecond(STEADY_SHARE * rate), true);
    let watched = world.watched(&world.steady)?;
    let alone = measure(&mut world.steady, steady, &watched)
        .await
        .context("one agency alone")?;
    done("alone", said(&alone.outcome));
    let pairs = pairs(plan, world, steady, rate, &done).await?;
    let [flood_elsewhere, flooded, asked_elsewhere, hanging] = pairs;
    Ok(Round {
        peak,
        peak_beside_elsewhere,
        double,
        alone,
        flood_elsewhere,
        flooded,
        asked_elsewhere,
        hanging,
    })
}

/// The steady one beside each that disturbs, in the order of a round's fields.
async fn pairs(
    plan: &Plan,
    world: &mut World,
    steady: Order,
    rate: f64,
    done: &impl Fn(&str, String),
) -> anyhow::Result<[Beside; 4]> {
    let (flood, asks) = (2.0 * rate, STEADY_SHARE * rate);
    let mut pairs = Vec::new();
    for (pair, rate) in [
        (Pair::FloodElsewhere, flood),
        (Pair::Flood, flood),
        (Pair::AskedElsewhere, asks),
        (Pair::Hanging, asks),
    ] {
        let met = beside(plan, world, steady, (pair, rate)).await?;
        done(&format!("{pair:?}"), said(&met.steady));
        pairs.push(met);
    }
    pairs.try_into().map_err(|_| anyhow::anyhow!("four pairs"))
}

impl Beside {
    fn per_s(&self, plan: &Plan) -> f64 {
        self.steady.answered as f64 * 1e3 / plan.measure_ms as f64
    }
}

fn said(outcome: &Outcome) -> String {
    let latency = &outcome.latency;
    format!(
        "p50 {:.2} ms, p99 {:.2} ms, {} refused",
        latency.p50_ms(),
        latency.p99_ms(),
        outcome.refused
    )
}

/// Who is measured, and beside whom.
#[derive(Clone, Copy, Debug)]
enum Pair {
    /// The ten, beside a flood at the other switch.
    PeakElsewhere,
    /// The steady one, beside a flood at the other switch.
    FloodElsewhere,
    /// The steady one, beside a flood here.
    Flood,
    /// The steady one, beside as much elsewhere as is asked of the provider that hangs.
    AskedElsewhere,
    /// The steady one, beside one whose provider hangs.
    Hanging,
}

impl Pair {
    /// Whoever disturbs asks no more than the steady one.
    fn asks_little(self) -> bool {
        match self {
            Self::PeakElsewhere | Self::FloodElsewhere | Self::Flood => false,
            Self::AskedElsewhere | Self::Hanging => true,
        }
    }
}

/// Runs one order inside another one's.
async fn beside(
    plan: &Plan,
    world: &mut World,
    steady: Order,
    (pair, per_s): (Pair, f64),
) -> anyhow::Result<Beside> {
    let switch = Watched::one("switch", world.switch.id()?);
    let (own, other) = match pair {
        Pair::PeakElsewhere => (&mut world.many, &mut world.elsewhere.many),
        Pair::FloodElsewhere | Pair::AskedElsewhere => {
            (&mut world.steady, &mut world.elsewhere.flood)
        }
        Pair::Flood => (&mut world.steady, &mut world.flood),
        Pair::Hanging => (&mut world.steady, &mut world.asks_hanging),
    };
    let ids = [switch.id, other.id()?, own.id()?];
    let used = || {
        let used = ids.iter().map(|id| Ok(cost::usage(*id, false)?.cpu_us));
        used.collect::<anyhow::Result<Vec<u64>>>()
    };
    let longer = Order {
        measure_ms: plan.longer_ms(),
        ..plan.order(Arrival::PerSecond(per_s), true)
    };
    // Nothing, of what is asked of a provider that hangs, and of what that is held against: its deadlines are short, and count from
    // the time in the header. Then what is left of an earlier order goes: it would be stale.
    let ahead = match pair.asks_little() {
        true => Order {
            warm_up_ms: 0,
            measure_ms: 0,
            ..longer
        },
        false => longer,
    };
    prepare(own, steady).await?;
    prepare(other, ahead).await?;
    begin(other, longer).await?;
    begin(own, steady).await?;
    let before = used()?;
    expect(own, "end").await?;
    let after = used()?;
    let steady = outcome(own).await.context("who is measured")?;
    expect(other, "end").await?;
    let other = outcome(other).await.with_context(|| format!("{pair:?}"))?;
    let watched: Vec<(u32, bool)> = ids.iter().map(|id| (*id, false)).collect();
    cost::until_quiet(&watched).await?;
    let window_us = plan.measure_ms as f64 * 1e3;
    let percent = |at: usize| (after[at] - before[at]) as f64 * 100.0 / window_us;
    Ok(Beside {
        steady,
        other,
        switch_percent: percent(0),
        generators_percent: percent(1) + percent(2),
    })
}
