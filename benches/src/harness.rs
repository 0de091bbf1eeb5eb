//! One comparison: all sides of a profile started once, then loaded in turns, round after round; at the end each log of
//! ours is verified.
//!
//! While one side is measured the others stand idle, and none begins before the one before has finished what it
//! put off. Rounds are interleaved, so what the machine does meanwhile hits all sides alike.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cli::bench::child::Child;
use cli::bench::cost;
use cli::bench::evidence::{Evidence, examine};
use cli::bench::load::Arrival;
use cli::bench::ours::Ours;
use cli::bench::round::Load;
use cli::bench::window::{Watched, measure};
use serde::Serialize;
use tempfile::TempDir;

use crate::crowd::Asking;
use crate::peer::{Peer, program};
use crate::plan::{Plan, Profile};
use crate::progress::Progress;
use crate::report::{Compared, Measurement, Report};
use crate::side::Side;

/// Measures and reports.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<()> {
    let report = whole(plan).await?;
    draw(plan.svg.as_ref(), || crate::report::drawing(&report))?;
    if plan.json {
        println!("{}", serde_json::to_string_pretty(&report.json())?);
    } else {
        print!("{report}");
    }
    Ok(())
}

/// The folder of a run, removed at its end, and what its parts said in it.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
    pub(crate) dir: PathBuf,
    pub(crate) logs: PathBuf,
}

impl Ground {
    /// Below `base`, or else in `target/`, where a run leaves nothing behind that anybody would keep.
    pub(crate) fn make(base: Option<&PathBuf>) -> anyhow::Result<Self> {
        let base = match base {
            Some(base) => base.clone(),
            None => {
                let binary = std::env::current_exe()?;
                let target = binary.parent().and_then(Path::parent);
                target
                    .context("this binary lies in no target folder; give --dir")?
                    .to_owned()
            }
        };
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(&base)
            .with_context(|| format!("cannot make a folder in {}", base.display()))?;
        let dir = std::fs::canonicalize(folder.path())?;
        let logs = dir.join("logs");
        std::fs::create_dir(&logs)?;
        Ok(Self { folder, dir, logs })
    }

    /// What the parts said last on standard error, for a run that failed.
    pub(crate) fn tell_logs(&self) {
        for entry in std::fs::read_dir(&self.logs)
            .into_iter()
            .flatten()
            .flatten()
        {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let telling = |line: &&str| !line.contains(r#""level":"INFO""#);
            let last: Vec<&str> = text.lines().rev().filter(telling).take(5).collect();
            for line in last.into_iter().rev() {
                eprintln!("{}: {line}", entry.file_name().display());
            }
        }
    }

    /// Measures on one of its own below `base`; where that fails, what the parts said last is told.
    pub(crate) async fn measured<R>(
        base: Option<&PathBuf>,
        whole: impl AsyncFnOnce(&Self) -> anyhow::Result<R>,
    ) -> anyhow::Result<R> {
        let ground = Self::make(base)?;
        let report = whole(&ground).await;
        if report.is_err() {
            ground.tell_logs();
        }
        report
    }

    /// Whether the folder lies in memory.
    pub(crate) fn is_memory_only(&self) -> anyhow::Result<bool> {
        cost::is_memory_only(self.folder.path())
    }
}

async fn whole(plan: &Plan) -> anyhow::Result<Report> {
    let ground = Ground::make(plan.dir.as_ref())?;
    let mut programs = Vec::new();
    for kind in plan.sides.iter().filter_map(|side| side.peer()) {
        if kind != crate::peer::Kind::Hub {
            programs.push(program::version(kind).await?);
        }
    }
    programs.dedup();
    let mut report = Report {
        machine: cost::machine(),
        programs,
        optimised: !cfg!(debug_assertions),
        disk_is_memory: ground.is_memory_only()?,
        load_average_before: cost::load_average()?,
        plan: plan.clone(),
        synced_append: Vec::new(),
        profiles: Vec::new(),
    };
    let windows = plan.profile.iter().map(|profile| {
        (plan.sides_of(*profile).len() * profile.loads().len()) as u64 * u64::from(plan.rounds)
    });
    let progress = Progress::of(windows.sum());
    for profile in &plan.profile {
        let compared = compare(plan, *profile, &ground, &mut report, &progress).await;
        if compared.is_err() {
            ground.tell_logs();
        }
        report.profiles.push(compared?);
    }
    Ok(report)
}

/// Gives a report out: for people, or as JSON.
pub(crate) fn give_out(report: &(impl Serialize + fmt::Display), json: bool) -> anyhow::Result<()> {
    match json {
        true => println!("{}", serde_json::to_string_pretty(report)?),
        false => print!("{report}"),
    }
    Ok(())
}

/// Draws a report where the plan says so.
pub(crate) fn draw(path: Option<&PathBuf>, drawing: impl FnOnce() -> String) -> anyhow::Result<()> {
    if let Some(path) = path {
        std::fs::write(path, drawing())
            .with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("drawn into {}", path.display());
    }
    Ok(())
}

/// A side that runs.
struct Runner {
    side: Side,
    running: Running,
    /// Exchanges that were answered so far.
    answered: u64,
    /// What it reached in this round, exchanges a second.
    peak: f64,
}

enum Running {
    Peer(Peer),
    Ours(Ours),
    Asking(Asking),
}

impl Runner {
    async fn start(
        plan: &Plan,
        profile: Profile,
        side: Side,
        ground: &Ground,
    ) -> anyhow::Result<Self> {
        let name = format!("{profile:?}-{side:?}").to_lowercase();
        let (dir, logs) = (ground.dir.join(name), &ground.logs);
        let connections = match profile {
            Profile::Small | Profile::Mix => usize::from(plan.connections),
            Profile::Zipf => plan.systems as usize,
        };
        let payloads = profile.payloads();
        let running = match (side.peer(), side.mode(), profile) {
            (Some(kind), ..) => {
                Running::Peer(Peer::start(kind, &dir, logs, connections, payloads).await?)
            }
            (None, Some(_), Profile::Zipf) => {
                Running::Asking(Asking::start(&dir, logs, connections, payloads).await?)
            }
            (None, mode, _) => {
                let mode = mode.context("a side is either a peer or ours")?;
                Running::Ours(Ours::start(&dir, logs, connections, payloads, mode).await?)
            }
        };
        let mut runner = Self {
            side,
            running,
            answered: 0,
            peak: 0.0,
        };
        runner.answered = runner.load().ready().parse()?;
        Ok(runner)
    }

