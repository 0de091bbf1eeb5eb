//! How a recorded request ends: one closing entry, whatever happens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{AnswerHeader, AnswerStatus};
use proto::limits::label;
use proto::seal::Seal;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_response::Message as Out;
use proto::{Code, Digest};

use super::world::{Adapter, QUESTION, REPLY, World};
use crate::exchange::{Received, Recording};
use crate::testing::{ORIGIN, part};

#[tokio::test]
async fn an_answer_reaches_the_consumer_after_both_entries() {
    let world = World::new().await;
    let mut adapter = world.adapter().await;
    let before = world.log.head().size();
    let request = world.request(1);
    let sent = world.seal(&request);
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let peer = Arc::clone(&world.consumer_peer);
    let received = Received::new(peer, Some(sent.to_wire()), traceparent.into(), None);
    let exchange = Arc::clone(&world.exchange);
    let asking = tokio::spawn(async move { exchange.call(received).await });

    let deliver = adapter.deliver().await;
    assert_eq!(Envelope::from_wire(deliver.envelope.clone()).unwrap(), sent);
    assert_eq!(deliver.traceparent, traceparent);
    assert!((9_000..=10_000).contains(&deliver.remaining_ms));
    let proof = audit::receipt::Receipt::from_wire(deliver.receipt.clone().unwrap()).unwrap();
    let asked = proof
        .verify(&sent.header, Some(&sent.seal), world.log.key())
        .unwrap();
    assert_eq!((proof.index, proof.kind), (before, Kind::Request));

    let answer = world.seal_answer(&world.answer(&deliver));
    adapter
        .send(request.exchange_id, Some(answer.to_wire()))
        .await;
    let Out::AnswerRecorded(recorded) = adapter.next().await else {
        panic!("not recorded")
    };
    let (given, closing, named) = asking.await.unwrap().unwrap().into_parts();
    assert_eq!(given, answer);
    assert_eq!(recorded.receipt.unwrap(), closing.to_wire());
    let closed = closing
        .verify(&answer.header, Some(&answer.seal), world.log.key())
        .unwrap();
    assert_eq!((closing.index, closing.kind), (before + 1, Kind::Closing));
    assert_eq!((named.index, named.facts), (before, asked.entry.facts));

    let seen = world.entries(before).await;
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].facts.code.as_str(), seen[0].facts.grant), ("", 1));
    let facts = &seen[1].facts;
    assert_eq!(
        (facts.code.as_str(), facts.request_index),
        ("answered", before)
    );
    assert_eq!(facts.request_leaf[..], asked.leaf.0[..]);
    assert_eq!(facts.peer_sha256[..], world.provider_peer.sha256().0[..]);
    assert!(facts.exchange_id.is_empty() && closed.entry == seen[1].entry);
    assert_eq!(world.exchange.limits.under_way(), 0);
    world.replay_is_clean().await;
}

