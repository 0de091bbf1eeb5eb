//! The items of a batch, out of a file: CSV, a line of parameters each, or JSON lines, a payload each.
//!
//! Read twice, never whole in memory. A line that cannot be an item is told with its number before anything is sent.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use adapters::batch::{Reading, Source};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Bytes of one line at most.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A file of items.
#[derive(Clone, Debug)]
pub(super) struct Input {
    path: PathBuf,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// The operation that a stock payload names; `None`: the columns are the payload.
    Csv(Option<String>),
    Lines,
}

impl Input {
    /// The file at `path`, told apart by its ending.
    pub(super) fn of(path: &Path, operation: &str, bare: bool) -> Result<Self, String> {
        let form = match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Form::Csv((!bare).then(|| operation.to_owned())),
            Some("jsonl") if bare => {
                return Err(
                    "--bare is for .csv: the lines of a .jsonl file are payloads as they are"
                        .to_owned(),
                );
            }
            Some("jsonl") => Form::Lines,
            _ => {
                return Err(format!(
                    "{}: the items come from a .csv or a .jsonl file",
                    path.display()
                ));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            form,
        })
    }

    /// The columns of a CSV file; none of JSON lines.
    pub(super) fn columns(&self) -> io::Result<Vec<String>> {
        match &self.form {
            Form::Lines => Ok(Vec::new()),
            Form::Csv(_) => Ok(header(&mut self.csv()?)?
                .iter()
                .map(str::to_owned)
                .collect()),
        }
    }

    fn csv(&self) -> io::Result<csv::Reader<File>> {
        let file = File::open(&self.path)?;
        Ok(csv::ReaderBuilder::new()
            .buffer_capacity(1 << 16)
            .from_reader(file))
    }
}

fn header(reader: &mut csv::Reader<File>) -> io::Result<csv::StringRecord> {
    let header = reader.headers().map_err(io::Error::other)?.clone();
    let mut names: Vec<&str> = header.iter().collect();
    names.sort_unstable();
    names.dedup();
    let named = names.len() == header.len() && !names.iter().any(|name| name.is_empty());
    match named && !header.is_empty() {
        true => Ok(header),
        false => Err(io::Error::other(
            "its first line does not name every column once",
        )),
    }
}

impl Source for Input {
    fn items(&self) -> io::Result<Reading> {
        match &self.form {
            Form::Lines => Ok(Box::new(lines(BufReader::new(File::open(&self.path)?)))),
            Form::Csv(operation) => {
                let mut reader = self.csv()?;
                let header = header(&mut reader)?;
                let operation = operation.clone();
                let item = move |record: csv::Result<csv::StringRecord>| {
                    let record = record.map_err(io::Error::other)?;
                    item(&header, &record, operation.as_deref())
                };
                Ok(Box::new(reader.into_records().map(item)))
            }
        }
    }
}

/// One line of a table as a payload.
fn item(
    header: &csv::StringRecord,
    record: &csv::StringRecord,
    operation: Option<&str>,
) -> io::Result<Bytes> {
    let pairs = header.iter().zip(record);
    let columns: Map<String, Value> = pairs
        .map(|(name, cell)| (name.to_owned(), cell.into()))
        .collect();
    let payload = match operation {
        Some(operation) => json!({ "operation": operation, "parameters": columns }),
        None => Value::Object(columns),
    };
    Ok(serde_json::to_vec(&payload)?.into())
}

/// What a CSV item's columns were.
pub(super) fn cells<'a>(asked: &'a Value, columns: &'a [String]) -> impl Iterator<Item = &'a str> {
    let given = asked.get("parameters").filter(|given| given.is_object());
    let given = given.unwrap_or(asked);
    columns
        .iter()
        .map(move |name| given[name.as_str()].as_str().unwrap_or_default())
}

/// The lines of JSON, without the empty ones.
fn lines(mut file: BufReader<File>) -> impl Iterator<Item = io::Result<Bytes>> {
    let mut number = 0_u64;
    std::iter::from_fn(move || {
        loop {
            let mut line = Vec::new();
            number += 1;
            match (&mut file)
                .take(LINE_BYTES_MAX + 1)
                .read_until(b'\n', &mut line)
            {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            let wrong = |what: &str| Some(Err(io::Error::other(format!("line {number}: {what}"))));
            if line.len() as u64 > LINE_BYTES_MAX {
                return wrong("it is over 64 KiB");
            }
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            if serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err() {
                return wrong("it is not JSON");
            }
            return Some(Ok(Bytes::copy_from_slice(text)));
        }
    })
}
