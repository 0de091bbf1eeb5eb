//! What an authority is asked: a SHA-256 digest, a nonce, and its certificate in the answer (RFC 3161 §2.4.1).

use aws_lc_rs::rand;
use proto::digest::Digest;
use yasna::models::ObjectIdentifier;

use super::TimestampError;

/// Bytes of a nonce.
const NONCE_BYTES: usize = 8;

/// One question to an authority. Its nonce is fresh, so that an old answer cannot stand for a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) imprint: Digest,
    /// Big-endian; begins with neither a zero byte nor a set bit, so that it is its own INTEGER.
    pub(super) nonce: [u8; NONCE_BYTES],
}

impl Request {
    /// Asks when the bytes of `note` existed.
    ///
    /// # Errors
    /// [`TimestampError::NoRandomness`].
    pub fn new(note: &[u8]) -> Result<Self, TimestampError> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| TimestampError::NoRandomness)?;
        nonce[0] = nonce[0] & 0x7f | 0x40;
        Ok(Self {
            imprint: Digest::of(note),
            nonce,
        })
    }

    /// The TimeStampReq, DER: the body of a POST with the type `application/timestamp-query`.
    pub fn to_der(&self) -> Vec<u8> {
        let sha256 = ObjectIdentifier::from_slice(&[2, 16, 840, 1, 101, 3, 4, 2, 1]);
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_u8(1);
                writer.next().write_sequence(|writer| {
                    writer.next().write_sequence(|writer| {
                        writer.next().write_oid(&sha256);
                        writer.next().write_null();
                    });
                    writer.next().write_bytes(self.imprint.as_bytes());
                });
                writer.next().write_u64(u64::from_be_bytes(self.nonce));
                writer.next().write_bool(true);
            });
        })
    }
}
