//! The report as people read it, each figure with the goal that it has.

use std::fmt;

use cli::bench::spread::Spread;

use super::{Beside, Report, Round};

/// Goodput at twice the peak, of the peak.
const GOODPUT_GOAL: f64 = 0.9;
/// Others' p99 while somebody misbehaves, of what it is alone.
const BESIDE_GOAL: f64 = 1.2;

impl Report {
    /// So many of whoever disturbs, by a second of its window.
    fn per_s(&self, count: u64) -> f64 {
        count as f64 * 1e3 / self.plan.longer_ms() as f64
    }

    fn refused_per_s(&self, beside: &Beside) -> f64 {
        self.per_s(beside.other.refused)
    }

    fn over(&self, value: impl Fn(&Round) -> f64) -> Spread {
        let none = Spread {
            median: 0.0,
            lowest: 0.0,
            highest: 0.0,
        };
        Spread::of(self.rounds.iter().map(value)).unwrap_or(none)
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "NOT MET" }
}

/// What of the switch's CPU at twice the peak the answered exchanges do not explain, by refusal, microseconds.
fn refusal_us(round: &Round) -> f64 {
    let (peak, double) = (&round.peak, &round.double);
    let explained = peak.parts[0].cpu_us_per_exchange * double.outcome.answered as f64;
    let left = double.parts[0].cpu_us as f64 - explained;
    left.max(0.0) / (double.outcome.refused.max(1)) as f64
}

/// One of a round's windows, and the one beside an equal load elsewhere.
type Which = fn(&Round) -> (&Beside, &Beside);

/// One figure.
fn line(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    (value, digits): (Spread, usize),
    goal: &str,
) -> fmt::Result {
    let line = format!("  {name:<56} {:<28} {goal}", value.text(digits));
    writeln!(f, "{}", line.trim_end())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}; median (lowest..highest)", self.machine)?;
        writeln!(f, "\npeak, {} in flight, ten agencies", self.plan.in_flight)?;
        let rate = self.over(|one| one.peak.exchanges_per_s);
        line(f, "exchanges/s", (rate, 0), "")?;
        let cpu = self.over(|one| one.peak.parts[0].cpu_us_per_exchange);
        line(f, "switch CPU µs an exchange", (cpu, 1), "")?;
        let p99 = self.over(|one| one.peak.outcome.latency.p99_ms());
        line(f, "p99 ms", (p99, 1), "")?;
        self.double(f)?;
        self.others(f)?;
        self.beside(f)
    }
}

impl Report {
    fn double(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.plan.measure_ms as f64 / 1e3;
        writeln!(f, "\nthe same ten at twice that rate")?;
        let goodput = self.over(|one| one.double.exchanges_per_s / one.peak.exchanges_per_s);
        line(f, "goodput ÷ peak", (goodput, 2), "")?;
        let spared = |one: &Round| one.peak_beside_elsewhere.per_s(&self.plan);
        let elsewhere = self.over(|one| spared(one) / one.peak.exchanges_per_s);
        let name = "peak beside as many refused elsewhere ÷ peak";
        line(f, name, (elsewhere, 2), "")?;
        let refused = self.over(|one| self.refused_per_s(&one.peak_beside_elsewhere));
        line(f, "  refusals/s elsewhere", (refused, 0), "")?;
        let goodput = self.over(|one| one.double.exchanges_per_s / spared(one));
        let met = verdict(goodput.median >= GOODPUT_GOAL);
        let goal = format!("goal ≥ {GOODPUT_GOAL}: {met}");
        line(f, "goodput ÷ that", (goodput, 2), &goal)?;
        let p99 = self.over(|one| one.double.outcome.latency.p99_ms());
        line(f, "p99 ms of the accepted, from when due", (p99, 1), "")?;
        let longest = self.over(|one| one.double.outcome.latency.max_ms());
        line(f, "longest of the accepted, ms", (longest, 1), "")?;
        let refused = self.over(|one| one.double.outcome.refused as f64 / seconds);
        line(
            f,
            "refusals/s, each said when to come back",
            (refused, 0),
            "",
        )?;
        if self.rounds.iter().any(|one| one.double.outcome.refused > 0) {
            let cost = self.over(refusal_us);
            line(f, "switch CPU µs a refusal, at most", (cost, 1), "")?;
            let p50 = self.over(|one| one.double.outcome.refusal_latency.p50_ms());
            line(f, "p50 ms of a refusal", (p50, 2), "")?;
        }
        let percent = |cpu_us: u64| cpu_us as f64 / (seconds * 1e4);
        let generator = self.over(|one| percent(one.double.parts[2].cpu_us));
        line(f, "CPU of the generator, % of one core", (generator, 0), "")?;
        let late = self.over(|one| one.double.outcome.late.p99_ms());
        line(f, "the generator's own delay, p99 ms", (late, 2), "")?;
        let unsent = self.over(|one| one.double.outcome.unsent as f64);
        line(f, "due and never sent, too many under way", (unsent, 0), "")
    }

