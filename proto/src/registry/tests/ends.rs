//! The end of systems and certificates.

use super::*;
use crate::facts::{self, IssuedCertificate, RegistryFacts};

const ASKER: &str = "EG/GOV/MOSS/takaful";
const URI: &str = "spiffe://switch.example/EG/GOV/MOSS/takaful";

/// The switch's authority issued a certificate for `uri`.
fn issued(world: &mut World, uri: &str, bytes: &[u8]) -> Result<Digest, FoldError> {
    let sha256 = Digest::of(bytes);
    let certificate = IssuedCertificate {
        uri: uri.to_owned(),
        sha256: sha256.0.to_vec().into(),
        not_before: 1,
        not_after: 2,
        ..IssuedCertificate::default()
    };
    let noted = facts::encode(&RegistryFacts {
        certificate: Some(certificate),
        ..RegistryFacts::default()
    });
    world
        .apply_with(Kind::Certificate, noted, bytes::Bytes::new(), None)
        .map(|()| sha256)
}

/// `CIVIL` and `MOSS`, each with a system and a certificate of it.
fn running() -> (World, Digest, Digest) {
    let mut world = World::new();
    world.join(CIVIL, 1);
    world.join(MOSS, 2);
    world.system(REGISTRY, 10);
    world.system(ASKER, 11);
    let civil = issued(
        &mut world,
        "spiffe://switch.example/EG/GOV/CIVIL/registry",
        b"c",
    )
    .unwrap();
    let moss = issued(&mut world, URI, b"m").unwrap();
    (world, civil, moss)
}

fn end_system(name: &str) -> AgencyDeed {
    AgencyDeed::EndSystem {
        system: system(name),
        reason: part("retired"),
    }
}

fn end_certificate(sha256: Digest) -> AgencyDeed {
    AgencyDeed::EndCertificate {
        sha256,
        reason: part("compromised"),
    }
}

#[test]
fn a_certificate_is_noted_once_and_alone() {
    let (mut world, ..) = running();
    assert_eq!(issued(&mut world, URI, b"m"), Err(FoldError::NoChange));
    let empty = facts::encode(&RegistryFacts::default());
    assert_eq!(
        world.apply_with(Kind::Certificate, empty, bytes::Bytes::new(), None),
        Err(FoldError::NoCertificate)
    );
}

#[test]
fn an_ended_system_is_over_with_its_keys_and_certificates_for_good() {
    for by_operator in [false, true] {
        let (mut world, civil, moss) = running();
        let next = Ed25519::from_seed(12);
        let mut other = world.clone();
        if by_operator {
            let deed = OperatorDeed::EndSystem {
                system: system(ASKER),
                reason: part("court_order"),
            };
            world.operate("nour", deed).unwrap();
        } else {
            world.deed(MOSS, end_system(ASKER)).unwrap();
        }
        let kid = Ed25519::from_seed(11).key().kid();
        assert_eq!(
            world.registry.seal_key(&kid, &system(ASKER)).unwrap_err(),
            Code::KeyEnded
        );
        assert_eq!(
            world.registry.may_connect(&system(ASKER), &moss),
            Err(Code::CertificateRevoked)
        );
        assert!(world.registry.certificate(&moss).unwrap().revoked.is_some());
        assert_eq!(
            world.registry.may_connect(&system(REGISTRY), &civil),
            Ok(())
        );
        let over = FoldError::SystemEnded(system(ASKER));
        let authority = world.key(MOSS);
        assert_eq!(
            world.bind(ASKER, &next, &next, &authority),
            Err(over.clone())
        );
        assert_eq!(
            world.publish("EG/GOV/MOSS/takaful/households.v1", &["lookup"]),
            Err(over.clone())
        );
        assert_eq!(world.deed(MOSS, end_system(ASKER)), Err(over.clone()));
        assert!(
            matches!(
                world.bind("EG/GOV/MOSS/Takaful", &next, &next, &authority),
                Err(FoldError::NameTaken(_))
            ),
            "the name in another case"
        );
        let certificate = OutsideCertificate {
            system: system(ASKER),
            sha256: Digest::of(b"o"),
            not_before: 1,
            not_after: 2,
        };
        let bind = AgencyDeed::BindCertificate(certificate);
        assert_eq!(world.deed(MOSS, bind.clone()), Err(over));
        other.deed(MOSS, bind).unwrap();
    }
}

