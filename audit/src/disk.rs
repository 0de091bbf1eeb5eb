//! The seam at which the log's files change: every step that writes, names, removes or syncs something on which an
//! acknowledged entry rests goes through here.
//!
//! Takes what is to be done and where; gives what the system said. In a build that is not a test it is the call itself and
//! nothing else. In this crate's tests a plan stands behind it, which makes the k-th step fail, or looks at what a
//! power cut would leave between two steps: see `disk/plan.rs`.

use std::fs::File;
use std::io;
use std::path::Path;

#[cfg(test)]
pub(crate) mod plan;

/// What a step makes true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Bytes or names change; a power cut may still take it back.
    Change,
    /// The content of the file is durable.
    SyncFile,
    /// The names in the directory are durable.
    SyncDir,
}

/// Does `work`, which changes `path`.
pub(crate) fn change<T>(path: &Path, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    step(Step::Change, path, work)
}

/// Does `work`, which makes the content of the file `path` durable.
pub(crate) fn sync_file<T>(path: &Path, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    step(Step::SyncFile, path, work)
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    step(Step::SyncDir, dir, || File::open(dir)?.sync_all())
}

#[cfg(not(test))]
#[inline(always)]
fn step<T>(_: Step, _: &Path, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    work()
}

#[cfg(test)]
fn step<T>(step: Step, path: &Path, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    plan::step(step, path, work)
}
