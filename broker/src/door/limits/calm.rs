//! How many exchanges of those who ask much are under way at once, from their turn until they are closed, while somebody
//! asks little and more comes than can.
//!
//! Takes when exchanges begin and close, and how late whoever was called hears it: so long waits everything here that is ready,
//! several times in each exchange, also those of whoever asks little, for what is under way keeps the processors busy here and
//! at providers. Gives a number that falls while that is long, and grows again when it is not. Never looks at what a provider
//! takes: what waits for a slow one disturbs nobody, and does not count.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::step::Step;

/// Of those who ask much at least, however late everything is.
const LEAST: f64 = 8.0;
/// And in the beginning.
const FIRST: f64 = 32.0;
/// How late it may be, on average. Where processors are not full nothing waits as long for one.
const LATE_US: f64 = 300.0;
/// How long one agency that asks little keeps it calm.
const CALM: Duration = Duration::from_millis(1_000);
/// What is under way for longer than so many slots waits for its provider alone, and does not count.
const SLOT_US: u64 = 8_000;
const SLOTS: u64 = 8;

/// How many, and why.
#[derive(Debug)]
pub(super) struct Calm {
    most: f64,
    window: f64,
    until: Option<Instant>,
    from: Instant,
    /// Exchanges under way by the slot in which they began, of the last slots.
    young: VecDeque<(u64, usize)>,
    /// Of all these slots.
    count: usize,
    step: Step,
}

impl Calm {
    /// At most `most`.
    pub(super) fn new(most: usize, now: Instant) -> Self {
        let most = (most as f64).max(LEAST);
        Self {
            most,
            window: FIRST.min(most),
            until: None,
            from: now,
            young: VecDeque::new(),
            count: 0,
            step: Step::new(now),
        }
    }

    /// An agency that asks little has come while another one waits.
    pub(super) fn begin(&mut self, now: Instant) {
        self.until = Some(now + CALM);
    }

    /// Whether somebody who asks little was here lately.
    pub(super) fn is_calm(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Whether one more of those who ask much can begin.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        if !self.is_calm(now) {
            return true;
        }
        self.forget(now);
        let room = self.count < self.window as usize;
        if !room {
            self.step.wanted();
        }
        room
    }

    /// One of them begins.
    pub(super) fn begins(&mut self, now: Instant) {
        self.forget(now);
        self.count += 1;
        let slot = self.slot(now);
        match self.young.back_mut() {
            // The clock was read before the lock was taken: it may be a little behind.
            Some((last, count)) if *last >= slot => *count += 1,
            _ => self.young.push_back((slot, 1)),
        }
    }

    /// One that began `at` that time is closed.
    pub(super) fn closes(&mut self, at: Instant, now: Instant) {
        self.forget(now);
        let slot = self.slot(at);
        let place = self.young.partition_point(|(young, _)| *young < slot);
        if let Some((young, count)) = self.young.get_mut(place)
            && *count > 0
            && *young <= slot + 1
        {
            *count -= 1;
            self.count -= 1;
        }
    }

    /// Somebody heard so late that it was called.
    pub(super) fn note(&mut self, late: Duration, now: Instant) {
        let late_us = late.as_secs_f64() * 1e6;
        if let Some(seen) = self.step.note(late_us, now) {
            let window = seen.change(self.window, self.count as f64, LATE_US);
            self.window = window.clamp(LEAST, self.most);
        }
    }

    /// It stays calm for a minute, and time stands still that long for what is under way.
    #[cfg(test)]
    pub(super) fn stand_still(&mut self, now: Instant) {
        let later = now + Duration::from_secs(60);
        self.begin(later);
        self.from = later;
    }

    /// How many of them may be under way while it is calm.
    #[cfg(test)]
    pub(super) fn window(&self) -> usize {
        self.window as usize
    }

    /// How many are, and count.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.count
    }

    /// What began long ago does not count any more.
    fn forget(&mut self, now: Instant) {
        let oldest = self.slot(now).saturating_sub(SLOTS);
        while let Some((slot, count)) = self.young.front()
            && *slot < oldest
        {
            self.count -= count;
            self.young.pop_front();
        }
    }

    fn slot(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.from).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX) / SLOT_US
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::{STEP, STEP_LEAST};
    use super::*;

    /// Steps in which those who ask much take all the room that there is, and everybody hears as late as `late` says of their
    /// number, microseconds. Gives the number in the end.
    fn after(calm: &mut Calm, steps: u32, late_us: impl Fn(usize) -> u64) -> usize {
        let mut now = calm.step.began;
        for _ in 0..steps {
            now += STEP;
            calm.begin(now);
            while calm.has_room(now) {
                calm.begins(now);
            }
            let late = Duration::from_micros(late_us(calm.count));
            for _ in 0..STEP_LEAST {
                calm.note(late, now);
            }
            for _ in 0..calm.count {
                calm.closes(now, now);
            }
        }
        calm.window()
    }

    #[test]
    fn it_settles_where_nothing_waits_longer_than_it_may() {
        let mut calm = Calm::new(4_096, Instant::now());
        let settled = after(&mut calm, 500, |under_way| 10 * under_way as u64);
        let bound = LATE_US as usize / 10;
        assert!((bound / 2..=bound + 4).contains(&settled), "{settled}");
        let late = after(&mut calm, 500, |_| 1_000_000);
        assert_eq!(late, LEAST as usize);
        // Whoever asks much without keeping anybody waiting has all places.
        let harmless = after(&mut calm, 500, |_| 50);
        assert_eq!(harmless, 4_096);
    }

    #[test]
    fn there_is_room_for_all_while_nobody_asks_little() {
        let now = Instant::now();
        let mut calm = Calm::new(4_096, now);
        (0..1_000).for_each(|_| calm.begins(now));
        assert!(calm.has_room(now));
        calm.begin(now);
        assert!(!calm.has_room(now));
        assert!(calm.has_room(now + CALM));
    }

    #[test]
    fn what_is_long_under_way_does_not_count() {
        let now = Instant::now();
        let mut calm = Calm::new(4_096, now);
        (0..1_000).for_each(|_| calm.begins(now));
        let later = now + Duration::from_micros(SLOT_US * (SLOTS + 1));
        calm.begin(later);
        assert!(calm.has_room(later));
        // And is not taken off twice.
        calm.begins(later);
        calm.closes(now, later);
        assert_eq!((calm.count, calm.young.len()), (1, 1));
        calm.closes(later, later);
        assert_eq!(calm.count, 0);
    }
}
