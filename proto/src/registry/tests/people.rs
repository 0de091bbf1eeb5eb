//! Roles, and the second seal.

use super::*;
use crate::act::TwoOperators;

fn two_for(names: &[&str]) -> OperatorDeed {
    OperatorDeed::SetPolicy(TwoOperators(parts(names)))
}

fn suspension(lifted: bool) -> OperatorDeed {
    OperatorDeed::SuspendAgency {
        agency: agency(MOSS),
        lifted,
        reason: "audit".to_owned(),
    }
}

fn taken(who: &str, role: PersonRole, seed: u8) -> OperatorDeed {
    OperatorDeed::SetRole {
        role,
        name: part(who),
        key: Some(Ed25519::from_seed(seed).key().clone()),
        ended: true,
    }
}

/// `nour` and `samir` operate, `amal` approves; suspending needs two.
fn two() -> World {
    let mut world = World::new();
    world.join(MOSS, 1);
    world.give(PersonRole::Operator, "samir", 203).unwrap();
    world.give(PersonRole::Approver, "amal", 202).unwrap();
    let deed = two_for(&["agency_suspension"]);
    world.operate("nour", deed).unwrap();
    world
}

fn suspended(world: &World) -> bool {
    world.registry.is_suspended(&agency(MOSS))
}

#[test]
fn an_act_that_needs_two_waits_for_another_operator_or_an_approver() {
    for second in ["samir", "amal"] {
        let mut world = two();
        let act = world.operate("nour", suspension(false)).unwrap();
        assert!(!suspended(&world));
        assert_eq!(world.second("nour", act, false), Err(FoldError::SamePerson));
        world.second(second, act, false).unwrap();
        assert!(suspended(&world));
        assert_eq!(
            world.second(second, act, false),
            Err(FoldError::NothingWaits)
        );
    }
}

#[test]
fn an_approver_seals_second_and_never_first() {
    let mut world = two();
    assert_eq!(
        world.operate("amal", suspension(false)),
        Err(FoldError::NotOperator)
    );
    world.seeds.insert("nour".to_owned(), 202);
    assert_eq!(
        world.operate("nour", suspension(false)),
        Err(FoldError::NotOperator),
        "under an operator's name"
    );
    assert_eq!(
        world.invite(GIZA, b"t", NOW + 1),
        Err(FoldError::NotOperator)
    );
}

#[test]
fn nobody_is_two_people() {
    let mut world = two();
    let key = Ed25519::from_seed(201).key().clone();
    let seat = |role, name: &str, key| OperatorDeed::SetRole {
        role,
        name: part(name),
        key: Some(key),
        ended: false,
    };
    let logs = Ed25519::from_seed(200).key().clone();
    assert_eq!(
        world.operate("nour", seat(PersonRole::Approver, "log", logs)),
        Err(FoldError::KeyReused),
        "the log's own key"
    );
    let same_key = seat(PersonRole::Approver, "nour2", key);
    assert_eq!(
        world.operate("nour", same_key),
        Err(FoldError::KeyReused),
        "one key under two names"
    );
    for name in ["nour", "NOUR"] {
        let fresh = Ed25519::from_seed(210).key().clone();
        let same_name = seat(PersonRole::Approver, name, fresh);
        assert!(
            matches!(
                world.operate("samir", same_name),
                Err(FoldError::NameTaken(_))
            ),
            "two keys under one name"
        );
    }
}

#[test]
fn a_rejected_act_is_over_and_is_not_recorded_again() {
    let mut world = two();
    let act = world.operate("nour", suspension(false)).unwrap();
    world.second("amal", act, true).unwrap();
    assert!(!suspended(&world));
    assert_eq!(
        world.second("samir", act, false),
        Err(FoldError::NothingWaits)
    );
    let taken_back = world.operate("nour", suspension(false)).unwrap();
    world
        .second("nour", taken_back, true)
        .expect("one takes back one's own");
    assert_eq!(world.registry.waiting().count(), 0);
}

#[test]
fn an_act_or_a_second_seal_that_is_replayed_changes_nothing() {
    let mut world = World::new();
    world.join(MOSS, 1);
    let suspend = crate::act::OperatorAct {
        operator: part("nour"),
        issued_at_ms: world.issue(),
        deed: suspension(false),
    };
    let nour = world.key("nour");
    let again = |world: &mut World| {
        world.submit(Kind::OperatorAct, label::OPERATOR, suspend.encode(), &nour)
    };
    again(&mut world).unwrap();
    world.operate("nour", suspension(true)).unwrap();
    assert_eq!(again(&mut world), Err(FoldError::Replayed));
    assert!(!suspended(&world));
}

