//! Paths, files written step by step, proofs read back, compare-and-set of the checkpoint.

use proptest::prelude::*;
use proto::digest::{leaf_hash, tree_head};

use super::fixtures::{files_of, head_of, sample_entries, signed, write_log};
use super::published::{publish, read_published};
use super::*;
use crate::checkpoint::Checkpoint;
use crate::checkpoint::tests::TestSigner;
use crate::tree::{TreeHead, consistency_proof, inclusion_proof, verify_consistency};

mod edge;
mod foreign;

#[test]
fn paths_have_the_published_form() {
    assert_eq!(
        TilePath::hashes(0, 1_234_067).to_path(),
        "tile/0/x001/x234/067"
    );
    assert_eq!(
        TilePath::entries(0).with_width(1).unwrap().to_path(),
        "tile/entries/000.p/1"
    );
    for bad in [
        "tile/0/x001/x234/067.p/256",
        "tile/0/x001/x234/067.p/0",
        "tile/0/x001/x234/067.p/01",
        "tile/0/x000/067",
        "tile/0/001/067",
        "tile/0/x067",
        "tile/0/67",
        "tile/0/+67",
        "tile/00/067",
        "tile/8/067",
        "tile/0/067/",
        "tile/0/",
        "tile//067",
        "/tile/0/067",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "checkpoint",
    ] {
        assert_eq!(TilePath::from_path(bad), None, "accepted {bad}");
    }
}

proptest! {
    #[test]
    fn paths_read_back(level in 0u8..9, index in any::<u64>(), shift in 0u32..64, width in 1u16..=256) {
        let index = index >> shift;
        let tile = if level == 8 { TilePath::entries(index) } else { TilePath::hashes(level, index) };
        let tile = tile.with_width(width).unwrap();
        prop_assert_eq!(TilePath::from_path(&tile.to_path()), Some(tile));
    }
}

#[test]
fn seventy_thousand_entries_make_the_files_that_the_specification_counts() {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(70_000);
    write_log(dir.path(), &entries, &[70_000]);
    let names: Vec<String> = files_of(dir.path()).into_keys().collect();
    let full = |level: &str| {
        let start = format!("tile/{level}/");
        names
            .iter()
            .filter(|name| name.starts_with(&start) && !name.contains(".p/"))
            .count()
    };
    assert_eq!(
        (full("0"), full("1"), full("2"), full("entries")),
        (273, 1, 0, 273)
    );
    let mut partial: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| name.contains(".p/"))
        .collect();
    partial.sort_unstable();
    assert_eq!(
        partial,
        [
            "tile/0/273.p/112",
            "tile/1/001.p/17",
            "tile/2/000.p/1",
            "tile/entries/273.p/112"
        ]
    );
    assert_eq!(
        names.len(),
        273 + 273 + 1 + 4 + 2,
        "and checkpoint and key, nothing else"
    );

    let store = TileStore::new(dir.path());
    let head = head_of(&entries);
    let reader = store.reader(70_000);
    for index in [0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let proof = inclusion_proof(&reader, index, 70_000).unwrap();
        let leaf = leaf_hash(&entries[index as usize]);
        crate::tree::verify_inclusion(&leaf, index, 70_000, &proof, &head.root).unwrap();
    }
    for old in [1usize, 255, 256, 257, 65_536, 69_999] {
        let old_head = head_of(&entries[..old]);
        let proof = consistency_proof(&reader, old as u64, 70_000).unwrap();
        verify_consistency(old as u64, &old_head.root, 70_000, &head.root, &proof).unwrap();
    }
}

#[test]
fn steps_of_any_width_end_in_the_same_full_files_as_one_step() {
    let entries = sample_entries(1_400);
    let once = tempfile::tempdir().unwrap();
    write_log(once.path(), &entries, &[1_400]);
    let once = files_of(once.path());
    for sizes in [
        vec![0, 1, 2, 255, 256, 257, 511, 1_400],
        vec![300, 300, 512, 513, 1_279, 1_280, 1_400],
        (0..=1_400).step_by(50).collect(),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write_log(dir.path(), &entries, &sizes);
        let stepped = files_of(dir.path());
        assert!(
            once.iter()
                .all(|(name, bytes)| stepped.get(name) == Some(bytes)),
            "{sizes:?}"
        );
        let writer = TileStore::new(dir.path()).writer();
        writer.remove_superseded(0, 1_400).unwrap();
        let mut left = files_of(dir.path());
        left.retain(|name, _| !name.contains(".p/"));
        let mut full = once.clone();
        full.retain(|name, _| !name.contains(".p/"));
        assert_eq!(left, full);
        let kept: Vec<Bytes> = TileStore::new(dir.path())
            .read_entries(0..u64::MAX, 1_400)
            .map(|entry| entry.unwrap().1)
            .collect();
        assert_eq!(kept, entries);
    }
}

#[test]
fn a_new_writer_goes_on_where_the_files_end_and_repeats_without_harm() {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(600);
    let step = |from: usize, to: usize| {
        let (old, new) = (head_of(&entries[..from]), head_of(&entries[..to]));
        let part = entries[from..to].iter().cloned().map(Ok);
        TileStore::new(dir.path())
            .writer()
            .write_for(old, new, part)
    };
    step(0, 250).unwrap();
    step(250, 520).unwrap();
    // A crash before publishing: the same step again, then a wider one from the older size.
    step(250, 520).unwrap();
    step(250, 600).unwrap();
    TileStore::new(dir.path())
        .writer()
        .remove_superseded(0, 600)
        .unwrap();
    step(250, 600).unwrap();
    assert_eq!(
        TileStore::new(dir.path()).read_entries(10..20, 600).count(),
        10
    );
    assert_eq!(
        TileStore::new(dir.path())
            .read_entries(590..700, 600)
            .count(),
        10
    );
}

