//! Providers that answer wrongly, twice, late, or not at all.

use adapters::{ExchangeError, Untrusted};
use proto::Code;
use proto::commitment::Commitment;
use proto::entry::Kind;
use proto::header::AnswerStatus;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use tests::agreements::parts;
use tests::link::{Delivered, RawProvider};
use tests::provider::{Backend, Does};
use tests::raw::{Answered, RawConsumer, Refusal, SALT};
use tests::world::{PERSONS, World};
use tests::{soon, until};
use tokio::task::JoinHandle;

/// Asks in the background.
fn asking(consumer: &RawConsumer, deadline_ms: u32) -> JoinHandle<Result<Answered, Refusal>> {
    let consumer = consumer.clone();
    tokio::spawn(async move {
        let envelope = consumer.envelope(|header| header.deadline_ms = deadline_ms);
        let said = consumer.ask(&envelope).await;
        if let Err(refusal) = &said {
            // Every fault is the end of a recorded request, and the caller can prove it.
            assert_eq!(refusal.receipt.as_ref().unwrap().kind, Kind::Closing);
        }
        said
    })
}

/// One exchange that `send` answers; gives what the consumer heard.
async fn answered_by<F>(send: impl FnOnce(RawProvider, Delivered) -> F) -> (World, Refusal)
where
    F: Future<Output = RawProvider>,
{
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let asked = asking(&world.raw_consumer().await, 10_000);
    let delivered = provider.delivery().await;
    let provider = send(provider, delivered).await;
    let refusal = soon("the consumer hears", asked)
        .await
        .unwrap()
        .unwrap_err();
    drop(provider);
    (world, refusal)
}

