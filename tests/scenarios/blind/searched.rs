//! A broker in a process of its own is searched for a marker that went through it both ways: its memory while it carries it
//! and afterwards, what it wrote, all files of the switch. Nothing of what was sealed is found; what went in the open is,
//! by the same search.

use std::path::Path;
use std::sync::Arc;

use adapters::{Failure, Provider, Reply, Request};
use audit::clock::Clock;
use proto::commitment::Salt;
use serde_json::{Value, json};
use tests::check::check_log_after_a_crash;
use tests::ground::{Ground, walk};
use tests::process::Process;
use tests::soon;
use tests::switch::TestSwitch;
use tests::world::PERSONS;
use tokio::sync::Semaphore;

use crate::kill9::grounded;

/// Exchanges that are looked for; in the open each is a further chance to be found.
const ROUNDS: usize = 12;

/// Answers with its own marker, once it may.
#[derive(Debug)]
struct Register {
    reached: Arc<Semaphore>,
    may: Arc<Semaphore>,
    marker: String,
}

impl Provider for Register {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        self.reached.add_permits(1);
        self.may.acquire().await.map_err(Failure::failed)?.forget();
        Reply::record(&request, &json!({ "name": self.marker }))
    }
}

/// Where a marker was found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    question_in_memory: bool,
    answer_in_memory: bool,
    on_disk: bool,
    said: bool,
}

/// Nobody ever wrote it before, so wherever it is found it came through.
fn marker(what: &str) -> String {
    format!("{what}-{}", hex::encode(&Salt::random().unwrap().0[..16]))
}

fn on_disk(dir: &Path, text: &str) -> bool {
    walk(dir)
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .any(|file| file.windows(text.len()).any(|part| part == text.as_bytes()))
}

async fn searched(sealed: bool) -> Found {
    let (ground, members) = grounded(Ground::found_at(Clock::System).await).await;
    let switch = TestSwitch::on(ground, "").await.unwrap();
    members.civil.bind_encryption_key(&switch).await;
    let ground = switch.stop().await;
    let process = Process::start_after(&ground, "export MOHAWEL_LOG=debug").await;
    for agency in [&members.moss, &members.civil] {
        agency.point_at(process.exchange);
    }
    let [question, answer] = ["question", "answer"].map(marker);
    let [reached, may] = [(); 2].map(|()| Arc::new(Semaphore::new(0)));
    let register = Register {
        reached: Arc::clone(&reached),
        may: Arc::clone(&may),
        marker: answer.clone(),
    };
    let handle = members.civil.serve(&ground, register).await;
    let consumer = members.moss.adapter(&ground).await.consumer();
    let mut found = Found::default();
    let mut search = |at: &str| {
        let [asked, answered] =
            tokio::task::block_in_place(|| process.remembers([&question, &answer]));
        found.question_in_memory |= asked;
        found.answer_in_memory |= answered;
        println!("{at}: question {asked}, answer {answered}");
    };
    for _ in 0..ROUNDS {
        let ask = consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"])
            .payload_json(&json!({ "nid": question }));
        let ask = if sealed { ask.sealed() } else { ask };
        let (answered, ()) = tokio::join!(soon("an answer", ask.send()), async {
            soon("the backend has it", reached.acquire())
                .await
                .unwrap()
                .forget();
            search("on its way");
            may.add_permits(1);
        });
        let said: Value = answered.unwrap().json().unwrap();
        assert_eq!(said, json!({ "name": answer }));
        search("afterwards");
    }
    drop(consumer);
    handle.drain().await.unwrap();
    let (status, said) = process.stop().await;
    assert!(status.success(), "{status}: {said}");
    let stands = |dir: &Path, text: &str| on_disk(dir, text);
    assert!(
        stands(ground.dir(), "EG/GOV/MOSS/takaful"),
        "the disk was searched"
    );
    assert!(said.contains("broker"), "it wrote what it does: {said}");
    found.on_disk = [&question, &answer]
        .iter()
        .any(|text| stands(ground.dir(), text));
    found.said = [&question, &answer].iter().any(|text| said.contains(*text));
    check_log_after_a_crash(&ground.log_dir(), &ground.log_key());
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_sealed_is_nowhere_in_the_switch() {
    assert_eq!(searched(true).await, Found::default());
}

/// The same search finds what went in the open: in memory, and there alone, for the switch keeps no payload.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_open_is_found_in_its_memory() {
    let in_memory = Found {
        question_in_memory: true,
        answer_in_memory: true,
        ..Found::default()
    };
    assert_eq!(searched(false).await, in_memory);
}
