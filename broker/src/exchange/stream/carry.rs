//! Room 9 of an answer in chunks, carry: `Opened → Trailed`.
//!
//! Takes chunks as the provider sends them and passes each on when the next one is here: the last one stays. Gives the
//! trailer, once it holds for what was passed. Ends with a fault when the provider breaks off, the consumer hangs up or
//! does not read, or the registry no longer permits the exchange. Holds at most one window of chunks.

use proto::authorise::{AnswerFault, Permission, verify_trailer};
use proto::envelope::Envelope;
use proto::limits::CHUNK_WINDOW;
use proto::registry::Registry;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::stream_response::Message;
use proto::wire::exchange::v1::{StreamOpened, StreamResponse};
use proto::{Code, Digest};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::Parts;
use super::open::Opened;
use super::watch::{Passing, Unfit, Watch, permitted};
use crate::exchange::outcome::{Cause, Fault};
use crate::exchange::provider::broken_off;
use crate::exchange::record::Recorded;
use crate::exchange::refusal::micros;
use crate::exchange::verify::Verified;
use crate::exchange::{Caller, Exchange};
use crate::links::link::Frame;

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
    pub(super) passing: Passing,
    began: Instant,
    /// Passed on since credit was given.
    taken: u32,
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
                cause = self.interrupted(carried.under(), watch, caller) => return Err(cause),
                frame = timeout(self.settings.idle, frames.recv()) => frame.map_err(|_| Cause::Stream("stalled"))?,
            };
            match frame {
                Some(Frame::Chunk(chunk)) => {
                    let before = carried.passing.take(chunk);
                    if let Some(before) = before.map_err(|Unfit| Cause::Stream("chunk"))? {
                        let chunk = StreamResponse {
                            message: Some(Message::Chunk(before)),
                        };
                        self.pass(chunk, carried, watch, caller, parts).await?;
                        carried.passed();
                    }
                }
                Some(Frame::Trailer(envelope)) => return self.trailer(carried, Some(envelope)),
                // Credit is for requests in chunks, and this one came whole.
                Some(Frame::Broken | Frame::Credit(_)) => return Err(Cause::Stream("broken")),
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
            cause = self.interrupted(carried.under(), watch, caller) => return Err(cause),
            place = timeout(self.settings.idle, parts.reserve()) => place.map_err(|_| Cause::NotRead)?,
        };
        place.map_err(|_| Cause::HangUp)?.send(part);
        Ok(())
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
        passing: Passing::of(opened.announced),
        began: Instant::now(),
        taken: 0,
    };
    (first, carried, opened.frames)
}

impl Carried {
    /// A chunk was passed on.
    fn passed(&mut self) {
        self.taken += 1;
        if self.taken == CREDIT_STEP {
            self.recorded.seat().credit(self.taken);
            self.taken = 0;
        }
    }

    /// Whether the registry still permits it.
    fn permitted(&self, registry: &Registry, now_ms: u64) -> Result<(), Code> {
        let (verified, before, kid) = self.under();
        permitted(verified, before, kid, registry, now_ms)
    }

    /// What it is permitted by.
    fn under(&self) -> (&Verified, Permission, Option<Digest>) {
        let kid = Some(self.kid.unwrap_or_default());
        (self.recorded.verified(), self.recorded.permission(), kid)
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
        self.passing.is_said_by(&said)?;
        Ok(trailer)
    }

    /// Microseconds since the opening.
    pub(super) fn took_us(&self) -> u64 {
        micros(self.began)
    }

    /// The stream ends here, and the provider is told.
    pub(super) fn fail(self, cause: Cause) -> Fault {
        broken_off(self.recorded, cause, self.began)
    }
}