#[test]
fn a_second_seal_counts_for_one_time() {
    let mut world = two();
    let header = |world: &mut World, act| {
        crate::act::Approval {
            operator: part("amal"),
            issued_at_ms: world.issue(),
            act,
            rejected: false,
            reason: String::new(),
        }
        .encode()
    };
    let suspend = world.operate("nour", suspension(false)).unwrap();
    world.second("amal", suspend, false).unwrap();
    let lift = world.operate("nour", suspension(true)).unwrap();
    let (approval, amal) = (header(&mut world, lift), world.key("amal"));
    let seal =
        |world: &mut World| world.submit(Kind::Approval, label::OPERATOR, approval.clone(), &amal);
    seal(&mut world).unwrap();
    let again = world.operate("nour", suspension(false)).unwrap();
    world.second("amal", again, false).unwrap();
    assert_eq!(seal(&mut world), Err(FoldError::Replayed));
    assert!(suspended(&world));
}

#[test]
fn another_role_key_and_spelling_is_no_second_person() {
    let mut world = two();
    let act = world.operate("samir", suspension(false)).unwrap();
    let away = taken("samir", PersonRole::Operator, 203);
    let away = world.operate("nour", away).unwrap();
    world.second("amal", away, false).unwrap();
    let back = world.give(PersonRole::Approver, "Samir", 205).unwrap();
    world.second("amal", back, false).unwrap();
    assert_eq!(
        world.second("Samir", act, false),
        Err(FoldError::SamePerson)
    );
}

#[test]
fn nothing_that_does_not_wait_can_be_approved() {
    let mut world = two();
    for unknown in [Digest::of(b"x"), Digest::default()] {
        assert_eq!(
            world.second("amal", unknown, false),
            Err(FoldError::NothingWaits)
        );
        assert_eq!(
            world.second("amal", unknown, true),
            Err(FoldError::NothingWaits)
        );
    }
    let act = world.operate("nour", suspension(false)).unwrap();
    world.seeds.insert("amal".to_owned(), 99);
    assert_eq!(
        world.second("amal", act, false),
        Err(FoldError::NotOperator),
        "a stranger's key"
    );
    world.seeds.insert("samir".to_owned(), 202);
    assert_eq!(
        world.second("samir", act, false),
        Err(FoldError::NotOperator),
        "another's name"
    );
}

#[test]
fn an_act_is_judged_again_when_it_is_approved() {
    let mut world = two();
    let one = world.operate("nour", suspension(false)).unwrap();
    let other = world.operate("samir", suspension(false)).unwrap();
    world.second("amal", one, false).unwrap();
    assert_eq!(
        world.second("amal", other, false),
        Err(FoldError::NoChange),
        "it is suspended already"
    );
    assert_eq!(
        world.operate("nour", suspension(false)),
        Err(FoldError::NoChange),
        "and what cannot take effect does not wait"
    );
}

#[test]
fn replacing_an_authority_needs_two_without_any_policy() {
    let mut world = World::new();
    world.join(MOSS, 1);
    let key = Ed25519::from_seed(5);
    let over = OperatorDeed::replacement_bytes(&agency(MOSS), key.key());
    let deed = OperatorDeed::ReplaceAuthority {
        agency: agency(MOSS),
        key: key.key().clone(),
        possession: sealed(label::POSSESSION, &over, &key).cose,
    };
    world.operate("nour", deed).unwrap();
    let known = world.registry.agency(&agency(MOSS)).unwrap();
    assert!(known.replacement.is_none());
    assert_eq!(world.registry.waiting().count(), 1);
}

#[test]
fn a_policy_needs_two_people_and_protects_itself() {
    let mut world = World::new();
    assert_eq!(
        world.operate("nour", two_for(&["invitation"])),
        Err(FoldError::LastOperator),
        "nobody could put the second seal"
    );
    let mut world = two();
    let act = world.operate("nour", two_for(&[])).unwrap();
    assert!(!world.registry.policy().0.is_empty(), "it waits");
    world.second("samir", act, false).unwrap();
    assert!(world.registry.policy().0.is_empty());
    assert_eq!(
        world.operate("nour", two_for(&[])),
        Err(FoldError::NoChange)
    );
}

