//! Seals: a COSE_Sign1 (RFC 9052) over the head of an RFC 6962 tree of headers sealed together.
//!
//! One format, no mode: alone, the tree has one leaf and the path is empty. The signed bytes are the
//! COSE `Sig_structure` with external AAD `label LF origin` and the detached payload
//! `head(32) ‖ size(u32 BE)`, so a seal for one use, or for another switch, is worthless elsewhere.

use bytes::{BufMut, Bytes, BytesMut};
use coset::{CborSerializable, CoseSign1Builder, HeaderBuilder, iana};
use thiserror::Error;

use crate::digest::{Digest, head_from_path, leaf_hash, tree_paths};
use crate::key::{Algorithm, PublicKey, SignError, Signer};
use crate::limits::{SEAL_BYTES_MAX, SEAL_CONTENT_TYPE, SEAL_PATH_MAX, SEAL_SIZE_MAX};
use form::SIGNATURE_LEN;

pub use memory::SealMemory;

mod form;
mod memory;

/// A seal as carried: the signature and this header's place under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Untagged COSE_Sign1 in its one encoding.
    pub cose: Bytes,
    /// This header's leaf.
    pub leaf_index: u32,
    /// Leaves sealed together.
    pub tree_size: u32,
    /// Inclusion path, the sibling first.
    pub path: Vec<Digest>,
}

impl Seal {
    /// Seals `headers` together, at most [`SEAL_SIZE_MAX`], and gives each its own seal, in order.
    pub fn batch(
        label: &str,
        origin: &str,
        headers: &[&[u8]],
        signer: &dyn Signer,
    ) -> Result<Vec<Self>, SealError> {
        let size = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        if !(1..=SEAL_SIZE_MAX).contains(&size) {
            return Err(SealError::Size(size));
        }
        let leaves: Vec<Digest> = headers.iter().map(|header| leaf_hash(header)).collect();
        let (algorithm, kid) = (signer.key().algorithm(), signer.key().kid());
        let (head, paths) = tree_paths(&leaves);
        let message = signed_bytes(label, origin, &head, size, algorithm, &kid);
        let signature = signer.sign(&message)?;
        let cose = Bytes::from(cose_bytes(algorithm, &kid, &signature)?);
        Ok((0..size)
            .zip(paths)
            .map(|(leaf_index, path)| Self {
                cose: cose.clone(),
                leaf_index,
                tree_size: size,
                path,
            })
            .collect())
    }

    /// Seals one header.
    pub fn one(
        label: &str,
        origin: &str,
        header: &[u8],
        signer: &dyn Signer,
    ) -> Result<Self, SealError> {
        let mut seals = Self::batch(label, origin, &[header], signer)?;
        seals.pop().ok_or(SealError::Size(0))
    }

