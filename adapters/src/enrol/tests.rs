//! Enrolment: which switch is believed, and that an interrupted call continues with the same keys.

use bytes::Bytes;
use proto::act::Genesis;
use proto::entry::{Draft, Entry, Stamp};
use proto::id::AgencyId;

use super::*;
use crate::testing::{NOW, ORIGIN, World, key, part};

const ROOT: &[u8] = b"root certificate";

fn switch_with(change: impl FnOnce(&mut Genesis)) -> wire::DescribeResponse {
    let log = key();
    let mut genesis = Genesis {
        origin: ORIGIN.to_owned(),
        log_key: log.key().clone(),
        instance: part("EG"),
        trust_domain: "switch.test".to_owned(),
        authority_root: Digest::of(ROOT),
        operators: vec![proto::act::Operator {
            name: part("nour"),
            key: key().key().clone(),
        }],
        created_at_ms: NOW,
        purposes: Vec::new(),
    };
    change(&mut genesis);
    let header = genesis.encode();
    let seal = Seal::one(label::GENESIS, ORIGIN, &header, &log).unwrap();
    let stamp = Stamp {
        recorded_at_us: NOW * 1_000,
        broker: 1,
        registry_size: 0,
        registry_root: Digest::of(&[]),
    };
    let draft = Draft {
        kind: Kind::Genesis,
        facts: Bytes::new(),
        header,
        seal: Some(seal),
    };
    let entry = Entry::new(draft, stamp).encode().unwrap();
    let vkey = audit::checkpoint::LogKey::new(ORIGIN, log.key())
        .unwrap()
        .to_vkey();
    wire::DescribeResponse {
        origin: ORIGIN.to_owned(),
        log_vkey: vkey,
        instance: "EG".to_owned(),
        trust_domain: "switch.test".to_owned(),
        authority_root: Bytes::from_static(ROOT),
        genesis_sha256: Bytes::copy_from_slice(Digest::of(&entry).as_ref()),
        genesis: entry,
        broker_uri: "spiffe://switch.test/broker/b1".to_owned(),
        exchange_address: "127.0.0.1:7443".to_owned(),
        log_keys: Vec::new(),
    }
}

fn invitation(described: &wire::DescribeResponse) -> Invitation {
    Invitation {
        agency: AgencyId::parse("EG/GOV/MOSS").unwrap(),
        token: [7; 32],
        expires_at_ms: NOW + 1_000,
        root_sha256: Digest::of(ROOT),
        genesis_sha256: Digest::of(&described.genesis),
        enrol: "127.0.0.1:7444".to_owned(),
    }
}

fn judge(
    described: &wire::DescribeResponse,
    invitation: &Invitation,
) -> Result<Described, EnrolError> {
    switch::judge(described, invitation, &invitation.enrol)
}

fn under(dir: &tempfile::TempDir, name: &str, passphrase: &str) -> AuthorityPlace {
    let passphrase = certs::Passphrase::new(passphrase.to_owned().into()).unwrap();
    AuthorityPlace::File {
        path: dir.path().join(name),
        passphrase: Some(passphrase),
    }
}

#[test]
fn only_the_invitations_switch_is_believed() {
    let honest = switch_with(|_| {});
    let invited = invitation(&honest);
    assert_eq!(
        judge(&honest, &invited).unwrap().switch.exchange,
        "127.0.0.1:7443"
    );
    let refused = |described: &wire::DescribeResponse, invited: &Invitation| {
        assert!(matches!(
            judge(described, invited),
            Err(EnrolError::OtherSwitch(_))
        ));
    };
    // Another root, another log, another word about either.
    let mut changed = honest.clone();
    changed.authority_root = Bytes::from_static(b"another root");
    refused(&changed, &invited);
    let other = switch_with(|_| {});
    refused(&other, &invited);
    let mut changed = honest.clone();
    changed.log_vkey = other.log_vkey;
    refused(&changed, &invited);
    for broker in [
        "spiffe://other.test/broker/b1",
        "spiffe://switch.test/operator/b1",
        "nobody",
    ] {
        let mut changed = honest.clone();
        changed.broker_uri = broker.to_owned();
        refused(&changed, &invited);
    }
    let mut changed = honest.clone();
    changed.exchange_address = "nowhere".to_owned();
    refused(&changed, &invited);
    // Entry 0 that is pinned and yet not what it must be.
    let other_root = switch_with(|genesis| genesis.authority_root = Digest::of(b"another root"));
    refused(&other_root, &invitation(&other_root));
    let unsealed = switch_with(|genesis| genesis.log_key = key().key().clone());
    refused(&unsealed, &invitation(&unsealed));
    // Whose agencies it may invite stands in its registry, which its fold judges and this one's mirror after it.
    let mut foreign = invited.clone();
    foreign.agency = AgencyId::parse("JO/COM/PETRA").unwrap();
    judge(&honest, &foreign).unwrap();
}

