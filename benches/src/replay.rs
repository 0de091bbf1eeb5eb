//! How fast an auditor's walk over a log is: hashed and folded, and judged again with every seal verified.
//!
//! Two logs are written as a switch writes them, with real keys and seals: one in which every header was sealed alone,
//! and one in which adapters sealed 16 together. Each figure stands beside what the machine does bare in the same
//! round: SHA-256 over the same bytes, and Ed25519 verifications, on one core. The logs lie in a temporary folder that
//! is deleted at the end. A log that does not replay clean ends the run with an error.

mod log;
mod reference;

use std::path::Path;
use std::time::Instant;

use anyhow::{anyhow, ensure};
use audit::replay::{Options, replay};
use audit::verify::{self, verify_directory};
use clap::Args;
use proto::entry::Entry;
use proto::registry::Registry;

use crate::authorise::Spread;
use cli::bench::cost::{load_average, machine, usage};
use log::Written;
use reference::Reference;

/// What is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct Plan {
    /// Exchanges in the log of headers sealed alone; each is two entries.
    #[arg(long, default_value_t = 40_000)]
    alone: u64,
    /// Exchanges in the log of headers sealed 16 together.
    #[arg(long, default_value_t = 200_000)]
    together: u64,
    /// Rounds; a ratio is taken within a round, its median is over rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only replay the second log with so many threads, once a round: to profile.
    #[arg(long)]
    only: Option<usize>,
}

/// Headers sealed together in the second log.
const TOGETHER: usize = 16;

/// How long something took.
#[derive(Clone, Copy, Debug)]
struct Took {
    wall_s: f64,
    /// Of all threads of this process.
    cpu_s: f64,
}

impl Took {
    fn by<T>(work: impl FnOnce() -> T) -> anyhow::Result<(T, Self)> {
        let cpu_us = || usage(std::process::id(), false).map(|usage| usage.cpu_us);
        let (before_us, begun) = (cpu_us()?, Instant::now());
        let done = work();
        let took = Self {
            wall_s: begun.elapsed().as_secs_f64(),
            cpu_s: (cpu_us()? - before_us) as f64 / 1e6,
        };
        Ok((done, took))
    }
}

/// One figure, round by round.
#[derive(Default)]
struct Figure {
    name: String,
    entries_per_s: Vec<f64>,
    /// What other processes take from the machine counts less in it.
    entries_per_cpu_s: Vec<f64>,
    /// What the machine does bare, entries a CPU second.
    bare: Vec<f64>,
}

#[derive(Default)]
struct Figures(Vec<Figure>);

impl Figures {
    fn note(&mut self, name: String, entries: u64, took: Took, bare: f64) {
        let place = self.0.iter().position(|figure| figure.name == name);
        let place = place.unwrap_or_else(|| {
            self.0.push(Figure {
                name,
                ..Figure::default()
            });
            self.0.len() - 1
        });
        let figure = &mut self.0[place];
        figure.entries_per_s.push(entries as f64 / took.wall_s);
        figure.entries_per_cpu_s.push(entries as f64 / took.cpu_s);
        figure.bare.push(bare);
    }

    fn print(&self, rounds: usize) {
        println!(
            "Median (lowest..highest) of {rounds} rounds. Bare: as many entries hashed with SHA-256, or as many"
        );
        println!("signatures verified as there are seals, and nothing else.\n");
        for figure in &self.0 {
            println!("{}", figure.name);
            println!(
                "  {} entries/s, {} a CPU second; bare {} a CPU second, × {}",
                Spread::of(&figure.entries_per_s),
                Spread::of(&figure.entries_per_cpu_s),
                Spread::of(&figure.bare),
                Spread::ratio(&figure.entries_per_cpu_s, &figure.bare)
            );
        }
    }
}

