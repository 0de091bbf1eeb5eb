//! Submissions: requests that wait here for a provider that is not there, and answers that wait for who asked.
//!
//! ```text
//! Submit:  Received → Verified → Fresh → Permitted → Routed<Place> → durable, and queued
//! later:   queued → Verified → Permitted → Recorded → Answered → Attested → Receipt, and kept
//! Collect: kept → the consumer, until it says that it has it
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `item.rs`, [`queue`] | how each stands, whose turn it is, how many an agency may leave |
//! | [`store`] | the sealed envelopes, one file each |
//! | `deliver.rs` | asking the provider, as any exchange does, and again where it could not answer |
//! | `collect.rs` | giving the answer to who asked, and taking one back |
//! | `resume.rs` | the start: pages and the log's last entries, put together |
//!
//! The log decides what there is: a page is written before its entry is durable, and counts once it is. Everything is
//! sealed from adapter to adapter, so what waits here is nothing that the switch can read. `docs/protocol.md` §3, "Submissions".

mod collect;
mod deliver;
pub(super) mod item;
pub(super) mod queue;
mod resume;
pub mod store;

use std::path::PathBuf;
use std::sync::Arc;

use audit::receipt::Receipt as LogReceipt;
use bytes::Bytes;
use proto::Code;
use proto::entry::{Draft, Entry, Kind};
use proto::envelope::Envelope;
use proto::facts::{self, ExchangeFacts};
use proto::header::{Outcome, RequestHeader};
use proto::id::SystemId;
use proto::wire::exchange::v1 as wire;
use tracing::warn;

pub use collect::Collected;
pub(super) use deliver::dispatch;
pub use queue::Bounds;
pub(super) use resume::Left;

use self::item::{Id, Item, State};
use self::queue::{NoPlace, Place, Queue};
use self::store::{Page, Store};
use super::record::Durable;
use super::refusal::{Refused, bytes_of};
use super::{Exchange, JUDGEMENTS_MAX, Received, Unrecorded};
use crate::door::trace;

/// How long an answer waits to be collected.
const ANSWER_KEPT_MS: u64 = 30 * 24 * 3_600 * 1_000;
/// How long is told how a submission ended whose payloads are gone.
const END_KEPT_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// Where submissions wait, and how many may.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The folder of their files. Empty: none is taken.
    pub dir: PathBuf,
    /// How much an agency may leave.
    pub bounds: Bounds,
}

/// All submissions of a switch.
#[derive(Debug)]
pub(super) struct Submissions {
    queue: Arc<Queue>,
    store: Store,
}

impl Submissions {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            queue: Queue::new(settings.bounds),
            store: Store::new(settings.dir),
        }
    }

    /// Room for one more.
    pub(super) fn place(
        &self,
        header: &RequestHeader,
        envelope: &Envelope,
    ) -> Result<Place, NoPlace> {
        self.queue.place(header, envelope)
    }
}

impl Exchange {
    /// Takes a request that may wait: judged and recorded as any other, and then kept until its provider is there.
    ///
    /// # Errors
    /// What the caller is told instead.
    pub async fn submit(
        self: &Arc<Self>,
        mut received: Received,
    ) -> Result<(LogReceipt, wire::Submission), Box<Refused>> {
        let waits = self.exchanges.token();
        let admitted = match received.peer().agency.clone() {
            Some(agency) => match self.admitted(&agency).await {
                Ok(admitted) => Some(admitted),
                Err(code) => {
                    drop((received, waits));
                    return Err(self.turned_away(&agency, code).await);
                }
            },
            None => None,
        };
        received.admit(admitted, self.log.arriving());
        received.submit();
        let this = Arc::clone(self);
        // In a task of its own: once its request is durable it is queued, whoever still waits for the receipt.
        let taken = self.exchanges.spawn(async move {
            let taken = this.left_here(received).await;
            this.ended
                .note(taken.as_ref().err().map(|refused| refused.code));
            taken
        });
        drop(waits);
        taken
            .await
            .unwrap_or_else(|_| Err(Refused::unrecorded(Code::LogUnavailable)))
    }

