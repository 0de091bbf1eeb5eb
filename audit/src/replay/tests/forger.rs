//! A switch that records whatever it is told, for replays that must find it out.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use proto::Digest;
use proto::act::{
    AgencyEnrolment, AgreementAct, AgreementContent, ConsumerScope, Genesis, Grant, Invitation,
    KeyBinding, Operation, Operator, ServiceDefinition, Step,
};
use proto::commitment::{Commitment, Salt};
use proto::entry::{Draft, Entry, Kind};
use proto::facts::ExchangeFacts;
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader};
use proto::id::{AgencyId, ExchangeId, Part, SystemId};
use proto::key::Signer as _;
use proto::limits::label;
use proto::registry::Registry;
use proto::seal::Seal;
use tempfile::TempDir;

use super::super::*;
use crate::checkpoint::tests::TestSigner;
use crate::clock::Clock;
use crate::log::{Appended, Config, Log};

pub(crate) const ORIGIN: &str = "log.test/mohawel";
pub(crate) const NOW_MS: u64 = 1_795_000_000_000;

pub(crate) fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

/// A switch that records whatever it is told, over a registry that is in order.
pub(crate) struct Forger {
    pub(crate) dir: TempDir,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) agreement: Digest,
    pub(crate) sequence: u64,
    /// Of the one grant; 0: none.
    pub(crate) daily_quota: u64,
    /// Of the one grant.
    pub(crate) sensitivity: Option<Part>,
    pub(crate) civil: TestSigner,
    pub(crate) moss: TestSigner,
}

impl Forger {
    pub(crate) async fn new() -> Self {
        Self::with_quota(3).await
    }

    pub(crate) async fn with_quota(daily_quota: u64) -> Self {
        Self::with_terms(daily_quota, None).await
    }

    /// The grant has no quota, and counts for a month.
    pub(crate) async fn with_sensitivity(word: &str) -> Self {
        Self::with_terms(0, Some(part(word))).await
    }

