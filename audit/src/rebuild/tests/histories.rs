//! Checkpoints that say the log must be longer, and those that say it was another one.

use super::*;
use crate::tiles::published::read_published;

/// The published note of a directory.
fn note(dir: &Path) -> Bytes {
    read_published(dir).unwrap().unwrap().note
}

/// Everything in it but the lock, which a rebuild makes.
fn files(dir: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut files = files_of(dir);
    files.remove("lock");
    files
}

fn lose_journal(dir: &Path) {
    for name in ["tail", "store"] {
        fs::remove_dir_all(dir.join(name)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_never_ends_shorter_than_a_checkpoint_that_somebody_holds() {
    let (dir, head) = stopped().await;
    let lost = copied(dir.path());
    lose_journal(lost.path());
    let later = copied(dir.path());
    assert_eq!(opens(later.path()).await.0, head);
    let given = |dir: &Path| Options {
        checkpoints: vec![note(later.path())],
        accept_tail_loss: true,
        ..options(dir)
    };
    let before = files(lost.path());
    let refused = rebuild(lost.path(), given(lost.path())).unwrap_err();
    let RebuildError::Shorter { size, end, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!((size, end), (SIZE, PUBLISHED));
    assert_eq!(files(lost.path()), before);
    // Tail and store reach it.
    let report = rebuild(dir.path(), given(dir.path())).unwrap();
    assert!(report.whole && report.end == head);
    assert_eq!(opens(dir.path()).await.0, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_to_witnesses_counts_unless_the_loss_is_accepted() {
    use crate::tiles::published::SUBMITTED_FILE;
    let (dir, head) = stopped().await;
    let later = copied(dir.path());
    assert_eq!(opens(later.path()).await.0, head);
    lose_journal(dir.path());
    fs::write(dir.path().join(SUBMITTED_FILE), note(later.path())).unwrap();
    let refused = rebuild(dir.path(), options(dir.path())).unwrap_err();
    assert!(
        matches!(refused, RebuildError::Shorter { size: SIZE, .. }),
        "{refused}"
    );
    let accepting = Options {
        accept_tail_loss: true,
        ..options(dir.path())
    };
    assert!(rebuild(dir.path(), accepting).unwrap().whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_copy_brings_its_checkpoint_along() {
    let (dir, head) = stopped().await;
    let newer = copied(dir.path());
    opens(newer.path()).await;
    // The switch's disk is lost but for an older backup without tail and store.
    lose_journal(newer.path());
    lose_journal(dir.path());
    let from = Options {
        from: vec![newer.path().to_owned()],
        accept_tail_loss: true,
        ..options(dir.path())
    };
    let report = rebuild(dir.path(), from).unwrap();
    assert!(report.whole && report.published, "{report:?}");
    assert_eq!((report.checkpoint.size, report.loss), (SIZE, Some(SIZE)));
    assert_eq!(note(dir.path()), note(newer.path()));
    assert_eq!(opens(dir.path()).await.0, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_histories_under_one_key_convict_it_and_change_nothing() {
    let (dir, _) = stopped().await;
    let other = copied(dir.path());
    // Put back to the older copy, and gone on from there.
    lose_journal(other.path());
    let accepting = Options {
        accept_tail_loss: true,
        ..options(other.path())
    };
    rebuild(other.path(), accepting).unwrap();
    let log = Log::open(config(other.path()), signer()).await.unwrap();
    append(&log, PUBLISHED..SIZE + 50).await;
    log.close().await.unwrap();
    drop(log);
    opens(dir.path()).await;
    let trees = || [dir.path(), other.path()].map(|dir| files_of(&dir.join("tile")));
    let before = trees();
    for (own, second) in [(dir.path(), other.path()), (other.path(), dir.path())] {
        let from = Options {
            from: vec![second.to_owned()],
            ..options(own)
        };
        let refused = rebuild(own, from).unwrap_err();
        assert!(
            matches!(refused, RebuildError::Forked { size: SIZE, .. }),
            "{refused}"
        );
        let only = Options {
            checkpoints: vec![note(second)],
            ..options(own)
        };
        let refused = rebuild(own, only).unwrap_err();
        assert!(
            matches!(
                refused,
                RebuildError::Forked { .. } | RebuildError::Shorter { .. }
            ),
            "{refused}"
        );
    }
    assert_eq!(trees(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_or_key_of_another_log_is_refused() {
    let (dir, _) = stopped().await;
    let other = LogKey::new("log.test/other", TestSigner::new(9).key()).unwrap();
    let with_key = Options {
        key: Some(other),
        ..options(dir.path())
    };
    assert!(matches!(
        rebuild(dir.path(), with_key),
        Err(RebuildError::OtherLog { .. })
    ));
    let with_note = Options {
        checkpoints: vec![Bytes::from_static(b"no checkpoint")],
        ..options(dir.path())
    };
    assert!(matches!(
        rebuild(dir.path(), with_note),
        Err(RebuildError::Checkpoint { .. })
    ));
    assert!(matches!(
        rebuild(&dir.path().join("nowhere"), Options::default()),
        Err(RebuildError::NoLog(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_log_is_not_touched() {
    let (dir, _) = stopped().await;
    let log = Log::open(config(dir.path()), signer()).await.unwrap();
    let refused = rebuild(dir.path(), options(dir.path())).unwrap_err();
    assert!(
        matches!(refused, RebuildError::Log(LogError::InUse(_))),
        "{refused}"
    );
    log.close().await.unwrap();
}
