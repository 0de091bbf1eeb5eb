//! A review of an exchange in which the glass was broken, from fixed keys and times: `tests/golden/reviews.json`. Beside
//! version 1, whose files stay as they are.

use bytes::Bytes;
use proto::Digest;
use proto::act::{Finding, Review, ReviewedRequest};
use proto::authorise::verify_review;
use proto::entry::Kind;
use proto::facts::{self, RegistryFacts};
use proto::limits::{BREAK_GLASS_REVIEW_MS, label};
use proto::seal::Seal;

use crate::book::{self, Book};
use crate::exchange::{self, Terms};
use crate::log::{GoldenLog, T0_MS};
use crate::registry::{self, Keys};

const REASON: &[u8] = b"The child was not in the doctor's care.";

fn story() -> GoldenLog {
    let mut log = GoldenLog::default();
    let keys = Keys::new(&mut log);
    registry::genesis(&mut log, &keys);
    registry::enrol(&mut log, &keys, "MOSS", ("م", "M"), 0x11);
    registry::enrol(&mut log, &keys, "CIVIL", ("ح", "C"), 0x12);
    let (moss, civil) = (registry::moss(), registry::civil());
    let (by_moss, by_civil) = (&keys.moss_authority, &keys.civil_authority);
    registry::bind(&mut log, "moss_key", moss, &keys.moss_seal, by_moss);
    registry::bind(
        &mut log,
        "civil_key",
        civil.clone(),
        &keys.civil_seal,
        by_civil,
    );
    let contract = registry::publish(&mut log, &keys);
    let agreement = registry::agree(&mut log, &keys);
    let terms = Terms {
        agreement,
        contract,
    };
    let asked = exchange::ask(&mut log, &keys, terms);
    // What came before stands in v1.json, from the same keys.
    log.book = Book::default();
    let leaf = log.leaves[asked.index as usize];
    log.book.put("request.leaf", leaf);
    for finding in Finding::ALL {
        let review = Review {
            agency: civil.agency(),
            requests: vec![ReviewedRequest {
                index: asked.index,
                leaf,
            }],
            finding,
            reason_sha256: Digest::of(REASON),
            issued_at_ms: T0_MS + BREAK_GLASS_REVIEW_MS,
        };
        let header = review.encode();
        let seal = log.seal(finding.name(), label::REVIEW, &header, by_civil);
        let opened = verify_review(&log.registry, &header, &seal).unwrap();
        assert_eq!(opened, review);
        let facts = facts::encode(&RegistryFacts {
            peer_sha256: vec![0xc2; 32].into(),
            certificate: None,
        });
        log.record(finding.name(), Kind::Review, facts, Some((header, seal)));
    }
    log
}

#[test]
fn every_value_of_a_review_is_the_golden_one() {
    story().book.judge("reviews.json");
}

#[test]
fn no_bit_of_a_golden_review_can_be_another() {
    let log = story();
    let stored = book::read("reviews.json");
    let part = |name: &str| Bytes::from(hex::decode(&stored[name]).unwrap());
    let header = part("unjustified.header");
    let seal = Seal::from_block(&part("unjustified.seal_block")).unwrap();
    verify_review(&log.registry, &header, &seal).unwrap();
    for bit in 0..header.len() * 8 {
        let mut other = header.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        let judged = verify_review(&log.registry, &other, &seal);
        assert!(judged.is_err(), "bit {bit}");
    }
}
