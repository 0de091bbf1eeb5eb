//! The fourth part of the golden log: a contract with schemas, a group, a newer agreement, and a grant handed on.

use bytes::Bytes;
use proto::act::{
    AgencyDeed, AgreementAct, AgreementContent, ConsumerScope, Delegation, Grant, GroupMember,
    Operation, OperationNotice, RowRule, ServiceDefinition, Step, SubjectField,
};
use proto::authorise::{Clause, Question, Row, authorise, locate, row_scope};
use proto::entry::Kind;
use proto::header::RequestHeader;
use proto::limits::label;
use proto::registry::AgreementState;
use proto::{Code, Digest};

use crate::acts::of_itself;
use crate::exchange::{self, Terms};
use crate::keys::SeedKey;
use crate::log::{GoldenLog, ORIGIN, T0_MS};
use crate::registry::{Keys, agency, brought, civil, moss, part, parts};

/// An act on an agreement. Gives its id.
fn act(log: &mut GoldenLog, name: &str, who: &str, key: &SeedKey, act: AgreementAct) -> Digest {
    let act = AgreementAct {
        agency: agency(who),
        issued_at_ms: log.now_ms(),
        ..act
    };
    let header = act.encode();
    let seal = log.seal(name, label::ACT, &header, key);
    let sealed = Some((header, seal));
    log.record(name, Kind::AgreementAct, brought(0xc2), sealed);
    act.id()
}

fn step(step: Step, agreement: Digest, previous: Option<Digest>, content: Bytes) -> AgreementAct {
    AgreementAct {
        step,
        agreement,
        previous,
        agency: agency("MOSS"),
        issued_at_ms: 0,
        content,
    }
}

