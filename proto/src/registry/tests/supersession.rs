//! Agreements that take the place of others.

use super::*;

const ASKER: &str = "EG/GOV/MOSS/takaful";

fn parties() -> World {
    let mut world = World::new();
    for (seed, name) in [CIVIL, MOSS, GIZA].iter().enumerate() {
        world.join(name, seed as u8 + 1);
    }
    world
}

fn newer(older: Digest, from_ms: u64) -> AgreementContent {
    AgreementContent {
        nonce: [9; 16],
        not_before_ms: from_ms,
        not_after_ms: NOW + 3_000,
        supersedes: Some(older),
        ..content(MOSS)
    }
}

#[test]
fn there_is_no_millisecond_without_an_agreement() {
    // Accepted before it begins, just then, and long after.
    for (begins, accepted) in [(500, 100), (500, 500), (500, 700), (0, 300)] {
        let mut world = parties();
        let older = world.agree(&content(MOSS)).unwrap();
        world.now_ms = NOW + accepted;
        let before = world.clone();
        let newer = world.agree(&newer(older, NOW + begins)).unwrap();
        let permits = |world: &World, id, at_ms| ask(world, ASKER, id, &[], at_ms).is_ok();
        for after in 0..accepted {
            assert!(permits(&before, older, NOW + after));
        }
        let mut handed_over = None;
        for at_ms in NOW + accepted..NOW + 3_000 {
            let (old, new) = (permits(&world, older, at_ms), permits(&world, newer, at_ms));
            assert!(old != new, "{begins} {accepted} at {}", at_ms - NOW);
            if new && handed_over.is_none() {
                handed_over = Some(at_ms - NOW);
            }
        }
        assert_eq!(handed_over, Some(begins.max(accepted)));
    }
}

#[test]
fn what_is_only_proposed_takes_no_place() {
    let mut world = parties();
    let older = world.agree(&content(MOSS)).unwrap();
    let proposed = newer(older, NOW);
    world
        .act(&propose(&proposed, MOSS), &world.key(MOSS))
        .unwrap();
    assert!(ask(&world, ASKER, older, &[], NOW).is_ok());
    assert_eq!(
        clause(&world, ASKER, proposed.id(), &[], NOW),
        Clause::Acceptance
    );
}

#[test]
fn superseded_is_final_also_when_the_newer_one_is_revoked() {
    let mut world = parties();
    let older = world.agree(&content(MOSS)).unwrap();
    let newer = world.agree(&newer(older, NOW)).unwrap();
    world.revoke(MOSS, newer).unwrap();
    assert_eq!(clause(&world, ASKER, older, &[], NOW), Clause::Supersession);
    assert_eq!(clause(&world, ASKER, newer, &[], NOW), Clause::Revocation);
}

#[test]
fn one_takes_the_place_of_another_once() {
    let mut world = parties();
    let older = world.agree(&content(MOSS)).unwrap();
    let first = newer(older, NOW);
    let second = AgreementContent {
        nonce: [8; 16],
        ..first.clone()
    };
    let (one, other) = (propose(&first, CIVIL), propose(&second, CIVIL));
    let (civil, moss) = (world.key(CIVIL), world.key(MOSS));
    world.act(&one, &civil).unwrap();
    world.act(&other, &civil).unwrap();
    world.act(&follow(Step::Accept, &one, MOSS), &moss).unwrap();
    assert_eq!(
        world.act(&follow(Step::Accept, &other, MOSS), &moss),
        Err(FoldError::NotSuperseding)
    );
    let state = world.registry.agreement(&second.id()).unwrap().state;
    assert_eq!(state, AgreementState::Proposed, "refused and unchanged");
    let third = AgreementContent {
        nonce: [7; 16],
        supersedes: Some(first.id()),
        ..first
    };
    world
        .agree(&third)
        .expect("the newest one has one after it");
}

#[test]
fn only_the_same_two_take_the_place_of_what_they_agreed() {
    let mut world = parties();
    let older = world.agree(&content(MOSS)).unwrap();
    let others = [
        AgreementContent {
            consumer: ConsumerScope::parse(GIZA).unwrap(),
            ..newer(older, NOW)
        },
        AgreementContent {
            consumer: ConsumerScope::parse("EG/GOV/*").unwrap(),
            ..newer(older, NOW)
        },
        AgreementContent {
            provider: agency(GIZA),
            grants: vec![Grant {
                system: system("EG/GOV/GIZA/centre"),
                ..content(MOSS).grants[0].clone()
            }],
            ..newer(older, NOW)
        },
    ];
    for other in others {
        assert_eq!(world.agree(&other), Err(FoldError::NotSuperseding));
    }
    assert_eq!(
        world.agree(&newer(Digest::of(b"x"), NOW)),
        Err(FoldError::UnknownAgreement)
    );
    let proposed = AgreementContent {
        nonce: [6; 16],
        ..content(MOSS)
    };
    world
        .act(&propose(&proposed, MOSS), &world.key(MOSS))
        .unwrap();
    assert_eq!(
        world.agree(&newer(proposed.id(), NOW)),
        Err(FoldError::NotSuperseding),
        "only proposed"
    );
    world.revoke(MOSS, older).unwrap();
    assert_eq!(
        world.agree(&newer(older, NOW)),
        Err(FoldError::NotSuperseding),
        "revoked"
    );
}

#[test]
fn a_public_grant_is_followed_by_one_for_the_same_whoever_that_is_now() {
    let mut world = parties();
    let group = |members: &[&str]| ConsumerScope::Group {
        name: part("governorates"),
        members: members
            .iter()
            .map(|name| GroupMember {
                agency: agency(name),
                value: String::new(),
            })
            .collect(),
    };
    let older = AgreementContent {
        consumer: group(&[GIZA]),
        ..content(MOSS)
    };
    let id = world.agree(&older).unwrap();
    let wider = AgreementContent {
        consumer: group(&[GIZA, MOSS]),
        ..newer(id, NOW)
    };
    let next = world.agree(&wider).unwrap();
    assert!(ask(&world, ASKER, next, &[], NOW).is_ok());
    assert_eq!(
        clause(&world, "EG/GOV/GIZA/centre", id, &[], NOW),
        Clause::Supersession
    );
}

#[test]
fn what_hangs_on_the_older_one_ends_with_it() {
    let mut world = parties();
    let mut older = content(MOSS);
    older.grants[0].delegation_depth = 1;
    let id = world.agree(&older).unwrap();
    let delegation = Delegation {
        grant: 1,
        parent: None,
        consumer: agency(GIZA),
        operations: parts(&["lookup"]),
        purposes: parts(&["takaful"]),
        fields: parts(&["name_ar"]),
        not_before_ms: NOW,
        not_after_ms: NOW + 1_000,
        depth: 0,
    };
    let link = world.delegate(MOSS, id, &delegation).unwrap();
    let centre = "EG/GOV/GIZA/centre";
    assert!(ask(&world, centre, id, &[link], NOW).is_ok());
    let next = world.agree(&newer(id, NOW)).unwrap();
    assert_eq!(
        clause(&world, centre, id, &[link], NOW),
        Clause::Supersession
    );
    assert_eq!(clause(&world, centre, next, &[link], NOW), Clause::Parties);
}
