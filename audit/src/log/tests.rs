//! The log under load, after a crash, with a journal that fails, and with a queue that is full.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proto::digest::leaf_hash;
use proto::entry::Kind;
use proto::key::Signer;
use tempfile::TempDir;

use super::*;
use crate::checkpoint;
use crate::checkpoint::tests::TestSigner;
use crate::clock::Clock;
use crate::journal::{Committed, Recovery, SealBatch, TailAndStore, stamp_batch};
use crate::tree::{Edge, TreeHead, verify_consistency};

mod alone;
mod cosigning;
mod failing;
mod faults;
mod rotating;
mod sweeping;

const ORIGIN: &str = "log.test/mohawel";

fn signer(seed: u8) -> Arc<dyn Signer> {
    Arc::new(TestSigner::new(seed))
}

fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir, ORIGIN);
    config.layout.segment_bytes = 256 << 10;
    config.layout.store_cache_bytes = 8 << 20;
    config.publish_interval = Duration::from_millis(50);
    config.keep_interval = Duration::from_millis(20);
    config
}

fn draft(kind: Kind, text: &str) -> Draft {
    Draft {
        kind,
        facts: Bytes::copy_from_slice(text.as_bytes()),
        header: Bytes::new(),
        seal: None,
    }
}

async fn created(dir: &TempDir) -> Log {
    Log::create(
        config(dir.path()),
        draft(Kind::Genesis, "genesis"),
        signer(1),
    )
    .await
    .unwrap()
}

/// The draft by which the key of seed `from` is followed by that of seed `to`, as the next entry of `log`.
fn rotation(log: &Log, (from, to): (u8, u8), overlap_ms: u64) -> Draft {
    let (head, now_ms) = (log.head(), Clock::System.now_ms());
    let act = proto::act::LogKeySuccession {
        previous: signer(from).key().clone(),
        key: signer(to).key().clone(),
        size: head.size(),
        root: head.edge.root(),
        overlap_until_ms: now_ms + overlap_ms,
        issued_at_ms: now_ms,
    };
    let (header, seal, facts) = act.seal(ORIGIN, &*signer(from), &*signer(to)).unwrap();
    Draft {
        kind: Kind::LogKeySucceeded,
        facts,
        header,
        seal: Some(seal),
    }
}

async fn opened(dir: &TempDir) -> Log {
    Log::open(config(dir.path()), signer(1)).await.unwrap()
}

/// Reads the directory as an outsider: its key file, its checkpoint, its bundles. Gives the entries.
fn verified_outside(dir: &Path) -> Vec<Bytes> {
    let key = LogKey::from_vkey(&std::fs::read_to_string(dir.join("log.vkey")).unwrap()).unwrap();
    let note = std::fs::read(dir.join("checkpoint")).unwrap();
    let checkpoint = checkpoint::open(&note, &key).unwrap();
    let tiles = TileStore::new(dir);
    let entries: Vec<Bytes> = tiles
        .read_entries(0..u64::MAX, checkpoint.size)
        .map(|entry| entry.unwrap().1)
        .collect();
    let mut edge = Edge::new();
    entries.iter().for_each(|entry| edge.push(leaf_hash(entry)));
    assert_eq!(edge.head(), checkpoint.head());
    entries
}

fn proves(appended: &Appended, log: &Log) {
    let proven = appended
        .receipt
        .verify(
            &appended.entry.header,
            appended.entry.seal.as_ref(),
            log.key(),
        )
        .unwrap();
    assert_eq!(
        (proven.leaf, proven.entry),
        (appended.leaf, appended.entry.clone())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_append_and_an_outsider_verifies_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let log = created(&dir).await;
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut leaves = Vec::new();
                for turn in 0..200 {
                    let _arriving = log.arriving();
                    let draft = draft(Kind::Request, &format!("task {task} turn {turn}"));
                    let appended = log.append(draft, None).await.unwrap();
                    if turn % 20 == 0 {
                        proves(&appended, &log);
                    }
                    leaves.push((appended.index, appended.leaf));
                }
                leaves
            })
        })
        .collect();
    let mut acked = Vec::new();
    for task in tasks {
        acked.extend(task.await.unwrap());
    }
    acked.sort_unstable();
    let indexes: Vec<u64> = acked.iter().map(|(index, _)| *index).collect();
    assert_eq!(indexes, (1..=12_800).collect::<Vec<_>>());
    assert!(log.statistics().commits < 12_800, "nothing was gathered");
    log.close().await.unwrap();
    drop(log);
    let entries = verified_outside(dir.path());
    assert_eq!(entries.len(), 12_801);
    for (index, leaf) in &acked {
        assert_eq!(leaf_hash(&entries[*index as usize]), *leaf);
    }
    let log = opened(&dir).await;
    assert_eq!(log.head().size(), 12_801);
    assert!(
        log.recovered().unwrap().replayed.is_empty(),
        "close had fed the store"
    );
}

