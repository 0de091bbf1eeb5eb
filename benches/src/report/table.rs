//! The report as people read it: a table for each load and for the processes, and the goals at its end.

use std::fmt;

use cli::bench::round::Load;
use cli::bench::spread::Spread;
use cli::bench::window::Measured;

use super::goals::{self, Bound};
use super::{Compared, Report};
use crate::plan::Profile;
use crate::side::Side;

/// A column's width.
const WIDTH: usize = 24;

/// Cells of one width; the last one ends the line.
fn row(f: &mut fmt::Formatter<'_>, cells: &[&str]) -> fmt::Result {
    let mut line = String::from("  ");
    for cell in cells {
        // Counted in characters: µ and ÷ are two bytes each.
        let room = WIDTH.saturating_sub(cell.chars().count()).max(1);
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', room));
    }
    writeln!(f, "{}", line.trim_end())
}

impl Compared {
    fn text(
        &self,
        side: Side,
        load: Load,
        digits: usize,
        value: impl Fn(&Measured) -> f64,
    ) -> String {
        self.over(side, load, value)
            .map(|spread| spread.text(digits))
            .unwrap_or_default()
    }

    fn heading(&self, load: Load) -> String {
        match load {
            Load::Full => format!("{} in flight", self.in_flight),
            Load::Half => "half of its peak, at a fixed rate".to_owned(),
            Load::One => "1 in flight".to_owned(),
        }
    }

    fn loaded(&self, load: Load, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}, {}", self.profile, self.heading(load))?;
        row(f, &["", "exchanges/s", "÷ nginx", "p50 ms", "p99 ms"])?;
        for side in self.sides() {
            let ratio = match side {
                Side::Nginx => None,
                _ => self.to_nginx(side, load, |one| one.exchanges_per_s),
            };
            let ratio = ratio.map(|ratio| ratio.text(2)).unwrap_or_default();
            row(
                f,
                &[
                    &side.to_string(),
                    &self.text(side, load, 0, |one| one.exchanges_per_s),
                    &ratio,
                    &self.text(side, load, 2, |one| one.outcome.latency.p50_ms()),
                    &self.text(side, load, 2, |one| one.outcome.latency.p99_ms()),
                ],
            )?;
        }
        Ok(())
    }

    fn processes(&self, load: Load, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        row(
            f,
            &["process", "CPU µs an exchange", "put off µs", "memory MiB"],
        )?;
        for side in self.sides() {
            let Some(first) = self.of(side, load).next() else {
                continue;
            };
            for (at, part) in first.measured.parts.iter().enumerate() {
                let name = if at == 0 {
                    side.to_string()
                } else {
                    format!("  its {}", part.name)
                };
                row(
                    f,
                    &[
                        &name,
                        &self.text(side, load, 1, |one| one.parts[at].cpu_us_per_exchange),
                        &self.text(side, load, 1, |one| one.parts[at].put_off_us_per_exchange),
                        &self.text(side, load, 0, |one| one.parts[at].rss_mib),
                    ],
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for load in self.loads() {
            self.loaded(load, f)?;
            if load == Load::Full || self.profile == Profile::Small && load == Load::One {
                self.processes(load, f)?;
            }
        }
        for one in &self.measurements {
            if one.load == Load::Half && !self.kept_rate(one.side, one.round) {
                writeln!(
                    f,
                    "  round {}: {} did not keep half of its own peak; others are not measured by its latency",
                    one.round, one.side
                )?;
            }
            if one.measured.outcome.refused > 0 {
                writeln!(
                    f,
                    "  round {}, {}, {}: {} calls failed in the window and are in no latency",
                    one.round,
                    self.heading(one.load),
                    one.side,
                    one.measured.outcome.refused
                )?;
            }
        }
        for (side, log) in &self.logs {
            writeln!(
                f,
                "  {side}: the log verifies; {} entries, {} requests and {} endings, one each for every answer counted",
                log.entries, log.requests, log.closings
            )?;
        }
        Ok(())
    }
}

impl Report {
    fn goals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = goals::of(self);
        if all.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nratios of this run")?;
        for one in all {
            let goal = match (one.goal, one.bound, one.met) {
                (Some(goal), bound, Some(met)) => format!(
                    "goal {} {goal:.2}: {}",
                    if bound == Bound::AtLeast {
                        "≥"
                    } else {
                        "≤"
                    },
                    if met { "met" } else { "NOT MET" }
                ),
                _ => "no goal".to_owned(),
            };
            let side = one.side.to_string();
            writeln!(
                f,
                "  {:<36} {side:<22} {:<22} {goal}",
                one.ratio,
                one.value.text(2)
            )?;
        }
        Ok(())
    }

    fn beside(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let append = |value: fn(&cli::bench::cost::SyncedAppend) -> u64| {
            let all = self.synced_append.iter();
            Spread::of(all.map(|one| value(one) as f64 / 1e3))
                .map(|spread| spread.text(2))
                .unwrap_or_default()
        };
        if !self.synced_append.is_empty() {
            writeln!(
                f,
                "\none append of 512 bytes with fdatasync here: p50 {} ms, p99 {} ms",
                append(|one| one.p50_us),
                append(|one| one.p99_us)
            )?;
        }
        let over = |value: fn(&Measured) -> f64| {
            let all = self.profiles.iter().flat_map(|one| &one.measurements);
            let spread = Spread::of(all.map(|one| value(&one.measured)));
            spread.map(|spread| spread.text(0)).unwrap_or_default()
        };
        writeln!(
            f,
            "besides, of one core: other processes took {} %, the host {} %; load average before {:.2}",
            over(|one| one.others_cpu_percent),
            over(|one| one.stolen_percent),
            self.load_average_before
        )?;
        let late = |one: &Measured| one.outcome.late.p99_ms();
        let half = self.profiles.iter().flat_map(|one| &one.measurements);
        let half = half.filter(|one| one.load == Load::Half);
        if let Some(late) = Spread::of(half.map(|one| late(&one.measured))) {
            writeln!(
                f,
                "of the latency at half the peak the generator's own delay is, p99: {} ms",
                late.text(2)
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}; {}", self.machine, self.programs.join(", "))?;
        writeln!(f, "{}", self.plan)?;
        for compared in &self.profiles {
            compared.fmt(f)?;
        }
        self.beside(f)?;
        self.goals(f)?;
        if self.disk_is_memory {
            writeln!(
                f,
                "WARNING: the run's folder lies in memory, so syncs cost nothing; give --dir"
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
