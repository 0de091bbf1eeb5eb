//! The dispute header: a consumer's sealed objection to a recorded answer.

use bytes::Bytes;
use prost::Message;

use super::{digest, exchange_id};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::ExchangeId;
use crate::limits::{HEADER_BYTES_MAX, HEADER_VERSION};
use crate::refusal::Code;
use crate::wire::exchange::v1 as wire;

/// A dispute header, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeHeader {
    /// The exchange.
    pub exchange_id: ExchangeId,
    /// SHA-256 of the answer header objected to.
    pub answer_header: Digest,
    /// What is wrong with it.
    pub code: Code,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

impl DisputeHeader {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::DisputeHeader {
            version: HEADER_VERSION,
            exchange_id: self.exchange_id.as_bytes().to_vec().into(),
            answer_header_sha256: self.answer_header.0.to_vec().into(),
            code: self.code.name().to_owned(),
            issued_at_ms: self.issued_at_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes, every field strictly.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::DisputeHeader = decode_header(bytes, HEADER_BYTES_MAX)?;
        Ok(Self {
            exchange_id: exchange_id(&wire.exchange_id)?,
            answer_header: digest(
                &wire.answer_header_sha256,
                "its answer digest is not 32 bytes",
            )?,
            code: Code::parse(&wire.code).ok_or(HeaderError::Malformed(
                "its code is not one of the protocol",
            ))?,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}
