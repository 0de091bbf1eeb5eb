//! Private keys under a passphrase: PKCS#8 `EncryptedPrivateKeyInfo` (RFC 5958) with PBES2 (RFC 8018).
//!
//! Exactly one way of encrypting is written and read: PBKDF2 with HMAC-SHA-256, then AES-256-CBC. `openssl pkey` reads
//! it, and `openssl pkcs8 -topk8` writes it. A file may come from anywhere, so its cost is bounded before it is paid.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use yasna::models::ObjectIdentifier;
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader};
use zeroize::Zeroizing;

use super::{KeyError, SealKeyFile};
use crate::passphrase::Passphrase;

/// PBKDF2 iterations of every key that is written: about a fifth of a second of one core.
pub const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();
/// The most iterations of a key that is read, a few seconds: a hostile file must not hold up whoever opens it.
pub const ITERATIONS_MAX: u32 = 10_000_000;

/// The label of the PEM section.
pub(super) const LABEL: &str = "ENCRYPTED PRIVATE KEY";

const SALT_LEN: usize = 16;
const SALT_MAX: usize = 64;

const PBES2: &[u64] = &[1, 2, 840, 113_549, 1, 5, 13];
const PBKDF2: &[u64] = &[1, 2, 840, 113_549, 1, 5, 12];
const HMAC_SHA256: &[u64] = &[1, 2, 840, 113_549, 2, 9];
const AES256_CBC: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 1, 42];

/// A key that was read from its file and is not opened yet.
pub struct EncryptedKey {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    iv: [u8; 16],
    ciphertext: Vec<u8>,
}

impl EncryptedKey {
    /// Opens the key. Takes a moment on purpose.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`] when what comes out is no key of a kind used here: a wrong passphrase and a
    /// damaged file look alike.
    pub fn open(&self, passphrase: &Passphrase) -> Result<SealKeyFile, KeyError> {
        let pkcs8 = self.decrypt(passphrase)?;
        SealKeyFile::from_pkcs8(&pkcs8).map_err(|_| KeyError::WrongPassphrase)
    }

    /// What was encrypted, or what another passphrase makes of it by chance.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`] when not even the padding is right.
    pub(super) fn decrypt(&self, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let key = derive(passphrase, &self.salt, self.iterations);
        let key = UnboundCipherKey::new(&AES_256, &key[..])
            .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
            .map_err(|_| KeyError::WrongPassphrase)?;
        let mut bytes = Zeroizing::new(self.ciphertext.clone());
        let context = DecryptionContext::Iv128(FixedLength::from(self.iv));
        let length = key
            .decrypt(&mut bytes, context)
            .map_err(|_| KeyError::WrongPassphrase)?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Reads the DER of an `EncryptedPrivateKeyInfo`.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], [`KeyError::Scheme`] for another way of encrypting, [`KeyError::Iterations`].
    pub(super) fn parse(der: &[u8]) -> Result<Self, KeyError> {
        let mut no = KeyError::Malformed;
        let read = yasna::parse_der(der, |reader| {
            reader.read_sequence(|reader| {
                let (salt, iterations, iv) = read_scheme(reader.next()).inspect_err(|_| {
                    // Whatever else stands there, it is another scheme or a broken one.
                    no = KeyError::Scheme;
                })?;
                let ciphertext = reader.next().read_bytes()?;
                Ok((salt, iterations, iv, ciphertext))
            })
        });
        let Ok((salt, iterations, iv, ciphertext)) = read else {
            return Err(no);
        };
        let within = iterations <= u64::from(ITERATIONS_MAX);
        let counted = u32::try_from(iterations).ok().and_then(NonZeroU32::new);
        let Some(iterations) = counted.filter(|_| within) else {
            return Err(KeyError::Iterations { found: iterations });
        };
        if ciphertext.is_empty() || ciphertext.len() % 16 != 0 {
            return Err(KeyError::Malformed);
        }
        Ok(Self {
            salt,
            iterations,
            iv,
            ciphertext,
        })
    }
}

