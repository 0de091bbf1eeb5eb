//! The load: a closed loop (so many in flight, each answered before the next) or an open one (so many a second, whether
//! or not the last was answered).
//!
//! Takes orders as JSON lines on standard input; one after the word `prepare` is only made ready for. Says `begin` and `end`
//! when the measured window does, so that the harness reads every process's CPU at those instants, and then one JSON line with
//! what came of it. The arithmetic is done after `end`: it is in nobody's window.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

mod closed;
pub mod latency;
mod open;
pub mod payloads;

pub use latency::Latency;
pub use payloads::{Payload, Payloads};

/// What stands before an order that is only to be prepared for.
pub(super) const PREPARE: &str = "prepare ";
/// What a load says once it is.
pub(super) const PREPARED: &str = "prepared";

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer, as it should be.
    Answered,
    /// A refusal with this stable code.
    Refused(&'static str),
}

/// Asks once and looks at the answer. Clones may be used at the same time.
pub trait Asker: Clone + Send + Sync + 'static {
    /// One request and what came back. An error is what makes a run worthless.
    fn ask(&self) -> impl Future<Output = anyhow::Result<Reply>> + Send;

    /// Makes ready for `order`, which comes next, what can be made before its time: in nobody's window. Nothing, where it is not
    /// written.
    fn prepare(askers: &[Self], order: Order) -> impl Future<Output = anyhow::Result<()>> + Send {
        let _ = (askers, order);
        std::future::ready(Ok(()))
    }
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Arrival {
    /// So many are under way at any time, spread evenly.
    InFlight(usize),
    /// So many are under way; who asks next is drawn by Zipf's law from those who have nothing under way.
    Zipf(usize),
    /// So many begin each second, in equal steps, however long answers take.
    PerSecond(f64),
}

/// One run of the load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// When requests are sent.
    pub arrival: Arrival,
    /// Before the window.
    pub warm_up_ms: u64,
    /// The window.
    pub measure_ms: u64,
    /// Whether refusals are counted; otherwise one makes the run worthless.
    pub may_refuse: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Answered within the window.
    pub answered: u64,
    /// Answered at all, with the warm-up and what was under way at the end.
    pub answered_in_all: u64,
    /// Of the window's requests: in a closed loop those answered in it; in an open one those due in it, from the instant
    /// when they were due.
    pub latency: Latency,
    /// Refused within the window.
    pub refused: u64,
    /// Refused at all, by code.
    pub refusals: BTreeMap<String, u64>,
    /// Of the window's refusals, as `latency`.
    pub refusal_latency: Latency,
    /// How long after they were due an open loop's requests began: what of the latency is the generator's.
    pub late: Latency,
    /// Due in an open loop and never begun, because too many were under way.
    pub unsent: u64,
    /// The first thing that went wrong; the run is then worth nothing.
    pub error: Option<String>,
}

/// What one window is: requests count from `begin` to `end`.
#[derive(Clone, Copy, Debug)]
struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    fn has(&self, at: Instant) -> bool {
        (self.begin..self.end).contains(&at)
    }
}

/// What was seen of some requests.
#[derive(Debug, Default)]
struct Seen {
    answered: u64,
    answered_in_all: u64,
    latencies_us: Vec<u32>,
    refused: u64,
    refusals: BTreeMap<&'static str, u64>,
    refusals_us: Vec<u32>,
    late_us: Vec<u32>,
    unsent: u64,
    error: Option<String>,
}

