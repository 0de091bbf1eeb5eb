//! Room 9 of an answer in chunks, carry: `Opened → Trailed`.
//!
//! Takes chunks as the provider sends them and passes each on when the next one is here: the last one stays. Gives the
//! trailer, once it holds for what was passed. Ends with a fault when the provider breaks off, the consumer hangs up or
//! does not read, or the registry no longer permits the exchange. Holds at most one window of chunks.

use std::time::Duration;

use bytes::Bytes;
use proto::authorise::{AnswerFault, authorise, verify_trailer};
use proto::envelope::Envelope;
use proto::limits::{CHUNK_BYTES_MAX, CHUNK_WINDOW, STREAM_IDLE_MS, STREAM_MS_MAX};
use proto::registry::Registry;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::stream_response::Message;
use proto::wire::exchange::v1::{CancelReason, StreamOpened, StreamResponse};
use proto::{Code, Digest};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};

use super::Parts;
use super::open::Opened;
use crate::exchange::outcome::{Cause, Fault};
use crate::exchange::record::Recorded;
use crate::exchange::refusal::micros;
use crate::exchange::{Caller, Exchange};
use crate::links::link::Frame;

/// How often a stream is judged again without news of the registry: agreements also end by the clock.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a stream may stand still.
const IDLE: Duration = Duration::from_millis(STREAM_IDLE_MS);
/// Credit is given back this many chunks at a time.
const CREDIT_STEP: u32 = CHUNK_WINDOW as u32 / 2;

/// A stream with a trailer that holds, and with its last chunk still here.
#[derive(Debug)]
pub(super) struct Trailed {
    pub(super) carried: Carried,
    pub(super) trailer: Envelope,
    /// Registry entries that the trailer was judged against.
    pub(super) registry_size: u64,
}

/// What was passed on so far.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) recorded: Recorded,
    /// The key that sealed the opening.
    kid: Option<Digest>,
    header_sha256: Digest,
    announced: u64,
    began: Instant,
    count: u64,
    length: u64,
    /// The last chunk that came.
    pub(super) held: Option<Bytes>,
    /// Passed on since credit was given.
    taken: u32,
}

/// What interrupts a stream.
struct Watch {
    sizes: watch::Receiver<u64>,
    again: Interval,
    ends: Instant,
}

impl Exchange {
    /// Passes on what comes.
    pub(super) async fn carry(
        &self,
        opened: Opened,
        caller: &mut Caller,
        parts: &Parts,
    ) -> Result<Trailed, Fault> {
        let (first, mut carried, mut frames) = begin(opened);
        let mut watch = Watch::over(self);
        let ended = self
            .carried(
                &mut carried,
                (first, &mut frames),
                &mut watch,
                caller,
                parts,
            )
            .await;
        match ended {
            Ok((trailer, registry_size)) => Ok(Trailed {
                carried,
                trailer,
                registry_size,
            }),
            Err(cause) => Err(carried.fail(cause)),
        }
    }

    async fn carried(
        &self,
        carried: &mut Carried,
        (first, frames): (StreamResponse, &mut mpsc::Receiver<Frame>),
        watch: &mut Watch,
        caller: &mut Caller,
        parts: &Parts,
    ) -> Result<(Envelope, u64), Cause> {
        self.pass(first, carried, watch, caller, parts).await?;
        loop {
            let frame = tokio::select! {
                biased;
                cause = self.interrupted(carried, watch, caller) => return Err(cause),
                frame = timeout(IDLE, frames.recv()) => frame.map_err(|_| Cause::Stream("stalled"))?,
            };
            match frame {
                Some(Frame::Chunk(chunk)) => {
                    if let Some(before) = carried.take(chunk)? {
                        let chunk = StreamResponse {
                            message: Some(Message::Chunk(before)),
                        };
                        self.pass(chunk, carried, watch, caller, parts).await?;
                        carried.passed();
                    }
                }
                Some(Frame::Trailer(envelope)) => return self.trailer(carried, Some(envelope)),
                Some(Frame::Broken) => return Err(Cause::Stream("broken")),
                None if carried.recorded.seat().is_lost() => return Err(Cause::LinkLost),
                // More than there was credit for.
                None => return Err(Cause::Stream("chunk")),
            }
        }
    }

    /// Hands one part to the caller, as soon as it takes it.
    async fn pass(
        &self,
        part: StreamResponse,
        carried: &Carried,
        watch: &mut Watch,
        caller: &mut Caller,
        parts: &Parts,
    ) -> Result<(), Cause> {
        let place = tokio::select! {
            biased;
            cause = self.interrupted(carried, watch, caller) => return Err(cause),
            place = timeout(IDLE, parts.reserve()) => place.map_err(|_| Cause::NotRead)?,
        };
        place.map_err(|_| Cause::HangUp)?.send(part);
        Ok(())
    }

