//! The one way to ask for wall time: the system's clock, or one that a test holds still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where wall time comes from. Cheap to clone; clones of a fixed clock share one time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The host's clock.
    #[default]
    System,
    /// A clock that moves only when told to; Unix time in microseconds.
    Fixed(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands at `start_us` (Unix microseconds) until [`Clock::advance_ms`].
    pub fn fixed(start_us: u64) -> Self {
        Self::Fixed(Arc::new(AtomicU64::new(start_us)))
    }

    /// Unix time in microseconds. A host clock before 1970 reads as 0.
    pub fn now_us(&self) -> u64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| {
                    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
                }),
            Self::Fixed(now_us) => now_us.load(Ordering::SeqCst),
        }
    }

    /// Unix time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_us() / 1_000
    }

    /// Moves a fixed clock forward. The system's clock moves by itself: there this does nothing.
    pub fn advance_ms(&self, by_ms: u64) {
        if let Self::Fixed(now_us) = self {
            now_us.fetch_add(by_ms.saturating_mul(1_000), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_fixed_clock_move_together() {
        let clock = Clock::fixed(5_000_250);
        let other = clock.clone();
        clock.advance_ms(2);
        assert_eq!((other.now_us(), other.now_ms()), (5_002_250, 5_002));
    }

    #[test]
    fn the_system_clock_is_past_2020_and_cannot_be_moved() {
        let clock = Clock::System;
        let before_ms = clock.now_ms();
        clock.advance_ms(86_400_000);
        assert!(before_ms > 1_577_836_800_000);
        assert!(clock.now_ms() < before_ms + 86_000_000);
    }
}
