//! An answer in chunks, as its consumer takes it.
//!
//! The opening is proved as any answer is, before the first chunk is given out. What is given out counts for nothing until
//! the end was proved: [`Incoming::chunk`] gives `None` only then, and anything else is [`StreamError::Void`]. Memory does
//! not grow with the answer, and nothing comes faster than it is taken.

use std::fmt;
use std::time::Duration;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::Digest;
use proto::authorise::verify_trailer;
use proto::chunks::{ChunkError, ChunkPlan, Chunks, Total};
use proto::commitment::{Form, Salt};
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::facts;
use proto::header::{AnswerStatus, Outcome, RequestHeader};
use proto::limits::STREAM_IDLE_MS;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::stream_response::Message;
use tonic::{Request, Streaming};

use super::noted::Noted;
use super::outcome::{Answer, ExchangeError, StreamError};
use super::send::GRACE;
use super::verify::{self, Untrusted};
use super::{Ask, Consumer, Draft, Try, refusal};
use crate::journal::JournalError;
use crate::sealer::Sealed;

/// How long the next part is waited for: a little longer than the switch lets a stream stand still.
const NEXT_WAIT: Duration = Duration::from_millis(STREAM_IDLE_MS + 5_000);

/// What comes of asking for a stream.
#[derive(Debug)]
pub enum Streamed {
    /// The provider answered in one piece.
    Whole(Box<Answer>),
    /// It answers in chunks.
    Chunks(Box<Incoming>),
}

/// An answer in chunks that has begun. Dropping it hangs up. `Debug` never shows anything of it.
pub struct Incoming {
    consumer: Consumer,
    asked: Asked,
    opened: Answer,
    parts: Streaming<wire::StreamResponse>,
    chunks: Chunks,
    complete: Option<Complete>,
}

/// A stream that is complete and proved.
#[derive(Clone, Debug)]
pub struct Complete {
    /// Chunks, bytes, and the root that the provider sealed over them.
    pub total: Total,
    /// The trailer's entry, which ends the exchange.
    pub trailer_index: u64,
    /// The receipt of that entry, verified.
    pub receipt: Receipt,
    /// The provider's sealed trailer.
    pub trailer: Envelope,
}

/// What was asked, as it was sealed.
struct Asked {
    /// The largest size that the log was known to have signed before it was asked. Whatever is read later is held against
    /// this one: meanwhile other answers bring newer checkpoints than a trailer that waits to be read.
    floor: u64,
    header: RequestHeader,
    sealed: Sealed,
    try_: Try,
    payload: Bytes,
}

impl Ask<'_> {
    /// Seals, sends, and waits until the answer begins, which is proved then. Asked once: [`Ask::retries`] does not count.
    ///
    /// # Errors
    /// [`ExchangeError`], as [`Ask::send`].
    pub async fn stream(self) -> Result<Streamed, ExchangeError> {
        let (consumer, attempt) = (self.consumer.clone(), self.attempt);
        let draft = self.into_draft()?;
        let try_ = consumer.new_try(attempt)?;
        Box::pin(consumer.stream(draft, try_)).await
    }
}

impl Consumer {
    async fn stream(self, draft: Draft, try_: Try) -> Result<Streamed, ExchangeError> {
        self.adapter.standing().hold()?;
        let unwritable = |error: JournalError| ExchangeError::Unsent(error.to_string());
        self.adapter.journal().room().await.map_err(unwritable)?;
        let header = self.header(&draft, &try_).await?;
        let sealed = self.adapter.sealer().request(header.clone()).await?;
        let noted = Noted::asked(&self, &header, &sealed);
        let floor = self.adapter.checkpoints().floor();
        let begun = self.begin(&draft, &try_, floor, (&header, &sealed)).await;
        let (opened, parts) = match begun {
            Ok((opened, Some(parts))) => (opened, parts),
            Ok((answer, None)) => {
                noted.ended(Ok(&answer), &try_, &draft.payload);
                return Ok(Streamed::Whole(Box::new(answer)));
            }
            Err(error) => {
                noted.ended(Err(&error), &try_, &draft.payload);
                return Err(error);
            }
        };
        let chunks = match plan_of(&opened) {
            Ok(chunks) => chunks,
            Err(reason) => return Err(self.untrusted(reason, try_.id, None).await),
        };
        let asked = Asked {
            floor,
            header,
            sealed,
            try_,
            payload: draft.payload,
        };
        Ok(Streamed::Chunks(Box::new(Incoming {
            consumer: self,
            asked,
            opened,
            parts,
            chunks,
            complete: None,
        })))
    }

