//! Answers in chunks: opened like any answer, then sent as fast as the switch takes them, and sealed at the end.
//!
//! Takes a long reply whose opening was sealed. Not one chunk leaves before the opening's receipt is proved; the trailer
//! leaves last. Whatever goes wrong on the way is told as the end of the stream: what was sent is void then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use proto::authorise::Row;
use proto::chunks::{ChunkError, Chunks};
use proto::commitment::{Commitment, Salt};
use proto::digest::Digest;
use proto::envelope::Envelope;
use proto::header::{AnswerStatus, TrailerHeader};
use proto::id::ExchangeId;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::exchange::{Delivered, Desk};
use super::link::message;
use super::promise::allowed;
use super::unrecorded::{Sent, Stage, Unrecorded};
use super::{Failure, LongReply};
use crate::journal::Half;
use crate::sealer::Sealed;

/// An answer in chunks whose opening is sealed.
pub(super) struct Opening {
    long: LongReply,
    sealed: Sealed,
    salt: Salt,
}

/// The streams of one link.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<HashMap<ExchangeId, Arc<Credit>>>);

/// What the switch takes of one stream.
#[derive(Debug)]
pub(super) struct Credit {
    chunks: Semaphore,
    /// Its opening stands in the log, and we have the proof.
    proved: AtomicBool,
}

impl Streams {
    /// A stream is about to be opened.
    pub(super) fn begin(&self, id: ExchangeId) -> Arc<Credit> {
        let credit = Arc::new(Credit {
            chunks: Semaphore::new(0),
            proved: AtomicBool::new(false),
        });
        self.lock().insert(id, Arc::clone(&credit));
        credit
    }

    pub(super) fn end(&self, id: ExchangeId) {
        self.lock().remove(&id);
    }

    /// The switch says that an answer of ours is recorded. Of an opening without proof nothing is sent.
    pub(super) fn recorded(&self, id: ExchangeId, is_proved: bool) {
        if let Some(credit) = self.lock().get(&id) {
            credit.proved.store(is_proved, Ordering::Relaxed);
            if !is_proved {
                credit.chunks.close();
            }
        }
    }

