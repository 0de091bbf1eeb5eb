//! Items: each in its place, none more, none fewer, and one shown without the others.

use proptest::prelude::*;

use super::*;
use crate::commitment::{Commitment, CommitmentError, Form};
use crate::digest::inclusion_path;
use crate::header::AnswerStatus;

const SALT: Salt = Salt([0x68; 32]);

fn items(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| format!("item {n}").into_bytes())
        .collect()
}

fn packed(items: &[Vec<u8>], subjects: &[Vec<u8>]) -> Packed {
    pack(items, &leaves(items, &SALT), subjects, None).unwrap()
}

fn committed(packed: &Packed) -> Commitment {
    Commitment::to_items("text/plain", packed.payload.len(), &packed.manifest, &SALT)
}

/// The payload with its items changed, under the same manifest.
fn changed(packed: &Packed, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let opened = Items::open(&packed.payload).unwrap();
    let mut items: Vec<Vec<u8>> = opened.items.iter().map(|item| item.to_vec()).collect();
    change(&mut items);
    let mut payload = Vec::new();
    put(&mut payload, TAGS[0], &packed.manifest);
    for item in &items {
        put(&mut payload, TAGS[1], item);
    }
    payload
}

#[test]
fn what_was_packed_opens_and_nothing_else_does() {
    let list = items(5);
    let packed = packed(&list, &[]);
    let commitment = committed(&packed);
    commitment.open(&packed.payload, &SALT.0).unwrap();
    assert_eq!(Items::open(&packed.payload).unwrap().items, list);
    let other_salt = commitment.open(&packed.payload, &[1; 32]);
    assert_eq!(other_salt, Err(CommitmentError::Mismatch));
    type Lie = fn(&mut Vec<Vec<u8>>);
    let lies: [(&str, Lie); 5] = [
        ("one too many", |items| items.push(b"item 5".to_vec())),
        ("one too few", |items| drop(items.pop())),
        ("out of order", |items| items.swap(1, 2)),
        ("another one", |items| items[3] = b"item X".to_vec()),
        ("one twice", |items| items[3] = items[2].clone()),
    ];
    for (lie, change) in lies {
        let payload = changed(&packed, change);
        // A header that says the right length does not help.
        let said = Commitment {
            length: payload.len() as u64,
            ..commitment.clone()
        };
        assert!(said.open(&payload, &SALT.0).is_err(), "{lie}");
    }
}

#[test]
fn bytes_that_are_no_payload_of_items_are_refused() {
    let good = packed(&items(3), &[]).payload;
    let cut = &good[..good.len() - 1];
    let twice = [&good[..], &good[..]].concat();
    // The length of the first item in two bytes where one is enough.
    let long = {
        let at = 2 + good[1] as usize + 1;
        [&good[..at], &[good[at] | 0x80, 0], &good[at + 1..]].concat()
    };
    for bytes in [
        &[][..],
        b"\x12\x00",
        cut,
        &twice,
        &long,
        b"{\"operation\":1}",
    ] {
        assert!(Items::open(bytes).is_err(), "{bytes:?}");
    }
    // A manifest that promises many does not make anybody wait for them, or make room.
    let mut empty = Vec::new();
    let manifest = Manifest {
        count: ITEMS_MAX as u32,
        root: Digest::default(),
        subjects: None,
        place: None,
    };
    put(&mut empty, TAGS[0], &manifest.encode());
    let count = ItemsError::Count(ITEMS_MAX as u32);
    assert_eq!(Items::open(&empty).unwrap_err(), count);
}

#[test]
fn there_is_at_least_one_item_and_no_more_than_the_limit() {
    let none: [&[u8]; 0] = [];
    assert!(pack(&none, &[], &[], None).is_err());
    let many = vec![b""; ITEMS_MAX + 1];
    let leaf = Digest::default();
    assert!(pack(&many, &vec![leaf; many.len()], &[], None).is_err());
    assert!(pack(&many[1..], &vec![leaf; ITEMS_MAX], &[], None).is_ok());
}

#[test]
fn a_side_list_is_bound_too() {
    let list = items(3);
    let side = [b"one".to_vec(), Vec::new(), b"three".to_vec()];
    let packed = packed(&list, &side);
    let commitment = committed(&packed);
    commitment.open(&packed.payload, &SALT.0).unwrap();
    let text = packed
        .payload
        .iter()
        .rposition(|byte| *byte == b'e')
        .unwrap();
    let mut other = packed.payload.to_vec();
    other[text] = b'f';
    let opened = Items::open(&other).unwrap();
    let judged = opened.are_committed(&commitment.hmac, &SALT);
    assert_eq!(judged, Err(ItemsError::Subjects));
    assert!(pack(&list, &leaves(&list, &SALT), &side[..2], None).is_err());
    // A list that names nobody is none.
    let nobody = self::packed(&list, &[Vec::new(), Vec::new(), Vec::new()]);
    assert_eq!(nobody.payload, self::packed(&list, &[]).payload);
}

