//! Damage at the right edge is noticed at start and written again from the entries.

use std::fs;

use super::super::fixtures::{files_of, head_of, sample_entries, write_log};
use super::super::{TileError, TilePath, TileStore};

#[test]
fn a_damaged_right_edge_is_noticed_and_written_again_from_the_entries() {
    let entries = sample_entries(70_000);
    for count in [1usize, 255, 256, 257, 600, 65_536, 70_000] {
        let entries = &entries[..count];
        let dir = tempfile::tempdir().unwrap();
        write_log(dir.path(), entries, &[count]);
        let (head, sound) = (head_of(entries), files_of(dir.path()));
        let mut writer = TileStore::new(dir.path()).writer();
        writer.check_edge(head).unwrap();
        let size = count as u64;
        let mut edge = vec![TilePath::entries(size / 256).at_size(size)];
        edge.push((size / 256).checked_sub(1).map(TilePath::entries));
        for level in 0..3 {
            let last = (size >> (8 * level)) / 256;
            edge.push(TilePath::hashes(level as u8, last).at_size(size));
            edge.push(
                last.checked_sub(1)
                    .map(|full| TilePath::hashes(level as u8, full)),
            );
        }
        for tile in edge.into_iter().flatten() {
            let path = dir.path().join(tile.to_path());
            let whole = fs::read(&path).unwrap();
            let mut flipped = whole.clone();
            *flipped.last_mut().unwrap() ^= 1;
            let longer = [&whole[..], &[0]].concat();
            let damages = [None, Some(flipped), Some(longer), Some(Vec::new())];
            for damaged in damages {
                match &damaged {
                    Some(bytes) => fs::write(&path, bytes).unwrap(),
                    None => fs::remove_file(&path).unwrap(),
                }
                let what = format!(
                    "{count} {} {:?}",
                    tile.to_path(),
                    damaged.map(|bytes| bytes.len())
                );
                assert!(writer.check_edge(head).is_err(), "{what}");
                let again = entries.iter().cloned().map(Ok);
                assert_eq!(
                    writer.rebuild(head, again).unwrap(),
                    std::slice::from_ref(&path),
                    "{what}"
                );
                writer.check_edge(head).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), whole);
            if count > 60_000 && tile.level() == Some(0) {
                break;
            }
        }
        fs::remove_dir_all(dir.path().join("tile")).unwrap();
        assert!(writer.check_edge(head).is_err());
        writer
            .rebuild(head, entries.iter().cloned().map(Ok))
            .unwrap();
        let mut all = files_of(dir.path());
        all.retain(|name, _| sound.contains_key(name));
        assert_eq!(all, sound, "{count}");
    }
}

#[test]
fn narrower_files_of_earlier_sizes_are_looked_at_and_written_again_too() {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(300);
    write_log(dir.path(), &entries, &[20, 270, 280, 300]);
    let (head, sound) = (head_of(&entries), files_of(dir.path()));
    let mut writer = TileStore::new(dir.path()).writer();
    for name in ["tile/entries/001.p/14", "tile/0/001.p/24"] {
        fs::write(dir.path().join(name), "damaged").unwrap();
        let error = writer.check_edge(head).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        writer
            .rebuild(head, entries.iter().cloned().map(Ok))
            .unwrap();
        writer.check_edge(head).unwrap();
        assert_eq!(files_of(dir.path()), sound);
    }
}

#[test]
fn entries_of_another_log_rebuild_nothing_that_could_be_published() {
    let dir = tempfile::tempdir().unwrap();
    let entries = sample_entries(300);
    write_log(dir.path(), &entries, &[300]);
    let mut writer = TileStore::new(dir.path()).writer();
    let mut other = entries.clone();
    other[299] = entries[298].clone();
    let rebuilt = writer.rebuild(head_of(&entries), other.into_iter().map(Ok));
    assert!(
        matches!(rebuilt, Err(TileError::WrongRoot { .. })),
        "{rebuilt:?}"
    );
    writer.check_edge(head_of(&entries)).unwrap();
}
