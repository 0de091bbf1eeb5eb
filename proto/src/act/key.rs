//! Seal keys: bound, followed by another, ended.

use bytes::Bytes;
use prost::Message;

use super::{digest, part, possession, public_key, system};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::{Part, SystemId};
use crate::key::PublicKey;
use crate::limits::{HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX};
use crate::wire::registry::v1 as wire;

/// A seal key bound to one adapter instance of one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBinding {
    /// The system it speaks for.
    pub system: SystemId,
    /// The adapter instance that holds it.
    pub adapter: Part,
    /// The seal key.
    pub key: PublicKey,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// COSE_Sign1 of the new key over [`KeyBinding::possession_bytes`]; empty while being made.
    pub possession: Bytes,
}

impl KeyBinding {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::KeyBinding {
            version: HEADER_VERSION,
            system: self.system.to_string(),
            adapter: self.adapter.to_string(),
            key: self.key.spki().to_vec().into(),
            issued_at_ms: self.issued_at_ms,
            possession: self.possession.clone(),
        }
        .encode_to_vec()
        .into()
    }

    /// What the new key seals under `mohawel/possession/v1`: this binding without the proof.
    pub fn possession_bytes(&self) -> Bytes {
        Self {
            possession: Bytes::new(),
            ..self.clone()
        }
        .encode()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::KeyBinding = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        Ok(Self {
            system: system(&wire.system)?,
            adapter: part(&wire.adapter)?,
            key: public_key(&wire.key)?,
            issued_at_ms: wire.issued_at_ms,
            possession: possession(wire.possession)?,
        })
    }
}

/// The next seal key of one adapter, sealed by the key that it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySuccession {
    /// The system that both keys speak for.
    pub system: SystemId,
    /// The adapter instance that holds both.
    pub adapter: Part,
    /// The new seal key.
    pub key: PublicKey,
    /// SHA-256 of the key that it follows.
    pub predecessor: Digest,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// COSE_Sign1 of the new key over [`KeySuccession::possession_bytes`]; empty while being made.
    pub possession: Bytes,
}

impl KeySuccession {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::KeySuccession {
            version: HEADER_VERSION,
            system: self.system.to_string(),
            adapter: self.adapter.to_string(),
            key: self.key.spki().to_vec().into(),
            predecessor: self.predecessor.0.to_vec().into(),
            issued_at_ms: self.issued_at_ms,
            possession: self.possession.clone(),
        }
        .encode_to_vec()
        .into()
    }

    /// What the new key seals under `mohawel/possession/v1`: this act without the proof.
    pub fn possession_bytes(&self) -> Bytes {
        Self {
            possession: Bytes::new(),
            ..self.clone()
        }
        .encode()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::KeySuccession = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        Ok(Self {
            system: system(&wire.system)?,
            adapter: part(&wire.adapter)?,
            key: public_key(&wire.key)?,
            predecessor: digest(&wire.predecessor)?,
            issued_at_ms: wire.issued_at_ms,
            possession: possession(wire.possession)?,
        })
    }
}

/// The end of a seal key. What it sealed before stays evidence; nothing after does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEnd {
    /// The system it spoke for.
    pub system: SystemId,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub kid: Digest,
    /// A stable word: superseded, compromised, retired.
    pub reason: Part,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

impl KeyEnd {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::KeyEnd {
            version: HEADER_VERSION,
            system: self.system.to_string(),
            kid: self.kid.0.to_vec().into(),
            reason: self.reason.to_string(),
            issued_at_ms: self.issued_at_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::KeyEnd = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        Ok(Self {
            system: system(&wire.system)?,
            kid: digest(&wire.kid)?,
            reason: part(&wire.reason)?,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}
