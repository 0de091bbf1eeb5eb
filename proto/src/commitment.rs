//! The salted commitment to a payload: HMAC-SHA-256(salt, payload).
//!
//! The log keeps the commitment, never salt or payload: with both erased an unguessable value
//! remains, and evidence still verifies when a party shows them.

use aws_lc_rs::{hmac, rand};
use thiserror::Error;

use crate::canonical::HeaderError;
use crate::digest::Digest;
use crate::limits::{CONTENT_TYPE_BYTES_MAX, SALT_BYTES};
use crate::wire::exchange::v1 as wire;

/// 32 random bytes: the key of one commitment. Whoever has it and the payload can open it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; SALT_BYTES]);

impl Salt {
    /// Fresh randomness from the operating system by way of the crypto provider.
    pub fn random() -> Result<Self, CommitmentError> {
        let mut bytes = [0; SALT_BYTES];
        rand::fill(&mut bytes).map_err(|_| CommitmentError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Takes exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, CommitmentError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| CommitmentError::Salt(bytes.len()))
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(32 bytes)")
    }
}

/// What a header says of its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// A media type.
    pub content_type: String,
    /// Bytes of the payload.
    pub length: u64,
    /// HMAC-SHA-256(salt, payload).
    pub hmac: Digest,
}

impl Commitment {
    /// Commits to `payload` in the whole form.
    pub fn new(content_type: &str, payload: &[u8], salt: &Salt) -> Self {
        Self {
            content_type: content_type.to_owned(),
            length: payload.len() as u64,
            hmac: hmac_of(payload, salt),
        }
    }

    /// Whether `payload` under `salt` is what was committed to.
    pub fn open(&self, payload: &[u8], salt: &[u8]) -> Result<(), CommitmentError> {
        let salt = Salt::from_slice(salt)?;
        if payload.len() as u64 != self.length || hmac_of(payload, &salt) != self.hmac {
            return Err(CommitmentError::Mismatch);
        }
        Ok(())
    }

    pub(crate) fn to_wire(&self) -> wire::PayloadCommitment {
        wire::PayloadCommitment {
            form: wire::PayloadForm::Whole as i32,
            content_type: self.content_type.clone(),
            length: self.length,
            hmac: self.hmac.0.to_vec().into(),
        }
    }

    pub(crate) fn from_wire(wire: Option<wire::PayloadCommitment>) -> Result<Self, HeaderError> {
        let wire = wire.ok_or(HeaderError::Malformed("it has no payload commitment"))?;
        if wire.form != wire::PayloadForm::Whole as i32 {
            return Err(HeaderError::Malformed(
                "its payload is of a form that this version does not know",
            ));
        }
        let visible = |c: u8| c.is_ascii_graphic() || c == b' ';
        if wire.content_type.is_empty()
            || wire.content_type.len() > CONTENT_TYPE_BYTES_MAX
            || !wire.content_type.bytes().all(visible)
        {
            return Err(HeaderError::Malformed(
                "its content type is not a media type",
            ));
        }
        let hmac = Digest::from_slice(&wire.hmac)
            .ok_or(HeaderError::Malformed("its commitment is not 32 bytes"))?;
        Ok(Self {
            content_type: wire.content_type,
            length: wire.length,
            hmac,
        })
    }
}

fn hmac_of(payload: &[u8], salt: &Salt) -> Digest {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salt.0);
    // HMAC-SHA-256 is always 32 bytes.
    Digest::from_slice(hmac::sign(&key, payload).as_ref()).unwrap_or_default()
}

/// Why a payload is not what was committed to.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CommitmentError {
    /// The salt is not 32 bytes.
    #[error("the salt has {0} bytes, not {SALT_BYTES}")]
    Salt(usize),
    /// Another payload, or another salt.
    #[error("payload and salt are not what the header commits to")]
    Mismatch,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
}
