//! One question, tried once or several times; each try is an exchange of its own.

use std::time::{Duration, Instant};

use proto::authorise::{Choice, SealedRequest, choose};
use proto::commitment::{Commitment, Salt};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{AnswerStatus, RequestHeader};
use proto::id::ExchangeId;
use proto::registry::Registry;
use proto::wire::exchange::v1 as wire;
use tonic::{Request, Status};
use uuid::{NoContext, Timestamp, Uuid};

use super::noted::Noted;
use super::outcome::{Answer, Attempt, ExchangeError};
use super::verify::{self, Returned, Untrusted};
use super::{Ask, Consumer, Draft, Try, refusal};
use crate::connection::Backoff;
use crate::journal::JournalError;
use crate::sealer::{Sealed, Waited};

/// How much longer than the deadline the switch is waited for: it records the deadline itself.
pub(super) const GRACE: Duration = Duration::from_secs(3);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// With nothing that permits the request in the mirror, how long one more entry is waited for.
const NEWS_WAIT: Duration = Duration::from_millis(200);

/// Names the agreement that permits the request, or else the one that comes closest; whether one permits it.
fn name_agreement(header: &mut RequestHeader, registry: &Registry) -> bool {
    let (agreement, delegation, permits) = match choose(registry, header, header.issued_at_ms) {
        Choice::Permits {
            agreement,
            delegation,
            ..
        } => (Some(agreement), delegation, true),
        Choice::Closest {
            agreement,
            delegation,
            ..
        } => (Some(agreement), delegation, false),
        Choice::Nothing(_) => (None, Vec::new(), false),
    };
    header.agreement = agreement;
    header.delegation = delegation;
    permits
}

impl Ask<'_> {
    /// The header that [`Ask::send`] would begin with now, agreement included; nothing is sealed or sent. For asking
    /// [`proto::authorise::authorise`] beforehand what it would decide.
    ///
    /// # Errors
    /// [`ExchangeError::Unsent`] for a mistake in the request.
    pub async fn unsent_header(self) -> Result<RequestHeader, ExchangeError> {
        let (consumer, attempt) = (self.consumer, self.attempt);
        let draft = self.into_draft()?;
        let try_ = consumer.new_try(attempt)?;
        consumer.header(&draft, &try_).await
    }
}

