//! One measured window: an order to a load, the CPU of every process while it runs, and what was put off until after it.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use super::child::Child;
use super::cost;
use super::load::{Order, Outcome, PREPARE, PREPARED};

/// Beyond its own length, how long one measurement may take.
const SLACK: Duration = Duration::from_secs(90);

/// A process that is looked at while the load runs.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// What it is called in reports.
    pub name: &'static str,
    /// Its id.
    pub id: u32,
    /// Whether the processes that it started count with it.
    pub family: bool,
}

impl Watched {
    /// One process by itself.
    #[must_use]
    pub fn one(name: &'static str, id: u32) -> Self {
        Self {
            name,
            id,
            family: false,
        }
    }
}

/// What one process cost in one window.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Which.
    pub name: &'static str,
    /// CPU time within the window.
    pub cpu_us: u64,
    /// CPU time within the window, by the exchanges answered in it.
    pub cpu_us_per_exchange: f64,
    /// CPU time between the window and quiet, by the same: work that the window did not see.
    pub put_off_us_per_exchange: f64,
    /// Resident memory at the window's end.
    pub rss_mib: f64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// What the load saw.
    pub outcome: Outcome,
    /// Answered in the window, by its length.
    pub exchanges_per_s: f64,
    /// Every watched process, in the order given.
    pub parts: Vec<Part>,
    /// CPU that everything else on this machine took in the window, in percent of one core.
    pub others_cpu_percent: f64,
    /// CPU that the host of this machine gave to others while it was wanted here, in percent of one core.
    pub stolen_percent: f64,
    /// Of the last minute, at the end.
    pub load_average: f64,
}

/// Has `load` run `order` while `watched` are looked at; waits until they are quiet again.
///
/// # Errors
/// The load broke off, said something else than was due, or nothing was answered.
pub async fn measure(
    load: &mut Child,
    order: Order,
    watched: &[Watched],
) -> anyhow::Result<Measured> {
    let used = || {
        watched
            .iter()
            .map(|one| cost::usage(one.id, one.family))
            .collect::<anyhow::Result<Vec<_>>>()
    };
    let limit = Duration::from_millis(order.warm_up_ms + order.measure_ms) + SLACK;
    let window = async {
        begin(load, order).await?;
        let (before, machine_before) = (used()?, cost::machine_used()?);
        expect(load, "end").await?;
        let (after, machine_after) = (used()?, cost::machine_used()?);
        let outcome = outcome(load).await?;
        anyhow::Ok((before, after, machine_after.since(machine_before), outcome))
    };
    let (before, after, machine, outcome) = tokio::time::timeout(limit, window)
        .await
        .with_context(|| format!("no outcome within {limit:?}"))??;
    ensure!(
        outcome.answered > 0,
        "nothing was answered in the window of {} ms",
        order.measure_ms
    );
    let ids: Vec<(u32, bool)> = watched.iter().map(|one| (one.id, one.family)).collect();
    let put_off = cost::until_quiet(&ids).await?;
    let each = |cpu_us: u64| cpu_us as f64 / outcome.answered as f64;
    let parts: Vec<Part> = watched
        .iter()
        .zip(before.iter().zip(&after))
        .zip(put_off)
        .map(|((one, (before, after)), put_off)| {
            let cpu_us = after.cpu_us.saturating_sub(before.cpu_us);
            Part {
                name: one.name,
                cpu_us,
                cpu_us_per_exchange: each(cpu_us),
                put_off_us_per_exchange: each(put_off),
                rss_mib: after.rss_kib as f64 / 1_024.0,
            }
        })
        .collect();
    let own: u64 = parts.iter().map(|part| part.cpu_us).sum();
    let seconds = order.measure_ms as f64 / 1e3;
    Ok(Measured {
        exchanges_per_s: outcome.answered as f64 / seconds,
        outcome,
        parts,
        others_cpu_percent: machine.busy_us.saturating_sub(own) as f64 / (seconds * 1e4),
        stolen_percent: machine.stolen_us as f64 / (seconds * 1e4),
        load_average: cost::load_average()?,
    })
}

/// Has `load` make ready for `order`, which it is given next.
///
/// # Errors
/// The load has ended, could not make ready, or says something else.
pub async fn prepare(load: &mut Child, order: Order) -> anyhow::Result<()> {
    let order = format!("{PREPARE}{}", serde_json::to_string(&order)?);
    load.order(&order).await?;
    expect(load, PREPARED).await
}

/// Gives `order` and returns when its window begins.
///
/// # Errors
/// The load has ended, or says something else.
pub async fn begin(load: &mut Child, order: Order) -> anyhow::Result<()> {
    load.order(&serde_json::to_string(&order)?).await?;
    expect(load, "begin").await
}

/// Waits for what came of an order whose window has ended.
///
/// # Errors
/// The load has ended, or something went wrong in it.
pub async fn outcome(load: &mut Child) -> anyhow::Result<Outcome> {
    let outcome: Outcome = serde_json::from_str(&load.line().await?)?;
    match outcome.error {
        None => Ok(outcome),
        Some(error) => bail!("{error}"),
    }
}

/// Waits for one line of the load.
///
/// # Errors
/// The load has ended, or says something else.
pub async fn expect(load: &mut Child, wanted: &str) -> anyhow::Result<()> {
    let line = load.line().await?;
    ensure!(
        line == wanted,
        "the load said '{line}' where '{wanted}' was due"
    );
    Ok(())
}