    fn load(&mut self) -> &mut Child {
        match &mut self.running {
            Running::Peer(peer) => &mut peer.load,
            Running::Ours(ours) => &mut ours.load,
            Running::Asking(asking) => &mut asking.load,
        }
    }

    fn watched(&self) -> anyhow::Result<[Watched; 3]> {
        match &self.running {
            Running::Peer(peer) => peer.watched(),
            Running::Ours(ours) => ours.watched(),
            Running::Asking(asking) => asking.watched(),
        }
    }

    /// Ends it; of ours, the log must hold what was answered and nothing else.
    async fn stop(self) -> anyhow::Result<Option<Evidence>> {
        let (log, key) = match self.running {
            Running::Peer(peer) => {
                peer.stop().await?;
                return Ok(None);
            }
            Running::Ours(ours) => ours.stop().await?,
            Running::Asking(asking) => asking.stop().await?,
        };
        Ok(Some(examine(&log, key, self.answered)?))
    }
}

async fn compare(
    plan: &Plan,
    profile: Profile,
    ground: &Ground,
    report: &mut Report,
    progress: &Progress,
) -> anyhow::Result<Compared> {
    progress.say(&format!("{profile}: starting"));
    let mut runners = Vec::new();
    for side in plan.sides_of(profile) {
        let runner = Runner::start(plan, profile, side, ground).await;
        runners.push(runner.with_context(|| side.to_string())?);
    }
    let mut measurements = Vec::new();
    for round in 1..=plan.rounds {
        if profile == Profile::Small {
            report.synced_append.push(cost::synced_append(&ground.dir)?);
        }
        for load in profile.loads() {
            for runner in &mut runners {
                let side = runner.side;
                let mut order = load.order(plan.size(), runner.peak);
                if let (Profile::Zipf, Arrival::InFlight(in_flight)) = (profile, order.arrival) {
                    order.arrival = Arrival::Zipf(in_flight);
                }
                let watched = runner.watched()?;
                let measured = measure(runner.load(), order, &watched)
                    .await
                    .with_context(|| format!("{side}, {:?}", order.arrival))?;
                runner.answered += measured.outcome.answered_in_all;
                if *load == Load::Full {
                    runner.peak = measured.exchanges_per_s;
                }
                let measurement = Measurement {
                    side,
                    load: *load,
                    round,
                    measured,
                };
                progress.done(&measurement.to_string());
                measurements.push(measurement);
            }
        }
    }
    let mut logs = Vec::new();
    for runner in runners {
        let side = runner.side;
        let evidence = runner.stop().await.with_context(|| side.to_string())?;
        logs.extend(evidence.map(|evidence| (side, evidence)));
    }
    Ok(Compared {
        profile,
        in_flight: usize::from(plan.in_flight),
        measurements,
        logs,
    })
}
