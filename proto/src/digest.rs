//! SHA-256 values and the RFC 6962 hash rules that seals, entries and the log's tree share.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256 value. Prints as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Bytes of a digest.
    pub const LEN: usize = 32;

    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_context(digest(&SHA256, bytes).as_ref())
    }

    /// SHA-256 of the concatenation of `parts`.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(part);
        }
        Self::from_context(context.finish().as_ref())
    }

    /// Takes exactly 32 bytes; anything else is `None`.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(bytes).ok().map(Self)
    }

    /// Reads 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight hex digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }

    fn from_context(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(bytes);
        Self(out)
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.short())
    }
}

/// What stands before a leaf's bytes when it is hashed.
pub(crate) const LEAF_PREFIX: u8 = 0x00;

/// Bytes of a leaf up to which it is joined with its prefix and hashed in one call: most headers and entries.
const JOINED_MAX: usize = 1_024;

/// RFC 6962 §2.1: SHA-256(0x00 ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut joined = [LEAF_PREFIX; 1 + JOINED_MAX];
    match joined.get_mut(1..=leaf.len()) {
        Some(place) => {
            place.copy_from_slice(leaf);
            Digest::of(&joined[..=leaf.len()])
        }
        None => Digest::of_parts(&[&[LEAF_PREFIX], leaf]),
    }
}

/// RFC 6962 §2.1: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut joined = [0x01; 1 + 2 * Digest::LEN];
    joined[1..=Digest::LEN].copy_from_slice(&left.0);
    joined[1 + Digest::LEN..].copy_from_slice(&right.0);
    Digest::of(&joined)
}

/// RFC 6962 §2.1: the head of the tree over `leaves` (already leaf hashes). Empty: SHA-256 of nothing.
pub fn tree_head(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(split_point(leaves.len()));
            node_hash(&tree_head(left), &tree_head(right))
        }
    }
}

/// RFC 6962 §2.1.1: the inclusion path of leaf `index`, its sibling first. `None` outside the tree.
pub fn inclusion_path(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let split = split_point(leaves.len());
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) = if index < split {
        (inclusion_path(left, index)?, tree_head(right))
    } else {
        (inclusion_path(right, index - split)?, tree_head(left))
    };
    path.push(sibling);
    Some(path)
}

/// Head and inclusion paths of all `leaves` (already leaf hashes), as [`tree_head`] and [`inclusion_path`] give them, with each
/// node hashed once.
pub fn tree_paths(leaves: &[Digest]) -> (Digest, Vec<Vec<Digest>>) {
    let height = leaves.len().next_power_of_two().trailing_zeros() as usize;
    let mut paths = vec![Vec::with_capacity(height); leaves.len()];
    let head = climb(leaves, &mut paths);
    (head, paths)
}

/// The head over `leaves`; each path, as many as leaves, is led up to it.
fn climb(leaves: &[Digest], paths: &mut [Vec<Digest>]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [one] => *one,
        _ => {
            let split = split_point(leaves.len());
            let (lower, upper) = paths.split_at_mut(split);
            let left = climb(&leaves[..split], lower);
            let right = climb(&leaves[split..], upper);
            lower.iter_mut().for_each(|path| path.push(right));
            upper.iter_mut().for_each(|path| path.push(left));
            node_hash(&left, &right)
        }
    }
}

/// RFC 9162 §2.1.3.2: the head that `path` leads to from leaf `index` of `size`.
/// `None` when the path cannot belong to such a leaf (too short, too long, outside).
pub fn head_from_path(leaf: &Digest, index: u64, size: u64, path: &[Digest]) -> Option<Digest> {
    if index >= size {
        return None;
    }
    let (mut node, mut last, mut head) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            head = node_hash(sibling, &head);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            head = node_hash(&head, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(head)
}

/// The largest power of two strictly below `len` (`len` ≥ 2).
fn split_point(len: usize) -> usize {
    1 << (usize::BITS - 1 - (len - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_and_the_empty_leaf_match_rfc_6962() {
        assert_eq!(
            tree_head(&[]).to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            leaf_hash(b"").to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }

    #[test]
    fn a_leaf_of_any_length_is_hashed_behind_its_prefix() {
        for len in [
            0,
            1,
            55,
            64,
            JOINED_MAX - 1,
            JOINED_MAX,
            JOINED_MAX + 1,
            5_000,
        ] {
            let leaf: Vec<u8> = (0..len).map(|at| at as u8).collect();
            assert_eq!(
                leaf_hash(&leaf),
                Digest::of_parts(&[&[0x00], &leaf]),
                "{len}"
            );
        }
        let (left, right) = (Digest::of(b"left"), Digest::of(b"right"));
        assert_eq!(
            node_hash(&left, &right),
            Digest::of_parts(&[&[0x01], &left.0, &right.0])
        );
    }

    #[test]
    fn no_leaves_have_no_paths() {
        assert_eq!(tree_paths(&[]), (tree_head(&[]), Vec::new()));
    }

    #[test]
    fn every_leaf_of_every_small_tree_proves_and_no_other_place_does() {
        let leaves: Vec<Digest> = (0u8..64).map(|i| leaf_hash(&[i])).collect();
        for size in 1..=leaves.len() {
            let head = tree_head(&leaves[..size]);
            let (same, paths) = tree_paths(&leaves[..size]);
            assert_eq!((same, paths.len()), (head, size));
            for index in 0..size {
                let path = inclusion_path(&leaves[..size], index).unwrap();
                assert_eq!(paths[index], path);
                let found = head_from_path(&leaves[index], index as u64, size as u64, &path);
                assert_eq!(found, Some(head));
                for other in 0..size as u64 {
                    let moved = head_from_path(&leaves[index], other, size as u64, &path);
                    assert!(other == index as u64 || moved != Some(head));
                }
                let mut longer = path.clone();
                longer.push(head);
                assert_eq!(
                    head_from_path(&leaves[index], index as u64, size as u64, &longer),
                    None
                );
            }
        }
    }
}
