//! Keys and small builders for this crate's own tests.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};

use crate::key::{PublicKey, SignError, Signer};

/// An Ed25519 key from a seed, so that bytes repeat.
#[derive(Debug)]
pub(crate) struct Ed25519 {
    pair: Ed25519KeyPair,
    key: PublicKey,
}

impl Ed25519 {
    pub(crate) fn from_seed(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let raw: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
        Self {
            pair,
            key: PublicKey::from_ed25519(&raw).unwrap(),
        }
    }
}

impl Signer for Ed25519 {
    fn key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}

/// A P-256 key. Signs with low s unless told to be sloppy.
#[derive(Debug)]
pub(crate) struct P256 {
    pair: EcdsaKeyPair,
    key: PublicKey,
    pub(crate) want_high_s: bool,
}

impl P256 {
    pub(crate) fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let mut spki = vec![
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        spki.extend_from_slice(pair.public_key().as_ref());
        Self {
            key: PublicKey::from_spki(&spki).unwrap(),
            pair,
            want_high_s: false,
        }
    }
}

impl Signer for P256 {
    fn key(&self) -> &PublicKey {
        &self.key
    }

    /// ECDSA is randomised: signs until s is on the wanted side.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        for _ in 0..200 {
            let signature = self.pair.sign(&SystemRandom::new(), message).unwrap();
            let high = !self.key.verify(message, signature.as_ref());
            if high == self.want_high_s {
                return Ok(signature.as_ref().to_vec());
            }
        }
        Err(SignError("no such signature in 200 tries".to_owned()))
    }
}
