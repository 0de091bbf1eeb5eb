//! The tree against the definition in RFC 6962, for every small size and random larger ones.

use proptest::prelude::*;
use proto::digest::{inclusion_path, leaf_hash, tree_head};

use super::*;

mod differential;

/// All leaves in memory; answers every whole subtree by definition.
struct Leaves(Vec<Digest>);

impl HashReader for Leaves {
    fn node(&self, level: u8, index: u64) -> io::Result<Digest> {
        let first = (index << level) as usize;
        let leaves = self.0.get(first..first + (1usize << level));
        Ok(tree_head(leaves.ok_or(io::ErrorKind::NotFound)?))
    }
}

fn leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

fn edge_over(leaves: &[Digest]) -> Edge {
    let mut edge = Edge::new();
    leaves.iter().for_each(|leaf| edge.push(*leaf));
    edge
}

/// The recursive definition of RFC 6962 §2.1.2, written apart from the code under test.
fn consistency_by_definition(leaves: &[Digest], old: usize, known: bool) -> Vec<Digest> {
    if old == leaves.len() {
        return if known {
            vec![]
        } else {
            vec![tree_head(leaves)]
        };
    }
    let mut split = 1;
    while split * 2 < leaves.len() {
        split *= 2;
    }
    let (left, right) = leaves.split_at(split);
    let (mut proof, other) = if old <= split {
        (consistency_by_definition(left, old, known), right)
    } else {
        (consistency_by_definition(right, old - split, false), left)
    };
    proof.push(tree_head(other));
    proof
}

#[test]
fn the_edge_has_the_naive_root_at_every_size_to_300_and_survives_encoding() {
    let all = leaves(300);
    let mut edge = Edge::new();
    for size in 0..=300usize {
        assert_eq!(edge.root(), tree_head(&all[..size]), "size {size}");
        assert_eq!(edge.hashes().len(), size.count_ones() as usize);
        let encoded = edge.encode();
        assert_eq!(Edge::decode(&encoded).unwrap(), edge);
        let mut longer = encoded.clone();
        longer.push(0);
        assert!(Edge::decode(&longer).is_err());
        assert!(Edge::decode(&encoded[..encoded.len() - 1]).is_err());
        if size < 300 {
            edge.push(all[size]);
        }
    }
    assert!(Edge::decode(&[]).is_err());
}

#[test]
fn proofs_read_from_whole_subtrees_are_the_defined_ones_at_every_size_to_300() {
    let reader = Leaves(leaves(300));
    for size in 1..=300u64 {
        let part = &reader.0[..size as usize];
        let root = tree_head(part);
        for index in 0..size {
            let proof = inclusion_proof(&reader, index, size).unwrap();
            assert_eq!(Some(&proof), inclusion_path(part, index as usize).as_ref());
            verify_inclusion(&part[index as usize], index, size, &proof, &root).unwrap();
        }
        assert!(inclusion_proof(&reader, size, size).is_err());
    }
}

#[test]
fn consistency_proofs_are_the_defined_ones_for_every_pair_to_80() {
    let reader = Leaves(leaves(80));
    for new in 0..=80u64 {
        let new_root = tree_head(&reader.0[..new as usize]);
        for old in 0..=new {
            let old_root = tree_head(&reader.0[..old as usize]);
            let proof = consistency_proof(&reader, old, new).unwrap();
            if old > 0 {
                let defined =
                    consistency_by_definition(&reader.0[..new as usize], old as usize, true);
                assert_eq!(proof, defined, "{old} to {new}");
            }
            verify_consistency(old, &old_root, new, &new_root, &proof).unwrap();
            if old > 0 && old < new {
                refuse_mutants(old, &old_root, new, &new_root, &proof);
            }
        }
        assert!(consistency_proof(&reader, new + 1, new).is_err());
    }
}

fn refuse_mutants(old: u64, old_root: &Digest, new: u64, new_root: &Digest, proof: &[Digest]) {
    for mutant in mutants(proof) {
        assert!(verify_consistency(old, old_root, new, new_root, &mutant).is_err());
    }
    assert!(verify_consistency(old, new_root, new, old_root, proof).is_err());
    assert!(verify_consistency(new, old_root, old, new_root, proof).is_err());
    assert!(verify_consistency(old, old_root, old, new_root, proof).is_err());
    assert!(verify_consistency(0, old_root, new, new_root, proof).is_err());
    assert!(verify_consistency(old, old_root, new, new_root, &[]).is_err() || proof.is_empty());
}

/// How many mutants of `proof` there are.
fn mutants_of(proof: &[Digest]) -> usize {
    4 * proof.len() + usize::from(proof.is_empty())
}

