//! A witness asked well and badly: each status of the protocol, what it remembers, and that it never signs two histories.

use bytes::Bytes;
use proptest::prelude::*;
use proto::digest::{Digest, leaf_hash, tree_head};
use tempfile::TempDir;

use super::asking::{Heard, hear};
use super::*;
use crate::checkpoint::tests::TestSigner;
use crate::note::NoteSignature;
use crate::tree::{HashReader, consistency_proof};

const ORIGIN: &str = "log.example/one";
const NAME: &str = "witness.example/w1";
const NOW_S: u64 = 1_795_363_078;

mod protocol;

/// A log of leaves, and of another history from `fork` on.
struct Log(Vec<Digest>);

impl Log {
    fn new(size: u64, fork: u64) -> Self {
        let leaf = |index: u64| {
            leaf_hash(
                &[
                    index.to_be_bytes(),
                    (if index >= fork { index } else { 0 }).to_be_bytes(),
                ]
                .concat(),
            )
        };
        Self((0..size).map(leaf).collect())
    }

    fn honest(size: u64) -> Self {
        Self::new(size, u64::MAX)
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint {
            origin: ORIGIN.into(),
            size,
            root: tree_head(&self.0[..size as usize]),
        }
    }

    fn note(&self, size: u64) -> Bytes {
        self.checkpoint(size)
            .sign(&TestSigner::new(1))
            .unwrap()
            .note
    }

    fn request(&self, old: u64, size: u64) -> Vec<u8> {
        let proof = consistency_proof(self, old.min(size), size).unwrap();
        let note = self.note(size);
        AddCheckpoint { old, proof, note }.to_bytes()
    }
}

impl HashReader for Log {
    fn node(&self, level: u8, index: u64) -> std::io::Result<Digest> {
        let (from, to) = (index << level, (index + 1) << level);
        Ok(tree_head(&self.0[from as usize..to as usize]))
    }
}

struct Office {
    dir: TempDir,
    witness: Witness,
}

fn log_key(seed: u8) -> LogKey {
    LogKey::new(ORIGIN, TestSigner::new(seed).key()).unwrap()
}

fn open(dir: &Path) -> Result<Witness, WitnessError> {
    Witness::open(
        dir,
        NAME,
        Arc::new(TestSigner::new(9)),
        &[log_key(2), log_key(1)],
    )
}

impl Office {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        adopt(dir.path(), ORIGIN).unwrap();
        let witness = open(dir.path()).unwrap();
        Self { dir, witness }
    }

    fn again(self) -> Self {
        let Self { dir, witness } = self;
        drop(witness);
        let witness = open(dir.path()).unwrap();
        Self { dir, witness }
    }

    fn ask(&self, body: &[u8]) -> Answer {
        self.witness.add_checkpoint(body, NOW_S)
    }

    /// The verified time of a 200.
    fn cosigned(&self, log: &Log, old: u64, size: u64, now_s: u64) -> u64 {
        let answer = self.witness.add_checkpoint(&log.request(old, size), now_s);
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = String::from_utf8(answer.body).unwrap();
        let line = NoteSignature::parse(text.strip_suffix('\n').unwrap()).unwrap();
        let checkpoint = log.checkpoint(size).to_text();
        self.witness.key().verify(&checkpoint, &line).unwrap()
    }

    fn size(&self) -> Option<u64> {
        self.witness.standings()[0]
            .last
            .as_ref()
            .map(|last| last.checkpoint.size)
    }
}

#[test]
fn a_growing_log_is_cosigned_and_remembered_across_restarts() {
    let (log, mut office) = (Log::honest(600), Office::new());
    assert_eq!(office.size(), None);
    assert_eq!(office.witness.cosigned(&origin_hash(ORIGIN)), None);
    let mut old = 0;
    for size in [0, 1, 2, 7, 8, 255, 256, 257, 600] {
        assert_eq!(office.cosigned(&log, old, size, NOW_S), NOW_S);
        office = office.again();
        assert_eq!(office.size(), Some(size));
        old = size;
    }
    let kept = office.witness.cosigned(&origin_hash(ORIGIN)).unwrap();
    let note = SignedNote::parse(&kept).unwrap();
    assert_eq!(note.signatures().len(), 2);
    assert_eq!(
        crate::checkpoint::open(&kept, &log_key(1)).unwrap(),
        log.checkpoint(600)
    );
    assert_eq!(office.witness.cosigned(ORIGIN), None);
}

