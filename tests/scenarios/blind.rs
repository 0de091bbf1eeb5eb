//! Payloads that the switch cannot read: demanded by the agreement, opened by their receiver alone, kept by both parties.

use adapters::consumer::Streamed;
use adapters::journal::{self, Half, Role};
use adapters::sealed::{EncryptionKeys, OpeningKey, seal};
use adapters::{ExchangeError, Untrusted};
use bytes::Bytes;
use proto::Code;
use proto::commitment::Form;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::AnswerHeader;
use proto::sealed::{Contents, Of};
use serde_json::{Value, json};
use tests::agency::TestAgency;
use tests::agreements::{Terms, part};
use tests::ground::ORIGIN;
use tests::provider::{Backend, Does};
use tests::raw::{PAYLOAD, RawConsumer, SALT};
use tests::world::{PERSONS, World};
use tests::{soon, until};

mod searched;

/// What every scenario here asks.
macro_rules! ask {
    ($consumer:expr) => {
        $consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"])
            .payload_json(&json!({ "nid": "29001019900011" }))
    };
}

/// The one agreement gives way to one whose data is restricted.
async fn restricted(world: &World) -> Digest {
    world.civil.revoke(&world.switch, world.agreement).await;
    let terms = Terms {
        sensitivity: Some(part("restricted")),
        ..Terms::for_agency(&world.moss)
    };
    world.civil.agree(&world.switch, &world.moss, &terms).await
}

