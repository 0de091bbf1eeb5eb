//! The authority: what it writes, what it issues, what it refuses.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use time::macros::datetime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::*;
use crate::peer::PeerIdentity;
use crate::request;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00:00.5 UTC);
const URI: &str = "spiffe://switch.gov.eg/EG/GOV/MOSS/takaful";

fn authority() -> (tempfile::TempDir, Authority) {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create(&dir.path().join("authority"), "switch.gov.eg", NOW).unwrap();
    (dir, authority)
}

fn csr() -> Vec<u8> {
    request::make(&TlsKey::generate().unwrap()).unwrap()
}

#[test]
fn the_directory_is_private_complete_and_never_overwritten() {
    let (dir, authority) = authority();
    let dir = dir.path().join("authority");
    let mut names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "agencies.key",
        "agencies.pem",
        "brokers.key",
        "brokers.pem",
        "root.key",
        "root.pem",
        "trust-domain",
    ];
    assert_eq!(names, expected);
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    for name in &names {
        let wanted = if name.ends_with(".key") { 0o600 } else { 0o644 };
        assert_eq!(
            fs::metadata(dir.join(name)).unwrap().mode() & 0o777 & wanted,
            wanted & 0o777,
            "{name}"
        );
        assert_eq!(
            fs::metadata(dir.join(name)).unwrap().mode() & 0o077 & !wanted,
            0,
            "{name}"
        );
    }
    let root = authority.root_sha256();
    assert!(matches!(
        Authority::create(&dir, "switch.gov.eg", NOW),
        Err(AuthorityError::Exists { .. })
    ));
    assert_eq!(Authority::open(&dir).unwrap().root_sha256(), root);
}

#[test]
fn everything_is_issued_while_the_root_s_key_is_kept_elsewhere() {
    let (dir, _) = authority();
    let dir = dir.path().join("authority");
    let safe = tempfile::tempdir().unwrap();
    fs::rename(dir.join("root.key"), safe.path().join("root.key")).unwrap();
    let opened = Authority::open(&dir).unwrap();
    assert_eq!(
        opened.root_pem(),
        fs::read_to_string(dir.join("root.pem")).unwrap()
    );
    let hosts = ["localhost".into()];
    let mut issued = vec![
        opened.issue_agency(&csr(), URI, LEAF_LIFE, NOW).unwrap(),
        opened
            .issue_broker(&csr(), "one", &hosts, LEAF_LIFE, NOW)
            .unwrap(),
    ];
    for name in people(opened.trust_domain()) {
        issued.push(opened.issue_person(&csr(), &name, LEAF_LIFE, NOW).unwrap());
    }
    for issued in issued {
        let chain = pem::decode_chain(issued.chain_pem.as_bytes()).unwrap();
        let (_, middle) = X509Certificate::from_der(&chain[1]).unwrap();
        let (_, root) = X509Certificate::from_der(opened.root()).unwrap();
        middle.verify_signature(Some(root.public_key())).unwrap();
        let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
        leaf.verify_signature(Some(middle.public_key())).unwrap();
    }
    assert!(!dir.join("root.key").exists(), "and nothing made another");
}

fn people(domain: &TrustDomain) -> [PeerName; 5] {
    [
        PeerName::operator(domain, "amal").unwrap(),
        PeerName::approver(domain, "hoda").unwrap(),
        PeerName::auditor(domain, "omar").unwrap(),
        PeerName::dpo(domain, "mina").unwrap(),
        PeerName::administrator(domain, "EG/GOV/MOSS", "samia").unwrap(),
    ]
}

#[test]
fn people_are_issued_their_own_name_for_as_many_seconds_as_is_said() {
    let (_dir, authority) = authority();
    for (name, seconds) in
        people(authority.trust_domain())
            .into_iter()
            .zip([1, 2, 30, 3_600, 90 * 86_400])
    {
        let life = Duration::seconds(seconds);
        let issued = authority.issue_person(&csr(), &name, life, NOW).unwrap();
        let peer =
            PeerIdentity::from_certificate(&issued.cert_der, authority.trust_domain()).unwrap();
        assert_eq!((peer.uri, &peer.role), (name.to_string(), name.role()));
        let now = NOW.replace_nanosecond(0).unwrap();
        assert_eq!(peer.not_after, now + life);
    }
    let domain = authority.trust_domain();
    for other in [
        PeerName::system(domain, "EG/GOV/MOSS/takaful").unwrap(),
        PeerName::broker(domain, "one").unwrap(),
    ] {
        let refused = authority.issue_person(&csr(), &other, LEAF_LIFE, NOW);
        assert!(matches!(refused, Err(AuthorityError::Person)), "{other}");
    }
    let foreign = PeerName::dpo(&"other.gov.eg".parse().unwrap(), "mina").unwrap();
    assert!(matches!(
        authority.issue_person(&csr(), &foreign, LEAF_LIFE, NOW),
        Err(AuthorityError::ForeignName { .. })
    ));
    let mina = PeerName::dpo(domain, "mina").unwrap();
    let half = authority.issue_person(&csr(), &mina, Duration::milliseconds(500), NOW);
    assert!(matches!(half, Err(AuthorityError::Life)));
}

