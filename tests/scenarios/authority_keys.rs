//! A lost authority key: two people, 72 hours, alarms, and the word of whoever still holds it. And the registry as a
//! fold: the same from entries alone as from a running switch.

use std::fs;
use std::time::Duration;

use adapters::alarm::alarms;
use proto::act::{AgencyDeed, OperatorDeed, PersonRole};
use proto::digest::Digest;
use proto::limits::label;
use proto::seal::Seal;
use tests::ground::{ORIGIN, loose_signer};
use tests::world::World;
use tests::{soon, until};

/// Operators begin to replace the consumer's authority key; gives the act.
async fn replace(world: &World) -> Digest {
    let switch = &world.switch;
    let approver = switch.person(PersonRole::Approver, "second").await;
    let key = loose_signer();
    let agency = world.moss.agency();
    let over = OperatorDeed::replacement_bytes(&agency, key.key());
    let deed = OperatorDeed::ReplaceAuthority {
        agency: agency.clone(),
        key: key.key().clone(),
        possession: Seal::one(label::POSSESSION, ORIGIN, &over, &*key)
            .unwrap()
            .cose,
    };
    switch.operate(&switch.operator(), deed).await.unwrap();
    let registry = switch.registry();
    let act = registry.waiting().next().map(|(act, _)| *act).unwrap();
    assert!(registry.agency(&agency).unwrap().replacement.is_none());
    switch.approve(&approver, act).await.unwrap();
    act
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_adapter_is_alarmed_by_a_replacement_and_the_agency_can_object() {
    let world = World::new().await;
    let consumer = world.consumer().await;
    let act = replace(&world).await;
    let own = world.moss.agency();
    until("the alarm reaches the adapter", || {
        !alarms(&consumer.mirror().snapshot(), &own).is_empty()
    })
    .await;
    let alarm = alarms(&consumer.mirror().snapshot(), &own).remove(0);
    assert_eq!((alarm.agency, alarm.act), (own.clone(), act));
    assert!(alarm.due_at_ms > world.switch.now_ms());
    // Not lost: the present key says so, and the alarm is over.
    let object = AgencyDeed::Object { act };
    world.moss.does(&world.switch, object).await.unwrap();
    until("the alarm is over", || {
        alarms(&consumer.mirror().snapshot(), &own).is_empty()
    })
    .await;
    drop(consumer);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_folds_to_the_same_value_from_entries_alone() {
    let world = World::new().await;
    replace(&world).await;
    let before = world.switch.registry().digest();
    let mirrored = world.consumer().await;
    soon("the mirror", mirrored.ready(Duration::from_secs(10)))
        .await
        .unwrap();
    assert_eq!(mirrored.mirror().snapshot().digest(), before);
    drop(mirrored);
    // Everything but the published entries is lost.
    let world = world
        .restart_after(|log| {
            fs::remove_dir_all(log.join("store")).unwrap();
        })
        .await;
    assert_eq!(world.switch.registry().digest(), before);
    world.finish().await;
}
