//! A small world for tests: a log with two agencies, a service and an agreement, made of real keys,
//! real seals, real stamps and real receipts. Nothing of it listens on a network.

use audit::checkpoint::{Checkpoint, LogKey, SignedCheckpoint};
use audit::receipt::Receipt;
use audit::tree::Edge;
use bytes::Bytes;
use certs::{SealAlgorithm, SealKeyFile};
use proto::act::{
    AgencyEnrolment, AgreementAct, AgreementContent, ConsumerScope, Genesis, Grant, Invitation,
    KeyBinding, KeyEnd, Operation, Operator, ServiceDefinition, Step,
};
use proto::commitment::{Commitment, Salt};
use proto::digest::{Digest, inclusion_path, leaf_hash, tree_head};
use proto::entry::{Draft, Entry, Kind, Stamp};
use proto::envelope::Envelope;
use proto::facts::{self, ExchangeFacts};
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader};
use proto::id::{AgencyId, ExchangeId, Part, SystemId};
use proto::key::Signer;
use proto::limits::label;
use proto::registry::Registry;
use proto::seal::Seal;
use uuid::{NoContext, Timestamp, Uuid};

use crate::identity::FileSigner;

pub(crate) const ORIGIN: &str = "switch.test/log";
pub(crate) const NOW: u64 = 1_795_000_000_000;

pub(crate) fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

pub(crate) fn key() -> FileSigner {
    FileSigner::new(SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap()).unwrap()
}

pub(crate) fn exchange_id() -> ExchangeId {
    ExchangeId::from_uuid(Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        NOW / 1_000,
        0,
    )))
    .unwrap()
}

/// One agency with its authority key, and one system with its seal key.
pub(crate) struct Party {
    pub(crate) agency: AgencyId,
    pub(crate) system: SystemId,
    pub(crate) authority: FileSigner,
    pub(crate) seal: FileSigner,
}

impl Party {
    fn new(system: &str) -> Self {
        let system = SystemId::parse(system).unwrap();
        Self {
            agency: system.agency(),
            system,
            authority: key(),
            seal: key(),
        }
    }
}

