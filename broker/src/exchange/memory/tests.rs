//! The memory of exchanges: one id, one exchange, for as long as it is remembered.

use super::*;

const RETAIN_MS: u64 = 1_000;

fn key(system: u64, last: u8) -> Key {
    let mut bytes = [
        0x01, 0x90, 0xa1, 0xb2, 0xc3, 0xd4, 0x7e, 0x5f, 0x8a, 0, 0, 0, 0, 0, 0, last,
    ];
    bytes[9] = last;
    Key {
        system,
        exchange: ExchangeId::from_slice(&bytes).unwrap(),
    }
}

fn first(memory: &Arc<Memory>, key: Key, now_ms: u64) -> Option<First> {
    match memory.reserve(key, now_ms) {
        Ok(_) => None,
        Err(Taken::By(first)) => Some(first),
        Err(Taken::Full) => panic!("full"),
    }
}

#[test]
fn each_state_says_what_became_of_the_first() {
    let closed = |outcome| State::Closed {
        request: 4,
        closing: 5,
        outcome,
        disputed: false,
    };
    for (state, told) in [
        (State::Open { request: 4 }, ("open", None)),
        (closed(Outcome::Answered), ("answered", Some(5))),
        (closed(Outcome::Abandoned), ("abandoned", Some(5))),
        (
            State::Refused {
                code: Code::NoAgreement,
                entry: 6,
            },
            ("no_agreement", Some(6)),
        ),
    ] {
        let memory = Memory::new(RETAIN_MS, 1_000);
        memory.reserve(key(1, 1), 0).unwrap().burn(state);
        let (outcome, entry) = told;
        assert_eq!(first(&memory, key(1, 1), 1), Some(First { outcome, entry }));
        // The same id of another system is another exchange.
        assert_eq!(first(&memory, key(2, 1), 1), None);
        assert_eq!(first(&memory, key(1, 1), RETAIN_MS), None);
    }
}

#[test]
fn what_is_not_burned_is_given_back() {
    let memory = Memory::new(RETAIN_MS, 1_000);
    let held = memory.reserve(key(1, 1), 0).unwrap();
    assert_eq!(first(&memory, key(1, 1), 0).unwrap().outcome, "open");
    drop(held);
    // Reserved again later, it is remembered from then on, not from the first time.
    memory
        .reserve(key(1, 1), 500)
        .unwrap()
        .burn(State::Open { request: 7 });
    assert_eq!(
        first(&memory, key(1, 1), RETAIN_MS + 100).unwrap().outcome,
        "open"
    );
    assert_eq!(first(&memory, key(1, 1), RETAIN_MS + 500), None);
}

#[test]
fn only_what_is_open_is_closed_and_the_first_closing_stays() {
    let memory = Memory::new(RETAIN_MS, 1_000);
    memory
        .reserve(key(1, 1), 0)
        .unwrap()
        .burn(State::Open { request: 7 });
    memory.close(key(1, 1), Outcome::Deadline, 8);
    memory.close(key(1, 1), Outcome::Answered, 9);
    assert_eq!(
        first(&memory, key(1, 1), 1),
        Some(First {
            outcome: "deadline",
            entry: Some(8)
        })
    );
    memory.close(key(1, 2), Outcome::Answered, 9);
    assert_eq!(first(&memory, key(1, 2), 1), None);
}

#[test]
fn a_full_memory_says_so_and_forgets_in_time() {
    let memory = Memory::new(RETAIN_MS, 1);
    let mut full = 0;
    for system in 0..1_000 {
        match memory.reserve(key(system, 1), 0) {
            Ok(reserved) => reserved.burn(State::Open { request: 1 }),
            Err(taken) => {
                assert_eq!(taken, Taken::Full);
                full += 1;
            }
        }
    }
    // One for each lock, and every lock is used.
    assert_eq!(full, 1_000 - SHARDS);
    assert!(memory.reserve(key(5_000, 1), RETAIN_MS).is_ok());
}

#[test]
fn an_answered_exchange_is_disputed_once() {
    let memory = Memory::new(RETAIN_MS, 1_000);
    assert_eq!(memory.dispute(key(1, 1)), Err(NoDispute::Unknown));
    memory
        .reserve(key(1, 1), 0)
        .unwrap()
        .burn(State::Open { request: 7 });
    assert_eq!(memory.dispute(key(1, 1)), Err(NoDispute::Unknown));
    memory.close(key(1, 1), Outcome::Answered, 8);
    assert_eq!(memory.dispute(key(1, 1)), Ok((7, 8)));
    assert_eq!(memory.dispute(key(1, 1)), Err(NoDispute::Twice));
    memory.undispute(key(1, 1));
    assert_eq!(memory.dispute(key(1, 1)), Ok((7, 8)));
}

#[test]
fn what_the_log_says_is_remembered_from_when_it_was_recorded() {
    let memory = Memory::new(RETAIN_MS, 1);
    memory.restore(key(1, 1), 400, State::Open { request: 7 });
    memory.restore(
        key(1, 1),
        450,
        State::Refused {
            code: Code::Stale,
            entry: 9,
        },
    );
    assert_eq!(
        first(&memory, key(1, 1), RETAIN_MS).unwrap().outcome,
        "stale"
    );
    assert_eq!(first(&memory, key(1, 1), RETAIN_MS + 400), None);
}
