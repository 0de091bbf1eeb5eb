//! What breaks the glass, what waits afterwards, and what a late review stops.

use super::*;
use crate::act::{BREAK_GLASS, Finding, Grant};
use crate::authorise::{Clause, authorise};
use crate::commitment::Form;
use crate::refusal::Code;
use crate::registry::tests::{
    CIVIL, GIZA, MOSS, NOW, World, agency, content, part, request, system,
};

const WEEK: u64 = BREAK_GLASS_REVIEW_MS;

fn waiting(consumer: &str, provider: &str, recorded_at_ms: u64) -> Waiting {
    let mut id = [0; 16];
    (id[6], id[8]) = (0x70, 0x80);
    Waiting {
        leaf: Digest([7; 32]),
        recorded_at_ms,
        exchange: ExchangeId::from_slice(&id).unwrap(),
        consumer: system(consumer),
        provider: system(provider),
        actor: None,
        case: None,
        agreement: Digest::default(),
        grant: 1,
    }
}

fn review(indexes: &[u64]) -> Review {
    let named = |index: &u64| ReviewedRequest {
        index: *index,
        leaf: Digest([7; 32]),
    };
    Review {
        agency: agency(CIVIL),
        requests: indexes.iter().map(named).collect(),
        finding: Finding::Justified,
        reason_sha256: Digest::default(),
        issued_at_ms: 0,
    }
}

fn state() -> Reviews {
    let mut reviews = Reviews::default();
    reviews.begin(
        5,
        waiting("EG/GOV/MOSS/takaful", "EG/GOV/CIVIL/registry", 1_000),
    );
    reviews.begin(
        9,
        waiting("EG/GOV/MOSS/pensions", "EG/GOV/CIVIL/registry", 2_000),
    );
    reviews.begin(
        11,
        waiting("EG/GOV/MOSS/takaful", "EG/GOV/GIZA/services", 500),
    );
    reviews
}

#[test]
fn a_review_is_overdue_to_the_millisecond_and_for_its_two_agencies_alone() {
    let reviews = state();
    let overdue =
        |provider: &str, at_ms| reviews.overdue_since(&agency(MOSS), &agency(provider), at_ms);
    assert_eq!(overdue(CIVIL, WEEK + 999), None);
    assert_eq!(overdue(CIVIL, WEEK + 1_000), Some(WEEK + 1_000));
    assert_eq!(overdue(GIZA, WEEK + 500), Some(WEEK + 500));
    assert_eq!(
        reviews.overdue_since(&agency(GIZA), &agency(CIVIL), u64::MAX),
        None
    );
}

#[test]
fn only_what_waits_as_it_stands_there_and_was_asked_of_its_agency_can_be_reviewed() {
    let mut reviews = state();
    assert_eq!(reviews.judge(&review(&[5, 9])), Ok(()));
    assert_eq!(
        reviews.judge(&review(&[5, 6])),
        Err(ReviewFault::NotWaiting(6))
    );
    assert_eq!(
        reviews.judge(&review(&[5, 11])),
        Err(ReviewFault::NotAsked(11))
    );
    let mut other = review(&[5]);
    other.requests[0].leaf = Digest([8; 32]);
    assert_eq!(reviews.judge(&other), Err(ReviewFault::OtherEntry(5)));
    // Whoever asked cannot look at it.
    let own = Review {
        agency: agency(MOSS),
        ..review(&[5])
    };
    assert_eq!(reviews.judge(&own), Err(ReviewFault::NotAsked(5)));
    reviews.settle(&review(&[5]), 3_000);
    assert_eq!(
        reviews.judge(&review(&[5])),
        Err(ReviewFault::NotWaiting(5))
    );
    assert_eq!(reviews.waiting().count(), 2);
}

