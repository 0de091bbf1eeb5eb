//! A value made by software that others wrote, the one form, and every way to spoil it.

use proptest::prelude::*;
use proto::digest::Digest;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::checkpoint::tests::TestSigner;
use crate::note::{NoteKey, SignedNote};

/// Made by aics-tlog 0.2.1 for the key of 32 bytes 09, the checkpoint of [`text`] and the time 1795363078.
const FOREIGN_VKEY: &str =
    "witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY";
const FOREIGN_LINE: &str = "— witness.example/w1 JLXZ/gAAAABrAxEGhfzxmkGQpnI63OjCVGfwXfRkuLRXou2JfQZPSjLtlVSmRvx841CxVeCeGLPXiUT8ruOGc/PuAQ0jl4kfbaSDCQ==";
const TIME_S: u64 = 1_795_363_078;
const NAME: &str = "witness.example/w1";

fn text() -> String {
    let checkpoint = Checkpoint {
        origin: "log.example/one".into(),
        size: 42,
        root: Digest::of(b"root"),
    };
    checkpoint.to_text()
}

fn key() -> WitnessKey {
    WitnessKey::new(NAME, TestSigner::new(9).key()).unwrap()
}

#[test]
fn a_foreign_cosignature_is_the_same_byte_for_byte() {
    assert_eq!(key().to_vkey(), FOREIGN_VKEY);
    assert_eq!(WitnessKey::from_vkey(FOREIGN_VKEY).unwrap(), key());
    let ours = cosign(&text(), NAME, &TestSigner::new(9), TIME_S).unwrap();
    assert_eq!(ours.to_string(), FOREIGN_LINE);
    let theirs = NoteSignature::parse(FOREIGN_LINE).unwrap();
    assert_eq!(key().verify(&text(), &theirs), Ok(TIME_S));
}

#[test]
fn a_cosignature_is_of_one_text_one_time_and_one_witness() {
    let good = cosign(&text(), NAME, &TestSigner::new(9), TIME_S).unwrap();
    let bad = Err(CosignatureError::BadSignature(NAME.into()));
    assert_eq!(key().verify(&text().replace("42", "43"), &good), bad);
    let mut later = good.clone();
    later.signature[7] ^= 1;
    assert_eq!(key().verify(&text(), &later), bad);
    let other = WitnessKey::new(NAME, TestSigner::new(8).key()).unwrap();
    let not_ours = Err(CosignatureError::NotOurs(NAME.into()));
    assert_eq!(other.verify(&text(), &good), not_ours);
    // The same key as a log's is another key id, so neither line can stand for the other.
    let mut note = SignedNote::new(&text()).unwrap();
    note.sign(NAME, &TestSigner::new(9)).unwrap();
    assert_eq!(key().verify(&text(), &note.signatures()[0]), not_ours);
    note.add(good).unwrap();
    let as_log = NoteKey::new(NAME, TestSigner::new(9).key()).unwrap();
    assert_eq!(note.verify(&[as_log]).unwrap(), [0]);
}

#[test]
fn other_lengths_and_times_beyond_the_limit_are_malformed() {
    let good = cosign(&text(), NAME, &TestSigner::new(9), TIME_S).unwrap();
    for len in [1, 8, 64, 71, 73] {
        let mut cut = good.clone();
        cut.signature.resize(len, 0);
        let malformed = Err(CosignatureError::Malformed(NAME.into()));
        assert_eq!(key().verify(&text(), &cut), malformed, "{len}");
    }
    let mut never = good;
    never.signature[..8].copy_from_slice(&(TIME_S_MAX + 1).to_be_bytes());
    let malformed = Err(CosignatureError::Malformed(NAME.into()));
    assert_eq!(key().verify(&text(), &never), malformed);
    for time_s in [0, TIME_S_MAX + 1, u64::MAX] {
        let refused = cosign(&text(), NAME, &TestSigner::new(9), time_s);
        assert_eq!(refused, Err(CosignatureError::Time(time_s)));
    }
    assert!(cosign(&text(), NAME, &TestSigner::new(9), TIME_S_MAX).is_ok());
    assert!(cosign(&text(), "two words", &TestSigner::new(9), TIME_S).is_err());
}

#[test]
fn vkeys_have_one_form() {
    let log = NoteKey::new(NAME, TestSigner::new(9).key()).unwrap();
    let (start, _) = FOREIGN_VKEY.split_at(FOREIGN_VKEY.len() - 4);
    for bad in [
        log.to_vkey(),
        start.to_owned(),
        format!("{FOREIGN_VKEY} "),
        FOREIGN_VKEY.replace("24b5d9fe", "24B5D9FE"),
        FOREIGN_VKEY.replace("24b5d9fe", "24b5d9ff"),
        FOREIGN_VKEY.replace("/w1", "/w2"),
        "witness.example/w1+24b5d9fe".to_owned(),
        String::new(),
    ] {
        let refused = WitnessKey::from_vkey(&bad);
        assert_eq!(refused, Err(CosignatureError::BadVkey), "{bad}");
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_never_verifies(at in 0usize..72, bit in 0u8..8) {
        let mut line = cosign(&text(), NAME, &TestSigner::new(9), TIME_S).unwrap();
        line.signature[at] ^= 1 << bit;
        prop_assert!(key().verify(&text(), &line).is_err());
    }
}
