//! One frame of the tail: a committed batch, and the verdict on bytes that are not one.
//!
//! Layout, big-endian, frames start at multiples of 8:
//! `magic u32 ‖ body length u32 ‖ first index u64 ‖ body CRC-32C u32 ‖ header CRC-32C u32 ‖ body`, where
//! `body = count u32 ‖ (u16+entry)… ‖ size u64 ‖ root ‖ end mark u32`. Both checksums also cover the segment's
//! nonce and the frame's offset, so that no bytes an agency sent can pass as a frame. A frame without
//! entries ends its segment.

use std::ops::Range;

use bytes::Bytes;
use proto::digest::Digest;

use crate::journal::Head;

/// Bytes before a frame's body.
pub(super) const HEADER_LEN: usize = 24;
const MAGIC: u32 = 0x4d57_5446;
/// No byte of it is zero: a frame whose last byte is zero was not written to its end.
const END_MARK: u32 = 0xe4d0_f4a3;
/// A disk writes this much whole or not at all.
const SECTOR: usize = 512;
/// Count, size, root and end mark of a body.
const BODY_FIXED: usize = 4 + 8 + Digest::LEN + 4;

/// A batch read back.
#[derive(Debug)]
pub(super) struct Frame {
    /// Index of the first entry.
    pub(super) first: u64,
    /// The entries' bytes.
    pub(super) entries: Vec<Bytes>,
    /// Size of the log after the batch.
    pub(super) size: u64,
    /// Root of the log after the batch.
    pub(super) root: Digest,
    /// Where it starts.
    pub(super) at: usize,
    /// Where the next frame starts.
    pub(super) next: usize,
}

/// What stands at an offset of a segment.
#[derive(Debug)]
pub(super) enum Found {
    /// A whole frame.
    Frame(Frame),
    /// Nothing was ever written from here on.
    End,
    /// A write that never reached its end, so nobody was told it did.
    Torn,
    /// Bytes that were written to their end and are no longer what they were. Says how.
    Damaged(String),
}

/// Appends the frame of a batch at `offset` to `out`, padded to the next multiple of 8.
pub(super) fn encode<'a>(
    out: &mut Vec<u8>,
    nonce: &[u8; 16],
    offset: usize,
    entries: impl ExactSizeIterator<Item = &'a Bytes>,
    head: &Head,
) {
    let start = out.len();
    let count = entries.len();
    out.resize(start + HEADER_LEN, 0);
    out.extend_from_slice(&(count as u32).to_be_bytes());
    for entry in entries {
        // An entry is at most 60 KiB.
        out.extend_from_slice(&(entry.len() as u16).to_be_bytes());
        out.extend_from_slice(entry);
    }
    out.extend_from_slice(&head.size().to_be_bytes());
    out.extend_from_slice(head.edge.root().as_bytes());
    out.extend_from_slice(&END_MARK.to_be_bytes());
    let body = start + HEADER_LEN;
    let body_crc = checksum(nonce, offset, &out[body..]);
    let body_len = (out.len() - body) as u32;
    let first = head.size() - count as u64;
    out[start..start + 4].copy_from_slice(&MAGIC.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&body_len.to_be_bytes());
    out[start + 8..start + 16].copy_from_slice(&first.to_be_bytes());
    out[start + 16..start + 20].copy_from_slice(&body_crc.to_be_bytes());
    let header_crc = checksum(nonce, offset, &out[start..start + 20]);
    out[start + 20..start + 24].copy_from_slice(&header_crc.to_be_bytes());
    out.resize(start + (out.len() - start).next_multiple_of(8), 0);
}

/// Where the last byte that is not zero ends: nothing was written from there on.
pub(super) fn written_end(segment: &[u8]) -> usize {
    // Nearly all of a preallocated segment is zeros: those go a page at a time.
    const ZEROS: [u8; 4096] = [0; 4096];
    let pages = segment.chunks(ZEROS.len());
    let Some(page) = pages.clone().rposition(|page| page != &ZEROS[..page.len()]) else {
        return 0;
    };
    let start = page * ZEROS.len();
    let last = segment[start..]
        .iter()
        .take(ZEROS.len())
        .rposition(|byte| *byte != 0);
    last.map_or(start, |last| start + last + 1)
}

/// Reads what stands at `offset` of `segment` (the whole file, or as much of it as there is).
///
/// A write that power cut short left at least one sector, or everything after some byte, as it was
/// before: zeros, because segments are preallocated and never reused. Bytes that fail their checksum
/// with no such hole were whole once; that, or a whole frame further on, is damage and not a tear.
///
/// `written_end` is the segment's own [`written_end`], found once: a segment has many frames.
pub(super) fn read(segment: &Bytes, nonce: &[u8; 16], offset: usize, written_end: usize) -> Found {
    if offset >= written_end {
        return Found::End;
    }
    let body = match header_at(segment, nonce, offset) {
        Some(header) => header,
        None if frame_follows(segment, nonce, offset, written_end) => {
            return Found::Damaged(
                "the header of a frame before other whole frames is broken".into(),
            );
        }
        None if header_torn(segment, offset, written_end) => return Found::Torn,
        None => return Found::Damaged("the header of the last frame is broken".into()),
    };
    let whole = segment.get(body.range.clone()).filter(|bytes| {
        checksum(nonce, offset, bytes) == body.crc && bytes.ends_with(&END_MARK.to_be_bytes())
    });
    if whole.is_some() {
        return match entries(segment, &body) {
            Some(frame) => Found::Frame(frame),
            None => Found::Damaged("a frame with a good checksum does not parse".into()),
        };
    }
    // The next frame is written only after this one is durable.
    if written_end > body.range.end.next_multiple_of(8) {
        return Found::Damaged("a frame with others behind it is broken".into());
    }
    if has_hole(segment, offset..body.range.end) {
        return Found::Torn;
    }
    Found::Damaged("the last frame was written to its end and is broken".into())
}

