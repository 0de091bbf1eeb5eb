//! A look-up, read chunk by chunk: where entries stand that name something of everything that is asked for.
//!
//! Takes an [`Index`], lists of terms and a range. Gives places, ascending, or for each chunk all of its places; a chunk
//! that is missing or damaged is an error, and nothing of it was given. Opens one database at a time.

use std::fmt;
use std::ops::Range;

use super::database::{Chunk, Database};
use super::{CHUNK_ENTRIES, DATABASE_ENTRIES, Index, IndexError, Term};

/// What one chunk says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// Indexes that were looked up.
    pub range: Range<u64>,
    /// Those of them that may be wanted, ascending.
    pub places: Vec<u64>,
}

/// The answer to a look-up.
pub struct Lookup<'a> {
    index: &'a Index,
    /// At least one of each list.
    wanted: Vec<Vec<Term>>,
    /// The chunk that is looked up next.
    chunk: u64,
    range: Range<u64>,
    open: Option<(u64, Database)>,
    found: std::vec::IntoIter<u64>,
}

impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup")
            .field("wanted", &self.wanted)
            .field("chunk", &self.chunk)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl<'a> Lookup<'a> {
    pub(super) fn new(index: &'a Index, wanted: Vec<Vec<Term>>, range: Range<u64>) -> Self {
        Self {
            index,
            wanted,
            chunk: range.start / CHUNK_ENTRIES,
            range: range.start..range.end.min(index.upto()),
            open: None,
            found: Vec::new().into_iter(),
        }
    }

    /// The next indexes that were looked up, and all places among them; `None` at the end. After an error nothing is
    /// known of that chunk.
    ///
    /// # Errors
    /// [`IndexError`]: a database cannot be opened, or what it holds is missing or damaged.
    pub fn next_chunk(&mut self) -> Option<Result<LookedUp, IndexError>> {
        let base = self.chunk.saturating_mul(CHUNK_ENTRIES);
        if base >= self.range.end {
            return None;
        }
        let range = base.max(self.range.start)..(base + CHUNK_ENTRIES).min(self.range.end);
        let found = match self.offsets(base) {
            Ok(found) => found,
            Err(error) => {
                self.range.end = 0;
                return Some(Err(error));
            }
        };
        self.chunk += 1;
        let places = found.into_iter().map(|offset| base + u64::from(offset));
        let places = places.filter(|index| range.contains(index)).collect();
        Some(Ok(LookedUp { range, places }))
    }

    fn offsets(&mut self, base: u64) -> Result<Vec<u32>, IndexError> {
        let first = base / DATABASE_ENTRIES * DATABASE_ENTRIES;
        let path = self.index.database(first);
        if self.open.as_ref().is_none_or(|(open, _)| *open != first) {
            // The one before goes first: one at a time.
            self.open = None;
            match (path.is_dir(), self.index.is_pruned(first)) {
                (true, _) => {}
                // Nothing is there for it to name.
                (false, true) => return Ok(Vec::new()),
                (false, false) => {
                    let reason = "it is gone".to_owned();
                    return Err(IndexError::Database { path, reason });
                }
            }
            self.open = Some((first, Database::open(&path)?));
        }
        let Some((_, database)) = &self.open else {
            return Ok(Vec::new());
        };
        let upto = self.index.covered(first).min(base + CHUNK_ENTRIES);
        let chunk = database.chunk(self.chunk, upto)?;
        let mut lists = self.wanted.iter();
        let Some(list) = lists.next() else {
            return Ok(Vec::new());
        };
        let mut found = union(&chunk, list)?;
        for list in lists {
            if found.is_empty() {
                break;
            }
            let other = union(&chunk, list)?;
            found.retain(|offset| other.binary_search(offset).is_ok());
        }
        Ok(found)
    }
}

/// Offsets of entries that name any of `terms`, ascending, each once.
fn union(chunk: &Chunk<'_>, terms: &[Term]) -> Result<Vec<u32>, IndexError> {
    let mut found = Vec::new();
    for term in terms {
        found.extend(chunk.lookup(*term)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

impl Iterator for Lookup<'_> {
    type Item = Result<u64, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(index) = self.found.next() {
                return Some(Ok(index));
            }
            match self.next_chunk()? {
                Ok(looked_up) => self.found = looked_up.places.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
