//! What was seen since a number was last looked over, and what becomes of it: it falls while something takes too long, and grows
//! while more is wanted and nothing does.
//!
//! Takes how long each took; gives [`Seen`] after [`STEP`] and [`STEP_LEAST`] of them.

use std::time::{Duration, Instant};

/// How often a number is looked over, and by how many at least.
pub(super) const STEP: Duration = Duration::from_millis(20);
pub(super) const STEP_LEAST: u32 = 8;
/// The most that one look takes away.
const FALL: f64 = 0.7;
/// One such part is what one look adds.
const GROWTH: f64 = 16.0;

/// What comes until the next look.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) began: Instant,
    took_us: f64,
    count: u32,
    wanted: bool,
}

/// What came in one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// How long it took on average.
    mean_us: f64,
    /// Whether more would have been used.
    wanted: bool,
}

impl Step {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            took_us: 0.0,
            count: 0,
            wanted: false,
        }
    }

    /// More would be used.
    pub(super) fn wanted(&mut self) {
        self.wanted = true;
    }

    /// One took so long. Gives what was seen, and begins anew, where it is time.
    pub(super) fn note(&mut self, took_us: f64, now: Instant) -> Option<Seen> {
        self.took_us += took_us;
        self.count += 1;
        let over = now.saturating_duration_since(self.began) >= STEP;
        if !over || self.count < STEP_LEAST {
            return None;
        }
        let step = std::mem::replace(self, Self::new(now));
        Some(Seen {
            mean_us: step.took_us / f64::from(step.count),
            wanted: step.wanted,
        })
    }
}

impl Seen {
    /// What `number`, of which `used` are used, becomes where each may take `bound_us`.
    pub(super) fn change(self, number: f64, used: f64, bound_us: f64) -> f64 {
        if self.mean_us > bound_us {
            number.min(used) * (bound_us / self.mean_us).max(FALL)
        } else if self.wanted {
            number + (number / GROWTH).max(1.0)
        } else {
            number
        }
    }
}
