//! The report is the same whatever the number of threads, for sound and for damaged logs.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::verify::At;

/// Everything that a report says.
fn told(dir: &Path, threads: usize) -> String {
    let mut events = Vec::new();
    let mut on_event = |event: &Event| events.push(format!("{event:?}"));
    let report = replay(
        dir,
        Options {
            threads,
            on_event: Some(&mut on_event),
            ..Options::default()
        },
    );
    let quiet = replay(
        dir,
        Options {
            threads,
            at: Some(At::Size(report.files.entries / 2)),
            ..Options::default()
        },
    );
    format!("{report:#?}\n{}\n{quiet:#?}", events.join("\n"))
}

fn alike(dir: &Path, what: &str) -> String {
    let one = told(dir, 1);
    for threads in [2, 8] {
        assert_eq!(one, told(dir, threads), "{what} with {threads} threads");
    }
    one
}

/// 1,200 entries of honest exchanges, sealed 16 at a time and alone, and every now and then something wrong.
async fn mixed_log(mischief: bool) -> Forger {
    let mut forger = Forger::with_quota(0).await;
    for round in 0..64_u8 {
        let size = if round % 2 == 0 { 16 } else { 3 };
        let headers: Vec<_> = (0..size).map(|_| forger.header()).collect();
        let requests = forger.requests_together(&headers).await;
        if !mischief {
            forger.answer_together(&requests, None).await;
            continue;
        }
        // A batch whose one signature does not hold: each of its headers is found.
        let spoiled = (round % 8 == 3).then(|| TestSigner::new(77));
        forger.answer_together(&requests, spoiled.as_ref()).await;
        if round % 5 == 1 {
            forger.broken_request().await;
        }
        if round % 5 == 2 {
            let (request, header, seal) = &requests[0];
            forger.late_answer(request, header, seal).await;
        }
    }
    forger
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    let mut todo = vec![PathBuf::from("tile")];
    for name in ["checkpoint", "log.vkey"] {
        fs::copy(from.join(name), to.path().join(name)).unwrap();
    }
    while let Some(at) = todo.pop() {
        fs::create_dir_all(to.path().join(&at)).unwrap();
        for item in fs::read_dir(from.join(&at)).unwrap() {
            let item = item.unwrap();
            let name = at.join(item.file_name());
            if item.file_type().unwrap().is_dir() {
                todo.push(name);
            } else {
                fs::copy(item.path(), to.path().join(name)).unwrap();
            }
        }
    }
    to
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_log_is_the_same_and_clean_with_any_number_of_threads() {
    let forger = mixed_log(false).await;
    forger.log.close().await.unwrap();
    let report = replay(forger.dir.path(), Options::default());
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!(report.open, 0);
    // Every request and every answer, and what the registry was made of.
    assert!(report.seals > report.kinds["request"] + report.kinds["closing"]);
    alike(forger.dir.path(), "a sound log");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_a_log_is_found_in_the_same_order_with_any_number_of_threads() {
    let forger = mixed_log(true).await;
    forger.log.close().await.unwrap();
    let report = replay(forger.dir.path(), Options::default());
    for wanted in [rule::ANSWER, rule::SEAL] {
        assert!(report.findings.names(wanted), "{wanted}");
    }
    let errors: Vec<u64> = report
        .findings
        .kept()
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter_map(|finding| finding.index)
        .collect();
    assert!(errors.is_sorted(), "{errors:?}");
    alike(forger.dir.path(), "a log that lies");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_give_the_same_findings_with_any_number_of_threads() {
    let forger = mixed_log(true).await;
    let dir = forger.dir.path().to_owned();
    forger.log.close().await.unwrap();
    let bundle = |dir: &Path, number: u32| dir.join(format!("tile/entries/{number:03}"));
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
    let flip = |path: PathBuf, at: usize| {
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 0x10;
        fs::write(path, bytes).unwrap();
    };
    let cases: [Damage<'_>; 6] = [
        ("a byte of an entry", &|dir| flip(bundle(dir, 2), 5_000)),
        ("a length", &|dir| flip(bundle(dir, 1), 0)),
        ("a missing bundle", &|dir| {
            fs::remove_file(bundle(dir, 1)).unwrap();
        }),
        ("a missing bundle and its hashes", &|dir| {
            fs::remove_file(bundle(dir, 2)).unwrap();
            fs::remove_file(dir.join("tile/0/002")).unwrap();
        }),
        ("a cut bundle", &|dir| {
            let bytes = fs::read(bundle(dir, 3)).unwrap();
            fs::write(bundle(dir, 3), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("a hash", &|dir| flip(dir.join("tile/0/001"), 700)),
    ];
    for (what, damage) in cases {
        let copy = copy(&dir);
        damage(copy.path());
        let told = alike(copy.path(), what);
        assert!(told.contains("Error"), "{what}");
        assert!(
            !replay(copy.path(), Options::default()).is_clean(),
            "{what}"
        );
    }
}
