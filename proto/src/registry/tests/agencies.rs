//! What agencies do to themselves: the authority key, notices, administrators; services.

use super::*;

#[test]
fn an_older_publication_does_not_take_back_a_newer_one() {
    let mut world = World::new();
    world.join(CIVIL, 1);
    assert!(matches!(
        world.publish(PERSONS, &["lookup"]),
        Err(FoldError::UnknownSystem(_))
    ));
    world.system(REGISTRY, 10);
    world.sealed = 10;
    world.publish(PERSONS, &["lookup"]).unwrap();
    for earlier in [10, 5] {
        world.sealed = earlier;
        assert!(matches!(
            world.publish(PERSONS, &["search"]),
            Err(FoldError::OlderService(_))
        ));
        world.sealed = earlier;
    }
    world.sealed = 20;
    world.publish(PERSONS, &["search"]).unwrap();
    assert!(matches!(
        world.publish("EG/GOV/CIVIL/registry/Persons.v1", &["lookup"]),
        Err(FoldError::NameTaken(_))
    ));
}

fn replacement(world: &mut World, key: &Ed25519, prover: &Ed25519) -> Result<Digest, FoldError> {
    let over = OperatorDeed::replacement_bytes(&agency(MOSS), key.key());
    let deed = OperatorDeed::ReplaceAuthority {
        agency: agency(MOSS),
        key: key.key().clone(),
        possession: sealed(label::POSSESSION, &over, prover).cose,
    };
    world.operate("nour", deed)
}

/// `MOSS` lost its key, two sealed the replacement; gives the operators' act and the new key.
fn replaced() -> (World, Digest, Ed25519) {
    let mut world = World::new();
    world.join(MOSS, 1);
    world.give(PersonRole::Approver, "amal", 202).unwrap();
    let key = Ed25519::from_seed(2);
    let act = replacement(&mut world, &key, &key).unwrap();
    world.second("amal", act, false).unwrap();
    (world, act, key)
}

fn administrator(name: &str, ended: bool) -> AgencyDeed {
    AgencyDeed::Administrator {
        name: part(name),
        ended,
    }
}

fn succession(world: &World, key: &Ed25519, prover: &Ed25519) -> AgencyDeed {
    // The act's own time is the next one.
    let bare = crate::act::AgencyAct {
        agency: agency(MOSS),
        issued_at_ms: NOW + world.sealed + 1,
        deed: AgencyDeed::Succeed {
            key: key.key().clone(),
            possession: bytes::Bytes::new(),
        },
    };
    AgencyDeed::Succeed {
        key: key.key().clone(),
        possession: sealed(label::POSSESSION, &bare.possession_bytes(), prover).cose,
    }
}

#[test]
fn a_replaced_authority_key_counts_after_72_hours_to_the_millisecond() {
    let (mut world, act, key) = replaced();
    let due = NOW + REPLACEMENT_MS;
    assert_eq!(due - NOW, 72 * 60 * 60 * 1_000);
    world.now_ms = due - 1;
    assert!(matches!(
        world.deed_by(MOSS, administrator("b", false), &key),
        Err(FoldError::Seal(_))
    ));
    world.deed(MOSS, administrator("a", false)).unwrap();
    world.now_ms = due;
    assert!(matches!(
        world.deed(MOSS, administrator("c", false)),
        Err(FoldError::Seal(_))
    ));
    assert_eq!(
        world.deed_by(MOSS, AgencyDeed::Object { act }, &key),
        Err(FoldError::NoReplacement),
        "it is over"
    );
    world
        .deed_by(MOSS, administrator("b", false), &key)
        .unwrap();
    let known = world.registry.agency(&agency(MOSS)).unwrap();
    assert_eq!(known.authority_key, *key.key());
    assert!(known.replacement.is_none());
}

#[test]
fn an_objection_ends_the_replacement_and_names_the_right_act() {
    let (mut world, act, key) = replaced();
    assert_eq!(
        world.deed(
            MOSS,
            AgencyDeed::Object {
                act: Digest::of(b"x")
            }
        ),
        Err(FoldError::NoReplacement)
    );
    let by_new = world.deed_by(MOSS, AgencyDeed::Object { act }, &key);
    assert!(matches!(by_new, Err(FoldError::Seal(_))));
    world.join(GIZA, 3);
    assert_eq!(
        world.deed(GIZA, AgencyDeed::Object { act }),
        Err(FoldError::NoReplacement),
        "another agency's"
    );
    world.suspend(MOSS, false).unwrap();
    world.now_ms = NOW + REPLACEMENT_MS - 1;
    world
        .deed(MOSS, AgencyDeed::Object { act })
        .expect("a suspended agency defends its key, too");
    world.suspend(MOSS, true).unwrap();
    world.now_ms += 1;
    world.deed(MOSS, administrator("a", false)).unwrap();
    assert_eq!(
        replacement(&mut world, &key, &key),
        Err(FoldError::KeyReused),
        "the same key is not tried again"
    );
}

#[test]
fn a_succession_makes_the_replacement_void() {
    let (mut world, _, key) = replaced();
    let next = Ed25519::from_seed(4);
    let deed = succession(&world, &next, &next);
    world.deed(MOSS, deed).unwrap();
    world.now_ms = NOW + REPLACEMENT_MS;
    assert!(
        world
            .deed_by(MOSS, administrator("a", false), &key)
            .is_err()
    );
    world
        .deed_by(MOSS, administrator("a", false), &next)
        .unwrap();
}

