//! A CSV file and the table that was last read from it whole.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use csv::{ReaderBuilder, StringRecord};
use thiserror::Error;

/// What the file must have.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) columns: BTreeSet<String>,
    /// Columns of each index.
    pub(super) indexes: BTreeSet<Vec<String>>,
    pub(super) max_bytes: u64,
    pub(super) min_rows: usize,
    pub(super) delimiter: u8,
}

/// A file that is followed.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    wanted: Wanted,
    table: ArcSwap<Table>,
    /// The state of the file that was judged last, good or bad; `None`: there was none.
    judged: Mutex<Option<Stamp>>,
}

/// When two of these are equal the file has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// Rows and where to find them.
#[derive(Debug)]
pub(super) struct Table {
    header: HashMap<String, usize>,
    rows: Vec<StringRecord>,
    indexes: HashMap<Vec<String>, HashMap<Vec<String>, Vec<usize>>>,
}

impl Table {
    /// The rows whose `columns` are `key`, in the file's order.
    pub(super) fn find(&self, columns: &[String], key: &[String]) -> &[usize] {
        let found = self.indexes.get(columns).and_then(|index| index.get(key));
        found.map_or(&[], Vec::as_slice)
    }

    /// One cell.
    pub(super) fn cell(&self, row: &usize, column: &str) -> Option<&str> {
        self.rows.get(*row)?.get(*self.header.get(column)?)
    }
}

impl Source {
    /// Reads the file for the first time: here nothing older could answer.
    pub(super) fn open(path: PathBuf, wanted: Wanted) -> Result<Self, SourceError> {
        let (table, stamp) = read(&path, &wanted)?;
        Ok(Self {
            path,
            wanted,
            table: ArcSwap::from_pointee(table),
            judged: Mutex::new(Some(stamp)),
        })
    }

    pub(super) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Reads the file again if it changed. Blocks.
    pub(super) fn look(&self) {
        // Somebody else is still reading it: that is as good.
        let Ok(mut judged) = self.judged.try_lock() else {
            return;
        };
        let now = std::fs::metadata(&self.path)
            .ok()
            .map(|found| Stamp::of(&found));
        if *judged == now {
            return;
        }
        let file = self.path.display();
        if now.is_none() {
            tracing::warn!(%file, "the table's file is gone; the rows read before stay");
            *judged = None;
            return;
        }
        match read(&self.path, &self.wanted) {
            Ok((table, stamp)) => {
                tracing::info!(%file, rows = table.rows.len(), "read the table again");
                self.table.store(Arc::new(table));
                *judged = Some(stamp);
            }
            // Not judged yet: the next look reads it again.
            Err(SourceError::Changing) => {}
            Err(error) => {
                tracing::warn!(%file, %error, "the table's new file is broken; the rows read before stay");
                *judged = now;
            }
        }
    }
}

/// Reads a whole file and everything in it, or says why not.
fn read(path: &PathBuf, wanted: &Wanted) -> Result<(Table, Stamp), SourceError> {
    let mut file = File::open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(SourceError::NotAFile);
    }
    if before.len() > wanted.max_bytes {
        return Err(SourceError::Size(wanted.max_bytes));
    }
    let mut bytes = Vec::new();
    (&mut file)
        .take(wanted.max_bytes + 1)
        .read_to_end(&mut bytes)?;
    let stamp = Stamp::of(&before);
    let still = Stamp::of(&file.metadata()?) == stamp;
    if !still || u64::try_from(bytes.len()).ok() != Some(stamp.size) {
        return Err(SourceError::Changing);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    if bytes.last() != Some(&b'\n') {
        return Err(SourceError::Cut);
    }
    Ok((parse(bytes, wanted)?, stamp))
}

fn parse(bytes: &[u8], wanted: &Wanted) -> Result<Table, SourceError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(wanted.delimiter)
        .from_reader(bytes);
    let mut header = HashMap::new();
    for (index, name) in reader.headers()?.iter().enumerate() {
        if header.insert(name.to_owned(), index).is_some() {
            return Err(SourceError::Twice(name.to_owned()));
        }
    }
    let missing: Vec<&str> = wanted
        .columns
        .iter()
        .filter(|name| !header.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(SourceError::Missing(missing.join(", ")));
    }
    let rows = reader.records().collect::<Result<Vec<_>, _>>()?;
    if rows.len() < wanted.min_rows {
        return Err(SourceError::Few(rows.len(), wanted.min_rows));
    }
    let mut indexes = HashMap::new();
    for columns in &wanted.indexes {
        let mut index: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
        let places: Vec<usize> = columns
            .iter()
            .filter_map(|column| header.get(column).copied())
            .collect();
        for (at, row) in rows.iter().enumerate() {
            let key = places
                .iter()
                .map(|place| row.get(*place).unwrap_or_default().to_owned())
                .collect();
            index.entry(key).or_default().push(at);
        }
        indexes.insert(columns.clone(), index);
    }
    Ok(Table {
        header,
        rows,
        indexes,
    })
}

/// Why a file is no table.
#[derive(Debug, Error)]
pub(super) enum SourceError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("is not a file")]
    NotAFile,
    #[error("is larger than max_bytes = {0}")]
    Size(u64),
    #[error("is being written")]
    Changing,
    #[error("does not end with a line end: it was cut, or is still being written")]
    Cut,
    #[error("{0}")]
    Csv(#[from] csv::Error),
    #[error("column '{0}' stands twice in the header")]
    Twice(String),
    #[error("has no column {0}")]
    Missing(String),
    #[error("has {0} rows, fewer than min_rows = {1}")]
    Few(usize, usize),
}
