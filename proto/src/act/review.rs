//! Reviews: somebody looked at exchanges in which the glass was broken, and says whether it was right.
//!
//! Sealed by the authority key of the agency that was asked, which is never the agency that asked. Names the request
//! entries by index and leaf hash, so a review of one log says nothing about another. The reason itself stays with the
//! agency: the log holds its SHA-256. What a review must fit is judged by [`crate::reviews`].

use bytes::Bytes;
use prost::Message;

use super::{agency, digest};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::AgencyId;
use crate::limits::{HEADER_BYTES_MAX, HEADER_VERSION, REVIEWED_MAX};
use crate::wire::audit::v1 as wire;

/// What an agency says about exchanges under its break-glass grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Who was asked, and looks at it.
    pub agency: AgencyId,
    /// Ascending by index, each once, 1 to [`REVIEWED_MAX`].
    pub requests: Vec<ReviewedRequest>,
    /// Of all of them.
    pub finding: Finding,
    /// SHA-256 of the reason, which is kept elsewhere.
    pub reason_sha256: Digest,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

/// A request entry, by where it stands and by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReviewedRequest {
    /// Log index.
    pub index: u64,
    /// The entry's leaf hash.
    pub leaf: Digest,
}

/// Whether it was right to break the glass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finding {
    /// It was.
    Justified,
    /// It was not.
    Unjustified,
}

impl Finding {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Justified, Self::Unjustified];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::Unjustified => "unjustified",
        }
    }

    /// Reads the stable word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|finding| finding.name() == word)
    }
}

impl Review {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        let requests = self.requests.iter().map(|request| wire::ReviewedRequest {
            index: request.index,
            leaf: Bytes::copy_from_slice(&request.leaf.0),
        });
        wire::Review {
            version: HEADER_VERSION,
            agency: self.agency.to_string(),
            requests: requests.collect(),
            finding: self.finding.name().to_owned(),
            reason_sha256: Bytes::copy_from_slice(&self.reason_sha256.0),
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
        let wire: wire::Review = decode_header(bytes, HEADER_BYTES_MAX)?;
        let requests = wire
            .requests
            .iter()
            .map(|request| {
                Ok(ReviewedRequest {
                    index: request.index,
                    leaf: digest(&request.leaf)?,
                })
            })
            .collect::<Result<Vec<_>, HeaderError>>()?;
        let ascending = requests
            .windows(2)
            .all(|pair| pair[0].index < pair[1].index);
        if requests.is_empty() || requests.len() > REVIEWED_MAX || !ascending {
            return Err(HeaderError::Malformed(
                "its requests are none, too many, not ascending, or twice the same",
            ));
        }
        Ok(Self {
            agency: agency(&wire.agency)?,
            requests,
            finding: Finding::parse(&wire.finding).ok_or(HeaderError::Malformed(
                "its finding is neither justified nor unjustified",
            ))?,
            reason_sha256: digest(&wire.reason_sha256)?,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}

#[cfg(test)]
mod tests;
