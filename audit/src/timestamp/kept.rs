//! Tokens beside the log: `time/SIZE.checkpoint`, the note exactly as published, and `time/SIZE.tsr`, an authority's
//! answer over its bytes. SIZE has twenty digits, so that names sort as sizes do.
//!
//! A log that stands still is stamped again: `time/SIZE.last.tsr` is the latest answer over the same note, and the only
//! file here that is ever replaced. The first answer bounds what came before from above, the last one what comes after
//! from below.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::note::NOTE_BYTES_MAX;
use crate::tiles::durable::{self, DurableFiles};
use crate::tiles::read_bounded;

/// Name of the folder in the log directory.
pub const TIME_DIR: &str = "time";
/// Bytes of an answer at most.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;

const DIGITS: usize = 20;
const NOTE: &str = "checkpoint";
const FIRST: &str = "tsr";
const LAST: &str = "last.tsr";

/// What stands under one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Entries under the note, by the file's name.
    pub size: u64,
    /// The published checkpoint, byte for byte: what was stamped.
    pub note: Bytes,
    /// The authority's first answer over it, a TimeStampResp.
    pub token: Bytes,
    /// Its latest answer, where the log stood still and was stamped again.
    pub last: Option<Bytes>,
}

/// One file of the folder by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The note of this size.
    Note(u64),
    /// The first answer of this size.
    First(u64),
    /// The latest answer of this size.
    Last(u64),
}

impl Name {
    /// Reads a file's name; `None` for any other than the layout's.
    pub fn parse(name: &str) -> Option<Self> {
        let (digits, kind) = name.split_once('.')?;
        if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let size = digits.parse().ok()?;
        match kind {
            NOTE => Some(Self::Note(size)),
            FIRST => Some(Self::First(size)),
            LAST => Some(Self::Last(size)),
            _ => None,
        }
    }

    /// Its path in the log directory `dir`.
    pub fn path(self, dir: &Path) -> PathBuf {
        let (size, kind) = match self {
            Self::Note(size) => (size, NOTE),
            Self::First(size) => (size, FIRST),
            Self::Last(size) => (size, LAST),
        };
        dir.join(TIME_DIR).join(format!("{size:0DIGITS$}.{kind}"))
    }
}

/// Keeps `note` and the answer over it in the log directory `dir`; durable when this returns.
///
/// # Errors
/// Whatever the operating system says.
pub fn keep(dir: &Path, size: u64, note: &[u8], token: &[u8]) -> io::Result<()> {
    let mut files = DurableFiles::under(dir);
    // The note first: a token alone would be a token over nothing.
    files.write(&Name::Note(size).path(dir), note)?;
    files.write(&Name::First(size).path(dir), token)?;
    files.sync_dirs()
}

/// Keeps another answer over the note of `size`; durable when this returns.
///
/// # Errors
/// Whatever the operating system says.
pub fn keep_again(dir: &Path, size: u64, token: &[u8]) -> io::Result<()> {
    durable::write_file(&Name::Last(size).path(dir), token)
}

/// Copies the tokens of the log directory `from` over checkpoints of at most `size` entries to `to`, where those that
/// are there already stay; durable when this returns.
///
/// # Errors
/// As [`read`], or whatever the operating system says about writing.
pub fn copy(from: &Path, to: &Path, size: u64) -> io::Result<()> {
    let mut files = DurableFiles::under(to);
    for held in sizes(from)?.into_iter().take_while(|held| *held <= size) {
        let again = Name::Last(held).path(from).exists();
        if !again && Name::First(held).path(to).exists() {
            continue;
        }
        let Some(kept) = read(from, held)? else {
            continue;
        };
        files.write(&Name::Note(held).path(to), &kept.note)?;
        files.write(&Name::First(held).path(to), &kept.token)?;
        if let Some(last) = &kept.last {
            files.write(&Name::Last(held).path(to), last)?;
        }
    }
    files.sync_dirs()
}

/// The sizes that have a token in the log directory `dir`, rising. None when there is no folder.
///
/// # Errors
/// Whatever the operating system says.
pub fn sizes(dir: &Path) -> io::Result<Vec<u64>> {
    let listing = match fs::read_dir(dir.join(TIME_DIR)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut sizes = Vec::new();
    for item in listing {
        if let Some(Name::First(size)) = item?.file_name().to_str().and_then(Name::parse) {
            sizes.push(size);
        }
    }
    sizes.sort_unstable();
    Ok(sizes)
}

/// What the log directory `dir` holds under `size`; `None` without a token.
///
/// # Errors
/// Whatever the operating system says: a file that is missing beside its token, too large, or unreadable.
pub fn read(dir: &Path, size: u64) -> io::Result<Option<Kept>> {
    let limit = RESPONSE_BYTES_MAX as u64;
    let optional = |name: Name| match read_bounded(&name.path(dir), limit) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(|bytes| Some(Bytes::from(bytes))),
    };
    let Some(token) = optional(Name::First(size))? else {
        return Ok(None);
    };
    Ok(Some(Kept {
        size,
        note: read_bounded(&Name::Note(size).path(dir), NOTE_BYTES_MAX as u64)?.into(),
        token,
        last: optional(Name::Last(size))?,
    }))
}

/// The first token over a checkpoint of at least `size` entries: it bounds from above when entry `size - 1` was there.
/// Nothing is verified: see [`super::verify`].
///
/// # Errors
/// As [`read`].
pub fn at_or_after(dir: &Path, size: u64) -> io::Result<Option<Kept>> {
    let sizes = sizes(dir)?;
    match sizes.get(sizes.partition_point(|found| *found < size)) {
        Some(found) => read(dir, *found),
        None => Ok(None),
    }
}
