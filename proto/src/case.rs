//! A case: several exchanges that belong together, under one reference that only their consumer can open.
//!
//! ```text
//! commitment = HMAC-SHA-256(key = salt, message = "mohawel/case/v1" ‖ reference in its one form)
//! ```
//!
//! Takes a reference of the agency's own, such as a file number, and 32 random bytes of that case. Gives what request
//! headers carry. Without the salt a commitment says nothing, even to whoever can guess every file number; with it,
//! anybody can see that the case is this one. Specification: `docs/protocol.md` §2, Cases.

use aws_lc_rs::hmac;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use crate::commitment::Salt;
use crate::digest::Digest;

/// What separates these commitments from those to payloads.
pub const LABEL: &str = "mohawel/case/v1";
/// Bytes of a reference in its one form.
pub const REFERENCE_BYTES_MAX: usize = 256;

/// A case that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    reference: String,
    salt: Salt,
}

impl Case {
    /// The case `reference`, however it was written, under its salt.
    ///
    /// # Errors
    /// [`CaseError`]: as [`reference()`].
    pub fn open(text: &str, salt: Salt) -> Result<Self, CaseError> {
        let reference = reference(text)?;
        Ok(Self { reference, salt })
    }

    /// The reference in its one form.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The salt.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// What headers carry.
    pub fn commitment(&self) -> Digest {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.salt.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(LABEL.as_bytes());
        context.update(self.reference.as_bytes());
        // HMAC-SHA-256 is always 32 bytes.
        Digest::from_slice(context.sign().as_ref()).unwrap_or_default()
    }
}

/// The one form of a reference: NFC, without the white space around it; 1 to 256 bytes, no control characters.
///
/// # Errors
/// [`CaseError`].
pub fn reference(text: &str) -> Result<String, CaseError> {
    let form: String = text.trim().nfc().collect();
    match form.len() {
        0 => Err(CaseError::Empty),
        bytes if bytes > REFERENCE_BYTES_MAX => Err(CaseError::Long(bytes)),
        _ if form.chars().any(char::is_control) => Err(CaseError::Control),
        _ => Ok(form),
    }
}

/// Why a text is no case reference.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CaseError {
    /// Nothing but white space.
    #[error("a case reference is empty; give the number under which the agency keeps the case")]
    Empty,
    /// Too long.
    #[error(
        "a case reference has {0} bytes, more than {REFERENCE_BYTES_MAX}; give the number of the case, not its text"
    )]
    Long(usize),
    /// A line break or the like.
    #[error(
        "a case reference holds control characters, such as a line break; write it on one line"
    )]
    Control,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reference_has_one_commitment_however_it_is_written_and_another_with_each_salt() {
        let of = |text: &str, salt: u8| Case::open(text, Salt([salt; 32])).unwrap().commitment();
        let first = of("GIZA-2026-0117", 7);
        assert_eq!(of(" GIZA-2026-0117\n", 7), first);
        assert_eq!(of("e\u{301}", 7), of("\u{e9}", 7));
        assert_ne!(of("GIZA-2026-0117", 8), first);
        assert_ne!(of("GIZA-2026-0118", 7), first);
        // Another program gave this: HMAC-SHA-256 of the label and the reference, under 32 times 07.
        assert_eq!(first.to_string(), VECTOR);
    }

    const VECTOR: &str = "7990a5cb09e1e30d4b93923fbc23cdc895a7916a63129fe665c906f1e8189c5f";

    #[test]
    fn what_is_no_reference_says_why() {
        let long = "x".repeat(257);
        for (text, error) in [
            ("", CaseError::Empty),
            (" \t", CaseError::Empty),
            (&long, CaseError::Long(257)),
            ("a\nb", CaseError::Control),
        ] {
            assert_eq!(reference(text), Err(error));
        }
        assert!(reference(&"x".repeat(256)).is_ok());
    }
}
