//! A table of the keys that count most, in bounded memory (Misra and Gries, pruned in bulk).
//!
//! Each key has a credit: what it counted. When the table is full, the credit of the middle key is taken from all;
//! whoever has none left is dropped, and what it held is merged into one value for all others. Each time, that much
//! credit goes at least `kept` times, so all that was ever taken is at most 1 in `kept` of everything counted: no key
//! that counts for more than that is dropped, and a key that comes late has missed at most that.

use std::collections::HashMap;
use std::hash::Hash;

/// Values that can be put together.
pub(crate) trait Merge: Default {
    /// Puts `other` to this one.
    fn merge(&mut self, other: Self);
}

/// The table.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    kept: usize,
    slots: HashMap<K, Slot<V>>,
    /// Credit taken from each key so far: what a dropped one can have counted at most.
    taken: u64,
    others: V,
    dropped: u64,
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    /// Since it is here.
    count: u64,
    credit: u64,
    missed_max: u64,
}

/// One key at the end.
#[derive(Debug)]
pub(crate) struct Kept<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    /// Of its count.
    pub(crate) missed_max: u64,
}

/// What is left at the end.
#[derive(Debug)]
pub(crate) struct Top<K, V> {
    /// The keys that count most, the largest first.
    pub(crate) kept: Vec<Kept<K, V>>,
    /// The others: how many, one that was dropped and came again counted twice, and their value.
    pub(crate) others: Option<(u64, V)>,
}

impl<K: Eq + Hash + Clone + Ord, V: Merge> Bounded<K, V> {
    /// Keeps the `kept` keys that count most, and while counting up to twice as many.
    pub(crate) fn new(kept: usize) -> Self {
        Self {
            kept,
            slots: HashMap::new(),
            taken: 0,
            others: V::default(),
            dropped: 0,
        }
    }

    /// The value of `key`, which counts `weight` more from now on.
    pub(crate) fn entry(&mut self, key: &K, weight: u64) -> &mut V {
        if !self.slots.contains_key(key) && self.slots.len() >= 2 * self.kept {
            self.prune();
        }
        let taken = self.taken;
        let slot = self.slots.entry(key.clone()).or_insert_with(|| Slot {
            value: V::default(),
            count: 0,
            credit: 0,
            missed_max: taken,
        });
        slot.count = slot.count.saturating_add(weight);
        slot.credit = slot.credit.saturating_add(weight);
        &mut slot.value
    }

    fn prune(&mut self) {
        let mut credits: Vec<u64> = self.slots.values().map(|slot| slot.credit).collect();
        let middle = credits.len().saturating_sub(self.kept + 1);
        if credits.is_empty() {
            return;
        }
        let (_, taken, _) = credits.select_nth_unstable(middle);
        let taken = *taken;
        self.taken = self.taken.saturating_add(taken);
        let doomed = self.slots.extract_if(|_, slot| {
            slot.credit = slot.credit.saturating_sub(taken);
            slot.credit == 0
        });
        for (_, slot) in doomed {
            self.others.merge(slot.value);
            self.dropped += 1;
        }
    }

    /// The `top` keys that count most, and the others in one.
    pub(crate) fn finish(self, top: usize) -> Top<K, V> {
        let mut slots: Vec<_> = self.slots.into_iter().collect();
        slots.sort_by(|(one_key, one), (other_key, other)| {
            (other.count, one_key).cmp(&(one.count, other_key))
        });
        let (mut others, mut dropped) = (self.others, self.dropped);
        for (_, slot) in slots.split_off(top.min(slots.len())) {
            others.merge(slot.value);
            dropped += 1;
        }
        let kept = slots
            .into_iter()
            .map(|(key, slot)| Kept {
                key,
                value: slot.value,
                missed_max: slot.missed_max,
            })
            .collect();
        Top {
            kept,
            others: (dropped > 0).then_some((dropped, others)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Merge for u64 {
        fn merge(&mut self, other: Self) {
            *self += other;
        }
    }

    #[test]
    fn few_keys_are_counted_exactly() {
        let mut table = Bounded::<&str, u64>::new(4);
        for key in ["a", "b", "a", "c", "a", "b"] {
            *table.entry(&key, 1) += 1;
        }
        let Top { kept, others } = table.finish(2);
        let kept: Vec<_> = kept
            .iter()
            .map(|kept| (kept.key, kept.value, kept.missed_max))
            .collect();
        assert_eq!(kept, [("a", 3, 0), ("b", 2, 0)]);
        assert_eq!(others, Some((1, 1)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_bound_is_wrong(keys in prop::collection::vec(0u8..60, 0..600)) {
            let mut table = Bounded::<u8, u64>::new(5);
            let mut exact = HashMap::<u8, u64>::new();
            for key in &keys {
                *table.entry(key, 1) += 1;
                *exact.entry(*key).or_default() += 1;
                prop_assert!(table.slots.len() <= 10 && table.taken * 5 <= keys.len() as u64);
            }
            let Top { kept, others } = table.finish(100);
            let sum: u64 = kept.iter().map(|kept| kept.value).sum();
            prop_assert_eq!(sum + others.map_or(0, |(_, value)| value), keys.len() as u64);
            for row in &kept {
                prop_assert!(row.value <= exact[&row.key]);
                prop_assert!(row.value + row.missed_max >= exact[&row.key]);
            }
            // Whoever counts for more than one in five is among them.
            for (key, count) in exact {
                let heavy = count * 5 > keys.len() as u64;
                prop_assert!(!heavy || kept.iter().any(|row| row.key == key));
            }
        }
    }
}
