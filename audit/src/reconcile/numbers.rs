//! Sequence numbers as ranges: an adapter counts what it seals in each run, so a few ranges hold millions.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A set of numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    pub(super) fn insert(&mut self, number: u64) {
        let (mut first, mut last) = (number, number);
        if let Some((start, end)) = self.0.range(..=number).next_back().map(|(a, b)| (*a, *b)) {
            if end >= number {
                return;
            }
            if end + 1 == number {
                first = start;
            }
        }
        if let Some(end) = number.checked_add(1).and_then(|next| self.0.remove(&next)) {
            last = end;
        }
        self.0.insert(first, last);
    }

    /// From the smallest to the largest.
    pub(super) fn span(&self) -> Option<RangeInclusive<u64>> {
        let (first, _) = self.0.first_key_value()?;
        let (_, last) = self.0.last_key_value()?;
        Some(*first..=*last)
    }

    /// The ranges within `span` that are in neither set, at most `most`.
    pub(super) fn missing(
        &self,
        other: &Self,
        span: RangeInclusive<u64>,
        most: usize,
    ) -> Vec<RangeInclusive<u64>> {
        let mut missing = Vec::new();
        let mut at = *span.start();
        while at <= *span.end() && missing.len() < most {
            let end = [self, other]
                .into_iter()
                .filter_map(|set| set.0.range(..=at).next_back())
                .map(|(_, end)| *end)
                .filter(|end| *end >= at)
                .max();
            if let Some(end) = end {
                let Some(next) = end.checked_add(1) else {
                    break;
                };
                at = next;
                continue;
            }
            let next = [self, other]
                .into_iter()
                .filter_map(|set| set.0.range(at..).next())
                .map(|(start, _)| *start)
                .min()
                .filter(|next| *next <= *span.end());
            let last = next.map_or(*span.end(), |next| next - 1);
            missing.push(at..=last);
            let Some(next) = next else { break };
            at = next;
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_any_order_become_ranges_and_gaps_are_found() {
        let mut some = Numbers::default();
        for number in [5, 1, 2, 4, 9, 5, u64::MAX] {
            some.insert(number);
        }
        assert_eq!(
            Vec::from_iter(some.0.clone()),
            [(1, 2), (4, 5), (9, 9), (u64::MAX, u64::MAX)]
        );
        some.insert(3);
        assert_eq!(some.0.len(), 3);
        assert_eq!(some.span(), Some(1..=u64::MAX));
        let mut other = Numbers::default();
        other.insert(7);
        assert_eq!(some.missing(&other, 1..=9, 10), [6..=6, 8..=8]);
        assert_eq!(some.missing(&other, 1..=12, 10), [6..=6, 8..=8, 10..=12]);
        assert_eq!(some.missing(&other, 1..=12, 1), [6..=6]);
        assert_eq!(other.missing(&Numbers::default(), 7..=7, 10), []);
        assert_eq!(some.missing(&other, u64::MAX..=u64::MAX, 10), []);
        assert_eq!(Numbers::default().span(), None);
    }
}
