//! Logs of real agreements pruned in every order, and at every wrong moment: what is newer stays proved, what is older
//! is gone from every file, and whatever may not go stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::entry::{Draft, Kind};
use proto::facts::{self, EpochFacts, ExchangeFacts};
use proto::key::Signer;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::*;
use crate::checkpoint::tests::TestSigner;
use crate::clock::Clock;
use crate::journal::letting_go::store_databases;
use crate::log::{Config, Log};
use crate::receipt::tlog_proof::TlogProof;
use crate::replay::tests::forger::{Forger, NOW_MS, ORIGIN};
use crate::replay::{self, replay};
use crate::tiles::fixtures::files_of;
use crate::verify::{ProveError, Severity, compare, prove as prove_entry};

mod copies;
mod cut_short;
mod faults;
mod refused;

const DAY_MS: u64 = 86_400_000;
/// Stands in every padding entry of the first half, and in no other.
const OLD: &str = "an-entry-of-the-first-half";

/// Pads the log to `size` with refusals that say `word`, many to a commit.
async fn pad(forger: &Forger, size: u64, word: &str) {
    let facts = ExchangeFacts {
        code: "malformed".to_owned(),
        clause: word.to_owned(),
        decided_at_ms: forger.clock.now_ms(),
        refused_sha256: vec![1; 32].into(),
        ..ExchangeFacts::default()
    };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in forger.log.head().size()..size {
        let (log, facts) = (forger.log.clone(), facts::encode(&facts));
        tasks.spawn(async move {
            let draft = Draft {
                kind: Kind::Refusal,
                facts,
                header: Bytes::new(),
                seal: None,
            };
            log.append(draft, None).await.unwrap();
        });
    }
    tasks.join_all().await;
}

async fn epoch(forger: &Forger) {
    let head = forger.log.head();
    let facts = EpochFacts {
        previous_size: head.size(),
        previous_root: head.edge.root().0.to_vec().into(),
        ..EpochFacts::default()
    };
    forger
        .append(Kind::Epoch, facts::encode(&facts), Bytes::new(), None)
        .await;
}

/// A log of 800 entries, closed: an exchange that begins before and ends after 256, days without anything at 300,
/// another exchange behind. Its grant is kept for one day.
async fn made() -> TempDir {
    let mut forger = Forger::new().await;
    forger.exchange().await;
    let header = forger.header();
    let facts = ExchangeFacts {
        quota_used: 2,
        ..forger.facts()
    };
    let (request, seal) = forger.request(&header, facts).await;
    pad(&forger, 256, OLD).await;
    let answer = forger.answer(&header, &seal);
    forger
        .close_with(forger.closing_facts(&request, "answered"), &answer)
        .await;
    pad(&forger, 300, "between").await;
    forger.clock.advance_ms(2 * DAY_MS);
    epoch(&forger).await;
    pad(&forger, 798, "newer").await;
    epoch(&forger).await;
    epoch(&forger).await;
    forger.log.close().await.unwrap();
    forger.dir
}

fn copied(from: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &target);
            } else {
                fs::copy(&path, &target).unwrap();
            }
        }
    }
    let to = tempfile::tempdir().unwrap();
    copy(from, to.path());
    to
}

/// A copy of [`made`].
async fn stopped() -> TempDir {
    static MADE: OnceCell<TempDir> = OnceCell::const_new();
    copied(MADE.get_or_init(made).await.path())
}

fn layout(dir: &Path) -> Layout {
    Layout {
        store_cache_bytes: 8 << 20,
        ..Layout::new(dir, ORIGIN)
    }
}

fn options(dir: &Path, before: Before) -> Options<'static> {
    Options {
        layout: Some(layout(dir)),
        ..Options::new(before)
    }
}

fn pruned(dir: &Path, before: Before) -> Report {
    prune(dir, options(dir, before)).unwrap()
}

fn signer() -> Arc<dyn Signer> {
    Arc::new(TestSigner::new(200))
}

fn key() -> LogKey {
    LogKey::new(ORIGIN, TestSigner::new(200).key()).unwrap()
}