#[test]
fn a_log_that_went_back_or_forked_gets_no_cosignature_and_leaves_evidence() {
    let (log, fork, office) = (Log::honest(100), Log::new(100, 50), Office::new());
    office.cosigned(&log, 0, 80, NOW_S);
    // Back, and on from there.
    let answer = office.ask(&log.request(60, 70));
    assert_eq!(
        (answer.status, answer.content_type),
        (409, "text/x.tlog.size")
    );
    assert_eq!(answer.body, b"80\n");
    // The fork, at the same size and beyond it, with its own right proof and with the honest one.
    for (old, size) in [(80, 80), (80, 100)] {
        let answer = office.ask(&fork.request(old, size));
        assert_eq!(answer.status, 422);
        assert!(matches!(answer.event, Event::Inconsistent { size: 80, .. }));
    }
    let proof = consistency_proof(&log, 80, 100).unwrap();
    let mixed = AddCheckpoint {
        old: 80,
        proof,
        note: fork.note(100),
    };
    assert_eq!(office.ask(&mixed.to_bytes()).status, 422);
    // The same again is not kept twice.
    office.ask(&mixed.to_bytes());
    let evidence = office.dir.path().join("evidence").join(origin_hash(ORIGIN));
    assert_eq!(evidence.read_dir().unwrap().count(), 2);
    assert_eq!(office.size(), Some(80));
    office.cosigned(&log, 80, 100, NOW_S);
}

#[test]
fn time_never_runs_backwards_and_a_clock_that_does_is_told() {
    let (log, office) = (Log::honest(10), Office::new());
    assert_eq!(office.cosigned(&log, 0, 5, NOW_S), NOW_S);
    // The same tree again: once a second, the same line.
    let first = office.ask(&log.request(5, 5));
    assert_eq!(office.ask(&log.request(5, 5)), first);
    assert_eq!(office.cosigned(&log, 5, 5, NOW_S + 1), NOW_S + 1);
    let office = office.again();
    assert_eq!(office.cosigned(&log, 5, 6, NOW_S - 100), NOW_S + 1);
    let answer = office
        .witness
        .add_checkpoint(&log.request(6, 7), NOW_S - 100);
    assert!(matches!(
        answer.event,
        Event::Cosigned { behind_s: 101, .. }
    ));
}

#[test]
fn a_witness_without_its_memory_does_not_start() {
    let office = Office::new();
    let held = open(office.dir.path()).unwrap_err();
    assert!(matches!(held, WitnessError::Memory(MemoryError::InUse(_))));
    office.cosigned(&Log::honest(9), 0, 9, NOW_S);
    let Office { dir, witness } = office;
    drop(witness);
    let file = dir.path().join(format!("{}.note", origin_hash(ORIGIN)));
    let good = std::fs::read(&file).unwrap();
    assert!(matches!(
        adopt(dir.path(), ORIGIN),
        Err(MemoryError::Exists { .. })
    ));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&file, &bad).unwrap();
        match open(dir.path()) {
            // A line that this witness did not verify by itself, or a name that is not its own: the log's signature.
            Ok(witness) => assert_eq!(
                witness.standings()[0]
                    .last
                    .as_ref()
                    .unwrap()
                    .checkpoint
                    .size,
                9
            ),
            Err(error) => assert!(error.to_string().contains("is damaged"), "{error}"),
        }
    }
    for bad in [&b""[..], b"none", b"none\nnone\n", &good[..good.len() / 2]] {
        std::fs::write(&file, bad).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(
            matches!(error, WitnessError::Memory(MemoryError::Damaged { .. })),
            "{error}"
        );
    }
    // Another witness's memory.
    std::fs::write(&file, &good).unwrap();
    let other = Witness::open(
        dir.path(),
        NAME,
        Arc::new(TestSigner::new(8)),
        &[log_key(1)],
    );
    assert!(matches!(
        other,
        Err(WitnessError::Memory(MemoryError::Damaged { .. }))
    ));
    std::fs::remove_file(&file).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(
        matches!(error, WitnessError::Memory(MemoryError::Missing { .. })),
        "{error}"
    );
}

#[test]
fn what_cannot_be_remembered_is_not_answered_with_a_cosignature() {
    let (log, office) = (Log::honest(10), Office::new());
    office.cosigned(&log, 0, 5, NOW_S);
    // A directory in the place of the temporary file: the write fails, whoever runs this.
    let file = office
        .dir
        .path()
        .join(format!("{}.note.tmp", origin_hash(ORIGIN)));
    std::fs::create_dir(&file).unwrap();
    let answer = office.ask(&log.request(5, 8));
    assert_eq!(answer.status, 500);
    assert!(matches!(answer.event, Event::Failed(_)));
    assert_eq!(office.size(), Some(5));
    std::fs::remove_dir(&file).unwrap();
    office.cosigned(&log, 5, 8, NOW_S);
}

#[test]
fn two_requests_from_one_size_never_both_win() {
    let (log, office) = (Log::honest(400), Office::new());
    for round in 0..20u64 {
        let old = office.size().unwrap_or(0);
        let bodies: Vec<_> = (1..5)
            .map(|step| log.request(old, old + step + round % 3))
            .collect();
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let asked: Vec<_> = bodies
                .iter()
                .map(|body| scope.spawn(|| office.ask(body).status))
                .collect();
            asked.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            1,
            "{statuses:?}"
        );
        assert_eq!(
            statuses.iter().filter(|status| **status == 409).count(),
            3,
            "{statuses:?}"
        );
    }
}
