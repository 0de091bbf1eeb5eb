//! The ledger of checkpoints: what extends is kept, what does not is a fork with both notes in hand.

use std::collections::HashMap;
use std::io;

use audit::tree::{HashReader, consistency_proof};
use proto::digest::{leaf_hash, node_hash, tree_head};
use proto::key::Signer;

use super::*;
use crate::identity::FileSigner;
use crate::testing::{ORIGIN, key};

/// A log of numbered leaves that can prove itself.
struct Log {
    signer: FileSigner,
    leaves: Vec<Digest>,
}

struct Nodes(HashMap<(u8, u64), Digest>);

impl HashReader for Nodes {
    fn node(&self, level: u8, index: u64) -> io::Result<Digest> {
        self.0
            .get(&(level, index))
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Log {
    fn new(size: u64) -> Self {
        Self {
            signer: key(),
            leaves: (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect(),
        }
    }

    /// The same key over a history that differs from leaf `from` on.
    fn forked(self, from: usize) -> Self {
        let mut leaves = self.leaves;
        for leaf in &mut leaves[from..] {
            *leaf = leaf_hash(leaf.as_ref());
        }
        Self {
            signer: self.signer,
            leaves,
        }
    }

    fn at(&self, size: u64) -> SignedCheckpoint {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: tree_head(&self.leaves[..size as usize]),
        };
        checkpoint.sign(&self.signer).unwrap()
    }

    fn prove(&self, plan: &ledger::Plan) -> Vec<Vec<Digest>> {
        let mut nodes = HashMap::new();
        let mut row = self.leaves.clone();
        for level in 0..20_u8 {
            for (index, hash) in row.iter().enumerate() {
                nodes.insert((level, index as u64), *hash);
            }
            row = row
                .chunks_exact(2)
                .map(|pair| node_hash(&pair[0], &pair[1]))
                .collect();
        }
        let nodes = Nodes(nodes);
        let to = plan.to.checkpoint.size;
        plan.from
            .iter()
            .map(|from| consistency_proof(&nodes, *from, to).unwrap())
            .collect()
    }
}

fn settle(ledger: &mut Ledger, log: &Log, size: u64) -> Result<(), Box<Fork>> {
    let plan = ledger.plan(log.at(size))?;
    let proofs = log.prove(&plan);
    ledger.settle(&plan, &proofs)
}

#[test]
fn everything_signed_is_reconciled_with_the_next_published() {
    let log = Log::new(1_000);
    let mut ledger = Ledger::default();
    for size in [3, 7, 7, 100, 555] {
        ledger.note(log.at(size)).unwrap();
    }
    settle(&mut ledger, &log, 100).unwrap();
    // 555 lies beyond what is published and waits on.
    assert_eq!(
        (
            ledger.waiting(),
            ledger.published().unwrap().checkpoint.size
        ),
        (1, 100)
    );
    ledger.note(log.at(50)).unwrap();
    assert_eq!(ledger.plan(log.at(600)).unwrap().from, [50, 100, 555]);
    settle(&mut ledger, &log, 600).unwrap();
    assert_eq!(
        (
            ledger.waiting(),
            ledger.published().unwrap().checkpoint.size
        ),
        (0, 600)
    );
    settle(&mut ledger, &log, 600).unwrap();
    // A receipt that came late is proved even when nothing new is published.
    ledger.note(log.at(599)).unwrap();
    settle(&mut ledger, &log, 600).unwrap();
    assert_eq!(ledger.waiting(), 0);
}

#[test]
fn a_fork_is_found_wherever_it_shows() {
    let fork_at = |noted: u64, published: u64, from: usize| {
        let log = Log::new(64);
        let mut ledger = Ledger::default();
        settle(&mut ledger, &log, 10).unwrap();
        ledger.note(log.at(noted)).unwrap();
        let forked = log.forked(from);
        settle(&mut ledger, &forked, published)
    };
    // Between two published ones, between a receipt and a published one, and at one size.
    assert_eq!(fork_at(30, 40, 5).unwrap_err().older.checkpoint.size, 10);
    assert_eq!(fork_at(30, 40, 20).unwrap_err().older.checkpoint.size, 30);
    assert_eq!(fork_at(40, 40, 20).unwrap_err().older.checkpoint.size, 40);
    // A difference after everything that was shown is no contradiction yet.
    assert_eq!(fork_at(30, 40, 35), Ok(()));

    // Two receipts of one size.
    let log = Log::new(64);
    let mut ledger = Ledger::default();
    ledger.note(log.at(20)).unwrap();
    assert!(ledger.note(log.forked(0).at(20)).is_err());
}

#[test]
fn a_shrinking_log_and_withheld_proofs_are_refused() {
    let log = Log::new(64);
    let mut ledger = Ledger::default();
    settle(&mut ledger, &log, 50).unwrap();
    assert!(ledger.plan(log.at(49)).is_err());
    let plan = ledger.plan(log.at(60)).unwrap();
    assert_eq!(plan.from, [50]);
    assert!(ledger.settle(&plan, &[]).is_err());
    assert!(ledger.settle(&plan, &[vec![Digest::of(b"no")]]).is_err());
    assert_eq!(ledger.published().unwrap().checkpoint.size, 50);
}

#[test]
fn the_newest_are_kept_and_what_is_dropped_is_counted() {
    let log = Log::new(ledger::WAITING_MAX as u64 + 50);
    let mut ledger = Ledger::default();
    for size in 1..=log.leaves.len() as u64 {
        ledger.note(log.at(size)).unwrap();
    }
    assert_eq!(
        (ledger.waiting(), ledger.dropped()),
        (ledger::WAITING_MAX, 50)
    );
    let plan = ledger.plan(log.at(log.leaves.len() as u64)).unwrap();
    assert_eq!((plan.from.len(), plan.from[0]), (256, 51));
}

#[test]
fn a_fork_leaves_both_notes_in_the_home_and_stops_everything() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(64);
    let standing = Standing::default();
    let checkpoints = open(dir.path(), &log, &standing).unwrap();
    let honest = log.at(20);
    checkpoints
        .note(honest.checkpoint.clone(), honest.note.clone())
        .unwrap();
    let forged = log.forked(0).at(20);
    let reason = checkpoints
        .note(forged.checkpoint, forged.note.clone())
        .unwrap_err();
    assert_eq!(standing.hold(), Err(reason.clone()));
    let evidence = std::fs::read_to_string(dir.path().join("fork-evidence-5000.txt")).unwrap();
    for note in [&honest.note, &forged.note] {
        assert!(evidence.contains(std::str::from_utf8(note).unwrap()));
    }
    assert!(
        reason.to_string().contains("fork-evidence-5000.txt"),
        "{reason}"
    );
}

fn open(dir: &Path, log: &Log, standing: &Standing) -> Result<Checkpoints, SeenError> {
    Checkpoints::read(
        dir,
        dir.join("checkpoint.txt"),
        LogKey::new(ORIGIN, log.signer.key()).unwrap(),
        Clock::fixed(5_000_000),
        standing.clone(),
        None,
    )
}

fn note(checkpoints: &Checkpoints, signed: SignedCheckpoint) -> Result<(), Distrust> {
    checkpoints.note(signed.checkpoint, signed.note)
}

#[test]
fn a_promise_outlives_the_process_and_convicts_a_rewound_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(64);
    let first = open(dir.path(), &log, &Standing::default()).unwrap();
    note(&first, log.at(20)).unwrap();
    note(&first, log.at(18)).unwrap();
    first.remember().unwrap();
    drop(first);

