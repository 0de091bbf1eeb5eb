//! The border: what a switch lets across without the acts that open it is found from the entries alone.

use proto::act::{
    AgreementAct, BorderAct, BorderDeed, ConsumerScope, InstanceAdmission, Invitation,
    OpeningAbroad, Step,
};
use proto::header::RequestHeader;
use proto::id::SystemId;

use super::forger::*;
use super::*;
use crate::log::Appended;

const PETRA: &str = "JO/COM/PETRA";
/// Seeds: the operator's, the provider's and the bidder's authority keys, the key of the bidder's system.
const OPERATOR: u8 = 201;
const CIVIL: u8 = 11;
const BIDDER: u8 = 31;
const OFFICE: u8 = 30;
/// When what is opened ends.
const END: u64 = NOW_MS + 500;

fn admission() -> BorderDeed {
    BorderDeed::Admit(InstanceAdmission {
        operator: part("nour"),
        instance: part("JO"),
        name_ar: "الأردن".to_owned(),
        name_en: "Jordan".to_owned(),
        legal_basis: "Treaty 7".to_owned(),
    })
}

fn withdrawal() -> BorderDeed {
    BorderDeed::Withdraw {
        operator: part("nour"),
        instance: part("JO"),
        reason: "the treaty ended".to_owned(),
    }
}

impl Forger {
    fn opening(&self) -> BorderDeed {
        BorderDeed::Open(OpeningAbroad {
            agency: AgencyId::parse("EG/GOV/CIVIL").unwrap(),
            agreement: self.agreement,
            grant: 1,
            operations: vec![part("lookup")],
            instance: part("JO"),
            legal_basis: "Treaty 7".to_owned(),
            not_after_ms: END,
        })
    }

    /// At the border, as it must be.
    async fn border(&mut self, deed: BorderDeed, seed: u8) {
        let act = BorderAct {
            issued_at_ms: NOW_MS,
            deed,
        };
        let header = act.encode();
        self.act(Kind::BorderAct, label::BORDER, header, seed).await;
    }

    /// Recorded whether or not it may stand.
    async fn forced(&self, kind: Kind, label: &str, header: Bytes, seed: u8) {
        let seal = Seal::one(label, ORIGIN, &header, &TestSigner::new(seed)).unwrap();
        self.append(kind, Bytes::new(), header, Some(seal)).await;
    }

    fn abroad_header(&mut self) -> RequestHeader {
        let mut header = self.header();
        header.consumer = SystemId::parse("JO/COM/PETRA/office").unwrap();
        header.issued_at_ms = self.clock.now_ms();
        header
    }

    /// Let through, whatever the switch should do; nobody answers.
    async fn lets_across(&mut self) {
        let header = self.abroad_header();
        let facts = ExchangeFacts {
            quota_used: 0,
            ..self.facts()
        };
        let (request, _) = self.request(&header, facts).await;
        let closing = facts::encode(&self.closing_facts(&request, "deadline"));
        self.append(Kind::Closing, closing, Bytes::new(), None)
            .await;
    }

    async fn refuses(&mut self, agreement: bool, clause: &str) -> (Appended, RequestHeader) {
        let asked = self.abroad_header();
        let header = asked.encode();
        let seal = Seal::one(label::REQUEST, ORIGIN, &header, &self.moss).unwrap();
        let mut said = ExchangeFacts {
            code: "border_closed".to_owned(),
            clause: clause.to_owned(),
            quota_used: 0,
            ..self.facts()
        };
        if !agreement {
            (said.agreement, said.grant) = (Bytes::new(), 0);
        }
        let facts = facts::encode(&said);
        let refusal = self.append(Kind::Refusal, facts, header, Some(seal)).await;
        (refusal, asked)
    }
}

/// Jordan is admitted, a bidder of it agreed with the provider, and nothing is open. It asks from here on.
async fn admitted() -> Forger {
    let mut forger = Forger::with_quota(0).await;
    forger.border(admission(), OPERATOR).await;
    forger.join(PETRA, "office", BIDDER, OFFICE).await;
    let home = forger.registry.agreement(&forger.agreement).unwrap();
    let mut content = home.content.clone();
    content.nonce = [2; 16];
    content.consumer = ConsumerScope::parse(PETRA).unwrap();
    forger.agreement = content.id();
    let propose = AgreementAct {
        step: Step::Propose,
        agreement: content.id(),
        previous: None,
        agency: AgencyId::parse(PETRA).unwrap(),
        issued_at_ms: NOW_MS,
        content: content.encode(),
    };
    let accept = AgreementAct {
        step: Step::Accept,
        previous: Some(propose.id()),
        agency: content.provider.clone(),
        content: Bytes::new(),
        ..propose.clone()
    };
    for (act, seed) in [(propose, BIDDER), (accept, CIVIL)] {
        let header = act.encode();
        forger
            .act(Kind::AgreementAct, label::ACT, header, seed)
            .await;
    }
    forger.moss = TestSigner::new(OFFICE);
    forger
}