/// The log and everybody in it.
pub(crate) struct World {
    pub(crate) log: FileSigner,
    pub(crate) operator: FileSigner,
    pub(crate) consumer: Party,
    pub(crate) provider: Party,
    pub(crate) agreement: Digest,
    pub(crate) contract: Digest,
    pub(crate) registry: Registry,
    pub(crate) entries: Vec<Entry>,
    leaves: Vec<Digest>,
    edge: Edge,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            log: key(),
            operator: key(),
            consumer: Party::new("EG/GOV/MOSS/takaful"),
            provider: Party::new("EG/GOV/CIVIL/registry"),
            agreement: Digest::default(),
            contract: Digest::default(),
            registry: Registry::empty(),
            entries: Vec::new(),
            leaves: Vec::new(),
            edge: Edge::new(),
        };
        world.genesis();
        world.enrol(true);
        world.enrol(false);
        world.publish();
        world.agree();
        world
    }

    fn genesis(&mut self) {
        let header = Genesis {
            origin: ORIGIN.to_owned(),
            log_key: self.log.key().clone(),
            instance: part("EG"),
            trust_domain: "switch.test".to_owned(),
            authority_root: Digest::of(b"root"),
            operators: vec![Operator {
                name: part("nour"),
                key: self.operator.key().clone(),
            }],
            created_at_ms: NOW,
            purposes: vec![proto::act::Purpose::plain(
                proto::id::Part::parse("benefit").unwrap(),
            )],
        }
        .encode();
        let seal = Seal::one(label::GENESIS, ORIGIN, &header, &self.log).unwrap();
        self.append(Kind::Genesis, Bytes::new(), header, Some(seal));
    }

    fn party(&self, consumer: bool) -> &Party {
        if consumer {
            &self.consumer
        } else {
            &self.provider
        }
    }

    fn enrol(&mut self, consumer: bool) {
        let party = self.party(consumer);
        let token = Digest::of(party.agency.as_str().as_bytes());
        let invitation = Invitation {
            agency: party.agency.clone(),
            token,
            expires_at_ms: NOW + 1_000_000,
            issued_at_ms: NOW,
            authority_kid: None,
        }
        .encode();
        let agency = AgencyEnrolment {
            agency: party.agency.clone(),
            name_ar: "جهة".to_owned(),
            name_en: "Agency".to_owned(),
            authority_key: party.authority.key().clone(),
            token,
            issued_at_ms: NOW,
            genesis: self.registry.genesis_sha256(),
        }
        .encode();
        let mut binding = KeyBinding {
            system: party.system.clone(),
            adapter: part("a1"),
            key: party.seal.key().clone(),
            issued_at_ms: NOW,
            possession: Bytes::new(),
        };
        binding.possession = Seal::one(
            label::POSSESSION,
            ORIGIN,
            &binding.possession_bytes(),
            &party.seal,
        )
        .unwrap()
        .cose;
        let binding = binding.encode();
        let invited = Seal::one(label::OPERATOR, ORIGIN, &invitation, &self.operator).unwrap();
        let enrolled = Seal::one(label::AUTHORITY, ORIGIN, &agency, &party.authority).unwrap();
        let bound = Seal::one(label::AUTHORITY, ORIGIN, &binding, &party.authority).unwrap();
        self.append(Kind::Invitation, Bytes::new(), invitation, Some(invited));
        self.append(Kind::Agency, Bytes::new(), agency, Some(enrolled));
        self.append(Kind::KeyBound, Bytes::new(), binding, Some(bound));
    }

    fn publish(&mut self) {
        let definition = ServiceDefinition {
            system: self.provider.system.clone(),
            service: part("persons.v1"),
            name_ar: "أشخاص".to_owned(),
            name_en: "Persons".to_owned(),
            operations: vec![Operation {
                name: part("lookup"),
                name_ar: "بحث".to_owned(),
                name_en: "Lookup".to_owned(),
                fields: vec![part("alive"), part("income"), part("name")],
                method: String::new(),
                path: String::new(),
                request_schema: Bytes::new(),
                answer_schema: Bytes::new(),
                subjects: Vec::new(),
            }],
            issued_at_ms: NOW,
            owner_contact: String::new(),
            sensitivity: None,
        };
        self.contract = definition.contract();
        let header = definition.encode();
        let seal = Seal::one(label::AUTHORITY, ORIGIN, &header, &self.provider.authority).unwrap();
        self.append(Kind::Service, Bytes::new(), header, Some(seal));
    }

    fn agree(&mut self) {
        let content = AgreementContent {
            nonce: [3; 16],
            origin: ORIGIN.to_owned(),
            consumer: ConsumerScope::Agency(self.consumer.agency.clone()),
            provider: self.provider.agency.clone(),
            grants: vec![Grant {
                system: self.provider.system.clone(),
                service: part("persons.v1"),
                operations: vec![part("lookup")],
                purposes: vec![part("benefit")],
                fields: vec![part("alive"), part("name")],
                legal_basis: "Law 1".to_owned(),
                daily_quota: 0,
                retention_days: 30,
                rate_per_s: 0,
                row_scope: Vec::new(),
                delegation_depth: 0,
                licence: String::new(),
                sensitivity: None,
            }],
            not_before_ms: NOW - 1_000_000,
            not_after_ms: NOW + 1_000_000,
            supersedes: None,
        };
        self.agreement = content.id();
        let previous = self.act(Step::Propose, None, content.encode(), true);
        self.act(Step::Accept, Some(previous), Bytes::new(), false);
    }

    fn act(
        &mut self,
        step: Step,
        previous: Option<Digest>,
        content: Bytes,
        consumer: bool,
    ) -> Digest {
        let party = self.party(consumer);
        let act = AgreementAct {
            step,
            agreement: self.agreement,
            previous,
            agency: party.agency.clone(),
            issued_at_ms: NOW,
            content,
        };
        let header = act.encode();
        let seal = Seal::one(label::ACT, ORIGIN, &header, &party.authority).unwrap();
        self.append(Kind::AgreementAct, Bytes::new(), header, Some(seal));
        act.id()
    }

    pub(crate) fn revoke(&mut self) {
        let last = self.registry.agreement(&self.agreement).unwrap().last_act();
        self.act(Step::Revoke, Some(last), Bytes::new(), false);
    }

    pub(crate) fn end_consumer_key(&mut self) {
        let header = KeyEnd {
            system: self.consumer.system.clone(),
            kid: self.consumer.seal.key().kid(),
            reason: part("compromised"),
            issued_at_ms: NOW,
        }
        .encode();
        let seal = Seal::one(label::AUTHORITY, ORIGIN, &header, &self.consumer.authority).unwrap();
        self.append(Kind::KeyEnded, Bytes::new(), header, Some(seal));
    }

    /// Records as the switch's writer does: stamped, folded when it is a registry entry.
    pub(crate) fn append(
        &mut self,
        kind: Kind,
        facts: Bytes,
        header: Bytes,
        seal: Option<Seal>,
    ) -> u64 {
        let index = self.entries.len() as u64;
        let stamp = Stamp {
            recorded_at_us: NOW * 1_000 + index,
            broker: 1,
            registry_size: self.edge.size(),
            registry_root: self.edge.root(),
        };
        let draft = Draft {
            kind,
            facts,
            header,
            seal,
        };
        let entry = Entry::new(draft, stamp);
        let leaf = leaf_hash(&entry.encode().unwrap());
        if kind.is_registry() {
            self.registry.apply(index, &entry).unwrap();
            self.edge.push(leaf);
        }
        self.leaves.push(leaf);
        self.entries.push(entry);
        index
    }

    pub(crate) fn log_key(&self) -> LogKey {
        LogKey::new(ORIGIN, self.log.key()).unwrap()
    }

    /// Registry entries as the switch streams them.
    pub(crate) fn stream(&self) -> Vec<(u64, Bytes)> {
        let entries = self.entries.iter().enumerate();
        entries
            .filter(|(_, entry)| entry.kind.is_registry())
            .map(|(index, entry)| (index as u64, entry.encode().unwrap()))
            .collect()
    }

    pub(crate) fn checkpoint(&self) -> SignedCheckpoint {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: self.leaves.len() as u64,
            root: tree_head(&self.leaves),
        };
        checkpoint.sign(&self.log).unwrap()
    }

    /// The receipt of an entry under the log as it is now.
    pub(crate) fn receipt(&self, index: u64) -> Receipt {
        let entry = &self.entries[index as usize];
        Receipt {
            index,
            kind: entry.kind,
            stamp: entry.stamp,
            facts: entry.facts.clone(),
            proof: inclusion_path(&self.leaves, index as usize).unwrap(),
            checkpoint: self.checkpoint().note,
        }
    }

    /// A request that is permitted, but for `change`.
    pub(crate) fn request(&self, change: impl FnOnce(&mut RequestHeader)) -> Envelope {
        let (salt, payload) = (Salt::random().unwrap(), Bytes::from_static(b"{\"nid\":1}"));
        let mut header = RequestHeader {
            exchange_id: exchange_id(),
            attempt_of: None,
            run_id: [1; 16],
            sequence: 1,
            consumer: self.consumer.system.clone(),
            provider: self.provider.system.clone(),
            service: part("persons.v1"),
            operation: part("lookup"),
            contract: self.contract,
            purpose: part("benefit"),
            agreement: Some(self.agreement),
            delegation: Vec::new(),
            external_id_hash: None,
            case_reference: None,
            subjects: Vec::new(),
            actor: None,
            fields: vec![part("alive"), part("name")],
            issued_at_ms: NOW,
            deadline_ms: 5_000,
            payload: Commitment::new("application/json", &payload, &salt),
            seen: None,
        };
        change(&mut header);
        let header = header.encode();
        let seal = Seal::one(label::REQUEST, ORIGIN, &header, &self.consumer.seal).unwrap();
        Envelope::new(header, seal, salt, payload)
    }

    /// What the switch notes of a permitted request.
    pub(crate) fn request_facts(&self) -> ExchangeFacts {
        ExchangeFacts {
            decided_at_ms: NOW,
            agreement: self.agreement.0.to_vec().into(),
            grant: 1,
            ..ExchangeFacts::default()
        }
    }

    /// Records a request as permitted.
    pub(crate) fn record_request(&mut self, envelope: &Envelope) -> u64 {
        let facts = facts::encode(&self.request_facts());
        self.append(
            Kind::Request,
            facts,
            envelope.header.clone(),
            Some(envelope.seal.clone()),
        )
    }

    /// An answer to `request` by `signer`, but for `change`.
    pub(crate) fn answer(
        &self,
        request: &Envelope,
        signer: &dyn Signer,
        change: impl FnOnce(&mut AnswerHeader),
    ) -> Envelope {
        let opened = RequestHeader::open(&request.header).unwrap();
        let (salt, payload) = (
            Salt::random().unwrap(),
            Bytes::from_static(b"{\"alive\":true}"),
        );
        let mut header = AnswerHeader {
            exchange_id: opened.exchange_id,
            request_header: Digest::of(&request.header),
            request_seal: Digest::of(&request.seal.cose),
            status: AnswerStatus::Answered,
            fields: vec![part("alive")],
            answered_at_ms: NOW,
            payload: Commitment::new("application/json", &payload, &salt),
            seen: None,
        };
        change(&mut header);
        let header = header.encode();
        let seal = Seal::one(label::ANSWER, ORIGIN, &header, signer).unwrap();
        Envelope::new(header, seal, salt, payload)
    }

    /// Records an answer as closing the request at `request_index`, but for `change`.
    pub(crate) fn record_answer(
        &mut self,
        answer: &Envelope,
        request_index: u64,
        change: impl FnOnce(&mut ExchangeFacts),
    ) -> u64 {
        let mut closing = self.request_facts();
        closing.code = "answered".to_owned();
        closing.request_index = request_index;
        closing.request_leaf = self.leaves[request_index as usize].0.to_vec().into();
        change(&mut closing);
        self.append(
            Kind::Closing,
            facts::encode(&closing),
            answer.header.clone(),
            Some(answer.seal.clone()),
        )
    }
}
