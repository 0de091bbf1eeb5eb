//! Fingerprints of public keys, as people compare them.
//!
//! SHA-256 over the DER `SubjectPublicKeyInfo`, which is also the key id in every seal. It is written twice: all of it
//! in sixteen groups of four hex digits, for comparing on paper, and a short form for the telephone: five groups of
//! five decimal digits, for digits are spoken alike in every language of an office and never sound like a letter.
//!
//! The short form: bytes 0–4, 5–9, … 20–24 of the digest, each read as a big-endian number, modulo 100 000. To find
//! another key with the same one takes about 2^83 keys.

use std::fmt;

/// The fingerprint of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a public key, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn of_spki(spki: &[u8]) -> Self {
        Self(crate::sha256(spki))
    }

    /// Of a key whose id (SHA-256 of its `SubjectPublicKeyInfo`) is known.
    #[must_use]
    pub fn of_kid(kid: [u8; 32]) -> Self {
        Self(kid)
    }

    /// The short form for the telephone: five groups of five decimal digits.
    #[must_use]
    pub fn spoken(&self) -> String {
        let groups = self.0.chunks_exact(5).take(5).map(|chunk| {
            let number = chunk
                .iter()
                .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            format!("{:05}", number % 100_000)
        });
        groups.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Fingerprint {
    /// Sixteen groups of four hex digits, in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pair) in self.0.chunks_exact(2).enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&hex::encode(pair))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_digest_in_groups() {
        let digest = std::array::from_fn(|n| n as u8 * 7);
        let shown = Fingerprint::of_kid(digest).to_string();
        assert_eq!(shown.replace(' ', ""), hex::encode(digest));
        assert!(shown.split(' ').all(|group| group.len() == 4));
        assert_eq!(shown.split(' ').count(), 16);
        let spki = b"a key";
        assert_eq!(
            Fingerprint::of_spki(spki),
            Fingerprint::of_kid(crate::sha256(spki))
        );
    }

    #[test]
    fn the_spoken_form_is_computed_as_written() {
        // 2^40 - 1 = 1099511627775; 0x0000000001 = 1; 0x0102030405 = 4328719365.
        let mut digest = [0; 32];
        digest[..5].copy_from_slice(&[0xff; 5]);
        digest[9] = 1;
        digest[10..15].copy_from_slice(&[1, 2, 3, 4, 5]);
        let spoken = Fingerprint::of_kid(digest).spoken();
        assert_eq!(spoken, "27775 00001 19365 00000 00000");
        // Bytes 25 to 31 stand in the long form only.
        digest[25] = 9;
        assert_eq!(Fingerprint::of_kid(digest).spoken(), spoken);
        digest[24] = 9;
        assert_ne!(Fingerprint::of_kid(digest).spoken(), spoken);
    }
}
