//! What the sweeper lets go of, what it keeps, and that a start never reads what is old.

use super::*;
use crate::index::INDEX_DIR;
use crate::journal::letting_go::store_databases;

/// Databases of 64 entries, swept every 20 ms.
fn small(dir: &Path) -> Config {
    let mut config = config(dir);
    config.layout.store_entries = 64;
    config.sweep_interval = Duration::from_millis(20);
    config
}

/// Waits until `done`, for five seconds at most.
async fn within_seconds(mut done: impl FnMut() -> bool) -> bool {
    for _ in 0..250 {
        if done() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    done()
}

async fn append(log: &Log, count: usize) {
    for number in 0..count {
        log.append(draft(Kind::Refusal, &format!("number {number}")), None)
            .await
            .unwrap();
    }
}

/// A closed log of 600 entries in several databases, none of which went.
async fn several(dir: &TempDir) -> usize {
    drop(created(dir).await);
    let mut config = small(dir.path());
    config.sweep_interval = Duration::from_secs(3_600);
    let log = Log::open(config, signer(1)).await.unwrap();
    for _ in 0..6 {
        append(&log, 100).await;
        log.publish_now().await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    log.close().await.unwrap();
    store_databases(dir.path()).unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_databases_go_once_their_bundles_were_read_back() {
    let dir = tempfile::tempdir().unwrap();
    assert!(several(&dir).await > 2);
    let before = verified_outside(dir.path());
    let log = Log::open(small(dir.path()), signer(1)).await.unwrap();
    assert!(within_seconds(|| store_databases(dir.path()).unwrap().len() == 1).await);
    let mut read = Vec::new();
    while (read.len() as u64) < log.head().size() {
        let chunk = log.entries(read.len() as u64..u64::MAX).await.unwrap();
        read.extend(chunk.into_iter().map(|(_, entry)| entry));
    }
    assert_eq!(read, before);
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_stays_while_a_bundle_in_its_place_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let databases = several(&dir).await;
    let path = dir.path().join("tile/entries/000");
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let log = Log::open(small(dir.path()), signer(1)).await.unwrap();
    // Those behind the damage go, those that it touches stay.
    let left = |dir: &Path| -> Vec<u64> {
        let databases = store_databases(dir).unwrap();
        databases.into_iter().map(|(first, _)| first).collect()
    };
    assert!(within_seconds(|| left(dir.path()).len() < databases).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(left(dir.path())[0], 0);
    assert!(left(dir.path()).len() > 1);
    log.close().await.unwrap();
    drop(log);
    std::fs::write(&path, whole).unwrap();
    let log = Log::open(small(dir.path()), signer(1)).await.unwrap();
    assert!(within_seconds(|| left(dir.path()).len() == 1).await);
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_does_not_read_old_databases() {
    let dir = tempfile::tempdir().unwrap();
    several(&dir).await;
    let mut databases = store_databases(dir.path()).unwrap();
    databases.pop();
    for (_, path) in &databases {
        for name in ["db", "conf"] {
            std::fs::write(path.join(name), [0xa5; 4_096]).unwrap();
        }
    }
    let mut config = small(dir.path());
    config.sweep_interval = Duration::from_secs(3_600);
    let log = Log::open(config, signer(1)).await.unwrap();
    let report = log.recovered().unwrap();
    assert_eq!(report.store, crate::journal::StoreFound::Whole);
    assert_eq!(log.head().size(), 601);
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_chunks_are_indexed_behind_a_running_log_where_that_is_wanted() {
    use crate::index::{CHUNK_ENTRIES, Index};
    let dir = tempfile::tempdir().unwrap();
    drop(created(&dir).await);
    for wanted in [false, true] {
        let mut config = small(dir.path());
        config.layout.store_entries = 1 << 20;
        config.index = wanted;
        let log = Log::open(config, signer(1)).await.unwrap();
        let tasks = (0..64).map(|_| {
            let log = log.clone();
            tokio::spawn(async move { append(&log, CHUNK_ENTRIES as usize / 60).await })
        });
        for task in Vec::from_iter(tasks) {
            task.await.unwrap();
        }
        log.publish_now().await.unwrap();
        let upto = || {
            let checkpoint = log.published().borrow().checkpoint.clone();
            Index::open(dir.path(), checkpoint).unwrap().upto()
        };
        if wanted {
            assert!(within_seconds(|| upto() >= 2 * CHUNK_ENTRIES).await);
        } else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(!dir.path().join(INDEX_DIR).exists());
        }
        log.close().await.unwrap();
    }
}
