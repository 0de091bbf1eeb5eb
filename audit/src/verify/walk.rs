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
use crate::tiles::{Pruned, TILE_WIDTH, TileStore};
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
    /// Leaf hashes of this bundle before it; `None` where some of them were pruned.
    before: Option<&'a [Digest]>,
}

impl<T> Reached<'_, T> {
    /// The head over all entries before this one; `None` when some are missing.
    pub(crate) fn root_before(&self) -> Option<Digest> {
        self.climb.head_with(self.before?)
    }
}

/// The walk and what it has learned.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    store: &'a TileStore,
    pruned: Pruned,
    findings: &'a mut Findings,
    climb: Climb<'a>,
    stamps: Stamps,
    reach: Reach,
    entries: u64,
    /// Entries that are not there and need not be.
    absent: u64,
    ended_early: bool,
}

/// What a walk has learned.
#[derive(Debug)]
pub(super) struct Walked {
    /// Entries hashed.
    pub(super) entries: u64,
    /// Entries below the minimum index that are not there.
    pub(super) pruned: u64,
    /// Head of the tree, if known.
    pub(super) root: Option<Digest>,
    /// The registry at the end.
    pub(super) registry: TreeHead,
}

impl<'a> Walk<'a> {
    /// Over the entries that the checkpoint claims, as far as there are files; without a checkpoint, over the files;
    /// in no case beyond `end`.
    pub(super) fn new(
        (store, pruned): (&'a TileStore, Pruned),
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
            pruned,
            findings,
            climb: Climb::new(store, claimed, size == wanted, cut),
            stamps: Stamps::new(),
            reach: Reach { files, end: size },
            entries: 0,
            absent: 0,
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
        for bundle in Ahead::new(pool, self.store, &self.pruned, self.reach, prepare) {
            let first = bundle.tile.index() * width;
            match &bundle.damage {
                Some(error) if bundle.pruned => {
                    let detail = error.to_string();
                    self.findings
                        .error(Some(first), rule::KEPT_MALFORMED, detail);
                }
                Some(error) => report(bundle.tile, error, self.findings),
                None => {}
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
        let mut known = vec![None; usize::from(bundle.wanted)];
        for read in &bundle.entries {
            known[usize::from(read.place)] = Some(read.leaf);
        }
        if bundle.pruned {
            self.absent += (known.len() - leaves.len()) as u64;
        }
        for (at, read) in bundle.entries.into_iter().enumerate() {
            let index = first + u64::from(read.place);
            self.entries += 1;
            let Read {
                place: _,
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
                before: (!bundle.pruned).then_some(&leaves[..at]),
            }));
        }
        self.climb
            .push(known, bundle.hashes, bundle.head, self.findings);
    }

    /// Says what was pruned, and gives what was learned.
    pub(super) fn finish(mut self) -> Walked {
        self.stamps.finish(self.findings);
        if self.absent > 0 {
            let detail = format!(
                "{} entries below the minimum index {} are not here, and nothing in them was looked at; the hash tiles stand in their place",
                self.absent,
                self.pruned.minimum()
            );
            self.findings.warning(None, rule::PRUNED, detail);
        }
        let root = self
            .climb
            .finish(self.findings)
            .filter(|_| !self.ended_early);
        Walked {
            entries: self.entries,
            pruned: self.absent,
            root,
            registry: self.stamps.registry(),
        }
    }
}
