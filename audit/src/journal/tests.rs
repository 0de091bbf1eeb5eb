//! The journal under the conformance suite, and every way its files can be wrong at start.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proto::entry::{Draft, Kind};
use tempfile::TempDir;

use super::conformance::{self, Start};
use super::tail_and_store::locked;
use super::*;
use crate::tree::TreeHead;

mod damage;
mod lost_store;
mod spare;

/// A journal directory with what was recorded in it, for tests that open it again.
struct Bench {
    dir: TempDir,
    segment_bytes: u64,
    store_entries: u64,
    /// Every entry that was acknowledged.
    acked: Arc<Mutex<Vec<Bytes>>>,
    published: Option<TreeHead>,
    recovery: Recovery,
}

impl Bench {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            segment_bytes: 64 << 10,
            store_entries: 1 << 20,
            acked: Arc::default(),
            published: None,
            recovery: Recovery::Strict,
        }
    }

    fn layout(&self) -> Layout {
        Layout {
            segment_bytes: self.segment_bytes,
            store_entries: self.store_entries,
            store_cache_bytes: 8 << 20,
            ..Layout::new(self.dir.path(), "test.example/log")
        }
    }

    /// Bundles that serve what was recorded below the published size.
    fn bundles(&self) -> Option<Bundles> {
        let acked = Arc::clone(&self.acked);
        Some(Bundles::new(move |range| {
            let acked = acked.lock().unwrap();
            let (start, end) = (range.start as usize, range.end as usize);
            Ok(acked.get(start..end).unwrap_or_default().to_vec())
        }))
    }

    fn create(&self) -> TailAndStore {
        TailAndStore::create(self.layout(), self.bundles()).unwrap()
    }

    fn open(&self) -> Result<(TailAndStore, RecoveryReport), JournalError> {
        TailAndStore::open(self.layout(), self.bundles(), self.published, self.recovery)
    }

    /// Records `count` entries, one a commit, every tenth a registry entry.
    fn record(&self, journal: &TailAndStore, count: usize) {
        (0..count).for_each(|_| self.record_together(journal, 1));
    }

    /// The same in one commit.
    fn record_together(&self, journal: &TailAndStore, count: usize) {
        let first = self.acked.lock().unwrap().len();
        let admission = |index: usize| {
            let kind = if index.is_multiple_of(10) {
                Kind::Agency
            } else {
                Kind::Request
            };
            let facts = Bytes::from(format!("entry {index} of the test log"));
            let draft = Draft {
                kind,
                facts,
                header: Bytes::new(),
                seal: None,
            };
            Admission {
                draft,
                judged_registry: None,
            }
        };
        let admissions = (first..first + count).map(admission).collect();
        let committed = journal
            .commit(admissions, &mut |head, drafts| {
                stamp_batch(head, drafts, 9, 1)
            })
            .unwrap();
        let recorded = committed.outcomes.into_iter().flatten();
        let recorded = recorded.map(|one| one.bytes);
        self.acked.lock().unwrap().extend(recorded);
    }

    /// The head over the first `size` entries recorded.
    fn head_at(&self, size: usize) -> Head {
        let mut head = Head::default();
        self.acked.lock().unwrap()[..size]
            .iter()
            .for_each(|entry| head.follow(entry).unwrap());
        head
    }

    /// Says that a checkpoint over the first `size` entries is published.
    fn publish(&mut self, size: usize) {
        self.published = Some(self.head_at(size).edge.head());
    }

    /// Opens and makes sure that exactly what was acknowledged is there.
    fn opens_whole(&self) -> RecoveryReport {
        let (journal, report) = self.open().unwrap();
        let acked = self.acked.lock().unwrap().clone();
        assert_eq!(journal.head().unwrap(), self.head_at(acked.len()));
        assert_eq!(all(&journal), acked);
        report
    }

    /// Opens and gives the reason why it does not.
    fn refuses(&self) -> String {
        match self.open() {
            Ok((_, report)) => panic!("opened: {report}"),
            Err(JournalError::Refused(reason)) => reason,
            Err(other) => panic!("{other}"),
        }
    }

    fn tail_dir(&self) -> PathBuf {
        self.dir.path().join("tail")
    }

    fn store_dir(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// The segments' files, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.tail_dir())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths
    }
}

fn all(journal: &dyn Journal) -> Vec<Bytes> {
    let size = journal.head().unwrap().size();
    let mut all = Vec::new();
    while (all.len() as u64) < size {
        let found = journal.read(all.len() as u64..size, 10_000).unwrap();
        assert!(!found.is_empty());
        all.extend(found.into_iter().map(|(_, entry)| entry));
    }
    all
}

/// Copies a directory tree, so that one state can be broken in many ways.
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

#[test]
fn tail_and_store_conforms() {
    let mut bench = Bench::new();
    conformance::run(&mut |start| -> Arc<dyn Journal> {
        match start {
            Start::Fresh => {
                bench = Bench::new();
                bench.segment_bytes = 16 << 10;
                Arc::new(bench.create())
            }
            Start::Again => Arc::new(bench.open().unwrap().0),
        }
    })
    .unwrap();
}

#[test]
fn a_head_reads_back_and_nothing_else_does() {
    let bench = Bench::new();
    let journal = bench.create();
    bench.record(&journal, 77);
    let head = journal.head().unwrap();
    let bytes = head.encode();
    assert_eq!(Head::decode(&bytes), Some(head));
    assert_eq!(
        Head::decode(&Head::default().encode()),
        Some(Head::default())
    );
    for len in 0..bytes.len() {
        assert_eq!(Head::decode(&bytes[..len]), None);
    }
    assert_eq!(Head::decode(&[&bytes[..], &[0]].concat()), None);
}

