//! Tokens by `openssl` over the checkpoints of a small log: a switch whose clock was wrong is convicted, one whose
//! clock was right is not.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use proto::digest::leaf_hash;
use proto::entry::{Draft, Entry, Kind, Stamp};
use tempfile::TempDir;

use super::*;
use crate::checkpoint::tests::TestSigner;
use crate::checkpoint::{Checkpoint, LogKey};
use crate::clock::Clock;
use crate::tiles::fixtures::{ORIGIN, head_of, log_key, signed, write_log};
use crate::timestamp::openssl::World;
use crate::timestamp::{Request, kept};
use crate::tree::Edge;
use crate::verify::{Options, Report, Severity, verify_directory, verify_time};

const SECOND: u64 = 1_000_000;

/// A log in a folder, stamped as told, and an authority.
struct Stamped {
    world: World,
    dir: TempDir,
    entries: Vec<Bytes>,
    now_us: u64,
}

impl Stamped {
    /// `stamps` are seconds from now.
    fn log(stamps: &[i64]) -> Self {
        let world = World::new();
        world.issue("tsa", "ec:P-256", "root", "stamps");
        let now_us = Clock::System.now_us();
        let dir = tempfile::tempdir().unwrap();
        let entries = entries(now_us, stamps);
        write_log(dir.path(), &entries, &[entries.len()]);
        Self {
            world,
            dir,
            entries,
            now_us,
        }
    }

    fn note(&self, size: usize) -> Bytes {
        signed(head_of(&self.entries[..size]))
    }

    fn token(&self, note: &[u8]) -> Vec<u8> {
        self.world.reply(&Request::new(note).unwrap(), "tsa", "")
    }

    /// Lets the authority stamp the checkpoint of `size` now.
    fn stamp(&self, size: usize) {
        let note = self.note(size);
        kept::keep(self.dir.path(), size as u64, &note, &self.token(&note)).unwrap();
    }

    fn verify(&self) -> Report {
        let time = TimeOptions::new(self.world.roots("root"));
        verify_directory(
            self.dir.path(),
            Options {
                key: Some(log_key()),
                time: Some(time),
                ..Options::default()
            },
        )
    }

    fn file(&self, name: Name) -> std::path::PathBuf {
        name.path(self.dir.path())
    }
}

fn entries(now_us: u64, stamps: &[i64]) -> Vec<Bytes> {
    let mut registry = Edge::new();
    let entry = |(index, seconds): (usize, &i64)| {
        let kind = if index == 0 {
            Kind::Genesis
        } else {
            Kind::Request
        };
        let draft = Draft {
            kind,
            facts: Bytes::new(),
            header: Bytes::from(format!("header {index}")),
            seal: None,
        };
        let stamp = Stamp {
            recorded_at_us: now_us.saturating_add_signed(seconds * SECOND as i64),
            broker: 1,
            registry_size: registry.size(),
            registry_root: registry.root(),
        };
        let bytes = Entry::new(draft, stamp).encode().unwrap();
        if kind.is_registry() {
            registry.push(leaf_hash(&bytes));
        }
        bytes
    };
    stamps.iter().enumerate().map(entry).collect()
}

fn found(report: &Report) -> Vec<(Option<u64>, &'static str, Severity)> {
    let findings = report.findings.kept().iter();
    findings
        .map(|finding| (finding.index, finding.rule, finding.severity))
        .collect()
}

fn no_error_but(report: &Report, index: Option<u64>, rule: &'static str) {
    assert_eq!(
        found(report),
        [(index, rule, Severity::Error)],
        "{:?}",
        report.findings.kept()
    );
    assert!(!report.is_proven());
}

#[test]
fn a_switch_whose_clock_was_right_is_not_convicted() {
    // What comes within seconds of a token may lie on either side of it.
    let log = Stamped::log(&[-300, -299, -1, -1, 1, 2]);
    for size in [3, 4, 6] {
        log.stamp(size);
    }
    let report = log.verify();
    assert!(
        report.is_proven() && found(&report).is_empty(),
        "{:?}",
        report.findings
    );
    let time = report.time;
    assert_eq!((time.tokens, time.verified, time.covered), (3, 3, 6));
    let (begin, end) = time.span_us.unwrap();
    assert!(begin >= log.now_us - SECOND && end >= begin);
    assert!(time.longest_gap.unwrap().0 < Duration::from_secs(60));
}

