//! One refusal per way a peer can be wrong. The same lies are told by clients and by servers.

use super::*;

/// A handshake in which the client shows `liar`.
fn lying_client(world: &World, liar: &ReloadableIdentity) -> Error {
    server_says(shake(
        &world.client_at(liar, NOW),
        &world.server(),
        "localhost",
    ))
}

/// Handshakes in which the server shows `liar`, once to a newcomer and once to an adapter. Both must
/// refuse; the adapter's reason is given.
fn lying_server(world: &World, liar: &ReloadableIdentity) -> Error {
    let newcomer = enrolment_client_config(world.authority.root_sha256(), fixed_time(NOW)).unwrap();
    let enrolment = enrolment_server_config(liar, world.authority.root(), fixed_time(NOW)).unwrap();
    client_says(shake(&newcomer, &enrolment, "localhost"));
    client_says(shake(
        &world.client(),
        &world.server_at(liar, NOW),
        "localhost",
    ))
}

#[test]
fn the_forge_itself_makes_certificates_that_pass() {
    // The control of everything below: unchanged, the forged leaves are good ones.
    let world = World::new();
    let client = world.client_at(&world.forged("agencies", |_| {}), NOW);
    let broker = world.forged("brokers", |_| {});
    shake(&client, &world.server_at(&broker, NOW), "localhost").unwrap();
    let enrolment =
        enrolment_server_config(&broker, world.authority.root(), fixed_time(NOW)).unwrap();
    let newcomer = enrolment_client_config(world.authority.root_sha256(), fixed_time(NOW)).unwrap();
    shake(&newcomer, &enrolment, "localhost").unwrap();
}

#[test]
fn no_client_certificate() {
    let world = World::new();
    let bare = ClientConfig::builder_with_details(provider(), fixed_time(NOW))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(Arc::clone(&world.trust().roots))
        .with_no_client_auth();
    let bare = Arc::new(harden_client(bare));
    let refused = server_says(shake(&bare, &world.server(), "localhost"));
    assert_eq!(refused, Error::NoCertificatesPresented);
}

#[test]
fn another_authority_of_the_same_name() {
    let (ours, foreign) = (World::new(), World::new());
    // Names match and keys do not, so it is a signature that gives it away.
    let refused = certificate(lying_client(&ours, &foreign.system()));
    assert_eq!(refused, CertificateError::BadSignature);
    let refused = certificate(lying_server(&ours, &foreign.broker("one")));
    assert_eq!(refused, CertificateError::BadSignature);
}

#[test]
fn another_authority_of_another_name() {
    let (ours, foreign) = (World::new(), World::of("other.gov.eg"));
    let system = foreign.forged("agencies", |_| {});
    assert_eq!(
        certificate(lying_client(&ours, &system)),
        CertificateError::UnknownIssuer
    );
    let broker = foreign.forged("brokers", |_| {});
    assert_eq!(
        certificate(lying_server(&ours, &broker)),
        CertificateError::UnknownIssuer
    );
}

#[test]
fn self_signed() {
    let world = World::new();
    let key = KeyPair::generate().unwrap();
    let liar = shown(
        vec![system_params().self_signed(&key).unwrap().der().clone()],
        &key,
    );
    assert_eq!(
        certificate(lying_client(&world, &liar)),
        CertificateError::UnknownIssuer
    );
    let liar = shown(
        vec![broker_params().self_signed(&key).unwrap().der().clone()],
        &key,
    );
    assert_eq!(
        certificate(lying_server(&world, &liar)),
        CertificateError::UnknownIssuer
    );
}

#[test]
fn expired_and_not_yet_valid() {
    let world = World::new();
    let (system, broker) = (world.system(), world.broker("one"));
    // Each end judges by its own clock, while the other one stands still at NOW.
    let at = |now| {
        let late_server = shake(
            &world.client_at(&system, NOW),
            &world.server_at(&broker, now),
            "localhost",
        );
        let late_client = shake(
            &world.client_at(&system, now),
            &world.server_at(&broker, NOW),
            "localhost",
        );
        (late_server, late_client)
    };
    for good in [NOW - Duration::minutes(5), NOW, NOW + Duration::days(7)] {
        let (server, client) = at(good);
        assert!(server.is_ok() && client.is_ok(), "{good}");
    }
    let (server, client) = at(NOW + Duration::days(7) + Duration::SECOND);
    for refused in [
        certificate(server_says(server)),
        certificate(client_says(client)),
    ] {
        assert!(
            matches!(refused, CertificateError::ExpiredContext { .. }),
            "{refused:?}"
        );
    }
    let (server, client) = at(NOW - Duration::minutes(5) - Duration::SECOND);
    for refused in [
        certificate(server_says(server)),
        certificate(client_says(client)),
    ] {
        assert!(
            matches!(refused, CertificateError::NotValidYetContext { .. }),
            "{refused:?}"
        );
    }
    // And for a newcomer, whose clock is the only thing it has.
    let root = world.authority.root();
    let server = enrolment_server_config(&broker, root, fixed_time(NOW)).unwrap();
    let late = fixed_time(NOW + Duration::days(8));
    let newcomer = enrolment_client_config(world.authority.root_sha256(), late).unwrap();
    let refused = certificate(client_says(shake(&newcomer, &server, "localhost")));
    assert!(
        matches!(refused, CertificateError::ExpiredContext { .. }),
        "{refused:?}"
    );
}

