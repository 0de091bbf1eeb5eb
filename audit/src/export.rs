//! Export: rows of a log as a file that other tools read, with a manifest that says what it is and proves it.
//!
//! Takes: a log directory, a filter, a format, a place. Gives: the file and `FILE.manifest.json`, both whole and synced
//! or not there at all. Never: an entry that the filter admits and the file does not have, without saying so; more
//! memory than one row group, whatever the log's length; a file in place of another unless told to.
//!
//! The same log, filter and format make the same bytes, so [`check()`] can make them again and compare.

use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use thiserror::Error;

use crate::checkpoint::LogKey;
use crate::find::{self, Check, FindError, Row, Scanned, Standing};
use crate::replay::Filter;
use crate::verify::OnProgress;

pub use check::{CheckError, Checked, Compared, check};
pub use manifest::{Manifest, ManifestError};

pub(crate) use manifest::texts_of;

use columnar::{Columnar, Titled};
use columns::COLUMNS;
use digesting::Digesting;
use lines::Lines;
use place::Place;
use sheet::Sheet;

mod check;
pub(crate) mod columnar;
pub(crate) mod columns;
mod digesting;
mod lines;
mod manifest;
pub(crate) mod place;
mod sheet;
#[cfg(test)]
mod tests;

/// What made an export: a later version may write other bytes for the same rows.
pub const TOOL: &str = concat!("mohawel ", env!("CARGO_PKG_VERSION"));

/// The form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line; holds facts, header and seal as recorded, so that each entry can be made again.
    JsonLines,
    /// RFC 4180, UTF-8, safe to open in a spreadsheet.
    Csv,
    /// Apache Parquet with typed columns.
    Parquet,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::JsonLines, Self::Csv, Self::Parquet];

    /// The stable word, which is also the usual end of a file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// Reads the stable word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What to export, and how.
#[derive(Debug)]
pub struct Options<'a> {
    /// The log's key from somewhere the operator does not control; without it the key beside the log is used.
    pub key: Option<LogKey>,
    /// Which entries.
    pub filter: Filter,
    /// How much is proved.
    pub check: Check,
    /// The form of the file.
    pub format: Format,
    /// A byte order mark before CSV: some spreadsheets read UTF-8 only then.
    pub byte_order_mark: bool,
    /// Whether an existing file may be replaced.
    pub replace: bool,
    /// The time that the manifest names, RFC 3339.
    pub made_at: &'a str,
}

/// An export that was written.
#[derive(Debug)]
pub struct Exported {
    /// What was looked at.
    pub scanned: Scanned,
    /// What stands beside the file.
    pub manifest: Manifest,
}

/// Exports to `path`, with the manifest beside it.
///
/// # Errors
/// [`ExportError`]; nothing stands at `path` then that did not stand there before.
pub fn export(
    dir: &Path,
    path: &Path,
    options: &Options<'_>,
    on_progress: OnProgress<'_>,
) -> Result<Exported, ExportError> {
    let manifest_path = Manifest::beside(path);
    let file = Place::at(path, options.replace)?;
    let beside = Place::at(&manifest_path, options.replace)?;
    let scan = find::Options {
        key: options.key.clone(),
        filter: options.filter.clone(),
        check: options.check,
        // A file is for those who cannot ask again: nothing in it rests on an index.
        by_index: false,
        threads: 0,
        under: None,
        on_progress: Some(on_progress),
    };
    let form = (options.format, options.byte_order_mark);
    let (written, scanned) = write(dir, scan, form, file)?;
    if let Standing::Broken(why) = &scanned.standing {
        return Err(ExportError::NotProved(why.clone()));
    }
    let manifest = Manifest::of(path, options, &scanned, &written);
    let mut beside = beside;
    beside.write_all(&manifest.to_json())?;
    // First the file, then what vouches for it.
    written.out.put()?;
    if let Err(error) = beside.put() {
        if !options.replace {
            // It was not there before, and nothing vouches for it.
            let _ = fs::remove_file(path);
        }
        return Err(error);
    }
    Ok(Exported { scanned, manifest })
}

/// What was written where.
#[derive(Debug)]
pub(crate) struct Written<W> {
    pub(crate) out: W,
    pub(crate) bytes: u64,
    pub(crate) sha256: proto::Digest,
}

/// Scans and writes what is found to `out`.
pub(crate) fn write<W: Write + Send>(
    dir: &Path,
    scan: find::Options<'_>,
    (format, byte_order_mark): (Format, bool),
    out: W,
) -> Result<(Written<W>, Scanned), ExportError> {
    let mut writer = Writer::new(format, byte_order_mark, Digesting::new(out))?;
    let mut failed = None;
    let mut on_row = |row: &Row| match writer.row(row) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    };
    let scanned = find::scan(dir, scan, &mut on_row)?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok((writer.finish()?.finish()?, scanned)),
    }
}

/// Writes rows in one format.
enum Writer<W: Write + Send> {
    Lines(Lines<W>),
    Sheet(Box<Sheet<W>>),
    Columnar(Box<Columnar<W, Row>>),
}

impl<W: Write + Send> Writer<W> {
    fn new(format: Format, byte_order_mark: bool, out: W) -> io::Result<Self> {
        Ok(match format {
            Format::JsonLines => Self::Lines(Lines::new(out)),
            Format::Csv => Self::Sheet(Box::new(Sheet::new(out, byte_order_mark)?)),
            Format::Parquet => {
                let titled = Titled {
                    name: "entries",
                    facts: Vec::new(),
                };
                Self::Columnar(Box::new(Columnar::new(out, &titled, COLUMNS)?))
            }
        })
    }

    fn row(&mut self, row: &Row) -> io::Result<()> {
        match self {
            Self::Lines(lines) => lines.row(row),
            Self::Sheet(sheet) => sheet.row(row),
            Self::Columnar(columnar) => columnar.row(row),
        }
    }

    fn finish(self) -> io::Result<W> {
        match self {
            Self::Lines(lines) => lines.finish(),
            Self::Sheet(sheet) => sheet.finish(),
            Self::Columnar(columnar) => columnar.finish(),
        }
    }
}

/// Why nothing was written.
#[derive(Debug, Error)]
pub enum ExportError {
    /// There is no log to look at.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The log does not hold, so that a file of it would prove nothing.
    #[error("not proved, so nothing was written: {0}")]
    NotProved(String),
    /// Something stands at the place.
    #[error("{0} is there already and is not written over")]
    Exists(String),
    /// The file cannot be written.
    #[error("the file cannot be written: {0}")]
    Io(#[from] io::Error),
}
