//! One exchange from its turn until it is closed.

use std::sync::Arc;
use std::time::Instant;

use super::Turns;

/// An exchange under way. Dropping it makes room for the next one.
#[derive(Debug)]
pub(in crate::door::limits) struct Whole {
    turns: Arc<Turns>,
    began: Instant,
    /// Of an agency that asks little beside one that asks much: it does not count.
    little: bool,
}

impl Whole {
    pub(super) fn new(turns: Arc<Turns>, began: Instant, little: bool) -> Self {
        Self {
            turns,
            began,
            little,
        }
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if !self.little {
            self.turns
                .change(|state, now| state.calm.closes(self.began, now));
        }
    }
}
