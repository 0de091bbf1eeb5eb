//! Operators' acts: what one may do alone, what needs two, and that nothing takes effect twice.

use super::*;
use crate::act::{
    AgencyAct, AgencyDeed, Approval, OperatorAct, OperatorDeed, PersonRole, TwoOperators,
};
use crate::limits::REPLACEMENT_MS;

/// An operator's or approver's name and key.
type Seat<'a> = (&'a str, &'a Ed25519);

fn id(agency: &str) -> AgencyId {
    AgencyId::parse(agency).unwrap()
}

/// A sealed act, which may be recorded as often as somebody likes to try.
struct Sealed(Kind, Bytes, Seal);

impl Sealed {
    fn id(&self) -> Digest {
        Digest::of(&self.1)
    }
}

impl World {
    fn operator(&self) -> Ed25519 {
        let _ = self;
        Ed25519::from_seed(201)
    }

    fn record(&mut self, act: &Sealed) -> Result<(), FoldError> {
        self.apply(act.0, act.1.clone(), Some(act.2.clone()))
    }

    fn agency(&self, agency: &str) -> &Agency {
        self.registry.agency(&id(agency)).unwrap()
    }

    /// A second person who can seal.
    fn seat(&mut self, role: PersonRole, name: &str, key: &Ed25519) -> Result<(), FoldError> {
        let first = self.operator();
        let act = deed(("nour", &first), seating(role, name, key), 1);
        self.record(&act)
    }
}

fn seating(role: PersonRole, name: &str, key: &Ed25519) -> OperatorDeed {
    OperatorDeed::SetRole {
        role,
        name: part(name),
        key: Some(key.key().clone()),
        ended: false,
    }
}

fn deed((name, key): Seat<'_>, deed: OperatorDeed, n: u64) -> Sealed {
    let header = OperatorAct {
        operator: part(name),
        issued_at_ms: NOW + n,
        deed,
    }
    .encode();
    let seal = sealed(label::OPERATOR, &header, key);
    Sealed(Kind::OperatorAct, header, seal)
}

fn approval((name, key): Seat<'_>, of: &Sealed, rejected: bool) -> Sealed {
    let header = Approval {
        operator: part(name),
        issued_at_ms: NOW,
        act: of.id(),
        rejected,
        reason: String::new(),
    }
    .encode();
    let seal = sealed(label::OPERATOR, &header, key);
    Sealed(Kind::Approval, header, seal)
}

fn suspension(agency: &str, lifted: bool) -> OperatorDeed {
    OperatorDeed::SuspendAgency {
        agency: id(agency),
        lifted,
        reason: "A reason".to_owned(),
    }
}

fn policy(names: &[&str]) -> OperatorDeed {
    OperatorDeed::SetPolicy(TwoOperators(names.iter().map(|name| part(name)).collect()))
}

fn replacement(agency: &str, key: &Ed25519) -> OperatorDeed {
    let over = OperatorDeed::replacement_bytes(&id(agency), key.key());
    OperatorDeed::ReplaceAuthority {
        agency: id(agency),
        key: key.key().clone(),
        possession: sealed(label::POSSESSION, &over, key).cose,
    }
}

fn agency_act(agency: &str, authority: &Ed25519, deed: AgencyDeed) -> Sealed {
    let header = AgencyAct {
        agency: id(agency),
        issued_at_ms: NOW,
        deed,
    }
    .encode();
    let seal = sealed(label::AUTHORITY, &header, authority);
    Sealed(Kind::AgencyAct, header, seal)
}

