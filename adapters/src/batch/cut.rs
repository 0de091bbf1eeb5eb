//! The cut of a batch: the root of every segment, and of all items together.
//!
//! Takes the items once, in order. Gives where each segment stands and the way from its root to the batch's. Holds 32 bytes
//! for each segment and no item.

use std::io;

use bytes::Bytes;
use proto::commitment::Salt;
use proto::digest::{Digest, inclusion_path, tree_head};
use proto::items::{Place, item_key, leaves};

use super::{BatchError, Source, is_segment_size};

/// A batch, cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Items of a segment; the last may have fewer.
    pub segment: u32,
    /// Items of the batch.
    pub total: u64,
    /// The root over all of them.
    pub root: Digest,
    /// The root of each segment.
    roots: Vec<Digest>,
}

impl Cut {
    /// Reads all items of `source` and cuts them into segments, each under a salt made from the batch's.
    ///
    /// # Errors
    /// [`BatchError::Empty`], [`BatchError::Segment`], [`BatchError::Source`].
    pub fn of(source: &impl Source, salt: &Salt, segment: u32) -> Result<Self, BatchError> {
        if !is_segment_size(segment) {
            return Err(BatchError::Segment(segment));
        }
        let mut items = source.items().map_err(BatchError::Source)?;
        let (mut roots, mut total) = (Vec::new(), 0);
        loop {
            let read = next(&mut items, segment).map_err(BatchError::Source)?;
            if read.is_empty() {
                break;
            }
            let salt = segment_salt(salt, roots.len() as u64);
            roots.push(tree_head(&leaves(&read, &salt)));
            total += read.len() as u64;
        }
        if total == 0 {
            return Err(BatchError::Empty);
        }
        Ok(Self {
            segment,
            total,
            root: tree_head(&roots),
            roots,
        })
    }

    /// As a notebook kept it: the roots of all segments, one after the other.
    pub(super) fn kept(segment: u32, total: u64, roots: &[u8]) -> Option<Self> {
        let (roots, rest) = roots.as_chunks::<{ Digest::LEN }>();
        let roots: Vec<Digest> = roots.iter().copied().map(Digest).collect();
        let fits = is_segment_size(segment)
            && total.div_ceil(u64::from(segment)) == roots.len() as u64
            && rest.is_empty()
            && total > 0;
        fits.then(|| Self {
            segment,
            total,
            root: tree_head(&roots),
            roots,
        })
    }

    /// The roots of all segments, one after the other.
    pub(super) fn roots(&self) -> Vec<u8> {
        self.roots.iter().flat_map(|root| root.0).collect()
    }

    /// Segments.
    pub fn segments(&self) -> u64 {
        self.roots.len() as u64
    }

    /// Where segment `number` stands.
    pub fn place(&self, number: u64) -> Place {
        Place {
            first: number * u64::from(self.segment),
            total: self.total,
            batch: self.root,
        }
    }

    /// Whether `root` is that of segment `number`.
    pub(super) fn has(&self, number: u64, root: &Digest) -> bool {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        self.roots.get(at) == Some(root)
    }

    /// From the root of segment `number` to the batch's, the sibling first; `None` where there is no such segment.
    pub fn above(&self, number: u64) -> Option<Vec<Digest>> {
        inclusion_path(&self.roots, usize::try_from(number).ok()?)
    }
}

/// The salt of segment `number`, from 0. The batch's own salt is that of no envelope.
pub(super) fn segment_salt(batch: &Salt, number: u64) -> Salt {
    item_key(batch, number)
}

/// The next items, at most `most`.
pub(super) fn next(
    items: &mut impl Iterator<Item = io::Result<Bytes>>,
    most: u32,
) -> io::Result<Vec<Bytes>> {
    items.take(most as usize).collect()
}
