//! One upload under way: chunks as there is credit for them, the trailer, the answer.
//!
//! Takes a request that was sealed and sent. Gives the answer, proved, and whether all of the request was recorded before it.
//! Whatever ends it otherwise is told with how far it came.

use std::time::Duration;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::chunks::{ChunkError, Chunks};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{AnswerStatus, RequestHeader, TrailerHeader};
use proto::limits::STREAM_IDLE_MS;
use proto::wire::audit::v1 as audit_wire;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::upload_request::Message as Out;
use proto::wire::exchange::v1::upload_response::Message as In;
use tokio::sync::mpsc;
use tonic::Streaming;

use super::{Broken, UploadError, Uploaded};
use crate::chunked::Body;
use crate::consumer::outcome::ExchangeError;
use crate::consumer::verify::{self, Untrusted};
use crate::consumer::{Consumer, Try, refusal};
use crate::sealer::Sealed;

/// How long credit is waited for: a little longer than the switch lets an upload stand still.
const NEXT_WAIT: Duration = Duration::from_millis(STREAM_IDLE_MS + 5_000);

/// One upload under way.
pub(super) struct Sending<'a> {
    pub(super) consumer: &'a Consumer,
    pub(super) header: &'a RequestHeader,
    pub(super) sealed: &'a Sealed,
    pub(super) try_: &'a Try,
    pub(super) out: mpsc::Sender<wire::UploadRequest>,
    pub(super) parts: Streaming<wire::UploadResponse>,
    /// The largest size that the log was known to have signed before it was asked.
    pub(super) floor: u64,
    /// Chunks that may be sent.
    pub(super) credit: u64,
    pub(super) chunks: Chunks,
    pub(super) trailed: Option<(Sealed, Receipt)>,
}

/// Why an upload went no further.
pub(super) enum Stop {
    /// The answer came.
    Answered(Box<wire::CallResponse>),
    /// It ended otherwise.
    Failed(UploadError),
}

impl From<ExchangeError> for Stop {
    fn from(error: ExchangeError) -> Self {
        Self::Failed(error.into())
    }
}

