//! Room 6 of a request in chunks, take: `Recorded → Trailed`, or an early answer.
//!
//! Takes chunks as the caller sends them, for which the provider gave credit, and passes each on when the next one is here:
//! the last one stays. Gives the caller's trailer, once it holds for what was passed. Ends with a fault when the caller breaks
//! off or sends what may not be, the provider takes nothing, or the registry no longer permits the exchange. Nothing waits
//! here that there was no credit for, and nobody's reader waits for it.

use std::time::Duration;

use proto::Code;
use proto::authorise::verify_upload_trailer;
use proto::digest::Digest;
use proto::envelope::Envelope;
use proto::limits::CHUNK_WINDOW;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::upload_request::Message as In;
use proto::wire::exchange::v1::upload_response::Message as Out;
use proto::wire::exchange::v1::{UploadRequest, UploadResponse};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use crate::exchange::outcome::{Cause, Fault};
use crate::exchange::provider::{Answered, broken_off};
use crate::exchange::record::Recorded;
use crate::exchange::stream::Parts;
use crate::exchange::stream::watch::{Passing, Unfit, Watch, permitted};
use crate::exchange::{Caller, Exchange};
use crate::links::link::Frame;

/// How chunks ended.
pub(super) enum Ended {
    /// With a trailer that holds.
    Trailed(Trailed),
    /// With an answer that did not wait for them.
    Answered(Answered),
}

/// A request in chunks with a trailer that holds, and with its last chunk still here.
#[derive(Debug)]
pub(super) struct Trailed {
    pub(super) taking: Taking,
    pub(super) trailer: Envelope,
    /// Registry entries that the trailer was judged against.
    pub(super) registry_size: u64,
}

/// What was taken so far.
#[derive(Debug)]
pub(super) struct Taking {
    pub(super) recorded: Recorded,
    pub(super) passing: Passing,
    delivered: Instant,
    /// SHA-256 of the request's header: what the trailer names.
    asked: Digest,
    /// Chunks that the caller may send.
    credit: u32,
    /// Of these, those that it was not told of yet.
    untold: u32,
    /// The provider said that it takes the request.
    is_begun: bool,
    /// How long it may stand still.
    idle: Duration,
    /// When it has stood still for too long.
    stands_still_at: Instant,
}

/// What happened next.
enum Next {
    Answer(Option<wire::Envelope>),
    Frame(Option<Frame>),
    Part(Option<Result<UploadRequest, Status>>),
    Told,
    StandsStill,
}

impl Exchange {
    /// Delivers the request, and takes what follows it.
    pub(super) async fn take_chunks<S>(
        &self,
        recorded: Recorded,
        delivered: Instant,
        mut coming: S,
        caller: &mut Caller,
        parts: &Parts<UploadResponse>,
    ) -> Result<Ended, Fault>
    where
        S: Stream<Item = Result<UploadRequest, Status>> + Send + Unpin,
    {
        let opened = recorded.request().receipt.to_wire();
        // The channel is new and has room.
        let _ = parts.try_send(part(Out::Opened(opened)));
        // In this order: credit comes only after the delivery.
        let mut frames = recorded.seat().open_stream();
        recorded.seat().deliver(&recorded);
        let mut taking = Taking::begin(recorded, delivered, self.settings.idle);
        let mut watch = Watch::over(self);
        loop {
            let next = self
                .next(
                    &mut taking,
                    (&mut coming, &mut frames),
                    &mut watch,
                    caller,
                    parts,
                )
                .await;
            let trailer = match next {
                Ok(Next::Answer(envelope)) => {
                    let answered = self.answered(taking.recorded, envelope, delivered);
                    return Ok(Ended::Answered(answered));
                }
                Ok(next) => taking.step(next),
                Err(cause) => Err(cause),
            };
            let judged = match trailer {
                Ok(None) => continue,
                Ok(Some(trailer)) => self.upload_trailer(&taking, Some(trailer)),
                Err(cause) => Err(cause),
            };
            return match judged {
                Ok((trailer, registry_size)) => Ok(Ended::Trailed(Trailed {
                    taking,
                    trailer,
                    registry_size,
                })),
                Err(cause) => Err(taking.fail(cause)),
            };
        }
    }

    /// Waits for whatever comes first.
    async fn next<S>(
        &self,
        taking: &mut Taking,
        (coming, frames): (&mut S, &mut mpsc::Receiver<Frame>),
        watch: &mut Watch,
        caller: &mut Caller,
        parts: &Parts<UploadResponse>,
    ) -> Result<Next, Cause>
    where
        S: Stream<Item = Result<UploadRequest, Status>> + Send + Unpin,
    {
        let (stands_still_at, untold) = (taking.stands_still_at, taking.untold);
        let (verified, permission, seat) = taking.recorded.split();
        tokio::select! {
            biased;
            cause = self.interrupted((verified, permission, None), watch, caller) => Err(cause),
            answer = seat.answer() => answer.map(Next::Answer).map_err(|_| Cause::LinkLost),
            frame = frames.recv() => Ok(Next::Frame(frame)),
            place = parts.reserve(), if untold > 0 => match place {
                Ok(place) => {
                    place.send(part(Out::Credit(untold)));
                    Ok(Next::Told)
                }
                Err(_) => Err(Cause::HangUp),
            },
            part = coming.next() => Ok(Next::Part(part)),
            () = sleep_until(stands_still_at) => Ok(Next::StandsStill),
        }
    }

