//! Seals under attack: every change to label, origin, header, place or bytes is refused.

use super::*;
use crate::limits::{SEAL_MEMORY_MS, SEAL_MEMORY_ROOTS};
use crate::testing::{Ed25519, P256};

const LABEL: &str = "mohawel/request/v1";
const ORIGIN: &str = "switch.example/log";

fn batch(count: usize, signer: &dyn Signer) -> (Vec<Vec<u8>>, Vec<Seal>) {
    let headers: Vec<Vec<u8>> = (0..count)
        .map(|i| format!("header {i}").into_bytes())
        .collect();
    let slices: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
    let seals = Seal::batch(LABEL, ORIGIN, &slices, signer).unwrap();
    (headers, seals)
}

#[test]
fn each_header_of_every_batch_size_verifies_alone() {
    let signer = Ed25519::from_seed(1);
    for count in [1, 2, 3, 5, 8, 33, 63, 64] {
        let (headers, seals) = batch(count, &signer);
        for (header, seal) in headers.iter().zip(&seals) {
            seal.verify(LABEL, ORIGIN, header, signer.key()).unwrap();
            assert_eq!(Seal::from_block(&seal.to_block()).as_ref(), Some(seal));
        }
    }
    assert_eq!(
        Seal::batch(LABEL, ORIGIN, &[], &signer),
        Err(SealError::Size(0))
    );
    assert_eq!(
        Seal::batch(LABEL, ORIGIN, &[&b"x"[..]; 65], &signer),
        Err(SealError::Size(65))
    );
}

#[test]
fn a_seal_for_another_use_switch_header_or_key_is_refused() {
    let (signer, other) = (Ed25519::from_seed(1), Ed25519::from_seed(2));
    let (headers, seals) = batch(5, &signer);
    let (header, seal) = (&headers[3], &seals[3]);
    let refused = |label, origin, header: &[u8], key: &PublicKey| {
        seal.verify(label, origin, header, key).unwrap_err()
    };
    assert_eq!(
        refused("mohawel/answer/v1", ORIGIN, header, signer.key()),
        SealError::Signature
    );
    assert_eq!(
        refused(LABEL, "test.example/log", header, signer.key()),
        SealError::Signature
    );
    assert_eq!(
        refused(LABEL, ORIGIN, b"header 2", signer.key()),
        SealError::Signature
    );
    assert_eq!(
        refused(LABEL, ORIGIN, header, other.key()),
        SealError::OtherKey
    );
}

#[test]
fn a_changed_place_or_path_is_refused() {
    let signer = Ed25519::from_seed(1);
    let (headers, seals) = batch(6, &signer);
    for index in 0..6 {
        let good = &seals[index];
        let judge = |seal: Seal| seal.verify(LABEL, ORIGIN, &headers[index], signer.key());
        for leaf_index in (0..8).filter(|other| *other != good.leaf_index) {
            assert!(
                judge(Seal {
                    leaf_index,
                    ..good.clone()
                })
                .is_err()
            );
        }
        for tree_size in (0..=65).filter(|other| *other != good.tree_size) {
            assert!(
                judge(Seal {
                    tree_size,
                    ..good.clone()
                })
                .is_err()
            );
        }
        for at in 0..good.path.len() {
            let mut changed = good.clone();
            changed.path[at].0[7] ^= 1;
            assert!(judge(changed).is_err());
            let mut shorter = good.clone();
            shorter.path.remove(at);
            assert!(judge(shorter).is_err());
        }
        let mut longer = good.clone();
        longer.path.push(Digest::default());
        assert!(judge(longer).is_err());
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_the_cose_is_refused() {
    let signer = Ed25519::from_seed(1);
    let (headers, seals) = batch(1, &signer);
    let good = &seals[0];
    for bit in 0..good.cose.len() * 8 {
        let mut bytes = good.cose.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let seal = Seal {
            cose: bytes.into(),
            ..good.clone()
        };
        assert!(
            seal.verify(LABEL, ORIGIN, &headers[0], signer.key())
                .is_err(),
            "bit {bit}"
        );
    }
    for len in 0..good.cose.len() {
        assert!(
            Seal {
                cose: good.cose.slice(..len),
                ..good.clone()
            }
            .open()
            .is_err()
        );
    }
    let mut trailing = good.cose.to_vec();
    trailing.push(0);
    assert_eq!(
        Seal {
            cose: trailing.into(),
            ..good.clone()
        }
        .open()
        .unwrap_err(),
        SealError::Malformed
    );
    // The tagged form (CBOR tag 18) says the same in other bytes, and there is one form only.
    let tagged = [&[0xd2][..], &good.cose].concat();
    assert_eq!(
        Seal {
            cose: tagged.into(),
            ..good.clone()
        }
        .open()
        .unwrap_err(),
        SealError::Malformed
    );
}

/// How a COSE_Sign1 is read by a CBOR library: decoded, encoded again, compared.
fn read_by_cbor(cose: &[u8]) -> Option<(Algorithm, Digest, Vec<u8>)> {
    use coset::{CoseSign1, RegisteredLabelWithPrivate};
    let sign1 = CoseSign1::from_slice(cose).ok()?;
    let algorithm = match sign1.protected.header.alg {
        Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA)) => Algorithm::Ed25519,
        Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) => Algorithm::Es256,
        _ => return None,
    };
    let kid = Digest::from_slice(&sign1.protected.header.key_id)?;
    let again = cose_bytes(algorithm, &kid, &sign1.signature).ok()?;
    (again == cose).then_some((algorithm, kid, sign1.signature))
}