    /// The switch takes more. Before the proof it may say what it likes.
    pub(super) fn credit(&self, credit: &wire::ChunkCredit) {
        let id = ExchangeId::from_slice(&credit.exchange_id);
        let streams = self.lock();
        if let Some(stream) = id.and_then(|id| streams.get(&id))
            && stream.proved.load(Ordering::Relaxed)
        {
            let room = Semaphore::MAX_PERMITS - stream.chunks.available_permits();
            stream.chunks.add_permits((credit.more as usize).min(room));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExchangeId, Arc<Credit>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// The backend's long reply, if it has one to this request.
    pub(super) async fn ask_long(
        &self,
        delivered: &Delivered,
        request_index: u64,
        rows: &[Row],
    ) -> Result<Option<LongReply>, Failure> {
        let request = self.request(delivered, request_index, rows);
        let asked = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self.backend).stream(request)));
        let Some(mut long) = asked.await.map_err(Failure::failed)?? else {
            return Ok(None);
        };
        if !rows.is_empty() && !long.reply.rows_applied {
            return Err(Failure::failed(
                "the grant has row rules and the backend does not say that it applied them",
            ));
        }
        self.may_come_in_chunks(delivered.request())?;
        long.reply = allowed(delivered.request(), long.reply)?;
        Ok(Some(long))
    }

    /// Seals the opening. Its receipt is then expected in `unrecorded`.
    pub(super) async fn open_long(
        &self,
        delivered: &Delivered,
        long: LongReply,
        days: u32,
        unrecorded: &Unrecorded,
    ) -> Option<(wire::Answer, Opening)> {
        let salt = Salt::random()
            .inspect_err(|error| tracing::error!(%error, "no answer"))
            .ok()?;
        let plan = Bytes::from(long.body.plan.encode());
        let payload =
            Commitment::to_chunks(&long.reply.content_type, long.body.length, &plan, &salt);
        let status = AnswerStatus::Answered;
        let fields = long.reply.fields.clone();
        let sealed = self.sealed(delivered, status, fields, payload).await?;
        // The chunks are not kept a second time: with salt and plan, whoever has the payload can open it.
        self.keep(delivered.request(), Half::Answer, days, &salt.0, &plan);
        self.counts.answered.fetch_add(1, Ordering::Relaxed);
        let answer = sealed.with_payload(salt, plan).to_wire();
        let stage = Stage::Opening;
        unrecorded.expect(
            delivered.exchange_id(),
            Sent::new(&sealed, status, delivered, stage),
        );
        let answer = wire::Answer {
            exchange_id: Bytes::copy_from_slice(delivered.exchange_id().as_bytes()),
            envelope: Some(answer),
        };
        Some((answer, Opening { long, sealed, salt }))
    }

    /// Sends the chunks and the trailer; or, where that fails, the word that there is none.
    pub(super) async fn send_long(
        &self,
        delivered: &Delivered,
        opening: Opening,
        credit: &Credit,
        (chunks, unrecorded): (&mpsc::Sender<wire::AttachRequest>, &Unrecorded),
    ) {
        let id = delivered.exchange_id();
        let exchange_id = Bytes::copy_from_slice(id.as_bytes());
        let trailer = match self
            .send_chunks(&exchange_id, opening, credit, chunks)
            .await
        {
            Ok((trailer, answer)) => self.seal_trailer(id, trailer, answer).await,
            Err(broken) => Err(broken),
        };
        let trailer = match trailer {
            Ok(sealed) => {
                let sent = Sent::new(&sealed, AnswerStatus::Answered, delivered, Stage::Trailer);
                unrecorded.expect(id, sent);
                Some(Envelope::bare(sealed.header, sealed.seal).to_wire())
            }
            Err(broken) => {
                tracing::error!(exchange = %id, %broken, "an answer in chunks broke off; what was sent of it is void");
                None
            }
        };
        let trailer = Out::Trailer(wire::Trailer {
            exchange_id,
            trailer,
        });
        // The link may be gone; then the switch knows.
        let _ = chunks.send(message(trailer)).await;
    }

    async fn send_chunks(
        &self,
        exchange_id: &Bytes,
        mut opening: Opening,
        credit: &Credit,
        out: &mpsc::Sender<wire::AttachRequest>,
    ) -> Result<(Chunks, Digest), Broken> {
        let mut chunks = Chunks::new(opening.salt, opening.long.body.plan);
        while let Some(data) = opening.long.body.next().await? {
            chunks.push(&data)?;
            let place = credit.chunks.acquire().await;
            place.map_err(|_| Broken::NotRecorded)?.forget();
            let chunk = Out::Chunk(wire::Chunk {
                exchange_id: exchange_id.clone(),
                data,
            });
            out.send(message(chunk))
                .await
                .map_err(|_| Broken::LinkLost)?;
        }
        match opening.long.body.length {
            Some(said) if said != chunks.length() => Err(Broken::Chunks(ChunkError::Length {
                came: chunks.length(),
                said,
            })),
            _ => Ok((chunks, Digest::of(&opening.sealed.header))),
        }
    }

    async fn seal_trailer(
        &self,
        exchange_id: ExchangeId,
        chunks: Chunks,
        begun_by: Digest,
    ) -> Result<Sealed, Broken> {
        let total = chunks.total();
        let trailer = TrailerHeader {
            exchange_id,
            begun_by,
            count: total.count,
            length: total.length,
            root: total.root,
            ended_at_ms: self.adapter.clock().now_ms(),
            seen: self.adapter.checkpoints().seen(),
        };
        Ok(self.adapter.sealer().trailer(trailer).await?)
    }
}

/// Why an answer in chunks has no trailer.
#[derive(Debug, Error)]
enum Broken {
    #[error("its body could not be read: {0}")]
    Body(#[from] std::io::Error),
    #[error(transparent)]
    Chunks(#[from] ChunkError),
    #[error("the switch did not prove that its opening is in the log")]
    NotRecorded,
    #[error("the link to the switch is gone")]
    LinkLost,
    #[error(transparent)]
    Sealer(#[from] crate::sealer::SealerError),
}
