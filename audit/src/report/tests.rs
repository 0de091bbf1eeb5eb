//! Reports of logs whose figures were counted by hand; page, table and JSON say the same, whatever the log says.

use std::fs;

use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Field;
use proto::entry::Kind;
use proto::facts::{self, ExchangeFacts};
use proto::refusal::Language;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::*;
use crate::export::ExportError;
use crate::find::Standing;
use crate::find::tests::script::{Ask, MONDAY_MS, Script};
use crate::tiles::fixtures::log_key;

mod agreeing;
mod markup;

use agreeing::{agree, figures, table_of};
use markup::must_be_sound;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// What an agency may call itself, or a switch that lies its log.
const HOSTILE: &str = "</title><script>alert('1')</script><img src=//evil.example>\" onload=\"x\u{202e}\u{2066}\u{0}سجل";

fn options(filter: Filter) -> Options {
    Options {
        key: Some(log_key()),
        filter,
        check: Check::Hashes,
        zone: Zone::Egypt,
        top: 20,
        officials: true,
    }
}

fn reported(dir: &TempDir, options: Options) -> Report {
    report(dir.path(), options, &mut |_, _| {}).unwrap()
}

/// Three answers at one service; at another an end at the deadline and two refusals; 700 refusals of nobody's that one
/// entry counts; and the next day a question that stays open.
fn script() -> Script {
    let mut script = Script::new();
    for (number, after_ms) in [5, 10, 20].into_iter().enumerate() {
        let ask = Ask::at(MONDAY_MS + number as u64 * MINUTE_MS);
        let request = script.request(&ask);
        script.close(request, after_ms, "answered");
    }
    let giza = |at_ms| Ask {
        consumer: "EG/GOV/GIZA/centre",
        service: "births.v1",
        actor: Some(2),
        ..Ask::at(at_ms)
    };
    // 23:30 UTC on Monday is 01:30 on Tuesday in Egypt's winter.
    let late = MONDAY_MS + DAY_MS - 30 * MINUTE_MS;
    let request = script.request(&giza(late));
    script.close(request, 1_000, "deadline");
    script.refuse(&giza(late), "field_not_granted");
    script.refuse(&giza(late), "no_agreement");
    let facts = ExchangeFacts {
        code: "rate_limited".to_owned(),
        count: 700,
        ..ExchangeFacts::default()
    };
    let (facts, none) = (facts::encode(&facts), bytes::Bytes::new());
    script.append(late + 2_000, Kind::Refusal, facts, none, None);
    script.request(&Ask {
        actor: None,
        ..Ask::at(MONDAY_MS + 3 * DAY_MS)
    });
    script
}

fn counts(json: &Json) -> [u64; 4] {
    let [asked, refused, answered, not_answered, ..] = figures(json);
    [asked, refused, answered, not_answered].map(Option::unwrap)
}

#[test]
fn figures_are_those_counted_by_hand() {
    let json = reported(&script().write(), options(Filter::default())).to_json();
    assert_eq!(counts(&json["total"]), [707, 702, 3, 1]);
    let whole = &json["total"]["whole"];
    assert_eq!(
        (
            &whole["count"],
            &whole["p50_us"],
            &whole["p95_us"],
            &whole["p99_us"]
        ),
        (
            &4.into(),
            &10_000.into(),
            &1_000_000.into(),
            &1_000_000.into()
        )
    );
    let row = |by: &str, at: usize| json["by"][by]["rows"][at].clone();
    for (by, first, second) in [
        (
            "service",
            "EG/GOV/CIVIL/registry/persons.v1",
            "EG/GOV/CIVIL/registry/births.v1",
        ),
        ("agency", "EG/GOV/MOSS", "EG/GOV/GIZA"),
        ("centre", "EG/GOV/MOSS/takaful", "EG/GOV/GIZA/centre"),
    ] {
        assert_eq!(
            (row(by, 0)["key"].as_str(), row(by, 1)["key"].as_str()),
            (Some(first), Some(second))
        );
        assert_eq!(counts(&row(by, 0)), [4, 0, 3, 0], "{by}");
        assert_eq!(counts(&row(by, 1)), [3, 2, 0, 1], "{by}");
        assert_eq!(row(by, 0)["whole"]["p99_us"], 20_000);
        assert_eq!(
            row(by, 1)["refused_as"],
            json!({ "field_not_granted": 1, "no_agreement": 1 })
        );
        assert_eq!(json["by"][by]["unnamed"]["refused"], 700, "{by}");
    }
    assert_eq!(counts(&row("provider", 0)), [7, 2, 3, 1]);
    let official = |byte: u8, centre: &str| format!("{centre} {}", hex::encode([byte; 32]));
    assert_eq!(
        row("official", 0)["key"],
        official(1, "EG/GOV/MOSS/takaful")
    );
    assert_eq!(counts(&row("official", 0)), [3, 0, 3, 0]);
    assert_eq!(row("official", 1)["key"], official(2, "EG/GOV/GIZA/centre"));
    // The open question names no official, and 700 refusals name nothing.
    assert_eq!(counts(&json["by"]["official"]["unnamed"]), [701, 700, 0, 0]);
    let days: Vec<_> = json["days"].as_array().unwrap().iter().collect();
    let told: Vec<_> = days
        .iter()
        .map(|day| (day["key"].as_str().unwrap(), counts(day)[0]))
        .collect();
    let wanted = [
        ("2026-11-23", 3),
        ("2026-11-24", 703),
        ("2026-11-25", 0),
        ("2026-11-26", 1),
    ];
    assert_eq!(told, wanted);
    let hours: Vec<u64> = json["hours"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hour| counts(hour)[0])
        .collect();
    assert_eq!((hours.len(), hours[1], hours[2]), (24, 703, 4));
}

