//! What a damaged tail still has: every whole frame of every segment, wherever the damage lies.
//!
//! Takes the tail's directory; gives the frames, and goes on with them from a head that is proved otherwise. Never
//! writes, never stops at the first damage, and uses no frame whose checksums, stamps and root do not hold.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use proto::digest::Digest;

use super::frame::{self, Found, Frame};
use super::replay::segment_names;
use super::segment::{FRAMES_AT, SegmentHeader};
use crate::journal::{Head, JournalError};

/// The whole frames of a tail.
#[derive(Debug, Default)]
pub(in crate::journal) struct Salvage {
    /// By their first index.
    frames: Vec<Frame>,
    /// What is damaged, missing, or another log's.
    pub(in crate::journal) damage: Vec<String>,
    /// Size of the log where the tail ends, if it says so: an end that is whole, or a write that was cut short.
    end: Option<u64>,
}

impl Salvage {
    /// Reads everything in `dir` that belongs to the log of `origin`.
    ///
    /// # Errors
    /// The directory or a file cannot be read.
    pub(in crate::journal) fn of(dir: &Path, origin: &Digest) -> Result<Self, JournalError> {
        let mut salvage = Self::default();
        let names = segment_names(dir)?;
        if names.is_empty() {
            salvage
                .damage
                .push(format!("{}: no segment is there", dir.display()));
        }
        for (position, path) in names.iter().enumerate() {
            let bytes = std::fs::read(path).map_err(|e| JournalError::io("reading", path, e))?;
            let mut damaged = |what: &str| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                salvage.damage.push(format!("tail/{name}: {what}"));
            };
            let segment = Bytes::from(bytes);
            let header = match SegmentHeader::decode(&segment) {
                Ok(Some(header)) => header,
                Ok(None) => {
                    damaged("the segment's header is broken");
                    continue;
                }
                Err(reason) => {
                    damaged(&reason);
                    continue;
                }
            };
            if header.origin != *origin {
                damaged("it belongs to another log");
                continue;
            }
            let frames = frame::scan(&segment, &header.nonce, FRAMES_AT);
            let last = position + 1 == names.len();
            let (whole, end) = judge(&segment, &header, &frames);
            if !whole {
                damaged("frames are broken");
            }
            match end {
                Some(_) if !last => damaged("it has no end mark, though another follows"),
                None if last && whole => damaged("the segment that follows it is missing"),
                _ => {}
            }
            if last {
                salvage.end = end;
            }
            salvage.frames.extend(frames);
        }
        salvage.frames.sort_by_key(|frame| frame.first);
        Ok(salvage)
    }

    /// What it has of a range of entries, each with its index.
    pub(in crate::journal) fn read(&self, range: Range<u64>) -> Vec<(u64, Bytes)> {
        let entries = self.frames.iter().flat_map(|frame| {
            let indexed = (frame.first..).zip(&frame.entries);
            indexed.filter(|(index, _)| range.contains(index))
        });
        entries
            .map(|(index, entry)| (index, entry.clone()))
            .collect()
    }

    /// Goes on from `head`, as far as frames follow: each entry's stamp on the one before it, and each frame's root.
    pub(in crate::journal) fn extend(&self, head: &mut Head, entries: &mut Vec<Bytes>) {
        for frame in &self.frames {
            let size = head.size();
            if frame.size <= size || frame.first > size {
                continue;
            }
            // At most the entries of one frame.
            let new = &frame.entries[(size - frame.first) as usize..];
            let mut next = head.clone();
            let follows = new.iter().all(|entry| next.follow(entry).is_ok());
            if follows && next.size() == frame.size && next.edge.root() == frame.root {
                entries.extend(new.iter().cloned());
                *head = next;
            }
        }
    }

    /// Whether more may have been acknowledged than a log of `size` entries holds.
    pub(in crate::journal) fn may_lack(&self, size: u64) -> bool {
        self.end.is_none_or(|end| end > size)
    }
}

/// Whether every frame of a segment is whole, and the size at its end; `None` where it is marked as ended, or its end
/// is damaged.
fn judge(segment: &Bytes, header: &SegmentHeader, frames: &[Frame]) -> (bool, Option<u64>) {
    let (mut at, mut size) = (FRAMES_AT, header.head.size());
    let (mut whole, mut ended) = (true, false);
    for frame in frames {
        // Frames stand one behind the other; where one does not, there was another between them.
        whole &= frame.at == at && frame.first == size;
        (at, size, ended) = (frame.next, frame.size, frame.entries.is_empty());
    }
    match frame::read(segment, &header.nonce, at, frame::written_end(segment)) {
        Found::End | Found::Torn => (whole, (!ended).then_some(size)),
        Found::Frame(_) | Found::Damaged(_) => (false, None),
    }
}
