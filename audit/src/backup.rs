//! A copy of a log directory, also of one that is being written to.
//!
//! Takes a log directory; gives a second one that opens to everything that was durable when the copy was made: tiles
//! and bundles up to a published checkpoint, and the tail behind it. What is copied is proved on the way: entries
//! must make the signed root, the tail must be followed to its end. Never writes to the source, and never touches a
//! store: a start builds it from the bundles.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::checkpoint::{self, CheckpointError, LogKey};
use crate::journal::{JournalError, tail_size};
use crate::rebuild::repaired::REPAIRED_FILE;
use crate::tiles::copies::Copies;
use crate::tiles::mend::{self, MendError};
use crate::tiles::pruned::{KEPT_DIR, MINIMUM_FILE, read_minimum, write_minimum};
use crate::tiles::published::{PublishError, publish, read_published};
use crate::tiles::{Pruned, PrunedError, TileError, TileStore, durable};
use crate::timestamp::kept;
use crate::tree::TreeHead;
use crate::verify::OnProgress;

/// Attempts at a tail that is being written to.
const ATTEMPTS: u32 = 20;
/// Names in a log directory that are not copied as they are: made anew, or of the running process alone.
const APART: [&str; 9] = [
    "checkpoint",
    "tile",
    "tail",
    "store",
    "index",
    "lock",
    kept::TIME_DIR,
    MINIMUM_FILE,
    REPAIRED_FILE,
];

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Under the copied checkpoint.
    pub published: TreeHead,
    /// Entries in all: those behind the checkpoint stand in the tail.
    pub size: u64,
}

/// Copies the log in `from` to `to`, or brings an earlier copy there up to date.
///
/// # Errors
/// [`BackupError`]; a copy that was cut short is taken up again by the next.
pub fn copy_log(
    from: &Path,
    to: &Path,
    key: &LogKey,
    mut on_progress: Option<OnProgress<'_>>,
) -> Result<Copied, BackupError> {
    durable::create_dirs(to).map_err(io_at(to))?;
    for _ in 0..ATTEMPTS {
        let published = copy_tiles(from, to, key, &mut on_progress)?;
        copy_others(from, to)?;
        copy_minimum(from, to)?;
        // A token over more than the copied checkpoint would accuse the copy of having lost entries.
        kept::copy(from, to, published.size).map_err(io_at(&from.join(kept::TIME_DIR)))?;
        // Segments may have left the tail since: then a newer checkpoint covers them.
        if let Some(size) = copy_tail(from, to, key, published)? {
            return Ok(Copied { published, size });
        }
    }
    Err(BackupError::Moving(from.to_owned()))
}

/// Tiles and bundles of the checkpoint that is published now, out of the entries, then the checkpoint.
fn copy_tiles(
    from: &Path,
    to: &Path,
    key: &LogKey,
    on_progress: &mut Option<OnProgress<'_>>,
) -> Result<TreeHead, BackupError> {
    let published = read_published(from)?.ok_or_else(|| BackupError::NoLog(from.to_owned()))?;
    key.follow_beside(from)?;
    let new = checkpoint::open(&published.note, key)?.head();
    let held = match read_published(to)? {
        Some(held) => Some(checkpoint::open(&held.note, key)?.head()),
        None => None,
    };
    let old = held.unwrap_or_else(TreeHead::empty);
    if new == old {
        return Ok(new);
    }
    if new.size < old.size {
        return Err(BackupError::Newer {
            copy: old.size,
            log: new.size,
        });
    }
    if Pruned::of(&TileStore::new(from))?.bundles_from() > old.size {
        copy_pruned(from, to, new, on_progress)?;
        publish(to, held, &published.note)?;
        return Ok(new);
    }
    let total = new.size;
    let entries = TileStore::new(from).read_entries(old.size..new.size, new.size);
    let entries = entries.map(|entry| {
        entry.map(|(index, bytes)| {
            if let Some(on_progress) = on_progress {
                on_progress(index + 1, total);
            }
            bytes
        })
    });
    let mut writer = TileStore::new(to).writer();
    // What a copy that was cut short wrote, and no checkpoint of it covers.
    writer.replace_unpublished(true);
    writer.write_for(old, new, entries)?;
    publish(to, held, &published.note)?;
    writer.remove_superseded(old.size, new.size)?;
    Ok(new)
}

/// The tree `new` of a log that no longer has all its entries: its hash tiles, what it kept, and the bundles it has.
fn copy_pruned(
    from: &Path,
    to: &Path,
    new: TreeHead,
    on_progress: &mut Option<OnProgress<'_>>,
) -> Result<(), BackupError> {
    copy_into(&from.join(KEPT_DIR), &to.join(KEPT_DIR))?;
    copy_minimum(from, to)?;
    let (own, aside) = (TileStore::new(to), mend::set_aside_dir(to));
    let copies = Copies::of(&own).and_dir(TileStore::new(from));
    let options = mend::Options {
        set_aside: Some(&aside),
        on_leaf: &mut |_, _| {},
        on_progress: &mut |done, total| {
            if let Some(on_progress) = on_progress {
                on_progress(done, total);
            }
        },
    };
    match mend::mend(&copies, new, options)?.lost.into_iter().next() {
        Some(lost) => Err(BackupError::Lost {
            path: from.join(lost.path),
            what: lost.what,
        }),
        None => Ok(()),
    }
}