fn config(dir: &Path) -> Config {
    Config {
        layout: layout(dir),
        clock: Clock::fixed((NOW_MS + 3 * DAY_MS) * 1_000),
        publish_interval: Duration::from_secs(3_600),
        ..Config::new(dir, ORIGIN)
    }
}

/// Whether the word stands in any file.
fn holds(dir: &Path, word: &str) -> Vec<String> {
    let has = |bytes: &[u8]| bytes.windows(word.len()).any(|at| at == word.as_bytes());
    let files = files_of(dir).into_iter();
    files
        .filter(|(_, bytes)| has(bytes))
        .map(|(path, _)| path)
        .collect()
}

/// Replays, and gives the rules of errors.
fn errors(dir: &Path) -> Vec<&'static str> {
    let report = replay(dir, replay::Options::default());
    let findings = report.all_findings();
    findings
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.rule)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_is_gone_from_every_file_and_all_else_is_proved_as_before() {
    let dir = stopped().await;
    let receipt = |dir: &Path, index| -> TlogProof {
        let proven = prove_entry(dir, index, &key()).unwrap();
        proven.to_tlog_proof(Some(proven.bytes.clone()))
    };
    let receipts: Vec<_> = [0, 14, 100, 255, 256, 799]
        .into_iter()
        .map(|index| receipt(dir.path(), index))
        .collect();
    assert!(!holds(dir.path(), OLD).is_empty());
    assert_eq!(errors(dir.path()), [""; 0]);
    let report = pruned(dir.path(), Before::OlderThanDays(1));
    assert_eq!((report.minimum_before, report.minimum_index), (0, 256));
    assert_eq!((report.removed, report.retention_days), (256, 1));
    assert_eq!((report.kept, report.age_days), (10, 2));
    assert!(report.removed_bytes > 10_000 && report.databases.len() == 1);
    assert_eq!(holds(dir.path(), OLD), [""; 0]);
    assert!(!holds(dir.path(), "between").is_empty());
    assert_eq!(
        fs::read(dir.path().join("minimum-index")).unwrap(),
        b"256\n"
    );
    assert_eq!(errors(dir.path()), [""; 0]);
    for proof in receipts {
        compare(dir.path(), &proof, &key()).unwrap();
    }
    assert!(prove_entry(dir.path(), 256, &key()).is_ok());
    assert!(matches!(
        prove_entry(dir.path(), 100, &key()),
        Err(ProveError::Pruned { minimum: 256, .. })
    ));
    // Again: nothing more to do.
    let again = pruned(dir.path(), Before::OlderThanDays(1));
    assert_eq!((again.minimum_before, again.minimum_index), (256, 256));
    assert_eq!((again.removed, again.databases.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_log_starts_goes_on_and_says_in_its_report_that_it_was_pruned() {
    let dir = stopped().await;
    pruned(dir.path(), Before::OlderThanDays(1));
    for lost_store in [false, true] {
        if lost_store {
            fs::remove_dir_all(dir.path().join("store")).unwrap();
        }
        let log = Log::open(config(dir.path()), signer()).await.unwrap();
        assert_eq!(log.minimum_index(), 256);
        let report = log.recovered().unwrap();
        let told = if lost_store {
            vec![]
        } else {
            vec!["pruned:256".to_owned()]
        };
        assert_eq!(report.repaired, told);
        let head = log.head();
        // Everything that is there, in order: kept registry entries, then all.
        let (mut next, mut seen) = (0, Vec::new());
        while next < head.size() {
            let chunk = log.entries(next..head.size()).await.unwrap();
            seen.extend(chunk.iter().map(|(index, _)| *index));
            next = seen.last().unwrap() + 1;
        }
        assert_eq!(seen.iter().filter(|index| **index < 256).count(), 10);
        assert_eq!(seen.len() as u64, 10 + head.size() - 256);
        assert_eq!(log.entry(100).await.unwrap(), None);
        assert!(log.entry(0).await.unwrap().is_some());
        assert!(log.receipt(300).await.unwrap().is_some());
        assert!(log.receipt(5).await.unwrap().is_some());
        assert!(log.receipt(100).await.is_err());
        let proofs = log.consistency(vec![100], 700).await.unwrap();
        assert_eq!(proofs[0].len(), 9);
        let facts = EpochFacts {
            previous_size: head.size(),
            previous_root: head.edge.root().0.to_vec().into(),
            recovery: report.repaired.join(" "),
            ..EpochFacts::default()
        };
        let draft = Draft {
            kind: Kind::Epoch,
            facts: facts::encode(&facts),
            header: Bytes::new(),
            seal: None,
        };
        log.append(draft, None).await.unwrap();
        log.close().await.unwrap();
        drop(log);
        assert_eq!(errors(dir.path()), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_at_the_edge_of_a_pruned_log_are_mended_at_its_start() {
    let dir = stopped().await;
    pruned(dir.path(), Before::OlderThanDays(1));
    let whole = files_of(&dir.path().join("tile"));
    fs::remove_file(dir.path().join("tile/1/000.p/3")).unwrap();
    fs::write(dir.path().join("tile/entries/003.p/32"), b"junk").unwrap();
    let log = Log::open(config(dir.path()), signer()).await.unwrap();
    assert_eq!(log.recovered().unwrap().mended.len(), 2);
    assert_eq!(files_of(&dir.path().join("tile")), whole);
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_pruned_further_and_small_databases_go_with_it() {
    let dir = stopped().await;
    // Databases of 100 entries.
    let small = Layout {
        store_entries: 100,
        ..layout(dir.path())
    };
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    let small_config = Config {
        layout: small.clone(),
        ..config(dir.path())
    };
    let log = Log::open(small_config, signer()).await.unwrap();
    log.close().await.unwrap();
    drop(log);
    let told = |before| {
        let options = Options {
            despite_retention: true,
            layout: Some(small.clone()),
            ..Options::new(before)
        };
        prune(dir.path(), options).unwrap()
    };
    for (index, minimum) in [(255, 0), (300, 256), (256, 256), (600, 512), (799, 768)] {
        let report = told(Before::Index(index));
        assert_eq!(report.minimum_index, minimum);
        let pruned = errors(dir.path());
        // Told to: every replay says so, above the day that nothing was recorded in.
        let expected: &[_] = if minimum > 256 {
            &[replay::rule::RETENTION]
        } else {
            &[]
        };
        assert_eq!(pruned, expected, "{minimum}");
    }
    let databases = store_databases(dir.path()).unwrap();
    assert_eq!(databases.len(), 1);
    assert!(databases[0].0 >= 768);
    let log = Log::open(config(dir.path()), signer()).await.unwrap();
    assert_eq!(log.head().size(), 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let dir = stopped().await;
    let before = files_of(dir.path());
    let check = Options {
        check: true,
        ..options(dir.path(), Before::Index(300))
    };
    let report = prune(dir.path(), check).unwrap();
    assert_eq!(files_of(dir.path()), before);
    let done = pruned(dir.path(), Before::Index(300));
    let same = Report {
        databases: Vec::new(),
        ..done
    };
    assert_eq!(report, same);
}

#[test]
fn only_bundles_below_the_cut_are_removed_whatever_the_names_look_like() {
    use crate::tiles::TilePath;
    let dir = tempfile::tempdir().unwrap();
    let numbers = [
        0u64, 1, 7, 255, 999, 1_000, 1_001, 70_000, 999_999, 1_000_000, 1_234_067,
    ];
    let place = |tile: TilePath| {
        let path = dir.path().join(tile.to_path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"bundle").unwrap();
        path
    };
    for cut in [
        0, 1, 8, 1_000, 1_001, 70_001, 1_000_000, 1_234_067, 1_234_068,
    ] {
        let mut kept = BTreeMap::new();
        for number in numbers {
            let full = place(TilePath::entries(number));
            let partial = place(TilePath::entries(number).with_width(9).unwrap());
            kept.insert(full, number >= cut);
            kept.insert(partial, number >= cut);
        }
        let strange = dir.path().join("tile/entries/readme.txt");
        fs::write(&strange, b"not ours").unwrap();
        kept.insert(strange, true);
        bundles::remove_below(dir.path(), cut * 256 + 255).unwrap();
        for (path, kept) in kept {
            assert_eq!(path.exists(), kept, "{cut}: {}", path.display());
        }
    }
}
