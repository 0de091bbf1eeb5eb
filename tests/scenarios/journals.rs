//! Adapters as auditors: receipts on both sides against the log, payloads that are erased, an adapter that is killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use adapters::adapter::Adapter;
use adapters::consumer::Answer;
use adapters::journal::erasure::{self, Order};
use adapters::journal::{self, Half, Role, export, read};
use audit::clock::Clock;
use audit::log::Log;
use audit::reconcile::{Has, Options, Report, Row, reconcile, rule};
use audit::tiles::TileStore;
use audit::tiles::published::read_published;
use proto::entry::{Draft, Entry, Kind};
use proto::id::{ExchangeId, Part};
use serde_json::{Value, json};
use tests::agency::TestAgency;
use tests::check::check_log;
use tests::ground::Ground;
use tests::process::mohawel;
use tests::provider::{Backend, Does};
use tests::switch::TestSwitch;
use tests::world::{PERSONS, World};
use tests::{soon, until};

const PAYLOAD: &str = "29001019900011";

async fn ask(adapter: &Adapter) -> Answer {
    let consumer = adapter.consumer();
    let asking = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name"])
        .payload_json(&json!({ "nid": PAYLOAD }))
        .send();
    soon("an answer", Box::pin(asking)).await.unwrap()
}

fn dir(agency: &TestAgency) -> PathBuf {
    agency.home_dir().join("journal")
}

/// What an agency exports, as `mohawel adapter receipts --export` writes it.
fn exported(agency: &TestAgency, to: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    let told = read::read(&dir(agency), |record| {
        lines.push(export::exchange(&record, &agency.system));
    });
    assert_eq!(told.unwrap().damaged, []);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(to, text).unwrap();
    lines
}

fn compare(log: &Path, ground: &Ground, files: &[PathBuf]) -> Report {
    let options = Options {
        key: Some(ground.log_key()),
        ..Options::default()
    };
    reconcile(log, files, options).unwrap()
}

/// Everything that lies in a folder, file by file.
fn everything(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.path().is_dir() {
            true => all.extend(everything(&entry.path())),
            false => all.extend(std::fs::read(entry.path()).unwrap()),
        }
    }
    all
}