#[test]
fn a_period_counts_what_was_recorded_in_it() {
    let dir = script().write();
    let filter = Filter {
        from_ms: Some(MONDAY_MS + MINUTE_MS),
        to_ms: Some(MONDAY_MS + 2 * MINUTE_MS),
        ..Filter::default()
    };
    let report = reported(&dir, options(filter));
    assert_eq!(report.scanned.matched, 2);
    assert_eq!(report.scanned.standing, Standing::InTheLog);
    assert_eq!(counts(&report.to_json()["total"]), [1, 0, 1, 0]);
    let page = page::render(&report, Language::English);
    assert!(page.contains("2026-11-23 00:01:00.000 UTC"), "{page}");
    // An ending whose question was recorded before the period has its time all the same.
    let ending = Filter {
        kind: Some(Kind::Closing),
        ..Filter::default()
    };
    let report = reported(&dir, options(ending));
    let page = page::render(&report, Language::English);
    assert!(page.contains("only: <bdi dir=\"ltr\" class=\"id\">kind closing</bdi>"));
    agree(&report);
    let json = report.to_json();
    assert_eq!(json["filter"], json!({ "kind": "closing" }));
    assert_eq!(counts(&json["total"]), [0, 0, 3, 1]);
    assert_eq!(json["by"]["service"]["rows"][0]["whole"]["count"], 3);
}

#[test]
fn what_does_not_fit_stands_together_and_nothing_is_lost() {
    let mut options = options(Filter::default());
    options.top = 1;
    let report = reported(&script().write(), options);
    for section in &report.sections {
        let mut asked: u64 = section.lines.iter().map(|line| line.tally.asked()).sum();
        asked += section
            .others
            .as_ref()
            .map_or(0, |(_, tally)| tally.asked());
        assert!(
            section.lines.len() == 1 && asked + section.unnamed.asked() == 707,
            "{section:?}"
        );
    }
    agree(&report);
}

#[test]
fn a_log_without_exchanges_and_one_with_a_single_entry_are_reported() {
    let empty = reported(&Script::new().write(), options(Filter::default()));
    assert!(empty.is_empty() && empty.recorded_us.is_none());
    assert_eq!(empty.scanned.checkpoint.size, 1);
    let page = page::render(&empty, Language::Arabic);
    assert!(
        page.contains("لم يُطلب شيء") && page.contains("Nothing was asked"),
        "{page}"
    );
    must_be_sound(&page);
    agree(&empty);

    let mut script = Script::new();
    script.request(&Ask::at(MONDAY_MS));
    let one = reported(&script.write(), options(Filter::default()));
    assert_eq!(counts(&one.to_json()["total"]), [1, 0, 0, 0]);
    must_be_sound(&page::render(&one, Language::English));
    agree(&one);
}

#[test]
fn page_table_and_json_say_the_same() {
    let report = reported(&script().write(), options(Filter::default()));
    agree(&report);
    let page = page::render(&report, Language::Arabic);
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"ar\" dir=\"rtl\">"));
    assert!(page.find("id=\"ar\"") < page.find("id=\"en\""));
    assert!(page.contains("707") && page.contains("asked, ") && page.contains("(99.3 %)"));
}

#[test]
fn officials_are_told_only_where_they_were_asked_for() {
    let mut without = options(Filter::default());
    without.officials = false;
    let report = reported(&script().write(), without);
    let json = report.to_json().to_string();
    let page = page::render(&report, Language::English);
    let pseudonym = hex::encode([1; 6]);
    assert!(!json.contains(&pseudonym) && !page.contains(&pseudonym));
    let (lines, _) = table_of(&report);
    assert!(lines.iter().all(|(key, _)| !key.starts_with("official")));
    must_be_sound(&page);
    assert_eq!(report.sections.len(), 4);
}

