//! What each room says no with: one row per refusal, each with its one entry.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use certs::PeerRole;
use proto::Code;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::header::RequestHeader;
use proto::limits::{PAYLOAD_BYTES_MAX, label};
use proto::seal::Seal;
use proto::wire::exchange::v1 as wire;

use super::world::{QUESTION, World};
use crate::door::Peer;
use crate::door::limits::Limits;
use crate::exchange::{Received, Recording, Settings};
use crate::testing::{Applicant, ORIGIN, part};

/// How a good request is spoiled before it is sealed.
type Spoil = fn(&World, &mut RequestHeader);
/// How a sealed one is spoiled on its way.
type Bend = fn(&World, &mut wire::Envelope);

/// Refusals of what was verified: recorded with header and seal.
fn judged() -> Vec<(&'static str, Code, &'static str, Spoil)> {
    vec![
        ("too old", Code::Stale, "", |_, r| r.issued_at_ms -= 30_001),
        ("in the future", Code::Stale, "", |_, r| {
            r.issued_at_ms += 30_001
        }),
        (
            "no agreement named",
            Code::NoAgreement,
            "agreement",
            |_, r| r.agreement = None,
        ),
        (
            "another agreement",
            Code::NoAgreement,
            "agreement",
            |_, r| r.agreement = Some(Digest([9; 32])),
        ),
        (
            "operation",
            Code::OperationNotGranted,
            "operation",
            |_, r| r.operation = part("delete"),
        ),
        ("service", Code::OperationNotGranted, "service", |_, r| {
            r.service = part("taxes.v1")
        }),
        ("purpose", Code::PurposeNotGranted, "purpose", |_, r| {
            r.purpose = part("curiosity")
        }),
        ("field", Code::FieldNotGranted, "field name", |_, r| {
            r.fields = vec![part("name")]
        }),
        (
            "delegation 1",
            Code::DelegationBroken,
            "delegation 1",
            |_, r| r.delegation = vec![Digest([1; 32])],
        ),
        ("not published", Code::UnknownService, "", |_, r| {
            r.service = part("ghosts.v1")
        }),
        ("another contract", Code::ContractViolation, "", |_, r| {
            r.contract = Digest([9; 32])
        }),
        ("nobody attached", Code::ProviderOffline, "", |_, _| {}),
    ]
}

/// Refusals of what nobody verified: recorded by digest only.
fn unjudged() -> Vec<(&'static str, Code, Bend)> {
    vec![
        ("long path", Code::Malformed, |_, e| {
            e.path = vec![Bytes::from_static(&[0; 32]); 7]
        }),
        ("short hash", Code::Malformed, |_, e| {
            e.path = vec![Bytes::from_static(&[0; 31])]
        }),
        ("no header", Code::Malformed, |_, e| e.header = Bytes::new()),
        ("garbage", Code::Malformed, |_, e| {
            e.header = Bytes::from_static(&[0xff; 40])
        }),
        ("later version", Code::UnknownVersion, |_, e| {
            let mut header = e.header.to_vec();
            header[1] = 2;
            e.header = header.into();
        }),
        ("long payload", Code::TooLarge, |_, e| {
            e.payload = vec![0; PAYLOAD_BYTES_MAX + 1].into()
        }),
    ]
}

/// The same, of what can be read but is not what it says.
fn unsealed() -> Vec<(&'static str, Code, Bend)> {
    vec![
        ("changed header", Code::BadSeal, |w, e| {
            let mut request = w.request(77);
            request.purpose = part("curiosity");
            e.header = request.encode();
        }),
        ("garbled seal", Code::BadSeal, |_, e| {
            e.seal = Bytes::from_static(b"no seal")
        }),
        ("another use", Code::BadSeal, |w, e| {
            e.seal = Seal::one(label::ANSWER, ORIGIN, &e.header, &w.consumer.seal_key)
                .unwrap()
                .cose;
        }),
        ("another switch", Code::BadSeal, |w, e| {
            e.seal = Seal::one(label::REQUEST, "other/log", &e.header, &w.consumer.seal_key)
                .unwrap()
                .cose;
        }),
        ("another's key", Code::WrongSigner, |w, e| {
            e.seal = Seal::one(label::REQUEST, ORIGIN, &e.header, &w.provider.seal_key)
                .unwrap()
                .cose;
        }),
        ("unknown key", Code::WrongSigner, |_, e| {
            let stranger = Applicant::new("EG/GOV/X/y");
            e.seal = Seal::one(label::REQUEST, ORIGIN, &e.header, &stranger.seal_key)
                .unwrap()
                .cose;
        }),
        ("no salt", Code::Malformed, |_, e| e.salt = Bytes::new()),
        ("short payload", Code::PayloadMismatch, |_, e| {
            e.payload = e.payload.slice(1..)
        }),
    ]
}

