//! A witness: somebody outside the switch who remembers the largest tree of each log and cosigns only what extends it.
//!
//! Takes the bodies of `add-checkpoint` (C2SP tlog-witness) and the time; gives the answer for each. What it signs for is
//! on disk and synced before the answer exists. Never cosigns two trees of one log that do not extend each other, nor a
//! smaller one after a larger one; never trusts what its own directory says without its own signature under it. No HTTP
//! here: whoever serves it sends [`Answer`]s.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use proto::key::Signer;
use thiserror::Error;

use crate::checkpoint::{Checkpoint, LogKey};
use crate::cosignature::{CosignatureError, WitnessKey, cosign};
use crate::note::SignedNote;
use crate::tree::{TreeHead, verify_consistency};

mod answer;
pub mod asking;
mod memory;
pub mod request;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Event};
pub use memory::{MemoryError, Remembered, adopt, look, origin_hash};

use memory::Memory;
use request::AddCheckpoint;

/// A witness with its memory. One process at a time has the directory.
pub struct Witness {
    name: String,
    key: WitnessKey,
    signer: Arc<dyn Signer>,
    logs: BTreeMap<String, Known>,
    /// Held open, and so locked, until the witness is gone.
    _lock: File,
}

/// A log that it knows: one request of it at a time.
struct Known {
    keys: Vec<LogKey>,
    memory: Mutex<Memory>,
}

/// How a log stands with this witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The log.
    pub origin: String,
    /// What was cosigned last; `None` before the first time.
    pub last: Option<Remembered>,
}

impl Witness {
    /// The witness `name` over the memory in `dir`, for the logs of `keys` (several keys of one origin are all good).
    ///
    /// # Errors
    /// [`WitnessError`]: a key that cannot cosign, a directory that another process has, or a memory that is missing or
    /// damaged. A witness that forgot what it signed must not go on: see [`MemoryError`].
    pub fn open(
        dir: &Path,
        name: &str,
        signer: Arc<dyn Signer>,
        keys: &[LogKey],
    ) -> Result<Self, WitnessError> {
        let key = WitnessKey::new(name, signer.key())?;
        let lock = memory::lock(dir)?;
        let mut of_origin: BTreeMap<&str, Vec<LogKey>> = BTreeMap::new();
        for log in keys {
            of_origin.entry(log.origin()).or_default().push(log.clone());
        }
        let mut logs = BTreeMap::new();
        for (origin, keys) in of_origin {
            let memory = Mutex::new(Memory::open(dir, origin, &key)?);
            logs.insert(origin.to_owned(), Known { keys, memory });
        }
        Ok(Self {
            name: name.to_owned(),
            key,
            signer,
            logs,
            _lock: lock,
        })
    }

    /// The key that its cosignatures are verified with.
    pub fn key(&self) -> &WitnessKey {
        &self.key
    }

    /// Answers the body of one `add-checkpoint` at `now_s` Unix seconds. Waits for the disk: call it where that is
    /// allowed. Requests of one log wait for each other.
    pub fn add_checkpoint(&self, body: &[u8], now_s: u64) -> Answer {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(error) => return Answer::malformed(&error.to_string()),
        };
        let Ok(note) = SignedNote::parse(&request.note) else {
            return Answer::malformed("what follows the proof is not a signed note");
        };
        let Ok(checkpoint) = Checkpoint::from_text(note.text()) else {
            return Answer::malformed("the note is not a checkpoint of three lines");
        };
        let Some(known) = self.logs.get(&checkpoint.origin) else {
            return Answer::unknown_log(&checkpoint.origin);
        };
        let keys: Vec<_> = known
            .keys
            .iter()
            .map(|key| key.note_key().clone())
            .collect();
        if let Err(error) = note.verify(&keys) {
            return Answer::not_signed(&checkpoint.origin, &error.to_string());
        }
        if request.old > checkpoint.size {
            return Answer::malformed("the old size is larger than the checkpoint's");
        }
        let mut memory = known.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = self.judge(known, &mut memory, (&request, &note, &checkpoint), now_s);
        if let Event::Inconsistent { kept, .. } = &mut answer.event {
            // Two signed statements that contradict each other, or a claim that may become one: what a court asks for.
            *kept = memory.keep_evidence(&checkpoint, body, now_s);
        }
        answer
    }

    /// The checkpoint that it cosigned last of the log with this [`origin_hash`]: note, log's and own signature.
    pub fn cosigned(&self, hash: &str) -> Option<Vec<u8>> {
        let (_, known) = self
            .logs
            .iter()
            .find(|(origin, _)| origin_hash(origin) == hash)?;
        let memory = known.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.last().map(|last| last.note.to_bytes())
    }

    /// How its logs stand, by origin.
    pub fn standings(&self) -> Vec<Standing> {
        let of = |(origin, known): (&String, &Known)| {
            let memory = known.memory.lock().unwrap_or_else(PoisonError::into_inner);
            Standing {
                origin: origin.clone(),
                last: memory.last().cloned(),
            }
        };
        self.logs.iter().map(of).collect()
    }

    /// The signature held, the size is plausible: is it the same tree grown?
    fn judge(
        &self,
        known: &Known,
        memory: &mut Memory,
        (request, note, checkpoint): (&AddCheckpoint, &SignedNote, &Checkpoint),
        now_s: u64,
    ) -> Answer {
        let (new, origin) = (checkpoint.head(), &checkpoint.origin);
        let old = memory
            .last()
            .map_or(TreeHead::empty(), |last| last.checkpoint.head());
        if request.old != old.size {
            return Answer::elsewhere(origin, old.size, new.size);
        }
        if new.size == 0 && new != TreeHead::empty() {
            return Answer::inconsistent(origin, old.size, new.size);
        }
        let proof = &request.proof;
        if verify_consistency(old.size, &old.root, new.size, &new.root, proof).is_err() {
            return Answer::inconsistent(origin, old.size, new.size);
        }
        // The time never runs backwards, whatever the clock does; and one second of one tree is signed once.
        let last_s = memory.last().map_or(0, |last| last.time_s);
        if let Some(last) = memory.last()
            && last.checkpoint == *checkpoint
            && now_s <= last_s
        {
            return Answer::cosigned(origin, new.size, last.time_s, now_s, &last.line);
        }
        let time_s = now_s.max(last_s).max(1);
        let line = match cosign(note.text(), &self.name, &*self.signer, time_s) {
            Ok(line) => line,
            Err(error) => return Answer::failed(origin, &error.to_string()),
        };
        let remembered = Remembered::new(note, checkpoint, line, time_s, &known.keys);
        let remembered = match remembered {
            Ok(remembered) => remembered,
            Err(error) => return Answer::failed(origin, &error.to_string()),
        };
        let answer = Answer::cosigned(origin, new.size, time_s, now_s, &remembered.line);
        match memory.remember(remembered) {
            Ok(()) => answer,
            Err(error) => Answer::failed(origin, &error.to_string()),
        }
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<_> = self.logs.keys().collect();
        write!(f, "Witness({}, {origins:?})", self.name)
    }
}

/// Why a witness does not open.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// Its name or key cannot make cosignatures.
    #[error("the witness's name or key: {0}")]
    Key(#[from] CosignatureError),
    /// Its memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}
