//! The log's next key: sealed by both, one after the other, never a key that is anybody's already.

use super::world::{MOSS, NOW, ORIGIN, World};
use crate::act::LogKeySuccession;
use crate::digest::Digest;
use crate::entry::Kind;
use crate::facts::{self, LogKeyFacts};
use crate::key::Signer as _;
use crate::limits::{LOG_KEY_OVERLAP_MS_MAX, label};
use crate::registry::{Act, FoldError, LogKeyFault};
use crate::seal::Seal;
use crate::testing::Ed25519;

const FIRST: u8 = 200;
const OVERLAP_MS: u64 = 86_400_000;

fn statement(world: &World, from: u8, to: u8) -> LogKeySuccession {
    LogKeySuccession {
        previous: Ed25519::from_seed(from).key().clone(),
        key: Ed25519::from_seed(to).key().clone(),
        size: world.index,
        root: Digest::of(b"tree"),
        overlap_until_ms: world.now_ms + OVERLAP_MS,
        issued_at_ms: world.now_ms,
    }
}

/// Folds `statement` under the seals of two seeds; `None`: no such seal.
fn put(
    world: &mut World,
    statement: &LogKeySuccession,
    old: Option<u8>,
    new: Option<u8>,
) -> Result<(), FoldError> {
    let header = statement.encode();
    let by = |seed: u8| {
        let signer = Ed25519::from_seed(seed);
        Seal::one(label::LOG_KEY, ORIGIN, &header, &signer).unwrap()
    };
    let (seal, own) = (old.map(by), new.map(by));
    let facts = own.map_or_else(bytes::Bytes::new, |own| {
        facts::encode(&LogKeyFacts { seal: own.cose })
    });
    world.registry.apply_act(Act {
        index: world.index,
        recorded_at_ms: world.now_ms,
        kind: Kind::LogKeySucceeded,
        facts: &facts,
        header: &header,
        seal: seal.as_ref(),
    })?;
    world.index += 1;
    Ok(())
}

#[test]
fn a_log_key_is_followed_by_one_that_both_seal() {
    let mut world = World::new();
    let first = world.registry.digest();
    let next = statement(&world, FIRST, 210);
    put(&mut world, &next, Some(FIRST), Some(210)).unwrap();
    assert_eq!(
        world.registry.log_key(),
        Some(Ed25519::from_seed(210).key())
    );
    let recorded: Vec<_> = world.registry.log_keys().collect();
    assert_eq!((recorded.len(), recorded[0].index), (1, 1));
    assert_ne!(first, world.registry.digest());
    // And that one by another, once the two no longer sign side by side.
    world.now_ms += OVERLAP_MS;
    let third = statement(&world, 210, 211);
    put(&mut world, &third, Some(210), Some(211)).unwrap();
    assert_eq!(world.registry.log_keys().count(), 2);
    assert_eq!(
        world.registry.log_key(),
        Some(Ed25519::from_seed(211).key())
    );
}

#[test]
fn neither_key_puts_the_other_in_alone() {
    let mut world = World::new();
    let next = statement(&world, FIRST, 210);
    for (old, new, refused) in [
        (None, Some(210), FoldError::Unsealed),
        (Some(FIRST), Some(FIRST), FoldError::NoPossession),
        (Some(FIRST), Some(211), FoldError::NoPossession),
    ] {
        assert_eq!(put(&mut world, &next, old, new).unwrap_err(), refused);
    }
    // The new key cannot seal for the old one, nor a stranger, and without the second seal there are no facts.
    for (old, new) in [
        (Some(210), Some(210)),
        (Some(211), Some(210)),
        (Some(FIRST), None),
    ] {
        put(&mut world, &next, old, new).unwrap_err();
    }
    assert_eq!(world.registry.log_keys().count(), 0);
    assert_eq!(
        world.registry.log_key(),
        Some(Ed25519::from_seed(FIRST).key())
    );
}

#[test]
fn only_the_key_that_signs_now_is_followed_and_only_at_its_place() {
    let mut world = World::new();
    let stranger = statement(&world, 212, 210);
    let refused = put(&mut world, &stranger, Some(212), Some(210)).unwrap_err();
    assert_eq!(refused, LogKeyFault::NotTheNewest.into());
    let mut elsewhere = statement(&world, FIRST, 210);
    elsewhere.size += 1;
    let refused = put(&mut world, &elsewhere, Some(FIRST), Some(210)).unwrap_err();
    assert_eq!(refused, LogKeyFault::OutOfPlace.into());
    let next = statement(&world, FIRST, 210);
    put(&mut world, &next, Some(FIRST), Some(210)).unwrap();
    // The first key is followed once.
    world.now_ms += OVERLAP_MS;
    let again = statement(&world, FIRST, 211);
    let refused = put(&mut world, &again, Some(FIRST), Some(211)).unwrap_err();
    assert_eq!(refused, LogKeyFault::NotTheNewest.into());
}

#[test]
fn a_key_that_is_in_use_is_refused() {
    let mut world = World::new();
    world.join(MOSS, 7);
    world.system("EG/GOV/MOSS/takaful", 8);
    for used in [7, 8, 201] {
        let next = statement(&world, FIRST, used);
        let refused = put(&mut world, &next, Some(FIRST), Some(used)).unwrap_err();
        assert_eq!(refused, FoldError::KeyReused, "seed {used}");
    }
    let same = statement(&world, FIRST, FIRST);
    put(&mut world, &same, Some(FIRST), Some(FIRST)).unwrap_err();
    // A key of the log is nobody else's afterwards, and the log does not go back to one.
    let next = statement(&world, FIRST, 210);
    put(&mut world, &next, Some(FIRST), Some(210)).unwrap();
    world.now_ms += OVERLAP_MS;
    let back = statement(&world, 210, FIRST);
    let refused = put(&mut world, &back, Some(210), Some(FIRST)).unwrap_err();
    assert_eq!(refused, FoldError::KeyReused);
    let (key, authority) = (Ed25519::from_seed(210), world.key(MOSS));
    let refused = world
        .bind("EG/GOV/MOSS/other", &key, &key, &authority)
        .unwrap_err();
    assert_eq!(refused, FoldError::KeyReused);
}

#[test]
fn two_sign_side_by_side_for_a_bounded_time_and_never_three() {
    let mut world = World::new();
    let mut next = statement(&world, FIRST, 210);
    next.overlap_until_ms = NOW + LOG_KEY_OVERLAP_MS_MAX + 1;
    let refused = put(&mut world, &next, Some(FIRST), Some(210)).unwrap_err();
    assert_eq!(refused, LogKeyFault::OverlapTooLong.into());
    let next = statement(&world, FIRST, 210);
    put(&mut world, &next, Some(FIRST), Some(210)).unwrap();
    world.now_ms += OVERLAP_MS - 1;
    let soon = statement(&world, 210, 211);
    let refused = put(&mut world, &soon, Some(210), Some(211)).unwrap_err();
    let until_ms = next.overlap_until_ms;
    assert_eq!(refused, LogKeyFault::Overlap { until_ms }.into());
}