#[tokio::test]
async fn every_sealed_status_reaches_the_consumer_and_is_closed_as_what_it_is() {
    let world = World::new().await;
    let mut adapter = world.adapter().await;
    for (number, (status, outcome)) in [
        (AnswerStatus::NotFound, "answered"),
        (AnswerStatus::InvalidRequest, "answered"),
        (AnswerStatus::Unavailable, "provider_failed"),
        (AnswerStatus::Failed, "provider_failed"),
        (
            AnswerStatus::Refused(Code::OperationMismatch),
            "provider_failed",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let before = world.log.head().size();
        let asking = world.asking(&world.request(number as u8));
        let deliver = adapter.deliver().await;
        let answer = AnswerHeader {
            status,
            fields: Vec::new(),
            ..world.answer(&deliver)
        };
        adapter
            .send(
                answer.exchange_id,
                Some(world.seal_answer(&answer).to_wire()),
            )
            .await;
        assert!(matches!(adapter.next().await, Out::AnswerRecorded(_)));
        let (given, ..) = asking.await.unwrap().unwrap().into_parts();
        assert_eq!(AnswerHeader::open(&given.header).unwrap().status, status);
        assert_eq!(world.entries(before).await[1].facts.code, outcome);
    }
    world.replay_is_clean().await;
}

/// What a provider may send instead of an answer, and the word that the log keeps.
type Wrong = fn(&World, AnswerHeader) -> Option<wire::Envelope>;

fn wrong_answers() -> Vec<(&'static str, Wrong)> {
    vec![
        ("malformed", |_, _| None),
        ("malformed", |w, a| {
            let mut envelope = w.seal_answer(&a).to_wire();
            envelope.header = Bytes::from_static(&[0xff; 3_000]);
            Some(envelope)
        }),
        ("malformed", |w, a| {
            let mut envelope = w.seal_answer(&a).to_wire();
            envelope.salt = Bytes::new();
            Some(envelope)
        }),
        ("malformed", |w, a| {
            Some(
                w.seal_answer(&AnswerHeader {
                    status: AnswerStatus::Failed,
                    ..a
                })
                .to_wire(),
            )
        }),
        ("seal", |w, a| {
            let header = a.encode();
            let seal = Seal::one(label::ANSWER, ORIGIN, &header, &w.consumer.seal_key).unwrap();
            Some(
                Envelope {
                    header,
                    seal,
                    ..w.seal_answer(&a)
                }
                .to_wire(),
            )
        }),
        ("other_exchange", |w, mut a| {
            a.exchange_id = w.request(200).exchange_id;
            Some(w.seal_answer(&a).to_wire())
        }),
        ("other_exchange", |w, mut a| {
            a.request_header = Digest([1; 32]);
            Some(w.seal_answer(&a).to_wire())
        }),
        ("other_exchange", |w, mut a| {
            a.request_seal = Digest([1; 32]);
            Some(w.seal_answer(&a).to_wire())
        }),
        ("field name", |w, mut a| {
            a.fields = vec![part("alive"), part("name")];
            Some(w.seal_answer(&a).to_wire())
        }),
        ("payload_mismatch", |w, a| {
            let mut envelope = w.seal_answer(&a).to_wire();
            envelope.payload = Bytes::from_static(QUESTION);
            Some(envelope)
        }),
    ]
}

#[tokio::test]
async fn an_answer_that_does_not_hold_gives_nothing_out() {
    let world = World::new().await;
    let mut adapter = world.adapter().await;
    for (number, (fault, wrong)) in wrong_answers().into_iter().enumerate() {
        let before = world.log.head().size();
        let request = world.request(number as u8);
        let asking = world.asking(&request);
        let deliver = adapter.deliver().await;
        let envelope = wrong(&world, world.answer(&deliver));
        let header = envelope
            .as_ref()
            .map(|envelope| envelope.header.clone())
            .unwrap_or_default();
        adapter.send(request.exchange_id, envelope).await;
        let refused = asking.await.unwrap().unwrap_err();
        assert_eq!(
            (refused.code, refused.recording),
            (Code::AnswerInvalid, Recording::Recorded)
        );
        assert_eq!(refused.outcome, Some("provider_failed"));
        let clause = format!("answer_invalid: {fault}");
        assert_eq!(refused.clause.as_deref(), Some(clause.as_str()));
        let seen = world.entries(before).await;
        assert_eq!(seen.len(), 2, "{seen:?}");
        let facts = &seen[1].facts;
        assert_eq!(
            (facts.code.as_str(), facts.clause.as_str()),
            ("provider_failed", clause.as_str())
        );
        assert_eq!(facts.refused_sha256[..], Digest::of(&header).0[..]);
        assert_eq!(facts.exchange_id[..], request.exchange_id.as_bytes()[..]);
        assert!(seen[1].entry.header.is_empty());
        assert!(
            refused
                .receipt
                .unwrap()
                .verify(&Bytes::new(), None, world.log.key())
                .is_ok()
        );
    }
    world.replay_is_clean().await;
}

/// What keeps an answer from coming.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Missing {
    Deadline,
    CallersDeadline,
    HangUp,
    LinkLost,
    Stop,
}

