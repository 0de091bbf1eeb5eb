//! Figures of logs whose figures are known.

use std::ops::ControlFlow;

use super::*;
use crate::find::tests::script::{Ask, MONDAY_MS, Script};
use crate::find::{Options, scan};

fn stats(script: &Script, by: Dimension, top: usize) -> Stats {
    let dir = script.write();
    let mut counting = Counting::by(by);
    let mut take = |row: &Row| {
        counting.take(row);
        ControlFlow::Continue(())
    };
    let scanned = scan(dir.path(), Options::default(), &mut take).unwrap();
    assert!(scanned.standing.is_proved() && scanned.unreadable.is_none());
    counting.finish(top)
}

fn script() -> Script {
    let mut script = Script::new();
    for number in 0..40u64 {
        let ask = Ask {
            actor: Some((number % 4) as u8),
            purpose: if number < 10 { "takaful" } else { "pension" },
            ..Ask::at(MONDAY_MS + number * 600_000)
        };
        if number % 8 == 7 {
            script.refuse(&ask, "field_not_granted");
        } else {
            let request = script.request(&ask);
            let outcome = if number == 0 { "deadline" } else { "answered" };
            script.close(request, number, outcome);
        }
    }
    script
}

#[test]
fn counts_shares_times_and_bytes_come_out() {
    let stats = stats(&script(), Dimension::Consumer, 10);
    assert_eq!(stats.rows.len(), 1);
    let row = &stats.rows[0];
    assert_eq!((row.key.as_str(), row.missed_max), ("EG/GOV/MOSS", 0));
    let tally = &row.tally;
    assert_eq!((tally.requests, tally.refused), (35, 5));
    assert_eq!(tally.refused_share(), Some(0.125));
    assert_eq!(tally.ended_as(Outcome::Answered), 34);
    assert_eq!(tally.ended_as(Outcome::Deadline), 1);
    assert_eq!((tally.bytes_asked, tally.bytes_answered), (35 * 7, 34 * 12));
    let decide = tally.decide.quantiles().unwrap();
    assert_eq!((decide.count, decide.p50_us, decide.max_us), (40, 150, 150));
    // 1 to 38 ms without every eighth; the request that took no time is left out.
    let provider = tally.provider.quantiles().unwrap();
    assert_eq!(provider.count, 34);
    let near = |found: u64, wanted: u64| found.abs_diff(wanted) * 100 <= wanted;
    assert!(near(provider.p50_us, 19_000), "{provider:?}");
    assert!(near(provider.max_us, 38_000), "{provider:?}");
    // The script records a closing as long after its request as it says that the provider took.
    assert_eq!(tally.whole.quantiles(), Some(provider));
    let reasons: Vec<_> = tally.refused_as.clone().into_iter().collect();
    assert_eq!(reasons, [("field_not_granted", 5)]);
    assert!(stats.others.is_none());
    assert_eq!(stats.unnamed.asked(), 0);
}

#[test]
fn every_dimension_adds_up_to_the_total() {
    let script = script();
    let keys: Vec<usize> = Dimension::ALL
        .into_iter()
        .map(|by| {
            let stats = stats(&script, by, 3);
            let mut sum = stats.others.map_or(0, |(_, tally)| tally.asked());
            sum += stats.unnamed.asked();
            sum += stats.rows.iter().map(|row| row.tally.asked()).sum::<u64>();
            // Requests have no outcome; of what was asked only refusals do.
            let asked = if by == Dimension::Outcome { 5 } else { 40 };
            assert_eq!((sum, stats.total.asked()), (asked, 40), "{by:?}");
            stats.rows.len()
        })
        .collect();
    assert_eq!(keys, [1, 1, 1, 1, 1, 2, 1, 3, 3, 3]);
    assert!(
        Dimension::ALL
            .iter()
            .all(|by| Dimension::parse(by.name()) == Some(*by))
    );
}

#[test]
fn the_busiest_come_first_and_hours_in_order() {
    let mut script = Script::new();
    for (purpose, count) in [("rare", 1), ("often", 5), ("now-and-then", 3)] {
        for number in 0..count {
            script.request(&Ask {
                purpose,
                ..Ask::at(MONDAY_MS + number * 3_600_000)
            });
        }
    }
    let keys =
        |stats: &Stats| -> Vec<String> { stats.rows.iter().map(|row| row.key.clone()).collect() };
    let by_purpose = stats(&script, Dimension::Purpose, 2);
    assert_eq!(keys(&by_purpose), ["often", "now-and-then"]);
    let (others, tally) = by_purpose.others.unwrap();
    assert_eq!((others, tally.requests), (1, 1));
    let by_hour = stats(&script, Dimension::Hour, 3);
    assert_eq!(
        keys(&by_hour),
        ["2026-11-23T00", "2026-11-23T01", "2026-11-23T02"]
    );
}

#[test]
fn refusals_that_only_are_counted_count_and_name_nobody() {
    use proto::facts::{self, ExchangeFacts};
    let mut script = Script::new();
    let facts = ExchangeFacts {
        code: "rate_limited".to_owned(),
        count: 700,
        ..ExchangeFacts::default()
    };
    let (facts, none) = (facts::encode(&facts), bytes::Bytes::new());
    script.append(MONDAY_MS, Kind::Refusal, facts, none, None);
    let stats = stats(&script, Dimension::Provider, 5);
    assert!(stats.rows.is_empty());
    assert_eq!((stats.unnamed.refused, stats.total.refused), (700, 700));
    assert_eq!(stats.total.refused_as.get("rate_limited"), Some(&700));
}

#[test]
fn a_reason_that_is_no_code_is_counted_and_its_text_is_not_kept() {
    let mut script = Script::new();
    script.refuse(&Ask::at(MONDAY_MS), "<script>alert(1)</script>");
    let stats = stats(&script, Dimension::Service, 5);
    let reasons: Vec<_> = stats.total.refused_as.into_iter().collect();
    assert_eq!(reasons, [("unknown", 1)]);
}

#[test]
fn times_stay_close_when_they_become_a_distribution() {
    let (mut few, mut many) = (Times::default(), Times::default());
    assert!(few.quantiles().is_none());
    for time_us in 1..=1_000u64 {
        if time_us <= 30 {
            tally::tests::record(&mut few, time_us * 1_000);
        }
        tally::tests::record(&mut many, time_us * 1_000);
    }
    tally::tests::record(&mut many, u64::MAX);
    assert_eq!(few.quantiles().unwrap().p95_us, 29_000);
    let found = many.quantiles().unwrap();
    let near = |found: u64, wanted: u64| found.abs_diff(wanted) * 100 <= wanted;
    assert!(
        near(found.p50_us, 501_000) && near(found.p99_us, 991_000),
        "{found:?}"
    );
    assert!(near(found.max_us, 31 * 86_400_000_000), "{found:?}");
    tally::tests::merge(&mut few, many);
    assert_eq!(few.quantiles().unwrap().count, 1_031);
}
