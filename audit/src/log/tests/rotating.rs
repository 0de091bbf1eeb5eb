//! A log whose key is followed by another: who signs when, what a start finds and mends, what it refuses.

use super::*;
use crate::verify::{Options, Report, rule, verify_directory};

const HOUR_MS: u64 = 3_600_000;

fn held(seed: u8) -> LogKey {
    LogKey::new(ORIGIN, signer(seed).key()).unwrap()
}

fn verified(dir: &Path, seed: u8) -> Report {
    let key = Some(held(seed));
    verify_directory(
        dir,
        Options {
            key,
            ..Options::default()
        },
    )
}

/// Which of the seeds 1 to 4 signed a note.
fn by(note: &[u8]) -> Vec<u8> {
    let signed = |seed: &u8| {
        let note = crate::note::SignedNote::parse(note).unwrap();
        note.verify(&[held(*seed).note_key().clone()]).is_ok()
    };
    (1..=4).filter(signed).collect()
}

async fn with(dir: &TempDir, clock: &Clock, seeds: &[u8]) -> Result<Log, LogError> {
    let mut config = config(dir.path());
    config.clock = clock.clone();
    let signers = seeds.iter().map(|seed| signer(*seed)).collect();
    Log::open_with(config, signers).await
}

async fn founded(dir: &TempDir, clock: &Clock) -> Log {
    let mut config = config(dir.path());
    config.clock = clock.clone();
    let genesis = draft(Kind::Genesis, "genesis");
    Log::create(config, genesis, signer(1)).await.unwrap()
}

/// As [`super::rotation`], by `clock`.
fn next(log: &Log, clock: &Clock, keys: (u8, u8), overlap_ms: u64) -> Draft {
    let ahead_ms = clock.now_ms().saturating_sub(Clock::System.now_ms());
    rotation(log, keys, ahead_ms + overlap_ms)
}

