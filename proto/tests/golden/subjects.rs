//! Pseudonyms of persons, from fixed secrets: `tests/golden/subjects.json`, and what `docs/protocol.md` shows of it.

use proto::Digest;
use proto::id::Part;
use proto::subject::{ACTOR, EpochMaster, LABEL, NID, SubjectKey, normalise};

use crate::book::{self, Book};

/// The agreement of `v1.json`, so that a reader finds it there.
fn agreement() -> Digest {
    Digest::from_hex(&book::read("v1.json")["agreement.id"]).unwrap()
}

fn vectors() -> Book {
    let mut book = Book::default();
    let agreement = agreement();
    book.text("label", LABEL);
    book.put("agreement", agreement);
    for (epoch, byte) in [("epoch1", 0x71), ("epoch2", 0x72)] {
        let master = EpochMaster::from_slice(&[byte; 32]).unwrap();
        let key = master.key(&agreement).unwrap();
        book.put(&format!("{epoch}.master"), master.as_bytes());
        book.put(&format!("{epoch}.key"), key.as_bytes());
        for (name, scheme, id) in [
            ("nid", NID, "29001018800017"),
            ("nid_arabic_indic", NID, "٢٩٠٠١٠١٨٨٠٠٠١٧"),
            ("nid_spaced", NID, " ۲۹۰۰۱۰۱۸۸۰۰۰۱۷ "),
            ("passport", "passport", " A12345678 "),
            ("passport_decomposed", "passport", "Zo\u{65}\u{308}"),
        ] {
            pseudonym(&mut book, &format!("{epoch}.{name}"), &key, scheme, id);
        }
    }
    let clerks = SubjectKey::from_slice(&[0x73; 32]).unwrap();
    book.put("actor.key", clerks.as_bytes());
    pseudonym(&mut book, "actor.clerk", &clerks, ACTOR, "m.hassan");
    book
}

fn pseudonym(book: &mut Book, name: &str, key: &SubjectKey, scheme: &str, id: &str) {
    let scheme = Part::parse(scheme).unwrap();
    book.text(&format!("{name}.scheme"), scheme.as_str());
    book.put(&format!("{name}.written"), id);
    book.put(
        &format!("{name}.normalised"),
        normalise(&scheme, id).unwrap(),
    );
    book.put(
        &format!("{name}.pseudonym"),
        key.pseudonym(&scheme, id).unwrap(),
    );
}

#[test]
fn every_pseudonym_is_the_golden_one() {
    vectors().judge("subjects.json");
}

#[test]
fn the_document_shows_the_golden_pseudonyms() {
    let golden = book::read("subjects.json");
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md"))
            .unwrap();
    let shown = |name: &str| format!("| `{name}` | `{}` |", golden[name]);
    for name in [
        "epoch1.key",
        "epoch1.nid.pseudonym",
        "epoch1.passport.pseudonym",
        "epoch2.nid.pseudonym",
        "actor.clerk.pseudonym",
    ] {
        assert!(document.contains(&shown(name)), "{}", shown(name));
    }
    assert_eq!(
        golden["epoch1.nid.pseudonym"],
        golden["epoch1.nid_arabic_indic.pseudonym"]
    );
}
