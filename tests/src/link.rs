//! A provider's link held by hand: takes deliveries, and answers as rightly or wrongly as the scenario wants.

use std::net::SocketAddr;
use std::sync::Arc;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::commitment::Commitment;
use proto::digest::Digest;
use proto::envelope::Envelope;
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader};
use proto::key::Signer;
use proto::limits::{MESSAGE_BYTES_MAX, label};
use proto::seal::Seal;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use proto::wire::exchange::v1::attach_response::Message as In;
use proto::wire::exchange::v1::link_client::LinkClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::agency::TestAgency;
use crate::channel::channel;
use crate::ground::{Ground, ORIGIN};
use crate::raw::SALT;
use crate::soon;

/// A link before or after it was attached.
#[derive(Debug)]
pub struct RawProvider {
    /// What it seals with.
    pub signer: Arc<dyn Signer>,
    client: LinkClient<Channel>,
    out: Option<mpsc::Sender<wire::AttachRequest>>,
    messages: Option<Streaming<wire::AttachResponse>>,
}

/// A delivered request.
#[derive(Debug)]
pub struct Delivered {
    /// Its header.
    pub header: RequestHeader,
    /// As it came.
    pub envelope: Envelope,
    /// The request entry's receipt.
    pub receipt: Receipt,
    /// What is left of the deadline.
    pub remaining_ms: u32,
    /// The trace context.
    pub traceparent: String,
}

impl RawProvider {
    /// Connected as `agency`, nothing sent yet.
    pub async fn connect(ground: &Ground, agency: &TestAgency, address: SocketAddr) -> Self {
        let channel = channel(address, agency.tls(ground)).await.unwrap();
        Self {
            signer: agency.seal_signer(),
            client: LinkClient::new(channel)
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(64 << 20),
            out: None,
            messages: None,
        }
    }

    /// Opens the stream with `first` as its first message.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn open(mut self, first: wire::AttachRequest) -> Result<Self, Status> {
        let (out, requests) = mpsc::channel(64);
        out.send(first).await.unwrap();
        let messages = self
            .client
            .attach(ReceiverStream::new(requests))
            .await?
            .into_inner();
        self.out = Some(out);
        self.messages = Some(messages);
        Ok(self)
    }

    /// Attaches and waits until the switch said so.
    pub async fn attach(self, max_in_flight: u32) -> Self {
        let first = wire::AttachRequest {
            message: Some(Out::Attach(wire::Attach {
                max_in_flight,
                takes_uploads: true,
                takes_events: false,
            })),
        };
        let mut provider = self.open(first).await.unwrap();
        match provider.next().await {
            Ok(Some(In::Attached(_))) => provider,
            other => panic!("expected Attached, got {other:?}"),
        }
    }

    /// The next message; `None` when the switch ended the stream in order.
    ///
    /// # Errors
    /// The status with which the switch ended the stream.
    pub async fn next(&mut self) -> Result<Option<In>, Status> {
        let messages = self.messages.as_mut().expect("attached");
        let message = soon("a message on the link", messages.message()).await?;
        Ok(message.map(|message| message.message.expect("a message holds one of its kinds")))
    }

    /// The next delivery; what else comes before it is passed over.
    pub async fn delivery(&mut self) -> Delivered {
        loop {
            match self.next().await {
                Ok(Some(In::Deliver(deliver))) => return Delivered::read(deliver),
                Ok(Some(_)) => {}
                other => panic!("the link ended before a delivery: {other:?}"),
            }
        }
    }

    /// The next AnswerRecorded.
    pub async fn recorded(&mut self) -> (Vec<u8>, Receipt) {
        loop {
            match self.next().await {
                Ok(Some(In::AnswerRecorded(recorded))) => {
                    let receipt = Receipt::from_wire(recorded.receipt.unwrap()).unwrap();
                    return (recorded.exchange_id.to_vec(), receipt);
                }
                Ok(Some(_)) => {}
                other => panic!("the link ended before AnswerRecorded: {other:?}"),
            }
        }
    }

    /// The next Cancel.
    pub async fn cancelled(&mut self) -> wire::Cancel {
        loop {
            match self.next().await {
                Ok(Some(In::Cancel(cancel))) => return cancel,
                Ok(Some(_)) => {}
                other => panic!("the link ended before Cancel: {other:?}"),
            }
        }
    }

    /// A right answer to `delivered`, but for what `change` does before it is sealed.
    pub fn answer(
        &self,
        delivered: &Delivered,
        change: impl FnOnce(&mut AnswerHeader),
    ) -> Envelope {
        let payload = Bytes::from_static(br#"{"name":"Mona"}"#);
        let mut header = AnswerHeader {
            exchange_id: delivered.header.exchange_id,
            request_header: Digest::of(&delivered.envelope.header),
            request_seal: Digest::of(&delivered.envelope.seal.cose),
            status: AnswerStatus::Answered,
            fields: delivered.header.fields.clone(),
            answered_at_ms: delivered.header.issued_at_ms,
            payload: Commitment::new("application/json", &payload, &SALT),
            seen: None,
        };
        change(&mut header);
        let payload = if header.payload.length == 0 {
            Bytes::new()
        } else {
            payload
        };
        let header = header.encode();
        let seal = Seal::one(label::ANSWER, ORIGIN, &header, &*self.signer).unwrap();
        Envelope::new(header, seal, SALT, payload)
    }

    /// Sends `envelope` as the answer to `delivered`.
    pub async fn send_answer(&self, delivered: &Delivered, envelope: &Envelope) {
        let exchange_id = Bytes::copy_from_slice(delivered.header.exchange_id.as_bytes());
        self.send(Out::Answer(wire::Answer {
            exchange_id,
            envelope: Some(envelope.to_wire()),
        }))
        .await;
    }

    /// Answers `delivered` rightly.
    pub async fn answer_well(&self, delivered: &Delivered) {
        self.send_answer(delivered, &self.answer(delivered, |_| {}))
            .await;
    }

    /// Sends any message.
    pub async fn send(&self, message: Out) {
        self.send_wire(wire::AttachRequest {
            message: Some(message),
        })
        .await;
    }

    /// Sends a message of any shape. One that comes too late is lost, as on any network.
    pub async fn send_wire(&self, message: wire::AttachRequest) {
        let _ = self.out.as_ref().expect("attached").send(message).await;
    }

    /// Answers everything rightly until the switch ends the link.
    pub async fn answer_all(mut self) {
        while let Some(messages) = self.messages.as_mut() {
            match messages.message().await {
                Ok(Some(wire::AttachResponse {
                    message: Some(In::Deliver(deliver)),
                })) => {
                    let delivered = Delivered::read(deliver);
                    self.answer_well(&delivered).await;
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}

impl Delivered {
    fn read(deliver: wire::Deliver) -> Self {
        let envelope = Envelope::from_wire(deliver.envelope).unwrap();
        Self {
            header: RequestHeader::open(&envelope.header).unwrap(),
            envelope,
            receipt: Receipt::from_wire(deliver.receipt.unwrap()).unwrap(),
            remaining_ms: deliver.remaining_ms,
            traceparent: deliver.traceparent,
        }
    }
}
