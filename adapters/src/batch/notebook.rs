//! The notebooks of batches in this home's journal: what each asks, which segments are done, which try is under way.
//!
//! ```text
//! journal/batches/SHA-256 OF THE NAME.batch           owner-only, a JSON object a line:
//!   {"version", "batch", "salt", "case_salt", "question", "segment", "total", "roots", "out", "begun_ms"}
//!   {"sent": SEGMENT, "exchange", "at_ms"}                        before it leaves
//!   {"done": SEGMENT, "exchange", "request", "closing", "written", "counts", "at_ms"}   after its results are durable
//! ```
//!
//! Takes what a run is about to do and what came of it; gives both to the next run, which may be another process after the
//! first was killed. Segments are done in order. A line that is not whole was not acted upon, and is cut off. One process
//! at a time has a notebook. A `sent` line is not synced: after a power cut its segment is asked anew, which costs the
//! provider a second run and changes nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use certs::key_files::{KeyFileError, write_private};
use proto::case::{Case, CaseError, reference};
use proto::commitment::{CommitmentError, Salt};
use proto::digest::Digest;
use proto::id::ExchangeId;
use serde_json::{Value, json};
use thiserror::Error;

use super::Question;
use super::cut::{Cut, segment_salt};
use crate::consumer::Attempt;
use crate::identity::Home;

mod lines;

pub use lines::{Counts, Done, Known};

/// Folder in the journal's.
const BATCHES: &str = "batches";
const ENDING: &str = "batch";
pub(super) const VERSION: u64 = 1;
/// Bytes of one notebook: some hundred thousand segments.
const NOTEBOOK_BYTES_MAX: u64 = 64 << 20;

/// What a new batch begins with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The agency's own name for it.
    pub name: String,
    /// What is asked of every item.
    pub question: Question,
    /// Where the results go.
    pub out: PathBuf,
    /// The batch's salt.
    pub salt: Salt,
    /// Its items, cut under that salt.
    pub cut: Cut,
    /// Unix time, milliseconds.
    pub begun_ms: u64,
}

/// All notebooks of a home.
#[derive(Clone, Debug)]
pub struct Notebooks {
    dir: PathBuf,
}

impl Notebooks {
    /// Those of a home.
    pub fn of(home: &Home) -> Self {
        Self::at(&home.path(&home.config().journal.dir))
    }

    /// Those in a journal's folder.
    pub(super) fn at(journal: &Path) -> Self {
        Self {
            dir: journal.join(BATCHES),
        }
    }

    /// Looks at a batch; `None` when there is no notebook of it.
    ///
    /// # Errors
    /// [`NotebookError`].
    pub fn find(&self, name: &str) -> Result<Option<Known>, NotebookError> {
        let path = self.path(&reference(name)?);
        match File::open(&path) {
            Ok(mut file) => read(&path, &mut file).map(|(known, _)| Some(known)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(NotebookError::io(&path, cause)),
        }
    }

    /// Every batch that there is a notebook of, the oldest first.
    ///
    /// # Errors
    /// [`NotebookError`]: the folder, or the first notebook that cannot be read.
    pub fn all(&self) -> Result<Vec<Known>, NotebookError> {
        let io = |cause| NotebookError::io(&self.dir, cause);
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(io(cause)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                let mut file =
                    File::open(&path).map_err(|cause| NotebookError::io(&path, cause))?;
                all.push(read(&path, &mut file)?.0);
            }
        }
        all.sort_by_key(|known| known.begun_ms);
        Ok(all)
    }

