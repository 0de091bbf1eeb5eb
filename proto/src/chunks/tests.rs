//! The chunk tree: RFC 6962 over salted commitments, in memory that does not grow.

use proptest::prelude::*;

use super::*;
use crate::digest::{head_from_path, inclusion_path, tree_head};
use crate::id::ExchangeId;

const SALT: Salt = Salt([7; 32]);

fn pieces(payload: &[u8], size: usize) -> Chunks {
    let mut chunks = Chunks::new(SALT, ChunkPlan::of(size));
    for chunk in payload.chunks(size) {
        chunks.push(chunk).unwrap();
    }
    chunks
}

fn leaves(payload: &[u8], size: usize) -> Vec<Digest> {
    let chunk = |(index, chunk)| leaf_hash(&commitment(&SALT, index as u64, chunk).0);
    payload.chunks(size).enumerate().map(chunk).collect()
}

fn trailer(total: Total) -> TrailerHeader {
    TrailerHeader {
        exchange_id: ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap(),
        begun_by: Digest::of(b"answer"),
        count: total.count,
        length: total.length,
        root: total.root,
        ended_at_ms: 1,
        seen: None,
    }
}

proptest! {
    #[test]
    fn the_root_is_that_of_the_whole_tree(payload in prop::collection::vec(any::<u8>(), 0..2_000), size in 1_usize..300) {
        let total = pieces(&payload, size).total();
        let leaves = leaves(&payload, size);
        prop_assert_eq!(total, Total {
            count: leaves.len() as u64,
            length: payload.len() as u64,
            root: tree_head(&leaves),
        });
        let trailer = trailer(total);
        prop_assert_eq!(TrailerHeader::open(&trailer.encode()).unwrap(), trailer.clone());
        prop_assert_eq!(total.is_said_by(&trailer), Ok(()));
    }

    #[test]
    fn one_flipped_bit_is_another_root(payload in prop::collection::vec(any::<u8>(), 1..600), at in any::<prop::sample::Index>()) {
        let mut other = payload.clone();
        other[at.index(payload.len())] ^= 1;
        let said = trailer(pieces(&payload, 64).total());
        prop_assert_eq!(pieces(&other, 64).total().is_said_by(&said), Err(ChunkError::Root));
    }

    #[test]
    fn one_chunk_is_shown_with_its_key_alone(payload in prop::collection::vec(any::<u8>(), 1..900), at in any::<prop::sample::Index>()) {
        let leaves = leaves(&payload, 50);
        let index = at.index(leaves.len());
        let chunk = payload.chunks(50).nth(index).unwrap();
        let shown = crate::commitment::hmac_of(chunk, &chunk_key(&SALT, index as u64));
        let path = inclusion_path(&leaves, index).unwrap();
        let head = head_from_path(&leaf_hash(&shown.0), index as u64, leaves.len() as u64, &path);
        prop_assert_eq!(head, Some(pieces(&payload, 50).total().root));
    }
}

#[test]
fn chunks_that_swap_places_are_other_chunks() {
    let said = trailer(pieces(b"aabb", 2).total());
    assert_eq!(
        pieces(b"bbaa", 2).total().is_said_by(&said),
        Err(ChunkError::Root)
    );
}

#[test]
fn too_many_too_few_and_the_wrong_size_are_told() {
    let said = trailer(pieces(b"aabb", 2).total());
    let told = |payload: &[u8]| pieces(payload, 2).total().is_said_by(&said);
    assert_eq!(told(b"aa"), Err(ChunkError::Count { came: 1, said: 2 }));
    assert_eq!(told(b"aabbcc"), Err(ChunkError::Count { came: 3, said: 2 }));
    assert_eq!(told(b"aab"), Err(ChunkError::Length { came: 3, said: 4 }));

    let mut chunks = Chunks::new(SALT, ChunkPlan::of(2));
    assert_eq!(chunks.push(b""), Err(ChunkError::Empty));
    assert_eq!(chunks.push(b"abc"), Err(ChunkError::TooLarge(3)));
    chunks.push(b"a").unwrap();
    assert_eq!(chunks.push(b"b"), Err(ChunkError::AfterLast));
    assert_eq!(chunks.total().count, 1);
}

#[test]
fn a_payload_of_nothing_has_no_chunk() {
    let total = pieces(b"", 10).total();
    assert_eq!(
        (total.count, total.length, total.root),
        (0, 0, Digest::of(&[]))
    );
}

#[test]
fn plans_and_trailers_have_one_form() {
    for chunk_bytes in [1, 65_536, CHUNK_BYTES_MAX] {
        let plan = ChunkPlan::of(chunk_bytes);
        assert_eq!(ChunkPlan::open(&plan.encode()).unwrap(), plan);
    }
    ChunkPlan::open(&[]).unwrap_err();
    let large = wire::ChunkPlan {
        chunk_bytes: CHUNK_BYTES_MAX as u32 + 1,
    };
    ChunkPlan::open(&large.encode_to_vec()).unwrap_err();
    ChunkPlan::open(&[0x08, 0x81, 0x00]).unwrap_err();
    for (count, length) in [(0, 1), (2, 1), (1, CHUNK_BYTES_MAX as u64 + 1)] {
        let root = Digest::of(b"");
        let impossible = trailer(Total {
            count,
            length,
            root,
        });
        TrailerHeader::open(&impossible.encode()).unwrap_err();
    }
}
