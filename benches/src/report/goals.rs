//! The ratios that the house is judged by, each with its goal.
//!
//! | ratio | what it says |
//! |---|---|
//! | throughput ÷ nginx's | what seals, decisions, two durable entries and proofs cost against only moving bytes |
//! | switch's CPU an exchange ÷ nginx's a call | the same for the process in the middle alone |
//! | p50 of one ÷ (bare hub's p50 of one + two synced appends' p50) | what is added to transport and the two commits that cannot be left out |
//! | p99 at half the peak ÷ (nginx's p99 at half its peak + two synced appends' p99) | the same when it is busy; each side at half of its own peak of that round |

use cli::bench::round::Load;
use cli::bench::spread::Spread;
use cli::bench::window::Measured;
use serde::Serialize;

use super::{Compared, Report};
use crate::plan::Profile;
use crate::side::Side;

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    /// The median must reach it.
    AtLeast,
    /// The median must not exceed it.
    AtMost,
}

/// One ratio.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Judged {
    /// Which.
    pub(super) ratio: &'static str,
    /// Of whom.
    pub(super) side: Side,
    /// Over the rounds.
    pub(super) value: Spread,
    /// What it must reach; absent where it is only shown.
    pub(super) goal: Option<f64>,
    /// Which way.
    pub(super) bound: Bound,
    /// Whether the median does.
    pub(super) met: Option<bool>,
}

/// What throughput ÷ nginx's must reach.
fn throughput_goal(side: Side) -> Option<f64> {
    match side {
        Side::Nginx | Side::Haproxy | Side::Hub => None,
        Side::Single => Some(0.40),
        Side::Batches => Some(0.75),
        Side::Stream => Some(1.0),
    }
}

/// What the switch's CPU ÷ nginx's may be: judged where calls come on a stream, shown for the others.
fn cpu_goal(side: Side) -> Option<f64> {
    match side {
        Side::Nginx | Side::Haproxy | Side::Hub | Side::Single | Side::Batches => None,
        Side::Stream => Some(2.0),
    }
}

/// The most that the two latency ratios of our sides may be.
const LATENCY_GOAL: f64 = 2.0;

/// All ratios that this run has the parts of.
pub(super) fn of(report: &Report) -> Vec<Judged> {
    let small = |one: &&Compared| one.profile == Profile::Small;
    let Some(compared) = report.profiles.iter().find(small) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for side in compared.sides() {
        let rate = compared.to_nginx(side, Load::Full, |one| one.exchanges_per_s);
        if side != Side::Nginx {
            all.extend(judged(
                "throughput ÷ nginx",
                side,
                rate,
                (throughput_goal(side), Bound::AtLeast),
            ));
        }
        if side.mode().is_none() {
            continue;
        }
        let cpu = compared.to_nginx(side, Load::Full, |one| one.parts[0].cpu_us_per_exchange);
        all.extend(judged(
            "switch CPU ÷ nginx CPU",
            side,
            cpu,
            (cpu_goal(side), Bound::AtMost),
        ));
        let latency = (Some(LATENCY_GOAL), Bound::AtMost);
        let one = floor(report, compared, (side, Side::Hub, Load::One), |one| {
            one.outcome.latency.p50_ms()
        });
        all.extend(judged(
            "p50 of one ÷ (bare hub + 2 appends)",
            side,
            one,
            latency,
        ));
        let half = floor(report, compared, (side, Side::Nginx, Load::Half), |one| {
            one.outcome.latency.p99_ms()
        });
        all.extend(judged(
            "p99 at half ÷ (nginx + 2 appends)",
            side,
            half,
            latency,
        ));
    }
    all
}

fn judged(
    ratio: &'static str,
    side: Side,
    value: Option<Spread>,
    (goal, bound): (Option<f64>, Bound),
) -> Option<Judged> {
    let value = value?;
    let met = goal.map(|goal| match bound {
        Bound::AtLeast => value.median >= goal,
        Bound::AtMost => value.median <= goal,
    });
    Some(Judged {
        ratio,
        side,
        value,
        goal,
        bound,
        met,
    })
}

/// Our latency ÷ (another side's latency + two synced appends), within each round.
fn floor(
    report: &Report,
    compared: &Compared,
    (ours, theirs, load): (Side, Side, Load),
    latency_ms: impl Fn(&Measured) -> f64,
) -> Option<Spread> {
    Spread::of(compared.of(ours, load).filter_map(|one| {
        // A side that did not keep its rate has no latency to be measured by: anything would look good beside it.
        if load == Load::Half && !compared.kept_rate(theirs, one.round) {
            return None;
        }
        let theirs = latency_ms(compared.at(theirs, load, one.round)?);
        let append = report.synced_append.get(one.round as usize - 1)?;
        let append_us = if load == Load::One {
            append.p50_us
        } else {
            append.p99_us
        };
        Some(latency_ms(&one.measured) / (theirs + 2.0 * append_us as f64 / 1e3))
    }))
}
