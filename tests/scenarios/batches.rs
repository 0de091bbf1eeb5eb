//! Many items in one exchange: each in its place, a result for each, and nothing that is not what was sealed.

use adapters::consumer::Results;
use adapters::{Consumer, ExchangeError, Failure, Provider, Reply, Request, Untrusted};
use bytes::Bytes;
use proto::Code;
use proto::commitment::Commitment;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::AnswerStatus;
use proto::items::{ItemProof, ItemResult, Packed, leaves, pack};
use serde_json::{Value, json};
use tests::link::{Delivered, RawProvider};
use tests::provider::{Backend, Does};
use tests::raw::{RawConsumer, SALT};
use tests::soon;
use tests::world::{PERSONS, World};

mod measured;
mod processes;

/// What every scenario here asks.
macro_rules! ask {
    ($consumer:expr) => {
        $consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"])
    };
}

/// Finds `found-N`, misses `missing`, breaks at `broken`.
#[derive(Clone, Debug)]
struct Roll;

impl Provider for Roll {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let asked: Value = request.json()?;
        match asked["nid"].as_str() {
            Some("missing") => Err(Failure::NotFound),
            Some("broken") => Err(Failure::failed("the shelf fell over")),
            Some(nid) => Reply::record(&request, &json!({ "name": format!("holder of {nid}") })),
            None => Err(Failure::InvalidRequest("no nid".to_owned())),
        }
    }
}

fn question(nid: &str) -> Vec<u8> {
    serde_json::to_vec(&json!({ "nid": nid })).unwrap()
}

fn questions(nids: &[&str]) -> Vec<Vec<u8>> {
    nids.iter().map(|nid| question(nid)).collect()
}

