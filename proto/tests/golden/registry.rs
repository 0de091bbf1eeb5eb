//! The first part of the golden log: from genesis to an agreement that both agencies sealed.

use bytes::Bytes;
use proto::Digest;
use proto::act::{
    AgencyEnrolment, AgreementAct, AgreementContent, ConsumerScope, Genesis, Grant, Invitation,
    KeyBinding, KeyEnd, Operation, Operator, Purpose, ServiceDefinition, Step,
};
use proto::entry::Kind;
use proto::facts::{self, EpochFacts, IssuedCertificate, RegistryFacts};
use proto::id::{AgencyId, Part, SystemId};
use proto::key::Signer as _;
use proto::limits::label;

use crate::keys::SeedKey;
use crate::log::{GoldenLog, ORIGIN, T0_MS};

/// The keys of everybody in the story.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) log: SeedKey,
    pub(crate) operator: SeedKey,
    pub(crate) moss_authority: SeedKey,
    pub(crate) civil_authority: SeedKey,
    pub(crate) moss_seal: SeedKey,
    pub(crate) civil_seal: SeedKey,
    pub(crate) second: SeedKey,
    pub(crate) giza_authority: SeedKey,
    pub(crate) giza_seal: SeedKey,
    pub(crate) port_authority: SeedKey,
    pub(crate) civil_seal_next: SeedKey,
    pub(crate) moss_replacement: SeedKey,
    pub(crate) moss_replacement_again: SeedKey,
    pub(crate) moss_authority_next: SeedKey,
}

impl Keys {
    pub(crate) fn new(log: &mut GoldenLog) -> Self {
        let mut key = |name: &str, seed: u8| {
            let key = SeedKey::new(seed);
            log.book.put(&format!("key.{name}.seed"), [seed; 32]);
            log.book.put(&format!("key.{name}.spki"), key.key().spki());
            log.book.put(&format!("key.{name}.kid"), key.key().kid());
            key
        };
        Self {
            log: key("log", 0x01),
            operator: key("operator", 0x02),
            moss_authority: key("moss_authority", 0x03),
            civil_authority: key("civil_authority", 0x04),
            moss_seal: key("moss_seal", 0x05),
            civil_seal: key("civil_seal", 0x06),
            second: key("second", 0x07),
            giza_authority: key("giza_authority", 0x08),
            giza_seal: key("giza_seal", 0x09),
            port_authority: key("port_authority", 0x0a),
            civil_seal_next: key("civil_seal_next", 0x0b),
            moss_replacement: key("moss_replacement", 0x0c),
            moss_replacement_again: key("moss_replacement_again", 0x0d),
            moss_authority_next: key("moss_authority_next", 0x0e),
        }
    }
}

pub(crate) fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

pub(crate) fn parts(texts: &[&str]) -> Vec<Part> {
    texts.iter().map(|text| part(text)).collect()
}

pub(crate) fn agency(name: &str) -> AgencyId {
    AgencyId::parse(&format!("EG/GOV/{name}")).unwrap()
}

pub(crate) fn moss() -> SystemId {
    agency("MOSS").system(&part("takaful"))
}

pub(crate) fn civil() -> SystemId {
    agency("CIVIL").system(&part("registry"))
}

/// Facts of a registry entry that came over a connection with a certificate.
pub(crate) fn brought(peer: u8) -> Bytes {
    facts::encode(&RegistryFacts {
        peer_sha256: vec![peer; 32].into(),
        certificate: None,
    })
}

pub(crate) fn genesis(log: &mut GoldenLog, keys: &Keys) {
    log.book.text("origin", ORIGIN);
    let genesis = Genesis {
        origin: ORIGIN.to_owned(),
        log_key: keys.log.key().clone(),
        instance: part("EG"),
        trust_domain: "mohawel.example".to_owned(),
        authority_root: Digest::of(b"a root certificate"),
        operators: vec![Operator {
            name: part("first"),
            key: keys.operator.key().clone(),
        }],
        created_at_ms: T0_MS,
        purposes: vec![Purpose {
            code: part("takaful.eligibility"),
            name_ar: "بحث أحقية أسرة في معاش تكافل".to_owned(),
            name_en: "Whether a household is entitled to a Takaful pension".to_owned(),
            legal_basis_ar: "قانون للمثال، المادة 4".to_owned(),
            legal_basis_en: "An example law, article 4".to_owned(),
            ended: false,
        }],
    };
    let header = genesis.encode();
    let seal = log.seal("genesis", label::GENESIS, &header, &keys.log);
    log.record("genesis", Kind::Genesis, Bytes::new(), Some((header, seal)));
    let epoch = EpochFacts {
        previous_size: 1,
        previous_root: log.leaves[0].0.to_vec().into(),
        version: "0.0.0".to_owned(),
        configuration_sha256: Digest::of(b"a configuration file").0.to_vec().into(),
        recovery: String::new(),
    };
    log.record("epoch", Kind::Epoch, facts::encode(&epoch), None);
}

pub(crate) fn enrol(log: &mut GoldenLog, keys: &Keys, who: &str, names: (&str, &str), token: u8) {
    let (low, id) = (who.to_lowercase(), agency(who));
    let token = Digest::of(&[token; 32]);
    let invitation = Invitation {
        agency: id.clone(),
        token,
        expires_at_ms: T0_MS + 86_400_000,
        issued_at_ms: T0_MS,
        authority_kid: None,
    };
    let header = invitation.encode();
    let name = format!("{low}_invitation");
    let seal = log.seal(&name, label::OPERATOR, &header, &keys.operator);
    log.record(&name, Kind::Invitation, brought(0xb0), Some((header, seal)));

    let authority = match who {
        "MOSS" => &keys.moss_authority,
        _ => &keys.civil_authority,
    };
    let enrolment = AgencyEnrolment {
        agency: id,
        name_ar: names.0.to_owned(),
        name_en: names.1.to_owned(),
        authority_key: authority.key().clone(),
        token,
        issued_at_ms: T0_MS + 1_000,
        genesis: log.registry.genesis_sha256(),
    };
    let header = enrolment.encode();
    let name = format!("{low}_agency");
    let seal = log.seal(&name, label::AUTHORITY, &header, authority);
    log.record(&name, Kind::Agency, Bytes::new(), Some((header, seal)));
}

