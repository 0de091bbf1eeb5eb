//! Who waits for an exchange, and what it is told.

use proto::Code;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::outcome::Cause;
use super::record::Receipt;
use super::refusal::Refused;

/// What whoever waits for an exchange is told.
pub(super) type Told = Result<Receipt, Box<Refused>>;

/// Who waits for an exchange.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(super) answer: oneshot::Sender<Told>,
    /// When it stops waiting by its own deadline.
    pub(super) patience_ends: Option<Instant>,
}

impl Caller {
    /// One that waits, perhaps until some instant only, and where it hears.
    pub(super) fn new(patience_ends: Option<Instant>) -> (Self, oneshot::Receiver<Told>) {
        let (answer, waiting) = oneshot::channel();
        let caller = Self {
            answer,
            patience_ends,
        };
        (caller, waiting)
    }

    /// Resolves when the caller is gone; says why.
    pub(super) async fn hung_up(&mut self) -> Cause {
        self.answer.closed().await;
        match self.patience_ends {
            // The server ends a call at its own deadline by dropping it.
            Some(ends) if Instant::now() >= ends => Cause::Deadline,
            _ => Cause::HangUp,
        }
    }
}

/// What the exchange said. It only ends without a word by a fault of ours, or with the process.
pub(super) async fn told(answer: oneshot::Receiver<Told>) -> Told {
    answer
        .await
        .unwrap_or_else(|_| Err(Refused::unrecorded(Code::LogUnavailable)))
}
