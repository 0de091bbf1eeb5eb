//! Nothing is lost: by a power cut of the switch, by a restart, by a payload that is gone.

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
