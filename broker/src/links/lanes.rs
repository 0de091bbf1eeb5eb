//! A queue that is fair between consumers: one lane each, served in turn.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Items in lanes. Whoever waits in a short lane waits no longer because another lane is long.
#[derive(Debug)]
pub(crate) struct Lanes<K, T> {
    lanes: HashMap<K, VecDeque<T>>,
    /// Lanes that hold something, in the order in which they are served.
    turns: VecDeque<K>,
    /// Items in all lanes.
    len: usize,
}

impl<K, T> Default for Lanes<K, T> {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            len: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, T> Lanes<K, T> {
    /// Adds to the end of `lane`.
    pub(crate) fn push(&mut self, lane: K, item: T) {
        let queue = self.lanes.entry(lane.clone()).or_default();
        if queue.is_empty() {
            self.turns.push_back(lane);
        }
        queue.push_back(item);
        self.len += 1;
    }

    /// The first item of the lane whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let lane = self.turns.pop_front()?;
        let queue = self.lanes.get_mut(&lane)?;
        let item = queue.pop_front()?;
        self.len -= 1;
        if queue.is_empty() {
            self.lanes.remove(&lane);
        } else {
            self.turns.push_back(lane);
        }
        Some(item)
    }

    /// The last item of the longest lane, if that lane has more than `more_than`: who has most makes room first.
    pub(crate) fn pop_longest(&mut self, more_than: usize) -> Option<(K, T)> {
        let (lane, queue) = self.lanes.iter().max_by_key(|(_, queue)| queue.len())?;
        if queue.len() <= more_than {
            return None;
        }
        let lane = lane.clone();
        let last = self.lanes.get_mut(&lane)?.pop_back()?;
        self.taken_from(&lane);
        Some((lane, last))
    }

    /// An item of `lane` went, out of turn.
    fn taken_from(&mut self, lane: &K) {
        self.len -= 1;
        if self.lanes.get(lane).is_none_or(VecDeque::is_empty) {
            self.lanes.remove(lane);
            self.turns.retain(|turn| turn != lane);
        }
    }

    /// Takes the first item of `lane` that `matches` out of the queue.
    pub(crate) fn remove(&mut self, lane: &K, matches: impl Fn(&T) -> bool) -> Option<T> {
        let queue = self.lanes.get_mut(lane)?;
        let at = queue.iter().position(matches)?;
        let item = queue.remove(at)?;
        self.taken_from(lane);
        Some(item)
    }

    /// Drops everything in `lane`.
    pub(crate) fn drop_lane(&mut self, lane: &K) {
        if let Some(queue) = self.lanes.remove(lane) {
            self.len -= queue.len();
            self.turns.retain(|turn| turn != lane);
        }
    }

    /// Items in `lane`.
    pub(crate) fn lane_len(&self, lane: &K) -> usize {
        self.lanes.get(lane).map_or(0, VecDeque::len)
    }

    /// Items in all lanes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_lane_does_not_delay_a_short_one() {
        let mut lanes = Lanes::default();
        (0..100).for_each(|n| lanes.push(1, (1, n)));
        lanes.push(2, (2, 0));
        lanes.push(3, (3, 0));
        let order: Vec<_> = std::iter::from_fn(|| lanes.pop()).take(5).collect();
        assert_eq!(order, [(1, 0), (2, 0), (3, 0), (1, 1), (1, 2)]);
        assert_eq!(
            (lanes.lane_len(&1), lanes.lane_len(&2), lanes.turns.len()),
            (97, 0, 1)
        );
    }

    #[test]
    fn what_is_removed_is_not_served_and_leaves_no_empty_turn() {
        let mut lanes = Lanes::default();
        lanes.push(1, 10);
        lanes.push(2, 20);
        assert_eq!(lanes.remove(&1, |item| *item == 10), Some(10));
        assert_eq!(lanes.remove(&1, |item| *item == 10), None);
        assert_eq!(
            (lanes.pop(), lanes.pop(), lanes.lanes.len()),
            (Some(20), None, 0)
        );
        lanes.push(1, 11);
        lanes.clear();
        assert_eq!((lanes.pop(), lanes.lane_len(&1), lanes.len()), (None, 0, 0));
    }

    #[test]
    fn the_longest_lane_makes_room_with_its_last() {
        let mut lanes = Lanes::default();
        (0..3).for_each(|n| lanes.push('a', n));
        (10..12).for_each(|n| lanes.push('b', n));
        assert_eq!(lanes.pop_longest(3), None);
        assert_eq!(lanes.pop_longest(2), Some(('a', 2)));
        assert_eq!((lanes.len(), lanes.lane_len(&'a')), (4, 2));
        while lanes.pop_longest(0).is_some() {}
        assert_eq!((lanes.len(), lanes.turns.len(), lanes.pop()), (0, 0, None));
    }
}
