//! Asking a submission's provider: queued → the rooms of every exchange → kept, or queued again.
//!
//! Takes what is due. Judges it again, by the registry of now: what was permitted when it came may not be any more. Gives it to
//! the provider's adapter as any recorded request and keeps the answer, durable before its entry is. A provider that is
//! gone, or says that it cannot answer now, is asked again until the submission's own time is over: at least once.

use std::sync::Arc;
use std::time::Duration;

use audit::log::{AppendError, LogError};
use proto::Code;
use proto::authorise::{authorise, locate};
use proto::canonical::HeaderError;
use proto::entry::EntryError;
use proto::envelope::Envelope;
use proto::header::{AnswerStatus, Outcome, RequestHeader};
use proto::limits::DEADLINE_MS_MAX;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::item::{Id, Item, State};
use super::queue::Due;
use super::store::Page;
use super::{ANSWER_KEPT_MS, END_KEPT_MS, Unanswered};
use crate::exchange::outcome::{Cause, Fault};
use crate::exchange::record::{NotHeld, Recorded};
use crate::exchange::response::Attested;
use crate::exchange::{Caller, Exchange};
use crate::links::seat::NoSeat;

/// How often the queue is looked through without news: adapters attach, pauses and submissions end.
const LOOK: Duration = Duration::from_millis(250);

/// What one asking comes to.
enum Came {
    /// An answer that holds, and is the provider's last word.
    Answer(Box<Attested>),
    /// One that does not hold.
    Fault(Box<Fault>),
    /// None now: it waits on, after a pause if `true`.
    Again(bool),
    /// It is not permitted any more.
    Cut(Code),
}

/// Why a submission could not be ended.
#[derive(Debug, Error)]
pub(super) enum NoEnd {
    #[error("its request is not in the log")]
    Missing,
    #[error(transparent)]
    Read(#[from] LogError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Log(#[from] AppendError),
}

/// Looks through the queue until the switch ends.
pub(in crate::exchange) async fn dispatch(exchange: Arc<Exchange>) {
    loop {
        let links = exchange.links();
        let queue = &exchange.submissions.queue;
        let now_ms = exchange.clock.now_ms();
        for (id, due) in queue.due(now_ms, |provider| links.has(provider)) {
            match due {
                Due::Forget => {
                    exchange.let_go(&id).await;
                    queue.forget(&id);
                }
                Due::Ask | Due::Expire => {
                    let this = Arc::clone(&exchange);
                    exchange
                        .exchanges
                        .spawn(async move { this.turn(id, due).await });
                }
            }
        }
        let open = queue.counts().0 > 0;
        tokio::select! {
            () = exchange.stop.cancelled() => return,
            () = exchange.end.cancelled() => return,
            () = queue.news.notified() => {}
            () = sleep(LOOK), if open => {}
            // What has ended is forgotten some time.
            () = sleep(Duration::from_secs(60)), if !open => {}
        }
    }
}

impl Exchange {
    async fn turn(&self, id: Id, due: Due) {
        let Some((item, _)) = self.submissions.queue.item(&id) else {
            return;
        };
        if due == Due::Expire {
            let end = Unanswered {
                outcome: Outcome::Deadline,
                code: Code::Deadline,
                clause: String::new(),
            };
            self.end_unanswered(&id, item.request, end).await;
            return;
        }
        let page = match self.submissions.store.read(&id).await {
            Ok(page) => page,
            Err(error) => {
                warn!(exchange = %id.exchange, %error, "a submission cannot be read");
                let end = Unanswered {
                    outcome: Outcome::Abandoned,
                    code: Code::ProviderFailed,
                    clause: "lost".to_owned(),
                };
                self.end_unanswered(&id, item.request, end).await;
                return;
            }
        };
        match self.asked(&page, &item).await {
            Came::Answer(attested) => self.keep_answer(&id, page, attested).await,
            Came::Fault(fault) => self.failed(&id, page, *fault).await,
            Came::Again(pause) => {
                let now_ms = self.clock.now_ms();
                self.submissions.queue.back(&id, now_ms, pause);
            }
            Came::Cut(code) => {
                let end = Unanswered {
                    outcome: Outcome::Cancelled,
                    code,
                    clause: format!("cut: {code}"),
                };
                self.end_unanswered(&id, item.request, end).await;
            }
        }
    }

    /// Asks once.
    async fn asked(&self, page: &Page, item: &Item) -> Came {
        let recorded = match self.taken_up(page, item).await {
            Ok(recorded) => recorded,
            Err(came) => return came,
        };
        let id = recorded.id();
        // Nobody hangs up on it.
        let (mut caller, _held) = Caller::new(None);
        let came = match self.provider(recorded, &mut caller).await {
            Ok(answered) => self.response(answered),
            Err(fault) => Err(fault),
        };
        match came {
            Ok(attested) if may_change(attested.status()) => {
                debug!(exchange = %id, status = attested.status().name(), "a submission's provider cannot answer now");
                Came::Again(true)
            }
            Ok(attested) => Came::Answer(Box::new(attested)),
            Err(fault) => match fault.cause() {
                Cause::Answer { .. } => Came::Fault(Box::new(fault)),
                _ => Came::Again(true),
            },
        }
    }

