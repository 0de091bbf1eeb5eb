//! Bringing events: by the link of an adapter that takes them, or to whoever pulls.
//!
//! Takes what the book says is due. Looks whether it is still permitted, by the registry of now, and ends the subscription
//! where it is not. Gives up, on record, what was brought too often or is kept no longer, and lets go of payloads that can
//! reach nobody any more.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use proto::Code;
use proto::authorise::authorise;
use proto::id::{SubscriptionId, SystemId};
use proto::wire::exchange::v1 as wire;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::warn;

use super::book::{Due, What};
use super::name;
use crate::exchange::Exchange;
use crate::exchange::refusal::Refused;

/// How often the lines are looked through without news.
const LOOK: Duration = Duration::from_millis(250);
/// The lines are looked through no more often than this.
const BETWEEN: Duration = Duration::from_millis(5);
/// How often payloads that are over are looked for.
const SWEEP_MS: u64 = 60_000;
/// The longest that whoever pulls is let wait at once.
const PULL_WAIT_MS: u32 = 60_000;
/// Events given out by one pull.
const PULL_MAX: u32 = 64;

/// Brings what is due until the switch ends.
pub(in crate::exchange) async fn dispatch(exchange: Arc<Exchange>) {
    let (mut judged, mut permitted) = (None, HashSet::new());
    let mut swept_ms = exchange.clock.now_ms();
    loop {
        let book = &exchange.events.book;
        let (now_ms, living) = (exchange.clock.now_ms(), book.counts().0);
        // By the registry as it is, and once a second by the clock: agreements end by themselves.
        let seen = Some((exchange.registry.load().size(), now_ms / 1_000, living));
        if seen != judged {
            permitted = exchange.end_denied().await;
            judged = seen;
        }
        exchange.bring_all(now_ms, &permitted).await;
        let looked = Instant::now();
        if now_ms.abs_diff(swept_ms) > SWEEP_MS {
            exchange.sweep_events().await;
            exchange.keep_known(false).await;
            swept_ms = now_ms;
        }
        tokio::select! {
            () = exchange.stop.cancelled() => return,
            () = exchange.end.cancelled() => return,
            () = book.news.notified() => {}
            () = sleep(LOOK), if living > 0 => {}
            () = sleep(Duration::from_millis(SWEEP_MS)), if living == 0 => {}
        }
        // Receipts come one by one, and each is news: one look serves all of a moment.
        sleep_until(looked + BETWEEN).await;
    }
}

impl Exchange {
    /// Ends what is not permitted any more; what is.
    async fn end_denied(&self) -> HashSet<u64> {
        let registry = self.registry.load();
        let now_ms = self.clock.now_ms();
        let (permitted, denied): (HashSet<u64>, HashSet<u64>) = {
            let inner = self.events.book.lock();
            let living = inner.events.subscriptions();
            let living = living.filter(|(_, held)| held.ended.is_none());
            let judged = living.map(|(index, held)| {
                let question = held.header.question();
                (index, authorise(&registry, &question, now_ms).is_ok())
            });
            let (permitted, denied): (Vec<_>, Vec<_>) = judged.partition(|(_, is_ok)| *is_ok);
            let indexes = |judged: Vec<(u64, bool)>| judged.into_iter().map(|(index, _)| index);
            (indexes(permitted).collect(), indexes(denied).collect())
        };
        for index in denied {
            if let Err(no) = self.end_if_denied(index).await {
                // The next look comes soon.
                warn!(
                    ?no,
                    index, "a subscription that is not permitted could not be ended"
                );
            }
        }
        permitted
    }

    async fn bring_all(self: &Arc<Self>, now_ms: u64, permitted: &HashSet<u64>) {
        let due = self.events.book.due(now_ms, |index, subscriber| {
            // Of the others some are held up, and some about to end.
            let is_permitted = permitted.contains(&index);
            is_permitted
                .then(|| self.links.events_link(subscriber))
                .flatten()
        });
        for due in due {
            match due.what {
                What::Bring(_) => {
                    if let Some(message) = self.delivery(due).await {
                        let subscriber = self.subscriber(due.subscription);
                        let sent = subscriber
                            .is_some_and(|system| self.links.bring_event(&system, message));
                        if !sent {
                            self.events.book.not_brought(due);
                        }
                    }
                }
                What::Withhold | What::GiveUpAttempts | What::GiveUpAge => self.give_up(due).await,
            }
        }
    }

