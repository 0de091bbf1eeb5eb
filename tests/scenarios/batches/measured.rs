//! How many items a second go from a source to a sink, past a provider whose store costs nothing: `make faults`, or
//! `cargo test --release -p tests --test scenarios batches::measured -- --ignored --nocapture`.

use std::io;
use std::time::{Duration, Instant};

use adapters::batch::{Cut, Notebooks, Opening, Question, Reading, Settings, Sink, Source, run};
use adapters::consumer::Results;
use adapters::provider::Replies;
use adapters::{Failure, Provider, Reply, Request};
use bytes::Bytes;
use proto::commitment::Salt;
use tests::world::{PERSONS, World};

/// Answers everything with the same record, out of memory.
struct Memory;

impl Provider for Memory {
    async fn answer(&self, _: Request) -> Result<Reply, Failure> {
        Reply::new(["name"], "application/json", "{\"name\":\"Mona\"}")
    }

    async fn items(&self, _: Request, items: Vec<Bytes>) -> Replies {
        let reply = Reply::new(["name"], "application/json", "{\"name\":\"Mona\"}");
        vec![reply; items.len()]
    }
}

struct Numbers(u64);

impl Source for Numbers {
    fn items(&self) -> io::Result<Reading> {
        let item = |n| Ok(Bytes::from(format!("{{\"nid\":\"{n:014}\"}}")));
        Ok(Box::new((0..self.0).map(item)))
    }
}

#[derive(Default)]
struct Counted(u64);

impl Sink for Counted {
    fn begin(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn take(&mut self, _: u64, items: &[Bytes], results: &Results) -> io::Result<u64> {
        assert_eq!(items.len(), results.items.len());
        self.0 += items.len() as u64;
        Ok(self.0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_goes_through_and_is_counted() {
    carried(20_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for a machine at rest: make faults"]
async fn a_million_items_are_measured() {
    carried(1_000_000).await;
}

async fn carried(items: u64) {
    let world = World::new().await;
    let handle = world.civil.serve(world.switch.ground(), Memory).await;
    let consumer = world.consumer().await.consumer();
    let (source, salt, began) = (Numbers(items), Salt([7; 32]), Instant::now());
    let cut = Cut::of(&source, &salt, 4_096).unwrap();
    let read = began.elapsed();
    let opening = Opening {
        name: "measured".to_owned(),
        question: Question {
            service: PERSONS.to_owned(),
            operation: "read".to_owned(),
            purpose: "social-benefit".to_owned(),
            fields: vec!["name".to_owned()],
            content_type: "application/json".to_owned(),
        },
        out: "nowhere".into(),
        salt,
        cut,
        begun_ms: 0,
    };
    let mut notebook = Notebooks::of(&world.moss.home()).begin(&opening).unwrap();
    let settings = Settings {
        window: 4,
        deadline: Duration::from_secs(60),
        retries: 5,
        actor: None,
    };
    let mut sink = Counted::default();
    let mut unseen = |_| {};
    let outcome = run(
        &consumer,
        &mut notebook,
        &settings,
        &source,
        &mut sink,
        &mut unseen,
    );
    let outcome = outcome.await.unwrap();
    let took = began.elapsed();
    assert_eq!((outcome.counts.answered, sink.0), (items, items));
    println!(
        "{items} items in {:.2} s, of which {:.2} s for their root: {:.0} items a second",
        took.as_secs_f64(),
        read.as_secs_f64(),
        items as f64 / took.as_secs_f64()
    );
    handle.drain().await.unwrap();
    world.finish().await;
}
