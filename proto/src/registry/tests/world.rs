//! A small switch to test with: every act is sealed, encoded and folded as a real one.
//!
//! Keys come from seeds that the world remembers by name, so that a test says who acts and not with what.
//! Every sealed act has a time of its own, so that none is the bytes of another.

use std::collections::BTreeMap;

use bytes::Bytes;

mod deeds;

pub(crate) use deeds::{content, follow, propose};

use super::super::*;
use crate::act::{
    AgencyEnrolment, Application, Invitation, KeyBinding, KeySuccession, Operation, Operator,
    Purpose, ServiceDefinition,
};
use crate::entry::{Draft, Entry, Kind, Stamp};
use crate::key::Signer as _;
use crate::limits::label;
use crate::seal::Seal;
use crate::testing::Ed25519;

pub(crate) const ORIGIN: &str = "switch.example/log";
pub(crate) const NOW: u64 = 1_795_000_000_000;
/// The provider of most tests, its system and its service.
pub(crate) const CIVIL: &str = "EG/GOV/CIVIL";
pub(crate) const REGISTRY: &str = "EG/GOV/CIVIL/registry";
pub(crate) const PERSONS: &str = "EG/GOV/CIVIL/registry/persons.v1";
/// The consumer of most tests.
pub(crate) const MOSS: &str = "EG/GOV/MOSS";
/// The third one.
pub(crate) const GIZA: &str = "EG/GOV/GIZA";

/// A switch, its first operator `nour`, and whoever joins.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) index: u64,
    pub(crate) now_ms: u64,
    /// Seeds of keys, by the name of who holds them: an agency, a system, a person.
    pub(crate) seeds: BTreeMap<String, u8>,
    /// Acts sealed so far.
    pub(crate) sealed: u64,
}

pub(crate) fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

pub(crate) fn parts(texts: &[&str]) -> Vec<Part> {
    texts.iter().map(|text| part(text)).collect()
}

pub(crate) fn agency(text: &str) -> AgencyId {
    AgencyId::parse(text).unwrap()
}

pub(crate) fn system(text: &str) -> SystemId {
    SystemId::parse(text).unwrap()
}

pub(crate) fn sealed(label: &str, header: &[u8], signer: &Ed25519) -> Seal {
    Seal::one(label, ORIGIN, header, signer).unwrap()
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        origin: ORIGIN.to_owned(),
        log_key: Ed25519::from_seed(200).key().clone(),
        instance: part("EG"),
        trust_domain: "switch.example".to_owned(),
        authority_root: Digest::of(b"root"),
        operators: vec![Operator {
            name: part("nour"),
            key: Ed25519::from_seed(201).key().clone(),
        }],
        created_at_ms: NOW,
        purposes: vec![
            Purpose::plain(part("ration")),
            Purpose::plain(part("takaful")),
        ],
    }
}

impl World {
    /// After entry 0.
    pub(crate) fn new() -> Self {
        let mut world = Self::before_genesis();
        let header = genesis().encode();
        let seal = sealed(label::GENESIS, &header, &Ed25519::from_seed(200));
        world.apply(Kind::Genesis, header, Some(seal)).unwrap();
        world
    }

    pub(crate) fn before_genesis() -> Self {
        Self {
            registry: Registry::empty(),
            index: 0,
            now_ms: NOW,
            seeds: BTreeMap::from([("nour".to_owned(), 201)]),
            sealed: 0,
        }
    }

    pub(crate) fn key(&self, holder: &str) -> Ed25519 {
        Ed25519::from_seed(self.seeds[holder])
    }

    /// A time that no other act has.
    pub(crate) fn issue(&mut self) -> u64 {
        self.sealed += 1;
        NOW + self.sealed
    }

    pub(crate) fn apply(
        &mut self,
        kind: Kind,
        header: Bytes,
        seal: Option<Seal>,
    ) -> Result<(), FoldError> {
        self.apply_with(kind, Bytes::new(), header, seal)
    }

    pub(crate) fn apply_with(
        &mut self,
        kind: Kind,
        facts: Bytes,
        header: Bytes,
        seal: Option<Seal>,
    ) -> Result<(), FoldError> {
        let stamp = Stamp {
            recorded_at_us: self.now_ms * 1_000,
            broker: 1,
            registry_size: self.registry.size(),
            registry_root: Digest::default(),
        };
        let draft = Draft {
            kind,
            facts,
            header,
            seal,
        };
        self.registry.apply(self.index, &Entry::new(draft, stamp))?;
        self.index += 1;
        Ok(())
    }

    /// Seals and folds; gives the act's id.
    pub(crate) fn submit(
        &mut self,
        kind: Kind,
        label: &str,
        header: Bytes,
        signer: &Ed25519,
    ) -> Result<Digest, FoldError> {
        let id = Digest::of(&header);
        let seal = sealed(label, &header, signer);
        self.apply(kind, header, Some(seal)).map(|()| id)
    }

