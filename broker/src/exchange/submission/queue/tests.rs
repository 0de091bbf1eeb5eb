//! Whose turn it is, how often, until when, and how many there may be.

use proto::commitment::{Commitment, Salt};
use proto::digest::Digest;
use proto::header::Outcome;
use proto::id::{ExchangeId, Part};

use super::*;

const DAY_MS: u32 = 86_400_000;

fn header(number: u8, consumer: &str, provider: &str) -> RequestHeader {
    let part = |text| Part::parse(text).unwrap();
    RequestHeader {
        exchange_id: ExchangeId::parse(&format!("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a{number:02x}"))
            .unwrap(),
        attempt_of: None,
        run_id: [0; 16],
        sequence: 1,
        consumer: SystemId::parse(consumer).unwrap(),
        provider: SystemId::parse(provider).unwrap(),
        service: part("complaints.v1"),
        operation: part("file"),
        contract: Digest([0; 32]),
        purpose: part("complaint"),
        agreement: None,
        delegation: Vec::new(),
        external_id_hash: None,
        case_reference: None,
        subjects: Vec::new(),
        actor: None,
        fields: Vec::new(),
        issued_at_ms: 1_000,
        deadline_ms: DAY_MS,
        payload: Commitment::new("application/json", b"{}", &Salt([0; 32])).sealed(),
        seen: None,
    }
}

const MOSS: &str = "EG/GOV/MOSS/takaful";
const CABINET: &str = "EG/GOV/CABINET/complaints";
const CIVIL: &str = "EG/GOV/CIVIL/registry";

fn enter(queue: &Queue, number: u8, provider: &str) -> Id {
    let header = header(number, MOSS, provider);
    let id = Id::of(&header);
    queue.enter(id.clone(), Item::new(&header, number.into(), 100));
    id
}

fn asked(due: &[(Id, Due)]) -> Vec<ExchangeId> {
    let ask = due.iter().filter(|(_, due)| *due == Due::Ask);
    ask.map(|(id, _)| id.exchange).collect()
}

#[test]
fn those_whose_provider_is_there_are_asked_in_the_order_of_the_log_and_few_at_once() {
    let queue = Queue::new(Bounds::default());
    let all: Vec<Id> = (0..10)
        .rev()
        .map(|number| enter(&queue, number, CABINET))
        .collect();
    let other = enter(&queue, 99, CIVIL);
    assert_eq!(queue.item(&all[0]).unwrap().1, 9);
    assert_eq!(queue.item(&other).unwrap().1, 0);
    assert!(queue.due(2_000, |_| false).is_empty());
    let there = |provider: &SystemId| provider.to_string() == CABINET;
    let first = asked(&queue.due(2_000, there));
    let in_order: Vec<_> = all
        .iter()
        .rev()
        .take(ASKED_AT_ONCE)
        .map(|id| id.exchange)
        .collect();
    assert_eq!(first, in_order);
    assert!(queue.due(2_000, there).is_empty(), "all places are taken");
    // One is answered, one could not be and waits for a moment.
    queue.end(&all[9], State::Answered { closing: 50 }, 10, 9_000_000);
    queue.back(&all[8], 2_000, true);
    let next = asked(&queue.due(2_000, there));
    assert_eq!(next, [all[1].exchange, all[0].exchange]);
    assert_eq!(queue.counts(), (10, 1));
    let item = queue.item(&all[8]).unwrap().0;
    assert_eq!((item.attempts, item.next_ms), (1, 3_000));
}

#[test]
fn a_provider_that_cannot_answer_is_asked_ever_more_seldom() {
    let queue = Queue::new(Bounds::default());
    let id = enter(&queue, 1, CABINET);
    let (mut now_ms, mut pauses) = (2_000, Vec::new());
    for _ in 0..20 {
        assert_eq!(asked(&queue.due(now_ms, |_| true)), [id.exchange]);
        queue.back(&id, now_ms, true);
        let next_ms = queue.item(&id).unwrap().0.next_ms;
        assert!(queue.due(next_ms - 1, |_| true).is_empty());
        pauses.push(next_ms - now_ms);
        now_ms = next_ms;
    }
    assert_eq!(pauses[..4], [1_000, 2_000, 4_000, 8_000]);
    assert_eq!(pauses[19], PAUSE_MS_MAX);
}

#[test]
fn its_time_ends_it_also_while_nobody_is_there() {
    let queue = Queue::new(Bounds::default());
    let id = enter(&queue, 1, CABINET);
    let ends_ms = 1_000 + u64::from(DAY_MS);
    assert!(queue.due(ends_ms - 1, |_| false).is_empty());
    assert_eq!(queue.due(ends_ms, |_| false), [(id.clone(), Due::Expire)]);
    assert!(queue.due(ends_ms, |_| true).is_empty(), "once");
    assert!(queue.take(&id).is_none(), "nor by anybody else meanwhile");
    let ended = State::Ended {
        outcome: Outcome::Deadline,
        closing: 7,
    };
    queue.end(&id, ended, 0, ends_ms + 10);
    assert_eq!(queue.item(&id).unwrap().0.state, ended);
    assert_eq!(
        queue.due(ends_ms + 10, |_| true),
        [(id.clone(), Due::Forget)]
    );
    queue.forget(&id);
    assert!(queue.item(&id).is_none());
}

#[test]
fn an_agency_leaves_so_many_and_so_much_and_no_id_twice() {
    let queue = Queue::new(Bounds {
        per_agency: 2,
        bytes_per_agency: 1_000,
    });
    let envelope = |length: usize| {
        let header = bytes::Bytes::from_static(b"header");
        let signer = crate::testing::seal_key();
        let seal = proto::seal::Seal::one("label", "origin", &header, &signer).unwrap();
        Envelope::new(header, seal, Salt([0; 32]), vec![0; length].into())
    };
    let one = header(1, MOSS, CABINET);
    assert_eq!(
        queue.place(&one, &envelope(1_000)).unwrap_err(),
        NoPlace::Full
    );
    let place = queue.place(&one, &envelope(400)).unwrap();
    queue.enter(Id::of(&one), Item::new(&one, 1, place.bytes));
    drop(place);
    assert_eq!(
        queue.place(&one, &envelope(1)).unwrap_err(),
        NoPlace::Known(State::Waiting)
    );
    let two = header(2, "EG/GOV/MOSS/other", CABINET);
    assert_eq!(
        queue.place(&two, &envelope(600)).unwrap_err(),
        NoPlace::Full
    );
    let place = queue.place(&two, &envelope(400)).unwrap();
    let three = header(3, MOSS, CABINET);
    assert_eq!(
        queue.place(&three, &envelope(1)).unwrap_err(),
        NoPlace::Full
    );
    let elsewhere = header(3, CIVIL, CABINET);
    drop(queue.place(&elsewhere, &envelope(900)).unwrap());
    // What is not recorded gives its room back; so does what was collected.
    drop(place);
    drop(queue.place(&three, &envelope(500)).unwrap());
    queue.end(&Id::of(&one), State::Answered { closing: 2 }, 950, 9);
    assert_eq!(
        queue.place(&three, &envelope(500)).unwrap_err(),
        NoPlace::Full
    );
    queue.end(&Id::of(&one), State::Collected { closing: 2 }, 0, 9);
    drop(queue.place(&three, &envelope(900)).unwrap());
    assert!(queue.lock().held.is_empty());
}
