//! Sound directories verify at every awkward size; damage of every kind is a finding, never a wrong
//! answer and never a panic.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use proptest::prelude::*;
use proto::digest::leaf_hash;
use tempfile::TempDir;

use super::*;
use crate::checkpoint::tests::TestSigner;
use crate::tiles::durable;
use crate::tiles::fixtures::{
    ORIGIN, files_of, head_of, log_key, sample_entries, signed, write_log,
};

mod pruned;
mod witnessed;

fn given() -> Options<'static> {
    Options {
        key: Some(log_key()),
        ..Options::default()
    }
}

fn log_of(count: usize, sizes: &[usize]) -> (TempDir, Vec<Bytes>) {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(count as u64);
    write_log(dir.path(), &entries, sizes);
    (dir, entries)
}

fn rules(report: &Report) -> Vec<&'static str> {
    report
        .findings
        .kept()
        .iter()
        .map(|finding| finding.rule)
        .collect()
}

#[test]
fn sound_logs_of_every_awkward_size_are_proven() {
    for count in [0usize, 1, 255, 256, 257, 600, 70_000] {
        let (dir, entries) = log_of(count, &[count / 2, count]);
        let (mut seen, mut told) = (0, (0, 0));
        let options = Options {
            on_entry: Some(&mut |index, _| {
                assert_eq!(index, seen);
                seen += 1;
            }),
            on_progress: Some(&mut |done, all| told = (done, all)),
            ..given()
        };
        let report = verify_directory(dir.path(), options);
        assert!(report.is_proven(), "{count}: {:?}", report.findings);
        assert_eq!(rules(&report), [""; 0]);
        assert_eq!(report.entries, count as u64);
        assert_eq!(report.root, Some(head_of(&entries).root));
        assert_eq!((seen, told), (count as u64, (count as u64, count as u64)));
        assert_eq!(report.checkpoint.unwrap().size, count as u64);
    }
}

#[test]
fn every_entry_is_proved_out_of_the_files() {
    let (dir, entries) = log_of(600, &[100, 600]);
    for index in 0..600u64 {
        let proven = prove(dir.path(), index, &log_key()).unwrap();
        let expected = &entries[index as usize];
        assert_eq!(&proven.bytes, expected);
        let text = proven.to_tlog_proof(None).to_text();
        let proof = crate::receipt::tlog_proof::TlogProof::from_text(&text).unwrap();
        assert_eq!(
            proof.verify(&leaf_hash(expected), &log_key()).unwrap(),
            proven.checkpoint
        );
    }
    for beyond in [600, u64::MAX] {
        let proven = prove(dir.path(), beyond, &log_key());
        assert!(matches!(proven, Err(ProveError::Beyond { size: 600, .. })));
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(
        prove(empty.path(), 0, &log_key()),
        Err(ProveError::NotPublished(_))
    ));
}

#[test]
fn a_kept_proof_holds_in_every_later_copy_and_convicts_a_log_that_was_put_back() {
    let entries = sample_entries(700);
    let at = |sizes: &[usize], entries: &[Bytes]| {
        let dir = tempfile::tempdir().unwrap();
        write_log(dir.path(), entries, sizes);
        dir
    };
    let then = at(&[300], &entries);
    let proof = |dir: &TempDir, index: u64, extra: bool| {
        let proven = prove(dir.path(), index, &log_key()).unwrap();
        proven.to_tlog_proof(extra.then(|| proven.bytes.clone()))
    };
    let later = at(&[300, 512, 700], &entries);
    for (index, extra) in [(0, true), (255, false), (299, true)] {
        let kept = proof(&then, index, extra);
        let held = compare(later.path(), &kept, &log_key()).unwrap();
        assert_eq!((held.then.size, held.now.size), (300, 700));
        assert!(compare(then.path(), &kept, &log_key()).is_ok());
    }
    // Put back and not gone on: shorter. Put back and gone on: another history, even where the entry is the same.
    let kept = proof(&then, 7, true);
    let shorter = at(&[200], &entries);
    assert!(matches!(
        compare(shorter.path(), &kept, &log_key()),
        Err(HeldError::Shorter {
            then: 300,
            now: 200
        })
    ));
    let mut other = entries.clone();
    other[250] = Bytes::from_iter(entries[250].iter().copied().chain([1]));
    for size in [300, 700] {
        let forked = at(&[size], &other);
        let compared = compare(forked.path(), &kept, &log_key());
        assert!(
            matches!(compared, Err(HeldError::Forked { .. })),
            "{size}: {compared:?}"
        );
    }
    // A proof that does not hold says nothing against the log.
    let mut bad = kept.clone();
    bad.extra = Some(entries[8].clone());
    assert!(matches!(
        compare(later.path(), &bad, &log_key()),
        Err(HeldError::Proof(_))
    ));
    let mut bad = kept;
    bad.proof.pop();
    bad.extra = None;
    assert!(matches!(
        compare(later.path(), &bad, &log_key()),
        Err(HeldError::Proof(_))
    ));
}