#[tokio::test]
async fn dropped_without_close_it_opens_with_all_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    drop(created(&dir).await);
    let mut acked = Vec::new();
    for life in 0..5u64 {
        let log = opened(&dir).await;
        assert_eq!(log.head().size(), 1 + life * 40);
        for turn in 0..40 {
            let appended = log
                .append(draft(Kind::Refusal, &format!("{life}-{turn}")), None)
                .await
                .unwrap();
            acked.push((appended.index, appended.leaf));
        }
    }
    let log = opened(&dir).await;
    for (index, leaf) in acked {
        assert_eq!(leaf_hash(&log.entry(index).await.unwrap().unwrap()), leaf);
    }
    assert_eq!(log.entry(201).await.unwrap(), None);
}

#[tokio::test]
async fn a_decision_against_an_older_registry_is_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let log = created(&dir).await;
    let mut changed = log.registry_changed();
    assert_eq!(*changed.borrow_and_update(), 1);
    log.append(draft(Kind::Refusal, "judged in time"), Some(1))
        .await
        .unwrap();
    let moved = log
        .append(draft(Kind::Agency, "an agency enrols"), None)
        .await
        .unwrap();
    assert_eq!(moved.entry.stamp.registry_size, 1);
    changed.changed().await.unwrap();
    assert_eq!(*changed.borrow(), 2);
    let size = log.head().size();
    let late = log.append(draft(Kind::Refusal, "too late"), Some(1)).await;
    assert_eq!(late.unwrap_err(), AppendError::RegistryMoved { size: 2 });
    assert_eq!(log.head().size(), size);
    let again = log
        .append(draft(Kind::Refusal, "judged again"), Some(2))
        .await
        .unwrap();
    assert_eq!((again.index, again.entry.stamp.registry_size), (size, 2));
}

#[tokio::test]
async fn stamps_never_go_backwards_and_name_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(5_000_000);
    let config = Config {
        clock: clock.clone(),
        broker: 9,
        ..config(dir.path())
    };
    let log = Log::create(config, draft(Kind::Genesis, "genesis"), signer(1))
        .await
        .unwrap();
    clock.advance_ms(10);
    let first = log
        .append(draft(Kind::Request, "first"), None)
        .await
        .unwrap();
    assert_eq!(
        (first.entry.stamp.recorded_at_us, first.entry.stamp.broker),
        (5_010_000, 9)
    );
    if let Clock::Fixed(now_us) = &clock {
        now_us.store(1, Ordering::SeqCst);
    }
    let second = log
        .append(draft(Kind::Closing, "second"), None)
        .await
        .unwrap();
    assert_eq!(second.entry.stamp.recorded_at_us, 5_010_000);
}

#[tokio::test]
async fn a_draft_over_its_limit_is_refused_and_nothing_else_suffers() {
    let dir = tempfile::tempdir().unwrap();
    let log = created(&dir).await;
    let large = "x".repeat(proto::limits::FACTS_BYTES_MAX + 1);
    let refused = log.append(draft(Kind::Request, &large), None).await;
    assert!(matches!(refused, Err(AppendError::TooLarge(_))));
    log.append(draft(Kind::Request, "small"), None)
        .await
        .unwrap();
    assert_eq!(log.head().size(), 2);
}

#[tokio::test]
async fn receipts_and_consistency_can_be_had_later() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.publish_interval = Duration::from_secs(3600);
    let log = Log::create(config, draft(Kind::Genesis, "genesis"), signer(1))
        .await
        .unwrap();
    let mut checkpoints = vec![log.published().borrow().checkpoint.clone()];
    let mut appended = Vec::new();
    for turn in 0..300 {
        appended.push(
            log.append(draft(Kind::Request, &turn.to_string()), None)
                .await
                .unwrap(),
        );
        if turn % 70 == 0 {
            checkpoints.push(log.publish_now().await.unwrap().checkpoint.clone());
        }
    }
    // The newest was not published yet: asking for its receipt publishes it.
    for one in appended.iter().rev().step_by(23) {
        let receipt = log.receipt(one.index).await.unwrap().unwrap();
        let proven = receipt.verify(&Bytes::new(), None, log.key()).unwrap();
        assert_eq!((proven.leaf, proven.checkpoint.size), (one.leaf, 301));
    }
    assert_eq!(log.receipt(301).await.unwrap(), None);
    let newest = log.published().borrow().checkpoint.clone();
    let sizes = checkpoints.iter().map(|old| old.size).collect();
    let proofs = log.consistency(sizes, newest.size).await.unwrap();
    assert_eq!(proofs.len(), checkpoints.len());
    for (old, proof) in checkpoints.iter().zip(&proofs) {
        verify_consistency(old.size, &old.root, newest.size, &newest.root, proof).unwrap();
    }
    assert!(matches!(
        log.consistency(vec![1, 5], 302).await,
        Err(LogError::OutOfRange { .. })
    ));
    assert!(matches!(
        log.consistency(vec![1, 6], 5).await,
        Err(LogError::OutOfRange { .. })
    ));
}

