//! Many items and their results, from fixed keys, salts and times: `tests/golden/batches.json`. Beside version 1, whose files
//! stay as they are. A batch of three items in segments of two; the first is asked and answered here.

use proto::Digest;
use proto::authorise::{SealedRequest, verify_answer, verify_request};
use proto::commitment::{Commitment, Salt};
use proto::digest::{inclusion_path, tree_head};
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader};
use proto::items::{ItemProof, ItemResult, Items, Place, item_key, leaves, pack};
use proto::limits::label;
use proto::seal::Seal;

use crate::book::{self, Book};
use crate::exchange;
use crate::log::{GoldenLog, T0_MS};
use crate::registry::{Keys, parts};
use crate::streams::agreed;

const SALT: Salt = Salt([0x69; 32]);
const NEXT_SALT: Salt = Salt([0x6a; 32]);
const ANSWER_SALT: Salt = Salt([0x6b; 32]);
const ITEMS: [&[u8]; 3] = [b"one", b"two", b"three"];

fn story() -> GoldenLog {
    let (mut log, keys, terms) = agreed();
    let single = exchange::ask(&mut log, &keys, terms);
    // What came before stands in v1.json, from the same keys.
    log.book = Book::default();
    ask(&mut log, &keys, single.opened);
    log
}

/// The first segment, sealed; then its answer.
fn ask(log: &mut GoldenLog, keys: &Keys, single: RequestHeader) {
    let (first, second) = (leaves(&ITEMS[..2], &SALT), leaves(&ITEMS[2..], &NEXT_SALT));
    let roots = [tree_head(&first), tree_head(&second)];
    let batch = tree_head(&roots);
    assert_eq!(batch, tree_head(&[first.clone(), second].concat()));
    let place = Place {
        first: 0,
        total: 3,
        batch,
    };
    // The second item names a person.
    let side = [Vec::new(), [&[3][..], b"nid", &[0x74; 32]].concat()];
    let packed = pack(&ITEMS[..2], &first, &side, Some(place)).unwrap();
    for (index, leaf) in (0..).zip(&first) {
        log.book.put(&format!("item{index}"), ITEMS[index as usize]);
        log.book
            .put(&format!("item{index}.key"), item_key(&SALT, index).0);
        log.book.put(&format!("item{index}.leaf"), leaf.0);
    }
    log.book.put("root", roots[0]);
    log.book.put("batch", batch);
    log.book.put("manifest", &packed.manifest);
    log.book.put("manifest.key", item_key(&SALT, u64::MAX).0);
    log.book.put("payload", &packed.payload);
    let request = RequestHeader {
        payload: Commitment::to_items("text/plain", packed.payload.len(), &packed.manifest, &SALT),
        subjects: Vec::new(),
        issued_at_ms: T0_MS + 12_000,
        ..single
    };
    log.book.put("manifest.hmac", request.payload.hmac);
    let header = request.encode();
    let seal = log.seal("request", label::REQUEST, &header, &keys.moss_seal);
    let opened = verify_request(&log.registry, &header, &seal, None).unwrap();
    opened.payload.open(&packed.payload, &SALT.0).unwrap();
    let above = inclusion_path(&roots, 0).unwrap();
    for index in 0..2 {
        let proof = ItemProof::of(&packed.payload, &SALT, index).unwrap();
        let root = proof.verify_in_batch(&opened.payload.hmac, &above).unwrap();
        assert_eq!(root.place, u64::from(index));
    }
    answer(log, keys, (&header, &seal, &opened));
}

/// One item found and one not, sealed.
fn answer(
    log: &mut GoldenLog,
    keys: &Keys,
    (header, seal, opened): (&[u8], &Seal, &RequestHeader),
) {
    let found = ItemResult {
        status: AnswerStatus::Answered,
        payload: "1".into(),
    };
    let results = [found, ItemResult::without(AnswerStatus::NotFound)];
    let results = results.map(|result| result.encode());
    for (index, result) in results.iter().enumerate() {
        log.book.put(&format!("result{index}"), result);
    }
    let packed = pack(&results, &leaves(&results, &ANSWER_SALT), &[], None).unwrap();
    log.book.put("results.manifest", &packed.manifest);
    log.book.put("results.payload", &packed.payload);
    let length = packed.payload.len();
    let answer = AnswerHeader {
        exchange_id: opened.exchange_id,
        request_header: Digest::of(header),
        request_seal: Digest::of(&seal.cose),
        status: AnswerStatus::Answered,
        fields: parts(&["members"]),
        answered_at_ms: T0_MS + 12_040,
        payload: Commitment::to_items("text/plain", length, &packed.manifest, &ANSWER_SALT),
        seen: None,
    };
    let bytes = answer.encode();
    let answer_seal = log.seal("answer", label::ANSWER, &bytes, &keys.civil_seal);
    let request = SealedRequest {
        header,
        opened,
        seal,
    };
    let judged = verify_answer(&log.registry, request, &bytes, &answer_seal, None).unwrap();
    judged
        .payload
        .open(&packed.payload, &ANSWER_SALT.0)
        .unwrap();
    // The same answer in another form answers nothing.
    let whole = AnswerHeader {
        payload: Commitment::new("text/plain", b"1", &ANSWER_SALT),
        ..answer
    };
    let whole = whole.encode();
    let seal = Seal::one(label::ANSWER, crate::log::ORIGIN, &whole, &keys.civil_seal);
    assert!(verify_answer(&log.registry, request, &whole, &seal.unwrap(), None).is_err());
}

#[test]
fn every_value_of_a_batch_is_the_golden_one() {
    story().book.judge("batches.json");
}

#[test]
fn no_bit_of_the_golden_payload_can_be_another() {
    let stored = book::read("batches.json");
    let part = |name: &str| hex::decode(&stored[name]).unwrap();
    let (payload, header) = (part("payload"), part("request.header"));
    let request = RequestHeader::open(&header).unwrap();
    request.payload.open(&payload, &SALT.0).unwrap();
    assert_eq!(Items::open(&payload).unwrap().items, ITEMS[..2]);
    for bit in 0..payload.len() * 8 {
        let mut other = payload.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(request.payload.open(&other, &SALT.0).is_err(), "bit {bit}");
    }
    // A header of items names nobody itself.
    let mut named = request;
    named.subjects = vec![proto::header::Subject {
        scheme: parts(&["nid"])[0].clone(),
        pseudonym: Digest([0x74; 32]),
    }];
    assert!(RequestHeader::open(&named.encode()).is_err());
}

#[test]
fn the_document_shows_the_golden_items() {
    let golden = book::read("batches.json");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    let document = std::fs::read_to_string(path).unwrap();
    for name in [
        "item0",
        "item0.key",
        "item0.leaf",
        "item1",
        "root",
        "batch",
        "manifest",
        "manifest.key",
        "manifest.hmac",
        "result0",
        "result1",
    ] {
        let shown = format!("| `{name}` | `{}` |", golden[name]);
        assert!(document.contains(&shown), "{shown}");
    }
}
