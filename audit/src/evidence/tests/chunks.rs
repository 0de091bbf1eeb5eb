//! Bundles of answers in chunks that a dishonest switch ended otherwise than by their trailer.

use proto::chunks::ChunkPlan;
use proto::commitment::{Commitment, Salt};
use proto::entry::Kind;
use proto::facts;
use proto::header::AnswerHeader;
use proto::limits::label;
use proto::seal::Seal;

use super::*;
use crate::replay::tests::forger::ORIGIN;

/// With an opening before it, or not, a closing entry that takes an answer in chunks as one piece.
async fn closed_with_chunks(opened: bool) -> Logged {
    let mut forger = Forger::new().await;
    let header = forger.header();
    let facts = forger.facts();
    let (request, seal) = forger.request(&header, facts).await;
    let plan = ChunkPlan::of(4).encode();
    let answer = AnswerHeader {
        payload: Commitment::to_chunks("text/plain", Some(9), &plan, &Salt([2; 32])),
        ..forger.answer(&header, &seal)
    };
    if opened {
        let bytes = answer.encode();
        let seal = Seal::one(label::ANSWER, ORIGIN, &bytes, &forger.civil).unwrap();
        let facts = facts::encode(&forger.closing_facts(&request, ""));
        forger.append(Kind::Opening, facts, bytes, Some(seal)).await;
    }
    let facts = forger.closing_facts(&request, "answered");
    forger.close_with(facts, &answer).await;
    Logged::closed(forger, request.index, header).await
}

#[tokio::test]
async fn an_answer_in_chunks_without_its_trailer_convicts_the_switch() {
    for opened in [false, true] {
        let logged = closed_with_chunks(opened).await;
        let collected = logged.collect(logged.wanted()).unwrap();
        assert!(collected.log_errors > 0);
        let report = verify(&collected.bundle, &logged.trust());
        assert_eq!(state(&report, "answers"), State::Fails, "{opened}");
        assert_eq!(state(&report, "inclusion"), State::Holds);
    }
}
