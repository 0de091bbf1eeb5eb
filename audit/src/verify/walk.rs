//! One walk over all entries in order: bundles in, leaves up the tree, stamps checked on the way.
//!
//! What needs nothing before it was done by the threads of a pool ([`super::ahead`]); what is here is done in order, by
//! one thread, so that the findings are the same whatever the number of threads.

use proto::digest::Digest;
use proto::entry::Entry;

use super::OnProgress;
pub(crate) use super::ahead::entries_of;
use super::ahead::{Ahead, Bundle, Reach, Read};
use super::climb::{Climb, report};
use super::files::Present;
use super::findings::{Findings, rule};
use super::pool::Pool;
use super::stamps::Stamps;
use crate::tiles::{TILE_WIDTH, TileStore};
use crate::tree::TreeHead;

/// Bundles in a row that may be missing, hashes and all, before the walk gives up: a checkpoint that
/// nobody signed may claim any size.
const MISSING_BUNDLES_MAX: u32 = 4_096;

/// What the walk comes by.
pub(crate) enum Met<'a, T> {
    /// An entry that decodes.
    Entry(Reached<'a, T>),
    /// The end of a bundle: time for what is done now and then.
    BundleEnd,
}

/// An entry in its place.
pub(crate) struct Reached<'a, T> {
    pub(crate) index: u64,
    pub(crate) entry: &'a Entry,
    pub(crate) leaf: Digest,
    /// What was found out of it ahead.
    pub(crate) prepared: T,
    climb: &'a Climb<'a>,
    /// Leaf hashes of this bundle before it.
    before: &'a [Digest],
}

impl<T> Reached<'_, T> {
    /// The head over all entries before this one; `None` when some are missing.
    pub(crate) fn root_before(&self) -> Option<Digest> {
        self.climb.head_with(self.before)
    }
}

/// The walk and what it has learned.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    store: &'a TileStore,
    findings: &'a mut Findings,
    climb: Climb<'a>,
    stamps: Stamps,
    reach: Reach,
    entries: u64,
    ended_early: bool,
}

impl<'a> Walk<'a> {
    /// Over the entries that the checkpoint claims, as far as there are files; without a checkpoint, over the files;
    /// in no case beyond `end`.
    pub(super) fn new(
        store: &'a TileStore,
        claimed: Option<TreeHead>,
        present: Present,
        end: Option<u64>,
        findings: &'a mut Findings,
    ) -> Self {
        let whole = claimed.map_or(present.entries, |head| head.size);
        let files = whole.min(present.entries.max(present.hashes));
        let wanted = end.map_or(whole, |end| end.min(whole));
        let size = wanted.min(files);
        if size < wanted {
            let detail = format!("entries {size} to {} have no files at all", wanted - 1);
            findings.error(Some(size), rule::BUNDLE_MISSING, detail);
        }
        let cut = (size < files).then_some(files);
        Self {
            store,
            findings,
            climb: Climb::new(store, claimed, size == wanted, cut),
            stamps: Stamps::new(),
            reach: Reach { files, end: size },
            entries: 0,
            ended_early: size < wanted,
        }
    }

    /// Walks; `prepare` is done ahead, for each entry that decodes, and `meet` in order.
    pub(super) fn run<T: Send + 'static>(
        &mut self,
        pool: &Pool,
        prepare: fn(&Entry) -> T,
        mut on_progress: Option<OnProgress<'_>>,
        meet: &mut dyn FnMut(Met<'_, T>),
    ) {
        let width = u64::from(TILE_WIDTH);
        let mut missing = 0;
        for bundle in Ahead::new(pool, self.store, self.reach, prepare) {
            let first = bundle.tile.index() * width;
            if let Some(error) = &bundle.damage {
                report(bundle.tile, error, self.findings);
            }
            let hopeless = bundle.entries.is_empty() && bundle.hashes.is_err();
            missing = if hopeless { missing + 1 } else { 0 };
            if missing == MISSING_BUNDLES_MAX {
                let detail = format!(
                    "{missing} bundles in a row are missing; what follows was not looked at"
                );
                self.findings.error(Some(first), rule::WALK_ENDED, detail);
                self.ended_early = true;
                return;
            }
            let done = first + u64::from(bundle.wanted);
            self.bundle(first, bundle, meet);
            meet(Met::BundleEnd);
            if let Some(on_progress) = &mut on_progress {
                on_progress(done, self.reach.end);
            }
        }
    }

    fn bundle<T>(&mut self, first: u64, bundle: Bundle<T>, meet: &mut dyn FnMut(Met<'_, T>)) {
        let leaves: Vec<Digest> = bundle.entries.iter().map(|read| read.leaf).collect();
        for (at, read) in bundle.entries.into_iter().enumerate() {
            let index = first + at as u64;
            self.entries += 1;
            let Read {
                leaf,
                entry,
                prepared,
            } = read;
            let entry = match &entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.findings
                        .error(Some(index), rule::ENTRY_MALFORMED, error.to_string());
                    continue;
                }
            };
            self.stamps.check(index, entry, leaf, self.findings);
            let Some(prepared) = prepared else { continue };
            meet(Met::Entry(Reached {
                index,
                entry,
                leaf,
                prepared,
                climb: &self.climb,
                before: &leaves[..at],
            }));
        }
        let mut known: Vec<Option<Digest>> = leaves.into_iter().map(Some).collect();
        known.resize(usize::from(bundle.wanted), None);
        self.climb
            .push(known, bundle.hashes, bundle.head, self.findings);
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
}
