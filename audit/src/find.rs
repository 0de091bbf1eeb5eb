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
use proto::entry::Entry;
use thiserror::Error;

use crate::checkpoint::{self, Checkpoint, LogKey};
use crate::replay::{self, Filter};
use crate::tiles::published::read_published;
use crate::tiles::{Pruned, PublishError, TILE_WIDTH, TilePath, TileStore};
use crate::verify::{OnProgress, VKEY_FILE};

mod printable;
mod proving;
mod requests;
mod row;
#[cfg(test)]
pub(crate) mod tests;

pub use printable::printable;
pub(crate) use printable::spelled_cell;
pub use row::Row;

use proving::Proving;
use requests::Requests;

/// Bundles in a row that may be unreadable before the scan gives up: a checkpoint that nobody signed may claim any
/// size.
const MISSING_BUNDLES_MAX: u32 = 4_096;

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
        under,
        mut on_progress,
    } = options;
    let published = read_published(dir)?.ok_or_else(|| FindError::NotPublished(dir.to_owned()))?;
    let key_given = key.is_some();
    let key = key.or_else(|| key_beside(dir));
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
    let store = TileStore::new(dir);
    // Bundles are read as they are published now, and cut at the size looked at.
    let published = published.checkpoint.head();
    let mut scan = Scan {
        store: &store,
        pruned: Pruned::of(&store).unwrap_or_else(|_| Pruned::nothing(&store)),
        published: published.size,
        proving: (check != Check::Nothing).then(|| Proving::new(&store, published)),
        requests: Requests::new(&store, published, check != Check::Nothing),
        filter: &filter,
        scanned: &mut scanned,
    };
    let ended = scan.run(&mut progress, on_row);
    let Scan { proving, .. } = scan;
    let proved = proving.map(|proving| proving.finish(&scanned.checkpoint, &scanned.range));
    scanned.standing = match (signed, replayed, ended, proved) {
        (_, _, ControlFlow::Break(()), _) => Standing::Broken("the scan was stopped".to_owned()),
        (_, _, _, None) => Standing::NotLooked,
        (Err(why), ..) | (_, Err(why), ..) | (_, _, _, Some(Err(why))) => Standing::Broken(why),
        (Ok(()), Ok(()), _, Some(Ok(()))) if check == Check::Replay => Standing::Replayed,
        (Ok(()), Ok(()), _, Some(Ok(()))) => Standing::InTheLog,
    };
    Ok(scanned)
}

/// One pass over the range.
struct Scan<'a> {
    store: &'a TileStore,
    pruned: Pruned,
    published: u64,
    proving: Option<Proving>,
    requests: Requests,
    filter: &'a Filter,
    scanned: &'a mut Scanned,
}

impl Scan<'_> {
    fn run(
        &mut self,
        on_progress: OnProgress<'_>,
        on_row: &mut dyn FnMut(&Row) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let width = u64::from(TILE_WIDTH);
        let Range { start, end } = self.scanned.range;
        let mut missing = 0;
        if let Some(proving) = &mut self.proving {
            proving.skip_to(start);
        }
        let mut next = start;
        while next < end {
            let number = next / width;
            let bundle_end = ((number + 1) * width).min(end);
            let bundle = TilePath::entries(number).at_size(self.published);
            let entries = bundle.map(|bundle| self.store.read_bundle(bundle));
            match entries {
                Some(Ok(entries)) => {
                    missing = 0;
                    // Below 256.
                    let first = (next % width) as usize;
                    for bytes in entries
                        .iter()
                        .skip(first)
                        .take((bundle_end - next) as usize)
                    {
                        self.entry(next, bytes, on_row)?;
                        next += 1;
                    }
                }
                Some(Err(error)) if error.is_missing() && self.pruned.covers(number) => {
                    let minimum = self.pruned.minimum();
                    let what = format!("pruned: below {minimum} only registry entries are kept");
                    self.scanned.cannot_read(next, bundle_end - next, &what);
                }
                Some(Err(error)) => {
                    missing += 1;
                    self.scanned.cannot_read(next, bundle_end - next, &error);
                }
                None => {}
            }
            if let Some(proving) = &mut self.proving {
                proving.skip_to(bundle_end);
            }
            next = bundle_end;
            if missing == MISSING_BUNDLES_MAX {
                self.scanned.cannot_read(next, end - next, &"not looked at");
                break;
            }
            on_progress(next - start, end - start);
        }
        ControlFlow::Continue(())
    }

    fn entry(
        &mut self,
        index: u64,
        bytes: &Bytes,
        on_row: &mut dyn FnMut(&Row) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if let Some(proving) = &mut self.proving {
            proving.push(bytes);
        }
        let read = Entry::decode(bytes)
            .map_err(|error| error.to_string())
            .and_then(|entry| Row::read(index, bytes, entry, &mut self.requests));
        let row = match read {
            Ok(row) => row,
            Err(what) => {
                self.scanned.cannot_read(index, 1, &what);
                return ControlFlow::Continue(());
            }
        };
        self.scanned.scanned += 1;
        if !self.filter.admits(&row.event) {
            return ControlFlow::Continue(());
        }
        self.scanned.matched += 1;
        on_row(&row)
    }
}

/// The key that lies beside the log, if one can be read.
fn key_beside(dir: &Path) -> Option<LogKey> {
    let text = crate::tiles::read_bounded(&dir.join(VKEY_FILE), 4 * 1024).ok()?;
    LogKey::from_vkey(std::str::from_utf8(&text).ok()?).ok()
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
