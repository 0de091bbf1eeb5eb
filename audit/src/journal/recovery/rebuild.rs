//! Rebuilds a lost store from the published bundles, up to where the tail starts.
//!
//! Takes bundles and the head that the tail starts from; gives a store that ends there. Every entry is
//! hashed on the way: bundles that do not lead to exactly that head are refused, and the old store is
//! touched only after they did.

use std::path::Path;

use bytes::Bytes;

use super::{BUNDLE_ENTRIES, Bundles, set_aside};
use crate::disk;
use crate::journal::store::{Opened, Store, newest};
use crate::journal::tail::sync_dir;
use crate::journal::tail_and_store::Layout;
use crate::journal::{Head, JournalError};
use crate::tiles::durable;

/// Entries given to the store at once.
const FEED_ENTRIES: usize = 4096;

/// Builds the store whose head is `goal`; `old` is the directory of the lost one.
pub(super) fn store(
    layout: &Layout,
    bundles: Option<&Bundles>,
    goal: &Head,
    old: Option<&Path>,
) -> Result<Store, JournalError> {
    let building = layout.dir.join("store.rebuilding");
    if building.exists() {
        disk::change(&building, || std::fs::remove_dir_all(&building))
            .map_err(|e| JournalError::io("removing", &building, e))?;
    }
    let built = build(layout, bundles, goal, &building).and_then(|first| {
        if let Some(old) = old {
            set_aside(old)?;
        }
        // An older one may have that name, when power was cut as its successor was begun; and no newer one may be taken
        // for the rebuilt one.
        while let Some((_, standing)) =
            newest(&layout.store_dir())?.filter(|(standing, _)| *standing >= first)
        {
            set_aside(&standing)?;
        }
        let name = format!("{first:020}");
        let (from, to) = (building.join(&name), layout.store_dir().join(&name));
        durable::create_dirs(&layout.store_dir())
            .and_then(|()| disk::change(&to, || std::fs::rename(&from, &to)))
            .map_err(|e| JournalError::io("putting in place", &to, e))?;
        sync_dir(&layout.store_dir())?;
        sync_dir(&layout.dir)
    });
    let _ = std::fs::remove_dir_all(&building);
    built?;
    match Store::open(&layout.store_dir(), layout.store_limits(), u64::MAX)? {
        Opened::Ready(ready) if ready.1 == *goal => Ok(ready.0),
        other => Err(JournalError::Damaged(format!(
            "the rebuilt store does not open: {other:?}"
        ))),
    }
}

/// Streams the bundles into a new store under `dir`; gives the index of its first entry.
fn build(
    layout: &Layout,
    bundles: Option<&Bundles>,
    goal: &Head,
    dir: &Path,
) -> Result<u64, JournalError> {
    let end = goal.size();
    let refused = |from: u64, why: String| {
        JournalError::Refused(format!(
            "the store is lost, and rebuilding it fails at entries {from}..{end}: {why}. \
             Restore the tile directory, or the store, from a copy that has them"
        ))
    };
    let mut head = match bundles {
        Some(bundles) => bundles.base().map_err(|e| refused(0, e.to_string()))?,
        None => Head::default(),
    };
    // Older entries are served from the bundles.
    let first = (end / layout.store_entries * layout.store_entries).max(head.size());
    if head.size() == end {
        // The base is made of what is kept, which does not say when the last of the others was recorded.
        head.last_recorded_at_us = goal.last_recorded_at_us;
    }
    let mut building: Option<Store> = None;
    let mut waiting: Vec<Bytes> = Vec::with_capacity(FEED_ENTRIES);
    while head.size() < end {
        let from = head.size();
        let bundles = bundles.ok_or_else(|| refused(from, "there are no bundles".into()))?;
        let until = (from / BUNDLE_ENTRIES * BUNDLE_ENTRIES + BUNDLE_ENTRIES).min(end);
        let entries = bundles
            .read(from..until)
            .map_err(|e| refused(from, e.to_string()))?;
        for entry in entries {
            let index = head.size();
            head.follow(&entry)
                .map_err(|e| refused(index, e.to_string()))?;
            if index >= first {
                waiting.push(entry);
            }
        }
        if waiting.len() >= FEED_ENTRIES {
            feed(layout, dir, first, &mut building, &mut waiting, &head)?;
        }
    }
    if head != *goal {
        return Err(refused(
            0,
            "the bundles do not lead to the head the tail starts from".into(),
        ));
    }
    feed(layout, dir, first, &mut building, &mut waiting, &head)?;
    Ok(first)
}

/// Moves `waiting` into the store under construction, which the first call makes.
fn feed(
    layout: &Layout,
    dir: &Path,
    first: u64,
    building: &mut Option<Store>,
    waiting: &mut Vec<Bytes>,
    head: &Head,
) -> Result<(), JournalError> {
    match building {
        Some(store) => store.append(head.size() - waiting.len() as u64, waiting, head)?,
        None => {
            let made = Store::create(dir, first, waiting, head, layout.store_limits())?;
            *building = Some(made);
        }
    }
    waiting.clear();
    Ok(())
}
