//! Logs in which one thing is unlike the rest, and logs in which nothing is.

use std::ops::ControlFlow;

use super::*;
use crate::find::tests::script::{Ask, MONDAY_MS, Script};
use crate::find::{Options, scan};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn report(script: &Script, rules: Rules) -> Report {
    let dir = script.write();
    let mut watch = Watch::new(rules);
    let mut take = |row: &Row| {
        watch.take(row);
        ControlFlow::Continue(())
    };
    let scanned = scan(dir.path(), Options::default(), &mut take).unwrap();
    assert!(scanned.standing.is_proved() && scanned.unreadable.is_none());
    watch.finish()
}

fn rules_found(report: &Report) -> Vec<&'static str> {
    let mut rules: Vec<_> = report.oddities.iter().map(|one| one.odd.rule()).collect();
    rules.dedup();
    rules
}

/// `person`, of whom there are many.
fn person(number: u64) -> Vec<Digest> {
    vec![Digest::of(&number.to_be_bytes())]
}

/// Ten days, each from 08 to 13 UTC with `each` requests an hour, every one about another person.
fn usual(script: &mut Script, each: u64) {
    for day in 0..10 {
        for hour in 8..14 {
            for number in 0..each {
                script.request(&Ask {
                    subjects: person(day * 10_000 + hour * 100 + number),
                    actor: Some((number % 5) as u8),
                    ..Ask::at(MONDAY_MS + day * DAY_MS + hour * HOUR_MS + number * 60_000)
                });
            }
        }
    }
}

#[test]
fn a_usual_log_has_nothing_to_look_at() {
    let mut script = Script::new();
    usual(&mut script, 6);
    let report = report(&script, Rules::default());
    assert_eq!(report.oddities, []);
    assert_eq!((report.left_out, report.unwatched.len()), (0, 0));
}

#[test]
fn an_hour_of_far_more_requests_stands_out_with_its_figures() {
    let mut script = Script::new();
    usual(&mut script, 6);
    let begin = MONDAY_MS + 10 * DAY_MS + 9 * HOUR_MS;
    let first = script.entries.len() as u64;
    for number in 0..60 {
        script.request(&Ask {
            actor: Some((number % 40) as u8),
            subjects: person(900_000 + number),
            ..Ask::at(begin + number * 1_000)
        });
    }
    let report = report(&script, Rules::default());
    assert_eq!(rules_found(&report), ["volume"]);
    let found = &report.oddities[0];
    assert_eq!(found.count, 60);
    assert_eq!(
        found.who,
        Who::Agency(AgencyId::parse("EG/GOV/MOSS").unwrap())
    );
    // Every hour had six: nothing deviates, so a deviation of one is taken.
    assert_eq!(
        found.odd,
        Odd::Volume {
            service: "EG/GOV/CIVIL/registry/persons.v1".to_owned(),
            hour_ms: begin,
            median: 6,
            deviation: 1.0,
            limit: 12,
            hours: 61,
        }
    );
    assert_eq!(found.traces.indexes.len(), INDEXES_MAX);
    assert_eq!(found.traces.indexes[0], first);
    assert_eq!(found.traces.indexes[9], first + 59);
    assert_eq!(
        (found.traces.first_ms, found.traces.last_ms),
        (begin, begin + 59_000)
    );
    // Too short a past says nothing.
    let longer = Rules {
        volume_hours_min: 62,
        ..Rules::default()
    };
    assert!(self::report(&script, longer).oddities.is_empty());
}

#[test]
fn a_night_stands_out_by_the_clock_of_the_office() {
    let mut script = Script::new();
    usual(&mut script, 6);
    for number in 0..12 {
        script.request(&Ask {
            subjects: person(900_000 + number),
            ..Ask::at(MONDAY_MS + 10 * DAY_MS + HOUR_MS + number * 1_000)
        });
    }
    let plain = report(&script, Rules::default());
    assert_eq!(rules_found(&plain), ["unusual_hour"]);
    // 01 UTC is 03 in Egypt's winter.
    assert_eq!(
        plain.oddities[0].odd,
        Odd::UnusualHour {
            hour: 3,
            days: 1,
            days_in_all: 11
        }
    );
    // From 10 to 16, Egypt: 08 to 13 UTC is inside but for Friday and Saturday, two of the ten days.
    let working = Rules {
        working: Some((10, 16)),
        ..Rules::default()
    };
    let found = report(&script, working.clone());
    assert_eq!(rules_found(&found), ["outside_hours", "unusual_hour"]);
    assert_eq!(found.oddities[0].odd, Odd::OutsideHours { total: 372 });
    assert_eq!(found.oddities[0].count, 2 * 36 + 12);
    let wide = Rules {
        outside_share: 0.9,
        ..working
    };
    assert_eq!(rules_found(&report(&script, wide)), ["unusual_hour"]);
}

