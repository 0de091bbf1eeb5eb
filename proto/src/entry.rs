//! One entry of the log, byte for byte: `kind ‖ stamp ‖ u16+facts ‖ u16+header ‖ u16+seal block`.
//!
//! The stamp is filled by the log's writer alone. Facts are the switch's own part; header and seal
//! are the agency's bytes as received. Integers are big-endian. See `docs/log.md`.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::digest::{Digest, LEAF_PREFIX};
use crate::limits;
use crate::seal::Seal;

mod kind;

pub use kind::Kind;

/// When, where and against which registry an entry was recorded: 50 bytes, by the writer alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Unix time in microseconds; never smaller than the entry before it.
    pub recorded_at_us: u64,
    /// Which broker recorded it.
    pub broker: u16,
    /// Registry entries before this one.
    pub registry_size: u64,
    /// RFC 6962 head of the tree over those registry entries.
    pub registry_root: Digest,
}

impl Stamp {
    /// Bytes of a stamp.
    pub const LEN: usize = 8 + 2 + 8 + 32;

    /// The 50 bytes.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&self.recorded_at_us.to_be_bytes());
        out[8..10].copy_from_slice(&self.broker.to_be_bytes());
        out[10..18].copy_from_slice(&self.registry_size.to_be_bytes());
        out[18..].copy_from_slice(&self.registry_root.0);
        out
    }

    /// Reads exactly 50 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| EntryError::Truncated)?;
        let word = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(eight)
        };
        let mut root = [0; 32];
        root.copy_from_slice(&bytes[18..]);
        Ok(Self {
            recorded_at_us: word(0),
            broker: u16::from_be_bytes([bytes[8], bytes[9]]),
            registry_size: word(10),
            registry_root: Digest(root),
        })
    }

    /// Unix time in milliseconds.
    pub fn recorded_at_ms(&self) -> u64 {
        self.recorded_at_us / 1_000
    }
}

/// An entry before the writer stamped it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it records.
    pub kind: Kind,
    /// The switch's own part, canonical protobuf; may be empty.
    pub facts: Bytes,
    /// The agency's header as received; empty where nobody signed.
    pub header: Bytes,
    /// The agency's seal as received; absent where nobody signed.
    pub seal: Option<Seal>,
}

/// A stamped entry, decoded. `bytes` of [`Entry::encode`] are what is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it records.
    pub kind: Kind,
    /// When, where, against which registry.
    pub stamp: Stamp,
    /// The switch's own part.
    pub facts: Bytes,
    /// The agency's header as received.
    pub header: Bytes,
    /// The agency's seal as received.
    pub seal: Option<Seal>,
}

impl Entry {
    /// Joins a draft and its stamp.
    pub fn new(draft: Draft, stamp: Stamp) -> Self {
        Self {
            kind: draft.kind,
            stamp,
            facts: draft.facts,
            header: draft.header,
            seal: draft.seal,
        }
    }

    /// The entry's bytes. Errors: a part over its limit.
    pub fn encode(&self) -> Result<Bytes, EntryError> {
        let (len, block_len) = self.lengths()?;
        let mut out = BytesMut::with_capacity(len);
        self.put(&mut out, block_len);
        Ok(out.freeze())
    }

    /// Bytes of the whole and of its seal block. Errors: a part over its limit.
    fn lengths(&self) -> Result<(usize, usize), EntryError> {
        let block_len = self.seal.as_ref().map_or(0, Seal::block_len);
        let len = 1 + Stamp::LEN + 6 + self.facts.len() + self.header.len() + block_len;
        self.within_limits(len)?;
        Ok((len, block_len))
    }

    fn put(&self, out: &mut impl BufMut, block_len: usize) {
        out.put_u8(self.kind as u8);
        out.put_slice(&self.stamp.encode());
        for part in [&self.facts[..], &self.header[..]] {
            // Each part fits: the limits above are all below 65,536.
            out.put_u16(part.len() as u16);
            out.put_slice(part);
        }
        out.put_u16(block_len as u16);
        if let Some(seal) = &self.seal {
            seal.put_block(out);
        }
    }

    /// Reads one entry; trailing bytes, a short part, an unknown kind or a part over its limit is an error.
    pub fn decode(bytes: &Bytes) -> Result<Self, EntryError> {
        let kind = Kind::from_byte(*bytes.first().ok_or(EntryError::Truncated)?)?;
        if bytes.len() > kind.bytes_max() {
            return Err(EntryError::TooLarge(bytes.len()));
        }
        let stamp_end = 1 + Stamp::LEN;
        let stamp = Stamp::decode(bytes.get(1..stamp_end).ok_or(EntryError::Truncated)?)?;
        let mut at = stamp_end;
        let mut part = || -> Result<Bytes, EntryError> {
            let len = bytes.get(at..at + 2).ok_or(EntryError::Truncated)?;
            let start = at + 2;
            let end = start + usize::from(u16::from_be_bytes([len[0], len[1]]));
            if end > bytes.len() {
                return Err(EntryError::Truncated);
            }
            at = end;
            Ok(bytes.slice(start..end))
        };
        let (facts, header, block) = (part()?, part()?, part()?);
        if at != bytes.len() {
            return Err(EntryError::TrailingBytes);
        }
        let seal = if block.is_empty() {
            None
        } else {
            Some(Seal::from_block(&block).ok_or(EntryError::BadSealBlock)?)
        };
        let entry = Self {
            kind,
            stamp,
            facts,
            header,
            seal,
        };
        // The limits of the parts hold for what is read as for what is written. Written again, the same bytes come out:
        // each part stands there as it was read, and a seal block has one form.
        entry.within_limits(bytes.len())?;
        Ok(entry)
    }

    /// Whether the parts and the whole, `len` bytes, are within the limits of the kind.
    fn within_limits(&self, len: usize) -> Result<(), EntryError> {
        let header_max = if self.kind.is_registry() {
            limits::REGISTRY_HEADER_BYTES_MAX
        } else {
            limits::HEADER_BYTES_MAX
        };
        if len > self.kind.bytes_max()
            || self.facts.len() > limits::FACTS_BYTES_MAX
            || self.header.len() > header_max
        {
            return Err(EntryError::TooLarge(len));
        }
        Ok(())
    }

    /// RFC 6962 leaf hash of the entry's bytes, written behind their prefix at once.
    pub fn leaf(&self) -> Result<Digest, EntryError> {
        let (len, block_len) = self.lengths()?;
        let mut prefixed = Vec::with_capacity(1 + len);
        prefixed.push(LEAF_PREFIX);
        self.put(&mut prefixed, block_len);
        Ok(Digest::of(&prefixed))
    }
}

/// Why bytes are not an entry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EntryError {
    /// The first byte names no kind that this version knows.
    #[error("unknown entry kind {0}; a newer version wrote this log, refusing to guess")]
    UnknownKind(u8),
    /// The bytes end inside a part.
    #[error("the entry ends inside one of its parts")]
    Truncated,
    /// Bytes follow the last part.
    #[error("bytes follow the last part of the entry")]
    TrailingBytes,
    /// The seal block is not seal, index, size and path in their one form.
    #[error("the seal block is not in its one form")]
    BadSealBlock,
    /// A part or the whole is over its limit.
    #[error("the entry or one of its parts is over its limit ({0} bytes)")]
    TooLarge(usize),
}
