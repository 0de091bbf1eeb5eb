//! Delegations: they can only narrow, and fall with whatever they hang on.

use super::*;

/// The asking systems of those to whom something is handed on.
const CENTRE: &str = "EG/GOV/GIZA/centre";
const NGO: &str = "EG/NGO/AID/desk";
const AID: &str = "EG/NGO/AID";
const LAST: &str = "EG/NGO/LAST";

/// `CIVIL` grants `MOSS` two operations, purposes and fields, to be handed on `depth` times.
fn granted(depth: u32) -> (World, Digest) {
    let mut world = World::new();
    for (seed, name) in [CIVIL, MOSS, GIZA, AID, LAST].iter().enumerate() {
        world.join(name, seed as u8 + 1);
    }
    let mut content = content(MOSS);
    content.grants[0].operations = parts(&["lookup", "search"]);
    content.grants[0].purposes = parts(&["ration", "takaful"]);
    content.grants[0].fields = parts(&["income", "name_ar"]);
    content.grants[0].delegation_depth = depth;
    let id = world.agree(&content).unwrap();
    (world, id)
}

fn to(consumer: &str, depth: u32, parent: Option<Digest>) -> Delegation {
    Delegation {
        grant: 1,
        parent,
        consumer: agency(consumer),
        operations: parts(&["lookup"]),
        purposes: parts(&["takaful"]),
        fields: parts(&["name_ar"]),
        not_before_ms: NOW + 100,
        not_after_ms: NOW + 500,
        depth,
    }
}

/// `MOSS` → `GIZA` → `AID`; gives both links.
fn chain() -> (World, Digest, Digest, Digest) {
    let (mut world, id) = granted(2);
    let first = world.delegate(MOSS, id, &to(GIZA, 1, None)).unwrap();
    let second = world.delegate(GIZA, id, &to(AID, 0, Some(first))).unwrap();
    (world, id, first, second)
}

#[test]
fn what_was_handed_on_is_asked_for_by_naming_the_whole_chain_in_order() {
    let (world, id, first, second) = chain();
    assert!(ask(&world, CENTRE, id, &[first], NOW + 100).is_ok());
    assert!(ask(&world, NGO, id, &[first, second], NOW + 100).is_ok());
    assert_eq!(world.registry.chain_of(&second), [first, second]);
    let wrong: [(&[Digest], usize); 6] = [
        (&[], 0),
        (&[first], 0),
        (&[second], 1),
        (&[second, first], 1),
        (&[first, second, second], 3),
        (&[Digest::of(b"x")], 1),
    ];
    for (named, link) in wrong {
        assert_eq!(
            clause(&world, NGO, id, named, NOW + 100),
            Clause::Delegation(link)
        );
    }
    assert_eq!(
        clause(&world, CENTRE, id, &[first, second], NOW + 100),
        Clause::Delegation(0),
        "a chain that ends elsewhere"
    );
}

#[test]
fn a_delegation_does_not_widen() {
    let (mut world, id) = granted(1);
    let fits = to(GIZA, 0, None);
    let wider = [
        Delegation {
            operations: parts(&["erase", "lookup"]),
            ..fits.clone()
        },
        Delegation {
            purposes: parts(&["tax"]),
            ..fits.clone()
        },
        Delegation {
            fields: parts(&["iban"]),
            ..fits.clone()
        },
        Delegation {
            not_before_ms: NOW - 1,
            ..fits.clone()
        },
        Delegation {
            not_after_ms: NOW + 1_001,
            ..fits.clone()
        },
        Delegation {
            depth: 1,
            ..fits.clone()
        },
        Delegation {
            grant: 2,
            ..fits.clone()
        },
        Delegation {
            grant: u32::MAX,
            ..fits.clone()
        },
        Delegation {
            consumer: agency(CIVIL),
            ..fits.clone()
        },
    ];
    for delegation in wider {
        assert!(
            matches!(
                world.delegate(MOSS, id, &delegation),
                Err(FoldError::Widens(_))
            ),
            "{delegation:?}"
        );
    }
    let nobody = Delegation {
        consumer: agency("EG/GOV/NOBODY"),
        ..fits.clone()
    };
    assert!(matches!(
        world.delegate(MOSS, id, &nobody),
        Err(FoldError::UnknownAgency(_))
    ));
    world.delegate(MOSS, id, &fits).unwrap();
}

