//! A payload that only its receiver can read, as the switch sees it: which suite, for which key, and bytes.
//!
//! Takes and gives the one form of what stands in the envelope, and of what lies under the encryption. Encrypts
//! nothing: the adapters do. `docs/protocol.md` §2, "Sealed payloads".

use bytes::Bytes;
use prost::Message;

use crate::canonical::{self, HeaderError};
use crate::commitment::Salt;
use crate::digest::Digest;
use crate::limits::{PAYLOAD_BYTES_MAX, SALT_BYTES, SEALED_BYTES_MAX};
use crate::wire::exchange::v1 as wire;

/// What HPKE's `info` of a sealed request begins with; LF and the log's origin follow.
pub const REQUEST_INFO: &str = "mohawel/sealed-request/v1";
/// What HPKE's `info` of a sealed answer begins with; LF and the log's origin follow.
pub const ANSWER_INFO: &str = "mohawel/sealed-answer/v1";
/// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM: the one suite.
pub const SUITE: u32 = 1;
/// Bytes of an X25519 key and of what the suite encapsulates.
pub const KEY_BYTES: usize = 32;
/// Bytes that AES-128-GCM adds.
const TAG_BYTES: usize = 16;
/// Public keys of small order, with which every shared secret is nothing (RFC 7748 §6.1), the top bit left out.
const SMALL_ORDER: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// A public key that payloads are sealed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptionKey([u8; KEY_BYTES]);

impl EncryptionKey {
    /// Takes 32 bytes of a key in its one form: below 2^255 - 19, and not of small order.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, HeaderError> {
        let key: [u8; KEY_BYTES] = bytes
            .try_into()
            .map_err(|_| HeaderError::Malformed("its encryption key is not 32 bytes"))?;
        let is_small = SMALL_ORDER.iter().any(|small| hex::encode(key) == **small);
        // 2^255 - 19 and above: ed to ff, then ff, then 7f; or the top bit.
        let is_above =
            key[31] > 0x7f || key[31] == 0x7f && key[1..31] == [0xff; 30] && key[0] >= 0xed;
        if is_small || is_above {
            return Err(HeaderError::Malformed(
                "nothing can be sealed to its encryption key",
            ));
        }
        Ok(Self(key))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// SHA-256 of the bytes: what a sealed payload names as its recipient.
    pub fn kid(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// What stands in the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPayload {
    /// SHA-256 of the key that opens it.
    pub recipient: Digest,
    /// The encapsulated key.
    pub enc: [u8; KEY_BYTES],
    /// What is under the encryption, with its tag.
    pub ciphertext: Bytes,
}

impl SealedPayload {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::SealedPayload {
            suite: SUITE,
            recipient: self.recipient.0.to_vec().into(),
            enc: self.enc.to_vec().into(),
            ciphertext: self.ciphertext.clone(),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`]: another form or suite.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::SealedPayload = canonical::decode(bytes, PAYLOAD_BYTES_MAX)?;
        let malformed =
            HeaderError::Malformed("its sealed payload is not of the one form and suite");
        let enc = wire.enc[..].try_into().ok();
        let recipient = Digest::from_slice(&wire.recipient);
        let (SUITE, Some(recipient), Some(enc)) = (wire.suite, recipient, enc) else {
            return Err(malformed);
        };
        Ok(Self {
            recipient,
            enc,
            ciphertext: wire.ciphertext,
        })
    }

    /// Whether a payload of `length` bytes can be under it: of a request with the key for the answer, of an answer without.
    pub fn fits(&self, length: u64, of: Of) -> bool {
        length <= SEALED_BYTES_MAX as u64
            && self.ciphertext.len() as u64 == (of.before() + TAG_BYTES) as u64 + length
    }
}

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The key for the answer stands before the payload.
    Request,
    /// The payload alone.
    Answer,
}

impl Of {
    /// Bytes before the payload.
    fn before(self) -> usize {
        match self {
            Self::Request => SALT_BYTES + KEY_BYTES,
            Self::Answer => SALT_BYTES,
        }
    }

    /// HPKE's `info` for the log `origin`.
    pub fn info(self, origin: &str) -> Vec<u8> {
        let label = match self {
            Self::Request => REQUEST_INFO,
            Self::Answer => ANSWER_INFO,
        };
        [label.as_bytes(), b"\n", origin.as_bytes()].concat()
    }
}

/// What lies under the encryption.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    /// The commitment's key.
    pub salt: Salt,
    /// Of a request: what the answer is sealed to.
    pub answer_key: Option<EncryptionKey>,
    /// The agency's bytes.
    pub payload: Bytes,
}

impl Contents {
    /// salt ‖ key for the answer, of a request ‖ payload.
    pub fn encode(&self) -> Vec<u8> {
        let key = self.answer_key.as_ref().map_or(&[][..], |key| key.bytes());
        [&self.salt.0, key, &self.payload].concat()
    }

    /// Takes it apart.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`]: too short, or with a key that nothing can be sealed to.
    pub fn open(bytes: Bytes, of: Of) -> Result<Self, HeaderError> {
        if bytes.len() < of.before() {
            return Err(HeaderError::Malformed("what is sealed is too short"));
        }
        let salt = Salt::from_slice(&bytes[..SALT_BYTES])
            .map_err(|_| HeaderError::Malformed("what is sealed is too short"))?;
        let answer_key = match of {
            Of::Request => Some(EncryptionKey::from_slice(&bytes[SALT_BYTES..of.before()])?),
            Of::Answer => None,
        };
        Ok(Self {
            salt,
            answer_key,
            payload: bytes.slice(of.before()..),
        })
    }
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contents({} bytes)", self.payload.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_envelope_has_one_form() {
        let sealed = SealedPayload {
            recipient: Digest::of(b"key"),
            enc: [9; 32],
            ciphertext: Bytes::from(vec![7; 32 + 16 + 5]),
        };
        let bytes = sealed.encode();
        assert_eq!(SealedPayload::open(&bytes).unwrap(), sealed);
        assert!(sealed.fits(5, Of::Answer));
        assert!(!sealed.fits(6, Of::Answer));
        assert!(!sealed.fits(5, Of::Request));
        for cut in 0..bytes.len() {
            assert!(
                SealedPayload::open(&bytes[..cut]).is_err()
                    || !SealedPayload::open(&bytes[..cut])
                        .unwrap()
                        .fits(5, Of::Answer),
                "{cut}"
            );
        }
        let mut other_suite = bytes.to_vec();
        other_suite[1] = 2;
        assert!(SealedPayload::open(&other_suite).is_err());
        let mut longer = bytes.to_vec();
        longer.extend([0x28, 1]);
        assert!(SealedPayload::open(&longer).is_err());
    }

