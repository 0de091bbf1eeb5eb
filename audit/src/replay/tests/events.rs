//! Events in a log that lies: what a switch must not record of them, or of those that follow, is found out from the files.

use proto::Code;
use proto::commitment::{Commitment, Salt};
use proto::facts::EventFacts;
use proto::header::{
    EventHeader, EventReceiptHeader, SubscriptionEndHeader, SubscriptionHeader, Topic,
};
use proto::id::{EventId, SystemId};

use super::*;
use crate::log::Appended;

mod ends;
mod honest;
mod outcomes;
mod told;

/// Keys of the forger's world: who tells, who is told, and its operator.
const CIVIL: u8 = 10;
const MOSS: u8 = 20;
const OPERATOR: u8 = 201;

/// A switch that records whatever it is told of events.
pub(crate) struct Teller {
    pub(crate) forger: Forger,
    made: u64,
}

impl Teller {
    async fn new() -> Self {
        Self {
            forger: Forger::new().await,
            made: 0,
        }
    }

    fn id(&mut self) -> EventId {
        self.made += 1;
        let id = format!("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f6{:03x}", self.made);
        EventId::parse(&id).unwrap()
    }

    fn topic() -> Topic {
        Topic {
            publisher: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
            service: part("persons.v1"),
            operation: part("lookup"),
        }
    }

    fn event(&mut self) -> EventHeader {
        let service = self.forger.registry.services().next().unwrap();
        EventHeader {
            contract: service.contract,
            event_id: self.id(),
            topic: Self::topic(),
            key: None,
            fields: vec![part("name_ar")],
            occurred_at_ms: NOW_MS,
            issued_at_ms: self.forger.clock.now_ms(),
            payload: Commitment::new("application/json", b"{}", &Salt([3; 32])),
            seen: None,
        }
    }

    fn subscription(&mut self) -> SubscriptionHeader {
        SubscriptionHeader {
            subscription_id: self.id(),
            subscriber: SystemId::parse("EG/GOV/MOSS/takaful").unwrap(),
            topic: Self::topic(),
            purpose: part("takaful"),
            agreement: Some(self.forger.agreement),
            delegation: Vec::new(),
            fields: vec![part("name_ar")],
            from_ms: None,
            attempts: None,
            pause_ms: None,
            issued_at_ms: self.forger.clock.now_ms(),
        }
    }

    fn end_of(&self, subscription: &SubscriptionHeader) -> SubscriptionEndHeader {
        SubscriptionEndHeader {
            subscription_id: subscription.subscription_id,
            subscriber: subscription.subscriber.clone(),
            issued_at_ms: self.forger.clock.now_ms(),
        }
    }

    fn receipt_of(
        &self,
        subscription: &SubscriptionHeader,
        event: &EventHeader,
    ) -> EventReceiptHeader {
        EventReceiptHeader {
            subscription_id: subscription.subscription_id,
            event_id: event.event_id,
            event_header: Digest::of(&event.encode()),
            refusal: None,
            taken_at_ms: self.forger.clock.now_ms(),
        }
    }

    fn facts(&self) -> EventFacts {
        EventFacts {
            decided_at_ms: self.forger.clock.now_ms(),
            ..EventFacts::default()
        }
    }

    /// As a subscription that the one grant permits.
    fn granted(&self) -> EventFacts {
        EventFacts {
            agreement: self.forger.agreement.0.to_vec().into(),
            grant: 1,
            ..self.facts()
        }
    }

    fn of(&self, subscription: &Appended) -> EventFacts {
        EventFacts {
            subscription_index: subscription.index,
            subscription_leaf: subscription.leaf.0.to_vec().into(),
            ..self.facts()
        }
    }

    fn between(&self, subscription: &Appended, event: &Appended) -> EventFacts {
        EventFacts {
            event_index: event.index,
            event_leaf: event.leaf.0.to_vec().into(),
            attempts: 1,
            ..self.of(subscription)
        }
    }

    fn because(&self, facts: EventFacts, code: &str, clause: &str) -> EventFacts {
        EventFacts {
            code: code.to_owned(),
            clause: clause.to_owned(),
            ..facts
        }
    }

    async fn sealed(
        &self,
        kind: Kind,
        facts: EventFacts,
        header: Bytes,
        (label, seed): (&str, u8),
    ) -> Appended {
        let seal = Seal::one(label, ORIGIN, &header, &TestSigner::new(seed)).unwrap();
        let facts = facts::encode(&facts);
        self.forger.append(kind, facts, header, Some(seal)).await
    }

