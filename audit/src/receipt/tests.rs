//! A receipt proves the holder's own bytes, and nothing else.

use proptest::prelude::*;
use prost::Message as _;
use proto::digest::leaf_hash;
use proto::entry::Draft;

use super::tlog_proof::TlogProof;
use super::*;
use crate::checkpoint::tests::TestSigner;
use crate::note::NoteError;
use crate::tiles::fixtures::{ORIGIN, log_key, signed};
use crate::tree::{BatchProofs, Edge};

struct Sample {
    receipt: Receipt,
    header: Bytes,
    seal: Option<Seal>,
    leaf: Digest,
}

/// Entry 5 of a batch that ends a log of nine.
fn sample() -> Sample {
    let header = Bytes::from_static(b"a header as signed");
    let seal = Seal::one("label", ORIGIN, &header, &TestSigner::new(9)).unwrap();
    let stamp = Stamp {
        recorded_at_us: 1_700_000_000_000_000,
        broker: 3,
        registry_size: 2,
        registry_root: Digest::of(b"registry"),
    };
    let draft = Draft {
        kind: Kind::Request,
        facts: Bytes::from_static(b"facts"),
        header: header.clone(),
        seal: Some(seal.clone()),
    };
    let entry = Entry::new(draft, stamp);
    let leaf = entry.leaf().unwrap();
    let mut edge = Edge::new();
    (0u8..4).for_each(|i| edge.push(leaf_hash(&[i])));
    let batch: Vec<Digest> = (4u8..9)
        .map(|i| if i == 5 { leaf } else { leaf_hash(&[i]) })
        .collect();
    let proofs = BatchProofs::new(&edge, &batch);
    let receipt = Receipt {
        index: 5,
        kind: entry.kind,
        stamp: entry.stamp,
        facts: entry.facts,
        proof: proofs.proof(1).unwrap(),
        checkpoint: signed(proofs.after().head()),
    };
    Sample {
        receipt,
        header,
        seal: Some(seal),
        leaf,
    }
}

#[test]
fn a_receipt_proves_the_holders_bytes() {
    let Sample {
        receipt,
        header,
        seal,
        leaf,
    } = sample();
    let proven = receipt.verify(&header, seal.as_ref(), &log_key()).unwrap();
    assert_eq!((proven.leaf, proven.checkpoint.size), (leaf, 9));
    assert_eq!((proven.entry.header, proven.entry.seal), (header, seal));
    assert_eq!(Receipt::from_wire(receipt.to_wire()).unwrap(), receipt);
}

#[test]
fn each_altered_part_fails_at_its_step() {
    let Sample {
        receipt,
        header,
        seal,
        ..
    } = sample();
    let fails = |receipt: &Receipt, header: &Bytes, seal: Option<&Seal>| {
        receipt.verify(header, seal, &log_key()).unwrap_err()
    };
    let not_included = |error| matches!(error, ReceiptError::NotIncluded(_));
    assert!(not_included(fails(
        &receipt,
        &Bytes::from_static(b"another header"),
        seal.as_ref()
    )));
    assert!(not_included(fails(&receipt, &header, None)));
    let altered: [fn(&mut Receipt); 8] = [
        |receipt| receipt.index = 4,
        |receipt| receipt.index = u64::MAX,
        |receipt| receipt.kind = Kind::Closing,
        |receipt| receipt.stamp.recorded_at_us += 1,
        |receipt| receipt.stamp.registry_root.0[31] ^= 1,
        |receipt| receipt.facts = Bytes::from_static(b"other facts"),
        |receipt| receipt.proof[1].0[0] ^= 1,
        |receipt| receipt.proof.truncate(1),
    ];
    for alter in altered {
        let mut receipt = receipt.clone();
        alter(&mut receipt);
        assert!(not_included(fails(&receipt, &header, seal.as_ref())));
    }
    let mut other = receipt.clone();
    other.checkpoint = Checkpoint {
        origin: ORIGIN.into(),
        size: 9,
        root: Digest::of(b""),
    }
    .sign(&TestSigner::new(2))
    .unwrap()
    .note;
    let error = fails(&other, &header, seal.as_ref());
    assert!(matches!(
        error,
        ReceiptError::Checkpoint(CheckpointError::Note(NoteError::NotSigned))
    ));
    let error = fails(&receipt, &Bytes::from(vec![0; 4_096]), seal.as_ref());
    assert!(matches!(
        error,
        ReceiptError::Entry(EntryError::TooLarge(_))
    ));
}

