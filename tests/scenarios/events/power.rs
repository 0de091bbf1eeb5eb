//! Nothing is lost: by a power cut of the switch, by a restart, by a payload that is gone.

use proto::authorise::verify_recorded_event;
use proto::commitment::{Commitment, Salt};
use proto::header::{EventHeader, Topic};
use proto::limits::label;
use proto::seal::Seal;
use tests::ground::ORIGIN;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_and_subscriptions_outlive_a_power_cut() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let moss = world.consumer().await;
    let subscribed = subscribe(&moss, wanted()).await;
    let events = moss.events();
    let id = subscribed.subscription_id;
    for name in ["one", "two", "three"] {
        publish(&civil, name, Some("k")).await;
    }
    let pulled = events.pull(id, 1, Duration::from_secs(5)).await.unwrap();
    events.acknowledge(&pulled).await.unwrap();
    // Brought, and not acknowledged.
    assert_eq!(
        events
            .pull(id, 1, Duration::from_secs(5))
            .await
            .unwrap()
            .len(),
        1
    );
    drop((civil, moss, events));
    let world = world.after_a_power_cut().await;
    let follower = Follower::default();
    let (moss, handle) = follow(&world, &world.moss, &follower).await;
    until("the rest is told", || follower.texts() == ["two", "three"]).await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    publish(&civil, "four", Some("k")).await;
    until("so is what comes now", || {
        follower.texts() == ["two", "three", "four"]
    })
    .await;
    soon("all is acknowledged", async {
        while civil.events().subscriptions().await.unwrap()[0].taken < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    handle.drain().await.unwrap();
    drop((civil, moss));
    let world = world.restart().await;
    let moss = world.consumer().await;
    let all = moss.events().subscriptions().await.unwrap();
    assert_eq!((all[0].taken, all[0].waiting), (4, 0));
    drop(moss);
    let told = world.finish().await;
    assert_eq!(told.count(Kind::EventOutcome), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_run_knew_counts_only_for_this_log() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let moss = world.consumer().await;
    let id = subscribe(&moss, wanted()).await.subscription_id;
    publish(&civil, "one", Some("k")).await;
    drop((civil, moss));
    let fold = |log_dir: &std::path::Path| log_dir.with_file_name("events").join("known.fold");
    let mut kept = Vec::new();
    // As it is, gone, damaged, and as it was before.
    let mut world = world;
    for round in 0..4 {
        world = world
            .restart_after(|log_dir| match round {
                0 => kept = std::fs::read(fold(log_dir)).unwrap(),
                1 => std::fs::remove_file(fold(log_dir)).unwrap(),
                2 => std::fs::write(fold(log_dir), &kept[..40]).unwrap(),
                _ => std::fs::write(fold(log_dir), &kept).unwrap(),
            })
            .await;
        let moss = world.consumer().await;
        let all = moss.events().subscriptions().await.unwrap();
        let taken = u64::from(round > 1);
        assert_eq!(
            (all.len(), all[0].taken, all[0].waiting),
            (1, taken, 1 - taken)
        );
        if round == 1 {
            let pulled = moss
                .events()
                .pull(id, 1, Duration::from_secs(5))
                .await
                .unwrap();
            moss.events().acknowledge(&pulled).await.unwrap();
        }
    }
    let told = world.finish().await;
    assert_eq!(told.count(Kind::EventOutcome), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_without_an_entry_is_let_go_and_a_lost_page_holds_up_nothing_else() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let moss = world.consumer().await;
    let subscribed = subscribe(&moss, wanted()).await;
    let lost = publish(&civil, "lost", None).await;
    publish(&civil, "kept", None).await;
    drop((civil, moss));
    let stray = "0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b-0123456789abcdef.event";
    let world = world
        .restart_after(|log_dir| {
            let dir = log_dir.with_file_name("events");
            let pages = std::fs::read_dir(&dir)
                .unwrap()
                .map(|page| page.unwrap().path());
            for page in pages {
                let name = page.file_name().unwrap().to_string_lossy().into_owned();
                if name.starts_with(&lost.event_id.to_string()) {
                    std::fs::remove_file(page).unwrap();
                }
            }
            std::fs::write(dir.join(stray), b"never recorded").unwrap();
        })
        .await;
    let dir = world.switch.ground().log_dir().with_file_name("events");
    assert!(!dir.join(stray).exists());
    let moss = world.consumer().await;
    let id = subscribed.subscription_id;
    let pulled = moss
        .events()
        .pull(id, 10, Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(pulled.len(), 1);
    moss.events().acknowledge(&pulled).await.unwrap();
    drop(moss);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_no_longer_is_given_up_on_record() {
    let world = World::with_limits("event_days = 1").await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let moss = world.consumer().await;
    subscribe(&moss, wanted()).await;
    publish(&civil, "old", None).await;
    drop((civil, moss));
    let counts = || world.switch.switch().exchange().event_counts();
    assert_eq!((counts().1, counts().2 > 0), (1, true));
    world.switch.clock().advance_ms(25 * 3_600_000);
    until("it is given up", || counts().1 == 0).await;
    // Its page goes with the next sweep.
    let dir = world.switch.ground().log_dir().with_file_name("events");
    soon("its page is gone", async {
        while counts().2 > 0 {
            world.switch.clock().advance_ms(61_000);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
    let pages = std::fs::read_dir(dir).unwrap();
    let left = pages.filter(|page| {
        let path = page.as_ref().unwrap().path();
        path.extension().is_some_and(|end| end == "event")
    });
    assert_eq!(left.count(), 0);
    let told = world.finish().await;
    assert_eq!(told.count(Kind::EventOutcome), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_key_sealed_before_it_ended_still_arrives() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let moss = world.consumer().await;
    subscribe(&moss, wanted()).await;
    publish(&civil, "before", None).await;
    drop((civil, moss));
    world.civil.end_key(&world.switch).await;
    only_what_it_sealed_then(&world);
    let follower = Follower::default();
    let (moss, handle) = follow(&world, &world.moss, &follower).await;
    until("it is told", || follower.texts() == ["before"]).await;
    soon("it is acknowledged", async {
        while moss.events().subscriptions().await.unwrap()[0].taken == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    handle.drain().await.unwrap();
    drop(moss);
    world.finish().await;
}

/// By the registry of now: not what it sealed afterwards, and nothing that it did not seal.
fn only_what_it_sealed_then(world: &World) {
    let registry = world.switch.registry();
    let signer = world.civil.seal_signer();
    let bound = registry.key(&signer.key().kid()).unwrap();
    let (end, _) = bound.ended.as_ref().unwrap();
    let header = |issued_at_ms| EventHeader {
        event_id: EventId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap(),
        topic: Topic {
            publisher: bound.system.clone(),
            service: Part::parse("persons.v1").unwrap(),
            operation: Part::parse("read").unwrap(),
        },
        contract: world.contract,
        key: None,
        fields: Vec::new(),
        occurred_at_ms: 1,
        issued_at_ms,
        payload: Commitment::new("application/json", b"{}", &Salt([7; 32])),
        seen: None,
    };
    let (own, other) = (header(1), header(2));
    let bytes = own.encode();
    let seal = Seal::one(label::EVENT, ORIGIN, &bytes, &*signer).unwrap();
    let judged = |event: &EventHeader, index| {
        verify_recorded_event(&registry, (event, &event.encode()), &seal, index)
    };
    assert_eq!(judged(&own, end - 1), Ok(()));
    assert_eq!(judged(&own, end + 1), Err(Code::KeyEnded));
    assert_eq!(judged(&own, bound.index - 1), Err(Code::WrongSigner));
    assert_eq!(judged(&other, end - 1), Err(Code::BadSeal));
}
