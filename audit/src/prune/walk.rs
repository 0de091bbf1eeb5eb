//! What is read before anything is removed: every entry that would go, as it was signed, the registry up to the cut,
//! and the endings of the requests below it.

use std::collections::BTreeSet;

use bytes::Bytes;
use proto::digest::leaf_hash;
use proto::entry::{Entry, Kind, Stamp};
use proto::facts;
use proto::registry::Registry;

use super::{Before, PruneError, Run};
use crate::journal::Head;
use crate::replay::pruning::longest_retention_days;
use crate::tiles::durable::DurableFiles;
use crate::tiles::proven::ProvenTiles;
use crate::tiles::pruned::write_kept;
use crate::tiles::reread::reread;
use crate::tiles::{TILE_WIDTH, TileError};

const WIDTH: u64 = TILE_WIDTH as u64;
const DAY_US: u64 = 86_400_000_000;

/// What was learned on the way to the cut.
#[derive(Debug)]
pub(super) struct Walked {
    /// The head at the cut.
    pub(super) head: Head,
    /// Entries that would go, registry entries among them that are kept, and bytes of their bundles.
    pub(super) entries: u64,
    pub(super) kept: u64,
    pub(super) bytes: u64,
    pub(super) retention_days: u32,
    pub(super) age_days: u64,
    /// Bundles with registry entries.
    registry: Vec<u64>,
}

/// The cut that was asked for, rounded down to a bundle; where it begins now, if that is further.
pub(super) fn cut(run: &mut Run<'_, '_>, tiles: &mut ProvenTiles<'_>) -> Result<u64, PruneError> {
    let size = tiles.head().size;
    let from = run.pruned.bundles_from();
    let cut = match run.options.before {
        Before::Index(index) if index >= size => return Err(PruneError::Beyond { index, size }),
        Before::Index(index) => index / WIDTH * WIDTH,
        Before::OlderThanDays(days) => {
            let newest = recorded_at_us(run, tiles, size.saturating_sub(1))?;
            let latest = newest.saturating_sub(u64::from(days) * DAY_US);
            // The last bundle whose first entry is as old: stamps never go back, so halving finds it.
            let (mut low, mut high) = (from / WIDTH, size.saturating_sub(1) / WIDTH);
            while low < high {
                let middle = low + (high - low).div_ceil(2);
                if recorded_at_us(run, tiles, middle * WIDTH)? <= latest {
                    low = middle;
                } else {
                    high = middle - 1;
                }
            }
            low * WIDTH
        }
    };
    Ok(cut.max(from))
}

/// When the entry at `index` was recorded, Unix microseconds.
fn recorded_at_us(
    run: &Run<'_, '_>,
    tiles: &mut ProvenTiles<'_>,
    index: u64,
) -> Result<u64, PruneError> {
    let entries = reread(tiles, run.store, index / WIDTH)?;
    let entry = entries.get((index % WIDTH) as usize);
    let stamp = entry.and_then(|entry| entry.get(1..=Stamp::LEN));
    let stamp = stamp.map(Stamp::decode).transpose();
    let stamp = stamp.map_err(|reason| PruneError::Entry { index, reason })?;
    Ok(stamp.map_or(0, |stamp| stamp.recorded_at_us))
}

/// Reads everything up to `cut`, and behind it until all requests below have ended.
pub(super) fn walk(
    run: &mut Run<'_, '_>,
    tiles: &mut ProvenTiles<'_>,
    cut: u64,
) -> Result<Walked, PruneError> {
    let size = tiles.head().size;
    let from = run.pruned.bundles_from();
    let mut registry = Registry::empty();
    let base = Head::at_minimum(run.store, size);
    let base = base.map_err(|error| TileError::io(run.dir, error))?;
    let mut state = Walked {
        head: base,
        entries: cut - from,
        kept: 0,
        bytes: 0,
        retention_days: 0,
        age_days: 0,
        registry: Vec::new(),
    };
    for bundle in 0..from / WIDTH {
        for (index, entry) in run.pruned.kept(bundle)? {
            let named = tiles.tile(0, bundle)?;
            if named.get((index % WIDTH) as usize) != Some(&leaf_hash(&entry)) {
                let path = crate::tiles::pruned::kept_path(bundle);
                return Err(crate::tiles::reread::RereadError::Altered { index, path }.into());
            }
            fold(&mut registry, index, &entry)?;
        }
    }
    let mut open = BTreeSet::new();
    for bundle in from / WIDTH..cut / WIDTH {
        let mut kept = 0;
        for (index, entry) in (bundle * WIDTH..).zip(reread(tiles, run.store, bundle)?) {
            let follows = state.head.follow(&entry);
            follows.map_err(|reason| PruneError::Inconsistent { index, reason })?;
            kept += u64::from(fold(&mut registry, index, &entry)?);
            state.bytes += 2 + entry.len() as u64;
            follow_open(&mut open, index, &entry, cut);
        }
        if kept > 0 {
            state.registry.push(bundle);
        }
        state.kept += kept;
        run.progress((bundle + 1) * WIDTH, cut);
    }
    endings(run, tiles, open, cut)?;
    retention(run, tiles, cut, &registry, &mut state)?;
    Ok(state)
}

