//! Facts: the switch's own part of an entry, canonical like headers and under the same limits.

use bytes::Bytes;
use prost::Message;

use crate::canonical::{HeaderError, decode};
use crate::limits::FACTS_BYTES_MAX;

pub use crate::wire::audit::v1::{
    AccessFacts, EpochFacts, EventFacts, ExchangeFacts, IssuedCertificate, LogKeyFacts,
    RegistryFacts, WitnessFacts,
};

/// Encodes facts canonically.
pub fn encode<M: Message>(facts: &M) -> Bytes {
    facts.encode_to_vec().into()
}

/// Reads facts of exchange entries (request, closing, refusal, late, dispute).
pub fn exchange(bytes: &[u8]) -> Result<ExchangeFacts, HeaderError> {
    decode(bytes, FACTS_BYTES_MAX)
}

/// Reads facts of entries about events (event, subscription, its end, event outcome).
pub fn event(bytes: &[u8]) -> Result<EventFacts, HeaderError> {
    decode(bytes, FACTS_BYTES_MAX)
}

/// Reads facts of registry entries, and of holds and erasures.
pub fn registry(bytes: &[u8]) -> Result<RegistryFacts, HeaderError> {
    decode(bytes, FACTS_BYTES_MAX)
}

/// Reads facts of an entry about the next log key.
pub fn log_key(bytes: &[u8]) -> Result<LogKeyFacts, HeaderError> {
    decode(bytes, FACTS_BYTES_MAX)
}

/// Reads facts of an epoch entry.
pub fn epoch(bytes: &[u8]) -> Result<EpochFacts, HeaderError> {
    decode(bytes, FACTS_BYTES_MAX)
}

/// Reads facts of an access entry.
pub fn access(bytes: &[u8]) -> Result<AccessFacts, HeaderError> {
    decode(bytes, FACTS_BYTES_MAX)
}

/// Reads facts of an entry about witnesses.
pub fn witnesses(bytes: &[u8]) -> Result<WitnessFacts, HeaderError> {
    decode(bytes, FACTS_BYTES_MAX)
}
