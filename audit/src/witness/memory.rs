//! What a witness remembers of one log: a file, replaced whole and synced before anything is told.
//!
//! `ORIGIN-HASH.note` holds the checkpoint that was cosigned last, with the log's signature and the witness's own; before
//! the first it holds `none`. A file that is missing is memory that was lost, and nothing starts on that: a witness without
//! memory would cosign a second history. `evidence/` keeps signed requests that did not extend it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use proto::digest::Digest;
use thiserror::Error;

use crate::checkpoint::{Checkpoint, LogKey};
use crate::cosignature::WitnessKey;
use crate::lock;
use crate::note::{NOTE_BYTES_MAX, NoteError, NoteSignature, SignedNote};
use crate::tiles::{durable, read_bounded};

/// What the file says before the first cosignature.
const NONE: &[u8] = b"none\n";
/// Requests kept as evidence of one log; a flood of them says nothing more.
const EVIDENCE_FILES_MAX: usize = 64;

/// Names a log in file names and in the monitoring path: SHA-256 of its origin, lower-case hex.
pub fn origin_hash(origin: &str) -> String {
    hex::encode(Digest::of(origin.as_bytes()).as_bytes())
}

/// A checkpoint that was cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The note with the log's signatures that were verified, and the cosignature.
    pub note: SignedNote,
    /// The cosignature.
    pub line: NoteSignature,
    /// Its time, Unix seconds.
    pub time_s: u64,
}

impl Remembered {
    /// Puts the lines together: of the submitted note those by the log's known keys, then the cosignature.
    pub(super) fn new(
        submitted: &SignedNote,
        checkpoint: &Checkpoint,
        line: NoteSignature,
        time_s: u64,
        keys: &[LogKey],
    ) -> Result<Self, NoteError> {
        let mut note = SignedNote::new(submitted.text())?;
        let keys: Vec<_> = keys.iter().map(|key| key.note_key().clone()).collect();
        for position in submitted.verify(&keys)? {
            // Repeated lines of one key say nothing more.
            let signature = &submitted.signatures()[position];
            if !note.signatures().contains(signature) && note.signatures().len() < 8 {
                note.add(signature.clone())?;
            }
        }
        note.add(line.clone())?;
        Ok(Self {
            checkpoint: checkpoint.clone(),
            note,
            line,
            time_s,
        })
    }
}

/// The memory of one log.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    evidence: PathBuf,
    last: Option<Remembered>,
}

impl Memory {
    /// Reads the memory of `origin` in `dir`; the witness's own signature in it must hold. The log's is not asked for
    /// again: its key may have been replaced since.
    pub(super) fn open(
        dir: &Path,
        origin: &str,
        witness: &WitnessKey,
    ) -> Result<Self, MemoryError> {
        let path = file_of(dir, origin);
        let bytes = match read_bounded(&path, NOTE_BYTES_MAX as u64) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let origin = origin.to_owned();
                return Err(MemoryError::Missing { origin, path });
            }
            Err(error) => return Err(MemoryError::Io { path, error }),
        };
        let last = if bytes == NONE {
            None
        } else {
            let damaged = |what: &str| MemoryError::Damaged {
                origin: origin.to_owned(),
                path: path.clone(),
                what: what.to_owned(),
            };
            Some(read(&bytes, origin, witness).map_err(|what| damaged(&what))?)
        };
        Ok(Self {
            evidence: dir.join("evidence").join(origin_hash(origin)),
            path,
            last,
        })
    }

    pub(super) fn last(&self) -> Option<&Remembered> {
        self.last.as_ref()
    }

    /// Makes it durable, and only then the memory.
    pub(super) fn remember(&mut self, remembered: Remembered) -> io::Result<()> {
        durable::write_file(&self.path, &remembered.note.to_bytes())?;
        self.last = Some(remembered);
        Ok(())
    }

    /// Keeps a request once for each tree in it, as far as there is room; says whether it did. The answer is the same.
    pub(super) fn keep_evidence(&self, checkpoint: &Checkpoint, body: &[u8], now_s: u64) -> bool {
        let tree = &checkpoint.root.to_string()[..16];
        let name = format!("{}-{tree}", checkpoint.size);
        let _ = durable::create_dirs(&self.evidence);
        let Ok(kept) = self.evidence.read_dir() else {
            return false;
        };
        let kept: Vec<_> = kept
            .flatten()
            .map(|file| file.file_name().to_string_lossy().into_owned())
            .collect();
        if kept.len() >= EVIDENCE_FILES_MAX || kept.iter().any(|file| file.starts_with(&name)) {
            return false;
        }
        durable::write_file(&self.evidence.join(format!("{name}-{now_s}.txt")), body).is_ok()
    }
}

