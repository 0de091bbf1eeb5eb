//! The stock file's TOML: shapes common to all kinds, and the list of everything that is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};

use super::StockError;

/// Longest timeout, milliseconds.
const TIMEOUT_MS_MAX: u64 = 120_000;

/// Collects every problem of one file.
#[derive(Debug)]
pub(super) struct Reading {
    dir: PathBuf,
    problems: Vec<String>,
}

impl Reading {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            problems: Vec::new(),
        }
    }

    /// Notes a problem.
    pub(super) fn say(&mut self, place: &str, problem: impl fmt::Display) {
        let at = if place.is_empty() { "" } else { ": " };
        self.problems.push(format!("{place}{at}{problem}"));
    }

    /// Reads one table's shape, which refuses unknown keys itself.
    pub(super) fn shape<T: DeserializeOwned>(
        &mut self,
        place: &str,
        table: toml::Table,
    ) -> Option<T> {
        let shape = table.try_into();
        shape
            .map_err(|error| self.say(place, error.to_string().trim()))
            .ok()
    }

    /// A number from 1 to `max`.
    pub(super) fn number(
        &mut self,
        place: &str,
        key: &str,
        value: Option<u64>,
        default: u64,
        max: u64,
    ) -> u64 {
        let value = value.unwrap_or(default);
        if value == 0 || value > max {
            self.say(
                place,
                format_args!("{key} = {value} is not within 1 and {max}"),
            );
        }
        value
    }

    /// The same as a `usize`.
    pub(super) fn size(
        &mut self,
        place: &str,
        key: &str,
        value: Option<u64>,
        default: u64,
        max: u64,
    ) -> usize {
        usize::try_from(self.number(place, key, value, default, max)).unwrap_or(usize::MAX)
    }

    /// A timeout.
    pub(super) fn timeout(
        &mut self,
        place: &str,
        key: &str,
        value: Option<u64>,
        default_ms: u64,
    ) -> Duration {
        Duration::from_millis(self.number(place, key, value, default_ms, TIMEOUT_MS_MAX))
    }

    /// A path from the file's own folder.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.dir.join(path)
    }

    /// Reads a secret now, so that a missing one is found before the first request.
    pub(super) fn secret(&mut self, place: &str, secret: &Secret) -> Option<String> {
        let read = match secret {
            Secret {
                file: Some(file),
                env: None,
            } => self.secret_file(file),
            Secret {
                file: None,
                env: Some(name),
            } => std::env::var(name).map_err(|_| format!("the variable {name} is not set to text")),
            _ => Err("a secret is either { file = \"...\" } or { env = \"...\" }".to_owned()),
        };
        match read {
            Ok(text) if text.is_empty() => {
                self.say(place, "the secret is empty");
                None
            }
            Ok(text) => Some(text),
            Err(problem) => {
                self.say(place, problem);
                None
            }
        }
    }

    fn secret_file(&self, file: &Path) -> Result<String, String> {
        let bytes =
            certs::key_files::read_private(&self.path(file)).map_err(|error| error.to_string())?;
        let text = std::str::from_utf8(&bytes).map_err(|_| "the secret is not text".to_owned())?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// All problems, if there are any.
    pub(super) fn done(self) -> Result<(), StockError> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(StockError::Problems(self.problems))
        }
    }
}

/// What a stock file holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Its services.
    pub(super) tables: Vec<(String, toml::Table)>,
    /// Where events go.
    pub(super) events: Option<toml::Table>,
}

/// Splits the text into its parts.
pub(super) fn contents(text: &str, reading: &mut Reading) -> Contents {
    let mut contents = Contents::default();
    let file: toml::Table = match text.parse() {
        Ok(file) => file,
        Err(error) => {
            reading.say("", error);
            return contents;
        }
    };
    for (key, value) in file {
        match (key.as_str(), value) {
            ("service", toml::Value::Table(tables)) => {
                for (name, table) in tables {
                    match table {
                        toml::Value::Table(table) => contents.tables.push((name, table)),
                        _ => reading.say(&format!("service.{name}"), "is not a table"),
                    }
                }
            }
            ("events", toml::Value::Table(table)) => contents.events = Some(table),
            _ => reading.say(
                "",
                format_args!(
                    "unknown key `{key}`: a stock file holds [service.NAME] tables, and [events]"
                ),
            ),
        }
    }
    if contents.tables.is_empty() && contents.events.is_none() {
        reading.say("", "no [service.NAME] table");
    }
    contents
}

/// Where a secret lies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    file: Option<PathBuf>,
    env: Option<String>,
}

/// Pairs of a name and its source: `["a"]` is `{ a = "a" }`.
#[derive(Debug, Default)]
pub(super) struct Names(pub(super) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names or a table { name = \"source\" }")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
                let mut names = Names::default();
                while let Some(name) = list.next_element::<String>()? {
                    names.0.push((name.clone(), name));
                }
                Ok(names)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Names, A::Error> {
                let mut names = Names::default();
                while let Some(pair) = table.next_entry()? {
                    names.0.push(pair);
                }
                Ok(names)
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}

/// Tables of operations, as every kind has them.
pub(super) type OperationTables = BTreeMap<String, toml::Table>;

/// Whether `host` is this machine and nothing else.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
