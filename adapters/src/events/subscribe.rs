//! Subscribing, ending it, pulling what is due and acknowledging it.

use std::time::Duration;

use audit::receipt::Receipt;
use proto::authorise::{Choice, choose};
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{EventReceiptHeader, SubscriptionEndHeader, SubscriptionHeader, Topic};
use proto::id::SubscriptionId;
use proto::refusal::Code;
use proto::wire::events::v1 as wire;
use proto::wire::exchange::v1::DeliverEvent;

use super::{EventError, Events, Subscribed, Told, Unfit, Wanted, id_bytes, send};
use crate::sealer::Sealed;

/// The longest that a pull waits at the switch at once.
const PULL_WAIT_MS: u32 = 20_000;

impl Events {
    /// Wants to be told from now on, or from a time on.
    ///
    /// # Errors
    /// [`EventError`]; refused with the code that a question about the same operation would be refused with.
    pub async fn subscribe(&self, wanted: Wanted) -> Result<Subscribed, EventError> {
        let adapter = &self.adapter;
        adapter.standing().hold()?;
        let now_ms = adapter.clock().now_ms();
        let pause_ms = wanted.pause.map(|pause| pause.as_millis().max(1));
        let mut header = SubscriptionHeader {
            subscription_id: self.new_id()?,
            subscriber: adapter.home().system().clone(),
            topic: Topic {
                publisher: wanted.service.system(),
                service: wanted.service.service(),
                operation: wanted.operation,
            },
            purpose: wanted.purpose,
            agreement: None,
            delegation: Vec::new(),
            fields: wanted.fields,
            from_ms: wanted.from_ms,
            attempts: wanted.attempts,
            pause_ms: pause_ms.map(|pause| u32::try_from(pause).unwrap_or(u32::MAX)),
            issued_at_ms: now_ms,
        };
        let registry = adapter.mirror().snapshot();
        match choose(&registry, &header.question(), now_ms) {
            Choice::Permits {
                agreement,
                delegation,
                ..
            }
            | Choice::Closest {
                agreement,
                delegation,
                ..
            } => {
                header.agreement = Some(agreement);
                header.delegation = delegation;
            }
            // The switch says so, on record.
            Choice::Nothing(_) => {}
        }
        let subscription_id = header.subscription_id;
        let sealed = adapter.sealer().subscription(header).await?;
        let receipt = self
            .act(
                &sealed,
                Kind::Subscription,
                wire::subscribe_request::Act::Begin,
            )
            .await?;
        Ok(Subscribed {
            subscription_id,
            receipt,
        })
    }

    /// Wants to be told no more.
    ///
    /// # Errors
    /// [`EventError`]; refused as `stale` where there is no such subscription, or it has ended.
    pub async fn unsubscribe(&self, id: SubscriptionId) -> Result<Receipt, EventError> {
        let adapter = &self.adapter;
        adapter.standing().hold()?;
        let header = SubscriptionEndHeader {
            subscription_id: id,
            subscriber: adapter.home().system().clone(),
            issued_at_ms: adapter.clock().now_ms(),
        };
        let sealed = adapter.sealer().subscription_end(header).await?;
        self.act(
            &sealed,
            Kind::SubscriptionEnd,
            wire::subscribe_request::Act::End,
        )
        .await
    }

    async fn act(
        &self,
        sealed: &Sealed,
        kind: Kind,
        act: fn(proto::wire::exchange::v1::Envelope) -> wire::subscribe_request::Act,
    ) -> Result<Receipt, EventError> {
        let adapter = &self.adapter;
        let envelope = Envelope::bare(sealed.header.clone(), sealed.seal.clone()).to_wire();
        let response = send::again(|| {
            let act = Some(act(envelope.clone()));
            let mut client = adapter.connection().events();
            async move { client.subscribe(wire::SubscribeRequest { act }).await }
        })
        .await?;
        send::proved(adapter, response.receipt, sealed, kind)
    }

