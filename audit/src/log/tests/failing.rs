//! A journal that fails or stalls on purpose: nothing is acknowledged after it, and nothing piles up.

use std::sync::{Condvar, Mutex};

use super::*;

/// A real journal that holds its genesis.
pub(super) fn begun(dir: &Path) -> TailAndStore {
    let journal = TailAndStore::create(config(dir).layout, None).unwrap();
    let genesis = Admission {
        draft: draft(Kind::Genesis, "genesis"),
        judged_registry: None,
    };
    journal
        .commit(vec![genesis], &mut |head, drafts| {
            stamp_batch(head, drafts, 1, 0)
        })
        .unwrap();
    journal
}

/// A real journal that fails at a chosen commit or keep, or holds commits back.
#[derive(Debug)]
struct Failing {
    journal: TailAndStore,
    commits_left: AtomicU64,
    keeps_left: AtomicU64,
    held: Mutex<bool>,
    released: Condvar,
}

impl Failing {
    fn new(dir: &Path, commits: u64, keeps: u64) -> Arc<Self> {
        Arc::new(Self {
            journal: begun(dir),
            commits_left: AtomicU64::new(commits),
            keeps_left: AtomicU64::new(keeps),
            held: Mutex::new(false),
            released: Condvar::new(),
        })
    }

    fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }

    fn spend(left: &AtomicU64, what: &str) -> Result<(), JournalError> {
        let spent = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
        spent.map(drop).map_err(|_| JournalError::Io {
            what: what.into(),
            reason: "no space left".into(),
        })
    }
}

impl Journal for Failing {
    fn commit(
        &self,
        drafts: Vec<Admission>,
        seal: &mut SealBatch<'_>,
    ) -> Result<Committed, JournalError> {
        let held = self.held.lock().unwrap();
        drop(self.released.wait_while(held, |held| *held).unwrap());
        Self::spend(&self.commits_left, "writing the tail")?;
        self.journal.commit(drafts, seal)
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, JournalError> {
        self.journal.read(range, bytes_max)
    }

    fn head(&self) -> Result<Head, JournalError> {
        self.journal.head()
    }

    fn keep(&self, published: u64) -> Result<(), JournalError> {
        Self::spend(&self.keeps_left, "syncing the store")?;
        self.journal.keep(published)
    }

    fn statistics(&self) -> Statistics {
        self.journal.statistics()
    }
}

async fn over(dir: &Path, journal: Arc<Failing>, queue_entries: usize) -> Log {
    let config = Config {
        queue_entries,
        ..config(dir)
    };
    Log::over(config, signer(1), journal).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_whatever_commit_the_journal_fails_nothing_is_acknowledged_after() {
    for commits in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let log = over(dir.path(), Failing::new(dir.path(), commits, u64::MAX), 100).await;
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let log = log.clone();
                tokio::spawn(async move {
                    let mut acked = Vec::new();
                    for turn in 0..20 {
                        match log
                            .append(draft(Kind::Request, &format!("{task}/{turn}")), None)
                            .await
                        {
                            Ok(appended) => acked.push(appended.index),
                            Err(AppendError::Stopped(reason)) => {
                                assert!(reason.contains("no space left"), "{reason}");
                                return acked;
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                    panic!("never stopped");
                })
            })
            .collect();
        let mut acked = Vec::new();
        for task in tasks {
            acked.extend(task.await.unwrap());
        }
        assert!(log.stopped().await.contains("no space left"));
        acked.sort_unstable();
        let expected: Vec<u64> = (1..=acked.len() as u64).collect();
        assert_eq!(
            acked, expected,
            "what was acknowledged is what was recorded before the failure"
        );
        assert!(matches!(
            log.append(draft(Kind::Request, "after"), None).await,
            Err(AppendError::Stopped(_))
        ));
        assert!(matches!(log.publish_now().await, Err(LogError::Stopped(_))));
        assert!(matches!(log.close().await, Err(LogError::Stopped(_))));
        drop(log);
        let layout = config(dir.path()).layout;
        let (journal, _) = TailAndStore::open(layout, None, None, Recovery::Strict).unwrap();
        assert_eq!(journal.head().unwrap().size(), 1 + acked.len() as u64);
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_synced_stops_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = over(dir.path(), Failing::new(dir.path(), u64::MAX, 2), 100).await;
    let reason = tokio::time::timeout(Duration::from_secs(10), log.stopped())
        .await
        .unwrap();
    assert!(reason.contains("syncing the store"), "{reason}");
    assert!(matches!(
        log.append(draft(Kind::Request, "after"), None).await,
        Err(AppendError::Stopped(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_never_grows() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Failing::new(dir.path(), u64::MAX, u64::MAX);
    let log = over(dir.path(), Arc::clone(&journal), 8).await;
    journal.hold(true);
    let (sent, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
    for turn in 0..40 {
        let (log, sent) = (log.clone(), sent.clone());
        tokio::spawn(async move {
            sent.send(
                log.append(draft(Kind::Request, &turn.to_string()), None)
                    .await,
            )
            .unwrap();
        });
    }
    let mut full = 0;
    // At most one batch is with the writer and eight drafts wait; all others are refused at once.
    while full < 40 - 8 - 8 {
        let outcome = outcomes.recv().await.unwrap();
        assert!(
            matches!(outcome, Err(AppendError::Full)),
            "nothing is recorded while commits are held"
        );
        full += 1;
    }
    journal.hold(false);
    let mut recorded = 0;
    for _ in full..40 {
        recorded += u64::from(outcomes.recv().await.unwrap().is_ok());
    }
    assert!(recorded >= 8);
    assert_eq!(log.head().size(), 1 + recorded);
    log.append(draft(Kind::Request, "room again"), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_checkpoint_that_someone_else_moved_stops_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = created(&dir).await;
    let other = TreeHead {
        size: 9,
        root: Digest::of(b"another copy of this log"),
    };
    let forged = checkpoint::Checkpoint {
        origin: ORIGIN.into(),
        size: other.size,
        root: other.root,
    };
    let note = forged.sign(&*signer(1)).unwrap().note;
    std::fs::write(dir.path().join("checkpoint"), &note).unwrap();
    log.append(draft(Kind::Request, "one more"), None)
        .await
        .unwrap();
    let reason = tokio::time::timeout(Duration::from_secs(10), log.stopped())
        .await
        .unwrap();
    assert!(reason.contains("publishing"), "{reason}");
    drop(log);
    assert!(Log::open(config(dir.path()), signer(1)).await.is_err());
}
