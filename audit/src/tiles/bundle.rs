//! Entry bundles: each entry behind its length as a big-endian u16, one after the other.

use bytes::Bytes;

/// Bytes of an entry at most, given the two bytes of its length.
pub const BUNDLE_ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Appends one entry to `bundle`; `false`, and nothing appended, when it is too long.
#[must_use]
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> bool {
    let Ok(len) = u16::try_from(entry.len()) else {
        return false;
    };
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(entry);
    true
}

/// Reads exactly `count` entries; bytes after the last are an error.
///
/// # Errors
/// What is wrong, in words.
pub fn decode(bytes: &Bytes, count: u16) -> Result<Vec<Bytes>, &'static str> {
    let (entries, rest) = decode_prefix(bytes, count);
    if entries.len() < usize::from(count) {
        return Err("the bundle ends inside an entry, or holds fewer than its name says");
    }
    if !rest.is_empty() {
        return Err("bytes follow the last entry of the bundle");
    }
    Ok(entries)
}

/// Reads up to `count` whole entries and gives back what is left.
pub fn decode_prefix(bytes: &Bytes, count: u16) -> (Vec<Bytes>, Bytes) {
    let mut entries = Vec::with_capacity(usize::from(count));
    let mut at = 0;
    while entries.len() < usize::from(count) {
        let Some(len) = bytes.get(at..at + 2) else {
            break;
        };
        let end = at + 2 + usize::from(u16::from_be_bytes([len[0], len[1]]));
        if end > bytes.len() {
            break;
        }
        entries.push(bytes.slice(at + 2..end));
        at = end;
    }
    (entries, bytes.slice(at..))
}
