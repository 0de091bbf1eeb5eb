//! What is refused: strangers, other topics, payloads that the contract does not promise, a store that is full.

use proto::envelope::Envelope;
use proto::header::{SubscriptionHeader, Topic};
use proto::limits::label;
use proto::seal::Seal;
use tests::ground::ORIGIN;

use super::*;

fn code(refused: &EventError) -> Option<Code> {
    match refused {
        EventError::Refused { code, .. } => Some(*code),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_follows_what_it_may_not_ask() {
    let world = World::new().await;
    let moss = world.consumer().await;
    let stranger = TestAgency::enrol(&world.switch, "EG/COM/STRANGER/system").await;
    let stranger = stranger.adapter(world.switch.ground()).await;
    let part = |text| Part::parse(text).unwrap();
    for (adapter, wanted, expected) in [
        (&stranger, wanted(), Code::NoAgreement),
        (
            &moss,
            Wanted {
                operation: part("erase"),
                ..wanted()
            },
            Code::OperationNotGranted,
        ),
        (
            &moss,
            Wanted {
                purpose: part("curiosity"),
                ..wanted()
            },
            Code::PurposeNotGranted,
        ),
        (
            &moss,
            Wanted {
                fields: parts(&["income"]),
                ..wanted()
            },
            Code::FieldNotGranted,
        ),
    ] {
        let refused = adapter.events().subscribe(wanted).await.unwrap_err();
        assert_eq!(code(&refused), Some(expected), "{refused:?}");
    }
    // Another's subscription is nobody's business.
    let own = subscribe(&moss, wanted()).await.subscription_id;
    for refused in [
        stranger
            .events()
            .pull(own, 1, Duration::ZERO)
            .await
            .map(drop),
        stranger.events().unsubscribe(own).await.map(drop),
        stranger.events().redeliver(own, None).await.map(drop),
    ] {
        assert_eq!(code(&refused.unwrap_err()), Some(Code::Stale));
    }
    assert!(stranger.events().subscriptions().await.unwrap().is_empty());
    drop((moss, stranger));
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Subscription), 1);
    assert_eq!(told.coded(Code::FieldNotGranted.name()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_contract_does_not_promise_never_leaves() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let publication = |payload: &str| Publication {
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        ..event("", None)
    };
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(64 * 1024));
    for payload in ["", "no json", "[1]", "{\"nid\":\"1\"}", &huge] {
        let refused = civil.events().publish(publication(payload)).await;
        assert!(matches!(refused, Err(EventError::Unsent(_))), "{refused:?}");
    }
    let other = Publication {
        service: Part::parse("nothing.v1").unwrap(),
        ..event("a", None)
    };
    let refused = civil.events().publish(other).await;
    assert!(matches!(refused, Err(EventError::Unsent(_))), "{refused:?}");
    drop(civil);
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Event), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_says_when_to_try_again_and_records_nothing() {
    let world = World::with_limits("event_mib = 0").await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let refused = civil.events().publish(event("a", None)).await.unwrap_err();
    let EventError::Refused {
        code, retry_after, ..
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(code, Code::Overloaded);
    assert!(retry_after.is_some());
    drop(civil);
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Event), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_very_same_subscription_again_gets_the_receipt_of_the_first() {
    let world = World::new().await;
    let moss = world.consumer().await;
    let wanted = wanted();
    let header = SubscriptionHeader {
        subscription_id: EventId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap(),
        subscriber: moss.home().system().clone(),
        topic: Topic {
            publisher: wanted.service.system(),
            service: wanted.service.service(),
            operation: wanted.operation,
        },
        purpose: wanted.purpose,
        agreement: Some(world.agreement),
        delegation: Vec::new(),
        fields: wanted.fields,
        from_ms: None,
        attempts: None,
        pause_ms: None,
        issued_at_ms: world.switch.now_ms(),
    }
    .encode();
    let signer = world.moss.seal_signer();
    let seal = Seal::one(label::SUBSCRIPTION, ORIGIN, &header, &*signer).unwrap();
    let envelope = Envelope::bare(header, seal).to_wire();
    let mut indexes = Vec::new();
    for _ in 0..2 {
        let act = Some(wire::subscribe_request::Act::Begin(envelope.clone()));
        let mut client = moss.connection().events();
        let subscribed = client.subscribe(wire::SubscribeRequest { act }).await;
        indexes.push(subscribed.unwrap().into_inner().receipt.unwrap().index);
    }
    assert_eq!(indexes[0], indexes[1]);
    drop(moss);
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Subscription), 1);
}