#[test]
fn an_interrupted_call_continues_with_the_same_keys_and_the_same_request() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("takaful");
    let described = switch_with(|_| {});
    let invited = invitation(&described);
    let judged = judge(&described, &invited).unwrap();
    let options = EnrolOptions {
        home: home.clone(),
        invitation: invited.encode().unwrap(),
        address: None,
        system: "takaful".to_owned(),
        adapter: "a1".to_owned(),
        name_ar: "التضامن".to_owned(),
        name_en: "Solidarity".to_owned(),
        authority: under(&dir, "MOSS.authority.key", "correct horse battery"),
        clock: Clock::fixed(NOW * 1_000),
    };
    let system = system_of(&options.system, &invited).unwrap();
    let begin = || {
        let config = prepare(&options, &judged, &system, &part("a1")).unwrap();
        let keys = Keys::load_or_make(&options, &config).unwrap();
        keys.request(&options, &invited, &config, ORIGIN).unwrap().0
    };
    let first = begin();
    options.clock.advance_ms(5_000);
    assert_eq!(begin(), first);
    // With another authority key, another passphrase, or none, nothing goes on.
    let differently = |authority| EnrolOptions {
        authority,
        ..options.clone()
    };
    let elsewhere = differently(under(&dir, "other.key", "correct horse battery"));
    for other in [elsewhere, differently(AuthorityPlace::InHome)] {
        let refused = prepare(&other, &judged, &system, &part("a1")).unwrap_err();
        assert!(
            matches!(&refused, EnrolError::OtherAuthority(path) if path.ends_with("MOSS.authority.key")),
            "{refused}"
        );
    }
    let mistyped = differently(under(&dir, "MOSS.authority.key", "correct horse stable"));
    let config = prepare(&mistyped, &judged, &system, &part("a1")).unwrap();
    let refused = Keys::load_or_make(&mistyped, &config).map(drop);
    assert!(
        matches!(
            refused,
            Err(EnrolError::Home(HomeError::Key(
                certs::keys::KeyError::WrongPassphrase
            )))
        ),
        "{refused:?}"
    );
    assert_eq!(begin(), first);
    // Another adapter's call on the same folder is refused, and so is one after the end.
    assert!(matches!(
        prepare(&options, &judged, &system, &part("a2")),
        Err(EnrolError::OtherHome(_))
    ));
    std::fs::write(home.join("tls.pem"), "chain").unwrap();
    assert!(matches!(
        prepare(&options, &judged, &system, &part("a1")),
        Err(EnrolError::Already(_))
    ));
}

#[test]
fn what_is_sealed_is_what_the_fold_accepts() {
    // The world's fold accepts acts of exactly these shapes; here their seals are the home's own.
    let world = World::new();
    let described = switch_with(|_| {});
    let invited = invitation(&described);
    let dir = tempfile::tempdir().unwrap();
    let judged = judge(&described, &invited).unwrap();
    let options = EnrolOptions {
        home: dir.path().join("home"),
        invitation: invited.encode().unwrap(),
        address: None,
        system: "EG/GOV/MOSS/takaful".to_owned(),
        adapter: "a1".to_owned(),
        name_ar: " ".to_owned(),
        name_en: "Solidarity".to_owned(),
        authority: AuthorityPlace::InHome,
        clock: Clock::fixed(NOW * 1_000),
    };
    let system = system_of(&options.system, &invited).unwrap();
    assert_eq!(system, world.consumer.system);
    let config = prepare(&options, &judged, &system, &part("a1")).unwrap();
    let keys = Keys::load_or_make(&options, &config).unwrap();
    // A name that the switch would refuse is refused before anything is sent.
    let empty = keys.request(&options, &invited, &config, ORIGIN);
    assert!(matches!(empty, Err(EnrolError::DisplayName)));
    let named = EnrolOptions {
        name_ar: "التضامن".to_owned(),
        ..options
    };
    let (request, _) = keys.request(&named, &invited, &config, ORIGIN).unwrap();
    let agency = Envelope::from_wire(request.agency).unwrap();
    let binding = Envelope::from_wire(request.key_binding).unwrap();
    for envelope in [&agency, &binding] {
        let by_authority = envelope.seal.verify(
            label::AUTHORITY,
            ORIGIN,
            &envelope.header,
            keys.authority.key(),
        );
        assert_eq!(by_authority, Ok(()));
    }
    let bound = KeyBinding::open(&binding.header).unwrap();
    let possession = Seal {
        cose: bound.possession.clone(),
        leaf_index: 0,
        tree_size: 1,
        path: Vec::new(),
    };
    possession
        .verify(
            label::POSSESSION,
            ORIGIN,
            &bound.possession_bytes(),
            keys.seal.key(),
        )
        .unwrap();
    assert!(system_of("EG/GOV/CIVIL/registry", &invited).is_err());
    assert!(system_of("..", &invited).is_err());
}