    /// Reads the COSE_Sign1 in its one encoding, without verifying anything.
    pub fn open(&self) -> Result<OpenSeal<'_>, SealError> {
        if self.cose.len() > SEAL_BYTES_MAX || self.path.len() > SEAL_PATH_MAX {
            return Err(SealError::Malformed);
        }
        if !(1..=SEAL_SIZE_MAX).contains(&self.tree_size) || self.leaf_index >= self.tree_size {
            return Err(SealError::Size(self.tree_size));
        }
        // Anything added, widened or reordered differs from the one encoding of these three values.
        let (algorithm, kid, signature) = form::read(&self.cose).ok_or(SealError::Malformed)?;
        Ok(OpenSeal {
            seal: self,
            algorithm,
            kid,
            signature,
        })
    }

    /// Verifies alone, with nothing remembered: for logs, auditors and single seals.
    pub fn verify(
        &self,
        label: &str,
        origin: &str,
        header: &[u8],
        key: &PublicKey,
    ) -> Result<(), SealError> {
        self.open()?.verify(label, origin, header, key, None)
    }

    /// The block that entries carry: u16 length ‖ COSE ‖ u32 index ‖ u32 size ‖ path.
    pub fn to_block(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.block_len());
        self.put_block(&mut out);
        out.freeze()
    }

    /// Bytes of [`Seal::to_block`].
    pub fn block_len(&self) -> usize {
        2 + self.cose.len() + 8 + 32 * self.path.len()
    }

    /// Writes [`Seal::to_block`]'s bytes where they are wanted.
    pub fn put_block(&self, out: &mut impl BufMut) {
        // SEAL_BYTES_MAX is below 65,536 and is enforced wherever a seal is opened.
        out.put_u16(self.cose.len() as u16);
        out.put_slice(&self.cose);
        out.put_u32(self.leaf_index);
        out.put_u32(self.tree_size);
        for hash in &self.path {
            out.put_slice(hash.as_ref());
        }
    }

    /// Reads [`Seal::to_block`]'s form; `None` for anything else.
    pub fn from_block(block: &Bytes) -> Option<Self> {
        let len = usize::from(u16::from_be_bytes(block.get(..2)?.try_into().ok()?));
        let cose_end = 2 + len;
        let numbers = block.get(cose_end..cose_end + 8)?;
        let path = &block[cose_end + 8..];
        if len > SEAL_BYTES_MAX || !path.len().is_multiple_of(32) || path.len() > 32 * SEAL_PATH_MAX
        {
            return None;
        }
        Some(Self {
            cose: block.slice(2..cose_end),
            leaf_index: u32::from_be_bytes(numbers[..4].try_into().ok()?),
            tree_size: u32::from_be_bytes(numbers[4..].try_into().ok()?),
            path: path
                .chunks_exact(32)
                .filter_map(Digest::from_slice)
                .collect(),
        })
    }
}

/// A seal whose COSE was read: it says which key it claims, and can be verified with that key.
#[derive(Debug)]
pub struct OpenSeal<'a> {
    seal: &'a Seal,
    algorithm: Algorithm,
    kid: Digest,
    signature: [u8; SIGNATURE_LEN],
}

impl OpenSeal<'_> {
    /// The key it claims.
    pub fn kid(&self) -> Digest {
        self.kid
    }

    /// How it is signed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The 64 bytes of the signature: Ed25519, or r‖s of ES256.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The bytes under the signature when `header` is sealed under `label` for the switch `origin`: COSE's
    /// `Sig_structure`. For verifiers that are not ours; `None` when the path cannot belong to this leaf.
    pub fn signed_bytes(&self, label: &str, origin: &str, header: &[u8]) -> Option<Vec<u8>> {
        let head = self.head_over(header).ok()?;
        Some(head.signed_bytes(label, origin))
    }

    /// Follows the path from `header` up: what was signed, if the seal holds. Nothing is verified by it.
    ///
    /// # Errors
    /// [`SealError::Path`].
    pub fn head_over(&self, header: &[u8]) -> Result<SealedHead, SealError> {
        let head = head_from_path(
            &leaf_hash(header),
            u64::from(self.seal.leaf_index),
            u64::from(self.seal.tree_size),
            &self.seal.path,
        )
        .ok_or(SealError::Path)?;
        Ok(SealedHead {
            algorithm: self.algorithm,
            kid: self.kid,
            head,
            size: self.seal.tree_size,
            signature: self.signature,
        })
    }

    /// Verifies path and signature over `header`. With a memory, the public-key operation is saved
    /// when the very same tree head was verified within the last moments; everything else is not.
    pub fn verify(
        &self,
        label: &str,
        origin: &str,
        header: &[u8],
        key: &PublicKey,
        memory: Option<(&SealMemory, u64)>,
    ) -> Result<(), SealError> {
        if key.kid() != self.kid || key.algorithm() != self.algorithm {
            return Err(SealError::OtherKey);
        }
        let head = self.head_over(header)?;
        let remembered =
            memory.map(|(memory, now_ms)| (memory, now_ms, head.memory_key(label, origin)));
        if let Some((memory, now_ms, memory_key)) = &remembered
            && memory.knows(memory_key, *now_ms)
        {
            return Ok(());
        }
        head.verify(label, origin, key)?;
        if let Some((memory, now_ms, memory_key)) = remembered {
            memory.remember(memory_key, now_ms);
        }
        Ok(())
    }
}

