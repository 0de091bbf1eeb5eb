//! A grant handed on to another agency. It can only narrow.

use bytes::Bytes;
use prost::Message;

use super::{agency, ascending, optional_digest, texts};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::{AgencyId, Part};
use crate::limits::{FIELDS_MAX, GRANT_LIST_MAX, HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX};
use crate::wire::registry::v1 as wire;

/// A grant handed on. Its id is that of the act that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Number of the grant in the agreement, from 1.
    pub grant: u32,
    /// The delegation that is handed on further; `None` when the agreement's own consumer delegates.
    pub parent: Option<Digest>,
    /// Who may ask.
    pub consumer: AgencyId,
    /// Operations that may be asked.
    pub operations: Vec<Part>,
    /// Purposes that may be stated.
    pub purposes: Vec<Part>,
    /// Fields that may be returned.
    pub fields: Vec<Part>,
    /// Unix time, milliseconds, from which it counts.
    pub not_before_ms: u64,
    /// Unix time, milliseconds, at which it no longer counts.
    pub not_after_ms: u64,
    /// How often it may be handed on further.
    pub depth: u32,
}

impl Delegation {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::Delegation {
            version: HEADER_VERSION,
            grant: self.grant,
            parent: self
                .parent
                .map(|parent| parent.0.to_vec().into())
                .unwrap_or_default(),
            consumer: self.consumer.to_string(),
            operations: texts(&self.operations),
            purposes: texts(&self.purposes),
            fields: texts(&self.fields),
            not_before_ms: self.not_before_ms,
            not_after_ms: self.not_after_ms,
            depth: self.depth,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::Delegation = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        if wire.grant == 0 || wire.not_before_ms >= wire.not_after_ms {
            return Err(HeaderError::Malformed(
                "it names no grant, or ends before it begins",
            ));
        }
        Ok(Self {
            grant: wire.grant,
            parent: optional_digest(&wire.parent)?,
            consumer: agency(&wire.consumer)?,
            operations: ascending(&wire.operations, GRANT_LIST_MAX)?,
            purposes: ascending(&wire.purposes, GRANT_LIST_MAX)?,
            fields: ascending(&wire.fields, FIELDS_MAX)?,
            not_before_ms: wire.not_before_ms,
            not_after_ms: wire.not_after_ms,
            depth: wire.depth,
        })
    }
}
