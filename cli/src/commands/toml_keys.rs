//! TOML files whose keys must be written down: every missing one is told at once, before the values are looked at.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The keys that a file must have, and those of each table in one list of it.
#[derive(Debug)]
pub(crate) struct Shape {
    /// At the top.
    pub(crate) top: &'static [&'static str],
    /// The list's key.
    pub(crate) list: &'static str,
    /// In each of its tables.
    pub(crate) each: &'static [&'static str],
}

/// Reads `text`.
///
/// # Errors
/// The syntax error; or every missing key; or the first value of another type or key that is not known.
pub(crate) fn read<T: DeserializeOwned>(text: &str, shape: &Shape) -> Result<T, Vec<String>> {
    let one = |error: toml::de::Error| vec![error.to_string()];
    let table: Table = toml::from_str(text).map_err(one)?;
    let mut found = missing("", &table, shape.top);
    if let Some(Value::Array(list)) = table.get(shape.list) {
        for (place, table) in (1..).zip(list.iter().filter_map(Value::as_table)) {
            found.extend(missing(
                &format!("{} {place}: ", shape.list),
                table,
                shape.each,
            ));
        }
    }
    match found.is_empty() {
        true => toml::from_str(text).map_err(one),
        false => Err(found),
    }
}

fn missing(place: &str, table: &Table, keys: &[&str]) -> Vec<String> {
    keys.iter()
        .filter(|key| !table.contains_key(**key))
        .map(|key| format!("{place}{key} is missing"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_key_is_told_at_once() {
        let shape = Shape {
            top: &["name", "grants"],
            list: "grants",
            each: &["system", "fields"],
        };
        let text = "[[grants]]\nsystem = 'a'\n[[grants]]\n";
        let found = read::<Table>(text, &shape).unwrap_err();
        assert_eq!(
            found,
            [
                "name is missing",
                "grants 1: fields is missing",
                "grants 2: system is missing",
                "grants 2: fields is missing"
            ]
        );
        assert_eq!(read::<Table>("name", &shape).unwrap_err().len(), 1);
        assert_eq!(
            read::<Table>("grants = 3\nname = 1", &shape).unwrap().len(),
            2
        );
    }
}
