//! Logs under one key, and what both parties of each exchange were given.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prost::Message as _;
use proto::act::{Genesis, Operator};
use proto::commitment::{Commitment, Salt};
use proto::digest::Digest;
use proto::entry::{Draft, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader};
use proto::id::{ExchangeId, Part, SystemId};
use proto::key::Signer as _;
use proto::limits::label;
use proto::seal::Seal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::Report;
use crate::checkpoint::tests::TestSigner;
use crate::clock::Clock;
use crate::log::{Appended, Config, Log};
use crate::receipt::Receipt;

const ORIGIN: &str = "log.test/mohawel";
const NOW_MS: u64 = 1_795_000_000_000;

fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

fn system(text: &str) -> SystemId {
    SystemId::parse(text).unwrap()
}

pub(super) fn moss() -> SystemId {
    system("EG/GOV/MOSS/takaful")
}

fn civil() -> SystemId {
    system("EG/GOV/CIVIL/registry")
}

fn config(dir: &TempDir, clock: &Clock) -> Config {
    let mut config = Config::new(dir.path(), ORIGIN);
    config.clock = clock.clone();
    config.publish_interval = Duration::from_millis(50);
    config.layout.store_cache_bytes = 8 << 20;
    config
}

/// A log under the one key that all of these logs have, and what both parties were given.
pub(super) struct Bench {
    pub(super) dir: TempDir,
    pub(super) log: Log,
    pub(super) clock: Clock,
    pub(super) consumer: Vec<Value>,
    pub(super) provider: Vec<Value>,
    pub(super) sequence: u64,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Clock::fixed(NOW_MS * 1_000);
        let signer = TestSigner::new(200);
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            log_key: signer.key().clone(),
            instance: part("EG"),
            trust_domain: "log.test".to_owned(),
            authority_root: Digest::of(b"root"),
            operators: vec![Operator {
                name: part("nour"),
                key: TestSigner::new(201).key().clone(),
            }],
            created_at_ms: NOW_MS,
            purposes: Vec::new(),
        };
        let header = genesis.encode();
        let draft = Draft {
            kind: Kind::Genesis,
            facts: Bytes::new(),
            seal: Some(Seal::one(label::GENESIS, ORIGIN, &header, &signer).unwrap()),
            header,
        };
        let config = config(&dir, &clock);
        let log = Log::create(config, draft, std::sync::Arc::new(signer))
            .await
            .unwrap();
        Self {
            dir,
            log,
            clock,
            consumer: Vec::new(),
            provider: Vec::new(),
            sequence: 0,
        }
    }

    /// The key of its log followed by that of seed `to`.
    pub(super) async fn rotated(self, to: u8, overlap_ms: u64) -> Self {
        let config = config(&self.dir, &self.clock);
        let (log, _) =
            crate::log_key::tests::rotated(self.log, config, (200, to), overlap_ms).await;
        Self { log, ..self }
    }

    pub(super) async fn append(
        &self,
        kind: Kind,
        facts: &ExchangeFacts,
        sealed: Option<&(Bytes, Seal)>,
    ) -> Appended {
        self.clock.advance_ms(1);
        let draft = Draft {
            kind,
            facts: facts::encode(facts),
            header: sealed.map(|(header, _)| header.clone()).unwrap_or_default(),
            seal: sealed.map(|(_, seal)| seal.clone()),
        };
        self.log.append(draft, None).await.unwrap()
    }

    /// The next request, sealed.
    pub(super) fn request(&mut self) -> (RequestHeader, (Bytes, Seal)) {
        self.sequence += 1;
        let id = format!("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4{:03x}", self.sequence);
        let header = RequestHeader {
            exchange_id: ExchangeId::parse(&id).unwrap(),
            attempt_of: None,
            run_id: [7; 16],
            sequence: self.sequence,
            consumer: moss(),
            provider: civil(),
            service: part("persons.v1"),
            operation: part("lookup"),
            contract: Digest::of(b"contract"),
            purpose: part("takaful"),
            agreement: Some(Digest::of(b"agreement")),
            delegation: Vec::new(),
            external_id_hash: None,
            case_reference: None,
            subjects: Vec::new(),
            actor: None,
            fields: Vec::new(),
            issued_at_ms: NOW_MS,
            deadline_ms: 1_000,
            payload: Commitment::new("application/json", b"{}", &Salt([1; 32])),
            seen: None,
        };
        let bytes = header.encode();
        let seal = Seal::one(label::REQUEST, ORIGIN, &bytes, &TestSigner::new(20)).unwrap();
        (header, (bytes, seal))
    }

    /// One honest exchange; both parties keep what they were given.
    pub(super) async fn exchange(&mut self) {
        let (header, request) = self.request();
        let asked = self
            .append(Kind::Request, &ExchangeFacts::default(), Some(&request))
            .await;
        let answer = AnswerHeader {
            exchange_id: header.exchange_id,
            request_header: Digest::of(&request.0),
            request_seal: Digest::of(&request.1.cose),
            status: AnswerStatus::Answered,
            fields: Vec::new(),
            answered_at_ms: NOW_MS,
            payload: Commitment::new("application/json", b"{}", &Salt([2; 32])),
            seen: None,
        };
        let bytes = answer.encode();
        let seal = Seal::one(label::ANSWER, ORIGIN, &bytes, &TestSigner::new(10)).unwrap();
        let answer = (bytes, seal);
        let facts = ExchangeFacts {
            code: "answered".to_owned(),
            request_index: asked.index,
            request_leaf: asked.leaf.0.to_vec().into(),
            ..ExchangeFacts::default()
        };
        let closed = self.append(Kind::Closing, &facts, Some(&answer)).await;
        let without_proof = Receipt {
            proof: Vec::new(),
            checkpoint: Bytes::new(),
            ..asked.receipt.clone()
        };
        let id = header.exchange_id;
        let ends = half(Some(&answer), Some(&closed.receipt));
        self.consumer.push(line(
            id,
            "consumer",
            "answered",
            half(Some(&request), Some(&without_proof)),
            ends.clone(),
        ));
        let asked = half(Some(&request), Some(&asked.receipt));
        self.provider
            .push(line(id, "provider", "answered", asked, ends));
    }

    /// Closes the log and compares.
    pub(super) async fn report(&self) -> Report {
        self.log.publish_now().await.unwrap();
        super::report(self.dir.path(), &[&self.consumer, &self.provider])
    }
}

pub(super) fn half(sealed: Option<&(Bytes, Seal)>, receipt: Option<&Receipt>) -> Value {
    json!({
        "index": receipt.map(|receipt| receipt.index),
        "header": sealed.map(|(header, _)| STANDARD.encode(header)),
        "seal": sealed.map(|(_, seal)| STANDARD.encode(seal.to_block())),
        "receipt": receipt.map(|receipt| STANDARD.encode(receipt.to_wire().encode_to_vec())),
    })
}

pub(super) fn line(
    id: ExchangeId,
    role: &str,
    outcome: &str,
    request: Value,
    answer: Value,
) -> Value {
    let (own, other) = match role {
        "consumer" => (moss(), civil()),
        _ => (civil(), moss()),
    };
    json!({
        "exchange_id": id.to_string(),
        "role": role,
        "system": own.to_string(),
        "other": other.to_string(),
        "outcome": outcome,
        "request": request,
        "answer": answer,
    })
}
