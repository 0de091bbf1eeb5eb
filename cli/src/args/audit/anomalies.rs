//! What can be typed after `mohawel audit anomalies`: one option for each threshold.

use audit::anomaly::{Rules, Zone};
use clap::Args;

use super::{LogDir, Proved, Wanted};

/// `mohawel audit anomalies`.
#[derive(Debug, Args)]
pub struct Anomalies {
    /// Which log.
    #[command(flatten)]
    pub log: LogDir,
    /// When something is worth a look.
    #[command(flatten)]
    pub thresholds: Thresholds,
    /// Rows shown of each rule; all are counted.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub limit: usize,
    /// Which entries are looked at.
    #[command(flatten)]
    pub wanted: Wanted,
    /// How much is proved.
    #[command(flatten)]
    pub proved: Proved,
}

/// When something is worth a look.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "When something is worth a look")]
pub struct Thresholds {
    /// volume: an hour above its median plus this many typical deviations (1.4826 × the median distance from the
    /// median, at least a tenth of the median).
    #[arg(long, default_value_t = 6.0, value_parser = factor)]
    pub volume_factor: f64,
    /// volume: with at least this many requests.
    #[arg(long, default_value_t = 50)]
    pub volume_min: u64,
    /// volume: where this agency was active in at least this many hours at this service.
    #[arg(long, default_value_t = 24)]
    pub volume_hours: u64,
    /// outside_hours: the working hours, for example 8-16; without it this rule says nothing.
    #[arg(long, value_parser = hours)]
    pub hours: Option<(u8, u8)>,
    /// The clock: egypt (UTC+2, in summer UTC+3), or an offset such as +02:00.
    #[arg(long, default_value = "egypt", value_parser = zone)]
    pub zone: Zone,
    /// outside_hours: days without work, separated by commas; none for none.
    #[arg(long, default_value = "fri,sat", value_parser = weekend)]
    pub weekend: Weekend,
    /// outside_hours: at least this share of an agency's requests, 0 to 1.
    #[arg(long, default_value_t = 0.2, value_parser = share)]
    pub outside_share: f64,
    /// unusual_hour: an hour of the day in which an agency was active on less than this share of its days, 0 to 1.
    #[arg(long, default_value_t = 0.2, value_parser = share)]
    pub usual_share: f64,
    /// unusual_hour: where the agency was active on at least this many days.
    #[arg(long, default_value_t = 5)]
    pub usual_days: u64,
    /// outside_hours, unusual_hour: with at least this many requests.
    #[arg(long, default_value_t = 10)]
    pub hours_min: u64,
    /// repeated: one person looked up by one asker at least this often.
    #[arg(long, default_value_t = 10)]
    pub repeated: u64,
    /// many_subjects: one clerk looked up at least this many persons …
    #[arg(long, default_value_t = 100)]
    pub subjects: usize,
    /// many_subjects: … within this many minutes.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    pub subjects_minutes: u64,
    /// refused: at least this many refusals …
    #[arg(long, default_value_t = 10)]
    pub refused: u64,
    /// refused: … that are at least this share of what was asked, 0 to 1.
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    pub refused_share: f64,
    /// refused_then_permitted: let through within this many minutes after a refusal for want of a right …
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    pub sequel_minutes: u64,
    /// refused_then_permitted: … at least this often.
    #[arg(long, default_value_t = 1)]
    pub sequels: u64,
}

/// Days without work, 0 is Monday.
#[derive(Clone, Debug)]
pub struct Weekend(Vec<u8>);

impl Thresholds {
    /// The library's rules.
    pub fn rules(&self) -> Rules {
        Rules {
            volume_factor: self.volume_factor,
            volume_min: self.volume_min,
            volume_hours_min: self.volume_hours,
            zone: self.zone,
            working: self.hours,
            weekend: self.weekend.0.clone(),
            outside_share: self.outside_share,
            usual_share: self.usual_share,
            hours_min: self.hours_min,
            days_min: self.usual_days,
            repeated_min: self.repeated,
            subjects_min: self.subjects,
            subjects_window_ms: self.subjects_minutes * 60_000,
            refused_min: self.refused,
            refused_share: self.refused_share,
            sequel_ms: self.sequel_minutes * 60_000,
            sequels_min: self.sequels,
        }
    }
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text
        .parse::<f64>()
        .ok()
        .filter(|factor| (0.0..=1e6).contains(factor));
    factor.ok_or_else(|| "not a number from 0 on".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text
        .parse::<f64>()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "not a share between 0 and 1".to_owned())
}

fn hours(text: &str) -> Result<(u8, u8), String> {
    let parsed = text
        .split_once('-')
        .and_then(|(from, to)| Some((from.parse::<u8>().ok()?, to.parse::<u8>().ok()?)));
    parsed
        .filter(|(from, to)| from < to && *to <= 24)
        .ok_or_else(|| {
            "not of the form FROM-TO with hours from 0 to 24, for example 8-16".to_owned()
        })
}

pub(super) fn zone(text: &str) -> Result<Zone, String> {
    Zone::parse(text).ok_or_else(|| "neither egypt nor an offset such as +02:00".to_owned())
}

fn weekend(text: &str) -> Result<Weekend, String> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    if text == "none" {
        return Ok(Weekend(Vec::new()));
    }
    text.split(',')
        .map(|day| (0..).zip(DAYS).find(|(_, name)| *name == day))
        .map(|found| found.map(|(number, _)| number))
        .collect::<Option<Vec<u8>>>()
        .map(Weekend)
        .ok_or_else(|| format!("days are {}; or none", DAYS.join(",")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        thresholds: Thresholds,
    }

    #[test]
    fn what_help_says_is_the_librarys_default() {
        let line = Line::parse_from(["x"]);
        assert_eq!(line.thresholds.rules(), Rules::default());
    }

    #[test]
    fn what_is_no_threshold_is_refused() {
        assert_eq!(hours("8-16"), Ok((8, 16)));
        for bad in ["", "8", "16-8", "8-25", "8-8", "-1-5"] {
            assert!(hours(bad).is_err(), "{bad}");
        }
        assert_eq!(weekend("sun,mon").unwrap().0, [6, 0]);
        assert!(weekend("none").unwrap().0.is_empty());
        assert!(weekend("friday").is_err() && weekend("").is_err());
        for bad in ["-0.1", "1.1", "NaN", "inf", ""] {
            assert!(share(bad).is_err(), "{bad}");
        }
        assert!(factor("NaN").is_err() && factor("-1").is_err());
    }
}
