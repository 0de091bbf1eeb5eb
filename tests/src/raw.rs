//! A consumer that builds every byte by hand, so that it can build wrong ones; and a reader of refusals.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit::checkpoint::LogKey;
use audit::clock::Clock;
use audit::receipt::{Proven, Receipt};
use bytes::Bytes;
use prost::Message as _;
use proto::Code;
use proto::commitment::{Commitment, Salt};
use proto::digest::Digest;
use proto::entry::{Entry, Kind, Stamp};
use proto::envelope::Envelope;
use proto::header::{AnswerHeader, DisputeHeader, RequestHeader};
use proto::id::{ExchangeId, SystemId};
use proto::key::Signer;
use proto::limits::{MESSAGE_BYTES_MAX, label};
use proto::seal::Seal;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::exchange_client::ExchangeClient;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;
use uuid::{NoContext, Timestamp, Uuid};

use crate::agency::TestAgency;
use crate::agreements::{part, parts};
use crate::channel::channel;
use crate::ground::ORIGIN;
use crate::world::World;

/// What consumers ask here.
pub const PAYLOAD: &[u8] = br#"{"nid":"29001019900011"}"#;

/// A consumer without an adapter.
#[derive(Clone, Debug)]
pub struct RawConsumer {
    /// What it seals with.
    pub signer: Arc<dyn Signer>,
    system: SystemId,
    provider: SystemId,
    agreement: Digest,
    contract: Digest,
    clock: Clock,
    log_key: LogKey,
    client: ExchangeClient<Channel>,
    run_id: [u8; 16],
    sequence: Arc<AtomicU64>,
}

/// An answered exchange, every proof of it verified.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The exchange.
    pub id: ExchangeId,
    /// The provider's header.
    pub header: AnswerHeader,
    /// The provider's bytes.
    pub payload: Bytes,
    /// Index and leaf of the request's entry.
    pub request: (u64, Digest),
    /// Index and leaf of the closing entry.
    pub closing: (u64, Digest),
    /// Size and root of the checkpoint in the receipt.
    pub head: (u64, Digest),
    /// The answer as it came.
    pub envelope: Envelope,
}

impl RawConsumer {
    /// `agency`, connected at `address`, asking for what `world` agreed on.
    pub async fn connect(world: &World, agency: &TestAgency, address: SocketAddr) -> Self {
        let ground = world.switch.ground();
        let channel = channel(address, agency.tls(ground)).await.unwrap();
        Self {
            signer: agency.seal_signer(),
            system: agency.system.clone(),
            provider: world.civil.system.clone(),
            agreement: world.agreement,
            contract: world.contract,
            clock: ground.clock.clone(),
            log_key: ground.log_key(),
            client: client(channel),
            run_id: *Uuid::from_bytes(random()).as_bytes(),
            sequence: Arc::default(),
        }
    }

    /// Its client, for calls that have no name here.
    pub fn client(&self) -> ExchangeClient<Channel> {
        self.client.clone()
    }

    /// The same consumer over another channel.
    #[must_use]
    pub fn over(&self, channel: Channel) -> Self {
        Self {
            client: client(channel),
            ..self.clone()
        }
    }

    /// The same consumer, sealing with another key.
    #[must_use]
    pub fn sealing_with(&self, signer: Arc<dyn Signer>) -> Self {
        Self {
            signer,
            ..self.clone()
        }
    }

    /// Another system, over its own channel and with its own key, asking for the same.
    #[must_use]
    pub fn as_system(&self, system: &SystemId, signer: Arc<dyn Signer>, channel: Channel) -> Self {
        Self {
            system: system.clone(),
            ..self.over(channel).sealing_with(signer)
        }
    }

    /// The header of a request that is in order.
    pub fn header(&self) -> RequestHeader {
        RequestHeader {
            exchange_id: new_id(&self.clock),
            attempt_of: None,
            run_id: self.run_id,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            consumer: self.system.clone(),
            provider: self.provider.clone(),
            service: part("persons.v1"),
            operation: part("read"),
            contract: self.contract,
            purpose: part("social-benefit"),
            agreement: Some(self.agreement),
            delegation: Vec::new(),
            external_id_hash: None,
            case_reference: None,
            subjects: Vec::new(),
            actor: None,
            fields: parts(&["name"]),
            issued_at_ms: self.clock.now_ms(),
            deadline_ms: 10_000,
            payload: Commitment::new("application/json", PAYLOAD, &SALT),
            seen: None,
        }
    }

