//! What comes twice, what the registry overtakes, what a restart finds, and what is disputed.

use std::time::Duration;

use bytes::Bytes;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::DisputeHeader;
use proto::limits::label;
use proto::seal::Seal;
use proto::{Code, Digest};

use super::world::World;
use crate::exchange::record::Unrecorded;
use crate::exchange::{Caller, Recording};
use crate::testing::{Applicant, ORIGIN};

#[tokio::test]
async fn a_duplicate_hears_what_became_of_the_first_also_after_a_restart() {
    let mut world = World::new().await;
    let mut adapter = world.adapter().await;
    let request = world.request(1);
    let asking = world.asking(&request);
    let deliver = adapter.deliver().await;
    let refused = world.ask(&request).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.outcome),
        (Code::Duplicate, Some("open"))
    );
    assert!(refused.receipt.is_none());
    let answer = world.seal_answer(&world.answer(&deliver));
    adapter
        .send(request.exchange_id, Some(answer.to_wire()))
        .await;
    let (_, closing, _) = asking.await.unwrap().unwrap().into_parts();
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let before = world.log.head().size();
        let refused = world.ask(&request).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.outcome),
            (Code::Duplicate, Some("answered"))
        );
        let receipt = refused.receipt.unwrap();
        assert_eq!(receipt.index, closing.index);
        assert!(
            receipt
                .verify(&answer.header, Some(&answer.seal), world.log.key())
                .is_ok()
        );
        let seen = world.entries(before).await;
        assert_eq!(
            (seen[0].kind, seen[0].facts.code.as_str()),
            (Kind::Refusal, "duplicate")
        );
    }
    world.replay_is_clean().await;
}

#[tokio::test]
async fn what_was_open_at_the_end_is_abandoned_at_the_next_start() {
    let mut world = World::new().await;
    let mut adapter = world.adapter().await;
    let before = world.log.head().size();
    let mut requests = Vec::new();
    for number in 1..=3 {
        requests.push(world.request(number));
        let _lost = world.asking(&requests[requests.len() - 1]);
        adapter.deliver().await;
    }
    // A day later another broker finds the log; the first one never came back.
    world.site.clock.advance_ms(86_400_000);
    let first = std::sync::Arc::clone(&world.exchange);
    world.restart().await;
    let seen = world.entries(before).await;
    assert_eq!(seen.len(), 6, "{seen:?}");
    for (at, seen) in seen[3..].iter().enumerate() {
        assert_eq!(
            (seen.kind, seen.facts.code.as_str()),
            (Kind::Closing, "abandoned")
        );
        assert_eq!(seen.facts.request_index, before + at as u64);
        assert_eq!(
            seen.facts.exchange_id[..],
            requests[at].exchange_id.as_bytes()[..]
        );
    }
    world.replay_is_clean().await;
    world.restart().await;
    assert_eq!(world.log.head().size(), before + 6);
    drop(first);
}

#[tokio::test]
async fn what_the_registry_overtakes_is_judged_again_by_the_registry_of_now() {
    let world = World::new().await;
    let _adapter = world.adapter().await;
    let envelope = || Some(world.seal(&world.request(1)).to_wire());
    // A request: judged, overtaken, judged again with its own id, recorded.
    let routed = world.exchange.judge(world.received(envelope())).unwrap();
    world.move_registry("EG/GOV/A/x").await;
    let Err(Unrecorded::Overtaken(overtaken)) = world.exchange.record(routed).await else {
        panic!("recorded against another registry than it was judged by")
    };
    assert_eq!(overtaken.size, world.registry.load().size());
    let routed = world.exchange.judge(overtaken.received).unwrap();
    // Again, and this time its key ends.
    world.end_key(&world.consumer).await;
    let Err(Unrecorded::Overtaken(overtaken)) = world.exchange.record(routed).await else {
        panic!("recorded against another registry than it was judged by")
    };
    let refusal = world.exchange.judge(overtaken.received).unwrap_err();
    assert_eq!(
        world.exchange.refuse(refusal).await.unwrap().code,
        Code::KeyEnded
    );
    world.replay_is_clean().await;
}

#[tokio::test]
async fn a_refusal_that_the_registry_overtakes_is_not_recorded() {
    let world = World::new().await;
    let mut request = world.request(1);
    request.agreement = None;
    let envelope = Some(world.seal(&request).to_wire());
    let refusal = world.exchange.judge(world.received(envelope)).unwrap_err();
    world.move_registry("EG/GOV/A/x").await;
    let size = world.log.head().size();
    let overtaken = world.exchange.refuse(refusal).await.unwrap_err();
    assert_eq!(world.log.head().size(), size);
    let refusal = world.exchange.judge(overtaken.received).unwrap_err();
    let refused = world.exchange.refuse(refusal).await.unwrap();
    assert_eq!(
        (refused.code, refused.receipt.is_some()),
        (Code::NoAgreement, true)
    );
    world.replay_is_clean().await;
}

