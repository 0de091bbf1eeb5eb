//! The home's alarm book: `alarms.jsonl`, one line for each alarm raised, each acknowledgement, each thing known.
//!
//! Only ever added to, each line synced, under the home's lock: an alarm does not go away because a process ended.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use proto::digest::Digest;
use serde_json::{Value, json};
use thiserror::Error;

use super::bound::{Bound, What};

/// The file in the home.
pub const FILE: &str = "alarms.jsonl";
/// Bytes of it at most: tens of thousands of alarms.
const BYTES_MAX: u64 = 16 << 20;

/// An alarm that was raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// What was bound.
    pub bound: Bound,
    /// Unix time, milliseconds.
    pub raised_at_ms: u64,
    /// When a person acknowledged it.
    pub acknowledged_at_ms: Option<u64>,
}

/// The book as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    raised: BTreeMap<Digest, Raised>,
    /// Acknowledged, expected or first seen, whether or not an alarm was raised.
    known: BTreeMap<Digest, u64>,
    /// The first authority key was taken.
    has_authority: bool,
}

impl Book {
    /// Reads the book of the home `dir`; an empty one when there is no file.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn read(dir: &Path) -> Result<Self, BookError> {
        let path = dir.join(FILE);
        let io = |cause| BookError::Io(path.clone(), cause);
        let text = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(io(error)),
            Ok(found) if found.len() > BYTES_MAX => return Err(BookError::Damaged(path, 0)),
            Ok(_) => std::fs::read_to_string(&path).map_err(io)?,
        };
        let mut book = Self::default();
        for (number, line) in text.lines().enumerate() {
            // The last line may have been cut short by an end of the process.
            if book.take(line).is_none() && number + 1 < text.lines().count() {
                return Err(BookError::Damaged(path, number + 1));
            }
        }
        Ok(book)
    }

    /// Alarms that nobody acknowledged, oldest first.
    pub fn open(&self) -> Vec<&Raised> {
        let mut open: Vec<_> = self.all();
        open.retain(|raised| raised.acknowledged_at_ms.is_none());
        open
    }

    /// Every alarm ever raised, oldest first.
    pub fn all(&self) -> Vec<&Raised> {
        let mut all: Vec<_> = self.raised.values().collect();
        all.sort_by_key(|raised| raised.raised_at_ms);
        all
    }

    pub(super) fn known(&self) -> impl Iterator<Item = &Digest> {
        self.known.keys()
    }

    pub(super) fn knows(&self, fingerprint: &Digest) -> bool {
        self.known.contains_key(fingerprint)
    }

    pub(super) fn has_raised(&self, fingerprint: &Digest) -> bool {
        self.raised.contains_key(fingerprint)
    }

    /// Whether an authority key was seen before, so that another one is news.
    pub(super) fn has_authority(&self) -> bool {
        self.has_authority
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let value: Value = serde_json::from_str(line).ok()?;
        let digest = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_str)
                .and_then(Digest::from_hex)
        };
        let at_ms = value.get("at_ms").and_then(Value::as_u64)?;
        if let Some(fingerprint) = digest("known") {
            self.has_authority |= value.get("authority") == Some(&Value::Bool(true));
            self.known.entry(fingerprint).or_insert(at_ms);
            if let Some(raised) = self.raised.get_mut(&fingerprint) {
                raised.acknowledged_at_ms.get_or_insert(at_ms);
            }
            return Some(());
        }
        let fingerprint = digest("fingerprint")?;
        let raised = Raised {
            bound: Bound {
                what: value
                    .get("alarm")
                    .and_then(Value::as_str)
                    .and_then(What::parse)?,
                fingerprint,
                subject: value.get("subject").and_then(Value::as_str)?.to_owned(),
                index: value.get("index").and_then(Value::as_u64),
            },
            raised_at_ms: at_ms,
            acknowledged_at_ms: self.known.get(&fingerprint).copied(),
        };
        self.raised.entry(fingerprint).or_insert(raised);
        Some(())
    }
}