#[test]
fn an_invitation_that_needs_two_enrols_nobody_before() {
    let mut world = World::new();
    world.give(PersonRole::Approver, "amal", 202).unwrap();
    world.operate("nour", two_for(&["invitation"])).unwrap();
    let moss = Ed25519::from_seed(1);
    let application = world.apply_for(MOSS, b"t", &moss).unwrap();
    let id = world
        .invite_key(MOSS, b"t", NOW + 1_000, Some(&moss))
        .unwrap();
    assert_eq!(world.enrol(MOSS, b"t", &moss), Err(FoldError::NotApproved));
    let waits = |world: &World| {
        world.registry.application(&application).unwrap().state == ApplicationState::Waiting
    };
    assert!(waits(&world));
    assert_eq!(world.second("nour", id, false), Err(FoldError::SamePerson));
    world.second("amal", id, false).unwrap();
    assert!(!waits(&world));
    world.enrol(MOSS, b"t", &moss).unwrap();
}

#[test]
fn a_rejected_invitation_stays_worthless() {
    let mut world = World::new();
    world.give(PersonRole::Approver, "amal", 202).unwrap();
    world.operate("nour", two_for(&["invitation"])).unwrap();
    let moss = Ed25519::from_seed(1);
    let id = world.invite_key(MOSS, b"t", NOW + 1_000, None).unwrap();
    world.second("amal", id, true).unwrap();
    assert_eq!(world.enrol(MOSS, b"t", &moss), Err(FoldError::NotApproved));
    assert_eq!(
        world.invite(MOSS, b"t", NOW + 1_000),
        Err(FoldError::TokenUsed)
    );
}

#[test]
fn the_last_operator_stays_and_two_where_two_are_asked_for() {
    let mut world = World::new();
    world.join(MOSS, 1);
    let nour = || taken("nour", PersonRole::Operator, 201);
    assert_eq!(world.operate("nour", nour()), Err(FoldError::LastOperator));
    world.give(PersonRole::Approver, "amal", 202).unwrap();
    assert_eq!(
        world.operate("nour", nour()),
        Err(FoldError::LastOperator),
        "an approver is no operator"
    );
    world
        .operate("nour", two_for(&["agency_suspension"]))
        .unwrap();
    assert_eq!(
        world.operate("nour", taken("amal", PersonRole::Approver, 202)),
        Err(FoldError::LastOperator),
        "one alone cannot put two seals"
    );
    let mut world = two();
    let act = world.operate("samir", nour()).unwrap();
    world.second("amal", act, false).unwrap();
    assert!(!world.registry.has_role(PersonRole::Operator, &part("nour")));
    assert_eq!(
        world.operate("nour", suspension(false)),
        Err(FoldError::NotOperator)
    );
}

#[test]
fn what_somebody_sealed_first_falls_with_the_role() {
    let mut world = two();
    let act = world.operate("nour", suspension(false)).unwrap();
    let away = world
        .operate("samir", taken("nour", PersonRole::Operator, 201))
        .unwrap();
    world.second("amal", away, false).unwrap();
    assert_eq!(
        world.second("amal", act, false),
        Err(FoldError::NotOperator)
    );
    world.second("amal", act, true).unwrap();
}

#[test]
fn a_role_is_taken_by_naming_its_key_and_given_once() {
    let mut world = World::new();
    world.give(PersonRole::Approver, "amal", 202).unwrap();
    assert_eq!(
        world.operate("nour", taken("amal", PersonRole::Approver, 203)),
        Err(FoldError::NoChange)
    );
    let auditor = |ended| OperatorDeed::SetRole {
        role: PersonRole::Auditor,
        name: part("amal"),
        key: None,
        ended,
    };
    world
        .operate("nour", auditor(false))
        .expect("who reads may also approve");
    assert_eq!(
        world.operate("nour", auditor(false)),
        Err(FoldError::NoChange)
    );
    world.operate("nour", auditor(true)).unwrap();
    assert!(!world.registry.has_role(PersonRole::Auditor, &part("amal")));
    world
        .operate("nour", taken("amal", PersonRole::Approver, 202))
        .unwrap();
    let again = world.give(PersonRole::Approver, "amal", 202);
    assert_eq!(
        again,
        Err(FoldError::KeyReused),
        "a key that was taken away"
    );
    world.give(PersonRole::Approver, "amal", 204).unwrap();
}
