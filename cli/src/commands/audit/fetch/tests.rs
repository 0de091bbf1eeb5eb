//! A copy that grows, and a switch that went back.

use std::path::PathBuf;

use audit::timestamp::kept;
use audit::verify::{Options, verify_directory};
use proto::act::PersonRole;
use proto::entry::{Draft, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::id::Part;
use proto::refusal::Language;

use super::*;
use crate::args::{Acting, Role};
use crate::commands::broker::Running;
use crate::commands::operate::roles;
use crate::commands::operator;
use crate::testing::Bench;

const QUIET: Output = Output {
    language: Language::English,
    json: true,
};

/// A running switch and the folder of its auditor.
async fn audited() -> (Bench, Running, PathBuf) {
    let bench = Bench::new(Clock::System).await;
    let running = bench.start().await;
    let (dir, answer) = (bench.path("omar"), bench.path("omar.answer"));
    let request = Role::Request {
        dir: dir.clone(),
        role: PersonRole::Auditor,
        name: Part::parse("omar").unwrap(),
    };
    let grant = Role::Grant {
        request: dir.join("role.request"),
        output: answer.clone(),
        acting: Acting {
            switch: bench.switch.path().to_owned(),
            operator: None,
        },
    };
    let take = Role::Take {
        dir: dir.clone(),
        answer,
    };
    for step in [request, grant, take] {
        Box::pin(roles::run(step, QUIET)).await.unwrap();
    }
    (bench, running, dir)
}

fn fetch(person: &Path, to: PathBuf) -> Fetch {
    Fetch {
        person: person.to_owned(),
        to,
        reason: "a test".to_owned(),
    }
}

/// A test's switch takes another port at each start.
fn point(person: &Path, running: &Running) {
    let path = person.join(operator::FILE);
    let mut file: operator::File =
        toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    file.exchange.clone_from(&running.addresses().exchange);
    std::fs::write(path, file.to_toml().unwrap()).unwrap();
}

fn size(dir: &Path) -> u64 {
    read_published(dir).unwrap().unwrap().checkpoint.size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_grows_and_holds() {
    let (bench, running, omar) = audited().await;
    let copy = bench.path("copy");
    run(fetch(&omar, copy.clone()), QUIET).await.unwrap();
    let first = size(&copy);
    Box::pin(bench.enrol("EG/GOV/GIZA/homes", ["الجيزة", "Giza"])).await;
    let grown = async {
        while size(&copy) < first + 4 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            run(fetch(&omar, copy.clone()), QUIET).await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), grown)
        .await
        .unwrap();
    let report = verify_directory(&copy, Options::default());
    assert!(report.is_proven(), "{:?}", report.findings);
    // A folder that is something else is left alone.
    let other = fetch(&omar, bench.switch.path().to_owned());
    assert_eq!(run(other, QUIET).await.unwrap_err().exit, Exit::Usage);
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_went_back_is_convicted_and_the_copy_stays() {
    let (bench, running, omar) = audited().await;
    running.shutdown().await.unwrap();
    let older = bench.path("older");
    copy_dir(bench.switch.path(), &older);
    let running = bench.start().await;
    point(&omar, &running);
    Box::pin(bench.enrol("EG/GOV/GIZA/homes", ["الجيزة", "Giza"])).await;
    let copy = bench.path("copy");
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    run(fetch(&omar, copy.clone()), QUIET).await.unwrap();
    let held = std::fs::read(copy.join("checkpoint")).unwrap();
    running.shutdown().await.unwrap();

    std::fs::remove_dir_all(bench.switch.path()).unwrap();
    std::fs::rename(&older, bench.switch.path()).unwrap();
    let running = bench.start().await;
    point(&omar, &running);
    let convicted = run(fetch(&omar, copy.clone()), QUIET).await.unwrap_err();
    assert_eq!(convicted.exit, Exit::Untrusted);
    assert!(convicted.text(Language::English).contains("Two histories"));
    assert_eq!(std::fs::read(copy.join("checkpoint")).unwrap(), held);
    running.shutdown().await.unwrap();
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Appends what nobody sealed until the log has `size` entries.
async fn pad(running: &Running, clock: &Clock, size: u64) {
    let refused = ExchangeFacts {
        code: "malformed".to_owned(),
        decided_at_ms: clock.now_ms(),
        refused_sha256: vec![1; 32].into(),
        ..ExchangeFacts::default()
    };
    let log = running.switch().log();
    while log.head().size() < size {
        let draft = Draft {
            kind: Kind::Refusal,
            facts: facts::encode(&refused),
            header: Bytes::new(),
            seal: None,
        };
        log.append(draft, None).await.unwrap();
    }
    log.publish_now().await.unwrap();
}

fn holds(dir: &Path) -> audit::replay::Report {
    let report = audit::replay::replay(dir, audit::replay::Options::default());
    assert!(
        report.is_clean(),
        "{:?} {:?}",
        report.files.findings,
        report.findings
    );
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_pruned_log_goes_on_over_what_is_gone_and_says_so() {
    let (bench, running, omar) = audited().await;
    Box::pin(bench.enrol("EG/GOV/GIZA/homes", ["الجيزة", "Giza"])).await;
    let (early, late, fresh) = (bench.path("early"), bench.path("late"), bench.path("fresh"));
    run(fetch(&omar, early.clone()), QUIET).await.unwrap();
    pad(&running, &bench.clock, 700).await;
    run(fetch(&omar, late.clone()), QUIET).await.unwrap();
    running.shutdown().await.unwrap();
    let log = bench.switch.log();
    let options = audit::prune::Options::new(audit::prune::Before::Index(600));
    let pruned = audit::prune::prune(&log, options).unwrap();
    assert_eq!(pruned.minimum_index, 512);
    let running = bench.start().await;
    point(&omar, &running);
    pad(&running, &bench.clock, 900).await;

    // One that ends where entries are gone stays as it is; one that has them goes on and has them all.
    let before = std::fs::read(early.join("checkpoint")).unwrap();
    let refused = run(fetch(&omar, early.clone()), QUIET).await.unwrap_err();
    assert_eq!(refused.exit, Exit::Found);
    assert!(refused.text(Language::English).contains("pruned"));
    assert_eq!(std::fs::read(early.join("checkpoint")).unwrap(), before);
    run(fetch(&omar, late.clone()), QUIET).await.unwrap();
    let whole = holds(&late);
    assert_eq!((whole.files.minimum_index, whole.files.pruned), (0, 0));

    // A new one begins over the gap; one that was interrupted there goes on.
    let store = TileStore::new(&fresh);
    std::fs::create_dir_all(
        store
            .file(audit::tiles::TilePath::hashes(0, 0))
            .parent()
            .unwrap(),
    )
    .unwrap();
    std::fs::write(store.file(audit::tiles::TilePath::hashes(0, 0)), b"half").unwrap();
    run(fetch(&omar, fresh.clone()), QUIET).await.unwrap();
    let report = holds(&fresh);
    assert_eq!(report.files.minimum_index, 512);
    assert_eq!(report.files.pruned, pruned.removed - pruned.kept);
    assert!(pruned.kept > 3, "{pruned:?}");
    // And grows from there like any other.
    pad(&running, &bench.clock, 1_000).await;
    run(fetch(&omar, fresh.clone()), QUIET).await.unwrap();
    assert!(size(&fresh) >= 1_000);
    holds(&fresh);
    running.shutdown().await.unwrap();
}

#[test]
fn a_minimum_index_that_cannot_be_is_no_excuse() {
    assert_eq!(gone::gap(0, 0, 10).unwrap(), 0);
    assert_eq!(gone::gap(512, 0, 700).unwrap(), 512);
    assert_eq!(gone::gap(512, 512, 700).unwrap(), 0);
    for (minimum, have, size) in [
        (512, 0, 512),
        (1_024, 0, 700),
        (300, 0, 700),
        (u64::MAX, 0, 700),
    ] {
        let refused = gone::gap(minimum, have, size).unwrap_err();
        assert_eq!(refused.exit, Exit::Untrusted, "{minimum}");
    }
    assert_eq!(gone::gap(512, 511, 700).unwrap_err().exit, Exit::Found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_stamps_come_with_the_copy_byte_for_byte() {
    let (bench, running, omar) = audited().await;
    let log = bench.switch.log();
    let stamp = |token: &[u8]| {
        let published = read_published(&log).unwrap().unwrap();
        let size = published.checkpoint.size;
        kept::keep(&log, size, &published.note, token).unwrap();
        size
    };
    let first = stamp(b"an answer");
    let copy = bench.path("copy");
    run(fetch(&omar, copy.clone()), QUIET).await.unwrap();
    let both = |size| {
        let (theirs, ours) = (
            kept::read(&log, size).unwrap(),
            kept::read(&copy, size).unwrap(),
        );
        assert!(theirs.is_some() && theirs == ours, "{theirs:?} {ours:?}");
    };
    both(first);
    // The log stood still and was stamped again, then it grew.
    kept::keep_again(&log, first, b"a later answer").unwrap();
    pad(&running, &bench.clock, first + 20).await;
    let second = stamp(b"another answer");
    run(fetch(&omar, copy.clone()), QUIET).await.unwrap();
    both(first);
    both(second);
    assert_eq!(kept::sizes(&copy).unwrap(), [first, second]);
    let report = verify_directory(&copy, Options::default());
    assert!(report.is_proven(), "{:?}", report.findings);

    // A note that is no checkpoint of this log is no time-stamp.
    let third = second + 1;
    kept::keep(&log, third, b"junk", b"an answer").unwrap();
    pad(&running, &bench.clock, third + 5).await;
    let refused = run(fetch(&omar, copy.clone()), QUIET).await.unwrap_err();
    assert_eq!(refused.exit, Exit::Untrusted);
    assert_eq!(kept::sizes(&copy).unwrap(), [first, second]);
    running.shutdown().await.unwrap();
}
