//! The faults that a log must survive, over its whole life: each write and sync failing once, power cut between any two
//! steps, and bits that flip on the disk. Short forms take samples; the long ones, which are ignored here, take all.

use std::sync::Mutex;

use super::*;
use crate::disk::plan::{Image, SAID};
use crate::verify::{Options, Report, verify_directory};

mod bit_flips;
mod failing_steps;
mod power_cut;

/// What one client was told, and may therefore rely on.
#[derive(Clone, Debug, Default)]
struct Told {
    /// The log was founded.
    founded: bool,
    /// Index and leaf of each acknowledged entry, and the head that was signed for it.
    entries: Vec<(u64, Digest, TreeHead)>,
    /// Checkpoints that were named as published.
    published: Vec<TreeHead>,
}

/// A log in small: segments and databases that are full after a few entries, and nothing that happens by the clock.
fn small(dir: &Path) -> Config {
    let mut config = config(dir);
    config.layout.segment_bytes = 12 << 10;
    config.layout.store_entries = 12;
    config.keep_interval = Duration::from_secs(3600);
    config.publish_interval = Duration::from_secs(3600);
    // The sweeper stops nothing where it fails, so nobody would be told.
    config.sweep_interval = Duration::from_secs(3600);
    config.cosign_wait = Duration::from_secs(60);
    config
}

/// A fresh directory, in memory where the system has such a place: what is tried here is the order of the steps.
fn somewhere() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = memory.is_dir().then(|| tempfile::tempdir_in(memory));
    match made {
        Some(Ok(dir)) => dir,
        _ => tempfile::tempdir().unwrap(),
    }
}

/// One client and its log through four lives; everything that it is told is noted in `told`.
struct Life<'a> {
    dir: &'a Path,
    told: &'a Mutex<Told>,
}