    // The log goes on from entry 10 as if the rest had never been: same size, another root.
    let standing = Standing::default();
    let second = open(dir.path(), &log, &standing).unwrap();
    assert_eq!(second.floor(), 20);
    let rewound = Log::new(64).forked(10);
    assert!(note(&second, rewound.at(20)).is_err());
    assert!(standing.hold().is_err());
    assert!(dir.path().join("fork-evidence-5000.txt").exists());
}

#[test]
fn an_exchange_recorded_before_what_was_promised_convicts_too() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(64);
    let checkpoints = open(dir.path(), &log, &Standing::default()).unwrap();
    note(&checkpoints, log.at(20)).unwrap();
    let floor = checkpoints.floor();
    let next = log.at(21);
    checkpoints
        .note_behind(floor, next.checkpoint, next.note)
        .unwrap();
    // Another exchange may have gone on meanwhile: what counts is what was known when this one was asked.
    let behind = log.at(20);
    checkpoints
        .note_behind(floor, behind.checkpoint, behind.note)
        .unwrap();
    let rewound = log.at(12);
    let reason = checkpoints
        .note_behind(floor, rewound.checkpoint, rewound.note)
        .unwrap_err();
    assert!(
        matches!(
            reason,
            Distrust::Shrunk {
                from: 21,
                to: 12,
                ..
            }
        ),
        "{reason}"
    );
}

