//! Zips that somebody made to hurt whoever reads them.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::*;

fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

/// A zip of empty files with these names.
fn zip_of(names: &[&str]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for name in names {
        zip.start_file(*name, stored()).unwrap();
        zip.write_all(b"x").unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for name in [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        "./a",
        "A",
        "a\\b",
        "c:x",
        "a\u{202e}b",
        ".hidden",
        "entries/.x",
    ] {
        assert!(Bundle::from_zip(&zip_of(&[name])).is_err(), "{name}");
    }
    let long = "a".repeat(129);
    assert!(Bundle::from_zip(&zip_of(&[&long])).is_err());
    assert_eq!(
        Bundle::from_zip(&zip_of(&["a/b-c.d", "e"]))
            .unwrap()
            .files()
            .len(),
        2
    );
}

#[test]
fn a_name_twice_is_refused() {
    let mut bytes = zip_of(&["ab", "cd"]);
    for at in 0..bytes.len() - 1 {
        if bytes[at..].starts_with(b"cd") {
            bytes[at..at + 2].copy_from_slice(b"ab");
        }
    }
    assert!(Bundle::from_zip(&bytes).is_err());
}

#[test]
fn links_and_folders_are_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("link", "/etc/passwd", stored()).unwrap();
    assert!(Bundle::from_zip(&zip.finish().unwrap().into_inner()).is_err());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_directory("folder", stored()).unwrap();
    assert!(Bundle::from_zip(&zip.finish().unwrap().into_inner()).is_err());
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let good = zip_of(&["a", "b"]);
    assert!(Bundle::from_zip(&good).is_ok());
    for end in 0..good.len() {
        assert!(Bundle::from_zip(&good[..end]).is_err(), "cut at {end}");
    }
    assert!(Bundle::from_zip(&[&good[..], b"x"].concat()).is_err());
    assert!(Bundle::from_zip(&[b"x", &good[..]].concat()).is_err());
    assert!(Bundle::from_zip(&[&good[..], &good[..]].concat()).is_err());
}

#[test]
fn a_flipped_byte_is_refused_or_harmless() {
    let good = zip_of(&["a", "b"]);
    let bundle = Bundle::from_zip(&good).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x01;
        // Dates and attributes are not the bundle's content.
        if let Ok(read) = Bundle::from_zip(&bad) {
            assert!(read == bundle || read.files().len() == 2, "byte {at}");
            assert!(
                read.files().values().all(|file| &file[..] == b"x"),
                "byte {at}"
            );
        }
    }
}

#[test]
fn counts_and_sizes_are_looked_at_before_anything_is_made() {
    let mut many = zip_of(&["a"]);
    let end = many.len() - 22;
    many[end + 8..end + 12].copy_from_slice(&[0xff; 4]);
    assert!(Bundle::from_zip(&many).unwrap_err().contains("65535"));
    // A file that says it is 4 GiB long.
    let mut large = zip_of(&["a"]);
    let central = large
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .unwrap();
    large[central + 20..central + 28].copy_from_slice(&[0xfe; 8]);
    assert!(Bundle::from_zip(&large).is_err());
    assert!(Bundle::from_zip(b"").is_err());
}

#[test]
fn a_folder_is_read_as_strictly() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("a")).unwrap();
    std::fs::write(dir.path().join("a/b"), "x").unwrap();
    assert_eq!(Bundle::open(dir.path()).unwrap().files().len(), 1);
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("a/c")).unwrap();
    assert!(Bundle::open(dir.path()).is_err());
    assert!(Bundle::open(&dir.path().join("none")).is_err());
}
