//! Which log entries one side holds a receipt of: one bit each, in pages that are made when something is marked.

use std::collections::HashMap;

/// Entries on one page.
const PAGE: u64 = 4096;

/// A set of log indices.
#[derive(Debug, Default)]
pub(super) struct Marks(HashMap<u64, Box<[u64; 64]>>);

impl Marks {
    pub(super) fn set(&mut self, index: u64) {
        let page = self
            .0
            .entry(index / PAGE)
            .or_insert_with(|| Box::new([0; 64]));
        let at = index % PAGE;
        page[(at / 64) as usize] |= 1 << (at % 64);
    }

    pub(super) fn has(&self, index: u64) -> bool {
        let at = index % PAGE;
        let page = self.0.get(&(index / PAGE));
        page.is_some_and(|page| page[(at / 64) as usize] >> (at % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_marked_is_there_and_nothing_else() {
        let mut marks = Marks::default();
        let wanted = [0, 1, 63, 64, 4095, 4096, 1 << 40, u64::MAX];
        for index in wanted {
            marks.set(index);
        }
        assert!(wanted.into_iter().all(|index| marks.has(index)));
        for other in [2, 62, 65, 4094, 4097, (1 << 40) + 1, u64::MAX - 1] {
            assert!(!marks.has(other), "{other}");
        }
    }
}
