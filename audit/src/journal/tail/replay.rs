//! Reads a tail back at start: every whole frame in order, and a verdict on where it ends.
//!
//! Takes the tail's directory; gives each frame to the caller as it goes. Never writes: what is torn is
//! cut by [`super::Tail::resume`], once the caller decided to start.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::digest::Digest;
use proto::entry::EntryError;

use super::frame::{self, Found};
use super::segment::{FRAMES_AT, SegmentHeader};
use crate::disk;
use crate::journal::{Head, JournalError, NotNext};

/// A segment that was read.
#[derive(Clone, Debug)]
pub(in crate::journal) struct SegmentFound {
    /// Its file.
    pub(in crate::journal) path: PathBuf,
    /// Index of its first entry.
    pub(in crate::journal) first: u64,
    pub(super) header: SegmentHeader,
}

/// What a tail held.
#[derive(Debug, Default)]
pub(in crate::journal) struct Replay {
    /// The segments, oldest first.
    pub(in crate::journal) segments: Vec<SegmentFound>,
    /// Where the last whole frame of the last segment ends.
    pub(in crate::journal) end_offset: usize,
    /// Bytes of a torn last frame, never acknowledged.
    pub(in crate::journal) torn_bytes: u64,
    /// Why the tail ends before its end: bytes that were once whole. `None` in a sound tail.
    pub(in crate::journal) damage: Option<String>,
    /// Whether the segment read last says that another follows.
    ended: bool,
}

/// What the caller is shown while a tail is followed.
#[derive(Debug)]
pub(in crate::journal) enum Step<'a> {
    /// The head that the oldest segment starts from. Comes first.
    Start(&'a Head),
    /// One entry, and the head after it. Its stamp stands on the entry before it.
    Entry {
        /// Its bytes.
        bytes: &'a Bytes,
        /// The head that ends with it.
        head: &'a Head,
    },
}

/// Follows the tail in `dir`. Each entry's stamp is checked on the way, and each frame's root.
///
/// # Errors
/// The directory cannot be read, a segment belongs to another log or another version, or `visit` says so.
pub(in crate::journal) fn replay(
    dir: &Path,
    origin: &Digest,
    visit: &mut dyn FnMut(Step<'_>) -> Result<(), JournalError>,
) -> Result<Replay, JournalError> {
    let mut replay = Replay::default();
    let mut head: Option<Head> = None;
    let names = segment_names(dir)?;
    for (position, path) in names.iter().enumerate() {
        let last = position + 1 == names.len();
        let bytes = std::fs::read(path).map_err(|e| JournalError::io("reading", path, e))?;
        let bytes = Bytes::from(bytes);
        let refused =
            |reason: String| JournalError::Refused(format!("{}: {reason}", path.display()));
        let Some(header) = SegmentHeader::decode(&bytes).map_err(refused)? else {
            if last && position > 0 && unused(&bytes) {
                // Power was cut while it was created; no frame was ever written to it.
                disk::change(path, || std::fs::remove_file(path))
                    .map_err(|e| JournalError::io("removing", path, e))?;
                break;
            }
            replay.damage = Some(format!(
                "{}: the segment's header is broken",
                path.display()
            ));
            break;
        };
        if header.origin != *origin {
            return Err(refused("this tail belongs to another log".into()));
        }
        let running = match head.take() {
            None => {
                visit(Step::Start(&header.head))?;
                header.head.clone()
            }
            Some(running) if running == header.head => {
                // What is torn before it is the mark that ends a segment: power was cut as it was written, and the
                // segment that it announces goes on from the last whole frame.
                replay.torn_bytes = 0;
                running
            }
            Some(running) => {
                replay.damage = Some(format!(
                    "{}: it starts at entry {}, but the segment before it ends at {}",
                    path.display(),
                    header.head.size(),
                    running.size(),
                ));
                break;
            }
        };
        let first = header.head.size();
        let nonce = header.nonce;
        replay.segments.push(SegmentFound {
            path: path.clone(),
            first,
            header,
        });
        head = Some(follow(&bytes, &nonce, path, running, &mut replay, visit)?);
        if replay.damage.is_some() {
            break;
        }
    }
    if replay.ended && replay.damage.is_none() {
        let size = head.as_ref().map_or(0, Head::size);
        replay.damage = Some(format!(
            "the segment that starts at entry {size} is missing"
        ));
    }
    Ok(replay)
}

/// Follows the frames of one segment from `head`; gives the head behind the last whole one.
fn follow(
    segment: &Bytes,
    nonce: &[u8; 16],
    path: &Path,
    mut head: Head,
    replay: &mut Replay,
    visit: &mut dyn FnMut(Step<'_>) -> Result<(), JournalError>,
) -> Result<Head, JournalError> {
    replay.end_offset = FRAMES_AT;
    replay.ended = false;
    let written_end = frame::written_end(segment);
    loop {
        let offset = replay.end_offset;
        let damaged = |what: &str| Some(format!("{} at byte {offset}: {what}", path.display()));
        let frame = match frame::read(segment, nonce, offset, written_end) {
            Found::Frame(frame) => frame,
            Found::End => return Ok(head),
            Found::Torn => {
                let end = written_end.max(offset);
                replay.torn_bytes = (end - offset) as u64;
                return Ok(head);
            }
            Found::Damaged(what) => {
                replay.damage = damaged(&what);
                return Ok(head);
            }
        };
        // The frame is checked whole before any of it is shown.
        let mut heads = Vec::with_capacity(frame.entries.len());
        let mut next = head.clone();
        let mut newer = None;
        let follows = frame.first == head.size()
            && frame.entries.iter().all(|bytes| {
                let followed = next.follow(bytes);
                heads.push(next.clone());
                if let Err(NotNext::NoEntry(error @ EntryError::UnknownKind(_))) = &followed {
                    newer = Some(error.to_string());
                }
                followed.is_ok()
            })
            && next.size() == frame.size
            && next.edge.root() == frame.root;
        // Not damage, and never to be cut off: another version of this program reads it.
        if let Some(newer) = newer {
            return Err(JournalError::Refused(format!(
                "{} at byte {offset}: {newer}. Start the newer version again; nothing was changed",
                path.display()
            )));
        }
        if !follows {
            replay.damage = damaged("the frame does not follow from the entries before it");
            return Ok(head);
        }
        for (bytes, head) in frame.entries.iter().zip(&heads) {
            visit(Step::Entry { bytes, head })?;
        }
        head = next;
        replay.ended = frame.entries.is_empty();
        replay.end_offset = frame.next;
    }
}

/// The segments' files, oldest first. Names that are not ours are left alone.
pub(super) fn segment_names(dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let reading = |e| JournalError::io("reading", dir, e);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(reading(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(reading)?.path();
        let is_segment = path.extension().is_some_and(|ext| ext == "tail")
            && path.file_stem().is_some_and(|stem| {
                stem.len() == 20 && stem.as_encoded_bytes().iter().all(u8::is_ascii_digit)
            });
        if is_segment {
            names.push(path);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether nothing was ever written behind the header's place.
fn unused(segment: &[u8]) -> bool {
    segment
        .get(FRAMES_AT..)
        .unwrap_or_default()
        .iter()
        .all(|byte| *byte == 0)
}
