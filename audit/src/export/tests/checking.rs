//! Exports are held against their manifest and against the log; places that are taken stay as they are.

use std::fs;

use tempfile::TempDir;

use super::{exported, options, script, silent};
use crate::export::*;
use crate::tiles::fixtures::{head_of, log_key, signed, write_log};

#[test]
fn an_export_checks_out_until_one_bit_of_it_is_another() {
    let log = script().write();
    for format in Format::ALL {
        let to = tempfile::tempdir().unwrap();
        let filtered = Options {
            filter: Filter {
                consumer: Some("EG/GOV/MOSS".to_owned()),
                ..Filter::default()
            },
            ..options(format)
        };
        let (path, exported) = exported(&log, &to, &filtered);
        assert_eq!(exported.manifest.matched, 600);
        let manifest = Manifest::beside(&path);
        let plain = |key, log| check(&manifest, key, log, &mut silent());
        assert!(!plain(None, None).unwrap().signed);
        let whole = plain(Some(log_key()), Some(log.path())).unwrap();
        assert!(whole.signed && whole.compared == Some(Compared::Bytes));

        let bytes = fs::read(&path).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            fs::write(&path, other).unwrap();
            assert!(matches!(
                plain(None, None),
                Err(CheckError::OtherBytes { .. })
            ));
        }
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(
            plain(None, None),
            Err(CheckError::OtherBytes { .. })
        ));
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            plain(None, None),
            Err(CheckError::Unreadable { .. })
        ));
    }
}

#[test]
fn the_log_contradicts_a_manifest_that_was_changed() {
    let log = script().write();
    let to = tempfile::tempdir().unwrap();
    let (path, exported) = exported(&log, &to, &options(Format::Csv));
    let manifest = Manifest::beside(&path);
    let changed = |change: &dyn Fn(&mut Manifest)| {
        let mut other = exported.manifest.clone();
        change(&mut other);
        fs::write(&manifest, other.to_json()).unwrap();
        check(&manifest, Some(log_key()), Some(log.path()), &mut silent())
    };
    assert!(changed(&|_| {}).is_ok());
    let narrower = |other: &mut Manifest| {
        other.filter.insert("purpose".to_owned(), "test".to_owned());
    };
    assert!(matches!(
        changed(&narrower),
        Err(CheckError::Numbers { .. })
    ));
    assert!(matches!(
        changed(&|other| other.scanned += 1),
        Err(CheckError::Numbers { .. })
    ));
    assert!(matches!(
        changed(&|other| other.matched += 1),
        Err(CheckError::Numbers { .. })
    ));
    assert!(matches!(
        changed(&|other| other.byte_order_mark = true),
        Err(CheckError::MadeAgain { .. })
    ));
    // Another version may write other bytes; the numbers are the log's all the same.
    let later = changed(&|other| other.made_by = "mohawel 9".to_owned()).unwrap();
    assert_eq!(later.compared, Some(Compared::Counts));
    assert!(matches!(
        changed(&|other| other.checkpoint = other.checkpoint.replace("619\n", "618\n")),
        Err(CheckError::Checkpoint(_))
    ));
    let unknown = |other: &mut Manifest| {
        other.filter.insert("colour".to_owned(), "red".to_owned());
    };
    assert!(matches!(changed(&unknown), Err(CheckError::Manifest(_))));
    for elsewhere in ["../entries.csv", "/etc/passwd", "..", "", "a/b"] {
        let moved = changed(&|other| other.file = elsewhere.to_owned());
        assert!(matches!(moved, Err(CheckError::Manifest(_))), "{elsewhere}");
    }
    for bad in ["", "{}", "[]", "{\"format_version\": 1}"] {
        fs::write(&manifest, bad).unwrap();
        let read = check(&manifest, None, None, &mut silent());
        assert!(matches!(read, Err(CheckError::Manifest(_))), "{bad}");
    }
    fs::write(&manifest, "x".repeat(1 << 17)).unwrap();
    let read = check(&manifest, None, None, &mut silent());
    assert!(matches!(read, Err(CheckError::Unreadable { .. })));
}

#[test]
fn an_export_is_compared_with_the_log_as_it_was() {
    let script = script();
    let log = tempfile::tempdir().unwrap();
    write_log(log.path(), &script.entries[..300], &[300]);
    let to = tempfile::tempdir().unwrap();
    let (path, _) = exported(&log, &to, &options(Format::JsonLines));
    // The log went on.
    let store = crate::tiles::TileStore::new(log.path());
    let (old, new) = (head_of(&script.entries[..300]), head_of(&script.entries));
    let rest = script.entries[300..].iter().cloned().map(Ok);
    store.writer().write_for(old, new, rest).unwrap();
    crate::tiles::published::publish(log.path(), Some(old), &signed(new)).unwrap();
    let manifest = Manifest::beside(&path);
    let ask = |log: &TempDir| check(&manifest, Some(log_key()), Some(log.path()), &mut silent());
    assert_eq!(ask(&log).unwrap().compared, Some(Compared::Bytes));
    // Another log of the same key.
    let mut other = script.entries.clone();
    other.swap(10, 12);
    let fork = tempfile::tempdir().unwrap();
    write_log(fork.path(), &other, &[other.len()]);
    assert!(matches!(ask(&fork), Err(CheckError::Log(_))));
    let shorter = tempfile::tempdir().unwrap();
    write_log(shorter.path(), &script.entries[..200], &[200]);
    assert!(matches!(ask(&shorter), Err(CheckError::Export(_))));
}

#[test]
fn a_place_that_is_taken_stays_and_a_failed_export_leaves_nothing() {
    let log = script().write();
    let to = tempfile::tempdir().unwrap();
    let names = || fs::read_dir(to.path()).unwrap().count();
    let (path, _) = exported(&log, &to, &options(Format::Csv));
    let again = export(log.path(), &path, &options(Format::Csv), &mut silent());
    assert!(matches!(again, Err(ExportError::Exists(_))));
    let replacing = Options {
        replace: true,
        ..options(Format::Csv)
    };
    export(log.path(), &path, &replacing, &mut silent()).unwrap();
    assert_eq!(names(), 2);
    // A manifest of something else is in the way.
    let other = to.path().join("other.csv");
    fs::write(Manifest::beside(&other), "mine").unwrap();
    let taken = export(log.path(), &other, &options(Format::Csv), &mut silent());
    assert!(matches!(taken, Err(ExportError::Exists(_))));
    assert_eq!((names(), other.exists()), (3, false));
    // Nothing is written over a link, whatever was asked.
    let link = to.path().join("link.csv");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let taken = export(log.path(), &link, &replacing, &mut silent());
    assert!(matches!(taken, Err(ExportError::Exists(_))));
    // A log that does not hold.
    let bundle = log.path().join("tile/entries/000");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let failed = export(
        log.path(),
        &to.path().join("no.csv"),
        &options(Format::Csv),
        &mut silent(),
    );
    assert!(matches!(failed, Err(ExportError::NotProved(_))));
    let nowhere = to.path().join("missing/no.csv");
    let failed = export(log.path(), &nowhere, &options(Format::Csv), &mut silent());
    assert!(matches!(failed, Err(ExportError::Io(_))));
    assert_eq!(names(), 4);
}
