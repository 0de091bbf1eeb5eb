//! Many calls on one stream: the same rooms, refusals and records as single calls; hang-ups, ends and nonsense.

use std::sync::Arc;

use adapters::provider::Handle;
use adapters::{Consumer, ExchangeError};
use prost::Message as _;
use proto::Code;
use proto::entry::Kind;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::CancelReason;
use proto::wire::exchange::v1::calls_request::Message;
use proto::wire::exchange::v1::calls_response::Outcome;
use serde_json::json;
use tests::agency::TestAgency;
use tests::provider::{Backend, Does};
use tests::world::{PERSONS, World};
use tests::{channel, soon, until};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;

/// The agency's consumer, whose settings ask for the stream.
async fn streaming(world: &World, agency: &TestAgency) -> Consumer {
    let path = agency.home_dir().join("adapter.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    if !text.contains("call_stream") {
        std::fs::write(&path, format!("call_stream = true\n{text}")).unwrap();
    }
    agency.adapter(world.switch.ground()).await.consumer()
}

async fn ask(consumer: &Consumer, purpose: &str) -> Result<adapters::Answer, ExchangeError> {
    let ask = consumer.ask(PERSONS).operation("read").purpose(purpose);
    let ask = ask
        .fields(["name"])
        .payload_json(&json!({ "nid": "29001019900011" }));
    ask.send().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_at_once_are_answered_and_a_refusal_between_them_is_proved() {
    let world = World::new().await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let consumer = streaming(&world, &world.moss).await;
    let mut asked = JoinSet::new();
    for number in 0..300 {
        let consumer = consumer.clone();
        let purpose = if number % 10 == 0 {
            "marketing"
        } else {
            "social-benefit"
        };
        asked.spawn(async move { (purpose, ask(&consumer, purpose).await) });
    }
    let (mut answered, mut refused) = (0, 0);
    while let Some(outcome) = soon("an outcome", asked.join_next()).await {
        match outcome.unwrap() {
            ("social-benefit", outcome) => {
                assert!(outcome.unwrap().closing_index > 0);
                answered += 1;
            }
            (_, Err(ExchangeError::Refused(refusal))) => {
                assert_eq!(
                    (refusal.code, refusal.proven),
                    (Code::PurposeNotGranted, true)
                );
                refused += 1;
            }
            (purpose, outcome) => panic!("{purpose}: {outcome:?}"),
        }
    }
    assert_eq!((answered, refused), (270, 30));
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(
        (
            told.coded("answered"),
            told.coded("purpose_not_granted"),
            told.report.open
        ),
        (270, 30, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stops_waiting_hangs_up_and_the_others_go_on() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let consumer = streaming(&world, &world.moss).await;
    let [first, second] = [(); 2].map(|()| {
        let consumer = consumer.clone();
        tokio::spawn(async move { ask(&consumer, "social-benefit").await })
    });
    let one = provider.delivery().await;
    let other = provider.delivery().await;
    let size = world.switch.size();
    first.abort();
    assert_eq!(provider.cancelled().await.reason(), CancelReason::HangUp);
    until("the closing entry", || world.switch.size() == size + 1).await;
    // Which of the two was the first one's is not known here; the one that was cancelled is late.
    provider.answer_well(&one).await;
    provider.answer_well(&other).await;
    let answer = soon("the other answer", second).await.unwrap().unwrap();
    drop(consumer);
    let told = world.finish().await;
    assert_eq!(
        told.story(answer.exchange_id),
        [(Kind::Request, ""), (Kind::Closing, "answered")]
    );
    assert_eq!((told.coded("cancelled"), told.report.open), (1, 0));
}

/// One question that the backend has and does not answer before it gets a permit.
struct Asked {
    permits: Arc<Semaphore>,
    backend: Backend,
    handle: Handle,
    consumer: Consumer,
    asked: JoinHandle<Result<adapters::Answer, ExchangeError>>,
}

async fn asked_once(world: &World) -> Asked {
    let permits = Arc::new(Semaphore::new(0));
    let backend = Backend::new(Does::Waits(Arc::clone(&permits)));
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = streaming(world, &world.moss).await;
    let asked = tokio::spawn({
        let consumer = consumer.clone();
        async move { ask(&consumer, "social-benefit").await }
    });
    until("the backend has it", || backend.seen() == 1).await;
    Asked {
        permits,
        backend,
        handle,
        consumer,
        asked,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_ends_finishes_what_is_under_way_and_a_new_one_is_asked_on_a_new_stream() {
    let world = World::new().await;
    let Asked {
        permits,
        backend,
        handle,
        consumer,
        asked,
    } = asked_once(&world).await;
    let ending = tokio::spawn(world.restart());
    permits.add_permits(2);
    soon("its answer", asked).await.unwrap().unwrap();
    let world = soon("the switch starts again", ending).await.unwrap();
    drop((consumer, handle));
    // The address is another one, so the adapter is as well.
    let handle = world.civil.serve(world.switch.ground(), backend).await;
    let consumer = streaming(&world, &world.moss).await;
    ask(&consumer, "social-benefit").await.unwrap();
    handle.drain().await.unwrap();
    assert_eq!(world.finish().await.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_moves_the_stream_over_and_loses_nothing() {
    let world = World::new().await;
    let Asked {
        permits,
        handle,
        consumer,
        asked,
        ..
    } = asked_once(&world).await;
    consumer.adapter().renew().await.unwrap();
    permits.add_permits(2);
    // The one that began on the first connection ends there; the next begins on the second.
    soon("the first answer", asked).await.unwrap().unwrap();
    soon("the second answer", ask(&consumer, "social-benefit"))
        .await
        .unwrap();
    handle.drain().await.unwrap();
    assert_eq!(world.finish().await.coded("answered"), 2);
}

fn call(number: u64, envelope: Option<wire::Envelope>) -> wire::CallsRequest {
    wire::CallsRequest {
        number,
        message: Some(Message::Call(wire::StreamedCall {
            envelope,
            patience_ms: 0,
            traceparent: "no trace at all".to_owned(),
        })),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_ends_the_stream_or_one_call_and_nothing_else() {
    let world = World::new().await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let raw = world.raw_consumer().await;
    let open = || async {
        let (out, queue) = mpsc::channel(8);
        let answers = raw
            .client()
            .calls(ReceiverStream::new(queue))
            .await
            .unwrap();
        (out, answers.into_inner())
    };
    // Neither call nor hang-up: the stream ends with a reason.
    let (out, mut answers) = open().await;
    out.send(wire::CallsRequest::default()).await.unwrap();
    let status = soon("the end", answers.message()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    // A hang-up of nothing is nothing; an empty envelope is refused; one number twice is two calls.
    let (out, mut answers) = open().await;
    let hang_up = wire::CallsRequest {
        number: 7,
        message: Some(Message::HangUp(wire::HangUp {})),
    };
    out.send(hang_up).await.unwrap();
    out.send(call(1, None)).await.unwrap();
    let sent = [raw.envelope(|_| {}), raw.envelope(|_| {})];
    for envelope in &sent {
        out.send(call(2, Some(envelope.to_wire()))).await.unwrap();
    }
    drop(out);
    let (mut refused, mut answered) = (0, 0);
    while let Some(response) = soon("an outcome", answers.message()).await.unwrap() {
        match (response.number, response.outcome.unwrap()) {
            (1, Outcome::Refused(told)) => {
                assert_eq!(
                    tonic::Code::from_i32(told.code),
                    tonic::Code::InvalidArgument
                );
                refused += 1;
            }
            (2, Outcome::Answered(_)) => answered += 1,
            (number, outcome) => panic!("{number}: {outcome:?}"),
        }
    }
    assert_eq!((refused, answered), (1, 2));
    handle.drain().await.unwrap();
    assert_eq!(world.finish().await.coded("answered"), 2);
}

/// HTTP/2 looks at a stream only while its caller reads, so nothing that must end in time may hang on that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_no_answer_holds_up_no_exchange_and_no_deadline() {
    const ANSWERED: u64 = 60;
    const WINDOW_BYTES: u32 = 16_384;
    let world = World::new().await;
    let mut provider = world.raw_provider(128).await;
    let tls = world.moss.tls(world.switch.ground());
    let narrow = channel::narrow(world.switch.exchange(), tls, WINDOW_BYTES).await;
    let raw = world.raw_consumer().await.over(narrow.unwrap());
    let (out, queue) = mpsc::channel(8);
    let calls = raw.client().calls(ReceiverStream::new(queue)).await;
    let mut answers = calls.unwrap().into_inner();
    let mut delivered = Vec::new();
    for number in 0..=ANSWERED {
        let envelope = raw.envelope(|header| {
            header.deadline_ms = if number == ANSWERED { 2_000 } else { 60_000 };
        });
        out.send(call(number, Some(envelope.to_wire())))
            .await
            .unwrap();
        delivered.push(provider.delivery().await);
    }
    delivered.pop();
    let size = world.switch.size();
    for one in &delivered {
        provider.answer_well(one).await;
    }
    // Nobody has read a byte of it, and all of it ends.
    assert_eq!(provider.cancelled().await.reason(), CancelReason::Deadline);
    until("all are closed", || {
        world.switch.size() == size + ANSWERED + 1
    })
    .await;
    drop(out);
    let (mut answered, mut bytes) = (0, 0);
    while let Some(response) = soon("an outcome", answers.message()).await.unwrap() {
        bytes += response.encoded_len();
        match response.outcome.unwrap() {
            Outcome::Answered(_) => answered += 1,
            Outcome::Refused(told) => {
                let code = tonic::Code::from_i32(told.code);
                assert_eq!(
                    (response.number, code),
                    (ANSWERED, tonic::Code::DeadlineExceeded)
                );
            }
        }
    }
    assert_eq!(answered, ANSWERED);
    assert!(
        bytes > 2 * WINDOW_BYTES as usize,
        "{bytes} bytes shut no window"
    );
    let told = world.finish().await;
    assert_eq!(
        (told.coded("answered"), told.coded("deadline")),
        (ANSWERED, 1)
    );
}
