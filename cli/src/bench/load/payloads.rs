//! What requests carry: one size, or several by weight, in the same order in every run.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use proto::limits::PAYLOAD_BYTES_MAX;

/// X-Road's official mix without its parts of 2 MB (0.9 %) and 10 MB (0.1 %), which one message cannot carry.
pub const MIX: &str = "2048:30,10240:60,102400:9";

/// Payloads by weight. Clones go on together.
#[derive(Clone)]
pub struct Payloads {
    /// Each size with the sum of the weights up to it, of 1.
    sizes: Arc<[(f64, Bytes)]>,
    turn: Arc<AtomicU64>,
}

impl FromStr for Payloads {
    type Err = anyhow::Error;

    /// `BYTES`, or `BYTES:WEIGHT,BYTES:WEIGHT,…`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut weighted = Vec::new();
        for part in text.split(',') {
            let (bytes, weight) = part.split_once(':').unwrap_or((part, "1"));
            let read = || Some((bytes.parse::<usize>().ok()?, weight.parse::<u32>().ok()?));
            let (bytes, weight) =
                read().with_context(|| format!("'{part}' is neither BYTES nor BYTES:WEIGHT"))?;
            ensure!(
                bytes <= PAYLOAD_BYTES_MAX && weight > 0,
                "'{part}' is over 1 MiB, or has no weight"
            );
            weighted.push((bytes, f64::from(weight)));
        }
        let longest = weighted.iter().map(|(bytes, _)| *bytes).max();
        let bytes = sequence(longest.unwrap_or(0));
        let all: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let sizes = weighted.into_iter().map(|(length, weight)| {
            sum += weight / all;
            (sum, bytes.slice(..length))
        });
        Ok(Self {
            sizes: sizes.collect(),
            turn: Arc::default(),
        })
    }
}

impl Payloads {
    /// The next one. Sizes alternate evenly by the golden ratio, so that any short stretch has the mix.
    pub fn take(&self) -> Bytes {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (1 << 32);
        let drawn = (turn as f64 * 0.618_033_988_749_894_9).fract();
        let place = self.sizes.partition_point(|(sum, _)| *sum <= drawn);
        let place = place.min(self.sizes.len().saturating_sub(1));
        self.sizes
            .get(place)
            .map_or_else(Bytes::new, |(_, bytes)| bytes.clone())
    }
}

impl fmt::Debug for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.sizes.iter().map(|(sum, bytes)| (sum, bytes.len()));
        f.debug_map().entries(sizes).finish()
    }
}

/// Bytes that do not compress: `length` of a fixed sequence.
fn sequence(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_size_has_its_length_and_is_no_constant() {
        let bytes = "1024".parse::<Payloads>().unwrap().take();
        assert_eq!(bytes.len(), 1_024);
        let mut seen: Vec<u8> = bytes.to_vec();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 200);
        assert!("0".parse::<Payloads>().unwrap().take().is_empty());
    }

    #[test]
    fn the_mix_is_met_in_a_short_stretch() {
        let payloads: Payloads = MIX.parse().unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..990 {
            *counts.entry(payloads.take().len()).or_insert(0_i32) += 1;
        }
        for (bytes, wanted) in [(2_048, 300), (10_240, 600), (102_400, 90)] {
            assert!((counts[&bytes] - wanted).abs() <= 3, "{counts:?}");
        }
    }

    #[test]
    fn what_is_no_mix_is_told() {
        for bad in ["", "a", "1:", "1:0", "1:1,,2:1", "1:-1", "9999999999"] {
            assert!(bad.parse::<Payloads>().is_err(), "{bad}");
        }
    }
}
