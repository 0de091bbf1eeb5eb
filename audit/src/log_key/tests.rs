//! Keys that follow one another: whoever holds one of them gets to the others, and nobody else's word counts.

use proto::digest::Digest;
use proto::entry::{Draft, Kind, Stamp};
use proto::key::Signer as _;
use proto::limits::LOG_KEY_OVERLAP_MS_MAX;

use super::*;
use crate::checkpoint::tests::TestSigner;
use crate::checkpoint::{self, Checkpoint, NoteMemory, Notes};
use crate::note::NoteError;

pub(crate) const ORIGIN: &str = "log.example/one";
const DAY_MS: u64 = 86_400_000;
const T0_MS: u64 = 1_800_000_000_000;

/// Entry `index` by which the key of seed `from` is followed by that of seed `to`, on `day`, for one day of overlap.
pub(crate) fn rotation(origin: &str, index: u64, from: u8, to: u8, day: u64) -> (u64, Bytes) {
    let at_ms = T0_MS + day * DAY_MS;
    let act = LogKeySuccession {
        previous: TestSigner::new(from).key().clone(),
        key: TestSigner::new(to).key().clone(),
        size: index,
        root: Digest::of(&index.to_be_bytes()),
        overlap_until_ms: at_ms + DAY_MS,
        issued_at_ms: at_ms,
    };
    entry(origin, act, (from, to), at_ms)
}

fn entry(origin: &str, act: LogKeySuccession, by: (u8, u8), at_ms: u64) -> (u64, Bytes) {
    let (old, new) = (TestSigner::new(by.0), TestSigner::new(by.1));
    let (header, seal, facts) = act.seal(origin, &old, &new).unwrap();
    let draft = Draft {
        kind: Kind::LogKeySucceeded,
        facts,
        header,
        seal: Some(seal),
    };
    let stamp = Stamp {
        recorded_at_us: at_ms * 1_000,
        broker: 1,
        registry_size: 0,
        registry_root: Digest::default(),
    };
    (act.size, Entry::new(draft, stamp).encode().unwrap())
}

fn held(seed: u8) -> LogKey {
    LogKey::new(ORIGIN, TestSigner::new(seed).key()).unwrap()
}

fn note(size: u64, seeds: &[u8]) -> Bytes {
    let signers: Vec<TestSigner> = seeds.iter().map(|seed| TestSigner::new(*seed)).collect();
    let signers: Vec<&dyn proto::key::Signer> = signers
        .iter()
        .map(|signer| signer as &dyn proto::key::Signer)
        .collect();
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: Digest::of(&size.to_be_bytes()),
    };
    checkpoint.sign_by(&signers).unwrap().note
}

/// 1 is followed by 2 at entry 10, and 2 by 3 at entry 20.
fn chain() -> Vec<(u64, Bytes)> {
    vec![rotation(ORIGIN, 10, 1, 2, 0), rotation(ORIGIN, 20, 2, 3, 2)]
}

#[test]
fn from_each_key_one_gets_to_the_others_forwards_and_backwards() {
    for seed in 1..=3 {
        let key = held(seed);
        assert!(key.follow(&chain()).unwrap());
        for (size, signer) in [(1, 1), (10, 1), (11, 2), (20, 2), (21, 3), (u64::MAX, 3)] {
            assert_eq!(key.signer_of(size), *held(signer).note_key());
            checkpoint::open(&note(size, &[signer]), &key).unwrap();
            for other in (1..=3).filter(|other| *other != signer) {
                let refused = checkpoint::open(&note(size, &[other]), &key);
                assert_eq!(
                    refused,
                    Err(NoteError::NotSigned.into()),
                    "{size} by {other}"
                );
            }
        }
        assert_eq!(key.newest(), *held(3).note_key());
        assert_eq!(key.first(), *held(1).note_key());
        assert!((1..=3).all(|other| key.has(&held(other))) && !key.has(&held(4)));
        // Once more, and less, say nothing new.
        assert!(!key.follow(&chain()).unwrap());
        assert!(!key.follow(&chain()[..1]).unwrap());
    }
}