#[tokio::test]
async fn what_was_verified_and_refused_is_recorded_with_header_and_seal() {
    let world = World::new().await;
    for (number, (name, code, clause, spoil)) in judged().into_iter().enumerate() {
        let mut request = world.request(number as u8);
        spoil(&world, &mut request);
        let before = world.log.head().size();
        let refused = world.ask(&request).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.recording),
            (code, Recording::Recorded),
            "{name}"
        );
        assert_eq!(refused.exchange_id, Some(request.exchange_id), "{name}");
        assert_eq!(
            refused.clause.as_deref().unwrap_or_default(),
            clause,
            "{name}"
        );
        let entries = world.entries(before).await;
        let [seen] = &entries[..] else {
            panic!("{name}: {entries:?}")
        };
        assert_eq!(
            (seen.kind, seen.facts.code.as_str()),
            (Kind::Refusal, code.name()),
            "{name}"
        );
        assert_eq!(seen.facts.clause, clause, "{name}");
        assert_eq!(seen.entry.header, request.encode(), "{name}");
        assert!(seen.facts.refused_sha256.is_empty(), "{name}");
        let receipt = refused.receipt.unwrap();
        let proven = receipt.verify(
            &seen.entry.header,
            seen.entry.seal.as_ref(),
            world.log.key(),
        );
        assert_eq!(proven.unwrap().entry, seen.entry, "{name}");
    }
    world.replay_is_clean().await;
}

#[tokio::test]
async fn what_was_not_verified_leaves_its_digest_only() {
    let world = World::new().await;
    for (name, code, bend) in unjudged().into_iter().chain(unsealed()) {
        let mut envelope = world.seal(&world.request(1)).to_wire();
        bend(&world, &mut envelope);
        let header = envelope.header.clone();
        let before = world.log.head().size();
        let refused = world
            .exchange
            .call(world.received(Some(envelope)))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.code, refused.recording),
            (code, Recording::Recorded),
            "{name}"
        );
        let entries = world.entries(before).await;
        let [seen] = &entries[..] else {
            panic!("{name}: {entries:?}")
        };
        assert_eq!(
            (seen.kind, seen.facts.code.as_str()),
            (Kind::Refusal, code.name()),
            "{name}"
        );
        assert!(
            seen.entry.header.is_empty() && seen.entry.seal.is_none(),
            "{name}"
        );
        assert_eq!(
            seen.facts.refused_sha256[..],
            Digest::of(&header).0[..],
            "{name}"
        );
        assert_eq!(
            seen.facts.peer_sha256[..],
            world.consumer_peer.sha256().0[..],
            "{name}"
        );
        let receipt = refused.receipt.unwrap();
        assert!(
            receipt.verify(&Bytes::new(), None, world.log.key()).is_ok(),
            "{name}"
        );
    }
    world.replay_is_clean().await;
}

#[tokio::test]
async fn only_the_systems_own_connection_speaks_for_it() {
    let world = World::new().await;
    let unknown = Applicant::new("EG/GOV/MOSS/other");
    let envelope = || Some(world.seal(&world.request(1)).to_wire());
    for (peer, code) in [
        (
            Peer::of_role(PeerRole::Operator("nour".into()), 3),
            Code::UnknownPeer,
        ),
        (
            Peer::of_role(PeerRole::Auditor("cao".into()), 4),
            Code::UnknownPeer,
        ),
        (Peer::of_system(&unknown.system, 5), Code::UnknownPeer),
        // A certificate of a known system, which the switch never recorded.
        (
            Peer::of_system(&world.consumer.system, 6),
            Code::UnknownPeer,
        ),
        (Arc::clone(&world.provider_peer), Code::WrongSigner),
    ] {
        let received = Received::new(Arc::clone(&peer), envelope(), String::new(), None);
        assert_eq!(world.exchange.call(received).await.unwrap_err().code, code);
        if code == Code::UnknownPeer {
            let attached = world.exchange.attach(peer, tokio_stream::iter([])).await;
            assert_eq!(attached.unwrap_err().code, code);
        }
    }
    world.end_key(&world.consumer).await;
    assert_eq!(
        world.ask(&world.request(1)).await.unwrap_err().code,
        Code::KeyEnded
    );
    world.replay_is_clean().await;
}

