//! Logs written from a script: who asked what, when, in whose name, and how it ended. Sealed, never judged.

use bytes::Bytes;
use proto::Digest;
use proto::commitment::{Commitment, Salt};
use proto::digest::leaf_hash;
use proto::entry::{Draft, Entry, Kind, Stamp};
use proto::facts::{self, ExchangeFacts};
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader, Subject};
use proto::id::{ExchangeId, Part, SystemId};
use proto::limits::label;
use proto::seal::Seal;
use tempfile::TempDir;

use crate::checkpoint::tests::TestSigner;
use crate::tiles::fixtures::{ORIGIN, write_log};
use crate::tree::Edge;

pub(crate) mod events;

/// 2026-11-23, a Monday, midnight UTC.
pub(crate) const MONDAY_MS: u64 = 1_795_392_000_000;

pub(crate) fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) at_ms: u64,
    pub(crate) consumer: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) service: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) actor: Option<u8>,
    pub(crate) case: Option<u8>,
    pub(crate) subjects: Vec<Digest>,
    pub(crate) fields: Vec<&'static str>,
}

impl Ask {
    /// One clerk of MOSS asks CIVIL about one person.
    pub(crate) fn at(at_ms: u64) -> Self {
        Self {
            at_ms,
            consumer: "EG/GOV/MOSS/takaful",
            provider: "EG/GOV/CIVIL/registry",
            service: "persons.v1",
            purpose: "takaful",
            actor: Some(1),
            case: None,
            subjects: vec![Digest::of(b"somebody")],
            fields: vec!["name_ar"],
        }
    }
}

/// The entries so far.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) entries: Vec<Bytes>,
    moss: TestSigner,
    civil: TestSigner,
    registry: Edge,
    sequence: u64,
}

impl Script {
    /// A log that begins with something of kind genesis.
    pub(crate) fn new() -> Self {
        let mut script = Self {
            entries: Vec::new(),
            moss: TestSigner::new(20),
            civil: TestSigner::new(10),
            registry: Edge::new(),
            sequence: 0,
        };
        let header = Bytes::from_static(b"genesis");
        script.append(MONDAY_MS, Kind::Genesis, Bytes::new(), header, None);
        script
    }

    pub(crate) fn append(
        &mut self,
        at_ms: u64,
        kind: Kind,
        facts: Bytes,
        header: Bytes,
        seal: Option<Seal>,
    ) -> u64 {
        let draft = Draft {
            kind,
            facts,
            header,
            seal,
        };
        let head = self.registry.head();
        let stamp = Stamp {
            recorded_at_us: at_ms * 1_000,
            broker: 1,
            registry_size: head.size,
            registry_root: head.root,
        };
        let bytes = Entry::new(draft, stamp).encode().unwrap();
        if kind.is_registry() {
            self.registry.push(leaf_hash(&bytes));
        }
        self.entries.push(bytes);
        self.entries.len() as u64 - 1
    }

    pub(crate) fn header(&mut self, ask: &Ask) -> RequestHeader {
        self.sequence += 1;
        let id = format!("0190a1b2-c3d4-7e5f-8a6b-{:012x}", self.sequence);
        let subject = |pseudonym: &Digest| Subject {
            scheme: part("nid"),
            pseudonym: *pseudonym,
        };
        RequestHeader {
            exchange_id: ExchangeId::parse(&id).unwrap(),
            attempt_of: None,
            run_id: [7; 16],
            sequence: self.sequence,
            consumer: SystemId::parse(ask.consumer).unwrap(),
            provider: SystemId::parse(ask.provider).unwrap(),
            service: part(ask.service),
            operation: part("lookup"),
            contract: Digest::of(b"contract"),
            purpose: part(ask.purpose),
            agreement: Some(Digest::of(b"agreement")),
            delegation: Vec::new(),
            external_id_hash: None,
            case_reference: ask.case.map(|case| Digest::of(&[case])),
            subjects: ask.subjects.iter().map(subject).collect(),
            actor: ask.actor.map(|clerk| Digest([clerk; 32])),
            fields: ask.fields.iter().map(|field| part(field)).collect(),
            issued_at_ms: ask.at_ms,
            deadline_ms: 1_000,
            payload: Commitment::new("application/json", b"{\"a\":1}", &Salt([1; 32])),
            seen: None,
        }
    }

