//! A request in chunks, from fixed keys, salts and times: `tests/golden/uploads.json`. Beside version 1, whose files stay as
//! they are: the same two agencies ask and answer here.

use bytes::Bytes;
use proto::Code;
use proto::Digest;
use proto::authorise::{
    SealedRequest, authorise, locate, verify_answer, verify_request, verify_upload_trailer,
};
use proto::chunks::{ChunkPlan, Chunks};
use proto::commitment::{Commitment, Salt};
use proto::entry::Kind;
use proto::facts::{self, ExchangeFacts};
use proto::header::{AnswerHeader, AnswerStatus, Outcome, RequestHeader, TrailerHeader};
use proto::limits::label;
use proto::seal::Seal;

use crate::book::{self, Book};
use crate::exchange::{self, Asked, Terms};
use crate::log::{GoldenLog, T0_MS};
use crate::registry::{Keys, parts};
use crate::streams::agreed;

const SALT: Salt = Salt([0x75; 32]);
const ANSWER_SALT: Salt = Salt([0x76; 32]);
const PAYLOAD: &[u8] = b"abcdefghij";
const PLAN: ChunkPlan = ChunkPlan { chunk_bytes: 4 };

fn story() -> GoldenLog {
    let (mut log, keys, terms) = agreed();
    // What came before stands in v1.json, from the same keys.
    log.book = Book::default();
    let asked = open(&mut log, &keys, terms);
    trail(&mut log, &keys, terms, &asked);
    answer(&mut log, &keys, terms, &asked);
    log
}

/// The opening, judged and recorded as any request is.
fn open(log: &mut GoldenLog, keys: &Keys, terms: Terms) -> Asked {
    let at_ms = T0_MS + 11_000;
    let plan = PLAN.encode();
    let length = Some(PAYLOAD.len() as u64);
    let payload = Commitment::to_chunks("text/plain", length, &plan, &SALT);
    log.book.put("salt", SALT.0);
    log.book.put("plan", &plan);
    log.book.put("plan.hmac", payload.hmac);
    let asked = exchange::header(terms, at_ms, 1, payload);
    let bytes = asked.encode();
    let seal = log.seal("upload", label::UPLOAD, &bytes, &keys.moss_seal);
    let opened = verify_request(&log.registry, &bytes, &seal, None).unwrap();
    assert_eq!((&opened, opened.kind()), (&asked, Kind::Upload));
    opened.payload.open(&plan, &SALT.0).unwrap();
    authorise(&log.registry, &opened, at_ms).unwrap();
    locate(&log.registry, &opened).unwrap();
    let facts = ExchangeFacts {
        quota_used: 1,
        decide_us: 180,
        ..exchange::exchange_facts(at_ms + 5, "", terms)
    };
    let sealed = Some((bytes.clone(), seal.clone()));
    let index = log.record("upload", Kind::Upload, facts::encode(&facts), sealed);
    Asked {
        header: bytes,
        opened,
        seal,
        index,
    }
}

/// Facts of what names the request's entry.
fn naming(log: &GoldenLog, terms: Terms, asked: &Asked, at_ms: u64, code: &str) -> ExchangeFacts {
    ExchangeFacts {
        request_index: asked.index,
        request_leaf: log.leaves[asked.index as usize].0.to_vec().into(),
        ..exchange::exchange_facts(at_ms, code, terms)
    }
}

fn trail(log: &mut GoldenLog, keys: &Keys, terms: Terms, asked: &Asked) {
    let at_ms = T0_MS + 11_900;
    let mut chunks = Chunks::new(SALT, PLAN);
    PAYLOAD
        .chunks(4)
        .for_each(|chunk| chunks.push(chunk).unwrap());
    let total = chunks.total();
    log.book.put("payload", PAYLOAD);
    log.book.put("root", total.root);
    let header = Digest::of(&asked.header);
    let trailer = TrailerHeader {
        exchange_id: asked.opened.exchange_id,
        begun_by: header,
        count: total.count,
        length: total.length,
        root: total.root,
        ended_at_ms: at_ms,
        seen: None,
    };
    let bytes = trailer.encode();
    let seal = log.seal(
        "upload_trailer",
        label::UPLOAD_TRAILER,
        &bytes,
        &keys.moss_seal,
    );
    let opened =
        verify_upload_trailer(&log.registry, &asked.opened, &header, &bytes, &seal, None).unwrap();
    total.is_said_by(&opened).unwrap();
    let facts = facts::encode(&naming(log, terms, asked, at_ms + 2, ""));
    let sealed = Some((bytes, seal));
    log.record("upload_trailer", Kind::UploadTrailer, facts, sealed);
}