#[test]
fn a_second_replacement_waits_for_the_first_and_each_proves_its_key() {
    let (mut world, _, _) = replaced();
    let other = Ed25519::from_seed(5);
    assert_eq!(
        replacement(&mut world, &other, &other),
        Err(FoldError::ReplacementUnderWay)
    );
    world.now_ms = NOW + REPLACEMENT_MS;
    assert_eq!(
        replacement(&mut world, &other, &Ed25519::from_seed(6)),
        Err(FoldError::NoPossession)
    );
    let act = replacement(&mut world, &other, &other).expect("the first one is done");
    assert_eq!(
        world.second("nour", act, false),
        Err(FoldError::SamePerson),
        "without a policy, too"
    );
}

#[test]
fn an_authority_key_follows_at_once_and_proves_itself() {
    let mut world = World::new();
    let old = world.join(MOSS, 1);
    let next = Ed25519::from_seed(2);
    let unproved = succession(&world, &next, &old);
    assert_eq!(world.deed(MOSS, unproved), Err(FoldError::NoPossession));
    let itself = succession(&world, &old, &old);
    assert_eq!(world.deed(MOSS, itself), Err(FoldError::KeyReused));
    let by_new = succession(&world, &next, &next);
    assert!(matches!(
        world.deed_by(MOSS, by_new, &next),
        Err(FoldError::Seal(_))
    ));
    let deed = succession(&world, &next, &next);
    world.deed(MOSS, deed).unwrap();
    assert!(matches!(
        world.deed_by(MOSS, administrator("a", false), &old),
        Err(FoldError::Seal(_))
    ));
    let back = succession(&world, &old, &old);
    assert_eq!(
        world.deed_by(MOSS, back, &next),
        Err(FoldError::KeyReused),
        "an authority key never comes back"
    );
}

#[test]
fn an_administrator_is_seated_and_removed_and_no_old_act_brings_one_back() {
    let mut world = World::new();
    let moss = world.join(MOSS, 1);
    let seat = crate::act::AgencyAct {
        agency: agency(MOSS),
        issued_at_ms: world.issue(),
        deed: administrator("hoda", false),
    };
    let again =
        |world: &mut World| world.submit(Kind::AgencyAct, label::AUTHORITY, seat.encode(), &moss);
    again(&mut world).unwrap();
    assert_eq!(
        world.deed(MOSS, administrator("hoda", false)),
        Err(FoldError::NoChange)
    );
    world.deed(MOSS, administrator("hoda", true)).unwrap();
    assert_eq!(again(&mut world), Err(FoldError::Replayed));
    let known = world.registry.agency(&agency(MOSS)).unwrap();
    assert!(known.administrators.is_empty());
    assert_eq!(
        world.deed(MOSS, administrator("hoda", true)),
        Err(FoldError::NoChange)
    );
}

fn notice(operation: Option<&str>, disabled: bool) -> AgencyDeed {
    let text = |text: &str| if disabled { text } else { "" }.to_owned();
    AgencyDeed::Notice(OperationNotice {
        system: system(REGISTRY),
        service: part("persons.v1"),
        operation: operation.map(part),
        disabled,
        notice_ar: text("صيانة"),
        notice_en: text("Maintenance"),
    })
}

#[test]
fn an_operation_and_a_service_are_switched_off_and_on_by_their_agency() {
    let mut world = World::new();
    world.join(CIVIL, 1);
    world.join(MOSS, 2);
    world.system(REGISTRY, 10);
    world.publish(PERSONS, &["lookup", "search"]).unwrap();
    let off = |world: &World, operation: &str| {
        let id = crate::id::ServiceId::parse(PERSONS).unwrap();
        let service = world.registry.service(&id).unwrap();
        service.notice(&part(operation)).is_some()
    };
    assert!(
        matches!(
            world.deed(MOSS, notice(None, true)),
            Err(FoldError::Header(_))
        ),
        "another agency's"
    );
    assert!(matches!(
        world.deed(CIVIL, notice(Some("erase"), true)),
        Err(FoldError::UnknownService(_))
    ));
    assert_eq!(
        world.deed(CIVIL, notice(Some("lookup"), false)),
        Err(FoldError::NoChange)
    );
    world.deed(CIVIL, notice(Some("lookup"), true)).unwrap();
    assert!(off(&world, "lookup") && !off(&world, "search"));
    world.deed(CIVIL, notice(None, true)).unwrap();
    world.deed(CIVIL, notice(Some("lookup"), false)).unwrap();
    assert!(off(&world, "lookup"), "the whole service is still off");
    world.publish(PERSONS, &["search"]).unwrap();
    assert!(
        off(&world, "search"),
        "a new publication switches nothing on"
    );
    world.deed(CIVIL, notice(None, false)).unwrap();
    assert!(!off(&world, "search"));
}

#[test]
fn a_suspended_agency_does_not_publish_nor_change_itself() {
    let mut world = World::new();
    world.join(CIVIL, 1);
    world.system(REGISTRY, 10);
    world.suspend(CIVIL, false).unwrap();
    let suspended = FoldError::Suspended(agency(CIVIL));
    assert_eq!(world.publish(PERSONS, &["lookup"]), Err(suspended.clone()));
    assert_eq!(world.deed(CIVIL, administrator("a", false)), Err(suspended));
    assert_eq!(world.suspend(CIVIL, false), Err(FoldError::NoChange));
    world.suspend(CIVIL, true).unwrap();
    assert_eq!(world.suspend(CIVIL, true), Err(FoldError::NoChange));
    world.publish(PERSONS, &["lookup"]).unwrap();
}
