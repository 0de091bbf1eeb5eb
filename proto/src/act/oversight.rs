//! Oversight: holds and erasures, the sealed acts that change no right and no decision.
//!
//! A **hold** delays what a person's own record shows; it counts only for exchanges of which its agency was a party,
//! and of several the one issued last counts. An **erasure** says that its signer destroyed what it kept. Neither is
//! of the registry: [`crate::authorise::verify_hold`] and [`crate::authorise::verify_erasure`] judge the seal against
//! the registry at their place.

use bytes::Bytes;
use prost::Message;

use super::{agency, part, system};
use crate::canonical::{HeaderError, decode_header};
use crate::id::{AgencyId, ExchangeId, Part, SystemId};
use crate::limits::{HEADER_BYTES_MAX, HEADER_VERSION, OVERSEEN_MAX};
use crate::wire::audit::v1 as wire;

/// A delay of what a person's own record shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// A party of the exchanges.
    pub agency: AgencyId,
    /// Ascending, each once, 1 to [`OVERSEEN_MAX`].
    pub exchanges: Vec<ExchangeId>,
    /// A code of the law that allows it.
    pub ground: Part,
    /// Unix time, milliseconds, at which it is over by itself.
    pub until_ms: u64,
    /// It is over now.
    pub ended: bool,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

/// A statement that something was destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Whose act it is.
    pub agency: AgencyId,
    /// What was destroyed.
    pub erased: Erased,
    /// A code of the reason.
    pub ground: Part,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

/// What was destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erased {
    /// Payload and salt of exchanges, at one system of the agency: ascending, each once, 1 to [`OVERSEEN_MAX`].
    Payloads(SystemId, Vec<ExchangeId>),
    /// The agency's keys of subjects, by epoch: ascending, each once, 1 to [`OVERSEEN_MAX`].
    SubjectKeys(Vec<u32>),
}

impl Hold {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::Hold {
            version: HEADER_VERSION,
            agency: self.agency.to_string(),
            exchanges: bytes_of(&self.exchanges),
            ground: self.ground.to_string(),
            until_ms: self.until_ms,
            ended: self.ended,
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
        let wire: wire::Hold = decode_header(bytes, HEADER_BYTES_MAX)?;
        let exchanges = exchanges(&wire.exchanges)?;
        if exchanges.is_empty() {
            return Err(HeaderError::Malformed("it names no exchange"));
        }
        Ok(Self {
            agency: agency(&wire.agency)?,
            exchanges,
            ground: part(&wire.ground)?,
            until_ms: wire.until_ms,
            ended: wire.ended,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}

impl Erasure {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        let (system, exchanges, epochs) = match &self.erased {
            Erased::Payloads(system, exchanges) => {
                (system.to_string(), bytes_of(exchanges), Vec::new())
            }
            Erased::SubjectKeys(epochs) => (String::new(), Vec::new(), epochs.clone()),
        };
        wire::Erasure {
            version: HEADER_VERSION,
            agency: self.agency.to_string(),
            system,
            exchanges,
            epochs,
            ground: self.ground.to_string(),
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
        let wire: wire::Erasure = decode_header(bytes, HEADER_BYTES_MAX)?;
        let agency = agency(&wire.agency)?;
        let exchanges = exchanges(&wire.exchanges)?;
        let epochs = wire.epochs;
        let ascending = epochs.windows(2).all(|pair| pair[0] < pair[1]);
        if epochs.len() > OVERSEEN_MAX || !ascending {
            return Err(HeaderError::Malformed(
                "its epochs are too many, not ascending, or twice the same",
            ));
        }
        let erased = if wire.system.is_empty() {
            if !exchanges.is_empty() || epochs.is_empty() {
                return Err(HeaderError::Malformed(
                    "without a system it names epochs of subject keys, and nothing else",
                ));
            }
            Erased::SubjectKeys(epochs)
        } else {
            let system = system(&wire.system)?;
            if !system.belongs_to(&agency) || exchanges.is_empty() || !epochs.is_empty() {
                return Err(HeaderError::Malformed(
                    "with a system of its agency it names exchanges, and nothing else",
                ));
            }
            Erased::Payloads(system, exchanges)
        };
        Ok(Self {
            agency,
            erased,
            ground: part(&wire.ground)?,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}

fn exchanges(ids: &[Bytes]) -> Result<Vec<ExchangeId>, HeaderError> {
    if ids.len() > OVERSEEN_MAX || !ids.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(HeaderError::Malformed(
            "its exchanges are too many, not ascending, or twice the same",
        ));
    }
    ids.iter()
        .map(|id| {
            ExchangeId::from_slice(id)
                .ok_or(HeaderError::Malformed("an exchange id is not a UUIDv7"))
        })
        .collect()
}

fn bytes_of(exchanges: &[ExchangeId]) -> Vec<Bytes> {
    exchanges
        .iter()
        .map(|id| Bytes::copy_from_slice(id.as_bytes()))
        .collect()
}

#[cfg(test)]
mod tests;
