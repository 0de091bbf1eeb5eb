//! The salted commitment to a payload: HMAC-SHA-256(salt, payload).
//!
//! The log keeps the commitment, never salt or payload: with both erased an unguessable value
//! remains, and evidence still verifies when a party shows them.

use aws_lc_rs::{hmac, rand};
use thiserror::Error;

use crate::canonical::HeaderError;
use crate::chunks::PLAN_BYTES_MAX;
use crate::digest::Digest;
use crate::items::Items;
use crate::limits::{CONTENT_TYPE_BYTES_MAX, SALT_BYTES};
use crate::sealed::{Of, SealedPayload};
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

/// How a payload is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One piece, in the envelope.
    #[default]
    Whole,
    /// Chunks that follow, under a trailer: [`crate::chunks`].
    Chunks,
    /// Many items in one piece: [`crate::items`].
    Items,
    /// One piece that only its receiver can read: [`crate::sealed`].
    Sealed,
}

/// What a header says of its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// How it is laid out.
    pub form: Form,
    /// A media type.
    pub content_type: String,
    /// Bytes of the payload; in chunks: as far as it was known at the opening, else 0.
    pub length: u64,
    /// HMAC-SHA-256(salt, payload); in chunks: over the encoded plan; of items: over their manifest, under its own key.
    pub hmac: Digest,
}

impl Commitment {
    /// Commits to `payload` in the whole form.
    pub fn new(content_type: &str, payload: &[u8], salt: &Salt) -> Self {
        Self {
            form: Form::Whole,
            content_type: content_type.to_owned(),
            length: payload.len() as u64,
            hmac: hmac_of(payload, salt),
        }
    }

    /// The same payload and salt, in the sealed form: what is committed to is the payload as its receiver opens it.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self {
            form: Form::Sealed,
            ..self
        }
    }

    /// Commits to what is known of chunks before the first: salt and encoded `plan`, and `length` where it is known.
    pub fn to_chunks(content_type: &str, length: Option<u64>, plan: &[u8], salt: &Salt) -> Self {
        Self {
            form: Form::Chunks,
            content_type: content_type.to_owned(),
            length: length.unwrap_or(0),
            hmac: hmac_of(plan, salt),
        }
    }

    /// Commits to items of which the payload has `length` bytes, by the encoded `manifest`.
    pub fn to_items(content_type: &str, length: usize, manifest: &[u8], salt: &Salt) -> Self {
        Self {
            form: Form::Items,
            content_type: content_type.to_owned(),
            length: length as u64,
            hmac: crate::items::manifest_commitment(salt, manifest),
        }
    }

    /// Whether salt and payload of an envelope can be what was committed to, as far as their forms and lengths tell. Of
    /// chunks the envelope has the plan alone; what is sealed has its salt inside.
    ///
    /// # Errors
    /// [`Misfit`]: what does not fit.
    pub fn fits(&self, salt: &[u8], payload: &[u8], of: Of) -> Result<(), Misfit> {
        let salt_bytes = match self.form {
            Form::Whole | Form::Chunks | Form::Items => SALT_BYTES,
            Form::Sealed => 0,
        };
        if salt.len() != salt_bytes {
            return Err(Misfit::Malformed);
        }
        let fits = match self.form {
            Form::Whole | Form::Items => payload.len() as u64 == self.length,
            Form::Chunks => payload.len() <= PLAN_BYTES_MAX,
            Form::Sealed => SealedPayload::open(payload)
                .map_err(|_| Misfit::Malformed)?
                .fits(self.length, of),
        };
        if fits { Ok(()) } else { Err(Misfit::Length) }
    }

    /// Whether `payload` under `salt` is what was committed to; of chunks, the plan; of items, every single one; of what was
    /// sealed, what lay under the encryption.
    pub fn open(&self, payload: &[u8], salt: &[u8]) -> Result<(), CommitmentError> {
        let salt = Salt::from_slice(salt)?;
        let fits = match self.form {
            Form::Whole | Form::Sealed | Form::Items => payload.len() as u64 == self.length,
            Form::Chunks => payload.len() <= PLAN_BYTES_MAX,
        };
        let holds = match self.form {
            Form::Whole | Form::Sealed | Form::Chunks => hmac_of(payload, &salt) == self.hmac,
            Form::Items => Items::open(payload)
                .is_ok_and(|items| items.are_committed(&self.hmac, &salt).is_ok()),
        };
        (fits && holds)
            .then_some(())
            .ok_or(CommitmentError::Mismatch)
    }

    pub(crate) fn to_wire(&self) -> wire::PayloadCommitment {
        wire::PayloadCommitment {
            form: match self.form {
                Form::Whole => wire::PayloadForm::Whole,
                Form::Chunks => wire::PayloadForm::Chunks,
                Form::Items => wire::PayloadForm::Items,
                Form::Sealed => wire::PayloadForm::Sealed,
            } as i32,
            content_type: self.content_type.clone(),
            length: self.length,
            hmac: self.hmac.0.to_vec().into(),
        }
    }

    pub(crate) fn from_wire(wire: Option<wire::PayloadCommitment>) -> Result<Self, HeaderError> {
        let wire = wire.ok_or(HeaderError::Malformed("it has no payload commitment"))?;
        let form = match wire::PayloadForm::try_from(wire.form) {
            Ok(wire::PayloadForm::Whole) => Form::Whole,
            Ok(wire::PayloadForm::Chunks) => Form::Chunks,
            Ok(wire::PayloadForm::Items) => Form::Items,
            Ok(wire::PayloadForm::Sealed) => Form::Sealed,
            Ok(wire::PayloadForm::Unspecified) | Err(_) => {
                return Err(HeaderError::Malformed(
                    "its payload is of a form that this version does not know",
                ));
            }
        };
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
            form,
            content_type: wire.content_type,
            length: wire.length,
            hmac,
        })
    }
}

pub(crate) fn hmac_of(payload: &[u8], salt: &Salt) -> Digest {
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

/// Why an envelope cannot hold what its header commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The salt, or what is sealed, is not in its form.
    Malformed,
    /// The payload has another length.
    Length,
}
