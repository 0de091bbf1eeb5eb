//! Events and those that follow them, from fixed keys, salts and times: `tests/golden/events.json`. Beside version 1, whose
//! files stay as they are: the agency that answers there tells here, and the one that asks is told.

use bytes::Bytes;
use proto::authorise::{
    authorise, locate_topic, verify_event, verify_event_receipt, verify_subscription,
    verify_subscription_end,
};
use proto::commitment::{Commitment, Salt};
use proto::entry::Kind;
use proto::events::{Event, Events, Fate};
use proto::facts::{self, EventFacts};
use proto::header::{
    EventHeader, EventReceiptHeader, Seen, SubscriptionEndHeader, SubscriptionHeader, Topic,
};
use proto::id::EventId;
use proto::limits::label;
use proto::seal::Seal;
use proto::{Code, Digest};

use crate::book::{self, Book};
use crate::exchange::Terms;
use crate::keys::SeedKey;
use crate::log::GoldenLog;
use crate::registry::{Keys, civil, moss, part, parts};
use crate::streams::agreed;

const SALT: Salt = Salt([0x86; 32]);
const PAYLOAD: &[u8] = br#"{"members":5,"status":"active"}"#;
/// An HMAC of the household's number: nobody else can say whose it is.
const KEY: Digest = Digest([0x87; 32]);

/// The log, the fold that a switch and a replay keep of it, and what was recorded.
struct Story {
    log: GoldenLog,
    keys: Keys,
    terms: Terms,
    events: Events,
}

fn topic() -> Topic {
    Topic {
        publisher: civil(),
        service: part("households.v1"),
        operation: part("lookup"),
    }
}

fn id(at_ms: u64, n: u8) -> EventId {
    let mut id = [n; 16];
    id[..6].copy_from_slice(&at_ms.to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8] = 0x80;
    EventId::from_slice(&id).unwrap()
}

fn told() -> GoldenLog {
    let (mut log, keys, terms) = agreed();
    // What came before stands in v1.json, from the same keys.
    log.book = Book::default();
    let mut story = Story {
        log,
        keys,
        terms,
        events: Events::default(),
    };
    let subscription = story.subscribe("subscription", 1);
    let event = story.publish("event", 2);
    story.receive("receipt", subscription, event, None);
    let event = story.publish("second_event", 3);
    story.give_up("given_up", subscription, event);
    story.receive(
        "refusing_receipt",
        subscription,
        event,
        Some(Code::ContractViolation),
    );
    story.unsubscribe("subscription_end", subscription);
    let other = story.subscribe("other_subscription", 4);
    story.end("ended", other);
    story.log
}

impl Story {
    fn leaf(&self, index: u64) -> Bytes {
        self.log.leaves[index as usize].0.to_vec().into()
    }

    fn facts(&self, peer: u8) -> EventFacts {
        EventFacts {
            peer_sha256: match peer {
                0 => Bytes::new(),
                peer => vec![peer; 32].into(),
            },
            decided_at_ms: self.log.now_ms(),
            ..EventFacts::default()
        }
    }

    fn of(&self, subscription: u64, peer: u8) -> EventFacts {
        EventFacts {
            subscription_index: subscription,
            subscription_leaf: self.leaf(subscription),
            ..self.facts(peer)
        }
    }

    fn seal(&mut self, name: &str, label: &str, header: &Bytes, by: By) -> Seal {
        let key: &SeedKey = match by {
            By::Publisher => &self.keys.civil_seal,
            By::Subscriber => &self.keys.moss_seal,
        };
        self.log.seal(name, label, header, key)
    }

