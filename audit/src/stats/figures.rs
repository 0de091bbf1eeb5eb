//! Figures as they are shown: as JSON for machines, and short for people. Never rounds what a machine reads.

use proto::header::Outcome;
use serde_json::{Map, Value, json};

use super::{Tally, Times};

impl Tally {
    /// Every figure by its name. Times are `null` where none was taken, otherwise in microseconds.
    pub fn to_json(&self) -> Map<String, Value> {
        let ended: Map<String, Value> = Outcome::ALL
            .into_iter()
            .map(|outcome| (outcome.name().to_owned(), self.ended_as(outcome).into()))
            .collect();
        let times = |times: &Times| {
            times.quantiles().map(|found| {
                json!({
                    "count": found.count, "p50_us": found.p50_us, "p95_us": found.p95_us,
                    "p99_us": found.p99_us, "max_us": found.max_us,
                })
            })
        };
        let figures = [
            ("requests", json!(self.requests)),
            ("refused", json!(self.refused)),
            ("refused_as", json!(self.refused_as)),
            ("refused_share", json!(self.refused_share())),
            ("ended", Value::Object(ended)),
            ("late", json!(self.late)),
            ("disputes", json!(self.disputes)),
            ("bytes_asked", json!(self.bytes_asked)),
            ("bytes_answered", json!(self.bytes_answered)),
            ("decide", json!(times(&self.decide))),
            ("provider", json!(times(&self.provider))),
            ("whole", json!(times(&self.whole))),
        ];
        figures
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect()
    }

    /// Endings other than with an answer.
    pub fn not_answered(&self) -> u64 {
        let ended: u64 = self.ended.iter().sum();
        ended - self.ended_as(Outcome::Answered)
    }
}

/// A time in two or more digits and its unit.
pub fn duration(time_us: u64) -> String {
    const SECOND: u64 = 1_000_000;
    match time_us {
        0..10_000 => format!("{:.2} ms", time_us as f64 / 1_000.0),
        10_000..10_000_000 => format!("{} ms", time_us / 1_000),
        10_000_000..600_000_000 => format!("{} s", time_us / SECOND),
        600_000_000..36_000_000_000 => format!("{} min", time_us / (60 * SECOND)),
        _ => format!("{} h", time_us / (3_600 * SECOND)),
    }
}

/// A size and its unit.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let power = (count.ilog2() / 10).min(UNITS.len() as u32);
    let scaled = count as f64 / 1_024_f64.powi(power as i32);
    let unit = UNITS.get(power as usize - 1).copied().unwrap_or("PiB");
    format!("{scaled:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_right() {
        let shown = [0, 1_023, 1_024, 1_536, 5 << 30, u64::MAX].map(bytes);
        let wanted = [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1.5 KiB",
            "5.0 GiB",
            "16384.0 PiB",
        ];
        assert_eq!(shown, wanted);
        let times = [
            150,
            9_999,
            10_000,
            59_999,
            61_000_000,
            660_000_000,
            90_000_000_000,
        ];
        let wanted = [
            "0.15 ms", "10.00 ms", "10 ms", "59 ms", "61 s", "11 min", "25 h",
        ];
        assert_eq!(times.map(duration), wanted);
    }
}
