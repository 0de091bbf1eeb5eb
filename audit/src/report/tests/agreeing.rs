//! Page, table and JSON of one report, each read by other code than wrote it, and compared figure by figure.

use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::{Field, Row as Record};
use proto::refusal::Language;
use serde_json::Value as Json;

use super::markup::{articles, lines_of, must_be_sound, numbers_of};
use crate::report::{By, Report, page, table};

/// By section and key.
pub(super) type Keyed<T> = Vec<(String, T)>;
/// See [`figures`].
pub(super) type Figures = [Option<u64>; 7];
/// A reason and how often.
pub(super) type Reason = (String, u64);

/// `[asked, refused, answered, not answered, p50, p95, p99]`, microseconds.
pub(super) fn figures(json: &Json) -> Figures {
    let number = |name: &str| json[name].as_u64().unwrap();
    let ended: u64 = json["ended"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Json::as_u64)
        .sum();
    let answered = json["ended"]["answered"].as_u64().unwrap();
    let time = |name: &str| json["whole"][name].as_u64();
    [
        Some(number("requests") + number("refused")),
        Some(number("refused")),
        Some(answered),
        Some(ended - answered),
        time("p50_us"),
        time("p95_us"),
        time("p99_us"),
    ]
}

/// Every line of the JSON, by section and key.
fn lines(json: &Json) -> Keyed<&Json> {
    let mut lines = vec![("total ".to_owned(), &json["total"])];
    let key = |row: &Json| row["key"].as_str().unwrap().to_owned();
    for by in By::ALL.map(By::name) {
        for row in json["by"][by]["rows"].as_array().unwrap() {
            lines.push((format!("{by} {}", key(row)), row));
        }
        for apart in ["others", "unnamed"] {
            if !json["by"][by][apart].is_null() {
                lines.push((format!("{by} {apart}"), &json["by"][by][apart]));
            }
        }
    }
    for (section, name) in [("day", "days"), ("hour", "hours")] {
        for row in json[name].as_array().unwrap() {
            lines.push((format!("{section} {}", key(row)), row));
        }
    }
    lines
}

/// The reasons of a line with their counts.
fn reasons(line: &Json) -> Vec<Reason> {
    let reasons = line["refused_as"].as_object().unwrap().iter();
    reasons
        .map(|(reason, count)| (reason.clone(), count.as_u64().unwrap()))
        .collect()
}

/// The same, the most frequent first, without their names.
fn counted(line: &Json) -> Vec<u64> {
    let mut counts: Vec<u64> = reasons(line).into_iter().map(|(_, count)| count).collect();
    counts.sort_unstable_by(|one, other| other.cmp(one));
    counts
}

/// All three say the same.
pub(super) fn agree(report: &Report) {
    let json = report.to_json();
    let lines = lines(&json);
    let (figured, reasoned) = table_of(report);
    let wanted = lines.iter().map(|(key, line)| (key.clone(), figures(line)));
    assert_eq!(figured, wanted.collect::<Vec<_>>());
    let wanted = lines.iter().flat_map(|(key, line)| {
        let reasons = reasons(line).into_iter();
        reasons.map(move |reason| (key.clone(), reason))
    });
    assert_eq!(reasoned, wanted.collect::<Vec<_>>());
    for first in [Language::English, Language::Arabic] {
        let page = page::render(report, first);
        must_be_sound(&page);
        for (code, article) in articles(&page) {
            if !report.is_empty() {
                shows(article, code, &json, &lines);
            }
        }
    }
}

