//! Golden bytes: one little log, made from fixed keys, times and ids with this crate's public API,
//! must equal `tests/golden/v1.json` byte for byte. `docs/protocol.md` is held to code and bytes.
//!
//! `MOHAWEL_BLESS=1 cargo test -p proto --test golden` writes the file anew: a change of the protocol.

#![expect(clippy::unwrap_used, reason = "a test may unwrap")]

#[path = "golden/acts.rs"]
mod acts;
#[path = "golden/batches.rs"]
mod batches;
#[path = "golden/book.rs"]
mod book;
#[path = "golden/border.rs"]
mod border;
#[path = "golden/document.rs"]
mod document;
#[path = "golden/encryption_key.rs"]
mod encryption_key;
#[path = "golden/events.rs"]
mod events;
#[path = "golden/exchange.rs"]
mod exchange;
#[path = "golden/keys.rs"]
mod keys;
#[path = "golden/log.rs"]
mod log;
#[path = "golden/log_key.rs"]
mod log_key;
#[path = "golden/registry.rs"]
mod registry;
#[path = "golden/reviews.rs"]
mod reviews;
#[path = "golden/rights.rs"]
mod rights;
#[path = "golden/streams.rs"]
mod streams;
#[path = "golden/subjects.rs"]
mod subjects;
#[path = "golden/uploads.rs"]
mod uploads;

use std::path::Path;

use bytes::Bytes;
use proto::Digest;
use proto::entry::Entry;
use proto::key::PublicKey;
use proto::registry::Registry;
use proto::seal::Seal;

/// The whole story, in order. Every step is judged by the functions that the switch uses.
fn story() -> log::GoldenLog {
    let mut log = log::GoldenLog::default();
    let keys = registry::Keys::new(&mut log);
    registry::genesis(&mut log, &keys);
    let names = ("وزارة التضامن الاجتماعي", "Ministry of Social Solidarity");
    registry::enrol(&mut log, &keys, "MOSS", names, 0x11);
    let names = ("مصلحة الأحوال المدنية", "Civil Status Organisation");
    registry::enrol(&mut log, &keys, "CIVIL", names, 0x12);
    registry::bind(
        &mut log,
        "moss_key",
        registry::moss(),
        &keys.moss_seal,
        &keys.moss_authority,
    );
    registry::bind(
        &mut log,
        "civil_key",
        registry::civil(),
        &keys.civil_seal,
        &keys.civil_authority,
    );
    registry::certificate(&mut log);
    let contract = registry::publish(&mut log, &keys);
    let agreement = registry::agree(&mut log, &keys);
    let terms = exchange::Terms {
        agreement,
        contract,
    };
    let asked = exchange::ask(&mut log, &keys, terms);
    let answer = exchange::answer(&mut log, &keys, terms, &asked);
    exchange::refuse(&mut log, &keys, terms);
    exchange::dispute(&mut log, &keys, terms, (&asked, &answer));
    registry::end_key(&mut log, &keys);
    acts::second_seals(&mut log, &keys);
    acts::join(&mut log, &keys);
    acts::keys_that_follow(&mut log, &keys);
    acts::certificates(&mut log, &keys);
    let published = rights::publish(&mut log, &keys);
    let group = rights::group(&mut log, &keys, published);
    let newer = rights::supersede(&mut log, &keys, agreement);
    rights::hand_on(&mut log, &keys, newer, contract);
    rights::revoke(&mut log, &keys, group);
    acts::ends(&mut log, &keys);
    acts::replaced(&mut log, &keys);
    log.heads();
    log
}

#[test]
fn every_value_is_the_golden_one() {
    story().book.judge("v1.json");
}

/// Version 1 is frozen: `docs/decisions/0006-version-1-is-frozen.md`. To write these files anew is not enough.
#[test]
fn the_frozen_files_are_those_that_were_frozen() {
    let frozen = [
        (
            "v1.json",
            "ca400a29406cc1c819dbf592e7da647d57cbdc58056513a86ea8632b8a57fac8",
        ),
        (
            "receipts.json",
            "02283b5945397db81e06bca3bfa776157938de4b65b8ecced2162cc6921c2290",
        ),
        (
            "es256.json",
            "88db521039ce605e72565e1d17faaf71ba6a0f0428aff9e7181a64b177bd6d3e",
        ),
    ];
    for (file, digest) in frozen {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
        let found = Digest::of(&std::fs::read(folder.join(file)).unwrap()).to_string();
        assert_eq!(found, digest, "{file} was frozen, and is another one now");
    }
}

/// `tests/foreign` made these: beside each golden entry some that are sealed as they must be and may not stand there.
#[test]
fn what_the_foreign_registry_refuses_is_refused_here_too() {
    let (golden, refused) = (book::read("v1.json"), book::read("refused.json"));
    let entry = |hex: &str| Entry::decode(&Bytes::from(hex::decode(hex).unwrap())).unwrap();
    let mut names: Vec<(u64, &str)> = golden
        .iter()
        .filter_map(|(name, index)| Some((index.parse().ok()?, name.strip_suffix(".index.text")?)))
        .collect();
    names.sort_unstable();
    let (mut registry, mut judged, mut accepted) = (Registry::empty(), 0, Vec::new());
    for (index, name) in names {
        let beside = format!("{name}: ");
        for (what, hex) in refused.iter().filter(|(what, _)| what.starts_with(&beside)) {
            let before = (registry.size(), registry.digest());
            if registry.clone().apply(index, &entry(hex)).is_ok() {
                accepted.push(what);
            }
            assert!(registry.apply(index, &entry(hex)).is_err() || accepted.contains(&what));
            assert_eq!((registry.size(), registry.digest()), before, "{what}");
            judged += 1;
        }
        let next = entry(&golden[&format!("{name}.entry")]);
        if next.kind.is_registry() {
            registry.apply(index, &next).unwrap();
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
    assert_eq!(judged, refused.len());
}

/// ECDSA is randomised, so this seal was made once, with other software, and is verified for ever.
#[test]
fn a_p256_seal_made_elsewhere_verifies_and_its_high_s_twin_does_not() {
    let stored = book::read("es256.json");
    let bytes = |name: &str| hex::decode(&stored[name]).unwrap();
    let key = PublicKey::from_spki(&bytes("key.spki")).unwrap();
    let (label, origin) = (&stored["seal.label.text"], &stored["origin.text"]);
    let verify = |cose: Vec<u8>| {
        let seal = Seal {
            cose: Bytes::from(cose),
            leaf_index: 0,
            tree_size: 1,
            path: Vec::new(),
        };
        seal.verify(label, origin, &bytes("seal.header"), &key)
    };
    verify(bytes("seal.cose")).unwrap();
    verify(bytes("seal.cose_high_s")).unwrap_err();
}