#[test]
fn a_system_is_ended_by_its_own_agency_or_an_operator() {
    let (mut world, ..) = running();
    assert!(matches!(
        world.deed(CIVIL, end_system(ASKER)),
        Err(FoldError::Header(_))
    ));
    assert!(matches!(
        world.deed(MOSS, end_system("EG/GOV/MOSS/nothing")),
        Err(FoldError::UnknownSystem(_))
    ));
    world.suspend(MOSS, false).unwrap();
    world
        .deed(MOSS, end_system(ASKER))
        .expect("what only takes away stays open to who is suspended");
}

#[test]
fn a_service_of_an_ended_system_is_found_by_nobody() {
    let (mut world, ..) = running();
    world.publish(PERSONS, &["lookup"]).unwrap();
    let asked = request(&world, ASKER, ("lookup", "takaful", &["name_ar"]));
    assert!(crate::authorise::locate(&world.registry, &asked).is_ok());
    world.deed(CIVIL, end_system(REGISTRY)).unwrap();
    assert_eq!(
        crate::authorise::locate(&world.registry, &asked).map(drop),
        Err(Code::UnknownService)
    );
}

#[test]
fn a_certificate_is_ended_by_its_own_agency_or_an_operator_once() {
    let (mut world, civil, moss) = running();
    assert_eq!(
        world.deed(CIVIL, end_certificate(moss)),
        Err(FoldError::UnknownCertificate),
        "another agency's"
    );
    world.deed(MOSS, end_certificate(moss)).unwrap();
    assert_eq!(
        world.deed(MOSS, end_certificate(moss)),
        Err(FoldError::UnknownCertificate)
    );
    assert_eq!(
        world.registry.may_connect(&system(ASKER), &moss),
        Err(Code::CertificateRevoked)
    );
    let deed = OperatorDeed::EndCertificate {
        sha256: civil,
        reason: part("court_order"),
    };
    world.operate("nour", deed).unwrap();
    assert_eq!(
        world.registry.may_connect(&system(REGISTRY), &civil),
        Err(Code::CertificateRevoked)
    );
}

#[test]
fn a_name_that_only_begins_like_an_agencys_is_not_the_agencys() {
    let (mut world, ..) = running();
    let longer = issued(
        &mut world,
        "spiffe://switch.example/EG/GOV/MOSSAD/takaful",
        b"1",
    )
    .unwrap();
    let elsewhere = issued(
        &mut world,
        "spiffe://switch.example.evil/EG/GOV/MOSS/takaful",
        b"2",
    )
    .unwrap();
    let administrator = issued(
        &mut world,
        "spiffe://switch.example/administrator/EG/GOV/MOSS/hoda",
        b"3",
    )
    .unwrap();
    for foreign in [longer, elsewhere] {
        assert_eq!(
            world.deed(MOSS, end_certificate(foreign)),
            Err(FoldError::UnknownCertificate)
        );
        assert_eq!(
            world.registry.may_connect(&system(ASKER), &foreign),
            Err(Code::UnknownPeer)
        );
    }
    world.deed(MOSS, end_certificate(administrator)).unwrap();
}

#[test]
fn an_outside_certificate_speaks_for_the_agencys_own_system_once() {
    let (mut world, _, moss) = running();
    let outside = |name: &str, sha256| {
        AgencyDeed::BindCertificate(OutsideCertificate {
            system: system(name),
            sha256,
            not_before: 1,
            not_after: 2,
        })
    };
    let sha256 = Digest::of(b"outside");
    assert!(matches!(
        world.deed(CIVIL, outside(ASKER, sha256)),
        Err(FoldError::Header(_))
    ));
    assert!(matches!(
        world.deed(MOSS, outside("EG/GOV/MOSS/nothing", sha256)),
        Err(FoldError::UnknownSystem(_))
    ));
    assert_eq!(
        world.deed(MOSS, outside(ASKER, moss)),
        Err(FoldError::NoChange),
        "one that the switch issued"
    );
    assert_eq!(
        world.registry.may_connect(&system(ASKER), &sha256),
        Err(Code::UnknownPeer)
    );
    world.deed(MOSS, outside(ASKER, sha256)).unwrap();
    assert_eq!(world.registry.may_connect(&system(ASKER), &sha256), Ok(()));
    assert_eq!(
        world.registry.may_connect(&system(REGISTRY), &sha256),
        Err(Code::UnknownPeer)
    );
    assert_eq!(
        world.deed(CIVIL, outside(REGISTRY, sha256)),
        Err(FoldError::NoChange)
    );
    world.suspend(MOSS, false).unwrap();
    assert_eq!(
        world.registry.may_connect(&system(ASKER), &sha256),
        Err(Code::AgencySuspended)
    );
    world.deed(MOSS, end_certificate(sha256)).unwrap();
}
