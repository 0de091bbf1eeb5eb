//! A small world: who asks, who answers, what they agreed on, and the log between them.

use std::sync::Arc;
use std::time::Duration;

use audit::log::Log;
use audit::replay;
use bytes::Bytes;
use proto::Digest;
use proto::act::KeyEnd;
use proto::commitment::{Commitment, Salt};
use proto::entry::{Entry, Kind};
use proto::envelope::Envelope;
use proto::facts::{self, ExchangeFacts};
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader};
use proto::id::ExchangeId;
use proto::key::Signer as _;
use proto::limits::label;
use proto::seal::Seal;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as In;
use proto::wire::exchange::v1::attach_response::Message as Out;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::founding::{agree, enrol, publish, submit};
use crate::door::Peer;
use crate::door::limits::Limits;
use crate::exchange::{Exchange, Parts, Receipt, Received, Refused, Settings};
use crate::links;
use crate::links::outbox::Outbox;
use crate::registry::RegistryHandle;
use crate::switch::{LogKeyFile, Switch};
use crate::testing::{Applicant, NOW_MS, ORIGIN, Site, part, sealed};

pub(super) const SALT: Salt = Salt([7; 32]);
pub(super) const QUESTION: &[u8] = br#"{"national_id":"29001011234567"}"#;
pub(super) const REPLY: &[u8] = br#"{"alive":true}"#;

/// Two agencies with everything they need.
pub(super) struct World {
    pub(super) site: Site,
    pub(super) log: Log,
    pub(super) registry: RegistryHandle,
    pub(super) exchange: Arc<Exchange>,
    pub(super) consumer: Applicant,
    pub(super) provider: Applicant,
    pub(super) consumer_peer: Arc<Peer>,
    pub(super) provider_peer: Arc<Peer>,
    pub(super) agreement: Digest,
    pub(super) contract: Digest,
}

/// An adapter of the provider, played by the test.
pub(super) struct Adapter {
    pub(super) messages: mpsc::Sender<Result<wire::AttachRequest, Status>>,
    pub(super) outbox: Outbox,
}

/// An entry as tests look at it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) kind: Kind,
    pub(super) facts: ExchangeFacts,
    pub(super) entry: Entry,
}

