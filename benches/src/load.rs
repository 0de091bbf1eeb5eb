//! The closed loop: a fixed number of requests in flight, each answered before the next is asked.
//!
//! Takes orders as JSON lines on standard input. Says `begin` and `end` when the measured window does, so that
//! the harness reads every process's CPU at those instants, and then one JSON line with what came of it. The
//! arithmetic is done after `end`: it is in nobody's window.

use std::future::Future;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The longest that a request may take and still be told apart, microseconds.
const LATENCY_US_MAX: u64 = 600_000_000;

/// Asks once and looks at the answer. Clones may be used at the same time.
pub(crate) trait Asker: Clone + Send + 'static {
    /// One request and its answer.
    fn ask(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// One run of the loop.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Requests under way at any time.
    pub(crate) in_flight: usize,
    /// Before the window.
    pub(crate) warm_up_ms: u64,
    /// The window.
    pub(crate) measure_ms: u64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Answered within the window.
    pub(crate) answered: u64,
    /// Answered at all, with the warm-up and what was under way at the end.
    pub(crate) answered_in_all: u64,
    /// Latency, microseconds.
    pub(crate) p50_us: u64,
    /// Latency, microseconds.
    pub(crate) p99_us: u64,
    /// Latency, microseconds.
    pub(crate) max_us: u64,
    /// The first thing that went wrong; the run is then worth nothing.
    pub(crate) error: Option<String>,
}

/// A payload that does not compress: `length` bytes of a fixed sequence.
pub(crate) fn payload(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

/// Says one line to the harness.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// The harness's orders, a line each, read by a thread of their own. They end when standard input does.
fn orders() -> mpsc::Receiver<String> {
    let (sender, orders) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            // A line that is not text ends this part, like a harness that has gone.
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    orders
}

/// Returns when the harness has gone or dismisses this part.
pub(crate) async fn dismissed() {
    let mut orders = orders();
    while orders.recv().await.is_some() {}
}

/// Serves orders until standard input ends. Requests are spread evenly over `askers`.
pub(crate) async fn serve<A: Asker>(askers: &[A]) -> anyhow::Result<()> {
    for asker in askers {
        asker.ask().await.context("the first request")?;
    }
    // The harness counts what is in the log against what was asked.
    say(&format!("ready {}", askers.len()))?;
    let mut orders = orders();
    while let Some(line) = orders.recv().await {
        let outcome = run(askers, serde_json::from_str(&line)?).await?;
        say(&serde_json::to_string(&outcome)?)?;
    }
    Ok(())
}

/// What one of the requests in flight saw.
#[derive(Default)]
struct Seen {
    latencies_us: Vec<u32>,
    in_all: u64,
    error: Option<String>,
}

async fn run<A: Asker>(askers: &[A], order: Order) -> anyhow::Result<Outcome> {
    let begin = Instant::now() + Duration::from_millis(order.warm_up_ms);
    let end = begin + Duration::from_millis(order.measure_ms);
    let mut loops = JoinSet::new();
    for asker in askers.iter().cycle().take(order.in_flight) {
        loops.spawn(ask_until(asker.clone(), begin, end));
    }
    sleep_until(begin).await;
    say("begin")?;
    sleep_until(end).await;
    say("end")?;
    let mut latencies = Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3)?;
    let mut outcome = Outcome {
        answered: 0,
        answered_in_all: 0,
        p50_us: 0,
        p99_us: 0,
        max_us: 0,
        error: None,
    };
    while let Some(seen) = loops.join_next().await {
        let seen = seen?;
        for latency_us in &seen.latencies_us {
            latencies.saturating_record(u64::from(*latency_us));
        }
        outcome.answered_in_all += seen.in_all;
        outcome.error = outcome.error.or(seen.error);
    }
    outcome.answered = latencies.len();
    outcome.p50_us = latencies.value_at_quantile(0.50);
    outcome.p99_us = latencies.value_at_quantile(0.99);
    outcome.max_us = latencies.max();
    Ok(outcome)
}

async fn ask_until<A: Asker>(asker: A, begin: Instant, end: Instant) -> Seen {
    let mut seen = Seen::default();
    loop {
        let asked = Instant::now();
        if asked >= end {
            return seen;
        }
        if let Err(error) = asker.ask().await {
            seen.error = Some(format!("{error:#}"));
            return seen;
        }
        seen.in_all += 1;
        let answered = Instant::now();
        if (begin..end).contains(&answered) {
            let latency_us = (answered - asked).as_micros();
            seen.latencies_us
                .push(u32::try_from(latency_us).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Slow(Duration);

    impl Asker for Slow {
        async fn ask(&self) -> anyhow::Result<()> {
            tokio::time::sleep(self.0).await;
            Ok(())
        }
    }

    #[derive(Clone)]
    struct Broken;

    impl Asker for Broken {
        async fn ask(&self) -> anyhow::Result<()> {
            anyhow::bail!("no")
        }
    }

    const ORDER: Order = Order {
        in_flight: 4,
        warm_up_ms: 100,
        measure_ms: 300,
    };

    #[tokio::test]
    async fn only_the_window_counts() {
        let outcome = run(&[Slow(Duration::from_millis(10))], ORDER)
            .await
            .unwrap();
        // No machine is faster than the sleep, and the warm-up's answers are not in the window.
        assert!((4..=4 * 31).contains(&outcome.answered), "{outcome:?}");
        assert!(outcome.answered_in_all > outcome.answered, "{outcome:?}");
        assert!(
            outcome.p50_us >= 9_900 && outcome.p50_us <= outcome.p99_us,
            "{outcome:?}"
        );
        assert_eq!(outcome.error, None);
    }

    #[tokio::test]
    async fn an_error_is_told_and_not_repeated() {
        let outcome = run(&[Broken], ORDER).await.unwrap();
        assert_eq!(outcome.answered_in_all, 0);
        assert_eq!(outcome.error.as_deref(), Some("no"));
    }

    #[test]
    fn a_payload_has_its_length_and_is_no_constant() {
        let bytes = payload(1_024);
        assert_eq!(bytes.len(), 1_024);
        let mut seen: Vec<u8> = bytes.to_vec();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 200);
    }
}