    /// Says that the caller said this of what was passed on. Also for a registry that moved.
    pub(super) fn upload_trailer(
        &self,
        taking: &Taking,
        envelope: Option<wire::Envelope>,
    ) -> Result<(Envelope, u64), Cause> {
        let (registry, now_ms) = (self.registry.load(), self.clock.now_ms());
        let verified = taking.recorded.verified();
        let before = taking.recorded.permission();
        permitted(verified, before, None, &registry, now_ms).map_err(Cause::Cut)?;
        let lies = |word: &str, code| Cause::Upload {
            word: format!("trailer {word}"),
            code,
        };
        let malformed = || lies("malformed", Code::Malformed);
        let trailer = Envelope::from_wire(envelope).map_err(|_| malformed())?;
        if !trailer.salt.is_empty() || !trailer.payload.is_empty() {
            return Err(malformed());
        }
        let memory = Some((&verified.passage().peer.memory, now_ms));
        let (header, seal) = (&trailer.header, &trailer.seal);
        let asked = &taking.asked;
        let said = verify_upload_trailer(&registry, verified.header(), asked, header, seal, memory)
            .map_err(|code| lies(code.name(), code))?;
        taking
            .passing
            .is_said_by(&said)
            .map_err(|word| lies(word, Code::PayloadMismatch))?;
        Ok((trailer, registry.size()))
    }
}

impl Taking {
    fn begin(recorded: Recorded, delivered: Instant, idle: Duration) -> Self {
        Self {
            passing: Passing::of(recorded.verified().header().payload.length),
            asked: Digest::of(&recorded.envelope().header),
            stands_still_at: recorded.deadline(),
            recorded,
            delivered,
            credit: 0,
            untold: 0,
            is_begun: false,
            idle,
        }
    }

    /// Takes what came. Gives the trailer, unjudged, when it is that.
    fn step(&mut self, next: Next) -> Result<Option<wire::Envelope>, Cause> {
        let part = match next {
            Next::Frame(Some(Frame::Credit(more))) => {
                self.credited(more)?;
                return Ok(None);
            }
            Next::Frame(None) if self.recorded.seat().is_lost() => return Err(Cause::LinkLost),
            // Chunks of an answer that was not opened, or credit without end.
            Next::Frame(_) => return Err(Cause::Stream("credit")),
            Next::Told => {
                self.untold = 0;
                return Ok(None);
            }
            Next::StandsStill => return Err(self.stood_still()),
            Next::Part(part) => part,
            Next::Answer(_) => return Ok(None),
        };
        match part.and_then(Result::ok).and_then(|part| part.message) {
            Some(In::Chunk(chunk)) => {
                let broke = || unfit("chunk");
                self.credit = self.credit.checked_sub(1).ok_or_else(broke)?;
                let before = self.passing.take(chunk).map_err(|Unfit| broke())?;
                if let Some(before) = before {
                    self.recorded.seat().chunk(before);
                }
                self.moved();
                Ok(None)
            }
            // Nothing was promised to be taken yet.
            Some(In::Trailer(_)) if !self.is_begun => Err(unfit("chunk")),
            Some(In::Trailer(trailer)) => Ok(Some(trailer)),
            Some(In::Opening(_)) => Err(unfit("chunk")),
            // It ended, or broke, without a trailer.
            None => Err(unfit("broken")),
        }
    }

    /// The provider takes so many more, of which never more are under way than a window.
    fn credited(&mut self, more: u32) -> Result<(), Cause> {
        let credit = self.credit.saturating_add(more);
        if more == 0 || credit as usize > CHUNK_WINDOW {
            return Err(Cause::Stream("credit"));
        }
        self.credit = credit;
        self.untold += more;
        self.is_begun = true;
        self.moved();
        Ok(())
    }

    fn moved(&mut self) {
        self.stands_still_at = Instant::now() + self.idle;
    }

    fn stood_still(&self) -> Cause {
        match (self.is_begun, self.credit) {
            (false, _) => Cause::Deadline,
            (true, 0) => Cause::Stream("not_read"),
            (true, _) => Cause::Upload {
                word: "stalled".to_owned(),
                code: Code::Deadline,
            },
        }
    }

    /// It ends here, and the provider is told.
    pub(super) fn fail(self, cause: Cause) -> Fault {
        broken_off(self.recorded, cause, self.delivered)
    }
}

/// What the caller sent may not be.
fn unfit(word: &str) -> Cause {
    Cause::Upload {
        word: word.to_owned(),
        code: Code::Malformed,
    }
}

pub(super) fn part(message: Out) -> UploadResponse {
    UploadResponse {
        message: Some(message),
    }
}
