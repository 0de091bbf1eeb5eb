//! A scan: the entries of a log directory, decoded in order, and each ending joined to the request that it ends.
//!
//! Takes: an auditor's copy of the log directory, a filter, and how much is to be proved. Gives: each [`Row`] that
//! passes the filter, and at the end a [`Scanned`] that says how many entries were looked at, under which checkpoint,
//! and whether the rows are proved. Never: judges a decision by itself ([`Check::Replay`] lets [`crate::replay`] do
//! so first), writes, or keeps more in memory than a bundle and the last requests, whatever the log's length.

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use crate::checkpoint::{self, Checkpoint, LogKey};
use crate::index::Index;
use crate::replay::{self, Filter};
use crate::tiles::published::read_published;
use crate::tiles::{Pruned, PublishError, TileStore};
use crate::verify::pool::Pool;
use crate::verify::{OnProgress, VKEY_FILE};

mod pass;
mod plan;
mod printable;
mod proving;
mod requests;
mod row;
#[cfg(test)]
pub(crate) mod tests;
mod told;

pub use printable::printable;
pub(crate) use printable::spelled_cell;
pub use row::Row;

use pass::Pass;
use plan::Plan;
use proving::Proving;
use requests::Requests;

/// How much is proved of what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Nothing: entries are decoded as they stand in the files.
    Nothing,
    /// Every entry in the range is hashed; with the hash tiles of what is outside, they must make the signed root. A
    /// row is then in the log, byte for byte.
    #[default]
    Hashes,
    /// The whole log is replayed first: every seal verified, every decision judged again.
    Replay,
}

impl Check {
    /// The stable word in JSON and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Hashes => "hashes",
            Self::Replay => "replay",
        }
    }

    /// Reads the stable word.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Nothing, Self::Hashes, Self::Replay]
            .into_iter()
            .find(|check| check.name() == name)
    }
}

/// How to scan.
#[derive(Default)]
pub struct Options<'a> {
    /// The log's key from somewhere the operator does not control; without it the key beside the log is used.
    pub key: Option<LogKey>,
    /// Which entries are given. Its index range is also the range that is read.
    pub filter: Filter,
    /// How much is proved.
    pub check: Check,
    /// Lets the index beside the log, where there is one, say which entries need not be read. Rows are proved as without,
    /// and are the same; that the index left none out is the word of whoever made it.
    pub by_index: bool,
    /// Threads to use; 0 stands for one for each core. The result is the same for any number.
    pub threads: usize,
    /// The log as it was under this smaller checkpoint, not as it is published now.
    pub under: Option<Checkpoint>,
    /// Told how far the scan is.
    pub on_progress: Option<OnProgress<'a>>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("key", &self.key)
            .field("filter", &self.filter)
            .field("check", &self.check)
            .field("by_index", &self.by_index)
            .field("threads", &self.threads)
            .field("under", &self.under)
            .finish_non_exhaustive()
    }
}

/// Whether what was found is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody looked: the rows are what the files say.
    NotLooked,
    /// Every row is in the log that the key signed. Decisions were not judged.
    InTheLog,
    /// The same, and the replay found nothing wrong.
    Replayed,
    /// It does not hold, and why.
    Broken(String),
}

impl Standing {
    /// Whether a proof was asked for and holds.
    pub fn is_proved(&self) -> bool {
        matches!(self, Self::InTheLog | Self::Replayed)
    }
}

/// Entries that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// How many.
    pub count: u64,
    /// Index of the first.
    pub first: u64,
    /// What is wrong with it.
    pub what: String,
}

/// What a scan looked at and found.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The checkpoint that the entries are under.
    pub checkpoint: Checkpoint,
    /// The published checkpoint's note. It is a later one where [`Options::under`] was given.
    pub note: Bytes,
    /// The key that was used, if there was any.
    pub key: Option<LogKey>,
    /// Whether the caller gave that key; otherwise it came from the directory itself.
    pub key_given: bool,
    /// Indexes that were read.
    pub range: Range<u64>,
    /// Entries that were read.
    pub scanned: u64,
    /// Entries of the range that were not: the index says that the filter does not want them.
    pub skipped: u64,
    /// Why the index beside the log was not used, or not for all of the range that it could be asked about.
    pub index_remark: Option<String>,
    /// Rows that were given.
    pub matched: u64,
    /// Entries in the range that could not be read; they are in no row.
    pub unreadable: Option<Unreadable>,
    /// Whether the rows are proved.
    pub standing: Standing,
}

impl Scanned {
    fn cannot_read(&mut self, first: u64, count: u64, what: &dyn fmt::Display) {
        match &mut self.unreadable {
            Some(unreadable) => unreadable.count += count,
            None => {
                self.unreadable = Some(Unreadable {
                    count,
                    first,
                    what: what.to_string(),
                });
            }
        }
    }
}

