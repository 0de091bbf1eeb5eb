//! Agreements: both seals, in order.

use super::*;

#[test]
fn an_agreement_needs_both_seals_in_order() {
    let mut world = World::new();
    let (civil, moss) = (world.join("EG/GOV/CIVIL", 1), world.join("EG/GOV/MOSS", 2));
    let third = world.join("EG/GOV/GIZA", 3);
    let content = content("EG/GOV/MOSS");
    let proposal = propose(&content, "EG/GOV/MOSS");
    assert!(
        matches!(world.act(&proposal, &civil), Err(FoldError::Seal(_))),
        "sealed by the other party"
    );
    assert!(matches!(
        world.act(&propose(&content, "EG/GOV/GIZA"), &third),
        Err(FoldError::NotParty(_))
    ));
    world.act(&proposal, &moss).unwrap();
    assert_eq!(
        world.act(&proposal, &moss),
        Err(FoldError::OutOfOrder),
        "twice"
    );
    let state = |world: &World| world.registry.agreement(&content.id()).unwrap().state;
    assert_eq!(state(&world), AgreementState::Proposed);
    let own = follow(Step::Accept, &proposal, "EG/GOV/MOSS");
    assert_eq!(
        world.act(&own, &moss),
        Err(FoldError::OutOfOrder),
        "the proposer accepts for the other"
    );
    let accept = follow(Step::Accept, &proposal, "EG/GOV/CIVIL");
    world.act(&accept, &civil).unwrap();
    assert_eq!(state(&world), AgreementState::Active);
    assert_eq!(
        world.act(&accept, &civil),
        Err(FoldError::OutOfOrder),
        "replayed"
    );
    let stale = follow(Step::Revoke, &proposal, "EG/GOV/MOSS");
    assert_eq!(
        world.act(&stale, &moss),
        Err(FoldError::OutOfOrder),
        "does not follow the latest act"
    );
    let by_third = follow(Step::Revoke, &accept, "EG/GOV/GIZA");
    assert!(matches!(
        world.act(&by_third, &third),
        Err(FoldError::NotParty(_))
    ));
    let revoke = follow(Step::Revoke, &accept, "EG/GOV/MOSS");
    world.act(&revoke, &moss).unwrap();
    assert_eq!(state(&world), AgreementState::Revoked);
    assert_eq!(
        world.act(&follow(Step::Revoke, &revoke, "EG/GOV/CIVIL"), &civil),
        Err(FoldError::OutOfOrder)
    );
}

#[test]
fn a_public_grant_is_the_providers_alone_to_seal_and_to_end() {
    let mut world = World::new();
    let (civil, moss) = (world.join("EG/GOV/CIVIL", 1), world.join("EG/GOV/MOSS", 2));
    let content = content("EG/GOV/*");
    assert!(matches!(
        world.act(&propose(&content, "EG/GOV/MOSS"), &moss),
        Err(FoldError::NotParty(_))
    ));
    let proposal = propose(&content, "EG/GOV/CIVIL");
    world.act(&proposal, &civil).unwrap();
    assert_eq!(
        world.registry.agreement(&content.id()).unwrap().state,
        AgreementState::Active
    );
    let by_consumer = follow(Step::Revoke, &proposal, "EG/GOV/MOSS");
    assert!(matches!(
        world.act(&by_consumer, &moss),
        Err(FoldError::NotParty(_))
    ));
    world
        .act(&follow(Step::Revoke, &proposal, "EG/GOV/CIVIL"), &civil)
        .unwrap();
}

#[test]
fn an_agreement_for_another_switch_or_with_foreign_grants_is_refused() {
    let mut world = World::new();
    let civil = world.join("EG/GOV/CIVIL", 1);
    world.join("EG/GOV/MOSS", 2);
    let mut other = content("EG/GOV/MOSS");
    other.origin = "other.example/log".to_owned();
    assert_eq!(
        world.act(&propose(&other, "EG/GOV/CIVIL"), &civil),
        Err(FoldError::OtherSwitch)
    );
    let mut foreign = content("EG/GOV/MOSS");
    foreign.grants[0].system = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    assert!(AgreementContent::open(&foreign.encode()).is_err());
}

