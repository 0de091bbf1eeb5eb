//! Cosignatures of witnesses, as C2SP tlog-cosignature defines them (`cosignature/v1`, Ed25519, type 0x04).
//!
//! Takes a checkpoint's text; gives or verifies a signature line that says: at this time the text named the largest
//! consistent tree of its log that this witness had seen. Never judges whether that is true.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::key::{PublicKey, Signer};
use thiserror::Error;

use crate::note::{NoteError, NoteSignature, is_key_name, key_id};

#[cfg(test)]
mod tests;

/// C2SP signature type of a timestamped Ed25519 cosignature.
pub const TYPE_COSIGNATURE: u8 = 0x04;
/// The largest time that a cosignature may carry, seconds.
pub const TIME_S_MAX: u64 = i64::MAX as u64;
/// Bytes of a cosignature after the key id: `u64 BE seconds ‖ signature`.
const COSIGNATURE_BYTES: usize = 8 + 64;

/// A witness as those who trust it know it: its name and its Ed25519 public key. A key of its own: the signed message
/// does not name the witness, so a key that two share proves neither.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    public: PublicKey,
    raw: [u8; 32],
    id: [u8; 4],
}

impl WitnessKey {
    /// The witness `name` with its key.
    ///
    /// # Errors
    /// [`CosignatureError::Note`] for a name that cannot name a key, or a key of another algorithm.
    pub fn new(name: &str, public: &PublicKey) -> Result<Self, CosignatureError> {
        if !is_key_name(name) {
            return Err(NoteError::BadKeyName.into());
        }
        let raw = public.ed25519_bytes().ok_or(NoteError::NotEd25519)?;
        Ok(Self {
            name: name.to_owned(),
            public: public.clone(),
            raw,
            id: key_id(name, TYPE_COSIGNATURE, &raw),
        })
    }

    /// Reads vkey text of type 0x04: `name+8 hex digits+base64(0x04 ‖ public key)`, without surrounding space.
    ///
    /// # Errors
    /// [`CosignatureError::BadVkey`] for any other form, another key type or a key id that does not match.
    pub fn from_vkey(text: &str) -> Result<Self, CosignatureError> {
        const BAD: CosignatureError = CosignatureError::BadVkey;
        let (name, rest) = text.split_once('+').ok_or(BAD)?;
        // The base64 part may hold a `+` of its own.
        let (id, key) = rest.split_once('+').ok_or(BAD)?;
        let key = STANDARD.decode(key).map_err(|_| BAD)?;
        let Some((&TYPE_COSIGNATURE, public)) = key.split_first() else {
            return Err(BAD);
        };
        let raw = <[u8; 32]>::try_from(public).map_err(|_| BAD)?;
        let public = PublicKey::from_ed25519(&raw).map_err(|_| BAD)?;
        let key = Self::new(name, &public)?;
        if hex::encode(key.id) == id {
            Ok(key)
        } else {
            Err(BAD)
        }
    }

    /// The vkey text, without a line end.
    pub fn to_vkey(&self) -> String {
        let mut key = vec![TYPE_COSIGNATURE];
        key.extend_from_slice(&self.raw);
        let (id, key) = (hex::encode(self.id), STANDARD.encode(key));
        format!("{}+{id}+{key}", self.name)
    }

    /// The witness's name, a schema-less URL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ed25519 public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Whether `line` claims to be by this witness.
    pub fn made(&self, line: &NoteSignature) -> bool {
        line.key_name == self.name && line.key_id == self.id
    }

    /// Verifies a line of this witness under the checkpoint `text`, and gives its time in Unix seconds.
    ///
    /// # Errors
    /// [`CosignatureError::NotOurs`] for a line by somebody else, [`CosignatureError::Malformed`] for one of another
    /// length or with a time that C2SP does not allow, [`CosignatureError::BadSignature`].
    pub fn verify(&self, text: &str, line: &NoteSignature) -> Result<u64, CosignatureError> {
        if !self.made(line) {
            return Err(CosignatureError::NotOurs(self.name.clone()));
        }
        let malformed = || CosignatureError::Malformed(self.name.clone());
        if line.signature.len() != COSIGNATURE_BYTES {
            return Err(malformed());
        }
        let (time, signature) = line.signature.split_first_chunk().ok_or_else(malformed)?;
        let time_s = u64::from_be_bytes(*time);
        if time_s > TIME_S_MAX {
            return Err(malformed());
        }
        if !self
            .public
            .verify(message(text, time_s).as_bytes(), signature)
        {
            return Err(CosignatureError::BadSignature(self.name.clone()));
        }
        Ok(time_s)
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({})", self.to_vkey())
    }
}

/// Cosigns the checkpoint `text` as the witness `name`, at `time_s` Unix seconds. The caller must have made sure, and
/// durably so, that it never saw a larger tree of this log nor one that this does not extend.
///
/// # Errors
/// [`CosignatureError::Note`] when the name cannot name a key, or the signer refuses or is not Ed25519;
/// [`CosignatureError::Time`] for a time that C2SP does not allow.
pub fn cosign(
    text: &str,
    name: &str,
    signer: &dyn Signer,
    time_s: u64,
) -> Result<NoteSignature, CosignatureError> {
    if time_s == 0 || time_s > TIME_S_MAX {
        return Err(CosignatureError::Time(time_s));
    }
    let key = WitnessKey::new(name, signer.key())?;
    let signature = signer
        .sign(message(text, time_s).as_bytes())
        .map_err(NoteError::from)?;
    Ok(NoteSignature {
        key_name: key.name,
        key_id: key.id,
        signature: [&time_s.to_be_bytes()[..], &signature].concat(),
    })
}

/// What is signed: two lines, then the checkpoint's whole text.
fn message(text: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

/// Why a cosignature is not made or not accepted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CosignatureError {
    /// The text is not a witness's vkey.
    #[error(
        "not a witness's key (name+key id+base64, Ed25519 of type 0x04), or its key id does not match"
    )]
    BadVkey,
    /// The line is by another key.
    #[error("the line is not by the witness {0}")]
    NotOurs(String),
    /// The line names the witness and is no cosignature.
    #[error("the line by the witness {0} is not a cosignature/v1")]
    Malformed(String),
    /// The line names the witness, and the signature is wrong.
    #[error("the cosignature by the witness {0} does not verify")]
    BadSignature(String),
    /// No time at all, or one that a verifier must refuse.
    #[error("{0} is no time for a cosignature")]
    Time(u64),
    /// The name, the key or the signer.
    #[error(transparent)]
    Note(#[from] NoteError),
}
