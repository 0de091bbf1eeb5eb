//! The open loop: requests begin at a fixed rate, however long answers take, and latency is counted from the instant
//! when each was due. So a stall shows in every request that was due meanwhile, and none is left out because the one
//! before it had no answer yet (no coordinated omission).
//!
//! A thread of its own keeps time: an async timer has steps of a millisecond, which would be most of what is measured.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Asker, Order, Seen, Window, us};

/// Requests under way at most. What is due above it is counted as unsent.
const IN_FLIGHT_MAX: usize = 32_768;
/// How long after the window's end answers are waited for.
const LAST_WAIT: Duration = Duration::from_secs(45);

struct Shared {
    seen: Mutex<Seen>,
    under_way: AtomicUsize,
}

impl Shared {
    fn with(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Begins `rate` requests a second, each asker in its turn.
pub(super) async fn at<A: Asker>(askers: Vec<A>, rate: f64, order: Order, window: Window) -> Seen {
    let shared = Arc::new(Shared {
        seen: Mutex::default(),
        under_way: AtomicUsize::new(0),
    });
    let runtime = Handle::current();
    let keeping = {
        let shared = Arc::clone(&shared);
        tokio::task::spawn_blocking(move || {
            keep_time(&askers, rate, order, window, &shared, &runtime);
        })
    };
    let kept = keeping.await;
    let last = window.end + LAST_WAIT;
    while shared.under_way.load(Ordering::Acquire) > 0 && Instant::now() < last {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let open = shared.under_way.load(Ordering::Acquire);
    let mut seen = Seen::default();
    shared.with(|shared| seen = std::mem::take(shared));
    if let Err(error) = kept {
        seen.error = Some(error.to_string());
    }
    if open > 0 {
        let error = format!("{open} requests had no answer {LAST_WAIT:?} after the window");
        seen.error.get_or_insert(error);
    }
    seen
}

fn keep_time<A: Asker>(
    askers: &[A],
    rate: f64,
    order: Order,
    window: Window,
    shared: &Arc<Shared>,
    runtime: &Handle,
) {
    let start = window.begin - Duration::from_millis(order.warm_up_ms);
    let step = Duration::from_secs_f64(1.0 / rate.max(0.001));
    for (number, asker) in (0_u32..).zip(askers.iter().cycle()) {
        let due = start + step.saturating_mul(number);
        if due >= window.end {
            return;
        }
        // Not one by one where steps are shorter than a sleep: what is due goes at once.
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        let late = us(Instant::now().saturating_duration_since(due));
        let counts = window.has(due);
        let full = shared.under_way.load(Ordering::Acquire) >= IN_FLIGHT_MAX;
        let mut broken = false;
        shared.with(|seen| {
            broken = seen.error.is_some();
            seen.unsent += u64::from(full && counts);
            if counts {
                seen.late_us.push(late);
            }
        });
        if broken {
            return;
        }
        if full {
            continue;
        }
        shared.under_way.fetch_add(1, Ordering::AcqRel);
        let (asker, shared) = (asker.clone(), Arc::clone(shared));
        runtime.spawn(async move {
            let asked = asker.ask().await;
            shared.with(|seen| match asked {
                Ok(reply) => seen.note(reply, order.may_refuse, (due, counts), window),
                Err(error) => {
                    seen.error.get_or_insert(format!("{error:#}"));
                }
            });
            shared.under_way.fetch_sub(1, Ordering::AcqRel);
        });
    }
}
