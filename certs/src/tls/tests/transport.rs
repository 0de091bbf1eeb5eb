//! What a good handshake agrees on, and what is never agreed on.

use std::io::Write as _;

use super::*;

#[test]
fn a_good_handshake_is_tls13_post_quantum_http2_and_names_both_ends() {
    let world = World::new();
    for host in ["localhost", "127.0.0.1"] {
        let (client, server) = shake(&world.client(), &world.server(), host).unwrap();
        assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let group = server.negotiated_key_exchange_group().unwrap();
        assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
        assert_eq!(
            client.handshake_kind(),
            Some(HandshakeKind::Full),
            "in one round"
        );
        assert_eq!(
            (client.alpn_protocol(), server.alpn_protocol()),
            (Some(ALPN), Some(ALPN))
        );
        let domain = world.authority.trust_domain();
        let leaf = &server.peer_certificates().unwrap()[0];
        assert_eq!(
            PeerIdentity::from_certificate(leaf, domain).unwrap().uri,
            URI
        );
        let leaf = &client.peer_certificates().unwrap()[0];
        assert_eq!(
            PeerIdentity::from_certificate(leaf, domain).unwrap().uri,
            BROKER
        );
    }
}

#[test]
fn people_connect_too() {
    let world = World::new();
    for path in PEOPLE {
        let name = format!("spiffe://switch.gov.eg/{path}");
        let person = identity(|csr| {
            let name = name.parse().unwrap();
            let issued = world.authority.issue_person(csr, &name, LEAF_LIFE, NOW);
            issued.unwrap().chain_pem
        });
        let client = world.client_at(&person, NOW);
        let (_, server) = shake(&client, &world.server(), "localhost").unwrap();
        let leaf = &server.peer_certificates().unwrap()[0];
        let peer = PeerIdentity::from_certificate(leaf, world.authority.trust_domain()).unwrap();
        assert_eq!(peer.uri, name);
    }
}

#[test]
fn nothing_is_ever_resumed() {
    let world = World::new();
    // An eager client, with a store for tickets, against our server and against an ordinary one.
    let kinds = |server: &Arc<ServerConfig>| {
        let mut eager = (*world.client()).clone();
        eager.resumption = Resumption::in_memory_sessions(8);
        let eager = Arc::new(eager);
        let (first, _) = shake(&eager, server, "localhost").unwrap();
        assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
        let (second, _) = shake(&eager, server, "localhost").unwrap();
        (
            first.tls13_tickets_received(),
            second.handshake_kind().unwrap(),
        )
    };
    assert_eq!(kinds(&world.server()), (0, HandshakeKind::Full));
    let mut ordinary = (*world.server()).clone();
    ordinary.send_tls13_tickets = 2;
    ordinary.session_storage = rustls::server::ServerSessionMemoryCache::new(8);
    let ordinary = Arc::new(ordinary);
    assert_eq!(
        kinds(&ordinary),
        (2, HandshakeKind::Resumed),
        "the control: it would resume"
    );
    // Our client does not resume even where it could.
    let ours = world.client();
    for _ in 0..2 {
        let (client, _) = shake(&ours, &ordinary, "localhost").unwrap();
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
    }
    assert_eq!(world.server().max_early_data_size, 0);
    assert!(!ours.enable_early_data);
}