async fn opened() -> Forger {
    let mut forger = admitted().await;
    let opening = forger.opening();
    forger.border(opening, CIVIL).await;
    forger
}

/// A question across the border, answered.
pub(crate) async fn crossed() -> (Forger, Appended, RequestHeader) {
    let mut forger = opened().await;
    let header = forger.abroad_header();
    let facts = ExchangeFacts {
        quota_used: 0,
        ..forger.facts()
    };
    let (request, seal) = forger.request(&header, facts).await;
    let answer = forger.answer(&header, &seal);
    let closing = forger.closing_facts(&request, "answered");
    forger.close_with(closing, &answer).await;
    (forger, request, header)
}

/// A question that is refused because its country was withdrawn.
pub(crate) async fn refused_abroad() -> (Forger, Appended, RequestHeader) {
    let mut forger = opened().await;
    forger.border(withdrawal(), OPERATOR).await;
    let (refusal, header) = forger.refuses(false, "withdrawal JO").await;
    (forger, refusal, header)
}

#[tokio::test]
async fn what_was_opened_goes_across_and_its_refusals_are_the_rules() {
    let mut forger = admitted().await;
    forger.refuses(true, "opening").await;
    let opening = forger.opening();
    forger.border(opening, CIVIL).await;
    forger.lets_across().await;
    forger.clock.advance_ms(500);
    forger.refuses(true, "opening_ended").await;
    forger.border(withdrawal(), OPERATOR).await;
    forger.refuses(false, "withdrawal JO").await;
    assert!(forger.rules().await.is_empty());
}

#[tokio::test]
async fn a_member_abroad_without_an_admission_is_found() {
    let forger = Forger::new().await;
    let invitation = Invitation {
        agency: AgencyId::parse(PETRA).unwrap(),
        token: Digest::of(b"token"),
        expires_at_ms: NOW_MS + 1,
        issued_at_ms: NOW_MS,
        authority_kid: None,
    };
    let (label, header) = (label::OPERATOR, invitation.encode());
    forger
        .forced(Kind::Invitation, label, header, OPERATOR)
        .await;
    assert_eq!(forger.rules().await, [rule::FOLD]);
}

#[tokio::test]
async fn an_agreement_used_abroad_without_the_providers_act_is_found() {
    let mut forger = admitted().await;
    forger.lets_across().await;
    assert_eq!(forger.rules().await, [rule::DECISION]);
}

#[tokio::test]
async fn what_goes_across_after_the_end_of_its_opening_is_found() {
    let mut forger = opened().await;
    forger.clock.advance_ms(499);
    forger.lets_across().await;
    forger.clock.advance_ms(1);
    forger.lets_across().await;
    assert_eq!(forger.rules().await, [rule::DECISION]);
}

#[tokio::test]
async fn what_goes_across_after_a_withdrawal_is_found_and_so_is_a_withdrawal_left_out() {
    let mut forger = opened().await;
    forger.border(withdrawal(), OPERATOR).await;
    forger.lets_across().await;
    assert_eq!(forger.rules().await, [rule::DECISION]);

    // The refusal is there, and what it stands on is not.
    let mut forger = opened().await;
    forger.refuses(false, "withdrawal JO").await;
    assert_eq!(forger.rules().await, [rule::REFUSAL]);
}

#[tokio::test]
async fn an_opening_or_an_admission_that_somebody_else_makes_up_is_found_and_opens_nothing() {
    // Under the operator's key, the bidder's authority key, and the provider's system key.
    for seed in [OPERATOR, BIDDER, 10] {
        let mut forger = admitted().await;
        let act = BorderAct {
            issued_at_ms: NOW_MS,
            deed: forger.opening(),
        };
        let header = act.encode();
        forger
            .forced(Kind::BorderAct, label::BORDER, header, seed)
            .await;
        forger.lets_across().await;
        assert_eq!(forger.rules().await, [rule::FOLD, rule::DECISION]);
    }
    let forger = Forger::new().await;
    let act = BorderAct {
        issued_at_ms: NOW_MS,
        deed: admission(),
    };
    let header = act.encode();
    forger
        .forced(Kind::BorderAct, label::BORDER, header, CIVIL)
        .await;
    assert_eq!(forger.rules().await, [rule::FOLD]);
}