/// An answer that does not hold: what the consumer hears, what the log keeps.
async fn invalid(
    clause: &str,
    change: impl FnOnce(&RawProvider, &Delivered) -> proto::envelope::Envelope,
) {
    let (world, refusal) = answered_by(async |provider, delivered| {
        let envelope = change(&provider, &delivered);
        provider.send_answer(&delivered, &envelope).await;
        provider
    })
    .await;
    assert_eq!(
        (refusal.code, refusal.grpc),
        (Some(Code::AnswerInvalid), tonic::Code::Internal)
    );
    let told = world.finish().await;
    let (_, entry, facts) = told.of(Kind::Closing).pop().unwrap();
    assert_eq!(
        (facts.code.as_str(), facts.clause.as_str()),
        ("provider_failed", &*format!("answer_invalid: {clause}"))
    );
    assert!(
        entry.header.is_empty() && !facts.refused_sha256.is_empty(),
        "the log keeps its digest only"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_another_exchange_is_invalid() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let (one, other) = (asking(&consumer, 10_000), asking(&consumer, 10_000));
    let (first, second) = (provider.delivery().await, provider.delivery().await);
    // Crosswise: each right answer to the wrong question.
    let (to_first, to_second) = (
        provider.answer(&first, |_| {}),
        provider.answer(&second, |_| {}),
    );
    provider.send_answer(&first, &to_second).await;
    provider.send_answer(&second, &to_first).await;
    for asked in [one, other] {
        let refusal = soon("the consumer hears", asked)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(
            (refusal.code, refusal.word("clause")),
            (Some(Code::AnswerInvalid), "answer_invalid: other_exchange")
        );
    }
    let told = world.finish().await;
    assert_eq!(told.coded("provider_failed"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_other_bytes_of_the_same_exchange_is_invalid() {
    invalid("other_exchange", |provider, delivered| {
        provider.answer(delivered, |header| {
            header.request_header = proto::Digest::of(b"another request")
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_was_not_asked_for_is_invalid() {
    invalid("field income", |provider, delivered| {
        provider.answer(delivered, |header| {
            header.fields = parts(&["income", "name"])
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_under_another_seal_is_invalid() {
    invalid("seal", |provider, delivered| {
        let mut envelope = provider.answer(delivered, |_| {});
        envelope.seal.leaf_index = 1;
        envelope
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_no_header_is_invalid() {
    invalid("malformed", |provider, delivered| {
        let mut envelope = provider.answer(delivered, |_| {});
        envelope.header = bytes::Bytes::from_static(b"\xff\xff");
        envelope
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_another_length_is_invalid() {
    invalid("payload_mismatch", |provider, delivered| {
        let mut envelope = provider.answer(delivered, |_| {});
        envelope.payload = bytes::Bytes::from_static(b"{}");
        envelope
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_with_another_payload_is_disputed_by_the_consumers_adapter() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let adapter = world.consumer().await;
    let asked = tokio::spawn(async move {
        let consumer = adapter.consumer();
        consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"])
            .send()
            .await
    });
    let delivered = provider.delivery().await;
    let mut envelope = provider.answer(&delivered, |header| {
        header.payload = Commitment::new("application/json", b"what was sealed", &SALT);
    });
    // Of the same length: only the receiving side can tell.
    envelope.payload = bytes::Bytes::from_static(b"what was sent..");
    provider.send_answer(&delivered, &envelope).await;
    match soon("the consumer hears", asked)
        .await
        .unwrap()
        .unwrap_err()
    {
        ExchangeError::Untrusted {
            reason: Untrusted::Payload,
            disputed,
            ..
        } => assert!(disputed),
        other => panic!("{other:?}"),
    }
    let told = world.finish().await;
    let story = told.story(delivered.header.exchange_id);
    assert_eq!(
        story[1..],
        [
            (Kind::Closing, "answered"),
            (Kind::Dispute, "payload_mismatch")
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_answer_is_recorded_as_late_and_changes_nothing() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let asked = asking(&world.raw_consumer().await, 10_000);
    let delivered = provider.delivery().await;
    provider.answer_well(&delivered).await;
    let answered = soon("the consumer hears", asked).await.unwrap().unwrap();
    provider.recorded().await;
    let size = world.switch.size();
    let other = provider.answer(&delivered, |header| header.fields = Vec::new());
    provider.send_answer(&delivered, &other).await;
    until("the late entry", || world.switch.size() == size + 1).await;
    // A third one is not worth an entry: the exchange of the link knows one late answer.
    provider.send_answer(&delivered, &other).await;
    let told = world.finish().await;
    assert_eq!(
        told.story(answered.id),
        [
            (Kind::Request, ""),
            (Kind::Closing, "answered"),
            (Kind::Late, "answered")
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_is_recorded_and_changes_nothing() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let asked = asking(&world.raw_consumer().await, 100);
    let delivered = provider.delivery().await;
    let refusal = soon("the deadline", asked).await.unwrap().unwrap_err();
    assert_eq!(
        (refusal.code, refusal.word("outcome")),
        (Some(Code::Deadline), "deadline")
    );
    let cancel = provider.cancelled().await;
    assert_eq!(cancel.reason(), wire::CancelReason::Deadline);
    let size = world.switch.size();
    provider.answer_well(&delivered).await;
    until("the late entry", || world.switch.size() == size + 1).await;
    let told = world.finish().await;
    let story = told.story(delivered.header.exchange_id);
    assert_eq!(
        story,
        [
            (Kind::Request, ""),
            (Kind::Closing, "deadline"),
            (Kind::Late, "answered")
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_never_answers_is_a_deadline() {
    let world = World::new().await;
    let provider = world.raw_provider(4).await;
    let refusal = soon("the deadline", asking(&world.raw_consumer().await, 100))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        (refusal.code, refusal.grpc),
        (Some(Code::Deadline), tonic::Code::DeadlineExceeded)
    );
    drop(provider);
    let told = world.finish().await;
    assert_eq!(told.coded("deadline"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_dies_half_way_has_failed() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let asked = asking(&world.raw_consumer().await, 10_000);
    provider.delivery().await;
    drop(provider);
    let refusal = soon("the consumer hears", asked)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        (refusal.code, refusal.word("clause")),
        (Some(Code::ProviderFailed), "link_lost")
    );
    assert_eq!(refusal.grpc, tonic::Code::Unavailable);
    let told = world.finish().await;
    assert_eq!(told.coded("provider_failed"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_adapter_itself_lets_no_other_field_out() {
    let world = World::new().await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::SaysTooMuch))
        .await;
    let answered = world.raw_consumer().await.ask_well().await.unwrap();
    assert_eq!(answered.header.status, AnswerStatus::Failed);
    assert!(answered.payload.is_empty());
    drop(handle);
    let told = world.finish().await;
    assert_eq!(told.coded("provider_failed"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_nobody_asked_for_is_dropped() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let asked = asking(&world.raw_consumer().await, 10_000);
    let delivered = provider.delivery().await;
    let size = world.switch.size();
    let envelope = provider.answer(&delivered, |_| {}).to_wire();
    let unknown = tests::raw::new_id(world.switch.clock());
    for exchange_id in [
        unknown.as_bytes().to_vec(),
        Vec::new(),
        vec![1; 16],
        vec![7; 400],
    ] {
        let answer = wire::Answer {
            exchange_id: exchange_id.into(),
            envelope: Some(envelope.clone()),
        };
        provider.send(Out::Answer(answer)).await;
    }
    // In order on one stream: when this is answered, the others were read.
    provider.answer_well(&delivered).await;
    soon("the consumer hears", asked).await.unwrap().unwrap();
    assert_eq!(world.switch.size(), size + 1);
    let told = world.finish().await;
    assert_eq!((told.coded("answered"), told.count(Kind::Late)), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_breaks_the_protocol_ends_with_a_reason() {
    let world = World::new().await;
    let attach = |max_in_flight| {
        Some(Out::Attach(wire::Attach {
            max_in_flight,
            takes_uploads: true,
            takes_events: false,
        }))
    };
    let firsts = [
        None,
        attach(0),
        Some(Out::Credit(wire::Credit { more: 1 })),
        Some(Out::Drain(wire::Drain {})),
    ];
    for first in firsts {
        let raw =
            RawProvider::connect(world.switch.ground(), &world.civil, world.switch.exchange())
                .await;
        let ended = match raw
            .open(wire::AttachRequest {
                message: first.clone(),
            })
            .await
        {
            Ok(mut opened) => opened.next().await.unwrap_err(),
            Err(status) => status,
        };
        assert_eq!(
            ended.code(),
            tonic::Code::InvalidArgument,
            "{first:?}: {ended}"
        );
    }
    let seconds = [None, attach(1), Some(Out::Credit(wire::Credit { more: 0 }))];
    for second in seconds {
        let mut provider = world.raw_provider(4).await;
        provider
            .send_wire(wire::AttachRequest {
                message: second.clone(),
            })
            .await;
        let ended = provider.next().await.unwrap_err();
        assert_eq!(
            ended.code(),
            tonic::Code::InvalidArgument,
            "{second:?}: {ended}"
        );
    }
    assert_eq!(
        world
            .raw_consumer()
            .await
            .ask_well()
            .await
            .unwrap_err()
            .code,
        Some(Code::ProviderOffline)
    );
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_delivered_than_there_is_credit_for() {
    let world = World::new().await;
    let mut provider = world.raw_provider(1).await;
    let consumer = world.raw_consumer().await;
    let size = world.switch.size();
    let asked: Vec<_> = (0..3).map(|_| asking(&consumer, 10_000)).collect();
    until("all three are recorded", || world.switch.size() == size + 3).await;
    let mut delivered = provider.delivery().await;
    for _ in 0..2 {
        // That nothing comes can only be waited for.
        let more =
            tokio::time::timeout(std::time::Duration::from_millis(50), provider.delivery()).await;
        assert!(more.is_err(), "delivered above the credit");
        provider.answer_well(&delivered).await;
        delivered = provider.delivery().await;
    }
    provider.answer_well(&delivered).await;
    for asked in asked {
        soon("the consumer hears", asked).await.unwrap().unwrap();
    }
    let told = world.finish().await;
    assert_eq!(told.coded("answered"), 3);
}
