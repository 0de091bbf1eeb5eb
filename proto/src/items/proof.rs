//! One item shown alone: that a sealed header commits to it, in its place.
//!
//! Takes what its party keeps. Gives a proof that names neither the other items nor a way to guess them: of those there are
//! only hashes under keys that are not shown.

use bytes::Bytes;

use super::{Items, ItemsError, MANIFEST, Manifest, item_key, leaves};
use crate::commitment::{Salt, hmac_of};
use crate::digest::{Digest, head_from_path, inclusion_path, leaf_hash};

/// The way from one item to what a header commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemProof {
    /// The encoded manifest.
    pub manifest: Bytes,
    /// Its key.
    pub manifest_key: Salt,
    /// The item's place in its envelope, from 0.
    pub index: u32,
    /// The item.
    pub item: Bytes,
    /// Its key.
    pub item_key: Salt,
    /// From its leaf to the manifest's root, the sibling first.
    pub path: Vec<Digest>,
}

/// What a proof leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// What the header commits to.
    pub manifest: Manifest,
    /// The item's place in its batch, or in its envelope where there is none; from 0.
    pub place: u64,
}

impl ItemProof {
    /// The proof of the item at `index` of a payload that its party opened under `salt`.
    ///
    /// # Errors
    /// [`ItemsError`]: it is no payload of items, or has none there.
    pub fn of(payload: &[u8], salt: &Salt, index: u32) -> Result<Self, ItemsError> {
        let opened = Items::open(payload)?;
        let at = index as usize;
        let leaves = leaves(&opened.items, salt);
        let (item, path) = opened
            .items
            .get(at)
            .zip(inclusion_path(&leaves, at))
            .ok_or(ItemsError::Proof)?;
        Ok(Self {
            manifest: Bytes::copy_from_slice(opened.encoded_manifest()),
            manifest_key: item_key(salt, MANIFEST),
            index,
            item: Bytes::copy_from_slice(item),
            item_key: item_key(salt, u64::from(index)),
            path,
        })
    }

    /// Whether a header whose commitment is `hmac` commits to this item, and where.
    ///
    /// # Errors
    /// [`ItemsError::Manifest`], [`ItemsError::Proof`].
    pub fn verify(&self, hmac: &Digest) -> Result<Root, ItemsError> {
        if hmac_of(&self.manifest, &self.manifest_key) != *hmac {
            return Err(ItemsError::Manifest);
        }
        let manifest = Manifest::open(&self.manifest)?;
        let leaf = leaf_hash(&hmac_of(&self.item, &self.item_key).0);
        let (index, count) = (u64::from(self.index), u64::from(manifest.count));
        if head_from_path(&leaf, index, count, &self.path) != Some(manifest.root) {
            return Err(ItemsError::Proof);
        }
        let first = manifest.place.map_or(0, |place| place.first);
        Ok(Root {
            manifest,
            place: first + index,
        })
    }

    /// Whether a way from the manifest's root on, `above`, leads to the root of the whole batch.
    ///
    /// # Errors
    /// [`ItemsError::Proof`], also for what is no segment.
    pub fn verify_in_batch(&self, hmac: &Digest, above: &[Digest]) -> Result<Root, ItemsError> {
        let root = self.verify(hmac)?;
        let place = root.manifest.place.ok_or(ItemsError::Proof)?;
        let leaf = leaf_hash(&hmac_of(&self.item, &self.item_key).0);
        let path: Vec<Digest> = self.path.iter().chain(above).copied().collect();
        match head_from_path(&leaf, root.place, place.total, &path) {
            Some(head) if head == place.batch => Ok(root),
            _ => Err(ItemsError::Proof),
        }
    }
}
