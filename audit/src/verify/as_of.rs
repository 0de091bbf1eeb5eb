//! The log as of an older checkpoint: how far to walk, and whether the log extends what was signed then.
//!
//! Takes a signed note (a receipt's, a witness's, an earlier copy's) or a bare size. A note counts only under the log's
//! key. Gives where to end, and afterwards what contradicts it: a checkpoint that this log does not extend is a fork.

use bytes::Bytes;
use proto::digest::Digest;

use super::findings::{Findings, rule};
use crate::checkpoint::{self, LogKey};
use crate::tiles::TileStore;
use crate::tree::{TreeHead, consistency_proof, verify_consistency};

/// Up to where a log is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The first so many entries.
    Size(u64),
    /// The entries under this checkpoint, a signed note's bytes.
    Note(Bytes),
}

/// Where the walk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// Entries looked at, at most.
    pub size: u64,
    /// The root that the log's key signed for so many, where a checkpoint was given.
    pub root: Option<Digest>,
}

/// Reads `at`. One that cannot be used is a finding, and nothing is walked over: `size` is 0.
pub(super) fn read(
    at: &At,
    key: Option<&LogKey>,
    claimed: Option<TreeHead>,
    findings: &mut Findings,
) -> AsOf {
    match read_or_refuse(at, key, claimed) {
        Ok(as_of) => as_of,
        Err(detail) => {
            findings.error(None, rule::AT, detail);
            AsOf {
                size: 0,
                root: None,
            }
        }
    }
}

fn read_or_refuse(
    at: &At,
    key: Option<&LogKey>,
    claimed: Option<TreeHead>,
) -> Result<AsOf, String> {
    match at {
        At::Note(note) => {
            let key = key.ok_or("there is no key to verify the checkpoint with")?;
            let checkpoint = checkpoint::open(note, key).map_err(|error| {
                format!("the checkpoint to stop at was not signed by this log's key: {error}")
            })?;
            Ok(AsOf {
                size: checkpoint.size,
                root: Some(checkpoint.root),
            })
        }
        At::Size(size) => match claimed {
            Some(head) if *size > head.size => Err(format!(
                "the log ends at {} entries, {size} were asked for",
                head.size
            )),
            _ => Ok(AsOf {
                size: *size,
                root: None,
            }),
        },
    }
}

/// After the walk: whether what it made is what was signed then, and whether the published checkpoint goes on from it.
/// `root` is the head over the entries walked over, where it is known.
pub(super) fn compare(
    store: &TileStore,
    as_of: AsOf,
    claimed: Option<TreeHead>,
    root: Option<Digest>,
    findings: &mut Findings,
) {
    let Some(claimed) = claimed else { return };
    if let Some(signed) = as_of.root {
        if as_of.size > claimed.size {
            let detail = format!(
                "the log ends at {} entries with root {}, its key signed for {} with root {signed}: it was put back to an older copy, or this copy is older than the checkpoint",
                claimed.size, claimed.root, as_of.size
            );
            return findings.error(None, rule::FORK, detail);
        }
        if let Some(root) = root
            && root != signed
        {
            let detail = format!(
                "the first {} entries make root {root}, the log's key signed {signed} for as many: two histories under one key",
                as_of.size
            );
            return findings.error(None, rule::FORK, detail);
        }
    }
    let Some(root) = root.filter(|_| as_of.size < claimed.size) else {
        return;
    };
    let tiles = store.reader(claimed.size);
    let leads = consistency_proof(&tiles, as_of.size, claimed.size).is_ok_and(|proof| {
        verify_consistency(as_of.size, &root, claimed.size, &claimed.root, &proof).is_ok()
    });
    if !leads {
        let detail = format!(
            "the hash tiles do not lead from the first {} entries to the published checkpoint of {}",
            as_of.size, claimed.size
        );
        findings.error(None, rule::ROOT_MISMATCH, detail);
    }
}

#[cfg(test)]
mod tests;
