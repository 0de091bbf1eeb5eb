//! Answers in chunks in a log that lies: what a switch must not record of them is found out from the files.

use proto::chunks::{ChunkPlan, Total};
use proto::commitment::Form;
use proto::commitment::{Commitment, Salt};
use proto::header::RequestHeader;
use proto::header::TrailerHeader;
use proto::limits::DEADLINE_MS_MAX;

use super::*;
use crate::log::Appended;

/// A request of which an answer in chunks can begin.
struct Begun {
    forger: Forger,
    request: Appended,
    header: RequestHeader,
    opening: AnswerHeader,
}

impl Begun {
    async fn new() -> Self {
        let mut forger = Forger::new().await;
        let header = forger.header();
        let facts = forger.facts();
        let (request, seal) = forger.request(&header, facts).await;
        let plan = ChunkPlan::of(4).encode();
        let opening = AnswerHeader {
            payload: Commitment::to_chunks("text/plain", Some(9), &plan, &Salt([2; 32])),
            ..forger.answer(&header, &seal)
        };
        Self {
            forger,
            request,
            header,
            opening,
        }
    }

    async fn open(&mut self, opening: AnswerHeader) {
        let bytes = opening.encode();
        let seal = Seal::one(label::ANSWER, ORIGIN, &bytes, &self.forger.civil).unwrap();
        let facts = facts::encode(&self.forger.closing_facts(&self.request, ""));
        let (kind, seal) = (Kind::Opening, Some(seal));
        self.forger.append(kind, facts, bytes, seal).await;
    }

    fn trailer(&self) -> TrailerHeader {
        let total = Total {
            count: 3,
            length: 9,
            root: Digest::of(b"chunks"),
        };
        TrailerHeader {
            exchange_id: self.header.exchange_id,
            begun_by: Digest::of(&self.opening.encode()),
            count: total.count,
            length: total.length,
            root: total.root,
            ended_at_ms: NOW_MS,
            seen: None,
        }
    }

    async fn trail(&mut self, trailer: TrailerHeader, label: &str, code: &str) {
        let bytes = trailer.encode();
        let seal = Seal::one(label, ORIGIN, &bytes, &self.forger.civil).unwrap();
        let facts = facts::encode(&self.forger.closing_facts(&self.request, code));
        let (kind, seal) = (Kind::Trailer, Some(seal));
        self.forger.append(kind, facts, bytes, seal).await;
    }

