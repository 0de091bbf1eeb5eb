//! A journal that lets go of its oldest entries: for [`crate::prune`], on a stopped log.
//!
//! Takes a journal whose entries are all published; leaves a store that begins at a given head or later, and a tail
//! that begins where the log ends. Loses nothing: what it lets go of stands in the published bundles still.

use std::path::{Path, PathBuf};

use super::recovery::{Bundles, Recovery};
use super::store::databases;
use super::tail::sync_dir;
use super::tail_and_store::{Layout, locked};
use super::{Head, Journal as _, JournalError, Superseded, TailAndStore, recovery};
use crate::disk;
use crate::tree::TreeHead;

/// Called before each step; an error ends the work there.
type BeforeStep<'a> = &'a mut dyn FnMut(&str) -> Result<(), JournalError>;

impl TailAndStore {
    /// Lets the tail begin where the log ends, all of which is stored and published.
    fn begin_tail_anew(&self) -> Result<(), JournalError> {
        self.final_on_error(|| {
            let stored = self.feed()?;
            let head = locked(&self.behind)?.head().clone();
            let mut tail = locked(&self.tail)?;
            tail.cut(&head)?;
            tail.retire(stored).delete()
        })
    }

    /// Index of the oldest entry in the open database.
    fn store_first(&self) -> Result<u64, JournalError> {
        Ok(self.store()?.first())
    }
}

/// Lets go of what lies below `start`, the head there.
///
/// # Errors
/// [`JournalError::Refused`] where the log does not open, or holds entries that are not published.
pub(crate) fn let_go_below(
    layout: &Layout,
    bundles: &Bundles,
    published: TreeHead,
    start: &Head,
    before_step: BeforeStep<'_>,
) -> Result<(), JournalError> {
    let (journal, _) = TailAndStore::open(
        layout.clone(),
        Some(bundles.clone()),
        Some(published),
        Recovery::Strict,
    )?;
    let head = journal.head()?;
    if head.edge.head() != published {
        return Err(JournalError::Refused(format!(
            "entries {}..{} are recorded and not published yet: start the switch and stop it in order, then prune again",
            published.size,
            head.size()
        )));
    }
    before_step("begin the tail anew")?;
    journal.begin_tail_anew()?;
    let first = journal.store_first()?;
    // sled must have let go of it before the next one is made.
    drop(journal);
    if first < start.size() {
        before_step("begin the store anew")?;
        let (whole, base) = (bundles.clone(), start.clone());
        let from_start = Bundles::pruned(move |range| whole.read(range), move || Ok(base.clone()));
        drop(recovery::rebuild_store(layout, &from_start, &head)?);
    }
    Ok(())
}

/// Databases of the store in `dir`, oldest first, each with the index of its first entry. All but the last are never
/// opened again.
///
/// # Errors
/// The directory cannot be read.
pub(crate) fn store_databases(dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    databases(&dir.join("store"))
}

/// Databases in the store's directory that begin before `open`, the first index of the one in use.
pub(super) fn superseded(store_dir: &Path, open: u64) -> Result<Vec<Superseded>, JournalError> {
    let databases = databases(store_dir)?;
    let ends = databases.iter().skip(1).map(|(first, _)| *first);
    let ends = ends.chain([u64::MAX]).map(|end| end.min(open));
    let old = databases
        .iter()
        .zip(ends)
        .filter(|((first, _), _)| *first < open);
    Ok(old
        .map(|((first, path), end)| Superseded {
            entries: *first..end,
            path: path.clone(),
        })
        .collect())
}

/// Removes one database for good.
///
/// # Errors
/// It cannot be removed.
pub(crate) fn remove_database(path: &Path) -> Result<(), JournalError> {
    disk::change(path, || std::fs::remove_dir_all(path))
        .map_err(|e| JournalError::io("removing", path, e))?;
    path.parent().map_or(Ok(()), sync_dir)
}
