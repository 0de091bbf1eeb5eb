//! Tail and store behind files that are whole: what they still have is kept, what is damaged is made again.

use bytes::Bytes;

use super::{RebuildError, Report, Run, repaired};
use crate::journal::salvage::{Remains, replace_tail};
use crate::journal::{Head, Journal as _, Recovery, StoreFound, TailAndStore};
use crate::tiles::mend::MendError;
use crate::tiles::published::read_published;
use crate::tiles::{Pruned, TileError, TileStore};
use crate::tree::TreeHead;

/// Entries of the store compared at once: one bundle.
const COMPARED: u64 = 256;

/// Brings tail and store behind the published tree whose head is `head`.
pub(super) fn rebuild(
    run: &mut Run<'_, '_>,
    remains: Remains,
    head: &Head,
    report: &mut Report,
) -> Result<(), RebuildError> {
    let (entries, end) = remains.extend(head);
    same_history(run, head, &entries)?;
    report.end = end.edge.head();
    report.tail = remains.tail_damage().to_vec();
    report.loss = remains.may_lack(end.size()).then_some(end.size());
    run.goals.reached_by(report.end)?;
    let refused = report.loss.is_some() && !run.options.accept_tail_loss;
    if run.options.check || refused {
        report.whole = report.tail.is_empty() && report.loss.is_none();
        return Ok(());
    }
    let store = judge_store(run, remains, &end, report)?;
    let mut words = Vec::new();
    if !report.mended.files.is_empty() {
        words.push("tiles_rebuilt".to_owned());
    }
    let published = read_published(run.dir)?.map(|published| published.checkpoint.head());
    let opened = if report.tail.is_empty() && report.loss.is_none() {
        run.step("open")?;
        open(run, published).ok().filter(|(found, _)| *found == end)
    } else {
        None
    };
    let (_, found) = match opened {
        Some(opened) => opened,
        None => {
            let word = match report.loss {
                Some(_) => "tail_loss_accepted",
                None => "tail_rebuilt",
            };
            words.push(format!("{word}:{}", end.size()));
            // Before it is done: a start must never find it done and not say so.
            run.step("note the repair")?;
            repaired::write(run.dir, end.size(), &words)?;
            run.step("build the tail")?;
            let layout = run.layout.clone();
            let old = replace_tail(&layout, head, &entries, &end, &mut || {
                run.step("exchange the tail")
            })?;
            report.set_aside.extend(old);
            report.tail_rebuilt = true;
            run.step("open")?;
            let opened = open(run, published)?;
            if opened.0 != end {
                return Err(RebuildError::OtherEnd {
                    expected: end.size(),
                    found: opened.0.size(),
                });
            }
            opened
        }
    };
    let store = if store == StoreFound::Whole {
        found
    } else {
        store
    };
    if store != StoreFound::Whole {
        words.push("store_rebuilt".to_owned());
    }
    if !words.is_empty() {
        repaired::write(run.dir, end.size(), &words)?;
    }
    report.store = Some(store);
    report.whole = true;
    Ok(())
}

/// Every checkpoint over a part of `entries`, which follow `head`, must be of this history.
fn same_history(run: &Run<'_, '_>, head: &Head, entries: &[Bytes]) -> Result<(), RebuildError> {
    let mut at = head.clone();
    for entry in entries {
        // It followed when it was found.
        let _ = at.follow(entry);
        if let Some(forked) = run.goals.contradicts(&at) {
            return Err(forked);
        }
    }
    Ok(())
}

/// Compares what the store holds with the files, which are proved; sets one aside that holds anything else.
fn judge_store(
    run: &mut Run<'_, '_>,
    remains: Remains,
    end: &Head,
    report: &mut Report,
) -> Result<StoreFound, RebuildError> {
    let Some(stored) = remains.stored() else {
        return Ok(match remains.no_store.as_deref() {
            Some("missing") => StoreFound::Missing,
            Some("empty") => StoreFound::Empty,
            reason => StoreFound::Corrupt(reason.unwrap_or_default().to_owned()),
        });
    };
    let tiles = TileStore::new(run.dir);
    let from = Pruned::of(&tiles).map_err(MendError::from)?.bundles_from();
    let published = report.checkpoint.size;
    let mut at = stored.start.max(from);
    let mut wrong = (stored.end > end.size()).then(|| {
        let last = end.size()..stored.end;
        format!(
            "entries {}..{} in it follow nothing that was signed",
            last.start, last.end
        )
    });
    while at < stored.end.min(published) && wrong.is_none() {
        let until = (at / COMPARED * COMPARED + COMPARED).min(stored.end.min(published));
        let signed = tiles.read_entries(at..until, published);
        let signed = signed.collect::<Result<Vec<_>, TileError>>()?;
        wrong = match remains.read_store(at..until) {
            Ok(held) if held == signed => None,
            Ok(_) => Some(format!(
                "entries {at}..{until} in it are not the ones that were signed"
            )),
            Err(error) => Some(error.to_string()),
        };
        at = until;
    }
    let Some(reason) = wrong else {
        return Ok(StoreFound::Whole);
    };
    run.step("set the store aside")?;
    report.set_aside.extend(remains.set_store_aside()?);
    Ok(StoreFound::Corrupt(reason))
}

/// Opens the journal as the switch would, which also makes a lost store again, and closes it: the head it opens with,
/// and in which state it found the store.
fn open(
    run: &Run<'_, '_>,
    published: Option<TreeHead>,
) -> Result<(Head, StoreFound), RebuildError> {
    let bundles = Some(crate::log::bundles(run.dir));
    let layout = run.layout.clone();
    let (journal, found) = TailAndStore::open(layout, bundles, published, Recovery::Strict)?;
    Ok((journal.head()?, found.store))
}
