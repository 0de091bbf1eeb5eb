//! The head from which a pruned log has all its entries.

use std::io;

use proto::digest::leaf_hash;
use proto::entry::Stamp;

use super::Head;
use crate::tiles::{Pruned, TileStore};
use crate::tree::{HashReader as _, edge_at};

/// Registry entries read at once.
const CHUNK: usize = 1_024;

impl Head {
    /// The head at the minimum index of `store`, rounded down to a bundle, whose checkpoint covers `published` entries; the empty one where
    /// nothing was pruned. Hash tiles give its tree, kept registry entries its registry. When its last entry was
    /// recorded is known only to be not before the last kept one.
    ///
    /// What it is made of is claimed by the files: whoever goes on from it compares the head it ends with.
    ///
    /// # Errors
    /// A tile or what is kept cannot be read, or does not fit together.
    pub(crate) fn at_minimum(store: &TileStore, published: u64) -> io::Result<Self> {
        let pruned = Pruned::of(store).map_err(io::Error::other)?;
        let minimum = pruned.bundles_from();
        if minimum == 0 {
            return Ok(Self::default());
        }
        let reader = store.reader(published);
        let mut head = Self::default();
        let mut next = 0;
        while next < minimum {
            let (kept, after) = pruned
                .kept_between(next, minimum, CHUNK)
                .map_err(io::Error::other)?;
            for (index, entry) in kept {
                let leaf = leaf_hash(&entry);
                let stamp = entry.get(1..=Stamp::LEN).map(Stamp::decode);
                match stamp {
                    Some(Ok(stamp)) if reader.node(0, index)? == leaf => {
                        head.registry_edge.push(leaf);
                        head.last_recorded_at_us = stamp.recorded_at_us;
                    }
                    _ => {
                        let other = format!("kept entry {index} is not the one its tile names");
                        return Err(io::Error::other(other));
                    }
                }
            }
            next = after;
        }
        head.edge = edge_at(&reader, minimum)?;
        Ok(head)
    }
}
