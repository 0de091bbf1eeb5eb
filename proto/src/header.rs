//! Headers: what agencies sign. Parsed into domain types here, strictly, and encoded one way.

mod answer;
mod dispute;
mod event;
mod request;
mod subscription;
mod trailer;

pub use answer::{AnswerHeader, AnswerStatus, Outcome};
pub use dispute::DisputeHeader;
pub use event::{EventHeader, EventReceiptHeader, Topic};
pub use request::{RequestHeader, Subject};
pub use subscription::{SubscriptionEndHeader, SubscriptionHeader};
pub use trailer::TrailerHeader;

use crate::canonical::HeaderError;
use crate::digest::Digest;
use crate::id::{ExchangeId, Part};
use crate::limits::FIELDS_MAX;
use crate::wire::exchange::v1 as wire;

/// The largest checkpoint that the signer has verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Entries.
    pub size: u64,
    /// RFC 6962 head.
    pub root: Digest,
}

impl Seen {
    fn to_wire(self) -> wire::Seen {
        wire::Seen {
            size: self.size,
            root: self.root.0.to_vec().into(),
        }
    }

    fn from_wire(wire: Option<wire::Seen>) -> Result<Option<Self>, HeaderError> {
        wire.map(|seen| match Digest::from_slice(&seen.root) {
            Some(root) if seen.size > 0 => Ok(Self {
                size: seen.size,
                root,
            }),
            _ => Err(HeaderError::Malformed(
                "its seen checkpoint is not a size and 32 bytes",
            )),
        })
        .transpose()
    }
}

fn digest(bytes: &[u8], what: &'static str) -> Result<Digest, HeaderError> {
    Digest::from_slice(bytes).ok_or(HeaderError::Malformed(what))
}

fn optional_digest(bytes: &[u8], what: &'static str) -> Result<Option<Digest>, HeaderError> {
    if bytes.is_empty() {
        Ok(None)
    } else {
        digest(bytes, what).map(Some)
    }
}

fn exchange_id(bytes: &[u8]) -> Result<ExchangeId, HeaderError> {
    uuid(bytes, "its exchange id is not a UUIDv7")
}

fn uuid(bytes: &[u8], what: &'static str) -> Result<ExchangeId, HeaderError> {
    ExchangeId::from_slice(bytes).ok_or(HeaderError::Malformed(what))
}

fn bytes_of(digest: Option<Digest>) -> bytes::Bytes {
    digest
        .map(|digest| digest.0.to_vec().into())
        .unwrap_or_default()
}

/// Parses a list of fields: at most [`FIELDS_MAX`], ascending, each once.
fn fields(texts: &[String]) -> Result<Vec<Part>, HeaderError> {
    let ascending = texts.windows(2).all(|pair| pair[0] < pair[1]);
    if texts.len() > FIELDS_MAX || !ascending {
        return Err(HeaderError::Malformed(
            "its fields are too many, not ascending, or twice the same",
        ));
    }
    texts
        .iter()
        .map(|text| {
            Part::parse(text)
                .map_err(|_| HeaderError::Malformed("a field's name is not a name part"))
        })
        .collect()
}

fn texts(parts: &[Part]) -> Vec<String> {
    parts.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
