//! A log key for one run of an example: made in memory, kept nowhere.

use std::error::Error;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use proto::key::{PublicKey, SignError, Signer};

/// An Ed25519 key.
#[derive(Debug)]
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    key: PublicKey,
}

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// No randomness.
    pub(crate) fn new() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let pair = Ed25519KeyPair::generate().map_err(|_| "no key")?;
        let key = PublicKey::from_ed25519(pair.public_key().as_ref().try_into()?)?;
        Ok(Self { pair, key })
    }
}

impl Signer for Key {
    fn key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}
