//! The third part of the golden log: what operators and agencies do to the registry, one act of each.

use bytes::Bytes;
use proto::Digest;
use proto::act::{
    AgencyAct, AgencyDeed, AgencyEnrolment, Application, Approval, Invitation, KeyEnd,
    KeySuccession, OperatorAct, OperatorDeed, OutsideCertificate, PersonRole, Purpose,
    TwoOperators,
};
use proto::entry::Kind;
use proto::key::Signer as _;
use proto::limits::{REPLACEMENT_MS, label};
use proto::registry::ApplicationState;

use crate::keys::SeedKey;
use crate::log::{GoldenLog, T0_MS};
use crate::registry::{Keys, agency, bind, brought, civil, moss, part, parts};

/// An act of the operator `first`. Gives its id.
fn operate(log: &mut GoldenLog, keys: &Keys, name: &str, deed: OperatorDeed) -> Digest {
    let act = OperatorAct {
        operator: part("first"),
        issued_at_ms: log.now_ms(),
        deed,
    };
    let header = act.encode();
    let seal = log.seal(name, label::OPERATOR, &header, &keys.operator);
    let sealed = Some((header, seal));
    log.record(name, Kind::OperatorAct, brought(0xb0), sealed);
    act.id()
}

/// The second seal, by the approver `second`.
fn approve(log: &mut GoldenLog, keys: &Keys, name: &str, act: Digest, rejected: bool) {
    let reason = if rejected {
        "The reason lasts"
    } else {
        "Seen and checked"
    };
    let header = Approval {
        operator: part("second"),
        issued_at_ms: log.now_ms(),
        act,
        rejected,
        reason: reason.to_owned(),
    }
    .encode();
    let seal = log.seal(name, label::OPERATOR, &header, &keys.second);
    let sealed = Some((header, seal));
    log.record(name, Kind::Approval, brought(0xb1), sealed);
}

/// An act of an agency on itself.
pub(crate) fn of_itself(
    log: &mut GoldenLog,
    name: &str,
    who: &str,
    authority: &SeedKey,
    deed: AgencyDeed,
) {
    let header = AgencyAct {
        agency: agency(who),
        issued_at_ms: log.now_ms(),
        deed,
    }
    .encode();
    let seal = log.seal(name, label::AUTHORITY, &header, authority);
    let sealed = Some((header, seal));
    log.record(name, Kind::AgencyAct, brought(0xc1), sealed);
}

/// A second person, and what needs both of them from now on.
pub(crate) fn second_seals(log: &mut GoldenLog, keys: &Keys) {
    let second = OperatorDeed::SetRole {
        role: PersonRole::Approver,
        name: part("second"),
        key: Some(keys.second.key().clone()),
        ended: false,
    };
    operate(log, keys, "role", second);
    let auditor = OperatorDeed::SetRole {
        role: PersonRole::Auditor,
        name: part("third"),
        key: None,
        ended: false,
    };
    operate(log, keys, "role_auditor", auditor);
    let policy = TwoOperators(parts(&["agency_suspension", "invitation"]));
    operate(log, keys, "policy", OperatorDeed::SetPolicy(policy));
    assert!(log.registry.policy().covers("role"));
}

fn apply(log: &mut GoldenLog, name: &str, who: &str, key: &SeedKey, token: Digest) -> Digest {
    let application = Application {
        agency: agency(who),
        name_ar: "محافظة".to_owned(),
        name_en: "Governorate".to_owned(),
        authority_key: key.key().clone(),
        token,
        contact: "Hoda, telephone 0100".to_owned(),
        issued_at_ms: log.now_ms(),
        genesis: log.registry.genesis_sha256(),
    };
    let header = application.encode();
    let seal = log.seal(name, label::AUTHORITY, &header, key);
    let sealed = Some((header, seal));
    log.record(name, Kind::Application, Bytes::new(), sealed);
    application.id()
}