#[tokio::test]
async fn published_checkpoints_follow_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let log = created(&dir).await;
    let mut published = log.published();
    let appended = log.append(draft(Kind::Request, "one"), None).await.unwrap();
    let reached = published.wait_for(|note| note.checkpoint.size > appended.index);
    let note = tokio::time::timeout(Duration::from_secs(10), reached)
        .await
        .unwrap()
        .unwrap()
        .clone();
    assert_eq!(note.checkpoint.size, 2);
    assert_eq!(verified_outside(dir.path()).len(), 2);
}

#[tokio::test]
async fn a_second_broker_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = created(&dir).await;
    let second = Log::open(config(dir.path()), signer(1)).await.unwrap_err();
    assert!(matches!(second, LogError::InUse(_)), "{second}");
    drop(log);
    opened(&dir).await;
}

#[tokio::test]
async fn another_key_another_origin_and_no_log_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let none = Log::open(config(dir.path()), signer(1)).await.unwrap_err();
    assert!(matches!(none, LogError::WrongDirectory(_)), "{none}");
    created(&dir).await.close().await.unwrap();
    let other_key = Log::open(config(dir.path()), signer(2)).await.unwrap_err();
    assert!(
        matches!(other_key, LogError::WrongDirectory(_)),
        "{other_key}"
    );
    let other = Config {
        origin: "other.test/log".into(),
        ..config(dir.path())
    };
    let other = Log::open(other, signer(1)).await.unwrap_err();
    assert!(matches!(other, LogError::WrongDirectory(_)), "{other}");
    let again = Log::create(
        config(dir.path()),
        draft(Kind::Genesis, "genesis"),
        signer(1),
    )
    .await;
    assert!(matches!(again, Err(LogError::WrongDirectory(_))));
}

#[tokio::test]
async fn a_log_rolled_back_behind_its_checkpoint_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    created(&dir).await.close().await.unwrap();
    let old = tempfile::tempdir().unwrap();
    for part in ["tail", "store"] {
        copy(&dir.path().join(part), &old.path().join(part));
    }
    let log = opened(&dir).await;
    log.append(draft(Kind::Request, "recorded and published"), None)
        .await
        .unwrap();
    log.close().await.unwrap();
    drop(log);
    for part in ["tail", "store"] {
        std::fs::remove_dir_all(dir.path().join(part)).unwrap();
        copy(&old.path().join(part), &dir.path().join(part));
    }
    let refused = Log::open(config(dir.path()), signer(1)).await.unwrap_err();
    assert!(
        refused.to_string().contains("entries 1..2 are missing"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_lost_store_is_rebuilt_from_the_published_bundles() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.layout.segment_bytes = 16 << 10;
    let log = Log::create(config.clone(), draft(Kind::Genesis, "genesis"), signer(1))
        .await
        .unwrap();
    for turn in 0..600 {
        let kind = if turn % 50 == 0 {
            Kind::Service
        } else {
            Kind::Request
        };
        log.append(draft(kind, &turn.to_string()), None)
            .await
            .unwrap();
    }
    log.close().await.unwrap();
    let head = log.head();
    drop(log);
    let entries = verified_outside(dir.path());
    std::fs::remove_dir_all(dir.path().join("store")).unwrap();
    let log = Log::open(config, signer(1)).await.unwrap();
    assert!(
        log.recovered().unwrap().rebuilt.end > 256,
        "{}",
        log.recovered().unwrap()
    );
    assert_eq!(log.head(), head);
    for index in (0..601).step_by(37) {
        assert_eq!(
            log.entry(index).await.unwrap().as_ref(),
            entries.get(index as usize)
        );
    }
    log.append(draft(Kind::Request, "goes on"), None)
        .await
        .unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
