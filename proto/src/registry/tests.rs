//! The fold under hostile acts: nothing stands that its agency did not seal.

use bytes::Bytes;

use super::*;
use crate::act::{
    AgencyEnrolment, AgreementAct, AgreementContent, ConsumerScope, Grant, Invitation, KeyBinding,
    KeyEnd, Operation, Operator, ServiceDefinition, Step,
};
use crate::entry::{Draft, Entry, Kind, Stamp};
use crate::id::Part;
use crate::key::Signer as _;
use crate::limits::label;
use crate::seal::Seal;
use crate::testing::Ed25519;

mod alone;
mod operators;

const ORIGIN: &str = "switch.example/log";
const NOW: u64 = 1_795_000_000_000;

/// A small world: a switch, its operator, and agencies with keys from seeds.
struct World {
    registry: Registry,
    index: u64,
    now_ms: u64,
    operator: Ed25519,
}

fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

fn sealed(label: &str, header: &[u8], signer: &Ed25519) -> Seal {
    Seal::one(label, ORIGIN, header, signer).unwrap()
}

impl World {
    fn new() -> Self {
        let (log, operator) = (Ed25519::from_seed(200), Ed25519::from_seed(201));
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            log_key: log.key().clone(),
            instance: part("EG"),
            trust_domain: "switch.example".to_owned(),
            authority_root: Digest::of(b"root"),
            operators: vec![Operator {
                name: part("nour"),
                key: operator.key().clone(),
            }],
            created_at_ms: NOW,
            purposes: vec![crate::act::Purpose::plain(
                crate::id::Part::parse("takaful").unwrap(),
            )],
        };
        let header = genesis.encode();
        let seal = sealed(label::GENESIS, &header, &log);
        let mut world = Self {
            registry: Registry::empty(),
            index: 0,
            now_ms: NOW,
            operator,
        };
        world.apply(Kind::Genesis, header, Some(seal)).unwrap();
        world
    }

    fn apply(&mut self, kind: Kind, header: Bytes, seal: Option<Seal>) -> Result<(), FoldError> {
        let stamp = Stamp {
            recorded_at_us: self.now_ms * 1_000,
            broker: 1,
            registry_size: self.registry.size(),
            registry_root: Digest::default(),
        };
        let entry = Entry::new(
            Draft {
                kind,
                facts: Bytes::new(),
                header,
                seal,
            },
            stamp,
        );
        self.registry.apply(self.index, &entry)?;
        self.index += 1;
        Ok(())
    }

    fn invite(&mut self, agency: &str, token: &[u8], expires_at_ms: u64) -> Result<(), FoldError> {
        let invitation = Invitation {
            agency: AgencyId::parse(agency).unwrap(),
            token: Digest::of(token),
            expires_at_ms,
            issued_at_ms: NOW,
            authority_kid: None,
        };
        let header = invitation.encode();
        let seal = sealed(label::OPERATOR, &header, &self.operator);
        self.apply(Kind::Invitation, header, Some(seal))
    }

    fn enrol(&mut self, agency: &str, token: &[u8], authority: &Ed25519) -> Result<(), FoldError> {
        let enrolment = AgencyEnrolment {
            agency: AgencyId::parse(agency).unwrap(),
            name_ar: "جهة".to_owned(),
            name_en: "Agency".to_owned(),
            authority_key: authority.key().clone(),
            token: Digest::of(token),
            issued_at_ms: NOW,
            genesis: self.registry.genesis_sha256(),
        };
        let header = enrolment.encode();
        let seal = sealed(label::AUTHORITY, &header, authority);
        self.apply(Kind::Agency, header, Some(seal))
    }

    fn join(&mut self, agency: &str, seed: u8) -> Ed25519 {
        let authority = Ed25519::from_seed(seed);
        self.invite(agency, agency.as_bytes(), NOW + 1).unwrap();
        self.enrol(agency, agency.as_bytes(), &authority).unwrap();
        authority
    }

    fn bind(
        &mut self,
        system: &str,
        key: &Ed25519,
        prover: &Ed25519,
        authority: &Ed25519,
    ) -> Result<(), FoldError> {
        let mut binding = KeyBinding {
            system: SystemId::parse(system).unwrap(),
            adapter: part("a1"),
            key: key.key().clone(),
            issued_at_ms: NOW,
            possession: Bytes::new(),
        };
        binding.possession = sealed(label::POSSESSION, &binding.possession_bytes(), prover).cose;
        let header = binding.encode();
        let seal = sealed(label::AUTHORITY, &header, authority);
        self.apply(Kind::KeyBound, header, Some(seal))
    }

    fn act(&mut self, act: &AgreementAct, authority: &Ed25519) -> Result<(), FoldError> {
        let header = act.encode();
        let seal = sealed(label::ACT, &header, authority);
        self.apply(Kind::AgreementAct, header, Some(seal))
    }
}

