//! The golden book: named values, one per line, in the order in which they are made.
//!
//! The file is plain JSON (one object of strings) so that any language reads it; it is written and read
//! here line by line, so that a difference names its value. Values are lower-case hex unless the
//! name ends in `.text`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Named values in order.
#[derive(Debug, Default)]
pub(crate) struct Book {
    values: Vec<(String, String)>,
}

impl Book {
    /// Adds bytes.
    pub(crate) fn put(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        self.add(name, hex::encode(bytes));
    }

    /// Adds printable text under `NAME.text`.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        assert!(!text.contains(['"', '\\']) && !text.contains(char::is_control));
        self.add(&format!("{name}.text"), text.to_owned());
    }

    fn add(&mut self, name: &str, value: String) {
        assert!(self.values.iter().all(|(known, _)| known != name), "{name}");
        self.values.push((name.to_owned(), value));
    }

    /// The file's text.
    fn to_text(&self) -> String {
        let lines: Vec<String> = self
            .values
            .iter()
            .map(|(name, value)| format!("  \"{name}\": \"{value}\""))
            .collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }

    /// Compares with the file, value by value. Writes it instead when MOHAWEL_BLESS is 1.
    pub(crate) fn judge(&self, file: &str) {
        let path = path(file);
        if std::env::var("MOHAWEL_BLESS").as_deref() == Ok("1") {
            std::fs::write(&path, self.to_text()).unwrap();
            return;
        }
        let stored = read(file);
        for (name, value) in &self.values {
            assert_eq!(
                stored.get(name),
                Some(value),
                "{name} of {}",
                path.display()
            );
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            self.to_text(),
            "more, or another order, in {}",
            path.display()
        );
    }
}

/// Reads a golden file.
pub(crate) fn read(file: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path(file)).unwrap();
    text.lines()
        .filter(|line| !matches!(*line, "{" | "}"))
        .map(|line| {
            let pair = line.trim().trim_end_matches(',');
            let pair = pair
                .strip_prefix('"')
                .and_then(|pair| pair.strip_suffix('"'));
            let (name, value) = pair.and_then(|pair| pair.split_once("\": \"")).unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(file)
}
