//! Reviews: one form, and one key that seals it.

use super::*;
use crate::act::Hold;
use crate::authorise::verify_review;
use crate::limits::label;
use crate::refusal::Code;
use crate::registry::tests::{CIVIL, MOSS, NOW, World, agency, sealed};

fn named(index: u64) -> ReviewedRequest {
    ReviewedRequest {
        index,
        leaf: Digest([7; 32]),
    }
}

fn review(requests: Vec<ReviewedRequest>) -> Review {
    Review {
        agency: agency(CIVIL),
        requests,
        finding: Finding::Unjustified,
        reason_sha256: Digest::of(b"no emergency"),
        issued_at_ms: NOW,
    }
}

#[test]
fn it_reads_back_as_written_and_the_longest_one_fits() {
    let most = (0..REVIEWED_MAX as u64).map(|at| named(u64::MAX - REVIEWED_MAX as u64 + at));
    for requests in [vec![named(0)], most.collect()] {
        let review = review(requests);
        assert_eq!(Review::open(&review.encode()).unwrap(), review);
        assert!(review.encode().len() <= HEADER_BYTES_MAX);
    }
}

#[test]
fn requests_that_are_none_unordered_twice_the_same_or_too_many_are_refused() {
    let too_many = (0..=REVIEWED_MAX as u64).map(named).collect();
    for requests in [
        vec![],
        vec![named(2), named(1)],
        vec![named(1), named(1)],
        too_many,
    ] {
        Review::open(&review(requests).encode()).unwrap_err();
    }
}

#[test]
fn another_finding_a_short_hash_and_another_message_are_refused() {
    let good = wire::Review::decode(&review(vec![named(3)]).encode()[..]).unwrap();
    let breaks: [fn(&mut wire::Review); 4] = [
        |wire| wire.finding = "Justified".to_owned(),
        |wire| wire.finding.clear(),
        |wire| wire.reason_sha256.truncate(31),
        |wire| wire.requests[0].leaf.truncate(31),
    ];
    for breaks in breaks {
        let mut wire = good.clone();
        breaks(&mut wire);
        Review::open(&wire.encode_to_vec()).unwrap_err();
    }
    Hold::open(&review(vec![named(3)]).encode()).unwrap_err();
}

#[test]
fn it_counts_under_the_authority_key_of_its_agency_only() {
    let mut world = World::new();
    world.join(MOSS, 1);
    world.join(CIVIL, 2);
    world.system("EG/GOV/CIVIL/registry", 4);
    let review = review(vec![named(3)]);
    let header = review.encode();
    let by = |holder: &str, label: &str| {
        let seal = sealed(label, &header, &world.key(holder));
        verify_review(&world.registry, &header, &seal)
    };
    assert_eq!(by(CIVIL, label::REVIEW).unwrap(), review);
    for other in [MOSS, "EG/GOV/CIVIL/registry", "nour"] {
        assert_eq!(by(other, label::REVIEW), Err(Code::WrongSigner));
    }
    assert_eq!(by(CIVIL, label::HOLD), Err(Code::BadSeal));
}