#[test]
fn an_encoded_receipt_is_read_back() {
    let full = sample().receipt;
    let mut large = full.clone();
    large.index = u64::MAX;
    large.proof = vec![Digest::of(b"node"); PROOF_HASHES_MAX];
    let mut bare = full.clone();
    bare.index = 0;
    bare.facts = Bytes::new();
    bare.proof.clear();
    bare.checkpoint = Bytes::new();
    for receipt in [full, large, bare] {
        let message = wire::Receipt::decode(receipt.encode()).unwrap();
        assert_eq!(Receipt::from_wire(message).unwrap(), receipt);
    }
}

#[test]
fn malformed_messages_are_refused_by_field() {
    let good = sample().receipt.to_wire();
    type Alter = fn(&mut wire::Receipt);
    let altered: [(&str, Alter); 7] = [
        ("kind", |message| message.kind = 0),
        ("kind", |message| message.kind += 256),
        ("stamp", |message| message.stamp = message.stamp.slice(1..)),
        ("facts", |message| message.facts = vec![0; 513].into()),
        ("proof", |message| {
            message.proof[0] = message.proof[0].slice(1..)
        }),
        ("proof", |message| {
            message.proof = vec![Bytes::from(vec![0; 32]); 66]
        }),
        ("checkpoint", |message| {
            message.checkpoint = vec![0; 65_537].into()
        }),
    ];
    for (field, alter) in altered {
        let mut message = good.clone();
        alter(&mut message);
        assert!(
            matches!(Receipt::from_wire(message), Err(ReceiptError::Malformed(found)) if found == field)
        );
    }
}

#[test]
fn the_proof_file_reads_back_and_proves() {
    let Sample { receipt, leaf, .. } = sample();
    for extra in [None, Some(Bytes::new()), Some(Bytes::from_static(b"salt"))] {
        let proof = TlogProof {
            extra,
            index: receipt.index,
            proof: receipt.proof.clone(),
            checkpoint: receipt.checkpoint.clone(),
        };
        let text = proof.to_text();
        assert!(text.starts_with(b"c2sp.org/tlog-proof@v1\n"));
        let read = TlogProof::from_text(&text).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(&leaf, &log_key()).unwrap().size, 9);
        assert!(read.verify(&leaf_hash(b"other"), &log_key()).is_err());
        let text = String::from_utf8(text).unwrap();
        for bad in [
            text.replace("@v1", "@v2"),
            text.replace("index 5", "index 05"),
            text.replace("index 5", "index -5"),
            text.replace("index 5\n", ""),
            text.replacen("\n\n", "\n", 1),
            text.replacen("=\n", "\n", 1),
        ] {
            let verified = TlogProof::from_text(bad.as_bytes())
                .is_ok_and(|proof| proof.verify(&leaf, &log_key()).is_ok());
            assert!(!verified, "accepted {bad:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_flipped_bit_of_a_proof_file_proves_another_leaf_or_index(
        at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let Sample { receipt, leaf, .. } = sample();
        let proof =
            TlogProof { extra: None, index: 5, proof: receipt.proof, checkpoint: receipt.checkpoint };
        let mut text = proof.to_text();
        let at = at.index(text.len());
        text[at] ^= 1 << bit;
        let verified =
            TlogProof::from_text(&text).is_ok_and(|proof| proof.verify(&leaf, &log_key()).is_ok());
        prop_assert!(!verified);
    }
}