/// The log once more with the same key, without one exchange: what an operator can do with everything it holds.
async fn without(ground: &Ground, gone: ExchangeId, dir: &Path) {
    let size = read_published(&ground.log_dir())
        .unwrap()
        .unwrap()
        .checkpoint
        .size;
    let mut requests = Vec::new();
    let mut log: Option<Log> = None;
    for found in TileStore::new(ground.log_dir()).read_entries(0..size, size) {
        let (index, bytes) = found.unwrap();
        let entry = Entry::decode(&bytes).unwrap();
        let is_of = |entry: &Entry| match entry.kind {
            Kind::Request => {
                let header = proto::header::RequestHeader::open(&entry.header).unwrap();
                header.exchange_id == gone
            }
            Kind::Closing => {
                let facts = proto::facts::exchange(&entry.facts).unwrap();
                requests.contains(&facts.request_index)
            }
            _ => false,
        };
        if is_of(&entry) {
            requests.push(index);
            continue;
        }
        let draft = Draft {
            kind: entry.kind,
            facts: entry.facts,
            header: entry.header,
            seal: entry.seal,
        };
        match &log {
            None => {
                let mut config = ground.log_config();
                config.layout.dir = dir.to_owned();
                let created = Log::create(config, draft, ground.log_signer()).await;
                log = Some(created.unwrap());
            }
            Some(log) => drop(log.append(draft, None).await.unwrap()),
        }
    }
    assert_eq!(requests.len(), 2);
    log.unwrap().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_hold_receipts_that_convict_a_log_which_lost_an_exchange() {
    let world = World::new().await;
    let backend = Backend::new(Does::Answers);
    let provider = world.civil.serve(world.switch.ground(), backend).await;
    let consumer = world.consumer().await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(ask(&consumer).await);
    }
    until("the provider has its receipts", || {
        provider.status().recorded == 5
    })
    .await;
    provider.drain().await.unwrap();
    consumer.journal().synced().await.unwrap();
    drop(consumer);
    let World {
        switch,
        moss,
        civil,
        ..
    } = world;
    let ground = switch.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let files = ["moss.jsonl", "civil.jsonl"].map(|name| folder.path().join(name));
    let held = [exported(&moss, &files[0]), exported(&civil, &files[1])];
    for (lines, role) in held.iter().zip(["consumer", "provider"]) {
        assert_eq!(lines.len(), 5);
        for (line, answer) in lines.iter().zip(&answers) {
            assert_eq!(line["exchange_id"], answer.exchange_id.to_string());
            assert_eq!(
                (&line["role"], &line["outcome"]),
                (&json!(role), &json!("answered"))
            );
            assert_eq!(line["request"]["index"], answer.request_index);
            assert_eq!(line["answer"]["index"], answer.closing_index);
        }
    }
    // Honest: everything agrees.
    let report = compare(&ground.log_dir(), &ground, &files);
    assert!(report.is_clean(), "{:?}", report.rows);
    assert_eq!((report.agreed, report.rows.len()), (10, 0));
    // Without the third, under the real key: the files alone say nothing, each side's receipts convict.
    let forged = tempfile::tempdir().unwrap();
    without(&ground, answers[2].exchange_id, forged.path()).await;
    for sides in [&files[..], &files[..1], &files[1..]] {
        let report = compare(forged.path(), &ground, sides);
        assert!(report.files.is_proven());
        let missing = report.rows.iter().find(|row| row.rule == rule::NOT_IN_LOG);
        let missing = missing.unwrap();
        assert_eq!(missing.exchange, Some(answers[2].exchange_id));
        assert_eq!(missing.log, Has::No);
        assert!(!report.is_clean());
    }
    // A consumer that hides a receipt is found by the log and the other side.
    let lines: Vec<String> = held[0].iter().skip(1).map(ToString::to_string).collect();
    let first = format!("{}\n", held[0][0]);
    std::fs::write(&files[0], lines.join("\n")).unwrap();
    let wide = Options {
        key: Some(ground.log_key()),
        from_ms: Some(0),
        ..Options::default()
    };
    let report = reconcile(&ground.log_dir(), &files, wide).unwrap();
    let rows: Vec<_> = report
        .rows
        .iter()
        .map(|row| (row.rule, row.consumer, row.provider))
        .collect();
    assert_eq!(
        rows,
        [(rule::UNKNOWN_TO_CONSUMER, Has::No, Has::Yes)],
        "{first}"
    );
}

fn open(dir: &Path, role: Role, id: ExchangeId, half: Half) -> Option<journal::Opened> {
    journal::disclose(dir, role, id, half).unwrap()
}