/// Writes both logs, measures, prints.
///
/// # Errors
/// A log that cannot be written or does not replay clean.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        println!("Not optimised: these figures are worthless. Use cargo run --release.");
    }
    let dir = tempfile::tempdir()?;
    let together = write(&dir.path().join("together"), plan.together, TOGETHER)?;
    if let Some(threads) = plan.only {
        for _ in 0..plan.rounds {
            let (entries, took) = replayed(&together, threads)?;
            println!(
                "{:.0} entries/s with {threads} thread(s)",
                entries as f64 / took.wall_s
            );
        }
        return Ok(());
    }
    let alone = write(&dir.path().join("alone"), plan.alone, 1)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{}; load average {:.1}", machine(), load_average()?);
    let reference = Reference::of(&together)?;
    for written in [&alone, &together] {
        let peak_kib = peak_kib(|| replayed(written, cores))?;
        println!(
            "{} entries replayed in at most {} MiB more than before",
            written.entries,
            peak_kib / 1_024
        );
    }
    println!();
    let mut figures = Figures::default();
    for _ in 0..plan.rounds {
        let bare = reference.measure()?;
        let shared = bare.ed25519 * TOGETHER as f64;
        for threads in [1, cores] {
            let with = |what: &str| format!("{what}, {threads} thread(s)");
            let (entries, took) = hashed(&together, threads)?;
            figures.note(with("hashed and folded"), entries, took, bare.sha256);
            let (entries, took) = replayed(&alone, threads)?;
            figures.note(with("judged, sealed alone"), entries, took, bare.ed25519);
            let (entries, took) = replayed(&together, threads)?;
            figures.note(with("judged, sealed 16 together"), entries, took, shared);
        }
    }
    figures.print(plan.rounds);
    println!("load average at the end {:.1}", load_average()?);
    Ok(())
}

/// How far resident memory rose above what it was, KiB.
fn peak_kib<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<u64> {
    // Forgets the highest so far.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = usage(std::process::id(), false)?.rss_kib;
    work()?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .ok_or_else(|| anyhow!("/proc/self/status names no peak"))?;
    Ok(peak.saturating_sub(before))
}

fn write(dir: &Path, exchanges: u64, together: usize) -> anyhow::Result<Written> {
    let begun = Instant::now();
    let written = log::write(dir, exchanges, together)?;
    println!(
        "{} entries, {:.0} bytes each, sealed {together} together, written in {:.1} s",
        written.entries,
        written.bytes as f64 / written.entries as f64,
        begun.elapsed().as_secs_f64()
    );
    Ok(written)
}

/// Every leaf and tile hashed, every entry decoded, the registry folded.
fn hashed(written: &Written, threads: usize) -> anyhow::Result<(u64, Took)> {
    let mut registry = Registry::empty();
    let mut refused = None;
    let mut fold = |index: u64, entry: &Entry| {
        if entry.kind.is_registry()
            && let Err(error) = registry.apply(index, entry)
        {
            refused.get_or_insert(error);
        }
    };
    let options = verify::Options {
        key: Some(written.key.clone()),
        threads,
        on_entry: Some(&mut fold),
        ..Default::default()
    };
    let (report, took) = Took::by(|| verify_directory(&written.dir, options))?;
    ensure!(refused.is_none(), "the registry does not fold: {refused:?}");
    ensure!(report.is_proven(), "not proven: {:?}", report.findings);
    Ok((report.entries, took))
}

/// All that, and every decision judged again, every seal verified, every request paired.
fn replayed(written: &Written, threads: usize) -> anyhow::Result<(u64, Took)> {
    let options = Options {
        key: Some(written.key.clone()),
        threads,
        ..Default::default()
    };
    let (report, took) = Took::by(|| replay(&written.dir, options))?;
    ensure!(report.is_clean(), "not clean: {:?}", report.findings);
    ensure!(
        report.seals >= written.sealed && report.open == 0,
        "{} of {} seals, {} open",
        report.seals,
        written.sealed,
        report.open
    );
    Ok((report.files.entries, took))
}
