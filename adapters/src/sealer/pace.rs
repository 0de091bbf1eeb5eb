//! How long headers gather between two signatures.
//!
//! A signature costs its maker and each of its two verifiers far more than anything else in an exchange, so under load it
//! should carry many headers. Takes how long answers and receipts took to come lately, the other side's time with them; gives
//! a pause that is a small part of it: where an exchange is done within a millisecond nobody waits for company, and where it queues for twenty a wait of two is not what
//! makes it late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proto::limits::label;

/// Between two signatures at least.
const BETWEEN_MIN: Duration = Duration::from_micros(500);
/// And at most, however long the switch takes.
const BETWEEN_MAX: Duration = Duration::from_millis(4);
/// What part of that time headers wait for each other.
const PART: u32 = 8;
/// The weight of what is known against one thing more.
const STEADY: u64 = 16;

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// From a sealed request to its answer.
    Answer,
    /// From a sealed answer to its receipt.
    Receipt,
}

/// Moving means of what they took to come, microseconds.
#[derive(Debug, Default)]
pub(super) struct Pace {
    answers_us: AtomicU64,
    receipts_us: AtomicU64,
}

impl Pace {
    pub(super) fn took(&self, what: Waited, taken: Duration) {
        let mean = match what {
            Waited::Answer => &self.answers_us,
            Waited::Receipt => &self.receipts_us,
        };
        // What is longer changes nothing more, and must not be remembered for long: a backend may take minutes.
        let taken = taken.min(BETWEEN_MAX * (2 * PART));
        let taken_us = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX);
        // Two at once may lose one of them: it is a mean.
        let before = mean.load(Ordering::Relaxed);
        let after = before
            .saturating_sub(before.div_ceil(STEADY))
            .saturating_add(taken_us / STEADY);
        mean.store(after, Ordering::Relaxed);
    }

    /// The pause between two signatures, when the next one is of this label.
    pub(super) fn between(&self, next: &str) -> Duration {
        let mean = match next {
            label::ANSWER => &self.receipts_us,
            label::REQUEST => &self.answers_us,
            // Rare, and nobody measures them.
            _ => return BETWEEN_MIN,
        };
        let part = Duration::from_micros(mean.load(Ordering::Relaxed)) / PART;
        part.clamp(BETWEEN_MIN, BETWEEN_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_follows_what_the_switch_takes_within_its_bounds() {
        let pace = Pace::default();
        let after = |taken: Duration| {
            (0..200).for_each(|_| pace.took(Waited::Answer, taken));
            pace.between(label::REQUEST)
        };
        assert_eq!(pace.between(label::REQUEST), BETWEEN_MIN);
        assert_eq!(after(Duration::from_millis(1)), BETWEEN_MIN);
        let pause = after(Duration::from_millis(16));
        assert!((1_900..=2_000).contains(&pause.as_micros()), "{pause:?}");
        assert_eq!(after(Duration::MAX), BETWEEN_MAX);
        assert_eq!(after(Duration::from_millis(1)), BETWEEN_MIN);
        // Neither the other side of an adapter nor anything else follows it.
        after(Duration::from_secs(1));
        assert_eq!(pace.between(label::ANSWER), BETWEEN_MIN);
        assert_eq!(pace.between(label::EVENT), BETWEEN_MIN);
    }
}
