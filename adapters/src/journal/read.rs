//! Reads a journal back, exchange by exchange, one file in memory at a time.
//!
//! Records of one exchange lie apart by as long as it took. They are put together here; an exchange that is still open
//! at the end is given as far as it is known. Damage is told with its place, and what follows it is still read.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use proto::id::ExchangeId;

use super::frames::{Found, Frames};
use super::record::{Record, Role};
use super::segments::{Held, list, read as read_file};
use super::{JournalError, RECORDS};

/// Bytes of open exchanges that are held at most; the oldest is then given as it is.
const OPEN_BYTES_MAX: usize = 64 << 20;

/// What a walk through a journal told beside the exchanges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Exchanges given.
    pub exchanges: u64,
    /// Stretches that are no records although something whole follows.
    pub damaged: Vec<Damage>,
    /// Bytes at the very end that are not whole: a write under way, or one that an end of the process cut short.
    pub torn_bytes: u64,
}

/// A stretch of a file that holds no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Its first byte.
    pub at: u64,
    /// How many.
    pub bytes: u64,
}

/// Gives every exchange in the journal `dir`, those that ended in the order in which they did.
///
/// # Errors
/// [`JournalError::Io`] when a file cannot be read.
pub fn read(dir: &Path, mut each: impl FnMut(Record)) -> Result<Told, JournalError> {
    let mut told = Told::default();
    let mut open = Open::default();
    let mut give = |record: Record, told: &mut Told| {
        told.exchanges += 1;
        each(record);
    };
    let files = list(&dir.join(RECORDS)).map_err(JournalError::Io)?;
    let last = files.len().saturating_sub(1);
    for (number, file) in files.iter().enumerate() {
        let bytes = {
            let _held = Held::shared(dir);
            read_file(file).map_err(JournalError::Io)?
        };
        for found in Frames::new(bytes, 0) {
            let (at, len, is_torn) = match found {
                Found::Body(body) => match Record::decode(body.clone()) {
                    Some(record) => {
                        open.take(record, |record| give(record, &mut told));
                        continue;
                    }
                    None => (0, body.len(), false),
                },
                Found::Broken { at, len, to_end } => (at, len, to_end && number == last),
            };
            if is_torn {
                told.torn_bytes = len as u64;
            } else {
                told.damaged.push(Damage {
                    file: file.clone(),
                    at: at as u64,
                    bytes: len as u64,
                });
            }
        }
    }
    for record in open.rest() {
        give(record, &mut told);
    }
    Ok(told)
}

/// Exchanges that are not complete yet.
#[derive(Debug, Default)]
struct Open {
    by_id: HashMap<Key, (u64, Record)>,
    /// Those of completed exchanges stay until they come to the front.
    oldest_first: VecDeque<(u64, Key)>,
    bytes: usize,
    number: u64,
}

type Key = (Role, ExchangeId);

impl Open {
    fn take(&mut self, record: Record, mut give: impl FnMut(Record)) {
        let key = (record.role, record.exchange);
        let (number, mut whole) = match self.by_id.remove(&key) {
            Some((number, earlier)) => {
                self.bytes -= earlier.weight();
                (number, earlier)
            }
            None => {
                self.number += 1;
                let blank = Record::new(
                    record.role,
                    record.exchange,
                    record.at_ms,
                    record.other.clone(),
                );
                self.oldest_first.push_back((self.number, key));
                (self.number, blank)
            }
        };
        whole.merge(record);
        if whole.is_complete() {
            give(whole);
        } else {
            self.bytes += whole.weight();
            self.by_id.insert(key, (number, whole));
        }
        while let Some((number, key)) = self.oldest_first.front().copied() {
            let is_open = self
                .by_id
                .get(&key)
                .is_some_and(|(open, _)| *open == number);
            if is_open && self.bytes <= OPEN_BYTES_MAX {
                break;
            }
            self.oldest_first.pop_front();
            if is_open && let Some((_, record)) = self.by_id.remove(&key) {
                self.bytes -= record.weight();
                give(record);
            }
        }
    }

    /// What is left, oldest first.
    fn rest(self) -> Vec<Record> {
        let mut rest: Vec<_> = self.by_id.into_values().collect();
        rest.sort_by_key(|(number, _)| *number);
        rest.into_iter().map(|(_, record)| record).collect()
    }
}