#[test]
fn a_new_journal_never_overwrites_an_old_one() {
    let bench = Bench::new();
    drop(bench.create());
    assert!(matches!(
        TailAndStore::create(bench.layout(), None),
        Err(JournalError::Refused(_))
    ));
}

#[test]
fn segments_are_deleted_only_when_stored_and_published() {
    let mut bench = Bench::new();
    bench.segment_bytes = 16 << 10;
    let journal = bench.create();
    bench.record(&journal, 200);
    let segments = bench.segments().len();
    assert!(segments > 3);
    journal.keep(0).unwrap();
    assert_eq!(
        bench.segments().len(),
        segments,
        "stored, but not published"
    );
    journal.keep(100).unwrap();
    let left = bench.segments();
    assert!(left.len() < segments && left.len() > 1);
    journal.keep(200).unwrap();
    assert_eq!(bench.segments().len(), 1, "the active one stays");
    drop(journal);
    bench.publish(200);
    bench.opens_whole();
}

#[test]
fn a_full_store_goes_on_in_the_next_directory() {
    let mut bench = Bench::new();
    bench.store_entries = 50;
    let journal = bench.create();
    for round in 1..=10 {
        bench.record(&journal, 20);
        journal.keep(round * 20 - 5).unwrap();
        assert_eq!(all(&journal), *bench.acked.lock().unwrap());
    }
    assert!(fs::read_dir(bench.store_dir()).unwrap().count() > 2);
    drop(journal);
    bench.publish(195);
    let report = bench.opens_whole();
    assert_eq!(report.store, StoreFound::Whole);
}

#[test]
fn large_registry_entries_never_reach_the_files_that_sled_does_not_sync() {
    let bench = Bench::new();
    let journal = bench.create();
    for round in 0..60u8 {
        let header = Bytes::from(vec![round; proto::limits::REGISTRY_HEADER_BYTES_MAX]);
        let draft = Draft {
            kind: Kind::Service,
            facts: Bytes::new(),
            header,
            seal: None,
        };
        let admission = Admission {
            draft,
            judged_registry: None,
        };
        let committed = journal
            .commit(vec![admission], &mut |head, drafts| {
                stamp_batch(head, drafts, 9, 1)
            })
            .unwrap();
        bench.acked.lock().unwrap().extend(
            committed
                .outcomes
                .into_iter()
                .flatten()
                .map(|one| one.bytes),
        );
        journal.keep(0).unwrap();
    }
    let blobs = bench.store_dir().join(format!("{:020}", 0)).join("blobs");
    let count = fs::read_dir(&blobs).map_or(0, Iterator::count);
    assert_eq!(count, 0, "sled wrote pages to {}", blobs.display());
    drop(journal);
    bench.opens_whole();
}

#[test]
fn a_writer_ahead_of_the_keeper_does_its_work() {
    let bench = Bench::new();
    let layout = Layout {
        behind_bytes_max: 2_000,
        ..bench.layout()
    };
    let journal = TailAndStore::create(layout, None).unwrap();
    bench.record(&journal, 300);
    assert!(journal.statistics().behind_bytes <= 2_000 + 200);
    assert_eq!(all(&journal), *bench.acked.lock().unwrap());
}

#[test]
fn what_is_no_longer_in_memory_is_read_from_the_tail_and_without_it_from_the_store() {
    let bench = Bench::new();
    let layout = Layout {
        kept_bytes_max: 0,
        ..bench.layout()
    };
    let journal = TailAndStore::create(layout, None).unwrap();
    bench.record(&journal, 300);
    journal.keep(0).unwrap();
    let acked = bench.acked.lock().unwrap().clone();
    let in_tail = |range| locked(&journal.behind).unwrap().in_tail(&range, usize::MAX);
    assert_eq!(locked(&journal.behind).unwrap().first(), 300);
    let batches = in_tail(0..300);
    let from_tail = batches.iter().flat_map(|(_, place)| place.read().unwrap());
    assert_eq!(from_tail.collect::<Vec<_>>(), acked);
    for (start, end, bytes_max) in [
        (0, 300, 1 << 20),
        (7, 9, 1 << 20),
        (299, 300, 1),
        (0, 300, 1),
    ] {
        let found = journal.read(start..end, bytes_max).unwrap();
        let count = if bytes_max == 1 {
            1
        } else {
            (end - start) as usize
        };
        let expected = (start..).zip(acked[start as usize..].iter().cloned());
        assert_eq!(found, expected.take(count).collect::<Vec<_>>());
    }

    // One flipped bit in the tail: not given out. The store has the entry, too.
    let text = b"entry 150 of the test log";
    for segment in bench.segments() {
        let mut bytes = fs::read(&segment).unwrap();
        if let Some(at) = bytes.windows(text.len()).position(|part| part == text) {
            bytes[at] ^= 1;
            fs::write(&segment, bytes).unwrap();
        }
    }
    assert!(
        in_tail(0..300)
            .iter()
            .any(|(_, place)| place.read().is_err())
    );
    assert_eq!(all(&journal), acked);

    journal.keep(200).unwrap();
    assert!(in_tail(0..1).is_empty(), "it is published");
    assert!(!in_tail(250..251).is_empty());
    assert_eq!(all(&journal), acked);
}
