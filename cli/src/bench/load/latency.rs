//! How long requests took: an HDR histogram's quantiles, three digits each.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest that a request may take and still be told apart, microseconds.
const LATENCY_US_MAX: u64 = 600_000_000;
/// The quantiles that are kept; the last is the longest of all.
pub const QUANTILES: [f64; 8] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0];

/// Quantiles of so many latencies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// At each of [`QUANTILES`], microseconds; all 0 when there is none.
    pub us: [u64; QUANTILES.len()],
}

impl Latency {
    /// Of latencies in microseconds.
    ///
    /// # Errors
    /// The histogram's own: never for these bounds.
    pub fn of(latencies_us: impl IntoIterator<Item = u32>) -> anyhow::Result<Self> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3)?;
        for latency_us in latencies_us {
            histogram.saturating_record(u64::from(latency_us));
        }
        if histogram.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self {
            count: histogram.len(),
            us: QUANTILES.map(|quantile| histogram.value_at_quantile(quantile)),
        })
    }

    /// Half of all, milliseconds.
    pub fn p50_ms(&self) -> f64 {
        self.us[0] as f64 / 1e3
    }

    /// 99 of 100, milliseconds.
    pub fn p99_ms(&self) -> f64 {
        self.us[4] as f64 / 1e3
    }

    /// The longest, milliseconds.
    pub fn max_ms(&self) -> f64 {
        self.us[QUANTILES.len() - 1] as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_where_they_are_and_nothing_is_nothing() {
        let latency = Latency::of(1..=1_000).unwrap();
        assert_eq!(latency.count, 1_000);
        assert_eq!((latency.p50_ms(), latency.p99_ms()), (0.5, 0.99));
        assert_eq!(latency.max_ms(), 1.0);
        assert_eq!(Latency::of([]).unwrap(), Latency::default());
        // Longer than can be told apart is still the longest.
        assert!(Latency::of([u32::MAX]).unwrap().max_ms() > 599_000.0);
    }
}
