//! What a start makes of an earlier run: open exchanges are closed, ids and quotas are remembered.

use proto::Code;
use proto::entry::Kind;
use tests::agreements::Terms;
use tests::soon;
use tests::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_open_when_power_was_cut_is_abandoned_at_the_start() {
    let world = World::with_limits("drain_ms = 50").await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let envelope = consumer.envelope(|_| {});
    let asked = tokio::spawn({
        let (consumer, envelope) = (consumer.clone(), envelope.clone());
        async move { consumer.call(&envelope).await }
    });
    let delivered = provider.delivery().await;
    let world = world.after_a_power_cut().await;
    assert!(soon("the call breaks", asked).await.unwrap().is_err());
    let consumer = world.raw_consumer().await;
    let duplicate = consumer.refused(&envelope).await;
    assert_eq!(
        (duplicate.code, duplicate.word("outcome")),
        (Some(Code::Duplicate), "abandoned")
    );
    assert_eq!(duplicate.receipt.unwrap().kind, Kind::Closing);
    let told = world.finish().await;
    assert_eq!(
        told.story(delivered.header.exchange_id),
        [
            (Kind::Request, ""),
            (Kind::Closing, "abandoned"),
            (Kind::Refusal, "duplicate")
        ]
    );
    assert_eq!(told.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answered_and_refused_ids_are_remembered_and_the_quota_goes_on() {
    let world = World::new().await;
    let terms = Terms {
        daily_quota: 3,
        ..Terms::for_agency(&world.moss)
    };
    let agreement = world.civil.agree(&world.switch, &world.moss, &terms).await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let consumer = world.raw_consumer().await;
    let answered = consumer.envelope(|header| header.agreement = Some(agreement));
    consumer.ask(&answered).await.unwrap();
    let refused = consumer.envelope(|header| header.purpose = tests::agreements::part("curiosity"));
    assert_eq!(
        consumer.refused(&refused).await.code,
        Some(Code::PurposeNotGranted)
    );
    let mut world = world.restart().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    for round in 0..2 {
        let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
        let consumer = world.raw_consumer().await;
        for (envelope, outcome) in [(&answered, "answered"), (&refused, "purpose_not_granted")] {
            let duplicate = consumer.refused(envelope).await;
            assert_eq!(
                (duplicate.code, duplicate.word("outcome")),
                (Some(Code::Duplicate), outcome),
                "{round}"
            );
        }
        let next = consumer
            .ask(&consumer.envelope(|header| header.agreement = Some(agreement)))
            .await;
        next.unwrap();
        if round == 1 {
            let over = consumer
                .refused(&consumer.envelope(|header| header.agreement = Some(agreement)))
                .await;
            assert_eq!(
                over.code,
                Some(Code::QuotaExceeded),
                "two starts did not forget what was used"
            );
        }
        world = world.restart().await;
        soon("the link ends with the switch", provider)
            .await
            .unwrap();
    }
    let told = world.finish().await;
    let used: Vec<_> = told
        .of(Kind::Request)
        .iter()
        .map(|(_, _, facts)| facts.quota_used)
        .collect();
    assert_eq!(used, [1, 2, 3]);
    assert_eq!(told.count(Kind::Epoch), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agencies_come_back_with_the_same_homes() {
    let world = World::new().await;
    let world = world.restart().await;
    let handle = world
        .civil
        .serve(
            world.switch.ground(),
            tests::provider::Backend::new(tests::provider::Does::Answers),
        )
        .await;
    let consumer = world.consumer().await.consumer();
    let asked = consumer
        .ask(tests::world::PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name"]);
    asked.send().await.unwrap();
    drop(handle);
    world.finish().await;
}
