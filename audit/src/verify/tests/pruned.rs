//! Pruned directories: what need not be there, and what must be all the same.

use super::*;
use crate::tiles::TilePath;
use crate::tiles::TileStore;
use crate::tiles::fixtures::prune_by_hand;
use crate::tiles::pruned::{KEPT_DIR, MINIMUM_FILE, kept_path, write_minimum};

/// 1,300 entries, pruned below `minimum`.
fn pruned_log(minimum: u64) -> (TempDir, Vec<Bytes>) {
    let (dir, entries) = log_of(1_300, &[400, 1_300]);
    prune_by_hand(dir.path(), minimum);
    (dir, entries)
}

fn bundle(dir: &TempDir, number: u64) -> PathBuf {
    TileStore::new(dir.path()).file(TilePath::entries(number))
}

fn errors(dir: &TempDir) -> Vec<&'static str> {
    let report = verify_directory(dir.path(), given());
    let mut rules: Vec<_> = report
        .findings
        .kept()
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.rule)
        .collect();
    rules.dedup();
    rules
}

#[test]
fn a_pruned_log_is_proven_with_a_warning_and_its_registry_is_whole() {
    for minimum in [256, 300, 512, 1_279, 1_280] {
        let (dir, entries) = pruned_log(minimum);
        let whole = verify_directory(log_of(1_300, &[1_300]).0.path(), given());
        let mut seen = 0;
        let options = Options {
            key: Some(log_key()),
            on_entry: Some(&mut |_, _| seen += 1),
            ..Options::default()
        };
        let report = verify_directory(dir.path(), options);
        assert!(report.is_proven(), "{minimum}: {:?}", report.findings);
        assert_eq!(rules(&report), [rule::PRUNED]);
        assert_eq!(report.minimum_index, minimum);
        assert_eq!(report.root, Some(head_of(&entries).root));
        assert_eq!(report.registry, whole.registry);
        assert_eq!(report.entries + report.pruned, 1_300);
        assert_eq!(seen, report.entries);
        let bundles = minimum / 256;
        let kept = (0..bundles * 256)
            .filter(|at| *at == 0 || at % 97 == 5)
            .count() as u64;
        assert_eq!(report.pruned, bundles * 256 - kept);
    }
}

#[test]
fn newer_entries_kept_ones_and_old_receipts_are_still_proved() {
    let whole = log_of(1_300, &[400, 1_300]).0;
    let receipt = |index, extra: bool| {
        let proven = prove(whole.path(), index, &log_key()).unwrap();
        proven.to_tlog_proof(extra.then(|| proven.bytes.clone()))
    };
    let receipts: Vec<_> = [0, 7, 511, 512, 1_299]
        .into_iter()
        .flat_map(|index| [receipt(index, true), receipt(index, false)])
        .collect();
    let (dir, entries) = pruned_log(512);
    for index in [0, 5, 102, 512, 513, 1_299] {
        let proven = prove(dir.path(), index, &log_key()).unwrap();
        assert_eq!(proven.bytes, entries[index as usize]);
    }
    for index in [1, 256, 511] {
        let proven = prove(dir.path(), index, &log_key());
        assert!(
            matches!(proven, Err(ProveError::Pruned { minimum: 512, .. })),
            "{index}"
        );
    }
    for receipt in receipts {
        assert!(compare(dir.path(), &receipt, &log_key()).is_ok());
    }
    // A receipt of something that was never there convicts a pruned log as well.
    let mut other = entries;
    other[7] = other[9].clone();
    let forked = tempfile::tempdir().unwrap();
    write_log(forked.path(), &other, &[400]);
    let proven = prove(forked.path(), 7, &log_key()).unwrap();
    let held = compare(dir.path(), &proven.to_tlog_proof(None), &log_key());
    assert!(matches!(held, Err(HeldError::Forked { .. })));
}

#[test]
fn an_entry_missing_above_the_minimum_index_is_an_error_as_before() {
    let (dir, _) = pruned_log(512);
    fs::remove_file(bundle(&dir, 3)).unwrap();
    assert_eq!(errors(&dir), [rule::BUNDLE_MISSING, rule::REGISTRY_STAMP]);
    let (dir, _) = pruned_log(512);
    // One entry less than a whole bundle.
    write_minimum(dir.path(), 511).unwrap();
    assert_eq!(errors(&dir), [rule::BUNDLE_MISSING, rule::REGISTRY_STAMP]);
    fs::remove_file(dir.path().join(MINIMUM_FILE)).unwrap();
    assert_eq!(errors(&dir)[0], rule::BUNDLE_MISSING);
}

#[test]
fn a_hash_tile_is_never_pruned() {
    let (dir, _) = pruned_log(512);
    fs::remove_file(dir.path().join("tile/0/001")).unwrap();
    assert!(errors(&dir).contains(&rule::TILE_MISSING));
}

#[test]
fn what_is_kept_must_be_what_the_tiles_name_and_all_of_the_registry() {
    let (dir, _) = pruned_log(512);
    let path = dir.path().join(kept_path(1));
    let whole = fs::read(&path).unwrap();
    let mut altered = whole.clone();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(&path, &altered).unwrap();
    let found = errors(&dir);
    assert!(
        found.contains(&rule::TILE_MISMATCH) && found.contains(&rule::REGISTRY_STAMP),
        "{found:?}"
    );
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(errors(&dir).contains(&rule::KEPT_MALFORMED));
    fs::remove_file(&path).unwrap();
    assert_eq!(errors(&dir), [rule::REGISTRY_STAMP]);
    fs::remove_dir_all(dir.path().join(KEPT_DIR)).unwrap();
    assert_eq!(errors(&dir), [rule::REGISTRY_STAMP]);
}

#[test]
fn a_claim_that_leaves_nothing_is_no_claim() {
    for claim in ["1300\n", "99999999\n", "junk", ""] {
        let (dir, _) = pruned_log(512);
        fs::write(dir.path().join(MINIMUM_FILE), claim).unwrap();
        let found = errors(&dir);
        assert!(
            found.contains(&rule::MINIMUM_INDEX) && found.contains(&rule::BUNDLE_MISSING),
            "{claim:?}: {found:?}"
        );
    }
}

#[test]
fn bundles_that_are_still_there_are_verified_as_ever() {
    let (dir, entries) = log_of(1_300, &[1_300]);
    write_minimum(dir.path(), 512).unwrap();
    let report = verify_directory(dir.path(), given());
    assert!(report.is_proven() && report.pruned == 0);
    assert_eq!(rules(&report), [""; 0]);
    fs::write(bundle(&dir, 0), &entries[0]).unwrap();
    assert!(errors(&dir).contains(&rule::BUNDLE_MALFORMED));
}