impl Seen {
    /// `from` is when the request was due or sent; `counts` says whether its latency belongs to the window.
    fn note(
        &mut self,
        reply: Reply,
        may_refuse: bool,
        (from, counts): (Instant, bool),
        window: Window,
    ) {
        let now = Instant::now();
        let within = u64::from(window.has(now));
        let taken = us(now.saturating_duration_since(from));
        match reply {
            Reply::Answered => {
                self.answered_in_all += 1;
                self.answered += within;
                if counts {
                    self.latencies_us.push(taken);
                }
            }
            Reply::Refused(code) => {
                if !may_refuse {
                    self.error.get_or_insert(format!("refused: {code}"));
                }
                self.refused += within;
                *self.refusals.entry(code).or_default() += 1;
                if counts {
                    self.refusals_us.push(taken);
                }
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.answered_in_all += other.answered_in_all;
        self.latencies_us.extend(other.latencies_us);
        self.refused += other.refused;
        for (code, count) in other.refusals {
            *self.refusals.entry(code).or_default() += count;
        }
        self.refusals_us.extend(other.refusals_us);
        self.late_us.extend(other.late_us);
        self.unsent += other.unsent;
        self.error = self.error.take().or(other.error);
    }

    fn outcome(self) -> anyhow::Result<Outcome> {
        let named = |(code, count): (&str, u64)| (code.to_owned(), count);
        Ok(Outcome {
            answered: self.answered,
            answered_in_all: self.answered_in_all,
            latency: Latency::of(self.latencies_us)?,
            refused: self.refused,
            refusals: self.refusals.into_iter().map(named).collect(),
            refusal_latency: Latency::of(self.refusals_us)?,
            late: Latency::of(self.late_us)?,
            unsent: self.unsent,
            error: self.error,
        })
    }
}

fn us(taken: Duration) -> u32 {
    u32::try_from(taken.as_micros()).unwrap_or(u32::MAX)
}

/// Says one line to the harness.
///
/// # Errors
/// Standard output is gone, and with it the harness.
pub fn say(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// The harness's orders, a line each, read by a thread of their own. They end when standard input does.
#[must_use]
pub fn orders() -> mpsc::Receiver<String> {
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
pub async fn dismissed() {
    let mut orders = orders();
    while orders.recv().await.is_some() {}
}

/// Serves orders until standard input ends.
///
/// # Errors
/// What the first request of an asker said, an order that is none, a harness that has gone.
pub async fn serve<A: Asker>(askers: &[A]) -> anyhow::Result<()> {
    for asker in askers {
        let reply = asker.ask().await.context("the first request")?;
        ensure!(reply == Reply::Answered, "the first request: {reply:?}");
    }
    // The harness counts what is in the log against what was asked.
    say(&format!("ready {}", askers.len()))?;
    serve_orders(askers).await
}

/// As [`serve`], for askers that have asked before or whose first request may fail: says nothing before the first order.
///
/// # Errors
/// An order that is none, a harness that has gone.
pub async fn serve_orders<A: Asker>(askers: &[A]) -> anyhow::Result<()> {
    let mut orders = orders();
    while let Some(line) = orders.recv().await {
        if let Some(order) = line.strip_prefix(PREPARE) {
            A::prepare(askers, serde_json::from_str(order)?).await?;
            say(PREPARED)?;
            continue;
        }
        let outcome = run(askers, serde_json::from_str(&line)?).await?;
        say(&serde_json::to_string(&outcome)?)?;
    }
    Ok(())
}

async fn run<A: Asker>(askers: &[A], order: Order) -> anyhow::Result<Outcome> {
    let begin = Instant::now() + Duration::from_millis(order.warm_up_ms);
    let window = Window {
        begin,
        end: begin + Duration::from_millis(order.measure_ms),
    };
    let seen = match order.arrival {
        Arrival::InFlight(in_flight) => {
            tokio::spawn(closed::evenly(askers.to_vec(), in_flight, order, window))
        }
        Arrival::Zipf(in_flight) => {
            tokio::spawn(closed::by_zipf(askers.to_vec(), in_flight, order, window))
        }
        Arrival::PerSecond(rate) => tokio::spawn(open::at(askers.to_vec(), rate, order, window)),
    };
    sleep_until(window.begin).await;
    say("begin")?;
    sleep_until(window.end).await;
    say("end")?;
    seen.await?.outcome()
}

#[cfg(test)]
mod tests;
