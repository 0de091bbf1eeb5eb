//! Exchanges that take long, and rights that end meanwhile: a switch that lets them run on is found out from the entries.

use proto::chunks::ChunkPlan;
use proto::commitment::{Commitment, Form, Salt};
use proto::header::{RequestHeader, TrailerHeader};
use proto::limits::DEADLINE_MS_MAX;

use super::*;
use crate::log::Appended;

/// What a replay forgives: an answer may have been under way when the right to it ended.
const UNDER_WAY_MS: u64 = DEADLINE_MS_MAX as u64 + RECORD_DELAY_MS;
const HOUR_MS: u64 = 3_600_000;

/// How an exchange takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Long {
    Submission,
    Stream,
    Upload,
}

const ALL: [Long; 3] = [Long::Submission, Long::Stream, Long::Upload];

struct Running {
    forger: Forger,
    long: Long,
    request: Appended,
    header: RequestHeader,
    seal: Seal,
}

impl Running {
    async fn new(long: Long) -> Self {
        let mut forger = Forger::with_quota(0).await;
        let mut header = forger.header();
        let plan = ChunkPlan::of(4).encode();
        match long {
            Long::Submission => {
                header.payload.form = Form::Sealed;
                header.deadline_ms = 30 * 24 * 3_600_000;
            }
            Long::Upload => {
                header.payload = Commitment::to_chunks("text/plain", None, &plan, &Salt([2; 32]));
            }
            Long::Stream => {}
        }
        let facts = forger.facts();
        let (request, seal) = forger.request(&header, facts).await;
        let mut running = Self {
            forger,
            long,
            request,
            header,
            seal,
        };
        if long == Long::Stream {
            let opening = running.opening().encode();
            let seal = Seal::one(label::ANSWER, ORIGIN, &opening, &running.forger.civil).unwrap();
            running.record(Kind::Opening, opening, seal, "").await;
        }
        running
    }

    fn opening(&self) -> AnswerHeader {
        let plan = ChunkPlan::of(4).encode();
        AnswerHeader {
            payload: Commitment::to_chunks("text/plain", None, &plan, &Salt([2; 32])),
            ..self.forger.answer(&self.header, &self.seal)
        }
    }

    async fn record(&mut self, kind: Kind, header: Bytes, seal: Seal, code: &str) {
        let facts = facts::encode(&self.forger.closing_facts(&self.request, code));
        self.forger.append(kind, facts, header, Some(seal)).await;
    }

    fn trailer(&self, began: &[u8]) -> Bytes {
        TrailerHeader {
            exchange_id: self.header.exchange_id,
            begun_by: Digest::of(began),
            count: 1,
            length: 4,
            root: Digest::of(b"chunks"),
            ended_at_ms: NOW_MS,
            seen: None,
        }
        .encode()
    }

