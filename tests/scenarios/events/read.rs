//! Who reads which entries about events: those who tell, those who are told, and nobody else.

use proto::entry::Entry;
use tests::check::Told;

use super::*;
use crate::reading::{log_of, published, read};

/// The kinds about events among what a system of `agency` reads.
async fn kinds(world: &World, agency: &TestAgency, size: u64) -> Vec<Kind> {
    let tls = agency.tls(world.switch.ground());
    let entries = read(&mut log_of(world, tls).await, 0, size).await.unwrap();
    let kind = |(_, bytes): &(u64, Bytes)| Entry::decode(bytes).unwrap().kind;
    let kinds = entries.iter().map(kind);
    kinds.filter(|kind| kind.is_event()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_about_events_are_read_by_those_whom_they_concern() {
    let world = World::new().await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/homes").await;
    let terms = Terms::for_agency(&giza);
    let agreement = world.civil.agree(&world.switch, &giza, &terms).await;
    let stranger = TestAgency::enrol(&world.switch, "EG/COM/STRANGER/system").await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let follower = Follower::default();
    let (moss, handle) = follow(&world, &world.moss, &follower).await;
    let (homes, _homes) = follow(&world, &giza, &follower).await;

    // Nobody follows yet.
    publish(&civil, "before", None).await;
    let held = subscribe(&moss, wanted()).await;
    let event = publish(&civil, "Mona", None).await;
    all_are(&civil, event.event_id, State::Taken).await;
    let narrow = Wanted {
        fields: parts(&["alive"]),
        ..wanted()
    };
    subscribe(&homes, narrow).await;
    // Withheld from the one, taken by the other.
    let event = publish(&civil, "Nada", None).await;
    soon("both are settled", async {
        while states(&civil, event.event_id)
            .await
            .contains(&State::Waiting)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    moss.events()
        .unsubscribe(held.subscription_id)
        .await
        .unwrap();
    world.civil.revoke(&world.switch, agreement).await;
    let exchange = world.switch.switch().exchange();
    until("the switch ends what is not permitted", || {
        exchange.event_counts().0 == 0
    })
    .await;
    // Told to nobody: both have ended.
    publish(&civil, "after", None).await;
    let size = published(&world, world.switch.size()).await;

    use Kind::{Event, EventOutcome, Subscription, SubscriptionEnd};
    let all = kinds(&world, &world.civil, size).await;
    let count = |kinds: &[Kind]| {
        [Event, Subscription, EventOutcome, SubscriptionEnd]
            .map(|kind| kinds.iter().filter(|found| **found == kind).count())
    };
    assert_eq!(count(&all), [4, 2, 3, 2], "who tells reads all of it");
    let own = kinds(&world, &world.moss, size).await;
    assert_eq!(count(&own), [2, 1, 2, 1], "who is told reads its own");
    let withheld = kinds(&world, &giza, size).await;
    assert_eq!(count(&withheld), [0, 1, 1, 1], "what is withheld stays so");
    assert!(kinds(&world, &stranger, size).await.is_empty());

    drop((civil, moss, homes));
    handle.drain().await.unwrap();
    let told: Told = world.finish().await;
    assert_eq!(told.count(Event), 4);
}
