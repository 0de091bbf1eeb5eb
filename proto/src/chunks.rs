//! Chunks: a payload that is too long for one piece, as the leaves of a salted tree.
//!
//! Takes chunks in order. Gives their count, length and root, which a [`TrailerHeader`] seals; each party computes
//! them for itself, in memory that does not grow with the payload. A chunk's commitment has a key of its own, made from
//! the payload's salt and the chunk's place: one chunk can be shown with its key without showing the others.
//! `docs/protocol.md` §2, "Chunks".

use aws_lc_rs::hmac;
use prost::Message;
use thiserror::Error;

use crate::canonical::{self, HeaderError};
use crate::commitment::{CommitmentError, Salt};
use crate::digest::{Digest, leaf_hash, node_hash};
use crate::header::TrailerHeader;
use crate::limits::CHUNK_BYTES_MAX;
use crate::wire::exchange::v1 as wire;

/// What keys of chunks are made under.
pub const LABEL: &str = "mohawel/chunk/v1";
/// Bytes of an encoded plan at most.
pub(crate) const PLAN_BYTES_MAX: usize = 64;

/// What is known before the first chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlan {
    /// Bytes of every chunk but the last.
    pub chunk_bytes: u32,
}

impl ChunkPlan {
    /// Chunks of this size, held within what a chunk may have.
    pub fn of(chunk_bytes: usize) -> Self {
        // Fits: the limit does.
        Self {
            chunk_bytes: chunk_bytes.clamp(1, CHUNK_BYTES_MAX) as u32,
        }
    }

    /// The canonical bytes.
    pub fn encode(self) -> Vec<u8> {
        wire::ChunkPlan {
            chunk_bytes: self.chunk_bytes,
        }
        .encode_to_vec()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`HeaderError`]: another form, or chunks of a size that no chunk may have.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::ChunkPlan = canonical::decode(bytes, PLAN_BYTES_MAX)?;
        if !(1..=CHUNK_BYTES_MAX as u32).contains(&wire.chunk_bytes) {
            return Err(HeaderError::Malformed(
                "its chunks are of a size that no chunk may have",
            ));
        }
        Ok(Self {
            chunk_bytes: wire.chunk_bytes,
        })
    }
}

/// All chunks together: what a trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Chunks.
    pub count: u64,
    /// Bytes of all of them.
    pub length: u64,
    /// RFC 6962 head of the tree over their commitments.
    pub root: Digest,
}

impl Total {
    /// Whether a trailer says exactly this.
    ///
    /// # Errors
    /// [`ChunkError`]: what it says otherwise.
    pub fn is_said_by(&self, trailer: &TrailerHeader) -> Result<(), ChunkError> {
        if self.count != trailer.count {
            return Err(ChunkError::Count {
                came: self.count,
                said: trailer.count,
            });
        }
        if self.length != trailer.length {
            return Err(ChunkError::Length {
                came: self.length,
                said: trailer.length,
            });
        }
        if self.root != trailer.root {
            return Err(ChunkError::Root);
        }
        Ok(())
    }
}

/// Chunks as they come.
#[derive(Debug)]
pub struct Chunks {
    salt: Salt,
    plan: ChunkPlan,
    count: u64,
    length: u64,
    /// A shorter chunk came: it was the last.
    ended: bool,
    /// Heads of whole subtrees, the largest first: one for each bit of `count`.
    edge: Vec<Digest>,
}

impl Chunks {
    /// No chunk yet.
    pub fn new(salt: Salt, plan: ChunkPlan) -> Self {
        Self {
            salt,
            plan,
            count: 0,
            length: 0,
            ended: false,
            edge: Vec::new(),
        }
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// [`ChunkError::Empty`], [`ChunkError::TooLarge`], [`ChunkError::AfterLast`].
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), ChunkError> {
        let full = self.plan.chunk_bytes as usize;
        if chunk.is_empty() {
            return Err(ChunkError::Empty);
        }
        if chunk.len() > full {
            return Err(ChunkError::TooLarge(chunk.len()));
        }
        if self.ended {
            return Err(ChunkError::AfterLast);
        }
        self.ended = chunk.len() < full;
        let mut node = leaf_hash(&commitment(&self.salt, self.count, chunk).0);
        let mut whole = self.count;
        while whole & 1 == 1 {
            // One head for each bit that is set.
            let Some(left) = self.edge.pop() else { break };
            node = node_hash(&left, &node);
            whole >>= 1;
        }
        self.edge.push(node);
        self.count += 1;
        self.length += chunk.len() as u64;
        Ok(())
    }

    /// Bytes that came so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What came so far, as if it were all.
    pub fn total(&self) -> Total {
        let mut smaller = self.edge.iter().rev();
        let last = smaller.next().copied();
        let root = last.map(|last| smaller.fold(last, |right, left| node_hash(left, &right)));
        Total {
            count: self.count,
            length: self.length,
            root: root.unwrap_or_else(|| Digest::of(&[])),
        }
    }
}

/// The key of the chunk at `index`, from 0: what opens this one alone.
pub fn chunk_key(salt: &Salt, index: u64) -> Salt {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salt.0);
    let mut context = hmac::Context::with_key(&key);
    context.update(LABEL.as_bytes());
    context.update(&index.to_be_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    Salt(out)
}

/// The commitment to the chunk at `index`: the leaf's bytes.
pub fn commitment(salt: &Salt, index: u64, chunk: &[u8]) -> Digest {
    crate::commitment::hmac_of(chunk, &chunk_key(salt, index))
}

/// Why chunks are not what was said of them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChunkError {
    /// A chunk without a byte.
    #[error("a chunk is empty")]
    Empty,
    /// More bytes than the plan says.
    #[error("a chunk has {0} bytes, more than its plan says")]
    TooLarge(usize),
    /// One after a shorter one.
    #[error("a chunk follows one that was shorter, which only the last may be")]
    AfterLast,
    /// Another number of chunks.
    #[error("{came} chunks came, and the trailer says {said}")]
    Count {
        /// What came.
        came: u64,
        /// What the trailer says.
        said: u64,
    },
    /// Another number of bytes.
    #[error("{came} bytes came, and {said} were announced")]
    Length {
        /// What came.
        came: u64,
        /// What was said.
        said: u64,
    },
    /// Another content.
    #[error("the chunks are not those that the trailer commits to")]
    Root,
    /// No randomness, or a salt that is none.
    #[error(transparent)]
    Salt(#[from] CommitmentError),
}

#[cfg(test)]
mod tests;