#[test]
fn comparing_with_the_frame_accepts_what_a_cbor_library_accepts_and_nothing_else() {
    let same = |cose: &[u8]| {
        let by_frame = form::read(cose).map(|(a, kid, signature)| (a, kid, signature.to_vec()));
        assert_eq!(by_frame, read_by_cbor(cose), "{}", hex::encode(cose));
        by_frame.is_some()
    };
    let mut accepted = 0;
    for (seed, algorithm) in [(1, Algorithm::Ed25519), (2, Algorithm::Es256)] {
        let good = cose_bytes(algorithm, &Digest([seed; 32]), &[7; SIGNATURE_LEN]).unwrap();
        assert!(same(&good));
        for at in 0..good.len() {
            for value in 0..=255 {
                let mut bytes = good.clone();
                bytes[at] = value;
                accepted += u32::from(same(&bytes));
            }
            same(&good[..at]);
            let mut longer = good.clone();
            longer.insert(at, good[at]);
            same(&longer);
        }
    }
    // Whatever the gaps hold, and each good one once for every byte outside them.
    assert!(accepted > 2 * 96 * 256, "{accepted}");
}

#[test]
fn a_head_that_was_taken_apart_holds_or_fails_as_the_seal_does() {
    let (signer, other) = (Ed25519::from_seed(1), Ed25519::from_seed(2));
    let (headers, seals) = batch(5, &signer);
    let heads: Vec<SealedHead> = headers
        .iter()
        .zip(&seals)
        .map(|(header, seal)| seal.open().unwrap().head_over(header).unwrap())
        .collect();
    assert!(heads.iter().all(|head| *head == heads[0]));
    heads[0].verify(LABEL, ORIGIN, signer.key()).unwrap();
    assert_eq!(
        heads[0].verify("mohawel/answer/v1", ORIGIN, signer.key()),
        Err(SealError::Signature)
    );
    assert_eq!(
        heads[0].verify(LABEL, ORIGIN, other.key()),
        Err(SealError::OtherKey)
    );
    let moved = seals[1].open().unwrap().head_over(&headers[2]).unwrap();
    assert_ne!(moved, heads[0]);
    assert_eq!(
        moved.verify(LABEL, ORIGIN, signer.key()),
        Err(SealError::Signature)
    );
}

#[test]
fn es256_seals_verify_and_high_s_is_refused() {
    let mut signer = P256::generate();
    let (headers, seals) = batch(2, &signer);
    seals[1]
        .verify(LABEL, ORIGIN, &headers[1], signer.key())
        .unwrap();
    signer.want_high_s = true;
    let (headers, seals) = batch(1, &signer);
    assert_eq!(
        seals[0].verify(LABEL, ORIGIN, &headers[0], signer.key()),
        Err(SealError::Signature)
    );
}

#[test]
fn the_memory_saves_only_the_public_key_operation() {
    let signer = Ed25519::from_seed(1);
    let (headers, seals) = batch(4, &signer);
    let memory = SealMemory::default();
    let judge = |seal: &Seal, header: &[u8], label: &str, now| {
        seal.open()
            .unwrap()
            .verify(label, ORIGIN, header, signer.key(), Some((&memory, now)))
    };
    judge(&seals[0], &headers[0], LABEL, 1_000).unwrap();
    judge(&seals[1], &headers[1], LABEL, 1_001).unwrap();
    assert!(
        judge(&seals[1], &headers[2], LABEL, 1_001).is_err(),
        "another header under a known head"
    );
    assert!(
        judge(&seals[1], &headers[1], "mohawel/answer/v1", 1_001).is_err(),
        "another use"
    );
    let mut forged = seals[1].clone();
    let mut cose = forged.cose.to_vec();
    let last = cose.len() - 1;
    cose[last] ^= 1;
    forged.cose = cose.into();
    assert!(
        judge(&forged, &headers[1], LABEL, 1_001).is_err(),
        "another signature"
    );
    assert_eq!(memory.heads.lock().unwrap().until_ms.len(), 1);
}

#[test]
fn the_memory_is_bounded_in_number_and_time() {
    let memory = SealMemory::default();
    for i in 0..1_000u32 {
        memory.remember(Digest::of(&i.to_be_bytes()), 0);
    }
    assert_eq!(
        memory.heads.lock().unwrap().until_ms.len(),
        SEAL_MEMORY_ROOTS
    );
    let last = Digest::of(&999u32.to_be_bytes());
    assert!(memory.knows(&last, SEAL_MEMORY_MS - 1));
    assert!(!memory.knows(&last, SEAL_MEMORY_MS));
}

#[test]
fn hostile_blocks_are_no_seals() {
    for len in 0..120 {
        let block = Bytes::from(vec![0xff; len]);
        assert_eq!(Seal::from_block(&block), None);
    }
    // Length 0, index 0, size 0 and half a hash.
    assert_eq!(Seal::from_block(&Bytes::from(vec![0; 2 + 8 + 16])), None);
}
