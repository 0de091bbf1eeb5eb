//! The fold over entries about events: what may stand, and what may not.

use super::*;
use crate::commitment::{Commitment, Salt};

const SUBSCRIPTION: u64 = 10;

fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

fn topic() -> Topic {
    Topic {
        publisher: SystemId::parse("EG/GOV/MOSS/nurseries").unwrap(),
        service: part("licences.v1"),
        operation: part("licence-issued"),
    }
}

fn id(n: u8) -> EventId {
    let mut bytes = *EventId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b")
        .unwrap()
        .as_bytes();
    bytes[15] = n;
    EventId::from_slice(&bytes).unwrap()
}

fn event(n: u8, fields: &[&str]) -> EventHeader {
    EventHeader {
        event_id: id(n),
        topic: topic(),
        contract: Digest::of(b"contract"),
        key: None,
        fields: fields.iter().map(|field| part(field)).collect(),
        occurred_at_ms: 1,
        issued_at_ms: 1,
        payload: Commitment::new("application/json", b"{}", &Salt([9; 32])),
        seen: None,
    }
}

fn recorded(events: &mut Events, index: u64, header: &EventHeader, at_ms: u64) -> Digest {
    let leaf = Digest::of(&index.to_be_bytes());
    events.judge_event(header).unwrap();
    events.publish(index, Event::of(header, &header.encode(), leaf, at_ms));
    leaf
}

fn subscription(n: u8, from_ms: Option<u64>) -> SubscriptionHeader {
    SubscriptionHeader {
        subscription_id: id(n),
        subscriber: SystemId::parse("EG/GOV/GIZA/platform").unwrap(),
        topic: topic(),
        purpose: part("licensing"),
        agreement: None,
        delegation: Vec::new(),
        fields: vec![part("licence"), part("name")],
        from_ms,
        attempts: None,
        pause_ms: None,
        issued_at_ms: 1,
    }
}

fn followed(events: &mut Events, from_ms: Option<u64>) -> Digest {
    let leaf = Digest::of(b"subscription");
    let header = subscription(1, from_ms);
    events.judge_begin(&header).unwrap();
    events.begin(SUBSCRIPTION, leaf, header, 100);
    leaf
}

#[test]
fn an_event_is_told_once_to_those_that_follow_it_from_then_on() {
    let mut events = Events::default();
    let early = recorded(&mut events, 5, &event(5, &["name"]), 50);
    let leaf = followed(&mut events, None);
    let later = recorded(&mut events, 11, &event(11, &["name"]), 110);
    let open: Vec<u64> = events.open(SUBSCRIPTION).map(|(at, _)| at).collect();
    assert_eq!(open, [11]);
    let place = (SUBSCRIPTION, &leaf);
    let judged = |events: &Events, at, fate| events.judge_outcome(place, at, fate).map(drop);
    assert_eq!(
        judged(&events, (5, &early), Fate::Taken),
        Err(EventFault::NoEvent(5))
    );
    assert_eq!(
        judged(&events, (11, &early), Fate::Taken),
        Err(EventFault::NoEvent(11))
    );
    assert_eq!(
        judged(&events, (11, &later), Fate::Withheld),
        Err(EventFault::Fields(11))
    );
    judged(&events, (11, &later), Fate::Dead).unwrap();
    events.settle(SUBSCRIPTION, 11, Fate::Dead, 12);
    assert_eq!(
        judged(&events, (11, &later), Fate::Dead),
        Err(EventFault::Twice(11))
    );
    // What was given up can be brought again.
    judged(&events, (11, &later), Fate::Taken).unwrap();
    events.settle(SUBSCRIPTION, 11, Fate::Taken, 13);
    assert_eq!(
        judged(&events, (11, &later), Fate::Refused),
        Err(EventFault::Twice(11))
    );
    assert_eq!(events.open(SUBSCRIPTION).count(), 0);
    assert_eq!(
        events.judge_event(&event(11, &[])),
        Err(EventFault::Duplicate(11))
    );
}

#[test]
fn from_a_time_on_and_until_its_end() {
    let mut events = Events::default();
    recorded(&mut events, 4, &event(4, &[]), 49);
    recorded(&mut events, 5, &event(5, &[]), 50);
    let leaf = followed(&mut events, Some(50));
    let open: Vec<u64> = events.open(SUBSCRIPTION).map(|(at, _)| at).collect();
    assert_eq!(open, [5]);
    assert_eq!(
        events.judge_begin(&subscription(1, None)),
        Err(EventFault::Duplicate(SUBSCRIPTION))
    );
    assert_eq!(
        events.living(SUBSCRIPTION, &Digest::default()).map(drop),
        Err(EventFault::NoSubscription(SUBSCRIPTION))
    );
    events.end(SUBSCRIPTION, 20, "agreement_revoked");
    assert_eq!(
        events.living(SUBSCRIPTION, &leaf).map(drop),
        Err(EventFault::Ended(SUBSCRIPTION))
    );
    // The first end stays.
    events.end(SUBSCRIPTION, 21, "");
    let ended = &events.subscription(SUBSCRIPTION).unwrap().ended;
    assert_eq!(ended.as_ref().unwrap().0, 20);
}

#[test]
fn more_fields_than_agreed_are_withheld() {
    let mut events = Events::default();
    let leaf = followed(&mut events, None);
    let at = recorded(&mut events, 11, &event(11, &["national_id", "name"]), 110);
    let place = (SUBSCRIPTION, &leaf);
    assert_eq!(
        events
            .judge_outcome(place, (11, &at), Fate::Taken)
            .map(drop),
        Err(EventFault::Fields(11))
    );
    events
        .judge_outcome(place, (11, &at), Fate::Withheld)
        .unwrap();
}

#[test]
fn what_is_older_than_thirty_days_is_forgotten() {
    let mut events = Events::default();
    followed(&mut events, Some(1));
    recorded(&mut events, 11, &event(11, &[]), 1_000);
    recorded(&mut events, 12, &event(12, &[]), 2_000);
    events.settle(SUBSCRIPTION, 11, Fate::Taken, 13);
    assert!(events.forget(EVENT_KEPT_MS + 999).is_empty());
    assert_eq!(events.forget(EVENT_KEPT_MS + 1_000), [11]);
    assert_eq!(events.event_of(&topic().publisher, id(11)), None);
    assert!(
        events
            .subscription(SUBSCRIPTION)
            .unwrap()
            .outcomes
            .is_empty()
    );
    assert_eq!(events.events_from(0).count(), 1);
}
