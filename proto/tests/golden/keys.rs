//! Ed25519 keys from fixed seeds, so that every byte repeats. They remember what they signed last:
//! so the book shows the exact bytes under each signature.

use std::sync::Mutex;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use proto::key::{PublicKey, SignError, Signer};

/// A key whose seed is one byte, 32 times.
#[derive(Debug)]
pub(crate) struct SeedKey {
    pair: Ed25519KeyPair,
    key: PublicKey,
    signed: Mutex<Vec<u8>>,
}

impl SeedKey {
    pub(crate) fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let raw: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
        Self {
            pair,
            key: PublicKey::from_ed25519(&raw).unwrap(),
            signed: Mutex::default(),
        }
    }

    /// The message of the latest signature.
    pub(crate) fn last_signed(&self) -> Vec<u8> {
        self.signed.lock().unwrap().clone()
    }
}

impl Signer for SeedKey {
    fn key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        *self.signed.lock().unwrap() = message.to_vec();
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}
