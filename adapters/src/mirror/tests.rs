//! The mirror: folds what an honest switch streams, and stops at the first lie.

use bytes::Bytes;
use proto::entry::{Entry, Kind};

use super::*;
use crate::testing::World;

fn fold_of(world: &World) -> Fold {
    Fold::new(world.registry.genesis_sha256(), world.log_key())
}

#[test]
fn an_honest_stream_gives_the_same_registry_and_the_roots_of_every_stamp() {
    let mut world = World::new();
    let request = world.request(|_| {});
    let recorded = world.record_request(&request);
    world.revoke();
    let mut fold = fold_of(&world);
    let mirror = Mirror::new(Standing::default());
    let mut roots = Vec::new();
    for (index, bytes) in world.stream() {
        roots.push(fold.push(index, &bytes).unwrap());
    }
    mirror.publish(&fold, &mut roots, world.registry.size());
    assert_eq!(mirror.size(), world.registry.size());
    assert_eq!(
        mirror.snapshot().genesis_sha256(),
        world.registry.genesis_sha256()
    );
    for entry in &world.entries {
        assert_eq!(
            mirror.root_at(entry.stamp.registry_size),
            Some(entry.stamp.registry_root)
        );
    }
    assert_eq!(world.entries[recorded as usize].kind, Kind::Request);
    assert_eq!(mirror.root_at(world.registry.size() + 1), None);
}

#[test]
fn every_kind_of_lie_stops_the_fold() {
    let world = World::new();
    let honest = world.stream();
    let folded = |stream: &[(u64, Bytes)]| {
        let mut fold = fold_of(&world);
        stream
            .iter()
            .try_for_each(|(index, bytes)| fold.push(*index, bytes).map(drop))
    };
    assert_eq!(folded(&honest), Ok(()));
    // One entry left out: the next is stamped against another registry.
    let mut without = honest.clone();
    without.remove(1);
    assert!(matches!(folded(&without), Err(Lie::Stamp { .. })));
    // Told twice, or in another order.
    let mut twice = honest.clone();
    twice.insert(1, honest[0].clone());
    assert!(matches!(folded(&twice), Err(Lie::Order { .. })));
    // A byte changed anywhere in an entry breaks its seal, its stamp or its form.
    for at in [0, 3, 60, 200] {
        let mut changed = honest.clone();
        let mut bytes = changed[2].1.to_vec();
        bytes[at] ^= 1;
        changed[2].1 = Bytes::from(bytes);
        // The stamp's time (bytes 1 to 8) is the switch's own word until the next stamp covers it.
        assert!(folded(&changed).is_err(), "byte {at}");
    }
    // Another switch's whole history.
    let other = World::new();
    assert_eq!(folded(&other.stream()), Err(Lie::OtherLog));
    // Not a registry entry.
    let mut foreign = World::new();
    let request = foreign.request(|_| {});
    let index = foreign.record_request(&request);
    let mut fold = fold_of(&foreign);
    for (index, bytes) in foreign.stream() {
        fold.push(index, &bytes).unwrap();
    }
    let bytes = foreign.entries[index as usize].encode().unwrap();
    assert!(matches!(fold.push(index, &bytes), Err(Lie::Fold { .. })));
    assert!(Entry::decode(&bytes).is_ok());
}

#[tokio::test]
async fn a_stamp_of_another_registry_is_a_lie_and_a_late_mirror_is_not() {
    let world = World::new();
    let standing = Standing::default();
    let mirror = Mirror::new(standing.clone());
    let wait = Duration::from_millis(20);
    let last = world.entries.last().unwrap().stamp;
    assert!(matches!(
        mirror.agrees(&last, wait).await,
        Err(MirrorError::Late { .. })
    ));
    assert_eq!(standing.hold(), Ok(()));

    let mut fold = fold_of(&world);
    let mut roots = Vec::new();
    for (index, bytes) in world.stream() {
        roots.push(fold.push(index, &bytes).unwrap());
    }
    mirror.publish(&fold, &mut roots, world.registry.size());
    mirror.agrees(&last, wait).await.unwrap();
    let mut forged = last;
    forged.registry_root = Digest::of(b"another registry");
    assert!(matches!(
        mirror.agrees(&forged, wait).await,
        Err(MirrorError::Distrust(_))
    ));
    assert!(standing.hold().is_err());
    // And nothing is judged any more, honest or not.
    assert!(matches!(
        mirror.agrees(&last, wait).await,
        Err(MirrorError::Distrust(_))
    ));
}

#[tokio::test]
async fn a_long_registry_is_waited_for_as_long_as_more_of_it_comes() {
    let world = World::new();
    let mirror = Mirror::new(Standing::default());
    let (wait, size) = (Duration::from_secs(1), world.registry.size());
    let soon = Duration::from_millis(20);
    let late = |size| MirrorError::Late {
        wanted: size + 1,
        size,
        ended: None,
    };
    assert_eq!(mirror.caught_up(soon).await.unwrap_err(), late(0));
    let waits = mirror.clone();
    let task = tokio::spawn(async move { waits.caught_up(wait).await });
    let mut fold = fold_of(&world);
    let stream = world.stream();
    for (index, bytes) in &stream {
        // All of them together take longer than one may.
        tokio::time::sleep(wait.mul_f64(1.5) / stream.len() as u32).await;
        let mut roots = vec![fold.push(*index, bytes).unwrap()];
        mirror.publish(&fold, &mut roots, size);
    }
    assert_eq!(task.await.unwrap().unwrap().size(), size);

    let mirror = Mirror::new(Standing::default());
    let mut fold = fold_of(&world);
    let (index, bytes) = &stream[0];
    let mut roots = vec![fold.push(*index, bytes).unwrap()];
    mirror.publish(&fold, &mut roots, size);
    // Something came, and then nothing more.
    assert_eq!(mirror.caught_up(soon).await.unwrap_err(), late(1));
}

#[tokio::test]
async fn whoever_waits_is_woken_when_the_entry_comes() {
    let world = World::new();
    let mirror = Mirror::new(Standing::default());
    let waits = mirror.clone();
    let size = world.registry.size();
    let task = tokio::spawn(async move { waits.reached(size, Duration::from_secs(10)).await });
    tokio::task::yield_now().await;
    let mut fold = fold_of(&world);
    let mut roots = Vec::new();
    for (index, bytes) in world.stream() {
        roots.push(fold.push(index, &bytes).unwrap());
    }
    mirror.publish(&fold, &mut roots, u64::MAX);
    assert_eq!(task.await.unwrap().unwrap().size(), size);
}
