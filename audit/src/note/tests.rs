//! The note in its one form, and every way to spoil it.

use proptest::prelude::*;

use super::*;
use crate::checkpoint::tests::TestSigner;

fn signed(by: &[(&str, u8)]) -> SignedNote {
    let mut note = SignedNote::new("a text\nof two lines\n").unwrap();
    for (name, seed) in by {
        note.sign(name, &TestSigner::new(*seed)).unwrap();
    }
    note
}

fn key(name: &str, seed: u8) -> NoteKey {
    NoteKey::new(name, TestSigner::new(seed).key()).unwrap()
}

#[test]
fn the_published_example_of_go_opens_with_its_key() {
    // The example of golang.org/x/mod/sumdb/note.
    let note = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let key = NoteKey::from_vkey(key).unwrap();
    let parsed = SignedNote::parse(note.as_bytes()).unwrap();
    assert_eq!(parsed.verify(std::slice::from_ref(&key)).unwrap(), [0]);
    assert_eq!(
        key.to_vkey(),
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    );
    let altered = note.replace("answer", "anzwer");
    let altered = SignedNote::parse(altered.as_bytes()).unwrap();
    assert_eq!(
        altered.verify(&[key]),
        Err(NoteError::BadSignature("PeterNeumann".into()))
    );
}

#[test]
fn unknown_keys_are_ignored_and_a_known_bad_signature_refuses_all() {
    let note = signed(&[("first", 1), ("second", 2)]);
    let read = SignedNote::parse(&note.to_bytes()).unwrap();
    assert_eq!(read, note);
    assert_eq!(read.verify(&[key("first", 1)]).unwrap(), [0]);
    assert_eq!(
        read.verify(&[key("second", 2), key("first", 1)]).unwrap(),
        [0, 1]
    );
    assert_eq!(read.verify(&[key("third", 3)]), Err(NoteError::NotSigned));
    assert_eq!(read.verify(&[key("first", 2)]), Err(NoteError::NotSigned));
    assert_eq!(read.verify(&[]), Err(NoteError::NotSigned));
    let mut spoiled = note;
    spoiled.signatures[1].signature[0] ^= 1;
    assert_eq!(
        spoiled.verify(&[key("first", 1), key("second", 2)]),
        Err(NoteError::BadSignature("second".into()))
    );
    assert_eq!(spoiled.verify(&[key("first", 1)]).unwrap(), [0]);
}

#[test]
fn what_is_not_in_the_one_form_is_refused() {
    let good = String::from_utf8(signed(&[("log.example", 1)]).to_bytes()).unwrap();
    for bad in [
        good.replace("\n\n", "\n"),
        good.trim_end().to_owned(),
        good.replace("— ", "- "),
        good.replace("— ", "—  "),
        good.replace("a text", "a\ttext"),
        good.replace("log.example", "log+example"),
        good.replace("log.example", "log\u{a0}example"),
        good.replace("log.example", ""),
        good.replace("=\n", "\n"),
        good.replace("=\n", "= \n"),
        good.clone() + "\n",
        good.clone() + "trailing\n",
        String::new(),
        "\n\n".into(),
        "text\n\n— name AAAAAA==\n".into(),
    ] {
        assert!(
            SignedNote::parse(bad.as_bytes()).is_err(),
            "accepted {bad:?}"
        );
    }
    assert!(SignedNote::parse(&[0xff, 0xfe, b'\n', b'\n']).is_err());
    assert!(SignedNote::new("no line end").is_err());
}

#[test]
fn the_limits_hold_on_both_sides() {
    let mut note = signed(&[]);
    for _ in 0..NOTE_SIGNATURES_MAX {
        note.sign("log.example", &TestSigner::new(1)).unwrap();
    }
    assert_eq!(
        note.sign("log.example", &TestSigner::new(1)),
        Err(NoteError::TooLarge)
    );
    let bytes = note.to_bytes();
    assert_eq!(
        SignedNote::parse(&bytes)
            .unwrap()
            .verify(&[key("log.example", 1)])
            .unwrap()
            .len(),
        64
    );
    let line = note.signatures()[0].to_string() + "\n";
    assert_eq!(
        SignedNote::parse(&[&bytes[..], line.as_bytes()].concat()),
        Err(NoteError::TooLarge)
    );
    let long = format!("{}\n\n{line}", "x".repeat(NOTE_BYTES_MAX));
    assert_eq!(SignedNote::parse(long.as_bytes()), Err(NoteError::TooLarge));
    assert_eq!(
        SignedNote::new(&("x".repeat(NOTE_BYTES_MAX) + "\n")),
        Err(NoteError::TooLarge)
    );
}

#[test]
fn vkeys_have_one_form() {
    let good = key("log.example/one", 7).to_vkey();
    assert_eq!(
        NoteKey::from_vkey(&good).unwrap(),
        key("log.example/one", 7)
    );
    let (name, rest) = good.split_once('+').unwrap();
    let (id, public) = rest.split_once('+').unwrap();
    let raw = TestSigner::new(7).key().ed25519_bytes().unwrap();
    let cosigner_id = hex::encode(key_id(name, 0x04, &raw));
    let cosigner = format!(
        "{name}+{cosigner_id}+{}",
        STANDARD.encode([&[0x04][..], &raw].concat())
    );
    for bad in [
        format!("{name}x+{id}+{public}"),
        format!(
            "{name}+{}+{public}",
            id.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")
        ),
        format!("{name}+{id}+{}", &public[..public.len() - 4]),
        format!("{name}+{id}"),
        format!("+{id}+{public}"),
        format!("{good} "),
        cosigner,
        String::new(),
    ] {
        assert!(NoteKey::from_vkey(&bad).is_err(), "accepted {bad:?}");
    }
}

proptest! {
    #[test]
    fn what_parses_writes_itself_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(note) = SignedNote::parse(&bytes) {
            prop_assert_eq!(note.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_flipped_bit_never_changes_what_a_known_key_signed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let good = signed(&[("log.example", 1), ("witness.example", 2)]);
        let mut bytes = good.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(note) = SignedNote::parse(&bytes)
            && note.verify(&[key("log.example", 1)]).is_ok()
        {
            prop_assert_eq!(note.text(), good.text());
        }
    }
}
