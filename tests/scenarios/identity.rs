//! Who is connected, and who says so.

use std::sync::Arc;

use certs::authority::LEAF_LIFE;
use proto::Code;
use proto::act::{AgencyDeed, OutsideCertificate};
use proto::limits::label;
use proto::seal::Seal;
use rustls::client::ResolvesClientCert;
use rustls::{ClientConfig, RootCertStore};
use tests::agency::TestAgency;
use tests::channel::{channel, connect, welcomed};
use tests::ground::{Ground, ORIGIN, TRUST_DOMAIN, identity, loose_signer, now, time_of};
use tests::soon;
use tests::switch::TestSwitch;
use tests::world::{MOSS, World};
use time::Duration;
use tokio::io::AsyncReadExt as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_client_certificate_nobody_comes_in() {
    let switch = TestSwitch::start().await;
    let mut roots = RootCertStore::empty();
    roots
        .add(switch.ground().authority().root().clone())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut nobody = ClientConfig::builder_with_details(provider, time_of(switch.clock()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    nobody.alpn_protocols = vec![b"h2".to_vec()];
    let error = soon(
        "the switch answers",
        welcomed(switch.exchange(), Arc::new(nobody)),
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
    switch.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_authority_is_nobody() {
    let world = World::new().await;
    let ground = world.switch.ground();
    // The very same names, from an authority that somebody else made.
    let other = Ground::found_at(ground.clock.clone()).await;
    let uri = format!("spiffe://{TRUST_DOMAIN}/{MOSS}");
    let (authority, at) = (other.authority(), now(&ground.clock));
    let forged = identity(|request| {
        authority
            .issue_agency(request, &uri, LEAF_LIFE, at)
            .unwrap()
            .chain_pem
    });
    let error = soon(
        "the switch answers",
        welcomed(world.switch.exchange(), ground.client_tls(&forged)),
    );
    let error = error.await.unwrap_err().to_string();
    assert!(
        error.contains("UnknownCA")
            || error.contains("BadCertificate")
            || error.contains("DecryptError"),
        "{error}"
    );
    soon(
        "the switch answers",
        welcomed(world.switch.exchange(), world.moss.tls(ground)),
    )
    .await
    .unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_nobody() {
    let world = World::new().await;
    let ground = world.switch.ground();
    let short = short_lived(ground);
    soon(
        "the switch answers",
        welcomed(world.switch.exchange(), ground.client_tls(&short)),
    )
    .await
    .unwrap();
    world.switch.clock().advance_ms(61 * 60_000);
    let error = soon(
        "the switch answers",
        welcomed(world.switch.exchange(), ground.client_tls(&short)),
    );
    let error = error.await.unwrap_err();
    assert!(error.to_string().contains("CertificateExpired"), "{error}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_its_certificate() {
    let world = World::new().await;
    let ground = world.switch.ground();
    let short = world
        .switch
        .certificate(&world.moss.system, Duration::HOUR)
        .await;
    let tls = ground.client_tls(&short);
    let consumer = world.raw_consumer().await.over(
        channel(world.switch.exchange(), Arc::clone(&tls))
            .await
            .unwrap(),
    );
    // The provider is not attached: that is how far this connection comes.
    assert_eq!(
        consumer.ask_well().await.unwrap_err().code,
        Some(Code::ProviderOffline)
    );
    let mut stands = connect(world.switch.exchange(), tls).await.unwrap();
    world.switch.clock().advance_ms(61 * 60_000);
    let mut rest = Vec::new();
    // In order or not: it ends.
    let _ = soon("the connection ends", stands.read_to_end(&mut rest)).await;
    // The other one ends with it, though not in the same instant; a new one does not come to be.
    soon("the other connection ends", async {
        while consumer.ask_well().await.unwrap_err().code.is_some() {}
    })
    .await;
    let told = world.finish().await;
    assert!(told.coded("provider_offline") > 0);
}

fn short_lived(ground: &Ground) -> certs::Identity {
    let uri = format!("spiffe://{TRUST_DOMAIN}/{MOSS}");
    let (authority, at) = (ground.authority(), now(&ground.clock));
    identity(|request| {
        authority
            .issue_agency(request, &uri, Duration::HOUR, at)
            .unwrap()
            .chain_pem
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_without_a_registry_entry_asks_nothing() {
    let world = World::new().await;
    let ground = world.switch.ground();
    let consumer = world.raw_consumer().await;
    // The second is a known system's, and the switch never recorded it.
    for tls in [
        ground.system_tls("EG/GOV/NOBODY/x"),
        ground.system_tls(MOSS),
        ground.operator_tls(),
    ] {
        let stranger = consumer.over(channel(world.switch.exchange(), tls).await.unwrap());
        let envelope = stranger.envelope(|_| {});
        let refusal = stranger.refused(&envelope).await;
        assert_eq!(refusal.code, Some(Code::UnknownPeer));
        refusal.prove(&envelope, &ground.log_key());
    }
    let told = world.finish().await;
    assert_eq!(told.coded("unknown_peer"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seal_or_a_connection_of_another_system_is_a_wrong_signer() {
    let world = World::new().await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let moss = world.raw_consumer().await;
    // Another system's key under our name, over our connection.
    let sealed_by_giza = moss.sealing_with(giza.seal_signer());
    // Our own key and name, over another system's connection.
    let over_giza = moss.over(
        channel(world.switch.exchange(), giza.tls(world.switch.ground()))
            .await
            .unwrap(),
    );
    // A key that nobody bound.
    let sealed_by_nobody = moss.sealing_with(loose_signer());
    // The agency's own authority key is for acts, not for requests.
    let sealed_by_authority = moss.sealing_with(world.moss.authority_signer());
    for consumer in [
        sealed_by_giza,
        over_giza,
        sealed_by_nobody,
        sealed_by_authority,
    ] {
        let refusal = consumer.refused(&consumer.envelope(|_| {})).await;
        assert_eq!(refusal.code, Some(Code::WrongSigner));
    }
    let told = world.finish().await;
    assert_eq!(told.coded("wrong_signer"), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seal_for_another_use_or_another_switch_is_worthless() {
    let world = World::new().await;
    let consumer = world.raw_consumer().await;
    for label in [
        label::ANSWER,
        label::DISPUTE,
        label::ACT,
        label::AUTHORITY,
        label::POSSESSION,
    ] {
        let refusal = consumer
            .refused(&consumer.sealed_as(label, ORIGIN, consumer.header().encode()))
            .await;
        assert_eq!(refusal.code, Some(Code::BadSeal), "{label}");
    }
    let elsewhere =
        consumer.sealed_as(label::REQUEST, "other.test/log", consumer.header().encode());
    assert_eq!(consumer.refused(&elsewhere).await.code, Some(Code::BadSeal));
    let told = world.finish().await;
    assert_eq!(told.coded("bad_seal"), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_acts_for_an_agency_but_its_authority_key() {
    let world = World::new().await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let before = world.switch.registry().size();
    let act = proto::act::AgreementAct {
        step: proto::act::Step::Revoke,
        agreement: world.agreement,
        previous: world
            .switch
            .registry()
            .agreement(&world.agreement)
            .map(proto::registry::Agreement::last_act),
        agency: world.moss.agency(),
        issued_at_ms: world.switch.now_ms(),
        content: bytes::Bytes::new(),
    }
    .encode();
    let kind = proto::entry::Kind::AgreementAct;
    // Another agency, with its own key and its own connection.
    assert!(
        giza.submit(&world.switch, kind, label::ACT, act.clone())
            .await
            .is_err()
    );
    // The operator's key, over the agency's own connection.
    for signer in [
        world.switch.ground().operator_signer(),
        world.moss.seal_signer(),
    ] {
        let seal = Seal::one(label::ACT, ORIGIN, &act, &*signer).unwrap();
        let envelope = Some(proto::envelope::Envelope::bare(act.clone(), seal).to_wire());
        let channel = channel(
            world.switch.exchange(),
            world.moss.tls(world.switch.ground()),
        )
        .await
        .unwrap();
        let request = proto::wire::registry::v1::SubmitRequest {
            kind: u32::from(kind as u8),
            envelope,
        };
        let submitted = proto::wire::registry::v1::agencies_client::AgenciesClient::new(channel)
            .submit(request)
            .await;
        assert_eq!(submitted.unwrap_err().code(), tonic::Code::Unauthenticated);
    }
    assert_eq!(world.switch.registry().size(), before);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_for_one_agency_and_one_use() {
    let switch = TestSwitch::start().await;
    let invitation = switch.invite("EG/GOV/MOSS").await;
    let options = |home: &std::path::Path, system: &str| adapters::EnrolOptions {
        home: home.to_owned(),
        invitation: invitation.encode().unwrap(),
        address: None,
        system: system.to_owned(),
        adapter: "a1".to_owned(),
        name_ar: "جهة".to_owned(),
        name_en: "Agency".to_owned(),
        authority: adapters::AuthorityPlace::InHome,
        clock: switch.clock().clone(),
    };
    let dir = tempfile::tempdir().unwrap();
    assert!(
        adapters::enrol(options(&dir.path().join("foreign"), "EG/GOV/OTHER/x"))
            .await
            .is_err()
    );
    adapters::enrol(options(&dir.path().join("one"), "takaful"))
        .await
        .unwrap();
    let again = adapters::enrol(options(&dir.path().join("two"), "takaful"))
        .await
        .unwrap_err();
    assert!(again.to_string().contains("used before"), "{again}");
    let told = switch.finish().await;
    assert_eq!(told.count(proto::entry::Kind::Agency), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outside_authoritys_certificate_speaks_for_a_system_once_its_agency_bound_it() {
    let ground = Ground::found().await;
    // A national authority: somebody else's root, names in this trust domain.
    let national = Ground::found_at(ground.clock.clone()).await.authority();
    std::fs::write(ground.dir().join("national.pem"), national.root_pem()).unwrap();
    let outside = "\n[[outside_authorities]]\nroot = \"national.pem\"";
    let world = World::populate(TestSwitch::on(ground, outside).await.unwrap()).await;
    let (ground, at) = (world.switch.ground(), now(world.switch.clock()));
    let uri = format!("spiffe://{TRUST_DOMAIN}/{MOSS}");
    let theirs = identity(|request| {
        let issued = national.issue_agency(request, &uri, LEAF_LIFE, at);
        issued.unwrap().chain_pem
    });
    let consumer = world.raw_consumer().await;
    let asked = async || {
        let tls = ground.client_tls(&theirs);
        let over = channel(world.switch.exchange(), tls).await.unwrap();
        consumer.over(over).ask_well().await.unwrap_err().code
    };
    assert_eq!(asked().await, Some(Code::UnknownPeer));
    let sha256 = proto::Digest::of(&theirs.chain()[0]);
    let bound = AgencyDeed::BindCertificate(OutsideCertificate {
        system: world.moss.system.clone(),
        sha256,
        not_before: world.switch.now_ms() / 1_000,
        not_after: world.switch.now_ms() / 1_000 + 86_400,
    });
    world.moss.does(&world.switch, bound).await.unwrap();
    // The provider is not attached: that is how far a consumer comes.
    assert_eq!(asked().await, Some(Code::ProviderOffline));
    let ended = AgencyDeed::EndCertificate {
        sha256,
        reason: tests::agreements::part("retired"),
    };
    world.moss.does(&world.switch, ended).await.unwrap();
    assert_eq!(asked().await, Some(Code::CertificateRevoked));
    // It names systems, and nobody else.
    let operator = identity(|request| {
        let issued = national.issue_operator(request, tests::ground::OPERATOR, LEAF_LIFE, at);
        issued.unwrap().chain_pem
    });
    let tls = ground.client_tls(&operator);
    let told = soon("the switch answers", welcomed(world.switch.exchange(), tls)).await;
    assert!(told.is_err());
    world.finish().await;
}

/// So that the test above cannot pass because a client never shows a certificate.
#[test]
fn a_reloadable_identity_always_shows_one() {
    let key = certs::TlsKey::generate().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = time::OffsetDateTime::now_utc();
    let authority = certs::Authority::create(dir.path(), TRUST_DOMAIN, at).unwrap();
    let request = certs::request::make(&key).unwrap();
    let uri = format!("spiffe://{TRUST_DOMAIN}/{MOSS}");
    let issued = authority
        .issue_agency(&request, &uri, LEAF_LIFE, at)
        .unwrap();
    let identity = certs::Identity::from_pem(&issued.chain_pem, &key).unwrap();
    assert!(certs::ReloadableIdentity::new(identity).has_certs());
}