/// A ClientHello as a client that knows nothing above TLS 1.2 sends it: two cipher suites, a group,
/// signature algorithms, and no `supported_versions`.
fn tls12_hello() -> Vec<u8> {
    let extensions: Vec<u8> = [
        &[0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x17][..], // groups: secp256r1
        &[0x00, 0x0b, 0x00, 0x02, 0x01, 0x00],                 // points: uncompressed
        &[0x00, 0x0d, 0x00, 0x06, 0x00, 0x04, 0x04, 0x03, 0x08, 0x04], // ECDSA P-256, RSA-PSS
        &[0x00, 0x17, 0x00, 0x00],                             // extended master secret
    ]
    .concat();
    let mut body = vec![0x03, 0x03];
    body.extend([7; 32]);
    body.extend([0x00, 0x00, 0x04, 0xc0, 0x2b, 0xc0, 0x2c, 0x01, 0x00]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let mut message = vec![0x01, 0x00];
    message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    message.extend(body);
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
    record.extend(message);
    record
}

#[test]
fn a_client_that_knows_only_tls12_is_refused() {
    let world = World::new();
    let (broker, root) = (world.broker("one"), world.authority.root());
    let enrolment = enrolment_server_config(&broker, root, fixed_time(NOW)).unwrap();
    for config in [world.server(), enrolment] {
        let mut server = ServerConnection::new(config).unwrap();
        let refused = feed(&tls12_hello(), |bytes| {
            server.read_tls(bytes).unwrap();
            server.process_new_packets().map(drop)
        })
        .unwrap_err();
        assert!(matches!(refused, Error::PeerIncompatible(_)), "{refused:?}");
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        assert_eq!(
            wire,
            [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 70],
            "alert: protocol_version"
        );
    }
}

#[test]
fn a_server_that_answers_in_tls12_is_refused() {
    let world = World::new();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(world.client(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    // A ServerHello without extensions, choosing ECDHE-ECDSA-AES128-GCM-SHA256.
    let mut record = vec![
        0x16, 0x03, 0x03, 0x00, 0x2a, 0x02, 0x00, 0x00, 0x26, 0x03, 0x03,
    ];
    record.extend([9; 32]);
    record.extend([0x00, 0xc0, 0x2b, 0x00]);
    let refused = feed(&record, |bytes| {
        client.read_tls(bytes).unwrap();
        client.process_new_packets().map(drop)
    })
    .unwrap_err();
    assert!(matches!(refused, Error::PeerIncompatible(_)), "{refused:?}");
}

#[test]
fn another_protocol_than_http2_is_refused() {
    let world = World::new();
    let mut client = (*world.client()).clone();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let refused = server_says(shake(&Arc::new(client), &world.server(), "localhost"));
    assert_eq!(refused, Error::NoApplicationProtocol);
}

#[test]
fn certificates_reload_without_a_restart() {
    let world = World::new();
    let (broker, system) = (world.broker("one"), world.system());
    let (server, client) = (world.server_at(&broker, NOW), world.client_at(&system, NOW));
    // (what the server showed, what the client showed)
    let leaves = || {
        let (client, server) = shake(&client, &server, "localhost").unwrap();
        let leaf = |chain: Option<&[CertificateDer<'static>]>| chain.unwrap()[0].clone();
        (
            leaf(client.peer_certificates()),
            leaf(server.peer_certificates()),
        )
    };
    let first = leaves();
    assert_eq!(leaves(), first);
    broker.replace((*world.broker("one").current()).clone());
    let second = leaves();
    assert_ne!(second.0, first.0, "the broker shows its new certificate");
    assert_eq!(second.1, first.1);
    system.replace((*world.system().current()).clone());
    assert_ne!(leaves().1, first.1, "the system shows its new certificate");
}

#[test]
fn a_newcomer_enrols_by_the_pin_alone() {
    let world = World::new();
    let (root, pin) = (world.authority.root(), world.authority.root_sha256());
    let server = enrolment_server_config(&world.broker("one"), root, fixed_time(NOW)).unwrap();
    let client = enrolment_client_config(pin, fixed_time(NOW)).unwrap();
    let (client, server) = shake(&client, &server, "localhost").unwrap();
    assert!(server.peer_certificates().is_none());
    let chain = client.peer_certificates().unwrap();
    assert_eq!(find_pinned_root(chain, &pin).as_ref(), Some(root));
    let (broker, domain) = PeerIdentity::from_pinned_certificate(&chain[0]).unwrap();
    assert_eq!(broker.uri, BROKER);
    assert_eq!(&domain, world.authority.trust_domain());
}

#[test]
fn configurations_refuse_what_grants_nothing() {
    let world = World::new();
    let domain = world.authority.trust_domain();
    assert!(matches!(
        Trust::new(domain.clone(), &[]),
        Err(TlsError::Roots)
    ));
    let torn = CertificateDer::from(world.authority.root()[..50].to_vec());
    assert!(matches!(
        Trust::new(domain.clone(), &[torn]),
        Err(TlsError::Roots)
    ));
    for uri in [
        URI,
        "",
        "spiffe://other.gov.eg/broker/one",
        "spiffe://switch.gov.eg/operator/one",
    ] {
        let made = client_config(&world.system(), &world.trust(), uri, fixed_time(NOW));
        assert!(matches!(made, Err(TlsError::Broker)), "{uri}");
    }
    let key = TlsKey::generate().unwrap();
    let other = world.system().current();
    let refused = Identity::new(other.chain().to_vec(), &key);
    assert!(
        matches!(refused, Err(IdentityError::Mismatch)),
        "another's certificate"
    );
    assert!(matches!(
        Identity::new(vec![], &key),
        Err(IdentityError::Chain)
    ));
    let csr = request::make(&key).unwrap();
    let own = world
        .authority
        .issue_agency(&csr, URI, LEAF_LIFE, NOW)
        .unwrap();
    assert_eq!(
        Identity::from_pem(&own.chain_pem, &key)
            .unwrap()
            .not_after(),
        own.not_after
    );
}

#[test]
fn a_record_is_never_larger_than_what_the_other_side_reads_at_once() {
    let world = World::new();
    let (mut client, mut server) = shake(&world.client(), &world.server(), "localhost").unwrap();
    let mut wire = Vec::new();
    client.writer().write_all(&[7; 60_000]).unwrap();
    while client.wants_write() {
        client.write_tls(&mut wire).unwrap();
    }
    server.writer().write_all(&[7; 60_000]).unwrap();
    while server.wants_write() {
        server.write_tls(&mut wire).unwrap();
    }
    assert!(wire.len() > 2 * 60_000);
    let (mut rest, mut largest) = (&wire[..], 0);
    while let [_, _, _, high, low, ..] = *rest {
        let record = 5 + usize::from(u16::from_be_bytes([high, low]));
        largest = largest.max(record);
        rest = &rest[record..];
    }
    assert!(rest.is_empty());
    assert_eq!(largest, 4_096);
}
