//! Who waits: those that have less under way than others before those that have much, and agencies in turn.

use std::time::Instant;

use proto::id::AgencyId;
use tokio::sync::oneshot;

use crate::door::limits::Share;
use crate::links::lanes::Lanes;

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) number: u64,
    pub(super) call: oneshot::Sender<Called>,
}

/// What a waiter is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Called {
    /// It can begin, beside so many others; from this time on.
    Beside(usize, Instant),
    /// It made room for an agency that has less waiting.
    Away,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    less: Lanes<AgencyId, Waiter>,
    much: Lanes<AgencyId, Waiter>,
}

impl Waiting {
    pub(super) fn push(&mut self, agency: AgencyId, share: Share, waiter: Waiter) {
        match share {
            Share::Little | Share::Less => self.less.push(agency, waiter),
            Share::Much => self.much.push(agency, waiter),
        }
    }

    /// The next one, and whether its agency asks much; none of those unless there is room for them.
    pub(super) fn pop(&mut self, room_for_much: impl FnOnce() -> bool) -> Option<(Waiter, bool)> {
        if let Some(waiter) = self.less.pop() {
            return Some((waiter, false));
        }
        if self.much.len() == 0 || !room_for_much() {
            return None;
        }
        self.much.pop().map(|waiter| (waiter, true))
    }

    /// Takes the last one of the agency that has most waiting, if that has at least two more than `agency`: taking from somebody
    /// who would then have less is no gain in fairness.
    pub(super) fn make_room_for(&mut self, agency: &AgencyId) -> Option<(AgencyId, Waiter)> {
        let own = self.of(agency) + 1;
        self.much
            .pop_longest(own)
            .or_else(|| self.less.pop_longest(own))
    }

    /// Takes that one out.
    pub(super) fn remove(&mut self, agency: &AgencyId, number: u64) -> Option<Waiter> {
        let is_it = |one: &Waiter| one.number == number;
        self.much
            .remove(agency, is_it)
            .or_else(|| self.less.remove(agency, is_it))
    }

    /// Whether anybody waits that is served before one more with that share.
    pub(super) fn is_before(&self, share: Share) -> bool {
        self.less.len() > 0 || (share == Share::Much && self.much.len() > 0)
    }

    pub(super) fn len(&self) -> usize {
        self.less.len() + self.much.len()
    }

    /// How many of `agency` wait.
    pub(super) fn of(&self, agency: &AgencyId) -> usize {
        self.less.lane_len(agency) + self.much.lane_len(agency)
    }
}