    #[test]
    fn the_largest_fits_into_an_envelope() {
        let sealed = SealedPayload {
            recipient: Digest::of(b"key"),
            enc: [9; 32],
            ciphertext: Bytes::from(vec![7; Of::Request.before() + TAG_BYTES + SEALED_BYTES_MAX]),
        };
        assert!(sealed.fits(SEALED_BYTES_MAX as u64, Of::Request));
        assert!(sealed.encode().len() <= PAYLOAD_BYTES_MAX);
    }

    #[test]
    fn keys_that_share_nothing_are_refused() {
        for small in SMALL_ORDER {
            let key = hex::decode(small).unwrap();
            assert!(EncryptionKey::from_slice(&key).is_err(), "{small}");
        }
        for (first, last) in [(0xed, 0x7f), (0xff, 0x7f), (9, 0x80), (9, 0xff)] {
            let mut key = [0xff; 32];
            (key[0], key[31]) = (first, last);
            assert!(EncryptionKey::from_slice(&key).is_err(), "{first} {last}");
        }
        let mut nine = [0; 32];
        nine[0] = 9;
        assert!(EncryptionKey::from_slice(&nine).is_ok());
        assert!(EncryptionKey::from_slice(&nine[1..]).is_err());
    }

    #[test]
    fn contents_are_taken_apart_as_they_were_put_together() {
        let mut nine = [0; 32];
        nine[0] = 9;
        let key = EncryptionKey::from_slice(&nine).unwrap();
        let request = Contents {
            salt: Salt([1; 32]),
            answer_key: Some(key),
            payload: Bytes::from_static(b"who owns it"),
        };
        let bytes = Bytes::from(request.encode());
        assert_eq!(Contents::open(bytes.clone(), Of::Request).unwrap(), request);
        assert!(Contents::open(bytes.slice(..63), Of::Request).is_err());
        assert!(Contents::open(bytes.slice(..31), Of::Answer).is_err());
        assert!(!format!("{request:?}").contains("who"));
    }
}