    /// Answered now; gives what a replay finds.
    async fn answered(mut self) -> Vec<&'static str> {
        let mut answer = self.forger.answer(&self.header, &self.seal);
        match self.long {
            Long::Stream => {
                let trailer = self.trailer(&self.opening().encode());
                let seal = Seal::one(label::TRAILER, ORIGIN, &trailer, &self.forger.civil);
                self.record(Kind::Trailer, trailer, seal.unwrap(), "answered")
                    .await;
                return self.forger.rules().await;
            }
            Long::Upload => {
                let trailer = self.trailer(&self.header.encode());
                let seal = Seal::one(label::UPLOAD_TRAILER, ORIGIN, &trailer, &self.forger.moss);
                self.record(Kind::UploadTrailer, trailer, seal.unwrap(), "")
                    .await;
            }
            Long::Submission => answer.payload.form = Form::Sealed,
        }
        let facts = self.forger.closing_facts(&self.request, "answered");
        self.forger.close_with(facts, &answer).await;
        self.forger.rules().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_long_after_its_agreement_was_revoked_is_found() {
    for long in ALL {
        let found = async |after_ms| {
            let mut running = Running::new(long).await;
            running.forger.clock.advance_ms(1_000);
            running.forger.revoke().await;
            running.forger.clock.advance_ms(after_ms);
            running.answered().await
        };
        assert_eq!(found(UNDER_WAY_MS).await, Vec::<&str>::new(), "{long:?}");
        assert_eq!(found(UNDER_WAY_MS + 1).await, [rule::DECISION], "{long:?}");
    }
}

/// The agreements of these tests count for a day; nothing is recorded when one of them is over.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_long_after_its_agreement_was_over_is_found() {
    let found = async |after_ms| {
        let running = Running::new(Long::Submission).await;
        running.forger.clock.advance_ms(24 * HOUR_MS + after_ms);
        running.answered().await
    };
    assert_eq!(found(UNDER_WAY_MS - 1).await, Vec::<&str>::new());
    assert_eq!(found(UNDER_WAY_MS).await, [rule::DECISION]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_although_the_key_that_asked_ended_is_found() {
    for long in ALL {
        let mut running = Running::new(long).await;
        running.forger.end_the_consumers_key().await;
        running.forger.clock.advance_ms(UNDER_WAY_MS + 1);
        let rules = running.answered().await;
        // A trailer sealed by that key is found as what it is, too.
        let own = usize::from(long == Long::Upload);
        assert_eq!(rules[own..], [rule::DECISION], "{long:?}");
    }
}

/// Who was suspended and is not any more may go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_is_over_is_none() {
    let mut running = Running::new(Long::Submission).await;
    running.forger.suspend_the_consumer(true).await;
    running.forger.clock.advance_ms(HOUR_MS);
    running.forger.suspend_the_consumer(false).await;
    assert_eq!(running.answered().await, Vec::<&str>::new());
    let mut running = Running::new(Long::Submission).await;
    running.forger.suspend_the_consumer(true).await;
    running.forger.clock.advance_ms(HOUR_MS);
    assert_eq!(running.answered().await, [rule::DECISION]);
}

impl Forger {
    /// The provider takes the agreement back.
    async fn revoke(&mut self) {
        let content = &self.registry.agreement(&self.agreement).unwrap().content;
        let propose = proto::act::AgreementAct {
            step: proto::act::Step::Propose,
            agreement: self.agreement,
            previous: None,
            agency: AgencyId::parse("EG/GOV/MOSS").unwrap(),
            issued_at_ms: NOW_MS,
            content: content.encode(),
        };
        let accept = proto::act::AgreementAct {
            step: proto::act::Step::Accept,
            previous: Some(propose.id()),
            agency: AgencyId::parse("EG/GOV/CIVIL").unwrap(),
            content: Bytes::new(),
            ..propose
        };
        let revoke = proto::act::AgreementAct {
            step: proto::act::Step::Revoke,
            previous: Some(accept.id()),
            ..accept
        };
        self.act(Kind::AgreementAct, label::ACT, revoke.encode(), 11)
            .await;
    }

    async fn end_the_consumers_key(&mut self) {
        let end = proto::act::KeyEnd {
            system: proto::id::SystemId::parse("EG/GOV/MOSS/takaful").unwrap(),
            kid: self.moss.key().kid(),
            reason: part("lost"),
            issued_at_ms: NOW_MS,
        };
        self.act(Kind::KeyEnded, label::AUTHORITY, end.encode(), 21)
            .await;
    }

    async fn suspend_the_consumer(&mut self, suspended: bool) {
        let act = OperatorAct {
            operator: part("nour"),
            issued_at_ms: self.clock.now_ms(),
            deed: OperatorDeed::SuspendAgency {
                agency: AgencyId::parse("EG/GOV/MOSS").unwrap(),
                lifted: !suspended,
                reason: "audit".to_owned(),
            },
        };
        self.act(Kind::OperatorAct, label::OPERATOR, act.encode(), 201)
            .await;
    }
}