fn content(consumer: &str) -> AgreementContent {
    AgreementContent {
        nonce: [3; 16],
        origin: ORIGIN.to_owned(),
        consumer: ConsumerScope::parse(consumer).unwrap(),
        provider: AgencyId::parse("EG/GOV/CIVIL").unwrap(),
        grants: vec![Grant {
            system: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
            service: part("persons.v1"),
            operations: vec![part("lookup")],
            purposes: vec![part("takaful")],
            fields: vec![part("name_ar")],
            legal_basis: "Law 1".to_owned(),
            daily_quota: 0,
            retention_days: 30,
            rate_per_s: 0,
            row_scope: Vec::new(),
            delegation_depth: 0,
            licence: String::new(),
            sensitivity: None,
        }],
        not_before_ms: NOW,
        not_after_ms: NOW + 1_000,
        supersedes: None,
    }
}

fn propose(content: &AgreementContent, agency: &str) -> AgreementAct {
    AgreementAct {
        step: Step::Propose,
        agreement: content.id(),
        previous: None,
        agency: AgencyId::parse(agency).unwrap(),
        issued_at_ms: NOW,
        content: content.encode(),
    }
}

fn follow(step: Step, of: &AgreementAct, agency: &str) -> AgreementAct {
    AgreementAct {
        step,
        agreement: of.agreement,
        previous: Some(of.id()),
        agency: AgencyId::parse(agency).unwrap(),
        issued_at_ms: NOW,
        content: Bytes::new(),
    }
}

#[test]
fn genesis_is_first_and_once() {
    let mut world = World::new();
    let genesis = world.registry.genesis().unwrap().encode();
    let seal = sealed(label::GENESIS, &genesis, &Ed25519::from_seed(200));
    assert_eq!(
        world.apply(Kind::Genesis, genesis, Some(seal)),
        Err(FoldError::Genesis)
    );
    let mut early = World {
        registry: Registry::empty(),
        index: 0,
        now_ms: NOW,
        operator: Ed25519::from_seed(201),
    };
    assert_eq!(
        early.invite("EG/GOV/X", b"t", NOW + 1),
        Err(FoldError::Genesis)
    );
}

#[test]
fn a_token_works_once_for_its_agency_and_in_time() {
    let mut world = World::new();
    let authority = Ed25519::from_seed(1);
    assert_eq!(
        world.enrol("EG/GOV/MOSS", b"t", &authority),
        Err(FoldError::NotInvited)
    );
    world.invite("EG/GOV/MOSS", b"t", NOW + 1).unwrap();
    assert_eq!(
        world.enrol("EG/GOV/CIVIL", b"t", &authority),
        Err(FoldError::NotInvited)
    );
    world.enrol("EG/GOV/MOSS", b"t", &authority).unwrap();
    assert_eq!(
        world.enrol("EG/GOV/MOSS", b"t", &Ed25519::from_seed(2)),
        Err(FoldError::TokenUsed)
    );
    world.invite("EG/GOV/LATE", b"late", NOW).unwrap();
    assert_eq!(
        world.enrol("EG/GOV/LATE", b"late", &Ed25519::from_seed(3)),
        Err(FoldError::InvitationExpired)
    );
    assert!(matches!(
        world.invite("EG/GOV/moss", b"u", NOW + 1),
        Err(FoldError::NameTaken(_))
    ));
    assert!(matches!(
        world.invite("XX/GOV/MOSS", b"u", NOW + 1),
        Err(FoldError::OtherInstance(_))
    ));
}