#[test]
fn a_log_that_claims_more_than_there_are_numbers_is_reported_all_the_same() {
    let mut script = Script::new();
    for code in ["no_agreement", "\u{202e}<b>", "no_agreement"] {
        let facts = ExchangeFacts {
            code: code.to_owned(),
            count: u64::MAX,
            decide_us: u64::MAX,
            ..ExchangeFacts::default()
        };
        let none = bytes::Bytes::new();
        // The last microsecond that a stamp can name, as milliseconds.
        script.append(
            u64::MAX / 1_000,
            Kind::Refusal,
            facts::encode(&facts),
            none,
            None,
        );
    }
    let report = reported(&script.write(), options(Filter::default()));
    assert_eq!(
        counts(&report.to_json()["total"]),
        [u64::MAX, u64::MAX, 0, 0]
    );
    let (days, tally) = report.days.others.as_ref().unwrap();
    assert_eq!((*days, tally.refused), (1, u64::MAX));
    let page = page::render(&report, Language::Arabic);
    must_be_sound(&page);
    assert!(page.contains("18,446,744,073,709,551,615") && !page.contains("NaN"));
    table::write(&report, Vec::new()).unwrap();
}

#[test]
fn nothing_that_the_log_says_acts_in_the_page() {
    let mut report = reported(&script().write(), options(Filter::default()));
    report.scanned.checkpoint.origin = HOSTILE.to_owned();
    for line in report
        .sections
        .iter_mut()
        .flat_map(|section| &mut section.lines)
    {
        line.names = Some([HOSTILE.to_owned(), HOSTILE.repeat(20)]);
        line.key = format!("{}{HOSTILE}", line.key);
        line.missed_max = 7;
    }
    for first in [Language::English, Language::Arabic] {
        let page = page::render(&report, first);
        must_be_sound(&page);
        assert!(
            page.contains("&lt;script&gt;") && page.contains("[U+202E]"),
            "{page}"
        );
    }
    // In the table it stands as it is.
    let bytes = table::write(&report, Vec::new()).unwrap();
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    let names = rows.filter(|row| {
        row.get_column_iter()
            .any(|(_, field)| *field == Field::Str(HOSTILE.to_owned()))
    });
    assert!(names.count() > 5);
}

#[test]
fn files_appear_whole_or_not_at_all() {
    let (log, to) = (script().write(), tempfile::tempdir().unwrap());
    let report = reported(&log, options(Filter::default()));
    let (page, table) = (to.path().join("r.html"), to.path().join("r.parquet"));
    let names = || fs::read_dir(to.path()).unwrap().count();
    let places = |replace| Places::at(Some(&page), Some(&table), replace);
    drop(places(false).unwrap());
    assert_eq!(names(), 0);
    places(false)
        .unwrap()
        .put(&report, Language::English)
        .unwrap();
    assert_eq!(
        fs::read_to_string(&page).unwrap(),
        page::render(&report, Language::English)
    );
    assert_eq!(
        fs::read(&table).unwrap(),
        table::write(&report, Vec::new()).unwrap()
    );
    assert!(matches!(places(false), Err(ExportError::Exists(_))));
    places(true)
        .unwrap()
        .put(&report, Language::Arabic)
        .unwrap();
    assert_eq!(names(), 2);
    // A table that cannot stand beside its page goes, too.
    fs::remove_file(&table).unwrap();
    fs::remove_file(&page).unwrap();
    let open = places(false).unwrap();
    fs::write(&page, "another's").unwrap();
    assert!(matches!(
        open.put(&report, Language::English),
        Err(ExportError::Exists(_))
    ));
    assert_eq!(
        (names(), fs::read(&page).unwrap().as_slice()),
        (1, &b"another's"[..])
    );
    assert!(Places::at(Some(&to.path().join("no/where.html")), None, false).is_err());
}

#[test]
fn a_log_that_does_not_hold_is_not_written_about_and_one_that_nobody_looked_at_says_so() {
    let log = script().write();
    let path = log.path().join("tile/entries/000.p/13");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let report = reported(&log, options(Filter::default()));
    let to = tempfile::tempdir().unwrap();
    let places = Places::at(Some(&to.path().join("r.html")), None, false).unwrap();
    assert!(matches!(
        places.put(&report, Language::English),
        Err(ExportError::NotProved(_))
    ));
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
    let mut unverified = options(Filter::default());
    unverified.check = Check::Nothing;
    let page = page::render(&reported(&log, unverified), Language::English);
    assert!(page.contains("NOT PROVED") && page.contains("غير مُثبت"));
}
