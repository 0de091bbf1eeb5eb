//! Backends with knobs, served by the real adapter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adapters::{Failure, Provider, Reply, Request};
use serde_json::json;
use tokio::sync::Semaphore;

/// What a backend does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers with the fields asked for.
    Answers,
    /// Says so.
    Fails(Failure),
    /// Returns a field that was not asked for.
    SaysTooMuch,
    /// Panics.
    Panics,
    /// Waits for a permit, then answers.
    Waits(Arc<Semaphore>),
}

/// A backend that counts what it saw.
#[derive(Clone, Debug)]
pub struct Backend {
    does: Does,
    operation: Option<String>,
    seen: Arc<AtomicU64>,
}

impl Backend {
    /// A backend that does this.
    pub fn new(does: Does) -> Self {
        Self {
            does,
            operation: None,
            seen: Arc::default(),
        }
    }

    /// Reads `operation` out of every payload, whatever the header names.
    #[must_use]
    pub fn that_reads(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// How many requests it saw.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Provider for Backend {
    fn operation_of(&self, _: &str, _: &[u8]) -> Option<String> {
        self.operation.clone()
    }

    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        self.seen.fetch_add(1, Ordering::SeqCst);
        match &self.does {
            Does::Answers => {}
            Does::Fails(failure) => return Err(failure.clone()),
            Does::SaysTooMuch => {
                return Reply::new(["income"], "application/json", "{\"income\":1}");
            }
            Does::Panics => panic!("the agency's own code is broken"),
            Does::Waits(permits) => permits.acquire().await.map_err(Failure::failed)?.forget(),
        }
        Reply::record(
            &request,
            &json!({ "name": "Mona", "alive": true, "income": 1 }),
        )
    }
}
