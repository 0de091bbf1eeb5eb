//! Every file of a small log missing or damaged, alone and together, with and without another copy.

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::tiles::TileStore;
use crate::tiles::fixtures::{files_of, head_of, prune_by_hand, sample_entries, write_log};

fn log_of(count: u64, sizes: &[usize]) -> (TempDir, Vec<Bytes>) {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(count);
    write_log(dir.path(), &entries, sizes);
    (dir, entries)
}

/// Mends, and makes sure that everything met on the way is what was recorded.
fn mended(dir: &Path, others: &[&Path], entries: &[Bytes], write: bool) -> Mended {
    let own = TileStore::new(dir);
    let copies = others.iter().fold(Copies::of(&own), |copies, other| {
        copies.and_dir(TileStore::new(*other))
    });
    let aside = dir.join("set-aside");
    let mut next = 0;
    let mut on_leaf = |index: u64, leaf: Leaf<'_>| {
        assert!(index >= next);
        next = index + 1;
        let recorded = &entries[index as usize];
        match leaf {
            Leaf::Entry(entry) => assert_eq!(entry, recorded),
            Leaf::Hash(hash) => assert_eq!(*hash, leaf_hash(recorded)),
        }
    };
    let mut told = 0;
    let options = Options {
        set_aside: write.then_some(&aside),
        on_leaf: &mut on_leaf,
        on_progress: &mut |done, _| told = done,
    };
    let mended = mend(&copies, head_of(entries), options).unwrap();
    assert_eq!(told, entries.len() as u64);
    mended
}

/// The files of the log itself.
fn log_files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = files_of(dir);
    files.retain(|path, _| !path.starts_with("set-aside"));
    files
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_whole_log_of_any_size_is_left_as_it_is() {
    for count in [0u64, 1, 255, 256, 257, 600, 66_000] {
        let (dir, entries) = log_of(count, &[count as usize / 2, count as usize]);
        let before = files_of(dir.path());
        let found = mended(dir.path(), &[], &entries, true);
        assert_eq!(found, Mended::default());
        assert_eq!(files_of(dir.path()), before);
    }
}

#[test]
fn every_hash_tile_and_all_together_come_back_from_the_bundles() {
    let (dir, entries) = log_of(66_000, &[66_000]);
    let whole = log_files(dir.path());
    let tiles: Vec<_> = whole
        .keys()
        .filter(|path| path.starts_with("tile/") && !path.starts_with("tile/entries"))
        // One in eight of the many at level 0.
        .filter(|path| !path.starts_with("tile/0") || path.ends_with(['7', '/']))
        .collect();
    assert!(tiles.len() > 20);
    for (turn, path) in tiles.iter().enumerate() {
        let file = dir.path().join(path);
        if turn % 2 == 0 {
            fs::remove_file(&file).unwrap();
        } else {
            flip(&file);
        }
        // The first and every eighth: the walk takes a while.
        if turn % 8 == 0 || turn + 1 == tiles.len() {
            let found = mended(dir.path(), &[], &entries, true);
            assert!(found.lost.is_empty(), "{path}: {:?}", found.lost);
            assert!(found.files.contains(&PathBuf::from(path)));
            assert_eq!(log_files(dir.path()), whole);
        }
    }
    for level in 0..3 {
        fs::remove_dir_all(dir.path().join(format!("tile/{level}"))).unwrap();
    }
    assert!(mended(dir.path(), &[], &entries, true).lost.is_empty());
    assert_eq!(log_files(dir.path()), whole);
}

