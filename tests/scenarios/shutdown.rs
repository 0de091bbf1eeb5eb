//! The order of the end: no new work, what is under way finishes within its bound, the log is closed last.

use proto::Code;
use proto::entry::Kind;
use proto::wire::exchange::v1::attach_response::Message as In;
use tests::soon;
use tests::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_finished_and_adapters_are_told() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let asked = tokio::spawn(async move { consumer.ask_well().await });
    let delivered = provider.delivery().await;
    let finishing = tokio::spawn(world.finish());
    // The adapter hears that no new work comes, and its answer is still taken.
    assert!(matches!(provider.next().await.unwrap(), Some(In::Drain(_))));
    provider.answer_well(&delivered).await;
    let answered = soon("the answer", asked).await.unwrap().unwrap();
    let told = soon("the switch ends", finishing).await.unwrap();
    assert_eq!(
        told.story(answered.id),
        [(Kind::Request, ""), (Kind::Closing, "answered")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_in_time_is_ended_and_recorded() {
    let world = World::with_limits("drain_ms = 200").await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let asked = tokio::spawn(async move {
        consumer
            .ask(&consumer.envelope(|header| header.deadline_ms = 120_000))
            .await
    });
    let delivered = provider.delivery().await;
    let told = soon("the switch ends", Box::pin(world.finish())).await;
    let heard = soon("the consumer hears", asked).await.unwrap();
    assert!(heard.is_err());
    if let Err(refusal) = heard
        && let Some(code) = refusal.code
    {
        assert_eq!(code, Code::ProviderFailed);
    }
    assert_eq!(
        told.story(delivered.header.exchange_id),
        [(Kind::Request, ""), (Kind::Closing, "abandoned")]
    );
    assert_eq!(told.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_switch_with_attached_adapters_ends_at_once() {
    let world = World::new().await;
    let handle = world
        .civil
        .serve(
            world.switch.ground(),
            tests::provider::Backend::new(tests::provider::Does::Answers),
        )
        .await;
    let adapter = world.consumer().await;
    let began = std::time::Instant::now();
    let told = world.finish().await;
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    drop((handle, adapter));
    assert_eq!(told.count(Kind::Request), 0);
}