    async fn left_here(
        &self,
        mut received: Received,
    ) -> Result<(LogReceipt, wire::Submission), Box<Refused>> {
        for _ in 0..JUDGEMENTS_MAX {
            let verified = self.verify(received);
            let routed = verified
                .inspect(|verified| trace::opened(verified.header()))
                .and_then(|verified| self.freshness(verified))
                .and_then(|fresh| self.authorise(fresh))
                .and_then(|permitted| self.queue(permitted));
            let refusal = match routed {
                Ok(routed) => {
                    // Before its entry: what is in the log can be delivered.
                    let verified = routed.verified();
                    let id = Id::of(verified.header());
                    let page = self.page(verified.envelope());
                    if let Err(error) = self.submissions.store.write(&id, page).await {
                        warn!(%error, "a submission cannot be kept");
                        return Err(Refused::unrecorded(Code::Overloaded));
                    }
                    match self.record_request(routed).await {
                        Ok(durable) => return Ok(self.queued(id, durable).await),
                        Err(unrecorded) => {
                            self.let_go(&id).await;
                            match unrecorded {
                                Unrecorded::Overtaken(overtaken) => Err(overtaken),
                                Unrecorded::Refused(refusal) => self.refuse(refusal).await,
                            }
                        }
                    }
                }
                Err(refusal) => self.refuse(refusal).await,
            };
            let overtaken = match refusal {
                Ok(refused) => return Err(refused),
                Err(overtaken) => overtaken,
            };
            self.registry.reached(overtaken.size).await;
            received = overtaken.received;
            received.announce(self.log.arriving());
        }
        Err(Refused::unrecorded(Code::Overloaded))
    }

    /// It is in the log: from now on it waits for its provider.
    async fn queued(&self, id: Id, durable: Durable<Place>) -> (LogReceipt, wire::Submission) {
        let Durable {
            verified,
            request,
            place,
            ..
        } = durable;
        let page = Page {
            recorded: request.index + 1,
            ..self.page(verified.envelope())
        };
        // Without it the start finds the entry in the log.
        if let Err(error) = self.submissions.store.write(&id, page).await {
            warn!(%error, "a submission's index is not written beside it");
        }
        let item = Item::new(verified.header(), request.index, place.bytes);
        self.submissions.queue.enter(id.clone(), item);
        drop(place);
        (request.receipt, self.told(&id))
    }

    fn page(&self, envelope: &Envelope) -> Page {
        Page {
            envelope: Some(envelope.to_wire()),
            changed_at_ms: self.clock.now_ms(),
            ..Page::default()
        }
    }

    /// How a submission stands. Of one that is not known, nothing but its id.
    fn told(&self, id: &Id) -> wire::Submission {
        let standing = self.submissions.queue.item(id);
        standing.map_or_else(
            || wire::Submission {
                exchange_id: Bytes::copy_from_slice(id.exchange.as_bytes()),
                ..wire::Submission::default()
            },
            |(item, before)| told(id, &item, before),
        )
    }

    /// How all submissions of `consumer` stand.
    pub fn submissions(&self, consumer: &SystemId) -> Vec<wire::Submission> {
        let own = self.submissions.queue.of(consumer).into_iter();
        own.map(|(id, item, before)| told(&id, &item, before))
            .collect()
    }

    /// Submissions without an end, and answers that wait to be collected.
    pub fn submissions_waiting(&self) -> (usize, usize) {
        self.submissions.queue.counts()
    }

