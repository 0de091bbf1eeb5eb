//! An upload by hand: every part of it as it must be, or as it must not be.

use std::sync::Arc;

use bytes::Bytes;
use proto::chunks::{ChunkPlan, Chunks};
use proto::commitment::Commitment;
use proto::digest::Digest;
use proto::envelope::Envelope;
use proto::header::{AnswerStatus, RequestHeader, TrailerHeader};
use proto::key::Signer;
use proto::seal::Seal;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::upload_request::Message as Out;
use proto::wire::exchange::v1::upload_response::Message as In;
use tests::ground::ORIGIN;
use tests::raw::{RawConsumer, Refusal, SALT};
use tests::soon;
use tests::world::World;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// The opening of a request in chunks of four bytes.
pub(super) fn opening(consumer: &RawConsumer) -> Envelope {
    opening_of(consumer, consumer.header())
}

/// The same, with another header.
pub(super) fn opening_of(consumer: &RawConsumer, mut header: RequestHeader) -> Envelope {
    let plan = Bytes::from(ChunkPlan::of(4).encode());
    header.payload = Commitment::to_chunks("text/plain", None, &plan, &SALT);
    let mut envelope = consumer.sealed_as(header.label(), ORIGIN, header.encode());
    envelope.payload = plan;
    envelope
}

/// The trailer of `payload`, sent in chunks of four bytes after `opening`, but for what `lie` does before it is sealed.
fn trailer(
    opening: &Envelope,
    payload: &[u8],
    lie: impl FnOnce(&mut TrailerHeader),
) -> TrailerHeader {
    let mut chunks = Chunks::new(SALT, ChunkPlan::of(4));
    payload.chunks(4).for_each(|c| chunks.push(c).unwrap());
    let total = chunks.total();
    let asked = RequestHeader::open(&opening.header).unwrap();
    let mut header = TrailerHeader {
        exchange_id: asked.exchange_id,
        begun_by: Digest::of(&opening.header),
        count: total.count,
        length: total.length,
        root: total.root,
        ended_at_ms: asked.issued_at_ms,
        seen: None,
    };
    lie(&mut header);
    header
}

/// An upload by hand.
pub(super) struct Liar {
    consumer: RawConsumer,
    opening: Envelope,
    pub(super) out: mpsc::Sender<wire::UploadRequest>,
    parts: Streaming<wire::UploadResponse>,
}

impl Liar {
    pub(super) async fn begin(consumer: &RawConsumer, opening: Envelope) -> Result<Self, Status> {
        let (out, coming) = mpsc::channel(64);
        let liar = |parts| Self {
            consumer: consumer.clone(),
            opening: opening.clone(),
            out: out.clone(),
            parts,
        };
        let first = Out::Opening(opening.to_wire());
        let message = Some(first);
        out.send(wire::UploadRequest { message }).await.unwrap();
        let mut client = consumer.client();
        let parts = client.upload(ReceiverStream::new(coming)).await?;
        Ok(liar(parts.into_inner()))
    }

    /// Begun in order, with the provider's first credit.
    pub(super) async fn credited(world: &World) -> Self {
        let consumer = world.raw_consumer().await;
        let mut liar = Self::begin(&consumer, opening(&consumer)).await.unwrap();
        assert!(matches!(liar.next().await, Ok(Some(In::Opened(_)))));
        assert!(matches!(liar.next().await, Ok(Some(In::Credit(8)))));
        liar
    }

    pub(super) async fn next(&mut self) -> Result<Option<In>, Status> {
        let part = soon("a part", self.parts.message()).await?;
        Ok(part.map(|part| part.message.unwrap()))
    }

    pub(super) async fn send(&self, message: Out) {
        let message = Some(message);
        // What comes too late is lost, as on any network.
        let _ = self.out.send(wire::UploadRequest { message }).await;
    }

    pub(super) async fn chunk(&self, chunk: &'static [u8]) {
        self.send(Out::Chunk(Bytes::from_static(chunk))).await;
    }

    pub(super) async fn trailer(
        &self,
        payload: &[u8],
        (label, signer): (&str, &Arc<dyn Signer>),
        lie: impl FnOnce(&mut TrailerHeader),
    ) {
        let header = trailer(&self.opening, payload, lie);
        let header = header.encode();
        let seal = Seal::one(label, ORIGIN, &header, &**signer).unwrap();
        let trailer = Envelope::bare(header, seal);
        self.send(Out::Trailer(trailer.to_wire())).await;
    }

    /// The refusal that ends it.
    pub(super) async fn refused(mut self) -> Refusal {
        loop {
            match self.next().await {
                Ok(Some(In::Answered(_)) | None) => panic!("answered, or no word"),
                Ok(Some(_)) => {}
                Err(status) => return Refusal::read(&status),
            }
        }
    }

    /// The answer that ends it.
    pub(super) async fn answered(mut self) -> AnswerStatus {
        loop {
            match self.next().await {
                Ok(Some(In::Answered(answered))) => {
                    return self.consumer.prove(&self.opening, answered).header.status;
                }
                Ok(Some(_)) => {}
                other => panic!("expected an answer, got {other:?}"),
            }
        }
    }
}
