//! Checkpoints, as C2SP tlog-checkpoint defines them: origin, size and root in a signed note.
//!
//! Our logs write no extension lines and accept none, so a checkpoint has one form only.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::digest::Digest;
use proto::key::Signer;
use thiserror::Error;

use crate::note::{NoteError, NoteKey, SignedNote};
use crate::tree::TreeHead;

pub use crate::log_key::{LogKey, SUCCESSIONS_FILE, Succession, SuccessionError};

/// Notes that a [`NoteMemory`] holds at most; each is a few hundred bytes.
const NOTES_REMEMBERED: usize = 64;

/// What a checkpoint says: the log `origin` had `size` entries under the tree head `root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name: a schema-less URL, the same as its key's name.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// RFC 6962 head over them.
    pub root: Digest,
}

/// A checkpoint and the note that carries it, signed by the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What the note says.
    pub checkpoint: Checkpoint,
    /// The note's bytes, signatures included.
    pub note: Bytes,
}

impl Checkpoint {
    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead {
            size: self.size,
            root: self.root,
        }
    }

    /// The text that is signed: three lines.
    pub fn to_text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.as_bytes())
        )
    }

    /// Reads exactly three lines, each in its one form. Says nothing about who signed them.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').unwrap_or_default().split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Malformed);
        };
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|bytes| Digest::from_slice(&bytes));
        let (Ok(size), Some(root)) = (size.parse::<u64>(), root) else {
            return Err(CheckpointError::Malformed);
        };
        let checkpoint = Self {
            origin: origin.to_owned(),
            size,
            root,
        };
        // One form: no leading zero or sign in the size, no empty origin.
        if origin.is_empty() || checkpoint.to_text() != text {
            return Err(CheckpointError::Malformed);
        }
        Ok(checkpoint)
    }

    /// Signs the checkpoint as the log. The caller must have made sure that it never signs two that
    /// do not extend each other.
    ///
    /// # Errors
    /// [`CheckpointError::Note`] when the signer refuses or is not Ed25519, or the origin cannot
    /// name a key.
    pub fn sign(&self, signer: &dyn Signer) -> Result<SignedCheckpoint, CheckpointError> {
        self.sign_by(&[signer])
    }

    /// As [`Checkpoint::sign`], with a line by each of the log's keys that sign it.
    ///
    /// # Errors
    /// As [`Checkpoint::sign`].
    pub fn sign_by(&self, signers: &[&dyn Signer]) -> Result<SignedCheckpoint, CheckpointError> {
        let mut note = SignedNote::new(&self.to_text())?;
        for signer in signers {
            note.sign(&self.origin, *signer)?;
        }
        Ok(SignedCheckpoint {
            checkpoint: self.clone(),
            note: Bytes::from(note.to_bytes()),
        })
    }
}

/// Opens a checkpoint: verifies that the log of `key` signed the note, then reads it. Of the log's keys it asks for the
/// one that signs at this size; cosignatures and other lines are ignored.
///
/// # Errors
/// [`CheckpointError`]: the first step that failed.
pub fn open(note: &[u8], key: &LogKey) -> Result<Checkpoint, CheckpointError> {
    let (checkpoint, _) = open_signed(note, key)?;
    Ok(checkpoint)
}

/// As [`open`], with the key that signed.
fn open_signed(note: &[u8], key: &LogKey) -> Result<(Checkpoint, NoteKey), CheckpointError> {
    let note = SignedNote::parse(note)?;
    let checkpoint = Checkpoint::from_text(note.text());
    let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let signer = key.signer_of(size);
    note.verify(std::slice::from_ref(&signer))?;
    let checkpoint = checkpoint?;
    if checkpoint.origin != key.origin() {
        return Err(CheckpointError::WrongOrigin {
            found: checkpoint.origin,
            expected: key.origin().to_owned(),
        });
    }
    Ok((checkpoint, signer))
}

/// Checkpoints of one log whose signature was verified a moment ago, by the exact bytes of their notes. Receipts of one
/// commit share a checkpoint: the signature is verified once, everything else each time.
#[derive(Debug)]
pub struct NoteMemory {
    key: LogKey,
    notes: Notes,
}

/// Notes that were opened, for all who read logs in one process: a signature holds whoever asks. By which key a note must
/// be signed is each reader's own to say.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Opened>>);

/// Notes with what they say, and by whose signature. A reader who knows another key for that size looks at the note again.
type Opened = VecDeque<(Bytes, Checkpoint, NoteKey)>;

impl NoteMemory {
    /// Remembers nothing yet, of the log of `key`.
    pub fn new(key: LogKey) -> Self {
        Self::among(key, Notes::default())
    }

    /// Remembers what everybody does who was given `notes`, as far as the log of `key` signed it.
    pub fn among(key: LogKey, notes: Notes) -> Self {
        Self { key, notes }
    }

    /// The log's key.
    pub fn key(&self) -> &LogKey {
        &self.key
    }

    /// As [`open`], without the public-key operation for bytes that were opened a moment ago. A note that does not hold is
    /// never remembered.
    ///
    /// # Errors
    /// [`CheckpointError`]: the first step that failed.
    pub fn open(&self, note: &Bytes) -> Result<Checkpoint, CheckpointError> {
        let same = |(bytes, opened, signer): &&(Bytes, Checkpoint, NoteKey)| {
            bytes == note && self.key.has_signer(opened.size, signer)
        };
        if let Some((_, known, _)) = self.notes().iter().find(same) {
            return Ok(known.clone());
        }
        let (opened, signer) = open_signed(note, &self.key)?;
        let mut notes = self.notes();
        // The newest first: the next receipt is most likely of the same commit.
        notes.push_front((note.clone(), opened.clone(), signer));
        notes.truncate(NOTES_REMEMBERED);
        Ok(opened)
    }

    fn notes(&self) -> MutexGuard<'_, Opened> {
        self.notes.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a checkpoint **without** verifying who signed it: for files that this process wrote itself
/// and for telling a person what an unverifiable file claims.
///
/// # Errors
/// [`CheckpointError::Note`] or [`CheckpointError::Malformed`].
pub fn read_unverified(note: &[u8]) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::from_text(SignedNote::parse(note)?.text())
}

/// Why bytes are not a checkpoint of the log that was asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// The note, its form or its signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note's text is not origin, size and root in their one form.
    #[error("the note's text is not a checkpoint (origin, size, root; no further lines)")]
    Malformed,
    /// What lies beside the log about its further keys does not lead from the key that is held.
    #[error("{0}")]
    Keys(String),
    /// The checkpoint is another log's.
    #[error("the checkpoint is of {found}, not of {expected}")]
    WrongOrigin {
        /// What the checkpoint says.
        found: String,
        /// What was asked for.
        expected: String,
    },
}

#[cfg(test)]
pub(crate) mod tests;