/// Mutant number `which`: of one place in the proof the bit flipped, the hash dropped, doubled, or swapped with the one before
/// it (one added at the end, where there is none).
fn mutant(proof: &[Digest], which: usize) -> Vec<Digest> {
    let (at, mut spoilt) = (which / 4, proof.to_vec());
    match which % 4 {
        1 => spoilt[at].0[at % 32] ^= 1 << (at % 8),
        2 => drop(spoilt.remove(at)),
        3 => spoilt.insert(at, proof[at]),
        _ if at == 0 => spoilt.push(leaf_hash(b"one more")),
        _ => spoilt.swap(at - 1, at),
    }
    spoilt
}

fn mutants(proof: &[Digest]) -> impl Iterator<Item = Vec<Digest>> + '_ {
    (0..mutants_of(proof)).map(|which| mutant(proof, which))
}

#[test]
fn a_batch_proves_each_of_its_leaves_for_every_start_and_length() {
    let all = leaves(80);
    for old in 0..=40usize {
        let before = edge_over(&all[..old]);
        for new in old..=80 {
            let batch = BatchProofs::new(&before, &all[old..new]);
            assert_eq!(batch.after(), &edge_over(&all[..new]), "{old} to {new}");
            for position in 0..new - old {
                let expected = inclusion_path(&all[..new], old + position).unwrap();
                assert_eq!(
                    batch.proof(position).unwrap(),
                    expected,
                    "{old} to {new}, {position}"
                );
            }
            assert!(batch.proof(new - old).is_err());
        }
    }
}

#[test]
fn the_eight_leaf_roots_of_the_certificate_transparency_tests_come_out() {
    // Leaves and roots of the reference implementation's published test vectors.
    let inputs: [&[u8]; 8] = [
        &[],
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[
            0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
            0x6e, 0x6f,
        ],
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut edge = Edge::new();
    for (input, root) in inputs.iter().zip(roots) {
        edge.push(leaf_hash(input));
        assert_eq!(edge.root().to_string(), root);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn larger_trees_prove_and_mutants_do_not(
        old in 0u64..3_000, more in 1u64..1_500, pick in any::<u64>(), moved in 1u64..5_000,
    ) {
        let new = old + more;
        let reader = Leaves(leaves(new));
        let before = edge_over(&reader.0[..old as usize]);
        let batch = BatchProofs::new(&before, &reader.0[old as usize..]);
        let root = tree_head(&reader.0);
        prop_assert_eq!(batch.after().root(), root);
        let index = old + pick % more;
        let leaf = reader.0[index as usize];
        let proof = batch.proof((index - old) as usize).unwrap();
        prop_assert_eq!(&proof, &inclusion_proof(&reader, index, new).unwrap());
        prop_assert!(verify_inclusion(&leaf, index, new, &proof, &root).is_ok());
        for mutant in mutants(&proof) {
            prop_assert!(verify_inclusion(&leaf, index, new, &mutant, &root).is_err());
        }
        let elsewhere = (index + moved) % (2 * new);
        prop_assert!(elsewhere == index || verify_inclusion(&leaf, elsewhere, new, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&leaf, index, index, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&leaf_hash(b"other"), index, new, &proof, &root).is_err());
        let consistency = consistency_proof(&reader, old, new).unwrap();
        prop_assert!(verify_consistency(old, &before.root(), new, &root, &consistency).is_ok());
    }

    #[test]
    fn any_bytes_are_an_edge_only_in_its_one_form(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(edge) = Edge::decode(&bytes) {
            prop_assert_eq!(edge.encode(), bytes);
        }
    }
}

#[test]
fn whole_subtrees_make_the_tree_that_their_leaves_make() {
    let leaves: Vec<Digest> = (0u8..40).map(|leaf| leaf_hash(&[leaf])).collect();
    for low in 0..40usize {
        for level in 0..6u8 {
            let mut edge = Edge::new();
            leaves[..low].iter().for_each(|leaf| edge.push(*leaf));
            let high = low + (1 << level);
            let before = edge.clone();
            let head = leaves.get(low..high).map(tree_head);
            let fits = low % (1 << level) == 0;
            let pushed = edge.push_subtree(level, head.unwrap_or_default());
            assert_eq!(pushed, fits, "{low} {level}");
            if !pushed {
                assert_eq!(edge, before);
            } else if head.is_some() {
                assert_eq!(edge.root(), tree_head(&leaves[..high]), "{low} {level}");
            }
        }
    }
    let mut edge = Edge::new();
    assert!(edge.push_subtree(63, Digest::default()) && edge.push_subtree(62, Digest::default()));
    assert!(!edge.push_subtree(63, Digest::default()) && !edge.push_subtree(64, Digest::default()));
}
