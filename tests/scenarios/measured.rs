//! What each way to exchange carries, against plain calls of the same run: consumer, switch and provider in one process, real
//! TLS, durable entries, everything proved. One in each round, so that all see the same machine.
//!
//! `cargo test --release -p tests --test scenarios measured::ways -- --ignored --nocapture`

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adapters::consumer::{Collected, Streamed};
use adapters::events::{Publication, Told, Wanted};
use adapters::provider::Upload;
use adapters::{Adapter, Body, Consumer, Failure, LongReply, Provider, Reply, Request};
use bytes::Bytes;
use proto::id::{Part, ServiceId};
use serde_json::json;
use tests::agency::TestAgency;
use tests::agreements::{Terms, parts};
use tests::until;
use tests::world::{PERSONS, World};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

const MIB: u64 = 1024 * 1024;
/// Under way at once.
const AT_ONCE: usize = 64;
/// Who follows, at the most.
const FOLLOWERS: usize = 7;

macro_rules! ask {
    ($consumer:expr) => {
        $consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"])
    };
}

/// Answers, gives files, takes files, and counts what it is told.
#[derive(Clone, Default)]
struct Everything {
    file_bytes: u64,
    told: Arc<AtomicU64>,
}

impl Provider for Everything {
    async fn stream(&self, request: Request) -> Result<Option<LongReply>, Failure> {
        let fields = request.fields.iter().map(ToString::to_string);
        let file = tokio::io::repeat(7).take(self.file_bytes);
        let reply = LongReply::new(fields, "application/octet-stream", file)?;
        Ok(Some(reply.of_length(self.file_bytes)))
    }

    async fn upload(&self, request: Request, mut upload: Upload) -> Result<Reply, Failure> {
        let taken = tokio::io::copy(&mut upload, &mut tokio::io::sink()).await;
        taken.map_err(Failure::failed)?;
        Reply::record(&request, &json!({ "name": "taken" }))
    }

    fn follows(&self) -> bool {
        true
    }

    async fn told(&self, _: Told) -> Result<(), Failure> {
        self.told.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        Reply::record(&request, &json!({ "name": "Mona" }))
    }
}

/// Does `work` `count` times, so many at once; how many a second.
async fn rate<F>(count: usize, work: impl Fn(usize) -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let (began, mut under_way) = (Instant::now(), JoinSet::new());
    for number in 0..count {
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await.unwrap().unwrap();
        }
        under_way.spawn(work(number));
    }
    while let Some(done) = under_way.join_next().await {
        done.unwrap();
    }
    count as f64 / began.elapsed().as_secs_f64()
}

async fn calls(consumer: &Consumer, count: usize) -> f64 {
    rate(count, |_| {
        let consumer = consumer.clone();
        async move {
            let asked = ask!(consumer).payload_json(&json!({ "nid": "1" }));
            asked.send().await.unwrap();
        }
    })
    .await
}

/// Left, answered and collected.
async fn submissions(consumer: &Consumer, count: usize) -> f64 {
    rate(count, |_| {
        let consumer = consumer.clone();
        async move {
            let asked = ask!(consumer).payload_json(&json!({ "nid": "1" }));
            let left = asked.submit(Duration::from_secs(3_600)).await.unwrap();
            let collected = consumer.collect(left.exchange_id, Duration::from_secs(60));
            assert!(matches!(collected.await.unwrap(), Collected::Answered(_)));
        }
    })
    .await
}

