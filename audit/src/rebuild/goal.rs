//! What a rebuilt log must reach: every checkpoint that its key signed and that somebody shows.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::RebuildError;
use crate::checkpoint::{self, Checkpoint, LogKey};
use crate::disk;
use crate::journal::Head;
use crate::note::NOTE_BYTES_MAX;
use crate::tiles::published::{
    CHECKPOINT_FILE, SUBMITTED_FILE, publish as publish_next, read_published, read_submitted,
};
use crate::tiles::{TileError, durable, read_bounded};
use crate::tree::TreeHead;

/// A checkpoint, verified, and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) checkpoint: Checkpoint,
    pub(super) note: Bytes,
    pub(super) place: String,
    /// Whether the directory's own file says something else.
    pub(super) to_publish: bool,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Goals(Vec<Claim>);

impl Goals {
    /// Reads the directory's own file, those of the copies, and what was given; with `shown`, also what the log has
    /// shown to witnesses, which is ahead of what it has published.
    ///
    /// # Errors
    /// [`RebuildError::Checkpoint`] for one that was given and does not hold; what lies in a directory and does not
    /// hold is passed over. [`RebuildError::Forked`] where two of one size differ.
    pub(super) fn of(
        dir: &Path,
        from: &[PathBuf],
        given: &[Bytes],
        key: &LogKey,
        shown: bool,
    ) -> Result<Self, RebuildError> {
        let mut claims: Vec<Claim> = Vec::new();
        let mut own = None;
        let dirs = std::iter::once(dir).chain(from.iter().map(PathBuf::as_path));
        for (number, dir) in dirs.enumerate() {
            let path = dir.join(CHECKPOINT_FILE);
            let Ok(note) = read_bounded(&path, NOTE_BYTES_MAX as u64) else {
                continue;
            };
            if let Ok(checkpoint) = checkpoint::open(&note, key) {
                if number == 0 {
                    own = Some(checkpoint.head());
                }
                claims.push(Claim {
                    checkpoint,
                    note: note.into(),
                    place: path.display().to_string(),
                    to_publish: false,
                });
            }
        }
        let submitted = read_submitted(dir).ok().flatten().filter(|_| shown);
        if let Some(submitted) = submitted
            && let Ok(checkpoint) = checkpoint::open(&submitted.note, key)
        {
            claims.push(Claim {
                checkpoint,
                note: submitted.note,
                place: dir.join(SUBMITTED_FILE).display().to_string(),
                to_publish: false,
            });
        }
        for (number, note) in given.iter().enumerate() {
            let place = format!("checkpoint {} of those given", number + 1);
            let checkpoint = match checkpoint::open(note, key) {
                Ok(checkpoint) => checkpoint,
                Err(error) => return Err(RebuildError::Checkpoint { place, error }),
            };
            claims.push(Claim {
                checkpoint,
                note: note.clone(),
                place,
                to_publish: false,
            });
        }
        for claim in &mut claims {
            claim.to_publish = own != Some(claim.checkpoint.head());
        }
        // Stable: of several alike the directory's own stays first.
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.checkpoint.size));
        for pair in claims.windows(2) {
            let (first, second) = (&pair[0].checkpoint, &pair[1].checkpoint);
            if first.size == second.size && first.root != second.root {
                return Err(forked(&pair[0], &pair[1]));
            }
        }
        claims.dedup_by_key(|claim| claim.checkpoint.size);
        Ok(Self(claims))
    }

    /// The largest first.
    pub(super) fn largest_first(&self) -> Vec<Claim> {
        self.0.clone()
    }

    /// Those over fewer than `size` entries.
    pub(super) fn below(&self, size: u64) -> impl Iterator<Item = &Claim> {
        self.0
            .iter()
            .filter(move |claim| claim.checkpoint.size < size)
    }

    /// The error that two histories make, when a checkpoint of exactly this size has another root than `head`.
    pub(super) fn contradicts(&self, head: &Head) -> Option<RebuildError> {
        let size = head.size();
        let at = self
            .0
            .binary_search_by(|claim| size.cmp(&claim.checkpoint.size))
            .ok()?;
        let claim = &self.0[at];
        if claim.checkpoint.root == head.edge.root() {
            return None;
        }
        let other = self.0.iter().find(|other| other.checkpoint.size > size);
        Some(match other {
            Some(other) => forked(other, claim),
            None => RebuildError::Forked {
                first: "what tail and store hold".to_owned(),
                second: claim.place.clone(),
                size,
            },
        })
    }

    /// Whether a log that ends with `end` is as long as all of them.
    pub(super) fn reached_by(&self, end: TreeHead) -> Result<(), RebuildError> {
        match self.0.first() {
            Some(claim) if claim.checkpoint.size > end.size => Err(RebuildError::Shorter {
                place: claim.place.clone(),
                size: claim.checkpoint.size,
                end: end.size,
            }),
            _ => Ok(()),
        }
    }
}

pub(super) fn forked(first: &Claim, second: &Claim) -> RebuildError {
    RebuildError::Forked {
        first: first.place.clone(),
        second: second.place.clone(),
        size: first.checkpoint.size.min(second.checkpoint.size),
    }
}

/// Makes `claim` the published checkpoint of `dir`; its files are all there. A file that does not hold is set aside,
/// and its place given.
pub(super) fn publish(
    dir: &Path,
    key: &LogKey,
    claim: &Claim,
) -> Result<Option<PathBuf>, RebuildError> {
    let path = dir.join(CHECKPOINT_FILE);
    if let Ok(Some(found)) = read_published(dir)
        && checkpoint::open(&found.note, key).is_ok()
    {
        publish_next(dir, Some(found.checkpoint.head()), &claim.note)?;
        return Ok(None);
    }
    let mut aside = None;
    if path.exists() {
        let name = (1..)
            .map(|number| dir.join(format!("{CHECKPOINT_FILE}.set-aside-{number}")))
            .find(|name| !name.exists())
            .unwrap_or_else(|| dir.join("checkpoint.set-aside"));
        // A copy: at no time is there no file under the name itself.
        let failed = |error| TileError::io(&name, error);
        disk::change(&name, || fs::copy(&path, &name)).map_err(failed)?;
        disk::sync_file(&name, || File::open(&name)?.sync_all()).map_err(failed)?;
        aside = Some(name);
    }
    durable::write_file(&path, &claim.note).map_err(|error| TileError::io(&path, error))?;
    Ok(aside)
}
