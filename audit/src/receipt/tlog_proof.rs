//! The C2SP tlog-proof file: one entry's proof as text that any tlog verifier reads.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>              (optional)
//! index <decimal>
//! <base64 hash>               (one line for each hash of the inclusion proof)
//!
//! <checkpoint, verbatim>
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::digest::Digest;
use thiserror::Error;

use crate::checkpoint::{self, Checkpoint, CheckpointError, LogKey};
use crate::note::NOTE_BYTES_MAX;
use crate::tree::{PROOF_HASHES_MAX, TreeError, verify_inclusion};

/// The first line of every proof file.
pub const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// Bytes of the `extra` field at most, before base64.
pub const EXTRA_BYTES_MAX: usize = 64 * 1024;

/// One entry's inclusion proof under a checkpoint. The entry itself is not inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Application data, not covered by the proof: for example the opening of a commitment.
    pub extra: Option<Bytes>,
    /// Index of the entry.
    pub index: u64,
    /// Inclusion proof, the leaf's sibling first.
    pub proof: Vec<Digest>,
    /// The signed checkpoint, a note's bytes.
    pub checkpoint: Bytes,
}

impl TlogProof {
    /// The file's text.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", STANDARD.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.proof {
            text.push_str(&STANDARD.encode(hash.as_bytes()));
            text.push('\n');
        }
        text.push('\n');
        let mut text = text.into_bytes();
        text.extend_from_slice(&self.checkpoint);
        text
    }

    /// Reads a proof file in its one form. Nothing is verified yet.
    ///
    /// # Errors
    /// [`TlogProofError::Malformed`] naming the part.
    pub fn from_text(text: &[u8]) -> Result<Self, TlogProofError> {
        let malformed = TlogProofError::Malformed;
        if text.len() > 2 * EXTRA_BYTES_MAX + NOTE_BYTES_MAX {
            return Err(malformed("length"));
        }
        let text = std::str::from_utf8(text).map_err(|_| malformed("encoding"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(malformed("blank line"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(malformed("first line"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(base64_of(&line["extra ".len()..], "extra")?),
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(|digits| {
                digits
                    .parse()
                    .ok()
                    .filter(|index: &u64| index.to_string() == digits)
            })
            .ok_or(malformed("index"))?;
        let mut proof = Vec::new();
        for line in lines {
            let hash = Digest::from_slice(&base64_of(line, "hash")?).ok_or(malformed("hash"))?;
            if proof.len() == PROOF_HASHES_MAX {
                return Err(malformed("number of hashes"));
            }
            proof.push(hash);
        }
        let extra = extra.map(Bytes::from);
        let checkpoint = Bytes::copy_from_slice(checkpoint.as_bytes());
        Ok(Self {
            extra,
            index,
            proof,
            checkpoint,
        })
    }

    /// Proves that the log of `key` holds an entry with the leaf hash `leaf` at this index.
    ///
    /// # Errors
    /// [`TlogProofError`]: the first step that failed.
    pub fn verify(&self, leaf: &Digest, key: &LogKey) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = checkpoint::open(&self.checkpoint, key)?;
        verify_inclusion(
            leaf,
            self.index,
            checkpoint.size,
            &self.proof,
            &checkpoint.root,
        )?;
        Ok(checkpoint)
    }
}

fn base64_of(text: &str, part: &'static str) -> Result<Vec<u8>, TlogProofError> {
    STANDARD
        .decode(text)
        .map_err(|_| TlogProofError::Malformed(part))
}

/// Why bytes are not a proof of the entry.
#[derive(Debug, Error)]
pub enum TlogProofError {
    /// Not a tlog-proof file.
    #[error("not a tlog-proof file: its {0} is malformed")]
    Malformed(&'static str),
    /// The checkpoint is not one that this log signed.
    #[error("the proof's checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The proof does not lead from the entry to the checkpoint's root.
    #[error("the proof does not hold: {0}")]
    Tree(#[from] TreeError),
}
