//! Copies of a log under load, and what opens from them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proto::entry::{Draft, Kind};
use proto::key::Signer;
use tempfile::TempDir;

use super::*;
use crate::checkpoint::tests::TestSigner;
use crate::log::{Config, Log};
use crate::verify::{Options, verify_directory};

const ORIGIN: &str = "log.test/backup";

fn signer() -> Arc<dyn Signer> {
    Arc::new(TestSigner::new(1))
}

fn key() -> LogKey {
    LogKey::new(ORIGIN, signer().key()).unwrap()
}

fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir, ORIGIN);
    config.layout.segment_bytes = 64 << 10;
    config.layout.store_cache_bytes = 8 << 20;
    config.publish_interval = Duration::from_millis(20);
    config.keep_interval = Duration::from_millis(10);
    config
}

fn draft(kind: Kind, number: u64) -> Draft {
    Draft {
        kind,
        facts: Bytes::from(format!("{number:0200}")),
        header: Bytes::new(),
        seal: None,
    }
}

async fn created(dir: &TempDir) -> Log {
    let genesis = draft(Kind::Genesis, 0);
    Log::create(config(dir.path()), genesis, signer())
        .await
        .unwrap()
}

/// Opens the copy, appends, closes, verifies; gives the entries it began with.
async fn goes_on(copy: &Path) -> u64 {
    let log = Log::open(config(copy), signer()).await.unwrap();
    let size = log.head().size();
    let appended = log.append(draft(Kind::Request, 7), None).await.unwrap();
    assert_eq!(appended.index, size);
    log.close().await.unwrap();
    drop(log);
    let report = verify_directory(copy, Options::default());
    assert!(report.is_proven(), "{:?}", report.findings);
    size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_of_a_log_under_load_opens_to_all_that_was_acknowledged_before_it() {
    let dir = TempDir::new().unwrap();
    let log = created(&dir).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (log, stop) = (log.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    log.append(draft(Kind::Request, 1), None).await.unwrap();
                }
            })
        })
        .collect();
    let place = TempDir::new().unwrap();
    let copy = place.path().join("copy");
    // The first from nothing, the others bring it up to date.
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let acknowledged = log.head().size();
        let (from, to) = (dir.path().to_owned(), copy.clone());
        let copied = tokio::task::spawn_blocking(move || copy_log(&from, &to, &key(), None));
        let copied = copied.await.unwrap().unwrap();
        assert!(
            copied.size >= acknowledged,
            "{copied:?} after {acknowledged}"
        );
        let opened = place.path().join(format!("opened{round}"));
        crate::backup::copy_into(&copy, &opened).unwrap();
        assert_eq!(goes_on(&opened).await, copied.size);
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    log.close().await.unwrap();
}

#[tokio::test]
async fn an_older_log_never_goes_over_a_newer_copy() {
    let (dir, older, place) = (
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    );
    let log = created(&dir).await;
    log.close().await.unwrap();
    drop(log);
    copy_into(dir.path(), &older.path().join("log")).unwrap();
    goes_on(dir.path()).await;
    let copy = place.path().join("copy");
    copy_log(dir.path(), &copy, &key(), None).unwrap();
    let held = std::fs::read(copy.join("checkpoint")).unwrap();
    let refused = copy_log(&older.path().join("log"), &copy, &key(), None);
    assert!(
        matches!(refused, Err(BackupError::Newer { .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(copy.join("checkpoint")).unwrap(), held);
}

#[tokio::test]
async fn a_damaged_bundle_is_not_copied() {
    let (dir, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let log = created(&dir).await;
    for number in 0..300 {
        log.append(draft(Kind::Request, number), None)
            .await
            .unwrap();
    }
    log.close().await.unwrap();
    let bundle = dir.path().join("tile/entries/000");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let copy = place.path().join("copy");
    let refused = copy_log(dir.path(), &copy, &key(), None);
    assert!(matches!(refused, Err(BackupError::Tiles(_))), "{refused:?}");
    assert!(!copy.join("checkpoint").exists());
    let nothing = copy_log(place.path(), &copy, &key(), None);
    assert!(matches!(nothing, Err(BackupError::NoLog(_))));
}

#[tokio::test]
async fn tokens_are_copied_up_to_the_copied_checkpoint_and_no_further() {
    use crate::timestamp::kept;
    let (dir, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let log = created(&dir).await;
    log.append(draft(Kind::Request, 1), None).await.unwrap();
    let published = log.publish_now().await.unwrap();
    assert_eq!(published.checkpoint.size, 2);
    for size in [1, 2, 3] {
        kept::keep(dir.path(), size, b"note", b"token").unwrap();
    }
    copy_log(dir.path(), copy.path(), &key(), None).unwrap();
    assert_eq!(kept::sizes(copy.path()).unwrap(), [1, 2]);
    // A later word over the same checkpoint comes along with the next copy.
    kept::keep_again(dir.path(), 2, b"later").unwrap();
    copy_log(dir.path(), copy.path(), &key(), None).unwrap();
    for size in [1, 2] {
        assert_eq!(
            kept::read(copy.path(), size).unwrap(),
            kept::read(dir.path(), size).unwrap()
        );
    }
    log.close().await.unwrap();
}
