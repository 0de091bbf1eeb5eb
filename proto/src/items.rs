//! Items: many questions, or their many results, as one payload under one commitment.
//!
//! Takes items in order. Gives the envelope's payload, whose manifest the header commits to, and of each item a proof
//! that shows this one alone. A batch of any length is cut into segments, each an exchange; every manifest names the head
//! of the tree over all of the batch, so that one root stands behind each item. `docs/protocol.md` §2, "Items".
//!
//! Never reads what an item says.

use aws_lc_rs::hmac;
use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{decode_varint, encode_varint};
use thiserror::Error;

use crate::canonical::{self, HeaderError};
use crate::commitment::{Salt, hmac_of};
use crate::digest::{Digest, leaf_hash, tree_head};
use crate::limits::ITEMS_MAX;
use crate::wire::exchange::v1 as wire;

mod proof;
mod result;

pub use proof::{ItemProof, Root};
pub use result::ItemResult;

/// What keys of items are made under.
pub const LABEL: &str = "mohawel/item/v1";
/// Where an item would stand whose key is the manifest's.
const MANIFEST: u64 = u64::MAX;
/// Bytes of an encoded manifest at most.
const MANIFEST_BYTES_MAX: usize = 160;

/// The tags of `Items`: field number, and that its length follows.
const TAGS: [u8; 3] = [0x0a, 0x12, 0x1a];

/// What all items of one exchange are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Items, 1 to [`ITEMS_MAX`].
    pub count: u32,
    /// RFC 6962 head of the tree over their commitments.
    pub root: Digest,
    /// RFC 6962 head of the tree over the side list, where there is one.
    pub subjects: Option<Digest>,
    /// Where they stand in a batch, if in any.
    pub place: Option<Place>,
}

/// Where a segment stands in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The place of its first item, from 0.
    pub first: u64,
    /// Items of the whole batch.
    pub total: u64,
    /// RFC 6962 head of the tree over the commitments of all of them.
    pub batch: Digest,
}

impl Manifest {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let place = self.place;
        wire::ItemsManifest {
            count: self.count,
            root: self.root.0.to_vec().into(),
            subjects: bytes_of(self.subjects),
            first: place.map_or(0, |place| place.first),
            total: place.map_or(0, |place| place.total),
            batch: bytes_of(place.map(|place| place.batch)),
        }
        .encode_to_vec()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`ItemsError::Header`]: another form, no items or too many, or a place that cannot be.
    pub fn open(bytes: &[u8]) -> Result<Self, ItemsError> {
        let wire: wire::ItemsManifest = canonical::decode(bytes, MANIFEST_BYTES_MAX)?;
        let digest = |bytes: &[u8], what| match bytes {
            [] => Ok(None),
            bytes => Digest::from_slice(bytes)
                .map(Some)
                .ok_or(HeaderError::Malformed(what)),
        };
        let root = digest(&wire.root, "a manifest's root is not 32 bytes")?;
        let root = root.ok_or(HeaderError::Malformed("a manifest names no root"))?;
        let subjects = digest(&wire.subjects, "a side list's root is not 32 bytes")?;
        let batch = digest(&wire.batch, "a batch's root is not 32 bytes")?;
        if !(1..=ITEMS_MAX as u32).contains(&wire.count) {
            return Err(HeaderError::Malformed("so many items no exchange has").into());
        }
        let place = match (batch, wire.first, wire.total) {
            (None, 0, 0) => None,
            (Some(batch), first, total) => Some(Place {
                first,
                total,
                batch,
            }),
            _ => return Err(HeaderError::Malformed("a manifest names half a place").into()),
        };
        let manifest = Self {
            count: wire.count,
            root,
            subjects,
            place,
        };
        match place.is_none_or(|place| place.may_have(&manifest)) {
            true => Ok(manifest),
            false => Err(HeaderError::Malformed("so a segment cannot stand in its batch").into()),
        }
    }
}

