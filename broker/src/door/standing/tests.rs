//! Who stands, and who does no more.

use bytes::Bytes;
use proto::act::{OperatorAct, OperatorDeed};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::facts::{IssuedCertificate, RegistryFacts};
use proto::limits::label;
use proto::registry::Registry;

use super::*;
use crate::switch::{LogKeyFile, Switch};
use crate::testing::{NOW_MS, OPERATOR, Site, part, sealed};

async fn registry(site: &Site) -> RegistryHandle {
    let signer = Arc::new(LogKeyFile::load(&site.config.log.key).unwrap());
    let log = audit::log::Log::open(Switch::log_config(&site.config, &site.clock), signer)
        .await
        .unwrap();
    RegistryHandle::open(log, site.clock.clone()).await.unwrap()
}

async fn role(site: &Site, registry: &RegistryHandle, role: PersonRole, ended: bool) {
    let act = OperatorAct {
        operator: part(OPERATOR),
        issued_at_ms: NOW_MS + u64::from(ended),
        deed: OperatorDeed::SetRole {
            role,
            name: part("mina"),
            key: None,
            ended,
        },
    };
    let act = sealed(label::OPERATOR, act.encode(), &site.operator);
    registry
        .submit(
            Kind::OperatorAct,
            RegistryFacts::default(),
            act.header,
            Some(act.seal),
        )
        .await
        .unwrap();
}

fn is(registry: &Registry, peer: &Peer) -> Result<Standing, Code> {
    standing(registry, peer)
}

#[tokio::test]
async fn a_person_stands_by_the_role_that_the_registry_says_and_by_no_other() {
    let site = Site::found().await;
    let registry = registry(&site).await;
    let mina = |role: fn(String) -> PeerRole| Peer::of_role(role("mina".into()), 1);
    let all: [fn(String) -> PeerRole; 4] = [
        PeerRole::Operator,
        PeerRole::Approver,
        PeerRole::Auditor,
        PeerRole::Dpo,
    ];
    for peer in all.map(mina) {
        assert_eq!(is(&registry.load(), &peer), Err(Code::UnknownPeer));
    }
    role(&site, &registry, PersonRole::Dpo, false).await;
    let stand: Vec<_> = all.map(mina).map(|peer| is(&registry.load(), &peer)).into();
    assert_eq!(
        stand[..3],
        [
            Err(Code::UnknownPeer),
            Err(Code::UnknownPeer),
            Err(Code::UnknownPeer)
        ]
    );
    assert_eq!(
        stand[3],
        Ok(Standing::Person(PersonRole::Dpo, part("mina")))
    );
    let nour = Peer::of_role(PeerRole::Operator(OPERATOR.into()), 2);
    assert!(is(&registry.load(), &nour).is_ok());
    let broker = Peer::of_role(PeerRole::Broker("cairo-1".into()), 3);
    assert_eq!(is(&registry.load(), &broker), Err(Code::UnknownPeer));
    role(&site, &registry, PersonRole::Dpo, true).await;
    assert_eq!(
        is(&registry.load(), &mina(PeerRole::Dpo)),
        Err(Code::UnknownPeer)
    );
}

#[tokio::test]
async fn live_connections_go_when_the_registry_says_so_and_the_others_stay() {
    let site = Site::found().await;
    let registry = registry(&site).await;
    role(&site, &registry, PersonRole::Auditor, false).await;
    let connections = Connections::new(8, 8);
    let mina = Peer::of_role(PeerRole::Auditor("mina".into()), 1);
    let nour = Peer::of_role(PeerRole::Operator(OPERATOR.into()), 2);
    let _places = [&mina, &nour].map(|peer| connections.enter_peer(peer).unwrap());
    let end = CancellationToken::new();
    let following = tokio::spawn(follow(
        Arc::clone(&connections),
        registry.clone(),
        end.clone(),
    ));
    // The registry moves, and nobody is concerned.
    let certificate = IssuedCertificate {
        uri: "spiffe://switch.example/EG/GOV/X/y".into(),
        sha256: vec![9; 32].into(),
        ..Default::default()
    };
    let facts = RegistryFacts {
        peer_sha256: Bytes::new(),
        certificate: Some(certificate),
    };
    registry
        .submit(Kind::Certificate, facts, Bytes::new(), None)
        .await
        .unwrap();
    tokio::task::yield_now().await;
    assert!(!mina.closed.is_cancelled());
    role(&site, &registry, PersonRole::Auditor, true).await;
    tokio::time::timeout(Duration::from_secs(1), mina.closed.cancelled())
        .await
        .unwrap();
    assert!(!nour.closed.is_cancelled());
    end.cancel();
    following.await.unwrap();
}

#[test]
fn whoever_is_turned_away_takes_no_place_of_its_agency_and_not_many_do() {
    let system = "EG/GOV/MOSS/takaful".parse().unwrap();
    let connections = Connections::new(8, 2);
    let thieves: Vec<_> = (0..3)
        .map(|seed| {
            let peer = Peer::of_system(&system, seed);
            let place = connections.enter_peer(&peer).unwrap();
            let told = connections.turn_away(&peer);
            (peer, place, told)
        })
        .collect();
    let told: Vec<_> = thieves.iter().map(|(_, _, told)| *told).collect();
    assert_eq!(told, [true, true, false]);
    let own = [4, 5].map(|seed| {
        connections
            .enter_peer(&Peer::of_system(&system, seed))
            .unwrap()
    });
    assert!(
        connections
            .enter_peer(&Peer::of_system(&system, 6))
            .is_err()
    );
    drop(thieves);
    assert_eq!(connections.len(), 2);
    let again = Peer::of_system(&system, 7);
    drop(own);
    let _place = connections.enter_peer(&again).unwrap();
    assert!(connections.turn_away(&again));
    // Somebody who is not in the table.
    assert!(!connections.turn_away(&Peer::of_system(&system, 8)));
}

#[test]
fn an_administrator_s_agency_owns_the_connection() {
    let role = PeerRole::Administrator {
        instance: "EG".into(),
        class: "GOV".into(),
        agency: "MOSS".into(),
        name: "samia".into(),
    };
    let peer = Peer::of_role(role, 1);
    assert_eq!(peer.agency, Some("EG/GOV/MOSS".parse().unwrap()));
    assert_eq!(peer.system, None);
    assert_eq!(is(&Registry::empty(), &peer), Err(Code::UnknownPeer));
    assert_eq!(peer.sha256(), Digest([1; 32]));
}
