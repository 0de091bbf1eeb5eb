//! The places of many terms in one value: for each term its hash, how many, and the distances between them.
//!
//! `(u64 hash ‖ varint count ‖ varint distance…)…` with ascending hashes, then a CRC-32C of all of it. Many terms share a
//! value, because sled keeps about a hundred bytes for each key.

/// The value of one bucket: pairs of a hash and an offset, ascending, each once.
pub(super) fn encode(pairs: &[(u64, u32)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pairs.len() * 4 + 16);
    for group in pairs.chunk_by(|a, b| a.0 == b.0) {
        out.extend_from_slice(&group[0].0.to_be_bytes());
        push(&mut out, group.len() as u32);
        let mut before = 0;
        for (_, offset) in group {
            push(&mut out, offset - before);
            before = *offset;
        }
    }
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_be_bytes());
    out
}

/// The offsets of `hash` in a value; `None` where the value is not what was written.
pub(super) fn find(value: &[u8], hash: u64) -> Option<Vec<u32>> {
    let (mut rest, crc) = value.split_last_chunk::<4>()?;
    if rest.is_empty() || crc32c::crc32c(rest) != u32::from_be_bytes(*crc) {
        return None;
    }
    while !rest.is_empty() {
        let (found, after) = rest.split_first_chunk::<8>()?;
        rest = after;
        let wanted = u64::from_be_bytes(*found) == hash;
        let count = take(&mut rest)?;
        let mut offsets = Vec::with_capacity(if wanted {
            (count as usize).min(rest.len())
        } else {
            0
        });
        let mut at = 0u32;
        for _ in 0..count {
            at = at.checked_add(take(&mut rest)?)?;
            if wanted {
                offsets.push(at);
            }
        }
        if wanted {
            return Some(offsets);
        }
    }
    Some(Vec::new())
}

/// Seven bits a byte, the lowest first.
fn push(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        // The low seven bits.
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in (0..35).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_and_damage_is_noticed() {
        let pairs = [
            (3, 0),
            (3, 1),
            (3, 65_535),
            (9, 127),
            (9, 128),
            (u64::MAX, 16_384),
        ];
        let value = encode(&pairs);
        assert_eq!(find(&value, 3).unwrap(), [0, 1, 65_535]);
        assert_eq!(find(&value, 9).unwrap(), [127, 128]);
        assert_eq!(find(&value, u64::MAX).unwrap(), [16_384]);
        assert_eq!(find(&value, 4).unwrap(), [0u32; 0]);
        for at in 0..value.len() {
            let mut damaged = value.clone();
            damaged[at] ^= 0x10;
            assert_eq!(find(&damaged, 9), None, "{at}");
            assert_eq!(find(&value[..at], 9), None, "{at}");
        }
    }
}
