//! What a run found: every measurement, and from them medians, spreads and ratios.
//!
//! A ratio is taken within a round, where both sides met the same machine; its median and spread are over rounds.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::harness::Plan;

/// Who was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// The proxy that signs, decides and records nothing.
    Nginx,
    /// The switch.
    Mohawel,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nginx => "nginx",
            Self::Mohawel => "mohawel",
        })
    }
}

/// What one process cost in one measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Part {
    /// Which.
    pub(crate) name: &'static str,
    /// CPU time within the window, by the exchanges answered in it.
    pub(crate) cpu_us_per_exchange: f64,
    /// CPU time between the window and quiet: work that the window did not see.
    pub(crate) put_off_us_per_exchange: f64,
    /// Resident memory at the window's end.
    pub(crate) rss_mib: f64,
}

/// One window.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measurement {
    /// Who.
    pub(crate) side: Side,
    /// Requests in flight.
    pub(crate) in_flight: usize,
    /// From 1.
    pub(crate) round: u32,
    /// Answered in the window, by its length.
    pub(crate) exchanges_per_s: f64,
    /// Latency, half of the requests.
    pub(crate) p50_ms: f64,
    /// Latency, 99 of 100.
    pub(crate) p99_ms: f64,
    /// Latency, all.
    pub(crate) max_ms: f64,
    /// The proxy or switch first.
    pub(crate) parts: Vec<Part>,
    /// CPU that everything else on this machine took in the window, in percent of one core.
    pub(crate) others_cpu_percent: f64,
    /// CPU that the host of this machine gave to others while it was wanted here, in percent of one core.
    pub(crate) stolen_percent: f64,
    /// Of the last minute, at the end.
    pub(crate) load_average: f64,
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            side,
            in_flight,
            round,
            exchanges_per_s,
            p50_ms,
            p99_ms,
            ..
        } = self;
        write!(
            f,
            "round {round}, {in_flight} in flight, {side}: {exchanges_per_s:.0}/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms"
        )
    }
}

/// A median with the lowest and the highest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Spread {
    /// Of at least one value.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (lowest, highest) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self {
            median,
            lowest,
            highest,
        })
    }

    fn text(&self, digits: usize) -> String {
        let Self {
            median,
            lowest,
            highest,
        } = self;
        format!("{median:.digits$} ({lowest:.digits$}..{highest:.digits$})")
    }
}

/// A whole run.
#[derive(Debug)]
pub(crate) struct Report {
    /// Processors, memory, kernel.
    pub(crate) machine: String,
    /// nginx's version.
    pub(crate) nginx: String,
    /// Whether this is a release build.
    pub(crate) optimised: bool,
    /// Whether the run's folder lies in memory, where syncs cost nothing.
    pub(crate) disk_is_memory: bool,
    /// Of the last minute before the run.
    pub(crate) load_average_before: f64,
    /// What was asked for.
    pub(crate) plan: Plan,
    /// Median of a synced append of 512 bytes, one for each round, microseconds.
    pub(crate) synced_append_us: Vec<u64>,
    /// Every window.
    pub(crate) measurements: Vec<Measurement>,
    /// What the log of the run holds.
    pub(crate) log: Option<Evidence>,
}

impl Report {
    /// The windows of one side.
    fn of(&self, side: Side, in_flight: usize) -> impl Iterator<Item = &Measurement> {
        self.measurements
            .iter()
            .filter(move |one| one.side == side && one.in_flight == in_flight)
    }

    /// In the order of the run, each once.
    fn in_flights(&self) -> Vec<usize> {
        let mut all: Vec<usize> = Vec::new();
        for one in &self.measurements {
            if !all.contains(&one.in_flight) {
                all.push(one.in_flight);
            }
        }
        all
    }

    /// Us ÷ nginx within each round.
    fn ratio(&self, in_flight: usize, value: impl Fn(&Measurement) -> f64) -> Option<Spread> {
        Spread::of(self.of(Side::Mohawel, in_flight).filter_map(|ours| {
            let theirs = self
                .of(Side::Nginx, in_flight)
                .find(|one| one.round == ours.round)?;
            Some(value(ours) / value(theirs))
        }))
    }

    /// One value of one part over the rounds.
    fn part(
        &self,
        side: Side,
        in_flight: usize,
        name: &str,
        value: impl Fn(&Part) -> f64,
    ) -> Option<Spread> {
        let parts = self
            .of(side, in_flight)
            .flat_map(|one| &one.parts)
            .filter(|part| part.name == name);
        Spread::of(parts.map(value))
    }

    fn summary(&self, side: Side, in_flight: usize) -> Option<Value> {
        let over = |value: fn(&Measurement) -> f64| Spread::of(self.of(side, in_flight).map(value));
        let parts = &self.of(side, in_flight).next()?.parts;
        let parts = parts.iter().map(|part| {
            let over = |value: fn(&Part) -> f64| self.part(side, in_flight, part.name, value);
            json!({
                "name": part.name,
                "cpu_us_per_exchange": over(|part| part.cpu_us_per_exchange),
                "put_off_us_per_exchange": over(|part| part.put_off_us_per_exchange),
                "rss_mib": over(|part| part.rss_mib),
            })
        });
        Some(json!({
            "side": side,
            "in_flight": in_flight,
            "exchanges_per_s": over(|one| one.exchanges_per_s),
            "p50_ms": over(|one| one.p50_ms),
            "p99_ms": over(|one| one.p99_ms),
            "parts": parts.collect::<Vec<_>>(),
        }))
    }