#[test]
fn whoever_has_not_followed_still_verifies_during_the_overlap_and_no_longer() {
    let key = held(1);
    checkpoint::open(&note(11, &[2, 1]), &key).unwrap();
    assert!(checkpoint::open(&note(11, &[2]), &key).is_err());
    // After following, the older key alone is nothing.
    key.follow(&chain()[..1]).unwrap();
    checkpoint::open(&note(11, &[2, 1]), &key).unwrap();
    assert!(checkpoint::open(&note(11, &[1]), &key).is_err());
}

#[test]
fn what_one_reader_remembers_counts_for_another_by_its_own_key_only() {
    let notes = Notes::default();
    let among = |seed| NoteMemory::among(held(seed), notes.clone());
    let (one, same, other) = (among(1), among(1), among(2));
    let signed = note(11, &[1]);
    one.open(&signed).unwrap();
    same.open(&signed).unwrap();
    assert!(other.open(&signed).is_err());
    // Whoever followed to the next key takes nothing more from the one before.
    one.key().follow(&chain()[..1]).unwrap();
    assert!(one.open(&signed).is_err());
    same.open(&signed).unwrap();
}

#[test]
fn both_sign_until_the_stamp_of_the_last_entry_says_that_it_is_over() {
    let key = held(1);
    key.follow(&chain()).unwrap();
    let until_ms = T0_MS + DAY_MS;
    assert_eq!(key.also_signs(10, until_ms - 1), None);
    assert_eq!(
        key.also_signs(11, until_ms - 1).as_ref(),
        Some(held(1).note_key())
    );
    assert_eq!(key.also_signs(11, until_ms), None);
    assert_eq!(
        key.also_signs(21, until_ms + DAY_MS).as_ref(),
        Some(held(2).note_key())
    );
}

#[test]
fn clones_learn_together_and_a_file_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(SUCCESSIONS_FILE);
    let key = held(1).kept_in(&file).unwrap();
    let clone = key.clone();
    let [first, second] = &chain()[..] else {
        panic!("two")
    };
    assert!(key.follow_next(first.0, &first.1).unwrap());
    assert!(clone.follow_next(second.0, &second.1).unwrap());
    assert_eq!(key.entries(), chain());
    let again = held(3).kept_in(&file).unwrap();
    assert_eq!(again.entries(), chain());
    let beside = held(2);
    assert!(beside.follow_beside(dir.path()).unwrap());
    assert_eq!(beside.entries(), chain());
    assert!(!held(1).follow_beside(&dir.path().join("none")).unwrap());
}

#[test]
fn what_one_of_the_keys_did_not_seal_leads_nowhere() {
    let mut act = LogKeySuccession {
        previous: TestSigner::new(1).key().clone(),
        key: TestSigner::new(2).key().clone(),
        size: 10,
        root: Digest::of(b"tree"),
        overlap_until_ms: T0_MS + DAY_MS,
        issued_at_ms: T0_MS,
    };
    for by in [(1, 1), (2, 2), (2, 1), (1, 9), (9, 2)] {
        let wrong = entry(ORIGIN, act.clone(), by, T0_MS);
        let refused = held(1).follow(&[wrong]).unwrap_err();
        assert!(matches!(refused, SuccessionError::Entry { .. }), "{by:?}");
    }
    let elsewhere = entry("log.example/two", act.clone(), (1, 2), T0_MS);
    held(1).follow(&[elsewhere]).unwrap_err();
    // At another index than it names; for longer than may be; of another kind.
    let good = entry(ORIGIN, act.clone(), (1, 2), T0_MS);
    held(1).follow(&[(11, good.1.clone())]).unwrap_err();
    act.overlap_until_ms = T0_MS + LOG_KEY_OVERLAP_MS_MAX + 1;
    held(1)
        .follow(&[entry(ORIGIN, act, (1, 2), T0_MS)])
        .unwrap_err();
    let mut kind = good.1.to_vec();
    kind[0] = Kind::OperatorAct as u8;
    held(1).follow(&[(10, kind.into())]).unwrap_err();
    for cut in 0..good.1.len() {
        held(1).follow(&[(10, good.1.slice(..cut))]).unwrap_err();
    }
    // None of them changes what was believed.
    assert!(held(1).follow(&[good]).unwrap());
}