#[tokio::test]
async fn without_an_answer_there_is_still_one_closing_entry() {
    for (missing, outcome, code) in [
        (Missing::Deadline, "deadline", Some(Code::Deadline)),
        (Missing::CallersDeadline, "deadline", Some(Code::Deadline)),
        (Missing::HangUp, "cancelled", None),
        (
            Missing::LinkLost,
            "provider_failed",
            Some(Code::ProviderFailed),
        ),
        (Missing::Stop, "abandoned", Some(Code::ProviderFailed)),
    ] {
        let world = World::new().await;
        let mut adapter = world.adapter().await;
        let before = world.log.head().size();
        let mut request = world.request(1);
        if missing == Missing::Deadline {
            request.deadline_ms = 60;
        }
        let patience = (missing == Missing::CallersDeadline).then_some(Duration::from_millis(80));
        let peer = Arc::clone(&world.consumer_peer);
        let envelope = Some(world.seal(&request).to_wire());
        let received = Received::new(peer, envelope, String::new(), patience);
        let exchange = Arc::clone(&world.exchange);
        let asking = tokio::spawn(async move { exchange.call(received).await });
        adapter.deliver().await;
        assert_eq!(world.exchange.limits.under_way(), 1);
        let adapter = end(&world, adapter, &asking, missing).await;
        let seen = world.await_entries(before, 2).await;
        assert_eq!(seen.len(), 2, "{missing:?}: {seen:?}");
        assert_eq!(seen[1].facts.code, outcome, "{missing:?}");
        assert_eq!(
            seen[1].facts.exchange_id[..],
            request.exchange_id.as_bytes()[..]
        );
        match code {
            Some(code) => assert_eq!(asking.await.unwrap().unwrap_err().code, code, "{missing:?}"),
            None => assert!(asking.await.unwrap_err().is_cancelled()),
        }
        if let Some(mut adapter) = adapter {
            let Out::Cancel(cancel) = adapter.next().await else {
                panic!("{missing:?}: no cancel")
            };
            assert_eq!(cancel.exchange_id[..], request.exchange_id.as_bytes()[..]);
        }
        world.exchange.finish(Duration::from_secs(5)).await;
        assert_eq!(world.exchange.limits.under_way(), 0, "{missing:?}");
        assert_eq!(world.log.head().size(), before + 2, "{missing:?}");
        world.replay_is_clean().await;
    }
}

async fn end(
    world: &World,
    adapter: Adapter,
    asking: &tokio::task::JoinHandle<super::world::Ended>,
    missing: Missing,
) -> Option<Adapter> {
    match missing {
        Missing::Deadline | Missing::CallersDeadline => {}
        Missing::HangUp => asking.abort(),
        Missing::LinkLost => {
            drop(adapter);
            return None;
        }
        Missing::Stop => {
            let exchange = Arc::clone(&world.exchange);
            tokio::spawn(async move { exchange.finish(Duration::from_millis(10)).await });
        }
    }
    Some(adapter)
}

#[tokio::test]
async fn a_request_whose_time_is_up_before_delivery_is_closed_and_not_delivered() {
    let world = World::new().await;
    let mut adapter = world.adapter().await;
    let before = world.log.head().size();
    let mut request = world.request(1);
    request.issued_at_ms -= 20_000;
    let refused = world.ask(&request).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.outcome),
        (Code::Deadline, Some("deadline"))
    );
    assert_eq!(world.entries(before).await.len(), 2);
    // The next thing that the adapter hears is the next request.
    let asking = world.asking(&world.request(2));
    adapter.serve(&world).await;
    let (answer, ..) = asking.await.unwrap().unwrap().into_parts();
    assert_eq!(answer.payload[..], REPLY[..]);
    world.replay_is_clean().await;
}

#[tokio::test]
async fn a_late_answer_is_recorded_once_after_its_closing_and_changes_nothing() {
    let world = World::new().await;
    let mut adapter = world.adapter().await;
    let before = world.log.head().size();
    let mut request = world.request(1);
    request.deadline_ms = 40;
    let asking = world.asking(&request);
    let deliver = adapter.deliver().await;
    assert_eq!(asking.await.unwrap().unwrap_err().code, Code::Deadline);
    let answer = world.answer(&deliver);
    for _ in 0..3 {
        adapter
            .send(
                answer.exchange_id,
                Some(world.seal_answer(&answer).to_wire()),
            )
            .await;
    }
    let seen = world.await_entries(before, 3).await;
    assert_eq!((seen[1].kind, seen[2].kind), (Kind::Closing, Kind::Late));
    assert_eq!(
        (seen[2].facts.request_index, seen[2].facts.code.as_str()),
        (before, "answered")
    );
    let refused = world.ask(&request).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.outcome),
        (Code::Duplicate, Some("deadline"))
    );
    // One that does not hold is dropped.
    let mut request = world.request(2);
    request.deadline_ms = 40;
    let asking = world.asking(&request);
    let deliver = adapter_deliver(&mut adapter).await;
    assert_eq!(asking.await.unwrap().unwrap_err().code, Code::Deadline);
    let size = world.log.head().size();
    let wrong = AnswerHeader {
        request_seal: Digest([1; 32]),
        ..world.answer(&deliver)
    };
    adapter
        .send(wrong.exchange_id, Some(world.seal_answer(&wrong).to_wire()))
        .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.log.head().size(), size);
    world.replay_is_clean().await;
}

/// The next request, past what the adapter is told about earlier ones.
async fn adapter_deliver(adapter: &mut Adapter) -> wire::Deliver {
    loop {
        match adapter.next().await {
            Out::Deliver(deliver) => return deliver,
            Out::Cancel(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