#[test]
fn a_lost_bundle_comes_back_from_another_copy_and_what_stood_there_is_set_aside() {
    let entries = sample_entries(1_300);
    let other = tempfile::tempdir().unwrap();
    write_log(other.path(), &entries, &[1_200]);
    let longer = tempfile::tempdir().unwrap();
    let more = sample_entries(1_500);
    write_log(longer.path(), &more, &[1_500]);
    let (dir, _) = log_of(1_300, &[700, 1_300]);
    let whole = log_files(dir.path());
    for path in [
        "tile/entries/000",
        "tile/entries/003",
        "tile/entries/005.p/20",
    ] {
        let file = dir.path().join(path);
        for missing in [true, false] {
            flip(&file);
            let damaged = fs::read(&file).unwrap();
            if missing {
                fs::remove_file(&file).unwrap();
            }
            // The edge is only in the longer copy, as the beginning of a full bundle.
            let found = mended(dir.path(), &[other.path(), longer.path()], &entries, true);
            assert_eq!(found.files, [PathBuf::from(path)]);
            assert!(found.lost.is_empty());
            assert_eq!(log_files(dir.path()), whole);
            let aside = dir.path().join("set-aside").join(path);
            assert_eq!(fs::read(&aside).ok(), (!missing).then_some(damaged));
            let _ = fs::remove_dir_all(dir.path().join("set-aside"));
        }
    }
}

#[test]
fn every_range_that_no_copy_has_is_named_with_its_file_and_nothing_is_invented() {
    let (dir, entries) = log_of(1_300, &[1_300]);
    let at = |path: &str| dir.path().join(path);
    fs::remove_file(at("tile/entries/001")).unwrap();
    fs::write(at("tile/entries/003"), b"").unwrap();
    flip(&at("tile/entries/004"));
    fs::write(at("tile/entries/005.p/20"), [0xff; 100]).unwrap();
    // Another log's files are no copy.
    let mut others = entries.clone();
    others.reverse();
    let other = tempfile::tempdir().unwrap();
    write_log(other.path(), &others, &[1_300]);
    let before = files_of(dir.path());
    let found = mended(dir.path(), &[other.path()], &entries, true);
    let lost: Vec<_> = found
        .lost
        .iter()
        .map(|lost| (lost.entries.clone(), lost.path.as_str()))
        .collect();
    assert_eq!(lost[0], (256..512, "tile/entries/001"));
    assert_eq!(lost[1], (768..1_024, "tile/entries/003"));
    // One entry of this bundle was altered: the others are whole.
    let (one, path) = lost[2].clone();
    assert_eq!((one.end - one.start, path), (1, "tile/entries/004"));
    assert_eq!(lost[3], (1_280..1_300, "tile/entries/005.p/20"));
    assert_eq!((lost.len(), found.files.len()), (4, 0));
    assert_eq!(files_of(dir.path()), before);
}

