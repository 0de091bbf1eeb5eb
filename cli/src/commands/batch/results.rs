//! The results of a batch as a file, in the order of its items: a table, or JSON lines.
//!
//! Written beside the place where it belongs, and put there whole at the end, never in place of another file. What a run
//! that was killed had begun to write beyond its notebook is cut off by the next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use adapters::batch::Sink;
use adapters::consumer::Results;
use bytes::Bytes;
use proto::items::ItemResult;
use serde_json::{Value, json};

use super::input;

/// A file of results that grows.
#[derive(Debug)]
pub(super) struct Table {
    file: File,
    partial: PathBuf,
    place: PathBuf,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Lines,
    /// Columns of the items, and fields of the results.
    Csv(Vec<String>, Vec<String>),
}

impl Table {
    /// The file that will stand at `place`; only its owner reads it. `columns` are the items', `fields` the results'.
    pub(super) fn at(place: &Path, columns: Vec<String>, fields: Vec<String>) -> io::Result<Self> {
        let form = match place.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Form::Csv(columns, fields),
            Some("jsonl") => Form::Lines,
            _ => {
                return Err(io::Error::other(
                    "the results go to a .csv or a .jsonl file",
                ));
            }
        };
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = place.with_file_name(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        Ok(Self {
            file: options.mode(0o600).open(&partial)?,
            partial,
            place: place.to_owned(),
            form,
        })
    }

    /// Puts the finished file in its place.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::hard_link(&self.partial, &self.place)?;
        fs::remove_file(&self.partial)
    }

    fn lines(&self, first: u64, items: &[Bytes], results: &[ItemResult]) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(256 * items.len());
        let numbered = (first + 1..).zip(items).zip(results);
        match &self.form {
            Form::Lines => {
                for ((number, item), result) in numbered {
                    let line = json!({
                        "item": number,
                        "asked": read(item),
                        "status": result.status.name(),
                        "answer": (!result.payload.is_empty()).then(|| read(&result.payload)),
                    });
                    serde_json::to_writer(&mut out, &line)?;
                    out.push(b'\n');
                }
            }
            Form::Csv(columns, fields) => {
                let mut table = csv::WriterBuilder::new()
                    .flexible(false)
                    .from_writer(&mut out);
                for ((number, item), result) in numbered {
                    let asked = read(item);
                    for row in rows(result, fields) {
                        let head = [number.to_string()].into_iter();
                        let cells = input::cells(&asked, columns).map(str::to_owned);
                        let status = [result.status.name().to_owned()];
                        table
                            .write_record(head.chain(cells).chain(status).chain(row))
                            .map_err(io::Error::other)?;
                    }
                }
                table.flush()?;
            }
        }
        Ok(out)
    }

    fn header(&self) -> io::Result<Vec<u8>> {
        let Form::Csv(columns, fields) = &self.form else {
            return Ok(Vec::new());
        };
        let mut out = Vec::new();
        let mut table = csv::Writer::from_writer(&mut out);
        let names = ["item"]
            .into_iter()
            .chain(columns.iter().map(String::as_str));
        let names = names
            .chain(["status"])
            .chain(fields.iter().map(String::as_str));
        table.write_record(names).map_err(io::Error::other)?;
        table.flush()?;
        drop(table);
        Ok(out)
    }
}

impl Sink for Table {
    fn begin(&mut self, bytes: u64) -> io::Result<()> {
        if self.file.metadata()?.len() < bytes {
            return Err(io::Error::other(format!(
                "{} was cut short since the last run: run the batch again under another name",
                self.partial.display()
            )));
        }
        self.file.set_len(bytes)?;
        self.file.seek(SeekFrom::Start(bytes))?;
        if bytes == 0 {
            self.file.write_all(&self.header()?)?;
        }
        Ok(())
    }

    fn take(&mut self, first: u64, items: &[Bytes], results: &Results) -> io::Result<u64> {
        let lines = self.lines(first, items, &results.items)?;
        self.file.write_all(&lines)?;
        self.file.sync_data()?;
        self.file.stream_position()
    }
}

/// JSON, or text where it is none.
fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}

/// The lines of one result: one for each of its rows, and one without values where there is none.
fn rows(result: &ItemResult, fields: &[String]) -> Vec<Vec<String>> {
    let mut rows: Vec<Value> = match read(&result.payload) {
        Value::Object(mut members) => match members.remove("rows") {
            Some(Value::Array(rows)) => rows,
            Some(other) => {
                members.insert("rows".to_owned(), other);
                vec![Value::Object(members)]
            }
            None => vec![Value::Object(members)],
        },
        Value::Array(rows) => rows,
        _ => Vec::new(),
    };
    if rows.is_empty() {
        rows.push(Value::Null);
    }
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = |row: &Value| {
        fields
            .iter()
            .map(|field| cell(&row[field.as_str()]))
            .collect()
    };
    rows.iter().map(line).collect()
}
