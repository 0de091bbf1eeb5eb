//! How it ends: with the agreement, by giving up, by refusing, by fields that are not agreed on.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_agreement_ends_the_subscription_on_record_within_a_second() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let follower = Follower::default();
    let (moss, handle) = follow(&world, &world.moss, &follower).await;
    let subscribed = subscribe(&moss, wanted()).await;
    follower.shut(Some(Failure::Unavailable));
    publish(&civil, "never taken in", None).await;
    world.civil.revoke(&world.switch, world.agreement).await;
    let ended = std::time::Instant::now();
    soon("it ends", async {
        loop {
            let all = moss.events().subscriptions().await.unwrap();
            if all[0].end_index > 0 {
                assert_eq!(all[0].end_code, Code::AgreementRevoked.name());
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(ended.elapsed() < Duration::from_secs(5));
    follower.shut(None);
    assert_eq!(publish(&civil, "nor this", None).await.subscribers, 0);
    // It cannot be begun again, pulled or ended by its subscriber.
    let refused = moss.events().subscribe(wanted()).await;
    assert!(
        matches!(
            refused,
            Err(EventError::Refused {
                code: Code::AgreementRevoked,
                ..
            })
        ),
        "{refused:?}"
    );
    for refused in [
        moss.events()
            .pull(subscribed.subscription_id, 1, Duration::ZERO)
            .await
            .map(drop),
        moss.events()
            .unsubscribe(subscribed.subscription_id)
            .await
            .map(drop),
    ] {
        assert!(
            matches!(
                refused,
                Err(EventError::Refused {
                    code: Code::Stale,
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    handle.drain().await.unwrap();
    drop((civil, moss));
    assert!(follower.texts().is_empty());
    let told = world.finish().await;
    assert_eq!(told.count(Kind::SubscriptionEnd), 1);
    assert_eq!(told.count(Kind::EventOutcome), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_acknowledges_is_given_up_and_holds_up_nobody() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let deaf = Follower::default();
    deaf.shut(Some(Failure::Unavailable));
    let (moss, handle) = follow(&world, &world.moss, &deaf).await;
    let other = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/platform").await;
    let terms = Terms::for_agency(&other);
    world.civil.agree(&world.switch, &other, &terms).await;
    let follower = Follower::default();
    let (giza, other_handle) = follow(&world, &other, &follower).await;
    let impatient = Wanted {
        attempts: Some(3),
        pause: Some(Duration::from_millis(1)),
        ..wanted()
    };
    let subscribed = subscribe(&moss, impatient).await;
    subscribe(&giza, wanted()).await;
    let published = publish(&civil, "one", Some("k")).await;
    let next = publish(&civil, "two", Some("k")).await;
    until("the other has both", || follower.texts() == ["one", "two"]).await;
    // The test's clock stands still: each pause is over when it moves.
    soon("it is given up", async {
        loop {
            world.switch.clock().advance_ms(1_000);
            let states = states(&civil, next.event_id).await;
            if states.contains(&State::Dead) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let (dead, _) = civil.events().status(None, 0, true).await.unwrap();
    assert_eq!(dead.len(), 2);
    assert_eq!(dead[0].deliveries[0].code, Code::Deadline.name());
    // What was given up is brought again when its subscriber asks for it.
    deaf.shut(None);
    let id = subscribed.subscription_id;
    let again = moss.events().redeliver(id, Some(published.event_id)).await;
    assert_eq!(again.unwrap(), 1);
    assert_eq!(moss.events().redeliver(id, None).await.unwrap(), 2);
    until("it is taken in after all", || {
        deaf.texts() == ["one", "two"]
    })
    .await;
    all_are(&civil, next.event_id, State::Taken).await;
    handle.drain().await.unwrap();
    other_handle.drain().await.unwrap();
    drop((civil, moss, giza));
    let told = world.finish().await;
    // Two given up, then taken; two taken by the other.
    assert_eq!(told.count(Kind::EventOutcome), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_or_holds_other_fields_is_not_brought_again() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let follower = Follower::default();
    let (moss, handle) = follow(&world, &world.moss, &follower).await;
    subscribe(&moss, wanted()).await;
    follower.shut(Some(Failure::InvalidRequest("no such licence".to_owned())));
    let refused = publish(&civil, "refused", None).await;
    all_are(&civil, refused.event_id, State::Refused).await;
    follower.shut(None);
    // Income is a field of the operation, and not of the agreement.
    let rich = Publication {
        payload: Bytes::from(json!({ "name": "Rich", "income": 5 }).to_string()),
        ..event("", None)
    };
    let rich = civil.events().publish(rich).await.unwrap();
    all_are(&civil, rich.event_id, State::Withheld).await;
    let plain = publish(&civil, "plain", None).await;
    until("the plain one is told", || follower.texts() == ["plain"]).await;
    all_are(&civil, plain.event_id, State::Taken).await;
    handle.drain().await.unwrap();
    drop((civil, moss));
    let told = world.finish().await;
    assert_eq!(told.count(Kind::EventOutcome), 3);
    assert_eq!(told.coded(Code::FieldNotGranted.name()), 1);
    assert_eq!(told.coded(Code::ContractViolation.name()), 1);
}
