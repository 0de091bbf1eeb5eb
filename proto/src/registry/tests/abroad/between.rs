//! Which side of the border: whoever asks decides, in either direction and along a chain.

use super::*;

#[test]
fn a_provider_abroad_opens_homewards_and_is_cut_off_with_its_instance() {
    let mut world = World::new();
    world.join(CIVIL, 1);
    world.system(REGISTRY, 11);
    world.at_the_border("nour", admission("JO")).unwrap();
    world.join(BIDDER, 2);
    world.system(OFFICE, 12);
    let mut terms = content(CIVIL);
    terms.provider = agency(BIDDER);
    terms.grants[0].system = system(OFFICE);
    let id = world.agree(&terms).unwrap();
    let asked = |world: &World| {
        let question = Question {
            consumer: system(REGISTRY),
            service: system(OFFICE).service(&part("persons.v1")),
            operation: part("lookup"),
            purpose: part("takaful"),
            fields: parts(&["name_ar"]),
        };
        let named = RequestHeader {
            agreement: Some(id),
            ..question.request(&world.registry)
        };
        authorise(&world.registry, &named, NOW)
    };
    assert_eq!(asked(&world).unwrap_err().clause, Clause::Opening);
    let homewards = OpeningAbroad {
        agency: agency(BIDDER),
        instance: part("EG"),
        ..opening(id)
    };
    let homewards = world.at_the_border(BIDDER, BorderDeed::Open(homewards));
    homewards.unwrap();
    assert!(asked(&world).is_ok());
    world.at_the_border("nour", withdrawal("JO")).unwrap();
    let denial = asked(&world).unwrap_err();
    assert_eq!(denial.code, Code::BorderClosed);
    assert_eq!(denial.clause, Clause::Withdrawal("JO".to_owned()));
    assert_eq!((denial.agreement, denial.grant), (Some(id), 1));
}

#[test]
fn what_is_handed_on_across_the_border_needs_the_opening_too_and_breaks_with_a_link_withdrawn() {
    let mut world = World::new();
    world.join(CIVIL, 1);
    world.system(REGISTRY, 11);
    world.publish(PERSONS, &["lookup"]).unwrap();
    world.join(MOSS, 3);
    world.at_the_border("nour", admission("JO")).unwrap();
    world.join(BIDDER, 2);
    world.system(OFFICE, 12);
    let mut terms = content(MOSS);
    terms.grants[0].delegation_depth = 2;
    let id = world.agree(&terms).unwrap();
    let mut link = Delegation {
        grant: 1,
        parent: None,
        consumer: agency(BIDDER),
        operations: parts(&["lookup"]),
        purposes: parts(&["takaful"]),
        fields: parts(&["name_ar"]),
        not_before_ms: NOW,
        not_after_ms: NOW + 1_000,
        depth: 1,
    };
    let first = world.delegate(MOSS, id, &link).unwrap();
    assert_eq!(clause(&world, OFFICE, id, &[first], NOW), Clause::Opening);
    world
        .at_the_border(CIVIL, BorderDeed::Open(opening(id)))
        .unwrap();
    assert!(ask(&world, OFFICE, id, &[first], NOW).is_ok());
    // And homewards again, from the bidder: who asks is at home, and hangs on a link that is not.
    world.join(GIZA, 4);
    world.system("EG/GOV/GIZA/office", 14);
    (link.parent, link.depth) = (Some(first), 0);
    link.consumer = agency(GIZA);
    let second = world.delegate(BIDDER, id, &link).unwrap();
    let chain = [first, second];
    assert!(ask(&world, "EG/GOV/GIZA/office", id, &chain, NOW).is_ok());
    world.at_the_border("nour", withdrawal("JO")).unwrap();
    let broken = clause(&world, "EG/GOV/GIZA/office", id, &chain, NOW);
    assert_eq!(broken, Clause::Delegation(2));
}

#[test]
fn two_agencies_of_one_instance_abroad_have_no_border_between_them() {
    let mut world = World::new();
    world.at_the_border("nour", admission("JO")).unwrap();
    world.join(BIDDER, 2);
    world.system(OFFICE, 12);
    world.join("JO/GOV/TAX", 5);
    let provider = "JO/GOV/TAX/register";
    world.system(provider, 15);
    let mut terms = content(BIDDER);
    terms.provider = agency("JO/GOV/TAX");
    terms.grants[0].system = system(provider);
    let id = world.agree(&terms).unwrap();
    let named = RequestHeader {
        agreement: Some(id),
        provider: system(provider),
        ..request(&world, OFFICE, ("lookup", "takaful", &["name_ar"]))
    };
    assert!(authorise(&world.registry, &named, NOW).is_ok());
}
