//! Removes the oldest entries of a log after their retention, by C2SP's minimum index.
//!
//! Takes a stopped log directory, or a copy of one, and where to cut; removes the entry bundles below, and with them
//! every store database and index that holds their entries. Keeps all hash tiles, so that every proof can still be
//! made, and every registry entry, so that everybody can still fold the registry from genesis.
//!
//! Never removes what was not read back as it was signed, what is not published, what belongs to a request that is
//! still open, or what is younger than the longest retention of any grant below the cut, unless it is told to. Age is
//! measured against the newest entry of the log, not against this machine's clock: whoever replays measures the same.
//! The order of its steps leaves a directory that opens, whenever it is killed; the same command then finishes it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::entry::EntryError;
use proto::registry::FoldError;
use thiserror::Error;

use crate::checkpoint::{self, Checkpoint, CheckpointError, LogKey};
use crate::journal::{JournalError, Layout, NotNext};
use crate::log::LogError;
use crate::note::SignedNote;
use crate::policy::Policy;
use crate::rebuild::OnStep;
use crate::tiles::copies::Copies;
use crate::tiles::proven::{ProvenTiles, Unproven};
use crate::tiles::published::{PublishError, read_published};
use crate::tiles::reread::RereadError;
use crate::tiles::{Pruned, PrunedError, TileError, TileStore};
use crate::verify::VKEY_FILE;

mod bundles;
mod carry_out;
#[cfg(test)]
mod tests;
mod walk;

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Entries below this index, rounded down to a bundle.
    Index(u64),
    /// Entries that are older than the newest one by so many days, rounded down to a bundle.
    OlderThanDays(u32),
}

/// How to prune.
pub struct Options<'a> {
    /// Where to cut.
    pub before: Before,
    /// The log's key, from somewhere else than the directory.
    pub key: Option<LogKey>,
    /// Signed notes, for example those that witnesses hold: nothing that any of them does not cover is pruned.
    pub checkpoints: Vec<Bytes>,
    /// Whose cosignatures the published checkpoint must carry: what no witness has seen is not pruned.
    pub policy: Option<Policy>,
    /// Prune although retention has not passed. Every replay will say so.
    pub despite_retention: bool,
    /// Only say what would be done.
    pub check: bool,
    /// Sizes of tail and store.
    pub layout: Option<Layout>,
    /// Told how many of how many entries are done.
    pub on_progress: Option<&'a mut dyn FnMut(u64, u64)>,
    /// Called before each step that changes something: an error ends the run as if power were cut.
    pub on_step: Option<OnStep<'a>>,
}

impl Options<'_> {
    /// Cuts at `before`, and nothing else said.
    pub fn new(before: Before) -> Self {
        Self {
            before,
            key: None,
            checkpoints: Vec::new(),
            policy: None,
            despite_retention: false,
            check: false,
            layout: None,
            on_progress: None,
            on_step: None,
        }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("before", &self.before)
            .field("despite_retention", &self.despite_retention)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}

/// What was pruned, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The published checkpoint; it stays as it is.
    pub checkpoint: Checkpoint,
    /// The minimum index before.
    pub minimum_before: u64,
    /// The minimum index now.
    pub minimum_index: u64,
    /// Entries removed by this run.
    pub removed: u64,
    /// Registry entries kept of them.
    pub kept: u64,
    /// Bytes of bundles removed.
    pub removed_bytes: u64,
    /// The longest retention of any grant below the cut, days.
    pub retention_days: u32,
    /// How much older than the newest entry the first entry that stays is, days.
    pub age_days: u64,
    /// Store databases removed.
    pub databases: Vec<PathBuf>,
    /// What was set aside by a repair and may hold pruned entries still: look, and remove it.
    pub left: Vec<PathBuf>,
}

/// Prunes the log in `dir`.
///
/// # Errors
/// [`PruneError`]: nothing was removed, or it was cut short; the same command goes on.
pub fn prune(dir: &Path, options: Options<'_>) -> Result<Report, PruneError> {
    let has_journal = dir.join("tail").exists() || dir.join("store").exists();
    let _lock = crate::log::lock_to_change(dir, has_journal && !options.check)?;
    let key = match &options.key {
        Some(key) => key.clone(),
        None => {
            let path = dir.join(VKEY_FILE);
            let text = fs::read_to_string(&path).map_err(|error| TileError::io(&path, error))?;
            LogKey::from_vkey(&text)?
        }
    };
    key.follow_beside(dir)?;
    let published = read_published(dir)?.ok_or(PruneError::NotPublished)?;
    let checkpoint = checkpoint::open(&published.note, &key)?;
    if let Some(policy) = &options.policy {
        let note = SignedNote::parse(&published.note).map_err(CheckpointError::from)?;
        if !policy.covers(&key) || !policy.verify(&note).is_accepted() {
            return Err(PruneError::NoQuorum(policy.quorum_text()));
        }
    }
    let store = TileStore::new(dir);
    let copies = Copies::of(&store);
    let mut tiles = ProvenTiles::of(&copies, checkpoint.head())?;
    let witnessed = covered(&mut tiles, &options, &key)?;
    let given = options.layout.clone();
    let mut run = Run {
        dir,
        store: &store,
        layout: given.unwrap_or_else(|| Layout::new(dir, key.origin())),
        pruned: Pruned::of(&store)?,
        options,
    };
    let cut = walk::cut(&mut run, &mut tiles)?;
    if let Some(size) = witnessed.filter(|size| cut > *size) {
        return Err(PruneError::NotWitnessed { index: cut, size });
    }
    let walked = walk::walk(&mut run, &mut tiles, cut)?;
    let mut report = Report {
        checkpoint,
        minimum_before: run.pruned.minimum(),
        minimum_index: cut.max(run.pruned.minimum()),
        removed: walked.entries,
        kept: walked.kept,
        removed_bytes: walked.bytes,
        retention_days: walked.retention_days,
        age_days: walked.age_days,
        databases: Vec::new(),
        left: set_aside(dir)?,
    };
    if !run.options.check && report.minimum_index > 0 {
        run.carry_out(&mut tiles, &walked, has_journal, &mut report)?;
    }
    Ok(report)
}

