//! Tests of the pages of cases: kept, shared, torn, damaged, forgotten.

use std::fs;

use proto::id::ExchangeId;

use super::*;

fn id(number: u8) -> ExchangeId {
    ExchangeId::parse(&format!("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a{number:02x}")).unwrap()
}

fn sent(part: &str, number: u8) -> Sent {
    Sent {
        composition: "licence".to_owned(),
        part: part.to_owned(),
        exchange: id(number),
        question: proto::Digest::of(part.as_bytes()),
        at_ms: 7,
        ended: None,
    }
}

/// The one page's file.
fn file(dir: &Path) -> std::path::PathBuf {
    let folder = fs::read_dir(dir.join("cases"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
}

#[test]
fn what_was_sent_is_known_to_the_next_run_and_the_commitment_stays() {
    let dir = tempfile::tempdir().unwrap();
    let book = Book::at(dir.path());
    assert_eq!(book.find("GIZA-1").unwrap(), None);
    let mut page = book.open(" GIZA-1 ", 5).unwrap();
    let commitment = page.case().commitment();
    page.about_to_send(vec![sent("a", 1), sent("b", 2)])
        .unwrap();
    page.ended(id(1), id(3), "answered", 9).unwrap();
    assert!(matches!(book.open("GIZA-1", 6), Err(BookError::Busy(_))));
    drop(page);
    let page = book.open("GIZA-1", 6).unwrap();
    assert_eq!(page.case().commitment(), commitment);
    assert_eq!(
        page.last("licence", "a").unwrap().ended,
        Some(("answered".to_owned(), id(3)))
    );
    assert_eq!(page.last("licence", "b").unwrap().ended, None);
    assert_eq!(page.last("other", "a"), None);
    let found = book.find("GIZA-1").unwrap().unwrap();
    assert_eq!((found.begun_ms, found.sent.len()), (5, 2));
    assert_ne!(
        book.open("GIZA-2", 6).unwrap().case().commitment(),
        commitment
    );
    let mut all = 0;
    book.each(|_| all += 1).unwrap();
    assert_eq!(all, 2);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(file(dir.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn a_torn_line_was_not_acted_upon_and_damage_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let book = Book::at(dir.path());
    let mut page = book.open("c", 5).unwrap();
    page.about_to_send(vec![sent("a", 1), sent("b", 2)])
        .unwrap();
    drop(page);
    let path = file(dir.path());
    let whole = fs::read(&path).unwrap();
    for cut in whole.len() - 20..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut page = book.open("c", 5).unwrap();
        assert!(page.last("licence", "a").is_some() && page.last("licence", "b").is_none());
        page.about_to_send(vec![sent("b", 2)]).unwrap();
        drop(page);
        assert_eq!(fs::read(&path).unwrap(), whole, "{cut}");
    }
    let text = String::from_utf8(whole).unwrap();
    for (from, to, line) in [
        ("\"part\":\"a\"", "\"port\":\"a\"", 2),
        ("\"salt\":\"", "\"salt\":\"zz", 1),
        ("{", "", 1),
    ] {
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = book.open("c", 5).unwrap_err();
        assert!(
            matches!(error, BookError::Damaged { line: found, .. } if found == line),
            "{error}"
        );
    }
    fs::write(&path, "").unwrap();
    assert!(book.find("c").is_err());
}

#[test]
fn a_case_that_is_forgotten_begins_anew_under_another_commitment() {
    let dir = tempfile::tempdir().unwrap();
    let book = Book::at(dir.path());
    assert!(!book.forget("c").unwrap());
    let first = book.open("c", 5).unwrap().case().commitment();
    assert!(book.forget("c").unwrap());
    assert_eq!(book.find("c").unwrap(), None);
    assert_ne!(book.open("c", 5).unwrap().case().commitment(), first);
    assert!(book.open("", 5).is_err() && book.find("a\nb").is_err());
}