#[test]
fn only_an_operator_invites() {
    let mut world = World::new();
    world.operator = Ed25519::from_seed(99);
    assert_eq!(
        world.invite("EG/GOV/MOSS", b"t", NOW + 1),
        Err(FoldError::NotOperator)
    );
}

#[test]
fn a_key_is_bound_by_its_agency_once_and_proves_itself() {
    let mut world = World::new();
    let (civil, moss) = (world.join("EG/GOV/CIVIL", 1), world.join("EG/GOV/MOSS", 2));
    let (key, other) = (Ed25519::from_seed(10), Ed25519::from_seed(11));
    let system = "EG/GOV/CIVIL/registry";
    assert!(
        matches!(
            world.bind(system, &key, &key, &moss),
            Err(FoldError::Seal(_))
        ),
        "sealed by another agency"
    );
    assert_eq!(
        world.bind(system, &key, &other, &civil),
        Err(FoldError::NoPossession)
    );
    assert_eq!(
        world.bind(system, &civil, &civil, &civil),
        Err(FoldError::KeyReused),
        "the authority key itself"
    );
    world.bind(system, &key, &key, &civil).unwrap();
    assert_eq!(
        world.bind(system, &key, &key, &civil),
        Err(FoldError::KeyReused)
    );
    let system = SystemId::parse(system).unwrap();
    assert!(world.registry.seal_key(&key.key().kid(), &system).is_ok());
    let moss_system = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    assert_eq!(
        world
            .registry
            .seal_key(&key.key().kid(), &moss_system)
            .unwrap_err(),
        Code::WrongSigner
    );

    let end = KeyEnd {
        system: system.clone(),
        kid: key.key().kid(),
        reason: part("retired"),
        issued_at_ms: NOW,
    };
    let seal = sealed(label::AUTHORITY, &end.encode(), &civil);
    world
        .apply(Kind::KeyEnded, end.encode(), Some(seal.clone()))
        .unwrap();
    assert_eq!(
        world
            .registry
            .seal_key(&key.key().kid(), &system)
            .unwrap_err(),
        Code::KeyEnded
    );
    assert_eq!(
        world.apply(Kind::KeyEnded, end.encode(), Some(seal)),
        Err(FoldError::UnknownKey)
    );
}

#[test]
fn an_older_publication_does_not_take_back_a_newer_one() {
    let mut world = World::new();
    let civil = world.join("EG/GOV/CIVIL", 1);
    let key = Ed25519::from_seed(10);
    let publish = |world: &mut World, issued_at_ms| {
        let definition = ServiceDefinition {
            system: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
            service: part("persons.v1"),
            name_ar: "أشخاص".to_owned(),
            name_en: "Persons".to_owned(),
            operations: vec![Operation {
                name: part("lookup"),
                name_ar: "بحث".to_owned(),
                name_en: "Look up".to_owned(),
                fields: vec![part("name_ar")],
                method: String::new(),
                path: String::new(),
                request_schema: Bytes::new(),
                answer_schema: Bytes::new(),
                subjects: Vec::new(),
            }],
            issued_at_ms,
            owner_contact: String::new(),
            sensitivity: None,
        };
        let seal = sealed(label::AUTHORITY, &definition.encode(), &civil);
        world.apply(Kind::Service, definition.encode(), Some(seal))
    };
    assert!(matches!(
        publish(&mut world, NOW),
        Err(FoldError::UnknownSystem(_))
    ));
    world
        .bind("EG/GOV/CIVIL/registry", &key, &key, &civil)
        .unwrap();
    publish(&mut world, NOW).unwrap();
    assert!(matches!(
        publish(&mut world, NOW),
        Err(FoldError::OlderService(_))
    ));
    publish(&mut world, NOW + 1).unwrap();
}