    fn subscribe(&mut self, name: &str, n: u8) -> u64 {
        let now_ms = self.log.now_ms();
        let header = SubscriptionHeader {
            subscription_id: id(now_ms, n),
            subscriber: moss(),
            topic: topic(),
            purpose: part("takaful.eligibility"),
            agreement: Some(self.terms.agreement),
            delegation: Vec::new(),
            fields: parts(&["members", "status"]),
            from_ms: Some(now_ms - 60_000),
            attempts: Some(20),
            pause_ms: Some(1_000),
            issued_at_ms: now_ms - 5,
        };
        let bytes = header.encode();
        let seal = self.seal(name, label::SUBSCRIPTION, &bytes, By::Subscriber);
        let opened = verify_subscription(&self.log.registry, &bytes, &seal).unwrap();
        assert_eq!(opened, header);
        let permission = authorise(&self.log.registry, &opened.question(), now_ms).unwrap();
        locate_topic(&self.log.registry, &opened.topic, None).unwrap();
        self.events.judge_begin(&opened).unwrap();
        let facts = EventFacts {
            agreement: permission.agreement.0.to_vec().into(),
            grant: permission.grant,
            ..self.facts(0xc1)
        };
        let kind = Kind::Subscription;
        let sealed = Some((bytes, seal));
        let index = self.log.record(name, kind, facts::encode(&facts), sealed);
        let leaf = self.log.leaves[index as usize];
        self.events.begin(index, leaf, header, now_ms);
        index
    }

    fn publish(&mut self, name: &str, n: u8) -> u64 {
        let now_ms = self.log.now_ms();
        let payload = Commitment::new("application/json", PAYLOAD, &SALT);
        self.log.book.put(&format!("{name}.payload"), PAYLOAD);
        self.log.book.put(&format!("{name}.salt"), SALT.0);
        self.log.book.put(&format!("{name}.hmac"), payload.hmac);
        let header = EventHeader {
            event_id: id(now_ms, n),
            topic: topic(),
            contract: self.terms.contract,
            key: Some(KEY),
            fields: parts(&["members", "status"]),
            occurred_at_ms: now_ms - 3_000,
            issued_at_ms: now_ms - 5,
            payload,
            seen: Some(Seen {
                size: 2,
                root: proto::digest::tree_head(&self.log.leaves[..2]),
            }),
        };
        let bytes = header.encode();
        let seal = self.seal(name, label::EVENT, &bytes, By::Publisher);
        let opened = verify_event(&self.log.registry, &bytes, &seal, None).unwrap();
        assert_eq!(opened, header);
        opened.payload.open(PAYLOAD, &SALT.0).unwrap();
        locate_topic(&self.log.registry, &opened.topic, Some(&opened.contract)).unwrap();
        self.events.judge_event(&opened).unwrap();
        let facts = facts::encode(&self.facts(0xc2));
        let sealed = Some((bytes.clone(), seal));
        let index = self.log.record(name, Kind::Event, facts, sealed);
        let leaf = self.log.leaves[index as usize];
        let event = Event::of(&header, &bytes, leaf, now_ms);
        self.events.publish(index, event);
        index
    }

    fn receive(&mut self, name: &str, subscription: u64, event: u64, refusal: Option<Code>) {
        let held = self.events.subscription(subscription).unwrap();
        let subscription_id = held.header.subscription_id;
        let told = self.events.event(event).unwrap();
        let header = EventReceiptHeader {
            subscription_id,
            event_id: told.id,
            event_header: told.header,
            refusal,
            taken_at_ms: self.log.now_ms() - 5,
        };
        let bytes = header.encode();
        let seal = self.seal(name, label::EVENT_RECEIPT, &bytes, By::Subscriber);
        let opened =
            verify_event_receipt(&self.log.registry, &bytes, &seal, &moss(), None).unwrap();
        assert_eq!(opened, header);
        let code = refusal.map_or("", Code::name);
        let facts = self.outcome((subscription, event), (code, ""), 0xc1);
        self.settle(name, facts, Some((bytes, seal)));
    }

    /// The word of the switch alone: neither header nor seal.
    fn give_up(&mut self, name: &str, subscription: u64, event: u64) {
        let code = Code::Deadline.name();
        let facts = self.outcome((subscription, event), (code, "attempts"), 0);
        self.settle(name, facts, None);
    }