fn refused(error: ExchangeError) -> (Code, String) {
    match error {
        ExchangeError::Refused(refused) => (refused.code, refused.clause.unwrap_or_default()),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn restricted_data_goes_sealed_or_not_at_all() {
    let world = World::new().await;
    let agreement = restricted(&world).await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = world.consumer().await.consumer();
    // Nobody can seal to a provider without a key: then nothing leaves, for the switch would read it. What another
    // consumer sends in the open is refused on record.
    for ask in [ask!(consumer), ask!(consumer).sealed()] {
        assert!(matches!(
            soon("nothing is sent", ask.send()).await,
            Err(ExchangeError::NoEncryptionKey(_))
        ));
    }
    let raw = world.raw_consumer().await;
    let refusal = raw
        .refused(&raw.envelope(|header| header.agreement = Some(agreement)))
        .await;
    assert_eq!(refusal.code, Some(Code::EncryptionRequired));
    drop(raw);
    assert_eq!(backend.seen(), 0);
    // With a key the same call goes sealed, without a word, there and back.
    let registry = consumer.adapter().mirror().snapshot().size();
    world.civil.bind_encryption_key(&world.switch).await;
    let mirror = consumer.adapter().mirror();
    mirror.reached(registry + 1, tests::PATIENCE).await.unwrap();
    let answer = soon("an answer", ask!(consumer).send()).await.unwrap();
    assert_eq!(answer.json::<Value>().unwrap(), json!({ "name": "Mona" }));
    assert_eq!(answer.header.payload.form, Form::Sealed);
    // A newer key follows; who still has the older one in its mirror would be answered, too.
    world.civil.bind_encryption_key(&world.switch).await;
    mirror.reached(registry + 2, tests::PATIENCE).await.unwrap();
    let again = soon("an answer", ask!(consumer).send()).await.unwrap();
    // One answer in one piece, where chunks would be open.
    let streamed = soon("an answer", ask!(consumer).stream()).await.unwrap();
    assert!(matches!(streamed, Streamed::Whole(_)));
    assert_eq!(backend.seen(), 3);
    handle.drain().await.unwrap();
    both_can_open(&world, &answer).await;
    drop(consumer);
    let told = world.finish().await;
    assert_eq!(told.coded("encryption_required"), 1);
    assert_eq!(told.count(Kind::EncryptionKeyBound), 2);
    assert_eq!(told.story(again.exchange_id).len(), 2);
}

/// What both parties keep is salt and payload, as with every exchange.
async fn both_can_open(world: &World, answer: &adapters::Answer) {
    let id = answer.exchange_id;
    let open = |agency: &TestAgency, role, half| {
        let dir = agency.home_dir().join("journal");
        journal::disclose(&dir, role, id, half).unwrap()
    };
    until("both journals are written", || {
        open(&world.civil, Role::Provider, Half::Answer).is_some()
            && open(&world.moss, Role::Consumer, Half::Answer).is_some()
    })
    .await;
    for (agency, role) in [
        (&world.moss, Role::Consumer),
        (&world.civil, Role::Provider),
    ] {
        let asked = open(agency, role, Half::Request).unwrap();
        assert_eq!(&asked.payload[..], PAYLOAD, "{role:?}");
        let kept = open(agency, role, Half::Answer).unwrap();
        assert_eq!(&kept.payload[..], br#"{"name":"Mona"}"#, "{role:?}");
        answer
            .header
            .payload
            .open(&kept.payload, &kept.salt.0)
            .unwrap();
    }
}

/// A request of `consumer` with what `seals` puts under its header.
fn sealed(consumer: &RawConsumer, seals: impl FnOnce(&Envelope) -> Bytes) -> Envelope {
    let open = consumer.envelope(|header| header.payload = header.payload.clone().sealed());
    let payload = seals(&open);
    Envelope {
        salt: Bytes::new(),
        payload,
        ..open
    }
}

pub(crate) fn contents(payload: &'static [u8]) -> Contents {
    Contents {
        salt: SALT,
        answer_key: Some(*OpeningKey::generate().unwrap().key()),
        payload: Bytes::from_static(payload),
    }
}

#[tokio::test]
async fn what_does_not_open_never_reaches_the_backend() {
    let world = World::new().await;
    let key = world.civil.bind_encryption_key(&world.switch).await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = world.raw_consumer().await;
    let stranger = *OpeningKey::generate().unwrap().key();
    let to = |key, header: &[u8], contents: &Contents| {
        seal(&key, Of::Request, ORIGIN, header, contents).unwrap()
    };
    // What the switch can see, it refuses: the form, and the length.
    let shaped = [
        sealed(&consumer, |_| Bytes::from_static(PAYLOAD)),
        sealed(&consumer, |_| Bytes::new()),
        consumer.envelope(|header| header.payload = header.payload.clone().sealed()),
    ];
    for envelope in &shaped {
        let said = consumer.refused(envelope).await;
        assert_eq!(said.code, Some(Code::Malformed));
    }
    let longer = sealed(&consumer, |open| {
        to(
            key,
            &open.header,
            &contents(br#"{"nid":"290010199000111"}"#),
        )
    });
    let said = consumer.refused(&longer).await;
    assert_eq!(said.code, Some(Code::PayloadMismatch));
    // What only the receiver can see, its adapter refuses, sealed and on record.
    for (envelope, code) in [
        (
            sealed(&consumer, |open| {
                to(stranger, &open.header, &contents(PAYLOAD))
            }),
            Code::EncryptionRequired,
        ),
        (
            sealed(&consumer, |_| to(key, b"another", &contents(PAYLOAD))),
            Code::PayloadMismatch,
        ),
        (
            sealed(&consumer, |open| {
                let other = contents(br#"{"nid":"29001019900012"}"#);
                to(key, &open.header, &other)
            }),
            Code::PayloadMismatch,
        ),
    ] {
        let response = consumer.call(&envelope).await.unwrap();
        let answer = AnswerHeader::open(&response.answer.unwrap().header).unwrap();
        let said = proto::header::AnswerStatus::Refused(code);
        assert_eq!(answer.status, said);
        assert_eq!(answer.payload.form, Form::Whole, "there is nothing to hide");
    }
    assert_eq!(backend.seen(), 0);
    handle.drain().await.unwrap();
    drop(consumer);
    world.finish().await;
}

#[tokio::test]
async fn a_lost_key_is_told_at_once_and_nothing_is_answered_in_the_open() {
    let world = World::new().await;
    let key = world.civil.bind_encryption_key(&world.switch).await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = world.raw_consumer().await;
    let well = || {
        sealed(&consumer, |open| {
            let contents = contents(PAYLOAD);
            seal(&key, Of::Request, ORIGIN, &open.header, &contents).unwrap()
        })
    };
    let response = consumer.call(&well()).await.unwrap();
    let answer = AnswerHeader::open(&response.answer.unwrap().header).unwrap();
    assert_eq!(answer.payload.form, Form::Sealed);
    assert_eq!(backend.seen(), 1);
    handle.drain().await.unwrap();
    let path = EncryptionKeys::of(&world.civil.home_dir()).path(&key.kid());
    std::fs::remove_file(path).unwrap();
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let response = consumer.call(&well()).await.unwrap();
    let answer = AnswerHeader::open(&response.answer.unwrap().header).unwrap();
    let said = proto::header::AnswerStatus::Refused(Code::EncryptionRequired);
    assert_eq!((answer.status, backend.seen()), (said, 1));
    handle.drain().await.unwrap();
    drop(consumer);
    world.finish().await;
}

#[tokio::test]
async fn an_open_answer_to_a_sealed_request_is_invalid() {
    let world = World::new().await;
    world.civil.bind_encryption_key(&world.switch).await;
    let consumer = world.consumer().await.consumer();
    let mut provider = world.raw_provider(4).await;
    // In the open, and in an envelope that only says that it is sealed, to a key that nobody asked for.
    let asking = tokio::spawn(async move {
        let open = ask!(consumer).sealed().send().await.unwrap_err();
        let other = ask!(consumer).sealed().send().await.unwrap_err();
        (open, other)
    });
    let delivered = provider.delivery().await;
    let open = provider.answer(&delivered, |_| {});
    provider.send_answer(&delivered, &open).await;
    let delivered = provider.delivery().await;
    let other = provider.answer(&delivered, |header| {
        header.payload = header.payload.clone().sealed();
    });
    let stranger = *OpeningKey::generate().unwrap().key();
    let under = Contents {
        salt: SALT,
        answer_key: None,
        payload: other.payload.clone(),
    };
    let payload = seal(&stranger, Of::Answer, ORIGIN, &other.header, &under).unwrap();
    let other = Envelope {
        salt: Bytes::new(),
        payload,
        ..other
    };
    provider.send_answer(&delivered, &other).await;
    let (open, other) = soon("both are told", asking).await.unwrap();
    let want = (Code::AnswerInvalid, "answer_invalid: form".to_owned());
    assert_eq!(refused(open), want);
    // The switch cannot see it; the consumer can, and says so on record.
    match other {
        ExchangeError::Untrusted {
            reason: Untrusted::Payload,
            disputed,
            ..
        } => assert!(disputed),
        error => panic!("{error:?}"),
    }
    drop(provider);
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Dispute), 1);
}