/// What a seal says was signed: a tree head, by which key, with which signature. Everything about the seal is judged
/// by then but the public-key operation, which can be done elsewhere, later, and once for all headers under the head.
/// Two that are equal hold or fail together, under one label and origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SealedHead {
    algorithm: Algorithm,
    kid: Digest,
    head: Digest,
    size: u32,
    signature: [u8; SIGNATURE_LEN],
}

impl SealedHead {
    /// The key that it claims.
    pub fn kid(&self) -> Digest {
        self.kid
    }

    /// Headers that were sealed together.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The public-key operation: whether `key` signed this head for this use on this switch.
    ///
    /// # Errors
    /// [`SealError::OtherKey`], [`SealError::Signature`].
    pub fn verify(&self, label: &str, origin: &str, key: &PublicKey) -> Result<(), SealError> {
        if key.kid() != self.kid || key.algorithm() != self.algorithm {
            return Err(SealError::OtherKey);
        }
        if key.verify(&self.signed_bytes(label, origin), &self.signature) {
            Ok(())
        } else {
            Err(SealError::Signature)
        }
    }

    /// The bytes under the signature.
    fn signed_bytes(&self, label: &str, origin: &str) -> Vec<u8> {
        signed_bytes(
            label,
            origin,
            &self.head,
            self.size,
            self.algorithm,
            &self.kid,
        )
    }

    /// SHA-256 over all that a signature is verified with, each part length-prefixed.
    fn memory_key(&self, label: &str, origin: &str) -> Digest {
        let size = self.size.to_be_bytes();
        let parts: [&[u8]; 7] = [
            label.as_bytes(),
            origin.as_bytes(),
            self.algorithm.name().as_bytes(),
            self.kid.as_ref(),
            self.head.as_ref(),
            &size,
            &self.signature,
        ];
        let mut joined = Vec::with_capacity(320);
        for part in parts {
            joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
            joined.extend_from_slice(part);
        }
        Digest::of(&joined)
    }
}

/// The bytes that are signed: COSE `Sig_structure` for `Signature1`.
fn signed_bytes(
    label: &str,
    origin: &str,
    head: &Digest,
    size: u32,
    algorithm: Algorithm,
    kid: &Digest,
) -> Vec<u8> {
    let aad = [label.as_bytes(), b"\n", origin.as_bytes()].concat();
    let payload = [head.as_ref(), &size.to_be_bytes()[..]].concat();
    CoseSign1Builder::new()
        .protected(protected(algorithm, kid))
        .build()
        .tbs_detached_data(&payload, &aad)
}

fn protected(algorithm: Algorithm, kid: &Digest) -> coset::Header {
    let algorithm = match algorithm {
        Algorithm::Ed25519 => iana::Algorithm::EdDSA,
        Algorithm::Es256 => iana::Algorithm::ES256,
    };
    HeaderBuilder::new()
        .algorithm(algorithm)
        .content_type(SEAL_CONTENT_TYPE.to_owned())
        .key_id(kid.0.to_vec())
        .build()
}

fn cose_bytes(algorithm: Algorithm, kid: &Digest, signature: &[u8]) -> Result<Vec<u8>, SealError> {
    if signature.len() != SIGNATURE_LEN {
        return Err(SealError::Malformed);
    }
    CoseSign1Builder::new()
        .protected(protected(algorithm, kid))
        .signature(signature.to_vec())
        .build()
        .to_vec()
        .map_err(|_| SealError::Malformed)
}

/// Why a seal does not hold.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// Not the one encoding of a COSE_Sign1 with exactly alg, content type and kid.
    #[error("the seal is not the one encoding of a COSE_Sign1 with alg, content type and kid")]
    Malformed,
    /// No such tree, or no such leaf in it.
    #[error(
        "the seal names a tree of {0} headers or a leaf outside it; 1 to {SEAL_SIZE_MAX} are sealed together"
    )]
    Size(u32),
    /// The path cannot belong to this leaf.
    #[error("the inclusion path does not belong to this leaf")]
    Path,
    /// The key offered is not the key that the seal names.
    #[error("the seal names another key")]
    OtherKey,
    /// The signature is not over this header for this use on this switch.
    #[error("the signature does not hold for this header, use and switch")]
    Signature,
    /// The signing key failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

#[cfg(test)]
mod tests;