    fn others(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\none agency at a fifth of the peak")?;
        let alone = self.over(|one| one.alone.outcome.latency.p99_ms());
        line(f, "alone: p99 ms", (alone, 2), "")?;
        let cases: [(&str, Which); 2] = [
            ("beside an agency that floods", |one| {
                (&one.flooded, &one.flood_elsewhere)
            }),
            ("beside a provider that hangs", |one| {
                (&one.hanging, &one.asked_elsewhere)
            }),
        ];
        let p99 = |beside: &Beside| beside.steady.latency.p99_ms();
        for (name, which) in cases {
            let here = self.over(|one| p99(which(one).0));
            line(f, &format!("{name}: p99 ms"), (here, 2), "")?;
            let ratio = self.over(|one| p99(which(one).0) / one.alone.outcome.latency.p99_ms());
            line(f, "  p99 ÷ alone", (ratio, 2), "")?;
            let elsewhere = self.over(|one| p99(which(one).1));
            line(f, "  beside the same elsewhere: p99 ms", (elsewhere, 2), "")?;
            let ratio = self.over(|one| p99(which(one).0) / p99(which(one).1));
            let met = verdict(ratio.median <= BESIDE_GOAL);
            let goal = format!("goal ≤ {BESIDE_GOAL}: {met}");
            line(f, "  p99 ÷ that", (ratio, 2), &goal)?;
            let refused = self.over(|one| which(one).0.steady.refused as f64);
            line(f, "  its own refusals", (refused, 0), "")?;
            let p50 = self.over(|one| which(one).0.steady.latency.p50_ms());
            line(f, "  p50 ms", (p50, 2), "")?;
            let p50 = self.over(|one| which(one).1.steady.latency.p50_ms());
            line(f, "  beside the same elsewhere: p50 ms", (p50, 2), "")?;
            let answered = self.over(|one| self.per_s(which(one).0.other.answered));
            line(f, "  answers/s to the other one", (answered, 0), "")?;
            let refused = self.over(|one| self.refused_per_s(which(one).0));
            line(f, "  refusals/s of the other one", (refused, 0), "")?;
            let refused = self.over(|one| self.refused_per_s(which(one).1));
            line(f, "  refusals/s elsewhere", (refused, 0), "")?;
            let switch = self.over(|one| which(one).0.switch_percent);
            line(f, "  CPU of the switch, % of one core", (switch, 0), "")?;
            let generators = self.over(|one| which(one).0.generators_percent);
            line(
                f,
                "  CPU of the generators, % of one core",
                (generators, 0),
                "",
            )?;
        }
        Ok(())
    }

    fn beside(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nthe log verifies: {} entries, {} requests, {} endings, {} refusals or late answers; load average before {:.2}",
            self.log.entries,
            self.log.requests,
            self.log.closings,
            self.refusals_recorded,
            self.load_average_before
        )?;
        let mut codes: Vec<String> = Vec::new();
        for round in &self.rounds {
            for (what, outcome) in [
                ("twice the peak", &round.double.outcome),
                ("flood", &round.flooded.other),
                ("hanging", &round.hanging.other),
            ] {
                let refusals = outcome.refusals.iter();
                let said: Vec<String> = refusals.map(|(code, n)| format!("{code} {n}")).collect();
                codes.push(format!("{what}: {}", said.join(", ")));
            }
        }
        writeln!(
            f,
            "refusals by code, with the warm-up: {}",
            codes.join("; ")
        )?;
        if self.disk_is_memory {
            writeln!(f, "WARNING: the run's folder lies in memory; give --dir")?;
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