#[test]
fn the_key_in_the_directory_serves_but_is_named() {
    let (dir, _) = log_of(10, &[10]);
    let report = verify_directory(dir.path(), Options::default());
    assert!(report.is_proven() && !report.key_given);
    assert_eq!(rules(&report), [rule::KEY_FROM_DIRECTORY]);
    fs::write(dir.path().join("log.vkey"), b"not a key").unwrap();
    let report = verify_directory(dir.path(), Options::default());
    assert!(!report.is_proven());
    assert_eq!(
        rules(&report),
        [rule::KEY_UNUSABLE, rule::CHECKPOINT_UNSIGNED]
    );
    assert_eq!(report.entries, 10, "the rest was checked all the same");
    assert!(verify_directory(dir.path(), given()).is_proven());
}

/// Every file, several bytes of each, one at a time: an error, or nothing changed for the auditor.
#[test]
fn a_flipped_byte_in_any_file_is_found() {
    let (dir, entries) = log_of(600, &[100, 600]);
    let root = head_of(&entries).root;
    for (name, bytes) in files_of(dir.path()) {
        if name == "log.vkey" {
            continue;
        }
        let path = dir.path().join(&name);
        for at in [
            0,
            1,
            2,
            40,
            bytes.len() / 3,
            bytes.len() / 2,
            bytes.len() - 1,
        ] {
            let mut spoiled = bytes.clone();
            let at = at.min(bytes.len() - 1);
            spoiled[at] ^= 0x04;
            fs::write(&path, &spoiled).unwrap();
            let report = verify_directory(dir.path(), given());
            assert!(!report.is_proven(), "{name} byte {at} unnoticed");
            for index in [0, 99, 300, 599] {
                if let Ok(proven) = prove(dir.path(), index, &log_key()) {
                    assert_eq!(proven.bytes, entries[index as usize]);
                    assert_eq!(proven.checkpoint.root, root);
                }
            }
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert!(verify_directory(dir.path(), given()).is_proven());
}

#[test]
fn an_altered_entry_and_an_altered_tile_are_told_apart() {
    let (dir, _) = log_of(600, &[600]);
    let files = files_of(dir.path());
    let finding = |report: &Report| {
        report
            .findings
            .kept()
            .iter()
            .find(|finding| finding.rule == rule::TILE_MISMATCH)
            .cloned()
            .unwrap()
    };
    // In the header of entry 256: its framing stays whole.
    let mut bundle = files["tile/entries/001"].clone();
    bundle[80] ^= 1;
    fs::write(dir.path().join("tile/entries/001"), bundle).unwrap();
    let report = verify_directory(dir.path(), given());
    let found = finding(&report);
    assert_eq!(found.index, Some(256));
    assert!(found.detail.ends_with("the entry was altered"), "{found}");
    assert!(report.findings.names(rule::ROOT_MISMATCH));
    fs::write(
        dir.path().join("tile/entries/001"),
        &files["tile/entries/001"],
    )
    .unwrap();

    let mut tile = files["tile/0/001"].clone();
    tile[32 * 7] ^= 1;
    fs::write(dir.path().join("tile/0/001"), tile).unwrap();
    let report = verify_directory(dir.path(), given());
    let found = finding(&report);
    assert_eq!(found.index, Some(263));
    assert!(found.detail.ends_with("the tile was altered"), "{found}");
    assert!(!report.findings.names(rule::ROOT_MISMATCH));
}

#[test]
fn missing_short_long_and_extra_files_are_named() {
    let (dir, entries) = log_of(600, &[100, 600]);
    let root = Some(head_of(&entries).root);
    let files = files_of(dir.path());
    let at = |name: &str| dir.path().join(name);
    let check = |expected: &str| {
        let report = verify_directory(dir.path(), given());
        assert!(
            report.findings.names(expected),
            "{expected}: {:?}",
            report.findings.kept()
        );
        report
    };
    let restore = |name: &str| fs::write(at(name), &files[name]).unwrap();

    fs::remove_file(at("tile/entries/001")).unwrap();
    let report = check(rule::BUNDLE_MISSING);
    assert_eq!(
        (report.entries, report.root),
        (344, root),
        "the tiles still tell the root"
    );
    fs::remove_file(at("tile/0/001")).unwrap();
    let report = check(rule::TILE_MISSING);
    assert_eq!(report.root, root, "the tile above still tells the root");
    fs::remove_file(at("tile/1/000.p/2")).unwrap();
    assert_eq!(check(rule::TILE_MISSING).root, None);
    for name in ["tile/entries/001", "tile/0/001", "tile/1/000.p/2"] {
        restore(name);
    }
    for (name, rule) in [
        ("tile/entries/001", rule::BUNDLE_MALFORMED),
        ("tile/0/001", rule::TILE_MALFORMED),
        ("tile/entries/000.p/100", rule::PARTIAL_MISMATCH),
        ("tile/0/000.p/100", rule::PARTIAL_MISMATCH),
        ("checkpoint", rule::CHECKPOINT_UNSIGNED),
    ] {
        let bytes = &files[name];
        for cut in [bytes.len() - 1, bytes.len() / 2, 1, 0] {
            fs::write(at(name), &bytes[..cut]).unwrap();
            assert!(!check(rule).is_proven());
        }
        fs::write(at(name), [&bytes[..], b"x"].concat()).unwrap();
        assert!(!check(rule).is_proven());
        restore(name);
    }
    fs::remove_file(at("checkpoint")).unwrap();
    let report = check(rule::CHECKPOINT_UNREADABLE);
    assert_eq!(
        (report.entries, report.root),
        (600, root),
        "the files tell how far they go"
    );
    restore("checkpoint");
    for name in [
        "tile/entries/oddity",
        "tile/0/002.p/9.tmp",
        "tile/9/000",
        "tile/entries/x001/000.q/1",
    ] {
        durable::write_file(&at(name), b"extra").unwrap();
        check(rule::UNKNOWN_FILE);
        fs::remove_file(at(name)).unwrap();
    }
    durable::write_file(&at("tile/entries/003"), b"for later").unwrap();
    assert!(check(rule::BEYOND_CHECKPOINT).is_proven());
}

#[test]
fn huge_files_pipes_links_and_directories_in_the_way_are_findings() {
    for name in [
        "checkpoint",
        "log.vkey",
        "tile/entries/001",
        "tile/0/000",
        "tile/entries/000.p/100",
    ] {
        let (dir, _) = log_of(600, &[100, 600]);
        let path = dir.path().join(name);
        // Sparse: a terabyte that takes no room.
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        assert!(
            !verify_directory(dir.path(), Options::default()).is_proven(),
            "{name}"
        );
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        // Where only an older form stood an empty directory hides nothing.
        let harmless = name.contains(".p/");
        assert_eq!(
            verify_directory(dir.path(), Options::default()).is_proven(),
            harmless,
            "{name}"
        );
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_ne!(
            rules(&verify_directory(dir.path(), Options::default())),
            [rule::KEY_FROM_DIRECTORY]
        );
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        assert_ne!(
            rules(&verify_directory(dir.path(), Options::default())),
            [rule::KEY_FROM_DIRECTORY]
        );
    }
    let nowhere = PathBuf::from("/nonexistent/log");
    assert!(!verify_directory(&nowhere, given()).is_proven());
}

/// Rewrites the whole directory around other entries and signs with the real key: what an operator
/// could do. Hashes cannot show it; the rules about entries must.
fn forged(change: impl FnOnce(&mut Vec<Bytes>)) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let mut entries = sample_entries(300);
    change(&mut entries);
    let count = entries.len();
    write_log(dir.path(), &entries, &[count]);
    verify_directory(dir.path(), given())
}

#[test]
fn entries_that_break_the_rules_are_found_even_under_a_true_signature() {
    assert!(forged(|_| ()).is_proven());
    let report = forged(|entries| entries.swap(10, 20));
    assert_eq!(rules(&report), [rule::TIME_BACKWARDS; 2]);
    // Entry 5 is a registry entry: without it every later stamp names one that is not there.
    let report = forged(|entries| drop(entries.remove(5)));
    assert_eq!(rules(&report), [rule::REGISTRY_STAMP; 2]);
    assert_eq!(report.findings.kept()[0].index, Some(5));
    let report = forged(|entries| drop(entries.remove(0)));
    assert!(report.findings.names(rule::GENESIS));
    let report = forged(|entries| entries[7] = Bytes::from_static(b"no entry"));
    assert_eq!(rules(&report), [rule::ENTRY_MALFORMED]);
    assert_eq!(report.findings.kept()[0].index, Some(7));
    let report = forged(|entries| entries[9] = entries[0].clone());
    assert!(report.findings.names(rule::GENESIS) && !report.is_proven());
}

#[test]
fn a_checkpoint_that_claims_more_than_there_is_ends_and_says_so() {
    let (dir, entries) = log_of(300, &[300]);
    let head = TreeHead {
        size: u64::MAX,
        root: head_of(&entries).root,
    };
    fs::write(dir.path().join("checkpoint"), signed(head)).unwrap();
    let report = verify_directory(dir.path(), given());
    assert!(report.findings.names(rule::BUNDLE_MISSING) && !report.is_proven());
    assert_eq!(report.entries, 300);
    // The same with a file that makes the log look as long as claimed.
    durable::write_file(&dir.path().join("tile/entries/x001/x000/x000/000"), b"").unwrap();
    let report = verify_directory(dir.path(), given());
    assert!(report.findings.names(rule::WALK_ENDED) && !report.is_proven());
    assert!(report.findings.kept().len() < 400 && report.findings.dropped() > 1_000);
}

#[test]
fn another_logs_key_or_another_signer_proves_nothing() {
    let (dir, _) = log_of(30, &[30]);
    use proto::key::Signer;
    for key in [
        LogKey::new(ORIGIN, TestSigner::new(2).key()).unwrap(),
        LogKey::new("log.example/other", TestSigner::new(1).key()).unwrap(),
    ] {
        let report = verify_directory(
            dir.path(),
            Options {
                key: Some(key.clone()),
                ..Options::default()
            },
        );
        assert!(!report.is_proven() && !report.signed);
        assert_eq!(rules(&report), [rule::CHECKPOINT_UNSIGNED]);
        assert!(matches!(
            prove(dir.path(), 3, &key),
            Err(ProveError::Checkpoint(_))
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_damage_is_found_or_harmless(
        pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), mask in 1u8..=255, index in 0u64..300,
    ) {
        let (dir, entries) = log_of(300, &[40, 290, 300]);
        let files = files_of(dir.path());
        let names: Vec<&String> = files.keys().collect();
        let name = names[pick.index(names.len())];
        let mut bytes = files[name].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        fs::write(dir.path().join(name), bytes).unwrap();
        let report = verify_directory(dir.path(), given());
        prop_assert!(name == "log.vkey" || !report.is_proven(), "{name} {at} {mask}");
        if let Ok(proven) = prove(dir.path(), index, &log_key()) {
            prop_assert_eq!(&proven.bytes, &entries[index as usize]);
        }
    }
}
