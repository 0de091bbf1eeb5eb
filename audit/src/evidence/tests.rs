//! Bundles of an honest log, of a dishonest one, and damaged ones.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use proto::entry::Kind;
use proto::header::RequestHeader;
use tempfile::TempDir;

use super::contents::entry_file;
use super::*;
use crate::checkpoint::LogKey;
use crate::replay::Filter;
use crate::replay::tests::forger::Forger;

mod abroad;
mod algorithms;
mod chunks;
mod damaged;
mod events;
mod outside;
mod rotated;
mod zips;

/// A finished log with one exchange in it, and another after it.
pub(super) struct Logged {
    pub(super) dir: TempDir,
    pub(super) request: u64,
    pub(super) header: RequestHeader,
}

impl Logged {
    pub(super) async fn new() -> Self {
        let mut forger = Forger::new().await;
        let (request, header, _) = forger.exchange().await;
        forger.exchange().await;
        Self::closed(forger, request.index, header).await
    }

    pub(super) async fn closed(forger: Forger, request: u64, header: RequestHeader) -> Self {
        forger.log.close().await.unwrap();
        Self {
            dir: forger.dir,
            request,
            header,
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            filter: Filter {
                exchange: Some(self.header.exchange_id),
                ..Filter::default()
            },
            ..Wanted::default()
        }
    }

    pub(super) fn collect(&self, wanted: Wanted) -> Result<Collected, EvidenceError> {
        collect(self.dir.path(), wanted, &mut |_, _| {})
    }

    pub(super) fn bundle(&self) -> Bundle {
        self.collect(self.wanted()).unwrap().bundle
    }

    pub(super) fn key(&self) -> LogKey {
        let text = std::fs::read_to_string(self.dir.path().join("log.vkey")).unwrap();
        LogKey::from_vkey(&text).unwrap()
    }

    pub(super) fn trust(&self) -> Trust {
        Trust {
            key: Some(self.key()),
            ..Trust::default()
        }
    }

    /// What the forger's headers commit to.
    pub(super) fn disclosure(&self, asked: &str, answered: &str) -> Disclosure {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let part = |salt: u8, payload: &str| serde_json::json!({"salt": STANDARD.encode([salt; 32]), "payload": STANDARD.encode(payload)});
        let file = serde_json::json!({
            "exchange_id": self.header.exchange_id.to_string(),
            "request": part(1, asked),
            "answer": part(2, answered),
        });
        Disclosure::from_json(file.to_string().as_bytes()).unwrap()
    }
}

/// The verdict of one check.
pub(super) fn state(report: &Report, check: &str) -> State {
    let found = report
        .verdicts
        .iter()
        .find(|verdict| verdict.check == check);
    found
        .unwrap_or_else(|| panic!("no verdict on {check}"))
        .state
}

