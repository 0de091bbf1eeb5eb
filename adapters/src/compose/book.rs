//! The pages of cases in this home's journal: how each is opened, and what was sent in it, written before it left.
//!
//! ```text
//! journal/cases/XX/SHA-256 OF THE REFERENCE.case      owner-only, a JSON object a line:
//!   {"version", "case", "salt", "begun_ms"}                                  the opening of the commitment
//!   {"sent": EXCHANGE, "composition", "part", "question", "at_ms"}           before the request leaves
//!   {"ended": EXCHANGE, "last": EXCHANGE, "outcome", "at_ms"}                under the first exchange's id
//! ```
//!
//! Takes what a run is about to do and what came of it; gives both to the next run, which may be another process after
//! the first was killed. A line that is not whole was not acted upon, and is cut off. One process at a time has a page.
//! `question` is an HMAC under the attempt's own salt, so that it says nothing once the salt is gone.

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

use crate::identity::Home;

/// Folder in the journal's.
const CASES: &str = "cases";
const ENDING: &str = "case";
const VERSION: u64 = 1;
/// Bytes of one page: some hundred thousand lines.
const PAGE_BYTES_MAX: u64 = 64 << 20;

/// Something that was sent in a case: one part's question, under the id of its first try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The composition.
    pub composition: String,
    /// The part.
    pub part: String,
    /// The first try.
    pub exchange: ExchangeId,
    /// HMAC of the question under the first try's salt.
    pub question: Digest,
    /// Unix time, milliseconds.
    pub at_ms: u64,
    /// How it ended, and with which try; `None` while that is not known.
    pub ended: Option<(String, ExchangeId)>,
}

/// A case as its page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFile {
    /// The opening.
    pub case: Case,
    /// Unix time, milliseconds, of its first run.
    pub begun_ms: u64,
    /// Everything that was sent, in order.
    pub sent: Vec<Sent>,
}

/// All cases of a home.
#[derive(Clone, Debug)]
pub struct Book {
    dir: PathBuf,
}

impl Book {
    /// The book of a home.
    pub fn of(home: &Home) -> Self {
        Self::at(&home.path(&home.config().journal.dir))
    }

    /// The book in a journal's folder.
    pub(super) fn at(journal: &Path) -> Self {
        Self {
            dir: journal.join(CASES),
        }
    }

    /// Opens the page of a case for a run, and begins it where there is none.
    ///
    /// # Errors
    /// [`BookError`]; [`BookError::Busy`] while another process runs the case.
    pub fn open(&self, text: &str, now_ms: u64) -> Result<Page, BookError> {
        let reference = reference(text)?;
        let path = self.path(&reference);
        if !path.exists() {
            let salt = hex::encode(Salt::random()?.0);
            let first =
                json!({ "version": VERSION, "case": reference, "salt": salt, "begun_ms": now_ms });
            match write_private(&path, format!("{first}\n").as_bytes()) {
                // Another process was faster: its salt counts.
                Ok(()) | Err(KeyFileError::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).mode(0o600).open(&path);
        let mut file = file.map_err(|cause| BookError::io(&path, cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(BookError::Busy(reference)),
            Err(fs::TryLockError::Error(cause)) => return Err(BookError::io(&path, cause)),
        }
        let (known, whole) = read(&path, &mut file)?;
        let to_end = file
            .set_len(whole)
            .and_then(|()| file.seek(SeekFrom::Start(whole)));
        to_end.map_err(|cause| BookError::io(&path, cause))?;
        Ok(Page { path, file, known })
    }

    /// Looks at a case; `None` when there is no page of it.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn find(&self, text: &str) -> Result<Option<CaseFile>, BookError> {
        let path = self.path(&reference(text)?);
        match File::open(&path) {
            Ok(mut file) => read(&path, &mut file).map(|(known, _)| Some(known)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(BookError::io(&path, cause)),
        }
    }

    /// Gives every case that there is a page of, in no order.
    ///
    /// # Errors
    /// [`BookError`]: the folder, or the first page that cannot be read.
    pub fn each(&self, mut each: impl FnMut(CaseFile)) -> Result<(), BookError> {
        for folder in names(&self.dir)? {
            for path in names(&folder)? {
                if path.extension().is_none_or(|ending| ending != ENDING) {
                    continue;
                }
                let mut file = File::open(&path).map_err(|cause| BookError::io(&path, cause))?;
                each(read(&path, &mut file)?.0);
            }
        }
        Ok(())
    }

    /// Destroys the opening of a case: afterwards nobody can tell which thread of the log it is. `false` when there is
    /// none. On disks that write elsewhere instead of over, an older block may survive below the file system.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn forget(&self, text: &str) -> Result<bool, BookError> {
        if self.find(text)?.is_none() {
            return Ok(false);
        }
        let mut page = self.open(text, 0)?;
        let io = |cause| BookError::io(&page.path, cause);
        let length = page.file.metadata().map_err(io)?.len();
        page.file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut zeros = std::io::repeat(0).take(length);
        std::io::copy(&mut zeros, &mut page.file).map_err(io)?;
        page.file.sync_data().map_err(io)?;
        fs::remove_file(&page.path).map_err(io)?;
        Ok(true)
    }

    fn path(&self, reference: &str) -> PathBuf {
        let name = Digest::of_parts(&[CASES.as_bytes(), reference.as_bytes()]).to_string();
        self.dir.join(&name[..2]).join(format!("{name}.{ENDING}"))
    }
}

/// What lies in a folder, if it is there.
fn names(dir: &Path) -> Result<Vec<PathBuf>, BookError> {
    let io = |cause| BookError::io(dir, cause);
    match fs::read_dir(dir) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(io))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(io(cause)),
    }
}

