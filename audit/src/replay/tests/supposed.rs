//! What a change of agreements would have changed: each decision that flips, and nothing about the log.

use proto::act::AgreementContent;
use proto::header::RequestHeader;

use super::super::what_if::{Added, Changed, Decision, Flip, Turned, WhatIf};
use super::*;
use crate::verify::At;

/// Exchange 1 permitted, exchange 2 refused for a field, exchange 3 refused because the provider was not there.
async fn story() -> (Forger, [u64; 3]) {
    let mut forger = Forger::with_quota(0).await;
    let (permitted, _, _) = forger.exchange().await;
    let mut wide = forger.header();
    wide.fields = vec![part("mother_id")];
    let by_field = refuse(&mut forger, &wide, "field_not_granted", "field mother_id").await;
    let narrow = forger.header();
    let offline = refuse(&mut forger, &narrow, "provider_offline", "").await;
    (forger, [permitted.index, by_field, offline])
}

async fn refuse(forger: &mut Forger, header: &RequestHeader, code: &str, clause: &str) -> u64 {
    let facts = ExchangeFacts {
        code: code.to_owned(),
        clause: clause.to_owned(),
        quota_used: 0,
        ..forger.facts()
    };
    let bytes = header.encode();
    let seal = Seal::one(label::REQUEST, ORIGIN, &bytes, &forger.moss).unwrap();
    let facts = facts::encode(&facts);
    let appended = forger.append(Kind::Refusal, facts, bytes, Some(seal)).await;
    appended.index
}

/// The agreement of the story with other fields, as nobody sealed it.
fn terms(forger: &Forger, fields: &[&str]) -> Added {
    let real = forger.registry.agreement(&forger.agreement).unwrap();
    let mut content = AgreementContent {
        nonce: [0; 16],
        origin: String::new(),
        not_before_ms: 0,
        not_after_ms: u64::MAX,
        ..real.content.clone()
    };
    content.grants[0].fields = fields.iter().map(|field| part(field)).collect();
    Added {
        name: "wider.toml".to_owned(),
        content,
        supersedes: None,
    }
}

fn suppose(forger: &Forger, what_if: WhatIf, filter: Filter) -> (Vec<Flip>, Changed) {
    let mut flips = Vec::new();
    let mut on_flip = |flip: &Flip| flips.push(flip.clone());
    let report = replay(
        forger.dir.path(),
        Options {
            filter,
            what_if: Some(what_if),
            on_flip: Some(&mut on_flip),
            ..Options::default()
        },
    );
    assert!(report.is_clean(), "{:?}", report.findings);
    let changed = report.changed.unwrap();
    let total = changed.total();
    assert_eq!(flips.len() as u64, total.refused + total.permitted);
    (flips, changed)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_have_been_refused_and_permitted_is_told() {
    let (forger, [permitted, by_field, _]) = story().await;
    let id = forger.agreement.to_string();
    let short = id[..8].to_owned();
    forger.log.close().await.unwrap();
    let revoked = WhatIf {
        revoke: vec![short.clone()],
        ..WhatIf::default()
    };
    let (flips, changed) = suppose(&forger, revoked.clone(), Filter::default());
    // The permitted one and the one refused by its field were decided by agreements; the third was not.
    assert_eq!(changed.decisions, 2);
    assert!(changed.unclear.is_empty());
    let [flip] = &flips[..] else {
        panic!("{flips:?}")
    };
    assert_eq!(flip.index, permitted);
    let agreement = forger.agreement;
    assert_eq!(
        flip.was,
        Decision::Permitted {
            agreement,
            grant: 1
        }
    );
    let would_be = Decision::Refused {
        code: Code::AgreementRevoked,
        clause: "revocation".to_owned(),
    };
    assert_eq!(flip.would_be, would_be);
    assert_eq!(flip.consumer.as_str(), "EG/GOV/MOSS");
    assert_eq!(flip.service.as_str(), "EG/GOV/CIVIL/registry/persons.v1");
    // The same without the grant alone.
    let without = WhatIf {
        without_grant: vec![(short, 1)],
        ..WhatIf::default()
    };
    let (flips, _) = suppose(&forger, without, Filter::default());
    assert_eq!(flips.len(), 1);
    // With one that grants more, the refused one is permitted by it, and by no agreement's id.
    let added = WhatIf {
        add: vec![terms(&forger, &["mother_id", "name_ar"])],
        ..WhatIf::default()
    };
    let (flips, changed) = suppose(&forger, added, Filter::default());
    let [flip] = &flips[..] else {
        panic!("{flips:?}")
    };
    assert_eq!(flip.index, by_field);
    assert!(matches!(flip.was, Decision::Refused { .. }));
    assert_eq!(flip.would_be, Decision::Supposed { added: 0, grant: 1 });
    let turned = Turned {
        refused: 0,
        permitted: 1,
    };
    assert_eq!(changed.turned.values().collect::<Vec<_>>(), [&turned]);
    // Who does not want to see it is not told, and it is not counted.
    let (flips, changed) = suppose(
        &forger,
        revoked,
        Filter {
            from: Some(permitted + 1),
            ..Filter::default()
        },
    );
    assert!(flips.is_empty() && changed.turned.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_and_replaced_by_the_same_terms_changes_nothing() {
    let (forger, _) = story().await;
    let id = forger.agreement.to_string();
    forger.log.close().await.unwrap();
    let mut again = terms(&forger, &["name_ar"]);
    again.supersedes = Some(id.clone());
    let what_if = WhatIf {
        revoke: vec![id],
        add: vec![again],
        ..WhatIf::default()
    };
    let (flips, changed) = suppose(&forger, what_if, Filter::default());
    assert!(flips.is_empty(), "{flips:?}");
    assert_eq!(changed.total(), Turned::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_agreement_is_told() {
    let (forger, _) = story().await;
    let id = forger.agreement.to_string();
    forger.log.close().await.unwrap();
    let what_if = WhatIf {
        revoke: vec!["ffffffffffff".to_owned(), id],
        ..WhatIf::default()
    };
    let (_, changed) = suppose(&forger, what_if, Filter::default());
    assert_eq!(changed.unclear, [("ffffffffffff".to_owned(), Vec::new())]);
    // At a time when the agreement was not yet there, neither is it.
    let report = replay(
        forger.dir.path(),
        Options {
            at: Some(At::Size(3)),
            what_if: Some(WhatIf {
                revoke: vec![forger.agreement.to_string()],
                ..WhatIf::default()
            }),
            ..Options::default()
        },
    );
    assert_eq!(report.changed.unwrap().unclear.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_was_wrong_is_a_finding_and_no_flip() {
    let mut forger = Forger::with_quota(0).await;
    let mut wide = forger.header();
    wide.fields = vec![part("mother_id")];
    let facts = forger.facts();
    forger.request(&wide, facts).await;
    forger.log.close().await.unwrap();
    let what_if = WhatIf {
        revoke: vec![forger.agreement.to_string()],
        ..WhatIf::default()
    };
    let mut on_flip = |flip: &Flip| panic!("{flip:?}");
    let report = replay(
        forger.dir.path(),
        Options {
            what_if: Some(what_if),
            on_flip: Some(&mut on_flip),
            ..Options::default()
        },
    );
    assert!(report.findings.names(rule::DECISION));
    assert_eq!(report.changed.unwrap().decisions, 0);
}