    /// Makes the one closing entry of a submission that gets no answer. `None`: it could not be, and it waits again.
    pub(super) async fn end_unanswered(
        &self,
        id: &Id,
        request: u64,
        end: Unanswered,
    ) -> Option<LogReceipt> {
        let ended = self.closed_unanswered(id, request, &end).await;
        let closing = match ended {
            Ok(closing) => closing,
            Err(error) => {
                warn!(exchange = %id.exchange, %error, "a submission could not be ended");
                let now_ms = self.clock.now_ms();
                self.submissions.queue.back(id, now_ms, true);
                return None;
            }
        };
        self.ended.note(Some(end.code));
        let page = self.submissions.store.read(id).await.unwrap_or_default();
        let now_ms = self.clock.now_ms();
        let page = Page {
            closing: Some(closing.to_wire()),
            code: end.code.name().to_owned(),
            clause: end.clause,
            changed_at_ms: now_ms,
            ..page.without_payloads()
        };
        if let Err(error) = self.submissions.store.write(id, page).await {
            warn!(%error, "how a submission ended is not written beside it");
        }
        let state = State::Ended {
            outcome: end.outcome,
            closing: closing.index,
        };
        let forget_ms = now_ms.saturating_add(END_KEPT_MS);
        self.submissions.queue.end(id, state, 0, forget_ms);
        Some(closing)
    }

    async fn closed_unanswered(
        &self,
        id: &Id,
        request: u64,
        end: &Unanswered,
    ) -> Result<LogReceipt, deliver::NoEnd> {
        let bytes = self
            .log
            .entry(request)
            .await?
            .ok_or(deliver::NoEnd::Missing)?;
        let entry = Entry::decode(&bytes)?;
        // Never another's end.
        if Id::of(&RequestHeader::open(&entry.header)?) != *id {
            return Err(deliver::NoEnd::Missing);
        }
        let asked = facts::exchange(&entry.facts)?;
        let facts = ExchangeFacts {
            decided_at_ms: self.clock.now_ms(),
            code: end.outcome.name().to_owned(),
            agreement: asked.agreement,
            grant: asked.grant,
            clause: end.clause.clone(),
            request_index: request,
            request_leaf: bytes_of(&proto::digest::leaf_hash(&bytes)),
            exchange_id: Bytes::copy_from_slice(id.exchange.as_bytes()),
            ..ExchangeFacts::default()
        };
        let draft = Draft {
            kind: Kind::Closing,
            facts: facts::encode(&facts),
            header: Bytes::new(),
            seal: None,
        };
        Ok(self.log.append(draft, None).await?.receipt)
    }

    async fn let_go(&self, id: &Id) {
        if let Err(error) = self.submissions.store.remove(id).await {
            warn!(%error, "a submission's file is not removed");
        }
    }
}

/// How a submission ends without an answer.
#[derive(Clone, Debug)]
pub(super) struct Unanswered {
    pub(super) outcome: Outcome,
    /// What its consumer hears.
    pub(super) code: Code,
    pub(super) clause: String,
}

fn told(id: &Id, item: &Item, before: usize) -> wire::Submission {
    let (state, closing, outcome) = match item.state {
        State::Waiting => (wire::SubmissionState::Waiting, 0, ""),
        State::Asked => (wire::SubmissionState::Asked, 0, ""),
        State::Answered { closing } => {
            let outcome = Outcome::Answered.name();
            (wire::SubmissionState::Answered, closing, outcome)
        }
        State::Collected { closing } => {
            let outcome = Outcome::Answered.name();
            (wire::SubmissionState::Collected, closing, outcome)
        }
        State::Ended { outcome, closing } => {
            (wire::SubmissionState::Ended, closing, outcome.name())
        }
    };
    wire::Submission {
        exchange_id: Bytes::copy_from_slice(id.exchange.as_bytes()),
        service: item.service.to_string(),
        operation: item.operation.to_string(),
        state: state.into(),
        before: u32::try_from(before).unwrap_or(u32::MAX),
        attempts: item.attempts,
        submitted_at_ms: item.submitted_at_ms,
        expires_at_ms: item.expires_at_ms,
        next_at_ms: if item.state == State::Waiting {
            item.next_ms
        } else {
            0
        },
        request_index: item.request,
        closing_index: closing,
        outcome: outcome.to_owned(),
    }
}