#[test]
fn an_agreement_needs_both_seals_in_order() {
    let mut world = World::new();
    let (civil, moss) = (world.join("EG/GOV/CIVIL", 1), world.join("EG/GOV/MOSS", 2));
    let third = world.join("EG/GOV/GIZA", 3);
    let content = content("EG/GOV/MOSS");
    let proposal = propose(&content, "EG/GOV/MOSS");
    assert!(
        matches!(world.act(&proposal, &civil), Err(FoldError::Seal(_))),
        "sealed by the other party"
    );
    assert!(matches!(
        world.act(&propose(&content, "EG/GOV/GIZA"), &third),
        Err(FoldError::NotParty(_))
    ));
    world.act(&proposal, &moss).unwrap();
    assert_eq!(
        world.act(&proposal, &moss),
        Err(FoldError::OutOfOrder),
        "twice"
    );
    let state = |world: &World| world.registry.agreement(&content.id()).unwrap().state;
    assert_eq!(state(&world), AgreementState::Proposed);
    let own = follow(Step::Accept, &proposal, "EG/GOV/MOSS");
    assert_eq!(
        world.act(&own, &moss),
        Err(FoldError::OutOfOrder),
        "the proposer accepts for the other"
    );
    let accept = follow(Step::Accept, &proposal, "EG/GOV/CIVIL");
    world.act(&accept, &civil).unwrap();
    assert_eq!(state(&world), AgreementState::Active);
    assert_eq!(
        world.act(&accept, &civil),
        Err(FoldError::OutOfOrder),
        "replayed"
    );
    let stale = follow(Step::Revoke, &proposal, "EG/GOV/MOSS");
    assert_eq!(
        world.act(&stale, &moss),
        Err(FoldError::OutOfOrder),
        "does not follow the latest act"
    );
    let by_third = follow(Step::Revoke, &accept, "EG/GOV/GIZA");
    assert!(matches!(
        world.act(&by_third, &third),
        Err(FoldError::NotParty(_))
    ));
    let revoke = follow(Step::Revoke, &accept, "EG/GOV/MOSS");
    world.act(&revoke, &moss).unwrap();
    assert_eq!(state(&world), AgreementState::Revoked);
    assert_eq!(
        world.act(&follow(Step::Revoke, &revoke, "EG/GOV/CIVIL"), &civil),
        Err(FoldError::OutOfOrder)
    );
}

#[test]
fn a_public_grant_is_the_providers_alone_to_seal_and_to_end() {
    let mut world = World::new();
    let (civil, moss) = (world.join("EG/GOV/CIVIL", 1), world.join("EG/GOV/MOSS", 2));
    let content = content("EG/GOV/*");
    assert!(matches!(
        world.act(&propose(&content, "EG/GOV/MOSS"), &moss),
        Err(FoldError::NotParty(_))
    ));
    let proposal = propose(&content, "EG/GOV/CIVIL");
    world.act(&proposal, &civil).unwrap();
    assert_eq!(
        world.registry.agreement(&content.id()).unwrap().state,
        AgreementState::Active
    );
    let by_consumer = follow(Step::Revoke, &proposal, "EG/GOV/MOSS");
    assert!(matches!(
        world.act(&by_consumer, &moss),
        Err(FoldError::NotParty(_))
    ));
    world
        .act(&follow(Step::Revoke, &proposal, "EG/GOV/CIVIL"), &civil)
        .unwrap();
}

#[test]
fn an_agreement_for_another_switch_or_with_foreign_grants_is_refused() {
    let mut world = World::new();
    let civil = world.join("EG/GOV/CIVIL", 1);
    world.join("EG/GOV/MOSS", 2);
    let mut other = content("EG/GOV/MOSS");
    other.origin = "other.example/log".to_owned();
    assert_eq!(
        world.act(&propose(&other, "EG/GOV/CIVIL"), &civil),
        Err(FoldError::OtherSwitch)
    );
    let mut foreign = content("EG/GOV/MOSS");
    foreign.grants[0].system = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    assert!(AgreementContent::open(&foreign.encode()).is_err());
}
