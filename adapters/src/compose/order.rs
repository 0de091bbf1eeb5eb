//! What needs what: a circle among parts is found before anything is asked.

use std::collections::BTreeSet;

/// The parts of one circle, the first once more at the end; `None` when there is none.
pub(super) fn circle(needs: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    // What can be asked in turn is taken away; what is left waits for a circle, or stands in one.
    let mut left: BTreeSet<usize> = (0..needs.len()).collect();
    loop {
        let free: Vec<usize> = left
            .iter()
            .copied()
            .filter(|part| needs[*part].is_disjoint(&left))
            .collect();
        if free.is_empty() {
            break;
        }
        for part in free {
            left.remove(&part);
        }
    }
    let mut way = vec![*left.first()?];
    loop {
        let last = *way.last()?;
        // Everything that is left needs something that is left.
        let next = *needs[last].intersection(&left).next()?;
        if let Some(first) = way.iter().position(|part| *part == next) {
            way.push(next);
            return Some(way.split_off(first));
        }
        way.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(of: &[&[usize]]) -> Vec<BTreeSet<usize>> {
        of.iter().map(|of| of.iter().copied().collect()).collect()
    }

    #[test]
    fn a_circle_is_found_however_long_and_whatever_hangs_on_it() {
        assert_eq!(circle(&needs(&[])), None);
        assert_eq!(circle(&needs(&[&[], &[0], &[0, 1]])), None);
        assert_eq!(circle(&needs(&[&[0]])), Some(vec![0, 0]));
        assert_eq!(circle(&needs(&[&[1], &[0]])), Some(vec![0, 1, 0]));
        // 0 waits for a circle and is not in it.
        assert_eq!(
            circle(&needs(&[&[1], &[2], &[3], &[1], &[]])),
            Some(vec![1, 2, 3, 1])
        );
        let long: Vec<BTreeSet<usize>> = (0..64)
            .map(|part| BTreeSet::from([(part + 1) % 64]))
            .collect();
        assert_eq!(circle(&long).unwrap().len(), 65);
    }
}
