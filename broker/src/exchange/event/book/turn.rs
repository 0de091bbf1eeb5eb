//! One look at what waits for a subscription: what of it is due.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use proto::events::Events;
use proto::limits::EVENT_KEPT_MS;

use super::{Due, Line, What};
use crate::exchange::event::Policy;

/// Events that are brought to one subscription and not acknowledged yet, at most.
const WINDOW: usize = 64;
/// Events of one subscription that are looked at in one turn.
const LOOKED_AT_MAX: usize = 10_000;
/// The longest pause between two attempts.
const PAUSE_MS_MAX: u64 = 3_600_000;
/// An event so near its end is not brought any more: its receipt would come too late.
const MARGIN_MS: u64 = 600_000;

/// One look at a line.
pub(super) struct Turn {
    pub(super) subscription: u64,
    pub(super) policy: Policy,
    pub(super) now_ms: u64,
    /// How it is brought: by a link, or pulled. `None`: nobody is there.
    pub(super) through: Option<Option<u64>>,
}

impl Turn {
    pub(super) fn look(&self, events: &Events, line: &mut Line, due: &mut Vec<Due>) {
        let out = line
            .open
            .values()
            .filter(|attempt| attempt.out.is_some())
            .count();
        let mut room = WINDOW.saturating_sub(out);
        let mut keys = HashSet::new();
        let mut gone = Vec::new();
        let Some(held) = events.subscription(self.subscription) else {
            return;
        };
        for (at, attempt) in line.open.iter_mut().take(LOOKED_AT_MAX) {
            let Some(event) = events.event(*at) else {
                gone.push(*at);
                continue;
            };
            // An earlier one of its key is not settled.
            let is_behind = event.key.is_some_and(|key| !keys.insert(key));
            if attempt.held.is_some() {
                continue;
            }
            let recorded_ms = event.recorded_at_ms.max(held.recorded_at_ms);
            let kept_ms = self.policy.kept_ms.min(EVENT_KEPT_MS - MARGIN_MS);
            let is_old = event.recorded_at_ms.saturating_add(kept_ms) <= self.now_ms;
            let was_dead = held.outcomes.contains_key(at);
            let due_of = |what| Due {
                subscription: self.subscription,
                event: *at,
                what,
            };
            if is_old || recorded_ms.saturating_add(kept_ms) <= self.now_ms {
                // Given up once, it is let go without another word.
                match was_dead {
                    true => gone.push(*at),
                    false => due.push(due_of(What::GiveUpAge)),
                }
                continue;
            }
            if held.uncovered(event).is_some() {
                due.push(due_of(What::Withhold));
                continue;
            }
            // Out by a link that is gone: it did not arrive, or its receipt did not.
            let is_lost =
                matches!(attempt.out, Some(Some(link)) if self.through != Some(Some(link)));
            if !is_lost && attempt.next_ms > self.now_ms || is_behind {
                continue;
            }
            if attempt.attempts >= self.policy.attempts {
                match was_dead {
                    true => gone.push(*at),
                    false => due.push(due_of(What::GiveUpAttempts)),
                }
                continue;
            }
            let Some(through) = self.through else {
                continue;
            };
            let is_out = attempt.out.is_some();
            if !is_out && room == 0 {
                continue;
            }
            room -= usize::from(!is_out);
            attempt.attempts += 1;
            attempt.out = Some(through);
            attempt.next_ms =
                self.now_ms + self.policy.pause_ms(attempt.attempts, &RandomState::new());
            due.push(due_of(What::Bring(attempt.attempts)));
        }
        for at in gone {
            line.open.remove(&at);
        }
    }
}

impl Policy {
    /// The pause after the attempt of this number: it doubles, up to an hour, and up to an eighth of it is chance.
    fn pause_ms(&self, attempts: u32, chance: &RandomState) -> u64 {
        let doubled = self.pause_ms.saturating_mul(1 << (attempts - 1).min(20));
        let pause = doubled.min(PAUSE_MS_MAX.max(self.pause_ms));
        pause - pause / 8 * (chance.hash_one(attempts) % 256) / 256
    }
}
