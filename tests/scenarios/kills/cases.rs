//! A case with a part that acts: whoever is killed, before the act or behind it, a backend is never told to do it twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tests::ground::loopback;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::*;

const COMPOSITION: &str = r#"
composition = "visit"
name_en = "Visit"
name_ar = "زيارة"
deadline_ms = 15000
retries = 0

[[inputs]]
name = "nid"
name_en = "National ID"
name_ar = "الرقم القومي"

[[parts]]
name = "act"
name_en = "Act"
name_ar = "الفعل"
service = "EG/GOV/CIVIL/registry/persons.v1"
operation = "read"
purpose = "social-benefit"
fields = ["name"]
parameters.nid = { input = "nid" }
once = true
"#;

/// What is under way when somebody is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The question, to the provider.
    Delivered,
    /// The backend is at it.
    Acting,
    /// The answer, to the switch.
    Answered,
    /// The answer, to the consumer.
    Replied,
}

const STEPS: [Step; 4] = [Step::Delivered, Step::Acting, Step::Answered, Step::Replied];

/// A backend that acts, and counts how often it did what.
struct Acting {
    address: SocketAddr,
    acts: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Whether it answers.
    answers: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Acting {
    async fn start() -> Self {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let acts: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let answers = watch::Sender::new(true);
        let (seen, gate) = (Arc::clone(&acts), answers.subscribe());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(act(stream, Arc::clone(&seen), gate.clone()));
            }
        });
        Self {
            address,
            acts,
            answers,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// How often it was told to act for this number.
    fn acts(&self, nid: &str) -> u64 {
        let acts = self.acts.lock().unwrap();
        acts.get(&format!(r#"{{"nid":"{nid}"}}"#))
            .copied()
            .unwrap_or(0)
    }
}

/// One request of one connection: it is done as soon as it was read.
async fn act(
    mut stream: TcpStream,
    acts: Arc<Mutex<BTreeMap<String, u64>>>,
    mut gate: watch::Receiver<bool>,
) {
    let mut text = String::new();
    let mut piece = [0; 4_096];
    let body = loop {
        let Ok(length @ 1..) = stream.read(&mut piece).await else {
            return;
        };
        text.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        let whole = text
            .split_once("\r\n\r\n")
            .filter(|(_, body)| body.ends_with('}'));
        if let Some((_, body)) = whole {
            break body.to_owned();
        }
    };
    *acts.lock().unwrap().entry(body).or_default() += 1;
    if gate.wait_for(|answers| *answers).await.is_err() {
        return;
    }
    let answer = r#"{"name":"Mona"}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    let text = format!("{head}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    let _ = stream.write_all(text.as_bytes()).await;
}

impl House {
    async fn acting(backend: &Acting) -> Self {
        let stock = format!(
            r#"
            [service."persons.v1"]
            kind = "http"
            backend = "http://{}"
            timeout_ms = 15000
            [service."persons.v1".operation.read]
            method = "POST"
            path = "/act"
            parameters = {{ nid = "text" }}
            fields = {{ name = "/name" }}
            "#,
            backend.address
        );
        let house = Self::serving(&stock, &[]).await;
        std::fs::write(house.at("visit.toml"), COMPOSITION).unwrap();
        house
    }

    fn case(&self, nid: &str, more: &[&str]) -> Command {
        let (case, input) = (format!("GIZA-{nid}"), format!("nid={nid}"));
        let mut arguments = vec!["compose", "run", "visit.toml", "--case", &case];
        arguments.extend(["--input", &input, "--actor", "clerk"]);
        arguments.extend(more);
        self.consumer(&arguments)
    }

    /// Runs the case; gives what became of its part.
    async fn ran(&self, nid: &str, more: &[&str]) -> String {
        let (code, told, errors) = run(self.case(nid, more)).await;
        let outcome = told["parts"][0]["outcome"].as_str();
        let outcome = outcome.unwrap_or_else(|| panic!("{code} {told} {errors}"));
        outcome.to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_at_whichever_step_what_acts_is_done_once() {
    let backend = Acting::start().await;
    let mut house = House::acting(&backend).await;
    let mut number = 0;
    for step in STEPS {
        for party in PARTIES {
            println!("{step:?}: {party:?} is killed");
            number += 1;
            let nid = number.to_string();
            let consumer = killed(&mut house, &backend, step, party, &nid).await;
            let (code, ..) = ended(consumer).await;
            assert_eq!(code == -1, party == Party::Consumer);
            house.mend().await;
            // Whatever it was, run again it does nothing that may have been done.
            let first = house.ran(&nid, &[]).await;
            let second = house.ran(&nid, &[]).await;
            let acts = backend.acts(&nid);
            println!("  {first}, {second}, done {acts}");
            assert!(acts <= 1, "{step:?} {party:?}: {acts}");
            let known = ["answered", "done_earlier", "not_asked (end_unknown)"];
            assert!(known.contains(&&*second), "{step:?} {party:?}: {second}");
            // It says that it was done only where it was.
            assert!(
                acts == 1 || second == known[2],
                "{step:?} {party:?}: {second}"
            );
        }
    }
    let told = house.finish().await;
    assert_eq!(told.report.open, 0);
}

/// Runs a case, kills at `step`.
async fn killed(house: &mut House, backend: &Acting, step: Step, party: Party, nid: &str) -> Child {
    match step {
        Step::Delivered => house.serves.back.hold_after(0),
        Step::Acting | Step::Replied => {
            backend.answers.send_replace(false);
        }
        Step::Answered => house.serves.out.hold_after(0),
    }
    let mut consumer = house.case(nid, &[]).spawn().unwrap();
    let stands = match step {
        Step::Delivered => waits(&mut consumer, || house.serves.back.waiting() > 500).await,
        Step::Acting => waits(&mut consumer, || backend.acts(nid) == 1).await,
        Step::Answered => waits(&mut consumer, || house.serves.out.waiting() > 500).await,
        Step::Replied => {
            let acts = waits(&mut consumer, || backend.acts(nid) == 1).await;
            house.asks.back.hold_after(0);
            backend.answers.send_replace(true);
            acts && waits(&mut consumer, || house.asks.back.waiting() > 500).await
        }
    };
    assert!(stands, "{step:?} was passed");
    house.kill(party, &mut consumer).await;
    backend.answers.send_replace(true);
    consumer
}

/// The moment is chance, and so is who is killed.
async fn killed_by_chance(rounds: u32) {
    let backend = Acting::start().await;
    let mut house = House::acting(&backend).await;
    let mut random = Chance::new();
    let mut done = 0;
    for round in 0..rounds {
        let nid = round.to_string();
        let mut consumer = house.case(&nid, &[]).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.below(150))).await;
        let party = PARTIES[random.below(3) as usize];
        house.kill(party, &mut consumer).await;
        ended(consumer).await;
        house.mend().await;
        house.ran(&nid, &[]).await;
        house.ran(&nid, &[]).await;
        let acts = backend.acts(&nid);
        assert!(acts <= 1, "{round} {party:?}: {acts}");
        done += acts;
    }
    let told = house.finish().await;
    assert_eq!(told.report.open, 0);
    println!("{rounds} kills of cases, {done} acts, none twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a hundred rounds take minutes: make faults"]
async fn killed_at_any_moment_what_acts_is_done_once() {
    killed_by_chance(rounds(100)).await;
}
