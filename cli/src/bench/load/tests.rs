//! Loops over askers whose behaviour is known.

use super::*;

#[derive(Clone)]
struct Slow(Duration);

impl Asker for Slow {
    async fn ask(&self) -> anyhow::Result<Reply> {
        tokio::time::sleep(self.0).await;
        Ok(Reply::Answered)
    }
}

#[derive(Clone)]
struct Broken;

impl Asker for Broken {
    async fn ask(&self) -> anyhow::Result<Reply> {
        anyhow::bail!("no")
    }
}

#[derive(Clone)]
struct Full;

impl Asker for Full {
    async fn ask(&self) -> anyhow::Result<Reply> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(Reply::Refused("overloaded"))
    }
}

/// Answers at once but for one stall, in which everybody waits.
#[derive(Clone)]
struct Stalls(std::sync::Arc<std::sync::OnceLock<Instant>>);

impl Asker for Stalls {
    async fn ask(&self) -> anyhow::Result<Reply> {
        let began = *self.0.get_or_init(Instant::now);
        let (from, to) = (Duration::from_millis(200), Duration::from_millis(300));
        if (began + from..began + to).contains(&Instant::now()) {
            sleep_until(began + to).await;
        }
        Ok(Reply::Answered)
    }
}

fn order(arrival: Arrival) -> Order {
    Order {
        arrival,
        warm_up_ms: 100,
        measure_ms: 300,
        may_refuse: false,
    }
}

#[tokio::test]
async fn only_the_window_counts() {
    let askers = [Slow(Duration::from_millis(10))];
    let outcome = run(&askers, order(Arrival::InFlight(4))).await.unwrap();
    // No machine is faster than the sleep, and the warm-up's answers are not in the window.
    assert!((4..=4 * 31).contains(&outcome.answered), "{outcome:?}");
    assert!(outcome.answered_in_all > outcome.answered, "{outcome:?}");
    let latency = &outcome.latency;
    assert!(
        latency.p50_ms() >= 9.9 && latency.p50_ms() <= latency.p99_ms(),
        "{outcome:?}"
    );
    assert_eq!(outcome.error, None);
}

#[tokio::test]
async fn an_error_is_told_and_not_repeated() {
    for arrival in [
        Arrival::InFlight(4),
        Arrival::Zipf(1),
        Arrival::PerSecond(100.0),
    ] {
        let outcome = run(&[Broken], order(arrival)).await.unwrap();
        assert_eq!(outcome.answered_in_all, 0);
        assert_eq!(outcome.error.as_deref(), Some("no"));
    }
}

#[tokio::test]
async fn a_refusal_is_counted_only_where_it_may_be() {
    let outcome = run(&[Full], order(Arrival::InFlight(1))).await.unwrap();
    assert_eq!(outcome.error.as_deref(), Some("refused: overloaded"));
    let counted = Order {
        may_refuse: true,
        ..order(Arrival::PerSecond(100.0))
    };
    let outcome = run(&[Full], counted).await.unwrap();
    assert_eq!((outcome.error, outcome.answered), (None, 0));
    assert!(
        outcome.refused > 0 && outcome.refusals["overloaded"] >= outcome.refused,
        "{:?}",
        outcome.refusals
    );
    assert!(outcome.refusal_latency.p50_ms() >= 4.9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_keeps_its_rate_and_hides_no_stall() {
    let askers = [Stalls(std::sync::Arc::default())];
    let outcome = run(&askers, order(Arrival::PerSecond(1_000.0)))
        .await
        .unwrap();
    // Everything that was due in the window was asked, 300 of 1,000 a second.
    assert_eq!((outcome.latency.count, outcome.unsent), (300, 0));
    // A stall of 100 ms within 300 ms: a closed loop with one in flight would have seen it once. Here a third of all
    // waited, the tenth that was due first at least 60 ms.
    let nine_of_ten = outcome.latency.us[2];
    assert!(nine_of_ten >= 60_000, "{outcome:?}");
    assert!(outcome.latency.p50_ms() < 60.0, "{outcome:?}");
}
