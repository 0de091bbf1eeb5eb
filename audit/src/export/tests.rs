//! Exports of hostile logs read back, by other code than wrote them, with every value as it was.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Field;
use proptest::prelude::*;
use proto::Digest;
use proto::digest::leaf_hash;
use proto::entry::Kind;
use proto::facts::{self, ExchangeFacts};
use serde_json::Value as Json;
use tempfile::TempDir;

mod checking;

use super::columns::{COLUMNS, Type, time_text};
use super::sheet::safe;
use super::*;
use crate::find::tests::script::{Ask, MONDAY_MS, Script};
use crate::tiles::fixtures::log_key;

/// What a switch that lies, or an agency's media type, may put where people read.
const HOSTILE: &[&str] = &[
    "=HYPERLINK(\"http://evil.example\",\"read me\")",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r\n=1",
    "two\nlines, \"quoted\"",
    "'already",
    "00123",
    "1e5",
    "2026-11-23",
    "TRUE",
    "＝1",
    "\u{202e}txt.exe",
    "nul\0byte",
    "عربي، نص",
    "",
];

fn script() -> Script {
    let mut script = Script::new();
    for number in 0..300u64 {
        let ask = Ask {
            actor: (number % 2 == 0).then_some(number as u8),
            subjects: (0..number % 3)
                .map(|person| Digest::of(&person.to_be_bytes()))
                .collect(),
            fields: if number % 5 == 0 {
                Vec::new()
            } else {
                vec!["birth_date", "name_ar"]
            },
            ..Ask::at(MONDAY_MS + number * 1_000)
        };
        script.exchange(&ask);
    }
    let long = "x".repeat(400);
    for text in HOSTILE.iter().chain(&[long.as_str()]) {
        let facts = ExchangeFacts {
            code: "malformed".to_owned(),
            clause: (*text).to_owned(),
            refused_sha256: vec![5; 32].into(),
            provider_us: u64::MAX,
            decided_at_ms: u64::MAX,
            ..ExchangeFacts::default()
        };
        let (facts, none) = (facts::encode(&facts), bytes::Bytes::new());
        script.append(MONDAY_MS + 400_000, Kind::Refusal, facts, none, None);
    }
    script
}

fn options(format: Format) -> Options<'static> {
    Options {
        key: Some(log_key()),
        filter: Filter::default(),
        check: Check::Hashes,
        format,
        byte_order_mark: false,
        replace: false,
        made_at: "2026-11-27T00:00:00Z",
    }
}

fn silent() -> impl FnMut(u64, u64) {
    |_, _| {}
}

/// Exports and gives the file's path.
fn exported(log: &TempDir, to: &TempDir, options: &Options<'_>) -> (std::path::PathBuf, Exported) {
    let path = to.path().join(format!("entries.{}", options.format.name()));
    let exported = export(log.path(), &path, options, &mut silent()).unwrap();
    (path, exported)
}

/// A row as texts by column; what is not there is left out.
type Texts = BTreeMap<String, Vec<String>>;

/// What was written, told apart from how it was written.
fn expected(log: &TempDir) -> Vec<Texts> {
    let mut rows = Vec::new();
    let mut on_row = |row: &Row| {
        let text = |value| match value {
            columns::Value::Nothing => Vec::new(),
            columns::Value::Number(number) => vec![number.to_string()],
            columns::Value::Time(time) => vec![time_text(time).unwrap()],
            columns::Value::Text(text) => vec![text],
            columns::Value::Texts(texts) => texts,
        };
        let columns = COLUMNS.iter();
        let texts = columns.map(|column| (column.name.to_owned(), text((column.value)(row))));
        rows.push(texts.filter(|(_, texts)| !texts.is_empty()).collect());
        ControlFlow::Continue(())
    };
    find::scan(log.path(), find::Options::default(), &mut on_row).unwrap();
    rows
}

#[test]
fn json_lines_hold_every_value_and_every_entry() {
    let (script, to) = (script(), tempfile::tempdir().unwrap());
    let log = script.write();
    let (path, exported) = exported(&log, &to, &options(Format::JsonLines));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Json> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len() as u64, exported.manifest.matched);
    let read = |json: &Json| match json {
        Json::Null => Vec::new(),
        Json::Array(texts) => texts
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect(),
        Json::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    };
    for ((line, expected), bytes) in lines.iter().zip(expected(&log)).zip(&script.entries) {
        let object = line.as_object().unwrap();
        let found: Texts = object
            .iter()
            .filter(|(name, _)| !lines::RECORDED.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), read(value)))
            .filter(|(_, texts)| !texts.is_empty())
            .collect();
        assert_eq!(found, expected);
        let lists = COLUMNS.iter().filter(|column| column.holds == Type::Texts);
        assert!(lists.clone().all(|column| line[column.name].is_array()));
        assert_eq!(&entry_of(line), bytes);
        assert_eq!(line["leaf"], leaf_hash(bytes).to_string());
    }
}

