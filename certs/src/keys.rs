//! TLS keys and seal keys: made where they are used, loaded from owner-only files, wiped when dropped.
//!
//! A TLS key says who is connected, a seal key says who speaks. They are different types, so one cannot stand in
//! for the other by mistake. Neither is ever sent, printed or overwritten.
//!
//! Specification: `docs/protocol.md` §1 (TLS key, seal key) and §2 (seal).

use std::fmt;
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::key_files::KeyFileError;
use crate::passphrase::{Passphrase, PassphraseError};

mod encrypted;
mod file;
mod low_s;
mod secret;

pub use encrypted::{EncryptedKey, ITERATIONS, ITERATIONS_MAX};
pub use file::KeyFile;
pub use secret::SecretFile;

/// `SubjectPublicKeyInfo` of an Ed25519 key up to the 32 key bytes (RFC 8410).
pub const ED25519_SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// `SubjectPublicKeyInfo` of a P-256 key up to the 65 bytes of the uncompressed point (RFC 5480).
pub const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A private key for TLS. Ours are ECDSA P-256; one that goes with an outside authority's certificate may be RSA.
pub struct TlsKey {
    pkcs8: Zeroizing<Vec<u8>>,
}

impl TlsKey {
    /// Makes an ECDSA P-256 key.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self {
            pkcs8: generate_p256()?,
        })
    }

    /// Takes a key from its PKCS#8 DER.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] unless it is ECDSA or RSA of 2048 bits and more, which rustls can sign with.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let key = Self {
            pkcs8: Zeroizing::new(pkcs8.to_vec()),
        };
        rustls::crypto::aws_lc_rs::sign::any_supported_type(&key.to_rustls())
            .map_err(|_| KeyError::Malformed)?;
        Ok(key)
    }

    /// Reads a PEM file that is owner-only.
    ///
    /// # Errors
    /// [`KeyError::File`] when the file is refused, [`KeyError::Encrypted`] when the key is under a passphrase,
    /// [`KeyError::Cut`], [`KeyError::OtherKind`] and [`KeyError::Malformed`] when it holds no such key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::from_pkcs8(&file::load(path)?)
    }

    /// Writes a new PEM file, owner-only.
    ///
    /// # Errors
    /// [`KeyError::File`], above all when a file stands there already.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        file::save(path, &self.pkcs8)
    }

    /// The key as rustls takes it. A copy; rustls keeps it as long as its configuration lives.
    #[must_use]
    pub fn to_rustls(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.to_vec()))
    }

    /// The key as the request and certificate writer takes it.
    pub(crate) fn to_p256(&self) -> Result<P256Key, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.pkcs8);
        pair.map(P256Key).map_err(|_| KeyError::Malformed)
    }
}

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsKey(..)")
    }
}

/// A P-256 key that signs requests and certificates; the library that writes them would keep unwiped copies.
pub(crate) struct P256Key(EcdsaKeyPair);

impl rcgen::PublicKeyData for P256Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for P256Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self
            .0
            .sign(&SystemRandom::new(), message)
            .map_err(|_| rcgen::Error::RingUnspecified)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// How a seal key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealAlgorithm {
    /// Ed25519 (COSE `EdDSA`, -8): the usual one.
    Ed25519,
    /// ECDSA P-256 with SHA-256 (COSE `ES256`, -7), low S: where a token or a rule asks.
    Es256,
}

/// A seal key that lies in a file.
pub struct SealKeyFile {
    pkcs8: Zeroizing<Vec<u8>>,
    pair: SealPair,
}

enum SealPair {
    Ed25519(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
}

impl SealKeyFile {
    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate(algorithm: SealAlgorithm) -> Result<Self, KeyError> {
        let pkcs8 = match algorithm {
            SealAlgorithm::Ed25519 => generate_ed25519()?,
            SealAlgorithm::Es256 => generate_p256()?,
        };
        Self::from_pkcs8(&pkcs8)
    }

