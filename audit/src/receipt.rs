//! Receipts: what the log gives back for an entry, and what its holder can prove with it.
//!
//! A receipt carries only what the holder does not have: the index, the switch's stamp and facts,
//! the inclusion proof and the checkpoint. The holder adds its own header and seal; the leaf is
//! rebuilt from both. A receipt over somebody else's bytes therefore proves nothing.

use bytes::Bytes;
use prost::Message as _;
use proto::digest::Digest;
use proto::entry::{Entry, EntryError, Kind, Stamp};
use proto::seal::Seal;
use proto::wire::audit::v1 as wire;
use thiserror::Error;

use crate::checkpoint::{self, Checkpoint, CheckpointError, LogKey, NoteMemory};
use crate::note::NOTE_BYTES_MAX;
use crate::tree::{PROOF_HASHES_MAX, TreeError, verify_inclusion};

pub mod tlog_proof;

/// The log's answer to an entry. Holding one proves nothing until [`Receipt::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Index of the entry in the log.
    pub index: u64,
    /// What the entry records.
    pub kind: Kind,
    /// The writer's stamp.
    pub stamp: Stamp,
    /// The switch's own part of the entry.
    pub facts: Bytes,
    /// Inclusion proof in the tree of the checkpoint, the leaf's sibling first.
    pub proof: Vec<Digest>,
    /// The signed checkpoint, a note's bytes.
    pub checkpoint: Bytes,
}

/// What a verified receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The checkpoint that the log signed.
    pub checkpoint: Checkpoint,
    /// Leaf hash of the entry.
    pub leaf: Digest,
    /// The entry as it stands in the log.
    pub entry: Entry,
}

impl Receipt {
    /// Proves that the log of `key` recorded the holder's `header` and `seal` at this index, with
    /// this stamp and these facts, under the enclosed checkpoint.
    ///
    /// # Errors
    /// [`ReceiptError`]: the first step that failed.
    pub fn verify(
        &self,
        header: &Bytes,
        seal: Option<&Seal>,
        key: &LogKey,
    ) -> Result<Proven, ReceiptError> {
        self.verify_under(checkpoint::open(&self.checkpoint, key)?, header, seal)
    }

    /// As [`Receipt::verify`], where the checkpoint's signature may have been verified a moment ago.
    ///
    /// # Errors
    /// [`ReceiptError`]: the first step that failed.
    pub fn verify_remembering(
        &self,
        header: &Bytes,
        seal: Option<&Seal>,
        notes: &NoteMemory,
    ) -> Result<Proven, ReceiptError> {
        self.verify_under(notes.open(&self.checkpoint)?, header, seal)
    }

    /// Proves the entry under `checkpoint`, which must be the opened one of this receipt.
    fn verify_under(
        &self,
        checkpoint: Checkpoint,
        header: &Bytes,
        seal: Option<&Seal>,
    ) -> Result<Proven, ReceiptError> {
        let entry = Entry {
            kind: self.kind,
            stamp: self.stamp,
            facts: self.facts.clone(),
            header: header.clone(),
            seal: seal.cloned(),
        };
        let leaf = entry.leaf()?;
        verify_inclusion(
            &leaf,
            self.index,
            checkpoint.size,
            &self.proof,
            &checkpoint.root,
        )
        .map_err(ReceiptError::NotIncluded)?;
        Ok(Proven {
            checkpoint,
            leaf,
            entry,
        })
    }

    /// The message's bytes.
    pub fn encode(&self) -> Bytes {
        self.to_wire().encode_to_vec().into()
    }

    /// The message on the wire.
    pub fn to_wire(&self) -> wire::Receipt {
        wire::Receipt {
            index: self.index,
            kind: u32::from(self.kind as u8),
            stamp: Bytes::copy_from_slice(&self.stamp.encode()),
            facts: self.facts.clone(),
            proof: self
                .proof
                .iter()
                .map(|hash| Bytes::copy_from_slice(&hash.0))
                .collect(),
            checkpoint: self.checkpoint.clone(),
        }
    }

    /// Reads the message: shapes and limits only, nothing is verified yet.
    ///
    /// # Errors
    /// [`ReceiptError::Malformed`] naming the field.
    pub fn from_wire(message: wire::Receipt) -> Result<Self, ReceiptError> {
        let kind = u8::try_from(message.kind)
            .ok()
            .and_then(|byte| Kind::from_byte(byte).ok())
            .ok_or(ReceiptError::Malformed("kind"))?;
        let stamp = Stamp::decode(&message.stamp).map_err(|_| ReceiptError::Malformed("stamp"))?;
        if message.facts.len() > proto::limits::FACTS_BYTES_MAX {
            return Err(ReceiptError::Malformed("facts"));
        }
        if message.checkpoint.len() > NOTE_BYTES_MAX {
            return Err(ReceiptError::Malformed("checkpoint"));
        }
        if message.proof.len() > PROOF_HASHES_MAX {
            return Err(ReceiptError::Malformed("proof"));
        }
        let proof = message
            .proof
            .iter()
            .map(|hash| Digest::from_slice(hash).ok_or(ReceiptError::Malformed("proof")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            index: message.index,
            kind,
            stamp,
            facts: message.facts,
            proof,
            checkpoint: message.checkpoint,
        })
    }
}

/// The step at which a receipt failed.
#[derive(Debug, Error)]
pub enum ReceiptError {
    /// A field of the message has the wrong shape or is over its limit.
    #[error("the receipt's {0} is malformed")]
    Malformed(&'static str),
    /// The checkpoint is not one that this log signed.
    #[error("the receipt's checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Stamp, facts, header and seal do not make an entry.
    #[error("the receipt and the holder's header and seal make no entry: {0}")]
    Entry(#[from] EntryError),
    /// The log's tree has another entry at this index, or another stamp, facts, header or seal.
    #[error("the log does not hold this entry at this index: {0}")]
    NotIncluded(#[source] TreeError),
}

#[cfg(test)]
mod tests;