/// Size of the smallest checkpoint that was given; all must be of this history.
fn covered(
    tiles: &mut ProvenTiles<'_>,
    options: &Options<'_>,
    key: &LogKey,
) -> Result<Option<u64>, PruneError> {
    let size = tiles.head().size;
    let mut smallest = None;
    for note in &options.checkpoints {
        let given = checkpoint::open(note, key)?;
        if given.size > size || tiles.root_at(given.size)? != given.root {
            return Err(PruneError::OtherHistory(given.size));
        }
        smallest = Some(smallest.map_or(given.size, |least: u64| least.min(given.size)));
    }
    Ok(smallest)
}

struct Run<'a, 'b> {
    dir: &'a Path,
    store: &'a TileStore,
    layout: Layout,
    pruned: Pruned,
    options: Options<'b>,
}

impl Run<'_, '_> {
    fn step(&mut self, step: &str) -> Result<(), JournalError> {
        match &mut self.options.on_step {
            Some(on_step) => on_step(step),
            None => Ok(()),
        }
    }

    fn progress(&mut self, done: u64, total: u64) {
        if let Some(on_progress) = &mut self.options.on_progress {
            on_progress(done, total);
        }
    }
}

/// What repairs have moved out of the way in `dir`.
fn set_aside(dir: &Path) -> Result<Vec<PathBuf>, PruneError> {
    let mut found = Vec::new();
    for dir in [dir.to_owned(), dir.join("store")] {
        let Ok(names) = fs::read_dir(&dir) else {
            continue;
        };
        for name in names.flatten() {
            let text = name.file_name().to_string_lossy().into_owned();
            let leftover = text.contains("set-aside") || text.ends_with(".rebuilding");
            if leftover && name.path().is_dir() {
                found.push(name.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Why nothing was pruned, or not all of it.
#[derive(Debug, Error)]
pub enum PruneError {
    /// No checkpoint.
    #[error(
        "the directory holds no published checkpoint: nothing in it is proved, so nothing may go"
    )]
    NotPublished,
    /// The cut lies too far.
    #[error(
        "entries below {index} cannot be pruned: the published log has {size}, and at least one must stay to prove what is kept"
    )]
    Beyond {
        /// The index that was asked for.
        index: u64,
        /// Entries that are published.
        size: u64,
    },
    /// A checkpoint that was given does not cover the cut.
    #[error(
        "entries below {index} cannot be pruned: one of the checkpoints given covers only {size}"
    )]
    NotWitnessed {
        /// The index that was asked for.
        index: u64,
        /// What it covers.
        size: u64,
    },
    /// The published checkpoint lacks cosignatures.
    #[error(
        "the published checkpoint does not carry the cosignatures that the policy asks for ({0}): what witnesses have not seen is not pruned. Start the switch until they have, stop it, and prune again"
    )]
    NoQuorum(String),
    /// A checkpoint that was given is of another history.
    #[error(
        "a checkpoint given covers {0} entries, and this directory does not hold the log that it was signed for: prune nothing, keep both as evidence"
    )]
    OtherHistory(u64),
    /// A request has no ending yet.
    #[error(
        "the request at {request} has no ending yet: it must stay. `--before-index {allowed}` is the most that can go"
    )]
    Open {
        /// Its index.
        request: u64,
        /// The largest cut below it.
        allowed: u64,
    },
    /// Retention has not passed.
    #[error(
        "entry {index}, the first that would stay, is {age_days} days older than the newest entry, and grants below it are kept for {retention_days}: prune --older-than {retention_days}, or say --despite-retention, which every replay will report"
    )]
    TooYoung {
        /// The first entry that would stay.
        index: u64,
        /// Its age, days.
        age_days: u64,
        /// The longest retention, days.
        retention_days: u32,
    },
    /// An entry that was signed does not follow.
    #[error(
        "entry {index} cannot stand there ({reason}): prune nothing, and let `mohawel audit replay` say more"
    )]
    Inconsistent {
        /// Its index.
        index: u64,
        /// Why not.
        reason: NotNext,
    },
    /// A registry entry does not fold.
    #[error(
        "registry entry {index} does not fold ({reason}): prune nothing, and let `mohawel audit replay` say more"
    )]
    Fold {
        /// Its index.
        index: u64,
        /// Why not.
        reason: FoldError,
    },
    /// An entry does not decode.
    #[error("entry {index}: {reason}")]
    Entry {
        /// Its index.
        index: u64,
        /// Why not.
        reason: EntryError,
    },
    /// The hash tiles do not make the root.
    #[error("{0}; run `mohawel audit rebuild` first")]
    Unproven(#[from] Unproven),
    /// A bundle is not as it was signed.
    #[error("{0}; run `mohawel audit rebuild` first")]
    Reread(#[from] RereadError),
    /// The directory is in use, or cannot be locked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Tail or store.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The checkpoint is not one of the key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint file.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The minimum index.
    #[error(transparent)]
    Minimum(#[from] PrunedError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Tile(#[from] TileError),
}
