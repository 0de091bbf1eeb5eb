//! Tail, store, bundles, tiles and checkpoint lost or damaged, alone and together: the same root comes back, or every
//! range that cannot is named and nothing is changed.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use proto::entry::{Draft, Kind};
use proto::key::Signer;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::*;
use crate::checkpoint::tests::TestSigner;
use crate::journal::Layout;
use crate::log::{Config, Log};
use crate::tiles::fixtures::files_of;
use crate::verify::{Severity, verify_directory};

mod cut_short;
mod faults;
mod histories;
mod tail;

const ORIGIN: &str = "log.test/rebuild";
/// Entries that are published.
const PUBLISHED: u64 = 700;
/// Entries that were acknowledged.
const SIZE: u64 = 740;

fn signer() -> Arc<dyn Signer> {
    Arc::new(TestSigner::new(1))
}

fn key() -> LogKey {
    LogKey::new(ORIGIN, TestSigner::new(1).key()).unwrap()
}

fn layout(dir: &Path) -> Layout {
    Layout {
        segment_bytes: 16 << 10,
        store_cache_bytes: 8 << 20,
        ..Layout::new(dir, ORIGIN)
    }
}

fn config(dir: &Path) -> Config {
    Config {
        layout: layout(dir),
        // Nothing is published or stored but when a test says so.
        publish_interval: Duration::from_secs(3_600),
        keep_interval: Duration::from_secs(3_600),
        ..Config::new(dir, ORIGIN)
    }
}

async fn append(log: &Log, range: Range<u64>) {
    for index in range {
        let kind = match index {
            0 => continue,
            _ if index.is_multiple_of(50) => Kind::Agency,
            _ => Kind::Request,
        };
        let draft = Draft {
            kind,
            facts: Bytes::from(format!("entry {index}")),
            header: Bytes::from(vec![index as u8; 40]),
            seal: None,
        };
        log.append(draft, None).await.unwrap();
    }
}

/// A stopped log of [`SIZE`] entries, of which [`PUBLISHED`] are published, as a power cut leaves it.
async fn stopped() -> (TempDir, TreeHead) {
    static MADE: OnceCell<(TempDir, TreeHead)> = OnceCell::const_new();
    let (dir, head) = MADE.get_or_init(made).await;
    (copied(dir.path()), *head)
}

/// The same, of other entries.
async fn another() -> TempDir {
    static MADE: OnceCell<(TempDir, TreeHead)> = OnceCell::const_new();
    copied(MADE.get_or_init(made).await.0.path())
}

async fn made() -> (TempDir, TreeHead) {
    let dir = tempfile::tempdir().unwrap();
    let genesis = Draft {
        kind: Kind::Genesis,
        facts: Bytes::new(),
        header: Bytes::from_static(b"genesis"),
        seal: None,
    };
    let log = Log::create(config(dir.path()), genesis, signer())
        .await
        .unwrap();
    append(&log, 0..PUBLISHED).await;
    log.publish_now().await.unwrap();
    append(&log, PUBLISHED..SIZE).await;
    let head = log.head().edge.head();
    drop(log);
    assert_eq!(head.size, SIZE);
    (dir, head)
}

fn options(dir: &Path) -> Options<'static> {
    Options {
        layout: Some(layout(dir)),
        ..Options::default()
    }
}

fn rebuilt(dir: &Path) -> Report {
    rebuild(dir, options(dir)).unwrap()
}

/// Opens the log as the switch does, and verifies it from its files; gives the head that it opened with, and what the
/// next epoch would tell.
async fn opens(dir: &Path) -> (TreeHead, Vec<String>) {
    let log = Log::open(config(dir), signer()).await.unwrap();
    let head = log.head().edge.head();
    let told = log.recovered().unwrap().repaired.clone();
    let mut read = 0;
    while read < head.size {
        read += log.entries(read..head.size).await.unwrap().len() as u64;
    }
    log.close().await.unwrap();
    drop(log);
    let report = verify_directory(dir, crate::verify::Options::default());
    let errors = report.findings.kept().iter();
    let errors: Vec<_> = errors
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    (head, told)
}