/// One application is approved by an invitation with two seals and enrols; another is turned down.
pub(crate) fn join(log: &mut GoldenLog, keys: &Keys) {
    let (token, key) = (Digest::of(&[0x13; 32]), &keys.giza_authority);
    let application = apply(log, "giza_application", "GIZA", key, token);
    let invitation = Invitation {
        agency: agency("GIZA"),
        token,
        expires_at_ms: T0_MS + 86_400_000,
        issued_at_ms: log.now_ms(),
        authority_kid: Some(key.key().kid()),
    };
    let header = invitation.encode();
    let id = Digest::of(&header);
    let seal = log.seal("giza_invitation", label::OPERATOR, &header, &keys.operator);
    let sealed = Some((header, seal));
    log.record("giza_invitation", Kind::Invitation, brought(0xb0), sealed);
    approve(log, keys, "giza_approval", id, false);
    let enrolment = AgencyEnrolment {
        agency: agency("GIZA"),
        name_ar: "محافظة الجيزة".to_owned(),
        name_en: "Giza Governorate".to_owned(),
        authority_key: key.key().clone(),
        token,
        issued_at_ms: log.now_ms(),
        genesis: log.registry.genesis_sha256(),
    };
    let header = enrolment.encode();
    let seal = log.seal("giza_agency", label::AUTHORITY, &header, key);
    log.record(
        "giza_agency",
        Kind::Agency,
        Bytes::new(),
        Some((header, seal)),
    );
    let record = log.registry.application(&application).unwrap();
    assert_eq!(record.state, ApplicationState::Enrolled);

    let token = Digest::of(&[0x14; 32]);
    let application = apply(log, "port_application", "PORT", &keys.port_authority, token);
    let deed = OperatorDeed::RejectApplication {
        application,
        reason: "Apply under the ministry".to_owned(),
    };
    operate(log, keys, "application_rejection", deed);
}

/// A key is bound, another is followed, and ended by the one that follows.
pub(crate) fn keys_that_follow(log: &mut GoldenLog, keys: &Keys) {
    bind(
        log,
        "giza_key",
        agency("GIZA").system(&part("centre")),
        &keys.giza_seal,
        &keys.giza_authority,
    );
    let mut succession = KeySuccession {
        system: civil(),
        adapter: part("one"),
        key: keys.civil_seal_next.key().clone(),
        predecessor: keys.civil_seal.key().kid(),
        issued_at_ms: log.now_ms(),
        possession: Bytes::new(),
    };
    let unproved = succession.possession_bytes();
    let name = "key_succession.possession";
    let possession = log.seal(name, label::POSSESSION, &unproved, &keys.civil_seal_next);
    succession.possession = possession.cose;
    let header = succession.encode();
    let name = "key_succession";
    let seal = log.seal(name, label::SUCCESSION, &header, &keys.civil_seal);
    log.record(
        name,
        Kind::KeySucceeded,
        brought(0xc2),
        Some((header, seal)),
    );
    let end = KeyEnd {
        system: civil(),
        kid: keys.civil_seal.key().kid(),
        reason: part("superseded"),
        issued_at_ms: log.now_ms(),
    };
    let header = end.encode();
    let name = "key_end_by_follower";
    let seal = log.seal(name, label::SUCCESSION, &header, &keys.civil_seal_next);
    log.record(name, Kind::KeyEnded, brought(0xc2), Some((header, seal)));
}

/// Certificates bound and ended; an administrator; a purpose; a quota.
pub(crate) fn certificates(log: &mut GoldenLog, keys: &Keys) {
    let outside = OutsideCertificate {
        system: agency("GIZA").system(&part("centre")),
        sha256: Digest([0xc3; 32]),
        not_before: T0_MS / 1_000,
        not_after: T0_MS / 1_000 + 90 * 86_400,
    };
    let deed = AgencyDeed::BindCertificate(outside);
    of_itself(
        log,
        "outside_certificate",
        "GIZA",
        &keys.giza_authority,
        deed,
    );
    let deed = AgencyDeed::EndCertificate {
        sha256: Digest([0xc1; 32]),
        reason: part("retired"),
    };
    of_itself(log, "certificate_end", "MOSS", &keys.moss_authority, deed);
    let deed = AgencyDeed::Administrator {
        name: part("hoda"),
        ended: false,
    };
    of_itself(log, "administrator", "GIZA", &keys.giza_authority, deed);
    let deed = OperatorDeed::SetPurpose(Purpose {
        code: part("civil.verification"),
        name_ar: "التحقق من الهوية".to_owned(),
        name_en: "To verify who somebody is".to_owned(),
        legal_basis_ar: "قانون للمثال، المادة 7".to_owned(),
        legal_basis_en: "An example law, article 7".to_owned(),
        ended: false,
    });
    operate(log, keys, "purpose", deed);
    let deed = OperatorDeed::SetQuota {
        agency: agency("GIZA"),
        daily: 50_000,
    };
    operate(log, keys, "agency_quota", deed);
}