async fn asked(consumer: &Consumer, nids: &[&str]) -> Result<Results, ExchangeError> {
    let items = questions(nids);
    soon("the results", ask!(consumer).send_items(&items)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_item_has_its_own_result_and_its_own_proof() {
    let world = World::new().await;
    let handle = world.civil.serve(world.switch.ground(), Roll).await;
    let consumer = world.consumer().await.consumer();
    let mut items = questions(&["1", "missing", "2", "broken"]);
    items.push(b"{}".to_vec());
    let results = soon("the results", ask!(consumer).send_items(&items)).await;
    let Results { answer, items: got } = results.unwrap();
    let statuses: Vec<&str> = got.iter().map(|result| result.status.name()).collect();
    assert_eq!(
        statuses,
        [
            "answered",
            "not_found",
            "answered",
            "failed",
            "invalid_request"
        ]
    );
    let second: Value = serde_json::from_slice(&got[2].payload).unwrap();
    assert_eq!(second, json!({ "name": "holder of 2" }));
    assert_eq!(answer.fields.len(), 1);
    // What the provider sealed shows one result without the others.
    let (envelope, hmac) = (&answer.envelope, &answer.header.payload.hmac);
    let salt = proto::commitment::Salt::from_slice(&envelope.salt).unwrap();
    let proof = ItemProof::of(&envelope.payload, &salt, 2).unwrap();
    proof.verify(hmac).unwrap();
    assert_eq!(ItemResult::open(&proof.item).unwrap(), got[2]);
    let exchange = answer.exchange_id;
    handle.drain().await.unwrap();
    let told = world.finish().await;
    // However many they are, they are one exchange.
    assert_eq!(
        told.story(exchange),
        [(Kind::Request, ""), (Kind::Closing, "answered")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_many_items_gets_the_same_results_without_another_run() {
    let world = World::new().await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = world.consumer().await.consumer();
    let (items, first) = (
        questions(&["1", "2", "3"]),
        consumer.first_attempt().unwrap(),
    );
    let once = ask!(consumer).begin_as(first).send_items(&items).await;
    let again = ask!(consumer).attempt_of(first).send_items(&items).await;
    assert_eq!(once.unwrap().items, again.unwrap().items);
    assert_eq!(backend.seen(), 3);
    let others = questions(&["1", "2", "4"]);
    let other = ask!(consumer).attempt_of(first).send_items(&others).await;
    let Err(ExchangeError::Provider { status, .. }) = other else {
        panic!("{other:?}")
    };
    assert_eq!(status, AnswerStatus::Refused(Code::PayloadMismatch));
    handle.drain().await.unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_batch_is_not_sent() {
    let world = World::new().await;
    let handle = world.civil.serve(world.switch.ground(), Roll).await;
    let consumer = world.consumer().await.consumer();
    let size = world.switch.size();
    let none: [&[u8]; 0] = [];
    let huge = vec![vec![b'x'; 64 * 1024]; 17];
    for (what, error) in [
        ("none", ask!(consumer).send_items(&none).await.unwrap_err()),
        ("huge", ask!(consumer).send_items(&huge).await.unwrap_err()),
        (
            "two payloads",
            ask!(consumer)
                .payload_json(&json!({}))
                .send_items(&questions(&["1"]))
                .await
                .unwrap_err(),
        ),
    ] {
        assert!(matches!(error, ExchangeError::Unsent(_)), "{what}: {error}");
    }
    assert_eq!(world.switch.size(), size);
    handle.drain().await.unwrap();
    world.finish().await;
}

/// A sealed request of items, whose payload then is changed to that of `others`, under the manifest of `items`.
fn lying(consumer: &RawConsumer, items: &[Vec<u8>], others: &[Vec<u8>]) -> Envelope {
    let honest = pack(items, &leaves(items, &SALT), &[], None).unwrap();
    // The same number of bytes before it, so that everything but the items stands as it was sealed.
    let made = pack(others, &leaves(others, &SALT), &[], None).unwrap();
    let behind = 2 + made.manifest.len();
    let mut payload = vec![0x0a, honest.manifest.len() as u8];
    payload.extend_from_slice(&honest.manifest);
    payload.extend_from_slice(&made.payload[behind..]);
    of_items(consumer, &honest, payload.into())
}

fn of_items(consumer: &RawConsumer, packed: &Packed, payload: Bytes) -> Envelope {
    let mut envelope = consumer.envelope(|header| {
        header.payload =
            Commitment::to_items("application/json", payload.len(), &packed.manifest, &SALT);
    });
    envelope.payload = payload;
    envelope
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_that_lies_about_its_items_never_reaches_the_backend() {
    let world = World::new().await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = world.raw_consumer().await;
    let items = questions(&["1", "2", "3"]);
    for (lie, others) in [
        ("one too many", questions(&["1", "2", "3", "4"])),
        ("one too few", questions(&["1", "2"])),
        ("out of order", questions(&["1", "3", "2"])),
        ("one twice", questions(&["1", "2", "2"])),
        ("another one", questions(&["1", "2", "X"])),
    ] {
        let answered = consumer.ask(&lying(&consumer, &items, &others)).await;
        let status = answered.unwrap().header.status;
        let code = AnswerStatus::Refused(Code::PayloadMismatch);
        assert_eq!(status, code, "{lie}");
    }
    // No payload of items at all, and a side list of persons in the header.
    let packed = pack(&items, &leaves(&items, &SALT), &[], None).unwrap();
    let none = of_items(&consumer, &packed, Bytes::from_static(b"{\"nid\":\"1\"}"));
    let status = consumer.ask(&none).await.unwrap().header.status;
    assert_eq!(status, AnswerStatus::Refused(Code::PayloadMismatch));
    assert_eq!(backend.seen(), 0);
    let honest = of_items(&consumer, &packed, packed.payload.clone());
    consumer.ask(&honest).await.unwrap();
    assert_eq!(backend.seen(), 3);
    // Cut short on its way: the switch sees that itself.
    let mut cut = of_items(&consumer, &packed, packed.payload.clone());
    cut.payload = cut.payload.slice(..cut.payload.len() - 1);
    assert_eq!(
        consumer.refused(&cut).await.code,
        Some(Code::PayloadMismatch)
    );
    handle.drain().await.unwrap();
    world.finish().await;
}

/// Answers the next request with `results`, sealed as they are.
async fn answer(link: &mut RawProvider, results: &[Vec<u8>]) -> Delivered {
    let delivered = link.delivery().await;
    let packed = pack(results, &leaves(results, &SALT), &[], None).unwrap();
    let payload = packed.payload.clone();
    let mut answer = link.answer(&delivered, |header| {
        header.payload =
            Commitment::to_items("application/json", payload.len(), &packed.manifest, &SALT);
    });
    answer.payload = packed.payload;
    link.send_answer(&delivered, &answer).await;
    delivered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_too_many_or_too_few_are_not_handed_out_and_are_disputed() {
    let world = World::new().await;
    let consumer = world.consumer().await.consumer();
    let mut provider = world.raw_provider(4).await;
    let result = || {
        ItemResult {
            status: AnswerStatus::Answered,
            payload: Bytes::from_static(b"{}"),
        }
        .encode()
    };
    for (lie, results) in [
        ("too few", vec![result()]),
        ("too many", vec![result(), result(), result()]),
        ("none of its form", vec![result(), b"{}".to_vec()]),
    ] {
        let (got, _) = tokio::join!(
            asked(&consumer, &["1", "2"]),
            answer(&mut provider, &results)
        );
        let Err(ExchangeError::Untrusted {
            reason: Untrusted::Payload,
            disputed: true,
            ..
        }) = got
        else {
            panic!("{lie}: {got:?}")
        };
    }
    let honest = [result(), result()];
    let (got, _) = tokio::join!(
        asked(&consumer, &["1", "2"]),
        answer(&mut provider, &honest)
    );
    assert_eq!(got.unwrap().items.len(), 2);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_are_answered_by_items_and_one_question_by_one_answer() {
    let world = World::new().await;
    let consumer = world.consumer().await.consumer();
    let mut provider = world.raw_provider(4).await;
    let one = async |provider: &mut RawProvider| {
        let delivered = provider.delivery().await;
        provider.answer_well(&delivered).await;
    };
    let (got, ()) = tokio::join!(asked(&consumer, &["1", "2"]), one(&mut provider));
    let Err(ExchangeError::Refused(refused)) = got else {
        panic!("{got:?}")
    };
    assert_eq!(refused.code, Code::AnswerInvalid);
    let results = [ItemResult::without(AnswerStatus::NotFound).encode()];
    let (got, _) = tokio::join!(
        ask!(consumer).payload_json(&json!({})).send(),
        answer(&mut provider, &results)
    );
    let Err(ExchangeError::Refused(refused)) = got else {
        panic!("{got:?}")
    };
    assert_eq!(refused.code, Code::AnswerInvalid);
    world.finish().await;
}
