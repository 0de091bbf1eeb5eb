//! Puts a stopped log together again: files under `tile/`, tail and store, from whatever still has them.
//!
//! Takes a log directory, further copies of it, and signed checkpoints; gives a directory that opens with the same
//! root, and a report. Names every index range that it cannot restore, with the file that should hold it, and then
//! leaves tail and store as they are. Never writes what the signed root does not prove, never ends shorter than any
//! checkpoint that it was shown, never deletes: what is replaced is set aside.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use self::goal::{Claim, Goals};
use crate::checkpoint::{Checkpoint, CheckpointError, LogKey, SUCCESSIONS_FILE};
use crate::journal::salvage::Remains;
use crate::journal::{JournalError, Layout, NotNext, StoreFound};
use crate::log::LogError;
use crate::log_key::successions_text;
use crate::tiles::mend::{MendError, Mended, set_aside_dir};
use crate::tiles::published::PublishError;
use crate::tiles::{TileError, durable};
use crate::tree::TreeHead;
use crate::verify::VKEY_FILE;

mod files;
mod goal;
mod journal;
pub(crate) mod repaired;
#[cfg(test)]
mod tests;

/// Called before each step that changes something, with its name; an error ends the run there.
pub type OnStep<'a> = &'a mut dyn FnMut(&str) -> Result<(), JournalError>;

/// How to rebuild.
#[derive(Default)]
pub struct Options<'a> {
    /// Directories of further copies of the log: an auditor's, a replica's.
    pub from: Vec<PathBuf>,
    /// The log's key, from somewhere else than the directory.
    pub key: Option<LogKey>,
    /// Signed notes that the log must not end before, for example what a witness holds.
    pub checkpoints: Vec<Bytes>,
    /// Only say what would be done. sled cannot be opened without writing: the store is then not looked at.
    pub check: bool,
    /// Only `checkpoint`, `tile/` and `pruned/`: for an auditor's copy, which has neither tail nor store.
    pub files_only: bool,
    /// Go on although the tail lost entries that may have been acknowledged.
    pub accept_tail_loss: bool,
    /// Sizes of tail and store; what was measured to serve, unless somebody says otherwise.
    pub layout: Option<Layout>,
    /// Told how many of how many entries are done.
    pub on_progress: Option<&'a mut dyn FnMut(u64, u64)>,
    /// Called before each step that changes something: an error ends the run as if power were cut.
    pub on_step: Option<OnStep<'a>>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("from", &self.from)
            .field("check", &self.check)
            .field("files_only", &self.files_only)
            .field("accept_tail_loss", &self.accept_tail_loss)
            .finish_non_exhaustive()
    }
}

/// What was found and done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The largest checkpoint whose tree is all there.
    pub checkpoint: Checkpoint,
    /// Whether the caller gave the key; otherwise the one beside the log was used.
    pub key_given: bool,
    /// Whether the file `checkpoint` was written.
    pub published: bool,
    /// Files under `tile/` and `pruned/`, and what cannot be restored.
    pub mended: Mended,
    /// What is wrong with the tail.
    pub tail: Vec<String>,
    /// Whether the tail was put together anew.
    pub tail_rebuilt: bool,
    /// In which state the store was found; `None` where nobody looked.
    pub store: Option<StoreFound>,
    /// Where the log ends: size and root. Beyond the checkpoint as far as the tail goes.
    pub end: TreeHead,
    /// From this index on entries may have been acknowledged and are not there.
    pub loss: Option<u64>,
    /// What was moved out of the way.
    pub set_aside: Vec<PathBuf>,
    /// Whether the directory is as it should be now; in a dry run, whether it would be.
    pub whole: bool,
}

/// Rebuilds the log in `dir`.
///
/// # Errors
/// [`RebuildError`]: nothing could be done, or it was cut short; it can be begun again.
pub fn rebuild(dir: &Path, options: Options<'_>) -> Result<Report, RebuildError> {
    if !dir.is_dir() {
        return Err(RebuildError::NoLog(dir.to_owned()));
    }
    let _lock = crate::log::lock_to_change(dir, !options.check)?;
    let key_given = options.key.is_some();
    let key = key_of(dir, options.key.as_ref())?;
    let dirs = std::iter::once(dir).chain(options.from.iter().map(PathBuf::as_path));
    for dir in dirs {
        // What one of them lacks or has damaged, another may have.
        let _ = key.follow_beside(dir);
    }
    files::follow_entries(dir, &key);
    let given = options.layout.clone();
    let layout = given.unwrap_or_else(|| Layout::new(dir, key.origin()));
    let mut run = Run {
        dir,
        layout,
        goals: Goals::of(
            dir,
            &options.from,
            &options.checkpoints,
            &key,
            !options.accept_tail_loss,
        )?,
        aside: set_aside_dir(dir),
        options,
    };
    run.step("look")?;
    let remains = if run.options.files_only {
        None
    } else {
        Some(Remains::of(&run.layout, !run.options.check)?)
    };
    let found = files::mend_largest(&mut run, remains.as_ref())?;
    let mut report = Report {
        checkpoint: found.claim.checkpoint.clone(),
        key_given,
        published: found.claim.to_publish,
        mended: found.mended,
        tail: Vec::new(),
        tail_rebuilt: false,
        store: None,
        end: found.head.edge.head(),
        loss: None,
        set_aside: Vec::new(),
        whole: false,
    };
    report
        .set_aside
        .extend(Some(run.aside.clone()).filter(|dir| dir.exists()));
    if !report.mended.lost.is_empty() {
        return Ok(report);
    }
    report.set_aside.extend(run.publish(&key, &found.claim)?);
    match remains {
        Some(remains) => journal::rebuild(&mut run, remains, &found.head, &mut report)?,
        None => {
            run.goals.reached_by(report.end)?;
            report.whole = true;
        }
    }
    Ok(report)
}