#[test]
fn the_wrong_purpose() {
    let world = World::new();
    let wrong = |refused: Error| {
        let refused = certificate(refused);
        assert!(
            matches!(refused, CertificateError::InvalidPurposeContext { .. }),
            "{refused:?}"
        );
    };
    // A broker's own certificate as a client, a system's as a server.
    wrong(lying_client(&world, &world.broker("one")));
    wrong(lying_server(&world, &world.system()));
    // A stolen intermediate cannot make the other kind: its own purpose binds what is below.
    let system = world.forged("brokers", |params| *params = system_params());
    wrong(lying_client(&world, &system));
    let broker = world.forged("agencies", |params| *params = broker_params());
    wrong(lying_server(&world, &broker));
    // No purpose, and both: X.509 would let them pass.
    for purposes in [vec![], vec![Purpose::ClientAuth, Purpose::ServerAuth]] {
        let set = |params: &mut CertificateParams| params.extended_key_usages.clone_from(&purposes);
        let refused = lying_client(&world, &world.forged("agencies", set));
        assert_eq!(refusal(&refused), PeerRefusal::Peer(PeerError::Purpose));
        let refused = lying_server(&world, &world.forged("brokers", set));
        assert_eq!(refusal(&refused), PeerRefusal::Peer(PeerError::Purpose));
    }
}

#[test]
fn a_name_of_the_other_end() {
    let world = World::new();
    let system = world.forged("agencies", |params| {
        params.subject_alt_names = vec![uri(BROKER)]
    });
    let refused = lying_client(&world, &system);
    assert_eq!(refusal(&refused), PeerRefusal::Peer(PeerError::Purpose));
    let broker = world.forged("brokers", |params| params.subject_alt_names[0] = uri(URI));
    let refused = lying_server(&world, &broker);
    assert_eq!(refusal(&refused), PeerRefusal::Peer(PeerError::Purpose));
}

#[test]
fn the_wrong_name() {
    let world = World::new();
    let foreign = |text| {
        world.forged("agencies", move |params| {
            params.subject_alt_names = vec![uri(text)]
        })
    };
    let domain = PeerError::TrustDomain {
        found: "other.gov.eg".into(),
    };
    let refused = lying_client(
        &world,
        &foreign("spiffe://other.gov.eg/EG/GOV/MOSS/takaful"),
    );
    assert_eq!(refusal(&refused), PeerRefusal::Peer(domain));
    for text in [
        "https://switch.gov.eg/",
        "spiffe://switch.gov.eg/EG/GOV/MOSS",
        "spiffe://Switch.gov.eg/EG/GOV/M/s",
    ] {
        let refused = refusal(&lying_client(&world, &foreign(text)));
        assert!(
            matches!(refused, PeerRefusal::Peer(PeerError::Name(_))),
            "{refused:?}"
        );
        let broker = world.forged("brokers", |params| params.subject_alt_names[0] = uri(text));
        let refused = refusal(&lying_server(&world, &broker));
        assert!(
            matches!(refused, PeerRefusal::Peer(PeerError::Name(_))),
            "{refused:?}"
        );
    }
    // Another broker of the same switch, and the right one at another host.
    let server = world.server_at(&world.broker("two"), NOW);
    let refused = client_says(shake(&world.client(), &server, "localhost"));
    let found = "spiffe://switch.gov.eg/broker/two".to_owned();
    let pinned = BROKER.to_owned();
    assert_eq!(
        refusal(&refused),
        PeerRefusal::OtherBroker { found, pinned }
    );
    for host in ["elsewhere.gov.eg", "127.0.0.2"] {
        let refused = certificate(client_says(shake(&world.client(), &world.server(), host)));
        let name = matches!(refused, CertificateError::NotValidForNameContext { .. });
        assert!(name, "{refused:?}");
    }
}

#[test]
fn two_names_and_none() {
    let world = World::new();
    let second = "spiffe://switch.gov.eg/operator/amal";
    let several = PeerRefusal::Peer(PeerError::SeveralUris);
    let none = PeerRefusal::Peer(PeerError::NoUri);
    let system = world.forged("agencies", |params| {
        params.subject_alt_names.push(uri(second))
    });
    assert_eq!(refusal(&lying_client(&world, &system)), several);
    let broker = world.forged("brokers", |params| {
        params.subject_alt_names.push(uri(second))
    });
    assert_eq!(refusal(&lying_server(&world, &broker)), several);
    let system = world.forged("agencies", |params| params.subject_alt_names.clear());
    assert_eq!(refusal(&lying_client(&world, &system)), none);
    let broker = world.forged("brokers", |params| drop(params.subject_alt_names.remove(0)));
    assert_eq!(refusal(&lying_server(&world, &broker)), none);
}

