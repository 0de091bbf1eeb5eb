//! An answer in chunks, from fixed keys, salt and times: `tests/golden/streams.json`. Beside version 1, whose files stay as
//! they are. Its request is that of `v1.json`.

use bytes::Bytes;
use proto::Digest;
use proto::authorise::{SealedRequest, verify_answer, verify_trailer};
use proto::chunks::{ChunkPlan, Chunks, chunk_key, commitment};
use proto::commitment::{Commitment, Salt};
use proto::digest::leaf_hash;
use proto::entry::Kind;
use proto::facts::{self, ExchangeFacts};
use proto::header::{AnswerHeader, AnswerStatus, Outcome, TrailerHeader};
use proto::limits::label;

use crate::book::{self, Book};
use crate::exchange::{self, Asked, Terms};
use crate::log::{GoldenLog, T0_MS};
use crate::registry::{self, Keys, parts};

const SALT: Salt = Salt([0x67; 32]);
const PAYLOAD: &[u8] = b"abcdefghi";

/// A log with two agencies that have agreed, up to the first request.
pub(crate) fn agreed() -> (GoldenLog, Keys, Terms) {
    let mut log = GoldenLog::default();
    let keys = Keys::new(&mut log);
    registry::genesis(&mut log, &keys);
    registry::enrol(&mut log, &keys, "MOSS", ("م", "M"), 0x11);
    registry::enrol(&mut log, &keys, "CIVIL", ("ح", "C"), 0x12);
    let (moss, civil) = (registry::moss(), registry::civil());
    registry::bind(
        &mut log,
        "moss_key",
        moss,
        &keys.moss_seal,
        &keys.moss_authority,
    );
    registry::bind(
        &mut log,
        "civil_key",
        civil,
        &keys.civil_seal,
        &keys.civil_authority,
    );
    let contract = registry::publish(&mut log, &keys);
    let agreement = registry::agree(&mut log, &keys);
    let terms = Terms {
        agreement,
        contract,
    };
    (log, keys, terms)
}

fn story() -> GoldenLog {
    let (mut log, keys, terms) = agreed();
    let asked = exchange::ask(&mut log, &keys, terms);
    // What came before stands in v1.json, from the same keys.
    log.book = Book::default();
    log.book.put("request.header", &asked.header);
    log.book.put("request.cose", &asked.seal.cose);
    let answer = open(&mut log, &keys, terms, &asked);
    trail(&mut log, &keys, terms, (&asked, &answer));
    log
}

fn facts_of(log: &GoldenLog, terms: Terms, asked: &Asked, at_ms: u64, code: &str) -> ExchangeFacts {
    ExchangeFacts {
        peer_sha256: vec![0xc2; 32].into(),
        request_index: asked.index,
        request_leaf: log.leaves[asked.index as usize].0.to_vec().into(),
        provider_us: 9_400,
        ..exchange::exchange_facts(at_ms, code, terms)
    }
}

fn open(log: &mut GoldenLog, keys: &Keys, terms: Terms, asked: &Asked) -> Bytes {
    let at_ms = T0_MS + 11_040;
    let plan = ChunkPlan { chunk_bytes: 4 }.encode();
    let length = Some(PAYLOAD.len() as u64);
    let payload = Commitment::to_chunks("text/plain", length, &plan, &SALT);
    log.book.put("salt", SALT.0);
    log.book.put("plan", &plan);
    log.book.put("plan.hmac", payload.hmac);
    let answer = AnswerHeader {
        exchange_id: asked.opened.exchange_id,
        request_header: Digest::of(&asked.header),
        request_seal: Digest::of(&asked.seal.cose),
        status: AnswerStatus::Answered,
        fields: parts(&["members"]),
        answered_at_ms: at_ms,
        payload,
        seen: None,
    };
    let bytes = answer.encode();
    let seal = log.seal("opening", label::ANSWER, &bytes, &keys.civil_seal);
    let request = SealedRequest {
        header: &asked.header,
        opened: &asked.opened,
        seal: &asked.seal,
    };
    let opened = verify_answer(&log.registry, request, &bytes, &seal, None).unwrap();
    assert_eq!(opened, answer);
    opened.payload.open(&plan, &SALT.0).unwrap();
    let facts = facts::encode(&facts_of(log, terms, asked, at_ms + 2, ""));
    let sealed = Some((bytes.clone(), seal));
    log.record("opening", Kind::Opening, facts, sealed);
    bytes
}

