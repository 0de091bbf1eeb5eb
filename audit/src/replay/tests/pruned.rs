//! Replays of pruned logs: what is judged, what is said not to be, and what is found all the same.

use super::*;
use crate::tiles::fixtures::prune_by_hand;
use crate::tiles::pruned::write_minimum;

/// Days after the first entries at which the last ones are recorded; the grant is kept for one.
const LATER_MS: u64 = 2 * 86_400_000;

/// A request, padding up to entry 256 and its closing behind: then two exchanges, `LATER_MS` after.
async fn straddling(forger: &mut Forger, leaf: Option<Digest>) -> u64 {
    let header = forger.header();
    let facts = forger.facts();
    let (request, seal) = forger.request(&header, facts).await;
    let empty = ExchangeFacts {
        code: "malformed".to_owned(),
        refused_sha256: vec![1; 32].into(),
        ..ExchangeFacts::default()
    };
    while forger.log.head().size() < 256 {
        let facts = ExchangeFacts {
            decided_at_ms: forger.clock.now_ms(),
            ..empty.clone()
        };
        forger
            .append(Kind::Refusal, facts::encode(&facts), Bytes::new(), None)
            .await;
    }
    let answer = forger.answer(&header, &seal);
    let mut closing = forger.closing_facts(&request, "answered");
    if let Some(leaf) = leaf {
        closing.request_leaf = leaf.0.to_vec().into();
    }
    forger.close_with(closing, &answer).await;
    request.index
}

/// Epochs do not lean on any entry: time passes, and the log says so.
async fn later(forger: &mut Forger, after_ms: u64) {
    forger.clock.advance_ms(after_ms);
    let head = forger.log.head();
    let epoch = EpochFacts {
        previous_size: head.size(),
        previous_root: head.edge.root().0.to_vec().into(),
        ..EpochFacts::default()
    };
    forger
        .append(Kind::Epoch, facts::encode(&epoch), Bytes::new(), None)
        .await;
}

/// Closes the log, prunes below 256, and replays.
async fn replayed(forger: Forger) -> Report {
    forger.log.close().await.unwrap();
    prune_by_hand(forger.dir.path(), 256);
    let report = replay(forger.dir.path(), Options::default());
    assert!(report.files.is_proven(), "{:?}", report.files.findings);
    report
}

fn rules_of(report: &Report, severity: Severity) -> Vec<&'static str> {
    let kept = report.findings.kept().iter();
    kept.filter(|finding| finding.severity == severity)
        .map(|finding| finding.rule)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_log_replays_clean_and_says_what_was_not_judged() {
    let mut forger = Forger::new().await;
    straddling(&mut forger, None).await;
    later(&mut forger, LATER_MS).await;
    let report = replayed(forger).await;
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!(rules_of(&report, Severity::Notice), [rule::PRUNED]);
    assert_eq!(report.open, 0);
    assert!(report.kinds["agency"] > 0 && !report.kinds.contains_key("request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ending_and_a_wrong_leaf_are_found_though_the_request_was_pruned() {
    let mut forger = Forger::new().await;
    straddling(&mut forger, Some(Digest::of(b"another request"))).await;
    let closing = ExchangeFacts {
        code: "deadline".to_owned(),
        request_index: 20,
        request_leaf: crate::tree::HashReader::node(
            &TileStore::new(forger.dir.path()).reader({
                forger.log.publish_now().await.unwrap();
                forger.log.head().size()
            }),
            0,
            20,
        )
        .unwrap()
        .0
        .to_vec()
        .into(),
        ..forger.facts()
    };
    for _ in 0..2 {
        forger
            .append(Kind::Closing, facts::encode(&closing), Bytes::new(), None)
            .await;
    }
    later(&mut forger, LATER_MS).await;
    let report = replayed(forger).await;
    assert_eq!(
        rules_of(&report, Severity::Error),
        [rule::PAIRING, rule::PAIRING]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_was_pruned_before_its_time_is_named() {
    let mut forger = Forger::new().await;
    straddling(&mut forger, None).await;
    later(&mut forger, LATER_MS / 2 - 1).await;
    let report = replayed(forger).await;
    assert_eq!(rules_of(&report, Severity::Error), [rule::RETENTION]);
    assert!(!report.is_clean());
    let mut forger = Forger::new().await;
    straddling(&mut forger, None).await;
    later(&mut forger, LATER_MS).await;
    forger.log.close().await.unwrap();
    // Claimed only: everything is there still, and the claim is judged all the same.
    write_minimum(forger.dir.path(), 257).unwrap();
    let report = replay(forger.dir.path(), Options::default());
    assert_eq!(rules_of(&report, Severity::Error), [rule::RETENTION]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_pruned_events_is_said_not_to_be_judged_and_a_second_end_is_found() {
    use super::events::Followed;
    let mut followed = Followed::new().await;
    straddling(&mut followed.teller.forger, None).await;
    followed.take().await;
    for _ in 0..2 {
        followed.leave().await;
    }
    // What begins after it is judged as ever.
    let mut whole = followed.follow_again().await;
    whole.take().await;
    whole.take().await;
    later(&mut whole.teller.forger, LATER_MS).await;
    let report = replayed(whole.teller.forger).await;
    let notices = rules_of(&report, Severity::Notice);
    assert_eq!(notices, [rule::PRUNED]);
    let found = rules_of(&report, Severity::Error);
    assert_eq!(found, [rule::EVENT, rule::EVENT]);
}
