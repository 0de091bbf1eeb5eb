//! Encryption keys: whoever could have a switch's own key bound to a system would read what is sealed for it. So one that
//! the system's agency did not bind is found from the entries alone.

use proto::act::EncryptionKeyBinding;
use proto::id::SystemId;
use proto::sealed::EncryptionKey;

use super::forger::*;
use super::*;

/// Who has the system; its authority key has the seed 11.
const AUTHORITY: u8 = 11;

fn key(number: u8) -> EncryptionKey {
    let mut bytes = [0; 32];
    bytes[0] = number;
    EncryptionKey::from_slice(&bytes).unwrap()
}

fn binding(system: &str, number: u8) -> EncryptionKeyBinding {
    EncryptionKeyBinding {
        system: SystemId::parse(system).unwrap(),
        key: key(number),
        issued_at_ms: NOW_MS,
    }
}

const REGISTRY: &str = "EG/GOV/CIVIL/registry";

async fn bind(forger: &Forger, binding: &EncryptionKeyBinding, label: &str, seed: u8) {
    let header = binding.encode();
    let seal = Seal::one(label, ORIGIN, &header, &TestSigner::new(seed)).unwrap();
    forger
        .append(Kind::EncryptionKeyBound, Bytes::new(), header, Some(seal))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_agency_binds_replay_clean() {
    let forger = Forger::new().await;
    for number in [9, 10] {
        let binding = binding(REGISTRY, number);
        bind(&forger, &binding, label::ENCRYPTION_KEY, AUTHORITY).await;
    }
    assert_eq!(forger.rules().await, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_switch_or_another_agency_binds_is_found() {
    let forger = Forger::new().await;
    // The log's key, an operator, another agency, and the system's own seal key.
    let seeds = [200, 201, 21, 10];
    for (number, seed) in (9..).zip(seeds) {
        let binding = binding(REGISTRY, number);
        bind(&forger, &binding, label::ENCRYPTION_KEY, seed).await;
    }
    // Whatever the authority key sealed for another use is no binding.
    bind(&forger, &binding(REGISTRY, 20), label::AUTHORITY, AUTHORITY).await;
    // Nor is anything without a seal.
    let header = binding(REGISTRY, 21).encode();
    forger
        .append(Kind::EncryptionKeyBound, Bytes::new(), header, None)
        .await;
    assert_eq!(forger.rules().await, [rule::FOLD; 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_system_one_brought_back_and_one_for_nobody_are_found() {
    let forger = Forger::new().await;
    let label = label::ENCRYPTION_KEY;
    bind(&forger, &binding(REGISTRY, 9), label, AUTHORITY).await;
    // What is sealed to the first would be for two systems.
    bind(&forger, &binding("EG/GOV/MOSS/takaful", 9), label, 21).await;
    // An agency binds for its own systems only.
    bind(&forger, &binding("EG/GOV/MOSS/takaful", 10), label, 11).await;
    // The act that was held back, once another key followed.
    bind(&forger, &binding(REGISTRY, 11), label, AUTHORITY).await;
    bind(&forger, &binding(REGISTRY, 9), label, AUTHORITY).await;
    let nobody = binding("EG/GOV/CIVIL/nowhere", 12);
    bind(&forger, &nobody, label, AUTHORITY).await;
    assert_eq!(forger.rules().await, [rule::FOLD; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_binding_under_the_seal_of_the_real_one_is_found() {
    let forger = Forger::new().await;
    let honest = binding(REGISTRY, 9).encode();
    let authority = TestSigner::new(AUTHORITY);
    let seal = Seal::one(label::ENCRYPTION_KEY, ORIGIN, &honest, &authority).unwrap();
    let header = binding(REGISTRY, 10).encode();
    forger
        .append(Kind::EncryptionKeyBound, Bytes::new(), header, Some(seal))
        .await;
    assert_eq!(forger.rules().await, [rule::FOLD]);
}
