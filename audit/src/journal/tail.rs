//! The synced tail: the commit point of the log.
//!
//! Plain segment files `<first index, 20 digits>.tail`, preallocated, written front to back. A batch is
//! one frame: one write, one fdatasync, and it is durable. The next segment's file is made beforehand
//! ([`spare`]). Segments are replayed at start and deleted when the store behind holds their entries durably
//! and the published tiles cover them.
//!
//! Never: rewrites a byte of a frame, retries a sync, deletes the segment being written.

use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::digest::Digest;

use self::replay::SegmentFound;
use self::segment::Segment;
use self::spare::Spare;
use super::{Head, JournalError};
use crate::disk;

pub(super) mod frame;
pub(super) mod replay;
mod salvage;
mod segment;
mod spare;

pub(super) use replay::{Replay, Step, replay};
pub(super) use salvage::Salvage;
pub(super) use segment::{Place, sync_dir};

/// Follows a copy of the tail of the log `origin` in `dir` to its end: where its oldest segment starts, and the entries
/// in all. `None` when there is no tail, or it is damaged: a copy may have been taken in the middle of a write.
///
/// # Errors
/// [`JournalError`]: it cannot be read, or is another log's.
pub fn tail_size(dir: &Path, origin: &str) -> Result<Option<(u64, u64)>, JournalError> {
    let mut reached: Option<(u64, u64)> = None;
    let found = replay(dir, &Digest::of(origin.as_bytes()), &mut |step| {
        match step {
            Step::Start(head) => reached = Some((head.size(), head.size())),
            Step::Entry { head, .. } => {
                reached = reached.map(|(first, _)| (first, head.size()));
            }
        }
        Ok(())
    })?;
    Ok(reached.filter(|_| found.damage.is_none()))
}

/// The open tail.
#[derive(Debug)]
pub(super) struct Tail {
    dir: PathBuf,
    origin: Digest,
    segment_bytes: u64,
    /// Whole segments before the active one, oldest first: where each ends, and its file.
    sealed: Vec<(u64, PathBuf)>,
    pub(super) active: Segment,
    pub(super) spare: Spare,
    buffer: Vec<u8>,
}

impl Tail {
    /// Starts a segment at `head` in `dir` (created if missing), leaving others there as they are.
    /// `origin` is the digest of the log's origin line.
    pub(super) fn create(
        dir: &Path,
        origin: Digest,
        segment_bytes: u64,
        head: &Head,
    ) -> Result<Self, JournalError> {
        if !dir.exists() {
            disk::change(dir, || std::fs::create_dir(dir))
                .map_err(|e| JournalError::io("creating", dir, e))?;
            if let Some(parent) = dir.parent() {
                sync_dir(parent)?;
            }
        }
        let active = Segment::create(dir, &origin, segment_bytes, head)?;
        Ok(Self {
            dir: dir.to_owned(),
            origin,
            segment_bytes,
            sealed: Vec::new(),
            active,
            spare: Spare::new(dir, segment_bytes),
            buffer: Vec::new(),
        })
    }

    /// Goes on behind what `replay` found: cuts the torn end off for good and appends after it.
    pub(super) fn resume(
        dir: &Path,
        origin: Digest,
        segment_bytes: u64,
        replay: &Replay,
    ) -> Result<Option<Self>, JournalError> {
        let Some(last) = replay.segments.last() else {
            return Ok(None);
        };
        let ended = |pair: &[SegmentFound]| (pair[1].first, pair[0].path.clone());
        let sealed = replay.segments.windows(2).map(ended).collect();
        let active = Segment::reopen(last, replay.end_offset, segment_bytes)?;
        Ok(Some(Self {
            dir: dir.to_owned(),
            origin,
            segment_bytes,
            sealed,
            active,
            spare: Spare::new(dir, segment_bytes),
            buffer: Vec::new(),
        }))
    }

    /// Appends one batch and syncs it. `before` and `head` are the heads around it. Gives where it stands.
    pub(super) fn append<'a>(
        &mut self,
        before: &Head,
        entries: impl ExactSizeIterator<Item = &'a Bytes> + Clone,
        head: &Head,
    ) -> Result<Place, JournalError> {
        self.look_ahead(before)?;
        self.buffer.clear();
        self.active.encode(&mut self.buffer, entries.clone(), head);
        if !self.active.fits(self.buffer.len()) {
            self.rotate(before)?;
            self.buffer.clear();
            self.active.encode(&mut self.buffer, entries, head);
        }
        self.active.write_synced(&self.buffer)
    }

    /// Lets go of the segments whose entries all lie below `upto`: the caller deletes them. The active
    /// one always stays.
    pub(super) fn retire(&mut self, upto: u64) -> Retired {
        let keep_from = self.sealed.partition_point(|(end, _)| *end <= upto);
        let paths = self
            .sealed
            .drain(..keep_from)
            .map(|(_, path)| path)
            .collect();
        Retired {
            dir: self.dir.clone(),
            paths,
        }
    }

    /// Starts a segment at `head`, where the tail ends, unless the active one is still without a frame: the ones
    /// before it can then be let go.
    pub(super) fn cut(&mut self, head: &Head) -> Result<(), JournalError> {
        if self.active.is_empty() {
            return Ok(());
        }
        self.rotate(head)
    }

    /// Has the next segment made ready in time, and goes over to it at once from one that is only reserved.
    fn look_ahead(&mut self, before: &Head) -> Result<(), JournalError> {
        if !self.active.is_due() {
            return Ok(());
        }
        self.spare.make();
        if !self.active.is_filled()
            && let Some(file) = self.spare.take()
        {
            let next = self.filled(file, before)?;
            self.go_over(next, before)?;
        }
        Ok(())
    }

    /// Starts the next segment, durable before it takes a frame.
    fn rotate(&mut self, before: &Head) -> Result<(), JournalError> {
        let next = match self.spare.take() {
            Some(file) => self.filled(file, before)?,
            None => Segment::create(&self.dir, &self.origin, self.segment_bytes, before)?,
        };
        self.spare.begin_anew();
        self.go_over(next, before)
    }

    /// The segment that follows `head`, in the file that was made for it.
    fn filled(&self, file: File, head: &Head) -> Result<Segment, JournalError> {
        let spare = (file, self.spare.path());
        Segment::fill(spare, &self.dir, &self.origin, self.segment_bytes, head)
    }

    /// Marks the active segment as ended, and goes on in `next`: a replay that meets the mark knows that another segment must
    /// follow.
    fn go_over(&mut self, next: Segment, before: &Head) -> Result<(), JournalError> {
        self.buffer.clear();
        self.active.encode(&mut self.buffer, [].iter(), before);
        self.active.write_synced(&self.buffer)?;
        let ended = std::mem::replace(&mut self.active, next);
        self.sealed.push((before.size(), ended.into_path()));
        Ok(())
    }
}

/// Segments that nobody needs any more.
#[derive(Debug)]
pub(super) struct Retired {
    dir: PathBuf,
    paths: Vec<PathBuf>,
}

impl Retired {
    /// Deletes them, oldest first, so that what a power cut leaves is still without a gap.
    pub(super) fn delete(self) -> Result<(), JournalError> {
        for path in &self.paths {
            disk::change(path, || std::fs::remove_file(path))
                .map_err(|e| JournalError::io("removing", path, e))?;
        }
        if self.paths.is_empty() {
            Ok(())
        } else {
            sync_dir(&self.dir)
        }
    }
}