    /// Takes a key from its PKCS#8 DER. The key itself says which algorithm it is for.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] unless it is Ed25519 or P-256, whole, and its public part (where given) its own.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        // With or without the public part: it is compared where given, and computed otherwise.
        let pair = if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8) {
            SealPair::Ed25519(pair)
        } else {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
            SealPair::Es256(pair.map_err(|_| KeyError::Malformed)?)
        };
        Ok(Self {
            pkcs8: Zeroizing::new(pkcs8.to_vec()),
            pair,
        })
    }

    /// Reads a PEM file that is owner-only.
    ///
    /// # Errors
    /// [`KeyError::File`] when the file is refused, [`KeyError::Encrypted`] when the key is under a passphrase,
    /// [`KeyError::Cut`], [`KeyError::OtherKind`] and [`KeyError::Malformed`] when it holds no such key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::from_pkcs8(&file::load(path)?)
    }

    /// Writes a new PEM file, owner-only.
    ///
    /// # Errors
    /// [`KeyError::File`], above all when a file stands there already.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        file::save(path, &self.pkcs8)
    }

    /// Writes a new PEM file, owner-only, in which the key lies under a passphrase: PKCS#8 with PBES2
    /// ([`ITERATIONS`] of PBKDF2-HMAC-SHA-256, AES-256-CBC). `openssl pkey -in FILE` reads it, and so does
    /// [`KeyFile::read`]. Takes a moment on purpose.
    ///
    /// # Errors
    /// [`KeyError::Passphrase`] when it is too short for a new key; else as [`SealKeyFile::save`].
    pub fn save_encrypted(&self, path: &Path, passphrase: &Passphrase) -> Result<(), KeyError> {
        file::save_encrypted(path, &self.pkcs8, passphrase)
    }

    /// How this key signs.
    #[must_use]
    pub fn algorithm(&self) -> SealAlgorithm {
        match self.pair {
            SealPair::Ed25519(_) => SealAlgorithm::Ed25519,
            SealPair::Es256(_) => SealAlgorithm::Es256,
        }
    }

    /// The public key as DER `SubjectPublicKeyInfo`: 44 bytes for Ed25519, 91 for P-256. The key id of a seal is
    /// its SHA-256.
    #[must_use]
    pub fn public_spki_der(&self) -> Vec<u8> {
        match &self.pair {
            SealPair::Ed25519(pair) => {
                [&ED25519_SPKI_PREFIX[..], pair.public_key().as_ref()].concat()
            }
            SealPair::Es256(pair) => [&P256_SPKI_PREFIX[..], pair.public_key().as_ref()].concat(),
        }
    }

    /// Signs `message` (hashed inside, as the algorithm says). 64 bytes: the Ed25519 signature, or r ‖ s with
    /// the lower of the two possible s.
    ///
    /// # Errors
    /// [`KeyError::Randomness`]: ES256 needs a fresh random number for each signature.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            SealPair::Ed25519(pair) => {
                let signature = pair.try_sign(message).map_err(|_| KeyError::Randomness)?;
                Ok(signature.as_ref().to_vec())
            }
            SealPair::Es256(pair) => {
                let signature = pair
                    .sign(&SystemRandom::new(), message)
                    .map_err(|_| KeyError::Randomness)?;
                let mut signature = signature.as_ref().to_vec();
                low_s::normalise(&mut signature);
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SealKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKeyFile({:?}, ..)", self.algorithm())
    }
}

/// PKCS#8 version 1, without the public part: OpenSSL 3.0 cannot read version 2.
fn generate_ed25519() -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new());
    Ok(Zeroizing::new(
        document
            .map_err(|_| KeyError::Randomness)?
            .as_ref()
            .to_vec(),
    ))
}

fn generate_p256() -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    Ok(Zeroizing::new(
        document
            .map_err(|_| KeyError::Randomness)?
            .as_ref()
            .to_vec(),
    ))
}

/// Why a key could not be made, read, written or used. Never holds any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file was refused.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// Not exactly one whole PKCS#8 key of a kind that is used here.
    #[error("not exactly one PKCS#8 private key (PEM) of a kind used here")]
    Malformed,
    /// The file begins a key and does not end it.
    #[error("the key file is cut short; take it from a backup")]
    Cut,
    /// Something else than a private key, as its PEM label says.
    #[error(
        "the file holds a `{found}`, not a PKCS#8 private key (PEM); give the path of the key's own file"
    )]
    OtherKind {
        /// The label, shortened and printable.
        found: String,
    },
    /// The key is under a passphrase, and here none can be given.
    #[error("the key is under a passphrase, which cannot be given here")]
    Encrypted,
    /// The passphrase is another one, or the file was damaged: the two look alike.
    #[error(
        "the passphrase is not this key's, or the key file is damaged; try again, or take the file from a backup"
    )]
    WrongPassphrase,
    /// Encrypted in a way that is not used here.
    #[error(
        "the key is encrypted in another way than PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC; run: openssl pkcs8 \
         -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -iter {ITERATIONS} -in OLD -out NEW"
    )]
    Scheme,
    /// Opening the key would take too long, or the number is none.
    #[error("the key asks for {found} iterations of PBKDF2; it may be 1 to {ITERATIONS_MAX}")]
    Iterations {
        /// What the file asks for.
        found: u64,
    },
    /// The passphrase cannot be used.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The system gave no randomness, so nothing was made or signed.
    #[error("the system gave no randomness")]
    Randomness,
}

#[cfg(test)]
mod tests;
