//! Holds as they follow each other. The whole way, over a real switch, is in `tests/scenarios/people.rs`.

use proto::act::Hold;
use proto::id::{AgencyId, ExchangeId, Part};

use super::Period;
use super::exchanges::Holds;

const UNTIL: u64 = 1_000;

fn agency(text: &str) -> AgencyId {
    AgencyId::parse(text).unwrap()
}

fn exchange() -> ExchangeId {
    ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4001").unwrap()
}

fn hold(by: &str, issued_at_ms: u64, until_ms: u64, ended: bool) -> Hold {
    Hold {
        agency: agency(by),
        exchanges: vec![exchange()],
        ground: Part::parse("investigation").unwrap(),
        until_ms,
        ended,
        issued_at_ms,
    }
}

fn stands(holds: &Holds, at_ms: u64) -> bool {
    let (moss, civil) = (agency("EG/GOV/MOSS"), agency("EG/GOV/CIVIL"));
    holds
        .standing(&exchange(), [&moss, &civil], at_ms)
        .is_some()
}

#[test]
fn a_hold_of_a_party_stands_until_its_time_and_of_nobody_else() {
    let mut holds = Holds::default();
    holds.add(&hold("EG/GOV/OTHER", 1, UNTIL, false));
    assert!(!stands(&holds, 0));
    holds.add(&hold("EG/GOV/MOSS", 1, UNTIL, false));
    assert!(stands(&holds, 0) && stands(&holds, UNTIL - 1));
    assert!(!stands(&holds, UNTIL));
}

#[test]
fn of_several_the_one_issued_last_counts_in_whatever_order_they_were_recorded() {
    let mut holds = Holds::default();
    holds.add(&hold("EG/GOV/MOSS", 5, UNTIL, true));
    holds.add(&hold("EG/GOV/MOSS", 4, UNTIL, false));
    assert!(
        !stands(&holds, 0),
        "kept back and recorded later, it undoes nothing"
    );
    holds.add(&hold("EG/GOV/MOSS", 6, UNTIL * 2, false));
    assert!(stands(&holds, UNTIL));
    // The other party's end does not end this one's.
    holds.add(&hold("EG/GOV/CIVIL", 7, UNTIL, true));
    assert!(stands(&holds, UNTIL));
}

#[test]
fn a_period_holds_its_beginning_and_not_its_end() {
    let period = Period {
        from_ms: Some(5),
        to_ms: Some(7),
    };
    let covered: Vec<u64> = (3..9).filter(|at| period.covers(*at)).collect();
    assert_eq!(covered, [5, 6]);
    assert!(Period::default().covers(0) && Period::default().covers(u64::MAX));
}
