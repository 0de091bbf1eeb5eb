//! Receipts against logs that lost something, with the log's real key: each loss is told with whom it convicts.

use std::io::Write as _;

use proto::entry::Kind;
use proto::facts::ExchangeFacts;
use serde_json::{Value, json};

use super::*;

mod bench;

use bench::{Bench, half, line, moss};

fn report(dir: &Path, sides: &[&[Value]]) -> Report {
    let files: Vec<_> = sides
        .iter()
        .map(|lines| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            for line in *lines {
                writeln!(file, "{line}").unwrap();
            }
            file
        })
        .collect();
    let paths: Vec<_> = files.iter().map(|file| file.path().to_owned()).collect();
    reconcile(dir, &paths, Options::default()).unwrap()
}

fn rules(report: &Report) -> Vec<&'static str> {
    report.rows.iter().map(|row| row.rule).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_sides_agree_with_an_honest_log() {
    let mut bench = Bench::new().await;
    for _ in 0..5 {
        bench.exchange().await;
    }
    let report = bench.report().await;
    assert_eq!(rules(&report), Vec::<&str>::new());
    assert!(report.is_clean());
    // Each request at its consumer, each answer at its provider.
    assert_eq!(report.agreed, 10);
    let sides: Vec<_> = report
        .sides
        .iter()
        .map(|side| (side.role, side.exchanges, side.proven))
        .collect();
    assert_eq!(sides, [(Role::Provider, 5, 10), (Role::Consumer, 5, 5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_taken_out_of_the_log_convicts_its_key() {
    let mut bench = Bench::new().await;
    for _ in 0..4 {
        bench.exchange().await;
    }
    // The operator writes the log anew with its real key, without the third exchange.
    let mut other = Bench::new().await;
    other.exchange().await;
    other.exchange().await;
    other.request();
    other.clock.advance_ms(2);
    other.exchange().await;
    other.exchange().await;
    other.log.publish_now().await.unwrap();
    let report = report(other.dir.path(), &[&bench.consumer, &bench.provider]);
    assert!(report.files.is_proven(), "the files alone say nothing");
    assert!(!report.is_clean());
    let third = &report
        .rows
        .iter()
        .find(|row| row.rule == rule::NOT_IN_LOG)
        .unwrap();
    assert_eq!(
        third.exchange.unwrap().to_string(),
        bench.consumer[2]["exchange_id"]
    );
    let has = (third.log, third.consumer, third.provider);
    assert_eq!(has, (Has::No, Has::Yes, Has::Yes));
    // What follows it moved up, which its receipts convict too; and the first two were signed under another tree only
    // where their checkpoint reached the third.
    let altered: Vec<_> = report
        .rows
        .iter()
        .filter(|row| row.rule == rule::ALTERED)
        .collect();
    assert_eq!(altered.len(), 1, "{:?}", report.rows);
    assert_eq!(altered[0].log, Has::Otherwise(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_goes_on_otherwise_is_forked_or_ends_too_early() {
    let mut bench = Bench::new().await;
    bench.exchange().await;
    let honest = bench.consumer.clone();
    bench.exchange().await;
    let mut other = Bench::new().await;
    other.exchange().await;
    other.log.publish_now().await.unwrap();
    let found = report(other.dir.path(), &[&bench.consumer]);
    assert_eq!(rules(&found), [rule::BEYOND]);
    assert_eq!(
        rules(&report(other.dir.path(), &[&honest])),
        Vec::<&str>::new()
    );
    // A receipt whose entry stands and whose checkpoint covers what is not there any more: the provider asked late.
    bench.log.publish_now().await.unwrap();
    let late = bench.log.receipt(1).await.unwrap().unwrap();
    let (_, request) = Bench::new().await.request();
    let id = ExchangeId::parse(honest[0]["exchange_id"].as_str().unwrap()).unwrap();
    let lines = [line(
        id,
        "provider",
        "answered",
        half(Some(&request), Some(&late)),
        Value::Null,
    )];
    assert_eq!(
        rules(&report(bench.dir.path(), &[&lines])),
        Vec::<&str>::new()
    );
    for _ in 0..3 {
        other.request();
        other.exchange().await;
    }
    other.log.publish_now().await.unwrap();
    assert_eq!(rules(&report(other.dir.path(), &[&lines])), [rule::FORKED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_side_lacks_is_named_with_the_side() {
    let mut bench = Bench::new().await;
    for _ in 0..4 {
        bench.exchange().await;
    }
    bench.consumer.remove(1);
    bench.provider.remove(2);
    let report = bench.report().await;
    let found: Vec<_> = report
        .rows
        .iter()
        .map(|row| (row.rule, row.index, row.log, row.consumer, row.provider))
        .collect();
    let (yes, no) = (Has::Yes, Has::No);
    assert_eq!(
        found,
        [
            (rule::UNKNOWN_TO_CONSUMER, Some(3), yes, no, yes),
            (rule::UNKNOWN_TO_PROVIDER, Some(6), yes, yes, no),
        ]
    );
    assert_eq!(report.errors, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_show_what_was_sealed_and_never_recorded() {
    let mut bench = Bench::new().await;
    bench.exchange().await;
    // Sealed, and the switch said nothing; refused with a word that needs no record; asked and answered to nobody.
    for outcome in ["no_answer", "rate_limited", "no_answer"] {
        let (header, request) = bench.request();
        let sealed = half(Some(&request), None);
        let id = header.exchange_id;
        bench
            .consumer
            .push(line(id, "consumer", outcome, sealed, Value::Null));
        if bench.sequence == 4 {
            bench
                .append(Kind::Request, &ExchangeFacts::default(), Some(&request))
                .await;
        }
    }
    // A number that neither side has.
    bench.request();
    bench.exchange().await;
    let report = bench.report().await;
    assert_eq!(
        rules(&report),
        [rule::UNRECEIPTED, rule::UNRECORDED, rule::GAP]
    );
    assert_eq!(report.errors, 0);
    assert!(
        report.rows[2].detail.contains("numbers 5 to 5"),
        "{:?}",
        report.rows[2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_proves_nothing_convicts_nobody() {
    let mut bench = Bench::new().await;
    bench.exchange().await;
    bench.exchange().await;
    let mut stolen = bench.consumer[0].clone();
    stolen["answer"] = bench.consumer[1]["answer"].clone();
    let mut forged = bench.provider[0].clone();
    forged["request"]["header"] = bench.provider[1]["request"]["header"].clone();
    let mut renamed = bench.provider[0].clone();
    renamed["system"] = json!(moss().to_string());
    bench.log.publish_now().await.unwrap();
    for bad in [stolen, forged, renamed] {
        let lines = [bench.consumer[0].clone(), bench.consumer[1].clone(), bad];
        let report = report(bench.dir.path(), &[&lines]);
        assert!(
            rules(&report).contains(&rule::UNPROVEN),
            "{:?}",
            report.rows
        );
    }
    for bad in [
        "{",
        "[]",
        "{\"role\":\"consumer\"}",
        "{\"exchange_id\":\"x\",\"role\":\"judge\"}",
    ] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{}\n\n{bad}", bench.consumer[0]).unwrap();
        let report = reconcile(
            bench.dir.path(),
            &[file.path().to_owned()],
            Options::default(),
        )
        .unwrap();
        assert!(rules(&report).contains(&rule::MALFORMED), "{bad}");
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let long = "x".repeat(3 << 20);
    writeln!(file, "{long}\n{}", bench.consumer[0]).unwrap();
    let report = reconcile(
        bench.dir.path(),
        &[file.path().to_owned()],
        Options::default(),
    )
    .unwrap();
    assert!(rules(&report).contains(&rule::MALFORMED));
    let empty = tempfile::NamedTempFile::new().unwrap();
    let nothing = reconcile(
        bench.dir.path(),
        &[empty.path().to_owned()],
        Options::default(),
    );
    assert!(matches!(nothing, Err(ReconcileError::Nothing)));
}

/// The parties hold receipts of one history, and are shown another that begins after the key was rotated.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_rotates_in_order_to_fork_is_convicted() {
    for (theirs, shown) in [
        (Some(202), Some(202)),
        (Some(202), Some(203)),
        (None, Some(202)),
        (Some(202), None),
    ] {
        let history = async |to: Option<u8>, skip: bool| {
            let mut bench = Bench::new().await;
            bench.exchange().await;
            if let Some(to) = to {
                bench = bench.rotated(to, 3_600_000).await;
            }
            if skip {
                bench.request();
                bench.clock.advance_ms(2);
            }
            bench.exchange().await;
            bench.exchange().await;
            bench.log.publish_now().await.unwrap();
            bench
        };
        let (held, other) = (history(theirs, false).await, history(shown, true).await);
        let report = report(other.dir.path(), &[&held.consumer, &held.provider]);
        assert!(report.files.is_proven(), "{:?}", report.files.findings);
        assert!(!report.is_clean(), "{theirs:?} {shown:?}");
        let against = |row: &Row| {
            row.severity == Severity::Error
                && [rule::FORKED, rule::ALTERED, rule::NOT_IN_LOG, rule::BEYOND].contains(&row.rule)
        };
        assert!(
            report.rows.iter().any(against),
            "{theirs:?} {shown:?}: {:?}",
            report.rows
        );
    }
}
