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

use anyhow::ensure;
use audit::replay::{Options, replay};
use audit::verify::{self, verify_directory};
use clap::Args;
use proto::entry::Entry;
use proto::registry::Registry;

use crate::authorise::Spread;
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

/// One figure, round by round.
#[derive(Default)]
struct Figure {
    entries_per_s: Vec<f64>,
    /// What the machine does bare, entries a second on one core.
    bare: Vec<f64>,
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
    let (one, many) = (dir.path().join("alone"), dir.path().join("together"));
    let together = write(&many, plan.together, TOGETHER)?;
    if let Some(threads) = plan.only {
        for _ in 0..plan.rounds {
            let speed = replayed(&many, &together, threads)?;
            println!("{speed:.0} entries/s with {threads} thread(s)");
        }
        return Ok(());
    }
    let alone = write(&one, plan.alone, 1)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{}, {cores} cores\n", crate::cost::machine());
    let mut figures: Vec<(String, Figure)> = Vec::new();
    let mut note = |name: &str, speed: f64, bare: f64| {
        let place = figures.iter().position(|(known, _)| known == name);
        let place = place.unwrap_or_else(|| {
            figures.push((name.to_owned(), Figure::default()));
            figures.len() - 1
        });
        let figure = &mut figures[place].1;
        figure.entries_per_s.push(speed);
        figure.bare.push(bare);
    };
    let reference = Reference::of(&together)?;
    for _ in 0..plan.rounds {
        let bare = reference.measure();
        for threads in [1, cores] {
            let of = format!("{threads} thread(s)");
            let hashed = hashed(&many, &together, threads)?;
            note(&format!("hashed and folded, {of}"), hashed, bare.sha256);
            let speed = replayed(&one, &alone, threads)?;
            note(&format!("judged, sealed alone, {of}"), speed, bare.ed25519);
            let speed = replayed(&many, &together, threads)?;
            let shared = bare.ed25519 * TOGETHER as f64;
            note(&format!("judged, sealed 16 together, {of}"), speed, shared);
        }
    }
    println!(
        "entries/s, median (lowest..highest) of {} rounds; ÷ bare: SHA-256 of the same bytes, or Ed25519\nverifications as many as there are seals, on one core",
        plan.rounds
    );
    for (name, figure) in &figures {
        println!(
            "  {name:<42} {:>32}   bare {:>10}   ÷ bare {}",
            Spread::of(&figure.entries_per_s).to_string(),
            Spread::of(&figure.bare).median(),
            Spread::ratio(&figure.entries_per_s, &figure.bare)
        );
    }
    Ok(())
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

/// Entries a second: every leaf and tile hashed, every entry decoded, the registry folded.
fn hashed(dir: &Path, written: &Written, threads: usize) -> anyhow::Result<f64> {
    let mut registry = Registry::empty();
    let mut refused = None;
    let mut fold = |index: u64, entry: &Entry| {
        if entry.kind.is_registry()
            && let Err(error) = registry.apply(index, entry)
        {
            refused.get_or_insert(error);
        }
    };
    let begun = Instant::now();
    let report = verify_directory(
        dir,
        verify::Options {
            key: Some(written.key.clone()),
            threads,
            on_entry: Some(&mut fold),
            ..Default::default()
        },
    );
    let took = begun.elapsed().as_secs_f64();
    ensure!(refused.is_none(), "the registry does not fold: {refused:?}");
    ensure!(report.is_proven(), "not proven: {:?}", report.findings);
    Ok(report.entries as f64 / took)
}

/// Entries a second: all that, and every decision judged again, every seal verified, every request paired.
fn replayed(dir: &Path, written: &Written, threads: usize) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let report = replay(
        dir,
        Options {
            key: Some(written.key.clone()),
            threads,
            ..Default::default()
        },
    );
    let took = begun.elapsed().as_secs_f64();
    ensure!(report.is_clean(), "not clean: {:?}", report.findings);
    ensure!(
        report.seals >= written.sealed && report.open == 0,
        "{} of {} seals, {} open",
        report.seals,
        written.sealed,
        report.open
    );
    Ok(report.files.entries as f64 / took)
}