/// Both sides can open both halves, what they open is what was committed to, and nothing of it lies in the clear.
async fn both_sides_can_open(world: &World, answers: &[Answer; 2]) {
    let (moss, civil) = (dir(&world.moss), dir(&world.civil));
    let [first, second] = [answers[0].exchange_id, answers[1].exchange_id];
    until("the provider's journal is written", || {
        open(&civil, Role::Provider, second, Half::Answer).is_some()
    })
    .await;
    let opened = open(&moss, Role::Consumer, first, Half::Answer).unwrap();
    let commitment = &answers[0].header.payload;
    commitment.open(&opened.payload, &opened.salt.0).unwrap();
    let opened = open(&civil, Role::Provider, first, Half::Request).unwrap();
    assert!(String::from_utf8(opened.payload).unwrap().contains(PAYLOAD));
    for home in [&moss, &civil] {
        let bytes = everything(home);
        let mut windows = bytes.windows(PAYLOAD.len());
        assert!(!windows.any(|found| found == PAYLOAD.as_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_payload_is_gone_on_record_and_its_proofs_still_hold() {
    let world = World::new().await;
    let backend = Backend::new(Does::Answers);
    let provider = world.civil.serve(world.switch.ground(), backend).await;
    let consumer = world.consumer().await;
    let answers = [ask(&consumer).await, ask(&consumer).await];
    until("the provider has its receipts", || {
        provider.status().recorded == 2
    })
    .await;
    consumer.journal().synced().await.unwrap();
    let moss = dir(&world.moss);
    let [first, second] = [answers[0].exchange_id, answers[1].exchange_id];
    both_sides_can_open(&world, &answers).await;
    // Erased, and told to the log under the system's seal.
    let ground = Part::parse("subject-request").unwrap();
    let system = world.moss.system.clone();
    let order = Order {
        system: &system,
        ground: &ground,
        now_ms: world.switch.clock().now_ms(),
    };
    let erased = erasure::erase(&moss, &|id| id == first, &order).unwrap();
    assert_eq!(erased, [first]);
    for half in [Half::Request, Half::Answer] {
        assert!(open(&moss, Role::Consumer, first, half).is_none());
        assert!(open(&moss, Role::Consumer, second, half).is_some());
    }
    assert_eq!(consumer.state_erasures().await.unwrap(), 1);
    assert_eq!(erasure::queued(&moss).unwrap(), 0);
    drop(consumer);
    // Without the switch it goes all the same, and is told by the next run.
    let World {
        switch,
        moss: agency,
        civil,
        ..
    } = world;
    drop(provider);
    let stopped = switch.stop().await;
    assert_eq!(
        erasure::erase(&moss, &|id| id == second, &order).unwrap(),
        [second]
    );
    assert_eq!(erasure::queued(&moss).unwrap(), 1);
    let switch = TestSwitch::on(stopped, "").await.unwrap();
    agency.point_at(switch.exchange());
    let adapter = agency.adapter(switch.ground()).await;
    until("the next run tells it", || {
        erasure::queued(&moss).unwrap() == 0
    })
    .await;
    drop(adapter);
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("moss"), folder.path().join("civil")];
    exported(&agency, &files[0]);
    exported(&civil, &files[1]);
    let stopped = switch.stop().await;
    let report = compare(&stopped.log_dir(), &stopped, &files);
    assert!(report.is_clean(), "{:?}", report.rows);
    let told = check_log(&stopped.log_dir(), &stopped.log_key());
    let statements = told
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Erasure);
    assert_eq!(statements.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_adapter_leaves_a_journal_that_opens_with_everything_it_printed() {
    let ground = Ground::found_at(Clock::System).await;
    let world = World::populate(TestSwitch::on(ground, "").await.unwrap()).await;
    let backend = Backend::new(Does::Answers);
    let provider = world.civil.serve(world.switch.ground(), backend).await;
    let mut printed = Vec::new();
    for round in 0..10_u64 {
        let mut child = tokio::process::Command::new(mohawel())
            .args([
                "call",
                PERSONS,
                "read",
                "--purpose",
                "social-benefit",
                "--fields",
                "name",
            ])
            .args(["--data", "{\"nid\":\"29001019900011\"}", "--json", "--home"])
            .arg(world.moss.home_dir())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            let _ = tokio::io::AsyncReadExt::read_to_string(&mut stdout, &mut text).await;
            text
        });
        // Somewhere on its way; every fourth comes through.
        let wait = match round % 4 {
            3 => tests::PATIENCE,
            _ => Duration::from_millis(60 + 45 * round),
        };
        if tokio::time::timeout(wait, child.wait()).await.is_err() {
            child.kill().await.unwrap();
        }
        let text = reading.await.unwrap();
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            printed.push(value["exchange_id"].as_str().unwrap().to_owned());
        }
    }
    assert!(printed.len() >= 2, "{printed:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("moss.jsonl");
    let lines = exported(&world.moss, &file);
    for id in &printed {
        let line = lines
            .iter()
            .find(|line| line["exchange_id"] == **id)
            .unwrap();
        assert!(line["answer"]["receipt"].is_string(), "{line}");
        let id = ExchangeId::parse(id).unwrap();
        let opened = journal::disclose(&dir(&world.moss), Role::Consumer, id, Half::Answer);
        assert!(opened.unwrap().is_some());
    }
    drop(provider);
    let ground = world.switch.stop().await;
    let report = compare(&ground.log_dir(), &ground, &[file]);
    no_more_than_killed(&report, &printed);
}

/// Whatever was under way is known to the consumer, or to nobody; or to the log alone, where the adapter was killed within the
/// 200 ms in which a record may wait for its sync. What was printed never is.
fn no_more_than_killed(report: &Report, printed: &[String]) {
    let heavy: Vec<_> = report
        .rows
        .iter()
        .filter(|row| row.rule != rule::UNRECEIPTED)
        .collect();
    let was_printed = |row: &Row| {
        let id = row.exchange.map(|id| id.to_string());
        id.is_some_and(|id| printed.contains(&id))
    };
    let may_be = |row: &Row| match row.rule {
        rule::UNRECORDED => true,
        rule::UNKNOWN_TO_CONSUMER => !was_printed(row),
        _ => false,
    };
    assert!(heavy.iter().copied().all(may_be), "{heavy:?}");
}
