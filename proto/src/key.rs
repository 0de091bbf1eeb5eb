//! Public keys that count: Ed25519 and ECDSA P-256, read strictly from their SubjectPublicKeyInfo.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, UnparsedPublicKey};
use thiserror::Error;

use crate::digest::Digest;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032); COSE EdDSA, -8.
    Ed25519,
    /// ECDSA P-256 with SHA-256, fixed r‖s, low s; COSE ES256, -7.
    Es256,
}

impl Algorithm {
    /// The word in files and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Es256 => "ES256",
        }
    }
}

/// DER of an Ed25519 SubjectPublicKeyInfo up to the 32 key bytes (RFC 8410).
const ED25519_SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// DER of a P-256 SubjectPublicKeyInfo up to the 65 bytes of the uncompressed point (RFC 5480).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Half the order of P-256, big-endian: a signature's s must not be above it.
const P256_HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// y coordinates of the Ed25519 points of small order, little-endian, sign bit cleared.
const ED25519_SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

/// A public key, parsed once. Two keys are equal when their SubjectPublicKeyInfo is.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    spki: Vec<u8>,
    kid: Digest,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Reads DER SubjectPublicKeyInfo in its one encoding. Refuses small-order Ed25519 keys,
    /// non-canonical coordinates and points off the curve.
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, raw) = if let Some(raw) = spki.strip_prefix(&ED25519_SPKI_PREFIX) {
            (Algorithm::Ed25519, raw)
        } else if let Some(raw) = spki.strip_prefix(&P256_SPKI_PREFIX) {
            (Algorithm::Es256, raw)
        } else {
            return Err(KeyError::Unsupported);
        };
        let parsed = match algorithm {
            Algorithm::Ed25519 => {
                let y: [u8; 32] = raw.try_into().map_err(|_| KeyError::Malformed)?;
                refuse_weak_ed25519(y)?;
                UnparsedPublicKey::new(&ED25519, raw).parse()
            }
            Algorithm::Es256 => {
                if raw.len() != 65 || raw[0] != 0x04 {
                    return Err(KeyError::Malformed);
                }
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, raw).parse()
            }
        }
        .map_err(|_| KeyError::Malformed)?;
        Ok(Self {
            algorithm,
            spki: spki.to_vec(),
            kid: Digest::of(spki),
            parsed,
        })
    }

    /// From the 32 raw bytes of an Ed25519 key.
    pub fn from_ed25519(raw: &[u8; 32]) -> Result<Self, KeyError> {
        Self::from_spki(&[&ED25519_SPKI_PREFIX[..], raw].concat())
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the SubjectPublicKeyInfo: the key's name on the wire and in the log.
    pub fn kid(&self) -> Digest {
        self.kid
    }

    /// The 32 raw bytes of an Ed25519 key; `None` for P-256.
    pub fn ed25519_bytes(&self) -> Option<[u8; 32]> {
        self.spki
            .strip_prefix(&ED25519_SPKI_PREFIX)?
            .try_into()
            .ok()
    }

    /// Whether `signature` (64 bytes) is this key's over `message`. ES256 wants low s.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        if signature.len() != 64 {
            return false;
        }
        if self.algorithm == Algorithm::Es256 && signature[32..] > P256_HALF_ORDER[..] {
            return false;
        }
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} key {:?}", self.algorithm.name(), self.kid)
    }
}

fn refuse_weak_ed25519(mut y: [u8; 32]) -> Result<(), KeyError> {
    y[31] &= 0x7f;
    if ED25519_SMALL_ORDER.contains(&y) {
        return Err(KeyError::SmallOrder);
    }
    // p = 2^255 - 19; a coordinate of p or more is a second spelling of a smaller one.
    let above = y[31] == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff) && y[0] >= 0xed;
    if above {
        Err(KeyError::Malformed)
    } else {
        Ok(())
    }
}

/// A private key that signs for somebody: a file, or a token behind PKCS#11.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The public half.
    fn key(&self) -> &PublicKey;

    /// 64 bytes over `message`: Ed25519, or ES256 as r‖s with low s.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// The key could not sign: the token is gone, or the library failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the key could not sign: {0}")]
pub struct SignError(pub String);

/// Why bytes are not a key that can be bound.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// Neither Ed25519 nor P-256 in the one DER form.
    #[error(
        "not an Ed25519 or P-256 SubjectPublicKeyInfo; make the key with `mohawel adapter enrol`"
    )]
    Unsupported,
    /// The right algorithm, but not a point in its one encoding.
    #[error("the public key is not a point in its one encoding")]
    Malformed,
    /// An Ed25519 point of small order: anybody could sign for it.
    #[error("the Ed25519 key is of small order and proves nothing")]
    SmallOrder,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_order_and_second_spellings_are_refused() {
        for (index, y) in ED25519_SMALL_ORDER.iter().enumerate() {
            for sign in [0x00, 0x80] {
                let mut raw = *y;
                raw[31] |= sign;
                assert_eq!(
                    PublicKey::from_ed25519(&raw),
                    Err(KeyError::SmallOrder),
                    "{index}"
                );
            }
        }
        let mut p = [0xff; 32];
        p[0] = 0xed;
        p[31] = 0x7f;
        assert_eq!(PublicKey::from_ed25519(&p), Err(KeyError::Malformed));
    }

    #[test]
    fn other_algorithms_and_short_keys_are_refused() {
        assert_eq!(PublicKey::from_spki(&[]), Err(KeyError::Unsupported));
        assert_eq!(
            PublicKey::from_spki(&ED25519_SPKI_PREFIX),
            Err(KeyError::Malformed)
        );
        assert_eq!(
            PublicKey::from_spki(&P256_SPKI_PREFIX),
            Err(KeyError::Malformed)
        );
    }
}
