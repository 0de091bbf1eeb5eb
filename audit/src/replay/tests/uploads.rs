//! Requests in chunks in a log that lies: what a switch must not record of them is found out from the files.

use proto::chunks::ChunkPlan;
use proto::commitment::{Commitment, Salt};
use proto::header::{RequestHeader, TrailerHeader};
use proto::id::ExchangeId;

use super::*;
use crate::log::Appended;

/// A request in chunks that is recorded.
struct Begun {
    forger: Forger,
    request: Appended,
    header: RequestHeader,
    seal: Seal,
}

impl Begun {
    async fn new() -> Self {
        let mut forger = Forger::new().await;
        let plan = ChunkPlan::of(4).encode();
        let header = RequestHeader {
            payload: Commitment::to_chunks("text/plain", Some(9), &plan, &Salt([2; 32])),
            ..forger.header()
        };
        let facts = forger.facts();
        let (request, seal) = forger.request(&header, facts).await;
        Self {
            forger,
            request,
            header,
            seal,
        }
    }

    fn trailer(&self) -> TrailerHeader {
        TrailerHeader {
            exchange_id: self.header.exchange_id,
            begun_by: Digest::of(&self.header.encode()),
            count: 3,
            length: 9,
            root: Digest::of(b"chunks"),
            ended_at_ms: NOW_MS,
            seen: None,
        }
    }

    async fn trail(&mut self, trailer: TrailerHeader, label: &str, code: &str) {
        let bytes = trailer.encode();
        let seal = Seal::one(label, ORIGIN, &bytes, &self.forger.moss).unwrap();
        self.trailed(bytes, seal, code).await;
    }

    async fn trailed(&mut self, bytes: Bytes, seal: Seal, code: &str) {
        let facts = facts::encode(&self.forger.closing_facts(&self.request, code));
        let (kind, seal) = (Kind::UploadTrailer, Some(seal));
        self.forger.append(kind, facts, bytes, seal).await;
    }

    async fn close(&mut self, status: AnswerStatus) {
        let mut answer = self.forger.answer(&self.header, &self.seal);
        answer.status = status;
        if status != AnswerStatus::Answered {
            answer.fields.clear();
        }
        let code = status.outcome().name();
        let facts = self.forger.closing_facts(&self.request, code);
        self.forger.close_with(facts, &answer).await;
    }