    /// Opened as it must be; then `trailer` and its code.
    async fn ended_by(
        change: impl FnOnce(&mut TrailerHeader),
        label: &str,
        code: &str,
    ) -> Vec<&'static str> {
        let mut begun = Self::new().await;
        begun.open(begun.opening.clone()).await;
        let mut trailer = begun.trailer();
        change(&mut trailer);
        begun.trail(trailer, label, code).await;
        begun.forger.rules().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_and_its_trailer_replay_clean_and_end_the_request() {
    let clean = Begun::ended_by(|_| {}, label::TRAILER, "answered").await;
    assert_eq!(clean, Vec::<&str>::new());
    // Cut in the middle: a closing entry without a seal.
    let mut begun = Begun::new().await;
    begun.open(begun.opening.clone()).await;
    let facts = begun.forger.closing_facts(&begun.request, "cancelled");
    let facts = facts::encode(&facts);
    begun
        .forger
        .append(Kind::Closing, facts, Bytes::new(), None)
        .await;
    assert_eq!(begun.forger.rules().await, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailer_that_does_not_fit_is_found() {
    let other = |trailer: &mut TrailerHeader| trailer.begun_by = Digest::of(b"other");
    let shorter = |trailer: &mut TrailerHeader| trailer.length = 8;
    let none = |_: &mut TrailerHeader| {};
    let rules = Begun::ended_by(other, label::TRAILER, "answered").await;
    assert_eq!(rules, [rule::ANSWER]);
    let rules = Begun::ended_by(shorter, label::TRAILER, "answered").await;
    assert_eq!(rules, [rule::ANSWER]);
    let rules = Begun::ended_by(none, label::ANSWER, "answered").await;
    assert_eq!(rules, [rule::ANSWER], "sealed for another use");
    let rules = Begun::ended_by(none, label::TRAILER, "cancelled").await;
    assert_eq!(rules, [rule::FACTS]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailer_without_an_opening_and_one_too_many_are_found() {
    let mut begun = Begun::new().await;
    begun
        .trail(begun.trailer(), label::TRAILER, "answered")
        .await;
    assert_eq!(begun.forger.rules().await, [rule::ANSWER]);
    let mut begun = Begun::new().await;
    begun.open(begun.opening.clone()).await;
    begun
        .trail(begun.trailer(), label::TRAILER, "answered")
        .await;
    begun
        .trail(begun.trailer(), label::TRAILER, "answered")
        .await;
    assert_eq!(begun.forger.rules().await, [rule::PAIRING]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_twice_after_the_end_or_of_one_piece_is_found() {
    let mut begun = Begun::new().await;
    begun.open(begun.opening.clone()).await;
    begun.open(begun.opening.clone()).await;
    assert_eq!(begun.forger.rules().await, [rule::PAIRING]);
    let mut begun = Begun::new().await;
    begun.open(begun.opening.clone()).await;
    begun
        .trail(begun.trailer(), label::TRAILER, "answered")
        .await;
    begun.open(begun.opening.clone()).await;
    assert_eq!(begun.forger.rules().await, [rule::PAIRING]);
    let mut begun = Begun::new().await;
    let mut whole = begun.opening.clone();
    whole.payload.form = Form::Whole;
    begun.open(whole).await;
    assert_eq!(begun.forger.rules().await, [rule::ANSWER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_one_piece_after_an_opening_is_found() {
    let mut begun = Begun::new().await;
    begun.open(begun.opening.clone()).await;
    let facts = begun.forger.closing_facts(&begun.request, "answered");
    begun.forger.close_with(facts, &begun.opening).await;
    assert_eq!(begun.forger.rules().await, [rule::ANSWER]);
}

/// An answer whose content nobody vouches for: what a consumer got of it, no log says.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_chunks_that_a_closing_entry_ends_is_found() {
    let mut begun = Begun::new().await;
    let facts = begun.forger.closing_facts(&begun.request, "answered");
    begun.forger.close_with(facts, &begun.opening).await;
    assert_eq!(begun.forger.rules().await, [rule::ANSWER]);
}

/// The opening is what the deadline is for; the hour is the chunks'.
#[tokio::test(flavor = "multi_thread")]
async fn an_opening_long_after_its_request_is_found() {
    let open_after = async |ms: u64| {
        let mut begun = Begun::new().await;
        begun.forger.clock.advance_ms(ms);
        begun.open(begun.opening.clone()).await;
        begun
            .trail(begun.trailer(), label::TRAILER, "answered")
            .await;
        begun.forger.rules().await
    };
    let latest = u64::from(DEADLINE_MS_MAX) + RECORD_DELAY_MS;
    assert_eq!(open_after(latest).await, Vec::<&str>::new());
    assert_eq!(open_after(latest + 1).await, [rule::TIME]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailer_and_an_opening_of_another_exchange_are_found() {
    // The other exchange of the same two, its opening recorded under this one's request.
    let mut begun = Begun::new().await;
    let other = begun.forger.header();
    let facts = ExchangeFacts {
        quota_used: 2,
        ..begun.forger.facts()
    };
    let (_, seal) = begun.forger.request(&other, facts).await;
    let opening = AnswerHeader {
        payload: begun.opening.payload.clone(),
        ..begun.forger.answer(&other, &seal)
    };
    begun.open(opening.clone()).await;
    assert_eq!(begun.forger.rules().await, [rule::ANSWER]);
    // And a trailer that its provider sealed for the other one.
    let elsewhere = |trailer: &mut TrailerHeader| {
        trailer.exchange_id = other.exchange_id;
        trailer.begun_by = Digest::of(&opening.encode());
    };
    let rules = Begun::ended_by(elsewhere, label::TRAILER, "answered").await;
    assert_eq!(rules, [rule::ANSWER]);
}