impl Life<'_> {
    /// Founds the log, fills and rotates segments and databases, publishes, shows checkpoints to a witness, closes and
    /// opens, rotates its key, ends once without closing. Gives the first error.
    async fn live(&self) -> Result<(), String> {
        let config = || small(self.dir);
        let founded = Log::create(config(), draft(Kind::Genesis, "genesis"), signer(1)).await;
        let log = founded.map_err(|error| error.to_string())?;
        self.told.lock().unwrap().founded = true;
        self.run(log, 9, true).await?;
        for (entries, closes) in [(14, true), (6, false), (3, true)] {
            let opened = Log::open_with(config(), vec![signer(1), signer(2)]).await;
            let log = opened.map_err(|error| error.to_string())?;
            // Once, at a start: the next key of the log.
            if log.key().successions().is_empty() {
                let rotated = log.append(rotation(&log, (1, 2), 3_600_000), None).await;
                match rotated {
                    Ok(appended) => self.note(&log, &appended),
                    Err(error) => return self.ended(&log, Err(error.to_string())).await,
                }
            }
            self.run(log, entries, closes).await?;
        }
        Ok(())
    }

    /// One life of the log.
    async fn run(&self, log: Log, entries: u64, closes: bool) -> Result<(), String> {
        let witness = tokio::spawn(shown_and_cosigned(log.clone()));
        let mut lived = self.work(&log, entries).await;
        if lived.is_ok() && closes {
            lived = log.close().await.map_err(|error| error.to_string());
        }
        let ended = self.ended(&log, lived).await;
        witness.abort();
        let _ = witness.await;
        ended
    }

    /// An error must leave a log that acknowledges nothing any more.
    async fn ended(&self, log: &Log, lived: Result<(), String>) -> Result<(), String> {
        if let Err(reason) = &lived {
            let stopped = tokio::time::timeout(Duration::from_secs(20), log.stopped());
            let why = stopped.await.expect("a log that failed stops");
            assert!(why.contains(SAID), "{reason}: {why}");
            let after = log.append(draft(Kind::Request, "after"), None).await;
            assert!(matches!(after, Err(AppendError::Stopped(_))), "{after:?}");
            assert!(matches!(log.publish_now().await, Err(LogError::Stopped(_))));
            assert!(matches!(log.close().await, Err(LogError::Stopped(_))));
        }
        lived
    }

    async fn work(&self, log: &Log, entries: u64) -> Result<(), String> {
        for turn in 0..entries {
            let kind = if turn % 5 == 3 {
                Kind::Agency
            } else {
                Kind::Request
            };
            // Some alone, some in one commit.
            let together = 1 + turn % 3;
            let mut waiting = tokio::task::JoinSet::new();
            for place in 0..together {
                let log = log.clone();
                let text = format!("{turn} {place} {}", "x".repeat(300));
                waiting.spawn(async move { log.append(draft(kind, &text), None).await });
            }
            let mut failed = None;
            while let Some(outcome) = waiting.join_next().await {
                match outcome.unwrap() {
                    Ok(appended) => self.note(log, &appended),
                    Err(error) => failed = Some(error.to_string()),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            if turn % 6 == 4 {
                let published = log.publish_now().await;
                let published = published.map_err(|error| error.to_string())?;
                let head = published.checkpoint.head();
                self.told.lock().unwrap().published.push(head);
            }
        }
        Ok(())
    }

    fn note(&self, log: &Log, appended: &Appended) {
        let header = &appended.entry.header;
        let seal = appended.entry.seal.as_ref();
        let proven = appended.receipt.verify(header, seal, log.key()).unwrap();
        let noted = (appended.index, appended.leaf, proven.checkpoint.head());
        self.told.lock().unwrap().entries.push(noted);
    }
}

/// A witness that is shown each checkpoint and has nothing to add.
async fn shown_and_cosigned(log: Log) {
    let mut submitted = log.submitted();
    while submitted.changed().await.is_ok() {
        let shown = submitted.borrow_and_update().clone();
        if let Some(shown) = shown {
            log.cosign(shown.checkpoint.size, Vec::new(), true);
        }
    }
}

fn verified(dir: &Path) -> Report {
    let key = LogKey::new(ORIGIN, signer(1).key()).unwrap();
    verify_directory(
        dir,
        Options {
            key: Some(key),
            threads: 1,
            ..Options::default()
        },
    )
}

/// All entries of an open log, in order.
async fn all_entries(log: &Log) -> Result<Vec<Bytes>, LogError> {
    let mut entries: Vec<Bytes> = Vec::new();
    while (entries.len() as u64) < log.head().size() {
        let more = log.entries(entries.len() as u64..u64::MAX).await?;
        entries.extend(more.into_iter().map(|(_, entry)| entry));
    }
    Ok(entries)
}

/// Judges what a fault left in `image`: what is published is proved by the files alone, the log starts, holds everything
/// that `told` says, goes on, and an outsider verifies it. `what` names the fault.
async fn survives(image: &Image, told: &Told, what: &str) {
    let dir = somewhere();
    image.restore(dir.path());
    let dir = dir.path();
    let newest = told.published.iter().map(|head| head.size).max();
    if dir.join("checkpoint").exists() {
        let report = verified(dir);
        assert!(report.is_proven(), "{what}: {:?}", report.findings);
        let size = report.checkpoint.unwrap().size;
        assert!(size >= newest.unwrap_or(0), "{what}: {size} published");
    } else {
        assert!(!told.founded && newest.is_none(), "{what}: no checkpoint");
    }
    let log = match Log::open_with(small(dir), vec![signer(1), signer(2)]).await {
        Ok(log) => log,
        Err(error) => {
            // A founding that was cut short says so, and nobody was told that it was done.
            assert!(!told.founded, "{what}: {error}");
            return;
        }
    };
    let entries = all_entries(&log)
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut heads = vec![TreeHead::empty()];
    let mut edge = Edge::new();
    for entry in &entries {
        edge.push(leaf_hash(entry));
        heads.push(edge.head());
    }
    assert_eq!(edge.head(), log.head().edge.head(), "{what}");
    for (index, leaf, head) in &told.entries {
        let found = entries.get(*index as usize).map(|entry| leaf_hash(entry));
        assert_eq!(found, Some(*leaf), "{what}: entry {index}");
        assert_eq!(heads.get(head.size as usize), Some(head), "{what}");
    }
    for head in &told.published {
        assert_eq!(heads.get(head.size as usize), Some(head), "{what}");
    }
    let appended = log.append(draft(Kind::Request, "goes on"), None).await;
    proves(
        &appended.unwrap_or_else(|error| panic!("{what}: {error}")),
        &log,
    );
    log.close()
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let report = verified(dir);
    assert!(report.is_proven(), "{what}: {:?}", report.findings);
    assert_eq!(report.entries, entries.len() as u64 + 1, "{what}");
}