impl fmt::Debug for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedKey({} iterations, ..)", self.iterations)
    }
}

/// Encrypts `pkcs8` and gives the DER of an `EncryptedPrivateKeyInfo`.
///
/// # Errors
/// [`KeyError::Randomness`].
pub(super) fn encrypt(
    pkcs8: &[u8],
    passphrase: &Passphrase,
    iterations: NonZeroU32,
) -> Result<Vec<u8>, KeyError> {
    let mut salt = [0; SALT_LEN];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| KeyError::Randomness)?;
    let key = derive(passphrase, &salt, iterations);
    let key = UnboundCipherKey::new(&AES_256, &key[..])
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .map_err(|_| KeyError::Randomness)?;
    // Room for the padding at once: growing would leave a copy of the key behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(pkcs8.len() + 16));
    bytes.extend_from_slice(pkcs8);
    let context = key.encrypt(&mut *bytes).map_err(|_| KeyError::Randomness)?;
    let DecryptionContext::Iv128(iv) = context else {
        return Err(KeyError::Randomness);
    };
    Ok(write(&salt, iterations, iv.as_ref(), &bytes))
}

fn derive(passphrase: &Passphrase, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(
        PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        passphrase.as_bytes(),
        &mut key[..],
    );
    key
}

fn write(salt: &[u8], iterations: NonZeroU32, iv: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    let oid = ObjectIdentifier::from_slice;
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&oid(PBES2));
                writer.next().write_sequence(|writer| {
                    writer.next().write_sequence(|writer| {
                        writer.next().write_oid(&oid(PBKDF2));
                        writer.next().write_sequence(|writer| {
                            writer.next().write_bytes(salt);
                            writer.next().write_u32(iterations.get());
                            writer.next().write_sequence(|writer| {
                                writer.next().write_oid(&oid(HMAC_SHA256));
                                writer.next().write_null();
                            });
                        });
                    });
                    writer.next().write_sequence(|writer| {
                        writer.next().write_oid(&oid(AES256_CBC));
                        writer.next().write_bytes(iv);
                    });
                });
            });
            writer.next().write_bytes(ciphertext);
        });
    })
}

type Scheme = (Vec<u8>, u64, [u8; 16]);

fn read_scheme(reader: BERReader<'_, '_>) -> ASN1Result<Scheme> {
    reader.read_sequence(|reader| {
        expect(reader.next(), PBES2)?;
        reader.next().read_sequence(|reader| {
            let (salt, iterations) = reader.next().read_sequence(|reader| {
                expect(reader.next(), PBKDF2)?;
                reader.next().read_sequence(|reader| {
                    let salt = reader.next().read_bytes()?;
                    let iterations = reader.next().read_u64()?;
                    let key_length = reader.read_optional(|reader| reader.read_u64())?;
                    // Absent, the digest is SHA-1.
                    reader.next().read_sequence(|reader| {
                        expect(reader.next(), HMAC_SHA256)?;
                        reader.next().read_null()
                    })?;
                    only(salt.len() <= SALT_MAX && key_length.unwrap_or(32) == 32)?;
                    Ok((salt, iterations))
                })
            })?;
            let iv = reader.next().read_sequence(|reader| {
                expect(reader.next(), AES256_CBC)?;
                reader.next().read_bytes()
            })?;
            let iv = iv.try_into().map_err(|_| invalid())?;
            Ok((salt, iterations, iv))
        })
    })
}

fn expect(reader: BERReader<'_, '_>, wanted: &[u64]) -> ASN1Result<()> {
    let found = reader.read_oid()?;
    only(found.components().as_slice() == wanted)
}

fn only(holds: bool) -> ASN1Result<()> {
    if holds { Ok(()) } else { Err(invalid()) }
}

fn invalid() -> ASN1Error {
    ASN1Error::new(ASN1ErrorKind::Invalid)
}

#[cfg(test)]
mod tests;