#[test]
fn an_act_that_stands_in_the_log_is_not_recorded_again() {
    let mut world = World::new();
    let moss = world.join("EG/GOV/MOSS", 2);
    let nour = world.operator();
    let suspend = deed(("nour", &nour), suspension("EG/GOV/MOSS", false), 1);
    let lift = deed(("nour", &nour), suspension("EG/GOV/MOSS", true), 2);
    world.record(&suspend).unwrap();
    world.record(&lift).unwrap();
    assert_eq!(world.record(&suspend), Err(FoldError::Replayed));
    let again = deed(("nour", &nour), suspension("EG/GOV/MOSS", false), 3);
    world.record(&again).unwrap();
    assert_eq!(
        world.record(&lift),
        Err(FoldError::Replayed),
        "whoever has the log has the old act too"
    );
    assert!(world.agency("EG/GOV/MOSS").suspended.is_some());
    let end = deed(("nour", &nour), suspension("EG/GOV/MOSS", true), 4);
    world.record(&end).unwrap();

    let administrator = |ended| AgencyDeed::Administrator {
        name: part("hoda"),
        ended,
    };
    let seated = agency_act("EG/GOV/MOSS", &moss, administrator(false));
    world.record(&seated).unwrap();
    world
        .record(&agency_act("EG/GOV/MOSS", &moss, administrator(true)))
        .unwrap();
    assert_eq!(world.record(&seated), Err(FoldError::Replayed));
    assert!(world.agency("EG/GOV/MOSS").administrators.is_empty());
}

#[test]
fn a_second_seal_counts_for_one_time() {
    let mut world = World::new();
    world.join("EG/GOV/MOSS", 2);
    let (nour, samir) = (world.operator(), Ed25519::from_seed(202));
    let (nour, second) = (("nour", &nour), ("samir", &samir));
    world.seat(PersonRole::Approver, "samir", &samir).unwrap();
    world
        .record(&deed(nour, policy(&["agency_suspension"]), 2))
        .unwrap();
    let mut both = |deed: &Sealed| {
        let seal = approval(second, deed, false);
        world.record(deed)?;
        world.record(&seal)?;
        Ok::<Sealed, FoldError>(seal)
    };
    let suspend = deed(nour, suspension("EG/GOV/MOSS", false), 3);
    let lift = deed(nour, suspension("EG/GOV/MOSS", true), 4);
    both(&suspend).unwrap();
    let old_seal = both(&lift).unwrap();
    both(&deed(nour, suspension("EG/GOV/MOSS", false), 5)).unwrap();
    // The first operator alone, with the second one's old seal from the log.
    assert_eq!(world.record(&lift), Err(FoldError::Replayed));
    assert_eq!(world.record(&old_seal), Err(FoldError::Replayed));
    assert!(world.agency("EG/GOV/MOSS").suspended.is_some());
}

#[test]
fn who_asks_for_two_asks_for_two_to_stop_asking_and_to_seat_the_second() {
    let mut world = World::new();
    world.join("EG/GOV/MOSS", 2);
    let (nour, samir) = (world.operator(), Ed25519::from_seed(202));
    let (nour, second) = (("nour", &nour), ("samir", &samir));
    world.seat(PersonRole::Approver, "samir", &samir).unwrap();
    world
        .record(&deed(nour, policy(&["agency_suspension"]), 2))
        .unwrap();
    let lift = deed(nour, policy(&[]), 3);
    world.record(&lift).unwrap();
    assert!(!world.registry.policy().0.is_empty(), "it waits");
    let mine = Ed25519::from_seed(203);
    let puppet = deed(nour, seating(PersonRole::Approver, "puppet", &mine), 4);
    world.record(&puppet).unwrap();
    assert!(
        !world
            .registry
            .has_role(PersonRole::Approver, &part("puppet")),
        "it waits too"
    );
    assert_eq!(
        world.record(&approval(("puppet", &mine), &puppet, false)),
        Err(FoldError::NotOperator)
    );
    world.record(&approval(second, &lift, false)).unwrap();
    assert!(world.registry.policy().0.is_empty());
}

