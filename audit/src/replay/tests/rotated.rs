//! Logs whose key was rotated as it must not be, written by somebody who has every key: the files alone tell.

use std::path::Path;

use proto::act::{Genesis, LogKeySuccession, Operator};
use proto::entry::Draft;
use proto::facts::LogKeyFacts;
use tempfile::TempDir;

use super::*;
use crate::checkpoint::{Checkpoint, LogKey};
use crate::journal::{Admission, Head, stamp_batch};
use crate::log_key::{self, successions_text};
use crate::tiles::published::publish;
use crate::tiles::{TileStore, durable};
use crate::tree::TreeHead;
use crate::verify;

const DAY_MS: u64 = 86_400_000;

impl Forger {
    /// The key of its log followed by that of seed `to`.
    pub(crate) async fn rotated(self, to: u8, overlap_ms: u64) -> Self {
        let config = forger::config(self.dir.path(), &self.clock);
        let (log, appended) =
            log_key::tests::rotated(self.log, config, (200, to), overlap_ms).await;
        let mut registry = self.registry;
        registry.apply(appended.index, &appended.entry).unwrap();
        Self {
            log,
            registry,
            ..self
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_rotated_replays_clean_from_either_key() {
    let mut forger = Forger::new().await;
    forger.exchange().await;
    let mut forger = forger.rotated(202, 500).await;
    forger.exchange().await;
    forger.clock.advance_ms(1_000);
    forger.exchange().await;
    let dir = forger.dir.path().to_owned();
    forger.log.close().await.unwrap();
    for seed in [200, 202] {
        let key = LogKey::new(ORIGIN, TestSigner::new(seed).key()).unwrap();
        let options = Options {
            key: Some(key),
            ..Options::default()
        };
        let report = replay(&dir, options);
        assert!(report.files.is_proven(), "{:?}", report.files.findings);
        assert!(report.files.findings.names(verify::rule::KEY_FOLLOWED));
        assert_eq!(report.findings.errors(), 0, "{:?}", report.findings);
    }
}

/// A log written entry by entry, whatever the entries say.
struct Written {
    dir: TempDir,
    head: Head,
    entries: Vec<Bytes>,
    /// Entries by which the key was followed, as `log.keys` has them.
    rotations: Vec<(u64, Bytes)>,
    now_ms: u64,
}

impl Written {
    fn new() -> Self {
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            log_key: TestSigner::new(200).key().clone(),
            instance: part("EG"),
            trust_domain: "log.test".to_owned(),
            authority_root: Digest::of(b"root"),
            operators: vec![Operator {
                name: part("nour"),
                key: TestSigner::new(201).key().clone(),
            }],
            created_at_ms: NOW_MS,
            purposes: Vec::new(),
        };
        let header = genesis.encode();
        let seal = Seal::one(label::GENESIS, ORIGIN, &header, &TestSigner::new(200)).unwrap();
        let mut written = Self {
            dir: TempDir::new().unwrap(),
            head: Head::default(),
            entries: Vec::new(),
            rotations: Vec::new(),
            now_ms: NOW_MS,
        };
        written.push(Kind::Genesis, Bytes::new(), header, Some(seal));
        written
    }

    fn push(&mut self, kind: Kind, facts: Bytes, header: Bytes, seal: Option<Seal>) {
        let admission = Admission {
            draft: Draft {
                kind,
                facts,
                header,
                seal,
            },
            judged_registry: None,
        };
        let sealed = stamp_batch(&self.head, vec![admission], self.now_ms * 1_000, 1);
        self.head = sealed.head;
        let recorded = sealed.outcomes.into_iter().next().unwrap().unwrap();
        if kind == Kind::LogKeySucceeded {
            let index = self.entries.len() as u64;
            self.rotations.push((index, recorded.bytes.clone()));
        }
        self.entries.push(recorded.bytes);
    }

    /// `from` followed by `to`, changed by `change`, under the seals of two seeds.
    fn rotate(
        &mut self,
        (from, to): (u8, u8),
        (old, new): (Option<u8>, u8),
        change: impl FnOnce(&mut LogKeySuccession),
    ) {
        let mut act = LogKeySuccession {
            previous: TestSigner::new(from).key().clone(),
            key: TestSigner::new(to).key().clone(),
            size: self.head.size(),
            root: self.head.edge.root(),
            overlap_until_ms: self.now_ms + DAY_MS,
            issued_at_ms: self.now_ms,
        };
        change(&mut act);
        let header = act.encode();
        let by = |seed| Seal::one(label::LOG_KEY, ORIGIN, &header, &TestSigner::new(seed)).unwrap();
        let facts = facts::encode(&LogKeyFacts { seal: by(new).cose });
        let seal = old.map(by);
        self.push(Kind::LogKeySucceeded, facts, header, seal);
    }

    /// Publishes it under the signatures of `seeds`, and gives what a replay with the first key finds, by rule.
    fn judged(&self, seeds: &[u8]) -> (bool, Vec<&'static str>) {
        let dir = self.dir.path();
        let new = self.head.edge.head();
        let entries = self.entries.iter().cloned().map(Ok);
        let mut writer = TileStore::new(dir).writer();
        writer.write_for(TreeHead::empty(), new, entries).unwrap();
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: new.size,
            root: new.root,
        };
        let signers: Vec<TestSigner> = seeds.iter().map(|seed| TestSigner::new(*seed)).collect();
        let signers: Vec<&dyn proto::key::Signer> = signers.iter().map(|one| one as _).collect();
        publish(dir, None, &checkpoint.sign_by(&signers).unwrap().note).unwrap();
        let write =
            |name: &str, text: &str| durable::write_file(&dir.join(name), text.as_bytes()).unwrap();
        write(
            crate::checkpoint::SUCCESSIONS_FILE,
            &successions_text(&self.rotations),
        );
        judge(dir)
    }
}

fn judge(dir: &Path) -> (bool, Vec<&'static str>) {
    let key = Some(LogKey::new(ORIGIN, TestSigner::new(200).key()).unwrap());
    let options = Options {
        key,
        ..Options::default()
    };
    let report = replay(dir, options);
    let all = report
        .files
        .findings
        .kept()
        .iter()
        .chain(report.findings.kept());
    let errors = all.filter(|finding| finding.severity == Severity::Error);
    (
        report.files.signed,
        errors.map(|finding| finding.rule).collect(),
    )
}

#[test]
fn the_forged_logs_differ_from_an_honest_one_only_in_what_is_forged() {
    let mut written = Written::new();
    written.rotate((200, 202), (Some(200), 202), |_| ());
    written.now_ms += DAY_MS;
    written.rotate((202, 203), (Some(202), 203), |_| ());
    assert_eq!(written.judged(&[203, 202]), (true, vec![]));
}

#[test]
fn a_rotation_that_one_of_the_keys_did_not_seal_is_found() {
    for by in [
        (Some(200), 200),
        (Some(202), 202),
        (None, 202),
        (Some(200), 9),
        (Some(9), 202),
    ] {
        let mut written = Written::new();
        written.rotate((200, 202), by, |_| ());
        // Whoever signs: nothing leads to the next key, and the fold refuses the entry.
        for seeds in [&[200][..], &[202, 200]] {
            let dir = TempDir::new().unwrap();
            let written = Written {
                dir,
                entries: written.entries.clone(),
                head: written.head.clone(),
                rotations: written.rotations.clone(),
                now_ms: written.now_ms,
            };
            let (signed, rules) = written.judged(seeds);
            assert!(signed, "{by:?}");
            assert!(rules.contains(&verify::rule::LOG_KEY), "{by:?}: {rules:?}");
            assert!(rules.contains(&rule::FOLD), "{by:?}: {rules:?}");
        }
        // The key that nobody named signs alone.
        let (signed, _) = {
            let dir = TempDir::new().unwrap();
            Written { dir, ..written }.judged(&[202])
        };
        assert!(!signed, "{by:?}");
    }
}

#[test]
fn a_rotation_at_another_place_or_over_another_history_is_found() {
    let mut elsewhere = Written::new();
    elsewhere.rotate((200, 202), (Some(200), 202), |act| act.size += 1);
    let (_, rules) = elsewhere.judged(&[200]);
    assert!(
        rules.contains(&verify::rule::FORK) && rules.contains(&rule::FOLD),
        "{rules:?}"
    );
    let mut other = Written::new();
    other.rotate((200, 202), (Some(200), 202), |act| {
        act.root = Digest::of(b"another history")
    });
    let (signed, rules) = other.judged(&[202, 200]);
    assert_eq!((signed, rules), (true, vec![verify::rule::FORK]));
}

#[test]
fn a_rotation_to_a_key_in_use_is_found() {
    let mut written = Written::new();
    written.rotate((200, 201), (Some(200), 201), |_| ());
    assert_eq!(written.judged(&[201, 200]), (true, vec![rule::FOLD]));
}

#[test]
fn a_second_rotation_inside_the_overlap_is_found() {
    let mut written = Written::new();
    written.rotate((200, 202), (Some(200), 202), |_| ());
    written.now_ms += DAY_MS - 1;
    written.rotate((202, 203), (Some(202), 203), |_| ());
    let (signed, rules) = written.judged(&[203, 202, 200]);
    // What lies in log.keys leads nowhere, so nobody who holds the first key gets to the third.
    assert!(signed, "{rules:?}");
    assert!(
        rules.contains(&verify::rule::LOG_KEY) && rules.contains(&rule::FOLD),
        "{rules:?}"
    );
}