const ASKER: &str = "EG/GOV/MOSS/takaful";

fn purpose(code: &str, ended: bool) -> OperatorDeed {
    OperatorDeed::SetPurpose(Purpose {
        ended,
        ..Purpose::plain(part(code))
    })
}

#[test]
fn a_purpose_stands_in_the_catalogue_before_anybody_agrees_on_it() {
    let mut world = World::new();
    world.join(CIVIL, 1);
    world.join(MOSS, 2);
    let mut wanted = content(MOSS);
    wanted.grants[0].purposes = parts(&["tax"]);
    let unknown = Err(FoldError::UnknownPurpose(part("tax")));
    assert_eq!(world.agree(&wanted), unknown);
    world.operate("nour", purpose("tax", false)).unwrap();
    assert_eq!(
        world.operate("nour", purpose("tax", false)),
        Err(FoldError::NoChange)
    );
    world.agree(&wanted).unwrap();
}

#[test]
fn an_ended_purpose_is_agreed_on_no_more_and_what_was_agreed_goes_on() {
    let mut world = World::new();
    let (civil, moss) = (world.join(CIVIL, 1), world.join(MOSS, 2));
    let id = world.agree(&content(MOSS)).unwrap();
    let half = AgreementContent {
        nonce: [4; 16],
        ..content(MOSS)
    };
    let proposal = propose(&half, CIVIL);
    world.act(&proposal, &civil).unwrap();
    world.operate("nour", purpose("takaful", true)).unwrap();
    let ended = Err(FoldError::UnknownPurpose(part("takaful")));
    let another = AgreementContent {
        nonce: [5; 16],
        ..content(MOSS)
    };
    assert_eq!(world.agree(&another).map(drop), ended);
    let accept = follow(Step::Accept, &proposal, MOSS);
    assert_eq!(
        world.act(&accept, &moss),
        ended,
        "proposed before, accepted after"
    );
    assert!(ask(&world, ASKER, id, &[], NOW).is_ok());
    world.operate("nour", purpose("takaful", false)).unwrap();
    world.act(&accept, &moss).unwrap();
}

#[test]
fn a_suspended_agency_revokes_and_agrees_on_nothing() {
    for (who, other) in [(MOSS, CIVIL), (CIVIL, MOSS)] {
        let mut world = World::new();
        world.join(CIVIL, 1);
        world.join(MOSS, 2);
        let id = world.agree(&content(MOSS)).unwrap();
        world.suspend(who, false).unwrap();
        assert_eq!(
            clause(&world, ASKER, id, &[], NOW),
            Clause::Standing(agency(who))
        );
        let suspended = Err(FoldError::Suspended(agency(who)));
        let another = AgreementContent {
            nonce: [4; 16],
            ..content(MOSS)
        };
        let proposal = propose(&another, other);
        world.act(&proposal, &world.key(other)).unwrap();
        let accept = follow(Step::Accept, &proposal, who);
        assert_eq!(world.act(&accept, &world.key(who)), suspended);
        let third = AgreementContent {
            nonce: [5; 16],
            ..content(MOSS)
        };
        assert_eq!(world.act(&propose(&third, who), &world.key(who)), suspended);
        world.suspend(who, true).unwrap();
        assert!(ask(&world, ASKER, id, &[], NOW).is_ok(), "it only rested");
        world.suspend(who, false).unwrap();
        world.revoke(who, id).unwrap();
    }
}

/// A group of `GIZA` with a value and `MOSS` without, whose rows are those of the own governorate.
fn governorates() -> AgreementContent {
    let member = |name: &str, value: &str| GroupMember {
        agency: agency(name),
        value: value.to_owned(),
    };
    let mut content = content(MOSS);
    content.consumer = ConsumerScope::Group {
        name: part("governorates"),
        members: vec![member(GIZA, "الجيزة"), member(MOSS, "")],
    };
    content.grants[0].delegation_depth = 1;
    content.grants[0].row_scope = vec![
        RowRule {
            field: part("status"),
            equals: Some("open".to_owned()),
        },
        RowRule {
            field: part("governorate"),
            equals: None,
        },
    ];
    content
}