#[test]
fn a_stamp_from_before_a_checkpoint_that_does_not_have_it_convicts() {
    let log = Stamped::log(&[-300, -200, -100, -90, 3]);
    log.stamp(2);
    // The authority saw two entries now; the third one claims to be from 100 seconds ago.
    let report = log.verify();
    no_error_but(&report, Some(2), rule::BACK_DATED);
    assert!(
        report.findings.kept()[0].detail.contains("stamped 98."),
        "{:?}",
        report.findings
    );
    // With a tolerance that covers it, it is no finding.
    let time = TimeOptions {
        roots: log.world.roots("root"),
        tolerance: Duration::from_secs(200),
    };
    let report = verify_directory(
        log.dir.path(),
        Options {
            key: Some(log_key()),
            time: Some(time),
            ..Options::default()
        },
    );
    assert!(report.is_proven());
}

#[test]
fn a_stamp_later_than_the_token_over_it_convicts() {
    let log = Stamped::log(&[-3, -2, 100, 101]);
    log.stamp(2);
    log.stamp(3);
    no_error_but(&log.verify(), Some(2), rule::TIME_AHEAD);
    // Also where the next token, over it and more, is the one to tell.
    fs::remove_file(log.file(Name::First(3))).unwrap();
    fs::remove_file(log.file(Name::Note(3))).unwrap();
    log.stamp(4);
    no_error_but(&log.verify(), Some(3), rule::TIME_AHEAD);
}

#[test]
fn a_log_that_stood_still_is_bounded_from_both_sides() {
    let log = Stamped::log(&[-300, -200, -100, 3]);
    let note = log.note(2);
    log.stamp(2);
    fs::remove_file(log.file(Name::First(2))).unwrap();
    // Only a later word over the same checkpoint: it binds what comes after.
    kept::keep_again(log.dir.path(), 2, &log.token(&note)).unwrap();
    let report = log.verify();
    let errors: Vec<_> = found(&report)
        .into_iter()
        .filter(|found| found.2 == Severity::Error)
        .collect();
    assert_eq!(errors, [(Some(2), rule::BACK_DATED, Severity::Error)]);
    // Both together: two tokens, one size.
    log.stamp(2);
    assert_eq!(log.verify().time.tokens, 2);
    fs::write(log.file(Name::Last(2)), log.token(b"another note")).unwrap();
    assert!(log.verify().findings.names(rule::TIME_TOKEN));
}

#[test]
fn tokens_that_were_exchanged_damaged_or_removed_are_findings() {
    let sound = || {
        let log = Stamped::log(&[-3, -2, -1]);
        log.stamp(1);
        log.stamp(2);
        log
    };
    let log = sound();
    let (one, two) = (log.file(Name::First(1)), log.file(Name::First(2)));
    fs::copy(&one, &two).unwrap();
    no_error_but(&log.verify(), None, rule::TIME_TOKEN);

    let log = sound();
    fs::write(log.file(Name::First(1)), b"").unwrap();
    no_error_but(&log.verify(), None, rule::TIME_TOKEN);

    let log = sound();
    fs::write(log.file(Name::First(1)), vec![0x30; RESPONSE_BYTES_MAX + 1]).unwrap();
    no_error_but(&log.verify(), None, rule::TIME_TOKEN);

    let log = sound();
    fs::remove_file(log.file(Name::Note(1))).unwrap();
    assert!(log.verify().findings.names(rule::TIME_NOTE));

    let log = sound();
    fs::remove_file(log.file(Name::First(1))).unwrap();
    let report = log.verify();
    assert_eq!(
        found(&report),
        [(None, rule::TIME_TOKEN, Severity::Warning)]
    );

    let log = sound();
    for (name, what) in [
        ("00000000000000000001.tsr.tmp", "never finished"),
        ("readme", "not part"),
    ] {
        fs::write(log.dir.path().join(TIME_DIR).join(name), b"x").unwrap();
        let report = log.verify();
        let details: Vec<_> = report
            .findings
            .kept()
            .iter()
            .map(|finding| &finding.detail)
            .collect();
        assert!(
            details.iter().any(|detail| detail.contains(what)),
            "{details:?}"
        );
        assert!(report.is_proven());
    }

    // A note under another size's name, with a sound token over it.
    let log = sound();
    let note = log.note(1);
    kept::keep(log.dir.path(), 3, &note, &log.token(&note)).unwrap();
    assert!(log.verify().findings.names(rule::TIME_NOTE));
}

