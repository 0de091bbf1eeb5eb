//! A request whose payload is sent in chunks: a file of any length, in memory that does not grow with it.
//!
//! The request's entry is proved before the first chunk leaves, the trailer's before the answer counts. Nothing is sent faster
//! than the provider takes it. What breaks off before the trailer is void for everybody, and nothing of it can be resumed.

use std::time::Duration;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::chunks::{ChunkError, Chunks, Total};
use proto::envelope::Envelope;
use proto::header::RequestHeader;
use proto::id::ExchangeId;
use proto::wire::exchange::v1::upload_request::Message as Out;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use self::sending::{Sending, Stop, message, silent};
use super::noted::Noted;
use super::outcome::{Answer, ExchangeError};
use super::send::GRACE;
use super::{Ask, Chunked, Consumer, Draft, Try, refusal};
use crate::chunked::Body;
use crate::journal::JournalError;
use crate::sealer::Sealed;

mod sending;

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
                // A receipt inside a refusal may be what convicts the switch.
                let error = refusal::read(&status, sealed, try_, &self.adapter);
                let standing = self.adapter.standing().hold();
                standing.map_err(ExchangeError::from)?;
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
