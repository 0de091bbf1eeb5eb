//! Trusted time: RFC 3161 tokens over published checkpoints, from authorities that the switch's operator does not run.
//!
//! [`Request`] asks; [`open`] reads the answer to it; [`verify`] reads an answer that was kept. Both take the bytes of the
//! note and the authorities' [`Roots`], and give a [`TrustedTime`]: the note's bytes existed then. What is verified, with
//! nothing assumed: status, imprint, nonce, signed attributes, the signer's certificate and its chain at that time, its
//! purpose. [`kept`] knows where tokens lie beside a log. No clock, no network.

use std::fmt;

use proto::digest::Digest;
use thiserror::Error;

pub use chain::Roots;
pub use kept::{Kept, RESPONSE_BYTES_MAX, TIME_DIR, at_or_after};
pub use request::Request;

mod chain;
mod der;
mod info;
pub mod kept;
mod oid;
#[cfg(test)]
pub(crate) mod openssl;
mod request;
mod response;
mod signature;
#[cfg(test)]
mod tests;

/// What an authority that is believed says: these bytes existed at this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedTime {
    /// genTime: Unix time, microseconds.
    pub at_us: u64,
    /// How far off it may be, microseconds, either way; 0 where the authority does not say.
    pub accuracy_us: u64,
    /// The authority's policy, an object identifier in dots.
    pub policy: String,
    /// The token's serial number, hexadecimal.
    pub serial: String,
    /// The subject of the certificate that signed.
    pub authority: String,
}

impl TrustedTime {
    /// The latest moment that the token can mean.
    pub fn latest_us(&self) -> u64 {
        self.at_us.saturating_add(self.accuracy_us)
    }

    /// The earliest moment that the token can mean.
    pub fn earliest_us(&self) -> u64 {
        self.at_us.saturating_sub(self.accuracy_us)
    }
}

/// Verifies `response`, a TimeStampResp as it was kept, over the bytes of `note`.
///
/// # Errors
/// [`TimestampError`]: the first step that failed.
pub fn verify(response: &[u8], note: &[u8], roots: &Roots) -> Result<TrustedTime, TimestampError> {
    verified(response, Digest::of(note), None, roots)
}

/// Opens the answer to `request`: as [`verify`], and the nonce must be the request's.
///
/// # Errors
/// As [`verify`].
pub fn open(
    response: &[u8],
    request: &Request,
    roots: &Roots,
) -> Result<TrustedTime, TimestampError> {
    verified(response, request.imprint, Some(&request.nonce), roots)
}

fn verified(
    response: &[u8],
    imprint: Digest,
    nonce: Option<&[u8]>,
    roots: &Roots,
) -> Result<TrustedTime, TimestampError> {
    if response.len() > RESPONSE_BYTES_MAX {
        return Err(TimestampError::TooLarge);
    }
    let token = response::read(response)?;
    let info = info::Info::read(token.content)?;
    if info.imprint != imprint {
        return Err(TimestampError::WrongImprint);
    }
    if nonce.is_some() && info.nonce != nonce {
        return Err(TimestampError::WrongNonce);
    }
    let signer = signature::verify(&token)?;
    let authority = chain::verify(signer, &token, roots, info.at_us)?;
    Ok(TrustedTime {
        at_us: info.at_us,
        accuracy_us: info.accuracy_us,
        policy: info.policy,
        serial: info.serial,
        authority,
    })
}

impl fmt::Display for TrustedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = i128::from(self.at_us);
        let time = time::OffsetDateTime::from_unix_timestamp_nanos(us * 1_000)
            .ok()
            .and_then(|time| {
                time.format(&time::format_description::well_known::Rfc3339)
                    .ok()
            });
        match time {
            Some(time) => write!(f, "{time} by {}", self.authority),
            None => write!(f, "{} µs by {}", self.at_us, self.authority),
        }
    }
}

/// Why an authority's answer proves nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TimestampError {
    /// Larger than any token.
    #[error("the answer is larger than {RESPONSE_BYTES_MAX} bytes")]
    TooLarge,
    /// Not DER, or not of the form that RFC 3161 and RFC 5652 give this part.
    #[error("{0} is not what RFC 3161 says it is")]
    Malformed(&'static str),
    /// The authority gave no token.
    #[error("the authority refused with status {status}: {text}")]
    Refused {
        /// PKIStatus: 2 rejection, 3 waiting, 4 and 5 revocation.
        status: u64,
        /// The authority's words, cut short.
        text: String,
    },
    /// The token is over other bytes.
    #[error("the token is over other bytes than this checkpoint's")]
    WrongImprint,
    /// The answer is to another request.
    #[error("the answer is to another request: its nonce is not the one that was sent")]
    WrongNonce,
    /// An algorithm or extension that is not known here.
    #[error("the token uses {0}, which is not supported")]
    Unsupported(String),
    /// The token does not carry its signer's certificate.
    #[error("the token does not carry the certificate of its signer")]
    NoCertificate,
    /// The signed attributes do not bind what they must.
    #[error("the token's signed attributes do not fit: {0}")]
    Attributes(&'static str),
    /// The signature is not the signer's.
    #[error("the token's signature does not hold")]
    BadSignature,
    /// The signer's certificate does not lead to a root, or was not valid then.
    #[error("the signer's certificate does not lead to a given root at the token's time: {0}")]
    Chain(String),
    /// The signer's certificate is for something else.
    #[error("the signer's certificate {0}")]
    NotForStamping(&'static str),
    /// The roots cannot be read.
    #[error("time-stamp roots: {0}")]
    Roots(String),
    /// The system gives no randomness.
    #[error("no nonce: the system gives no randomness")]
    NoRandomness,
}
