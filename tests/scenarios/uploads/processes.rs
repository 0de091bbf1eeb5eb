//! Consumer, broker and provider as processes of their own: a long file goes through them in constant memory, and whichever is
//! killed in the middle, nothing of it counts.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use audit::clock::Clock;
use bytes::Bytes;
use proto::entry::Kind;
use serde_json::{Value, json};
use tests::check::check_log_after_a_crash;
use tests::ground::Ground;
use tests::process::{Memory, Process, mohawel};
use tests::world::PERSONS;
use tests::{soon, until};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use super::MIB;
use crate::kill9::{Members, grounded};

/// How far each of the three may grow over what it has when it stands idle, connected.
const GROWTH_MAX: u64 = 64 * MIB;

/// A provider that takes files.
const TAKER: &str = r#"
    [service."persons.v1"]
    kind = "files"
    folder = "taken"
    [service."persons.v1".operation.read]
    accept = true
    suffix = ".bin"
    fields = { name = "id" }
"#;

/// All three, running.
struct Three {
    ground: Ground,
    members: Members,
    broker: Process,
    provider: Child,
    dir: tempfile::TempDir,
}

impl Three {
    async fn start() -> Self {
        let (ground, members) = grounded(Ground::found_at(Clock::System).await).await;
        let broker = Process::start(&ground).await;
        for agency in [&members.moss, &members.civil] {
            agency.point_at(broker.exchange);
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("taken")).unwrap();
        std::fs::write(dir.path().join("providers.toml"), TAKER).unwrap();
        let provider = serve(&members, dir.path()).await;
        Self {
            ground,
            members,
            broker,
            provider,
            dir,
        }
    }

    /// A consumer whose file comes out of a pipe: until something is written there it stands idle, connected.
    fn call(&self) -> Child {
        let mut command = Command::new(mohawel());
        command.args(["--json", "call", PERSONS, "read", "--fields", "name"]);
        command.args(["--purpose", "social-benefit", "--upload", "-", "--home"]);
        command.arg(self.members.moss.home_dir());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// Files in the folder, whole or not.
    fn taken(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.dir.path().join("taken")).unwrap();
        folder.map(|file| file.unwrap().path()).collect()
    }

    /// A consumer in the middle of its file, which the provider has begun to write.
    async fn begun(&self) -> Child {
        let mut consumer = self.call();
        write(&mut consumer, 4 * MIB).await;
        until("the provider writes", || {
            let files = self.taken();
            files.iter().any(|file| length(file) > 0)
        })
        .await;
        consumer
    }

    /// Stops broker and provider in good order; gives what the log says.
    async fn finish(mut self) -> tests::check::Told {
        self.provider.kill().await.unwrap();
        let (status, said) = self.broker.stop().await;
        assert!(status.success(), "{status}: {said}");
        check_log_after_a_crash(&self.ground.log_dir(), &self.ground.log_key())
    }
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |about| about.len())
}

/// The stock provider as a process, once it serves.
async fn serve(members: &Members, dir: &Path) -> Child {
    let mut command = Command::new(mohawel());
    command.args(["adapter", "run", "--home"]);
    command.arg(members.civil.home_dir()).arg("--providers");
    command.arg(dir.join("providers.toml"));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut provider = command.kill_on_drop(true).spawn().unwrap();
    let mut said = BufReader::new(provider.stdout.take().unwrap()).lines();
    while let Some(line) = soon("the provider serves", said.next_line()).await.unwrap() {
        if line.contains("serving") {
            return provider;
        }
    }
    panic!("the provider ended before it served");
}

/// Writes so much of a file into a consumer's pipe.
async fn write(consumer: &mut Child, bytes: u64) {
    let pipe = consumer.stdin.as_mut().unwrap();
    let piece = Bytes::from(vec![0x5a_u8; 65_536]);
    for _ in 0..bytes / 65_536 {
        // A consumer that ended reads no more, which its own words tell.
        if pipe.write_all(&piece).await.is_err() {
            return;
        }
    }
}