    /// What is due for a subscription, at most `most`, waiting up to `wait` for the first. What does not hold is refused
    /// under this system's seal and not given out. Acknowledge what was taken in; what was not comes again.
    ///
    /// # Errors
    /// [`EventError`].
    pub async fn pull(
        &self,
        id: SubscriptionId,
        most: u32,
        wait: Duration,
    ) -> Result<Vec<Told>, EventError> {
        self.adapter.standing().hold()?;
        let request = wire::PullRequest {
            subscription_id: id_bytes(&id),
            most,
            wait_ms: u32::try_from(wait.as_millis())
                .map_or(PULL_WAIT_MS, |ms| ms.min(PULL_WAIT_MS)),
        };
        let mut client = self.adapter.connection().events();
        let pulled = send::once(client.pull(request)).await?;
        let mut told = Vec::new();
        for event in pulled.events {
            match self.judged(event).await {
                Ok(event) => told.push(event),
                Err(Unfit::Later(reason)) => {
                    tracing::warn!(reason, "an event cannot be judged yet; it comes again");
                }
                Err(Unfit::Refused { header, code }) => {
                    let _ = self.settle(vec![*header], Some(code)).await?;
                }
                Err(Unfit::Nothing) => {}
            }
        }
        Ok(told)
    }

    /// Acknowledges events that were taken in.
    ///
    /// # Errors
    /// [`EventError`]: some may be acknowledged; the others come again.
    pub async fn acknowledge(&self, told: &[Told]) -> Result<Vec<Receipt>, EventError> {
        let headers = told
            .iter()
            .map(|told| self.receipt_of(told, None))
            .collect();
        self.settle(headers, None).await
    }

    /// Refuses an event for good: it is not brought again, and its publisher sees the code.
    ///
    /// # Errors
    /// [`EventError`].
    pub async fn refuse(&self, told: &Told, code: Code) -> Result<(), EventError> {
        let header = self.receipt_of(told, Some(code));
        self.settle(vec![header], Some(code)).await.map(drop)
    }

    pub(super) fn receipt_of(&self, told: &Told, refusal: Option<Code>) -> EventReceiptHeader {
        EventReceiptHeader {
            subscription_id: told.subscription_id,
            event_id: told.event_id,
            event_header: told.header,
            refusal,
            taken_at_ms: self.adapter.clock().now_ms(),
        }
    }

    async fn settle(
        &self,
        headers: Vec<EventReceiptHeader>,
        refusal: Option<Code>,
    ) -> Result<Vec<Receipt>, EventError> {
        if headers.is_empty() {
            return Ok(Vec::new());
        }
        let adapter = &self.adapter;
        let sealing = headers.into_iter().map(|header| {
            let header = EventReceiptHeader { refusal, ..header };
            adapter.sealer().event_receipt(header)
        });
        // Asked for together, so that one signature covers them.
        let sealed = futures_util::future::try_join_all(sealing).await?;
        let bare = |sealed: &Sealed| Envelope::bare(sealed.header.clone(), sealed.seal.clone());
        let receipts: Vec<_> = sealed.iter().map(|one| bare(one).to_wire()).collect();
        let response = send::again(|| {
            let receipts = receipts.clone();
            let mut client = adapter.connection().events();
            async move {
                client
                    .acknowledge(wire::AcknowledgeRequest { receipts })
                    .await
            }
        })
        .await?;
        if response.receipts.len() != sealed.len() {
            return Err(EventError::Untrusted("receipts are missing".to_owned()));
        }
        let pairs = response.receipts.into_iter().zip(&sealed);
        pairs
            .map(|(receipt, sealed)| {
                send::proved(adapter, Some(receipt), sealed, Kind::EventOutcome)
            })
            .collect()
    }

    /// Judges what was brought.
    pub(crate) async fn judged(&self, event: DeliverEvent) -> Result<Told, Unfit> {
        super::judge::judge(&self.adapter, event).await
    }
}