/// The entry's bytes out of its line, by the layout in `docs/log.md`.
fn entry_of(line: &Json) -> bytes::Bytes {
    let number = |name: &str| line[name].as_u64().unwrap();
    let part = |name: &str| STANDARD.decode(line[name].as_str().unwrap()).unwrap();
    let mut entry = vec![number("kind_number") as u8];
    entry.extend(number("recorded_at_us").to_be_bytes());
    entry.extend((number("broker") as u16).to_be_bytes());
    entry.extend(number("registry_size").to_be_bytes());
    entry.extend(hex::decode(line["registry_root"].as_str().unwrap()).unwrap());
    for part in lines::RECORDED.map(part) {
        entry.extend((part.len() as u16).to_be_bytes());
        entry.extend(part);
    }
    entry.into()
}

#[test]
fn csv_holds_every_value_and_runs_nothing() {
    let to = tempfile::tempdir().unwrap();
    let log = script().write();
    let with_mark = Options {
        byte_order_mark: true,
        ..options(Format::Csv)
    };
    let (path, _) = exported(&log, &to, &with_mark);
    let bytes = fs::read(&path).unwrap();
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap();
    assert!(bytes.ends_with(b"\r\n"));
    let mut reader = csv::Reader::from_reader(bytes);
    let names: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let mut rows = 0;
    for (record, expected) in reader.records().zip(expected(&log)) {
        rows += 1;
        let record = record.unwrap();
        for (name, cell) in names.iter().zip(&record) {
            let first = cell.chars().next();
            assert!(
                !first.is_some_and(|first| "=+-@\t\r\n".contains(first)),
                "{cell}"
            );
            let column = COLUMNS.iter().find(|column| column.name == name).unwrap();
            let plain = cell.strip_prefix('\'').unwrap_or(cell);
            let wanted = expected.get(name).map(|texts| texts.join(" "));
            let wanted = wanted.unwrap_or_default();
            match column.holds {
                // Spelled out where it would hide; everything else comes back as it was.
                Type::Text if wanted.contains(['\u{202e}', '\0']) => {
                    assert!(plain.contains("\\u{"), "{cell}");
                }
                _ => assert_eq!(plain, wanted, "{name}"),
            }
        }
    }
    assert_eq!(rows, 601 + HOSTILE.len() + 1);
}

#[test]
fn parquet_holds_every_value_with_its_type() {
    let to = tempfile::tempdir().unwrap();
    let log = script().write();
    let (path, _) = exported(&log, &to, &options(Format::Parquet));
    let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
    let mut rows = 0;
    for (row, expected) in reader.get_row_iter(None).unwrap().zip(expected(&log)) {
        rows += 1;
        let row = row.unwrap();
        let found: Texts = row
            .get_column_iter()
            .map(|(name, field)| (name.clone(), parquet_texts(name, field)))
            .filter(|(_, texts)| !texts.is_empty())
            .collect();
        assert_eq!(found, expected);
    }
    assert_eq!(rows, 601 + HOSTILE.len() + 1);
}

fn parquet_texts(name: &str, field: &Field) -> Vec<String> {
    let column = COLUMNS.iter().find(|column| column.name == name).unwrap();
    match (column.holds, field) {
        (_, Field::Null) => Vec::new(),
        (Type::Number, Field::ULong(number)) => vec![number.to_string()],
        (Type::Time, Field::TimestampMicros(time)) => vec![time_text(*time).unwrap()],
        (Type::Text, Field::Str(text)) => vec![text.clone()],
        (Type::Texts, Field::ListInternal(list)) => list
            .elements()
            .iter()
            .flat_map(|element| match element {
                Field::Str(text) => Some(text.clone()),
                _ => None,
            })
            .collect(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn nothing_and_one_row_are_files_too() {
    let log = script().write();
    for format in Format::ALL {
        for (to_index, rows) in [(0, 0), (1, 1)] {
            let to = tempfile::tempdir().unwrap();
            let few = Options {
                filter: Filter {
                    to: Some(to_index),
                    ..Filter::default()
                },
                ..options(format)
            };
            let (path, exported) = exported(&log, &to, &few);
            assert_eq!(exported.manifest.matched, rows);
            let manifest = Manifest::beside(&path);
            let checked = check(&manifest, Some(log_key()), Some(log.path()), &mut silent());
            assert_eq!(
                checked.unwrap().compared,
                Some(Compared::Bytes),
                "{format:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_text_stays_text_and_comes_back(text in "\\PC*|[=+@'\t\r\n\"-][ -~\t\r\n]*|[0-9eE.:/ -]{1,12}") {
        let cell = safe(&text).into_owned();
        let first = cell.chars().next();
        prop_assert!(!first.is_some_and(|first| "=+-@\t\r\n＝＋－＠".contains(first)));
        prop_assert!(text.is_empty() || cell.parse::<f64>().is_err() || !cell.as_bytes()[0].is_ascii_digit());
        let plain = cell.strip_prefix('\'').unwrap_or(&cell);
        let spelled = crate::find::spelled_cell(&text);
        prop_assert_eq!(plain, spelled.as_ref());
    }
}