    /// Resolves when the stream must end before its end. Whatever it waited for can be waited for again.
    async fn interrupted(
        &self,
        carried: &Carried,
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
            if let Err(code) = carried.permitted(&self.registry.load(), self.clock.now_ms()) {
                return Cause::Cut(code);
            }
        }
    }

    /// Says that the provider said this of what was passed on. Also for a registry that moved.
    pub(super) fn trailer(
        &self,
        carried: &Carried,
        envelope: Option<wire::Envelope>,
    ) -> Result<(Envelope, u64), Cause> {
        let registry = self.registry.load();
        let now_ms = self.clock.now_ms();
        carried.permitted(&registry, now_ms).map_err(Cause::Cut)?;
        let header = Digest::of(envelope.as_ref().map_or(&[], |envelope| &envelope.header));
        let judged = Envelope::from_wire(envelope)
            .map_err(|_| AnswerFault::Malformed.to_string())
            .and_then(|envelope| carried.judge(&registry, envelope, now_ms));
        match judged {
            Ok(trailer) => Ok((trailer, registry.size())),
            Err(fault) => {
                let fault = format!("trailer {fault}");
                Err(Cause::Answer { fault, header })
            }
        }
    }
}

fn begin(opened: Opened) -> (StreamResponse, Carried, mpsc::Receiver<Frame>) {
    let first = StreamOpened {
        answer: Some(opened.answer.to_wire()),
        receipt: Some(opened.receipt.to_wire()),
        request: Some(opened.recorded.entry()),
    };
    let first = StreamResponse {
        message: Some(Message::Opened(first)),
    };
    let carried = Carried {
        kid: opened.answer.seal.open().ok().map(|seal| seal.kid()),
        recorded: opened.recorded,
        header_sha256: opened.header_sha256,
        announced: opened.announced,
        began: Instant::now(),
        count: 0,
        length: 0,
        held: None,
        taken: 0,
    };
    (first, carried, opened.frames)
}

impl Carried {
    /// Takes a chunk and gives the one before it.
    fn take(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Cause> {
        let may_be = (1..=CHUNK_BYTES_MAX).contains(&chunk.len());
        let announced = self.announced;
        self.count += 1;
        self.length = self.length.saturating_add(chunk.len() as u64);
        if !may_be || announced != 0 && self.length > announced {
            return Err(Cause::Stream("chunk"));
        }
        Ok(self.held.replace(chunk))
    }

    /// A chunk was passed on.
    fn passed(&mut self) {
        self.taken += 1;
        if self.taken == CREDIT_STEP {
            self.recorded.seat().credit(self.taken);
            self.taken = 0;
        }
    }

    /// Whether the registry still permits what it permitted: the same grant, and both seal keys.
    fn permitted(&self, registry: &Registry, now_ms: u64) -> Result<(), Code> {
        let verified = self.recorded.verified();
        let (header, before) = (verified.header(), self.recorded.permission());
        let now = authorise(registry, header, now_ms).map_err(|denial| denial.code)?;
        if (now.agreement, now.grant) != (before.agreement, before.grant) {
            return Err(Code::NoAgreement);
        }
        let asked = verified.envelope().seal.open().ok().map(|seal| seal.kid());
        for (kid, system) in [(asked, &header.consumer), (self.kid, &header.provider)] {
            registry.seal_key(&kid.unwrap_or_default(), system)?;
        }
        registry.may_connect(&header.consumer, &verified.passage().peer.sha256())
    }

    fn judge(
        &self,
        registry: &Registry,
        trailer: Envelope,
        now_ms: u64,
    ) -> Result<Envelope, String> {
        let memory = Some((&self.recorded.seat().peer().memory, now_ms));
        let request = self.recorded.verified().header();
        let (header, seal) = (&trailer.header, &trailer.seal);
        let said = verify_trailer(registry, request, &self.header_sha256, header, seal, memory)
            .map_err(|fault| fault.to_string())?;
        if !trailer.salt.is_empty() || !trailer.payload.is_empty() {
            return Err(AnswerFault::Malformed.to_string());
        }
        if said.count != self.count {
            return Err("count".to_owned());
        }
        if said.length != self.length || self.announced != 0 && self.announced != said.length {
            return Err("length".to_owned());
        }
        Ok(trailer)
    }

    /// Microseconds since the opening.
    pub(super) fn took_us(&self) -> u64 {
        micros(self.began)
    }

    /// The stream ends here, and the provider is told.
    pub(super) fn fail(mut self, cause: Cause) -> Fault {
        let reason = match &cause {
            Cause::LinkLost => None,
            Cause::HangUp | Cause::Stopping | Cause::NotRead => Some(CancelReason::HangUp),
            Cause::Deadline | Cause::TooLong => Some(CancelReason::Deadline),
            Cause::Cut(_) => Some(CancelReason::Revoked),
            Cause::Stream(_) | Cause::Answer { .. } => Some(CancelReason::Broken),
        };
        if let Some(reason) = reason {
            self.recorded.seat_mut().cancel(reason);
        }
        let took_us = self.took_us();
        Fault::new(self.recorded, cause, took_us)
    }
}

impl Watch {
    fn over(exchange: &Exchange) -> Self {
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            sizes: exchange.registry.sizes(),
            again,
            ends: Instant::now() + Duration::from_millis(STREAM_MS_MAX),
        }
    }
}