    fn json(&self) -> Value {
        let in_flights = self.in_flights();
        let sides = [Side::Nginx, Side::Mohawel];
        let both = in_flights
            .iter()
            .flat_map(|in_flight| sides.map(|side| (side, *in_flight)));
        let summaries: Vec<Value> = both
            .filter_map(|(side, in_flight)| self.summary(side, in_flight))
            .collect();
        let ratios = in_flights.iter().map(|in_flight| {
            json!({
                "in_flight": in_flight,
                "exchanges_per_s": self.ratio(*in_flight, |one| one.exchanges_per_s),
                "p50": self.ratio(*in_flight, |one| one.p50_ms),
                "first_part_cpu": self.ratio(*in_flight, |one| one.parts[0].cpu_us_per_exchange),
            })
        });
        json!({
            "machine": self.machine,
            "nginx": self.nginx,
            "optimised": self.optimised,
            "disk_is_memory": self.disk_is_memory,
            "load_average_before": self.load_average_before,
            "plan": self.plan,
            "synced_append_us": Spread::of(self.synced_append_us.iter().map(|us| *us as f64)),
            "summaries": summaries,
            "mohawel_to_nginx": ratios.collect::<Vec<_>>(),
            "log": self.log,
            "measurements": self.measurements,
        })
    }

    fn table(&self, in_flight: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{in_flight} in flight          exchanges/s              p50 ms                p99 ms"
        )?;
        for side in [Side::Nginx, Side::Mohawel] {
            let over = |value: fn(&Measurement) -> f64, digits| {
                Spread::of(self.of(side, in_flight).map(value)).map(|spread| spread.text(digits))
            };
            let Some(rate) = over(|one| one.exchanges_per_s, 0) else {
                continue;
            };
            let p50 = over(|one| one.p50_ms, 2).unwrap_or_default();
            let p99 = over(|one| one.p99_ms, 2).unwrap_or_default();
            writeln!(f, "  {:<17} {rate:<24} {p50:<21} {p99}", side.to_string())?;
        }
        if let Some(ratio) = self.ratio(in_flight, |one| one.exchanges_per_s) {
            let p50 = self
                .ratio(in_flight, |one| one.p50_ms)
                .map(|spread| spread.text(2))
                .unwrap_or_default();
            let p99 = self
                .ratio(in_flight, |one| one.p99_ms)
                .map(|spread| spread.text(2))
                .unwrap_or_default();
            writeln!(
                f,
                "  {:<17} {:<24} {p50:<21} {p99}",
                "mohawel ÷ nginx",
                ratio.text(2)
            )?;
        }
        writeln!(
            f,
            "  process           CPU µs an exchange       put off µs            memory MiB"
        )?;
        for side in [Side::Nginx, Side::Mohawel] {
            let Some(first) = self.of(side, in_flight).next() else {
                continue;
            };
            for part in &first.parts {
                let over = |value: fn(&Part) -> f64| {
                    self.part(side, in_flight, part.name, value)
                        .map(|spread| spread.text(1))
                        .unwrap_or_default()
                };
                let (cpu, put_off) = (
                    over(|part| part.cpu_us_per_exchange),
                    over(|part| part.put_off_us_per_exchange),
                );
                let name = if part.name == side.to_string() {
                    part.name.to_owned()
                } else {
                    format!("{side} {}", part.name)
                };
                writeln!(
                    f,
                    "  {name:<17} {cpu:<24} {put_off:<21} {}",
                    over(|part| part.rss_mib)
                )?;
            }
        }
        Ok(())
    }
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}; {}", self.machine, self.nginx)?;
        writeln!(f, "{}", self.plan)?;
        for in_flight in self.in_flights() {
            self.table(in_flight, f)?;
        }
        writeln!(f)?;
        if let Some(append) = Spread::of(self.synced_append_us.iter().map(|us| *us as f64 / 1e3)) {
            writeln!(
                f,
                "one append of 512 bytes with fdatasync here: {} ms",
                append.text(2)
            )?;
        }
        if let Some(log) = &self.log {
            let Evidence {
                entries,
                requests,
                closings,
            } = log;
            writeln!(
                f,
                "the log verifies: {entries} entries, {requests} requests and {closings} endings, one each for every answer counted"
            )?;
        }
        let over = |value: fn(&Measurement) -> f64| {
            let spread = Spread::of(self.measurements.iter().map(value));
            spread.map(|spread| spread.text(0)).unwrap_or_default()
        };
        writeln!(
            f,
            "besides, of one core: other processes took {} %, the host {} %; load average before {:.2}",
            over(|one| one.others_cpu_percent),
            over(|one| one.stolen_percent),
            self.load_average_before
        )?;
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

#[cfg(test)]
mod tests;