#[test]
fn the_second_seal_is_another_persons_and_the_first_one_still_has_the_role() {
    let mut world = World::new();
    world.join("EG/GOV/MOSS", 2);
    let (nour, samir) = (world.operator(), Ed25519::from_seed(202));
    let second = ("samir", &samir);
    world.seat(PersonRole::Operator, "samir", &samir).unwrap();
    let key = Ed25519::from_seed(30);
    let act = deed(("nour", &nour), replacement("EG/GOV/MOSS", &key), 2);
    world.record(&act).unwrap();
    assert_eq!(
        world.record(&approval(("nour", &nour), &act, false)),
        Err(FoldError::SamePerson)
    );
    let ends = OperatorDeed::SetRole {
        role: PersonRole::Operator,
        name: part("nour"),
        key: Some(nour.key().clone()),
        ended: true,
    };
    world.record(&deed(second, ends, 3)).unwrap();
    assert_eq!(
        world.record(&approval(second, &act, false)),
        Err(FoldError::NotOperator)
    );
    // The same person under another role, another key and another spelling is no second person.
    let other = deed(second, replacement("EG/GOV/MOSS", &key), 4);
    world.record(&other).unwrap();
    let third = Ed25519::from_seed(204);
    world
        .record(&deed(
            second,
            seating(PersonRole::Operator, "third", &third),
            5,
        ))
        .unwrap();
    let ends = OperatorDeed::SetRole {
        role: PersonRole::Operator,
        name: part("samir"),
        key: Some(samir.key().clone()),
        ended: true,
    };
    world.record(&deed(("third", &third), ends, 6)).unwrap();
    let disguise = Ed25519::from_seed(205);
    let seat = seating(PersonRole::Approver, "Samir", &disguise);
    world.record(&deed(("third", &third), seat, 7)).unwrap();
    assert_eq!(
        world.record(&approval(("Samir", &disguise), &other, false)),
        Err(FoldError::SamePerson)
    );
}

#[test]
fn a_replaced_key_counts_from_the_moment_it_is_due_and_can_be_objected_to_until_then() {
    let mut world = World::new();
    let moss = world.join("EG/GOV/MOSS", 2);
    let (nour, samir) = (world.operator(), Ed25519::from_seed(202));
    world.seat(PersonRole::Approver, "samir", &samir).unwrap();
    let begin = |world: &mut World, key: &Ed25519, n: u64| {
        let act = deed(("nour", &nour), replacement("EG/GOV/MOSS", key), n);
        world.record(&act).unwrap();
        world
            .record(&approval(("samir", &samir), &act, false))
            .unwrap();
        act
    };
    let object = |key: &Ed25519, act: &Sealed| {
        agency_act("EG/GOV/MOSS", key, AgencyDeed::Object { act: act.id() })
    };
    let (first, second) = (Ed25519::from_seed(30), Ed25519::from_seed(31));
    let act = begin(&mut world, &first, 2);
    world.now_ms += REPLACEMENT_MS - 1;
    world.record(&object(&moss, &act)).unwrap();
    assert!(world.agency("EG/GOV/MOSS").replacement.is_none());

    let act = begin(&mut world, &second, 3);
    world.now_ms += REPLACEMENT_MS;
    assert!(
        matches!(world.record(&object(&moss, &act)), Err(FoldError::Seal(_))),
        "too late for the older key"
    );
    assert_eq!(
        world.record(&object(&second, &act)),
        Err(FoldError::NoReplacement),
        "and nothing is under way for the newer one"
    );
    assert_eq!(world.agency("EG/GOV/MOSS").authority_key, *moss.key());
    let key = Ed25519::from_seed(12);
    world
        .bind("EG/GOV/MOSS/takaful", &key, &key, &second)
        .unwrap();
    assert_eq!(world.agency("EG/GOV/MOSS").authority_key, *second.key());
}

#[test]
fn an_operator_is_not_seated_with_the_logs_own_key() {
    let mut world = World::new();
    let log = Ed25519::from_seed(200);
    assert_eq!(
        world.seat(PersonRole::Operator, "samir", &log),
        Err(FoldError::KeyReused)
    );
    let mut genesis = world.registry.genesis().unwrap().clone();
    genesis.operators.push(Operator {
        name: part("samir"),
        key: log.key().clone(),
    });
    let header = genesis.encode();
    let seal = sealed(label::GENESIS, &header, &log);
    let mut other = World {
        registry: Registry::empty(),
        index: 0,
        now_ms: NOW,
        operator: Ed25519::from_seed(201),
    };
    assert_eq!(
        other.apply(Kind::Genesis, header, Some(seal)),
        Err(FoldError::KeyReused)
    );
    assert_eq!(other.registry.people().count(), 0, "nothing is left of it");
}