#[test]
fn a_stamped_checkpoint_of_another_history_convicts() {
    let log = Stamped::log(&[-3, -2, -1]);
    let keep = |checkpoint: Checkpoint, signer: u8| {
        let note = checkpoint.sign(&TestSigner::new(signer)).unwrap().note;
        kept::keep(log.dir.path(), checkpoint.size, &note, &log.token(&note)).unwrap();
    };
    let other = entries(log.now_us, &[-9, -8, -7, -6]);
    let checkpoint = |size: usize| Checkpoint {
        origin: ORIGIN.into(),
        size: size as u64,
        root: head_of(&other[..size]).root,
    };
    // The same key, another tree: who holds the key signed two histories.
    keep(checkpoint(2), 1);
    no_error_but(&log.verify(), Some(2), rule::TIME_FORK);
    keep(checkpoint(4), 1);
    fs::remove_file(log.file(Name::Note(2))).unwrap();
    fs::remove_file(log.file(Name::First(2))).unwrap();
    // It signed for more than there is now.
    no_error_but(&log.verify(), None, rule::TIME_FORK);
    // Somebody else's key.
    keep(checkpoint(4), 2);
    no_error_but(&log.verify(), None, rule::TIME_NOTE);
}

#[test]
fn without_roots_tokens_are_counted_and_their_notes_still_compared() {
    let log = Stamped::log(&[-3, 100]);
    log.stamp(1);
    let given = || Options {
        key: Some(log_key()),
        ..Options::default()
    };
    let report = verify_directory(log.dir.path(), given());
    assert_eq!(
        found(&report),
        [(None, rule::TIME_UNVERIFIED, Severity::Notice)]
    );
    assert_eq!((report.time.tokens, report.time.verified), (1, 0));
    fs::remove_dir_all(log.dir.path().join(TIME_DIR)).unwrap();
    assert_eq!(
        verify_directory(log.dir.path(), given()).time,
        TimeReport::default()
    );
    let report = log.verify();
    assert_eq!(
        found(&report),
        [(None, rule::TIME_MISSING, Severity::Warning)]
    );
    // Roots of somebody else.
    log.stamp(1);
    log.world.root("stranger");
    let time = TimeOptions::new(log.world.roots("stranger"));
    let report = verify_directory(
        log.dir.path(),
        Options {
            time: Some(time),
            ..given()
        },
    );
    no_error_but(&report, None, rule::TIME_TOKEN);
}

#[test]
fn each_token_is_told_with_what_became_of_it() {
    let log = Stamped::log(&[-3, -2, -1]);
    log.stamp(1);
    log.stamp(3);
    kept::keep_again(log.dir.path(), 3, b"nonsense").unwrap();
    let time = TimeOptions::new(log.world.roots("root"));
    let mut told = Vec::new();
    let mut on_token = |token: &Token| {
        told.push((
            token.size,
            token.again,
            token.time.as_ref().is_some_and(Result::is_ok),
        ));
    };
    let key: Option<LogKey> = Some(log_key());
    let (report, findings) = verify_time(log.dir.path(), key, Some(&time), &mut on_token);
    assert_eq!(told, [(1, false, true), (3, false, true), (3, true, false)]);
    assert_eq!(
        (report.tokens, report.verified, findings.errors()),
        (3, 2, 1)
    );
    let none = verify_time(Path::new("/nowhere"), None, Some(&time), &mut |_| {});
    assert!(none.1.errors() > 0);
}
