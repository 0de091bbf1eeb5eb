//! A log whose checkpoints are shown to somebody before they are published: cosigned in time, late, never; and a directory
//! that was put back behind what was shown.

use std::time::Instant;

use super::*;
use crate::cosignature::{WitnessKey, cosign};
use crate::note::SignedNote;
use crate::tiles::published::{SUBMITTED_FILE, read_published, read_submitted};

const TIME_S: u64 = 1_795_363_078;
/// Longer than any test may take: what waits for it hangs.
const LONG: Duration = Duration::from_secs(120);

fn holding(dir: &Path, cosign_wait: Duration) -> Config {
    Config {
        cosign_wait,
        ..config(dir)
    }
}

async fn log_of(dir: &TempDir, cosign_wait: Duration) -> Log {
    let genesis = draft(Kind::Genesis, "genesis");
    Log::create(holding(dir.path(), cosign_wait), genesis, signer(1))
        .await
        .unwrap()
}

fn line(note: &[u8], seed: u8) -> NoteSignature {
    let note = SignedNote::parse(note).unwrap();
    let name = format!("witness.example/w{seed}");
    cosign(note.text(), &name, &TestSigner::new(seed), TIME_S).unwrap()
}

/// How many verified cosignatures stand under the published checkpoint.
fn cosigned(note: &[u8]) -> usize {
    let note = SignedNote::parse(note).unwrap();
    let of = |seed: u8| {
        WitnessKey::new(
            &format!("witness.example/w{seed}"),
            TestSigner::new(seed).key(),
        )
        .unwrap()
    };
    let keys = [of(11), of(12)];
    let held = |line: &&NoteSignature| keys.iter().any(|key| key.verify(note.text(), line).is_ok());
    note.signatures().iter().filter(held).count()
}

async fn append(log: &Log, text: &str) -> u64 {
    log.append(draft(Kind::Request, text), None)
        .await
        .unwrap()
        .index
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what)
        .await
        .unwrap()
}

