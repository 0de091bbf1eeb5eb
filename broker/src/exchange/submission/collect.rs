//! Collecting: the answer goes to who asked, as often as it asks, until it says that it has it.
//!
//! Takes whose system it is and the exchange. Gives the answer that a call would have brought, how it stands, or how it ended.
//! Never says of another's submission that there is one.

use std::time::Duration;

use audit::receipt::Receipt as LogReceipt;
use proto::Code;
use proto::header::Outcome;
use proto::id::{ExchangeId, SystemId};
use proto::wire::exchange::v1 as wire;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::item::{Id, State};
use super::store::Page;
use super::{END_KEPT_MS, Unanswered, told};
use crate::exchange::Exchange;
use crate::exchange::pages::StoreError;
use crate::exchange::refusal::{Recording, Refused};

/// The longest that a collector is let wait at once.
const COLLECT_WAIT_MS: u32 = 60_000;

/// What whoever collects gets.
#[derive(Debug)]
pub enum Collected {
    /// The answer, as a call would have brought it.
    Answered(Box<wire::CallResponse>),
    /// None: how it stands.
    Not(wire::Submission),
}

impl Exchange {
    /// The answer to a submission of `consumer`, waiting for it up to `wait_ms`. With `taken` the switch lets go of it.
    ///
    /// # Errors
    /// `unknown_service` has no place here: of an id that is not known, or is another's, `stale`; of an end without an answer its code.
    pub async fn collect(
        &self,
        consumer: &SystemId,
        exchange: ExchangeId,
        (wait_ms, taken): (u32, bool),
    ) -> Result<Collected, Box<Refused>> {
        let id = Id {
            consumer: consumer.clone(),
            exchange,
        };
        let until = Instant::now() + Duration::from_millis(wait_ms.min(COLLECT_WAIT_MS).into());
        loop {
            let queue = &self.submissions.queue;
            let mut moved = std::pin::pin!(queue.moved.notified());
            moved.as_mut().enable();
            let Some((item, before)) = queue.item(&id) else {
                return Err(unknown(exchange));
            };
            match item.state {
                State::Waiting | State::Asked => {
                    let over = tokio::select! {
                        late = timeout_at(until, moved) => late.is_err(),
                        () = self.stop.cancelled() => true,
                    };
                    if over {
                        return Ok(Collected::Not(told(&id, &item, before)));
                    }
                }
                State::Collected { .. } => return Ok(Collected::Not(told(&id, &item, before))),
                State::Answered { closing } if taken => {
                    self.collected(&id, closing).await?;
                    return Ok(Collected::Not(self.told(&id)));
                }
                State::Answered { .. } | State::Ended { .. } => return self.kept(&id).await,
            }
        }
    }

    /// What its page says of its end.
    async fn kept(&self, id: &Id) -> Result<Collected, Box<Refused>> {
        let page = self.submissions.store.read(id).await.map_err(|error| {
            warn!(%error, "a submission cannot be read");
            Refused::unrecorded(Code::LogUnavailable)
        })?;
        if let Some(code) = Code::parse(&page.code) {
            return Err(Box::new(Refused {
                exchange_id: Some(id.exchange),
                clause: (!page.clause.is_empty()).then_some(page.clause),
                recording: Recording::Recorded,
                receipt: page
                    .closing
                    .and_then(|receipt| LogReceipt::from_wire(receipt).ok()),
                retry_after_ms: None,
                ..*Refused::unrecorded(code)
            }));
        }
        Ok(Collected::Answered(Box::new(wire::CallResponse {
            answer: page.answer,
            receipt: page.closing,
            request: page.request,
        })))
    }

    /// The consumer has it: the copy here is let go.
    async fn collected(&self, id: &Id, closing: u64) -> Result<(), Box<Refused>> {
        let unread = |error: StoreError| {
            warn!(%error, "a submission cannot be let go");
            Refused::unrecorded(Code::LogUnavailable)
        };
        let page = self.submissions.store.read(id).await.map_err(unread)?;
        let now_ms = self.clock.now_ms();
        let page = Page {
            collected: true,
            changed_at_ms: now_ms,
            ..page.without_payloads()
        };
        self.submissions
            .store
            .write(id, page)
            .await
            .map_err(unread)?;
        let state = State::Collected { closing };
        let forget_ms = now_ms.saturating_add(END_KEPT_MS);
        self.submissions.queue.end(id, state, 0, forget_ms);
        Ok(())
    }

    /// Ends a submission of `consumer` that waits.
    ///
    /// # Errors
    /// `stale` of one that is not known or has ended; `overloaded` while its provider is asked.
    pub async fn withdraw(
        &self,
        consumer: &SystemId,
        exchange: ExchangeId,
    ) -> Result<LogReceipt, Box<Refused>> {
        let id = Id {
            consumer: consumer.clone(),
            exchange,
        };
        let Some(item) = self.submissions.queue.take(&id) else {
            let open = self.submissions.queue.item(&id);
            return Err(match open {
                Some((item, _)) if item.is_open() => Refused::unrecorded(Code::Overloaded),
                _ => unknown(exchange),
            });
        };
        let end = Unanswered {
            outcome: Outcome::Cancelled,
            code: Code::Deadline,
            clause: "withdrawn".to_owned(),
        };
        self.end_unanswered(&id, item.request, end)
            .await
            .ok_or_else(|| Refused::unrecorded(Code::LogUnavailable))
    }
}

/// Of an id that is not here: never was, is another's, or is forgotten.
fn unknown(exchange: ExchangeId) -> Box<Refused> {
    Box::new(Refused {
        exchange_id: Some(exchange),
        ..*Refused::unrecorded(Code::Stale)
    })
}
