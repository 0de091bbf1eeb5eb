//! Requests in chunks: taken from the link as fast as the backend reads them, hashed on the way, and only at a trailer that
//! holds an end.
//!
//! Takes a request that passed every check. Gives credit, and the backend what comes; then its answer, or the refusal that says
//! what does not hold. An answer that the backend has before the end waits for it; a failure does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audit::receipt::Receipt;
use bytes::Bytes;
use futures_util::FutureExt as _;
use proto::authorise::{Row, authorise, verify_upload_trailer};
use proto::chunks::{ChunkPlan, Chunks};
use proto::commitment::Salt;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::facts;
use proto::header::AnswerStatus;
use proto::id::ExchangeId;
use proto::limits::CHUNK_WINDOW;
use proto::refusal::Code;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Failure;
use super::exchange::{Delivered, Desk};
use super::kept::Outcome;
use super::link::message;
use super::sealing::status_of;
use super::upload::{Piece, Upload};

/// Credit is given back this many chunks at a time.
const CREDIT_STEP: u32 = CHUNK_WINDOW as u32 / 2;

/// The requests in chunks of one link that are being taken.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<ExchangeId, mpsc::Sender<Frame>>>);

/// What the link brings for one of them.
#[derive(Debug)]
pub(super) enum Frame {
    Chunk(Bytes),
    Trailer(Box<wire::DeliverTrailer>),
}

/// The link, as one exchange sees it.
#[derive(Clone, Copy)]
pub(super) struct Intake<'a> {
    uploads: &'a Uploads,
    out: &'a mpsc::Sender<wire::AttachRequest>,
    /// Nobody reads this link any more.
    gone: &'a CancellationToken,
}

impl<'a> Intake<'a> {
    pub(super) fn of(
        uploads: &'a Uploads,
        out: &'a mpsc::Sender<wire::AttachRequest>,
        gone: &'a CancellationToken,
    ) -> Self {
        Self { uploads, out, gone }
    }
}

/// Why the chunks have no end.
enum Cut {
    /// They are not what they must be.
    Refused(Code),
    /// The link is gone, or the switch broke its own rules: there is nobody to answer.
    Lost,
}

impl From<Code> for Cut {
    fn from(code: Code) -> Self {
        Self::Refused(code)
    }
}

impl Uploads {
    /// Takes what comes for `id` from now on.
    fn begin(&self, id: ExchangeId) -> mpsc::Receiver<Frame> {
        // What is credited, and the trailer.
        let (sender, frames) = mpsc::channel(CHUNK_WINDOW + 1);
        self.lock().insert(id, sender);
        frames
    }

    fn end(&self, id: ExchangeId) {
        self.lock().remove(&id);
    }

    /// Hands on what the link brought. The reader never waits: what comes without credit ends its request and nothing else.
    pub(super) fn take(&self, exchange: &[u8], frame: Frame) {
        let Some(id) = ExchangeId::from_slice(exchange) else {
            return;
        };
        let mut uploads = self.lock();
        // One that is over already may still have had chunks under way.
        if let Some(upload) = uploads.get(&id)
            && upload.try_send(frame).is_err()
        {
            uploads.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExchangeId, mpsc::Sender<Frame>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the taking of one request, however it ends.
struct Taking<'a>(Intake<'a>, ExchangeId);

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.uploads.end(self.1);
    }
}

impl Desk {
    /// Gives the backend the chunks, and gives its answer once all of them came. `None`: there is nobody to answer.
    pub(super) async fn take(
        &self,
        delivered: &Delivered,
        request_index: u64,
        rows: &[Row],
        intake: Intake<'_>,
    ) -> Option<Arc<Outcome>> {
        let id = delivered.exchange_id();
        let frames = intake.uploads.begin(id);
        let _taking = Taking(intake, id);
        let announced = delivered.request().payload.length;
        let (pieces, upload) = Upload::new(Some(announced).filter(|length| *length > 0));
        let mut request = self.request(delivered, request_index, rows);
        request.payload = Bytes::new();
        let running = Arc::clone(&self.backend).upload(request, upload);
        // On a task of its own: it reads while this one hands on.
        let running = AbortOnDropHandle::new(tokio::spawn(running));
        let mut running = running.map(|said| said.map_err(Failure::failed).flatten());
        let fed = self.feed(delivered, request_index, frames, pieces, intake);
        tokio::pin!(fed);
        let (first, fed) = tokio::select! {
            fed = &mut fed => (None, fed),
            answered = &mut running => match answered {
                // Whatever it says of the whole of it, it cannot know before.
                Ok(reply) => (Some(Ok(reply)), fed.await),
                failed => (Some(failed), Ok(())),
            },
        };
        match fed {
            Ok(()) => {}
            Err(Cut::Refused(code)) => return Some(Outcome::of(AnswerStatus::Refused(code))),
            Err(Cut::Lost) => return None,
        }
        let result = match first {
            Some(result) => result,
            None => running.await,
        };
        Some(match self.replied(delivered, !rows.is_empty(), result) {
            Ok(reply) => Outcome::answered(reply),
            Err(failure) => Outcome::of(status_of(&failure, delivered)),
        })
    }