    fn outcome(
        &self,
        (subscription, event): (u64, u64),
        (code, clause): (&str, &str),
        peer: u8,
    ) -> EventFacts {
        EventFacts {
            code: code.to_owned(),
            clause: clause.to_owned(),
            event_index: event,
            event_leaf: self.leaf(event),
            attempts: 20,
            ..self.of(subscription, peer)
        }
    }

    fn settle(&mut self, name: &str, facts: EventFacts, sealed: Option<(Bytes, Seal)>) {
        let (subscription, event) = (facts.subscription_index, facts.event_index);
        let leaves = &self.log.leaves;
        let (held, told) = (leaves[subscription as usize], leaves[event as usize]);
        let fate = Fate::recorded(sealed.is_some(), &facts.code);
        let judged = self
            .events
            .judge_outcome((subscription, &held), (event, &told), fate);
        judged.unwrap();
        let kind = Kind::EventOutcome;
        let index = self.log.record(name, kind, facts::encode(&facts), sealed);
        self.events.settle(subscription, event, fate, index);
    }

    fn unsubscribe(&mut self, name: &str, subscription: u64) {
        let held = self.events.subscription(subscription).unwrap();
        let header = SubscriptionEndHeader {
            subscription_id: held.header.subscription_id,
            subscriber: moss(),
            issued_at_ms: self.log.now_ms() - 5,
        };
        let bytes = header.encode();
        let seal = self.seal(name, label::SUBSCRIPTION_END, &bytes, By::Subscriber);
        let opened = verify_subscription_end(&self.log.registry, &bytes, &seal).unwrap();
        assert_eq!(opened, header);
        let facts = self.of(subscription, 0xc1);
        self.record_end(name, facts, Some((bytes, seal)));
    }

    /// Its agreement is over: the switch ends it, and says why.
    fn end(&mut self, name: &str, subscription: u64) {
        self.log.wait(365 * 86_400_000);
        let now_ms = self.log.now_ms();
        let question = self.events.subscription(subscription).unwrap();
        let question = question.header.question();
        let denial = authorise(&self.log.registry, &question, now_ms).unwrap_err();
        let facts = EventFacts {
            code: denial.code.name().to_owned(),
            clause: denial.clause.to_string(),
            agreement: denial.agreement.unwrap().0.to_vec().into(),
            grant: denial.grant,
            ..self.of(subscription, 0)
        };
        self.record_end(name, facts, None);
    }

    fn record_end(&mut self, name: &str, facts: EventFacts, sealed: Option<(Bytes, Seal)>) {
        let subscription = facts.subscription_index;
        let leaf = self.log.leaves[subscription as usize];
        self.events.living(subscription, &leaf).unwrap();
        let kind = Kind::SubscriptionEnd;
        let index = self.log.record(name, kind, facts::encode(&facts), sealed);
        self.events.end(subscription, index, &facts.code);
    }
}

/// Whose key seals.
#[derive(Clone, Copy, Debug)]
enum By {
    Publisher,
    Subscriber,
}

#[test]
fn every_value_of_events_is_the_golden_one() {
    told().book.judge("events.json");
}

#[test]
fn no_bit_of_a_golden_header_about_events_can_be_another() {
    let log = told();
    let registry = &log.registry;
    let stored = book::read("events.json");
    let part = |name: String| Bytes::from(hex::decode(&stored[&name]).unwrap());
    let verify = |name: &str, header: &[u8], seal: &Seal| match name {
        "event" => verify_event(registry, header, seal, None).map(|_| ()),
        "subscription" => verify_subscription(registry, header, seal).map(|_| ()),
        "subscription_end" => verify_subscription_end(registry, header, seal).map(|_| ()),
        _ => verify_event_receipt(registry, header, seal, &moss(), None).map(|_| ()),
    };
    for name in ["event", "subscription", "subscription_end", "receipt"] {
        let header = part(format!("{name}.header"));
        let seal = Seal::from_block(&part(format!("{name}.seal_block"))).unwrap();
        verify(name, &header, &seal).unwrap();
        for bit in 0..header.len() * 8 {
            let mut other = header.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(name, &other, &seal).is_err(), "{name}, bit {bit}");
        }
    }
}
