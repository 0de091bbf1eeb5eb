//! Requests read from the files a second time: what late answers and disputes name after their exchange has ended.
//!
//! Takes an index that the walk has passed. Gives the request as it was judged then. Keeps one bundle, so that many late
//! entries of one outage cost one read. What cannot be read again is `None`, and the judge says so.

use bytes::Bytes;
use proto::Digest;
use proto::digest::leaf_hash;
use proto::entry::Entry;

use super::pairing::Recorded;
use super::prepare::{Header, prepare};
use crate::tiles::{TILE_WIDTH, TilePath, TileStore};
use crate::verify::walk::entries_of;

/// Reads requests again.
#[derive(Debug)]
pub(super) struct Again {
    store: TileStore,
    /// Entries that the files hold.
    files: u64,
    bundle: Option<(u64, Vec<Bytes>)>,
}

impl Again {
    pub(super) fn new(store: TileStore, files: u64) -> Self {
        Self {
            store,
            files,
            bundle: None,
        }
    }

    /// The request at `index`.
    pub(super) fn request(&mut self, index: u64) -> Option<Recorded> {
        let width = u64::from(TILE_WIDTH);
        let number = index / width;
        if self.bundle.as_ref().is_none_or(|(held, _)| *held != number) {
            let tile = TilePath::entries(number).at_size(self.files)?;
            self.bundle = Some((number, entries_of(&self.store, tile)));
        }
        let (_, entries) = self.bundle.as_ref()?;
        // Below 256.
        let bytes = entries.get((index % width) as usize)?;
        let entry = Entry::decode(bytes).ok()?;
        if !entry.kind.asks() {
            return None;
        }
        let prepared = prepare(&entry);
        let Header::Request(Ok(opened)) = prepared.header else {
            return None;
        };
        let facts = prepared.facts?;
        Some(Recorded {
            index,
            leaf: leaf_hash(bytes),
            recorded_at_us: entry.stamp.recorded_at_us,
            header_sha256: prepared.header_sha256,
            seal_sha256: prepared.seal_sha256,
            opened,
            agreement: Digest::from_slice(&facts.agreement),
            grant: facts.grant,
            sealed_by: prepared
                .sealed
                .map_or_else(Digest::default, |head| head.kid()),
            ended_us: None,
            opening: None,
            is_trailed: false,
        })
    }
}