fn rows(world: &World, consumer: &str, id: Digest, chain: &[Digest]) -> Option<Vec<Row>> {
    let permission = ask(world, consumer, id, chain, NOW).unwrap();
    let named = RequestHeader {
        agreement: Some(id),
        delegation: chain.to_vec(),
        ..request(world, consumer, ("lookup", "takaful", &["name_ar"]))
    };
    row_scope(&world.registry, &named, &permission)
}

#[test]
fn a_group_is_whom_the_provider_listed_and_each_sees_its_own_rows() {
    let mut world = World::new();
    for (seed, name) in [CIVIL, MOSS, GIZA, "EG/GOV/LUXOR"].iter().enumerate() {
        world.join(name, seed as u8 + 1);
    }
    let content = governorates();
    assert!(
        matches!(
            world.act(&propose(&content, GIZA), &world.key(GIZA)),
            Err(FoldError::NotParty(_))
        ),
        "the provider's alone to propose"
    );
    let id = world.agree(&content).unwrap();
    let row = |field: &str, equals: &str| Row {
        field: part(field),
        equals: equals.to_owned(),
    };
    let own = vec![row("status", "open"), row("governorate", "الجيزة")];
    assert_eq!(
        rows(&world, "EG/GOV/GIZA/centre", id, &[]),
        Some(own.clone())
    );
    assert_eq!(
        rows(&world, ASKER, id, &[]),
        None,
        "who has no value of its own sees no row"
    );
    assert_eq!(
        clause(&world, "EG/GOV/LUXOR/centre", id, &[], NOW),
        Clause::Parties
    );
    let delegation = Delegation {
        grant: 1,
        parent: None,
        consumer: agency("EG/GOV/LUXOR"),
        operations: parts(&["lookup"]),
        purposes: parts(&["takaful"]),
        fields: parts(&["name_ar"]),
        not_before_ms: NOW,
        not_after_ms: NOW + 1_000,
        depth: 0,
    };
    let link = world.delegate(GIZA, id, &delegation).unwrap();
    assert_eq!(
        rows(&world, "EG/GOV/LUXOR/centre", id, &[link]),
        Some(own),
        "whose right it is, whose rows they are"
    );
}

#[test]
fn groups_and_row_rules_have_one_form() {
    let refused = |change: fn(&mut AgreementContent)| {
        let mut content = governorates();
        change(&mut content);
        AgreementContent::open(&content.encode()).is_err()
    };
    assert!(!refused(|_| ()));
    assert!(
        refused(|content| content.consumer = ConsumerScope::parse(MOSS).unwrap()),
        "an own value without a group"
    );
    assert!(refused(|content| {
        if let ConsumerScope::Group { members, .. } = &mut content.consumer {
            members.reverse();
        }
    }));
    assert!(refused(|content| {
        if let ConsumerScope::Group { members, .. } = &mut content.consumer {
            members.push(members[1].clone());
        }
    }));
    assert!(refused(|content| {
        if let ConsumerScope::Group { members, .. } = &mut content.consumer {
            members.clear();
        }
    }));
    assert!(refused(|content| {
        content.grants[0].row_scope[0].equals = Some(String::new());
    }));
    assert!(refused(|content| {
        let rule = content.grants[0].row_scope[0].clone();
        content.grants[0].row_scope = vec![rule; crate::limits::ROW_RULES_MAX + 1];
    }));
}

#[test]
fn equal_names_of_two_agreements_are_one_text_in_memory() {
    let mut world = World::new();
    world.join(CIVIL, 1);
    world.join(MOSS, 2);
    let one = world.agree(&content(MOSS)).unwrap();
    let another = AgreementContent {
        nonce: [4; 16],
        ..AgreementContent::open(&content(MOSS).encode()).unwrap()
    };
    let other = world.agree(&another).unwrap();
    let texts = |id| {
        let content = &world.registry.agreement(&id).unwrap().content;
        let grant = &content.grants[0];
        [
            content.provider.as_str().as_ptr(),
            grant.system.as_str().as_ptr(),
            grant.operations[0].as_str().as_ptr(),
            grant.fields[0].as_str().as_ptr(),
        ]
    };
    assert_eq!(texts(one), texts(other));
}