/// A case's page, held by one run.
#[derive(Debug)]
pub struct Page {
    path: PathBuf,
    file: File,
    known: CaseFile,
}

impl Page {
    /// The case.
    pub fn case(&self) -> &Case {
        &self.known.case
    }

    /// The last that was sent for a part.
    pub(super) fn last(&self, composition: &str, part: &str) -> Option<&Sent> {
        let mut sent = self.known.sent.iter().rev();
        sent.find(|sent| sent.composition == composition && sent.part == part)
    }

    /// Writes down what is about to be sent, durably, all at once.
    pub(super) fn about_to_send(&mut self, sent: Vec<Sent>) -> Result<(), BookError> {
        let lines = sent.iter().map(|sent| {
            json!({
                "sent": sent.exchange.to_string(),
                "composition": sent.composition,
                "part": sent.part,
                "question": sent.question.to_string(),
                "at_ms": sent.at_ms,
            })
        });
        self.append(lines.collect())?;
        self.known.sent.extend(sent);
        Ok(())
    }

    /// Writes down how it ended, durably.
    pub(super) fn ended(
        &mut self,
        first: ExchangeId,
        last: ExchangeId,
        outcome: &str,
        at_ms: u64,
    ) -> Result<(), BookError> {
        let (ended, tried) = (first.to_string(), last.to_string());
        let line = json!({ "ended": ended, "last": tried, "outcome": outcome, "at_ms": at_ms });
        self.append(vec![line])?;
        if let Some(sent) = self
            .known
            .sent
            .iter_mut()
            .rev()
            .find(|sent| sent.exchange == first)
        {
            sent.ended = Some((outcome.to_owned(), last));
        }
        Ok(())
    }

    fn append(&mut self, lines: Vec<Value>) -> Result<(), BookError> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let written = self.file.write_all(text.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|cause| BookError::io(&self.path, cause))
    }
}

/// Reads a page, and up to which byte it is whole.
fn read(path: &Path, file: &mut File) -> Result<(CaseFile, u64), BookError> {
    let io = |cause| BookError::io(path, cause);
    let mut bytes = Vec::new();
    file.take(PAGE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > PAGE_BYTES_MAX {
        return Err(BookError::damaged(path, 1, "the page is over 64 MiB"));
    }
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let mut lines = bytes[..whole].split(|byte| *byte == b'\n').zip(1..);
    let damaged = |line| BookError::damaged(path, line, "it is no line of a case");
    let first = lines.next().and_then(|(line, _)| opening(line));
    let mut known = first.ok_or_else(|| damaged(1))?;
    for (line, number) in lines {
        if !line.is_empty() {
            add(&mut known, line).ok_or_else(|| damaged(number))?;
        }
    }
    Ok((known, whole as u64))
}

fn opening(line: &[u8]) -> Option<CaseFile> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let salt = hex::decode(line["salt"].as_str()?).ok()?;
    let salt = Salt::from_slice(&salt).ok()?;
    (line["version"] == VERSION).then_some(CaseFile {
        case: Case::open(line["case"].as_str()?, salt).ok()?,
        begun_ms: line["begun_ms"].as_u64()?,
        sent: Vec::new(),
    })
}

fn add(known: &mut CaseFile, line: &[u8]) -> Option<()> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let id = |key: &str| ExchangeId::parse(line[key].as_str()?);
    let text = |key: &str| line[key].as_str().map(str::to_owned);
    if let Some(first) = id("ended") {
        let ended = (text("outcome")?, id("last")?);
        let sent = known
            .sent
            .iter_mut()
            .rev()
            .find(|sent| sent.exchange == first)?;
        sent.ended = Some(ended);
        return Some(());
    }
    known.sent.push(Sent {
        composition: text("composition")?,
        part: text("part")?,
        exchange: id("sent")?,
        question: Digest::from_hex(line["question"].as_str()?)?,
        at_ms: line["at_ms"].as_u64()?,
        ended: None,
    });
    Some(())
}

/// Why a case's page cannot be used.
#[derive(Debug, Error)]
pub enum BookError {
    /// The reference is none.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Another process runs the case.
    #[error("the case {0} is being run by another process; wait until that one has ended")]
    Busy(String),
    /// The disk.
    #[error("the page of the case, {}: {cause}", path.display())]
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
    #[error("the page of the case, {}, line {line}: {what}; restore it from a backup, or set it aside and begin another case", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl BookError {
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