    async fn with_terms(daily_quota: u64, sensitivity: Option<Part>) -> Self {
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
            purposes: vec![proto::act::Purpose::plain(
                proto::id::Part::parse("takaful").unwrap(),
            )],
        };
        let header = genesis.encode();
        let seal = Seal::one(label::GENESIS, ORIGIN, &header, &signer).unwrap();
        let draft = Draft {
            kind: Kind::Genesis,
            facts: Bytes::new(),
            header,
            seal: Some(seal),
        };
        let log = Log::create(
            config(dir.path(), &clock),
            draft,
            std::sync::Arc::new(signer),
        )
        .await
        .unwrap();
        let mut registry = Registry::empty();
        let entry = Entry::decode(&log.entry(0).await.unwrap().unwrap()).unwrap();
        registry.apply(0, &entry).unwrap();
        let mut forger = Self {
            dir,
            log,
            clock,
            registry,
            agreement: Digest::default(),
            sequence: 0,
            daily_quota,
            sensitivity,
            civil: TestSigner::new(10),
            moss: TestSigner::new(20),
        };
        forger.join("EG/GOV/CIVIL", "registry", 11, 10).await;
        forger.join("EG/GOV/MOSS", "takaful", 21, 20).await;
        forger.publish().await;
        forger.agree().await;
        forger
    }

    pub(crate) async fn append(
        &self,
        kind: Kind,
        facts: Bytes,
        header: Bytes,
        seal: Option<Seal>,
    ) -> Appended {
        self.log
            .append(
                Draft {
                    kind,
                    facts,
                    header,
                    seal,
                },
                None,
            )
            .await
            .unwrap()
    }

    pub(crate) async fn act(&mut self, kind: Kind, label: &str, header: Bytes, seed: u8) {
        let seal = Seal::one(label, ORIGIN, &header, &TestSigner::new(seed)).unwrap();
        let appended = self.append(kind, Bytes::new(), header, Some(seal)).await;
        self.registry
            .apply(appended.index, &appended.entry)
            .unwrap();
    }

    pub(crate) async fn join(&mut self, agency: &str, system: &str, authority: u8, key: u8) {
        let agency = AgencyId::parse(agency).unwrap();
        let token = Digest::of(agency.as_str().as_bytes());
        let invitation = Invitation {
            agency: agency.clone(),
            token,
            expires_at_ms: NOW_MS + 1,
            issued_at_ms: NOW_MS,
            authority_kid: None,
        };
        self.act(Kind::Invitation, label::OPERATOR, invitation.encode(), 201)
            .await;
        let enrolment = AgencyEnrolment {
            agency: agency.clone(),
            name_ar: "جهة".to_owned(),
            name_en: "Agency".to_owned(),
            authority_key: TestSigner::new(authority).key().clone(),
            token,
            issued_at_ms: NOW_MS,
            genesis: self.registry.genesis_sha256(),
        };
        self.act(
            Kind::Agency,
            label::AUTHORITY,
            enrolment.encode(),
            authority,
        )
        .await;
        let mut binding = KeyBinding {
            system: agency.system(&part(system)),
            adapter: part("a1"),
            key: TestSigner::new(key).key().clone(),
            issued_at_ms: NOW_MS,
            possession: Bytes::new(),
        };
        let proof = Seal::one(
            label::POSSESSION,
            ORIGIN,
            &binding.possession_bytes(),
            &TestSigner::new(key),
        )
        .unwrap();
        binding.possession = proof.cose;
        self.act(
            Kind::KeyBound,
            label::AUTHORITY,
            binding.encode(),
            authority,
        )
        .await;
    }

    pub(crate) async fn publish(&mut self) {
        let definition = ServiceDefinition {
            system: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
            service: part("persons.v1"),
            name_ar: "أشخاص".to_owned(),
            name_en: "Persons".to_owned(),
            operations: vec![Operation {
                name: part("lookup"),
                name_ar: "بحث".to_owned(),
                name_en: "Look up".to_owned(),
                fields: vec![part("mother_id"), part("name_ar")],
                method: String::new(),
                path: String::new(),
                request_schema: Bytes::new(),
                answer_schema: Bytes::new(),
                subjects: Vec::new(),
            }],
            issued_at_ms: NOW_MS,
            owner_contact: String::new(),
            sensitivity: None,
        };
        self.act(Kind::Service, label::AUTHORITY, definition.encode(), 11)
            .await;
    }

    pub(crate) async fn agree(&mut self) {
        let content = AgreementContent {
            nonce: [1; 16],
            origin: ORIGIN.to_owned(),
            consumer: ConsumerScope::parse("EG/GOV/MOSS").unwrap(),
            provider: AgencyId::parse("EG/GOV/CIVIL").unwrap(),
            grants: vec![Grant {
                system: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
                service: part("persons.v1"),
                operations: vec![part("lookup")],
                purposes: vec![part("takaful")],
                fields: vec![part("name_ar")],
                legal_basis: "Law".to_owned(),
                daily_quota: self.daily_quota,
                retention_days: 1,
                rate_per_s: 0,
                row_scope: Vec::new(),
                delegation_depth: 0,
                licence: String::new(),
                sensitivity: self.sensitivity.clone(),
            }],
            not_before_ms: NOW_MS,
            not_after_ms: NOW_MS + if self.sensitivity.is_some() { 30 } else { 1 } * 86_400_000,
            supersedes: None,
        };
        self.agreement = content.id();
        let mut act = AgreementAct {
            step: Step::Propose,
            agreement: content.id(),
            previous: None,
            agency: AgencyId::parse("EG/GOV/MOSS").unwrap(),
            issued_at_ms: NOW_MS,
            content: content.encode(),
        };
        self.act(Kind::AgreementAct, label::ACT, act.encode(), 21)
            .await;
        act = AgreementAct {
            step: Step::Accept,
            previous: Some(act.id()),
            agency: content.provider.clone(),
            content: Bytes::new(),
            ..act
        };
        self.act(Kind::AgreementAct, label::ACT, act.encode(), 11)
            .await;
    }

    pub(crate) fn header(&mut self) -> RequestHeader {
        self.sequence += 1;
        let id = format!("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4{:03x}", self.sequence);
        let service = self.registry.services().next().unwrap();
        RequestHeader {
            exchange_id: ExchangeId::parse(&id).unwrap(),
            attempt_of: None,
            run_id: [7; 16],
            sequence: self.sequence,
            consumer: SystemId::parse("EG/GOV/MOSS/takaful").unwrap(),
            provider: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
            service: part("persons.v1"),
            operation: part("lookup"),
            contract: service.contract,
            purpose: part("takaful"),
            agreement: Some(self.agreement),
            delegation: Vec::new(),
            external_id_hash: None,
            case_reference: None,
            subjects: Vec::new(),
            actor: None,
            fields: vec![part("name_ar")],
            issued_at_ms: NOW_MS,
            deadline_ms: 1_000,
            payload: Commitment::new("application/json", b"{}", &Salt([1; 32])),
            seen: None,
        }
    }

    pub(crate) fn facts(&self) -> ExchangeFacts {
        ExchangeFacts {
            decided_at_ms: self.clock.now_ms(),
            agreement: self.agreement.0.to_vec().into(),
            grant: 1,
            quota_used: 1,
            ..ExchangeFacts::default()
        }
    }

    pub(crate) async fn request(
        &mut self,
        header: &RequestHeader,
        facts: ExchangeFacts,
    ) -> (Appended, Seal) {
        let bytes = header.encode();
        let seal = Seal::one(header.label(), ORIGIN, &bytes, &self.moss).unwrap();
        let facts = facts::encode(&facts);
        (
            self.append(header.kind(), facts, bytes, Some(seal.clone()))
                .await,
            seal,
        )
    }

    pub(crate) fn answer(&self, request: &RequestHeader, seal: &Seal) -> AnswerHeader {
        AnswerHeader {
            exchange_id: request.exchange_id,
            request_header: Digest::of(&request.encode()),
            request_seal: Digest::of(&seal.cose),
            status: AnswerStatus::Answered,
            fields: vec![part("name_ar")],
            answered_at_ms: NOW_MS,
            payload: Commitment::new("application/json", b"{}", &Salt([2; 32])),
            seen: None,
        }
    }

    pub(crate) fn closing_facts(&self, request: &Appended, code: &str) -> ExchangeFacts {
        ExchangeFacts {
            code: code.to_owned(),
            request_index: request.index,
            request_leaf: request.leaf.0.to_vec().into(),
            quota_used: 0,
            ..self.facts()
        }
    }

    pub(crate) async fn close_with(&mut self, facts: ExchangeFacts, answer: &AnswerHeader) {
        let bytes = answer.encode();
        let seal = Seal::one(label::ANSWER, ORIGIN, &bytes, &self.civil).unwrap();
        self.append(Kind::Closing, facts::encode(&facts), bytes, Some(seal))
            .await;
    }

    /// An honest exchange.
    pub(crate) async fn exchange(&mut self) -> (Appended, RequestHeader, Seal) {
        let header = self.header();
        let facts = self.facts();
        let (request, seal) = self.request(&header, facts).await;
        let answer = self.answer(&header, &seal);
        self.close_with(self.closing_facts(&request, "answered"), &answer)
            .await;
        (request, header, seal)
    }

    /// Publishes, closes, replays, and says which rules were broken.
    pub(crate) async fn rules(self) -> Vec<&'static str> {
        self.log.close().await.unwrap();
        let report = replay(self.dir.path(), Options::default());
        assert!(report.files.is_proven(), "{:?}", report.files.findings);
        report
            .findings
            .kept()
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.rule)
            .collect()
    }
}

pub(super) fn config(dir: &Path, clock: &Clock) -> Config {
    let mut config = Config::new(dir, ORIGIN);
    config.clock = clock.clone();
    config.publish_interval = Duration::from_millis(50);
    config.layout.store_cache_bytes = 8 << 20;
    config
}