/// Binds a seal key: first the new key proves itself, then the agency's authority key seals.
pub(crate) fn bind(
    log: &mut GoldenLog,
    name: &str,
    system: SystemId,
    key: &SeedKey,
    authority: &SeedKey,
) {
    let mut binding = KeyBinding {
        system,
        adapter: part("one"),
        key: key.key().clone(),
        issued_at_ms: T0_MS + 2_000,
        possession: Bytes::new(),
    };
    let unproved = binding.possession_bytes();
    let possession = log.seal(
        &format!("{name}.possession"),
        label::POSSESSION,
        &unproved,
        key,
    );
    binding.possession = possession.cose;
    let header = binding.encode();
    let seal = log.seal(name, label::AUTHORITY, &header, authority);
    log.record(name, Kind::KeyBound, Bytes::new(), Some((header, seal)));
}

pub(crate) fn certificate(log: &mut GoldenLog) {
    let facts = RegistryFacts {
        peer_sha256: Bytes::new(),
        certificate: Some(IssuedCertificate {
            uri: format!("spiffe://mohawel.example/{}", moss()),
            sha256: vec![0xc1; 32].into(),
            serial: vec![0x51; 16].into(),
            not_before: T0_MS / 1_000,
            not_after: T0_MS / 1_000 + 7 * 86_400,
            key_sha256: Bytes::new(),
        }),
    };
    log.record(
        "certificate",
        Kind::Certificate,
        facts::encode(&facts),
        None,
    );
}

/// Publishes the one service and gives its contract digest.
pub(crate) fn publish(log: &mut GoldenLog, keys: &Keys) -> Digest {
    let service = ServiceDefinition {
        system: civil(),
        service: part("households.v1"),
        name_ar: "سجل الأسر".to_owned(),
        name_en: "Household register".to_owned(),
        operations: vec![Operation {
            name: part("lookup"),
            name_ar: "استعلام عن أسرة".to_owned(),
            name_en: "Look up a household".to_owned(),
            fields: parts(&["income", "members", "status"]),
            method: String::new(),
            path: String::new(),
            request_schema: Bytes::new(),
            answer_schema: Bytes::new(),
            subjects: Vec::new(),
        }],
        issued_at_ms: T0_MS + 3_000,
        owner_contact: String::new(),
        sensitivity: None,
    };
    let header = service.encode();
    let seal = log.seal("service", label::AUTHORITY, &header, &keys.civil_authority);
    let facts = brought(0xc2);
    log.record("service", Kind::Service, facts, Some((header, seal)));
    service.contract()
}

/// Proposed by the consumer, accepted by the provider. Gives the agreement's id.
pub(crate) fn agree(log: &mut GoldenLog, keys: &Keys) -> Digest {
    let content = AgreementContent {
        nonce: [0x77; 16],
        origin: ORIGIN.to_owned(),
        consumer: ConsumerScope::Agency(agency("MOSS")),
        provider: agency("CIVIL"),
        grants: vec![Grant {
            system: civil(),
            service: part("households.v1"),
            operations: parts(&["lookup"]),
            purposes: parts(&["takaful.eligibility"]),
            fields: parts(&["members", "status"]),
            legal_basis: "An example law, article 4".to_owned(),
            daily_quota: 1_000,
            retention_days: 90,
            rate_per_s: 0,
            row_scope: Vec::new(),
            delegation_depth: 0,
            licence: String::new(),
            sensitivity: None,
        }],
        not_before_ms: T0_MS,
        not_after_ms: T0_MS + 365 * 86_400_000,
        supersedes: None,
    };
    let id = content.id();
    log.book.put("agreement.content", content.encode());
    log.book.put("agreement.id", id);
    let propose = AgreementAct {
        step: Step::Propose,
        agreement: id,
        previous: None,
        agency: agency("MOSS"),
        issued_at_ms: T0_MS + 4_000,
        content: content.encode(),
    };
    let header = propose.encode();
    let seal = log.seal("propose", label::ACT, &header, &keys.moss_authority);
    let sealed = Some((header, seal));
    log.record("propose", Kind::AgreementAct, brought(0xc1), sealed);
    let accept = AgreementAct {
        step: Step::Accept,
        agreement: id,
        previous: Some(propose.id()),
        agency: agency("CIVIL"),
        issued_at_ms: T0_MS + 5_000,
        content: Bytes::new(),
    };
    let header = accept.encode();
    let seal = log.seal("accept", label::ACT, &header, &keys.civil_authority);
    let sealed = Some((header, seal));
    log.record("accept", Kind::AgreementAct, brought(0xc2), sealed);
    id
}

/// After the exchange: the consumer's key is ended.
pub(crate) fn end_key(log: &mut GoldenLog, keys: &Keys) {
    let end = KeyEnd {
        system: moss(),
        kid: keys.moss_seal.key().kid(),
        reason: part("superseded"),
        issued_at_ms: T0_MS + 15_000,
    };
    let header = end.encode();
    let seal = log.seal("key_end", label::AUTHORITY, &header, &keys.moss_authority);
    let sealed = Some((header, seal));
    log.record("key_end", Kind::KeyEnded, brought(0xc1), sealed);
}