/// Reads what [`Memory::remember`] wrote.
fn read(bytes: &[u8], origin: &str, witness: &WitnessKey) -> Result<Remembered, String> {
    let note = SignedNote::parse(bytes).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::from_text(note.text()).map_err(|error| error.to_string())?;
    if checkpoint.origin != origin {
        return Err(format!("it is of {}", checkpoint.origin));
    }
    let own = note.signatures().iter().find(|line| witness.made(line));
    let line = own.ok_or("this witness did not sign it")?.clone();
    let time_s = witness
        .verify(note.text(), &line)
        .map_err(|error| error.to_string())?;
    Ok(Remembered {
        checkpoint,
        note,
        line,
        time_s,
    })
}

/// What the witness `key` remembers of `origin` in `dir`, without becoming that witness; and how many requests it keeps as
/// evidence.
///
/// # Errors
/// [`MemoryError`].
pub fn look(
    dir: &Path,
    origin: &str,
    key: &WitnessKey,
) -> Result<(Option<Remembered>, usize), MemoryError> {
    let memory = Memory::open(dir, origin, key)?;
    let evidence = memory.evidence.read_dir().map_or(0, Iterator::count);
    Ok((memory.last, evidence))
}

fn file_of(dir: &Path, origin: &str) -> PathBuf {
    dir.join(format!("{}.note", origin_hash(origin)))
}

/// Begins the memory of a log that this witness never cosigned. Never replaces one.
///
/// # Errors
/// [`MemoryError::Exists`], [`MemoryError::Io`].
pub fn adopt(dir: &Path, origin: &str) -> Result<(), MemoryError> {
    let path = file_of(dir, origin);
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| MemoryError::Io { path, error }
    };
    durable::create_dirs(dir).map_err(io(dir))?;
    if path.exists() {
        return Err(MemoryError::Exists {
            origin: origin.to_owned(),
            path,
        });
    }
    durable::write_file(&path, NONE).map_err(io(&path))
}

/// Locks `dir` for this process, for as long as the file stays open.
pub(super) fn lock(dir: &Path) -> Result<File, MemoryError> {
    let path = dir.join("lock");
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = opened.map_err(|error| MemoryError::Io {
        path: path.clone(),
        error,
    })?;
    match lock::exclusive(&file) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(MemoryError::InUse(dir.to_owned())),
        Err(error) => Err(MemoryError::Io {
            path,
            error: error.into(),
        }),
    }
}

/// Why a memory cannot be used.
#[derive(Debug, Error)]
pub enum MemoryError {
    /// Another process has it.
    #[error("{} is in use by another witness process; one memory serves one process", .0.display())]
    InUse(PathBuf),
    /// It is not there.
    #[error(
        "the memory of {origin} is gone ({}). Bring the file back from a copy that is not older than the last cosignature; \
         otherwise retire this witness: a new one with a new key, named in the policies of those who trust this one",
        path.display()
    )]
    Missing {
        /// The log.
        origin: String,
        /// The file.
        path: PathBuf,
    },
    /// It is there and does not prove itself.
    #[error(
        "the memory of {origin} is damaged ({}: {what}). Bring the file back from a copy that is not older than the last \
         cosignature; otherwise retire this witness",
        path.display()
    )]
    Damaged {
        /// The log.
        origin: String,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It is there already.
    #[error("this witness remembers {origin} already ({}); nothing was changed", path.display())]
    Exists {
        /// The log.
        origin: String,
        /// The file.
        path: PathBuf,
    },
    /// The operating system says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}
