//! The report as people read it, and its drawing.

use std::fmt;

use cli::bench::spread::Spread;
use cli::bench::window::Measured;

use super::Report;
use audit::svg::{Bar, Page, Series};

/// Memory of the switch for an idle adapter, KiB.
const MEMORY_GOAL_KIB: f64 = 64.0;
/// What others' throughput may fall by: without ÷ with.
const THROUGHPUT_GOAL: f64 = 1.2;

impl Report {
    /// A value beside so many, over the rounds.
    fn over(&self, adapters: u32, value: impl Fn(&Measured) -> f64) -> Option<Spread> {
        let of = self.beside.iter().filter(|one| one.adapters == adapters);
        Spread::of(of.map(|one| value(&one.measured)))
    }

    /// Throughput without any ÷ throughput beside so many, within each round.
    fn slower(&self, adapters: u32) -> Option<Spread> {
        let of = self.beside.iter().filter(|one| one.adapters == adapters);
        Spread::of(of.filter_map(|with| {
            let mut all = self.beside.iter();
            let none = all.find(|one| one.adapters == 0 && one.round == with.round)?;
            Some(none.measured.exchanges_per_s / with.measured.exchanges_per_s)
        }))
    }

    fn text(&self, adapters: u32, digits: usize, value: impl Fn(&Measured) -> f64) -> String {
        let spread = self.over(adapters, value);
        spread.map(|spread| spread.text(digits)).unwrap_or_default()
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "NOT MET" }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.machine)?;
        writeln!(
            f,
            "\n{:<10} {:>20} {:>20} {:>20} {:>16}",
            "adapters", "switch KiB each", "holder KiB each", "switch MiB", "idle CPU %"
        )?;
        for step in &self.steps {
            writeln!(
                f,
                "{:<10} {:>20.1} {:>20.1} {:>20.1} {:>16.1}",
                step.adapters,
                step.switch_kib_each,
                step.holder_kib_each,
                step.switch_rss_kib as f64 / 1_024.0,
                step.idle_percent
            )?;
        }
        if let Some(last) = self.steps.last() {
            let met = verdict(last.switch_kib_each <= MEMORY_GOAL_KIB);
            writeln!(
                f,
                "memory in the switch for each of {}: goal ≤ {MEMORY_GOAL_KIB} KiB: {met}",
                last.adapters
            )?;
        }
        let storm = &self.storm;
        writeln!(
            f,
            "\nthe switch started again ({:.0} ms) with {} adapters coming back: half after {:.0} ms, 99 % after {:.0} ms, all \
             after {:.0} ms; {:.0} ms of its CPU, at most {:.0} MiB of memory",
            storm.start_ms,
            storm.adapters,
            storm.half_ms,
            storm.most_ms,
            storm.all_ms,
            storm.switch_cpu_ms,
            storm.switch_peak_kib as f64 / 1_024.0
        )?;
        let caller = &storm.caller;
        writeln!(
            f,
            "others meanwhile: {} answered, p50 {:.1} ms, p99 {:.1} ms; {} refused before the provider was back",
            caller.latency.count,
            caller.latency.p50_ms(),
            caller.latency.p99_ms(),
            caller.refused
        )?;
        self.exchanges(f)?;
        writeln!(
            f,
            "\nthe log verifies: {} entries, {} requests and endings; load average before {:.2}",
            self.log.entries, self.log.requests, self.load_average_before
        )?;
        if !self.optimised {
            writeln!(
                f,
                "WARNING: this is no release build; these figures say nothing"
            )?;
        }
        Ok(())
    }
}

impl Report {
    fn exchanges(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<10} {:<28} {:<24} {:<24} none ÷ beside",
            "beside", "exchanges/s", "p99 ms", "switch CPU µs"
        )?;
        for adapters in [0].iter().chain(&self.plan.adapters) {
            let rate = self.text(*adapters, 0, |one| one.exchanges_per_s);
            let p99 = self.text(*adapters, 1, |one| one.outcome.latency.p99_ms());
            let cpu = self.text(*adapters, 0, |one| one.parts[0].cpu_us_per_exchange);
            let slower = self.slower(*adapters).filter(|_| *adapters > 0);
            let slower = slower.map(|slower| slower.text(2)).unwrap_or_default();
            let line = format!("{adapters:<10} {rate:<28} {p99:<24} {cpu:<24} {slower}");
            writeln!(f, "{}", line.trim_end())?;
        }
        if let Some(last) = self.plan.adapters.last()
            && let Some(slower) = self.slower(*last)
        {
            let met = verdict(slower.median <= THROUGHPUT_GOAL);
            writeln!(
                f,
                "throughput without any ÷ beside {last}: goal ≤ {THROUGHPUT_GOAL}: {met}"
            )?;
        }
        Ok(())
    }
}

/// The report as an SVG page.
pub(super) fn drawing(report: &Report) -> String {
    let mut page = Page::default();
    page.title(&report.machine);
    page.title("KiB for each attached adapter, idle; the red mark is the goal for the switch");
    let bar = |adapters: u32, whose: &str, value: f64, goal: Option<f64>| Bar {
        name: format!("{adapters}, {whose}"),
        value,
        lowest: value,
        highest: value,
        goal,
    };
    let bars: Vec<Bar> = report
        .steps
        .iter()
        .flat_map(|step| {
            let goal = Some(MEMORY_GOAL_KIB);
            [
                bar(step.adapters, "switch", step.switch_kib_each, goal),
                bar(step.adapters, "holder", step.holder_kib_each, None),
            ]
        })
        .collect();
    page.bars(&bars);
    page.title("exchanges beside so many attached, a second");
    let numbers: Vec<u32> = [0]
        .into_iter()
        .chain(report.plan.adapters.clone())
        .collect();
    let places: Vec<String> = numbers.iter().map(u32::to_string).collect();
    let values = numbers.iter().map(|adapters| {
        let rate = report.over(*adapters, |one| one.exchanges_per_s);
        rate.map(|rate| rate.median)
    });
    let series = Series {
        name: "exchanges/s".to_owned(),
        values: values.collect(),
    };
    page.lines(&places, "/s", &[series]);
    page.finish()
}
