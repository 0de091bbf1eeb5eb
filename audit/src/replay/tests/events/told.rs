//! Lies over what happened, and over who wants to be told.

use proto::limits::{SUBSCRIPTIONS_MAX, WINDOW_MS_MAX};

use super::*;

impl Teller {
    /// An event under the operator's key.
    pub(crate) async fn made_up(&mut self) -> Appended {
        let (facts, header) = (self.facts(), self.event().encode());
        let by = (label::EVENT, OPERATOR);
        self.sealed(Kind::Event, facts, header, by).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_its_publisher_did_not_seal_is_found() {
    // By nobody's key, by the operator's, by a subscriber's, and under a label for something else.
    for (label, seed) in [
        (label::EVENT, 99),
        (label::EVENT, OPERATOR),
        (label::EVENT, MOSS),
        (label::EVENT_RECEIPT, CIVIL),
    ] {
        let mut teller = Teller::new().await;
        let header = teller.event().encode();
        let facts = teller.facts();
        teller
            .sealed(Kind::Event, facts, header, (label, seed))
            .await;
        assert_eq!(teller.rules().await, [rule::EVENT], "{label} {seed}");
    }
    let mut teller = Teller::new().await;
    let header = teller.event().encode();
    let facts = facts::encode(&teller.facts());
    teller.forger.append(Kind::Event, facts, header, None).await;
    assert_eq!(teller.rules().await, [rule::EVENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_another_system_sealed_as_its_own_changes_nothing() {
    // MOSS says it is the publisher: it offers no such operation.
    let mut teller = Teller::new().await;
    let mut header = teller.event();
    header.topic.publisher = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    let (facts, by) = (teller.facts(), (label::EVENT, MOSS));
    teller.sealed(Kind::Event, facts, header.encode(), by).await;
    assert_eq!(teller.rules().await, [rule::EVENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_what_is_not_offered_is_found() {
    let mut teller = Teller::new().await;
    let mut headers = [
        teller.event(),
        teller.event(),
        teller.event(),
        teller.event(),
    ];
    headers[0].topic.service = part("births.v1");
    headers[1].topic.operation = part("burials");
    headers[2].contract = Digest::of(b"another contract");
    for header in &headers[..3] {
        teller.publish(header).await;
    }
    teller
        .deed(OperatorDeed::EndSystem {
            system: Teller::topic().publisher,
            reason: part("compromised"),
        })
        .await;
    teller.publish(&headers[3]).await;
    assert_eq!(teller.rules().await, [rule::EVENT; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_suspended_agency_is_found() {
    let mut teller = Teller::new().await;
    teller.suspend("EG/GOV/CIVIL", false).await;
    let header = teller.event();
    teller.publish(&header).await;
    assert_eq!(teller.rules().await, [rule::EVENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_a_second_time_is_found() {
    let mut teller = Teller::new().await;
    let header = teller.event();
    teller.publish(&header).await;
    teller.publish(&header).await;
    // Another one with that id.
    let mut other = teller.event();
    other.event_id = header.event_id;
    teller.publish(&other).await;
    assert_eq!(teller.rules().await, [rule::EVENT; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_long_before_and_is_recorded_as_new_is_found() {
    let mut teller = Teller::new().await;
    let (event, subscription) = (teller.event(), teller.subscription());
    let ended = teller.subscription();
    let began = teller.subscribe(&ended).await;
    let end = teller.end_of(&ended);
    teller.forger.clock.advance_ms(WINDOW_MS_MAX + 1);
    teller.publish(&event).await;
    teller.subscribe(&subscription).await;
    let facts = teller.of(&began);
    teller.unsubscribe(facts, &end).await;
    assert_eq!(teller.rules().await, [rule::TIME; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_over_a_certificate_that_may_not_connect_is_found() {
    let mut teller = Teller::new().await;
    let peer = |facts: EventFacts| EventFacts {
        peer_sha256: vec![8; 32].into(),
        ..facts
    };
    let (told, held) = (teller.event(), teller.subscription());
    let (facts, by) = (peer(teller.granted()), (label::SUBSCRIPTION, MOSS));
    let kind = Kind::Subscription;
    let subscription = teller.sealed(kind, facts, held.encode(), by).await;
    let (facts, by) = (peer(teller.facts()), (label::EVENT, CIVIL));
    let event = teller.sealed(Kind::Event, facts, told.encode(), by).await;
    let facts = peer(teller.between(&subscription, &event));
    let receipt = teller.receipt_of(&held, &told);
    teller.receive(facts, &receipt).await;
    let (facts, end) = (peer(teller.of(&subscription)), teller.end_of(&held));
    teller.unsubscribe(facts, &end).await;
    assert_eq!(teller.rules().await, [rule::DECISION; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_say_what_such_an_entry_cannot_are_found() {
    let mut teller = Teller::new().await;
    let header = teller.event();
    let facts = teller.because(teller.facts(), "deadline", "attempts");
    let by = (label::EVENT, CIVIL);
    teller.sealed(Kind::Event, facts, header.encode(), by).await;
    let header = teller.subscription();
    let facts = teller.because(teller.granted(), "no_agreement", "agreement");
    let by = (label::SUBSCRIPTION, MOSS);
    teller
        .sealed(Kind::Subscription, facts, header.encode(), by)
        .await;
    let header = teller.event().encode();
    let seal = Seal::one(label::EVENT, ORIGIN, &header, &TestSigner::new(CIVIL)).unwrap();
    let torn = Bytes::from_static(&[0xff, 0xff]);
    teller
        .forger
        .append(Kind::Event, torn, header, Some(seal))
        .await;
    assert_eq!(teller.rules().await, [rule::FACTS; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_has_seen_another_log_is_found() {
    let mut teller = Teller::new().await;
    let mut header = teller.event();
    header.seen = Some(Seen {
        size: 1_000,
        root: Digest::of(b"another log"),
    });
    teller.publish(&header).await;
    assert_eq!(teller.rules().await, [rule::FORK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_its_subscriber_did_not_seal_is_found() {
    for (label, seed) in [
        (label::SUBSCRIPTION, 99),
        (label::SUBSCRIPTION, OPERATOR),
        (label::SUBSCRIPTION, CIVIL),
        (label::SUBSCRIPTION_END, MOSS),
    ] {
        let mut teller = Teller::new().await;
        let header = teller.subscription().encode();
        let (kind, facts) = (Kind::Subscription, teller.granted());
        teller.sealed(kind, facts, header, (label, seed)).await;
        assert_eq!(teller.rules().await, [rule::EVENT], "{label} {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_no_agreement_permits_is_found() {
    let mut teller = Teller::new().await;
    let mut headers: Vec<SubscriptionHeader> = (0..6).map(|_| teller.subscription()).collect();
    headers[0].fields = vec![part("mother_id")];
    headers[1].purpose = part("curiosity");
    headers[2].agreement = None;
    headers[3].topic.operation = part("burials");
    headers[4].delegation = vec![Digest::of(b"never handed on")];
    for header in &headers[..5] {
        teller.subscribe(header).await;
    }
    teller.suspend("EG/GOV/MOSS", false).await;
    teller.subscribe(&headers[5]).await;
    assert_eq!(teller.rules().await, [rule::EVENT; 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_to_what_is_switched_off_is_found() {
    let mut teller = Teller::new().await;
    let header = teller.subscription();
    teller
        .deed(OperatorDeed::EndSystem {
            system: Teller::topic().publisher,
            reason: part("compromised"),
        })
        .await;
    teller.subscribe(&header).await;
    assert_eq!(teller.rules().await, [rule::EVENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_under_another_grant_than_its_facts_say_is_found() {
    let mut teller = Teller::new().await;
    let mut facts = [teller.granted(), teller.granted(), teller.granted()];
    facts[0].grant = 2;
    facts[1].agreement = Digest::of(b"another agreement").0.to_vec().into();
    facts[2].agreement = Bytes::new();
    for facts in facts {
        let header = teller.subscription().encode();
        let by = (label::SUBSCRIPTION, MOSS);
        teller.sealed(Kind::Subscription, facts, header, by).await;
    }
    assert_eq!(teller.rules().await, [rule::EVENT; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_a_second_time_is_found() {
    let mut teller = Teller::new().await;
    let header = teller.subscription();
    let first = teller.subscribe(&header).await;
    teller.subscribe(&header).await;
    // Not after its end either.
    let (facts, end) = (teller.of(&first), teller.end_of(&header));
    teller.unsubscribe(facts, &end).await;
    teller.subscribe(&header).await;
    assert_eq!(teller.rules().await, [rule::EVENT; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_subscription_too_many_is_found() {
    let mut teller = Teller::new().await;
    let mut last = None;
    for _ in 0..SUBSCRIPTIONS_MAX {
        let header = teller.subscription();
        last = Some((teller.subscribe(&header).await, header));
    }
    let header = teller.subscription();
    teller.subscribe(&header).await;
    // One that has ended makes room.
    let (subscription, held) = last.unwrap();
    let (facts, end) = (teller.of(&subscription), teller.end_of(&held));
    teller.unsubscribe(facts, &end).await;
    let header = teller.subscription();
    teller.subscribe(&header).await;
    assert_eq!(teller.rules().await, [rule::EVENT]);
}