    /// Begins a batch. One of that name that is there already is kept, and opened instead.
    ///
    /// # Errors
    /// [`NotebookError`]; [`NotebookError::Busy`] while another process runs it.
    pub fn begin(&self, opening: &Opening) -> Result<Notebook, NotebookError> {
        let name = reference(&opening.name)?;
        let path = self.path(&name);
        let first = lines::first(&name, opening, &Salt::random()?);
        match write_private(&path, format!("{first}\n").as_bytes()) {
            // Another process was faster: its salt counts.
            Ok(()) | Err(KeyFileError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.open(&name)
    }

    /// Opens the notebook of a batch for a run.
    ///
    /// # Errors
    /// [`NotebookError`]; [`NotebookError::Busy`] while another process runs it.
    pub fn open(&self, name: &str) -> Result<Notebook, NotebookError> {
        let name = reference(name)?;
        let path = self.path(&name);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).mode(0o600).open(&path);
        let mut file = file.map_err(|cause| NotebookError::io(&path, cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(NotebookError::Busy(name)),
            Err(fs::TryLockError::Error(cause)) => return Err(NotebookError::io(&path, cause)),
        }
        let (known, whole) = read(&path, &mut file)?;
        let to_end = file
            .set_len(whole)
            .and_then(|()| file.seek(SeekFrom::Start(whole)));
        to_end.map_err(|cause| NotebookError::io(&path, cause))?;
        Ok(Notebook { path, file, known })
    }

    fn path(&self, name: &str) -> PathBuf {
        let name = Digest::of_parts(&[BATCHES.as_bytes(), name.as_bytes()]);
        self.dir.join(format!("{name}.{ENDING}"))
    }
}

/// A batch's notebook, held by one run.
#[derive(Debug)]
pub struct Notebook {
    path: PathBuf,
    file: File,
    known: Known,
}

impl Notebook {
    /// What it says.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// The case that the log knows the batch by.
    pub(super) fn case(&self) -> &Case {
        &self.known.case
    }

    /// Its items, cut.
    pub(super) fn cut(&self) -> &Cut {
        &self.known.cut
    }

    /// The salt of a segment.
    pub(super) fn salt(&self, segment: u64) -> Salt {
        segment_salt(&self.known.salt, segment)
    }

    /// The try under which a segment is asked that was sent before.
    pub(super) fn sent(&self, segment: u64) -> Option<Attempt> {
        let sent = self.known.sent.get(&segment)?;
        Some(Attempt {
            exchange_id: *sent,
            salt: self.salt(segment),
        })
    }

    /// Writes down what is about to be sent.
    pub(super) fn about_to_send(
        &mut self,
        segment: u64,
        exchange: ExchangeId,
        at_ms: u64,
    ) -> Result<(), NotebookError> {
        self.append(&json!({ "sent": segment, "exchange": exchange.to_string(), "at_ms": at_ms }))?;
        self.known.sent.insert(segment, exchange);
        Ok(())
    }

    /// Writes down, durably, that the results of a segment were written out.
    pub(super) fn done(&mut self, done: Done) -> Result<(), NotebookError> {
        self.append(&done.to_line())?;
        self.file
            .sync_data()
            .map_err(|cause| NotebookError::io(&self.path, cause))?;
        self.known.done.push(done);
        Ok(())
    }

    fn append(&mut self, line: &Value) -> Result<(), NotebookError> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|cause| NotebookError::io(&self.path, cause))
    }
}

/// Reads a notebook, and up to which byte it is whole.
fn read(path: &Path, file: &mut File) -> Result<(Known, u64), NotebookError> {
    let mut bytes = Vec::new();
    file.take(NOTEBOOK_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| NotebookError::io(path, cause))?;
    if bytes.len() as u64 > NOTEBOOK_BYTES_MAX {
        return Err(NotebookError::damaged(path, 1, "it is over 64 MiB"));
    }
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = end.map_or(0, |at| at + 1);
    let mut lines = bytes[..whole].split(|byte| *byte == b'\n').zip(1..);
    let damaged = |line| NotebookError::damaged(path, line, "it is no line of a batch");
    let first = lines.next().and_then(|(line, _)| lines::opening(line));
    let mut known = first.ok_or_else(|| damaged(1))?;
    for (line, number) in lines {
        if !line.is_empty() {
            lines::add(&mut known, line).ok_or_else(|| damaged(number))?;
        }
    }
    Ok((known, whole as u64))
}

/// Why a notebook cannot be used.
#[derive(Debug, Error)]
pub enum NotebookError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] CaseError),
    /// Another process runs it.
    #[error("the batch {0} is being run by another process; wait until that one has ended")]
    Busy(String),
    /// Another batch has that name.
    #[error("a batch of this name is there already, and {0}; choose another name")]
    Other(&'static str),
    /// The disk.
    #[error("the notebook of the batch, {}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file cannot be made.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The system gave no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] CommitmentError),
    /// A line is none.
    #[error("the notebook of the batch, {}, line {line}: {what}; restore it from a backup, or begin the batch under another name", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl NotebookError {
    fn io(path: &Path, cause: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            cause,
        }
    }

    fn damaged(path: &Path, line: usize, what: &'static str) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            line,
            what,
        }
    }
}
