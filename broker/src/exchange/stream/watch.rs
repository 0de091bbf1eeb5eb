//! What an answer in chunks and a request in chunks have in common on their way through.
//!
//! Takes chunks one by one and keeps the last one back; counts, and hashes nothing. Says when whatever is under way must end
//! before its end: nobody waits, the switch stops, its time is up, or the registry no longer permits it.

use std::time::Duration;

use bytes::Bytes;
use proto::authorise::{Permission, authorise};
use proto::header::TrailerHeader;
use proto::limits::{CHUNK_BYTES_MAX, STREAM_MS_MAX};
use proto::registry::Registry;
use proto::{Code, Digest};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::exchange::outcome::Cause;
use crate::exchange::verify::Verified;
use crate::exchange::{Caller, Exchange};

/// How often a stream is judged again without news of the registry: agreements also end by the clock.
const AGAIN: Duration = Duration::from_secs(5);

/// What interrupts a stream.
pub(in crate::exchange) struct Watch {
    sizes: watch::Receiver<u64>,
    again: Interval,
    ends: Instant,
}

/// Chunks on their way.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Passing {
    announced: u64,
    count: u64,
    length: u64,
    /// The last chunk that came.
    held: Option<Bytes>,
}

/// A chunk that may not be.
#[derive(Debug)]
pub(in crate::exchange) struct Unfit;

impl Watch {
    pub(in crate::exchange) fn over(exchange: &Exchange) -> Self {
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            sizes: exchange.registry.sizes(),
            again,
            ends: Instant::now() + Duration::from_millis(STREAM_MS_MAX),
        }
    }
}

impl Exchange {
    /// Resolves when the stream must end before its end. Whatever it waited for can be waited for again. `answered_by` is
    /// the key that sealed the beginning of an answer.
    pub(in crate::exchange) async fn interrupted(
        &self,
        (verified, before, answered_by): (&Verified, Permission, Option<Digest>),
        watch: &mut Watch,
        caller: &mut Caller,
    ) -> Cause {
        loop {
            tokio::select! {
                biased;
                () = caller.answer.closed() => return Cause::HangUp,
                () = self.stop.cancelled() => return Cause::Stopping,
                () = sleep_until(watch.ends) => return Cause::TooLong,
                // The sender lives as long as the registry.
                _ = watch.sizes.changed() => {}
                _ = watch.again.tick() => {}
            }
            let (registry, now_ms) = (self.registry.load(), self.clock.now_ms());
            if let Err(code) = permitted(verified, before, answered_by, &registry, now_ms) {
                return Cause::Cut(code);
            }
        }
    }
}

/// Whether the registry still permits what it permitted `before`: the same grant, and the keys that sealed.
pub(in crate::exchange) fn permitted(
    verified: &Verified,
    before: Permission,
    answered_by: Option<Digest>,
    registry: &Registry,
    now_ms: u64,
) -> Result<(), Code> {
    let header = verified.header();
    let now = authorise(registry, header, now_ms).map_err(|denial| denial.code)?;
    if (now.agreement, now.grant) != (before.agreement, before.grant) {
        return Err(Code::NoAgreement);
    }
    let asked = verified.envelope().seal.open().ok().map(|seal| seal.kid());
    registry.seal_key(&asked.unwrap_or_default(), &header.consumer)?;
    if let Some(kid) = answered_by {
        registry.seal_key(&kid, &header.provider)?;
    }
    registry.may_connect(&header.consumer, &verified.passage().peer.sha256())
}

impl Passing {
    /// Nothing passed yet. `announced` is how many bytes there will be; 0: nobody said.
    pub(in crate::exchange) fn of(announced: u64) -> Self {
        Self {
            announced,
            ..Self::default()
        }
    }

    /// Takes a chunk and gives the one before it.
    pub(in crate::exchange) fn take(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Unfit> {
        let may_be = (1..=CHUNK_BYTES_MAX).contains(&chunk.len());
        self.count += 1;
        self.length = self.length.saturating_add(chunk.len() as u64);
        if !may_be || self.announced != 0 && self.length > self.announced {
            return Err(Unfit);
        }
        Ok(self.held.replace(chunk))
    }

    /// The chunk that was kept back.
    pub(in crate::exchange) fn last(&mut self) -> Option<Bytes> {
        self.held.take()
    }

    /// Whether a trailer says what passed; else a stable word for what it says otherwise.
    pub(in crate::exchange) fn is_said_by(&self, said: &TrailerHeader) -> Result<(), &'static str> {
        if said.count != self.count {
            return Err("count");
        }
        if said.length != self.length || self.announced != 0 && self.announced != said.length {
            return Err("length");
        }
        Ok(())
    }
}
