//! How many exchanges the switch works on at once, found by how long work takes.
//!
//! Takes what each piece of work took. Gives a number that grows while somebody waits and work stays quick, and falls
//! when work takes much longer than it does by itself: more at once would then only wait inside, where nobody can be
//! fair or refuse. Never counts a provider's time: a slow provider is no work of ours.

use std::time::{Duration, Instant};

use super::step::Step;

/// At once at least, however slow work is.
const LEAST: f64 = 8.0;
/// At once in the beginning.
const FIRST: f64 = 32.0;
/// Work that began beside fewer than this is work by itself: its time is what the disk and the machine allow.
const BY_ITSELF: usize = 3;
/// How many times its time by itself work may take, and what it may take however quick it is by itself. A larger
/// group shares one sync, so the first bound is not tight.
const STRETCH: f64 = 3.0;
const QUICK_US: f64 = 10_000.0;
/// The same while an agency that asks little is here together with one that asks much.
const CALM_STRETCH: f64 = 2.0;
const CALM_QUICK_US: f64 = 1_000.0;
/// How long one agency that asks little keeps it calm.
const CALM: Duration = Duration::from_millis(250);

/// How many at once, and why.
#[derive(Debug)]
pub(super) struct Pace {
    most: f64,
    at_once: f64,
    /// What work takes by itself, microseconds.
    by_itself_us: f64,
    calm_until: Option<Instant>,
    step: Step,
}

impl Pace {
    /// At most `most` at once.
    pub(super) fn new(most: usize, now: Instant) -> Self {
        let most = (most as f64).max(LEAST);
        Self {
            most,
            at_once: FIRST.min(most),
            by_itself_us: 0.0,
            calm_until: None,
            step: Step::new(now),
        }
    }

    /// How many at once now.
    pub(super) fn at_once(&self) -> usize {
        self.at_once as usize
    }

    /// Somebody waits: more at once would be used.
    pub(super) fn wanted(&mut self) {
        self.step.wanted();
    }

    /// An agency that asks little has come while another one waits.
    pub(super) fn calm(&mut self, now: Instant) {
        self.calm_until = Some(now + CALM);
    }

    /// A piece of work that began beside `beside` others took so long.
    pub(super) fn note(&mut self, took: Duration, beside: usize, now: Instant) {
        let took_us = took.as_secs_f64() * 1e6;
        if beside < BY_ITSELF {
            // Slowly, so that one stall is not taken for the rule.
            let weight = if self.by_itself_us > 0.0 {
                1.0 / 32.0
            } else {
                1.0
            };
            self.by_itself_us += (took_us - self.by_itself_us) * weight;
        }
        if let Some(seen) = self.step.note(took_us, now) {
            let (stretch, quick_us) = match self.calm_until {
                Some(until) if now < until => (CALM_STRETCH, CALM_QUICK_US),
                _ => (STRETCH, QUICK_US),
            };
            let bound_us = (self.by_itself_us * stretch).max(quick_us);
            let at_once = seen.change(self.at_once, self.at_once, bound_us);
            self.at_once = at_once.clamp(LEAST, self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::{STEP, STEP_LEAST};
    use super::*;

    /// Steps in which work at `at_once` takes what `takes` says; gives the number in the end.
    fn after(pace: &mut Pace, steps: u32, takes: impl Fn(usize) -> Duration) -> usize {
        let mut now = pace.step.began;
        for _ in 0..steps {
            now += STEP;
            for _ in 0..STEP_LEAST {
                pace.wanted();
                let at_once = pace.at_once();
                pace.note(takes(at_once), at_once, now);
            }
        }
        pace.at_once()
    }

    /// A machine that does two at a time, each in a quarter of a millisecond.
    fn two_cores(at_once: usize) -> Duration {
        Duration::from_micros(125 * at_once as u64)
    }

    #[test]
    fn it_settles_where_work_begins_to_wait_for_work() {
        let mut pace = Pace::new(4_096, Instant::now());
        let settled = after(&mut pace, 500, two_cores);
        assert!((60..=100).contains(&settled), "10 ms ÷ 125 µs: {settled}");
        // A disk that syncs all of them together in 10 ms: as many as there are.
        let now = pace.step.began;
        for _ in 0..200 {
            pace.note(Duration::from_millis(10), 0, now);
        }
        let shared = after(&mut pace, 500, |_| Duration::from_millis(12));
        assert_eq!(shared, 4_096);
    }

    #[test]
    fn it_is_smaller_while_somebody_asks_little_and_never_nothing() {
        let mut pace = Pace::new(4_096, Instant::now());
        let settled = after(&mut pace, 500, two_cores);
        let until = pace.step.began + Duration::from_secs(60);
        pace.calm(until);
        let calm = after(&mut pace, 500, two_cores);
        assert!(calm < settled / 3, "{calm} < {settled} / 3");
        let slow = after(&mut pace, 500, |_| Duration::from_secs(1));
        assert_eq!(slow, LEAST as usize);
    }

    #[test]
    fn it_does_not_grow_when_nobody_waits() {
        let now = Instant::now();
        let mut pace = Pace::new(4_096, now);
        for step in 1..100 {
            for _ in 0..STEP_LEAST {
                pace.note(Duration::from_micros(300), 1, now + STEP * step);
            }
        }
        assert_eq!(pace.at_once(), FIRST as usize);
    }
}
