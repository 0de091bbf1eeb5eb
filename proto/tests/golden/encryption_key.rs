//! What payloads for a system are sealed to, from fixed keys: `tests/golden/encryption_key.json`. The first key is the one
//! under which `sealed.json` is sealed. Beside version 1, whose files stay as they are.

use aws_lc_rs::agreement::{PrivateKey, X25519};
use bytes::Bytes;
use proto::act::EncryptionKeyBinding;
use proto::entry::{Entry, Kind};
use proto::limits::label;
use proto::registry::{FoldError, Registry};
use proto::sealed::EncryptionKey;

use crate::book;
use crate::log::{GoldenLog, T0_MS};
use crate::registry::{self, Keys, brought, civil};

/// The secrets of the system's first key and of the one that follows it.
const SECRETS: [(&str, u8); 2] = [("encryption_key", 0x41), ("encryption_key_next", 0x46)];

fn public(secret: u8) -> EncryptionKey {
    let secret = PrivateKey::from_private_key(&X25519, &[secret; 32]).unwrap();
    let public = secret.compute_public_key().unwrap();
    EncryptionKey::from_slice(public.as_ref()).unwrap()
}

/// An agency with a system, and two keys for it, one after the other.
fn story() -> GoldenLog {
    let mut log = GoldenLog::default();
    let keys = Keys::new(&mut log);
    registry::genesis(&mut log, &keys);
    registry::enrol(&mut log, &keys, "CIVIL", ("ح", "C"), 0x12);
    let (by, seal) = (&keys.civil_authority, &keys.civil_seal);
    registry::bind(&mut log, "civil_key", civil(), seal, by);
    for (later, (name, secret)) in (0..).zip(SECRETS) {
        let key = public(secret);
        log.book.put(&format!("{name}.secret"), [secret; 32]);
        log.book.put(&format!("{name}.key"), key.bytes());
        log.book.put(&format!("{name}.recipient"), key.kid());
        let binding = EncryptionKeyBinding {
            system: civil(),
            key,
            issued_at_ms: T0_MS + 3_000 + later,
        };
        let header = binding.encode();
        let seal = log.seal(name, label::ENCRYPTION_KEY, &header, by);
        let sealed = Some((header, seal));
        log.record(name, Kind::EncryptionKeyBound, brought(0xc2), sealed);
    }
    log.heads();
    log
}

#[test]
fn every_value_of_an_encryption_key_is_the_golden_one() {
    let log = story();
    log.book.judge("encryption_key.json");
    let newest = log.registry.encryption_key(&civil()).unwrap();
    assert_eq!(newest.binding.key, public(SECRETS[1].1));
}

/// The key that others seal to is the key that was bound.
#[test]
fn the_golden_payload_is_sealed_to_the_first_golden_key() {
    let (bound, sealed) = (book::read("encryption_key.json"), book::read("sealed.json"));
    assert_eq!(bound["encryption_key.key"], sealed["provider.key"]);
    assert_eq!(bound["encryption_key.secret"], sealed["provider.secret"]);
    let payload = hex::decode(&sealed["request.payload"]).unwrap();
    let payload = proto::sealed::SealedPayload::open(&payload).unwrap();
    assert_eq!(
        payload.recipient.to_string(),
        bound["encryption_key.recipient"]
    );
}

#[test]
fn no_bit_of_a_golden_binding_can_be_another_and_none_comes_twice() {
    let stored = book::read("encryption_key.json");
    let entry = |name: &str| {
        let bytes = hex::decode(&stored[&format!("{name}.entry")]).unwrap();
        Entry::decode(&Bytes::from(bytes)).unwrap()
    };
    let fold = |registry: &mut Registry, index: u64, name: &str| {
        registry.apply(index, &entry(name)).unwrap();
    };
    let mut registry = Registry::empty();
    let before = ["civil_invitation", "civil_agency", "civil_key"];
    fold(&mut registry, 0, "genesis");
    for (index, name) in (2..).zip(before) {
        fold(&mut registry, index, name);
    }
    let golden = entry("encryption_key");
    for bit in 0..golden.header.len() * 8 {
        let mut other = golden.header.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        let other = Entry {
            header: other.into(),
            ..golden.clone()
        };
        assert!(registry.clone().apply(5, &other).is_err(), "bit {bit}");
    }
    registry.apply(5, &golden).unwrap();
    fold(&mut registry, 6, "encryption_key_next");
    // The act that was held back, recorded as if it were new.
    let refused = registry.apply(7, &golden);
    assert!(matches!(refused, Err(FoldError::KeyReused)), "{refused:?}");
}
