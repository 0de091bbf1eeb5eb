//! The generator's source of chance: SplitMix64.
//!
//! Written here instead of taken from a crate because the sequence is part of the result: the
//! same seed must give the same people after every dependency update, and crates reserve the
//! right to change theirs. Twenty lines with published constants stay as they are. Not for keys.

/// A SplitMix64 sequence (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    /// Starts the sequence that belongs to `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        scatter(self.state)
    }

    /// A number in `0..bound`; 0 when `bound` is 0. The bias of the multiply-and-shift is below
    /// one in 2^32 for the small bounds used here.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A number in `low..=high`; `low` when the range is empty.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        low + self.below(low.abs_diff(high) + 1) as i64
    }

    /// True in about `percent` of 100 cases.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A place in a list of `len`, the earlier ones more often: name lists are written commonest
    /// first. 0 for an empty list.
    pub(super) fn early_index(&mut self, len: usize) -> usize {
        self.below(len as u64).min(self.below(len as u64)) as usize
    }
}

/// SplitMix64's finishing step: spreads every bit of `value` over all 64. Used alone it turns an
/// identity into a stable source of chance, so that a register row needs no stored state.
pub(super) fn scatter(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut chance = Chance::new(1_234_567);
        let drawn = [chance.bits(), chance.bits(), chance.bits()];
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn ranges_hold_and_reach_both_ends() {
        let mut chance = Chance::new(1);
        let drawn: Vec<i64> = (0..2_000).map(|_| chance.between(-3, 3)).collect();
        assert_eq!(drawn.iter().min(), Some(&-3));
        assert_eq!(drawn.iter().max(), Some(&3));
        assert_eq!(chance.between(5, 4), 5);
        assert_eq!(chance.below(0), 0);
    }
}