struct Header {
    first: u64,
    range: Range<usize>,
    crc: u32,
}

/// The header at `offset`, if its own checksum holds.
fn header_at(segment: &[u8], nonce: &[u8; 16], offset: usize) -> Option<Header> {
    header_of(segment.get(offset..)?.first_chunk()?, nonce, offset)
}

fn header_of(header: &[u8; HEADER_LEN], nonce: &[u8; 16], offset: usize) -> Option<Header> {
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if word(0) != MAGIC || word(20) != checksum(nonce, offset, &header[..20]) {
        return None;
    }
    let body = offset + HEADER_LEN;
    Some(Header {
        first: u64::from(word(8)) << 32 | u64::from(word(12)),
        range: body..body + word(4) as usize,
        crc: word(16),
    })
}

/// The entries of `bytes`, one frame that stands at `offset` of its segment; `None` where it is not what was written.
pub(super) fn entries_of(bytes: &Bytes, nonce: &[u8; 16], offset: usize) -> Option<Vec<Bytes>> {
    let header = header_of(bytes.first_chunk()?, nonce, offset)?;
    let range = HEADER_LEN..HEADER_LEN + header.range.len();
    let body = bytes.get(range.clone())?;
    let whole = checksum(nonce, offset, body) == header.crc;
    let header = Header { range, ..header };
    whole
        .then(|| entries(bytes, &header))?
        .map(|frame| frame.entries)
}

/// Parses a body whose checksum held.
fn entries(segment: &Bytes, header: &Header) -> Option<Frame> {
    let body = segment.slice(header.range.clone());
    let fixed = body.len().checked_sub(BODY_FIXED)?;
    let count = u32::from_be_bytes(body[..4].try_into().ok()?) as usize;
    let end = 4 + fixed;
    let mut entries = Vec::with_capacity(count.min(fixed / 2));
    let mut at = 4;
    for _ in 0..count {
        let len = usize::from(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
        at += 2;
        if at + len > end {
            return None;
        }
        entries.push(body.slice(at..at + len));
        at += len;
    }
    let size = u64::from_be_bytes(body[end..end + 8].try_into().ok()?);
    let root = Digest::from_slice(&body[end + 8..end + 8 + Digest::LEN])?;
    let next = header.range.end.next_multiple_of(8);
    (at == end).then_some(Frame {
        at: header.range.start - HEADER_LEN,
        first: header.first,
        entries,
        size,
        root,
        next,
    })
}

/// Every whole frame of a segment from `offset` on, whatever stands between them: what can still be saved.
pub(super) fn scan(segment: &Bytes, nonce: &[u8; 16], offset: usize) -> Vec<Frame> {
    let written_end = written_end(segment);
    let mut frames = Vec::new();
    let mut at = offset;
    while at < written_end {
        // A header anywhere else than where its checksum says does not hold.
        let found = header_at(segment, nonce, at).map(|_| read(segment, nonce, at, written_end));
        if let Some(Found::Frame(frame)) = found {
            at = frame.next;
            frames.push(frame);
        } else {
            at += 8;
        }
    }
    frames
}

/// Whether a whole frame header stands anywhere after `offset`.
fn frame_follows(segment: &[u8], nonce: &[u8; 16], offset: usize, written_end: usize) -> bool {
    let mut at = offset + 8;
    while at < written_end {
        if segment[at..].starts_with(&MAGIC.to_be_bytes())
            && header_at(segment, nonce, at).is_some()
        {
            return true;
        }
        at += 8;
    }
    false
}

/// Whether a write of `range` left some of it as it was. What the file no longer has counts as zeros.
fn has_hole(segment: &[u8], range: Range<usize>) -> bool {
    if segment.get(range.end - 1).is_none_or(|last| *last == 0) {
        return true;
    }
    let mut at = range.start;
    while at < range.end {
        let sector_end = ((at / SECTOR + 1) * SECTOR).min(range.end);
        if segment[at..sector_end].iter().all(|byte| *byte == 0) {
            return true;
        }
        at = sector_end;
    }
    false
}

/// Whether a broken header can come from a write cut short: nothing follows it, or the sector that
/// holds its first or its last byte was never written.
fn header_torn(segment: &[u8], offset: usize, written_end: usize) -> bool {
    let first_end = (offset / SECTOR + 1) * SECTOR;
    let zero = |range: Range<usize>| {
        let range = range.start.min(segment.len())..range.end.min(segment.len());
        segment[range].iter().all(|byte| *byte == 0)
    };
    let straddles = offset + HEADER_LEN > first_end;
    written_end <= offset + HEADER_LEN
        || zero(offset..first_end)
        || (straddles && zero(first_end..offset + HEADER_LEN))
}

fn checksum(nonce: &[u8; 16], offset: usize, bytes: &[u8]) -> u32 {
    let seed = crc32c::crc32c(nonce);
    let seed = crc32c::crc32c_append(seed, &(offset as u64).to_be_bytes());
    crc32c::crc32c_append(seed, bytes)
}
