//! The body of `add-checkpoint`, read and written in its one form: `old SIZE`, proof hashes, a blank line, the note.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::digest::Digest;
use thiserror::Error;

use crate::note::NOTE_BYTES_MAX;

/// Proof lines at most.
pub const PROOF_LINES_MAX: usize = 63;
/// Bytes of a body at most: the old size, as many hashes as may be, the largest note.
pub const REQUEST_BYTES_MAX: usize = 64 + PROOF_LINES_MAX * 45 + NOTE_BYTES_MAX;

/// What a log asks of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is believed to have cosigned last.
    pub old: u64,
    /// That the tree of `old` entries is the beginning of the checkpoint's.
    pub proof: Vec<Digest>,
    /// The checkpoint, a signed note.
    pub note: Bytes,
}

impl AddCheckpoint {
    /// The body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("old {}\n", self.old);
        for hash in &self.proof {
            out.push_str(&STANDARD.encode(hash.as_bytes()));
            out.push('\n');
        }
        out.push('\n');
        let mut out = out.into_bytes();
        out.extend_from_slice(&self.note);
        out
    }

    /// Reads a body. The note is not looked into.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge);
        }
        let (first, mut rest) = line(body)?;
        let old = first.strip_prefix("old ").and_then(number);
        let old = old.ok_or(RequestError::OldSize)?;
        let mut proof = Vec::new();
        loop {
            let (hash, after) = line(rest)?;
            rest = after;
            if hash.is_empty() {
                break;
            }
            if proof.len() == PROOF_LINES_MAX {
                return Err(RequestError::TooManyHashes);
            }
            let bytes = STANDARD.decode(hash).map_err(|_| RequestError::Hash)?;
            proof.push(Digest::from_slice(&bytes).ok_or(RequestError::Hash)?);
        }
        Ok(Self {
            old,
            proof,
            note: Bytes::copy_from_slice(rest),
        })
    }
}

/// The next line, and what follows its line end.
fn line(bytes: &[u8]) -> Result<(&str, &[u8]), RequestError> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = bytes.split_at(end.ok_or(RequestError::CutShort)?);
    let line = std::str::from_utf8(line).map_err(|_| RequestError::CutShort)?;
    Ok((line, &rest[1..]))
}

/// A decimal without sign or leading zero.
pub(super) fn number(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Why a body is none.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// Over [`REQUEST_BYTES_MAX`].
    #[error("the body is over {REQUEST_BYTES_MAX} bytes")]
    TooLarge,
    /// No line end where one must be.
    #[error("the body ends before the checkpoint")]
    CutShort,
    /// The first line.
    #[error("the first line is not `old` and a size")]
    OldSize,
    /// A proof line.
    #[error("a proof line is not the base64 of 32 bytes")]
    Hash,
    /// Over [`PROOF_LINES_MAX`].
    #[error("there are more than {PROOF_LINES_MAX} proof lines")]
    TooManyHashes,
}
