//! One walk over all entries in order: bundles in, leaves up the tree, stamps checked on the way.

use bytes::Bytes;
use proto::digest::{Digest, leaf_hash};

use super::climb::{Climb, report};
use super::files::Present;
use super::findings::{Findings, rule};
use super::stamps::Stamps;
use super::{OnEntry, OnProgress};
use crate::tiles::{TILE_WIDTH, TilePath, TileStore, bundle};
use crate::tree::TreeHead;

/// Bundles in a row that may be missing, hashes and all, before the walk gives up: a checkpoint that
/// nobody signed may claim any size.
const MISSING_BUNDLES_MAX: u32 = 4_096;

/// The walk and what it has learned.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    store: &'a TileStore,
    findings: &'a mut Findings,
    climb: Climb<'a>,
    stamps: Stamps,
    /// Entries to walk over.
    size: u64,
    entries: u64,
    ended_early: bool,
}

impl<'a> Walk<'a> {
    /// Over the entries that the checkpoint claims, as far as there are files; without a checkpoint,
    /// over the files.
    pub(super) fn new(
        store: &'a TileStore,
        claimed: Option<TreeHead>,
        present: Present,
        findings: &'a mut Findings,
    ) -> Self {
        let wanted = claimed.map_or(present.entries, |head| head.size);
        let size = wanted.min(present.entries.max(present.hashes));
        if size < wanted {
            let detail = format!("entries {size} to {} have no files at all", wanted - 1);
            findings.error(Some(size), rule::BUNDLE_MISSING, detail);
        }
        let climb = Climb::new(store, claimed, size == wanted);
        Self {
            store,
            findings,
            climb,
            stamps: Stamps::new(),
            size,
            entries: 0,
            ended_early: size < wanted,
        }
    }

    pub(super) fn run(
        &mut self,
        mut on_progress: Option<OnProgress<'_>>,
        mut on_entry: Option<OnEntry<'_>>,
    ) {
        let width = u64::from(TILE_WIDTH);
        let mut missing = 0;
        for number in 0..self.size.div_ceil(width) {
            let Some(tile) = TilePath::entries(number).at_size(self.size) else {
                break;
            };
            let entries = self.bundle(tile);
            let hashes = TilePath::hashes(0, number).at_size(self.size);
            let hopeless = entries.is_empty()
                && hashes.is_none_or(|hashes| self.store.read_hashes(hashes).is_err());
            missing = if hopeless { missing + 1 } else { 0 };
            if missing == MISSING_BUNDLES_MAX {
                let detail = format!(
                    "{missing} bundles in a row are missing; what follows was not looked at"
                );
                self.findings
                    .error(Some(number * width), rule::WALK_ENDED, detail);
                self.ended_early = true;
                return;
            }
            for at in 0..tile.width() {
                let index = number * width + u64::from(at);
                let bytes = entries.get(usize::from(at));
                self.climb
                    .push(bytes.map(|bytes| leaf_hash(bytes)), self.findings);
                let Some(bytes) = bytes else { continue };
                self.entries += 1;
                if let Some(entry) = self.stamps.read(index, bytes, self.findings)
                    && let Some(on_entry) = &mut on_entry
                {
                    on_entry(index, &entry);
                }
            }
            if let Some(on_progress) = &mut on_progress {
                on_progress(((number + 1) * width).min(self.size), self.size);
            }
        }
    }

    /// Entries hashed, head of the tree if known, the registry at the end.
    pub(super) fn finish(mut self) -> (u64, Option<Digest>, TreeHead) {
        self.stamps.finish(self.findings);
        let root = self
            .climb
            .finish(self.findings)
            .filter(|_| !self.ended_early);
        (self.entries, root, self.stamps.registry())
    }

    /// The entries of one bundle; of a damaged one, those before the damage.
    fn bundle(&mut self, tile: TilePath) -> Vec<Bytes> {
        let error = match self.store.read_bundle(tile) {
            Ok(entries) => return entries,
            Err(error) => error,
        };
        report(tile, &error, self.findings);
        let bytes = self.store.read_file(tile).unwrap_or_default();
        bundle::decode_prefix(&bytes, tile.width()).0
    }
}
