//! A request whose payload is sent in chunks: a file of any length, in memory that does not grow with it.
//!
//! The request's entry is proved before the first chunk leaves, the trailer's before the answer counts. Nothing is sent faster
//! than the provider takes it. What breaks off before the trailer is void for everybody, and nothing of it can be resumed.

use std::time::Duration;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::chunks::{ChunkError, Chunks, Total};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{AnswerStatus, RequestHeader, TrailerHeader};
use proto::id::ExchangeId;
use proto::limits::STREAM_IDLE_MS;
use proto::wire::audit::v1 as audit_wire;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::upload_request::Message as Out;
use proto::wire::exchange::v1::upload_response::Message as In;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::noted::Noted;
use super::outcome::{Answer, ExchangeError};
use super::send::GRACE;
use super::verify::{self, Untrusted};
use super::{Ask, Chunked, Consumer, Draft, Try, refusal};
use crate::chunked::Body;
use crate::journal::JournalError;
use crate::sealer::Sealed;

/// How long credit is waited for: a little longer than the switch lets an upload stand still.
const NEXT_WAIT: Duration = Duration::from_millis(STREAM_IDLE_MS + 5_000);
/// Messages on their way into HTTP/2.
const LEAVING: usize = 2;

/// An upload that was answered, and its proof.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// The provider's answer, proved as any is.
    pub answer: Answer,
    /// Chunks, bytes, and the root over them.
    pub total: Total,
    /// The trailer's entry: from there on all of it was asked.
    pub trailer_index: u64,
    /// The receipt of that entry, verified.
    pub receipt: Receipt,
    /// Our sealed trailer.
    pub trailer: Envelope,
}

/// One upload under way.
struct Sending<'a> {
    consumer: &'a Consumer,
    header: &'a RequestHeader,
    sealed: &'a Sealed,
    try_: &'a Try,
    out: mpsc::Sender<wire::UploadRequest>,
    parts: Streaming<wire::UploadResponse>,
    /// The largest size that the log was known to have signed before it was asked.
    floor: u64,
    /// Chunks that may be sent.
    credit: u64,
    chunks: Chunks,
    trailed: Option<(Sealed, Receipt)>,
}