    fn subscriber(&self, index: u64) -> Option<SystemId> {
        let inner = self.events.book.lock();
        let held = inner.events.subscription(index)?;
        Some(held.header.subscriber.clone())
    }

    /// The message that brings an event; `None`: its payload or its receipt cannot be read now.
    async fn delivery(&self, due: Due) -> Option<wire::DeliverEvent> {
        let What::Bring(attempt) = due.what else {
            return None;
        };
        let (page, subscription_id) = {
            let inner = self.events.book.lock();
            let event = inner.events.event(due.event)?;
            let held = inner.events.subscription(due.subscription)?;
            let page = name(&event.topic.publisher, event.id);
            (page, held.header.subscription_id)
        };
        let page = match self.events.pages.read(&page).await {
            Ok(page) => page,
            Err(error) => {
                warn!(%error, event = due.event, "an event cannot be read");
                return None;
            }
        };
        let receipt = match self.log.receipt(due.event).await {
            Ok(receipt) => receipt?,
            Err(error) => {
                warn!(%error, event = due.event, "the receipt of an event cannot be made");
                return None;
            }
        };
        Some(wire::DeliverEvent {
            event: page.envelope,
            receipt: Some(receipt.to_wire()),
            subscription_id: bytes::Bytes::copy_from_slice(subscription_id.as_bytes()),
            attempt,
        })
    }

    /// What is due for a subscription of `system`, waiting for the first up to `wait_ms`.
    ///
    /// # Errors
    /// `stale` of a subscription that is not known, is another's or has ended; as the room that authorises where it is held up.
    pub async fn pull(
        &self,
        system: &SystemId,
        id: SubscriptionId,
        (most, wait_ms): (u32, u32),
    ) -> Result<Vec<wire::DeliverEvent>, Box<Refused>> {
        let until = Instant::now() + Duration::from_millis(wait_ms.min(PULL_WAIT_MS).into());
        let most = most.clamp(1, PULL_MAX) as usize;
        loop {
            let book = &self.events.book;
            let mut moved = std::pin::pin!(book.moved.notified());
            moved.as_mut().enable();
            let found = {
                let inner = book.lock();
                let index = inner.own(system, id);
                index.and_then(|index| {
                    Some((index, inner.events.subscription(index)?.header.question()))
                })
            };
            let (index, question) = found.ok_or_else(|| Refused::unrecorded(Code::Stale))?;
            let now_ms = self.clock.now_ms();
            if let Err(denial) = authorise(&self.registry.load(), &question, now_ms) {
                return Err(Refused::unrecorded(denial.code));
            }
            let mut brought = Vec::new();
            for due in book.pull(index, most, now_ms) {
                match self.delivery(due).await {
                    Some(message) => brought.push(message),
                    None => book.not_brought(due),
                }
            }
            if !brought.is_empty() || Instant::now() >= until {
                return Ok(brought);
            }
            // Events come, pauses end.
            let look = until.min(Instant::now() + LOOK);
            tokio::select! {
                _ = timeout_at(look, moved) => {}
                () = self.stop.cancelled() => return Ok(brought),
            }
        }
    }

    /// Lets go of payloads that are kept no longer.
    async fn sweep_events(&self) {
        let now_ms = self.clock.now_ms();
        let house = &self.events;
        let since_ms = house.kept_since_ms(now_ms);
        let over = {
            let mut inner = house.book.lock();
            inner.events.forget(now_ms);
            inner.over(since_ms)
        };
        for (index, event) in over {
            let page = event.map(|(publisher, id)| name(&publisher, id));
            let removed = match page {
                Some(page) => house.pages.remove(&page).await,
                // Forgotten altogether: the next start lets its page go.
                None => Ok(()),
            };
            match removed {
                Ok(()) => house.book.lock().let_go(index),
                Err(error) => warn!(%error, index, "an event that is over is still kept"),
            }
        }
    }
}
