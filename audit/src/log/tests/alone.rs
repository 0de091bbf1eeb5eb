//! A draft that is alone, recorded by whoever brings it: when that is done, when not, and what follows a failure of it.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread;

use super::failing::begun;
use super::*;

/// A real journal that notes which thread commits, and takes its time or panics where it is told to.
#[derive(Debug)]
struct Watched {
    journal: TailAndStore,
    threads: Mutex<Vec<String>>,
    pause: Mutex<Duration>,
    panics: AtomicBool,
}

impl Watched {
    fn new(dir: &Path) -> Arc<Self> {
        Arc::new(Self {
            journal: begun(dir),
            threads: Mutex::default(),
            pause: Mutex::default(),
            panics: AtomicBool::new(false),
        })
    }

    fn is_by_writer(&self) -> bool {
        self.threads.lock().unwrap().last().unwrap() == "log-writer"
    }
}

impl Journal for Watched {
    fn commit(
        &self,
        drafts: Vec<Admission>,
        seal: &mut SealBatch<'_>,
    ) -> Result<Committed, JournalError> {
        let name = thread::current().name().unwrap_or_default().to_owned();
        self.threads.lock().unwrap().push(name);
        assert!(!self.panics.load(Ordering::SeqCst), "as told");
        let pause = *self.pause.lock().unwrap();
        thread::sleep(pause);
        self.journal.commit(drafts, seal)
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, JournalError> {
        self.journal.read(range, bytes_max)
    }

    fn head(&self) -> Result<Head, JournalError> {
        self.journal.head()
    }

    fn keep(&self, published: u64) -> Result<(), JournalError> {
        self.journal.keep(published)
    }

    fn statistics(&self) -> Statistics {
        self.journal.statistics()
    }
}

/// A folder whose disk is quick: in memory, where the system has such a place.
fn quick_dir() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    tempfile::tempdir_in(place).unwrap()
}

async fn over(dir: &Path, journal: &Arc<Watched>) -> Log {
    let journal: Arc<dyn Journal> = Arc::<Watched>::clone(journal);
    Log::over(config(dir), signer(1), journal).await.unwrap()
}

/// Appends one by one until one was recorded without the writer, which may still be on its way to sleep and a disk busy.
async fn until_alone(log: &Log, journal: &Watched) -> u64 {
    for turn in 1..=2_000 {
        let appended = log.append(draft(Kind::Request, "alone"), None).await;
        proves(&appended.unwrap(), log);
        if !journal.is_by_writer() {
            return turn;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("every one went through the writer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_alone_records_itself_unless_the_last_commit_was_slow() {
    let dir = quick_dir();
    let journal = Watched::new(dir.path());
    let log = over(dir.path(), &journal).await;
    until_alone(&log, &journal).await;
    *journal.pause.lock().unwrap() = Duration::from_millis(5);
    for turn in 0..4 {
        let appended = log.append(draft(Kind::Request, "slow"), None).await;
        proves(&appended.unwrap(), &log);
        assert!(turn == 0 || journal.is_by_writer(), "turn {turn}");
    }
    *journal.pause.lock().unwrap() = Duration::ZERO;
    until_alone(&log, &journal).await;
    let arriving = (log.arriving(), log.arriving());
    log.append(draft(Kind::Request, "another comes"), None)
        .await
        .unwrap();
    assert!(journal.is_by_writer());
    drop(arriving);
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_waits_for_the_disk_sockets_and_timers_are_looked_after() {
    let dir = quick_dir();
    let journal = Watched::new(dir.path());
    let log = over(dir.path(), &journal).await;
    for _ in 0..3 {
        *journal.pause.lock().unwrap() = Duration::ZERO;
        until_alone(&log, &journal).await;
        *journal.pause.lock().unwrap() = Duration::from_secs(2);
        let theirs = log.clone();
        let begun = std::time::Instant::now();
        let slow = tokio::spawn(async move {
            // Woken by a timer, so by the thread that looks after timers: that one is held up.
            tokio::time::sleep(Duration::from_millis(20)).await;
            theirs.append(draft(Kind::Request, "slow"), None).await
        });
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        slow.await.unwrap().unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_runtime_of_one_thread_is_never_held_up() {
    let dir = quick_dir();
    let journal = Watched::new(dir.path());
    let log = over(dir.path(), &journal).await;
    for _ in 0..50 {
        let appended = log.append(draft(Kind::Request, "one"), None).await;
        proves(&appended.unwrap(), &log);
        assert!(journal.is_by_writer());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_while_recording_alone_stops_the_log() {
    let dir = quick_dir();
    let journal = Watched::new(dir.path());
    let log = over(dir.path(), &journal).await;
    let recorded = until_alone(&log, &journal).await;
    journal.panics.store(true, Ordering::SeqCst);
    let theirs = log.clone();
    let append = async move { theirs.append(draft(Kind::Request, "panics"), None).await };
    // By the task itself, or by the writer where that was not asleep yet: nobody is told that it was recorded.
    assert!(!matches!(tokio::spawn(append).await, Ok(Ok(_))));
    assert!(log.stopped().await.contains("panicked"));
    assert!(matches!(
        log.append(draft(Kind::Request, "after"), None).await,
        Err(AppendError::Stopped(_))
    ));
    assert!(matches!(log.close().await, Err(LogError::Stopped(_))));
    drop(log);
    assert_eq!(journal.head().unwrap().size(), 1 + recorded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn alone_and_together_by_turns_no_place_is_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let log = created(&dir).await;
    let mut acked = Vec::new();
    for round in 0..60 {
        let tasks: Vec<_> = (0..[1, 2, 3, 16][round % 4])
            .map(|task| {
                let log = log.clone();
                tokio::spawn(async move {
                    let mut leaves = Vec::new();
                    for turn in 0..10 {
                        let draft = draft(Kind::Request, &format!("{round}/{task}/{turn}"));
                        let appended = log.append(draft, None).await.unwrap();
                        proves(&appended, &log);
                        leaves.push((appended.index, appended.leaf));
                    }
                    leaves
                })
            })
            .collect();
        for task in tasks {
            acked.extend(task.await.unwrap());
        }
    }
    log.close().await.unwrap();
    drop(log);
    acked.sort_unstable();
    let entries = verified_outside(dir.path());
    assert_eq!(entries.len(), 1 + acked.len());
    for (place, (index, leaf)) in acked.iter().enumerate() {
        assert_eq!(*index, 1 + place as u64);
        assert_eq!(leaf_hash(&entries[*index as usize]), *leaf);
    }
}
