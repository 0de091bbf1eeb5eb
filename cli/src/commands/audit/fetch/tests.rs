//! A copy that grows, and a switch that went back.

use std::path::PathBuf;

use audit::verify::{Options, verify_directory};
use proto::act::PersonRole;
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
