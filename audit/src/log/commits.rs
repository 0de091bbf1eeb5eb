//! How many entries the commits hold: counted by the writer, read by whoever watches the log.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the classes: entries in one commit. The last is what a commit holds at most.
pub const COMMIT_BOUNDS: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// Counters of a log that is open.
#[derive(Debug, Default)]
pub(super) struct Commits {
    classes: [AtomicU64; COMMIT_BOUNDS.len()],
    entries: AtomicU64,
}

/// Commits since the log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitCounts {
    /// Entries in all of them.
    pub entries: u64,
    /// Commits by size: those of at most the bound at the same place in [`COMMIT_BOUNDS`], and more than the one before.
    pub by_size: [u64; COMMIT_BOUNDS.len()],
}

impl Commits {
    /// One more commit.
    pub(super) fn note(&self, entries: u64) {
        let class = COMMIT_BOUNDS.partition_point(|bound| *bound < entries);
        let class = class.min(COMMIT_BOUNDS.len() - 1);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(entries, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> CommitCounts {
        let mut by_size = [0; COMMIT_BOUNDS.len()];
        for (count, class) in by_size.iter_mut().zip(&self.classes) {
            *count = class.load(Ordering::Relaxed);
        }
        CommitCounts {
            entries: self.entries.load(Ordering::Relaxed),
            by_size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_counts_in_one_class() {
        let commits = Commits::default();
        for entries in [1, 2, 3, 4, 5, 512, 9_999] {
            commits.note(entries);
        }
        let counts = commits.counts();
        assert_eq!(counts.by_size, [1, 1, 2, 1, 0, 0, 0, 0, 0, 2]);
        assert_eq!(counts.entries, 1 + 2 + 3 + 4 + 5 + 512 + 9_999);
    }
}