#[test]
fn each_link_narrows_the_one_above_it() {
    let (mut world, id, first, second) = chain();
    let below = to(AID, 0, Some(first));
    let wider = [
        Delegation {
            operations: parts(&["lookup", "search"]),
            ..below.clone()
        },
        Delegation {
            purposes: parts(&["ration", "takaful"]),
            ..below.clone()
        },
        Delegation {
            fields: parts(&["income", "name_ar"]),
            ..below.clone()
        },
        Delegation {
            not_before_ms: NOW + 99,
            ..below.clone()
        },
        Delegation {
            not_after_ms: NOW + 501,
            ..below.clone()
        },
        Delegation {
            depth: 1,
            ..below.clone()
        },
        to(LAST, 0, Some(second)),
    ];
    for delegation in wider {
        let from = if delegation.parent == Some(second) {
            AID
        } else {
            GIZA
        };
        assert!(
            matches!(
                world.delegate(from, id, &delegation),
                Err(FoldError::Widens(_))
            ),
            "the grant allows it, and the link above does not: {delegation:?}"
        );
    }
}

#[test]
fn only_the_holder_hands_on_and_only_what_is_of_that_agreement() {
    let (mut world, id) = granted(2);
    let mut second = content(MOSS);
    second.nonce = [4; 16];
    second.grants[0].delegation_depth = 2;
    let other = world.agree(&second).unwrap();
    for stranger in [CIVIL, GIZA, LAST] {
        assert!(
            matches!(
                world.delegate(stranger, id, &to(AID, 0, None)),
                Err(FoldError::NotParty(_))
            ),
            "{stranger}"
        );
    }
    let first = world.delegate(MOSS, id, &to(GIZA, 1, None)).unwrap();
    assert!(matches!(
        world.delegate(MOSS, id, &to(AID, 0, Some(first))),
        Err(FoldError::NotParty(_))
    ));
    assert_eq!(
        world.delegate(GIZA, other, &to(AID, 0, Some(first))),
        Err(FoldError::UnknownDelegation),
        "a parent of another agreement"
    );
    assert_eq!(
        world.delegate(GIZA, id, &to(AID, 0, Some(Digest::of(b"x")))),
        Err(FoldError::UnknownDelegation)
    );
    assert_eq!(
        clause(&world, CENTRE, other, &[first], NOW + 100),
        Clause::Parties,
        "a link under another agreement than its own"
    );
    world.delegate(MOSS, other, &to(GIZA, 0, None)).unwrap();
    assert_eq!(
        clause(&world, CENTRE, other, &[first], NOW + 100),
        Clause::Delegation(1)
    );
}

#[test]
fn a_chain_is_so_long_and_no_longer() {
    let (mut world, id) = granted(DELEGATION_MAX as u32);
    let names = [MOSS, GIZA, AID, LAST, GIZA, AID];
    let mut parent = None;
    for level in 0..DELEGATION_MAX {
        let depth = (DELEGATION_MAX - level - 1) as u32;
        let link = to(names[level + 1], depth, parent);
        parent = Some(world.delegate(names[level], id, &link).unwrap());
    }
    let chain = world.registry.chain_of(&parent.unwrap());
    assert_eq!(chain.len(), DELEGATION_MAX);
    assert!(ask(&world, CENTRE, id, &chain, NOW + 100).is_ok());
    assert!(matches!(
        world.delegate(GIZA, id, &to(AID, 0, parent)),
        Err(FoldError::Widens(_))
    ));
}

#[test]
fn whoever_stands_above_ends_a_link_and_all_below_fall() {
    for (who, middle) in [(CIVIL, true), (MOSS, true), (MOSS, false), (GIZA, false)] {
        let (mut world, id, first, second) = chain();
        let ends = if middle { first } else { second };
        world.end_delegation(who, id, ends).unwrap();
        let link = if middle { 1 } else { 2 };
        assert_eq!(
            clause(&world, NGO, id, &[first, second], NOW + 100),
            Clause::Delegation(link),
            "{who}"
        );
        assert_eq!(
            ask(&world, CENTRE, id, &[first], NOW + 100).is_ok(),
            !middle
        );
        assert_eq!(
            world.end_delegation(who, id, ends),
            Err(FoldError::UnknownDelegation),
            "once"
        );
        let again = world.delegate(GIZA, id, &to(AID, 0, Some(first)));
        assert_eq!(again.is_ok(), !middle, "nothing hangs on what was ended");
    }
}

