//! The way of a request in chunks: the rooms of every exchange, with the chunks between the record and the answer.
//!
//! ```text
//! … → Recorded → Taken → Complete → Answered → …
//! ```
//!
//! | room | file | takes → gives |
//! |---|---|---|
//! | take | `take.rs` | chunks as the provider takes them → the caller's trailer, with the last chunk still here; or an early answer |
//! | complete | `complete.rs` | the trailer → durable, then the last chunk and the trailer go on |
//!
//! The request is an entry of a kind of its own and else as any other; so is the answer's. Every way out of here leads to one
//! ending in the log. `docs/protocol.md` §3, "A request in chunks".

mod complete;
mod take;

use std::sync::Arc;
use std::time::Duration;

use proto::wire::exchange::v1::upload_response::Message;
use proto::wire::exchange::v1::{CallResponse, UploadRequest, UploadResponse};
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::Status;

use self::take::Ended;
use super::outcome::Fault;
use super::provider::Answered;
use super::record::{Receipt, Recorded};
use super::stream::{Part, Parts, Streamed, Way};
use super::{Caller, Exchange, Received, Refused};

/// Parts for the caller that may wait until it takes them: the receipts of both entries, and credit.
const WAITING: usize = 4;

/// The way of a request in chunks, which come here.
struct Up<S>(S);

impl Exchange {
    /// Carries a request whose payload comes behind it, in chunks.
    ///
    /// # Errors
    /// What the caller is told before anything of its payload was taken.
    pub async fn upload<S>(
        self: &Arc<Self>,
        mut received: Received,
        coming: S,
    ) -> Result<Streamed<UploadResponse>, Box<Refused>>
    where
        S: Stream<Item = Result<UploadRequest, Status>> + Send + Unpin + 'static,
    {
        received.follow_chunks();
        self.streamed(received, WAITING, Up(coming)).await
    }

    /// How long the first message of an upload is waited for.
    pub(crate) fn upload_begins_within(&self) -> Duration {
        self.settings.idle
    }

    async fn upload_way<S>(
        &self,
        received: Received,
        coming: S,
        caller: &mut Caller,
        parts: Parts<UploadResponse>,
    ) -> Result<Option<Receipt>, Box<Refused>>
    where
        S: Stream<Item = Result<UploadRequest, Status>> + Send + Unpin,
    {
        let recorded = self.judged_and_recorded(received, caller).await?;
        // Its deadline is that of the provider's word that it takes it, and later that of the answer.
        caller.patience_ends = None;
        let answered = self.taken(recorded, coming, caller, &parts).await?;
        let work = self.limits.go_on();
        let ended = match answered {
            Ok(answered) => self.response(answered),
            Err(fault) => Err(fault),
        };
        let told = self.close(ended).await;
        work.done();
        told.map(Some)
    }

    /// The chunks, the trailer, the answer; or what there is instead.
    async fn taken<S>(
        &self,
        recorded: Recorded,
        coming: S,
        caller: &mut Caller,
        parts: &Parts<UploadResponse>,
    ) -> Result<Result<Answered, Fault>, Box<Refused>>
    where
        S: Stream<Item = Result<UploadRequest, Status>> + Send + Unpin,
    {
        let delivered = Instant::now();
        let trailed = match self
            .take_chunks(recorded, delivered, coming, caller, parts)
            .await
        {
            Ok(Ended::Trailed(trailed)) => trailed,
            // A provider that refuses does not wait for the rest.
            Ok(Ended::Answered(answered)) => return Ok(Ok(answered)),
            Err(fault) => return Ok(Err(fault)),
        };
        // Not the last chunk before the trailer is durable.
        let recorded = match self.complete(trailed, parts).await? {
            Ok(recorded) => recorded,
            Err(fault) => return Ok(Err(fault)),
        };
        let within = Duration::from_millis(recorded.verified().header().deadline_ms.into());
        let deadline = Instant::now() + within;
        Ok(self.awaited(recorded, caller, (delivered, deadline)).await)
    }
}

impl<S> Way<UploadResponse> for Up<S>
where
    S: Stream<Item = Result<UploadRequest, Status>> + Send + Unpin + 'static,
{
    async fn go(
        self,
        exchange: &Exchange,
        received: Received,
        caller: &mut Caller,
        parts: Parts<UploadResponse>,
    ) -> Result<Option<Receipt>, Box<Refused>> {
        exchange.upload_way(received, self.0, caller, parts).await
    }
}

impl Part for UploadResponse {
    fn answered(answered: CallResponse) -> Self {
        Self {
            message: Some(Message::Answered(answered)),
        }
    }
}