/// The minimum index, where there is one; what is kept below it is there by then.
fn copy_minimum(from: &Path, to: &Path) -> Result<(), BackupError> {
    let minimum = read_minimum(from)?;
    if minimum > read_minimum(to)? {
        write_minimum(to, minimum)?;
    }
    Ok(())
}

/// Everything else that is not of the running process alone: the key, policies.
fn copy_others(from: &Path, to: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(from).map_err(io_at(from))? {
        let entry = entry.map_err(io_at(from))?;
        let name = entry.file_name();
        let apart = name.to_str().is_none_or(|name| {
            APART.contains(&name)
                || name.starts_with("store.")
                || name.starts_with("tail.")
                || name.contains("set-aside")
                || name.ends_with(durable::TEMPORARY_SUFFIX)
        });
        if !apart {
            copy_into(&entry.path(), &to.join(name))?;
        }
    }
    Ok(())
}

/// Copies a file, or a folder with all its files; one that stands there already with as many bytes is left: these
/// files are never changed.
fn copy_into(from: &Path, to: &Path) -> Result<(), BackupError> {
    let found = fs::symlink_metadata(from).map_err(io_at(from))?;
    if found.is_dir() {
        durable::create_dirs(to).map_err(io_at(to))?;
        for entry in fs::read_dir(from).map_err(io_at(from))? {
            let entry = entry.map_err(io_at(from))?;
            copy_into(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let same = fs::metadata(to).is_ok_and(|held| held.len() == found.len());
    if !found.is_file() || same {
        return Ok(());
    }
    let bytes = fs::read(from).map_err(io_at(from))?;
    durable::write_file(to, &bytes).map_err(io_at(to))
}

/// Copies the tail, and follows the copy to its end. `None` when it was caught in the middle of a write, or goes on
/// only behind `published`.
fn copy_tail(
    from: &Path,
    to: &Path,
    key: &LogKey,
    published: TreeHead,
) -> Result<Option<u64>, BackupError> {
    let (source, copying) = (from.join("tail"), to.join("tail.copying"));
    if copying.exists() {
        fs::remove_dir_all(&copying).map_err(io_at(&copying))?;
    }
    durable::create_dirs(&copying).map_err(io_at(&copying))?;
    let names = fs::read_dir(&source).map_err(io_at(&source))?;
    for entry in names {
        let path = entry.map_err(io_at(&source))?.path();
        // Beside the segments stands one that is being made.
        if path.extension().is_none_or(|ext| ext != "tail") {
            continue;
        }
        let target = copying.join(path.file_name().unwrap_or_default());
        match fs::read(&path) {
            Ok(bytes) => durable::write_file(&target, &bytes).map_err(io_at(&target))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_at(&path)(error)),
        }
    }
    let Some((first, size)) = tail_size(&copying, key.origin())? else {
        return Ok(None);
    };
    if first > published.size || size < published.size {
        return Ok(None);
    }
    let tail = to.join("tail");
    if tail.exists() {
        fs::remove_dir_all(&tail).map_err(io_at(&tail))?;
    }
    fs::rename(&copying, &tail).map_err(io_at(&tail))?;
    durable::sync_dir(to).map_err(io_at(to))?;
    Ok(Some(size))
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path, source }
}

/// Why there is no copy.
#[derive(Debug, Error)]
pub enum BackupError {
    /// No log is published there.
    #[error("{} holds no published log", .0.display())]
    NoLog(PathBuf),
    /// The copy there is newer than the log: one of both is not what it was taken for.
    #[error(
        "the copy holds {copy} entries, the log {log}: the log was put back, or the copy is of another one; keep both"
    )]
    Newer {
        /// Entries under the copy's checkpoint.
        copy: u64,
        /// Entries under the log's.
        log: u64,
    },
    /// The tail was written to at every attempt.
    #[error(
        "{} was written to at each of {ATTEMPTS} attempts; try again, or stop the switch first",
        .0.display()
    )]
    Moving(PathBuf),
    /// A published checkpoint cannot be read.
    #[error(transparent)]
    Published(#[from] PublishError),
    /// A checkpoint is not of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Tiles or bundles do not make what was signed.
    #[error(transparent)]
    Tiles(#[from] TileError),
    /// The minimum index of a pruned log.
    #[error(transparent)]
    Minimum(#[from] PrunedError),
    /// A pruned log's files cannot be proved or written.
    #[error(transparent)]
    Mend(#[from] MendError),
    /// Entries that a pruned log should have.
    #[error("{}: {what}; run `mohawel audit rebuild` on the log first", path.display())]
    Lost {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The tail is another log's.
    #[error(transparent)]
    Tail(#[from] JournalError),
    /// The operating system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
