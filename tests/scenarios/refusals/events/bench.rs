//! What the rows of [`super`] send: a publisher and a subscriber by hand, and every message of theirs, wrong in one thing only.

use std::sync::Arc;

use bytes::Bytes;
use proto::commitment::Commitment;
use proto::digest::Digest;
use proto::envelope::Envelope;
use proto::header::{
    EventHeader, EventReceiptHeader, SubscriptionEndHeader, SubscriptionHeader, Topic,
};
use proto::id::{EventId, SubscriptionId};
use proto::key::Signer;
use proto::limits::label;
use proto::seal::Seal;
use proto::wire::events::v1 as wire;
use proto::wire::events::v1::events_client::EventsClient;
use proto::wire::events::v1::subscribe_request::Act;
use tests::agency::TestAgency;
use tests::agreements::{Terms, part, parts};
use tests::channel::channel;
use tests::ground::ORIGIN;
use tests::raw::{Refusal, SALT, new_id};
use tests::world::World;
use tonic::Status;
use tonic::transport::Channel;

/// What is told here.
pub(super) const TOLD: &[u8] = br#"{"name":"Mona"}"#;

/// One message of somebody.
#[derive(Clone)]
pub(super) enum Sent {
    Publish(Option<Envelope>),
    Begin(Option<Envelope>),
    End(Envelope),
    Acknowledge(Vec<Envelope>),
    Pull(Vec<u8>),
    Redeliver(Vec<u8>, Vec<u8>),
}

/// Who sends it.
#[derive(Clone, Copy)]
pub(super) enum By {
    Civil,
    Moss,
}

/// A world in which something is told and followed, by hand.
pub(super) struct Bench {
    pub(super) world: World,
    civil: EventsClient<Channel>,
    moss: EventsClient<Channel>,
    pub(super) restricted: Digest,
    /// A subscription that lives, and the entry of it.
    pub(super) held: SubscriptionHeader,
    /// One that its subscriber ended.
    pub(super) ended: SubscriptionHeader,
    /// An event that is not acknowledged, and one that was taken.
    pub(super) told: EventHeader,
    pub(super) taken: EventHeader,
}

async fn client(world: &World, agency: &TestAgency) -> EventsClient<Channel> {
    let (address, ground) = (world.switch.exchange(), world.switch.ground());
    let channel = channel(address, agency.tls(ground)).await.unwrap();
    EventsClient::new(channel).max_encoding_message_size(64 << 20)
}

impl Bench {
    pub(super) async fn new() -> Self {
        let mut bench = Self::unprepared(World::new().await).await;
        bench.begin_and_tell().await;
        bench
    }

    /// Where nothing is told or followed yet.
    pub(super) async fn unprepared(world: World) -> Self {
        let terms = Terms {
            sensitivity: Some(part("restricted")),
            ..Terms::for_agency(&world.moss)
        };
        let restricted = world.civil.agree(&world.switch, &world.moss, &terms).await;
        let held = subscription(&world);
        Self {
            civil: client(&world, &world.civil).await,
            moss: client(&world, &world.moss).await,
            restricted,
            ended: subscription(&world),
            told: event(&world),
            taken: event(&world),
            held,
            world,
        }
    }

    /// What stands in the log before anything goes wrong.
    async fn begin_and_tell(&mut self) {
        for held in [self.held.clone(), self.ended.clone()] {
            let begin = Sent::Begin(Some(self.begin(&held)));
            self.send(By::Moss, begin).await.unwrap();
        }
        let end = Sent::End(self.end(&self.ended));
        self.send(By::Moss, end).await.unwrap();
        for told in [self.told.clone(), self.taken.clone()] {
            let publish = Sent::Publish(Some(self.publish(&told)));
            self.send(By::Civil, publish).await.unwrap();
        }
        let taken = self.receipt(&self.taken.clone());
        let taken = Sent::Acknowledge(vec![self.received(&taken)]);
        self.send(By::Moss, taken).await.unwrap();
    }

    pub(super) fn id(&self) -> EventId {
        new_id(&self.world.switch.ground().clock)
    }

    pub(super) fn event(&self) -> EventHeader {
        event(&self.world)
    }

    pub(super) fn subscription(&self) -> SubscriptionHeader {
        subscription(&self.world)
    }

    pub(super) fn receipt(&self, told: &EventHeader) -> EventReceiptHeader {
        EventReceiptHeader {
            subscription_id: self.held.subscription_id,
            event_id: told.event_id,
            event_header: Digest::of(&told.encode()),
            refusal: None,
            taken_at_ms: self.world.switch.now_ms(),
        }
    }

