//! The tree against two implementations that share no code with it: ct-merkle, and tlog_tiles, which is a port of Go's.
//!
//! At every size to 2,100, and at random sizes up to 2^60 over a tree that exists only by its rules: the same roots, the same
//! proofs byte for byte, every proof accepted by all three and a spoilt one by none.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use proto::digest::leaf_hash;

use super::super::*;
use super::{mutant, mutants_of};

const SIZES: u64 = 2_100;

type Sha = sha2::Sha256;
type Theirs = MemoryBackedTree<Sha, [u8; 8]>;

/// The heads of all whole subtrees over the leaves `0u64.to_be_bytes()` and on: one row for each level.
struct Rows(Vec<Vec<Digest>>);

impl Rows {
    fn over(count: u64) -> Self {
        let leaves = (0..count).map(|index| leaf_hash(&index.to_be_bytes()));
        let mut rows = vec![leaves.collect::<Vec<_>>()];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let pairs = row.chunks_exact(2);
            let above = pairs.map(|pair| node_hash(&pair[0], &pair[1])).collect();
            rows.push(above);
        }
        Self(rows)
    }
}

impl HashReader for Rows {
    fn node(&self, level: u8, index: u64) -> io::Result<Digest> {
        let row = self.0.get(usize::from(level));
        let head = row.and_then(|row| row.get(index as usize));
        head.copied().ok_or(io::ErrorKind::NotFound.into())
    }
}

/// A tree of any size in no memory: all leaves are one, but for the few that `odd` numbers (ascending).
struct Sparse {
    odd: Vec<u64>,
    /// Heads of whole subtrees, by level, in which no leaf is odd.
    plain: Vec<Digest>,
}

impl Sparse {
    const LEAF: [u8; 8] = [0xff; 8];

    fn with(mut odd: Vec<u64>) -> Self {
        odd.sort_unstable();
        let first = leaf_hash(&Self::LEAF);
        let rows = std::iter::successors(Some(first), |head| Some(node_hash(head, head)));
        Self {
            odd,
            plain: rows.take(64).collect(),
        }
    }

    fn leaf(&self, index: u64) -> [u8; 8] {
        match self.odd.binary_search(&index) {
            Ok(_) => index.to_be_bytes(),
            Err(_) => Self::LEAF,
        }
    }
}

impl HashReader for Sparse {
    fn node(&self, level: u8, index: u64) -> io::Result<Digest> {
        let (low, high) = (index << level, (index + 1) << level);
        let first_odd = self.odd.partition_point(|odd| *odd < low);
        if self.odd.get(first_odd).is_none_or(|odd| *odd >= high) {
            return Ok(self.plain[usize::from(level)]);
        }
        if level == 0 {
            return Ok(leaf_hash(&self.leaf(index)));
        }
        let left = self.node(level - 1, index << 1)?;
        Ok(node_hash(&left, &self.node(level - 1, index << 1 | 1)?))
    }
}

/// Our reader under tlog_tiles: it numbers all whole subtrees in one row.
struct Numbered<'a, R>(&'a R);

impl<R: HashReader> tlog_tiles::HashReader for Numbered<'_, R> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let read = |index: &u64| {
            let (level, index) = tlog_tiles::split_stored_hash_index(*index);
            let head = self.0.node(level, index);
            head.map(go_hash)
                .map_err(|_| tlog_tiles::Error::IndexesNotInTree)
        };
        indexes.iter().map(read).collect()
    }
}

fn go_hash(hash: Digest) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

fn go_proof(proof: &[Digest]) -> Vec<tlog_tiles::Hash> {
    proof.iter().copied().map(go_hash).collect()
}

fn root_hash(head: TreeHead) -> RootHash<Sha> {
    RootHash::new(head.root.0.into(), head.size)
}