#[test]
fn a_late_review_opens_the_way_and_a_refusal_of_a_moment_ago_still_stands() {
    let mut reviews = state();
    let (moss, civil) = (agency(MOSS), agency(CIVIL));
    let late_ms = WEEK + 1_500;
    reviews.settle(&review(&[5]), late_ms);
    assert_eq!(reviews.overdue_since(&moss, &civil, late_ms), None);
    for (at_ms, may) in [
        (WEEK + 999, false),
        (WEEK + 1_000, true),
        (late_ms, true),
        // The next one is due, too.
        (WEEK + 2_000, true),
    ] {
        assert_eq!(reviews.may_have_been_overdue(&moss, &civil, at_ms), may);
    }
    reviews.settle(&review(&[9]), WEEK + 3_000);
    let long_after = WEEK + 3_001 + CAUGHT_UP_MS;
    assert!(!reviews.may_have_been_overdue(&moss, &civil, long_after));
    // Nothing is kept for ever.
    reviews.settle(&review(&[99]), long_after + 2 * CAUGHT_UP_MS);
    assert!(reviews.caught_up.is_empty());
}

#[test]
fn what_is_noted_twice_waits_once() {
    let mut reviews = state();
    reviews.begin(
        5,
        waiting("EG/GOV/MOSS/takaful", "EG/GOV/CIVIL/registry", 1_000),
    );
    reviews.settle(&review(&[5]), 1_001);
    assert_eq!(reviews.waiting().count(), 2);
    assert!(reviews.waiting_from(10).all(|(index, _)| index == 11));
}

/// The two agencies agree to break the glass.
fn agreed() -> (World, Digest) {
    let mut world = World::new();
    world.join(MOSS, 1);
    world.join(CIVIL, 2);
    world.system("EG/GOV/MOSS/takaful", 3);
    world.system("EG/GOV/CIVIL/registry", 4);
    let mut content = content(MOSS);
    for grant in &mut content.grants {
        grant.sensitivity = Some(part(BREAK_GLASS));
    }
    let id = world.agree(&content).unwrap();
    (world, id)
}

#[test]
fn the_glass_is_broken_sealed_by_a_named_person_in_a_named_case_or_not_at_all() {
    let (world, agreement) = agreed();
    let mut asked = request(
        &world,
        "EG/GOV/MOSS/takaful",
        ("lookup", "takaful", &["name_ar"]),
    );
    asked.agreement = Some(agreement);
    let (actor, case) = (Some(Digest([1; 32])), Some(Digest([2; 32])));
    let mut judged = |form, actor, case| {
        asked.payload.form = form;
        (asked.actor, asked.case_reference) = (actor, case);
        authorise(&world.registry, &asked, NOW)
    };
    let permitted = judged(Form::Sealed, actor, case).unwrap();
    assert!(permitted.wants_review);
    for (form, actor, case, code, clause) in [
        (
            Form::Whole,
            actor,
            case,
            Code::EncryptionRequired,
            Clause::Encryption,
        ),
        (
            Form::Sealed,
            None,
            case,
            Code::PurposeNotGranted,
            Clause::Actor,
        ),
        (
            Form::Sealed,
            None,
            None,
            Code::PurposeNotGranted,
            Clause::Actor,
        ),
        (
            Form::Sealed,
            actor,
            None,
            Code::PurposeNotGranted,
            Clause::CaseReference,
        ),
    ] {
        let denial = judged(form, actor, case).unwrap_err();
        assert_eq!((denial.code, denial.clause), (code, clause));
    }
}

#[test]
fn the_registry_says_which_grant_it_was_and_where_the_first_one_stands() {
    let (world, agreement) = agreed();
    let facts = |grant| ExchangeFacts {
        agreement: agreement.0.to_vec().into(),
        grant,
        ..ExchangeFacts::default()
    };
    assert_eq!(
        broken_glass(&world.registry, &facts(1)),
        Some((agreement, 1))
    );
    for grant in [0, 99] {
        assert_eq!(broken_glass(&world.registry, &facts(grant)), None);
    }
    assert!(first_break_glass(&world.registry).is_some());
    assert_eq!(first_break_glass(&World::new().registry), None);
    let open = Grant {
        sensitivity: Some(part("restricted")),
        ..world.registry.agreement(&agreement).unwrap().content.grants[0].clone()
    };
    assert!(open.wants_sealed() && !open.wants_review());
}