    /// Judges it again, and gives it a seat with its provider.
    async fn taken_up(&self, page: &Page, item: &Item) -> Result<Recorded, Came> {
        let envelope = Envelope::from_wire(page.envelope.clone()).map_err(|error| {
            warn!(%error, "a submission's page holds no envelope");
            Came::Cut(Code::Malformed)
        })?;
        let header =
            RequestHeader::open(&envelope.header).map_err(|_| Came::Cut(Code::Malformed))?;
        // It queues in its consumer's lane, as a call does.
        let known = self.registry.load();
        let known = known.system(&header.consumer);
        let consumer = known.ok_or(Came::Cut(Code::UnknownPeer))?.index;
        let seat = self
            .links
            .seat(&header.provider, header.exchange_id, consumer, false)
            .map_err(|none| Came::Again(none == NoSeat::Full))?;
        let verified = self
            .verify_again(envelope, Arc::clone(seat.peer()))
            .map_err(Came::Cut)?;
        let now_ms = self.clock.now_ms();
        let registry = verified.registry();
        let permission =
            authorise(registry, verified.header(), now_ms).map_err(|no| Came::Cut(no.code))?;
        locate(registry, verified.header()).map_err(|code| match code {
            // Its provider switched it off for a while.
            Code::OperationDisabled => Came::Again(true),
            code => Came::Cut(code),
        })?;
        let left_ms = item.expires_at_ms.saturating_sub(now_ms);
        let within = Duration::from_millis(left_ms.min(DEADLINE_MS_MAX.into()));
        let deadline = Instant::now() + within;
        self.recorded_before(verified, permission, item.request, (seat, deadline))
            .await
            .map_err(|error| match error {
                NotHeld::Read(_) => Came::Again(true),
                error => {
                    warn!(index = item.request, %error, "a submission is not what the log holds");
                    Came::Cut(Code::Malformed)
                }
            })
    }

    /// Keeps the answer, and ends the exchange.
    async fn keep_answer(&self, id: &Id, page: Page, attested: Box<Attested>) {
        let now_ms = self.clock.now_ms();
        let page = Page {
            answer: Some(attested.answer().to_wire()),
            changed_at_ms: now_ms,
            ..page
        };
        if let Err(error) = self.submissions.store.write(id, page.clone()).await {
            warn!(exchange = %id.exchange, %error, "an answer to a submission cannot be kept");
            self.submissions.queue.back(id, now_ms, true);
            return;
        }
        match self.close(Ok(*attested)).await {
            Ok(receipt) => {
                let (answer, closing, request) = receipt.into_parts();
                let bytes = (answer.header.len() + answer.payload.len()) as u64;
                let index = closing.index;
                let page = Page {
                    closing: Some(closing.to_wire()),
                    request: Some(request),
                    ..page
                };
                self.ended.note(None);
                self.written(id, page).await;
                let forget_ms = now_ms.saturating_add(ANSWER_KEPT_MS);
                let state = State::Answered { closing: index };
                self.submissions.queue.end(id, state, bytes, forget_ms);
            }
            Err(refused) => self.closed_otherwise(id, page, refused).await,
        }
    }

    /// Ends the exchange with an answer that does not hold.
    async fn failed(&self, id: &Id, page: Page, fault: Fault) {
        match self.close(Err(fault)).await {
            // It never is one.
            Ok(_) => {}
            Err(refused) => self.closed_otherwise(id, page, refused).await,
        }
    }

    /// The exchange has an end without an answer; or none, because the log took nothing, and it waits on.
    async fn closed_otherwise(&self, id: &Id, page: Page, refused: Box<crate::exchange::Refused>) {
        let now_ms = self.clock.now_ms();
        let Some(closing) = &refused.receipt else {
            self.submissions.queue.back(id, now_ms, true);
            return;
        };
        let page = Page {
            closing: Some(closing.to_wire()),
            code: refused.code.name().to_owned(),
            clause: refused.clause.clone().unwrap_or_default(),
            changed_at_ms: now_ms,
            ..page.without_payloads()
        };
        self.ended.note(Some(refused.code));
        let state = State::Ended {
            outcome: refused
                .outcome
                .and_then(Outcome::parse)
                .unwrap_or(Outcome::ProviderFailed),
            closing: closing.index,
        };
        self.written(id, page).await;
        let forget_ms = now_ms.saturating_add(END_KEPT_MS);
        self.submissions.queue.end(id, state, 0, forget_ms);
    }

    async fn written(&self, id: &Id, page: Page) {
        // Without it the start finds the end in the log.
        if let Err(error) = self.submissions.store.write(id, page).await {
            warn!(exchange = %id.exchange, %error, "how a submission ended is not written beside it");
        }
    }
}

/// Whether asking again may bring another answer.
fn may_change(status: AnswerStatus) -> bool {
    matches!(
        status,
        AnswerStatus::Unavailable
            | AnswerStatus::Refused(Code::Overloaded | Code::NotLogged | Code::RateLimited)
    )
}
