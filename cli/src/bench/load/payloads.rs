//! What exchanges carry: one size, or several by weight, in the same order in every run.
//!
//! What one message can carry is sent and comes back. What is longer is asked for by its length, and the answer has it.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use proto::limits::PAYLOAD_BYTES_MAX;

/// X-Road's official mix.
pub const MIX: &str = "2048:300,10240:600,102400:90,2097152:9,10485760:1";
/// The most that is asked for.
const LONGEST: usize = 10 << 20;
/// Bytes of a request that asks for a long answer: its length, big-endian.
const WANTED_BYTES: usize = 8;

/// What one exchange carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// There and back.
    Whole(Bytes),
    /// The answer alone, in chunks.
    Long(Bytes),
}

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
                bytes <= LONGEST && weight > 0,
                "'{part}' is over 10 MiB, or has no weight"
            );
            weighted.push((bytes, f64::from(weight)));
        }
        let longest = weighted.iter().map(|(bytes, _)| *bytes).max();
        let bytes = beginning(longest.unwrap_or(0));
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
    pub fn take(&self) -> Payload {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (1 << 32);
        let drawn = (turn as f64 * 0.618_033_988_749_894_9).fract();
        let place = self.sizes.partition_point(|(sum, _)| *sum <= drawn);
        let place = place.min(self.sizes.len().saturating_sub(1));
        let bytes = self
            .sizes
            .get(place)
            .map_or_else(Bytes::new, |(_, bytes)| bytes.clone());
        if bytes.len() > PAYLOAD_BYTES_MAX {
            Payload::Long(bytes)
        } else {
            Payload::Whole(bytes)
        }
    }
}

/// The request for an answer of so many bytes.
pub fn wanting(length: usize) -> Bytes {
    Bytes::copy_from_slice(&(length as u64).to_be_bytes())
}

/// What a request asks for; `None` where it wants its own payload back.
pub fn wanted(request: &[u8]) -> Option<Bytes> {
    let length: [u8; WANTED_BYTES] = request.try_into().ok()?;
    let length = usize::try_from(u64::from_be_bytes(length)).ok()?;
    (PAYLOAD_BYTES_MAX < length && length <= LONGEST).then(|| beginning(length))
}

/// The first bytes of the sequence that every payload begins.
fn beginning(length: usize) -> Bytes {
    static ALL: LazyLock<Bytes> = LazyLock::new(|| sequence(LONGEST));
    if length <= PAYLOAD_BYTES_MAX {
        sequence(length)
    } else {
        ALL.slice(..length)
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
        let Payload::Whole(bytes) = "1024".parse::<Payloads>().unwrap().take() else {
            panic!("one message carries it");
        };
        assert_eq!(bytes.len(), 1_024);
        let mut seen: Vec<u8> = bytes.to_vec();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 200);
        let none = "0".parse::<Payloads>().unwrap().take();
        assert_eq!(none, Payload::Whole(Bytes::new()));
    }

    #[test]
    fn the_mix_is_met_in_a_short_stretch() {
        let payloads: Payloads = MIX.parse().unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..1_000 {
            let (long, bytes) = match payloads.take() {
                Payload::Whole(bytes) => (false, bytes),
                Payload::Long(bytes) => (true, bytes),
            };
            assert_eq!(long, bytes.len() > PAYLOAD_BYTES_MAX);
            *counts.entry(bytes.len()).or_insert(0_i32) += 1;
        }
        let (long, longest) = ((2 << 20, 9), (10 << 20, 1));
        for (bytes, wanted) in [(2_048, 300), (10_240, 600), (102_400, 90), long, longest] {
            assert!((counts[&bytes] - wanted).abs() <= 3, "{counts:?}");
        }
    }

    #[test]
    fn a_long_answer_is_asked_for_by_its_length_and_nothing_else_is_taken_for_that() {
        let long = wanted(&wanting(2 << 20)).unwrap();
        assert_eq!(long.len(), 2 << 20);
        assert_eq!(long[..1_024], sequence(1_024));
        for echoed in [wanting(0), wanting(PAYLOAD_BYTES_MAX), wanting(LONGEST + 1)] {
            assert!(wanted(&echoed).is_none());
        }
        assert!(wanted(b"").is_none() && wanted(&[0xff; 8]).is_none());
    }

    #[test]
    fn what_is_no_mix_is_told() {
        for bad in ["", "a", "1:", "1:0", "1:1,,2:1", "1:-1", "9999999999"] {
            assert!(bad.parse::<Payloads>().is_err(), "{bad}");
        }
    }
}
