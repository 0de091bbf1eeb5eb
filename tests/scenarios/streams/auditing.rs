//! Streams as auditors see them: both sides' journals against the log, and every command that reads entries.

use std::path::{Path, PathBuf};

use adapters::journal::{export, read};
use audit::clock::Clock;
use audit::reconcile::{Options, reconcile};
use proto::id::ExchangeId;
use serde_json::Value;
use tests::agency::TestAgency;
use tests::check::check_log;
use tests::ground::Ground;
use tests::process::mohawel;
use tests::soon;
use tests::switch::TestSwitch;
use tests::until;
use tests::world::World;
use tokio::process::Command;

use super::{Library, MIB, begin, rest, void};

/// One stream that came whole, one that its provider broke, and one that its consumer left.
struct Streams {
    whole: ExchangeId,
    broken: ExchangeId,
    left: ExchangeId,
}

async fn streams(world: &World) -> Streams {
    let consumer = super::consumer(world, &world.moss).await;
    let serve = async |library| world.civil.serve(world.switch.ground(), library).await;
    let handle = serve(Library::of(MIB + 1)).await;
    let mut incoming = begin(&consumer).await;
    rest(&mut incoming).await.unwrap();
    let whole = incoming.opened().exchange_id;
    until("the trailer's receipt", || handle.status().recorded == 1).await;
    handle.drain().await.unwrap();
    let library = Library {
        breaks_after: MIB,
        ..Library::of(2 * MIB)
    };
    let handle = serve(library).await;
    let mut incoming = begin(&consumer).await;
    void(rest(&mut incoming).await.unwrap_err());
    let broken = incoming.opened().exchange_id;
    handle.drain().await.unwrap();
    let handle = serve(Library::of(64 * MIB)).await;
    let incoming = begin(&consumer).await;
    let left = incoming.opened().exchange_id;
    let size = world.switch.size();
    drop(incoming);
    until("its end", || world.switch.size() == size + 1).await;
    handle.drain().await.unwrap();
    soon("the journal", consumer.adapter().journal().synced())
        .await
        .unwrap();
    Streams {
        whole,
        broken,
        left,
    }
}

/// A home's journal, as its agency gives it to an auditor.
pub(crate) fn exported(agency: &TestAgency, to: PathBuf) -> PathBuf {
    let mut text = String::new();
    let told = read::read(&agency.home_dir().join("journal"), |record| {
        text.push_str(&format!("{}\n", export::exchange(&record, &agency.system)));
    });
    assert_eq!(told.unwrap().damaged, []);
    std::fs::write(&to, text).unwrap();
    to
}

/// What `mohawel audit` prints with these arguments.
pub(crate) async fn audit(arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(mohawel());
    command.args(["--json", "audit"]).args(arguments);
    let done = soon("the command ends", command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?}: {said}");
    done.stdout
}

/// Entries that `audit find` has of an exchange: kind and code.
pub(crate) async fn found(log: &str, exchange: ExchangeId) -> Vec<(String, String)> {
    let id = exchange.to_string();
    let lines = audit(&["find", "--log", log, "--exchange", &id]).await;
    let lines = String::from_utf8(lines).unwrap();
    lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| {
            let word = |key: &str| line.get(key)?.as_str().map(str::to_owned);
            Some((word("kind")?, word("code").unwrap_or_default()))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journals_agree_with_the_log_and_every_reader_knows_streams() {
    let ground = Ground::found_at(Clock::System).await;
    let world = World::populate(TestSwitch::on(ground, "").await.unwrap()).await;
    let streams = streams(&world).await;
    let World {
        switch,
        moss,
        civil,
        ..
    } = world;
    let ground = switch.stop().await;
    let log = ground.log_dir();
    let told = check_log(&log, &ground.log_key());
    assert_eq!((told.coded("answered"), told.report.open), (1, 0));
    let dir = tempfile::tempdir().unwrap();
    let files = [
        exported(&moss, dir.path().join("moss.jsonl")),
        exported(&civil, dir.path().join("civil.jsonl")),
    ];
    let options = Options {
        key: Some(ground.log_key()),
        ..Options::default()
    };
    let report = reconcile(&log, &files, options).unwrap();
    assert_eq!(report.errors, 0, "{:?}", report.rows);
    let log = log.to_str().unwrap();
    let expected = |kinds: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(kind, code): &(&str, &str)| ((*kind).to_owned(), (*code).to_owned());
        kinds.iter().map(owned).collect()
    };
    for (exchange, end) in [
        (streams.whole, ("trailer", "answered")),
        (streams.broken, ("closing", "provider_failed")),
        (streams.left, ("closing", "cancelled")),
    ] {
        let rows = found(log, exchange).await;
        assert_eq!(rows, expected(&[("request", ""), ("opening", ""), end]));
        bundled(log, exchange, dir.path()).await;
    }
    audit(&["stats", "--log", log, "--by", "service"]).await;
    for name in ["all.jsonl", "all.csv", "all.parquet"] {
        let file = dir.path().join(name);
        audit(&["export", "--log", log, "-o", file.to_str().unwrap()]).await;
        let manifest = format!("{}.manifest.json", file.display());
        audit(&["export", "--check", &manifest, "--log", log]).await;
    }
}

/// A bundle of evidence of one exchange, which verifies by itself.
pub(crate) async fn bundled(log: &str, exchange: ExchangeId, dir: &Path) {
    let zip = dir.join(format!("{exchange}.zip"));
    let zip = zip.to_str().unwrap();
    let id = exchange.to_string();
    audit(&["bundle", "--log", log, "--exchange", &id, "-o", zip]).await;
    audit(&["verify", zip]).await;
}