#[test]
fn promises_stay_until_they_are_proved_and_the_largest_is_always_among_them() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(200);
    // Many runs, none of which ever saw a published checkpoint.
    for size in 1..=40 {
        let run = open(dir.path(), &log, &Standing::default()).unwrap();
        note(&run, log.at(size)).unwrap();
        note(&run, log.at(size + 100)).unwrap();
        run.remember().unwrap();
    }
    let key = LogKey::new(ORIGIN, log.signer.key()).unwrap();
    let kept = promised::read(&dir.path().join(promised::FILE), &key).unwrap();
    let sizes = Vec::from_iter(kept.iter().map(|signed| signed.checkpoint.size));
    assert_eq!((sizes.len(), sizes[0], sizes[15]), (16, 101, 140));

    let mut ledger = Ledger::default();
    for signed in kept {
        ledger.carry(signed).unwrap();
    }
    assert!(ledger.carries());
    settle(&mut ledger, &log, 120).unwrap();
    assert!(ledger.carries(), "140 is not published yet");
    let rewound = Log::new(200).forked(130);
    assert!(settle(&mut ledger, &rewound, 150).is_err());
    settle(&mut ledger, &log, 150).unwrap();
    assert!(!ledger.carries());
}

#[test]
fn two_processes_with_one_home_do_not_forget_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(64);
    let [one, other] = [(), ()].map(|()| open(dir.path(), &log, &Standing::default()).unwrap());
    note(&one, log.at(30)).unwrap();
    note(&other, log.at(20)).unwrap();
    one.remember().unwrap();
    other.remember().unwrap();
    assert_eq!(
        open(dir.path(), &log, &Standing::default())
            .unwrap()
            .floor(),
        30
    );
    // What the one was told convicts what the other is told.
    let standing = Standing::default();
    let third = open(dir.path(), &log, &standing).unwrap();
    note(&one, log.at(40)).unwrap();
    one.remember().unwrap();
    note(&third, Log::new(64).forked(35).at(40)).unwrap();
    assert!(matches!(third.remember(), Err(SeenError::Distrust(_))));
    assert!(standing.hold().is_err());
}

#[test]
fn a_damaged_memory_is_never_guessed() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(64);
    let file = dir.path().join(promised::FILE);
    let other = Checkpoint {
        origin: "other.example/log".to_owned(),
        ..log.at(3).checkpoint
    };
    let other = other.sign(&log.signer);
    let whole = String::from_utf8(log.at(20).note.to_vec()).unwrap();
    let mut bad = vec![
        "nonsense".to_owned(),
        format!("{}----------\n", &whole[..whole.len() - 9]),
        format!("{whole}----------\nmore"),
    ];
    bad.extend(other.map(|signed| String::from_utf8(signed.note.to_vec()).unwrap()));
    for text in bad {
        std::fs::write(&file, &text).unwrap();
        let opened = open(dir.path(), &log, &Standing::default());
        assert!(matches!(opened, Err(SeenError::Damaged { .. })), "{text}");
    }
    std::fs::write(&file, "").unwrap();
    assert_eq!(
        open(dir.path(), &log, &Standing::default())
            .unwrap()
            .floor(),
        0
    );
}