    /// The answer, or the proved opening of one with what follows it.
    async fn begin(
        &self,
        draft: &Draft,
        try_: &Try,
        floor: u64,
        (header, sealed): (&RequestHeader, &Sealed),
    ) -> Result<(Answer, Option<Streaming<wire::StreamResponse>>), ExchangeError> {
        let outgoing = self.outgoing(draft, header, sealed, try_)?;
        let (first, parts) = self.first(draft, &outgoing.envelope, sealed, try_).await?;
        let (response, kind) = match first {
            Some(Message::Answered(response)) => (response, Kind::Closing),
            Some(Message::Opened(opened)) => {
                let response = wire::CallResponse {
                    answer: opened.answer,
                    receipt: opened.receipt,
                    request: opened.request,
                };
                (response, Kind::Opening)
            }
            _ => {
                let reason = Untrusted::Malformed("first part");
                return Err(self.untrusted(reason, try_.id, None).await);
            }
        };
        let trusted = match verify::open(response) {
            Ok(returned) => self.trust(returned, kind, floor, (header, sealed)).await,
            Err(reason) => Err(reason),
        };
        let answer = match trusted {
            Ok(answer) => answer,
            Err(reason) => return Err(self.untrusted(reason, try_.id, None).await),
        };
        if kind == Kind::Opening {
            return Ok((answer, Some(parts)));
        }
        let answer = self.opened(answer, outgoing.opening.as_ref()).await?;
        if answer.status == AnswerStatus::Answered {
            Ok((answer, None))
        } else {
            Err(ExchangeError::Provider {
                status: answer.status,
                answer: Box::new(answer),
            })
        }
    }

    async fn first(
        &self,
        draft: &Draft,
        envelope: &Envelope,
        sealed: &Sealed,
        try_: &Try,
    ) -> Result<(Option<Message>, Streaming<wire::StreamResponse>), ExchangeError> {
        let wait = Duration::from_millis(u64::from(draft.deadline_ms)) + GRACE;
        let mut request = Request::new(wire::StreamRequest {
            envelope: Some(envelope.to_wire()),
        });
        request.set_timeout(wait);
        let mut client = self.adapter.connection().exchange();
        let opening = async {
            let mut parts = client.stream(request).await?.into_inner();
            let first = parts.message().await?;
            Ok((first.and_then(|first| first.message), parts))
        };
        match tokio::time::timeout(wait, opening).await {
            Ok(Ok(begun)) => Ok(begun),
            Ok(Err(status)) => {
                let error = refusal::read(&status, sealed, try_, &self.adapter);
                self.adapter.standing().hold()?;
                Err(error)
            }
            Err(_) => Err(ExchangeError::Transport {
                reason: "the switch gave no outcome in time".to_owned(),
                attempt: try_.attempt(),
            }),
        }
    }
}

/// The plan that the opening commits to, ready for its chunks.
fn plan_of(opened: &Answer) -> Result<Chunks, Untrusted> {
    let (payload, envelope) = (&opened.header.payload, &opened.envelope);
    if payload.form != Form::Chunks {
        return Err(Untrusted::Payload);
    }
    payload
        .open(&envelope.payload, &envelope.salt)
        .map_err(|_| Untrusted::Payload)?;
    let plan = ChunkPlan::open(&envelope.payload).map_err(|_| Untrusted::Payload)?;
    let salt = Salt::from_slice(&envelope.salt).map_err(|_| Untrusted::Payload)?;
    Ok(Chunks::new(salt, plan))
}

impl Incoming {
    /// The proved opening: who answers, which fields, which media type. Its payload is only the plan of the chunks.
    pub fn opened(&self) -> &Answer {
        &self.opened
    }

    /// Bytes that the provider announced, where it knew.
    pub fn announced(&self) -> Option<u64> {
        Some(self.opened.header.payload.length).filter(|length| *length > 0)
    }

    /// Bytes that came so far.
    pub fn received(&self) -> u64 {
        self.chunks.length()
    }

    /// What was proved at the end; `None` before it.
    pub fn complete(&self) -> Option<&Complete> {
        self.complete.as_ref()
    }

