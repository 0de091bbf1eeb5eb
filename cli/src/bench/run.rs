//! `mohawel bench`: what this machine carries, for whoever has to size one.
//!
//! Takes the plan. Gives exchanges a second, latency at three loads, and what each process costs, as medians over rounds;
//! the log that came of it is verified before any of it is said. Switch, provider and consumer share the machine, so
//! a switch alone on such a machine carries more: by how much the CPU column says.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::json;

use super::cost::{self, SyncedAppend};
use super::evidence::{self, Evidence};
use super::ours::Ours;
use super::round::{LOADS, Load, Size};
use super::spread::Spread;
use super::window::{Measured, measure};
use crate::args::Bench;
use crate::commands::signal::Stop;
use crate::failure::Failure;
use crate::output::{Output, isolated};

#[derive(Debug, Serialize)]
struct Window {
    round: u32,
    load: Load,
    #[serde(flatten)]
    measured: Measured,
}

struct Report {
    append: Vec<SyncedAppend>,
    windows: Vec<Window>,
    log: Evidence,
    in_memory: bool,
}

/// Runs it, or the part of it that another process asked for.
///
/// # Errors
/// What could not be started or measured.
pub(crate) fn run(bench: Bench, output: Output) -> Result<(), Failure> {
    if let Some(part) = bench.part {
        return super::play(part);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::unavailable)?;
    runtime.block_on(async {
        // Interrupted, it still ends what it started.
        let stop = Stop::listen()?;
        tokio::select! {
            done = Box::pin(whole(&bench, output)) => done,
            () = stop.wait() => Err(Failure::unavailable("interrupted before it was done")),
        }
    })
}

async fn whole(bench: &Bench, output: Output) -> Result<(), Failure> {
    let base = bench.dir.clone().unwrap_or_else(|| PathBuf::from("."));
    let base = std::fs::canonicalize(&base)
        .map_err(|error| Failure::usage(format!("{}: {error}", base.display())))?;
    let folder = Folder::make(&base).map_err(Failure::usage)?;
    let report = measured(bench, &folder.0, output)
        .await
        .map_err(|error| Failure::unavailable(format!("{error:#}")))?;
    tell(bench, &report, output)
}

