//! What the two agencies did before the first exchange: enrolment, a service, an agreement.

use bytes::Bytes;
use proto::Digest;
use proto::act::{
    AgreementAct, AgreementContent, ConsumerScope, Grant, Operation, ServiceDefinition, Step,
};
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::facts::{IssuedCertificate, RegistryFacts};
use proto::id::SystemId;
use proto::limits::label;

use crate::registry::RegistryHandle;
use crate::testing::{Applicant, NOW_MS, ORIGIN, Site, part, sealed};

pub(super) async fn submit(registry: &RegistryHandle, kind: Kind, act: Envelope) {
    registry
        .submit(kind, RegistryFacts::default(), act.header, Some(act.seal))
        .await
        .unwrap();
}

/// Records the certificate of [`Peer::of_system`] with this seed.
///
/// [`Peer::of_system`]: crate::door::Peer::of_system
pub(super) async fn certify(registry: &RegistryHandle, system: &SystemId, seed: u8) {
    let certificate = IssuedCertificate {
        uri: registry.load().uri_of(system),
        sha256: vec![seed; 32].into(),
        serial: vec![seed].into(),
        not_before: NOW_MS / 1_000,
        not_after: NOW_MS / 1_000 + 365 * 86_400,
        key_sha256: Bytes::new(),
    };
    let facts = RegistryFacts {
        peer_sha256: Bytes::new(),
        certificate: Some(certificate),
    };
    registry
        .submit(Kind::Certificate, facts, Bytes::new(), None)
        .await
        .unwrap();
}

/// With the certificate of [`Peer::of_system`] with this seed.
///
/// [`Peer::of_system`]: crate::door::Peer::of_system
pub(super) async fn enrol(site: &Site, registry: &RegistryHandle, applicant: &Applicant, seed: u8) {
    submit(registry, Kind::Invitation, site.invitation(applicant)).await;
    let genesis = registry.load().genesis_sha256();
    submit(registry, Kind::Agency, applicant.enrolment(genesis)).await;
    submit(
        registry,
        Kind::KeyBound,
        applicant.binding(&applicant.seal_key),
    )
    .await;
    certify(registry, &applicant.system, seed).await;
}

pub(super) async fn publish(registry: &RegistryHandle, provider: &Applicant) -> Digest {
    let operation = |name: &str| Operation {
        name: part(name),
        name_ar: "تحقق".into(),
        name_en: "Verify".into(),
        fields: vec![part("alive"), part("name")],
        method: String::new(),
        path: String::new(),
        request_schema: Bytes::new(),
        answer_schema: Bytes::new(),
        subjects: Vec::new(),
    };
    let service = ServiceDefinition {
        system: provider.system.clone(),
        service: part("persons.v1"),
        name_ar: "سجل الأفراد".into(),
        name_en: "Persons".into(),
        operations: vec![operation("search"), operation("verify")],
        issued_at_ms: NOW_MS,
        owner_contact: String::new(),
        sensitivity: None,
    };
    let act = sealed(label::AUTHORITY, service.encode(), &provider.authority_key);
    submit(registry, Kind::Service, act).await;
    service.contract()
}

/// Grant 1: verify, without a quota. Grant 2: search, twice a day. Grant 3: a service that is not published.
pub(super) async fn agree(
    registry: &RegistryHandle,
    consumer: &Applicant,
    provider: &Applicant,
) -> Digest {
    let grant = |service: &str, operation: &str, daily_quota| Grant {
        system: provider.system.clone(),
        service: part(service),
        operations: vec![part(operation)],
        purposes: vec![part("social-support")],
        fields: vec![part("alive")],
        legal_basis: "Law 1".into(),
        daily_quota,
        retention_days: 30,
        rate_per_s: 0,
        row_scope: Vec::new(),
        delegation_depth: 0,
        licence: String::new(),
        sensitivity: None,
    };
    let content = AgreementContent {
        nonce: [5; 16],
        origin: ORIGIN.into(),
        consumer: ConsumerScope::Agency(consumer.agency.clone()),
        provider: provider.agency.clone(),
        grants: vec![
            grant("persons.v1", "verify", 0),
            grant("persons.v1", "search", 2),
            grant("ghosts.v1", "verify", 0),
        ],
        not_before_ms: NOW_MS - 1_000,
        not_after_ms: NOW_MS + 10 * 86_400_000,
        supersedes: None,
    };
    let propose = AgreementAct {
        step: Step::Propose,
        agreement: content.id(),
        previous: None,
        agency: consumer.agency.clone(),
        issued_at_ms: NOW_MS,
        content: content.encode(),
    };
    let accept = AgreementAct {
        step: Step::Accept,
        previous: Some(propose.id()),
        agency: provider.agency.clone(),
        content: Bytes::new(),
        ..propose.clone()
    };
    for (act, by) in [(propose, consumer), (accept, provider)] {
        let act = sealed(label::ACT, act.encode(), &by.authority_key);
        submit(registry, Kind::AgreementAct, act).await;
    }
    content.id()
}