/// Folds a registry entry; whether it is one.
fn fold(registry: &mut Registry, index: u64, bytes: &Bytes) -> Result<bool, PruneError> {
    let decoded = Entry::decode(bytes);
    let entry = decoded.map_err(|reason| PruneError::Entry { index, reason })?;
    if !entry.kind.is_registry() {
        return Ok(false);
    }
    let folded = registry.apply(index, &entry);
    folded.map_err(|reason| PruneError::Fold { index, reason })?;
    Ok(true)
}

/// Notes requests below `cut`, and strikes those out that end.
fn follow_open(open: &mut BTreeSet<u64>, index: u64, bytes: &Bytes, cut: u64) {
    match bytes.first().map(|byte| Kind::from_byte(*byte)) {
        Some(Ok(kind)) if kind.asks() && index < cut => {
            open.insert(index);
        }
        Some(Ok(kind)) if kind.ends() => {
            let ended = Entry::decode(bytes)
                .ok()
                .and_then(|entry| facts::exchange(&entry.facts).ok());
            if let Some(ended) = ended {
                open.remove(&ended.request_index);
            }
        }
        _ => {}
    }
}

/// Every request below the cut has its ending, there or behind it.
fn endings(
    run: &Run<'_, '_>,
    tiles: &mut ProvenTiles<'_>,
    mut open: BTreeSet<u64>,
    cut: u64,
) -> Result<(), PruneError> {
    let mut bundle = cut / WIDTH;
    while !open.is_empty() && bundle * WIDTH < tiles.head().size {
        for (index, entry) in (bundle * WIDTH..).zip(reread(tiles, run.store, bundle)?) {
            follow_open(&mut open, index, &entry, cut);
        }
        bundle += 1;
    }
    match open.first() {
        Some(request) => Err(PruneError::Open {
            request: *request,
            allowed: request / WIDTH * WIDTH,
        }),
        None => Ok(()),
    }
}

/// The first entry that stays must be as old as the longest retention below it asks.
fn retention(
    run: &Run<'_, '_>,
    tiles: &mut ProvenTiles<'_>,
    cut: u64,
    registry: &Registry,
    state: &mut Walked,
) -> Result<(), PruneError> {
    let size = tiles.head().size;
    if cut == 0 || cut >= size {
        return Ok(());
    }
    let newest = recorded_at_us(run, tiles, size - 1)?;
    let age_us = newest.saturating_sub(recorded_at_us(run, tiles, cut)?);
    state.age_days = age_us / DAY_US;
    state.retention_days = longest_retention_days(registry);
    let too_young = age_us < u64::from(state.retention_days) * DAY_US;
    if too_young && cut > run.pruned.bundles_from() && !run.options.despite_retention {
        return Err(PruneError::TooYoung {
            index: cut,
            age_days: state.age_days,
            retention_days: state.retention_days,
        });
    }
    Ok(())
}

/// Writes the registry entries of the bundles that will go.
pub(super) fn keep(
    run: &mut Run<'_, '_>,
    tiles: &mut ProvenTiles<'_>,
    walked: &Walked,
) -> Result<(), PruneError> {
    let mut files = DurableFiles::under(run.dir);
    for bundle in &walked.registry {
        let entries = (bundle * WIDTH..).zip(reread(tiles, run.store, *bundle)?);
        let is_registry = |entry: &Bytes| {
            let kind = entry.first().map(|byte| Kind::from_byte(*byte));
            kind.is_some_and(|kind| kind.is_ok_and(Kind::is_registry))
        };
        let kept: Vec<(u64, Bytes)> = entries.filter(|(_, entry)| is_registry(entry)).collect();
        write_kept(run.store, &mut files, *bundle, &kept)?;
    }
    let synced = files.sync_dirs();
    Ok(synced.map_err(|error| TileError::io(run.dir, error))?)
}
