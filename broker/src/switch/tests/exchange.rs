//! Exchanges through both doors' real TLS: answered, finished while the switch drains, abandoned when it dies.

use audit::replay;
use exchange_wire::attach_request::Message as In;
use exchange_wire::attach_response::Message as Out;
use exchange_wire::exchange_client::ExchangeClient;
use exchange_wire::link_client::LinkClient;
use proto::act::{AgreementAct, AgreementContent, ConsumerScope, Grant, Step};
use proto::commitment::{Commitment, Salt};
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader};
use proto::id::ExchangeId;
use proto::seal::Seal;
use proto::wire::exchange::v1 as exchange_wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::testing::ORIGIN;

const SALT: Salt = Salt([7; 32]);
const QUESTION: &[u8] = br#"{"national_id":"29001011234567"}"#;
const REPLY: &[u8] = br#"{"name":"x"}"#;

/// A consumer and an attached provider on one running switch.
pub(super) struct Pair {
    consumer: Applicant,
    provider: Applicant,
    agreement: Digest,
    contract: Digest,
    pub(super) calls: ExchangeClient<Channel>,
    to_switch: mpsc::Sender<exchange_wire::AttachRequest>,
    from_switch: tonic::Streaming<exchange_wire::AttachResponse>,
}

impl Pair {
    pub(super) async fn new(site: &Site, switch: &Switch) -> Self {
        let (consumer, provider) = (Applicant::new(MOSS), Applicant::new(CIVIL));
        let (consumer_channel, _) = on_board(site, switch, &consumer).await;
        let (provider_channel, _) = on_board(site, switch, &provider).await;
        let publication = acts::service(&provider, NOW_MS);
        let agreement = public_agreement(&provider);
        let mut agencies = AgenciesClient::new(provider_channel.clone());
        for (kind, act) in [
            (Kind::Service, &publication),
            (Kind::AgreementAct, &agreement.1),
        ] {
            agencies.submit(acts::submission(kind, act)).await.unwrap();
        }
        let (to_switch, messages) = mpsc::channel(16);
        let attach = In::Attach(exchange_wire::Attach {
            max_in_flight: 16,
            takes_uploads: true,
            takes_events: false,
        });
        to_switch
            .send(exchange_wire::AttachRequest {
                message: Some(attach),
            })
            .await
            .unwrap();
        let mut links = LinkClient::new(provider_channel);
        let attached = links.attach(ReceiverStream::new(messages)).await.unwrap();
        let mut pair = Self {
            contract: Digest::of(&publication.header),
            agreement: agreement.0,
            consumer,
            provider,
            calls: ExchangeClient::new(consumer_channel),
            to_switch,
            from_switch: attached.into_inner(),
        };
        assert!(matches!(pair.next().await, Out::Attached(_)));
        pair
    }

    async fn next(&mut self) -> Out {
        let next = tokio::time::timeout(Duration::from_secs(20), self.from_switch.message());
        next.await.unwrap().unwrap().unwrap().message.unwrap()
    }

    pub(super) fn request(&self, number: u8) -> exchange_wire::CallRequest {
        let mut id = [
            1, 0x90, 0xa1, 0xb2, 0xc3, 0xd4, 0x7e, 0x5f, 0x8a, 0, 0, 0, 0, 0, 0, 0,
        ];
        id[15] = number;
        let header = RequestHeader {
            exchange_id: ExchangeId::from_slice(&id).unwrap(),
            attempt_of: None,
            run_id: [3; 16],
            sequence: u64::from(number),
            consumer: self.consumer.system.clone(),
            provider: self.provider.system.clone(),
            service: part("persons.v1"),
            operation: part("get"),
            contract: self.contract,
            purpose: part("social-support"),
            agreement: Some(self.agreement),
            delegation: Vec::new(),
            external_id_hash: None,
            case_reference: None,
            subjects: Vec::new(),
            actor: None,
            fields: vec![part("name")],
            issued_at_ms: NOW_MS,
            deadline_ms: 60_000,
            payload: Commitment::new("application/json", QUESTION, &SALT),
            seen: None,
        }
        .encode();
        let seal = Seal::one(label::REQUEST, ORIGIN, &header, &self.consumer.seal_key).unwrap();
        let envelope = Envelope::new(header, seal, SALT, Bytes::from_static(QUESTION));
        exchange_wire::CallRequest {
            envelope: Some(envelope.to_wire()),
        }
    }

    /// Calls in a task of its own.
    pub(super) fn calling(
        &self,
        number: u8,
    ) -> tokio::task::JoinHandle<Result<exchange_wire::CallResponse, Status>> {
        let (mut calls, request) = (self.calls.clone(), self.request(number));
        tokio::spawn(async move { calls.call(request).await.map(tonic::Response::into_inner) })
    }

    /// What is delivered next, and the request inside.
    pub(super) async fn delivered(&mut self) -> (Envelope, RequestHeader) {
        let Out::Deliver(deliver) = self.next().await else {
            panic!("nothing was delivered")
        };
        let request = Envelope::from_wire(deliver.envelope).unwrap();
        let header = RequestHeader::open(&request.header).unwrap();
        (request, header)
    }