    pub(crate) fn invite(
        &mut self,
        invited: &str,
        token: &[u8],
        expires_at_ms: u64,
    ) -> Result<(), FoldError> {
        self.invite_key(invited, token, expires_at_ms, None)
            .map(drop)
    }

    pub(crate) fn invite_key(
        &mut self,
        invited: &str,
        token: &[u8],
        expires_at_ms: u64,
        pinned: Option<&Ed25519>,
    ) -> Result<Digest, FoldError> {
        let invitation = Invitation {
            agency: agency(invited),
            token: Digest::of(token),
            expires_at_ms,
            issued_at_ms: self.issue(),
            authority_kid: pinned.map(|key| key.key().kid()),
        };
        let signer = self.key("nour");
        self.submit(
            Kind::Invitation,
            label::OPERATOR,
            invitation.encode(),
            &signer,
        )
    }

    pub(crate) fn apply_for(
        &mut self,
        name: &str,
        token: &[u8],
        authority: &Ed25519,
    ) -> Result<Digest, FoldError> {
        let application = Application {
            agency: agency(name),
            name_ar: "جهة".to_owned(),
            name_en: "Agency".to_owned(),
            authority_key: authority.key().clone(),
            token: Digest::of(token),
            contact: "02 1234".to_owned(),
            issued_at_ms: self.issue(),
            genesis: self.registry.genesis_sha256(),
        };
        let header = application.encode();
        self.submit(Kind::Application, label::AUTHORITY, header, authority)
    }

    pub(crate) fn enrol(
        &mut self,
        name: &str,
        token: &[u8],
        authority: &Ed25519,
    ) -> Result<(), FoldError> {
        let enrolment = AgencyEnrolment {
            agency: agency(name),
            name_ar: "جهة".to_owned(),
            name_en: "Agency".to_owned(),
            authority_key: authority.key().clone(),
            token: Digest::of(token),
            issued_at_ms: self.issue(),
            genesis: self.registry.genesis_sha256(),
        };
        let header = enrolment.encode();
        self.submit(Kind::Agency, label::AUTHORITY, header, authority)
            .map(drop)
    }

    /// Invited and enrolled.
    pub(crate) fn join(&mut self, name: &str, seed: u8) -> Ed25519 {
        let authority = Ed25519::from_seed(seed);
        let expires_at_ms = self.now_ms + 1;
        self.invite(name, name.as_bytes(), expires_at_ms).unwrap();
        self.enrol(name, name.as_bytes(), &authority).unwrap();
        self.seeds.insert(name.to_owned(), seed);
        authority
    }

    pub(crate) fn bind(
        &mut self,
        name: &str,
        key: &Ed25519,
        prover: &Ed25519,
        authority: &Ed25519,
    ) -> Result<(), FoldError> {
        let mut binding = KeyBinding {
            system: system(name),
            adapter: part("a1"),
            key: key.key().clone(),
            issued_at_ms: self.issue(),
            possession: Bytes::new(),
        };
        binding.possession = sealed(label::POSSESSION, &binding.possession_bytes(), prover).cose;
        let header = binding.encode();
        self.submit(Kind::KeyBound, label::AUTHORITY, header, authority)
            .map(drop)
    }

    /// A system with one key.
    pub(crate) fn system(&mut self, name: &str, seed: u8) -> Ed25519 {
        let key = Ed25519::from_seed(seed);
        let authority = self.key(system(name).agency().as_str());
        self.bind(name, &key, &key, &authority).unwrap();
        self.seeds.insert(name.to_owned(), seed);
        key
    }

    pub(crate) fn succeed(
        &mut self,
        mut succession: KeySuccession,
        prover: &Ed25519,
        signer: &Ed25519,
    ) -> Result<(), FoldError> {
        succession.possession =
            sealed(label::POSSESSION, &succession.possession_bytes(), prover).cose;
        let header = succession.encode();
        self.submit(Kind::KeySucceeded, label::SUCCESSION, header, signer)
            .map(drop)
    }

    /// Publishes operations, each with the fields `income` and `name_ar`.
    pub(crate) fn publish(&mut self, service: &str, names: &[&str]) -> Result<(), FoldError> {
        let service = crate::id::ServiceId::parse(service).unwrap();
        let operation = |name: &&str| {
            Operation::plain(
                part(name),
                "عملية",
                "Operation",
                parts(&["income", "name_ar"]),
            )
        };
        let definition = ServiceDefinition {
            system: service.system(),
            service: service.service(),
            name_ar: "خدمة".to_owned(),
            name_en: "Service".to_owned(),
            operations: names.iter().map(operation).collect(),
            issued_at_ms: self.issue(),
            owner_contact: String::new(),
            sensitivity: None,
        };
        let signer = self.key(service.system().agency().as_str());
        let header = definition.encode();
        self.submit(Kind::Service, label::AUTHORITY, header, &signer)
            .map(drop)
    }
}
