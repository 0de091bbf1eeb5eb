//! Events that this run took in: one that is brought again because its receipt was lost is acknowledged again, and not
//! given to the agency's code a second time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use proto::id::{EventId, SubscriptionId};

/// Events remembered.
const REMEMBERED: usize = 10_000;

/// Those of one served provider.
#[derive(Debug, Default)]
pub(crate) struct Taken(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    states: HashMap<(SubscriptionId, EventId), State>,
    order: VecDeque<(SubscriptionId, EventId)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Done,
}

/// What is to be done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// Give it to the agency's code.
    Yes,
    /// That has it right now.
    Running,
    /// It had it: acknowledge it again.
    Done,
}

impl Taken {
    /// Whether it comes for the first time.
    pub(crate) fn begin(&self, subscription: SubscriptionId, event: EventId) -> First {
        let key = (subscription, event);
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.states.get(&key) {
            Some(State::Running) => return First::Running,
            Some(State::Done) => return First::Done,
            None => {}
        }
        inner.states.insert(key, State::Running);
        First::Yes
    }

    /// It was taken in, or was not: then it may come again.
    pub(crate) fn end(&self, subscription: SubscriptionId, event: EventId, taken: bool) {
        let key = (subscription, event);
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken {
            inner.states.remove(&key);
            return;
        }
        inner.states.insert(key, State::Done);
        inner.order.push_back(key);
        if inner.order.len() > REMEMBERED
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.states.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_given_once_unless_it_was_not_taken_in() {
        let id = EventId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap();
        let taken = Taken::default();
        assert_eq!(taken.begin(id, id), First::Yes);
        assert_eq!(taken.begin(id, id), First::Running);
        taken.end(id, id, false);
        assert_eq!(taken.begin(id, id), First::Yes);
        taken.end(id, id, true);
        assert_eq!(taken.begin(id, id), First::Done);
    }
}