    /// What the switch says by itself.
    async fn say(&self, kind: Kind, facts: EventFacts) -> Appended {
        let facts = facts::encode(&facts);
        self.forger.append(kind, facts, Bytes::new(), None).await
    }

    async fn publish(&self, header: &EventHeader) -> Appended {
        let by = (label::EVENT, CIVIL);
        self.sealed(Kind::Event, self.facts(), header.encode(), by)
            .await
    }

    async fn subscribe(&self, header: &SubscriptionHeader) -> Appended {
        let by = (label::SUBSCRIPTION, MOSS);
        self.sealed(Kind::Subscription, self.granted(), header.encode(), by)
            .await
    }

    async fn unsubscribe(&self, facts: EventFacts, header: &SubscriptionEndHeader) -> Appended {
        let by = (label::SUBSCRIPTION_END, MOSS);
        self.sealed(Kind::SubscriptionEnd, facts, header.encode(), by)
            .await
    }

    async fn receive(&self, facts: EventFacts, header: &EventReceiptHeader) -> Appended {
        let by = (label::EVENT_RECEIPT, MOSS);
        self.sealed(Kind::EventOutcome, facts, header.encode(), by)
            .await
    }

    async fn rules(self) -> Vec<&'static str> {
        self.forger.rules().await
    }

    /// The operator does something to the registry.
    async fn deed(&mut self, deed: OperatorDeed) {
        let act = OperatorAct {
            operator: part("nour"),
            issued_at_ms: self.forger.clock.now_ms(),
            deed,
        };
        let (kind, label) = (Kind::OperatorAct, label::OPERATOR);
        self.forger.act(kind, label, act.encode(), OPERATOR).await;
    }

    async fn suspend(&mut self, agency: &str, lifted: bool) {
        self.deed(OperatorDeed::SuspendAgency {
            agency: AgencyId::parse(agency).unwrap(),
            lifted,
            reason: "audit".to_owned(),
        })
        .await;
    }

    /// The agreement ends by the word of its consumer.
    async fn revoke(&mut self) {
        let record = self
            .forger
            .registry
            .agreement(&self.forger.agreement)
            .unwrap();
        let act = proto::act::AgreementAct {
            step: proto::act::Step::Revoke,
            agreement: record.id,
            previous: Some(record.last_act()),
            agency: AgencyId::parse("EG/GOV/MOSS").unwrap(),
            issued_at_ms: self.forger.clock.now_ms(),
            content: Bytes::new(),
        };
        self.forger
            .act(Kind::AgreementAct, label::ACT, act.encode(), 21)
            .await;
    }
}

/// One subscription and one event that it is told of.
pub(crate) struct Followed {
    pub(crate) teller: Teller,
    held: SubscriptionHeader,
    pub(crate) subscription: Appended,
    told: EventHeader,
    pub(crate) event: Appended,
}

impl Followed {
    pub(crate) async fn new() -> Self {
        Self::with(&["name_ar"]).await
    }

    /// Another subscription, and an event that it is told of.
    pub(crate) async fn follow_again(self) -> Self {
        Self::of(self.teller, &["name_ar"]).await
    }

    /// The event has these fields.
    async fn with(fields: &[&str]) -> Self {
        Self::of(Teller::new().await, fields).await
    }

    async fn of(mut teller: Teller, fields: &[&str]) -> Self {
        let held = teller.subscription();
        let subscription = teller.subscribe(&held).await;
        let mut told = teller.event();
        told.fields = fields.iter().map(|field| part(field)).collect();
        let event = teller.publish(&told).await;
        Self {
            teller,
            held,
            subscription,
            told,
            event,
        }
    }

    fn facts(&self) -> EventFacts {
        self.teller.between(&self.subscription, &self.event)
    }

    fn receipt(&self) -> EventReceiptHeader {
        self.teller.receipt_of(&self.held, &self.told)
    }

    /// Its subscriber wants it no more.
    pub(crate) async fn leave(&self) -> Appended {
        let facts = self.teller.of(&self.subscription);
        let end = self.teller.end_of(&self.held);
        self.teller.unsubscribe(facts, &end).await
    }

    pub(crate) async fn take(&self) -> Appended {
        self.teller.receive(self.facts(), &self.receipt()).await
    }

    pub(crate) async fn give_up(&self, code: &str, clause: &str) -> Appended {
        let facts = self.teller.because(self.facts(), code, clause);
        self.teller.say(Kind::EventOutcome, facts).await
    }

    async fn rules(self) -> Vec<&'static str> {
        self.teller.rules().await
    }
}
