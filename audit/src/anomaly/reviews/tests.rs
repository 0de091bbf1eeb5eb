//! Looks that wait, that are late, and that were found unjustified; and looks under other grants.

use std::ops::ControlFlow;

use bytes::Bytes;
use proto::act::{BREAK_GLASS, ConsumerScope, Grant, ReviewedRequest};
use proto::entry::Entry;
use proto::facts::{self, ExchangeFacts};
use proto::id::SystemId;
use proto::limits::BREAK_GLASS_REVIEW_MS;

use super::super::{Report, Rules, Watch};
use super::*;
use crate::find::tests::script::{Ask, MONDAY_MS, Script, part};
use crate::find::{Options, scan};

/// Proposes an agreement with one grant of this sensitivity; gives its id.
fn propose(script: &mut Script, sensitivity: &str) -> Digest {
    let content = AgreementContent {
        nonce: [sensitivity.len() as u8; 16],
        origin: "log.test/mohawel".to_owned(),
        consumer: ConsumerScope::parse("EG/GOV/MOSS").unwrap(),
        provider: AgencyId::parse("EG/GOV/CIVIL").unwrap(),
        grants: vec![Grant {
            system: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
            service: part("persons.v1"),
            operations: vec![part("lookup")],
            purposes: vec![part("takaful")],
            fields: vec![part("name_ar")],
            legal_basis: "Law".to_owned(),
            daily_quota: 0,
            retention_days: 1,
            rate_per_s: 0,
            row_scope: Vec::new(),
            delegation_depth: 0,
            licence: String::new(),
            sensitivity: Some(part(sensitivity)),
        }],
        not_before_ms: MONDAY_MS,
        not_after_ms: MONDAY_MS + 1,
        supersedes: None,
    };
    let act = AgreementAct {
        step: Step::Propose,
        agreement: content.id(),
        previous: None,
        agency: content.provider.clone(),
        issued_at_ms: MONDAY_MS,
        content: content.encode(),
    };
    script.append(
        MONDAY_MS,
        Kind::AgreementAct,
        Bytes::new(),
        act.encode(),
        None,
    );
    content.id()
}

fn look(script: &mut Script, agreement: Digest, at_ms: u64) -> u64 {
    let ask = Ask {
        actor: Some(7),
        ..Ask::at(at_ms)
    };
    let header = script.header(&ask).encode();
    let facts = facts::encode(&ExchangeFacts {
        decided_at_ms: at_ms,
        agreement: agreement.0.to_vec().into(),
        grant: 1,
        ..ExchangeFacts::default()
    });
    script.append(at_ms, Kind::Request, facts, header, None)
}

fn review(script: &mut Script, index: u64, finding: Finding, at_ms: u64) {
    let bytes = script.entries[index as usize].clone();
    let review = Review {
        agency: AgencyId::parse("EG/GOV/CIVIL").unwrap(),
        requests: vec![ReviewedRequest {
            index,
            leaf: Entry::decode(&bytes).unwrap().leaf().unwrap(),
        }],
        finding,
        reason_sha256: Digest::of(b"why"),
        issued_at_ms: at_ms,
    };
    script.append(at_ms, Kind::Review, Bytes::new(), review.encode(), None);
}

fn report(script: &Script) -> Report {
    let dir = script.write();
    let mut watch = Watch::new(Rules::default());
    let mut take = |row: &Row| {
        watch.take(row);
        ControlFlow::Continue(())
    };
    scan(dir.path(), Options::default(), &mut take).unwrap();
    watch.finish()
}

#[test]
fn what_is_late_and_what_was_unjustified_stands_out_with_its_indexes() {
    let mut script = Script::new();
    let glass = propose(&mut script, BREAK_GLASS);
    let restricted = propose(&mut script, "restricted");
    let at = |minutes: u64| MONDAY_MS + minutes * 60_000;
    look(&mut script, restricted, at(1));
    let wrong = look(&mut script, glass, at(2));
    let right = look(&mut script, glass, at(3));
    let late = look(&mut script, glass, at(4));
    review(&mut script, wrong, Finding::Unjustified, at(5));
    review(&mut script, right, Finding::Justified, at(6));
    let in_time = report(&script);
    let rules = |report: &Report| -> Vec<&'static str> {
        report.oddities.iter().map(|one| one.odd.rule()).collect()
    };
    assert_eq!(rules(&in_time), ["unjustified"]);
    assert_eq!(in_time.oddities[0].traces.indexes, [wrong]);
    assert!(matches!(in_time.oddities[0].who, Who::Clerk(..)));
    // Time passes: the log's own, up to its last entry.
    look(&mut script, glass, at(4) + BREAK_GLASS_REVIEW_MS);
    let after = report(&script);
    assert_eq!(rules(&after), ["review_overdue", "unjustified"]);
    let owed = &after.oddities[0];
    let civil = AgencyId::parse("EG/GOV/CIVIL").unwrap();
    assert_eq!((&owed.who, owed.count), (&Who::Agency(civil), 1));
    assert_eq!(owed.traces.indexes, [late]);
}