#[test]
fn a_request_that_openssl_made_is_enough() {
    let (dir, authority) = authority();
    let made = std::process::Command::new("openssl")
        .args("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=me -keyout k -out r".split(' '))
        .current_dir(dir.path())
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        return;
    }
    let file = fs::read(dir.path().join("r")).unwrap();
    let request = request::decode(&file).unwrap();
    let name = PeerName::approver(authority.trust_domain(), "hoda").unwrap();
    let issued = authority
        .issue_person(&request, &name, LEAF_LIFE, NOW)
        .unwrap();
    let (_, leaf) = X509Certificate::from_der(&issued.cert_der).unwrap();
    assert_eq!(leaf.subject().to_string(), "CN=hoda");
}

#[test]
fn a_directory_that_does_not_fit_together_is_refused() {
    let (first, _) = authority();
    let (second, _) = authority();
    let (first, second) = (
        first.path().join("authority"),
        second.path().join("authority"),
    );
    let refused = |what: &str| {
        let refused = Authority::open(&first).unwrap_err();
        assert!(
            matches!(&refused, AuthorityError::Inconsistent { .. }),
            "{what}: {refused}"
        );
    };
    for (part, what) in [
        ("root.pem", "foreign root"),
        ("brokers.pem", "foreign intermediate"),
    ] {
        let own = fs::read(first.join(part)).unwrap();
        fs::copy(second.join(part), first.join(part)).unwrap();
        refused(what);
        fs::write(first.join(part), own).unwrap();
    }
    let own = fs::read(first.join("agencies.key")).unwrap();
    fs::write(
        first.join("agencies.key"),
        fs::read(second.join("agencies.key")).unwrap(),
    )
    .unwrap();
    refused("another key");
    fs::write(first.join("agencies.key"), own).unwrap();

    fs::set_permissions(first.join("brokers.key"), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        Authority::open(&first),
        Err(AuthorityError::Key(KeyError::File(
            KeyFileError::Wide { .. }
        )))
    ));
    fs::set_permissions(first.join("brokers.key"), fs::Permissions::from_mode(0o600)).unwrap();
    Authority::open(&first).unwrap();

    // Brokers and agencies swapped whole: keys fit, purposes do not.
    for ext in ["key", "pem"] {
        let (a, b) = (
            first.join(format!("brokers.{ext}")),
            first.join(format!("agencies.{ext}")),
        );
        fs::rename(&a, first.join("x")).unwrap();
        fs::rename(&b, &a).unwrap();
        fs::rename(first.join("x"), &b).unwrap();
    }
    refused("swapped");
    fs::remove_file(first.join("trust-domain")).unwrap();
    assert!(matches!(
        Authority::open(&first),
        Err(AuthorityError::File(KeyFileError::Read { .. }))
    ));
}

#[test]
fn a_leaf_is_what_the_registry_says_and_not_what_was_asked() {
    let (_dir, authority) = authority();
    // The request wishes to be an authority, a server and somebody else.
    let key = KeyPair::generate().unwrap();
    let mut wish = CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
    wish.subject_alt_names.push(SanType::URI(
        "spiffe://switch.gov.eg/broker/one".try_into().unwrap(),
    ));
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    wish.extended_key_usages = vec![Purpose::ServerAuth, Purpose::Any];
    wish.distinguished_name.push(DnType::CommonName, "evil");
    let request = wish.serialize_request(&key).unwrap();

    let issued = authority
        .issue_agency(request.der(), URI, LEAF_LIFE, NOW)
        .unwrap();
    let (_, leaf) = X509Certificate::from_der(&issued.cert_der).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(matches!(names.value.general_names.as_slice(), [GeneralName::URI(uri)] if *uri == URI));
    assert!(!leaf.is_ca() && !leaf.key_usage().unwrap().unwrap().value.key_cert_sign());
    assert_eq!(leaf.subject().to_string(), "CN=takaful");
    assert_eq!(
        leaf.public_key().subject_public_key.data.as_ref(),
        key.public_key_raw()
    );
    let peer = PeerIdentity::from_certificate(&issued.cert_der, authority.trust_domain()).unwrap();
    assert_eq!(
        (peer.cert_sha256, &peer.serial_hex),
        (issued.sha256, &issued.serial_hex)
    );
    assert_eq!(peer.not_after, issued.not_after);
    assert_eq!(issued.serial_hex.len(), 36);
    assert_eq!(issued.not_before, datetime!(2026-11-22 11:55:00 UTC));
    assert_eq!(issued.not_after, datetime!(2026-11-29 12:00:00 UTC));
    assert_eq!(leaf.validity().not_before.to_datetime(), issued.not_before);
    assert_eq!(
        pem::decode_chain(issued.chain_pem.as_bytes())
            .unwrap()
            .len(),
        2
    );
    let again = authority
        .issue_agency(request.der(), URI, LEAF_LIFE, NOW)
        .unwrap();
    assert_ne!(again.serial_hex, issued.serial_hex);
}

