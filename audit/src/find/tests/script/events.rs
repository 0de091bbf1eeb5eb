//! Entries about events in a scripted log: one publisher tells of licences. Not sealed, never judged.

use proto::facts::EventFacts;
use proto::header::{EventHeader, EventReceiptHeader, SubscriptionHeader, Topic};
use proto::refusal::Code;

use super::*;

/// Who tells.
pub(crate) const PUBLISHER: &str = "EG/GOV/MOSS/licensing";

fn topic() -> Topic {
    Topic {
        publisher: SystemId::parse(PUBLISHER).unwrap(),
        service: part("licences.v1"),
        operation: part("licence"),
    }
}

fn id(number: u64) -> ExchangeId {
    ExchangeId::parse(&format!("0190a1b2-c3d4-7e5f-9a6b-{number:012x}")).unwrap()
}

impl Script {
    pub(crate) fn follow(&mut self, at_ms: u64, subscriber: &str) -> u64 {
        let header = SubscriptionHeader {
            subscription_id: id(self.entries.len() as u64),
            subscriber: SystemId::parse(subscriber).unwrap(),
            topic: topic(),
            purpose: part("supervision"),
            agreement: None,
            delegation: Vec::new(),
            fields: vec![part("licence")],
            from_ms: None,
            attempts: None,
            pause_ms: None,
            issued_at_ms: at_ms,
        };
        let facts = facts::encode(&EventFacts {
            agreement: Digest::of(b"telling").0.to_vec().into(),
            grant: 1,
            ..EventFacts::default()
        });
        self.append(at_ms, Kind::Subscription, facts, header.encode(), None)
    }

    pub(crate) fn tell(&mut self, at_ms: u64) -> u64 {
        let header = EventHeader {
            event_id: id(self.entries.len() as u64),
            topic: topic(),
            contract: Digest::of(b"contract"),
            key: None,
            fields: vec![part("licence")],
            occurred_at_ms: at_ms,
            issued_at_ms: at_ms,
            payload: Commitment::new("application/json", b"{}", &Salt([3; 32])),
            seen: None,
        };
        let facts = facts::encode(&EventFacts::default());
        self.append(at_ms, Kind::Event, facts, header.encode(), None)
    }

    /// What became of the event of an entry with the subscription of another: under the subscriber's seal, or by the switch.
    pub(crate) fn outcome(
        &mut self,
        at_ms: u64,
        (subscription, event): (u64, u64),
        by_subscriber: Option<Option<Code>>,
    ) -> u64 {
        let facts = EventFacts {
            event_index: event,
            event_leaf: self.leaf(event),
            code: by_subscriber
                .map_or(Some(Code::FieldNotGranted), |refusal| refusal)
                .map_or_else(String::new, |code| code.name().to_owned()),
            ..self.of_subscription(subscription)
        };
        let header = by_subscriber.map_or_else(Bytes::new, |refusal| {
            EventReceiptHeader {
                subscription_id: id(subscription),
                event_id: id(event),
                event_header: Digest::default(),
                refusal,
                taken_at_ms: at_ms,
            }
            .encode()
        });
        self.append(
            at_ms,
            Kind::EventOutcome,
            facts::encode(&facts),
            header,
            None,
        )
    }

    pub(crate) fn end(&mut self, at_ms: u64, subscription: u64) -> u64 {
        let facts = EventFacts {
            code: Code::AgreementRevoked.name().to_owned(),
            clause: "revocation".to_owned(),
            ..self.of_subscription(subscription)
        };
        let facts = facts::encode(&facts);
        self.append(at_ms, Kind::SubscriptionEnd, facts, Bytes::new(), None)
    }

    fn of_subscription(&self, index: u64) -> EventFacts {
        EventFacts {
            subscription_index: index,
            subscription_leaf: self.leaf(index),
            ..EventFacts::default()
        }
    }

    pub(crate) fn leaf(&self, index: u64) -> Bytes {
        let leaf = leaf_hash(&self.entries[index as usize]);
        leaf.0.to_vec().into()
    }
}
