//! What works: asked, answered, recorded twice, proved by both sides.

use adapters::{ExchangeError, Failure};
use proto::Code;
use proto::commitment::Commitment;
use proto::entry::Kind;
use proto::header::AnswerStatus;
use serde_json::{Value, json};
use tests::agency::TestAgency;
use tests::agreements::Terms;
use tests::provider::{Backend, Does};
use tests::raw::{PAYLOAD, RawConsumer, SALT, new_id};
use tests::world::{PERSONS, World};
use tests::{soon, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_answered_recorded_twice_and_proved_by_both_sides() {
    let world = World::new().await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = world.consumer().await.consumer();
    let answer = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name", "alive"])
        .payload_json(&json!({ "nid": "29001019900011" }))
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.json::<Value>().unwrap(),
        json!({ "name": "Mona", "alive": true })
    );
    assert_eq!(answer.closing_index, answer.request_index + 1);
    until("the provider has its receipt", || {
        handle.status().recorded == 1
    })
    .await;
    assert_eq!((handle.status().unproven, backend.seen()), (0, 1));
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(
        told.story(answer.exchange_id),
        [(Kind::Request, ""), (Kind::Closing, "answered")]
    );
    assert_eq!((told.report.open, told.coded("answered")), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_backend_says_reaches_the_consumer_sealed_and_nothing_more() {
    let world = World::new().await;
    let consumer = world.consumer().await.consumer();
    let cases = [
        (Does::Fails(Failure::NotFound), AnswerStatus::NotFound),
        (
            Does::Fails(Failure::InvalidRequest("secret".to_owned())),
            AnswerStatus::InvalidRequest,
        ),
        (Does::Fails(Failure::Unavailable), AnswerStatus::Unavailable),
        (
            Does::Fails(Failure::Failed("secret".to_owned())),
            AnswerStatus::Failed,
        ),
        (Does::Panics, AnswerStatus::Failed),
    ];
    for (does, expected) in cases {
        let handle = world
            .civil
            .serve(world.switch.ground(), Backend::new(does))
            .await;
        let asked = consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"]);
        match asked.payload_json(&json!({})).send().await {
            Err(ExchangeError::Provider { status, answer }) => {
                assert_eq!(status, expected);
                assert!(
                    answer.payload.is_empty() && answer.fields.is_empty(),
                    "no word of the backend leaves"
                );
            }
            other => panic!("{expected:?}: {other:?}"),
        }
        handle.drain().await.unwrap();
    }
    let told = world.finish().await;
    assert_eq!(
        (told.coded("answered"), told.coded("provider_failed")),
        (2, 3)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_have_two_entries_each_and_one_proof_each() {
    const AT_ONCE: usize = 48;
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(16).await.answer_all());
    let consumer = world.raw_consumer().await;
    let asked: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let consumer = consumer.clone();
            tokio::spawn(async move { consumer.ask_well().await.unwrap() })
        })
        .collect();
    let mut answered = Vec::new();
    for asked in asked {
        answered.push(soon("an answer", asked).await.unwrap());
    }
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!(
        (told.count(Kind::Request), told.count(Kind::Closing)),
        (AT_ONCE, AT_ONCE)
    );
    for answer in answered {
        assert_eq!(
            (told.leaf(answer.request.0), told.leaf(answer.closing.0)),
            (answer.request.1, answer.closing.1)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_sealed_together_verify_each_alone() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(16).await.answer_all());
    let consumer = world.raw_consumer().await;
    let envelopes = super::headers::sealed_together(&consumer, 5);
    for envelope in &envelopes {
        consumer.ask(envelope).await.unwrap();
    }
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!(told.coded("answered"), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_gets_the_kept_answer_and_the_backend_runs_once() {
    let world = World::new().await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = world.raw_consumer().await;
    let first = consumer.ask_well().await.unwrap();
    let retry = consumer
        .ask(&consumer.envelope(|header| header.attempt_of = Some(first.id)))
        .await
        .unwrap();
    assert_eq!((retry.payload, backend.seen()), (first.payload, 1));
    // The same id for another question is refused by the adapter, sealed, before the backend runs.
    let other = consumer.envelope(|header| {
        header.attempt_of = Some(first.id);
        header.payload = Commitment::new("text/plain", PAYLOAD, &SALT);
    });
    let refused = consumer.ask(&other).await.unwrap();
    assert!(
        matches!(refused.header.status, AnswerStatus::Refused(_)),
        "{:?}",
        refused.header.status
    );
    assert_eq!(backend.seen(), 1);
    drop(handle);
    let told = world.finish().await;
    assert_eq!(
        (told.coded("answered"), told.coded("provider_failed")),
        (2, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_is_recorded_once_and_changes_nothing() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let consumer = world.raw_consumer().await;
    let answered = consumer.ask_well().await.unwrap();
    let receipt = consumer.dispute(&answered).await.unwrap();
    assert_eq!(receipt.kind, Kind::Dispute);
    let twice = tests::raw::Refusal::read(&consumer.dispute(&answered).await.unwrap_err());
    assert_eq!(twice.code, Some(Code::Duplicate));
    // Nobody else's exchange can be disputed.
    let stranger = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let stranger = RawConsumer::connect(&world, &stranger, world.switch.exchange()).await;
    let foreign = tests::raw::Refusal::read(&stranger.dispute(&answered).await.unwrap_err());
    assert_eq!(
        foreign.code,
        Some(Code::Stale),
        "of a stranger's exchange the switch says as much as of none"
    );
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    let story = told.story(answered.id);
    assert_eq!(
        story[..2],
        [(Kind::Request, ""), (Kind::Closing, "answered")]
    );
    assert_eq!(story[2], (Kind::Dispute, "payload_mismatch"));
    assert_eq!(told.count(Kind::Dispute), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_adapters_of_one_system_share_its_load() {
    let world = World::new().await;
    let (mut one, mut other) = (world.raw_provider(1).await, world.raw_provider(1).await);
    let consumer = world.raw_consumer().await;
    let asked: Vec<_> = (0..2)
        .map(|_| {
            let consumer = consumer.clone();
            tokio::spawn(async move { consumer.ask_well().await })
        })
        .collect();
    // Each holds one: neither was given both.
    let (first, second) = (one.delivery().await, other.delivery().await);
    assert_ne!(first.header.exchange_id, second.header.exchange_id);
    one.answer_well(&first).await;
    other.answer_well(&second).await;
    for asked in asked {
        soon("an answer", asked).await.unwrap().unwrap();
    }
    let told = world.finish().await;
    assert_eq!(told.coded("answered"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_grant_needs_nobody_else_and_covers_its_class_only() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let terms = Terms {
        consumer: proto::act::ConsumerScope::parse("EG/GOV/*").unwrap(),
        ..Terms::for_agency(&world.moss)
    };
    let public = world.civil.propose(&world.switch, &terms).await;
    for (system, expected) in [
        ("EG/GOV/GIZA/services", None),
        ("EG/COM/BANK/loans", Some(Code::NoAgreement)),
    ] {
        let agency = TestAgency::enrol(&world.switch, system).await;
        let consumer = RawConsumer::connect(&world, &agency, world.switch.exchange()).await;
        let asked = consumer
            .ask(&consumer.envelope(|header| header.agreement = Some(public)))
            .await;
        assert_eq!(
            asked.err().and_then(|refusal| refusal.code),
            expected,
            "{system}"
        );
    }
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!((told.coded("answered"), told.coded("no_agreement")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_belongs_to_its_system_and_not_to_all() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let terms = Terms::for_agency(&giza);
    let agreement = world.civil.agree(&world.switch, &giza, &terms).await;
    let id = new_id(world.switch.clock());
    let moss = world.raw_consumer().await;
    moss.ask(&moss.envelope(|header| header.exchange_id = id))
        .await
        .unwrap();
    let giza = RawConsumer::connect(&world, &giza, world.switch.exchange()).await;
    let same = giza.envelope(|header| {
        header.exchange_id = id;
        header.agreement = Some(agreement);
    });
    giza.ask(&same).await.unwrap();
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!(told.coded("answered"), 2);
}