/// A half of the page shows every line.
fn shows(article: &str, code: &str, json: &Json, lines: &Keyed<&Json>) {
    let wanted = |section: &str| -> Vec<Vec<u64>> {
        let begins = format!("{section} ");
        let lines = lines.iter().filter(|(key, line)| {
            // What would only say that nothing is without a name is left out.
            let empty =
                key.ends_with(" unnamed") && as_shown(line).into_iter().all(|figure| figure == 0);
            key.starts_with(&begins) && !empty
        });
        lines.map(|(_, line)| as_shown(line)).collect()
    };
    for by in By::ALL.map(By::name) {
        let shown = lines_of(article, &format!("{code}-{by}"));
        // Without a line the page says so instead of a table.
        match json["by"][by]["rows"].as_array().unwrap().is_empty() {
            true => assert!(shown.is_empty(), "{code} {by}"),
            false => assert_eq!(shown, wanted(by), "{code} {by}"),
        }
    }
    for (anchor, section) in [("days", "day"), ("hours", "hour")] {
        assert_eq!(
            lines_of(article, &format!("{code}-{anchor}")),
            wanted(section)
        );
    }
    let total = &json["total"];
    let shown = lines_of(article, &format!("{code}-reasons"));
    assert_eq!(shown.concat(), counted(total));
    let [asked, refused, answered, not_answered, times @ ..] = figures(total);
    let number = |name: &str| total[name].as_u64();
    let glance = [
        asked,
        number("requests"),
        refused,
        answered,
        not_answered,
        number("disputes"),
        number("bytes_asked"),
        number("bytes_answered"),
    ];
    let glance: Vec<u64> = glance.into_iter().chain(times).flatten().collect();
    assert_eq!(numbers_of(article, &format!("{code}-glance")), glance);
}

/// The numbers of a line of the page. Of the others it says how many they are, in front.
fn as_shown(line: &Json) -> Vec<u64> {
    let keys = line["keys"].as_u64().into_iter();
    keys.chain(figures(line).into_iter().flatten())
        .chain(counted(line))
        .collect()
}

fn text(row: &Record, name: &str) -> String {
    match cell(row, name) {
        Field::Str(text) => text,
        Field::Null => String::new(),
        other => panic!("{name}: {other:?}"),
    }
}

fn number(row: &Record, name: &str) -> Option<u64> {
    match cell(row, name) {
        Field::ULong(number) => Some(number),
        Field::Null => None,
        other => panic!("{name}: {other:?}"),
    }
}

fn cell(row: &Record, name: &str) -> Field {
    let mut columns = row.get_column_iter();
    columns
        .find(|(column, _)| *column == name)
        .unwrap()
        .1
        .clone()
}

/// The table as another reader sees it: figures by section and key, and the reasons.
pub(super) fn table_of(report: &Report) -> (Keyed<Figures>, Keyed<Reason>) {
    let bytes = table::write(report, Vec::new()).unwrap();
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let facts = reader.metadata().file_metadata().key_value_metadata();
    let fact = |name: &str| {
        let mut facts = facts.unwrap().iter();
        facts
            .find(|fact| fact.key == name)
            .unwrap()
            .value
            .clone()
            .unwrap()
    };
    let checkpoint = &report.scanned.checkpoint;
    assert_eq!(fact("mohawel.size"), checkpoint.size.to_string());
    assert_eq!(fact("mohawel.root"), checkpoint.root.to_string());
    let (mut figured, mut reasoned) = (Vec::new(), Vec::new());
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let line = match text(&row, "line").as_str() {
            "line" => text(&row, "key"),
            apart => apart.to_owned(),
        };
        let key = format!("{} {line}", text(&row, "section"));
        let reason = (text(&row, "reason"), number(&row, "refused_as"));
        let Some(requests) = number(&row, "requests") else {
            reasoned.push((key, (reason.0, reason.1.unwrap())));
            continue;
        };
        assert_eq!(reason, (String::new(), None));
        let refused = number(&row, "refused");
        let figures = [
            refused.map(|refused| requests + refused),
            refused,
            number(&row, "answered"),
            number(&row, "not_answered"),
            number(&row, "whole_p50_us"),
            number(&row, "whole_p95_us"),
            number(&row, "whole_p99_us"),
        ];
        figured.push((key, figures));
    }
    (figured, reasoned)
}