/// Whether both are keys of one log: the same, or one that followed the other.
fn is_same_log(dir: &Path, beside: &LogKey, given: &LogKey) -> bool {
    // What cannot be read leads from none to another.
    let _ = beside.follow_beside(dir);
    files::follow_entries(dir, beside);
    beside.has(given)
}

/// The key that was given, or the one that lies in the directory. Both must be of one log.
fn key_of(dir: &Path, given: Option<&LogKey>) -> Result<LogKey, RebuildError> {
    let path = dir.join(VKEY_FILE);
    let beside = match (fs::read_to_string(&path), given) {
        (Ok(text), _) => LogKey::from_vkey(&text).map_err(RebuildError::Key),
        (Err(_), Some(given)) => return Ok(given.clone()),
        (Err(error), None) => Err(RebuildError::NoKey {
            path,
            reason: error.to_string(),
        }),
    };
    match (beside, given) {
        (Ok(beside), Some(given)) if !is_same_log(dir, &beside, given) => {
            Err(RebuildError::OtherLog {
                dir: dir.to_owned(),
                found: beside.to_vkey(),
            })
        }
        (Err(RebuildError::Key(_)), Some(given)) => Ok(given.clone()),
        (beside, _) => beside,
    }
}

struct Run<'a, 'b> {
    dir: &'a Path,
    layout: Layout,
    goals: Goals,
    /// Where replaced files go.
    aside: PathBuf,
    options: Options<'b>,
}

impl Run<'_, '_> {
    fn step(&mut self, step: &str) -> Result<(), JournalError> {
        match &mut self.options.on_step {
            Some(on_step) => on_step(step),
            None => Ok(()),
        }
    }

    /// Writes key and checkpoint files that are missing, damaged or older. Gives what was moved out of the way.
    fn publish(&mut self, key: &LogKey, claim: &Claim) -> Result<Option<PathBuf>, RebuildError> {
        if self.options.check {
            return Ok(None);
        }
        let path = self.dir.join(VKEY_FILE);
        let text = format!("{}\n", key.to_vkey());
        if fs::read_to_string(&path).ok().as_deref().map(str::trim) != Some(text.trim()) {
            self.step("write the key")?;
            durable::write_file(&path, text.as_bytes())
                .map_err(|error| TileError::io(&path, error))?;
        }
        let path = self.dir.join(SUCCESSIONS_FILE);
        let text = successions_text(&key.entries());
        if !text.is_empty() && fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            self.step("write the keys that followed")?;
            durable::write_file(&path, text.as_bytes())
                .map_err(|error| TileError::io(&path, error))?;
        }
        if !claim.to_publish {
            return Ok(None);
        }
        self.step("publish")?;
        goal::publish(self.dir, key, claim)
    }
}

/// Why a log could not be rebuilt. What was done by then can stay: it is proved, and the next run goes on.
#[derive(Debug, Error)]
pub enum RebuildError {
    /// There is no such directory.
    #[error("{}: there is no such directory", .0.display())]
    NoLog(PathBuf),
    /// No key.
    #[error("{}: {reason}; give the log's key", path.display())]
    NoKey {
        /// Where it should be.
        path: PathBuf,
        /// Why it is not.
        reason: String,
    },
    /// The key beside the log is none.
    #[error("the log's key file: {0}")]
    Key(#[source] CheckpointError),
    /// The directory belongs to another log.
    #[error("{} is the log of the key {found}, not of the one given", dir.display())]
    OtherLog {
        /// The directory.
        dir: PathBuf,
        /// The key in it.
        found: String,
    },
    /// A checkpoint that was given does not hold under the key.
    #[error("{place}: {error}")]
    Checkpoint {
        /// Where it comes from.
        place: String,
        /// Why not.
        error: CheckpointError,
    },
    /// Nothing says what the log must be.
    #[error(
        "{} holds no checkpoint that the log's key signed, nor does any copy given: nothing can be proved. Give a copy that has one, or a signed checkpoint", .0.display()
    )]
    NoCheckpoint(PathBuf),
    /// Two trees under one key.
    #[error(
        "{first} and {second} are signed by the log's key and do not belong to one history, at {size} entries: keep both as evidence"
    )]
    Forked {
        /// Where one comes from.
        first: String,
        /// Where the other comes from.
        second: String,
        /// The smaller of their sizes.
        size: u64,
    },
    /// The log would end too early.
    #[error(
        "the log ends at {end} entries, but {place} is a signed checkpoint over {size}: entries {end}..{size} are missing. Give a copy that has them"
    )]
    Shorter {
        /// Where the checkpoint comes from.
        place: String,
        /// Its size.
        size: u64,
        /// Where the log ends.
        end: u64,
    },
    /// The signed entries themselves do not fit each other.
    #[error(
        "entry {index} is the one that was signed, and cannot stand there: {reason}. No rebuilding helps; `mohawel audit verify` says more"
    )]
    Inconsistent {
        /// Its index.
        index: u64,
        /// Why not.
        reason: NotNext,
    },
    /// The journal opens with another head than was built.
    #[error("the log opens with {found} entries, {expected} were put together")]
    OtherEnd {
        /// What was built.
        expected: u64,
        /// What opened.
        found: u64,
    },
    /// The directory is in use, or cannot be locked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing can be proved, or a file cannot be written.
    #[error(transparent)]
    Mend(#[from] MendError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// The checkpoint file.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Tail or store.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
