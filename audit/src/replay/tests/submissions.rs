//! Requests that wait, in a log that lies: an answer after the time that the consumer sealed, an end before it, two ends.

use proto::commitment::Form;
use proto::header::RequestHeader;

use super::*;
use crate::log::Appended;

/// For how long the consumer wants its answer.
const HOUR_MS: u32 = 3_600_000;

/// A submission that is recorded.
struct Left {
    forger: Forger,
    request: Appended,
    header: RequestHeader,
    seal: Seal,
}

impl Left {
    async fn new() -> Self {
        let mut forger = Forger::with_quota(0).await;
        let mut header = forger.header();
        header.payload.form = Form::Sealed;
        header.deadline_ms = HOUR_MS;
        let facts = forger.facts();
        let (request, seal) = forger.request(&header, facts).await;
        Self {
            forger,
            request,
            header,
            seal,
        }
    }

    async fn answered_after(&mut self, ms: u64) {
        self.forger.clock.advance_ms(ms);
        let mut answer = self.forger.answer(&self.header, &self.seal);
        answer.payload.form = Form::Sealed;
        let facts = self.forger.closing_facts(&self.request, "answered");
        self.forger.close_with(facts, &answer).await;
    }

    /// Ended without an answer, as `code`.
    async fn ended_after(&mut self, ms: u64, code: &str) {
        self.forger.clock.advance_ms(ms);
        let facts = facts::encode(&self.forger.closing_facts(&self.request, code));
        self.forger
            .append(Kind::Closing, facts, Bytes::new(), None)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_within_the_sealed_time_replays_clean_and_one_after_it_is_found() {
    for (after_ms, rules) in [
        (u64::from(HOUR_MS), &[][..]),
        (u64::from(HOUR_MS) + RECORD_DELAY_MS + 1, &[rule::TIME]),
    ] {
        let mut left = Left::new().await;
        left.answered_after(after_ms).await;
        assert_eq!(left.forger.rules().await, rules, "{after_ms}");
    }
}

/// Nobody else has the figure, and the provider was never asked: the switch has to wait as long as it was told to.
#[tokio::test(flavor = "multi_thread")]
async fn a_submission_whose_time_is_said_to_be_over_before_it_is_is_found() {
    let mut left = Left::new().await;
    left.ended_after(u64::from(HOUR_MS), "deadline").await;
    assert_eq!(left.forger.rules().await, Vec::<&str>::new());
    let mut left = Left::new().await;
    let early_ms = u64::from(HOUR_MS) - CLOCK_STEP_MS - 1;
    left.ended_after(early_ms, "deadline").await;
    assert_eq!(left.forger.rules().await, [rule::TIME]);
    // Withdrawn, or cut: at any time.
    let mut left = Left::new().await;
    left.ended_after(5, "cancelled").await;
    assert_eq!(left.forger.rules().await, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_ends_twice_is_found_however_much_later() {
    for later_ms in [1, u64::from(HOUR_MS) / 2] {
        let mut left = Left::new().await;
        left.answered_after(1_000).await;
        left.answered_after(later_ms).await;
        assert_eq!(left.forger.rules().await, [rule::PAIRING], "{later_ms}");
    }
    let mut left = Left::new().await;
    left.ended_after(u64::from(HOUR_MS), "deadline").await;
    left.answered_after(1).await;
    assert_eq!(left.forger.rules().await, [rule::PAIRING]);
}

/// What the switch could read while it lies there is no submission.
#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_is_not_sealed_to_its_provider_is_found() {
    let mut forger = Forger::with_quota(0).await;
    let mut header = forger.header();
    header.deadline_ms = HOUR_MS;
    let facts = forger.facts();
    forger.request(&header, facts).await;
    assert_eq!(forger.rules().await, [rule::SEAL]);
}
