//! The envelope: header and payload exactly as signed, and the switch's way to its parts.

use bytes::Bytes;

use crate::canonical::HeaderError;
use crate::commitment::Salt;
use crate::digest::Digest;
use crate::limits::{PAYLOAD_BYTES_MAX, SEAL_PATH_MAX};
use crate::seal::Seal;
use crate::wire::exchange::v1 as wire;

/// Header, seal, salt and payload. Its `Debug` prints lengths only: payloads are never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The header's canonical bytes, as signed.
    pub header: Bytes,
    /// The seal and this header's place under it.
    pub seal: Seal,
    /// Key of the payload commitment; empty where there is no payload.
    pub salt: Bytes,
    /// The agency's bytes.
    pub payload: Bytes,
}

impl Envelope {
    /// An envelope around a sealed header without payload, for acts and disputes.
    pub fn bare(header: Bytes, seal: Seal) -> Self {
        Self {
            header,
            seal,
            salt: Bytes::new(),
            payload: Bytes::new(),
        }
    }

    /// An envelope with a payload.
    pub fn new(header: Bytes, seal: Seal, salt: Salt, payload: Bytes) -> Self {
        Self {
            header,
            seal,
            salt: Bytes::copy_from_slice(&salt.0),
            payload,
        }
    }

    /// Takes the parts off the wire. Only lengths are judged here; no byte is copied but the path.
    pub fn from_wire(wire: Option<wire::Envelope>) -> Result<Self, HeaderError> {
        let wire = wire.ok_or(HeaderError::Malformed("the envelope is missing"))?;
        if wire.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(HeaderError::TooLarge {
                len: wire.payload.len(),
                max: PAYLOAD_BYTES_MAX,
            });
        }
        if wire.path.len() > SEAL_PATH_MAX {
            return Err(HeaderError::Malformed(
                "the seal's path is longer than six hashes",
            ));
        }
        let path = wire
            .path
            .iter()
            .map(|hash| Digest::from_slice(hash))
            .collect::<Option<_>>()
            .ok_or(HeaderError::Malformed(
                "a hash of the seal's path is not 32 bytes",
            ))?;
        Ok(Self {
            header: wire.header,
            seal: Seal {
                cose: wire.seal,
                leaf_index: wire.leaf_index,
                tree_size: wire.tree_size,
                path,
            },
            salt: wire.salt,
            payload: wire.payload,
        })
    }

    /// Puts the parts on the wire.
    pub fn to_wire(&self) -> wire::Envelope {
        wire::Envelope {
            header: self.header.clone(),
            seal: self.seal.cose.clone(),
            leaf_index: self.seal.leaf_index,
            tree_size: self.seal.tree_size,
            path: self
                .seal
                .path
                .iter()
                .map(|hash| Bytes::copy_from_slice(hash.as_ref()))
                .collect(),
            salt: self.salt.clone(),
            payload: self.payload.clone(),
        }
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Envelope(header {} bytes, payload {} bytes)",
            self.header.len(),
            self.payload.len()
        )
    }
}