/// Why an upload went no further.
enum Stop {
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

impl Ask<'_> {
    /// Seals, sends the payload in chunks as the provider takes them, waits, proves. `content_type` is the media type of
    /// `body`, which takes the place of a payload. Asked once: [`Ask::retries`] does not count, and an upload that broke
    /// begins anew. `progress` is told the bytes so far, and all of them where that is known.
    ///
    /// # Errors
    /// [`UploadError`]: nothing of what was sent counts then, unless a provider's answer says otherwise.
    pub async fn upload(
        mut self,
        content_type: &str,
        body: Body,
        progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Uploaded, UploadError> {
        let unsent = |reason: &str| ExchangeError::Unsent(reason.to_owned());
        if !self.payload.is_empty() {
            return Err(unsent("what is sent in chunks takes the place of a payload").into());
        }
        content_type.clone_into(&mut self.content_type);
        let (consumer, attempt) = (self.consumer.clone(), self.attempt);
        let mut draft = self.into_draft()?;
        draft.payload = Bytes::from(body.plan.encode());
        draft.chunks = Some(Chunked {
            plan: body.plan,
            length: body.length,
        });
        let try_ = consumer.new_try(attempt)?;
        Box::pin(consumer.upload(draft, try_, body, progress)).await
    }
}

impl Consumer {
    async fn upload(
        self,
        draft: Draft,
        try_: Try,
        body: Body,
        progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Uploaded, UploadError> {
        self.adapter
            .standing()
            .hold()
            .map_err(ExchangeError::from)?;
        let unwritable = |error: JournalError| ExchangeError::Unsent(error.to_string());
        self.adapter.journal().room().await.map_err(unwritable)?;
        let header = self.header(&draft, &try_).await?;
        let sealed = self.adapter.sealer().request(header.clone()).await;
        let sealed = sealed.map_err(ExchangeError::from)?;
        let noted = Noted::asked(&self, &header, &sealed);
        let ended = self
            .send_chunks(&draft, &try_, (&header, &sealed), body, progress)
            .await;
        match &ended {
            Ok(uploaded) => noted.ended(Ok(&uploaded.answer), &try_, &draft.payload),
            Err(error) => noted.failed(error.exchange(), &try_, &draft.payload),
        }
        ended
    }

    async fn send_chunks(
        &self,
        draft: &Draft,
        try_: &Try,
        (header, sealed): (&RequestHeader, &Sealed),
        body: Body,
        progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Uploaded, UploadError> {
        let floor = self.adapter.checkpoints().floor();
        let envelope = self.outgoing(draft, header, sealed, try_)?.envelope;
        let (out, outgoing) = mpsc::channel(LEAVING);
        // The channel is new and has room.
        let _ = out.try_send(message(Out::Opening(envelope.to_wire())));
        let mut client = self.adapter.connection().exchange();
        let wait = Duration::from_millis(u64::from(draft.deadline_ms)) + GRACE;
        let begun = tokio::time::timeout(wait, client.upload(ReceiverStream::new(outgoing)));
        let parts = match begun.await {
            Ok(Ok(parts)) => parts.into_inner(),
            Ok(Err(status)) => {
                let error = refusal::read(&status, sealed, try_, &self.adapter);
                return Err(error.into());
            }
            Err(_) => return Err(silent(try_).into()),
        };
        let Some(plan) = draft.chunks.map(|chunks| chunks.plan) else {
            return Err(ExchangeError::Unsent("no chunks follow".to_owned()).into());
        };
        let mut sending = Sending {
            consumer: self,
            header,
            sealed,
            try_,
            out,
            parts,
            floor,
            credit: 0,
            chunks: Chunks::new(try_.salt, plan),
            trailed: None,
        };
        let answered = match sending.all(body, wait, progress).await {
            Ok(answered) => answered,
            Err(Stop::Answered(answered)) => *answered,
            Err(Stop::Failed(error)) => return Err(error),
        };
        sending.answered(answered).await
    }
}

impl Sending<'_> {
    /// Everything that is to be sent, in order; then waits for the answer.
    async fn all(
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

    /// Reads the next chunk and makes the tree over it.
    async fn read(&mut self, body: &mut Body) -> Result<Option<Bytes>, Stop> {
        let chunk = body
            .next()
            .await
            .map_err(|error| self.void(Broken::Body(error)))?;
        if let Some(chunk) = &chunk {
            let pushed = self.chunks.push(chunk);
            pushed.map_err(|error| self.void(Broken::Chunks(error)))?;
        }
        Ok(chunk)
    }

    /// Waits until one chunk more may be sent.
    async fn credit_within(&mut self, wait: Duration) -> Result<(), Stop> {
        while self.credit == 0 {
            match self.next(wait).await? {
                In::Credit(more) => self.credit += u64::from(more),
                _ => return Err(self.untrusted(Untrusted::Malformed("next part")).await),
            }
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
    async fn answered(self, response: wire::CallResponse) -> Result<Uploaded, UploadError> {
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

fn message(message: Out) -> wire::UploadRequest {
    wire::UploadRequest {
        message: Some(message),
    }
}

fn silent(try_: &Try) -> ExchangeError {
    ExchangeError::Transport {
        reason: "the switch says nothing any more".to_owned(),
        attempt: try_.attempt(),
    }
}

/// Why an upload has no answer that counts.
#[derive(Debug, Error)]
pub enum UploadError {
    /// It did not begin, or the provider answered with no result: as of any exchange.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// It began and broke off.
    #[error(
        "exchange {exchange_id} broke off after {sent} bytes: {reason} Nothing of it counts unless the log holds its trailer; it cannot be resumed, begin anew"
    )]
    Void {
        /// This exchange.
        exchange_id: ExchangeId,
        /// Bytes that were read to be sent.
        sent: u64,
        /// What ended it.
        reason: Box<Broken>,
    },
}

impl UploadError {
    /// The error of the exchange, where it is one.
    pub fn exchange(&self) -> Option<&ExchangeError> {
        match self {
            Self::Exchange(error) => Some(error),
            Self::Void { reason, .. } => match &**reason {
                Broken::Exchange(error) => Some(error),
                Broken::Body(_) | Broken::Chunks(_) => None,
            },
        }
    }
}

/// What broke an upload off.
#[derive(Debug, Error)]
pub enum Broken {
    /// The switch, the network, or an answer that does not hold.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// What was to be sent could not be read.
    #[error("it could not be read: {0}.")]
    Body(#[from] std::io::Error),
    /// What was read is not what was said.
    #[error("{0}.")]
    Chunks(#[from] ChunkError),
}