impl Place {
    /// A segment is a whole subtree of its batch: what stands before it is a multiple of a power of two that is as large as it,
    /// and only the last one is cut.
    fn may_have(&self, manifest: &Manifest) -> bool {
        let count = u64::from(manifest.count);
        let (Some(end), size) = (self.first.checked_add(count), count.next_power_of_two()) else {
            return false;
        };
        let whole = count == size || end == self.total;
        let alone = count == self.total;
        end <= self.total
            && self.first.is_multiple_of(size)
            && whole
            && (!alone || self.batch == manifest.root)
    }
}

/// Items that were put together under a salt.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The envelope's payload.
    pub payload: Bytes,
    /// What the header commits to, encoded.
    pub manifest: Bytes,
}

/// Puts items together; `leaves` are theirs, of [`leaves`]. `subjects` is the side list: as long as the items, or nothing.
///
/// # Errors
/// [`ItemsError::Header`] for none, too many, or a place where they cannot stand.
pub fn pack<I: AsRef<[u8]>>(
    items: &[I],
    leaves: &[Digest],
    subjects: &[Vec<u8>],
    place: Option<Place>,
) -> Result<Packed, ItemsError> {
    if !subjects.is_empty() && subjects.len() != items.len() {
        return Err(ItemsError::Subjects);
    }
    let listed = subjects.iter().any(|entry| !entry.is_empty());
    let manifest = Manifest {
        // Above the limit it does not open.
        count: u32::try_from(items.len()).unwrap_or(u32::MAX),
        root: tree_head(leaves),
        subjects: listed.then(|| side_head(subjects.iter().map(Vec::as_slice))),
        place,
    };
    let encoded = manifest.encode();
    Manifest::open(&encoded)?;
    let mut payload = Vec::with_capacity(
        encoded.len() + 16 + items.iter().map(|i| i.as_ref().len() + 5).sum::<usize>(),
    );
    put(&mut payload, TAGS[0], &encoded);
    for item in items {
        put(&mut payload, TAGS[1], item.as_ref());
    }
    for entry in subjects.iter().filter(|_| listed) {
        put(&mut payload, TAGS[2], entry);
    }
    Ok(Packed {
        payload: payload.into(),
        manifest: encoded.into(),
    })
}

/// Items as they came, not yet compared with any commitment.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    encoded: &'a [u8],
    /// What is said of them.
    pub manifest: Manifest,
    /// Each as it is.
    pub items: Vec<&'a [u8]>,
    /// The side list: as long as the items, or nothing.
    pub subjects: Vec<&'a [u8]>,
}

impl<'a> Items<'a> {
    /// Reads an envelope's payload: manifest, items, side list, in this order, and as many as the manifest says.
    ///
    /// # Errors
    /// [`ItemsError`].
    pub fn open(payload: &'a [u8]) -> Result<Self, ItemsError> {
        let mut rest = payload;
        let encoded = match rest.split_first() {
            Some((tag, after)) if *tag == TAGS[0] => {
                rest = after;
                take(&mut rest)?
            }
            _ => return Err(ItemsError::Payload),
        };
        let manifest = Manifest::open(encoded)?;
        let count = manifest.count as usize;
        let mut lists = [Vec::with_capacity(count), Vec::new()];
        let mut at = 1;
        while let Some((tag, after)) = rest.split_first() {
            let field = TAGS.iter().position(|known| known == tag);
            at = field
                .filter(|field| *field >= at)
                .ok_or(ItemsError::Payload)?;
            rest = after;
            let list = &mut lists[at - 1];
            if list.len() == count {
                return Err(ItemsError::Count(manifest.count));
            }
            list.push(take(&mut rest)?);
        }
        let [items, subjects] = lists;
        if items.len() != count {
            return Err(ItemsError::Count(manifest.count));
        }
        let listed = if manifest.subjects.is_some() {
            count
        } else {
            0
        };
        if subjects.len() != listed {
            return Err(ItemsError::Subjects);
        }
        Ok(Self {
            encoded,
            manifest,
            items,
            subjects,
        })
    }

