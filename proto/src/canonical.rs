//! Canonical protobuf: decode, encode again, compare. A difference is malformed.
//!
//! Canonical means: only fields of its version, ascending, once each, minimal varints, defaults
//! absent. prost writes exactly this form, so equality of bytes is the whole test.

use bytes::Bytes;
use prost::Message;
use thiserror::Error;

use crate::limits::HEADER_VERSION;

/// Decodes `bytes` if they are the one encoding of `M` and at most `max` long.
pub fn decode<M: Message + Default>(bytes: &[u8], max: usize) -> Result<M, HeaderError> {
    if bytes.len() > max {
        return Err(HeaderError::TooLarge {
            len: bytes.len(),
            max,
        });
    }
    // One copy that all fields of bytes share, instead of one for each.
    let message = M::decode(Bytes::copy_from_slice(bytes))
        .map_err(|_| HeaderError::Malformed("it is not protobuf"))?;
    if message.encoded_len() != bytes.len() || message.encode_to_vec() != bytes {
        return Err(HeaderError::Malformed(
            "it is not in canonical form: fields ascending, once each, minimal, defaults absent",
        ));
    }
    Ok(message)
}

/// Decodes a header: field 1 is its version, and a version that this code does not speak is
/// [`HeaderError::UnknownVersion`] rather than malformed.
pub fn decode_header<M: Message + Default>(bytes: &[u8], max: usize) -> Result<M, HeaderError> {
    if bytes.len() > max {
        return Err(HeaderError::TooLarge {
            len: bytes.len(),
            max,
        });
    }
    let version = Versioned::decode(bytes)
        .map_err(|_| HeaderError::Malformed("it is not protobuf"))?
        .version;
    if version > HEADER_VERSION {
        return Err(HeaderError::UnknownVersion(version));
    }
    if version == 0 {
        return Err(HeaderError::Malformed("it names no version"));
    }
    decode(bytes, max)
}

/// Every header's first field.
#[derive(Clone, PartialEq, Message)]
struct Versioned {
    #[prost(uint32, tag = "1")]
    version: u32,
}

/// Why bytes are not a header.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HeaderError {
    /// Not canonical, or a field is not what it must be.
    #[error("the header is malformed: {0}")]
    Malformed(&'static str),
    /// A later version of the protocol.
    #[error("the header is of version {0}; this side speaks version {HEADER_VERSION}")]
    UnknownVersion(u32),
    /// Over the limit.
    #[error("the header has {len} bytes, the limit is {max}")]
    TooLarge {
        /// What came.
        len: usize,
        /// What is accepted.
        max: usize,
    },
}
