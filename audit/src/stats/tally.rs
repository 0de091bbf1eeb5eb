//! The figures of one key: counts, bytes, and how long decisions and providers took.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use proto::Code;
use proto::header::Outcome;

use super::Part;
use super::bounded::Merge;

/// Times are kept singly up to here, then in a histogram: most keys are rare.
const SINGLE_MAX: usize = 32;
/// A longer time counts as this: 31 days, in microseconds. A submission may wait for its provider as long.
const TIME_MAX_US: u64 = 31 * 86_400_000_000;
/// What a refusal is counted as whose code is none of ours.
const UNKNOWN: &str = "unknown";
/// Digits that a histogram keeps of each time: percentiles are within one per cent.
const DIGITS: u8 = 2;

/// Figures of one key.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests that were let through.
    pub requests: u64,
    /// Refusals, those that an entry only counts included.
    pub refused: u64,
    /// The same by reason: the code's stable word, or `unknown`. Reasons that did not occur are not there.
    pub refused_as: BTreeMap<&'static str, u64>,
    /// Endings by outcome, in the order of [`Outcome::ALL`].
    pub ended: [u64; Outcome::ALL.len()],
    /// Answers after the end.
    pub late: u64,
    /// Disputes.
    pub disputes: u64,
    /// Bytes of the payloads asked with.
    pub bytes_asked: u64,
    /// Bytes of the payloads answered with.
    pub bytes_answered: u64,
    /// From the request's arrival to the switch's decision.
    pub decide: Times,
    /// From delivery to the provider's answer.
    pub provider: Times,
    /// From the request's entry to the entry that ended it: the whole exchange, as the log has it.
    pub whole: Times,
}

impl Tally {
    pub(crate) fn add(&mut self, part: &Part) {
        let more = |figure: &mut u64, by: u64| *figure = figure.saturating_add(by);
        match *part {
            Part::Request { decide_us, bytes } => {
                self.requests += 1;
                more(&mut self.bytes_asked, bytes);
                self.decide.record(decide_us);
            }
            Part::Refused {
                code,
                count,
                decide_us,
            } => {
                more(&mut self.refused, count);
                let reason = code.map_or(UNKNOWN, Code::name);
                more(self.refused_as.entry(reason).or_default(), count);
                self.decide.record(decide_us);
            }
            Part::Ended {
                outcome,
                provider_us,
                whole_us,
                bytes,
            } => {
                let at = Outcome::ALL
                    .iter()
                    .position(|known| Some(*known) == outcome);
                if let Some(count) = at.and_then(|at| self.ended.get_mut(at)) {
                    *count += 1;
                }
                more(&mut self.bytes_answered, bytes);
                self.provider.record(provider_us);
                self.whole.record(whole_us);
            }
            Part::Late => self.late += 1,
            Part::Disputed => self.disputes += 1,
        }
    }

    /// Endings with this outcome.
    pub fn ended_as(&self, outcome: Outcome) -> u64 {
        let at = Outcome::ALL.iter().position(|known| *known == outcome);
        at.and_then(|at| self.ended.get(at)).copied().unwrap_or(0)
    }

    /// Requests asked, let through or not.
    pub fn asked(&self) -> u64 {
        self.requests.saturating_add(self.refused)
    }

    /// Refusals among all that was asked, 0 to 1; `None` when nothing was.
    pub fn refused_share(&self) -> Option<f64> {
        (self.asked() > 0).then(|| self.refused as f64 / self.asked() as f64)
    }
}

impl Merge for Tally {
    fn merge(&mut self, other: Self) {
        let figures = [
            (&mut self.requests, other.requests),
            (&mut self.refused, other.refused),
            (&mut self.late, other.late),
            (&mut self.disputes, other.disputes),
            (&mut self.bytes_asked, other.bytes_asked),
            (&mut self.bytes_answered, other.bytes_answered),
        ];
        let ended = self.ended.iter_mut().zip(other.ended);
        for (ours, theirs) in figures.into_iter().chain(ended) {
            *ours = ours.saturating_add(theirs);
        }
        for (reason, count) in other.refused_as {
            let ours = self.refused_as.entry(reason).or_default();
            *ours = ours.saturating_add(count);
        }
        self.whole.merge(other.whole);
        self.decide.merge(other.decide);
        self.provider.merge(other.provider);
    }
}

/// Times in microseconds. Zero stands for a time that nobody took, and is left out.
#[derive(Clone, Debug)]
pub enum Times {
    /// Each one.
    Single(Vec<u64>),
    /// Their distribution.
    Many(Box<Histogram<u32>>),
}

impl Default for Times {
    fn default() -> Self {
        Self::Single(Vec::new())
    }
}

impl Times {
    fn record(&mut self, time_us: u64) {
        let time_us = time_us.min(TIME_MAX_US);
        if time_us == 0 {
            return;
        }
        match self {
            Self::Single(times) if times.len() < SINGLE_MAX => {
                times.push(time_us);
            }
            Self::Single(_) => {
                self.distribute();
                self.record(time_us);
            }
            Self::Many(times) => {
                // It grows by itself; where it could not, the longest it has takes it.
                if times.record(time_us).is_err() {
                    times.saturating_record(time_us);
                }
            }
        }
    }

    /// Turns single times into a distribution.
    fn distribute(&mut self) {
        let Self::Single(single) = self else { return };
        let single = std::mem::take(single);
        // The bounds are constants that the histogram accepts.
        let Ok(mut many) = Histogram::new_with_bounds(1, 1_000, DIGITS) else {
            return;
        };
        many.auto(true);
        *self = Self::Many(Box::new(many));
        for time_us in single {
            self.record(time_us);
        }
    }

    fn merge(&mut self, other: Self) {
        match other {
            Self::Single(times) => {
                for time_us in times {
                    self.record(time_us);
                }
            }
            Self::Many(theirs) => {
                self.distribute();
                if let Self::Many(ours) = self {
                    // Both grow by themselves and keep the same digits.
                    let _ = ours.add(&*theirs);
                }
            }
        }
    }

    /// How many, and the usual percentiles; `None` when there are none.
    pub fn quantiles(&self) -> Option<Quantiles> {
        match self {
            Self::Single(times) => {
                let mut times = times.clone();
                times.sort_unstable();
                // The smallest time that at least this share of them does not exceed.
                let at = |share: f64| {
                    let rank = (times.len() as f64 * share).ceil() as usize;
                    times.get(rank.max(1) - 1).copied()
                };
                Some(Quantiles {
                    count: times.len() as u64,
                    p50_us: at(0.5)?,
                    p95_us: at(0.95)?,
                    p99_us: at(0.99)?,
                    max_us: at(1.0)?,
                })
            }
            Self::Many(times) => (!times.is_empty()).then(|| Quantiles {
                count: times.len(),
                p50_us: times.value_at_quantile(0.5),
                p95_us: times.value_at_quantile(0.95),
                p99_us: times.value_at_quantile(0.99),
                max_us: times.max(),
            }),
        }
    }
}

/// Percentiles, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// Times among which they are.
    pub count: u64,
    /// Half are at most this.
    pub p50_us: u64,
    /// 95 of a hundred.
    pub p95_us: u64,
    /// 99 of a hundred.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

#[cfg(test)]
pub(super) mod tests {
    use super::Times;

    pub(in crate::stats) fn record(times: &mut Times, time_us: u64) {
        times.record(time_us);
    }

    pub(in crate::stats) fn merge(times: &mut Times, other: Times) {
        times.merge(other);
    }
}