    /// A request that is in order but for what `change` does to its header before it is sealed.
    pub fn envelope(&self, change: impl FnOnce(&mut RequestHeader)) -> Envelope {
        let mut header = self.header();
        change(&mut header);
        self.sealed(header.encode())
    }

    /// These header bytes, sealed as a request.
    pub fn sealed(&self, header: Bytes) -> Envelope {
        self.sealed_as(label::REQUEST, ORIGIN, header)
    }

    /// These header bytes, sealed for any use and any switch.
    pub fn sealed_as(&self, label: &str, origin: &str, header: Bytes) -> Envelope {
        let seal = Seal::one(label, origin, &header, &*self.signer).unwrap();
        Envelope::new(header, seal, SALT, Bytes::from_static(PAYLOAD))
    }

    /// Calls with `envelope`, whatever it is.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn call(&self, envelope: &Envelope) -> Result<wire::CallResponse, Status> {
        self.call_wire(wire::CallRequest {
            envelope: Some(envelope.to_wire()),
        })
        .await
    }

    /// Calls with a message of any shape.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn call_wire(
        &self,
        request: wire::CallRequest,
    ) -> Result<wire::CallResponse, Status> {
        Ok(self.client.clone().call(request).await?.into_inner())
    }

    /// Calls and stops waiting after `patience`, as `grpc-timeout`.
    ///
    /// # Errors
    /// What the switch says, or the client's own timer.
    pub async fn call_within(
        &self,
        envelope: &Envelope,
        patience: Duration,
    ) -> Result<wire::CallResponse, Status> {
        let mut request = tonic::Request::new(wire::CallRequest {
            envelope: Some(envelope.to_wire()),
        });
        request.set_timeout(patience);
        Ok(self.client.clone().call(request).await?.into_inner())
    }

    /// Calls and proves everything that comes back.
    ///
    /// # Errors
    /// The refusal.
    pub async fn ask(&self, envelope: &Envelope) -> Result<Answered, Refusal> {
        match self.call(envelope).await {
            Ok(response) => Ok(self.prove(envelope, response)),
            Err(status) => Err(Refusal::read(&status)),
        }
    }

    /// Asks for something that is in order.
    ///
    /// # Errors
    /// The refusal.
    pub async fn ask_well(&self) -> Result<Answered, Refusal> {
        self.ask(&self.envelope(|_| {})).await
    }

    /// Asks for something that is not, and gives the refusal.
    pub async fn refused(&self, envelope: &Envelope) -> Refusal {
        match self.ask(envelope).await {
            Ok(answered) => panic!("answered instead of refused: {answered:?}"),
            Err(refusal) => refusal,
        }
    }

    /// Verifies receipt, request entry, binding and payload of an answer to `sent`.
    pub fn prove(&self, sent: &Envelope, response: wire::CallResponse) -> Answered {
        let envelope = Envelope::from_wire(response.answer).unwrap();
        let header = AnswerHeader::open(&envelope.header).unwrap();
        let receipt = Receipt::from_wire(response.receipt.unwrap()).unwrap();
        let proven = receipt
            .verify(&envelope.header, Some(&envelope.seal), &self.log_key)
            .unwrap();
        assert_eq!(proven.entry.kind, Kind::Closing);
        let request = response.request.unwrap();
        let own = Entry {
            kind: RequestHeader::open(&sent.header).unwrap().kind(),
            stamp: Stamp::decode(&request.stamp).unwrap(),
            facts: request.facts,
            header: sent.header.clone(),
            seal: Some(sent.seal.clone()),
        };
        let facts = proto::facts::exchange(&proven.entry.facts).unwrap();
        let leaf = own.leaf().unwrap();
        assert_eq!(
            (facts.request_index, &facts.request_leaf[..]),
            (request.index, &leaf.0[..])
        );
        assert_eq!(header.request_header, Digest::of(&sent.header));
        header
            .payload
            .open(&envelope.payload, &envelope.salt)
            .unwrap();
        Answered {
            id: header.exchange_id,
            payload: envelope.payload.clone(),
            header,
            request: (request.index, leaf),
            closing: (receipt.index, proven.leaf),
            head: (proven.checkpoint.size, proven.checkpoint.root),
            envelope,
        }
    }

    /// Objects to `answer`.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn dispute(&self, answer: &Answered) -> Result<Receipt, Status> {
        let header = DisputeHeader {
            exchange_id: answer.id,
            answer_header: Digest::of(&answer.envelope.header),
            code: Code::PayloadMismatch,
            issued_at_ms: self.clock.now_ms(),
        }
        .encode();
        let seal = Seal::one(label::DISPUTE, ORIGIN, &header, &*self.signer).unwrap();
        let envelope = Some(Envelope::bare(header, seal).to_wire());
        let response = self
            .client
            .clone()
            .dispute(wire::DisputeRequest { envelope })
            .await?
            .into_inner();
        Ok(Receipt::from_wire(response.receipt.unwrap()).unwrap())
    }
}