/// Waits for the checkpoint that is shown to have `size` entries.
async fn shown(log: &Log, size: u64) -> Arc<SignedCheckpoint> {
    let mut submitted = log.submitted();
    let there = |found: &Option<Arc<SignedCheckpoint>>| {
        found
            .as_ref()
            .is_some_and(|found| found.checkpoint.size >= size)
    };
    within(submitted.wait_for(there))
        .await
        .unwrap()
        .clone()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_is_published_with_the_cosignatures_that_it_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(&dir, LONG).await;
    let (_follows, mut published) = (log.submitted(), log.published());
    append(&log, "one").await;
    let held = shown(&log, 2).await;
    assert_eq!(published.borrow().checkpoint.size, 1);
    assert_eq!(
        read_published(dir.path()).unwrap().unwrap().checkpoint.size,
        1
    );
    assert_eq!(
        read_submitted(dir.path()).unwrap().unwrap().checkpoint,
        held.checkpoint
    );
    // The store is fed, receipts are given and entries recorded while it is held.
    let newer = append(&log, "two").await;
    assert!(within(log.receipt(1)).await.unwrap().is_some());
    // A proof for whoever saw less.
    let (old, proof) = log.extension(1, held.checkpoint.head()).await.unwrap();
    verify_consistency(old.size, &old.root, 2, &held.checkpoint.root, &proof).unwrap();
    // For another size nothing happens.
    log.cosign(7, vec![line(&held.note, 11)], true);
    log.cosign(2, vec![line(&held.note, 11), line(&held.note, 12)], true);
    let told = within(published.wait_for(|published| published.checkpoint.size == 2))
        .await
        .unwrap()
        .clone();
    assert_eq!(cosigned(&told.note), 2);
    let file = std::fs::read(dir.path().join("checkpoint")).unwrap();
    assert_eq!(file, told.note);
    let held = shown(&log, newer + 1).await;
    log.cosign(held.checkpoint.size, vec![line(&held.note, 12)], true);
    let size = held.checkpoint.size;
    within(published.wait_for(|published| published.checkpoint.size == size))
        .await
        .unwrap();
    within(log.close()).await.unwrap();
    assert_eq!(verified_outside(dir.path()).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_witness_costs_one_wait_and_late_lines_are_put_under_what_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(&dir, Duration::from_millis(400)).await;
    let (_follows, mut published) = (log.submitted(), log.published());
    append(&log, "one").await;
    let began = Instant::now();
    within(published.wait_for(|published| published.checkpoint.size == 2))
        .await
        .unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));
    // From now on nothing is held: publishing takes no wait at all.
    append(&log, "two").await;
    let began = Instant::now();
    let now = within(log.publish_now()).await.unwrap();
    assert_eq!(now.checkpoint.size, 3);
    assert!(
        began.elapsed() < Duration::from_millis(390),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(cosigned(&now.note), 0);
    // Its lines come after all, one by one, and one of them twice.
    for seed in [11, 12, 12] {
        log.cosign(3, vec![line(&now.note, seed)], seed == 12);
    }
    within(published.wait_for(|published| cosigned(&published.note) == 2))
        .await
        .unwrap();
    let file = std::fs::read(dir.path().join("checkpoint")).unwrap();
    assert_eq!(cosigned(&file), 2);
    assert_eq!(SignedNote::parse(&file).unwrap().signatures().len(), 3);
    // They are back in time: the next one is held for them again.
    append(&log, "three").await;
    let held = shown(&log, 4).await;
    assert_eq!(log.published().borrow().checkpoint.size, 3);
    log.cosign(4, vec![line(&held.note, 11)], false);
    within(published.wait_for(|published| published.checkpoint.size == 4))
        .await
        .unwrap();
    within(log.close()).await.unwrap();
    assert_eq!(verified_outside(dir.path()).len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_the_last_cosignatures_and_no_longer_than_it_may() {
    for answered in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let log = log_of(
            &dir,
            Duration::from_millis(if answered { 60_000 } else { 300 }),
        )
        .await;
        let mut submitted = log.submitted();
        append(&log, "one").await;
        let other = log.clone();
        let answering = tokio::spawn(async move {
            while submitted.changed().await.is_ok() {
                let held = submitted.borrow_and_update().clone().unwrap();
                if answered {
                    let lines = vec![line(&held.note, 11)];
                    other.cosign(held.checkpoint.size, lines, true);
                }
            }
        });
        let closing = log.clone();
        within(closing.close()).await.unwrap();
        let note = std::fs::read(dir.path().join("checkpoint")).unwrap();
        assert_eq!(cosigned(&note), usize::from(answered));
        assert_eq!(verified_outside(dir.path()).len(), 2);
        answering.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_halted_records_nothing_more_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(&dir, LONG).await;
    let follows = log.submitted();
    append(&log, "one").await;
    log.halt("the witness w1 is ahead");
    assert_eq!(&*within(log.stopped()).await, "the witness w1 is ahead");
    let refused = log
        .append(draft(Kind::Request, "two"), None)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        AppendError::Stopped("the witness w1 is ahead".into())
    );
    assert!(matches!(log.publish_now().await, Err(LogError::Stopped(_))));
    let closed = within(log.close()).await.unwrap_err();
    assert!(closed.to_string().contains("the witness w1 is ahead"));
    drop((log, follows));
    let log = opened(&dir).await;
    assert_eq!(log.head().size(), 2);
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_was_put_back_behind_what_was_shown_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(&dir, LONG).await;
    let follows = log.submitted();
    log.close().await.unwrap();
    drop((log, follows));
    let before = tempfile::tempdir().unwrap();
    copy(dir.path(), before.path());
    // It goes on, and what it shows is recorded.
    let log = Log::open(holding(dir.path(), LONG), signer(1))
        .await
        .unwrap();
    let follows = log.submitted();
    append(&log, "one").await;
    shown(&log, 2).await;
    log.halt("enough");
    drop((log, follows));
    copy_file(dir.path(), before.path(), SUBMITTED_FILE);
    let refused = Log::open(config(before.path()), signer(1))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, LogError::Submitted { size: 2, head: 1 }),
        "{refused}"
    );
    // Another history of that size.
    let mut other = config(before.path());
    other.recovery = Recovery::AcceptTailLoss;
    let log = Log::open(other, signer(1)).await.unwrap();
    assert!(before.path().join("submitted.lost-2").exists());
    append(&log, "another").await;
    log.close().await.unwrap();
    drop(log);
    copy_file(dir.path(), before.path(), SUBMITTED_FILE);
    let refused = Log::open(config(before.path()), signer(1))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, LogError::Submitted { size: 2, head: 2 }),
        "{refused}"
    );
    // Its own, and a record by somebody else.
    assert!(Log::open(config(dir.path()), signer(1)).await.is_ok());
    std::fs::write(before.path().join(SUBMITTED_FILE), "no note").unwrap();
    assert!(Log::open(config(before.path()), signer(1)).await.is_err());
}

fn copy_file(from: &Path, to: &Path, name: &str) {
    std::fs::copy(from.join(name), to.join(name)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in from.read_dir().unwrap() {
        let file = file.unwrap();
        let (path, target) = (file.path(), to.join(file.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(path, target).unwrap();
        }
    }
}
