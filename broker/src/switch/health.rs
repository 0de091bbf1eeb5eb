//! Health (`grpc.health.v1`): serving only while the log can commit.
//!
//! Whoever balances load asks here. Not-serving comes first when the switch drains, and at once when the log stops.

use audit::log::Log;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// The services whose health is told; the empty name is the whole switch.
const NAMES: [&str; 6] = [
    "",
    "mohawel.exchange.v1.Exchange",
    "mohawel.exchange.v1.Link",
    "mohawel.registry.v1.Agencies",
    "mohawel.registry.v1.Operations",
    "mohawel.audit.v1.Log",
];

/// What the health service says.
#[derive(Clone, Debug)]
pub(super) struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// Begins with serving.
    pub(super) async fn new(reporter: HealthReporter) -> Self {
        let health = Self { reporter };
        health.say(ServingStatus::Serving).await;
        health
    }

    /// Says not-serving, for good.
    pub(super) async fn not_serving(&self) {
        self.say(ServingStatus::NotServing).await;
    }

    /// Ends the streams of those who watch; they were told not-serving before.
    pub(super) async fn end(&self) {
        let mut reporter = self.reporter.clone();
        for name in NAMES {
            reporter.clear_service_status(name).await;
        }
    }

    /// Waits for the log to stop and says not-serving; ends without a word when `done`.
    pub(super) async fn follow(self, log: Log, done: CancellationToken) {
        tokio::select! {
            biased;
            () = done.cancelled() => {}
            reason = log.stopped() => {
                tracing::error!(%reason, "the log has stopped; the switch serves no more");
                self.not_serving().await;
            }
        }
    }

    async fn say(&self, status: ServingStatus) {
        for name in NAMES {
            self.reporter.set_service_status(name, status).await;
        }
    }
}
