//! The key that payloads for a system are sealed to: bound by the agency's authority key, the newest one counts.

use bytes::Bytes;
use prost::Message;

use super::system;
use crate::canonical::{HeaderError, decode_header};
use crate::id::SystemId;
use crate::limits::{HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX};
use crate::sealed::EncryptionKey;
use crate::wire::registry::v1 as wire;

/// A system's encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionKeyBinding {
    /// The system whose adapters can open what is sealed to it.
    pub system: SystemId,
    /// The key.
    pub key: EncryptionKey,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

impl EncryptionKeyBinding {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::EncryptionKeyBinding {
            version: HEADER_VERSION,
            system: self.system.to_string(),
            key: self.key.bytes().to_vec().into(),
            issued_at_ms: self.issued_at_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`HeaderError`]: another form, or a key that nothing can be sealed to.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::EncryptionKeyBinding = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        Ok(Self {
            system: system(&wire.system)?,
            key: EncryptionKey::from_slice(&wire.key)?,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}