fn answer(log: &mut GoldenLog, keys: &Keys, terms: Terms, asked: &Asked) {
    let at_ms = T0_MS + 12_900;
    let answer = AnswerHeader {
        exchange_id: asked.opened.exchange_id,
        request_header: Digest::of(&asked.header),
        request_seal: Digest::of(&asked.seal.cose),
        status: AnswerStatus::Answered,
        fields: parts(&["status"]),
        answered_at_ms: at_ms,
        payload: Commitment::new("text/plain", b"kept", &ANSWER_SALT),
        seen: None,
    };
    let bytes = answer.encode();
    let seal = log.seal("answer", label::ANSWER, &bytes, &keys.civil_seal);
    let request = SealedRequest {
        header: &asked.header,
        opened: &asked.opened,
        seal: &asked.seal,
    };
    let judged = |header: &[u8], seal: &Seal| {
        verify_answer(&log.registry, request, header, seal, None).map(drop)
    };
    judged(&bytes, &seal).unwrap();
    // It is not answered in chunks again.
    let chunked = AnswerHeader {
        payload: Commitment::to_chunks("text/plain", None, &PLAN.encode(), &ANSWER_SALT),
        ..answer
    };
    let chunked = chunked.encode();
    let origin = log.registry.origin();
    let other = Seal::one(label::ANSWER, origin, &chunked, &keys.civil_seal).unwrap();
    assert_eq!(judged(&chunked, &other).unwrap_err().to_string(), "form");
    let facts = ExchangeFacts {
        peer_sha256: vec![0xc2; 32].into(),
        provider_us: 9_400,
        ..naming(log, terms, asked, at_ms + 2, Outcome::Answered.name())
    };
    let sealed = Some((bytes, seal));
    log.record("closing", Kind::Closing, facts::encode(&facts), sealed);
}

#[test]
fn every_value_of_an_upload_is_the_golden_one() {
    story().book.judge("uploads.json");
}

#[test]
fn no_label_of_version_1_opens_an_upload_and_no_bit_of_it_can_be_another() {
    let log = story();
    let stored = book::read("uploads.json");
    let part = |name: &str| Bytes::from(hex::decode(&stored[name]).unwrap());
    let seal = |name: &str| Seal::from_block(&part(name)).unwrap();
    let (header, trailer) = (part("upload.header"), part("upload_trailer.header"));
    let (of_header, of_trailer) = (seal("upload.seal_block"), seal("upload_trailer.seal_block"));
    let opened = verify_request(&log.registry, &header, &of_header, None).unwrap();
    let kid = of_header.open().unwrap().kid();
    let key = &log.registry.seal_key(&kid, &opened.consumer).unwrap().key;
    let origin = log.registry.origin();
    for known in [
        label::REQUEST,
        label::ANSWER,
        label::TRAILER,
        label::DISPUTE,
    ] {
        assert!(of_header.verify(known, origin, &header, key).is_err());
        assert!(of_trailer.verify(known, origin, &trailer, key).is_err());
    }
    // Nor is a whole request one under the label of uploads.
    let mut whole = opened.clone();
    whole.payload = Commitment::new("text/plain", PAYLOAD, &SALT);
    let refused = verify_request(&log.registry, &whole.encode(), &of_header, None);
    assert_eq!(refused.unwrap_err(), Code::BadSeal);
    let asked = Digest::of(&header);
    let judged = |header: &[u8], asked: &Digest| {
        verify_upload_trailer(&log.registry, &opened, asked, header, &of_trailer, None)
    };
    judged(&trailer, &asked).unwrap();
    let other = judged(&trailer, &Digest::of(b"another request"));
    assert_eq!(other.unwrap_err(), Code::PayloadMismatch);
    for bit in 0..trailer.len() * 8 {
        let mut other = trailer.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(judged(&other, &asked).is_err(), "bit {bit} of the trailer");
    }
    for bit in 0..header.len() * 8 {
        let mut other = header.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        let judged = verify_request(&log.registry, &other, &of_header, None);
        assert!(judged.is_err(), "bit {bit} of the header");
    }
    assert!(TrailerHeader::open(&header).is_err());
    assert!(RequestHeader::open(&trailer).is_err());
}
