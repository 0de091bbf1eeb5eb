//! SIGKILL under load, again and again: everything that a consumer noted as acknowledged is in the log, at its index,
//! with its leaf, under the root it was given.

use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::clock::Clock;
use tests::agency::TestAgency;
use tests::check::check_log_after_a_crash;
use tests::ground::Ground;
use tests::load::{Ack, Notebook, ask_until_it_breaks, differences};
use tests::process::Process;
use tests::provider::{Backend, Does};
use tests::raw::RawConsumer;
use tests::soon;
use tests::switch::TestSwitch;
use tests::world::World;

/// Consumers at once.
const CONSUMERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_the_log_holds_everything_acknowledged() {
    let rounds = std::env::var("MOHAWEL_KILL_ROUNDS").map_or(50, |rounds| rounds.parse().unwrap());
    killed(rounds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a thousand rounds take twenty minutes: make faults"]
async fn killed_a_thousand_times_the_log_holds_everything_acknowledged() {
    killed(1_000).await;
}

/// A founded switch on the system's clock with two agencies that agreed; it does not run.
pub(crate) async fn grounded(ground: Ground) -> (Ground, Members) {
    let world = World::populate(TestSwitch::on(ground, "").await.unwrap()).await;
    let template = world.raw_consumer().await;
    let World {
        switch,
        moss,
        civil,
        ..
    } = world;
    (
        switch.stop().await,
        Members {
            moss,
            civil,
            template,
        },
    )
}

/// Who exchanges with a broker that is another process.
pub(crate) struct Members {
    pub(crate) moss: TestAgency,
    pub(crate) civil: TestAgency,
    /// Knows what to ask for; connected nowhere any more.
    template: RawConsumer,
}

impl Members {
    /// A consumer connected at the process.
    pub(crate) async fn consumer(&self, ground: &Ground, process: &Process) -> RawConsumer {
        let channel = tests::channel::channel(process.exchange, self.moss.tls(ground))
            .await
            .unwrap();
        self.template.over(channel)
    }

    /// The real adapter, serving at the process.
    pub(crate) async fn serve(&self, ground: &Ground, process: &Process) -> adapters::Handle {
        self.civil.point_at(process.exchange);
        self.civil.serve(ground, Backend::new(Does::Answers)).await
    }
}

pub(crate) fn notebooks(dir: &Path) -> Vec<PathBuf> {
    (0..CONSUMERS)
        .map(|number| dir.join(format!("consumer-{number}")))
        .collect()
}

/// Starts the load of all consumers.
pub(crate) async fn load(
    ground: &Ground,
    members: &Members,
    process: &Process,
    notes: &[PathBuf],
) -> Vec<tokio::task::JoinHandle<u64>> {
    let mut asking = Vec::new();
    for path in notes {
        let consumer = members.consumer(ground, process).await;
        asking.push(tokio::spawn(ask_until_it_breaks(
            consumer,
            Notebook::open(path),
        )));
    }
    asking
}

async fn killed(rounds: u32) {
    let (ground, members) = grounded(Ground::found_at(Clock::System).await).await;
    let dir = tempfile::tempdir().unwrap();
    let books = notebooks(dir.path());
    let mut random: u64 = 0x2545_f491_4f6c_dd1d ^ u64::from(std::process::id());
    let mut acknowledged = 0;
    for round in 0..rounds {
        let process = Process::start(&ground).await;
        let handle = members.serve(&ground, &process).await;
        let asking = load(&ground, &members, &process, &books).await;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // The moment of the kill is what is random here; it cannot be awaited.
        tokio::time::sleep(Duration::from_millis(20 + random % 180)).await;
        process.kill().await;
        for asking in asking {
            acknowledged += soon("a consumer notices", asking).await.unwrap();
        }
        // The adapter saw every checkpoint of every round: no two contradict each other.
        members
            .civil
            .home()
            .without_evidence()
            .unwrap_or_else(|distrust| panic!("round {round}: {distrust}"));
        drop(handle);
    }
    let process = Process::start(&ground).await;
    let (status, said) = process.stop().await;
    assert!(status.success(), "{status}: {said}");
    let told = check_log_after_a_crash(&ground.log_dir(), &ground.log_key());
    let acks: Vec<Ack> = books.iter().flat_map(|path| Notebook::read(path)).collect();
    assert_eq!(acks.len() as u64, acknowledged);
    assert_eq!(differences(&acks, &told.entries), Vec::<String>::new());
    assert_eq!(told.report.open, 0, "what was open is closed");
    assert!(
        acknowledged > u64::from(rounds),
        "hardly anything was acknowledged: {acknowledged}"
    );
    println!(
        "{rounds} kills, {acknowledged} acknowledged, 0 lost, 0 root mismatches; {} entries, {} abandoned",
        told.entries.len(),
        told.coded("abandoned")
    );
}
