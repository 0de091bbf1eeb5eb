//! A log as of an older checkpoint: the same as an older copy, and a checkpoint that it does not extend is a fork.

use tempfile::TempDir;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::checkpoint::tests::TestSigner;
use crate::tiles::fixtures::{ORIGIN, head_of, log_key, sample_entries, signed, write_log};
use crate::verify::{Options, Report, verify_directory};

const COUNT: usize = 700;

fn log(entries: &[Bytes]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), entries, &[100, 300, entries.len()]);
    dir
}

fn as_of(dir: &TempDir, at: At) -> Report {
    let options = Options {
        key: Some(log_key()),
        at: Some(at),
        ..Options::default()
    };
    verify_directory(dir.path(), options)
}

fn rules(report: &Report) -> Vec<&'static str> {
    let kept = report.findings.kept().iter();
    kept.map(|finding| finding.rule).collect()
}

#[test]
fn every_earlier_size_is_what_an_earlier_copy_was() {
    let entries = sample_entries(COUNT as u64);
    let dir = log(&entries);
    for size in [0, 1, 2, 255, 256, 257, 299, 300, 512, 699, 700] {
        let then = head_of(&entries[..size]);
        for at in [At::Size(size as u64), At::Note(signed(then))] {
            let report = as_of(&dir, at);
            assert!(report.is_proven(), "{size}: {:?}", report.findings);
            assert_eq!(rules(&report), [""; 0], "{size}");
            assert_eq!(report.entries, size as u64);
            assert_eq!(report.root, Some(then.root));
            assert_eq!(report.as_of.map(|as_of| as_of.size), Some(size as u64));
        }
    }
}

#[test]
fn a_checkpoint_that_the_log_does_not_extend_is_a_fork_and_both_roots_are_named() {
    let entries = sample_entries(COUNT as u64);
    let dir = log(&entries);
    let mut others = entries.clone();
    others[150] = others[152].clone();
    for size in [151, 300, 700] {
        let (ours, theirs) = (head_of(&entries[..size]), head_of(&others[..size]));
        let report = as_of(&dir, At::Note(signed(theirs)));
        assert_eq!(rules(&report), [rule::FORK], "{size}");
        let detail = &report.findings.kept()[0].detail;
        assert!(detail.contains(&ours.root.to_string()), "{detail}");
        assert!(detail.contains(&theirs.root.to_string()), "{detail}");
        assert!(!report.is_proven());
    }
    // Before the two histories part, the other one's checkpoints are ours.
    assert!(as_of(&dir, At::Note(signed(head_of(&others[..150])))).is_proven());
    // Put back to an older copy: the log is shorter than what its key signed.
    let more = sample_entries(COUNT as u64 + 10);
    let report = as_of(&dir, At::Note(signed(head_of(&more))));
    assert_eq!(rules(&report), [rule::FORK]);
    assert_eq!(report.entries, COUNT as u64);
}

#[test]
fn what_is_no_checkpoint_of_this_log_cannot_be_stopped_at() {
    let entries = sample_entries(COUNT as u64);
    let dir = log(&entries);
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 300,
        root: head_of(&entries[..300]).root,
    };
    let stranger = checkpoint.sign(&TestSigner::new(9)).unwrap().note;
    let mut cut = signed(head_of(&entries[..300])).to_vec();
    cut.truncate(cut.len() / 2);
    for at in [
        At::Note(stranger),
        At::Note(cut.into()),
        At::Note(Bytes::new()),
        At::Note(vec![0xff; 100].into()),
        At::Size(COUNT as u64 + 1),
        At::Size(u64::MAX),
    ] {
        let report = as_of(&dir, at.clone());
        assert_eq!(rules(&report), [rule::AT], "{at:?}");
        assert_eq!(report.entries, 0);
        assert!(!report.is_proven());
    }
}

#[test]
fn what_follows_is_left_out_but_the_published_checkpoint_must_go_on_from_it() {
    let entries = sample_entries(COUNT as u64);
    // An entry that is damaged later on is no matter.
    let dir = log(&entries);
    let bundle = dir.path().join("tile/entries/002.p/188");
    let mut bytes = std::fs::read(&bundle).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&bundle, &bytes).unwrap();
    assert!(as_of(&dir, At::Size(300)).is_proven());
    // Another published checkpoint is: what is looked at is not what it covers.
    let other = sample_entries(COUNT as u64 + 1);
    let forged = TreeHead {
        size: COUNT as u64,
        root: head_of(&other).root,
    };
    std::fs::write(dir.path().join("checkpoint"), signed(forged)).unwrap();
    let report = as_of(&dir, At::Size(300));
    assert_eq!(rules(&report), [rule::ROOT_MISMATCH]);
}
