//! Replays of logs that lie: a switch that records what it must not is found out from the files.

use bytes::Bytes;
use proto::Digest;
use proto::act::{AgencyEnrolment, OperatorAct, OperatorDeed};
use proto::entry::Kind;
use proto::facts::{EpochFacts, ExchangeFacts};
use proto::header::{AnswerHeader, AnswerStatus, Seen};
use proto::id::AgencyId;
use proto::key::Signer as _;
use proto::limits::label;
use proto::seal::Seal;

use super::*;
use crate::checkpoint::tests::TestSigner;

pub(crate) mod abroad;
mod batches;
mod encryption_keys;
mod events;
pub(crate) mod forger;
mod forms;
mod outlived;
mod pruned;
mod reviews;
mod rotated;
mod streams;
mod submissions;
mod supposed;
mod threads;
mod uploads;

pub(crate) use events::Followed;
use forger::{Forger, NOW_MS, ORIGIN, part};

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_log_replays_clean() {
    let mut forger = Forger::new().await;
    for _ in 0..3 {
        forger.exchange().await;
    }
    let head = forger.log.head();
    let epoch = EpochFacts {
        previous_size: head.size(),
        previous_root: head.edge.root().0.to_vec().into(),
        version: "0".to_owned(),
        configuration_sha256: Bytes::new(),
        recovery: String::new(),
    };
    forger
        .append(Kind::Epoch, facts::encode(&epoch), Bytes::new(), None)
        .await;
    assert_eq!(forger.rules().await, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_no_agreement_permits_is_found() {
    let mut forger = Forger::new().await;
    let mut header = forger.header();
    header.fields = vec![part("mother_id")];
    let facts = forger.facts();
    forger.request(&header, facts).await;
    assert_eq!(forger.rules().await, [rule::DECISION]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_a_certificate_that_may_not_connect_is_found() {
    let mut forger = Forger::new().await;
    let certificate = facts::IssuedCertificate {
        uri: "spiffe://log.test/EG/GOV/MOSS/takaful".to_owned(),
        sha256: vec![7; 32].into(),
        ..Default::default()
    };
    let issued = facts::RegistryFacts {
        peer_sha256: Bytes::new(),
        certificate: Some(certificate),
    };
    forger
        .append(
            Kind::Certificate,
            facts::encode(&issued),
            Bytes::new(),
            None,
        )
        .await;
    for (number, sha256) in [(1, [7; 32]), (2, [8; 32])] {
        let header = forger.header();
        let facts = ExchangeFacts {
            peer_sha256: sha256.to_vec().into(),
            quota_used: number,
            ..forger.facts()
        };
        forger.request(&header, facts).await;
    }
    // The second: the switch never recorded it.
    assert_eq!(forger.rules().await, [rule::DECISION]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_the_agencys_quota_are_found_and_a_refusal_under_none() {
    let mut forger = Forger::new().await;
    let quota = |daily| OperatorAct {
        operator: part("nour"),
        issued_at_ms: NOW_MS + daily,
        deed: OperatorDeed::SetQuota {
            agency: AgencyId::parse("EG/GOV/MOSS").unwrap(),
            daily,
        },
    };
    // Before there is a quota: counted all the same.
    forger.exchange().await;
    let act = quota(2).encode();
    forger
        .act(Kind::OperatorAct, label::OPERATOR, act, 201)
        .await;
    let refused = ExchangeFacts {
        code: "quota_exceeded".to_owned(),
        clause: "quota".to_owned(),
        agreement: Bytes::new(),
        grant: 0,
        quota_used: 0,
        ..forger.facts()
    };
    let refuse = async |forger: &mut Forger| {
        let header = forger.header().encode();
        let seal = Seal::one(label::REQUEST, ORIGIN, &header, &forger.moss).unwrap();
        let facts = facts::encode(&refused);
        forger
            .append(Kind::Refusal, facts, header, Some(seal))
            .await;
    };
    forger.exchange().await;
    refuse(&mut forger).await;
    // The third is one too many.
    forger.exchange().await;
    let act = quota(0).encode();
    forger
        .act(Kind::OperatorAct, label::OPERATOR, act, 201)
        .await;
    refuse(&mut forger).await;
    assert_eq!(forger.rules().await, [rule::QUOTA, rule::REFUSAL]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_sealed_is_found() {
    let mut forger = Forger::new().await;
    let header = forger.header().encode();
    let seal = Seal::one(label::REQUEST, ORIGIN, &header, &TestSigner::new(99)).unwrap();
    let facts = facts::encode(&forger.facts());
    forger
        .append(Kind::Request, facts, header, Some(seal))
        .await;
    assert_eq!(forger.rules().await, [rule::SEAL]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permitted_request_that_was_refused_is_found() {
    let mut forger = Forger::new().await;
    let header = forger.header().encode();
    let seal = Seal::one(label::REQUEST, ORIGIN, &header, &forger.moss).unwrap();
    let facts = ExchangeFacts {
        code: "no_agreement".to_owned(),
        clause: "agreement".to_owned(),
        ..forger.facts()
    };
    forger
        .append(Kind::Refusal, facts::encode(&facts), header, Some(seal))
        .await;
    assert_eq!(forger.rules().await, [rule::REFUSAL]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ending_an_ending_without_request_and_a_duplicate_are_found() {
    let mut forger = Forger::new().await;
    let (request, header, seal) = forger.exchange().await;
    let answer = forger.answer(&header, &seal);
    forger
        .close_with(forger.closing_facts(&request, "answered"), &answer)
        .await;
    let mut nowhere = forger.closing_facts(&request, "deadline");
    nowhere.request_index = 3;
    forger
        .append(Kind::Closing, facts::encode(&nowhere), Bytes::new(), None)
        .await;
    let facts = ExchangeFacts {
        quota_used: 2,
        ..forger.facts()
    };
    forger.request(&header, facts).await;
    assert_eq!(
        forger.rules().await,
        [rule::PAIRING, rule::PAIRING, rule::DUPLICATE]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_other_than_the_sealed_answer_is_found() {
    let mut forger = Forger::new().await;
    let header = forger.header();
    let facts = forger.facts();
    let (request, seal) = forger.request(&header, facts).await;
    let failed = AnswerHeader {
        status: AnswerStatus::Failed,
        fields: Vec::new(),
        ..forger.answer(&header, &seal)
    };
    forger
        .close_with(forger.closing_facts(&request, "answered"), &failed)
        .await;
    assert_eq!(forger.rules().await, [rule::ANSWER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_another_request_is_found() {
    let mut forger = Forger::new().await;
    let (_, other, other_seal) = forger.exchange().await;
    let header = forger.header();
    let facts = ExchangeFacts {
        quota_used: 2,
        ..forger.facts()
    };
    let (request, _) = forger.request(&header, facts).await;
    let answer = forger.answer(&other, &other_seal);
    forger
        .close_with(forger.closing_facts(&request, "answered"), &answer)
        .await;
    assert_eq!(forger.rules().await, [rule::ANSWER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_quota_is_found() {
    let mut forger = Forger::new().await;
    for _ in 0..4 {
        forger.exchange().await;
    }
    assert_eq!(forger.rules().await, [rule::QUOTA]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_has_seen_another_log_convicts_the_switch() {
    let mut forger = Forger::new().await;
    let mut header = forger.header();
    header.seen = Some(Seen {
        size: 5,
        root: Digest::of(b"another log"),
    });
    let facts = forger.facts();
    forger.request(&header, facts).await;
    assert_eq!(forger.rules().await, [rule::FORK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_dated_after_its_record_and_a_false_epoch_are_found() {
    let mut forger = Forger::new().await;
    let header = forger.header();
    let facts = ExchangeFacts {
        decided_at_ms: NOW_MS + 5,
        ..forger.facts()
    };
    forger.request(&header, facts).await;
    let epoch = EpochFacts {
        previous_size: 3,
        ..EpochFacts::default()
    };
    forger
        .append(Kind::Epoch, facts::encode(&epoch), Bytes::new(), None)
        .await;
    assert_eq!(forger.rules().await, [rule::TIME, rule::EPOCH]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_slipped_in_by_the_switch_is_found() {
    let forger = Forger::new().await;
    let enrolment = AgencyEnrolment {
        agency: AgencyId::parse("EG/GOV/GHOST").unwrap(),
        name_ar: "شبح".to_owned(),
        name_en: "Ghost".to_owned(),
        authority_key: TestSigner::new(66).key().clone(),
        token: Digest::of(b"no invitation"),
        issued_at_ms: NOW_MS,
        genesis: forger.registry.genesis_sha256(),
    };
    let header = enrolment.encode();
    let seal = Seal::one(label::AUTHORITY, ORIGIN, &header, &TestSigner::new(66)).unwrap();
    forger
        .append(Kind::Agency, Bytes::new(), header, Some(seal))
        .await;
    assert_eq!(forger.rules().await, [rule::FOLD]);
}
