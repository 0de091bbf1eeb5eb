//! The verdicts on what was found at start: did the tail lose something, is anything missing.
//!
//! Takes what following the tail showed; gives sentences that name an index range and a repair. Reads nothing.

use super::{Followed, Recovery};
use crate::journal::tail::Replay;
use crate::journal::tail_and_store::Layout;
use crate::journal::{Head, JournalError};
use crate::tree::TreeHead;

/// Refuses the first of `reasons`, with what to do, unless the operator accepts them.
pub(super) fn nothing_lost(
    layout: &Layout,
    reasons: &[String],
    recovery: Recovery,
) -> Result<(), JournalError> {
    let (Some(first), Recovery::Strict) = (reasons.first(), recovery) else {
        return Ok(());
    };
    Err(JournalError::Refused(format!(
        "{first}. Restore {} from the disk or replica that has it. If it is lost for good, start once with \
         `mohawel broker --accept-tail-loss`: whatever was acknowledged from there on is then gone, and the start's \
         entry says so",
        layout.tail_dir().display()
    )))
}

/// Every reason to think that the tail lost something that may have been acknowledged.
pub(super) fn tail(
    replay: &Replay,
    followed: &Followed,
    stored: Option<&Head>,
    published: Option<TreeHead>,
) -> Vec<String> {
    let end = followed.end.size();
    let stored = stored.map_or(0, Head::size);
    let published = published.map_or(0, |published| published.size);
    let sure = end.max(stored).max(published);
    let mut reasons = Vec::new();
    if let Some(damage) = &replay.damage {
        reasons.push(format!(
            "the tail is damaged ({damage}); entries from {sure} on may have been acknowledged there"
        ));
    } else if followed.start.is_none() {
        reasons.push(format!(
            "there is no tail; entries from {sure} on may have been acknowledged there"
        ));
    } else if stored > end {
        reasons.push(format!(
            "the tail ends at entry {end}, but the store holds {stored}: the tail was cut, or is an older copy; entries from {sure} on may have been acknowledged in what is missing"
        ));
    }
    if let Some(start) = &followed.start
        && start.size() > published
    {
        reasons.push(format!(
            "the published checkpoint covers {published} entries, but the tail starts at {}: entries {published}..{} left the tail under a later checkpoint, so this one is an older copy. Restore the newest checkpoint file and its tiles",
            start.size(),
            start.size(),
        ));
    }
    reasons
}

/// Tail and store together must extend the published checkpoint.
pub(super) fn extends(
    published: Option<TreeHead>,
    followed: &Followed,
) -> Result<(), JournalError> {
    let Some(published) = published else {
        return Ok(());
    };
    let size = followed.end.size();
    if size < published.size {
        return Err(JournalError::Refused(format!(
            "tail and store end at entry {size}, but a checkpoint over {} is published: entries {size}..{} are missing. Restore tail and store from the disk or replica that has them",
            published.size, published.size,
        )));
    }
    let root = if size == published.size {
        Some(followed.end.edge.root())
    } else {
        followed.root_at_published
    };
    if root.is_some_and(|root| root != published.root) {
        return Err(JournalError::Refused(format!(
            "the log on disk does not extend its published checkpoint over {} entries: the roots differ. Tail, store or checkpoint come from another copy of the log; restore the ones that belong together",
            published.size,
        )));
    }
    Ok(())
}
