//! A switch in a process of its own, killed again and again while one tells and another is told.

use audit::clock::Clock;
use tests::check::check_log_after_a_crash;
use tests::ground::Ground;
use tests::process::Process;
use tests::switch::TestSwitch;

use super::*;

const ROUNDS: u64 = 6;
const KEYS: u32 = 3;

/// Tells numbers until the switch is gone; the next number, which may or may not be recorded.
async fn tell(adapter: Adapter, mut next: u32, doubtful: Option<EventId>) -> (u32, EventId) {
    let events = adapter.events();
    let mut id = doubtful.unwrap_or_else(new_id);
    loop {
        let key = format!("key {}", next % KEYS);
        let publication = Publication {
            event_id: Some(id),
            ..event(&next.to_string(), Some(&key))
        };
        match events.publish(publication).await {
            Ok(_) => (next, id) = (next + 1, new_id()),
            Err(EventError::Transport(_) | EventError::Distrust(_)) => return (next, id),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn new_id() -> EventId {
    EventId::from_uuid(uuid::Uuid::now_v7()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_killed_again_and_again_loses_no_event_and_keeps_their_order() {
    let ground = Ground::found_at(Clock::System).await;
    let world = World::populate(TestSwitch::on(ground, "").await.unwrap()).await;
    let moss = world.consumer().await;
    subscribe(&moss, wanted()).await;
    drop(moss);
    let World {
        switch,
        moss,
        civil,
        ..
    } = world;
    let ground = switch.stop().await;
    let follower = Follower::default();
    let (mut next, mut doubtful) = (0, None);
    for round in 0..=ROUNDS {
        let process = Process::start(&ground).await;
        for agency in [&moss, &civil] {
            agency.point_at(process.exchange);
        }
        let telling = civil.adapter(&ground).await;
        let told = moss.adapter(&ground).await;
        let handle = told
            .serve(follower.clone(), adapters::Options::default())
            .await;
        if round == ROUNDS {
            // What was in doubt is told again under its id, and then everything arrives.
            let publication = Publication {
                event_id: doubtful,
                ..event(&next.to_string(), Some(&format!("key {}", next % KEYS)))
            };
            telling.events().publish(publication).await.unwrap();
            let last = next.to_string();
            until("all is told", || {
                let texts = follower.texts();
                (0..=next).all(|number| texts.contains(&number.to_string()))
                    && texts.contains(&last)
            })
            .await;
            soon("all is acknowledged", async {
                while told.events().subscriptions().await.unwrap()[0].waiting > 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
            .await;
            handle.drain().await.unwrap();
            drop((telling, told));
            process.kill().await;
            break;
        }
        let telling = tokio::spawn(tell(telling, next, doubtful));
        // The moment of the kill is what differs; it cannot be awaited.
        tokio::time::sleep(Duration::from_millis(300 + 170 * round)).await;
        process.kill().await;
        let (reached, id) = soon("who tells notices", telling).await.unwrap();
        (next, doubtful) = (reached, Some(id));
        drop(handle);
    }
    assert!(next > 10, "{next}");
    first_in_order(&follower.texts());
    // What the last moment recorded is published by the next run.
    let ground = TestSwitch::on(ground, "").await.unwrap().stop().await;
    let told = check_log_after_a_crash(&ground.log_dir(), &ground.log_key());
    let numbers = usize::try_from(next).unwrap() + 1;
    assert_eq!(told.count(Kind::Event), numbers);
    assert_eq!(told.count(Kind::EventOutcome), numbers);
}

/// Each came at least once, and the first time in the order of its key.
fn first_in_order(texts: &[String]) {
    let mut seen = Vec::new();
    for text in texts {
        let number: u32 = text.parse().unwrap();
        if !seen.contains(&number) {
            seen.push(number);
        }
    }
    for key in 0..KEYS {
        let of_key: Vec<_> = seen.iter().filter(|number| *number % KEYS == key).collect();
        assert!(of_key.is_sorted(), "{of_key:?}");
    }
}