/// A folder of the run's own, removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn make(base: &Path) -> std::io::Result<Self> {
        let dir = base.join(format!("mohawel-bench-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays, under a name that says whose it is.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn measured(bench: &Bench, dir: &Path, output: Output) -> anyhow::Result<Report> {
    let windows = u64::from(bench.rounds) * LOADS.len() as u64;
    let bar = output.progress(windows, "windows", "نوافذ القياس");
    let logs = dir.join("logs");
    std::fs::create_dir(&logs)?;
    let mut ours = Ours::start(
        dir,
        &logs,
        usize::from(bench.connections),
        bench.profile.payloads(),
        bench.mode,
    )
    .await?;
    let size = Size {
        in_flight: usize::from(bench.in_flight),
        warm_up_ms: bench.warm_up_ms,
        measure_ms: bench.measure_ms,
    };
    let mut answered: u64 = ours.load.ready().parse()?;
    let (mut append, mut windows) = (Vec::new(), Vec::new());
    for round in 1..=bench.rounds {
        append.push(cost::synced_append(dir)?);
        let mut peak = 0.0;
        for load in LOADS {
            let order = load.order(size, peak);
            let watched = ours.watched()?;
            let measured = measure(&mut ours.load, order, &watched)
                .await
                .with_context(|| format!("{:?}", order.arrival))?;
            if load == Load::Full {
                peak = measured.exchanges_per_s;
            }
            answered += measured.outcome.answered_in_all;
            windows.push(Window {
                round,
                load,
                measured,
            });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let in_memory = cost::is_memory_only(dir)?;
    let (log, key) = ours.stop().await?;
    let log = evidence::examine(&log, key, answered)?;
    ensure!(!windows.is_empty(), "nothing was measured");
    Ok(Report {
        append,
        windows,
        log,
        in_memory,
    })
}

impl Report {
    fn over(&self, load: Load, value: impl Fn(&Measured) -> f64) -> Option<Spread> {
        let of = self.windows.iter().filter(|window| window.load == load);
        Spread::of(of.map(|window| value(&window.measured)))
    }

    fn text(&self, load: Load, digits: usize, value: impl Fn(&Measured) -> f64) -> String {
        self.over(load, value)
            .map(|spread| spread.text(digits))
            .unwrap_or_default()
    }
}

fn tell(bench: &Bench, report: &Report, output: Output) -> Result<(), Failure> {
    let optimised = !cfg!(debug_assertions);
    let value = json!({
        "machine": cost::machine(),
        "optimised": optimised,
        "disk_is_memory": report.in_memory,
        "plan": bench,
        "exchanges_per_s": report.over(Load::Full, |one| one.exchanges_per_s),
        "p50_ms_of_one": report.over(Load::One, |one| one.outcome.latency.p50_ms()),
        "p99_ms_at_half": report.over(Load::Half, |one| one.outcome.latency.p99_ms()),
        "switch_cpu_us_per_exchange": report.over(Load::Full, |one| one.parts[0].cpu_us_per_exchange),
        "synced_append": report.append,
        "log": report.log,
        "windows": report.windows,
    });
    output.show(&value, || print(bench, report, output))?;
    if !optimised {
        output.note(output.say(
            "WARNING: this is no release build; these figures say nothing.",
            "تحذير: هذه نسخة غير محسّنة، فلا معنى لهذه الأرقام.",
        ));
    }
    let windows = report.windows.iter();
    let refused: u64 = windows.map(|one| one.measured.outcome.refused).sum();
    if refused > 0 {
        let all = refused.to_string();
        output.note(output.say(
            &format!(
                "WARNING: {all} requests at the fixed rate were refused, and are in no latency: something stood still for so long that more came \
                 than may wait. Look at the disk."
            ),
            &format!(
                "تحذير: رُفض {} من الطلبات عند المعدل الثابت ولم يُحسب زمنها: توقّف شيء مدةً جاء فيها أكثر مما يُسمح بانتظاره. افحص القرص.",
                isolated(&all)
            ),
        ));
    }
    if report.in_memory {
        output.note(output.say(
            "WARNING: the folder lies in memory, where a sync costs nothing; give --dir on the log's disk.",
            "تحذير: المجلد في الذاكرة حيث لا تكلّف المزامنة شيئًا؛ حدّد بالخيار ‎--dir‎ مجلدًا على قرص السجل.",
        ));
    }
    Ok(())
}

fn print(bench: &Bench, report: &Report, output: Output) {
    let machine = cost::machine();
    output.line(output.say(&machine, &isolated(&machine)));
    let heading = [
        output.say("load", "الحمل"),
        output.say("exchanges/s", "تبادل/ث"),
        output.say("p50 ms", "الوسيط م.ث"),
        output.say("p99 ms", "المئين ٩٩ م.ث"),
        output.say("longest ms", "الأطول م.ث"),
    ];
    let rows = LOADS.map(|load| {
        let name = match load {
            Load::Full => format!(
                "{} {}",
                bench.in_flight,
                output.say("in flight", "قيد التنفيذ")
            ),
            Load::Half => output
                .say("half of that, at a fixed rate", "نصف ذلك بمعدل ثابت")
                .to_owned(),
            Load::One => format!("1 {}", output.say("in flight", "قيد التنفيذ")),
        };
        [
            name,
            report.text(load, 0, |one| one.exchanges_per_s),
            report.text(load, 2, |one| one.outcome.latency.p50_ms()),
            report.text(load, 2, |one| one.outcome.latency.p99_ms()),
            report.text(load, 1, |one| one.outcome.latency.max_ms()),
        ]
    });
    output.table(heading, rows);
    let names = [
        output.say("switch", "المحوِّل"),
        output.say("provider's adapter", "محوّل الجهة المقدّمة"),
        output.say("consumer's adapters", "محوّلات الجهة الطالبة"),
    ];
    let heading = [
        output.say("process", "العملية"),
        output.say("CPU µs an exchange", "معالج µs/تبادل"),
        output.say("put off µs", "مؤجَّل µs"),
        output.say("memory MiB", "الذاكرة MiB"),
    ];
    let rows = names.iter().enumerate().map(|(at, name)| {
        [
            (*name).to_owned(),
            report.text(Load::Full, 0, |one| one.parts[at].cpu_us_per_exchange),
            report.text(Load::Full, 0, |one| one.parts[at].put_off_us_per_exchange),
            report.text(Load::Full, 0, |one| one.parts[at].rss_mib),
        ]
    });
    output.table(heading, rows);
    print_beside(report, output);
}

fn print_beside(report: &Report, output: Output) {
    let append = Spread::of(report.append.iter().map(|one| one.p50_us as f64 / 1e3));
    output.line(format!(
        "{}: {} ms",
        output.say(
            "One append of 512 bytes with fdatasync here",
            "إلحاق ٥١٢ بايتًا مع المزامنة هنا"
        ),
        append.map(|spread| spread.text(2)).unwrap_or_default(),
    ));
    output.line(format!(
        "{}: {}",
        output.say(
            "The log of this run verifies; exchanges in it, each recorded twice",
            "سجل هذا القياس صحيح؛ والتبادلات فيه، كل منها مسجّل مرتين"
        ),
        report.log.requests,
    ));
    let alone = report
        .over(Load::Full, |one| {
            let part = &one.parts[0];
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            cores as f64 * 1e6 / (part.cpu_us_per_exchange + part.put_off_us_per_exchange)
        })
        .map(|spread| spread.text(0))
        .unwrap_or_default();
    output.line(format!(
        "{}: {alone}",
        output.say(
            "By its CPU the switch alone, agencies on machines of their own, would carry at most, exchanges/s",
            "بحسب استهلاك المعالج يحمل المحوِّل وحده، والجهات على أجهزة أخرى، على الأكثر تبادل/ث"
        ),
    ));
}
