//! Consumers that hang up: before the request is durable it is dropped, after that it goes on without them.

use std::time::Duration;

use proto::Code;
use proto::entry::Kind;
use proto::wire::exchange::v1::CancelReason;
use tests::journal::Faulty;
use tests::raw::Refusal;
use tests::world::World;
use tests::{soon, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_record_the_provider_is_told_and_the_end_is_recorded() {
    let world = World::with_limits("in_flight_per_agency = 1").await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let envelope = consumer.envelope(|_| {});
    let asked = tokio::spawn({
        let (consumer, envelope) = (consumer.clone(), envelope.clone());
        async move { consumer.call(&envelope).await }
    });
    let delivered = provider.delivery().await;
    let size = world.switch.size();
    asked.abort();
    assert_eq!(provider.cancelled().await.reason(), CancelReason::HangUp);
    until("the closing entry", || world.switch.size() == size + 1).await;
    // The permit was held until now, and is free again: this agency may have one exchange under way.
    let duplicate = consumer.refused(&envelope).await;
    assert_eq!(
        (duplicate.code, duplicate.word("outcome")),
        (Some(Code::Duplicate), "cancelled")
    );
    // An answer all the same is late.
    let size = world.switch.size();
    provider.answer_well(&delivered).await;
    until("the late entry", || world.switch.size() == size + 1).await;
    let told = world.finish().await;
    assert_eq!(
        told.story(delivered.header.exchange_id),
        [
            (Kind::Request, ""),
            (Kind::Closing, "cancelled"),
            (Kind::Refusal, "duplicate"),
            (Kind::Late, "answered")
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_came_first_stands_though_nobody_hears_it() {
    let (world, journal) = World::new()
        .await
        .over(|journal| Faulty::new(journal, false))
        .await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let asked = tokio::spawn(async move { consumer.ask_well().await });
    let delivered = provider.delivery().await;
    // The answer's entry is being written when the consumer hangs up.
    journal.hold(true);
    provider.answer_well(&delivered).await;
    until("the answer waits for the journal", || journal.waiting() > 0).await;
    asked.abort();
    journal.hold(false);
    let (exchange, receipt) = provider.recorded().await;
    assert_eq!(
        (exchange, receipt.kind),
        (
            delivered.header.exchange_id.as_bytes().to_vec(),
            Kind::Closing
        )
    );
    let told = world.finish().await;
    let story = told.story(delivered.header.exchange_id);
    assert_eq!(
        story,
        [(Kind::Request, ""), (Kind::Closing, "answered")],
        "answered means recorded, and counts"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_record_is_written_the_exchange_goes_on_detached() {
    let (world, journal) = World::new()
        .await
        .over(|journal| Faulty::new(journal, false))
        .await;
    let provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let envelope = consumer.envelope(|_| {});
    let size = world.switch.size();
    journal.hold(true);
    let asked = tokio::spawn({
        let (consumer, envelope) = (consumer.clone(), envelope.clone());
        async move { consumer.call(&envelope).await }
    });
    until("the request waits for the journal", || {
        journal.waiting() > 0
    })
    .await;
    asked.abort();
    journal.hold(false);
    until("request and ending", || world.switch.size() == size + 2).await;
    drop(provider);
    let told = world.finish().await;
    let id = proto::header::RequestHeader::open(&envelope.header)
        .unwrap()
        .exchange_id;
    assert_eq!(
        told.story(id),
        [(Kind::Request, ""), (Kind::Closing, "cancelled")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callers_own_shorter_deadline_counts() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let envelope = consumer.envelope(|header| header.deadline_ms = 60_000);
    let asked = tokio::spawn({
        let consumer = consumer.clone();
        async move {
            consumer
                .call_within(&envelope, Duration::from_millis(400))
                .await
        }
    });
    let delivered = provider.delivery().await;
    assert!(delivered.remaining_ms <= 400, "{}", delivered.remaining_ms);
    let size = world.switch.size();
    let refusal = Refusal::read(&soon("the deadline", asked).await.unwrap().unwrap_err());
    // The switch says it itself, a moment before the client's own timer would.
    assert_eq!(refusal.code, Some(Code::Deadline), "{refusal:?}");
    assert_eq!(provider.cancelled().await.reason(), CancelReason::Deadline);
    until("the closing entry", || {
        world.switch.size() > size.saturating_sub(1)
    })
    .await;
    let told = world.finish().await;
    assert_eq!(told.coded("deadline"), 1);
}