pub(super) type Ended = Result<Receipt, Box<Refused>>;

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Settings::default(), Limits::new(64, 64)).await
    }

    pub(super) async fn with(settings: Settings, limits: Arc<Limits>) -> Self {
        let site = Site::found().await;
        let signer = Arc::new(LogKeyFile::load(&site.config.log.key).unwrap());
        let log = Log::open(Switch::log_config(&site.config, &site.clock), signer)
            .await
            .unwrap();
        let registry = RegistryHandle::open(log.clone(), site.clock.clone())
            .await
            .unwrap();
        let (consumer, provider) = (
            Applicant::new("EG/GOV/MOSS/takaful"),
            Applicant::new("EG/GOV/CIVIL/registry"),
        );
        for (applicant, seed) in [(&consumer, 1), (&provider, 2)] {
            enrol(&site, &registry, applicant, seed).await;
        }
        let contract = publish(&registry, &provider).await;
        let agreement = agree(&registry, &consumer, &provider).await;
        let exchange = start(&site, &log, &registry, settings, limits).await;
        Self {
            consumer_peer: Peer::of_system(&consumer.system, 1),
            provider_peer: Peer::of_system(&provider.system, 2),
            site,
            log,
            registry,
            exchange,
            consumer,
            provider,
            agreement,
            contract,
        }
    }

    /// The same log, as a broker finds it at its next start.
    pub(super) async fn restart(&mut self) {
        let (settings, limits) = (Settings::default(), Limits::new(64, 64));
        self.exchange = start(&self.site, &self.log, &self.registry, settings, limits).await;
    }

    /// A request that is permitted. `number` makes its id.
    pub(super) fn request(&self, number: u8) -> RequestHeader {
        let mut id = [
            0x01, 0x90, 0xa1, 0xb2, 0xc3, 0xd4, 0x7e, 0x5f, 0x8a, 0, 0, 0, 0, 0, 0, 0,
        ];
        id[15] = number;
        RequestHeader {
            exchange_id: ExchangeId::from_slice(&id).unwrap(),
            attempt_of: None,
            run_id: [3; 16],
            sequence: u64::from(number) + 1,
            consumer: self.consumer.system.clone(),
            provider: self.provider.system.clone(),
            service: part("persons.v1"),
            operation: part("verify"),
            contract: self.contract,
            purpose: part("social-support"),
            agreement: Some(self.agreement),
            delegation: Vec::new(),
            external_id_hash: None,
            case_reference: None,
            subjects: Vec::new(),
            actor: None,
            fields: vec![part("alive")],
            issued_at_ms: self.site.clock.now_ms(),
            deadline_ms: 10_000,
            payload: Commitment::new("application/json", QUESTION, &SALT),
            seen: None,
        }
    }

    /// The envelope of a request, sealed by the consumer.
    pub(super) fn seal(&self, request: &RequestHeader) -> Envelope {
        let header = request.encode();
        let seal = Seal::one(label::REQUEST, ORIGIN, &header, &self.consumer.seal_key).unwrap();
        Envelope::new(header, seal, SALT, Bytes::from_static(QUESTION))
    }

    pub(super) fn received(&self, envelope: Option<wire::Envelope>) -> Received {
        Received::new(
            Arc::clone(&self.consumer_peer),
            envelope,
            String::new(),
            None,
        )
    }

    pub(super) async fn ask(&self, request: &RequestHeader) -> Ended {
        self.exchange
            .call(self.received(Some(self.seal(request).to_wire())))
            .await
    }

    /// Asks in a task of its own.
    pub(super) fn asking(&self, request: &RequestHeader) -> tokio::task::JoinHandle<Ended> {
        let received = self.received(Some(self.seal(request).to_wire()));
        let exchange = Arc::clone(&self.exchange);
        tokio::spawn(async move { exchange.call(received).await })
    }

    pub(super) async fn adapter(&self) -> Adapter {
        let (messages, receiver) = mpsc::channel(64);
        let attach = wire::Attach {
            max_in_flight: 16,
            takes_uploads: true,
            takes_events: false,
        };
        messages.send(said(In::Attach(attach))).await.unwrap();
        let peer = Arc::clone(&self.provider_peer);
        let outbox = self
            .exchange
            .attach(peer, ReceiverStream::new(receiver))
            .await
            .unwrap();
        let mut adapter = Adapter { messages, outbox };
        assert!(matches!(adapter.next().await, Out::Attached(_)));
        while self.exchange.links().attached().is_empty() {
            tokio::task::yield_now().await;
        }
        adapter
    }

    /// The answer to what was delivered, before it is sealed.
    pub(super) fn answer(&self, deliver: &wire::Deliver) -> AnswerHeader {
        let request = Envelope::from_wire(deliver.envelope.clone()).unwrap();
        let opened = RequestHeader::open(&request.header).unwrap();
        AnswerHeader {
            exchange_id: opened.exchange_id,
            request_header: Digest::of(&request.header),
            request_seal: Digest::of(&request.seal.cose),
            status: AnswerStatus::Answered,
            fields: vec![part("alive")],
            answered_at_ms: self.site.clock.now_ms(),
            payload: Commitment::new("application/json", REPLY, &SALT),
            seen: None,
        }
    }

    /// The envelope of an answer, sealed by the provider.
    pub(super) fn seal_answer(&self, answer: &AnswerHeader) -> Envelope {
        let header = answer.encode();
        let seal = Seal::one(label::ANSWER, ORIGIN, &header, &self.provider.seal_key).unwrap();
        Envelope::new(header, seal, SALT, Bytes::from_static(REPLY))
    }

    /// Entries from `from` on.
    pub(super) async fn entries(&self, from: u64) -> Vec<Seen> {
        let size = self.log.head().size();
        let entries = self.log.entries(from..size).await.unwrap();
        let seen = |(_, bytes): &(u64, Bytes)| {
            let entry = Entry::decode(bytes).unwrap();
            let facts = facts::exchange(&entry.facts).unwrap_or_default();
            Seen {
                kind: entry.kind,
                facts,
                entry,
            }
        };
        entries.iter().map(seen).collect()
    }

    /// Waits until the log holds `count` entries from `from` on.
    pub(super) async fn await_entries(&self, from: u64, count: u64) -> Vec<Seen> {
        let limit = tokio::time::Instant::now() + Duration::from_secs(5);
        while self.log.head().size() < from + count {
            assert!(
                tokio::time::Instant::now() < limit,
                "{:?}",
                self.entries(from).await
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.entries(from).await
    }

    /// Ends one of an applicant's keys.
    pub(super) async fn end_key(&self, applicant: &Applicant) {
        let end = KeyEnd {
            system: applicant.system.clone(),
            kid: applicant.seal_key.key().kid(),
            reason: part("lost"),
            issued_at_ms: NOW_MS,
        };
        let act = sealed(label::AUTHORITY, end.encode(), &applicant.authority_key);
        submit(&self.registry, Kind::KeyEnded, act).await;
    }

    /// Moves the registry by one entry that changes nothing for the two.
    pub(super) async fn move_registry(&self, name: &str) {
        let act = self.site.invitation(&Applicant::new(name));
        submit(&self.registry, Kind::Invitation, act).await;
    }

    /// An auditor's replay of the whole log: every decision judged again, every request paired with its end.
    pub(super) async fn replay_is_clean(&self) {
        self.log.publish_now().await.unwrap();
        let key = Some(self.log.key().clone());
        let options = replay::Options {
            key,
            ..replay::Options::default()
        };
        let report = replay::replay(&self.site.config.log.dir, options);
        let findings: Vec<_> = report.all_findings().map(ToString::to_string).collect();
        assert!(report.is_clean(), "{findings:#?}");
    }
}

impl Adapter {
    pub(super) async fn next(&mut self) -> Out {
        let next = tokio::time::timeout(Duration::from_secs(5), self.outbox.next())
            .await
            .unwrap();
        next.unwrap().unwrap().message.unwrap()
    }

    pub(super) async fn deliver(&mut self) -> wire::Deliver {
        match self.next().await {
            Out::Deliver(deliver) => deliver,
            other => panic!("not delivered: {other:?}"),
        }
    }

    pub(super) async fn send(&self, exchange: ExchangeId, envelope: Option<wire::Envelope>) {
        let exchange_id = Bytes::copy_from_slice(exchange.as_bytes());
        self.messages
            .send(said(In::Answer(wire::Answer {
                exchange_id,
                envelope,
            })))
            .await
            .unwrap();
    }

    /// Takes one request and answers it.
    pub(super) async fn serve(&mut self, world: &World) {
        let deliver = self.deliver().await;
        let answer = world.answer(&deliver);
        self.send(
            answer.exchange_id,
            Some(world.seal_answer(&answer).to_wire()),
        )
        .await;
        assert!(matches!(self.next().await, Out::AnswerRecorded(_)));
    }
}

fn said(message: In) -> Result<wire::AttachRequest, Status> {
    Ok(wire::AttachRequest {
        message: Some(message),
    })
}

async fn start(
    site: &Site,
    log: &Log,
    registry: &RegistryHandle,
    settings: Settings,
    limits: Arc<Limits>,
) -> Arc<Exchange> {
    let parts = Parts {
        events: crate::exchange::event::Settings::default(),
        submissions: crate::exchange::submission::Settings {
            dir: site.config.log.submissions_dir(),
            ..Default::default()
        },
        log: log.clone(),
        registry: registry.clone(),
        limits,
        clock: site.clock.clone(),
        settings,
        links: links::Settings::default(),
    };
    Exchange::start(parts).await.unwrap().0
}
