//! Payloads that the switch cannot read: HPKE (RFC 9180) from one adapter to the other.
//!
//! Takes a payload with its salt, or an envelope that came. Gives the sealed payload, or the envelope as it would have been in
//! the open: whoever reads it afterwards, the journal and evidence too, sees salt and payload as ever. The answer is
//! sealed to a key that is made for one question, travels under its encryption, and is nowhere once the answer was read.
//! Specification: `docs/protocol.md` §2, "Sealed payloads".

use aws_lc_rs::agreement;
use bytes::Bytes;
use proto::commitment::{Form, Salt};
use proto::envelope::Envelope;
use proto::header::RequestHeader;
use proto::sealed::{Contents, EncryptionKey, KEY_BYTES, Of, SealedPayload};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_128 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use thiserror::Error;
use zeroize::Zeroizing;

mod keys;

pub use keys::{EncryptionKeyError, EncryptionKeys};

/// The secret half of an encryption key. Wiped when dropped; `Debug` shows the public half.
pub struct OpeningKey {
    secret: HpkePrivateKey,
    key: EncryptionKey,
}

impl OpeningKey {
    /// A new one.
    ///
    /// # Errors
    /// [`SealedError::NotMade`].
    pub fn generate() -> Result<Self, SealedError> {
        let (public, secret) = SUITE
            .generate_key_pair()
            .map_err(|_| SealedError::NotMade)?;
        let key = EncryptionKey::from_slice(&public.0).map_err(|_| SealedError::NotMade)?;
        Ok(Self { secret, key })
    }

    /// What others seal to.
    pub fn key(&self) -> &EncryptionKey {
        &self.key
    }

    /// The secret half, for whoever keeps it.
    pub(crate) fn secret_bytes(&self) -> &[u8] {
        self.secret.secret_bytes()
    }

    /// The key with this secret half.
    pub(crate) fn from_secret(secret: &[u8]) -> Option<Self> {
        let agreed = agreement::PrivateKey::from_private_key(&agreement::X25519, secret).ok()?;
        let public = agreed.compute_public_key().ok()?;
        let secret = Vec::from(<[u8; KEY_BYTES]>::try_from(secret).ok()?);
        Some(Self {
            secret: HpkePrivateKey::from(secret),
            key: EncryptionKey::from_slice(public.as_ref()).ok()?,
        })
    }

    /// Opens what was sealed to this key beside `header`, for the log `origin`.
    ///
    /// # Errors
    /// [`SealedError::OtherKey`], [`SealedError::NotOpened`].
    pub fn open(
        &self,
        of: Of,
        origin: &str,
        header: &[u8],
        payload: &[u8],
    ) -> Result<Contents, SealedError> {
        let sealed = SealedPayload::open(payload).map_err(|_| SealedError::NotOpened)?;
        if sealed.recipient != self.key.kid() {
            return Err(SealedError::OtherKey);
        }
        let enc = EncapsulatedSecret(sealed.enc.to_vec());
        let info = of.info(origin);
        let opened = SUITE
            .open(&enc, &info, header, &sealed.ciphertext, &self.secret)
            .map_err(|_| SealedError::NotOpened)?;
        Contents::open(opened.into(), of).map_err(|_| SealedError::NotOpened)
    }
}

impl std::fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpeningKey({})", self.key.kid())
    }
}

/// Seals `contents` to a key, to be opened beside `header` alone, for the log `origin`. Gives the envelope's payload.
///
/// # Errors
/// [`SealedError::NotMade`].
pub fn seal(
    to: &EncryptionKey,
    of: Of,
    origin: &str,
    header: &[u8],
    contents: &Contents,
) -> Result<Bytes, SealedError> {
    let clear = Zeroizing::new(contents.encode());
    let to_key = HpkePublicKey(to.bytes().to_vec());
    let (enc, ciphertext) = SUITE
        .seal(&of.info(origin), header, &clear, &to_key)
        .map_err(|_| SealedError::NotMade)?;
    let enc = enc.0.try_into().map_err(|_| SealedError::NotMade)?;
    let sealed = SealedPayload {
        recipient: to.kid(),
        enc,
        ciphertext: ciphertext.into(),
    };
    Ok(sealed.encode())
}

/// An envelope with a sealed payload, as it would be in the open.
pub(crate) fn in_the_open(envelope: &Envelope, contents: &Contents) -> Envelope {
    Envelope {
        salt: Bytes::copy_from_slice(&contents.salt.0),
        payload: contents.payload.clone(),
        ..envelope.clone()
    }
}

/// A question as it leaves, and with what its answer is opened.
pub(crate) struct Outgoing {
    /// Ready for the switch.
    pub(crate) envelope: Envelope,
    /// Of a sealed question.
    pub(crate) opening: Option<OpeningKey>,
}

impl Outgoing {
    /// `open` in the form that its header says: as it is, or sealed to the provider's `to`.
    pub(crate) fn new(
        open: Envelope,
        header: &RequestHeader,
        to: Option<&EncryptionKey>,
        origin: &str,
    ) -> Result<Self, SealedError> {
        if header.payload.form != Form::Sealed {
            return Ok(Self {
                envelope: open,
                opening: None,
            });
        }
        let opening = OpeningKey::generate()?;
        let contents = Contents {
            salt: Salt::from_slice(&open.salt).map_err(|_| SealedError::NotMade)?,
            answer_key: Some(*opening.key()),
            payload: open.payload.clone(),
        };
        let to = to.ok_or(SealedError::NoKey)?;
        let payload = seal(to, Of::Request, origin, &open.header, &contents)?;
        Ok(Self {
            envelope: Envelope {
                salt: Bytes::new(),
                payload,
                ..open
            },
            opening: Some(opening),
        })
    }
}

/// Why a payload is not sealed, or not opened. It never says more: whoever sent it learns nothing from how it failed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SealedError {
    /// The provider bound no key.
    #[error("its provider has bound no encryption key")]
    NoKey,
    /// No randomness, or a key that nothing can be sealed to.
    #[error("the payload could not be sealed")]
    NotMade,
    /// Sealed to another key than this one.
    #[error("it is sealed to a key that is not here")]
    OtherKey,
    /// Changed, cut, or of another header.
    #[error("what is sealed does not open under this header")]
    NotOpened,
}

#[cfg(test)]
mod tests;
