//! What a run found: every measurement, and from them medians, spreads, ratios and whether the goals are met.
//!
//! A ratio is taken within a round, where both sides met the same machine; its median and spread are over rounds.

use std::fmt;

use cli::bench::cost::SyncedAppend;
use cli::bench::evidence::Evidence;
use cli::bench::round::Load;
use cli::bench::spread::Spread;
use cli::bench::window::Measured;
use serde::Serialize;
use serde_json::{Value, json};

use crate::plan::{Plan, Profile};
use crate::side::Side;

mod drawing;
mod goals;
mod table;

pub(crate) use drawing::drawing;

/// Of a fixed rate, what a side must answer in the window for its latency to be compared.
const KEPT: f64 = 0.9;

/// One window.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measurement {
    /// Who.
    pub(crate) side: Side,
    /// How it was loaded.
    pub(crate) load: Load,
    /// From 1.
    pub(crate) round: u32,
    /// What came of it.
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            side,
            load,
            round,
            measured,
        } = self;
        let latency = &measured.outcome.latency;
        write!(
            f,
            "round {round}, {load:?}, {side}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms",
            measured.exchanges_per_s,
            latency.p50_ms(),
            latency.p99_ms()
        )
    }
}

/// All sides under one profile.
#[derive(Debug)]
pub(crate) struct Compared {
    /// What was asked.
    pub(crate) profile: Profile,
    /// Under [`Load::Full`].
    pub(crate) in_flight: usize,
    /// Every window.
    pub(crate) measurements: Vec<Measurement>,
    /// What the log of each of our sides holds.
    pub(crate) logs: Vec<(Side, Evidence)>,
}

impl Compared {
    /// The windows of one side under one load.
    fn of(&self, side: Side, load: Load) -> impl Iterator<Item = &Measurement> {
        self.measurements
            .iter()
            .filter(move |one| one.side == side && one.load == load)
    }

    /// One window.
    fn at(&self, side: Side, load: Load, round: u32) -> Option<&Measured> {
        let mut of = self.of(side, load);
        let found = of.find(|one| one.round == round)?;
        Some(&found.measured)
    }

    /// Whether a side kept the fixed rate that it was asked at: half of what it reached in the same round.
    fn kept_rate(&self, side: Side, round: u32) -> bool {
        let rate = |load| self.at(side, load, round).map(|one| one.exchanges_per_s);
        match (rate(Load::Full), rate(Load::Half)) {
            (Some(peak), Some(half)) => half >= KEPT * peak / 2.0,
            // Not asked at a rate, or the rate is not known: nothing speaks against it.
            _ => true,
        }
    }

    /// In the order of the run, each once.
    fn sides(&self) -> Vec<Side> {
        let mut all = Vec::new();
        for one in &self.measurements {
            if !all.contains(&one.side) {
                all.push(one.side);
            }
        }
        all
    }

    /// In the order of the run, each once.
    fn loads(&self) -> Vec<Load> {
        let mut all = Vec::new();
        for one in &self.measurements {
            if !all.contains(&one.load) {
                all.push(one.load);
            }
        }
        all
    }

    /// A value over the rounds.
    fn over(&self, side: Side, load: Load, value: impl Fn(&Measured) -> f64) -> Option<Spread> {
        Spread::of(self.of(side, load).map(|one| value(&one.measured)))
    }

    /// A value by nginx's of the same round.
    fn to_nginx(&self, side: Side, load: Load, value: impl Fn(&Measured) -> f64) -> Option<Spread> {
        Spread::of(self.of(side, load).filter_map(|ours| {
            let theirs = self.at(Side::Nginx, load, ours.round)?;
            Some(value(&ours.measured) / value(theirs))
        }))
    }

    fn summary(&self, side: Side, load: Load) -> Option<Value> {
        let first = self.of(side, load).next()?;
        let parts = first.measured.parts.iter().enumerate().map(|(at, part)| {
            json!({
                "name": part.name,
                "cpu_us_per_exchange": self.over(side, load, |one| one.parts[at].cpu_us_per_exchange),
                "put_off_us_per_exchange": self.over(side, load, |one| one.parts[at].put_off_us_per_exchange),
                "rss_mib": self.over(side, load, |one| one.parts[at].rss_mib),
            })
        });
        Some(json!({
            "side": side,
            "load": load,
            "exchanges_per_s": self.over(side, load, |one| one.exchanges_per_s),
            "p50_ms": self.over(side, load, |one| one.outcome.latency.p50_ms()),
            "p99_ms": self.over(side, load, |one| one.outcome.latency.p99_ms()),
            "parts": parts.collect::<Vec<_>>(),
            "to_nginx": {
                "exchanges_per_s": self.to_nginx(side, load, |one| one.exchanges_per_s),
                "p50": self.to_nginx(side, load, |one| one.outcome.latency.p50_ms()),
                "p99": self.to_nginx(side, load, |one| one.outcome.latency.p99_ms()),
                "cpu": self.to_nginx(side, load, |one| one.parts[0].cpu_us_per_exchange),
            },
        }))
    }

    fn json(&self) -> Value {
        let (sides, loads) = (self.sides(), self.loads());
        let all = loads
            .iter()
            .flat_map(|load| sides.iter().map(|side| (*side, *load)));
        let summaries: Vec<Value> = all
            .filter_map(|(side, load)| self.summary(side, load))
            .collect();
        let logs = self.logs.iter();
        json!({
            "profile": self.profile,
            "in_flight": self.in_flight,
            "summaries": summaries,
            "logs": logs.map(|(side, log)| json!({ "side": side, "log": log })).collect::<Vec<_>>(),
            "measurements": self.measurements,
        })
    }
}

/// A whole run.
#[derive(Debug)]
pub(crate) struct Report {
    /// Processors, memory, kernel.
    pub(crate) machine: String,
    /// The programs beside us, with their versions.
    pub(crate) programs: Vec<String>,
    /// Whether this is a release build.
    pub(crate) optimised: bool,
    /// Whether the run's folder lies in memory, where syncs cost nothing.
    pub(crate) disk_is_memory: bool,
    /// Of the last minute before the run.
    pub(crate) load_average_before: f64,
    /// What was asked for.
    pub(crate) plan: Plan,
    /// Synced appends of 512 bytes, one look before each round of the first profile with goals.
    pub(crate) synced_append: Vec<SyncedAppend>,
    /// Each profile.
    pub(crate) profiles: Vec<Compared>,
}

impl Report {
    /// The whole of it for machines.
    pub(crate) fn json(&self) -> Value {
        json!({
            "machine": self.machine,
            "programs": self.programs,
            "optimised": self.optimised,
            "disk_is_memory": self.disk_is_memory,
            "load_average_before": self.load_average_before,
            "plan": self.plan,
            "synced_append": self.synced_append,
            "goals": goals::of(self),
            "profiles": self.profiles.iter().map(Compared::json).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests;