#[test]
fn path_lengths_and_purposes_are_in_the_chain() {
    let (_dir, authority) = authority();
    for (der, depth, server, client) in [
        (&authority.root, 1, false, false),
        (&authority.brokers.certificate, 0, true, false),
        (&authority.agencies.certificate, 0, false, true),
    ] {
        let (_, certificate) = X509Certificate::from_der(der).unwrap();
        let constraints = certificate.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(depth));
        let purpose = certificate.extended_key_usage().unwrap();
        assert_eq!(
            purpose.as_ref().is_some_and(|p| p.value.server_auth),
            server
        );
        assert_eq!(
            purpose.as_ref().is_some_and(|p| p.value.client_auth),
            client
        );
        assert_eq!(
            certificate.validity().not_before.to_datetime(),
            datetime!(2026-11-22 11:55:00 UTC)
        );
        assert!(certificate.raw_serial().len() == 18);
    }
}

#[test]
fn names_lives_hosts_and_requests_have_bounds() {
    let (_dir, authority) = authority();
    let csr = csr();
    let issue = |uri: &str| authority.issue_agency(&csr, uri, LEAF_LIFE, NOW);
    assert!(matches!(
        issue("spiffe://switch.gov.eg/operator/x"),
        Err(AuthorityError::Role)
    ));
    for other in ["broker/x", "dpo/x", "administrator/EG/GOV/M/x"] {
        assert!(matches!(
            issue(&format!("spiffe://switch.gov.eg/{other}")),
            Err(AuthorityError::Role)
        ));
    }
    assert!(matches!(
        issue("spiffe://other.gov.eg/EG/GOV/M/s"),
        Err(AuthorityError::ForeignName { .. })
    ));
    assert!(matches!(
        issue("spiffe://switch.gov.eg/EG/GOV/M"),
        Err(AuthorityError::Name(_))
    ));
    let live = |life| authority.issue_agency(&csr, URI, life, NOW);
    for life in [
        Duration::ZERO,
        Duration::days(-1),
        LEAF_LIFE_MAX + Duration::SECOND,
        Duration::MAX,
    ] {
        assert!(matches!(live(life), Err(AuthorityError::Life)), "{life}");
    }
    assert!(live(Duration::SECOND).is_ok() && live(LEAF_LIFE_MAX).is_ok());
    let end = authority.agencies.not_after;
    let near = authority
        .issue_agency(&csr, URI, LEAF_LIFE, end - Duration::days(1))
        .unwrap();
    assert_eq!(near.not_after, end, "a leaf never outlives its issuer");
    let late = authority.issue_agency(&csr, URI, LEAF_LIFE, end);
    assert!(matches!(late, Err(AuthorityError::Ended { .. })));
    assert!(matches!(
        authority.issue_agency(&csr[1..], URI, LEAF_LIFE, NOW),
        Err(AuthorityError::Request(RequestError::Malformed))
    ));
    let broker = |hosts: &[Host]| authority.issue_broker(&csr, "one", hosts, LEAF_LIFE, NOW);
    let issued = broker(&["localhost".into(), "127.0.0.1".into(), "::1".into()]).unwrap();
    let peer = PeerIdentity::from_certificate(&issued.cert_der, authority.trust_domain()).unwrap();
    assert_eq!(peer.uri, "spiffe://switch.gov.eg/broker/one");
    assert!(matches!(broker(&[]), Err(AuthorityError::Hosts)));
    for bad in ["", "a b", "-", "ü.example", "a..b"] {
        assert!(
            matches!(broker(&[bad.into()]), Err(AuthorityError::Hosts)),
            "{bad}"
        );
    }
    assert!(matches!(
        broker(&vec!["h".into(); HOSTS_MAX + 1]),
        Err(AuthorityError::Hosts)
    ));
    for domain in ["", "Switch.gov.eg", "a/b", "switch.gov.eg\n"] {
        let dir = tempfile::tempdir().unwrap();
        let made = Authority::create(&dir.path().join("a"), domain, NOW);
        assert!(
            matches!(made, Err(AuthorityError::TrustDomain(_))),
            "{domain:?}"
        );
        assert!(!dir.path().join("a").exists());
    }
}