#[test]
fn a_chain_of_other_keys_or_with_a_gap_or_in_an_overlap_is_refused() {
    let refused = held(9).follow(&chain()).unwrap_err();
    assert!(matches!(refused, SuccessionError::OtherKey(_)));
    for second in [
        rotation(ORIGIN, 20, 4, 3, 2),
        rotation(ORIGIN, 9, 2, 3, 2),
        rotation(ORIGIN, 20, 2, 3, 0),
    ] {
        let refused = held(1).follow(&[chain()[0].clone(), second]).unwrap_err();
        assert!(matches!(refused, SuccessionError::NotNext(_)), "{refused}");
    }
}

#[test]
fn two_keys_after_one_are_evidence_and_the_first_stays() {
    let key = held(1);
    key.follow(&chain()[..1]).unwrap();
    for other in [
        rotation(ORIGIN, 10, 1, 4, 0),
        rotation(ORIGIN, 12, 1, 2, 0),
        rotation(ORIGIN, 12, 1, 4, 0),
    ] {
        let refused = key.follow(&[other]).unwrap_err();
        assert!(
            matches!(refused, SuccessionError::Contradicts { known: 10, .. }),
            "{refused}"
        );
    }
    // Under another stamp, which no key seals, it is the same act.
    let (index, bytes) = chain()[0].clone();
    let mut stamped = bytes.to_vec();
    stamped[8] ^= 1;
    assert!(!key.follow(&[(index, stamped.into())]).unwrap());
    assert_eq!(key.entries(), chain()[..1]);
}

#[test]
fn a_hostile_file_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(SUCCESSIONS_FILE);
    let good = successions_text(&chain());
    assert_eq!(parse_successions(good.as_bytes()).unwrap(), chain());
    assert_eq!(parse_successions(b"").unwrap(), []);
    let long = "1 AA==\n".repeat(200_000);
    for bad in [
        "\n",
        "x",
        "1",
        "1 *\n",
        "01 AA==\n",
        "+1 AA==\n",
        " 1 AA==\n",
        "1  AA==\n",
        "1 AA==",
        "1 AA==\r\n",
        "18446744073709551616 AA==\n",
        &long,
    ] {
        std::fs::write(&file, bad).unwrap();
        assert!(held(1).follow_beside(dir.path()).is_err());
        assert!(held(1).kept_in(&file).is_err());
    }
    for cut in 1..good.len() {
        std::fs::write(&file, &good[..cut]).unwrap();
        let learnt = held(1).follow_beside(dir.path());
        let whole_first = successions_text(&chain()[..1]).len();
        assert!(learnt.is_err() || cut == whole_first, "cut at {cut}");
    }
    std::fs::write(&file, [0xff; 16]).unwrap();
    assert!(held(1).follow_beside(dir.path()).is_err());
}

/// Ends `log`, opens it again with the keys of both seeds, and has the first followed by the second, `overlap_ms` from
/// now. Gives the log and the entry's index.
pub(crate) async fn rotated(
    log: crate::log::Log,
    config: crate::log::Config,
    (from, to): (u8, u8),
    overlap_ms: u64,
) -> (crate::log::Log, crate::log::Appended) {
    log.close().await.unwrap();
    drop(log);
    let signer =
        |seed| std::sync::Arc::new(TestSigner::new(seed)) as std::sync::Arc<dyn proto::key::Signer>;
    let (origin, now_ms) = (config.origin.clone(), config.clock.now_ms());
    let signers = vec![signer(from), signer(to)];
    let log = crate::log::Log::open_with(config, signers).await.unwrap();
    let head = log.head();
    let act = LogKeySuccession {
        previous: TestSigner::new(from).key().clone(),
        key: TestSigner::new(to).key().clone(),
        size: head.size(),
        root: head.edge.root(),
        overlap_until_ms: now_ms + overlap_ms,
        issued_at_ms: now_ms,
    };
    let (old, new) = (TestSigner::new(from), TestSigner::new(to));
    let (header, seal, facts) = act.seal(&origin, &old, &new).unwrap();
    let draft = Draft {
        kind: Kind::LogKeySucceeded,
        facts,
        header,
        seal: Some(seal),
    };
    let appended = log.append(draft, None).await.unwrap();
    (log, appended)
}
