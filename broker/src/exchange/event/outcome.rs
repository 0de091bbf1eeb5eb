//! Outcomes: the sealed receipt of a subscriber, or the switch's own word that it gave up, once for each event.
//!
//! Says no with the codes of a seal, malformed, stale for what is not (or no longer) brought to that system, duplicate.

use std::sync::Arc;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::Code;
use proto::authorise::verify_event_receipt;
use proto::entry::{Draft, Kind};
use proto::events::{EventFault, Fate};
use proto::facts::{self, EventFacts};
use proto::header::EventReceiptHeader;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::act::{No, brought_bare};
use super::book::{Due, Held, What};
use super::digest_bytes;
use super::subscribe::of_subscription;
use crate::api::roles::Rpc;
use crate::exchange::refusal::Refused;
use crate::exchange::{Exchange, Received};
use crate::links::TakenEvent;

/// Receipts of one switch that are recorded at once.
const AT_ONCE: usize = 256;

/// Records the receipts that come by links until the switch ends.
pub(in crate::exchange) async fn take(
    exchange: Arc<Exchange>,
    mut waiting: mpsc::Receiver<TakenEvent>,
) {
    let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    loop {
        let taken = tokio::select! {
            () = exchange.stop.cancelled() => return,
            () = exchange.end.cancelled() => return,
            taken = waiting.recv() => taken,
        };
        let Some(taken) = taken else { return };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let this = Arc::clone(&exchange);
        exchange.exchanges.spawn(async move {
            let _place = place;
            let received = Received::new(taken.peer, taken.receipt, String::new(), None);
            if let Err(refused) = this.acknowledge(received).await {
                // It is brought again, and acknowledged again.
                debug!(code = %refused.code, "the receipt of an event was refused");
            }
        });
    }
}

impl Exchange {
    /// Records the receipt of an event; the same a second time gets the first.
    ///
    /// # Errors
    /// What the caller is told instead.
    pub async fn acknowledge(
        self: &Arc<Self>,
        received: Received,
    ) -> Result<Receipt, Box<Refused>> {
        self.act(received, |this, received| {
            Box::pin(this.judged_receipt(received))
        })
        .await
    }

    async fn judged_receipt(&self, received: &Received) -> Result<Receipt, No> {
        let registry = self.registry.load();
        let now_ms = self.clock.now_ms();
        let (system, envelope) = brought_bare(&registry, received, Rpc::Acknowledge)?;
        let memory = Some((&received.peer().memory, now_ms));
        let (header, seal) = (&envelope.header, &envelope.seal);
        let header = verify_event_receipt(&registry, header, seal, system, memory)?;
        let fate = match header.refusal {
            None => Fate::Taken,
            Some(_) => Fate::Refused,
        };
        let (subscription, event, first) = {
            let inner = self.events.book.lock();
            let index = inner.own(system, header.subscription_id);
            let index = index.ok_or(Code::Stale)?;
            let held = inner.events.subscription(index).ok_or(Code::Stale)?;
            let publisher = &held.header.topic.publisher;
            let (at, event) = inner
                .events
                .event_of(publisher, header.event_id)
                .ok_or(Code::Stale)?;
            if event.header != header.event_header {
                return Err(Code::Malformed.into());
            }
            (index, at, held.outcomes.get(&at).copied())
        };
        let held = match self.held(subscription, event, fate) {
            Ok(held) => held,
            Err(EventFault::Twice(_)) => {
                let first = first.filter(|(before, _)| *before == fate);
                let (_, outcome) = first.ok_or(Code::Duplicate)?;
                let receipt = self.log.receipt(outcome).await.ok().flatten();
                return Ok(receipt.ok_or(Code::LogUnavailable)?);
            }
            Err(fault) => return Err(fault.into()),
        };
        let facts = EventFacts {
            peer_sha256: digest_bytes(&received.peer().sha256()),
            decided_at_ms: now_ms,
            code: header.refusal.map_or("", Code::name).to_owned(),
            event_index: event,
            event_leaf: digest_bytes(&held.leaves.1),
            attempts: held.attempts,
            ..of_subscription(subscription, &held.leaves.0)
        };
        let draft = Draft {
            kind: Kind::EventOutcome,
            facts: facts::encode(&facts),
            header: envelope.header.clone(),
            seal: Some(envelope.seal.clone()),
        };
        let appended = self.log.append(draft, Some(registry.size())).await?;
        held.settle(fate, appended.index);
        log_refused(&header, subscription);
        Ok(appended.receipt)
    }

    fn held(&self, subscription: u64, event: u64, fate: Fate) -> Result<Held<'_>, EventFault> {
        let how = (fate, self.log.head().size());
        self.events.book.hold(subscription, event, how)
    }

    /// Records that an event is given up, or withheld.
    pub(super) async fn give_up(&self, due: Due) {
        let (fate, code, clause) = match due.what {
            What::Bring(_) => return,
            What::Withhold => (Fate::Withheld, Code::FieldNotGranted, "fields"),
            What::GiveUpAttempts => (Fate::Dead, Code::Deadline, "attempts"),
            What::GiveUpAge => (Fate::Dead, Code::Deadline, "age"),
        };
        // Somebody else was faster, or it ends.
        let Ok(held) = self.held(due.subscription, due.event, fate) else {
            return;
        };
        let facts = EventFacts {
            decided_at_ms: self.clock.now_ms(),
            code: code.name().to_owned(),
            clause: clause.to_owned(),
            event_index: due.event,
            event_leaf: digest_bytes(&held.leaves.1),
            attempts: held.attempts,
            ..of_subscription(due.subscription, &held.leaves.0)
        };
        let draft = Draft {
            kind: Kind::EventOutcome,
            facts: facts::encode(&facts),
            header: Bytes::new(),
            seal: None,
        };
        match self.log.append(draft, None).await {
            Ok(appended) => held.settle(fate, appended.index),
            Err(error) => warn!(%error, "an event that is given up is not recorded"),
        }
    }
}

fn log_refused(header: &EventReceiptHeader, subscription: u64) {
    if let Some(code) = header.refusal {
        warn!(%code, event = %header.event_id, subscription, "a subscriber refused an event");
    }
}
