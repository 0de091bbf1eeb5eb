//! The trailer header: what the chunks were that followed an answer, or a request, of the form chunks.

use bytes::Bytes;
use prost::Message;

use super::{Seen, digest, exchange_id};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::ExchangeId;
use crate::limits::{HEADER_BYTES_MAX, HEADER_VERSION};
use crate::wire::exchange::v1 as wire;

/// A trailer header, parsed. Field meanings stand in `envelope.proto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailerHeader {
    /// The exchange.
    pub exchange_id: ExchangeId,
    /// SHA-256 of the header that began it: the answer's, or the request's of an upload.
    pub begun_by: Digest,
    /// Chunks.
    pub count: u64,
    /// Bytes of all of them.
    pub length: u64,
    /// RFC 6962 head of the tree over their commitments.
    pub root: Digest,
    /// Unix time, milliseconds.
    pub ended_at_ms: u64,
    /// The largest checkpoint the signer verified.
    pub seen: Option<Seen>,
}

impl TrailerHeader {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::TrailerHeader {
            version: HEADER_VERSION,
            exchange_id: self.exchange_id.as_bytes().to_vec().into(),
            answer_header_sha256: self.begun_by.0.to_vec().into(),
            count: self.count,
            length: self.length,
            root: self.root.0.to_vec().into(),
            ended_at_ms: self.ended_at_ms,
            seen: self.seen.map(Seen::to_wire),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes, every field strictly.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::TrailerHeader = decode_header(bytes, HEADER_BYTES_MAX)?;
        // No chunk is empty, and none larger than the limit.
        let possible = wire.count <= wire.length
            && wire.length.div_ceil(crate::limits::CHUNK_BYTES_MAX as u64) <= wire.count;
        if !possible {
            return Err(HeaderError::Malformed(
                "so many chunks cannot have so many bytes",
            ));
        }
        Ok(Self {
            exchange_id: exchange_id(&wire.exchange_id)?,
            begun_by: digest(
                &wire.answer_header_sha256,
                "the digest of what began it is not 32 bytes",
            )?,
            count: wire.count,
            length: wire.length,
            root: digest(&wire.root, "its root is not 32 bytes")?,
            ended_at_ms: wire.ended_at_ms,
            seen: Seen::from_wire(wire.seen)?,
        })
    }
}