#[test]
fn pieces_of_several_damaged_copies_make_one_whole() {
    let (dir, entries) = log_of(600, &[600]);
    let whole = log_files(dir.path());
    let (other, _) = log_of(600, &[600]);
    let damage = |dir: &Path, at: usize| {
        let path = dir.join("tile/entries/001");
        let mut bytes = fs::read(&path).unwrap();
        let place = bytes.len() * at / 10;
        bytes[place] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    damage(dir.path(), 2);
    damage(other.path(), 7);
    fs::remove_file(dir.path().join("tile/0/001")).unwrap();
    fs::remove_file(dir.path().join("tile/1/000.p/2")).unwrap();
    let found = mended(dir.path(), &[other.path()], &entries, true);
    assert!(found.lost.is_empty(), "{:?}", found.lost);
    assert_eq!(log_files(dir.path()), whole);
}

#[test]
fn tile_and_bundle_gone_together_are_named_as_one_range() {
    let (dir, entries) = log_of(1_300, &[1_300]);
    fs::remove_file(dir.path().join("tile/entries/001")).unwrap();
    fs::remove_file(dir.path().join("tile/0/001")).unwrap();
    flip(&dir.path().join("tile/entries/002"));
    fs::remove_file(dir.path().join("tile/0/002")).unwrap();
    let found = mended(dir.path(), &[], &entries, true);
    let lost: Vec<_> = found.lost.iter().map(|lost| lost.entries.clone()).collect();
    assert_eq!(lost, [256..512, 512..768]);
    assert_eq!(found.lost[0].path, "tile/0/001");
}

#[test]
fn entries_from_elsewhere_fill_bundles_that_no_copy_has() {
    let (dir, entries) = log_of(600, &[600]);
    let whole = log_files(dir.path());
    fs::remove_dir_all(dir.path().join("tile/entries")).unwrap();
    let own = TileStore::new(dir.path());
    let read = |range: Range<u64>| -> Vec<(u64, Bytes)> {
        let upto = (range.end as usize).min(entries.len());
        (range.start..)
            .zip(entries[range.start as usize..upto].iter().cloned())
            .collect()
    };
    let aside = dir.path().join("set-aside");
    let options = Options {
        set_aside: Some(&aside),
        on_leaf: &mut |_, _| {},
        on_progress: &mut |_, _| {},
    };
    let copies = Copies::of(&own).and_entries(&read);
    let found = mend(&copies, head_of(&entries), options).unwrap();
    assert_eq!((found.files.len(), found.lost.len()), (3, 0));
    assert_eq!(log_files(dir.path()), whole);
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let (dir, entries) = log_of(600, &[300, 600]);
    flip(&dir.path().join("tile/0/000"));
    fs::remove_file(dir.path().join("tile/entries/001")).unwrap();
    let before = files_of(dir.path());
    let dry = mended(dir.path(), &[], &entries, false);
    assert_eq!(files_of(dir.path()), before);
    assert_eq!(mended(dir.path(), &[], &entries, true), dry);
    assert_eq!(dry.files, [PathBuf::from("tile/0/000")]);
    assert_eq!(dry.lost.len(), 1);
}

#[test]
fn older_forms_that_are_damaged_are_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(300);
    write_log(dir.path(), &entries[..280], &[280]);
    let keep = |path: &str| fs::read(dir.path().join(path)).unwrap();
    let old = (keep("tile/entries/001.p/24"), keep("tile/0/001.p/24"));
    fs::remove_dir_all(dir.path().join("tile")).unwrap();
    fs::remove_file(dir.path().join("checkpoint")).unwrap();
    write_log(dir.path(), &entries, &[300]);
    fs::write(dir.path().join("tile/entries/001.p/24"), b"junk").unwrap();
    fs::write(dir.path().join("tile/0/001.p/24"), b"junk").unwrap();
    assert_eq!(mended(dir.path(), &[], &entries, true).files.len(), 2);
    let now = (keep("tile/entries/001.p/24"), keep("tile/0/001.p/24"));
    assert_eq!(now, old);
}

#[test]
fn a_pruned_log_is_whole_and_what_it_kept_comes_back_from_a_copy() {
    let (dir, entries) = log_of(1_300, &[1_300]);
    let (other, _) = log_of(1_300, &[1_300]);
    prune_by_hand(dir.path(), 512);
    let whole = log_files(dir.path());
    assert_eq!(mended(dir.path(), &[], &entries, true), Mended::default());
    for copy in [false, true] {
        if copy {
            prune_by_hand(other.path(), 512);
        }
        for damage in [true, false] {
            let kept = dir.path().join("pruned/000");
            if damage {
                flip(&kept);
            } else {
                fs::remove_file(&kept).unwrap();
            }
            let found = mended(dir.path(), &[other.path()], &entries, true);
            assert!(found.lost.is_empty());
            assert_eq!(found.files, [PathBuf::from("pruned/000")]);
            assert_eq!(log_files(dir.path()), whole);
        }
    }
    flip(&dir.path().join("pruned/000"));
    let found = mended(dir.path(), &[], &entries, true);
    assert_eq!(found.lost[0].path, "pruned/000");
}

#[test]
fn a_root_that_nothing_makes_proves_nothing() {
    let (dir, entries) = log_of(600, &[600]);
    let copies_of = TileStore::new(dir.path());
    let copies = Copies::of(&copies_of);
    let mut wrong = head_of(&entries);
    wrong.root = Digest::of(b"another");
    let options = Options {
        set_aside: None,
        on_leaf: &mut |_, _| panic!("nothing is proved"),
        on_progress: &mut |_, _| {},
    };
    assert!(matches!(
        mend(&copies, wrong, options),
        Err(MendError::Unproven(Unproven::Edge { size: 600 }))
    ));
}
