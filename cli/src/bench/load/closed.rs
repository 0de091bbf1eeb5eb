//! The closed loop: a fixed number of requests in flight. Under it latency is mostly queueing, and a slow answer holds
//! back the requests that would have met it: see [`super::open`] for latency as somebody outside would see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Asker, Order, Seen, Window};

/// Each asker has its share in flight.
pub(super) async fn evenly<A: Asker>(
    askers: Vec<A>,
    in_flight: usize,
    order: Order,
    window: Window,
) -> Seen {
    let mut loops = JoinSet::new();
    for asker in askers.iter().cycle().take(in_flight) {
        let asker = asker.clone();
        loops.spawn(async move {
            let mut seen = Seen::default();
            while Instant::now() < window.end && seen.error.is_none() {
                ask(&asker, &mut seen, order, window).await;
            }
            seen
        });
    }
    gather(loops).await
}

/// Who asks next is drawn by Zipf's law (exponent 1) from those who have nothing under way.
pub(super) async fn by_zipf<A: Asker>(
    askers: Vec<A>,
    in_flight: usize,
    order: Order,
    window: Window,
) -> Seen {
    let in_flight = in_flight.min(askers.len());
    let crowd = Arc::new(Crowd::new(askers));
    let mut loops = JoinSet::new();
    for number in 0..in_flight {
        let crowd = Arc::clone(&crowd);
        loops.spawn(async move {
            let mut seen = Seen::default();
            let mut dice = Dice(number as u64 + 1);
            while Instant::now() < window.end && seen.error.is_none() {
                let place = crowd.draw(&mut dice);
                ask(&crowd.askers[place].0, &mut seen, order, window).await;
                crowd.askers[place].1.store(false, Ordering::Release);
            }
            seen
        });
    }
    gather(loops).await
}

async fn ask<A: Asker>(asker: &A, seen: &mut Seen, order: Order, window: Window) {
    let asked = Instant::now();
    match asker.ask().await {
        Ok(reply) => {
            let counts = window.has(Instant::now());
            seen.note(reply, order.may_refuse, (asked, counts), window);
        }
        Err(error) => seen.error = Some(format!("{error:#}")),
    }
}

async fn gather(mut loops: JoinSet<Seen>) -> Seen {
    let mut all = Seen::default();
    while let Some(seen) = loops.join_next().await {
        match seen {
            Ok(seen) => all.add(seen),
            Err(error) => all.error = Some(error.to_string()),
        }
    }
    all
}

/// Askers, each with whether it has a request under way, and the sums of their weights.
struct Crowd<A> {
    askers: Vec<(A, AtomicBool)>,
    sums: Vec<f64>,
}

impl<A> Crowd<A> {
    fn new(askers: Vec<A>) -> Self {
        let mut sum = 0.0;
        let sums = (1..=askers.len()).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self {
            sums: sums.collect(),
            askers: askers
                .into_iter()
                .map(|asker| (asker, AtomicBool::new(false)))
                .collect(),
        }
    }

    /// The place of one who had nothing under way and now has. There are never more loops than askers.
    fn draw(&self, dice: &mut Dice) -> usize {
        let all = self.sums.last().copied().unwrap_or(0.0);
        loop {
            let drawn = dice.fraction() * all;
            let place = self.sums.partition_point(|sum| *sum <= drawn);
            let place = place.min(self.askers.len() - 1);
            if !self.askers[place].1.swap(true, Ordering::Acquire) {
                return place;
            }
        }
    }
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 53 bits, as many as a fraction holds.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_drawn_most_and_nobody_twice_at_once() {
        let crowd = Crowd::new(vec![(); 100]);
        let mut dice = Dice(1);
        let mut drawn = vec![0_u32; 100];
        for _ in 0..20_000 {
            let place = crowd.draw(&mut dice);
            drawn[place] += 1;
            crowd.askers[place].1.store(false, Ordering::Release);
        }
        // By Zipf over 100: 19.3 % the first, 9.6 % the second, 0.19 % the last.
        assert!((3_500..4_200).contains(&drawn[0]), "{drawn:?}");
        assert!((1_700..2_150).contains(&drawn[1]), "{drawn:?}");
        assert!((10..90).contains(&drawn[99]), "{drawn:?}");
        let mut all: Vec<usize> = (0..100).map(|_| crowd.draw(&mut dice)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}