#[test]
fn truncated_and_meaningless_der() {
    let world = World::new();
    let key = KeyPair::generate().unwrap();
    for (good, server) in [(world.system(), false), (world.broker("one"), true)] {
        let chain = good.current().chain().to_vec();
        let leaf = &chain[0];
        let cuts = [1, 20, leaf.len() / 2, leaf.len() - 1].map(|keep| leaf[..keep].to_vec());
        for torn in cuts.into_iter().chain([vec![0x30; 40_000]]) {
            let length = torn.len();
            let liar = shown(vec![torn.into(), chain[1].clone()], &key);
            let refused = match server {
                true => lying_server(&world, &liar),
                false => lying_client(&world, &liar),
            };
            assert_eq!(
                certificate(refused),
                CertificateError::BadEncoding,
                "{length} bytes"
            );
        }
    }
}

#[test]
fn another_s_certificate_without_its_key() {
    let world = World::new();
    let thief = KeyPair::generate().unwrap();
    let liar = shown(world.system().current().chain().to_vec(), &thief);
    assert_eq!(
        certificate(lying_client(&world, &liar)),
        CertificateError::BadSignature
    );
    let liar = shown(world.broker("one").current().chain().to_vec(), &thief);
    assert_eq!(
        certificate(lying_server(&world, &liar)),
        CertificateError::BadSignature
    );
}

#[test]
fn a_chain_without_its_intermediate() {
    let world = World::new();
    let key = KeyPair::generate().unwrap();
    let liar = shown(world.system().current().chain()[..1].to_vec(), &key);
    assert_eq!(
        certificate(lying_client(&world, &liar)),
        CertificateError::UnknownIssuer
    );
    let liar = shown(world.broker("one").current().chain()[..1].to_vec(), &key);
    assert_eq!(
        certificate(lying_server(&world, &liar)),
        CertificateError::UnknownIssuer
    );
}

#[test]
fn an_authority_below_an_agency() {
    // A system that signs for others: its own leaf is no authority, so nothing below it counts.
    let world = World::new();
    let (middle, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut named = system_params();
    named
        .distinguished_name
        .push(rcgen::DnType::CommonName, "middle");
    let issuer = world.forged_with("agencies", &middle, |params| *params = named.clone());
    let leaf = system_params()
        .signed_by(&key, &Issuer::from_params(&named, &middle))
        .unwrap();
    let mut chain = issuer.current().chain().to_vec();
    chain.insert(0, leaf.der().clone());
    let refused = certificate(lying_client(&world, &shown(chain, &key)));
    // The same chain with a real authority in the middle, which the path length forbids.
    named.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = world.forged_with("agencies", &middle, |params| *params = named.clone());
    let leaf = system_params()
        .signed_by(&key, &Issuer::from_params(&named, &middle))
        .unwrap();
    let mut chain = issuer.current().chain().to_vec();
    chain.insert(0, leaf.der().clone());
    let deeper = certificate(lying_client(&world, &shown(chain, &key)));
    for refused in [refused, deeper] {
        let reason = format!("{refused:?}");
        assert!(
            reason.contains("EndEntityUsedAsCa") || reason.contains("PathLen"),
            "{reason}"
        );
    }
}

#[test]
fn the_wrong_pin() {
    let (ours, foreign) = (World::new(), World::new());
    let (root, broker) = (ours.authority.root(), ours.broker("one"));
    let server = enrolment_server_config(&broker, root, fixed_time(NOW)).unwrap();
    let pinned = |pin| enrolment_client_config(pin, fixed_time(NOW)).unwrap();
    let mut flipped = ours.authority.root_sha256();
    flipped[31] ^= 1;
    // The leaf's own digest is no root's either.
    let leaf = crate::sha256(&broker.current().chain()[0]);
    for pin in [flipped, foreign.authority.root_sha256(), [0; 32], leaf] {
        let refused = client_says(shake(&pinned(pin), &server, "localhost"));
        assert_eq!(refusal(&refused), PeerRefusal::NotPinned);
    }
    // The right root beside a chain of another authority: showing a root is not being below it.
    let imposter = enrolment_server_config(&foreign.broker("one"), root, fixed_time(NOW)).unwrap();
    let client = pinned(ours.authority.root_sha256());
    let refused = certificate(client_says(shake(&client, &imposter, "localhost")));
    assert_eq!(refused, CertificateError::BadSignature);
}