/// Scans the log directory `dir` and gives `on_row` each row that passes the filter, in order, until it says stop.
///
/// # Errors
/// [`FindError`] where there is no log to look at. What is wrong with one that is there stands in [`Scanned`].
pub fn scan(
    dir: &Path,
    options: Options<'_>,
    on_row: &mut dyn FnMut(&Row) -> ControlFlow<()>,
) -> Result<Scanned, FindError> {
    let Options {
        key,
        filter,
        check,
        by_index,
        threads,
        under,
        mut on_progress,
    } = options;
    let published = read_published(dir)?.ok_or_else(|| FindError::NotPublished(dir.to_owned()))?;
    let key_given = key.is_some();
    let key = proving::key_of(dir, key);
    let checkpoint = under.unwrap_or_else(|| published.checkpoint.clone());
    if checkpoint.size > published.checkpoint.size {
        return Err(FindError::Shorter {
            wanted: checkpoint.size,
            published: published.checkpoint.size,
        });
    }
    let size = checkpoint.size;
    let from = filter.from.unwrap_or(0).min(size);
    let range = from..filter.to.unwrap_or(size).clamp(from, size);
    let mut scanned = Scanned {
        checkpoint,
        note: published.note,
        key,
        key_given,
        range,
        scanned: 0,
        skipped: 0,
        index_remark: None,
        matched: 0,
        unreadable: None,
        standing: Standing::NotLooked,
    };
    let mut progress = |done, total| {
        if let Some(on_progress) = &mut on_progress {
            on_progress(done, total);
        }
    };
    let signed = signed(&scanned, check);
    let replayed = match check {
        Check::Replay => replay_first(dir, &scanned, key_given, &mut progress),
        Check::Nothing | Check::Hashes => Ok(()),
    };
    let (ended, proved) = Looking {
        dir,
        published: &published.checkpoint,
        filter: &filter,
        proved: check != Check::Nothing,
        by_index,
        threads,
    }
    .look(&mut scanned, &mut progress, on_row);
    scanned.standing = match (signed, replayed, ended, proved) {
        (_, _, ControlFlow::Break(()), _) => Standing::Broken("the scan was stopped".to_owned()),
        (_, _, _, None) => Standing::NotLooked,
        (Err(why), ..) | (_, Err(why), ..) | (_, _, _, Some(Err(why))) => Standing::Broken(why),
        (Ok(()), Ok(()), _, Some(Ok(()))) if check == Check::Replay => Standing::Replayed,
        (Ok(()), Ok(()), _, Some(Ok(()))) => Standing::InTheLog,
    };
    Ok(scanned)
}

/// How the files are looked at.
struct Looking<'a> {
    dir: &'a Path,
    published: &'a Checkpoint,
    filter: &'a Filter,
    proved: bool,
    by_index: bool,
    threads: usize,
}

impl Looking<'_> {
    /// Goes over the range of `scanned`. Gives whether it came to the end, and whether what was read is proved.
    fn look(
        &self,
        scanned: &mut Scanned,
        on_progress: OnProgress<'_>,
        on_row: &mut dyn FnMut(&Row) -> ControlFlow<()>,
    ) -> (ControlFlow<()>, Option<Result<(), String>>) {
        let store = TileStore::new(self.dir);
        let pruned = Pruned::of(&store).unwrap_or_else(|_| Pruned::nothing(&store));
        let index = self
            .by_index
            .then(|| Index::open(self.dir, self.published.clone()));
        let range = scanned.range.clone();
        let mut plan = match &index {
            Some(Ok(index)) => Plan::by(index, self.filter, &range, pruned.clone()),
            _ => Plan::everything(&range, pruned.clone()),
        };
        if let Some(Err(error)) = &index {
            plan.remark = Some(error.to_string());
        }
        // Bundles are read as they are published now, and cut at the size looked at.
        let head = self.published.head();
        let mut pass = Pass {
            store: &store,
            pruned,
            published: head.size,
            proving: self.proved.then(|| Proving::new(&store, head)),
            requests: Requests::new(&store, head, self.proved),
            filter: self.filter,
            scanned,
        };
        let ended = Pool::with(self.threads, |pool| {
            pass.run(pool, &mut plan, on_progress, on_row)
        });
        let Pass {
            proving, scanned, ..
        } = pass;
        (scanned.skipped, scanned.index_remark) = (plan.skipped, plan.remark);
        let proved = proving.map(|proving| proving.finish(&scanned.checkpoint, &range));
        (ended, proved)
    }
}

/// Whether the published checkpoint is the log's.
fn signed(scanned: &Scanned, check: Check) -> Result<(), String> {
    if check == Check::Nothing {
        return Ok(());
    }
    let key = scanned.key.as_ref().ok_or_else(|| {
        format!("there is no key to verify the checkpoint with: give one, or put {VKEY_FILE} beside the log")
    })?;
    let opened = checkpoint::open(&scanned.note, key);
    opened
        .map(|_| ())
        .map_err(|error| format!("the published checkpoint does not hold: {error}"))
}

/// Replays the whole log; what it must have looked at is what the scan is about to look at.
fn replay_first(
    dir: &Path,
    scanned: &Scanned,
    key_given: bool,
    on_progress: OnProgress<'_>,
) -> Result<(), String> {
    let options = replay::Options {
        key: scanned.key.clone().filter(|_| key_given),
        on_progress: Some(on_progress),
        ..Default::default()
    };
    let report = replay::replay(dir, options);
    if !report.is_clean() {
        let errors = report.files.findings.errors() + report.findings.errors();
        return Err(format!(
            "the replay found {errors} finding(s) of weight error; `mohawel audit replay` lists them"
        ));
    }
    match report.files.checkpoint {
        Some(replayed) if replayed.size >= scanned.checkpoint.size => Ok(()),
        _ => Err("the log changed while it was looked at; scan a copy".to_owned()),
    }
}

/// Why there is nothing to scan.
#[derive(Debug, Error)]
pub enum FindError {
    /// No checkpoint was published yet.
    #[error("{} holds no published checkpoint, so nothing says how long the log is", .0.display())]
    NotPublished(PathBuf),
    /// The checkpoint file cannot be read.
    #[error(transparent)]
    Published(#[from] PublishError),
    /// The log is wanted as it was when it was longer than it is.
    #[error(
        "the log ends at {published} entries, and {wanted} are wanted: this copy is older, or the log was put back"
    )]
    Shorter {
        /// Entries wanted.
        wanted: u64,
        /// Entries published.
        published: u64,
    },
}
