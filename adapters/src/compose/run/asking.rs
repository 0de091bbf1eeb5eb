//! One part, asked: tried again within the case's time where that is safe.

use std::sync::Arc;
use std::time::Duration;

use proto::digest::Digest;
use proto::id::ExchangeId;
use proto::limits::DEADLINE_MS_MAX;
use tokio::time::Instant;

use super::{Asking, LEAST, NOT_DONE, word};
use crate::compose::Composition;
use crate::connection::Backoff;
use crate::consumer::{Answer, Attempt, Consumer, ExchangeError};

/// What asking brought.
pub(super) struct Asked {
    pub(super) place: usize,
    pub(super) first: ExchangeId,
    pub(super) last: Option<ExchangeId>,
    pub(super) result: Result<Answer, ExchangeError>,
}

/// One part, being asked.
pub(super) struct Question {
    pub(super) consumer: Consumer,
    pub(super) composition: Arc<Composition>,
    pub(super) actor: Option<Digest>,
    pub(super) case: Digest,
    pub(super) retries: u32,
    pub(super) asking: Asking,
    pub(super) until: Instant,
}

impl Question {
    pub(super) async fn ask(self) -> Asked {
        let first = self.asking.first;
        let mut backoff = Backoff::default();
        let mut again = self.asking.is_retry.then_some(first);
        let mut left = self.retries;
        loop {
            let result = Box::pin(self.once(again)).await;
            let last = match &result {
                Ok(answer) => Some(answer.exchange_id),
                Err(error) => exchange_of(error),
            };
            let pause = result
                .as_ref()
                .err()
                .filter(|error| self.is_safe_after(error))
                .map(|error| match error {
                    ExchangeError::Refused(refused) => {
                        refused.retry_after.unwrap_or_else(|| backoff.next_wait())
                    }
                    _ => backoff.next_wait(),
                });
            let time = self.until.saturating_duration_since(Instant::now());
            match pause {
                Some(pause) if left > 0 && pause + LEAST < time => {
                    left -= 1;
                    again = Some(first);
                    tokio::time::sleep(pause).await;
                }
                _ => {
                    return Asked {
                        place: self.asking.place,
                        first: first.exchange_id,
                        last,
                        result,
                    };
                }
            }
        }
    }

    /// Whether asking again may help, and cannot do twice what must be done once.
    fn is_safe_after(&self, error: &ExchangeError) -> bool {
        let acts = self.composition.parts[self.asking.place].once;
        error.is_worth_retrying() && (!acts || word(&Err(error)) == NOT_DONE)
    }

    async fn once(&self, again: Option<Attempt>) -> Result<Answer, ExchangeError> {
        let part = &self.composition.parts[self.asking.place];
        let left = self
            .until
            .saturating_duration_since(Instant::now())
            .max(LEAST);
        let most = part.deadline_ms.unwrap_or(DEADLINE_MS_MAX);
        let mut ask = self
            .consumer
            .ask(part.service.as_str())
            .operation(part.operation.as_str())
            .purpose(part.purpose.as_str())
            .fields(part.fields.iter().map(|field| field.as_str()))
            .payload("application/json", self.asking.payload.clone())
            .deadline(left.min(Duration::from_millis(u64::from(most))))
            .case_reference(self.case)
            .written_first();
        if let Some(actor) = self.actor {
            ask = ask.actor(actor);
        }
        ask = match again {
            Some(first) => ask.attempt_of(first),
            None => ask.begin_as(self.asking.first),
        };
        Box::pin(ask.send()).await
    }
}

/// The exchange that an error is about.
fn exchange_of(error: &ExchangeError) -> Option<ExchangeId> {
    match error {
        ExchangeError::Refused(refused) => Some(refused.exchange_id),
        ExchangeError::Provider { answer, .. } => Some(answer.exchange_id),
        ExchangeError::Untrusted { exchange_id, .. } => Some(*exchange_id),
        ExchangeError::Transport { attempt, .. } => Some(attempt.exchange_id),
        ExchangeError::Unsent(_)
        | ExchangeError::NoEncryptionKey(_)
        | ExchangeError::Distrust(_)
        | ExchangeError::Sealer(_) => None,
    }
}