#[test]
fn the_writer_refuses_damage_wrong_entries_and_wrong_counts() {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(400);
    write_log(dir.path(), &entries, &[300]);
    let old = head_of(&entries[..300]);
    let new = head_of(&entries);
    let rest = || entries[300..].iter().cloned().map(Ok);
    let store = TileStore::new(dir.path());
    let before = files_of(dir.path());
    let wrong_old = TreeHead {
        root: new.root,
        ..old
    };
    assert!(matches!(
        store.writer().write_for(wrong_old, new, rest()),
        Err(TileError::WrongRoot { .. })
    ));
    let swapped = rest().rev();
    assert!(matches!(
        store.writer().write_for(old, new, swapped),
        Err(TileError::WrongRoot { .. })
    ));
    let short = rest().skip(1);
    assert!(matches!(
        store.writer().write_for(old, new, short),
        Err(TileError::WrongCount { .. })
    ));
    let long = rest().chain([Ok(Bytes::from_static(b"x"))]);
    assert!(matches!(
        store.writer().write_for(old, new, long),
        Err(TileError::WrongCount { .. })
    ));
    let huge = [Ok(Bytes::from(vec![0; 65_536]))];
    assert!(matches!(
        store.writer().write_for(old, new, huge),
        Err(TileError::EntryTooLarge(65_536))
    ));
    assert_eq!(files_of(dir.path()), before, "nothing was written");

    for name in ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"] {
        let mut spoiled = before[name].clone();
        spoiled[20] ^= 1;
        fs::write(dir.path().join(name), &spoiled).unwrap();
        assert!(
            store.writer().write_for(old, new, rest()).is_err(),
            "{name}"
        );
        fs::write(dir.path().join(name), &before[name]).unwrap();
    }
    fs::write(dir.path().join("tile/0/001.p/144"), b"something else").unwrap();
    assert!(matches!(
        store.writer().write_for(old, new, rest()),
        Err(TileError::Conflict { .. })
    ));
}

#[test]
fn the_checkpoint_moves_only_forward_and_only_from_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(20);
    let head = |size: usize| head_of(&entries[..size]);
    assert_eq!(read_published(dir.path()).unwrap(), None);
    let not_expected = |result| matches!(result, Err(PublishError::NotExpected { .. }));
    assert!(not_expected(publish(
        dir.path(),
        Some(head(5)),
        &signed(head(10))
    )));
    publish(dir.path(), None, &signed(head(10))).unwrap();
    assert!(not_expected(publish(dir.path(), None, &signed(head(12)))));
    assert!(not_expected(publish(
        dir.path(),
        Some(head(9)),
        &signed(head(12))
    )));
    let forked = TreeHead {
        size: 10,
        root: head(9).root,
    };
    assert!(not_expected(publish(
        dir.path(),
        Some(forked),
        &signed(head(12))
    )));
    for backward in [head(9), forked] {
        let result = publish(dir.path(), Some(head(10)), &signed(backward));
        assert!(matches!(result, Err(PublishError::NotForward { .. })));
    }
    let other = Checkpoint {
        origin: "log.example/other".into(),
        size: 12,
        root: head(12).root,
    };
    let other = other.sign(&TestSigner::new(1)).unwrap().note;
    assert!(matches!(
        publish(dir.path(), Some(head(10)), &other),
        Err(PublishError::OtherLog { .. })
    ));
    publish(dir.path(), Some(head(10)), &signed(head(10))).unwrap();
    publish(dir.path(), Some(head(10)), &signed(head(20))).unwrap();
    let published = read_published(dir.path()).unwrap().unwrap();
    assert_eq!(published.checkpoint.head(), head(20));
    assert_eq!(published.note, signed(head(20)));
    fs::write(dir.path().join("checkpoint"), b"rot").unwrap();
    assert!(publish(dir.path(), Some(head(20)), &signed(head(20))).is_err());
}

#[test]
fn of_two_publishers_at_once_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(40);
    publish(dir.path(), None, &signed(head_of(&entries[..1]))).unwrap();
    let expected = Some(head_of(&entries[..1]));
    let won: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (2..10)
            .map(|size| {
                let note = signed(head_of(&entries[..size]));
                let path = dir.path();
                scope.spawn(move || usize::from(publish(path, expected, &note).is_ok()))
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
}

#[test]
fn the_reader_refuses_what_is_not_whole_and_notices_short_files() {
    use crate::tree::HashReader;
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(600);
    write_log(dir.path(), &entries, &[600]);
    let store = TileStore::new(dir.path());
    let reader = store.reader(600);
    assert!(reader.node(0, 599).is_ok());
    for (level, index) in [
        (0, 600),
        (3, 75),
        (8, 2),
        (9, 1),
        (10, 0),
        (63, 0),
        (64, 0),
        (255, 0),
        (0, u64::MAX),
    ] {
        assert!(reader.node(level, index).is_err(), "{level} {index}");
    }
    let leaves: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    assert_eq!(reader.node(9, 0).unwrap(), tree_head(&leaves[..512]));
    assert_eq!(reader.node(4, 36).unwrap(), tree_head(&leaves[576..592]));
    fs::write(dir.path().join("tile/0/001"), [0; 8_191]).unwrap();
    assert!(store.reader(600).node(0, 256).is_err());
    fs::write(dir.path().join("tile/0/001"), vec![0; 9_000]).unwrap();
    assert!(store.reader(600).node(0, 256).is_err());
}