    fn facts(ask: &Ask) -> ExchangeFacts {
        ExchangeFacts {
            peer_sha256: vec![9; 32].into(),
            decided_at_ms: ask.at_ms,
            agreement: Digest::of(b"agreement").0.to_vec().into(),
            grant: 1,
            decide_us: 150,
            ..ExchangeFacts::default()
        }
    }

    /// A request that was let through.
    pub(crate) fn request(&mut self, ask: &Ask) -> u64 {
        let header = self.header(ask).encode();
        let seal = Seal::one(label::REQUEST, ORIGIN, &header, &self.moss).unwrap();
        let facts = facts::encode(&Self::facts(ask));
        self.append(ask.at_ms, Kind::Request, facts, header, Some(seal))
    }

    /// A sealed request that was refused.
    pub(crate) fn refuse(&mut self, ask: &Ask, code: &str) -> u64 {
        let header = self.header(ask).encode();
        let seal = Seal::one(label::REQUEST, ORIGIN, &header, &self.moss).unwrap();
        let facts = ExchangeFacts {
            code: code.to_owned(),
            clause: "field mother_id".to_owned(),
            agreement: Bytes::new(),
            grant: 0,
            ..Self::facts(ask)
        };
        let facts = facts::encode(&facts);
        self.append(ask.at_ms, Kind::Refusal, facts, header, Some(seal))
    }

    /// The ending of the request at `request`, `after_ms` later; answered with a sealed answer, otherwise without.
    pub(crate) fn close(&mut self, request: u64, after_ms: u64, code: &str) -> u64 {
        let bytes = self.entries[request as usize].clone();
        let entry = Entry::decode(&bytes).unwrap();
        let asked = RequestHeader::open(&entry.header).unwrap();
        let at_ms = entry.stamp.recorded_at_ms() + after_ms;
        let facts = ExchangeFacts {
            decided_at_ms: at_ms,
            code: code.to_owned(),
            agreement: Digest::of(b"agreement").0.to_vec().into(),
            grant: 1,
            request_index: request,
            request_leaf: leaf_hash(&bytes).0.to_vec().into(),
            provider_us: after_ms * 1_000,
            exchange_id: asked.exchange_id.as_bytes().to_vec().into(),
            ..ExchangeFacts::default()
        };
        let (header, seal) = if code == "answered" {
            let header = AnswerHeader {
                exchange_id: asked.exchange_id,
                request_header: Digest::of(&entry.header),
                request_seal: Digest::of(&entry.seal.unwrap().cose),
                status: AnswerStatus::Answered,
                fields: asked.fields,
                answered_at_ms: at_ms,
                payload: Commitment::new("application/json", b"{\"name\":\"x\"}", &Salt([2; 32])),
                seen: None,
            }
            .encode();
            let seal = Seal::one(label::ANSWER, ORIGIN, &header, &self.civil).unwrap();
            (header, Some(seal))
        } else {
            (Bytes::new(), None)
        };
        self.append(at_ms, Kind::Closing, facts::encode(&facts), header, seal)
    }

    /// A request and its answer, 5 ms later.
    pub(crate) fn exchange(&mut self, ask: &Ask) -> u64 {
        let request = self.request(ask);
        self.close(request, 5, "answered");
        request
    }

    /// The log as files.
    pub(crate) fn write(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let half = self.entries.len() / 2;
        write_log(dir.path(), &self.entries, &[half, self.entries.len()]);
        dir
    }
}
