//! Whose turn it is at a provider that takes one thing at a time: many submissions of one consumer have no more turns than
//! its calls would have.

use std::sync::{Arc, Mutex};

use adapters::{Provider, Reply, Request};
use proto::id::SystemId;
use tests::agency::TestAgency;
use tests::agreements::Terms;
use tokio::sync::Semaphore;

use super::*;

/// A provider that notes who asked, in order, and answers one after the other.
#[derive(Clone)]
struct Desk {
    came: Arc<Mutex<Vec<SystemId>>>,
    permits: Arc<Semaphore>,
}

impl Provider for Desk {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        self.came.lock().unwrap().push(request.consumer.clone());
        self.permits
            .acquire()
            .await
            .map_err(Failure::failed)?
            .forget();
        Reply::record(&request, &json!({ "name": "Mona" }))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_submissions_of_one_consumer_leave_every_second_turn_to_another() {
    let world = world("").await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let terms = Terms::for_agency(&giza);
    world.civil.agree(&world.switch, &giza, &terms).await;
    let desk = Desk {
        came: Arc::default(),
        permits: Arc::new(Semaphore::new(0)),
    };
    let options = adapters::provider::Options {
        max_in_flight: 1,
        ..Default::default()
    };
    let ground = world.switch.ground();
    let handle = world.civil.serve_with(ground, desk.clone(), options).await;
    let consumer = world.consumer().await.consumer();
    let mut left = Vec::new();
    for _ in 0..8 {
        left.push(
            soon("a receipt", ask!(consumer).submit(HOUR))
                .await
                .unwrap(),
        );
    }
    // The first one is with the provider; the others stand before it.
    until("the first is there", || {
        desk.came.lock().unwrap().len() == 1
    })
    .await;
    soon("all were taken up", async {
        for submitted in &left {
            while standing(&consumer, submitted).await.state() != State::Asked {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    })
    .await;
    let other = giza.adapter(ground).await.consumer();
    let size = world.switch.size();
    let calling: Vec<_> = (0..3)
        .map(|_| {
            let other = other.clone();
            tokio::spawn(async move { ask!(other).send().await })
        })
        .collect();
    // Recorded they stand in the queue a moment later, which nobody announces.
    until("the calls are recorded", || world.switch.size() == size + 3).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    desk.permits.add_permits(100);
    for calling in calling {
        soon("an answer", calling).await.unwrap().unwrap();
    }
    for submitted in &left {
        answer(&consumer, submitted).await;
    }
    let came = desk.came.lock().unwrap().clone();
    let turns: Vec<usize> = (0..came.len())
        .filter(|turn| came[*turn] == giza.system)
        .collect();
    // One was with the provider already, then they take turns.
    assert!(
        turns.last().is_some_and(|last| *last <= 6),
        "{turns:?} of {}",
        came.len()
    );
    handle.drain().await.unwrap();
    drop((consumer, other));
    world.finish().await;
}