/// A suspension with two seals and a lifting of it that is turned down; what operators and agencies end.
pub(crate) fn ends(log: &mut GoldenLog, keys: &Keys) {
    let suspend = |lifted| OperatorDeed::SuspendAgency {
        agency: agency("GIZA"),
        lifted,
        reason: "An example of a reason".to_owned(),
    };
    let act = operate(log, keys, "agency_suspension", suspend(false));
    assert!(!log.registry.is_suspended(&agency("GIZA")));
    approve(log, keys, "suspension_approval", act, false);
    let act = operate(log, keys, "suspension_lift", suspend(true));
    approve(log, keys, "lift_rejection", act, true);
    assert!(log.registry.is_suspended(&agency("GIZA")));
    let deed = OperatorDeed::EndCertificate {
        sha256: Digest([0xc3; 32]),
        reason: part("compromised"),
    };
    operate(log, keys, "operator_certificate_end", deed);
    let deed = OperatorDeed::EndSystem {
        system: agency("GIZA").system(&part("centre")),
        reason: part("court_order"),
    };
    operate(log, keys, "operator_system_end", deed);
    let deed = AgencyDeed::EndSystem {
        system: moss(),
        reason: part("retired"),
    };
    of_itself(log, "system_end", "MOSS", &keys.moss_authority, deed);
}

/// A replacement of a lost authority key that its agency stops, one that it lets pass, and a succession.
pub(crate) fn replaced(log: &mut GoldenLog, keys: &Keys) {
    let id = agency("MOSS");
    let begin = |log: &mut GoldenLog, name: &str, key: &SeedKey| {
        let over = OperatorDeed::replacement_bytes(&id, key.key());
        let possession = format!("{name}.possession");
        let possession = log.seal(&possession, label::POSSESSION, &over, key);
        let deed = OperatorDeed::ReplaceAuthority {
            agency: id.clone(),
            key: key.key().clone(),
            possession: possession.cose,
        };
        let act = operate(log, keys, name, deed);
        approve(log, keys, &format!("{name}_approval"), act, false);
        act
    };
    let act = begin(log, "authority_replacement", &keys.moss_replacement);
    let deed = AgencyDeed::Object { act };
    of_itself(
        log,
        "authority_objection",
        "MOSS",
        &keys.moss_authority,
        deed,
    );
    begin(
        log,
        "authority_replacement_again",
        &keys.moss_replacement_again,
    );
    log.wait(REPLACEMENT_MS);

    let mut act = AgencyAct {
        agency: agency("MOSS"),
        issued_at_ms: log.now_ms(),
        deed: AgencyDeed::Succeed {
            key: keys.moss_authority_next.key().clone(),
            possession: Bytes::new(),
        },
    };
    let unproved = act.possession_bytes();
    let name = "authority_succession.possession";
    let proof = log.seal(
        name,
        label::POSSESSION,
        &unproved,
        &keys.moss_authority_next,
    );
    if let AgencyDeed::Succeed { possession, .. } = &mut act.deed {
        *possession = proof.cose;
    }
    let (name, header) = ("authority_succession", act.encode());
    let seal = log.seal(
        name,
        label::AUTHORITY,
        &header,
        &keys.moss_replacement_again,
    );
    let sealed = Some((header, seal));
    log.record(name, Kind::AgencyAct, brought(0xc1), sealed);
    let known = log.registry.agency(&agency("MOSS")).unwrap();
    assert_eq!(known.authority_key, *keys.moss_authority_next.key());
}
