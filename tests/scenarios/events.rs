//! Events: what a system tells reaches everybody who agreed on it, at least once, in order for each key, and nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::events::{EventError, Publication, Published, Subscribed, Told, Wanted};
use adapters::provider::{Failure, Provider, Reply, Request};
use adapters::{Adapter, Handle};
use bytes::Bytes;
use proto::Code;
use proto::entry::Kind;
use proto::id::{EventId, Part, ServiceId};
use proto::wire::events::v1 as wire;
use proto::wire::events::v1::DeliveryState as State;
use serde_json::json;
use tests::agency::TestAgency;
use tests::agreements::{Terms, parts};
use tests::world::{PERSONS, World};
use tests::{PATIENCE, soon, until};

mod ends;
mod power;
mod processes;
mod read;
mod refused;

/// A subscriber that writes down what it is told.
#[derive(Clone, Default)]
struct Follower {
    told: Arc<Mutex<Vec<(EventId, String)>>>,
    /// Whether it takes anything in.
    closed: Arc<Mutex<Option<Failure>>>,
}

impl Follower {
    fn shut(&self, with: Option<Failure>) {
        *self.closed.lock().unwrap() = with;
    }

    fn texts(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter().map(|(_, text)| text.clone()).collect()
    }
}

impl Provider for Follower {
    fn follows(&self) -> bool {
        true
    }

    async fn told(&self, event: Told) -> Result<(), Failure> {
        if let Some(failure) = self.closed.lock().unwrap().clone() {
            return Err(failure);
        }
        let value: serde_json::Value = serde_json::from_slice(&event.payload).unwrap();
        let text = value["name"].as_str().unwrap().to_owned();
        self.told.lock().unwrap().push((event.event_id, text));
        Ok(())
    }

    async fn answer(&self, _: Request) -> Result<Reply, Failure> {
        Err(Failure::Unavailable)
    }
}

fn event(name: &str, key: Option<&str>) -> Publication {
    Publication {
        event_id: None,
        service: Part::parse("persons.v1").unwrap(),
        operation: Part::parse("read").unwrap(),
        key: key.map(str::to_owned),
        occurred_at_ms: None,
        payload: Bytes::from(json!({ "name": name }).to_string()),
    }
}

fn wanted() -> Wanted {
    Wanted {
        service: ServiceId::parse(PERSONS).unwrap(),
        operation: Part::parse("read").unwrap(),
        purpose: Part::parse("social-benefit").unwrap(),
        fields: parts(&["alive", "name"]),
        from_ms: None,
        attempts: None,
        pause: Some(Duration::from_millis(100)),
    }
}

async fn publish(adapter: &Adapter, name: &str, key: Option<&str>) -> Published {
    let events = adapter.events();
    let published = events.publish(event(name, key));
    soon("the event is recorded", published).await.unwrap()
}

async fn subscribe(adapter: &Adapter, wanted: Wanted) -> Subscribed {
    let events = adapter.events();
    let subscribed = events.subscribe(wanted);
    soon("the subscription is recorded", subscribed)
        .await
        .unwrap()
}

/// How one event stands with each subscriber.
async fn states(adapter: &Adapter, event: EventId) -> Vec<State> {
    let (events, _) = adapter
        .events()
        .status(Some(event), 0, false)
        .await
        .unwrap();
    let deliveries = events.iter().flat_map(|event| &event.deliveries);
    deliveries.map(wire::Delivery::state).collect()
}

