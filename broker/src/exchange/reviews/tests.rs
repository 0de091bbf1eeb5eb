//! One review of one request, whoever comes at the same time.

use proto::act::{Finding, ReviewedRequest};
use proto::digest::Digest;
use proto::id::{ExchangeId, SystemId};

use super::*;

const LEAF: Digest = Digest([7; 32]);

fn agency(text: &str) -> AgencyId {
    AgencyId::parse(text).unwrap()
}

fn book() -> Arc<ReviewBook> {
    let book = Arc::new(ReviewBook::default());
    for index in [3, 8] {
        book.begin(
            index,
            Waiting {
                leaf: LEAF,
                recorded_at_ms: 1_000,
                exchange: ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4001").unwrap(),
                consumer: SystemId::parse("EG/GOV/HELP/line").unwrap(),
                provider: SystemId::parse("EG/GOV/HEALTH/treatment").unwrap(),
                actor: None,
                case: None,
                agreement: Digest::default(),
                grant: 1,
            },
        );
    }
    book
}

fn review(indexes: &[u64]) -> Review {
    let named = |index: &u64| ReviewedRequest {
        index: *index,
        leaf: LEAF,
    };
    Review {
        agency: agency("EG/GOV/HEALTH"),
        requests: indexes.iter().map(named).collect(),
        finding: Finding::Justified,
        reason_sha256: Digest::default(),
        issued_at_ms: 0,
    }
}

#[test]
fn what_is_held_is_nobody_elses_and_what_is_dropped_waits_again() {
    let book = book();
    let first = book.hold(review(&[3])).unwrap();
    let beside = book.hold(review(&[3, 8])).unwrap_err();
    assert_eq!(beside, ReviewFault::NotWaiting(3));
    // It still counts as waiting: only what is durable was reviewed.
    let (help, health) = (agency("EG/GOV/HELP"), agency("EG/GOV/HEALTH"));
    assert!(book.is_overdue(&help, &health, u64::MAX));
    drop(first);
    book.hold(review(&[3, 8])).unwrap().keep(2_000);
    assert!(!book.is_overdue(&help, &health, u64::MAX));
    let again = book.hold(review(&[8])).unwrap_err();
    assert_eq!(again, ReviewFault::NotWaiting(8));
}

#[test]
fn a_party_sees_its_own_page_by_page_and_nobody_elses() {
    let book = book();
    for party in ["EG/GOV/HELP", "EG/GOV/HEALTH"] {
        let (page, more) = book.of(&agency(party), 0, 1);
        assert_eq!((page[0].0, page.len(), more), (3, 1, true));
        let (page, more) = book.of(&agency(party), 4, 1);
        assert_eq!((page[0].0, page.len(), more), (8, 1, false));
    }
    assert_eq!(book.of(&agency("EG/GOV/MOSS"), 0, 9).0, []);
}
