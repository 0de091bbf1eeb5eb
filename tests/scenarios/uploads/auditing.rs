//! Uploads as auditors see them: both sides' journals against the log, and every command that reads entries.

use audit::clock::Clock;
use audit::reconcile::{Options, reconcile};
use tests::check::check_log;
use tests::ground::Ground;
use tests::switch::TestSwitch;
use tests::world::World;
use tests::{soon, until};

use super::{Archive, File, MIB, begun, send, served};
use crate::streams::auditing::{audit, bundled, exported, found};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journals_agree_with_the_log_and_every_reader_knows_uploads() {
    let ground = Ground::found_at(Clock::System).await;
    let world = World::populate(TestSwitch::on(ground, "").await.unwrap()).await;
    let archive = Archive::default();
    let (handle, consumer) = served(&world, &archive).await;
    // One whole, and one that its consumer left.
    let whole = send(&consumer, File::of(MIB + 1).body()).await.unwrap();
    until("its receipt", || handle.status().recorded == 1).await;
    let size = world.switch.size();
    begun(&consumer, &archive).await.abort();
    until("its end", || world.switch.size() == size + 2).await;
    archive.reads_only(1 << 20);
    handle.drain().await.unwrap();
    soon("the journal", consumer.adapter().journal().synced())
        .await
        .unwrap();
    drop(consumer);
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
    let exchange = whole.answer.exchange_id;
    let rows = found(log, exchange).await;
    let rows: Vec<(&str, &str)> = rows.iter().map(|(kind, code)| (&**kind, &**code)).collect();
    assert_eq!(
        rows,
        [
            ("upload", ""),
            ("upload_trailer", ""),
            ("closing", "answered")
        ]
    );
    bundled(log, exchange, dir.path()).await;
    audit(&["stats", "--log", log, "--by", "service"]).await;
    for name in ["all.jsonl", "all.csv", "all.parquet"] {
        let file = dir.path().join(name);
        audit(&["export", "--log", log, "-o", file.to_str().unwrap()]).await;
        let manifest = format!("{}.manifest.json", file.display());
        audit(&["export", "--check", &manifest, "--log", log]).await;
    }
}