    /// The next chunk. `None` once everything that came was proved to be what the provider sealed, and no sooner.
    ///
    /// # Errors
    /// [`StreamError::Void`]: nothing of what came may be used.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, StreamError> {
        if self.complete.is_some() {
            return Ok(None);
        }
        let part = match tokio::time::timeout(NEXT_WAIT, self.parts.message()).await {
            Ok(Ok(part)) => part.and_then(|part| part.message),
            Ok(Err(status)) => {
                let (asked, adapter) = (&self.asked, &self.consumer.adapter);
                let error = refusal::read(&status, &asked.sealed, &asked.try_, adapter);
                return Err(self.ended(error));
            }
            Err(_) => return Err(self.broke("the switch sends nothing any more")),
        };
        match part {
            Some(Message::Chunk(chunk)) => match self.chunks.push(&chunk) {
                Ok(()) => Ok(Some(chunk)),
                Err(error) => Err(self.void(error.into()).await),
            },
            Some(Message::Closed(closed)) => match self.close(closed).await {
                Ok(complete) => {
                    self.complete = Some(complete);
                    Ok(None)
                }
                Err(reason) => Err(self.void(reason).await),
            },
            Some(Message::Opened(_) | Message::Answered(_)) => {
                Err(self.void(Untrusted::Malformed("next part")).await)
            }
            None => Err(self.broke("it ended without a trailer")),
        }
    }

    /// Proves the trailer, and that what came is what it says.
    async fn close(&mut self, closed: wire::StreamClosed) -> Result<Complete, Untrusted> {
        let adapter = &self.consumer.adapter;
        let trailer =
            Envelope::from_wire(closed.trailer).map_err(|_| Untrusted::Malformed("trailer"))?;
        let receipt = closed.receipt.ok_or(Untrusted::Malformed("receipt"))?;
        let receipt = Receipt::from_wire(receipt).map_err(|_| Untrusted::Malformed("receipt"))?;
        let (header, seal) = (&trailer.header, &trailer.seal);
        let proven = receipt.verify_remembering(header, Some(seal), adapter.notes())?;
        if proven.entry.kind != Kind::Trailer {
            return Err(Untrusted::OtherKind(proven.entry.kind.name()));
        }
        let (checkpoint, note) = (proven.checkpoint.clone(), receipt.checkpoint.clone());
        adapter
            .checkpoints()
            .note_behind(self.asked.floor, checkpoint, note)
            .map_err(|reason| Untrusted::Mirror(reason.into()))?;
        let wait = adapter.home().config().mirror_wait;
        let registry = adapter.mirror().agrees(&proven.entry.stamp, wait).await?;
        let answer = Digest::of(&self.opened.envelope.header);
        let now_ms = adapter.clock().now_ms();
        let memory = Some((adapter.seals(), now_ms));
        let said = verify_trailer(&registry, &self.asked.header, &answer, header, seal, memory)?;
        self.same_exchange(&proven.entry.facts, &receipt)?;
        let total = self.chunks.total();
        if let Some(announced) = self.announced().filter(|said| *said != total.length) {
            return Err(ChunkError::Length {
                came: total.length,
                said: announced,
            }
            .into());
        }
        total.is_said_by(&said)?;
        let asked = (&self.asked.try_, &self.asked.payload);
        Noted::again(&self.consumer, &self.asked.header).complete(
            &self.opened,
            (&trailer, &receipt),
            asked,
        );
        Ok(Complete {
            total,
            trailer_index: receipt.index,
            receipt,
            trailer,
        })
    }

    /// The trailer's entry answers the request that the opening's entry names, and comes after it.
    fn same_exchange(&self, ended: &[u8], receipt: &Receipt) -> Result<(), Untrusted> {
        let read = |bytes| facts::exchange(bytes).map_err(|_| Untrusted::Malformed("facts"));
        let (ended, begun) = (read(ended)?, read(&self.opened.receipt.facts)?);
        if ended.code != Outcome::Answered.name() {
            return Err(Untrusted::OtherOutcome(ended.code));
        }
        let same = (ended.request_index, ended.request_leaf)
            == (begun.request_index, begun.request_leaf)
            && receipt.index > self.opened.receipt.index;
        same.then_some(()).ok_or(Untrusted::OtherStream)
    }

    /// Cut off, by the switch or by the network.
    fn ended(&self, error: ExchangeError) -> StreamError {
        let noted = Noted::again(&self.consumer, &self.asked.header);
        noted.ended(Err(&error), &self.asked.try_, &self.asked.payload);
        StreamError::Void {
            exchange_id: self.opened.exchange_id,
            received: self.received(),
            reason: Box::new(error),
        }
    }

    fn broke(&self, reason: &str) -> StreamError {
        self.ended(ExchangeError::Transport {
            reason: reason.to_owned(),
            attempt: self.asked.try_.attempt(),
        })
    }

    /// What came does not hold. A content that is not what was sealed is disputed on record.
    async fn void(&self, reason: Untrusted) -> StreamError {
        let answer = match &reason {
            Untrusted::Chunks(ChunkError::Root) => Some(Digest::of(&self.opened.envelope.header)),
            _ => None,
        };
        let exchange_id = self.opened.exchange_id;
        let error = self.consumer.untrusted(reason, exchange_id, answer).await;
        self.ended(error)
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Incoming({}, {} bytes so far)",
            self.opened.exchange_id,
            self.received()
        )
    }
}
