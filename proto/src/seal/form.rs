//! The one encoding of a seal's COSE_Sign1, read by comparing bytes.
//!
//! Takes the bytes of an untagged COSE_Sign1. Gives algorithm, key id and signature when the bytes are exactly what
//! [`super::cose_bytes`] writes for them; everything else is refused. Never parses CBOR: two of the three values have
//! one length each, so the encoding is a fixed frame with two gaps, and the frame is made by the encoder itself.

use std::sync::LazyLock;

use super::cose_bytes;
use crate::digest::Digest;
use crate::key::Algorithm;

/// Bytes of a signature of either algorithm.
pub(super) const SIGNATURE_LEN: usize = 64;

static FRAMES: LazyLock<Vec<Frame>> = LazyLock::new(|| {
    [Algorithm::Ed25519, Algorithm::Es256]
        .into_iter()
        .filter_map(Frame::of)
        .collect()
});

/// What is the same in every seal of one algorithm, and where the gaps are.
#[derive(Debug)]
struct Frame {
    algorithm: Algorithm,
    bytes: Vec<u8>,
    kid_at: usize,
}

impl Frame {
    /// `None` only if the encoder failed on three known values; then no seal of this algorithm is one.
    fn of(algorithm: Algorithm) -> Option<Self> {
        let with = |kid| cose_bytes(algorithm, &Digest([kid; 32]), &[0; SIGNATURE_LEN]).ok();
        let (bytes, other) = (with(0x00)?, with(0xff)?);
        let kid_at = bytes.iter().zip(&other).position(|(one, two)| one != two)?;
        Some(Self {
            algorithm,
            bytes,
            kid_at,
        })
    }

    fn read(&self, cose: &[u8]) -> Option<(Digest, [u8; SIGNATURE_LEN])> {
        if cose.len() != self.bytes.len() {
            return None;
        }
        let kid_end = self.kid_at + Digest::LEN;
        let signature_at = cose.len().checked_sub(SIGNATURE_LEN)?;
        let same = cose[..self.kid_at] == self.bytes[..self.kid_at]
            && cose.get(kid_end..signature_at)? == self.bytes.get(kid_end..signature_at)?;
        if !same {
            return None;
        }
        let kid = Digest::from_slice(&cose[self.kid_at..kid_end])?;
        Some((kid, cose[signature_at..].try_into().ok()?))
    }
}

/// Algorithm, key id and signature of a COSE_Sign1 in its one encoding.
pub(super) fn read(cose: &[u8]) -> Option<(Algorithm, Digest, [u8; SIGNATURE_LEN])> {
    FRAMES.iter().find_map(|frame| {
        let (kid, signature) = frame.read(cose)?;
        Some((frame.algorithm, kid, signature))
    })
}