/// Told, and acknowledged by everybody; events a second.
async fn events(publisher: &Adapter, follower: &Everything, count: usize, followers: u64) -> f64 {
    let (before, began) = (follower.told.load(Ordering::Relaxed), Instant::now());
    rate(count, |number| {
        let events = publisher.events();
        async move {
            let publication = Publication {
                event_id: None,
                service: Part::parse("persons.v1").unwrap(),
                operation: Part::parse("read").unwrap(),
                key: Some(format!("key {}", number % 100)),
                occurred_at_ms: None,
                payload: Bytes::from(json!({ "name": "Mona" }).to_string()),
            };
            events.publish(publication).await.unwrap();
        }
    })
    .await;
    let all = before + count as u64 * followers;
    until("all are told", || {
        follower.told.load(Ordering::Relaxed) >= all
    })
    .await;
    loop {
        let subscriptions = publisher.events().subscriptions().await.unwrap();
        if subscriptions.iter().all(|one| one.waiting == 0) {
            return count as f64 / began.elapsed().as_secs_f64();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// MiB a second of one answer in chunks.
async fn down(consumer: &Consumer, mebibytes: u64) -> f64 {
    let began = Instant::now();
    let asked = ask!(consumer).payload_json(&json!({ "nid": "1" }));
    let Streamed::Chunks(mut incoming) = asked.stream().await.unwrap() else {
        panic!("in one piece");
    };
    while incoming.chunk().await.unwrap().is_some() {}
    assert_eq!(incoming.received(), mebibytes * MIB);
    mebibytes as f64 / began.elapsed().as_secs_f64()
}

/// MiB a second of one request in chunks.
async fn up(consumer: &Consumer, mebibytes: u64) -> f64 {
    let began = Instant::now();
    let body = Body::new(tokio::io::repeat(7).take(mebibytes * MIB)).of_length(mebibytes * MIB);
    let sent = ask!(consumer).upload("application/octet-stream", body, |_, _| {});
    sent.await.unwrap();
    mebibytes as f64 / began.elapsed().as_secs_f64()
}

/// The figures of one way, round by round.
#[derive(Clone, Default)]
struct Row(Arc<Mutex<Vec<(f64, f64)>>>);

impl Row {
    fn add(&self, figure: f64, calls: f64) {
        self.0.lock().unwrap().push((figure, figure / calls));
    }

    fn print(&self, name: &str) {
        let mut rounds = self.0.lock().unwrap().clone();
        rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        let middle = rounds[rounds.len() / 2];
        let ratios = || rounds.iter().map(|round| round.1);
        let least = ratios().fold(f64::INFINITY, f64::min);
        let most = ratios().fold(0.0, f64::max);
        println!(
            "{name:<46} {:>9.0}   {:.2} ({least:.2} to {most:.2})",
            middle.0, middle.1
        );
    }
}

async fn subscribed(world: &World, agency: &TestAgency, follower: &Everything) -> Adapter {
    let adapter = agency.adapter(world.switch.ground()).await;
    let handle = adapter
        .serve(follower.clone(), adapters::Options::default())
        .await;
    handle.attached(tests::PATIENCE).await.unwrap();
    // For as long as the process lives.
    std::mem::forget(handle);
    let wanted = Wanted {
        service: ServiceId::parse(PERSONS).unwrap(),
        operation: Part::parse("read").unwrap(),
        purpose: Part::parse("social-benefit").unwrap(),
        fields: parts(&["name"]),
        from_ms: None,
        attempts: None,
        pause: None,
    };
    adapter.events().subscribe(wanted).await.unwrap();
    adapter
}

async fn measure(rounds: usize, count: usize, mebibytes: u64) {
    let world = World::with_limits("submissions_per_agency = 100000").await;
    world.civil.bind_encryption_key(&world.switch).await;
    let provider = Everything {
        file_bytes: mebibytes * MIB,
        ..Everything::default()
    };
    let ground = world.switch.ground();
    let civil = world.civil.adapter(ground).await;
    let handle = civil
        .serve(provider.clone(), adapters::Options::default())
        .await;
    handle.attached(tests::PATIENCE).await.unwrap();
    let consumer = world.consumer().await.consumer();
    let (follower, mut adapters) = (Everything::default(), Vec::new());
    adapters.push(subscribed(&world, &world.moss, &follower).await);
    let names = [
        "a call (64 at once), a second",
        "a submission: left, answered, collected",
        "an event to one, acknowledged",
        "an event to seven, acknowledged",
        "an answer in chunks, MiB a second",
        "a request in chunks, MiB a second",
    ];
    let rows: Vec<Row> = names.iter().map(|_| Row::default()).collect();
    calls(&consumer, count).await;
    for round in 0..2 * rounds {
        // The first rounds with one follower, the others with seven.
        let many = round >= rounds;
        if many && adapters.len() < FOLLOWERS {
            for number in adapters.len()..FOLLOWERS {
                let name = format!("EG/GOV/PLATFORM{number}/platform");
                let agency = TestAgency::enrol(&world.switch, &name).await;
                let terms = Terms::for_agency(&agency);
                world.civil.agree(&world.switch, &agency, &terms).await;
                adapters.push(subscribed(&world, &agency, &follower).await);
            }
        }
        let plain = calls(&consumer, count).await;
        if many {
            rows[3].add(
                events(&civil, &follower, count, FOLLOWERS as u64).await,
                plain,
            );
            continue;
        }
        rows[0].add(plain, plain);
        rows[1].add(submissions(&consumer, count / 4).await, plain);
        rows[2].add(events(&civil, &follower, count, 1).await, plain);
        rows[4].add(down(&consumer, mebibytes).await, plain);
        rows[5].add(up(&consumer, mebibytes).await, plain);
    }
    println!("{:<46} {:>9}   of the calls", "", "middle");
    for (name, row) in names.iter().zip(&rows) {
        row.print(name);
    }
    handle.drain().await.unwrap();
    drop((adapters, consumer, civil));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_goes_through_and_is_counted() {
    measure(1, 100, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for a machine at rest"]
async fn ways() {
    measure(5, 8_000, 512).await;
}
