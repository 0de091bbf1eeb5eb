//! A broker in a process of its own carries a long file: its memory does not grow with it, and a kill leaves it abandoned.

use std::path::Path;
use std::time::{Duration, Instant};

use adapters::Consumer;
use audit::clock::Clock;
use proto::entry::Kind;
use serde_json::{Value, json};
use tests::check::check_log_after_a_crash;
use tests::ground::Ground;
use tests::process::{Memory, Process, mohawel};
use tests::soon;
use tests::switch::TestSwitch;
use tests::world::{PERSONS, World};
use tokio::process::Command;

use super::{Library, MIB, begin, rest, void};
use crate::kill9::{Members, grounded};

/// How far a broker may grow over what it has when it stands idle with both agencies connected.
const GROWTH_MAX: u64 = 64 * MIB;

async fn world() -> (Ground, Members) {
    grounded(Ground::found_at(Clock::System).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_brokers_memory_does_not_grow_with_the_file() {
    carried(128).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a gibibyte takes a minute: make faults"]
async fn a_gibibyte_goes_through_in_the_memory_of_a_mebibyte() {
    carried(1024).await;
}

async fn carried(mebibytes: u64) {
    let (ground, members) = world().await;
    let process = Process::start(&ground).await;
    for agency in [&members.moss, &members.civil] {
        agency.point_at(process.exchange);
    }
    let handle = members
        .civil
        .serve(&ground, Library::of(mebibytes * MIB))
        .await;
    let consumer = members.moss.adapter(&ground).await.consumer();
    soon("an answer", ask!(consumer).send()).await.unwrap();
    let (broker, both_adapters) = (process.memory(), Memory::of_this_process());
    let mut incoming = begin(&consumer).await;
    assert_eq!(rest(&mut incoming).await.unwrap(), mebibytes * MIB);
    let grown = broker.grown();
    // Other scenarios may run beside this one in this process, so its own memory is only told.
    println!(
        "{mebibytes} MiB: the broker grew by {} KiB over {} KiB, the process of both adapters by {} KiB",
        grown / 1024,
        broker.began() / 1024,
        both_adapters.grown() / 1024
    );
    assert!(grown < GROWTH_MAX, "{grown} bytes more than idle");
    handle.drain().await.unwrap();
    drop((incoming, consumer));
    let (status, said) = process.stop().await;
    assert!(status.success(), "{status}: {said}");
    let told = check_log_after_a_crash(&ground.log_dir(), &ground.log_key());
    assert_eq!((told.count(Kind::Trailer), told.report.open), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for a machine at rest: make faults"]
async fn streams_that_nobody_reads_cost_others_next_to_nothing() {
    let (ground, members) = world().await;
    let process = Process::start(&ground).await;
    for agency in [&members.moss, &members.civil] {
        agency.point_at(process.exchange);
    }
    let library = Library::of(512 * MIB);
    let handle = members.civil.serve(&ground, library.clone()).await;
    let fast = members.moss.adapter(&ground).await.consumer();
    let slow = members.moss.adapter(&ground).await.consumer();
    // In turn, and of each the best round: what else the machine does at that moment is in neither.
    let (mut without, mut beside) = (Took::MAX, Took::MAX);
    for _ in 0..5 {
        without = without.best(took(&fast).await);
        let mut stalled = Vec::new();
        for _ in 0..8 {
            stalled.push(begin(&slow).await);
        }
        // Until then they are streams that somebody reads.
        let mut read = 0;
        while read != library.read() {
            read = library.read();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        beside = beside.best(took(&fast).await);
        drop(stalled);
    }
    println!("{without:?} alone, {beside:?} beside eight streams that nobody reads");
    // The p99 of a few hundred is a measurement; what a debug build on a busy machine can hold is the median.
    assert!(beside.median < without.median.mul_f64(1.2));
    handle.drain().await.unwrap();
    drop((fast, slow));
    let (status, said) = process.stop().await;
    assert!(status.success(), "{status}: {said}");
    check_log_after_a_crash(&ground.log_dir(), &ground.log_key());
}

/// How long answers took.
#[derive(Clone, Copy, Debug)]
struct Took {
    median: Duration,
    p99: Duration,
}

impl Took {
    const MAX: Self = Self {
        median: Duration::MAX,
        p99: Duration::MAX,
    };

    fn best(self, other: Self) -> Self {
        Self {
            median: self.median.min(other.median),
            p99: self.p99.min(other.p99),
        }
    }
}

async fn took(consumer: &Consumer) -> Took {
    let mut took = Vec::new();
    for _ in 0..500 {
        let began = Instant::now();
        soon("an answer", ask!(consumer).send()).await.unwrap();
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Took {
        median: took[took.len() / 2],
        p99: took[took.len() * 99 / 100],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_in_the_middle_closes_the_stream_at_its_next_start() {
    let (ground, members) = world().await;
    let process = Process::start(&ground).await;
    for agency in [&members.moss, &members.civil] {
        agency.point_at(process.exchange);
    }
    let handle = members.civil.serve(&ground, Library::of(512 * MIB)).await;
    let consumer = members.moss.adapter(&ground).await.consumer();
    let mut incoming = begin(&consumer).await;
    soon("a chunk", incoming.chunk()).await.unwrap().unwrap();
    process.kill().await;
    void(rest(&mut incoming).await.unwrap_err());
    drop((handle, consumer));
    let process = Process::start(&ground).await;
    let (status, said) = process.stop().await;
    assert!(status.success(), "{status}: {said}");
    let told = check_log_after_a_crash(&ground.log_dir(), &ground.log_key());
    assert_eq!(
        told.story(incoming.opened().exchange_id),
        [
            (Kind::Request, ""),
            (Kind::Opening, ""),
            (Kind::Closing, "abandoned")
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_saves_a_long_answer_with_one_command_and_half_of_one_is_nothing() {
    let ground = Ground::found_at(Clock::System).await;
    let world = World::populate(TestSwitch::on(ground, "").await.unwrap()).await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Library::of(2 * MIB + 5))
        .await;
    let dir = tempfile::tempdir().unwrap();
    let (file, receipt) = (dir.path().join("register"), dir.path().join("proof"));
    let call = async |file: &Path| {
        let mut command = Command::new(mohawel());
        command.args(["--json", "call", PERSONS, "read", "--fields", "name"]);
        command.args(["--purpose", "social-benefit", "--home"]);
        command.arg(world.moss.home_dir()).arg("--output").arg(file);
        if !receipt.exists() {
            command.arg("--receipt").arg(&receipt);
        }
        soon("the command ends", command.output()).await.unwrap()
    };
    let done = call(&file).await;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&told["bytes"], &told["chunks"]),
        (&json!(2 * MIB + 5), &json!(33))
    );
    let saved = std::fs::read(&file).unwrap();
    assert_eq!(saved.len() as u64, 2 * MIB + 5);
    assert!(
        (0_u64..)
            .zip(&saved)
            .all(|(n, byte)| *byte == (n % 251) as u8)
    );
    assert!(receipt.exists());
    // The place is taken: nothing is asked.
    let size = world.switch.size();
    assert_eq!(call(&file).await.status.code(), Some(2));
    assert_eq!(world.switch.size(), size);
    handle.drain().await.unwrap();
    let broken = Library {
        breaks_after: MIB,
        ..Library::of(2 * MIB)
    };
    let handle = world.civil.serve(world.switch.ground(), broken).await;
    let half = dir.path().join("half");
    let done = call(&half).await;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert!(said.contains("count for nothing"), "{said}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    handle.drain().await.unwrap();
    world.finish().await;
}