#[test]
fn one_person_again_and_again_stands_out_whoever_asks_in_between() {
    let mut script = Script::new();
    for number in 0..30 {
        script.request(&Ask {
            actor: Some(if number % 3 == 0 {
                7
            } else {
                number as u8 + 10
            }),
            ..Ask::at(MONDAY_MS + number * HOUR_MS)
        });
    }
    let report = report(&script, Rules::default());
    assert_eq!(rules_found(&report), ["repeated"]);
    let [found] = &report.oddities[..] else {
        panic!("{:?}", report.oddities)
    };
    let system = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    assert_eq!(found.who, Who::Clerk(system, Digest([7; 32])));
    assert_eq!(found.count, 10);
    assert!(
        matches!(&found.odd, Odd::Repeated { subject, missed_max: 0 }
        if subject.pseudonym == Digest::of(b"somebody"))
    );
}

#[test]
fn many_persons_in_a_short_time_stand_out_wherever_the_hour_begins() {
    let mut script = Script::new();
    // 150 a day are nothing; 120 within forty minutes that cross an hour are.
    for number in 0..150 {
        script.request(&Ask {
            actor: Some(1),
            subjects: person(number),
            ..Ask::at(MONDAY_MS + number * 9 * 60_000)
        });
    }
    for number in 0..120 {
        script.request(&Ask {
            actor: Some(2),
            subjects: person(1_000 + number),
            ..Ask::at(MONDAY_MS + 2 * DAY_MS + 40 * 60_000 + number * 20_000)
        });
    }
    let rules = Rules {
        volume_min: 1_000,
        ..Rules::default()
    };
    let report = report(&script, rules);
    assert_eq!(rules_found(&report), ["many_subjects"]);
    assert_eq!((report.oddities.len(), report.oddities[0].count), (1, 120));
    assert!(matches!(&report.oddities[0].who, Who::Clerk(_, actor) if *actor == Digest([2; 32])));
}

#[test]
fn refusals_stand_out_where_they_gather_and_not_where_the_provider_was_away() {
    let mut script = Script::new();
    for number in 0..40 {
        let ask = Ask {
            actor: Some((number % 4) as u8),
            subjects: person(number),
            ..Ask::at(MONDAY_MS + number * HOUR_MS)
        };
        match number % 4 {
            0 => drop(script.refuse(&ask, "purpose_not_granted")),
            1 => drop(script.refuse(&ask, "provider_offline")),
            _ => drop(script.request(&ask)),
        }
    }
    let report = report(&script, Rules::default());
    assert_eq!(rules_found(&report), ["refused"]);
    let [found] = &report.oddities[..] else {
        panic!("{:?}", report.oddities)
    };
    assert!(matches!(&found.who, Who::Clerk(_, actor) if *actor == Digest([0; 32])));
    let codes = BTreeMap::from([("purpose_not_granted".to_owned(), 10)]);
    assert_eq!(found.odd, Odd::Refused { asked: 10, codes });
}

#[test]
fn a_connection_that_names_nobody_is_told_by_its_certificate() {
    use proto::facts::{self, ExchangeFacts};
    let mut script = Script::new();
    let facts = ExchangeFacts {
        peer_sha256: vec![3; 32].into(),
        code: "bad_seal".to_owned(),
        count: 70,
        ..ExchangeFacts::default()
    };
    let (facts, none) = (facts::encode(&facts), bytes::Bytes::new());
    script.append(MONDAY_MS, Kind::Refusal, facts, none, None);
    let report = report(&script, Rules::default());
    assert_eq!(rules_found(&report), ["refused"]);
    assert_eq!(report.oddities[0].who, Who::Connection(Digest([3; 32])));
    assert_eq!(report.oddities[0].count, 70);
}

#[test]
fn a_refusal_and_what_got_through_after_it_stand_together() {
    let mut script = Script::new();
    let ask = |minutes: u64| Ask::at(MONDAY_MS + minutes * 60_000);
    let marketing = Ask {
        purpose: "marketing",
        ..ask(0)
    };
    let refused = script.refuse(&marketing, "purpose_not_granted");
    // Another clerk, another person, and a refusal of another kind are no sequels.
    script.request(&Ask {
        actor: Some(9),
        ..ask(1)
    });
    script.request(&Ask {
        subjects: person(5),
        ..ask(2)
    });
    let permitted = script.request(&ask(3));
    script.refuse(&ask(4), "provider_offline");
    script.request(&ask(5));
    // Too late.
    script.refuse(&ask(20), "field_not_granted");
    script.request(&ask(31));
    let found = report(&script, Rules::default());
    assert_eq!(rules_found(&found), ["refused_then_permitted"]);
    let [found] = &found.oddities[..] else {
        panic!("{:?}", found.oddities)
    };
    assert_eq!(found.traces.indexes, [refused, permitted]);
    assert_eq!(
        found.odd,
        Odd::RefusedThenPermitted {
            service: "EG/GOV/CIVIL/registry/persons.v1".to_owned(),
            changed: vec!["purpose"],
        }
    );
    let more = Rules {
        sequels_min: 2,
        ..Rules::default()
    };
    assert!(report(&script, more).oddities.is_empty());
}