impl Sending<'_> {
    /// Everything that is to be sent, in order; then waits for the answer.
    pub(super) async fn all(
        &mut self,
        mut body: Body,
        wait: Duration,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> Result<wire::CallResponse, Stop> {
        let announced = body.length;
        let In::Opened(opened) = self.next(wait).await? else {
            return Err(self.untrusted(Untrusted::Malformed("first part")).await);
        };
        self.prove(opened, self.sealed, Kind::Upload).await?;
        progress(0, announced);
        // Also of nothing at all: the provider says first that it takes it.
        self.credit_within(wait).await?;
        while let Some(chunk) = self.read(&mut body).await? {
            self.credit_within(NEXT_WAIT).await?;
            self.send(Out::Chunk(chunk)).await?;
            self.credit -= 1;
            progress(self.chunks.length(), announced);
        }
        if let Some(said) = announced.filter(|said| *said != self.chunks.length()) {
            let came = self.chunks.length();
            return Err(self.void(Broken::Chunks(ChunkError::Length { came, said })));
        }
        let trailer = self.trailer().await?;
        let bare = Envelope::bare(trailer.header.clone(), trailer.seal.clone());
        self.send(Out::Trailer(bare.to_wire())).await?;
        loop {
            match self.next(NEXT_WAIT).await? {
                In::Credit(more) => self.credit += u64::from(more),
                In::Trailed(receipt) => {
                    let receipt = self.prove(receipt, &trailer, Kind::UploadTrailer).await?;
                    self.trailed = Some((trailer, receipt));
                    break;
                }
                _ => return Err(self.untrusted(Untrusted::Malformed("next part")).await),
            }
        }
        loop {
            match self.next(wait).await? {
                // Of the last chunks: nothing more is sent for it.
                In::Credit(_) => {}
                _ => return Err(self.untrusted(Untrusted::Malformed("next part")).await),
            }
        }
    }

    /// Reads the next chunk and makes the tree over it. What is read may come slowly, or never: an end that is told meanwhile
    /// is heard at once.
    async fn read(&mut self, body: &mut Body) -> Result<Option<Bytes>, Stop> {
        let mut reading = std::pin::pin!(body.next());
        let chunk = loop {
            tokio::select! {
                biased;
                chunk = &mut reading => break chunk,
                part = self.next(NEXT_WAIT) => self.credited(part?).await?,
            }
        };
        let chunk = chunk.map_err(|error| self.void(Broken::Body(error)))?;
        if let Some(chunk) = &chunk {
            let pushed = self.chunks.push(chunk);
            pushed.map_err(|error| self.void(Broken::Chunks(error)))?;
        }
        Ok(chunk)
    }

    /// Waits until one chunk more may be sent.
    async fn credit_within(&mut self, wait: Duration) -> Result<(), Stop> {
        while self.credit == 0 {
            let part = self.next(wait).await?;
            self.credited(part).await?;
        }
        Ok(())
    }

    /// Takes credit, which is all that may come before the trailer went.
    async fn credited(&mut self, part: In) -> Result<(), Stop> {
        match part {
            In::Credit(more) => self.credit += u64::from(more),
            _ => return Err(self.untrusted(Untrusted::Malformed("next part")).await),
        }
        Ok(())
    }

    /// The next part that is no answer.
    async fn next(&mut self, wait: Duration) -> Result<In, Stop> {
        match tokio::time::timeout(wait, self.parts.message()).await {
            Ok(Ok(Some(wire::UploadResponse {
                message: Some(In::Answered(answered)),
            }))) => Err(Stop::Answered(Box::new(answered))),
            Ok(Ok(Some(wire::UploadResponse {
                message: Some(part),
            }))) => Ok(part),
            Ok(Ok(Some(_))) => Err(self.untrusted(Untrusted::Malformed("next part")).await),
            Ok(Ok(None)) => Err(self.broke("it ended without an answer")),
            Ok(Err(status)) => {
                let adapter = &self.consumer.adapter;
                let error = refusal::read(&status, self.sealed, self.try_, adapter);
                adapter.standing().hold().map_err(ExchangeError::from)?;
                Err(self.void(Broken::Exchange(error)))
            }
            Err(_) => Err(self.void(Broken::Exchange(silent(self.try_)))),
        }
    }

    async fn send(&mut self, part: Out) -> Result<(), Stop> {
        match self.out.send(message(part)).await {
            Ok(()) => Ok(()),
            // It takes nothing more, and says why.
            Err(_) => loop {
                self.next(NEXT_WAIT).await?;
            },
        }
    }

    /// Proves that the log holds what we sealed, as an entry of `kind`.
    async fn prove(
        &self,
        receipt: audit_wire::Receipt,
        own: &Sealed,
        kind: Kind,
    ) -> Result<Receipt, Stop> {
        let Ok(receipt) = Receipt::from_wire(receipt) else {
            return Err(self.untrusted(Untrusted::Malformed("receipt")).await);
        };
        let adapter = &self.consumer.adapter;
        let notes = adapter.notes();
        let proven = match receipt.verify_remembering(&own.header, Some(&own.seal), notes) {
            Ok(proven) if proven.entry.kind == kind => proven,
            Ok(proven) => {
                let reason = Untrusted::OtherKind(proven.entry.kind.name());
                return Err(self.untrusted(reason).await);
            }
            Err(error) => return Err(self.untrusted(error.into()).await),
        };
        let (checkpoint, note) = (proven.checkpoint.clone(), receipt.checkpoint.clone());
        match adapter
            .checkpoints()
            .note_behind(self.floor, checkpoint, note)
        {
            Ok(()) => Ok(receipt),
            Err(reason) => Err(self.untrusted(Untrusted::Mirror(reason.into())).await),
        }
    }

    async fn trailer(&self) -> Result<Sealed, Stop> {
        let total = self.chunks.total();
        let adapter = &self.consumer.adapter;
        let trailer = TrailerHeader {
            exchange_id: self.header.exchange_id,
            begun_by: Digest::of(&self.sealed.header),
            count: total.count,
            length: total.length,
            root: total.root,
            ended_at_ms: adapter.clock().now_ms(),
            seen: adapter.checkpoints().seen(),
        };
        let sealed = adapter.sealer().upload_trailer(trailer).await;
        sealed.map_err(|error| self.void(Broken::Exchange(error.into())))
    }

    /// Proves the answer, which is a result only where all of the request was recorded.
    pub(super) async fn answered(
        self,
        response: wire::CallResponse,
    ) -> Result<Uploaded, UploadError> {
        let own = (self.header, self.sealed);
        let trusted = match verify::open(response) {
            Ok(returned) => {
                let closing = Kind::Closing;
                self.consumer
                    .trust(returned, closing, self.floor, own)
                    .await
            }
            Err(reason) => Err(reason),
        };
        let id = self.try_.id;
        let answer = match trusted {
            Ok(answer) => answer,
            Err(reason) => return Err(self.consumer.untrusted(reason, id, None).await.into()),
        };
        let answer = self.consumer.opened(answer, None).await?;
        if answer.status != AnswerStatus::Answered {
            let (status, answer) = (answer.status, Box::new(answer));
            return Err(ExchangeError::Provider { status, answer }.into());
        }
        let Some((trailer, receipt)) = self.trailed else {
            let reason = Untrusted::Malformed("trailer");
            return Err(self.consumer.untrusted(reason, id, None).await.into());
        };
        Ok(Uploaded {
            answer,
            total: self.chunks.total(),
            trailer_index: receipt.index,
            receipt,
            trailer: Envelope::bare(trailer.header, trailer.seal),
        })
    }

    async fn untrusted(&self, reason: Untrusted) -> Stop {
        let error = self.consumer.untrusted(reason, self.try_.id, None).await;
        self.void(Broken::Exchange(error))
    }

    fn broke(&self, reason: &str) -> Stop {
        self.void(Broken::Exchange(ExchangeError::Transport {
            reason: reason.to_owned(),
            attempt: self.try_.attempt(),
        }))
    }

    fn void(&self, reason: Broken) -> Stop {
        Stop::Failed(UploadError::Void {
            exchange_id: self.try_.id,
            sent: self.chunks.length(),
            reason: Box::new(reason),
        })
    }
}

pub(super) fn message(message: Out) -> wire::UploadRequest {
    wire::UploadRequest {
        message: Some(message),
    }
}

pub(super) fn silent(try_: &Try) -> ExchangeError {
    ExchangeError::Transport {
        reason: "the switch says nothing any more".to_owned(),
        attempt: try_.attempt(),
    }
}