fn trail(log: &mut GoldenLog, keys: &Keys, terms: Terms, (asked, answer): (&Asked, &Bytes)) {
    let at_ms = T0_MS + 12_000;
    let mut chunks = Chunks::new(SALT, ChunkPlan { chunk_bytes: 4 });
    for (index, chunk) in (0..).zip(PAYLOAD.chunks(4)) {
        let name = format!("chunk{index}");
        let committed = commitment(&SALT, index, chunk);
        log.book.put(&name, chunk);
        log.book
            .put(&format!("{name}.key"), chunk_key(&SALT, index).0);
        log.book.put(&format!("{name}.commitment"), committed);
        log.book
            .put(&format!("{name}.leaf"), leaf_hash(&committed.0));
        chunks.push(chunk).unwrap();
    }
    let total = chunks.total();
    log.book.put("root", total.root);
    let trailer = TrailerHeader {
        exchange_id: asked.opened.exchange_id,
        begun_by: Digest::of(answer),
        count: total.count,
        length: total.length,
        root: total.root,
        ended_at_ms: at_ms,
        seen: None,
    };
    let bytes = trailer.encode();
    let seal = log.seal("trailer", label::TRAILER, &bytes, &keys.civil_seal);
    let registry = &log.registry;
    let opened = verify_trailer(
        registry,
        &asked.opened,
        &Digest::of(answer),
        &bytes,
        &seal,
        None,
    );
    total.is_said_by(&opened.unwrap()).unwrap();
    let answered = Outcome::Answered.name();
    let facts = facts::encode(&facts_of(log, terms, asked, at_ms + 2, answered));
    log.record("trailer", Kind::Trailer, facts, Some((bytes, seal)));
}

#[test]
fn every_value_of_a_stream_is_the_golden_one() {
    story().book.judge("streams.json");
}

#[test]
fn no_bit_of_the_golden_trailer_can_be_another() {
    let log = story();
    let stored = book::read("streams.json");
    let part = |name: &str| Bytes::from(hex::decode(&stored[name]).unwrap());
    let (header, answer) = (part("trailer.header"), Digest::of(&part("opening.header")));
    let seal = proto::seal::Seal::from_block(&part("trailer.seal_block")).unwrap();
    let request = proto::header::RequestHeader::open(&part("request.header")).unwrap();
    let judged = |header: &[u8], answer: &Digest| {
        verify_trailer(&log.registry, &request, answer, header, &seal, None)
    };
    judged(&header, &answer).unwrap();
    judged(&header, &Digest::of(b"another answer")).unwrap_err();
    for bit in 0..header.len() * 8 {
        let mut other = header.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(judged(&other, &answer).is_err(), "bit {bit}");
    }
    // Under the label of an answer it is nothing, and it does not read as one.
    assert!(AnswerHeader::open(&header).is_err());
    assert!(TrailerHeader::open(&part("opening.header")).is_err());
}

#[test]
fn the_document_shows_the_golden_chunks() {
    let golden = book::read("streams.json");
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md"))
            .unwrap();
    for name in [
        "plan",
        "chunk0",
        "chunk0.key",
        "chunk0.commitment",
        "chunk1",
        "chunk2",
        "root",
    ] {
        let shown = format!("| `{name}` | `{}` |", golden[name]);
        assert!(document.contains(&shown), "{shown}");
    }
}