    /// With `trailer` and its code, then answered.
    async fn ended_by(
        change: impl FnOnce(&mut TrailerHeader),
        label: &str,
        code: &str,
    ) -> Vec<&'static str> {
        let mut begun = Self::new().await;
        let mut trailer = begun.trailer();
        change(&mut trailer);
        begun.trail(trailer, label, code).await;
        begun.close(AnswerStatus::Answered).await;
        begun.forger.rules().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_its_trailer_and_its_answer_replay_clean() {
    let clean = Begun::ended_by(|_| {}, label::UPLOAD_TRAILER, "").await;
    assert_eq!(clean, Vec::<&str>::new());
    // Refused, or void, before its end: no trailer is missed.
    let mut begun = Begun::new().await;
    begun
        .close(AnswerStatus::Refused(Code::PayloadMismatch))
        .await;
    assert_eq!(begun.forger.rules().await, Vec::<&str>::new());
    let begun = Begun::new().await;
    let facts = begun.forger.closing_facts(&begun.request, "cancelled");
    let facts = facts::encode(&facts);
    let void = begun
        .forger
        .append(Kind::Closing, facts, Bytes::new(), None);
    void.await;
    assert_eq!(begun.forger.rules().await, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailer_that_does_not_fit_is_found() {
    let other = |trailer: &mut TrailerHeader| trailer.begun_by = Digest::of(b"other");
    let shorter = |trailer: &mut TrailerHeader| trailer.length = 8;
    let impossible = |trailer: &mut TrailerHeader| trailer.count = 10;
    let none = |_: &mut TrailerHeader| {};
    let ours = label::UPLOAD_TRAILER;
    assert_eq!(Begun::ended_by(other, ours, "").await, [rule::SEAL]);
    assert_eq!(Begun::ended_by(shorter, ours, "").await, [rule::FACTS]);
    assert_eq!(Begun::ended_by(impossible, ours, "").await, [rule::SEAL]);
    assert_eq!(Begun::ended_by(none, ours, "answered").await, [rule::FACTS]);
    // Sealed for the end of an answer, and by the provider.
    let rules = Begun::ended_by(none, label::TRAILER, "").await;
    assert_eq!(rules, [rule::SEAL]);
    let mut begun = Begun::new().await;
    let bytes = begun.trailer().encode();
    let seal = Seal::one(ours, ORIGIN, &bytes, &begun.forger.civil).unwrap();
    begun.trailed(bytes, seal, "").await;
    begun.close(AnswerStatus::Answered).await;
    assert_eq!(begun.forger.rules().await, [rule::SEAL]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailer_without_an_upload_twice_or_after_the_end_is_found() {
    let mut begun = Begun::new().await;
    let facts = begun.forger.facts();
    begun.header = begun.forger.header();
    let whole = begun.forger.request(&begun.header, facts).await;
    let open = std::mem::replace(&mut begun.request, whole.0);
    begun.seal = whole.1;
    begun
        .trail(begun.trailer(), label::UPLOAD_TRAILER, "")
        .await;
    begun.close(AnswerStatus::Answered).await;
    let facts = begun.forger.closing_facts(&open, "cancelled");
    let facts = facts::encode(&facts);
    let void = begun
        .forger
        .append(Kind::Closing, facts, Bytes::new(), None);
    void.await;
    assert_eq!(begun.forger.rules().await, [rule::PAIRING], "of one piece");

    let mut begun = Begun::new().await;
    for _ in 0..2 {
        begun
            .trail(begun.trailer(), label::UPLOAD_TRAILER, "")
            .await;
    }
    begun.close(AnswerStatus::Answered).await;
    assert_eq!(begun.forger.rules().await, [rule::PAIRING], "twice");

    let mut begun = Begun::new().await;
    begun.close(AnswerStatus::NotFound).await;
    begun
        .trail(begun.trailer(), label::UPLOAD_TRAILER, "")
        .await;
    assert_eq!(begun.forger.rules().await, [rule::PAIRING], "after the end");

    let mut begun = Begun::new().await;
    begun.request.index = 999;
    begun
        .trail(begun.trailer(), label::UPLOAD_TRAILER, "")
        .await;
    assert_eq!(begun.forger.rules().await, [rule::PAIRING], "of nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_before_the_trailer_is_found() {
    let mut begun = Begun::new().await;
    begun.close(AnswerStatus::Answered).await;
    assert_eq!(begun.forger.rules().await, [rule::ANSWER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_under_the_label_or_kind_of_a_request_is_found() {
    let begun = Begun::new().await;
    let forger = begun.forger;
    let record = async |header: RequestHeader, kind: Kind, label: &str| {
        let bytes = header.encode();
        let seal = Seal::one(label, ORIGIN, &bytes, &forger.moss).unwrap();
        let facts = facts::encode(&forger.facts());
        forger.append(kind, facts, bytes, Some(seal)).await;
    };
    let next = |sequence: u64| {
        let id = format!("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f5{sequence:03x}");
        RequestHeader {
            exchange_id: ExchangeId::parse(&id).unwrap(),
            sequence,
            ..begun.header.clone()
        }
    };
    let whole = RequestHeader {
        payload: Commitment::new("text/plain", b"whole", &Salt([2; 32])),
        ..next(3)
    };
    record(next(2), Kind::Request, label::UPLOAD).await;
    record(whole, Kind::Upload, label::REQUEST).await;
    record(next(4), Kind::Upload, label::REQUEST).await;
    let rules = forger.rules().await;
    let of = |rule: &str| rules.iter().filter(|found| **found == rule).count();
    assert_eq!((of(rule::FACTS), of(rule::SEAL)), (2, 1), "{rules:?}");
}
