//! What a party discloses: payload and salt of a request or an answer, from its own journal.
//!
//! Takes the party's JSON file; gives the bytes, after they opened the commitment in a sealed header. The log holds
//! neither payload nor salt, so only a party can give them, and nobody can give others that fit.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::commitment::Commitment;
use proto::entry::{Entry, Kind};
use proto::header::{AnswerHeader, RequestHeader};
use proto::id::ExchangeId;
use proto::limits::{PAYLOAD_BYTES_MAX, SALT_BYTES};
use serde::Deserialize;
use thiserror::Error;

use super::EvidenceError;
use super::contents::Item;

/// Bytes of such a file at most: two payloads in base64.
pub const DISCLOSURE_BYTES_MAX: u64 = 4 << 20;

/// What a party discloses of one exchange.
#[derive(Clone, Debug)]
pub struct Disclosure {
    /// Of which.
    pub exchange: ExchangeId,
    /// What was asked.
    pub request: Option<Opening>,
    /// What was answered.
    pub answer: Option<Opening>,
}

/// A payload and the salt of its commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// 32 bytes.
    pub salt: Bytes,
    /// The agency's bytes.
    pub payload: Bytes,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening(payload of {} bytes)", self.payload.len())
    }
}

impl Disclosure {
    /// Reads the party's file.
    ///
    /// # Errors
    /// [`DisclosureError::Form`].
    pub fn from_json(text: &[u8]) -> Result<Self, DisclosureError> {
        let form = |error: &dyn fmt::Display| DisclosureError::Form(error.to_string());
        if text.len() as u64 > DISCLOSURE_BYTES_MAX {
            return Err(form(&"it is over 4 MiB"));
        }
        let file: File = serde_json::from_slice(text).map_err(|error| form(&error))?;
        let exchange = ExchangeId::parse(&file.exchange_id)
            .ok_or_else(|| form(&"its exchange_id is not a UUIDv7"))?;
        let open = |part: Option<Part>| part.map(Opening::from_json).transpose();
        let disclosure = Self {
            exchange,
            request: open(file.request)?,
            answer: open(file.answer)?,
        };
        if disclosure.request.is_none() && disclosure.answer.is_none() {
            return Err(form(&"it discloses neither request nor answer"));
        }
        Ok(disclosure)
    }
}

impl Opening {
    fn from_json(part: Part) -> Result<Self, DisclosureError> {
        let bytes = |name: &str, text: &str| {
            STANDARD.decode(text).map(Bytes::from).map_err(|error| {
                DisclosureError::Form(format!("its {name} is not base64: {error}"))
            })
        };
        Self::new(bytes("salt", &part.salt)?, bytes("payload", &part.payload)?)
    }

    /// Payload and salt within the protocol's limits.
    ///
    /// # Errors
    /// [`DisclosureError::Form`].
    pub fn new(salt: Bytes, payload: Bytes) -> Result<Self, DisclosureError> {
        if salt.len() != SALT_BYTES || payload.len() > PAYLOAD_BYTES_MAX {
            return Err(DisclosureError::Form(format!(
                "a salt of {} bytes and a payload of {}; {SALT_BYTES} and at most {PAYLOAD_BYTES_MAX} are possible",
                salt.len(),
                payload.len()
            )));
        }
        Ok(Self { salt, payload })
    }

    /// Whether it opens the commitment in the header of `entry`.
    pub fn opens(&self, entry: &Entry) -> bool {
        commitment(entry).is_some_and(|sealed| sealed.open(&self.payload, &self.salt).is_ok())
    }
}

/// The commitment in an entry's header, where it has one.
pub(super) fn commitment(entry: &Entry) -> Option<Commitment> {
    match entry.kind {
        kind if kind.holds_request() => RequestHeader::open(&entry.header)
            .ok()
            .map(|header| header.payload),
        Kind::Closing | Kind::Late | Kind::Opening => AnswerHeader::open(&entry.header)
            .ok()
            .map(|header| header.payload),
        _ => None,
    }
}

/// Each opening with the entry whose commitment it opens.
pub(super) fn open(
    disclosures: &[Disclosure],
    items: &[Item],
) -> Result<BTreeMap<u64, Opening>, EvidenceError> {
    let mut opened = BTreeMap::new();
    for disclosure in disclosures {
        let exchange = disclosure.exchange;
        let events = exchanges_of(items);
        for (what, opening) in [
            ("request", &disclosure.request),
            ("answer", &disclosure.answer),
        ] {
            let Some(opening) = opening else { continue };
            let asks = what == "request";
            let mut candidates = items.iter().filter(|item| {
                events.get(&item.index) == Some(&exchange)
                    && item.entry.kind.holds_request() == asks
                    && commitment(&item.entry).is_some()
            });
            let mut candidates = candidates.by_ref().peekable();
            if candidates.peek().is_none() {
                return Err(DisclosureError::Absent(exchange).into());
            }
            let item = candidates
                .find(|item| opening.opens(&item.entry))
                .ok_or(DisclosureError::Mismatch { what, exchange })?;
            opened.insert(item.index, opening.clone());
        }
    }
    Ok(opened)
}

/// The exchange of each entry whose header names one.
fn exchanges_of(items: &[Item]) -> BTreeMap<u64, ExchangeId> {
    let exchange = |item: &Item| match item.entry.kind {
        kind if kind.holds_request() => RequestHeader::open(&item.entry.header)
            .ok()
            .map(|header| header.exchange_id),
        _ => AnswerHeader::open(&item.entry.header)
            .ok()
            .map(|header| header.exchange_id),
    };
    items
        .iter()
        .filter_map(|item| Some((item.index, exchange(item)?)))
        .collect()
}

#[derive(Deserialize)]
struct File {
    exchange_id: String,
    #[serde(default)]
    request: Option<Part>,
    #[serde(default)]
    answer: Option<Part>,
}

#[derive(Deserialize)]
struct Part {
    salt: String,
    payload: String,
}

/// Why a disclosure is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DisclosureError {
    /// The file is not one.
    #[error(
        "not a disclosure ({{\"exchange_id\", \"request\": {{\"salt\", \"payload\"}}, \"answer\"}} in base64): {0}"
    )]
    Form(String),
    /// The exchange is not in the bundle.
    #[error("exchange {0} has no entry here with a payload that could be disclosed")]
    Absent(ExchangeId),
    /// Salt and payload are not what was sealed.
    #[error(
        "the disclosed {what} of exchange {exchange} is not what its sealed header commits to; nothing was written. Ask the party for the payload as it was sent"
    )]
    Mismatch {
        /// Request or answer.
        what: &'static str,
        /// Of which exchange.
        exchange: ExchangeId,
    },
}
