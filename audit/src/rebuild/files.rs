//! The files of the largest signed tree that can be proved: mended, and followed entry by entry.

use std::path::Path;

use proto::digest::leaf_hash;
use proto::entry::Kind;

use super::goal::{self, Claim, Goals};
use super::{RebuildError, Run};
use crate::checkpoint::{self, LogKey};
use crate::journal::salvage::Remains;
use crate::journal::{Head, NotNext};
use crate::tiles::copies::Copies;
use crate::tiles::mend::{self, Leaf, MendError, Mended, mend};
use crate::tiles::proven::ProvenTiles;
use crate::tiles::published::read_published;
use crate::tiles::{Pruned, TileStore};
use crate::tree::TreeHead;

/// The files of one signed tree.
pub(super) struct FilesFound {
    pub(super) claim: Claim,
    pub(super) mended: Mended,
    /// The head that its entries make.
    pub(super) head: Head,
}

/// Gets from `key` to those that followed it by the log's own entries, where the published checkpoint needs one of them and
/// nothing else leads there. What they are is proved by both seals of each; where they stand, by the walk.
pub(super) fn follow_entries(dir: &Path, key: &LogKey) {
    let Ok(Some(published)) = read_published(dir) else {
        return;
    };
    if !key.successions().is_empty() || checkpoint::open(&published.note, key).is_ok() {
        return;
    }
    let (tiles, size) = (TileStore::new(dir), published.checkpoint.size);
    let pruned = Pruned::of(&tiles).ok();
    let from = pruned.as_ref().map_or(0, Pruned::bundles_from);
    let kept = pruned.and_then(|pruned| pruned.kept_between(0, from, usize::MAX).ok());
    let kept = kept.map(|(kept, _)| kept).unwrap_or_default();
    let entries = tiles.read_entries(from..size, size).map_while(Result::ok);
    for (index, entry) in kept.into_iter().chain(entries) {
        if entry.first() == Some(&(Kind::LogKeySucceeded as u8)) {
            // One that does not lead on is somebody else's finding.
            let _ = key.follow_next(index, &entry);
        }
    }
}

/// Mends the files of the largest tree that can be proved.
pub(super) fn mend_largest(
    run: &mut Run<'_, '_>,
    remains: Option<&Remains>,
) -> Result<FilesFound, RebuildError> {
    let own = TileStore::new(run.dir);
    let read = |range| {
        remains
            .map(|remains| remains.read(range))
            .unwrap_or_default()
    };
    let copies = run
        .options
        .from
        .iter()
        .fold(Copies::of(&own), |copies, dir| {
            copies.and_dir(TileStore::new(dir))
        });
    let copies = copies.and_entries(&read);
    let mut first = None;
    for claim in run.goals.largest_first() {
        run.step("mend")?;
        // Before anything is written: files of another history must not take the place of these.
        if let Some(forked) = forked(&run.goals, &copies, &claim) {
            return Err(forked);
        }
        match walk(run, &copies, claim.checkpoint.head()) {
            Ok((mended, head)) => {
                return Ok(FilesFound {
                    claim,
                    mended,
                    head,
                });
            }
            Err(RebuildError::Mend(MendError::Unproven(unproven))) => {
                first.get_or_insert(unproven);
            }
            Err(error) => return Err(error),
        }
    }
    Err(match first {
        Some(unproven) => RebuildError::Mend(unproven.into()),
        None => RebuildError::NoCheckpoint(run.dir.to_owned()),
    })
}

/// The error that two histories make, when the tree of `claim` does not begin with that of every smaller one.
fn forked(goals: &Goals, copies: &Copies<'_>, claim: &Claim) -> Option<RebuildError> {
    let mut tiles = ProvenTiles::of(copies, claim.checkpoint.head()).ok()?;
    goals.below(claim.checkpoint.size).find_map(|smaller| {
        let root = tiles.root_at(smaller.checkpoint.size).ok()?;
        (root != smaller.checkpoint.root).then(|| goal::forked(claim, smaller))
    })
}

/// One walk over the tree `goal`: mends its files and follows its entries.
fn walk(
    run: &mut Run<'_, '_>,
    copies: &Copies<'_>,
    goal: TreeHead,
) -> Result<(Mended, Head), RebuildError> {
    let mut head = Head::default();
    let mut strange: Option<(u64, NotNext)> = None;
    let goals = &run.goals;
    let mut forked = None;
    let mut on_leaf = |index: u64, leaf: Leaf<'_>| {
        match leaf {
            Leaf::Entry(entry) => {
                if let Err(error) = head.follow(entry) {
                    strange.get_or_insert((index, error));
                    head.pass(leaf_hash(entry));
                }
            }
            Leaf::Hash(hash) => head.pass(*hash),
        }
        forked = forked.take().or_else(|| goals.contradicts(&head));
    };
    let mut silent = |_, _| {};
    let on_progress: &mut dyn FnMut(u64, u64) = match &mut run.options.on_progress {
        Some(on_progress) => on_progress,
        None => &mut silent,
    };
    let options = mend::Options {
        set_aside: (!run.options.check).then_some(run.aside.as_path()),
        on_leaf: &mut on_leaf,
        on_progress,
    };
    let mended = mend(copies, goal, options)?;
    if let Some(forked) = forked {
        return Err(forked);
    }
    match strange {
        // Where entries are lost, what follows them cannot follow.
        Some((index, reason)) if mended.lost.is_empty() => {
            Err(RebuildError::Inconsistent { index, reason })
        }
        _ => Ok((mended, head)),
    }
}
