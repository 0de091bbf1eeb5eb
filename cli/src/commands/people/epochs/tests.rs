//! The authority's folder: it comes back as it was, and a mistake loses nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const NOW: u64 = 1_795_000_000_000;
const OUTPUT: Output = Output {
    language: proto::refusal::Language::English,
    json: false,
};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned().into()).unwrap()
}

fn ours() -> Passphrase {
    passphrase("seven words that nobody would guess")
}

fn agreement() -> Digest {
    Digest::of(b"an agreement")
}

/// A folder with one epoch, whose passphrase stands in a file beside it.
fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let (dir, file) = (root.path().join("masters"), root.path().join("passphrase"));
    key_files::write_private(&file, b"seven words that nobody would guess\n").unwrap();
    let mut epochs = Epochs::found(&dir).unwrap();
    epochs.begin(NOW, 5, &ours()).unwrap();
    (root, dir, file)
}

#[test]
fn epochs_come_back_and_masters_lie_encrypted_and_owner_only() {
    let (_root, dir, file) = folder();
    let mut epochs = Epochs::open(&dir).unwrap();
    epochs.begin(NOW + 1, 5, &ours()).unwrap();
    let derived = epochs.derive(2, agreement(), &ours()).unwrap();
    let again = Epochs::open(&dir).unwrap();
    assert_eq!(again.list, epochs.list);
    assert!(again.list[1].derived.contains(&agreement()));
    let masters = again.masters(Some(&file), OUTPUT).unwrap();
    assert_eq!(masters.len(), 2);
    assert_ne!(masters[0].1, masters[1].1);
    assert_eq!(masters[1].1.key(&agreement()).unwrap(), derived.key);
    let path = again.master_path(2);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let stored = fs::read(&path).unwrap();
    let secret = masters[1].1.as_bytes();
    assert!(!stored.windows(8).any(|found| found == &secret[..8]));
    assert!(Epochs::found(&dir).is_err(), "a second new makes nothing");
}

#[test]
fn a_destroyed_epoch_gives_nothing_and_the_others_go_on() {
    let (_root, dir, file) = folder();
    let mut epochs = Epochs::open(&dir).unwrap();
    epochs.begin(NOW + 1, 5, &ours()).unwrap();
    epochs.destroy(1, NOW + 2).unwrap();
    assert!(!epochs.master_path(1).exists());
    let again = Epochs::open(&dir).unwrap();
    assert_eq!(again.list[0].destroyed_at_ms, Some(NOW + 2));
    let numbers: Vec<_> = again
        .masters(Some(&file), OUTPUT)
        .unwrap()
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    assert_eq!(numbers, [2]);
    assert!(epochs.derive(1, agreement(), &ours()).is_err());
    // Once more changes nothing, not even when it was.
    epochs.destroy(1, NOW + 9).unwrap();
    assert_eq!(epochs.list[0].destroyed_at_ms, Some(NOW + 2));
    epochs.destroy(2, NOW + 9).unwrap();
    assert!(
        Epochs::open(&dir)
            .unwrap()
            .masters(None, OUTPUT)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn wrong_passphrases_lost_files_and_damaged_indexes_are_told() {
    let (root, dir, file) = folder();
    let epochs = Epochs::open(&dir).unwrap();
    let other = root.path().join("other");
    key_files::write_private(&other, b"another one altogether\n").unwrap();
    assert!(epochs.masters(Some(&other), OUTPUT).is_err());
    assert!(epochs.epoch(0).is_err() && epochs.epoch(2).is_err());
    let moved = root.path().join("moved");
    fs::rename(epochs.master_path(1), &moved).unwrap();
    let lost = epochs.masters(Some(&file), OUTPUT).unwrap_err();
    assert!(lost.what[0].contains("epoch-0001"), "{lost:?}");
    fs::rename(&moved, epochs.master_path(1)).unwrap();
    let index = dir.join(INDEX);
    let good = fs::read_to_string(&index).unwrap();
    for bad in [
        String::new(),
        "epoch = []".to_owned(),
        good.replace("number = 1", "number = 2"),
        good.replace("derived = []", "derived = [\"ab\"]"),
        format!("{good}more = 1\n"),
        "\u{0}".to_owned(),
    ] {
        fs::write(&index, &bad).unwrap();
        assert_eq!(Epochs::open(&dir).unwrap_err().exit, Exit::Usage, "{bad}");
    }
    fs::remove_file(&index).unwrap();
    let missing = Epochs::open(&dir).unwrap_err();
    assert!(missing.next[0].contains("subject-key new"));
}

#[test]
fn an_epoch_begins_after_the_one_before() {
    let (_root, dir, _) = folder();
    let mut epochs = Epochs::open(&dir).unwrap();
    assert!(epochs.begin(NOW, 5, &ours()).is_err());
    assert!(epochs.begin(NOW + 1, 5, &passphrase("short")).is_err());
    assert_eq!(Epochs::open(&dir).unwrap().list.len(), 1);
    // What a crash left between master and index is never written over.
    fs::copy(epochs.master_path(1), epochs.master_path(2)).unwrap();
    assert!(epochs.begin(NOW + 1, 5, &ours()).is_err());
    assert_eq!(Epochs::open(&dir).unwrap().list.len(), 1);
}
