//! The report as people read it, and its drawing.

use std::fmt;

use audit::svg::{Bar, Page, Series};
use cli::bench::spread::Spread;
use cli::bench::window::Measured;

use super::{Asked, Report, Start};

/// What a line of the drawing is called, and shows.
type Line = (&'static str, fn(&Start) -> f64);

/// Throughput with the fewest agreements ÷ with more.
const THROUGHPUT_GOAL: f64 = 1.2;

impl Report {
    /// A value with so many agreements, over the rounds.
    fn over(
        &self,
        agreements: u32,
        asked: Asked,
        value: impl Fn(&Measured) -> f64,
    ) -> Option<Spread> {
        let of = self
            .windows
            .iter()
            .filter(|one| one.agreements == agreements && one.asked == asked);
        Spread::of(of.map(|one| value(&one.measured)))
    }

    /// A value with the fewest agreements ÷ the same with so many, within each round.
    fn ratio(
        &self,
        agreements: u32,
        asked: Asked,
        value: impl Fn(&Measured) -> f64,
    ) -> Option<Spread> {
        let fewest = self.plan.agreements.first()?;
        let of = |number: u32, round: u32| {
            let mut all = self.windows.iter();
            all.find(|one| one.agreements == number && one.asked == asked && one.round == round)
        };
        let rounds = 1..=self.plan.rounds;
        Spread::of(rounds.filter_map(|round| {
            let (few, many) = (of(*fewest, round)?, of(agreements, round)?);
            Some(value(&few.measured) / value(&many.measured))
        }))
    }
}

fn rate(measured: &Measured) -> f64 {
    measured.exchanges_per_s
}

fn cpu(place: usize) -> impl Fn(&Measured) -> f64 {
    move |measured| {
        let part = measured.parts.get(place);
        part.map_or(f64::NAN, |part| part.cpu_us_per_exchange)
    }
}

fn text(spread: Option<Spread>, digits: usize) -> String {
    spread.map(|spread| spread.text(digits)).unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.machine)?;
        self.starting(f)?;
        for asked in [Asked::One, Asked::Many] {
            self.exchanges(f, asked)?;
        }
        for (start, log) in self.starts.iter().zip(&self.logs) {
            writeln!(
                f,
                "the log of {} agreements verifies: {} entries, {} requests and endings",
                start.agreements, log.entries, log.requests
            )?;
        }
        writeln!(f, "load average before {:.2}", self.load_average_before)?;
        let others = self.windows.iter().map(|one| {
            let measured = &one.measured;
            measured.others_cpu_percent + measured.stolen_percent
        });
        let others = text(Spread::of(others), 0);
        writeln!(f, "others and the host took {others} % of a core")?;
        if self.disk_is_memory {
            writeln!(
                f,
                "WARNING: the disk is memory: appends cost nothing; give --dir"
            )?;
        }
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
    fn starting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<12} {:>9} {:>11} {:>24} {:>12} {:>26} {:>12}",
            "agreements",
            "agencies",
            "founding s",
            "switch listens s (CPU)",
            "switch MiB",
            "first adapter s (CPU)",
            "its MiB"
        )?;
        for start in &self.starts {
            writeln!(
                f,
                "{:<12} {:>9} {:>11.1} {:>24} {:>12.0} {:>26} {:>12.0}",
                start.agreements,
                start.agencies,
                start.founding_s,
                format!("{:.2} ({:.2})", start.switch_s, start.switch_cpu_s),
                start.switch_rss_mib,
                format!("{:.2} ({:.2})", start.adapter_s, start.adapter_cpu_s),
                start.adapter_rss_mib
            )?;
        }
        Ok(())
    }

    fn exchanges(&self, f: &mut fmt::Formatter<'_>, asked: Asked) -> fmt::Result {
        let title = match asked {
            Asked::One => "asked under one agreement".to_owned(),
            Asked::Many => {
                let of = |start: &Start| start.asked.to_string();
                let asked: Vec<String> = self.starts.iter().map(of).collect();
                format!("asked under {} agreements", asked.join(", "))
            }
        };
        let fewest = self.plan.agreements.first().copied().unwrap_or_default();
        writeln!(
            f,
            "\n{title}\n{:<12} {:<22} {:<20} {:<18} {:<18} {:<16} {:<16} {:<16} switch CPU, N ÷ {fewest}",
            "agreements",
            "exchanges/s",
            format!("{fewest} ÷ N"),
            "p50 ms",
            "p99 ms",
            "switch CPU µs",
            "provider",
            "consumers"
        )?;
        for agreements in &self.plan.agreements {
            let of = |digits, value: &dyn Fn(&Measured) -> f64| {
                text(self.over(*agreements, asked, value), digits)
            };
            let inverse = |measured: &Measured| 1.0 / cpu(0)(measured);
            let line = format!(
                "{agreements:<12} {:<22} {:<20} {:<18} {:<18} {:<16} {:<16} {:<16} {}",
                of(0, &rate),
                text(self.ratio(*agreements, asked, rate), 3),
                of(1, &|one| one.outcome.latency.p50_ms()),
                of(1, &|one| one.outcome.latency.p99_ms()),
                of(0, &cpu(0)),
                of(0, &cpu(1)),
                of(0, &cpu(2)),
                text(self.ratio(*agreements, asked, inverse), 3),
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        if let Some(most) = self.plan.agreements.last()
            && let Some(ratio) = self.ratio(*most, asked, rate)
        {
            let met = ratio.median <= THROUGHPUT_GOAL;
            let met = if met { "met" } else { "NOT MET" };
            writeln!(
                f,
                "throughput with {fewest} ÷ with {most}: goal ≤ {THROUGHPUT_GOAL}: {met}"
            )?;
        }
        Ok(())
    }
}

/// The report as an SVG page.
pub(super) fn drawing(report: &Report) -> String {
    let mut page = Page::default();
    page.title(&report.machine);
    let fewest = report.plan.agreements.first().copied().unwrap_or_default();
    page.title(&format!(
        "exchanges/s with {fewest} agreements ÷ with more, in one round; the red mark is the goal"
    ));
    let asked = [(Asked::One, "under one"), (Asked::Many, "under many")];
    let mut bars = Vec::new();
    for agreements in report.plan.agreements.iter().skip(1) {
        for (asked, name) in asked {
            if let Some(ratio) = report.ratio(*agreements, asked, rate) {
                bars.push(Bar {
                    name: format!("{agreements}, {name}"),
                    value: ratio.median,
                    lowest: ratio.lowest,
                    highest: ratio.highest,
                    goal: Some(THROUGHPUT_GOAL),
                });
            }
        }
    }
    page.bars(&bars);
    page.title("memory and start, by agreements in force");
    let numbers = &report.plan.agreements;
    let places: Vec<String> = numbers.iter().map(u32::to_string).collect();
    let mut series: Vec<Series> = asked
        .into_iter()
        .map(|(asked, name)| {
            let of = |agreements: &u32| report.over(*agreements, asked, rate);
            Series {
                name: format!("exchanges/s, {name}"),
                values: numbers
                    .iter()
                    .map(|one| of(one).map(|rate| rate.median))
                    .collect(),
            }
        })
        .collect();
    let lines: [Line; 4] = [
        ("switch, MiB", |start| start.switch_rss_mib),
        ("adapter, MiB", |start| start.adapter_rss_mib),
        ("switch listens, s", |start| start.switch_s),
        ("adapter attached, s", |start| start.adapter_s),
    ];
    for (name, of) in lines {
        series.push(Series {
            name: name.to_owned(),
            values: report.starts.iter().map(|start| Some(of(start))).collect(),
        });
    }
    page.lines(&places, "", &series);
    page.finish()
}