/// Writes the bundle's files into `dir`.
pub(super) fn unpack(bundle: &Bundle, dir: &Path) {
    for (name, bytes) in bundle.files() {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Runs the script in the bundle; what it says, and whether it is content.
pub(super) fn check(bundle: &Bundle, arguments: &[&Path]) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    unpack(bundle, dir.path());
    let done = Command::new("sh")
        .arg(dir.path().join(name::CHECK))
        .args(arguments)
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[tokio::test]
async fn an_exchange_is_proved_by_its_bundle_alone() {
    let logged = Logged::new().await;
    let mut wanted = logged.wanted();
    wanted.disclosed = vec![logged.disclosure("{}", "{}")];
    let collected = logged.collect(wanted).unwrap();
    assert_eq!(collected.wanted, [logged.request, logged.request + 1]);
    assert_eq!(collected.log_errors, 0);
    let report = verify(&collected.bundle, &logged.trust());
    assert!(report.holds(), "{:#?}", report.verdicts);
    for check in [
        "key",
        "checkpoint",
        "inclusion",
        "registry",
        "seals",
        "answers",
        "decisions",
        "agreement",
        "disclosed",
        "files",
        "page",
    ] {
        assert_eq!(state(&report, check), State::Holds, "{check}");
    }
    assert_eq!(
        state(&verify(&collected.bundle, &Trust::default()), "key"),
        State::Inside
    );
    let (good, said) = check(&collected.bundle, &[]);
    assert!(good, "{said}");
    assert!(
        said.contains("seals hold") && said.contains("is what was sealed"),
        "{said}"
    );
    let again = Bundle::from_zip(&collected.bundle.to_zip().unwrap()).unwrap();
    assert_eq!(again, collected.bundle);
}

#[tokio::test]
async fn the_same_log_gives_the_same_bytes() {
    let logged = Logged::new().await;
    let copy = tempfile::tempdir().unwrap();
    let once = logged.bundle().to_zip().unwrap();
    let status = Command::new("cp")
        .arg("-r")
        .arg(logged.dir.path())
        .arg(copy.path().join("log"))
        .status()
        .unwrap();
    assert!(status.success());
    let twice = collect(&copy.path().join("log"), logged.wanted(), &mut |_, _| {}).unwrap();
    assert_eq!(twice.bundle.to_zip().unwrap(), once);
}

#[tokio::test]
async fn the_whole_registry_shows_that_nothing_was_left_out() {
    let mut forger = Forger::new().await;
    forger.join("EG/GOV/TAX", "files", 31, 30).await;
    let (request, header, _) = forger.exchange().await;
    let logged = Logged::closed(forger, request.index, header).await;
    let some = logged.collect(logged.wanted()).unwrap();
    assert!(!some.whole_registry);
    let report = verify(&some.bundle, &logged.trust());
    assert!(report.holds());
    assert_eq!(state(&report, "registry_complete"), State::Absent);
    let all = logged
        .collect(Wanted {
            whole_registry: true,
            ..logged.wanted()
        })
        .unwrap();
    assert!(
        all.whole_registry && all.registry == some.registry + 3,
        "{} {}",
        all.registry,
        some.registry
    );
    let report = verify(&all.bundle, &logged.trust());
    assert!(report.holds());
    assert_eq!(state(&report, "registry_complete"), State::Holds);
    let stranger = |bundle: &Bundle| {
        bundle
            .files()
            .values()
            .any(|file| String::from_utf8_lossy(file).contains("EG/GOV/TAX"))
    };
    assert!(stranger(&all.bundle) && !stranger(&some.bundle));
}

#[tokio::test]
async fn only_what_was_sealed_can_be_disclosed() {
    let logged = Logged::new().await;
    let with = |disclosure| {
        logged.collect(Wanted {
            disclosed: vec![disclosure],
            ..logged.wanted()
        })
    };
    for (asked, answered) in [("{ }", "{}"), ("{}", "{}\n")] {
        let refused = with(logged.disclosure(asked, answered)).unwrap_err();
        assert!(
            matches!(
                refused,
                EvidenceError::Disclosure(DisclosureError::Mismatch { .. })
            ),
            "{refused}"
        );
    }
    let mut other = logged.disclosure("{}", "{}");
    other.exchange = proto::id::ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4fff").unwrap();
    assert!(matches!(
        with(other).unwrap_err(),
        EvidenceError::Disclosure(DisclosureError::Absent(_))
    ));
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"exchange_id":"x"}"#,
        r#"{"exchange_id":"0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4001"}"#,
        r#"{"exchange_id":"0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4001","request":{"salt":"AA==","payload":""}}"#,
    ] {
        assert!(Disclosure::from_json(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_range_holds_whole_exchanges() {
    let logged = Logged::new().await;
    let from = logged.request + 1;
    let filter = Filter {
        from: Some(from),
        to: Some(from + 2),
        ..Filter::default()
    };
    let collected = logged
        .collect(Wanted {
            filter,
            ..Wanted::default()
        })
        .unwrap();
    assert_eq!(collected.wanted, [from - 1, from, from + 1, from + 2]);
    let report = verify(&collected.bundle, &logged.trust());
    assert!(report.holds(), "{:#?}", report.verdicts);
    let (good, said) = check(&collected.bundle, &[]);
    assert!(good, "{said}");
    let nothing = Filter {
        from: Some(10_000),
        ..Filter::default()
    };
    assert!(matches!(
        logged.collect(Wanted {
            filter: nothing,
            ..Wanted::default()
        }),
        Err(EvidenceError::Nothing)
    ));
    let all = logged.collect(Wanted::default()).unwrap();
    assert!(verify(&all.bundle, &logged.trust()).holds());
}

#[tokio::test]
async fn a_dishonest_log_convicts_itself() {
    let mut forger = Forger::new().await;
    let header = RequestHeader {
        purpose: crate::replay::tests::forger::part("other"),
        ..forger.header()
    };
    let facts = forger.facts();
    let (request, seal) = forger.request(&header, facts).await;
    let mut answer = forger.answer(&header, &seal);
    answer.request_seal = proto::Digest::of(b"another");
    forger
        .close_with(forger.closing_facts(&request, "answered"), &answer)
        .await;
    let logged = Logged::closed(forger, request.index, header).await;
    let collected = logged.collect(logged.wanted()).unwrap();
    assert!(collected.log_errors > 0);
    let report = verify(&collected.bundle, &logged.trust());
    assert_eq!(state(&report, "decisions"), State::Fails);
    assert_eq!(state(&report, "answers"), State::Fails);
    assert_eq!(state(&report, "inclusion"), State::Holds);
    assert!(!check(&collected.bundle, &[]).0);
}

#[tokio::test]
async fn the_page_says_it_in_both_languages_and_runs_nothing() {
    let logged = Logged::new().await;
    let bundle = logged.bundle();
    let page = String::from_utf8(bundle.file(name::PAGE).unwrap().to_vec()).unwrap();
    for part in [
        "EG/GOV/MOSS/takaful",
        "persons.v1 / lookup",
        "Law",
        "answered",
        "No party disclosed",
        "لم يفصح أي طرف",
        "dir=\"rtl\"",
        "من قد يكذب",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for part in [
        "<script",
        "http://",
        "https://",
        "javascript:",
        "<img",
        "<link",
        " on",
    ] {
        let inside = page.split("</style>").nth(1).unwrap();
        assert!(part == " on" || !inside.contains(part), "{part}");
    }
    assert_eq!(page.matches("<tr").count(), page.matches("</tr>").count());
    assert_eq!(
        page.matches("<table").count(),
        page.matches("</table>").count()
    );
}

#[tokio::test]
async fn a_refusal_is_evidence_too() {
    let mut forger = Forger::new().await;
    let header = RequestHeader {
        purpose: crate::replay::tests::forger::part("other"),
        ..forger.header()
    };
    let bytes = header.encode();
    let seal = proto::seal::Seal::one(
        proto::limits::label::REQUEST,
        crate::replay::tests::forger::ORIGIN,
        &bytes,
        &forger.moss,
    )
    .unwrap();
    let facts = proto::facts::ExchangeFacts {
        code: "purpose_not_granted".to_owned(),
        clause: "purpose".to_owned(),
        quota_used: 0,
        ..forger.facts()
    };
    let refusal = forger
        .append(
            Kind::Refusal,
            proto::facts::encode(&facts),
            bytes,
            Some(seal),
        )
        .await;
    let logged = Logged::closed(forger, refusal.index, header).await;
    let bundle = logged.bundle();
    let report = verify(&bundle, &logged.trust());
    assert!(report.holds(), "{:#?}", report.verdicts);
    assert_eq!(state(&report, "agreement"), State::Absent);
    let page = String::from_utf8_lossy(bundle.file(name::PAGE).unwrap()).into_owned();
    assert!(page.contains("purpose_not_granted"));
    let (good, said) = check(&bundle, &[]);
    assert!(good, "{said}");
    assert!(bundle.file(&entry_file(logged.request, "entry")).is_some());
}

/// A bundle with one file changed.
pub(super) fn with_file(bundle: &Bundle, name: &str, bytes: impl Into<Bytes>) -> Bundle {
    let mut changed = bundle.clone();
    changed.files.insert(name.to_owned(), bytes.into());
    changed
}