#[test]
fn one_item_is_shown_without_the_others_up_to_the_root_of_its_batch() {
    // Eleven items in segments of four, each under a salt of its own.
    let all = items(11);
    let salts: Vec<Salt> = (0..3).map(|n| Salt([n; 32])).collect();
    let segments: Vec<&[Vec<u8>]> = all.chunks(4).collect();
    let cut: Vec<Vec<Digest>> = segments
        .iter()
        .zip(&salts)
        .map(|(s, salt)| leaves(s, salt))
        .collect();
    let batch = tree_head(&cut.concat());
    let roots: Vec<Digest> = cut.iter().map(|leaves| tree_head(leaves)).collect();
    assert_eq!(tree_head(&roots), batch, "a segment is a subtree");
    for (number, segment) in segments.iter().enumerate() {
        let place = Place {
            first: 4 * number as u64,
            total: 11,
            batch,
        };
        let packed = pack(segment, &cut[number], &[], Some(place)).unwrap();
        let hmac = manifest_commitment(&salts[number], &packed.manifest);
        let above = inclusion_path(&roots, number).unwrap();
        for index in 0..segment.len() as u32 {
            let proof = ItemProof::of(&packed.payload, &salts[number], index).unwrap();
            let root = proof.verify_in_batch(&hmac, &above).unwrap();
            assert_eq!(root.place, place.first + u64::from(index));
            let mut other = proof.clone();
            other.item = Bytes::from_static(b"item X");
            assert_eq!(other.verify(&hmac), Err(ItemsError::Proof));
            let mut other = proof.clone();
            other.index ^= 1;
            assert!(other.verify_in_batch(&hmac, &above).is_err());
            assert!(proof.verify(&Digest::of(b"another header")).is_err());
            assert!(proof.verify_in_batch(&hmac, &[]).is_err());
        }
        assert!(ItemProof::of(&packed.payload, &salts[number], 4).is_err());
    }
}

#[test]
fn a_segment_stands_where_it_can_or_nowhere() {
    let list = items(4);
    let made = leaves(&list, &SALT);
    let at = |first, total, batch| {
        let place = Place {
            first,
            total,
            batch,
        };
        pack(&list, &made, &[], Some(place)).is_ok()
    };
    let some = Digest::of(b"batch");
    assert!(at(0, 9, some) && at(4, 9, some) && at(8, 12, some));
    assert!(!at(2, 9, some), "not at its own multiple");
    assert!(!at(8, 11, some), "over the end");
    assert!(!at(u64::MAX - 3, u64::MAX, some), "beyond all numbers");
    assert!(at(0, 4, tree_head(&made)));
    assert!(!at(0, 4, some), "alone it is the batch");
    let three = pack(
        &list[..3],
        &made[..3],
        &[],
        Some(Place {
            first: 4,
            total: 9,
            batch: some,
        }),
    );
    assert!(three.is_err(), "only the last is cut");
}

#[test]
fn results_read_as_written_and_say_one_thing() {
    let found = ItemResult {
        status: AnswerStatus::Answered,
        payload: Bytes::from_static(b"{}"),
    };
    assert_eq!(ItemResult::open(&found.encode()).unwrap(), found);
    let none = ItemResult::without(AnswerStatus::NotFound);
    assert_eq!(ItemResult::open(&none.encode()).unwrap(), none);
    let both = ItemResult {
        payload: found.payload.clone(),
        ..none
    };
    assert!(ItemResult::open(&both.encode()).is_err());
    assert!(ItemResult::open(b"").is_err());
    assert!(ItemResult::open(b"\x08\x06").is_err(), "nobody refuses one");
}

#[test]
fn the_form_is_its_own() {
    let packed = packed(&items(2), &[]);
    let commitment = committed(&packed);
    for form in [Form::Whole, Form::Chunks] {
        let other = Commitment {
            form,
            ..commitment.clone()
        };
        assert!(other.open(&packed.payload, &SALT.0).is_err());
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Items::open(&bytes);
        let _ = ItemResult::open(&bytes);
    }

    #[test]
    fn a_flipped_bit_is_seen(bit in 0usize..8 * 100) {
        let packed = packed(&items(9), &[]);
        let commitment = committed(&packed);
        let mut bytes = packed.payload.to_vec();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(commitment.open(&bytes, &SALT.0).is_err());
    }
}
