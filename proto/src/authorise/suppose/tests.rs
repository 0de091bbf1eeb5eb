//! A supposed registry decides as a real one would whose agencies had sealed what is supposed.

use super::*;
use crate::authorise::Clause;
use crate::registry::tests::{
    CIVIL, GIZA, MOSS, NOW, PERSONS, World, ask, content, parts, request,
};

const ASKER: &str = "EG/GOV/MOSS/takaful";

fn world() -> (World, Digest) {
    let mut world = World::new();
    for (seed, name) in [CIVIL, MOSS, GIZA].iter().enumerate() {
        world.join(name, seed as u8 + 1);
    }
    let agreement = world.agree(&content(MOSS)).unwrap();
    (world, agreement)
}

fn asks(world: &World, agreement: Option<Digest>, fields: &[&str]) -> RequestHeader {
    RequestHeader {
        agreement,
        ..request(world, ASKER, ("lookup", "takaful", fields))
    }
}

#[test]
fn nothing_supposed_changes_nothing() {
    let (world, agreement) = world();
    let supposed = Supposed::new(&world.registry, &Supposition::default());
    for fields in [&["name_ar"][..], &["income"], &["name_ar", "zeal"]] {
        for named in [Some(agreement), None, Some(Digest::of(b"another"))] {
            let asked = asks(&world, named, fields);
            let real = authorise(&world.registry, &asked, NOW);
            let would = supposed.authorise(&asked, NOW);
            assert_eq!(would.map(|would| would.permission), real);
        }
    }
}

#[test]
fn what_is_revoked_or_without_its_grant_refuses_and_the_registry_stays_as_it_is() {
    let (world, agreement) = world();
    let asked = asks(&world, Some(agreement), &["name_ar"]);
    let clause = |supposition: &Supposition| {
        let supposed = Supposed::new(&world.registry, supposition);
        supposed.authorise(&asked, NOW).unwrap_err().clause
    };
    let revoked = Supposition {
        revoked: vec![agreement],
        ..Supposition::default()
    };
    assert_eq!(clause(&revoked), Clause::Revocation);
    let without = |grant| Supposition {
        without_grant: vec![(agreement, grant)],
        ..Supposition::default()
    };
    assert_eq!(clause(&without(1)), Clause::Operation);
    for grant in [0, 2, u32::MAX] {
        let supposed = Supposed::new(&world.registry, &without(grant));
        assert!(supposed.authorise(&asked, NOW).is_ok(), "{grant}");
    }
    assert!(ask(&world, ASKER, agreement, &[], NOW).is_ok());
}

#[test]
fn what_is_added_permits_what_nobody_could_name_within_its_time() {
    let (world, _) = world();
    let mut wider = content(MOSS);
    wider.nonce = [8; 16];
    wider.grants[0].fields = parts(&["income", "name_ar"]);
    wider.not_before_ms = NOW + 10;
    wider.not_after_ms = NOW + 20;
    let supposition = Supposition {
        added: vec![content(GIZA), wider],
        ..Supposition::default()
    };
    let supposed = Supposed::new(&world.registry, &supposition);
    let asked = asks(&world, None, &["income", "name_ar"]);
    for (at_ms, permits) in [(9, false), (10, true), (19, true), (20, false)] {
        let would = supposed.authorise(&asked, NOW + at_ms);
        assert_eq!(
            would.ok().map(|would| would.added),
            permits.then_some(Some(1))
        );
    }
    // Real agreements do not turn up by it: who named none is refused as before.
    let narrow = asks(&world, None, &["name_ar"]);
    let denial = supposed.authorise(&narrow, NOW).unwrap_err();
    assert_eq!(denial.clause, Clause::Agreement);
}

#[test]
fn what_is_added_takes_the_place_of_what_it_supersedes() {
    let (world, agreement) = world();
    let narrower = AgreementContent {
        nonce: [8; 16],
        supersedes: Some(agreement),
        not_before_ms: NOW + 100,
        ..content(MOSS)
    };
    let mut other = narrower.clone();
    other.grants[0].purposes = parts(&["karama"]);
    let asked = asks(&world, Some(agreement), &["name_ar"]);
    let would = |content: &AgreementContent, at_ms| {
        let supposition = Supposition {
            added: vec![content.clone()],
            ..Supposition::default()
        };
        Supposed::new(&world.registry, &supposition).authorise(&asked, at_ms)
    };
    assert_eq!(would(&other, NOW + 99).unwrap().added, None);
    assert_eq!(
        would(&other, NOW + 100).unwrap_err().clause,
        Clause::Supersession
    );
    // The same terms again: permitted, by the one that is supposed.
    assert_eq!(would(&narrower, NOW + 100).unwrap().added, Some(0));
}

#[test]
fn a_service_that_is_not_there_is_none_either_way() {
    let (mut world, agreement) = world();
    let asked = asks(&world, Some(agreement), &["name_ar"]);
    let located =
        |world: &World| Supposed::new(&world.registry, &Supposition::default()).locate(&asked);
    assert_eq!(located(&world), Err(Code::UnknownService));
    world.system("EG/GOV/CIVIL/registry", 40);
    world.publish(PERSONS, &["lookup"]).unwrap();
    assert_eq!(located(&world), locate(&world.registry, &asked).map(drop));
}