/// Publishes a service that says everything, and switches an operation of it off. Gives its contract.
pub(crate) fn publish(log: &mut GoldenLog, keys: &Keys) -> Digest {
    let service = ServiceDefinition {
        system: civil(),
        service: part("persons.v1"),
        name_ar: "سجل الأشخاص".to_owned(),
        name_en: "Register of persons".to_owned(),
        operations: vec![
            Operation {
                method: "POST".to_owned(),
                path: "/persons/search".to_owned(),
                request_schema: Bytes::from_static(
                    br#"{"type":"object","required":["nid"],"properties":{"nid":{"type":"string"}}}"#,
                ),
                answer_schema: Bytes::from_static(br#"{"type":"object"}"#),
                subjects: vec![SubjectField {
                    pointer: "/nid".to_owned(),
                    scheme: part("nid"),
                }],
                ..Operation::plain(
                    part("find"),
                    "بحث عن شخص",
                    "Find a person",
                    parts(&["governorate", "name", "nid"]),
                )
            },
            Operation::plain(
                part("list"),
                "قائمة",
                "List persons",
                parts(&["governorate", "name"]),
            ),
        ],
        issued_at_ms: log.now_ms(),
        owner_contact: "Registry, telephone 0111".to_owned(),
        sensitivity: Some(part("personal")),
    };
    let header = service.encode();
    let name = "service_full";
    let seal = log.seal(name, label::AUTHORITY, &header, &keys.civil_authority);
    log.record(name, Kind::Service, brought(0xc2), Some((header, seal)));
    let notice = |operation, disabled: bool, ar: &str, en: &str| {
        AgencyDeed::Notice(OperationNotice {
            system: civil(),
            service: part("persons.v1"),
            operation,
            disabled,
            notice_ar: ar.to_owned(),
            notice_en: en.to_owned(),
        })
    };
    let deed = notice(
        Some(part("list")),
        true,
        "متوقفة حتى الأحد",
        "Off until Sunday",
    );
    of_itself(
        log,
        "operation_notice",
        "CIVIL",
        &keys.civil_authority,
        deed,
    );
    service.contract()
}

fn grant(service: &str, operation: &str, purpose: &str, fields: &[&str]) -> Grant {
    Grant {
        system: civil(),
        service: part(service),
        operations: parts(&[operation]),
        purposes: parts(&[purpose]),
        fields: parts(fields),
        legal_basis: "An example law, article 4".to_owned(),
        daily_quota: 1_000,
        retention_days: 90,
        rate_per_s: 0,
        row_scope: Vec::new(),
        delegation_depth: 0,
        licence: String::new(),
        sensitivity: None,
    }
}

/// The provider alone grants a named group, each member its own rows.
pub(crate) fn group(log: &mut GoldenLog, keys: &Keys, contract: Digest) -> (Digest, Digest) {
    let member = |who: &str, value: &str| GroupMember {
        agency: agency(who),
        value: value.to_owned(),
    };
    let content = AgreementContent {
        nonce: [0x78; 16],
        origin: ORIGIN.to_owned(),
        consumer: ConsumerScope::Group {
            name: part("governorates"),
            members: vec![member("CAIRO", "Cairo"), member("GIZA", "Giza")],
        },
        provider: agency("CIVIL"),
        grants: vec![Grant {
            rate_per_s: 20,
            row_scope: vec![
                RowRule {
                    field: part("governorate"),
                    equals: None,
                },
                RowRule {
                    field: part("status"),
                    equals: Some("living".to_owned()),
                },
            ],
            licence: "PDPC 17/2026".to_owned(),
            sensitivity: Some(part("personal")),
            ..grant("persons.v1", "find", "civil.verification", &["name", "nid"])
        }],
        not_before_ms: T0_MS,
        not_after_ms: T0_MS + 365 * 86_400_000,
        supersedes: None,
    };
    let id = content.id();
    log.book.put("group.content", content.encode());
    log.book.put("group.id", id);
    let propose = step(Step::Propose, id, None, content.encode());
    let key = &keys.civil_authority;
    let proposal = act(log, "group_propose", "CIVIL", key, propose);
    let asks = Question {
        consumer: agency("GIZA").system(&part("centre")),
        service: civil().service(&part("persons.v1")),
        operation: part("find"),
        purpose: part("civil.verification"),
        fields: parts(&["name"]),
    };
    let asks = RequestHeader {
        agreement: Some(id),
        ..asks.request(&log.registry)
    };
    assert_eq!(asks.contract, contract);
    let permission = authorise(&log.registry, &asks, log.now_ms()).unwrap();
    locate(&log.registry, &asks).unwrap();
    let row = |field: &str, equals: &str| Row {
        field: part(field),
        equals: equals.to_owned(),
    };
    assert_eq!(
        row_scope(&log.registry, &asks, &permission).unwrap(),
        [row("governorate", "Giza"), row("status", "living")]
    );
    let off = RequestHeader {
        operation: part("list"),
        ..asks
    };
    let refused = locate(&log.registry, &off).unwrap_err();
    assert_eq!(refused, Code::OperationDisabled);
    (id, proposal)
}

/// The provider takes the group's agreement back.
pub(crate) fn revoke(log: &mut GoldenLog, keys: &Keys, (agreement, proposal): (Digest, Digest)) {
    let revoke = step(Step::Revoke, agreement, Some(proposal), Bytes::new());
    let key = &keys.civil_authority;
    act(log, "group_revoke", "CIVIL", key, revoke);
    let known = log.registry.agreement(&agreement).unwrap();
    assert_eq!(known.state, AgreementState::Revoked);
}

/// The provider proposes the agreement that takes the place of the first one, the consumer accepts.
pub(crate) fn supersede(log: &mut GoldenLog, keys: &Keys, older: Digest) -> (Digest, Digest) {
    let content = AgreementContent {
        nonce: [0x79; 16],
        origin: ORIGIN.to_owned(),
        consumer: ConsumerScope::Agency(agency("MOSS")),
        provider: agency("CIVIL"),
        grants: vec![Grant {
            delegation_depth: 1,
            ..grant(
                "households.v1",
                "lookup",
                "takaful.eligibility",
                &["members", "status"],
            )
        }],
        not_before_ms: T0_MS + 30_000,
        not_after_ms: T0_MS + 2 * 365 * 86_400_000,
        supersedes: Some(older),
    };
    let id = content.id();
    log.book.put("newer.content", content.encode());
    log.book.put("newer.id", id);
    let propose = step(Step::Propose, id, None, content.encode());
    let key = &keys.civil_authority;
    let proposal = act(log, "newer_propose", "CIVIL", key, propose);
    let accepted_at_ms = log.now_ms();
    let accept = step(Step::Accept, id, Some(proposal), Bytes::new());
    act(log, "newer_accept", "MOSS", &keys.moss_authority, accept);
    let older = log.registry.agreement(&older).unwrap();
    assert_eq!(older.state, AgreementState::Active);
    assert_eq!(
        older.superseded_from_ms,
        Some(content.not_before_ms.max(accepted_at_ms))
    );
    (id, proposal)
}

/// The consumer hands one field on to a third agency, which asks; then the provider ends it.
pub(crate) fn hand_on(
    log: &mut GoldenLog,
    keys: &Keys,
    (agreement, proposal): (Digest, Digest),
    contract: Digest,
) {
    let delegation = Delegation {
        grant: 1,
        parent: None,
        consumer: agency("GIZA"),
        operations: parts(&["lookup"]),
        purposes: parts(&["takaful.eligibility"]),
        fields: parts(&["status"]),
        not_before_ms: T0_MS + 30_000,
        not_after_ms: T0_MS + 30 * 86_400_000,
        depth: 0,
    };
    log.book.put("delegation.content", delegation.encode());
    let delegate = step(
        Step::Delegate,
        agreement,
        Some(proposal),
        delegation.encode(),
    );
    let id = act(log, "delegation", "MOSS", &keys.moss_authority, delegate);
    let terms = Terms {
        agreement,
        contract,
    };
    let asks = exchange::ask_by_delegation(log, keys, terms, id);
    let at_ms = log.now_ms();
    let clause = |log: &GoldenLog, asks: &RequestHeader| {
        authorise(&log.registry, asks, at_ms).map_err(|denial| denial.clause)
    };
    clause(log, &asks).unwrap();
    let unnamed = RequestHeader {
        delegation: Vec::new(),
        ..asks.clone()
    };
    assert_eq!(clause(log, &unnamed), Err(Clause::Delegation(0)));
    let older = RequestHeader {
        consumer: moss(),
        delegation: Vec::new(),
        agreement: log
            .registry
            .agreement(&agreement)
            .unwrap()
            .content
            .supersedes,
        ..asks.clone()
    };
    assert_eq!(clause(log, &older), Err(Clause::Supersession));
    let end = step(Step::EndDelegation, agreement, Some(id), Bytes::new());
    act(log, "delegation_end", "CIVIL", &keys.civil_authority, end);
    assert_eq!(clause(log, &asks), Err(Clause::Delegation(1)));
}