impl Consumer {
    /// Tries `draft` once and up to `retries` times more, where that is safe.
    pub(super) async fn send(
        &self,
        draft: Draft,
        (mut attempt, mut first): (Option<Attempt>, Option<Attempt>),
        retries: u32,
    ) -> Result<Answer, ExchangeError> {
        let mut backoff = Backoff::default();
        let mut left = retries;
        loop {
            let error = match self.send_once(&draft, attempt, first.take()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if left == 0 || !error.is_worth_retrying() {
                return Err(error);
            }
            left -= 1;
            attempt = error.attempt().or(attempt);
            let pause = match &error {
                ExchangeError::Refused(refused) => refused.retry_after,
                _ => None,
            };
            tracing::debug!(%error, left, "trying again");
            tokio::time::sleep(pause.unwrap_or_else(|| backoff.next_wait()).min(PAUSE_MAX)).await;
        }
    }

    async fn send_once(
        &self,
        draft: &Draft,
        attempt: Option<Attempt>,
        first: Option<Attempt>,
    ) -> Result<Answer, ExchangeError> {
        self.adapter.standing().hold()?;
        let unwritable = |error: JournalError| ExchangeError::Unsent(error.to_string());
        self.adapter.journal().room().await.map_err(unwritable)?;
        let try_ = match (attempt, first) {
            (None, Some(first)) => Try::first(first),
            _ => self.new_try(attempt)?,
        };
        let header = self.header(draft, &try_).await?;
        let sealed = self.adapter.sealer().request(header.clone()).await?;
        let noted = Noted::asked(self, &header, &sealed);
        let written = match draft.written_first {
            true => self.adapter.journal().synced().await.map_err(unwritable),
            false => Ok(()),
        };
        let outcome = match written {
            Ok(()) => Box::pin(self.send_sealed(draft, &try_, &header, &sealed, &noted)).await,
            Err(error) => Err(error),
        };
        noted.ended(outcome.as_ref(), &try_, &draft.payload);
        outcome
    }

    async fn send_sealed(
        &self,
        draft: &Draft,
        try_: &Try,
        header: &RequestHeader,
        sealed: &Sealed,
        noted: &Noted<'_>,
    ) -> Result<Answer, ExchangeError> {
        let floor = self.adapter.checkpoints().floor();
        let outgoing = self.outgoing(draft, header, sealed, try_)?;
        let began = Instant::now();
        let returned = match self.call(draft, &outgoing.envelope).await {
            Ok(response) => {
                let sealer = self.adapter.sealer();
                sealer.took(Waited::Answer, began.elapsed());
                verify::open(response)
            }
            Err(CallError::Status(status)) => {
                // A receipt inside a refusal may be what convicts the switch.
                let error = refusal::read(&status, sealed, try_, &self.adapter);
                self.adapter.standing().hold()?;
                return Err(error);
            }
            Err(CallError::Silent) => {
                return Err(ExchangeError::Transport {
                    reason: "the switch gave no outcome in time".to_owned(),
                    attempt: try_.attempt(),
                });
            }
        };
        let trusted = match returned {
            Ok(returned) => {
                let came = returned.clone();
                let own = (header, sealed);
                let trusted = self.trust(returned, Kind::Closing, floor, own).await;
                if trusted.is_err() {
                    noted.untrusted(&came);
                }
                trusted
            }
            Err(reason) => Err(reason),
        };
        let answer = match trusted {
            Ok(answer) => answer,
            Err(reason) => return Err(self.untrusted(reason, try_.id, None).await),
        };
        let answer = self.opened(answer, outgoing.opening.as_ref()).await?;
        if let Some(items) = &draft.items
            && answer.status == AnswerStatus::Answered
            && let Err(reason) = verify::results(&answer.envelope.payload, items.count)
        {
            let objected = Digest::of(&answer.envelope.header);
            return Err(self.untrusted(reason, try_.id, Some(objected)).await);
        }
        if answer.status == AnswerStatus::Answered {
            Ok(answer)
        } else {
            Err(ExchangeError::Provider {
                status: answer.status,
                answer: Box::new(answer),
            })
        }
    }

    pub(super) fn new_try(&self, attempt: Option<Attempt>) -> Result<Try, ExchangeError> {
        let unsent = |error: String| ExchangeError::Unsent(error);
        let now_us = self.adapter.clock().now_us();
        // Below 1,000,000,000, so it fits.
        let nanos = (now_us % 1_000_000) as u32 * 1_000;
        let uuid = Uuid::new_v7(Timestamp::from_unix(NoContext, now_us / 1_000_000, nanos));
        let id = ExchangeId::from_uuid(uuid)
            .ok_or_else(|| unsent("no exchange id could be made".to_owned()))?;
        let salt = match attempt {
            Some(attempt) => attempt.salt,
            None => Salt::random().map_err(|error| unsent(error.to_string()))?,
        };
        Ok(Try {
            id,
            attempt_of: attempt.map(|attempt| attempt.exchange_id),
            salt,
        })
    }

    /// The header of one try; run id and sequence number are the sealer's.
    pub(super) async fn header(
        &self,
        draft: &Draft,
        try_: &Try,
    ) -> Result<RequestHeader, ExchangeError> {
        let registry = self.adapter.mirror().snapshot();
        let contract = registry
            .service(&draft.service)
            .map(|service| service.contract);
        let mut header = RequestHeader {
            exchange_id: try_.id,
            attempt_of: try_.attempt_of,
            run_id: [0; 16],
            sequence: 0,
            consumer: self.adapter.home().system().clone(),
            provider: draft.service.system(),
            service: draft.service.service(),
            operation: draft.operation.clone(),
            // Without a published service the switch says so, and records it.
            contract: contract.unwrap_or_default(),
            purpose: draft.purpose.clone(),
            agreement: draft.agreement,
            delegation: Vec::new(),
            external_id_hash: draft.external_id_hash,
            case_reference: draft.case_reference,
            subjects: draft.subjects.clone(),
            actor: draft.actor,
            fields: draft.fields.clone(),
            issued_at_ms: self.adapter.clock().now_ms(),
            deadline_ms: draft.deadline_ms,
            payload: match (&draft.items, &draft.chunks) {
                (None, None) => Commitment::new(&draft.content_type, &draft.payload, &try_.salt),
                (None, Some(chunks)) => Commitment::to_chunks(
                    &draft.content_type,
                    chunks.length,
                    &draft.payload,
                    &try_.salt,
                ),
                (Some(items), _) => Commitment::to_items(
                    &draft.content_type,
                    draft.payload.len(),
                    &items.manifest,
                    &try_.salt,
                ),
            },
            seen: self.adapter.checkpoints().seen(),
        };
        // Where it can be sealed, no agreement stands in the way for its being open.
        let sealable = draft.sealed || registry.encryption_key(&header.provider).is_some();
        if sealable && draft.is_one_piece() {
            header.payload = header.payload.sealed();
        }
        if contract.is_none() || draft.agreement.is_none() {
            self.complete(&mut header, draft).await;
        }
        self.name_subjects(&mut header, draft)?;
        self.choose_form(&mut header, draft)?;
        Ok(header)
    }

    /// Finds contract and agreement; when the mirror has none that permits, waits a moment for news.
    async fn complete(&self, header: &mut RequestHeader, draft: &Draft) {
        let mirror = self.adapter.mirror();
        for last in [false, true] {
            let registry = mirror.snapshot();
            let service = registry.service(&draft.service);
            if let Some(service) = service {
                header.contract = service.contract;
            }
            let permits = match draft.agreement {
                Some(named) => {
                    header.agreement = Some(named);
                    true
                }
                None => name_agreement(header, &registry),
            };
            if (permits && service.is_some()) || last {
                break;
            }
            // The agreement may have been sealed a moment ago. No news within the wait is news too.
            let _ = mirror.reached(registry.size() + 1, NEWS_WAIT).await;
        }
        header.issued_at_ms = self.adapter.clock().now_ms();
    }

    async fn call(
        &self,
        draft: &Draft,
        envelope: &Envelope,
    ) -> Result<wire::CallResponse, CallError> {
        let wait = Duration::from_millis(u64::from(draft.deadline_ms)) + GRACE;
        if let Some(calls) = self.adapter.calls() {
            match tokio::time::timeout(wait, calls.call(envelope.to_wire(), wait)).await {
                Ok(Ok(Some(response))) => return Ok(response),
                Ok(Ok(None)) => {}
                Ok(Err(status)) => return Err(CallError::Status(Box::new(status))),
                Err(_) => return Err(CallError::Silent),
            }
        }
        let mut request = Request::new(wire::CallRequest {
            envelope: Some(envelope.to_wire()),
        });
        request.set_timeout(wait);
        let mut client = self.adapter.connection().exchange();
        match tokio::time::timeout(wait, client.call(request)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(CallError::Status(Box::new(status))),
            Err(_) => Err(CallError::Silent),
        }
    }

    /// Everything but the payload's commitment: entry, registry, seal, request.
    pub(super) async fn trust(
        &self,
        returned: Returned,
        kind: Kind,
        floor: u64,
        (header, sealed): (&RequestHeader, &Sealed),
    ) -> Result<Answer, Untrusted> {
        let adapter = &self.adapter;
        let proven = verify::proof(&returned, kind, adapter.notes())?;
        let note = returned.receipt.checkpoint.clone();
        adapter
            .checkpoints()
            .note_behind(floor, proven.checkpoint.clone(), note)
            .map_err(|reason| Untrusted::Mirror(reason.into()))?;
        let wait = adapter.home().config().mirror_wait;
        let registry = adapter.mirror().agrees(&proven.entry.stamp, wait).await?;
        let request = SealedRequest {
            header: &sealed.header,
            opened: header,
            seal: &sealed.seal,
        };
        let answer = verify::answer(
            &registry,
            request,
            &returned,
            &proven,
            (adapter.seals(), adapter.clock().now_ms()),
        )?;
        Ok(Answer {
            payload: returned.envelope.payload.clone(),
            content_type: answer.payload.content_type.clone(),
            fields: answer.fields.clone(),
            status: answer.status,
            exchange_id: answer.exchange_id,
            request_index: returned.request.index,
            request_entry: returned.request,
            closing_index: returned.receipt.index,
            receipt: returned.receipt,
            header: answer,
            envelope: returned.envelope,
        })
    }

    /// An answer that is not handed out. A payload that is not its header's is disputed on record.
    pub(super) async fn untrusted(
        &self,
        reason: Untrusted,
        exchange_id: ExchangeId,
        answer: Option<Digest>,
    ) -> ExchangeError {
        tracing::error!(exchange = %exchange_id, %reason, "an answer is not trusted and not handed out");
        if let Err(distrust) = self.adapter.standing().hold() {
            return distrust.into();
        }
        let disputed = match answer {
            Some(answer_header) => self.dispute(exchange_id, answer_header).await,
            None => false,
        };
        ExchangeError::Untrusted {
            reason,
            exchange_id,
            disputed,
        }
    }
}

/// Why a call brought no response.
enum CallError {
    Status(Box<Status>),
    Silent,
}
