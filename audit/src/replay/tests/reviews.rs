//! Reviews: what a switch lets through although one is overdue, drops, or makes up, is found from the entries alone.

use proto::act::{BREAK_GLASS, Finding, Review, ReviewedRequest};
use proto::commitment::Form;
use proto::header::RequestHeader;
use proto::limits::BREAK_GLASS_REVIEW_MS;

use super::forger::*;
use super::*;
use crate::log::Appended;

const WEEK: u64 = BREAK_GLASS_REVIEW_MS;

/// Who was asked; its authority key has the seed 11.
const AUTHORITY: u8 = 11;

/// Agencies that agreed to break the glass, and one exchange in which it was broken.
async fn broken() -> (Forger, Appended) {
    let mut forger = Forger::with_sensitivity(BREAK_GLASS).await;
    let request = look(&mut forger).await;
    (forger, request)
}

/// A look that the switch lets through, whatever it should do; nobody answers.
async fn look(forger: &mut Forger) -> Appended {
    let header = named(forger);
    let facts = ExchangeFacts {
        quota_used: 0,
        ..forger.facts()
    };
    let (request, _) = forger.request(&header, facts).await;
    let closing = facts::encode(&forger.closing_facts(&request, "deadline"));
    forger
        .append(Kind::Closing, closing, Bytes::new(), None)
        .await;
    request
}

fn named(forger: &mut Forger) -> RequestHeader {
    let mut header = forger.header();
    header.payload.form = Form::Sealed;
    header.issued_at_ms = forger.clock.now_ms();
    header.actor = Some(Digest::of(b"doctor"));
    header.case_reference = Some(Digest::of(b"case"));
    header
}

fn review(of: &Appended) -> Review {
    Review {
        agency: AgencyId::parse("EG/GOV/CIVIL").unwrap(),
        requests: vec![ReviewedRequest {
            index: of.index,
            leaf: of.leaf,
        }],
        finding: Finding::Justified,
        reason_sha256: Digest::of(b"the child was in danger"),
        issued_at_ms: NOW_MS,
    }
}

async fn give(forger: &Forger, review: &Review, seed: u8) {
    let header = review.encode();
    let seal = Seal::one(label::REVIEW, ORIGIN, &header, &TestSigner::new(seed)).unwrap();
    forger
        .append(Kind::Review, Bytes::new(), header, Some(seal))
        .await;
}

/// A refusal of a look, as overdue.
async fn refuse(forger: &mut Forger) {
    let header = named(forger).encode();
    let seal = Seal::one(label::REQUEST, ORIGIN, &header, &forger.moss).unwrap();
    let facts = facts::encode(&ExchangeFacts {
        code: "purpose_not_granted".to_owned(),
        clause: "review_overdue".to_owned(),
        quota_used: 0,
        ..forger.facts()
    });
    forger
        .append(Kind::Refusal, facts, header, Some(seal))
        .await;
}

#[tokio::test]
async fn a_review_in_time_leaves_the_way_open() {
    let (mut forger, first) = broken().await;
    forger.clock.advance_ms(WEEK - 1);
    look(&mut forger).await;
    give(&forger, &review(&first), AUTHORITY).await;
    forger.clock.advance_ms(1);
    look(&mut forger).await;
    assert!(forger.rules().await.is_empty());
}

#[tokio::test]
async fn a_look_while_a_review_is_overdue_is_found_and_so_is_a_review_left_out() {
    // The same entries, but for the review: as if the switch had dropped it, or had not waited for it.
    let (mut forger, _) = broken().await;
    forger.clock.advance_ms(WEEK);
    look(&mut forger).await;
    assert_eq!(forger.rules().await, [rule::REVIEW]);
}

#[tokio::test]
async fn a_refusal_stands_while_overdue_and_a_moment_after_and_not_otherwise() {
    let (mut forger, first) = broken().await;
    forger.clock.advance_ms(WEEK);
    refuse(&mut forger).await;
    give(&forger, &review(&first), AUTHORITY).await;
    // It was decided before the review was known.
    refuse(&mut forger).await;
    forger.clock.advance_ms(60_001);
    look(&mut forger).await;
    assert!(forger.rules().await.is_empty());

    let (mut forger, _) = broken().await;
    forger.clock.advance_ms(WEEK - 1);
    refuse(&mut forger).await;
    assert_eq!(forger.rules().await, [rule::REFUSAL]);
}

#[tokio::test]
async fn a_review_that_the_operator_makes_up_is_found_and_opens_nothing() {
    // Under the operator's key, the consumer's authority key, and the provider's system key.
    for seed in [201, 21, 10] {
        let (mut forger, first) = broken().await;
        give(&forger, &review(&first), seed).await;
        forger.clock.advance_ms(WEEK);
        look(&mut forger).await;
        assert_eq!(forger.rules().await, [rule::OVERSIGHT, rule::REVIEW]);
    }
}

#[tokio::test]
async fn a_review_twice_of_another_entry_or_by_the_asker_is_found() {
    let (forger, first) = broken().await;
    give(&forger, &review(&first), AUTHORITY).await;
    give(&forger, &review(&first), AUTHORITY).await;
    let mut other = review(&first);
    other.requests[0].index += 1;
    give(&forger, &other, AUTHORITY).await;
    let own = Review {
        agency: AgencyId::parse("EG/GOV/MOSS").unwrap(),
        ..review(&first)
    };
    give(&forger, &own, 21).await;
    assert_eq!(forger.rules().await, [rule::OVERSIGHT; 3]);

    let (forger, first) = broken().await;
    let mut other = review(&first);
    other.requests[0].leaf = Digest::of(b"another entry");
    give(&forger, &other, AUTHORITY).await;
    assert_eq!(forger.rules().await, [rule::OVERSIGHT]);
}
