//! Where the page and the table of a report go: each appears whole and synced, or not at all.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use proto::refusal::Language;

use super::{Report, page, table};
use crate::export::ExportError;
use crate::export::place::Place;
use crate::find::Standing;

/// Places that can be written. Dropped unwritten, nothing stays behind.
#[derive(Debug)]
pub struct Places {
    page: Option<Place>,
    table: Option<(PathBuf, Place)>,
    replace: bool,
}

impl Places {
    /// Tries them, before anything is counted.
    ///
    /// # Errors
    /// [`ExportError`]: a file that is there and may not be replaced, a folder that is not there.
    pub fn at(
        page: Option<&Path>,
        table: Option<&Path>,
        replace: bool,
    ) -> Result<Self, ExportError> {
        let at = |path: &Path| Place::at(path, replace);
        let table = match table {
            Some(path) => Some((path.to_owned(), at(path)?)),
            None => None,
        };
        Ok(Self {
            page: page.map(at).transpose()?,
            table,
            replace,
        })
    }

    /// Writes them; the page begins in `first`.
    ///
    /// # Errors
    /// [`ExportError`]; nothing is written of a log that does not hold.
    pub fn put(self, report: &Report, first: Language) -> Result<(), ExportError> {
        if let Standing::Broken(why) = &report.scanned.standing {
            return Err(ExportError::NotProved(why.clone()));
        }
        let page = match self.page {
            Some(mut place) => {
                place.write_all(page::render(report, first).as_bytes())?;
                Some(place)
            }
            None => None,
        };
        let table = match self.table {
            Some((path, place)) => Some((path, table::write(report, place)?)),
            None => None,
        };
        let mut written = None;
        if let Some((path, place)) = table {
            place.put()?;
            written = Some(path);
        }
        let Some(page) = page else { return Ok(()) };
        page.put().inspect_err(|_| {
            if let Some(path) = written.filter(|_| !self.replace) {
                // It was not there before, and half of a report is none.
                let _ = fs::remove_file(path);
            }
        })
    }
}