/// Writes what an alarm is about into the home's book. Durable when it returns.
pub(super) fn raise(dir: &Path, bound: &Bound, now_ms: u64) -> Result<(), BookError> {
    let line = json!({
        "alarm": bound.what.name(),
        "fingerprint": bound.fingerprint.to_string(),
        "subject": bound.subject,
        "index": bound.index,
        "at_ms": now_ms,
    });
    add(dir, &line)
}

/// Writes down that a fingerprint is known to be this agency's own: acknowledged by a person, or about to be bound by this
/// home. Durable when it returns.
///
/// # Errors
/// [`BookError::Io`].
pub fn know(dir: &Path, fingerprint: &Digest, now_ms: u64) -> Result<(), BookError> {
    add(
        dir,
        &json!({ "known": fingerprint.to_string(), "at_ms": now_ms }),
    )
}

/// Writes down the first authority key that this home sees. Durable when it returns.
pub(super) fn take_authority(
    dir: &Path,
    fingerprint: &Digest,
    now_ms: u64,
) -> Result<(), BookError> {
    let known = fingerprint.to_string();
    add(
        dir,
        &json!({ "known": known, "authority": true, "at_ms": now_ms }),
    )
}

fn add(dir: &Path, line: &Value) -> Result<(), BookError> {
    let path = dir.join(FILE);
    let written = (|| {
        let held = File::open(dir)?;
        held.lock()?;
        let is_new = !path.exists();
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        // A line that an end of the process cut short was never said to be there.
        let whole = std::fs::read(&path)?;
        let end = whole
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if end < whole.len() {
            file.set_len(end as u64)?;
        }
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()?;
        if is_new {
            held.sync_all()?;
        }
        Ok(())
    })();
    written.map_err(|cause| BookError::Io(path, cause))
}

/// Why the book cannot be used.
#[derive(Debug, Error)]
pub enum BookError {
    /// The disk.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, #[source] std::io::Error),
    /// A line is not one of the book's.
    #[error("{}: line {} is no alarm; restore the file from a backup, or move it away and compare every key of the agency anew", .0.display(), .1)]
    Damaged(PathBuf, usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Bound {
        Bound {
            what: What::SealKey,
            fingerprint: Digest::of(text.as_bytes()),
            subject: format!("EG/GOV/MOSS/takaful {text}"),
            index: Some(7),
        }
    }

    #[test]
    fn an_alarm_stays_until_a_person_acknowledges_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Book::read(dir.path()).unwrap(), Book::default());
        raise(dir.path(), &bound("a2"), 1).unwrap();
        raise(dir.path(), &bound("a3"), 2).unwrap();
        know(dir.path(), &bound("a3").fingerprint, 3).unwrap();
        // Expected before it came.
        know(dir.path(), &bound("a4").fingerprint, 4).unwrap();
        raise(dir.path(), &bound("a4"), 5).unwrap();
        let book = Book::read(dir.path()).unwrap();
        let open: Vec<_> = book
            .open()
            .iter()
            .map(|raised| raised.bound.clone())
            .collect();
        assert_eq!(open, [bound("a2")]);
        let acknowledged: Vec<_> = book
            .all()
            .iter()
            .map(|raised| raised.acknowledged_at_ms)
            .collect();
        assert_eq!(acknowledged, [None, Some(3), Some(4)]);
        assert!(!book.has_authority());
        take_authority(dir.path(), &Digest::of(b"authority"), 6).unwrap();
        assert!(Book::read(dir.path()).unwrap().has_authority());
    }

    #[test]
    fn a_line_cut_short_at_the_end_is_passed_over_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        raise(dir.path(), &bound("a2"), 1).unwrap();
        let path = dir.path().join(FILE);
        let whole = std::fs::read_to_string(&path).unwrap();
        for cut in 1..whole.len() - 1 {
            std::fs::write(&path, format!("{whole}{}", &whole[..cut])).unwrap();
            assert_eq!(Book::read(dir.path()).unwrap().open().len(), 1, "{cut}");
        }
        std::fs::write(&path, format!("{whole}{{\n{whole}")).unwrap();
        assert!(matches!(
            Book::read(dir.path()),
            Err(BookError::Damaged(_, 2))
        ));
    }
}