/// The salt of every commitment here: nothing is secret in a test.
pub const SALT: Salt = Salt([7; 32]);

fn client(channel: Channel) -> ExchangeClient<Channel> {
    // No limit of the client's own: the switch's are the ones under test.
    ExchangeClient::new(channel)
        .max_encoding_message_size(64 << 20)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A new exchange id at the clock's time.
pub fn new_id(clock: &Clock) -> ExchangeId {
    let now_us = clock.now_us();
    let nanos = u32::try_from(now_us % 1_000_000).unwrap() * 1_000;
    ExchangeId::from_uuid(Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        now_us / 1_000_000,
        nanos,
    )))
    .unwrap()
}

fn random() -> [u8; 16] {
    Salt::random().unwrap().0[..16].try_into().unwrap()
}

/// A refusal as its caller reads it.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The gRPC status.
    pub grpc: tonic::Code,
    /// The stable code; `None` when the status is not one of ours.
    pub code: Option<Code>,
    /// What it says.
    pub message: String,
    /// `ErrorInfo`'s words.
    pub words: std::collections::HashMap<String, String>,
    /// `RetryInfo`.
    pub retry: Option<Duration>,
    /// The receipt in the trailer.
    pub receipt: Option<Receipt>,
}

impl Refusal {
    /// Reads a status.
    pub fn read(status: &Status) -> Self {
        let info = status
            .get_details_error_info()
            .filter(|info| info.domain == "mohawel");
        let receipt = status
            .metadata()
            .get_bin("mohawel-receipt-bin")
            .map(|value| {
                let bytes = value.to_bytes().unwrap();
                Receipt::from_wire(proto::wire::audit::v1::Receipt::decode(bytes).unwrap()).unwrap()
            });
        Self {
            grpc: status.code(),
            code: info.as_ref().and_then(|info| Code::parse(&info.reason)),
            message: status.message().to_owned(),
            words: info.map(|info| info.metadata).unwrap_or_default(),
            retry: status
                .get_details_retry_info()
                .and_then(|retry| retry.retry_delay),
            receipt,
        }
    }

    /// One word of `ErrorInfo`; empty when it is not there.
    pub fn word(&self, key: &str) -> &str {
        self.words.get(key).map_or("", String::as_str)
    }

    /// Proves that the log holds this refusal of `sent`, or the end of its exchange.
    pub fn prove(&self, sent: &Envelope, key: &LogKey) -> Proven {
        let receipt = self
            .receipt
            .as_ref()
            .expect("a recorded refusal has a receipt");
        let facts = proto::facts::exchange(&receipt.facts).unwrap();
        let sealed = receipt.kind == Kind::Refusal && facts.refused_sha256.is_empty();
        if sealed {
            receipt.verify(&sent.header, Some(&sent.seal), key).unwrap()
        } else {
            receipt.verify(&Bytes::new(), None, key).unwrap()
        }
    }
}
