//! The subject keys of a home: with what the pseudonyms of persons are made and judged.
//!
//! Takes the folder into which the agency puts the key files that its data-protection authority gave out, one for each
//! agreement and epoch. Gives the key that the consumer makes pseudonyms with, and those by which a provider judges. A
//! file that is added while the adapter runs counts within a second or so. Never writes a subject key, and never sends
//! one. Specification: `docs/protocol.md` §2, Subjects.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use certs::key_files::{self, KeyFileError};
use proto::digest::Digest;
use proto::subject::SubjectKey;
use thiserror::Error;

mod clerk;
mod key_file;
mod named;

pub use clerk::{ACTOR_KEY_FILE, clerk};
pub use key_file::{KeyFile, OVERLAP_MS};
pub use named::{Start, Unnamed, persons, pseudonyms, side_entry, subjects_of};

/// How the names of key files end.
pub const EXTENSION: &str = "subject-key";
/// How long what was read is used without looking at the folder again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Key files in one folder.
const KEY_FILES_MAX: usize = 100_000;

/// All key files of one folder, read again when the folder changes.
#[derive(Debug)]
pub struct SubjectKeys {
    dir: PathBuf,
    state: Mutex<State>,
}

/// The keys of each agreement, ascending by epoch.
type Keys = BTreeMap<Digest, Vec<KeyFile>>;

#[derive(Debug)]
struct State {
    looked_at: Instant,
    changed_at: Option<SystemTime>,
    keys: Arc<Keys>,
}

impl SubjectKeys {
    /// Reads the folder. One that is not there holds no keys.
    ///
    /// # Errors
    /// [`SubjectKeyError`]: the first file that is damaged or open to others, or that says something else than another.
    pub fn open(dir: PathBuf) -> Result<Self, SubjectKeyError> {
        // Before reading: what comes in between is then read again.
        let changed_at = changed_at(&dir);
        let keys = Arc::new(read(&dir)?);
        Ok(Self {
            dir,
            state: Mutex::new(State {
                looked_at: Instant::now(),
                changed_at,
                keys,
            }),
        })
    }

    /// The key that the consumer makes pseudonyms with: of the newest epoch that has begun.
    pub fn current(&self, agreement: &Digest, now_ms: u64) -> Option<SubjectKey> {
        let keys = self.keys();
        let begun = |file: &&KeyFile| file.from_ms <= now_ms;
        let newest = keys.get(agreement)?.iter().rev().find(begun)?;
        Some(newest.key.clone())
    }

    /// The keys by which a provider judges pseudonyms: the newest epoch that has begun, the one before it while they
    /// overlap, and one that begins within `window_ms`, as another clock may be ahead. `None` when the agreement has no
    /// key here, or none that has begun: then nothing is judged yet.
    pub fn accepted(
        &self,
        agreement: &Digest,
        now_ms: u64,
        window_ms: u64,
    ) -> Option<Vec<SubjectKey>> {
        let keys = self.keys();
        let files = keys.get(agreement)?;
        let begun = files.partition_point(|file| file.from_ms <= now_ms);
        let newest = files.get(begun.checked_sub(1)?)?;
        let mut accepted = vec![newest.key.clone()];
        let overlaps = now_ms < newest.from_ms.saturating_add(newest.overlap_ms);
        let before = begun.checked_sub(2).and_then(|at| files.get(at));
        accepted.extend(before.filter(|_| overlaps).map(|file| file.key.clone()));
        let soon = now_ms.saturating_add(window_ms);
        let next = files.get(begun).filter(|file| file.from_ms <= soon);
        accepted.extend(next.map(|file| file.key.clone()));
        Some(accepted)
    }

    /// How many of them have only keys that have not begun.
    pub fn not_begun(&self, now_ms: u64) -> usize {
        let keys = self.keys();
        let waits = |files: &&Vec<KeyFile>| files.iter().all(|file| file.from_ms > now_ms);
        keys.values().filter(waits).count()
    }

    /// How many agreements have a key here.
    pub fn agreements(&self) -> usize {
        self.keys().len()
    }

    fn keys(&self) -> Arc<Keys> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked_at.elapsed() >= LOOK_EVERY {
            state.looked_at = Instant::now();
            let changed_at = changed_at(&self.dir);
            if changed_at != state.changed_at {
                state.changed_at = changed_at;
                match read(&self.dir) {
                    Ok(keys) => state.keys = Arc::new(keys),
                    Err(error) => {
                        tracing::error!(%error, "the subject keys that were read before go on counting");
                    }
                }
            }
        }
        Arc::clone(&state.keys)
    }
}

fn changed_at(dir: &Path) -> Option<SystemTime> {
    fs::metadata(dir).and_then(|found| found.modified()).ok()
}

fn read(dir: &Path) -> Result<Keys, SubjectKeyError> {
    let unread = |cause| SubjectKeyError::Folder {
        path: dir.to_owned(),
        cause,
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Keys::new()),
        Err(cause) => return Err(unread(cause)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_some_and(|ending| ending == EXTENSION) {
            paths.push(path);
        }
    }
    if paths.len() > KEY_FILES_MAX {
        return Err(SubjectKeyError::TooMany(dir.to_owned()));
    }
    paths.sort();
    let mut keys = Keys::new();
    for path in paths {
        let file = KeyFile::load(&path)?;
        let of = keys.entry(file.agreement).or_default();
        match of.iter().find(|known| known.epoch == file.epoch) {
            Some(known) if *known != file => return Err(SubjectKeyError::Twice(path)),
            Some(_) => {}
            None => of.push(file),
        }
    }
    for (agreement, files) in &mut keys {
        files.sort_by_key(|file| file.epoch);
        if !files.is_sorted_by(|a, b| a.from_ms < b.from_ms) {
            return Err(SubjectKeyError::Order(*agreement));
        }
    }
    Ok(keys)
}

/// Why subject keys cannot be used. Never holds any part of a key.
#[derive(Debug, Error)]
pub enum SubjectKeyError {
    /// The folder.
    #[error("cannot read the folder of subject keys {}: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// More files than any agency has agreements.
    #[error("{} holds more than {KEY_FILES_MAX} subject keys; take those of destroyed epochs away", .0.display())]
    TooMany(PathBuf),
    /// A private file is refused.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The file is no key file.
    #[error("{} is no subject key: {problem}. Ask the data-protection authority for it again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Two files for one agreement and epoch that differ.
    #[error("{} is of the same agreement and epoch as another file beside it, and differs; ask the data-protection authority which one counts, and take the other away", .0.display())]
    Twice(PathBuf),
    /// A later epoch that does not begin later.
    #[error(
        "the subject keys of agreement {0} do not begin one after the other; ask the data-protection authority for them again"
    )]
    Order(Digest),
    /// A name that is none.
    #[error("the clerk's name: {0}")]
    Clerk(#[from] proto::subject::SubjectError),
}

impl SubjectKeyError {
    fn malformed(path: &Path, problem: impl ToString) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}

/// Reads a private file as text.
fn private_text(path: &Path) -> Result<zeroize::Zeroizing<String>, SubjectKeyError> {
    let bytes = key_files::read_private(path)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| SubjectKeyError::malformed(path, "it is not text"))?;
    Ok(zeroize::Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests;