async fn all_are(adapter: &Adapter, event: EventId, wanted: State) {
    soon("every delivery ends so", async {
        while !states(adapter, event)
            .await
            .iter()
            .all(|state| *state == wanted)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn follow(world: &World, agency: &TestAgency, follower: &Follower) -> (Adapter, Handle) {
    let adapter = agency.adapter(world.switch.ground()).await;
    let handle = adapter
        .serve(follower.clone(), adapters::Options::default())
        .await;
    handle.attached(PATIENCE).await.unwrap();
    (adapter, handle)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_its_subscriber_and_the_log_shows_all_of_it() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let follower = Follower::default();
    let (moss, handle) = follow(&world, &world.moss, &follower).await;
    // Nobody follows it yet.
    assert_eq!(publish(&civil, "before", None).await.subscribers, 0);
    let subscribed = subscribe(&moss, wanted()).await;
    assert_eq!(subscribed.receipt.kind, Kind::Subscription);
    let published = publish(&civil, "Mona", Some("29001019900011")).await;
    assert_eq!(published.subscribers, 1);
    until("it is told", || follower.texts() == ["Mona"]).await;
    all_are(&civil, published.event_id, State::Taken).await;
    // Both see how the subscription stands; to the subscriber it is the same.
    for adapter in [&civil, &moss] {
        let all = adapter.events().subscriptions().await.unwrap();
        assert_eq!((all.len(), all[0].taken, all[0].waiting), (1, 1, 0));
    }
    // Whoever is in doubt tells it again under its id, which makes no second event.
    let again = Publication {
        event_id: Some(published.event_id),
        ..event("Mona", None)
    };
    let again = civil.events().publish(again).await.unwrap();
    assert_eq!((again.index, again.receipt), (published.index, None));
    moss.events()
        .unsubscribe(subscribed.subscription_id)
        .await
        .unwrap();
    assert_eq!(publish(&civil, "after", None).await.subscribers, 0);
    handle.drain().await.unwrap();
    drop((civil, moss));
    assert_eq!(follower.texts(), ["Mona"]);
    let told = world.finish().await;
    let counts = [
        Kind::Event,
        Kind::Subscription,
        Kind::EventOutcome,
        Kind::SubscriptionEnd,
    ]
    .map(|kind| told.count(kind));
    assert_eq!(counts, [3, 1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_of_seven_are_told_and_one_that_is_away_catches_up_in_order() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    let mut followers = Vec::new();
    for number in 0..7 {
        let name = format!("EG/GOV/PLATFORM{number}/platform");
        let agency = TestAgency::enrol(&world.switch, &name).await;
        let terms = Terms::for_agency(&agency);
        world.civil.agree(&world.switch, &agency, &terms).await;
        let follower = Follower::default();
        let (adapter, handle) = follow(&world, &agency, &follower).await;
        subscribe(&adapter, wanted()).await;
        followers.push((agency, follower, adapter, handle));
    }
    // The last one goes away.
    let (absent, follower, adapter, handle) = followers.pop().unwrap();
    handle.drain().await.unwrap();
    drop(adapter);
    let mut last = None;
    for number in 0..20 {
        let key = format!("licence {}", number % 3);
        last = Some(publish(&civil, &number.to_string(), Some(&key)).await);
    }
    let last = last.unwrap();
    assert_eq!(last.subscribers, 7);
    soon("six of seven have it", async {
        loop {
            let states = states(&civil, last.event_id).await;
            let taken = states.iter().filter(|state| **state == State::Taken);
            if taken.count() == 6 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(follower.texts().is_empty());
    let (back, handle) = follow(&world, &absent, &follower).await;
    all_are(&civil, last.event_id, State::Taken).await;
    until("all are told", || follower.texts().len() == 20).await;
    for follower in followers.iter().map(|one| &one.1).chain([&follower]) {
        in_order(&follower.texts());
    }
    handle.drain().await.unwrap();
    drop((back, civil, followers));
    let told = world.finish().await;
    assert_eq!(told.count(Kind::EventOutcome), 140);
}

/// Numbers of one remainder by three are of one key.
fn in_order(texts: &[String]) {
    let mut lasts: HashMap<u32, u32> = HashMap::new();
    for text in texts {
        let number: u32 = text.parse().unwrap();
        let before = lasts.insert(number % 3, number);
        assert!(before.is_none_or(|before| before < number), "{texts:?}");
    }
    assert_eq!(texts.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_before_is_told_from_a_time_on_and_pulled() {
    let world = World::new().await;
    let civil = world.civil.adapter(world.switch.ground()).await;
    publish(&civil, "too early", None).await;
    world.switch.clock().advance_ms(5_000);
    let from_ms = world.switch.now_ms();
    for name in ["one", "two", "three"] {
        publish(&civil, name, Some("k")).await;
    }
    let moss = world.consumer().await;
    let subscribed = subscribe(
        &moss,
        Wanted {
            from_ms: Some(from_ms),
            ..wanted()
        },
    )
    .await;
    let id = subscribed.subscription_id;
    let events = moss.events();
    let mut names = Vec::new();
    // Of one key one at a time, and the same one until it is acknowledged.
    for round in 0..4 {
        let pulled = events.pull(id, 10, Duration::from_secs(5)).await.unwrap();
        assert_eq!(pulled.len(), 1, "{pulled:?}");
        if round > 0 {
            let value: serde_json::Value = serde_json::from_slice(&pulled[0].payload).unwrap();
            names.push(value["name"].as_str().unwrap().to_owned());
            let receipts = events.acknowledge(&pulled).await.unwrap();
            assert_eq!(receipts.len(), 1);
            // The same receipt a second time is no second outcome.
            let again = events.acknowledge(&pulled).await.unwrap();
            assert_eq!(again[0].index, receipts[0].index);
        } else {
            assert_eq!(pulled[0].attempt, 1);
            // Its pause is not over, and the test's clock stands still.
            assert!(
                events
                    .pull(id, 10, Duration::ZERO)
                    .await
                    .unwrap()
                    .is_empty()
            );
            world.switch.clock().advance_ms(1_000);
        }
    }
    assert_eq!(names, ["one", "two", "three"]);
    assert!(
        events
            .pull(id, 10, Duration::ZERO)
            .await
            .unwrap()
            .is_empty()
    );
    drop((civil, moss, events));
    let told = world.finish().await;
    assert_eq!(told.count(Kind::EventOutcome), 3);
}
