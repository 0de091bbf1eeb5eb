//! The tail lost or damaged: what it still has is kept, what it may have had is never passed over.

use super::*;

/// Its segments, oldest first.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir.join("tail"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

/// Flips a byte of the frame that starts last before the given part of what was written.
fn damage(path: &Path, part: (usize, usize)) {
    let mut bytes = fs::read(path).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let at = 8_192 + (written - 8_192) * part.0 / part.1;
    let start = (8_192..=at)
        .rev()
        .find(|at| bytes[*at..].starts_with(b"MWTF"))
        .unwrap();
    bytes[start + 60] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tail_it_ends_where_files_and_store_do_once_somebody_accepts_that() {
    let (dir, head) = stopped().await;
    for fed in [false, true] {
        let dir = copied(dir.path());
        if fed {
            drop(Log::open(config(dir.path()), signer()).await.unwrap());
        } else {
            fs::remove_dir_all(dir.path().join("store")).unwrap();
        }
        fs::remove_dir_all(dir.path().join("tail")).unwrap();
        let end = if fed { SIZE } else { PUBLISHED };
        let report = rebuilt(dir.path());
        assert!(!report.whole && report.loss == Some(end), "{report:?}");
        assert!(!dir.path().join("tail").exists());
        let accepting = Options {
            accept_tail_loss: true,
            ..options(dir.path())
        };
        let report = rebuild(dir.path(), accepting).unwrap();
        assert!(report.whole && report.tail_rebuilt);
        let (opened, told) = opens(dir.path()).await;
        assert_eq!(opened.size, end);
        assert_eq!(opened == head, fed);
        assert!(
            told.contains(&format!("tail_loss_accepted:{end}")),
            "{told:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_below_what_is_published_loses_nothing() {
    let (dir, head) = stopped().await;
    let first = segments(dir.path())[0].clone();
    damage(&first, (1, 2));
    let refused = Log::open(config(dir.path()), signer()).await.unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
    for store in [true, false] {
        let dir = copied(dir.path());
        if !store {
            fs::remove_dir_all(dir.path().join("store")).unwrap();
        }
        let report = rebuilt(dir.path());
        assert!(report.whole && report.tail_rebuilt, "{report:?}");
        assert_eq!((report.end, report.loss), (head, None));
        assert_eq!(report.tail.len(), 1);
        let aside = dir.path().join("tail.set-aside-1");
        assert!(report.set_aside.contains(&aside) && aside.is_dir());
        let (opened, told) = opens(dir.path()).await;
        assert_eq!(opened, head);
        assert!(told.contains(&format!("tail_rebuilt:{SIZE}")), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_last_frame_may_have_been_acknowledged() {
    let (dir, head) = stopped().await;
    let last = segments(dir.path()).pop().unwrap();
    damage(&last, (1, 1));
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    let report = rebuilt(dir.path());
    assert_eq!((report.whole, report.loss), (false, Some(SIZE - 1)));
    let report = rebuild(
        dir.path(),
        Options {
            accept_tail_loss: true,
            ..options(dir.path())
        },
    )
    .unwrap();
    assert!(report.whole);
    let opened = opens(dir.path()).await.0;
    assert_eq!(opened.size, SIZE - 1);
    assert_ne!(opened, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_above_what_is_published_is_bridged_by_the_store_or_named() {
    let (dir, head) = stopped().await;
    let last = segments(dir.path()).pop().unwrap();
    let fed = copied(dir.path());
    drop(Log::open(config(fed.path()), signer()).await.unwrap());
    for (dir, bridged) in [(&fed, true), (&dir, false)] {
        damage(
            &dir.path().join("tail").join(last.file_name().unwrap()),
            (4, 5),
        );
        if !bridged {
            fs::remove_dir_all(dir.path().join("store")).unwrap();
        }
        let report = rebuilt(dir.path());
        assert_eq!(report.whole, bridged, "{report:?}");
        if bridged {
            assert_eq!(opens(dir.path()).await.0, head);
        } else {
            let end = report.loss.unwrap();
            assert!((PUBLISHED..SIZE - 1).contains(&end), "{end}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_of_another_log_is_not_this_logs_tail() {
    let (dir, _) = stopped().await;
    let journal = tempfile::tempdir().unwrap();
    let other = Layout::new(journal.path(), "log.test/another");
    drop(crate::journal::TailAndStore::create(other, None).unwrap());
    fs::remove_dir_all(dir.path().join("tail")).unwrap();
    copy(&journal.path().join("tail"), &dir.path().join("tail"));
    let report = rebuilt(dir.path());
    assert!(!report.whole && report.loss.is_some());
    assert!(report.tail[0].contains("another log"), "{:?}", report.tail);
}