fn clock() -> Clock {
    Clock::fixed(Clock::System.now_us())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_keys_sign_during_the_overlap_and_then_the_next_alone() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    founded(&dir, &clock).await.close().await.unwrap();
    let log = with(&dir, &clock, &[1, 2]).await.unwrap();
    let before = log
        .append(draft(Kind::Request, "before"), None)
        .await
        .unwrap();
    assert_eq!(by(&before.receipt.checkpoint), [1]);
    let rotated = log
        .append(next(&log, &clock, (1, 2), HOUR_MS), None)
        .await
        .unwrap();
    assert_eq!(by(&rotated.receipt.checkpoint), [1, 2]);
    // Whoever holds only the older key, and has not followed, verifies it.
    let proven =
        rotated
            .receipt
            .verify(&rotated.entry.header, rotated.entry.seal.as_ref(), &held(1));
    assert_eq!(proven.unwrap().leaf, rotated.leaf);
    let during = log
        .append(draft(Kind::Request, "during"), None)
        .await
        .unwrap();
    assert_eq!(by(&during.receipt.checkpoint), [1, 2]);
    assert_eq!(by(&log.publish_now().await.unwrap().note), [1, 2]);
    for seed in [1, 2] {
        let report = verified(dir.path(), seed);
        assert!(report.is_proven(), "{:?}", report.findings);
        assert!(report.findings.names(rule::KEY_FOLLOWED));
    }
    clock.advance_ms(HOUR_MS + 1_000);
    let after = log
        .append(draft(Kind::Request, "after"), None)
        .await
        .unwrap();
    assert_eq!(by(&after.receipt.checkpoint), [2]);
    for receipt in [&before, &rotated, &during, &after] {
        proves(receipt, &log);
    }
    log.close().await.unwrap();
    drop(log);
    for seed in [1, 2] {
        let report = verified(dir.path(), seed);
        assert!(report.is_proven(), "{:?}", report.findings);
    }
    assert!(!verified(dir.path(), 3).is_proven());
    // The older key is no longer needed, and not enough.
    assert!(with(&dir, &clock, &[1]).await.is_err());
    let log = with(&dir, &clock, &[2, 3]).await.unwrap();
    // And once more.
    log.append(next(&log, &clock, (2, 3), 0), None)
        .await
        .unwrap();
    let last = log
        .append(draft(Kind::Request, "third"), None)
        .await
        .unwrap();
    assert_eq!(by(&last.receipt.checkpoint), [3]);
    log.close().await.unwrap();
    drop(log);
    for seed in [1, 2, 3] {
        let report = verified(dir.path(), seed);
        assert!(report.is_proven(), "{:?}", report.findings);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_must_sign_and_is_not_there_stops_before_anything_is_signed() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let log = founded(&dir, &clock).await;
    let refused = log.append(next(&log, &clock, (1, 2), HOUR_MS), None).await;
    assert!(
        matches!(refused, Err(AppendError::NoSigner(_))),
        "{refused:?}"
    );
    // The log goes on as if nobody had asked.
    log.append(draft(Kind::Request, "on"), None).await.unwrap();
    log.close().await.unwrap();
    drop(log);
    let log = with(&dir, &clock, &[1, 2]).await.unwrap();
    log.append(next(&log, &clock, (1, 2), HOUR_MS), None)
        .await
        .unwrap();
    log.close().await.unwrap();
    drop(log);
    for seeds in [&[1][..], &[2]] {
        let refused = with(&dir, &clock, seeds).await.unwrap_err().to_string();
        assert!(refused.contains("key"), "{refused}");
    }
    with(&dir, &clock, &[2, 1])
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_finds_the_rotation_that_a_run_which_died_did_not_write_down() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    founded(&dir, &clock).await.close().await.unwrap();
    let log = with(&dir, &clock, &[1, 2]).await.unwrap();
    log.append(next(&log, &clock, (1, 2), HOUR_MS), None)
        .await
        .unwrap();
    let file = dir.path().join(checkpoint::SUCCESSIONS_FILE);
    let written = std::fs::read(&file).unwrap();
    // Dies before anything under the next key is published, and with what the writer wrote beside it.
    drop(log);
    if crate::tiles::published::read_published(dir.path())
        .unwrap()
        .unwrap()
        .checkpoint
        .size
        == 1
    {
        std::fs::remove_file(&file).unwrap();
    }
    let log = with(&dir, &clock, &[1, 2]).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), written);
    let after = log
        .append(draft(Kind::Request, "after"), None)
        .await
        .unwrap();
    assert_eq!(by(&after.receipt.checkpoint), [1, 2]);
    log.close().await.unwrap();
    drop(log);
    assert!(verified(dir.path(), 1).is_proven());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_names_each_way_in_which_keys_and_entries_do_not_fit() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    founded(&dir, &clock).await.close().await.unwrap();
    let log = with(&dir, &clock, &[1, 2]).await.unwrap();
    log.append(next(&log, &clock, (1, 2), HOUR_MS), None)
        .await
        .unwrap();
    log.publish_now().await.unwrap();
    let note = dir.path().join("checkpoint");
    let during = log.published().borrow().checkpoint.clone();
    log.close().await.unwrap();
    drop(log);
    let good = std::fs::read(&note).unwrap();
    let keys = dir.path().join(checkpoint::SUCCESSIONS_FILE);
    let followed = std::fs::read(&keys).unwrap();
    let signed = |seeds: &[u8]| {
        let signers: Vec<_> = seeds.iter().map(|seed| signer(*seed)).collect();
        let signers: Vec<&dyn Signer> = signers.iter().map(|signer| &**signer).collect();
        during.sign_by(&signers).unwrap().note
    };
    let judge = |seed: u8| {
        let report = verified(dir.path(), seed);
        let names = |rule: &str| report.findings.names(rule);
        let found = [rule::LOG_KEY, rule::CHECKPOINT_UNSIGNED].map(names);
        (report.is_proven(), found)
    };
    assert_eq!(judge(1), (true, [false, false]));
    // The new key alone, while both must sign.
    std::fs::write(&note, signed(&[2])).unwrap();
    assert_eq!(judge(1), (false, [true, false]));
    // The older key alone, whoever has it.
    std::fs::write(&note, signed(&[1])).unwrap();
    assert!(judge(1).1[1]);
    assert!(judge(2).1[1]);
    std::fs::write(&note, &good).unwrap();
    // Nobody wrote down that it was followed: worth a warning while both sign, and an error for the newer key's holder,
    // whom nothing leads to entry 0.
    std::fs::remove_file(&keys).unwrap();
    assert_eq!(judge(1), (true, [true, false]));
    std::fs::write(&keys, b"what\n").unwrap();
    assert_eq!(judge(1), (false, [true, false]));
    // Written down, and not in the log.
    std::fs::write(&keys, &followed).unwrap();
    let lied = crate::log_key::tests::rotation(ORIGIN, 1, 1, 3, 0);
    std::fs::write(&keys, crate::log_key::successions_text(&[lied])).unwrap();
    assert!(!judge(1).0);
    std::fs::write(&keys, followed).unwrap();
    assert_eq!(judge(1), (true, [false, false]));
    // After the end the older key signs no more.
    clock.advance_ms(HOUR_MS + 1_000);
    let log = with(&dir, &clock, &[1, 2]).await.unwrap();
    log.append(draft(Kind::Request, "after"), None)
        .await
        .unwrap();
    log.close().await.unwrap();
    drop(log);
    let after = checkpoint::read_unverified(&std::fs::read(&note).unwrap()).unwrap();
    let both = after.sign_by(&[&*signer(2), &*signer(1)]).unwrap().note;
    std::fs::write(&note, both).unwrap();
    assert_eq!(judge(2), (false, [true, false]));
    let old = after.sign(&*signer(1)).unwrap().note;
    std::fs::write(&note, old).unwrap();
    assert!(judge(1).1[1]);
}

/// With every `log.keys` lost, whoever holds the older key gets to the newer one by the entries that are left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_writes_down_again_which_key_followed_which() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    founded(&dir, &clock).await.close().await.unwrap();
    for keys in [(1, 2), (2, 3)] {
        let log = with(&dir, &clock, &[keys.0, keys.1]).await.unwrap();
        let rotation = next(&log, &clock, keys, HOUR_MS);
        log.append(rotation, None).await.unwrap();
        clock.advance_ms(HOUR_MS + 1_000);
        log.append(draft(Kind::Request, "after"), None)
            .await
            .unwrap();
        log.close().await.unwrap();
        drop(log);
    }
    let file = dir.path().join(checkpoint::SUCCESSIONS_FILE);
    let written = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(!verified(dir.path(), 1).is_proven());
    let refused = with(&dir, &clock, &[3]).await.unwrap_err().to_string();
    assert!(refused.contains("log.keys"), "{refused}");
    for key in [None, Some(held(3))] {
        let options = crate::rebuild::Options {
            key,
            ..crate::rebuild::Options::default()
        };
        let report = crate::rebuild::rebuild(dir.path(), options).unwrap();
        assert!(report.whole);
        assert_eq!(std::fs::read(&file).unwrap(), written);
        std::fs::remove_file(&file).unwrap();
    }
    std::fs::write(&file, written).unwrap();
    assert!(verified(dir.path(), 1).is_proven());
    with(&dir, &clock, &[3])
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
}
