//! A log's next key, from fixed seeds: `tests/golden/log_key.json`. Beside version 1, whose files stay as they are.

use bytes::Bytes;
use proto::act::LogKeySuccession;
use proto::digest::tree_head;
use proto::entry::Kind;
use proto::facts::{self, LogKeyFacts};
use proto::key::Signer as _;
use proto::limits::label;

use crate::keys::SeedKey;
use crate::log::GoldenLog;
use crate::registry::{Keys, genesis};

/// Genesis, an epoch, and the log's next key, sealed by both.
fn story() -> GoldenLog {
    let mut log = GoldenLog::default();
    let keys = Keys::new(&mut log);
    genesis(&mut log, &keys);
    let next = SeedKey::new(0x21);
    log.book.put("key.log_next.seed", [0x21; 32]);
    log.book.put("key.log_next.spki", next.key().spki());
    log.book.put("key.log_next.kid", next.key().kid());
    let succession = LogKeySuccession {
        previous: keys.log.key().clone(),
        key: next.key().clone(),
        size: log.leaves.len() as u64,
        root: tree_head(&log.leaves),
        overlap_until_ms: log.now_ms() + 30 * 86_400_000,
        issued_at_ms: log.now_ms(),
    };
    let header = succession.encode();
    let own = log.seal("log_key.by_new", label::LOG_KEY, &header, &next);
    let seal = log.seal("log_key", label::LOG_KEY, &header, &keys.log);
    let facts = facts::encode(&LogKeyFacts { seal: own.cose });
    log.record(
        "log_key",
        Kind::LogKeySucceeded,
        facts,
        Some((header, seal)),
    );
    log.heads();
    log
}

#[test]
fn the_next_log_key_is_the_golden_one() {
    let log = story();
    log.book.judge("log_key.json");
    let next = SeedKey::new(0x21);
    assert_eq!(log.registry.log_key(), Some(next.key()));
}

#[test]
fn no_bit_of_the_golden_entry_can_be_another() {
    let log = story();
    let stored = crate::book::read("log_key.json");
    let part = |name: &str| Bytes::from(hex::decode(&stored[name]).unwrap());
    let (header, facts) = (part("log_key.header"), part("log_key.facts"));
    let seal = proto::seal::Seal::from_block(&part("log_key.seal_block")).unwrap();
    let origin = log.registry.origin();
    LogKeySuccession::proven(origin, &header, Some(&seal), &facts).unwrap();
    for (what, bytes) in [("header", &header), ("facts", &facts)] {
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            let judged = match what {
                "header" => LogKeySuccession::proven(origin, &other, Some(&seal), &facts),
                _ => LogKeySuccession::proven(origin, &header, Some(&seal), &other),
            };
            assert!(judged.is_err(), "bit {bit} of the {what}");
        }
    }
    assert!(LogKeySuccession::proven("other.example/log", &header, Some(&seal), &facts).is_err());
}