#[tokio::test]
async fn an_answer_whose_key_ends_before_it_is_recorded_is_not_given_out() {
    let world = World::new().await;
    let mut adapter = world.adapter().await;
    let before = world.log.head().size();
    let request = world.request(1);
    let (mut caller, _waiting) = Caller::new(None);
    let received = world.received(Some(world.seal(&request).to_wire()));
    let recorded = world
        .exchange
        .judged_and_recorded(received, &caller)
        .await
        .unwrap();
    let (answered, ()) = tokio::join!(world.exchange.provider(recorded, &mut caller), async {
        let deliver = adapter.deliver().await;
        let answer = world.seal_answer(&world.answer(&deliver));
        adapter
            .send(request.exchange_id, Some(answer.to_wire()))
            .await;
    });
    let attested = world.exchange.response(answered.unwrap()).unwrap();
    world.end_key(&world.provider).await;
    let refused = world.exchange.close(Ok(attested)).await.unwrap_err();
    assert_eq!(refused.code, Code::AnswerInvalid);
    assert_eq!(refused.clause.as_deref(), Some("answer_invalid: seal"));
    let kinds: Vec<_> = world
        .entries(before)
        .await
        .iter()
        .map(|seen| seen.kind)
        .collect();
    assert_eq!(kinds, [Kind::Request, Kind::KeyEnded, Kind::Closing]);
    world.replay_is_clean().await;
}

#[tokio::test]
async fn who_hangs_up_before_the_request_is_durable_leaves_nothing() {
    let world = World::new().await;
    let _adapter = world.adapter().await;
    let before = world.log.head().size();
    let (caller, waiting) = Caller::new(None);
    drop(waiting);
    let received = world.received(Some(world.seal(&world.request(1)).to_wire()));
    assert!(
        world
            .exchange
            .judged_and_recorded(received, &caller)
            .await
            .is_err()
    );
    // A judgement that was dropped before its entry gives id and seat back.
    let received = world.received(Some(world.seal(&world.request(1)).to_wire()));
    drop(world.exchange.judge(received).unwrap());
    assert_eq!(world.log.head().size(), before);
    let received = world.received(Some(world.seal(&world.request(1)).to_wire()));
    assert!(world.exchange.judge(received).is_ok());
}

/// An exchange that was answered, and a dispute about it, not sealed yet.
async fn answered(world: &World) -> (DisputeHeader, u64) {
    let mut adapter = world.adapter().await;
    let request = world.request(1);
    let asking = world.asking(&request);
    adapter.serve(world).await;
    let (answer, closing, named) = asking.await.unwrap().unwrap().into_parts();
    assert!(named.index < closing.index);
    let dispute = DisputeHeader {
        exchange_id: request.exchange_id,
        answer_header: Digest::of(&answer.header),
        code: Code::PayloadMismatch,
        issued_at_ms: world.site.clock.now_ms(),
    };
    (dispute, named.index)
}

fn sealed(dispute: &DisputeHeader, by: &Applicant, label: &str) -> Envelope {
    let header = dispute.encode();
    let seal = Seal::one(label, ORIGIN, &header, &by.seal_key).unwrap();
    Envelope::bare(header, seal)
}

#[tokio::test]
async fn a_dispute_names_the_recorded_answer_under_its_consumers_seal_once() {
    let world = World::new().await;
    let (dispute, request_index) = answered(&world).await;
    let good = sealed(&dispute, &world.consumer, label::DISPUTE);
    let receipt = world
        .exchange
        .dispute(world.received(Some(good.to_wire())))
        .await
        .unwrap();
    assert_eq!(receipt.kind, Kind::Dispute);
    assert!(
        receipt
            .verify(&good.header, Some(&good.seal), world.log.key())
            .is_ok()
    );
    let seen = world.entries(receipt.index).await;
    assert_eq!(seen[0].facts.request_index, request_index);
    let again = world
        .exchange
        .dispute(world.received(Some(good.to_wire())))
        .await
        .unwrap_err();
    assert_eq!(again.code, Code::Duplicate);
    world.replay_is_clean().await;
}

#[tokio::test]
async fn a_dispute_that_is_refused_leaves_the_exchange_open_to_one() {
    let world = World::new().await;
    let (dispute, _) = answered(&world).await;
    let other = DisputeHeader {
        answer_header: Digest([1; 32]),
        ..dispute.clone()
    };
    let unknown = DisputeHeader {
        exchange_id: world.request(9).exchange_id,
        ..dispute.clone()
    };
    let old = DisputeHeader {
        issued_at_ms: dispute.issued_at_ms - 30_001,
        ..dispute.clone()
    };
    let mut loaded = sealed(&dispute, &world.consumer, label::DISPUTE);
    loaded.payload = Bytes::from_static(b"x");
    for (envelope, code) in [
        (
            sealed(&dispute, &world.provider, label::DISPUTE),
            Code::WrongSigner,
        ),
        (
            sealed(&dispute, &world.consumer, label::REQUEST),
            Code::BadSeal,
        ),
        (
            sealed(&other, &world.consumer, label::DISPUTE),
            Code::Malformed,
        ),
        (
            sealed(&unknown, &world.consumer, label::DISPUTE),
            Code::Stale,
        ),
        (sealed(&old, &world.consumer, label::DISPUTE), Code::Stale),
        (loaded, Code::Malformed),
    ] {
        let received = world.received(Some(envelope.to_wire()));
        let refused = world.exchange.dispute(received).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.recording),
            (code, Recording::Recorded)
        );
    }
    let good = sealed(&dispute, &world.consumer, label::DISPUTE);
    assert!(
        world
            .exchange
            .dispute(world.received(Some(good.to_wire())))
            .await
            .is_ok()
    );
    world.exchange.finish(Duration::from_secs(1)).await;
    world.replay_is_clean().await;
}
