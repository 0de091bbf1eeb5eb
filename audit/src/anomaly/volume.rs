//! Hours in which an agency asked a service far more than it typically does.
//!
//! Typical is the median of its own active hours, and the typical deviation from it is 1.4826 times the median of the
//! distances to the median (the *median absolute deviation*, which a few extreme hours do not move). An hour is odd above
//! median + factor × deviation.

use std::collections::{BTreeMap, HashMap};

use super::{Asked, Odd, Oddity, Rules, Traces, Who};
use proto::id::AgencyId;

/// Pairs of agency and service watched.
const PAIRS_MAX: usize = 4_096;
/// Busiest hours remembered of each pair.
const HOURS_KEPT: usize = 24;
const HOUR_MS: u64 = 3_600_000;
/// The factor that makes the median absolute deviation of a normal distribution its standard deviation.
const MAD_SCALE: f64 = 1.4826;

/// Watches every pair.
#[derive(Debug, Default)]
pub(super) struct Volume {
    pairs: HashMap<(AgencyId, String), Series>,
    unwatched: u64,
}

#[derive(Debug, Default)]
struct Series {
    now: Hour,
    /// How many hours had how many requests, from a thousand on with three digits.
    hours: BTreeMap<u64, u64>,
    /// The busiest hours so far, in no order.
    busiest: Vec<Hour>,
}

#[derive(Clone, Debug, Default)]
struct Hour {
    number: u64,
    count: u64,
    traces: Traces,
}

impl Volume {
    pub(super) fn take(&mut self, asked: &Asked<'_>) {
        let Some(agency) = asked.agency() else { return };
        let key = (agency, asked.service());
        if !self.pairs.contains_key(&key) && self.pairs.len() >= PAIRS_MAX {
            self.unwatched += 1;
            return;
        }
        let series = self.pairs.entry(key).or_default();
        let number = asked.at_ms / HOUR_MS;
        if number != series.now.number {
            series.close_hour();
            series.now.number = number;
        }
        series.now.count = series.now.count.saturating_add(asked.count());
        series.now.traces.add(asked.row);
    }

    pub(super) fn unwatched(&self) -> u64 {
        self.unwatched
    }

    pub(super) fn finish(self, rules: &Rules) -> Vec<Oddity> {
        let mut found = Vec::new();
        for ((agency, service), mut series) in self.pairs {
            series.close_hour();
            let hours: u64 = series.hours.values().sum();
            if hours < rules.volume_hours_min {
                continue;
            }
            let median = median(&series.hours);
            let mut distances = BTreeMap::new();
            for (count, hours) in &series.hours {
                *distances.entry(count.abs_diff(median)).or_insert(0) += hours;
            }
            let deviation = (MAD_SCALE * self::median(&distances) as f64)
                .max(median as f64 / 10.0)
                .max(1.0);
            // Far below 2^53 in any log that exists; saturates where not.
            let limit = (median as f64 + rules.volume_factor * deviation) as u64;
            for hour in series.busiest {
                if hour.count > limit && hour.count >= rules.volume_min {
                    found.push(Oddity {
                        who: Who::Agency(agency.clone()),
                        odd: Odd::Volume {
                            service: service.clone(),
                            hour_ms: hour.number.saturating_mul(HOUR_MS),
                            median,
                            deviation,
                            limit,
                            hours,
                        },
                        count: hour.count,
                        traces: hour.traces,
                    });
                }
            }
        }
        found
    }
}

impl Series {
    fn close_hour(&mut self) {
        let hour = std::mem::take(&mut self.now);
        if hour.count == 0 {
            return;
        }
        *self.hours.entry(three_digits(hour.count)).or_insert(0) += 1;
        self.busiest.push(hour);
        if self.busiest.len() > HOURS_KEPT {
            let least = (0..self.busiest.len()).min_by_key(|at| self.busiest[*at].count);
            if let Some(least) = least {
                self.busiest.swap_remove(least);
            }
        }
    }
}

/// A large number with its first three digits.
fn three_digits(number: u64) -> u64 {
    let unit = 10_u64.pow(number.checked_ilog10().unwrap_or(0).saturating_sub(2));
    number / unit * unit
}

/// The middle of so many values each; of two the smaller.
fn median(counted: &BTreeMap<u64, u64>) -> u64 {
    let half = counted.values().sum::<u64>().div_ceil(2);
    let mut before = 0;
    for (value, count) in counted {
        before += count;
        if before >= half {
            return *value;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_digits_are_what_they_say() {
        let counted = BTreeMap::from([(1, 2), (5, 1), (9, 2)]);
        assert_eq!(median(&counted), 5);
        assert_eq!(median(&BTreeMap::from([(1, 1), (2, 1)])), 1);
        assert_eq!(median(&BTreeMap::new()), 0);
        let digits = [0, 7, 999, 1_000, 1_239, 98_765, u64::MAX].map(three_digits);
        assert_eq!(
            digits,
            [0, 7, 999, 1_000, 1_230, 98_700, 18_400_000_000_000_000_000]
        );
    }
}
