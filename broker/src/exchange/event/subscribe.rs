//! Subscribing: who may ask an operation may be told of its events, from now on or from a time on, until it ends that or may
//! not any more.
//!
//! Says no as the room that authorises requests does, and with duplicate, stale, unknown_service, contract_violation,
//! operation_disabled.

use std::sync::Arc;
use std::time::Duration;

use audit::receipt::Receipt;
use proto::authorise::{authorise, locate_topic, verify_subscription, verify_subscription_end};
use proto::entry::{Draft, Kind};
use proto::facts::{self, EventFacts};
use proto::{Code, Digest};
use tokio::time::sleep;

use super::act::{No, brought_bare};
use super::digest_bytes;
use crate::api::roles::Rpc;
use crate::exchange::refusal::Refused;
use crate::exchange::{Exchange, Received};

/// How long an end waits for receipts that are on their way into the log: so often, so long.
const RECEIPTS_WAIT: (u32, Duration) = (500, Duration::from_millis(10));

impl Exchange {
    /// Records a subscription.
    ///
    /// # Errors
    /// What the caller is told instead.
    pub async fn subscribe(self: &Arc<Self>, received: Received) -> Result<Receipt, Box<Refused>> {
        self.act(received, |this, received| {
            Box::pin(this.judged_subscription(received))
        })
        .await
    }

    /// Records the end of one by its subscriber.
    ///
    /// # Errors
    /// What the caller is told instead.
    pub async fn unsubscribe(
        self: &Arc<Self>,
        received: Received,
    ) -> Result<Receipt, Box<Refused>> {
        self.act(received, |this, received| {
            Box::pin(this.judged_end(received))
        })
        .await
    }

    async fn judged_subscription(&self, received: &Received) -> Result<Receipt, No> {
        let house = &self.events;
        let _one = house.acts.lock().await;
        let registry = self.registry.load();
        let now_ms = self.clock.now_ms();
        let (system, envelope) = brought_bare(&registry, received, Rpc::Subscribe)?;
        let header = verify_subscription(&registry, &envelope.header, &envelope.seal)?;
        if header.subscriber != *system {
            return Err(Code::WrongSigner.into());
        }
        // Whose receipt was lost sends the very same again.
        let first = {
            let inner = house.book.lock();
            let first = inner.events.subscription_of(system, header.subscription_id);
            first
                .filter(|(_, held)| held.ended.is_none() && held.header == header)
                .map(|(index, _)| index)
        };
        if let Some(index) = first {
            let receipt = self.log.receipt(index).await.ok().flatten();
            return Ok(receipt.ok_or(Code::LogUnavailable)?);
        }
        if header.issued_at_ms.abs_diff(now_ms) > self.settings.window_ms {
            return Err(Code::Stale.into());
        }
        let permission = authorise(&registry, &header.question(), now_ms).map_err(No::Denied)?;
        locate_topic(&registry, &header.topic, None)?;
        house.book.lock().events.judge_begin(&header)?;
        let facts = EventFacts {
            peer_sha256: digest_bytes(&received.peer().sha256()),
            decided_at_ms: now_ms,
            agreement: digest_bytes(&permission.agreement),
            grant: permission.grant,
            ..EventFacts::default()
        };
        let draft = Draft {
            kind: Kind::Subscription,
            facts: facts::encode(&facts),
            header: envelope.header.clone(),
            seal: Some(envelope.seal.clone()),
        };
        let appended = self.log.append(draft, Some(registry.size())).await?;
        let recorded_at_ms = appended.entry.stamp.recorded_at_ms();
        let (index, leaf) = (appended.index, appended.leaf);
        let recorded = (index, leaf, recorded_at_ms);
        house.book.begun(recorded, header, now_ms);
        Ok(appended.receipt)
    }

    async fn judged_end(&self, received: &Received) -> Result<Receipt, No> {
        let house = &self.events;
        let _one = house.acts.lock().await;
        let registry = self.registry.load();
        let now_ms = self.clock.now_ms();
        let (system, envelope) = brought_bare(&registry, received, Rpc::Subscribe)?;
        let header = verify_subscription_end(&registry, &envelope.header, &envelope.seal)?;
        if header.subscriber != *system {
            return Err(Code::WrongSigner.into());
        }
        if header.issued_at_ms.abs_diff(now_ms) > self.settings.window_ms {
            return Err(Code::Stale.into());
        }
        let found = {
            let inner = house.book.lock();
            inner
                .own(system, header.subscription_id)
                .and_then(|index| Some((index, inner.events.subscription(index)?.leaf)))
        };
        let (index, leaf) = found.ok_or(Code::Stale)?;
        let facts = EventFacts {
            peer_sha256: digest_bytes(&received.peer().sha256()),
            decided_at_ms: now_ms,
            ..of_subscription(index, &leaf)
        };
        let draft = Draft {
            kind: Kind::SubscriptionEnd,
            facts: facts::encode(&facts),
            header: envelope.header.clone(),
            seal: Some(envelope.seal.clone()),
        };
        self.record_end(index, draft, registry.size(), "").await
    }

    /// Records the end of a subscription once no receipt is on its way.
    async fn record_end(
        &self,
        index: u64,
        draft: Draft,
        judged: u64,
        code: &str,
    ) -> Result<Receipt, No> {
        let book = &self.events.book;
        let (times, pause) = RECEIPTS_WAIT;
        for _ in 0..times {
            if book.ending(index).is_none() {
                sleep(pause).await;
                continue;
            }
            return match self.log.append(draft, Some(judged)).await {
                Ok(appended) => {
                    book.ended(index, appended.index, code);
                    Ok(appended.receipt)
                }
                Err(error) => {
                    book.goes_on(index);
                    Err(error.into())
                }
            };
        }
        Err(Code::Overloaded.into())
    }

    /// Ends the subscription at `index` if what the agencies agreed on does not permit it any more. A suspension holds it up
    /// and ends nothing.
    pub(super) async fn end_if_denied(&self, index: u64) -> Result<(), No> {
        let house = &self.events;
        let _one = house.acts.lock().await;
        let registry = self.registry.load();
        let now_ms = self.clock.now_ms();
        let held = {
            let inner = house.book.lock();
            let held = inner.events.subscription(index);
            held.filter(|held| held.ended.is_none())
                .map(|held| (held.leaf, held.header.question()))
        };
        let Some((leaf, question)) = held else {
            return Ok(());
        };
        let denial = match authorise(&registry, &question, now_ms) {
            Err(denial) if denial.code != Code::AgencySuspended => denial,
            Ok(_) | Err(_) => return Ok(()),
        };
        let facts = EventFacts {
            decided_at_ms: now_ms,
            code: denial.code.name().to_owned(),
            clause: denial.clause.to_string(),
            agreement: denial
                .agreement
                .as_ref()
                .map(digest_bytes)
                .unwrap_or_default(),
            grant: denial.grant,
            ..of_subscription(index, &leaf)
        };
        let draft = Draft {
            kind: Kind::SubscriptionEnd,
            facts: facts::encode(&facts),
            header: bytes::Bytes::new(),
            seal: None,
        };
        let code = denial.code.name();
        self.record_end(index, draft, registry.size(), code).await?;
        tracing::info!(
            index,
            code,
            "a subscription has ended: it is not permitted any more"
        );
        Ok(())
    }
}

/// Facts that name a subscription.
pub(super) fn of_subscription(index: u64, leaf: &Digest) -> EventFacts {
    EventFacts {
        subscription_index: index,
        subscription_leaf: digest_bytes(leaf),
        ..EventFacts::default()
    }
}