async fn ended(mut consumer: Child) -> Output {
    drop(consumer.stdin.take());
    soon("the consumer ends", consumer.wait_with_output())
        .await
        .unwrap()
}

/// It ends while its file does not: what else ends it is told to it while it waits for the next byte.
async fn told_meanwhile(mut consumer: Child) -> Output {
    let pipe = consumer.stdin.take();
    let output = ended(consumer).await;
    drop(pipe);
    output
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_file_goes_through_three_processes_in_constant_memory() {
    carried(64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a gibibyte takes a minute, and a gibibyte of disk: make faults"]
async fn a_gibibyte_goes_up_in_the_memory_of_a_mebibyte() {
    carried(1024).await;
}

async fn carried(mebibytes: u64) {
    let three = Three::start().await;
    let mut consumer = three.call();
    // Credit came, and nothing was read yet.
    until("it is begun", || !three.taken().is_empty()).await;
    let memories = [
        ("consumer", Memory::of_child(&consumer)),
        ("broker", three.broker.memory()),
        ("provider", Memory::of_child(&three.provider)),
    ];
    let began = std::time::Instant::now();
    write(&mut consumer, mebibytes * MIB).await;
    let took = began.elapsed();
    let grown = memories.map(|(who, memory)| (who, memory.began(), memory.grown()));
    let done = ended(consumer).await;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    for (who, began, grown) in grown {
        println!(
            "{mebibytes} MiB in {took:?}: the {who} grew by {} KiB over {} KiB",
            grown / 1024,
            began / 1024
        );
        assert!(
            grown < GROWTH_MAX,
            "the {who}: {grown} bytes more than idle"
        );
    }
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&told["bytes"], &told["chunks"], &told["proven"]),
        (
            &json!(mebibytes * MIB),
            &json!(mebibytes * 16),
            &json!(true)
        )
    );
    let id = told["payload"]["rows"][0]["name"].as_str().unwrap();
    assert_eq!(told["exchange_id"], id);
    let files = three.taken();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].file_name().unwrap(), &*format!("{id}.bin"));
    assert_eq!(length(&files[0]), mebibytes * MIB);
    let told = three.finish().await;
    assert_eq!((told.count(Kind::UploadTrailer), told.report.open), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_in_the_middle_nothing_of_the_file_is_kept() {
    let mut three = Three::start().await;
    let mut consumer = three.begun().await;
    consumer.kill().await.unwrap();
    until("the consumer's half is gone", || three.taken().is_empty()).await;

    let consumer = three.begun().await;
    three.provider.kill().await.unwrap();
    let done = told_meanwhile(consumer).await;
    assert_eq!(done.status.code(), Some(3));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("cannot be resumed"), "{said}");
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["resumable"], json!(false));
    // Nobody could take its half away: it has no name that anything is given under.
    let left = three.taken();
    assert!(left.iter().all(|file| file.extension().unwrap() == "part"));
    left.iter()
        .for_each(|file| std::fs::remove_file(file).unwrap());
    three.provider = serve(&three.members, three.dir.path()).await;

    let consumer = three.begun().await;
    three.broker.kill().await;
    let done = told_meanwhile(consumer).await;
    assert!(!done.status.success());
    until("the broker's half is gone", || {
        std::fs::read_dir(three.dir.path().join("taken"))
            .unwrap()
            .count()
            == 0
    })
    .await;
    three.broker = Process::start(&three.ground).await;
    let told = three.finish().await;
    assert_eq!(
        (told.count(Kind::Upload), told.count(Kind::UploadTrailer)),
        (3, 0)
    );
    let codes = ["cancelled", "provider_failed", "abandoned"].map(|code| told.coded(code));
    assert_eq!((codes, told.report.open), ([1, 1, 1], 0));
}