fn bytes_of(proof: &[Digest]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

/// How many of the three accept the inclusion of `leaf`, the bytes of leaf `index`.
fn included(leaf: &[u8; 8], index: u64, head: TreeHead, proof: &[Digest]) -> usize {
    let (hash, TreeHead { size, root }) = (leaf_hash(leaf), head);
    let ours = verify_inclusion(&hash, index, size, proof, &root).is_ok();
    let go = tlog_tiles::check_record(&go_proof(proof), size, go_hash(root), index, go_hash(hash));
    let theirs = InclusionProof::from_bytes(bytes_of(proof));
    let theirs = root_hash(head).verify_inclusion(leaf, index, &theirs);
    usize::from(ours) + usize::from(go.is_ok()) + usize::from(theirs.is_ok())
}

/// How many of the three accept that the tree `new` begins with the tree `old`, which is not empty.
fn consistent(old: TreeHead, new: TreeHead, proof: &[Digest]) -> usize {
    let ours = verify_consistency(old.size, &old.root, new.size, &new.root, proof).is_ok();
    let (new_root, old_root) = (go_hash(new.root), go_hash(old.root));
    let go = tlog_tiles::check_tree(&go_proof(proof), new.size, new_root, old.size, old_root);
    let theirs = ConsistencyProof::try_from_bytes(bytes_of(proof)).unwrap();
    let theirs = root_hash(new).verify_consistency(&root_hash(old), &theirs);
    usize::from(ours) + usize::from(go.is_ok()) + usize::from(theirs.is_ok())
}

fn other_root(head: TreeHead) -> TreeHead {
    let mut other = head;
    other.root.0[31] ^= 0x80;
    other
}

/// All three accept the proof; a spoilt one (which one is `pick`'s choice), another leaf or another root convinces none.
fn judge_inclusion(leaf: &[u8; 8], index: u64, head: TreeHead, proof: &[Digest], pick: u64) {
    let at = format!("leaf {index} of {}", head.size);
    assert_eq!(included(leaf, index, head, proof), 3, "{at}");
    let spoilt = mutant(proof, pick as usize % mutants_of(proof));
    assert_eq!(included(leaf, index, head, &spoilt), 0, "{at}: {spoilt:?}");
    match pick % 3 {
        0 => assert_eq!(included(leaf, index, other_root(head), proof), 0, "{at}"),
        1 => assert_eq!(included(b"no leaf.", index, head, proof), 0, "{at}"),
        // Its sibling's place, if it has one; outside the tree otherwise.
        _ => assert_eq!(included(leaf, index ^ 1, head, proof), 0, "{at}"),
    }
}

/// As [`judge_inclusion`], for 0 < `old` <= `new`.
fn judge_consistency(old: TreeHead, new: TreeHead, proof: &[Digest], pick: u64) {
    let at = format!("{} to {}", old.size, new.size);
    assert_eq!(consistent(old, new, proof), 3, "{at}");
    let spoilt = mutant(proof, pick as usize % mutants_of(proof));
    assert_eq!(consistent(old, new, &spoilt), 0, "{at}: {spoilt:?}");
    match pick % 2 {
        0 => assert_eq!(consistent(other_root(old), new, proof), 0, "{at}"),
        _ => assert_eq!(consistent(old, other_root(new), proof), 0, "{at}"),
    }
}

/// Numbers from 1 to `size`: both ends, all powers of two with their neighbours, and three that move with the size.
fn spread(size: u64) -> Vec<u64> {
    let powers = (0..64).map(|level| 1u64 << level);
    let mut all: Vec<u64> = powers
        .take_while(|power| *power <= size + 1)
        .flat_map(|power| [power - 1, power, power + 1])
        .chain([size / 3, size * 5 / 7, size - size.min(2), size - 1, size])
        .filter(|number| (1..=size).contains(number))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Calls `judge` at every size to [`SIZES`] with ct-merkle's tree, the rows and the heads of all sizes so far.
fn at_every_size(mut judge: impl FnMut(&Theirs, &Rows, &[TreeHead])) {
    let rows = Rows::over(SIZES);
    let (mut theirs, mut edge, mut heads) = (Theirs::new(), Edge::new(), vec![TreeHead::empty()]);
    for size in 1..=SIZES {
        theirs.push((size - 1).to_be_bytes());
        edge.push(rows.0[0][size as usize - 1]);
        heads.push(edge.head());
        judge(&theirs, &rows, &heads);
    }
}

#[test]
fn three_implementations_have_the_same_roots_at_every_size() {
    assert_eq!(
        tlog_tiles::tree_hash(0, &Numbered(&Rows::over(1))).unwrap(),
        go_hash(TreeHead::empty().root)
    );
    at_every_size(|theirs, rows, heads| {
        let TreeHead { size, root } = heads[heads.len() - 1];
        assert_eq!(theirs.root().as_bytes().as_slice(), root.as_bytes());
        let go = tlog_tiles::tree_hash(size, &Numbered(rows)).unwrap();
        assert_eq!(go, go_hash(root), "{size}");
        assert_eq!(root_of(rows, size).unwrap(), root, "{size}");
    });
}

#[test]
fn three_implementations_prove_inclusion_alike_at_every_size() {
    at_every_size(|theirs, rows, heads| {
        let head = heads[heads.len() - 1];
        for number in spread(head.size) {
            let index = number - 1;
            let proof = inclusion_proof(rows, index, head.size).unwrap();
            let other = theirs.prove_inclusion(index as usize);
            assert_eq!(other.as_bytes(), bytes_of(&proof));
            let go = tlog_tiles::prove_record(head.size, index, &Numbered(rows)).unwrap();
            assert_eq!(go, go_proof(&proof), "{index} of {}", head.size);
            judge_inclusion(&index.to_be_bytes(), index, head, &proof, head.size + index);
        }
    });
}

#[test]
fn three_implementations_prove_consistency_alike_at_every_size() {
    at_every_size(|theirs, rows, heads| {
        let new = heads[heads.len() - 1];
        for old in spread(new.size) {
            let proof = consistency_proof(rows, old, new.size).unwrap();
            let other = theirs.prove_consistency((new.size - old) as usize);
            assert_eq!(other.as_bytes(), bytes_of(&proof));
            let go = tlog_tiles::prove_tree(new.size, old, &Numbered(rows)).unwrap();
            assert_eq!(go, go_proof(&proof), "{old} to {}", new.size);
            judge_consistency(heads[old as usize], new, &proof, new.size + old);
        }
    });
}

/// Digests of ct-merkle's `nodes` in the tree of `size` leaves: it numbers the nodes of a tree from left to right.
fn heads_at(nodes: &[u64], size: u64, reader: &impl HashReader) -> Vec<Digest> {
    let head = |node: &u64| {
        let level = node.trailing_ones();
        let low = (node >> (level + 1)) << level;
        range_head(reader, low, size.min(low + (1 << level))).unwrap()
    };
    nodes.iter().map(head).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn three_implementations_agree_on_random_larger_trees(
        bits in prop_oneof![11u32..=20, 21u32..=60], picks in any::<[u64; 4]>(), odd in any::<[u64; 8]>(),
    ) {
        let size = (1 << (bits - 1)) + picks[0] % (1 << (bits - 1)) + 1;
        let (index, old) = (picks[1] % size, picks[2] % size + 1);
        let mut odd = odd.map(|odd| odd % size).to_vec();
        odd.extend([index, old - 1, size - 1]);
        let tree = Sparse::with(odd);
        let head_at = |size| TreeHead { size, root: root_of(&tree, size).unwrap() };
        let (before, head) = (head_at(old), head_at(size));
        prop_assert_eq!(tlog_tiles::tree_hash(size, &Numbered(&tree)).unwrap(), go_hash(head.root));

        let proof = inclusion_proof(&tree, index, size).unwrap();
        prop_assert_eq!(tlog_tiles::prove_record(size, index, &Numbered(&tree)).unwrap(), go_proof(&proof));
        let nodes = ct_merkle::indices_for_inclusion_proof(size, index);
        prop_assert_eq!(&heads_at(&nodes, size, &tree), &proof);
        judge_inclusion(&tree.leaf(index), index, head, &proof, picks[3]);

        let proof = consistency_proof(&tree, old, size).unwrap();
        prop_assert_eq!(tlog_tiles::prove_tree(size, old, &Numbered(&tree)).unwrap(), go_proof(&proof));
        let nodes = ct_merkle::indices_for_consistency_proof(old, size - old);
        prop_assert_eq!(&heads_at(&nodes, size, &tree), &proof);
        judge_consistency(before, head, &proof, picks[3]);
    }
}