fn store_of(dir: &Path) -> PathBuf {
    dir.join("store").join(format!("{:020}", 0))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn copied(dir: &Path) -> TempDir {
    let other = tempfile::tempdir().unwrap();
    copy(dir, other.path());
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_log_is_left_as_it_is() {
    let (dir, head) = stopped().await;
    let tile_files = |dir: &Path| {
        let mut files = files_of(dir);
        files.retain(|path, _| path.starts_with("tile") || path.starts_with("tail"));
        files
    };
    let before = tile_files(dir.path());
    let report = rebuilt(dir.path());
    assert!(report.whole && !report.published && !report.tail_rebuilt);
    assert_eq!(report.mended, Mended::default());
    assert_eq!(report.store, Some(StoreFound::Whole));
    assert_eq!(
        (report.end, report.loss, report.set_aside.len()),
        (head, None, 0)
    );
    assert_eq!(tile_files(dir.path()), before);
    assert_eq!(opens(dir.path()).await, (head, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_foreign_store_is_made_again_and_the_next_start_says_so() {
    let (dir, head) = stopped().await;
    let foreign = another().await;
    for state in ["missing", "empty", "garbage", "foreign"] {
        let copy_dir = copied(dir.path());
        let store = store_of(copy_dir.path());
        fs::remove_dir_all(&store).unwrap();
        match state {
            "missing" => {}
            "empty" => drop(
                sled::Config::new()
                    .path(&store)
                    .segment_size(8 << 20)
                    .open(),
            ),
            "garbage" => {
                fs::create_dir_all(&store).unwrap();
                fs::write(store.join("conf"), b"junk").unwrap();
                fs::write(store.join("db"), [0xa5; 10_000]).unwrap();
            }
            // Opens whole, and holds other entries.
            _ => copy(&store_of(foreign.path()), &store),
        }
        let report = rebuilt(copy_dir.path());
        assert!(report.whole, "{state}: {report:?}");
        assert_ne!(report.store, Some(StoreFound::Whole), "{state}");
        assert_eq!(report.end, head);
        let (opened, told) = opens(copy_dir.path()).await;
        assert_eq!((opened, told), (head, vec!["store_rebuilt".to_owned()]));
        // Told once.
        assert!(opens(copy_dir.path()).await.1.len() <= 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_only_the_store_still_has_comes_back() {
    let (dir, head) = stopped().await;
    // The store is fed, as 200 ms later it is.
    drop(Log::open(config(dir.path()), signer()).await.unwrap());
    fs::remove_file(dir.path().join("tile/entries/001")).unwrap();
    fs::write(dir.path().join("tile/0/001"), b"junk").unwrap();
    let report = rebuilt(dir.path());
    assert!(report.whole, "{report:?}");
    let mended = ["tile/entries/001", "tile/0/001"].map(PathBuf::from);
    assert_eq!(report.mended.files, mended);
    assert_eq!(
        fs::read(dir.path().join("set-aside-1/tile/0/001")).unwrap(),
        b"junk"
    );
    let (opened, told) = opens(dir.path()).await;
    assert_eq!((opened, told), (head, vec!["tiles_rebuilt".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lost_range_is_named_and_tail_and_store_are_left_alone() {
    let (dir, head) = stopped().await;
    let whole = copied(dir.path());
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    // What the tail has is not lost; its first segment is cut off here.
    fs::remove_dir_all(dir.path().join("tail")).unwrap();
    fs::remove_file(dir.path().join("tile/entries/000")).unwrap();
    fs::write(dir.path().join("tile/entries/002.p/188"), b"junk").unwrap();
    let report = rebuilt(dir.path());
    assert!(!report.whole);
    let lost: Vec<_> = report
        .mended
        .lost
        .iter()
        .map(|lost| (lost.entries.clone(), lost.path.as_str()))
        .collect();
    assert_eq!(
        lost,
        [
            (0..256, "tile/entries/000"),
            (512..700, "tile/entries/002.p/188")
        ]
    );
    assert!(!dir.path().join("store").exists() && !dir.path().join("tail").exists());
    // An auditor's copy has them.
    let from = Options {
        from: vec![whole.path().to_owned()],
        accept_tail_loss: true,
        ..options(dir.path())
    };
    let report = rebuild(dir.path(), from).unwrap();
    assert!(report.whole && report.mended.lost.is_empty());
    assert_eq!(report.loss, Some(PUBLISHED));
    let (opened, _) = opens(dir.path()).await;
    assert!(opened.size == PUBLISHED && opened.size < head.size);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_says_what_would_be() {
    let (dir, _) = stopped().await;
    fs::remove_dir_all(dir.path().join("tail")).unwrap();
    fs::remove_file(dir.path().join("tile/1/000.p/2")).unwrap();
    let before = files_of(dir.path());
    let check = Options {
        check: true,
        ..options(dir.path())
    };
    let report = rebuild(dir.path(), check).unwrap();
    assert_eq!(files_of(dir.path()), before);
    assert_eq!(report.mended.files, [PathBuf::from("tile/1/000.p/2")]);
    assert_eq!((report.loss, report.store), (Some(PUBLISHED), None));
    assert!(!report.whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditors_copy_is_mended_without_tail_or_store() {
    let (dir, _) = stopped().await;
    let whole = copied(dir.path());
    for name in ["tail", "store"] {
        fs::remove_dir_all(dir.path().join(name)).unwrap();
    }
    fs::remove_file(dir.path().join("checkpoint")).unwrap();
    fs::remove_dir_all(dir.path().join("tile/0")).unwrap();
    fs::remove_file(dir.path().join("log.vkey")).unwrap();
    let files = || Options {
        files_only: true,
        key: Some(key()),
        ..options(dir.path())
    };
    let nothing = rebuild(dir.path(), files()).unwrap_err();
    assert!(
        matches!(nothing, RebuildError::NoCheckpoint(_)),
        "{nothing}"
    );
    let note = fs::read(whole.path().join("checkpoint")).unwrap();
    let given = Options {
        checkpoints: vec![note.clone().into()],
        ..files()
    };
    let report = rebuild(dir.path(), given).unwrap();
    assert!(report.whole && report.published && report.store.is_none());
    assert_eq!(fs::read(dir.path().join("checkpoint")).unwrap(), note);
    let found = verify_directory(dir.path(), crate::verify::Options::default());
    assert!(found.is_proven());
    assert!(!dir.path().join("tail").exists());
}
