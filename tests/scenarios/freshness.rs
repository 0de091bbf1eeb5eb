//! Now, and for the first time.

use proto::Code;
use proto::entry::Kind;
use proto::limits::WINDOW_MS;
use tests::soon;
use tests::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_ends_to_the_millisecond() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let consumer = world.raw_consumer().await;
    let now_ms = world.switch.now_ms();
    for (issued_at_ms, expected) in [
        (now_ms - WINDOW_MS, None),
        (now_ms - WINDOW_MS - 1, Some(Code::Stale)),
        (now_ms + WINDOW_MS, None),
        (now_ms + WINDOW_MS + 1, Some(Code::Stale)),
        (0, Some(Code::Stale)),
        (u64::MAX, Some(Code::Stale)),
    ] {
        let envelope = consumer.envelope(|header| {
            header.issued_at_ms = issued_at_ms;
            // Old ones still have time for an answer.
            header.deadline_ms = 60_000;
        });
        let said = consumer.ask(&envelope).await;
        assert_eq!(
            said.err().and_then(|refusal| refusal.code),
            expected,
            "{issued_at_ms}"
        );
    }
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!((told.coded("answered"), told.coded("stale")), (2, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_is_told_what_became_of_the_first() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let key = world.switch.ground().log_key();
    let envelope = consumer.envelope(|_| {});
    let first = tokio::spawn({
        let (consumer, envelope) = (consumer.clone(), envelope.clone());
        async move { consumer.ask(&envelope).await.unwrap() }
    });
    let delivered = provider.delivery().await;
    // While it is under way.
    let open = consumer.refused(&envelope).await;
    assert_eq!(
        (open.code, open.word("outcome"), open.grpc),
        (Some(Code::Duplicate), "open", tonic::Code::AlreadyExists)
    );
    assert!(
        open.receipt.is_none(),
        "what has not ended has no receipt of its end"
    );
    provider.answer_well(&delivered).await;
    let first = soon("the first answer", first).await.unwrap();
    // After it ended: with its outcome, and the receipt of its end.
    let twice = consumer.refused(&envelope).await;
    assert_eq!(
        (twice.code, twice.word("outcome")),
        (Some(Code::Duplicate), "answered")
    );
    let receipt = twice.receipt.unwrap();
    assert_eq!(
        (receipt.kind, receipt.index),
        (Kind::Closing, first.closing.0)
    );
    receipt
        .verify(&first.envelope.header, Some(&first.envelope.seal), &key)
        .unwrap();
    // A new header under the same id is the same exchange.
    let other = consumer.envelope(|header| header.exchange_id = first.id);
    assert_eq!(consumer.refused(&other).await.code, Some(Code::Duplicate));
    let told = world.finish().await;
    assert_eq!(
        told.story(first.id),
        [
            (Kind::Request, ""),
            (Kind::Refusal, "duplicate"),
            (Kind::Closing, "answered"),
            (Kind::Refusal, "duplicate"),
            (Kind::Refusal, "duplicate"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_refusal_burns_its_id_and_an_unrecorded_one_does_not() {
    let world = World::with_limits("in_flight_per_agency = 1").await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    // Recorded: the id is spent, whatever is asked under it next.
    let curious = consumer.envelope(|header| header.purpose = tests::agreements::part("curiosity"));
    assert_eq!(
        consumer.refused(&curious).await.code,
        Some(Code::PurposeNotGranted)
    );
    let again = consumer.refused(&curious).await;
    assert_eq!(
        (again.code, again.word("outcome")),
        (Some(Code::Duplicate), "purpose_not_granted")
    );
    // Not recorded: the agency has one exchange under way already.
    let under_way = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.ask_well().await.unwrap() }
    });
    let delivered = provider.delivery().await;
    let envelope = consumer.envelope(|_| {});
    let limited = consumer.refused(&envelope).await;
    assert_eq!(
        (limited.code, limited.receipt),
        (Some(Code::RateLimited), None)
    );
    provider.answer_well(&delivered).await;
    soon("the first answer", under_way).await.unwrap();
    // The permit is given back at the closing entry, before the consumer hears: the same envelope passes now.
    let same = tokio::spawn(async move { consumer.ask(&envelope).await });
    let delivered = provider.delivery().await;
    provider.answer_well(&delivered).await;
    soon("the second answer", same).await.unwrap().unwrap();
    let told = world.finish().await;
    assert_eq!((told.coded("answered"), told.coded("rate_limited")), (2, 0));
}
