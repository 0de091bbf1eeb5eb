//! Cuts and notebooks: nothing asked twice, nothing of another batch taken for this one.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use proto::commitment::Salt;
use proto::digest::head_from_path;
use proto::header::AnswerStatus;
use proto::id::ExchangeId;
use proto::items::ItemResult;

use super::*;

const SALT: Salt = Salt([0x6c; 32]);

struct Numbers(u64);

impl Source for Numbers {
    fn items(&self) -> io::Result<Reading> {
        let numbered = |n: u64| Ok(Bytes::from(n.to_string()));
        Ok(Box::new((0..self.0).map(numbered)))
    }
}

fn notebooks(dir: &std::path::Path) -> Notebooks {
    Notebooks::at(dir)
}

fn opening(cut: Cut) -> Opening {
    Opening {
        name: "monthly 2026/11".to_owned(),
        question: Question {
            service: "EG/GOV/CIVIL/registry/persons.v1".to_owned(),
            operation: "read".to_owned(),
            purpose: "social-benefit".to_owned(),
            fields: vec!["name".to_owned()],
            content_type: "application/json".to_owned(),
        },
        out: PathBuf::from("out.csv"),
        salt: SALT,
        cut,
        begun_ms: 7,
    }
}

fn id(n: u8) -> ExchangeId {
    ExchangeId::parse(&format!("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a{n:02x}")).unwrap()
}

fn done(segment: u64) -> Done {
    let counts = Counts::of(&[ItemResult::without(AnswerStatus::NotFound)]);
    Done {
        segment,
        exchange: id(9),
        request_index: 40,
        closing_index: 41,
        written: 100 * (segment + 1),
        counts,
        at_ms: 8,
    }
}

#[test]
fn a_cut_is_one_tree_whatever_its_length() {
    for total in [1, 2, 3, 4, 5, 8, 9, 31] {
        let cut = Cut::of(&Numbers(total), &SALT, 4).unwrap();
        assert_eq!((cut.total, cut.segments()), (total, total.div_ceil(4)));
        for number in 0..cut.segments() {
            let items: Vec<String> = (number * 4..total.min(number * 4 + 4))
                .map(|n| n.to_string())
                .collect();
            let leaves = proto::items::leaves(&items, &super::cut::segment_salt(&SALT, number));
            let place = cut.place(number);
            proto::items::pack(&items, &leaves, &[], Some(place)).unwrap();
            let above = cut.above(number).unwrap();
            for (at, leaf) in leaves.iter().enumerate() {
                let mut path = proto::digest::inclusion_path(&leaves, at).unwrap();
                path.extend(&above);
                let head = head_from_path(leaf, place.first + at as u64, total, &path);
                assert_eq!(head, Some(cut.root), "{at} of segment {number} of {total}");
            }
        }
        assert_eq!(cut.above(cut.segments()), None);
    }
    assert!(matches!(
        Cut::of(&Numbers(0), &SALT, 4),
        Err(BatchError::Empty)
    ));
    for segment in [0, 3, 4097, 32_768] {
        let cut = Cut::of(&Numbers(9), &SALT, segment);
        assert!(matches!(cut, Err(BatchError::Segment(_))), "{segment}");
    }
}

#[test]
fn a_notebook_says_after_a_kill_what_it_said_before() {
    let dir = tempfile::tempdir().unwrap();
    let books = notebooks(dir.path());
    assert_eq!(books.find("monthly 2026/11").unwrap(), None);
    let cut = Cut::of(&Numbers(9), &SALT, 4).unwrap();
    let mut book = books.begin(&opening(cut.clone())).unwrap();
    assert!(matches!(
        books.open("monthly 2026/11"),
        Err(NotebookError::Busy(_))
    ));
    book.about_to_send(0, id(1), 7).unwrap();
    book.about_to_send(1, id(2), 7).unwrap();
    book.done(done(0)).unwrap();
    drop(book);
    // Killed while it wrote a line: that line was not acted upon.
    let path = std::fs::read_dir(dir.path().join("batches"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&path).unwrap();
    let whole = bytes.len();
    bytes.extend_from_slice(b"{\"done\":1,\"exch");
    std::fs::write(&path, &bytes).unwrap();
    let book = books.open(" monthly 2026/11 ").unwrap();
    let known = book.known();
    assert_eq!((&known.cut, known.done.as_slice()), (&cut, &[done(0)][..]));
    assert_eq!(book.sent(1).unwrap().exchange_id, id(2));
    assert_eq!(book.sent(2), None);
    assert_eq!((known.written(), known.is_complete()), (100, false));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), whole as u64);
    // To begin it once more is to open it: the salt of the first stays.
    drop(book);
    let mut other = opening(cut);
    other.salt = Salt([1; 32]);
    assert_eq!(books.begin(&other).unwrap().known().salt, SALT);
    assert_eq!(books.all().unwrap().len(), 1);
}

#[test]
fn a_notebook_that_is_none_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let books = notebooks(dir.path());
    let cut = Cut::of(&Numbers(9), &SALT, 4).unwrap();
    let mut book = books.begin(&opening(cut)).unwrap();
    // Out of order.
    book.done(done(1)).unwrap();
    drop(book);
    let error = books.open("monthly 2026/11").unwrap_err();
    assert!(
        matches!(error, NotebookError::Damaged { line: 2, .. }),
        "{error}"
    );
    for name in ["", &"x".repeat(300)] {
        assert!(
            matches!(books.find(name), Err(NotebookError::Name(_))),
            "{name:?}"
        );
    }
}