    /// Hashes what comes and hands it on, until a trailer that holds.
    async fn feed(
        &self,
        delivered: &Delivered,
        request_index: u64,
        mut frames: mpsc::Receiver<Frame>,
        pieces: mpsc::Sender<Piece>,
        intake: Intake<'_>,
    ) -> Result<(), Cut> {
        let envelope = &delivered.envelope;
        let plan = ChunkPlan::open(&envelope.payload).map_err(|_| Code::Malformed)?;
        let salt = Salt::from_slice(&envelope.salt).map_err(|_| Code::Malformed)?;
        let mut chunks = Chunks::new(salt, plan);
        let mut taken = 0;
        // Fits: the limit does.
        credit(delivered, CHUNK_WINDOW as u32, intake).await?;
        loop {
            let frame = tokio::select! {
                frame = frames.recv() => frame,
                () = intake.gone.cancelled() => None,
            };
            match frame.ok_or(Cut::Lost)? {
                Frame::Chunk(chunk) => {
                    chunks.push(&chunk).map_err(|_| Code::PayloadMismatch)?;
                    // A backend that wants no more of it has answered, and waits for the end. One that stands still is not waited for
                    // where nobody is left to answer.
                    tokio::select! {
                        _ = pieces.send(Piece::Chunk(chunk)) => {}
                        () = intake.gone.cancelled() => return Err(Cut::Lost),
                    }
                    taken += 1;
                    if taken == CREDIT_STEP {
                        credit(delivered, taken, intake).await?;
                        taken = 0;
                    }
                }
                Frame::Trailer(trailer) => {
                    self.ends(delivered, request_index, &chunks, *trailer)
                        .await
                        .inspect_err(|code| {
                            tracing::error!(exchange = %delivered.exchange_id(), %code, "a request in chunks does not hold, and is void");
                        })?;
                    let _ = pieces.send(Piece::End).await;
                    return Ok(());
                }
            }
        }
    }

    /// Everything that must hold before what came is the request: the trailer's own entry, its seal by our own mirror, what is
    /// permitted now, and that what came is what it says.
    async fn ends(
        &self,
        delivered: &Delivered,
        request_index: u64,
        chunks: &Chunks,
        trailer: wire::DeliverTrailer,
    ) -> Result<(), Code> {
        let (adapter, request) = (&self.adapter, delivered.request());
        let envelope = Envelope::from_wire(trailer.trailer).map_err(|_| Code::Malformed)?;
        let (header, seal) = (&envelope.header, &envelope.seal);
        let receipt = trailer.receipt.ok_or(Code::NotLogged)?;
        let receipt = Receipt::from_wire(receipt).map_err(|_| Code::NotLogged)?;
        let proven = adapter
            .prove(&receipt, header, Some(seal))
            .map_err(|_| Code::NotLogged)?;
        let facts = facts::exchange(&proven.entry.facts).map_err(|_| Code::NotLogged)?;
        let is_ours = proven.entry.kind == Kind::UploadTrailer
            && facts.code.is_empty()
            && facts.request_index == request_index;
        if !is_ours {
            return Err(Code::NotLogged);
        }
        let wait = adapter.home().config().mirror_wait;
        let registry = adapter.mirror().agrees(&proven.entry.stamp, wait).await;
        let registry = registry.map_err(|_| Code::NotLogged)?;
        let now_ms = adapter.clock().now_ms();
        let asked = Digest::of(&delivered.envelope.header);
        let memory = Some((adapter.seals(), now_ms));
        let said = verify_upload_trailer(&registry, request, &asked, header, seal, memory)?;
        authorise(&registry, request, now_ms).map_err(|denial| denial.code)?;
        adapter.standing().hold().map_err(|_| Code::NotLogged)?;
        let total = chunks.total();
        let announced = request.payload.length;
        if total.is_said_by(&said).is_err() || announced != 0 && announced != total.length {
            return Err(Code::PayloadMismatch);
        }
        Ok(())
    }
}

/// Takes so many chunks more.
async fn credit(delivered: &Delivered, more: u32, intake: Intake<'_>) -> Result<(), Cut> {
    let credit = Out::UploadCredit(wire::ChunkCredit {
        exchange_id: Bytes::copy_from_slice(delivered.exchange_id().as_bytes()),
        more,
    });
    let sent = intake.out.send(message(credit)).await;
    sent.map_err(|_| Cut::Lost)
}