    pub(super) async fn answer(&self, request: &Envelope, header: &RequestHeader) {
        let answer = AnswerHeader {
            exchange_id: header.exchange_id,
            request_header: Digest::of(&request.header),
            request_seal: Digest::of(&request.seal.cose),
            status: AnswerStatus::Answered,
            fields: vec![part("name")],
            answered_at_ms: NOW_MS,
            payload: Commitment::new("application/json", REPLY, &SALT),
            seen: None,
        }
        .encode();
        let seal = Seal::one(label::ANSWER, ORIGIN, &answer, &self.provider.seal_key).unwrap();
        let envelope = Envelope::new(answer, seal, SALT, Bytes::from_static(REPLY));
        let answer = exchange_wire::Answer {
            exchange_id: Bytes::copy_from_slice(header.exchange_id.as_bytes()),
            envelope: Some(envelope.to_wire()),
        };
        let message = Some(In::Answer(answer));
        self.to_switch
            .send(exchange_wire::AttachRequest { message })
            .await
            .unwrap();
    }
}

/// A grant to everyone, which needs only the provider's seal.
fn public_agreement(provider: &Applicant) -> (Digest, Envelope) {
    let content = AgreementContent {
        nonce: [9; 16],
        origin: ORIGIN.into(),
        consumer: ConsumerScope::Everyone(part("EG")),
        provider: provider.agency.clone(),
        grants: vec![Grant {
            system: provider.system.clone(),
            service: part("persons.v1"),
            operations: vec![part("get")],
            purposes: vec![part("social-support")],
            fields: vec![part("name")],
            legal_basis: "Law 1 of 2026".into(),
            daily_quota: 0,
            retention_days: 1,
            rate_per_s: 0,
            row_scope: Vec::new(),
            delegation_depth: 0,
            licence: String::new(),
            sensitivity: None,
        }],
        not_before_ms: NOW_MS - 1,
        not_after_ms: NOW_MS + 86_400_000,
        supersedes: None,
    };
    let act = AgreementAct {
        step: Step::Propose,
        agreement: content.id(),
        previous: None,
        agency: provider.agency.clone(),
        issued_at_ms: NOW_MS,
        content: content.encode(),
    };
    (
        content.id(),
        sealed(label::ACT, act.encode(), &provider.authority_key),
    )
}

fn replay_is_clean(site: &Site, switch_key: audit::checkpoint::LogKey) {
    let options = replay::Options {
        key: Some(switch_key),
        ..replay::Options::default()
    };
    let report = replay::replay(&site.config.log.dir, options);
    let findings: Vec<_> = report.all_findings().map(ToString::to_string).collect();
    assert!(report.is_clean(), "{findings:#?}");
}

#[tokio::test]
async fn an_exchange_is_answered_and_one_under_way_is_finished_while_the_switch_drains() {
    let site = Site::found().await;
    let switch = site.start().await;
    let key = switch.log().key().clone();
    let mut pair = Pair::new(&site, &switch).await;
    let call = pair.calling(1);
    let (request, header) = pair.delivered().await;
    pair.answer(&request, &header).await;
    let response = call.await.unwrap().unwrap();
    let answer = Envelope::from_wire(response.answer).unwrap();
    assert_eq!(answer.payload, REPLY);
    let receipt = Receipt::from_wire(response.receipt.unwrap()).unwrap();
    let proven = receipt
        .verify(&answer.header, Some(&answer.seal), &key)
        .unwrap();
    assert_eq!(proven.entry.kind, Kind::Closing);
    assert!(matches!(pair.next().await, Out::AnswerRecorded(_)));

    let call = pair.calling(2);
    let (request, header) = pair.delivered().await;
    let shutdown = tokio::spawn(switch.shutdown());
    assert!(
        matches!(pair.next().await, Out::Drain(_)),
        "the adapter is told to drain"
    );
    assert!(!shutdown.is_finished());
    pair.answer(&request, &header).await;
    assert_eq!(
        Envelope::from_wire(call.await.unwrap().unwrap().answer)
            .unwrap()
            .payload,
        REPLY
    );
    shutdown.await.unwrap().unwrap();
    replay_is_clean(&site, key);
}

#[tokio::test]
async fn an_exchange_that_outlives_the_drain_is_closed_all_the_same() {
    let mut site = Site::found().await;
    site.config.limits.drain_ms = 100;
    let switch = site.start().await;
    let key = switch.log().key().clone();
    let mut pair = Pair::new(&site, &switch).await;
    let call = pair.calling(1);
    pair.delivered().await;
    switch.shutdown().await.unwrap();
    assert!(call.await.unwrap().is_err());
    replay_is_clean(&site, key);
    let switch = site.start().await;
    let size = switch.log().head().size();
    let kinds: Vec<_> = (switch.log().entries(0..size).await.unwrap().iter())
        .filter_map(|(_, bytes)| Kind::from_byte(bytes[0]).ok())
        .collect();
    let count = |kind| kinds.iter().filter(|found| **found == kind).count();
    assert_eq!(
        (
            count(Kind::Request),
            count(Kind::Closing),
            count(Kind::Epoch)
        ),
        (1, 1, 2)
    );
    switch.shutdown().await.unwrap();
}
