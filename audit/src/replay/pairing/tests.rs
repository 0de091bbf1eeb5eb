//! What is remembered is enough for the rules, and no more than minutes of it.

use proto::commitment::{Commitment, Salt};
use proto::id::Part;

use super::*;

const START_US: u64 = 1_795_000_000_000_000;

fn id(number: u64) -> ExchangeId {
    ExchangeId::parse(&format!("0190a1b2-c3d4-7e5f-8a6b-{number:012x}")).unwrap()
}

fn system() -> SystemId {
    SystemId::parse("EG/GOV/MOSS/takaful").unwrap()
}

fn used(after_ms: u64, header: &[u8]) -> Use {
    Use {
        recorded_at_us: START_US + after_ms * 1_000,
        decided_at_ms: START_US / 1_000 + after_ms,
        header_sha256: Digest::of(header),
    }
}

fn recorded(index: u64, at_us: u64) -> Recorded {
    let part = |text: &str| Part::parse(text).unwrap();
    let opened = RequestHeader {
        exchange_id: id(index),
        attempt_of: None,
        run_id: [7; 16],
        sequence: index + 1,
        consumer: system(),
        provider: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
        service: part("persons.v1"),
        operation: part("lookup"),
        contract: Digest::default(),
        purpose: part("takaful"),
        agreement: None,
        delegation: Vec::new(),
        external_id_hash: None,
        case_reference: None,
        subjects: Vec::new(),
        actor: None,
        fields: Vec::new(),
        issued_at_ms: at_us / 1_000,
        deadline_ms: 1_000,
        payload: Commitment::new("application/json", b"{}", &Salt([1; 32])),
        seen: None,
    };
    Recorded {
        index,
        leaf: Digest::default(),
        recorded_at_us: at_us,
        header_sha256: Digest::default(),
        seal_sha256: Digest::default(),
        opened: Box::new(opened),
        agreement: None,
        grant: 1,
        sealed_by: Digest::default(),
        ended_us: None,
        opening: None,
        is_trailed: false,
    }
}

#[test]
fn an_id_is_forbidden_for_as_long_as_the_switch_remembers_it_and_not_longer() {
    for (after_ms, allowed) in [
        (0, false),
        (1, false),
        (DUPLICATE_MS - 1, false),
        (DUPLICATE_MS, true),
    ] {
        let mut pairing = Pairing::default();
        assert!(pairing.use_id(&system(), id(1), used(0, b"one")));
        // Another id, another system: nothing to do with it.
        assert!(pairing.use_id(&system(), id(2), used(after_ms, b"one")));
        let other = SystemId::parse("EG/GOV/MOSS/karama").unwrap();
        assert!(pairing.use_id(&other, id(1), used(after_ms, b"one")));
        let again = pairing.use_id(&system(), id(1), used(after_ms, b"two"));
        assert_eq!(again, allowed, "{after_ms}");
    }
}

#[test]
fn the_very_same_header_is_forbidden_for_as_long_as_any_switch_could_find_it_fresh() {
    for (after_ms, allowed) in [(SAME_HEADER_MS - 1, false), (SAME_HEADER_MS, true)] {
        let mut pairing = Pairing::default();
        assert!(pairing.use_id(&system(), id(1), used(0, b"one")));
        let again = pairing.use_id(&system(), id(1), used(after_ms, b"one"));
        assert_eq!(again, allowed, "{after_ms}");
    }
}

#[test]
fn a_day_of_exchanges_leaves_minutes_of_memory() {
    let mut pairing = Pairing::default();
    // One each second for a day, answered after 50 ms; one in a hundred never ends.
    let (step_ms, count) = (1_000, 86_400);
    for index in 0..count {
        let at_ms = index * step_ms;
        assert!(pairing.use_id(&system(), id(index), used(at_ms, &index.to_be_bytes())));
        let at_us = START_US + at_ms * 1_000;
        pairing.begin(recorded(index, at_us));
        if index % 100 != 99 {
            assert!(matches!(pairing.end(index, at_us + 50_000), Named::Open(_)));
        }
    }
    let open = count / 100;
    assert_eq!(pairing.still_open().len() as u64, open);
    let (ended, ids) = (
        ENDED_REMEMBERED_US / 1_000 / step_ms,
        ID_REMEMBERED_US / 1_000 / step_ms,
    );
    let (still, of_ended, of_ids) = pairing.remembered();
    assert_eq!(still as u64, open);
    assert!(of_ended as u64 <= ended + 1, "{of_ended} of {ended}");
    assert!(of_ids as u64 <= ids + 1, "{of_ids} of {ids}");
    assert!(pairing.ended.len() == of_ended && pairing.ids.len() == of_ids);
}

#[test]
fn a_request_ends_once_and_is_named_until_it_is_long_over() {
    let mut pairing = Pairing::default();
    pairing.begin(recorded(5, START_US));
    assert!(matches!(pairing.named(5, START_US), Named::Open(_)));
    // It may stay open for hours.
    let end_us = START_US + 7_200_000_000;
    assert!(matches!(pairing.end(5, end_us), Named::Open(_)));
    assert!(matches!(pairing.end(5, end_us), Named::Ended));
    let last_us = end_us + ENDED_REMEMBERED_US - 1;
    assert!(matches!(pairing.named(5, last_us), Named::Ended));
    assert!(matches!(pairing.named(5, last_us + 1), Named::Unknown));
    assert!(matches!(pairing.end(6, end_us), Named::Unknown));
}