#[tokio::test]
async fn limits_are_told_and_not_recorded() {
    for (limits, code) in [
        (Limits::new(8, 0), Code::RateLimited),
        (Limits::new(0, 8), Code::Overloaded),
    ] {
        let world = World::with(Settings::default(), limits).await;
        let before = world.log.head().size();
        let refused = world.ask(&world.request(1)).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.recording),
            (code, Recording::NotRecorded)
        );
        assert!(refused.retry_after_ms.is_some() && refused.receipt.is_none());
        assert_eq!(world.log.head().size(), before);
    }
}

#[tokio::test]
async fn a_flood_is_counted_and_does_not_fill_the_log() {
    let settings = Settings {
        refusals_per_minute: 3,
        ..Settings::default()
    };
    let world = World::with(settings, Limits::new(64, 64)).await;
    let before = world.log.head().size();
    for number in 0..20 {
        let refused = world.ask(&world.request(number)).await.unwrap_err();
        assert_eq!(refused.code, Code::ProviderOffline);
        let recording = if number < 3 {
            Recording::Recorded
        } else {
            Recording::Counted
        };
        assert_eq!(
            (refused.recording, refused.receipt.is_some()),
            (recording, number < 3)
        );
    }
    assert_eq!(world.log.head().size(), before + 3);
    world.site.clock.advance_ms(60_000);
    let seen = world.await_entries(before, 4).await;
    assert_eq!(
        (seen[3].facts.count, seen[3].facts.code.as_str()),
        (17, "provider_offline")
    );
    // An id whose refusal was only counted is free again; one whose refusal was recorded is not.
    assert_eq!(
        world.ask(&world.request(19)).await.unwrap_err().code,
        Code::ProviderOffline
    );
    let refused = world.ask(&world.request(0)).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.outcome),
        (Code::Duplicate, Some("provider_offline"))
    );
    world.exchange.finish(Duration::from_secs(1)).await;
    world.replay_is_clean().await;
}

#[tokio::test]
async fn a_quota_counts_what_was_recorded_and_outlives_a_restart() {
    let mut world = World::new().await;
    let search = |world: &World, number| {
        let mut request = world.request(number);
        request.operation = part("search");
        request
    };
    // Offline: refused, so it does not count.
    assert_eq!(
        world.ask(&search(&world, 0)).await.unwrap_err().code,
        Code::ProviderOffline
    );
    let mut adapter = world.adapter().await;
    for number in 1..=2 {
        let before = world.log.head().size();
        let asking = world.asking(&search(&world, number));
        adapter.serve(&world).await;
        asking.await.unwrap().unwrap();
        assert_eq!(
            world.entries(before).await[0].facts.quota_used,
            u64::from(number)
        );
    }
    let refused = world.ask(&search(&world, 3)).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.clause.as_deref()),
        (Code::QuotaExceeded, Some("quota"))
    );
    assert_eq!(
        (refused.agreement, refused.grant),
        (Some(world.agreement), 2)
    );
    assert!(refused.retry_after_ms.unwrap() <= 86_400_000);
    world.restart().await;
    let _adapter = world.adapter().await;
    assert_eq!(
        world.ask(&search(&world, 4)).await.unwrap_err().code,
        Code::QuotaExceeded
    );
    world.site.clock.advance_ms(86_400_000);
    let _asking = world.asking(&search(&world, 5));
    let seen = world.await_entries(world.log.head().size(), 1).await;
    assert_eq!((seen[0].kind, seen[0].facts.quota_used), (Kind::Request, 1));
    world.replay_is_clean().await;
}

#[test]
fn a_payload_never_shows_in_debug() {
    let peer = Peer::of_role(PeerRole::Auditor("cao".into()), 1);
    let envelope = wire::Envelope {
        payload: Bytes::from_static(QUESTION),
        ..Default::default()
    };
    let received = Received::new(peer, Some(envelope), String::new(), None);
    assert!(!format!("{received:?}").contains("29001011234567"));
}
