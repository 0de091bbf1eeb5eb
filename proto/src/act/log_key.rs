//! The log's next key: a statement that the key before it and the new key both seal.
//!
//! It names the tree under which it stands, so that it is worth as much as a checkpoint of that tree: whoever follows it
//! from the older key to the newer holds both to one history.

use bytes::Bytes;
use prost::Message;

use super::{digest, public_key};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::facts::{self, LogKeyFacts};
use crate::key::{PublicKey, Signer};
use crate::limits::{HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX, label};
use crate::registry::FoldError;
use crate::seal::{Seal, SealError};
use crate::wire::registry::v1 as wire;

/// The log's next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKeySuccession {
    /// The key that signs until here, Ed25519.
    pub previous: PublicKey,
    /// The new key, Ed25519.
    pub key: PublicKey,
    /// Entries before this one.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
    /// Unix time, milliseconds: a checkpoint whose last entry was recorded before it is signed by the previous key, too.
    pub overlap_until_ms: u64,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

impl LogKeySuccession {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::LogKeySuccession {
            version: HEADER_VERSION,
            previous: self.previous.spki().to_vec().into(),
            key: self.key.spki().to_vec().into(),
            size: self.size,
            root: self.root.0.to_vec().into(),
            overlap_until_ms: self.overlap_until_ms,
            issued_at_ms: self.issued_at_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes, every field strictly.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::LogKeySuccession = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        let log_key = |spki: &[u8]| {
            let key = public_key(spki)?;
            match key.ed25519_bytes() {
                Some(_) => Ok(key),
                None => Err(HeaderError::Malformed("a log's key is an Ed25519 key")),
            }
        };
        let opened = Self {
            previous: log_key(&wire.previous)?,
            key: log_key(&wire.key)?,
            size: wire.size,
            root: digest(&wire.root)?,
            overlap_until_ms: wire.overlap_until_ms,
            issued_at_ms: wire.issued_at_ms,
        };
        if opened.previous == opened.key {
            return Err(HeaderError::Malformed("both of its keys are the same"));
        }
        Ok(opened)
    }

    /// Header, seal of the previous key and facts with the seal of the new key, for the log `origin`.
    ///
    /// # Errors
    /// [`SealError`] when one of the keys cannot sign.
    pub fn seal(
        &self,
        origin: &str,
        previous: &dyn Signer,
        new: &dyn Signer,
    ) -> Result<(Bytes, Seal, Bytes), SealError> {
        let header = self.encode();
        let seal = Seal::one(label::LOG_KEY, origin, &header, previous)?;
        let own = Seal::one(label::LOG_KEY, origin, &header, new)?;
        let facts = facts::encode(&LogKeyFacts { seal: own.cose });
        Ok((header, seal, facts))
    }

    /// Reads the parts of an entry and verifies both seals, each by the key that the statement itself names: whoever
    /// believes one of the two keys may believe the other from here on.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn proven(
        origin: &str,
        header: &[u8],
        seal: Option<&Seal>,
        facts: &[u8],
    ) -> Result<Self, FoldError> {
        let opened = Self::open(header)?;
        let seal = seal.ok_or(FoldError::Unsealed)?;
        seal.verify(label::LOG_KEY, origin, header, &opened.previous)?;
        let own = Seal {
            cose: facts::log_key(facts)?.seal,
            leaf_index: 0,
            tree_size: 1,
            path: Vec::new(),
        };
        own.verify(label::LOG_KEY, origin, header, &opened.key)
            .map_err(|_| FoldError::NoPossession)?;
        Ok(opened)
    }
}
