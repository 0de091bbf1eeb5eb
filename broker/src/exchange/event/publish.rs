//! Publishing: an event sealed by its publisher is kept, recorded, and put in the line of everybody who follows.
//!
//! Says no with the codes of a seal, malformed, too_large, payload_mismatch, stale, unknown_service, contract_violation,
//! operation_disabled, duplicate (of another event with the same id), overloaded while the store is full. The same event a
//! second time gets the receipt of the first.

use std::sync::Arc;

use audit::receipt::Receipt;
use proto::authorise::{locate_topic, verify_event};
use proto::commitment::CommitmentError;
use proto::entry::{Draft, Kind};
use proto::envelope::Envelope;
use proto::events::Event;
use proto::facts::{self, EventFacts};
use proto::header::EventHeader;
use proto::limits::EVENT_BYTES_MAX;
use proto::{Code, Digest};
use tracing::warn;

use super::act::{No, brought};
use super::{AROUND_BYTES, Page, digest_bytes, name};
use crate::api::roles::Rpc;
use crate::exchange::refusal::Refused;
use crate::exchange::{Exchange, Received};

/// When a full store is tried again: events are let go as their time is over.
const FULL_RETRY_MS: u64 = 60_000;
/// When somebody else is publishing the same.
const SAME_RETRY_MS: u64 = 200;

impl Exchange {
    /// Records an event; its receipt, and how many are told.
    ///
    /// # Errors
    /// What the caller is told instead.
    pub async fn publish(
        self: &Arc<Self>,
        received: Received,
    ) -> Result<(Receipt, usize), Box<Refused>> {
        self.act(received, |this, received| {
            Box::pin(this.judged_event(received))
        })
        .await
    }

    async fn judged_event(&self, received: &Received) -> Result<(Receipt, usize), No> {
        let registry = self.registry.load();
        let now_ms = self.clock.now_ms();
        let (system, envelope) = brought(&registry, received, Rpc::Publish)?;
        if envelope.payload.len() > EVENT_BYTES_MAX {
            return Err(Code::TooLarge.into());
        }
        let memory = Some((&received.peer().memory, now_ms));
        let header = verify_event(&registry, &envelope.header, &envelope.seal, memory)?;
        if header.topic.publisher != *system {
            return Err(Code::WrongSigner.into());
        }
        // It is read many times by others: what does not fit is said to who made it.
        let opened = header.payload.open(&envelope.payload, &envelope.salt);
        opened.map_err(|error| match error {
            CommitmentError::Salt(_) => Code::Malformed,
            _ => Code::PayloadMismatch,
        })?;
        let house = &self.events;
        let coming = house
            .book
            .coming(system, header.event_id, self.log.head().size());
        let Some(_coming) = coming else {
            return Err(No::Later(SAME_RETRY_MS));
        };
        let known = {
            let inner = house.book.lock();
            let known = inner.events.event_of(system, header.event_id);
            known.map(|(index, event)| (index, event.header, inner.events.followers(index).count()))
        };
        if let Some((index, before, told)) = known {
            if before != Digest::of(&envelope.header) {
                return Err(Code::Duplicate.into());
            }
            let receipt = self.log.receipt(index).await.ok().flatten();
            return Ok((receipt.ok_or(Code::LogUnavailable)?, told));
        }
        if header.issued_at_ms.abs_diff(now_ms) > self.settings.window_ms {
            return Err(Code::Stale.into());
        }
        locate_topic(&registry, &header.topic, Some(&header.contract))?;
        let facts = EventFacts {
            peer_sha256: digest_bytes(&received.peer().sha256()),
            decided_at_ms: now_ms,
            ..EventFacts::default()
        };
        self.keep_and_record(&header, envelope, facts, registry.size())
            .await
    }

    async fn keep_and_record(
        &self,
        header: &EventHeader,
        envelope: &Envelope,
        facts: EventFacts,
        judged: u64,
    ) -> Result<(Receipt, usize), No> {
        let house = &self.events;
        let bytes = envelope.payload.len() as u64 + AROUND_BYTES;
        if house.book.lock().bytes() + bytes > house.settings.bytes_max {
            return Err(No::Later(FULL_RETRY_MS));
        }
        let page = Page {
            envelope: Some(envelope.to_wire()),
        };
        let name = name(&header.topic.publisher, header.event_id);
        // Before its entry: what is in the log can be brought.
        if let Err(error) = house.pages.write(&name, page).await {
            warn!(%error, "an event cannot be kept");
            return Err(No::Later(FULL_RETRY_MS));
        }
        let draft = Draft {
            kind: Kind::Event,
            facts: facts::encode(&facts),
            header: envelope.header.clone(),
            seal: Some(envelope.seal.clone()),
        };
        let appended = match self.log.append(draft, Some(judged)).await {
            Ok(appended) => appended,
            Err(error) => {
                if let Err(error) = house.pages.remove(&name).await {
                    warn!(%error, "an event that is not recorded is still kept");
                }
                return Err(error.into());
            }
        };
        let recorded_at_ms = appended.entry.stamp.recorded_at_ms();
        let event = Event::of(header, &envelope.header, appended.leaf, recorded_at_ms);
        let told = house.book.published(appended.index, event, bytes);
        Ok((appended.receipt, told))
    }
}