#[test]
fn nobody_below_or_beside_ends_a_link() {
    let (mut world, id, first, second) = chain();
    for (who, ends) in [(GIZA, first), (AID, second), (AID, first), (LAST, second)] {
        assert!(
            matches!(
                world.end_delegation(who, id, ends),
                Err(FoldError::NotParty(_))
            ),
            "{who}"
        );
    }
    let mut second_agreement = content(MOSS);
    second_agreement.nonce = [4; 16];
    let other = world.agree(&second_agreement).unwrap();
    assert_eq!(
        world.end_delegation(MOSS, other, first),
        Err(FoldError::UnknownDelegation),
        "under another agreement"
    );
}

#[test]
fn every_link_counts_in_its_own_time() {
    let (world, id, first, _) = chain();
    assert_eq!(
        clause(&world, CENTRE, id, &[first], NOW + 99),
        Clause::Delegation(1)
    );
    assert!(ask(&world, CENTRE, id, &[first], NOW + 499).is_ok());
    assert_eq!(
        clause(&world, CENTRE, id, &[first], NOW + 500),
        Clause::Delegation(1)
    );
}

#[test]
fn a_suspended_agency_hands_on_nothing_and_what_it_handed_on_rests() {
    let (mut world, id, first, second) = chain();
    world.suspend(GIZA, false).unwrap();
    assert_eq!(
        clause(&world, NGO, id, &[first, second], NOW + 100),
        Clause::Delegation(2)
    );
    assert_eq!(
        clause(&world, CENTRE, id, &[first], NOW + 100),
        Clause::Standing(agency(GIZA))
    );
    assert_eq!(
        world.delegate(GIZA, id, &to(LAST, 0, Some(first))),
        Err(FoldError::Suspended(agency(GIZA)))
    );
    world.suspend(GIZA, true).unwrap();
    assert!(ask(&world, NGO, id, &[first, second], NOW + 100).is_ok());
    world.suspend(GIZA, false).unwrap();
    world
        .end_delegation(GIZA, id, second)
        .expect("what only takes away stays open");
}

#[test]
fn all_fall_with_the_agreement() {
    for (who, name) in [(CIVIL, "provider"), (MOSS, "consumer")] {
        let (mut world, id, first, second) = chain();
        world.revoke(who, id).unwrap();
        assert_eq!(
            clause(&world, NGO, id, &[first, second], NOW + 100),
            Clause::Revocation,
            "{name}"
        );
        assert_eq!(
            world.delegate(MOSS, id, &to(LAST, 0, None)),
            Err(FoldError::OutOfOrder)
        );
    }
}

#[test]
fn the_members_of_a_public_grant_hand_it_on_where_it_says_so() {
    let (mut world, _) = granted(0);
    let mut public = content("EG/GOV/*");
    public.grants[0].delegation_depth = 1;
    let id = world.agree(&public).unwrap();
    let link = world.delegate(GIZA, id, &to(AID, 0, None)).unwrap();
    assert!(ask(&world, NGO, id, &[link], NOW + 100).is_ok());
    assert!(
        matches!(
            world.delegate(LAST, id, &to(AID, 0, None)),
            Err(FoldError::NotParty(_))
        ),
        "who is not of the class has nothing to hand on"
    );
}

#[test]
fn a_delegation_that_is_replayed_or_sealed_by_another_is_refused() {
    let (mut world, id) = granted(1);
    let proposal = world.registry.agreement(&id).unwrap().acts[0].id;
    let content = to(GIZA, 0, None).encode();
    let act = world.step(Step::Delegate, MOSS, id, Some(proposal), content);
    assert!(matches!(
        world.act(&act, &world.key(CIVIL)),
        Err(FoldError::Seal(_))
    ));
    world.act(&act, &world.key(MOSS)).unwrap();
    assert_eq!(world.act(&act, &world.key(MOSS)), Err(FoldError::NoChange));
    world.end_delegation(MOSS, id, act.id()).unwrap();
    assert_eq!(
        world.act(&act, &world.key(MOSS)),
        Err(FoldError::NoChange),
        "an ended one does not come back"
    );
}