    /// Whether these are the items that `hmac` commits to under `salt`: manifest, every item in its place, side list.
    ///
    /// # Errors
    /// [`ItemsError::Manifest`], [`ItemsError::Root`], [`ItemsError::Subjects`].
    pub fn are_committed(&self, hmac: &Digest, salt: &Salt) -> Result<(), ItemsError> {
        if manifest_commitment(salt, self.encoded) != *hmac {
            return Err(ItemsError::Manifest);
        }
        if tree_head(&leaves(&self.items, salt)) != self.manifest.root {
            return Err(ItemsError::Root);
        }
        let listed = || side_head(self.subjects.iter().copied());
        match self.manifest.subjects.is_none_or(|said| said == listed()) {
            true => Ok(()),
            false => Err(ItemsError::Subjects),
        }
    }

    /// The manifest's bytes.
    pub fn encoded_manifest(&self) -> &'a [u8] {
        self.encoded
    }
}

/// The leaves of items, in their order, under the salt of their envelope.
pub fn leaves<I: AsRef<[u8]>>(items: &[I], salt: &Salt) -> Vec<Digest> {
    let keys = Keys::of(salt);
    let leaf = |(index, item): (u64, &I)| leaf_hash(&hmac_of(item.as_ref(), &keys.key(index)).0);
    (0..).zip(items).map(leaf).collect()
}

/// The key of the item at `index` of its envelope, from 0: what opens this one alone.
pub fn item_key(salt: &Salt, index: u64) -> Salt {
    Keys::of(salt).key(index)
}

/// What a header says of a manifest. It has a key of its own: to show it opens no item.
pub fn manifest_commitment(salt: &Salt, manifest: &[u8]) -> Digest {
    hmac_of(manifest, &item_key(salt, MANIFEST))
}

/// All keys of one envelope.
struct Keys(hmac::Key);

impl Keys {
    fn of(salt: &Salt) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &salt.0))
    }

    fn key(&self, index: u64) -> Salt {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(LABEL.as_bytes());
        context.update(&index.to_be_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        Salt(out)
    }
}

fn side_head<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Digest {
    tree_head(&entries.map(leaf_hash).collect::<Vec<_>>())
}

fn bytes_of(digest: Option<Digest>) -> Bytes {
    digest.map_or_else(Bytes::new, |digest| digest.0.to_vec().into())
}

fn put(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// The next field's bytes, whose length is written as shortly as it can be.
fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], ItemsError> {
    let before = rest.len();
    let length = decode_varint(rest).map_err(|_| ItemsError::Payload)?;
    let minimal = prost::encoding::encoded_len_varint(length) == before - rest.len();
    let length = usize::try_from(length).map_err(|_| ItemsError::Payload)?;
    let (bytes, after) = rest
        .split_at_checked(length)
        .filter(|_| minimal)
        .ok_or(ItemsError::Payload)?;
    *rest = after;
    Ok(bytes)
}

/// Why items are not what was said of them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ItemsError {
    /// Not a payload of items.
    #[error("the payload is not in the one form of items")]
    Payload,
    /// The manifest.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// More of them, or fewer.
    #[error("the manifest says {0} items, and another number came")]
    Count(u32),
    /// Another manifest.
    #[error("the manifest is not the one that the header commits to")]
    Manifest,
    /// Another item, or another order.
    #[error("the items are not those of the manifest, in its order")]
    Root,
    /// The side list.
    #[error("the side list is not the one of the manifest")]
    Subjects,
    /// A result.
    #[error("a result is not in its one form")]
    Result,
    /// A proof.
    #[error("the proof does not lead from this item to this root")]
    Proof,
}

#[cfg(test)]
mod tests;
