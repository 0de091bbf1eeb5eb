//! One exchange from its turn until it is closed.

use std::sync::Arc;
use std::time::Instant;

use super::Turns;

/// An exchange of an agency that asks much. Dropping it makes room for the next one.
#[derive(Debug)]
pub(in crate::door::limits) struct Whole {
    turns: Arc<Turns>,
    began: Instant,
}

impl Whole {
    pub(super) fn new(turns: Arc<Turns>, began: Instant) -> Self {
        Self { turns, began }
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.turns
            .change(|state, now| state.calm.closes(self.began, now));
    }
}
