//! Peers: every certificate that names nobody, made by a real authority.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose as Purpose, IsCa, KeyPair, SanType};

use super::*;

const URI: &str = "spiffe://switch.gov.eg/EG/GOV/MOSS/takaful";

fn certificate(change: impl Fn(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.not_before = OffsetDateTime::UNIX_EPOCH;
    params.not_after = OffsetDateTime::UNIX_EPOCH + time::Duration::days(7);
    params.serial_number = Some(vec![0x00, 0x80, 0xab].into());
    params.subject_alt_names = vec![uri(URI)];
    params.extended_key_usages = vec![Purpose::ClientAuth];
    change(&mut params);
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn domain() -> TrustDomain {
    "switch.gov.eg".parse().unwrap()
}

fn refusal(change: impl Fn(&mut CertificateParams)) -> PeerError {
    PeerIdentity::from_certificate(&certificate(change), &domain()).unwrap_err()
}

#[test]
fn a_system_is_read_whole() {
    let der = certificate(|_| {});
    let peer = PeerIdentity::from_certificate(&der, &domain()).unwrap();
    assert_eq!(peer.uri, URI);
    assert_eq!(
        peer.role,
        PeerRole::System {
            instance: "EG".into(),
            class: "GOV".into(),
            agency: "MOSS".into(),
            system: "takaful".into()
        }
    );
    assert_eq!(peer.cert_sha256, crate::sha256(&der));
    assert_eq!(peer.serial_hex, "80ab");
    assert_eq!(
        peer.not_after,
        OffsetDateTime::UNIX_EPOCH + time::Duration::days(7)
    );
}

#[test]
fn the_name_is_exactly_one_uri_of_this_domain() {
    assert_eq!(refusal(|p| p.subject_alt_names.clear()), PeerError::NoUri);
    assert_eq!(
        refusal(
            |p| p.subject_alt_names = vec![SanType::DnsName("switch.gov.eg".try_into().unwrap())]
        ),
        PeerError::NoUri
    );
    assert_eq!(
        refusal(|p| p.subject_alt_names.push(uri(URI))),
        PeerError::SeveralUris
    );
    assert_eq!(
        refusal(|p| p.subject_alt_names.push(uri("https://elsewhere/"))),
        PeerError::SeveralUris
    );
    assert!(matches!(
        refusal(|p| p.subject_alt_names = vec![uri("https://x/")]),
        PeerError::Name(_)
    ));
    for (text, ok) in [
        ("spiffe://other.gov.eg/EG/GOV/MOSS/takaful", false),
        ("spiffe://switch.gov.eg.evil.org/EG/GOV/MOSS/takaful", false),
        ("spiffe://gov.eg/EG/GOV/MOSS/takaful", false),
        (URI, true),
    ] {
        let der = certificate(|p| p.subject_alt_names = vec![uri(text)]);
        let read = PeerIdentity::from_certificate(&der, &domain());
        assert_eq!(read.is_ok(), ok, "{text}");
        assert!(ok || matches!(read, Err(PeerError::TrustDomain { .. })));
    }
    let upper =
        refusal(|p| p.subject_alt_names = vec![uri("spiffe://Switch.gov.eg/EG/GOV/MOSS/takaful")]);
    assert!(matches!(
        upper,
        PeerError::Name(NameError::TrustDomain { .. })
    ));
    let many = refusal(|p| {
        p.subject_alt_names = (0..=NAMES_MAX)
            .map(|n| SanType::DnsName(format!("h{n}").try_into().unwrap()))
            .collect();
    });
    assert_eq!(
        many,
        PeerError::TooManyNames {
            names: NAMES_MAX + 1
        }
    );
}

#[test]
fn purpose_and_role_go_together() {
    let broker = "spiffe://switch.gov.eg/broker/one";
    for (text, purposes, ok) in [
        (URI, vec![], false),
        (URI, vec![Purpose::ServerAuth], false),
        (URI, vec![Purpose::ClientAuth, Purpose::ServerAuth], false),
        (URI, vec![Purpose::ClientAuth, Purpose::Any], false),
        (URI, vec![Purpose::Any], false),
        (broker, vec![], false),
        (broker, vec![Purpose::ClientAuth], false),
        (
            broker,
            vec![Purpose::ServerAuth, Purpose::ClientAuth],
            false,
        ),
        (broker, vec![Purpose::ServerAuth], true),
    ] {
        let der = certificate(|p| {
            p.subject_alt_names = vec![uri(text)];
            p.extended_key_usages.clone_from(&purposes);
        });
        let read = PeerIdentity::from_certificate(&der, &domain());
        assert_eq!(read.is_ok(), ok, "{text} {purposes:?}");
        assert!(ok || read == Err(PeerError::Purpose));
    }
    for person in [
        "operator/amal",
        "approver/hoda",
        "auditor/omar",
        "dpo/mina",
        "administrator/EG/GOV/MOSS/samia",
    ] {
        let text = format!("spiffe://switch.gov.eg/{person}");
        for (purposes, ok) in [
            (vec![Purpose::ClientAuth], true),
            (vec![Purpose::ServerAuth], false),
            (vec![Purpose::ClientAuth, Purpose::ServerAuth], false),
            (vec![], false),
        ] {
            let der = certificate(|p| {
                p.subject_alt_names = vec![uri(&text)];
                p.extended_key_usages.clone_from(&purposes);
            });
            let read = PeerIdentity::from_certificate(&der, &domain());
            assert_eq!(read.is_ok(), ok, "{text} {purposes:?}");
            assert!(ok || read == Err(PeerError::Purpose));
        }
    }
    let authority = refusal(|p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    assert_eq!(authority, PeerError::Authority);
}

#[test]
fn cut_changed_and_huge_certificates_end_in_an_error() {
    let der = certificate(|_| {});
    for end in 0..der.len() {
        assert_eq!(
            PeerIdentity::from_certificate(&der[..end], &domain()),
            Err(PeerError::Malformed)
        );
    }
    let longer = [&der[..], &[0]].concat();
    assert_eq!(
        PeerIdentity::from_certificate(&longer, &domain()),
        Err(PeerError::Malformed)
    );
    let huge = vec![0x30; LEAF_MAX + 1];
    assert_eq!(
        PeerIdentity::from_certificate(&huge, &domain()),
        Err(PeerError::TooLarge {
            bytes: LEAF_MAX + 1
        })
    );
    for nested in [[0x30, 0x80], [0x30, 0x7f], [0xa0, 0x80]] {
        let deep = nested.repeat(LEAF_MAX / 2);
        assert_eq!(
            PeerIdentity::from_certificate(&deep, &domain()),
            Err(PeerError::Malformed)
        );
    }
    // Nothing here may panic; whether it reads depends on the byte.
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 0xff;
        let _ = PeerIdentity::from_certificate(&changed, &domain());
    }
}
