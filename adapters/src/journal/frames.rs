//! Frames in a file that only grows: `mark ‖ u32 length ‖ u32 CRC-32C ‖ body`, integers big-endian.
//!
//! Takes bytes. Gives bodies, and each stretch that is no frame with its place: at the end of a file it may be a write
//! that power cut short, in the middle it is damage. The mark lets a reader go on behind damage.

use bytes::{Bytes, BytesMut};

/// What begins a frame.
const MARK: [u8; 4] = *b"MJR1";
/// Bytes before the body.
const HEAD: usize = 12;

/// Appends a frame with the body that `write` appends, which lies nowhere else before.
pub(super) fn put(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let head = out.len();
    out.extend_from_slice(&[0; HEAD]);
    write(out);
    let (head, body) = out[head..].split_at_mut(HEAD);
    head[..4].copy_from_slice(&MARK);
    // A record is far below 4 GiB.
    head[4..8].copy_from_slice(&(body.len() as u32).to_be_bytes());
    head[8..].copy_from_slice(&crc32c::crc32c(body).to_be_bytes());
}

/// What stands at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole frame.
    Body(Bytes),
    /// `len` bytes from `at` on that are no frame.
    Broken {
        at: usize,
        len: usize,
        /// Nothing whole follows.
        to_end: bool,
    },
}

/// Walks the frames of one file.
#[derive(Debug)]
pub(super) struct Frames {
    bytes: Bytes,
    at: usize,
}

impl Frames {
    pub(super) fn new(bytes: Bytes, from: usize) -> Self {
        Self { bytes, at: from }
    }

    fn whole(&self, at: usize) -> Option<Bytes> {
        let head = self.bytes.get(at..at + HEAD)?;
        let number = |range: std::ops::Range<usize>| {
            head.get(range)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u32::from_be_bytes)
        };
        let (len, crc) = (number(4..8)? as usize, number(8..12)?);
        let end = (at + HEAD).checked_add(len)?;
        if head[..4] != MARK || end > self.bytes.len() {
            return None;
        }
        let body = self.bytes.slice(at + HEAD..end);
        (crc32c::crc32c(&body) == crc).then_some(body)
    }
}

impl Iterator for Frames {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if self.at >= self.bytes.len() {
            return None;
        }
        if let Some(body) = self.whole(self.at) {
            self.at += HEAD + body.len();
            return Some(Found::Body(body));
        }
        let at = self.at;
        let mut next = at + 1;
        while next < self.bytes.len() && self.whole(next).is_none() {
            next += 1;
        }
        let next = next.min(self.bytes.len());
        self.at = next;
        Some(Found::Broken {
            at,
            len: next - at,
            to_end: next == self.bytes.len(),
        })
    }
}

/// Where the last whole frame of a file ends, and what is broken before it.
pub(super) fn whole_until(bytes: &Bytes, from: usize) -> usize {
    let mut end = from;
    for found in Frames::new(bytes.clone(), from) {
        match found {
            Found::Body(body) => end += HEAD + body.len(),
            Found::Broken { to_end: true, .. } => break,
            Found::Broken { len, .. } => end += len,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bodies: &[&[u8]]) -> Bytes {
        let mut out = BytesMut::new();
        for body in bodies {
            put(&mut out, |out| out.extend_from_slice(body));
        }
        out.freeze()
    }

    #[test]
    fn frames_come_back_and_a_torn_end_is_told_at_every_length() {
        let bytes = file(&[b"one", b"", b"three"]);
        let all: Vec<_> = Frames::new(bytes.clone(), 0).collect();
        let body = |text: &'static [u8]| Found::Body(Bytes::from_static(text));
        assert_eq!(all, [body(b"one"), body(b""), body(b"three")]);
        let ends = [15, 27, 44];
        for cut in 0..bytes.len() {
            let torn = bytes.slice(..cut);
            let end = ends
                .into_iter()
                .filter(|end| *end <= cut)
                .max()
                .unwrap_or(0);
            assert_eq!(whole_until(&torn, 0), end, "{cut}");
            let last = Frames::new(torn, 0).last();
            if cut > end {
                assert!(matches!(last, Some(Found::Broken { at, to_end: true, .. }) if at == end));
            }
        }
    }

    #[test]
    fn damage_in_the_middle_is_told_and_what_follows_is_still_read() {
        let bytes = file(&[b"one", b"two", b"three"]);
        for at in 15..30 {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x40;
            let damaged = Bytes::from(damaged);
            let found: Vec<_> = Frames::new(damaged.clone(), 0).collect();
            assert_eq!(found.len(), 3, "{at}");
            assert_eq!(
                found[1],
                Found::Broken {
                    at: 15,
                    len: 15,
                    to_end: false
                }
            );
            assert_eq!(whole_until(&damaged, 0), bytes.len());
        }
    }
}