    pub(super) fn end_header(&self, id: SubscriptionId) -> SubscriptionEndHeader {
        SubscriptionEndHeader {
            subscription_id: id,
            subscriber: self.world.moss.system.clone(),
            issued_at_ms: self.world.switch.now_ms(),
        }
    }

    fn key(&self, by: By) -> Arc<dyn Signer> {
        match by {
            By::Civil => self.world.civil.seal_signer(),
            By::Moss => self.world.moss.seal_signer(),
        }
    }

    /// These header bytes, sealed for any use by anybody.
    pub(super) fn sealed(&self, by: By, label: &str, header: Bytes) -> Envelope {
        let seal = Seal::one(label, ORIGIN, &header, &*self.key(by)).unwrap();
        Envelope::bare(header, seal)
    }

    pub(super) fn publish(&self, header: &EventHeader) -> Envelope {
        self.published(header.encode())
    }

    pub(super) fn published(&self, header: Bytes) -> Envelope {
        self.of(self.sealed(By::Civil, label::EVENT, header), TOLD)
    }

    /// With what was told.
    pub(super) fn of(&self, envelope: Envelope, payload: &[u8]) -> Envelope {
        let payload = Bytes::copy_from_slice(payload);
        Envelope::new(envelope.header, envelope.seal, SALT, payload)
    }

    pub(super) fn begin(&self, header: &SubscriptionHeader) -> Envelope {
        self.sealed(By::Moss, label::SUBSCRIPTION, header.encode())
    }

    pub(super) fn end(&self, held: &SubscriptionHeader) -> Envelope {
        let header = self.end_header(held.subscription_id).encode();
        self.sealed(By::Moss, label::SUBSCRIPTION_END, header)
    }

    pub(super) fn received(&self, header: &EventReceiptHeader) -> Envelope {
        self.sealed(By::Moss, label::EVENT_RECEIPT, header.encode())
    }

    /// Sends it, whatever it is.
    pub(super) async fn send(&self, by: By, sent: Sent) -> Result<(), Status> {
        let mut client = match by {
            By::Civil => self.civil.clone(),
            By::Moss => self.moss.clone(),
        };
        let wire = |envelope: Envelope| envelope.to_wire();
        let subscribe = |act| wire::SubscribeRequest { act };
        match sent {
            Sent::Publish(event) => {
                let event = event.map(wire);
                client.publish(wire::PublishRequest { event }).await?;
            }
            Sent::Begin(envelope) => {
                let act = envelope.map(wire).map(Act::Begin);
                client.subscribe(subscribe(act)).await?;
            }
            Sent::End(envelope) => {
                let act = Some(Act::End(envelope.to_wire()));
                client.subscribe(subscribe(act)).await?;
            }
            Sent::Acknowledge(receipts) => {
                let receipts = receipts.into_iter().map(wire).collect();
                client
                    .acknowledge(wire::AcknowledgeRequest { receipts })
                    .await?;
            }
            Sent::Pull(id) => {
                let request = wire::PullRequest {
                    subscription_id: id.into(),
                    most: 1,
                    wait_ms: 0,
                };
                client.pull(request).await?;
            }
            Sent::Redeliver(subscription, event) => {
                let request = wire::RedeliverRequest {
                    subscription_id: subscription.into(),
                    event_id: event.into(),
                };
                client.redeliver(request).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn refused(&self, by: By, sent: Sent) -> Refusal {
        Refusal::read(&self.send(by, sent).await.expect_err("a refusal"))
    }
}

fn topic(world: &World) -> Topic {
    Topic {
        publisher: world.civil.system.clone(),
        service: part("persons.v1"),
        operation: part("read"),
    }
}

fn event(world: &World) -> EventHeader {
    let now_ms = world.switch.now_ms();
    EventHeader {
        event_id: new_id(&world.switch.ground().clock),
        topic: topic(world),
        contract: world.contract,
        key: None,
        fields: parts(&["name"]),
        occurred_at_ms: now_ms,
        issued_at_ms: now_ms,
        payload: Commitment::new("application/json", TOLD, &SALT),
        seen: None,
    }
}

fn subscription(world: &World) -> SubscriptionHeader {
    SubscriptionHeader {
        subscription_id: new_id(&world.switch.ground().clock),
        subscriber: world.moss.system.clone(),
        topic: topic(world),
        purpose: part("social-benefit"),
        agreement: Some(world.agreement),
        delegation: Vec::new(),
        fields: parts(&["name"]),
        from_ms: None,
        attempts: None,
        pause_ms: None,
        issued_at_ms: world.switch.now_ms(),
    }
}
