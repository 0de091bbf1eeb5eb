//! Submissions and collectors that no honest adapter is.

use adapters::sealed::{OpeningKey, seal};
use bytes::Bytes;
use proto::envelope::Envelope;
use proto::sealed::{Contents, Of};
use tests::ground::ORIGIN;
use tests::raw::{PAYLOAD, RawConsumer, Refusal, SALT};
use tests::world::MOSS;

use super::*;

/// A submission built by hand, sealed to `key`.
fn by_hand(
    consumer: &RawConsumer,
    key: &proto::sealed::EncryptionKey,
    change: impl FnOnce(&mut proto::header::RequestHeader),
) -> Envelope {
    let open = consumer.envelope(|header| {
        header.deadline_ms = 3_600_000;
        header.payload = header.payload.clone().sealed();
        change(header);
    });
    let contents = Contents {
        salt: SALT,
        answer_key: Some(*OpeningKey::generate().unwrap().key()),
        payload: Bytes::from_static(PAYLOAD),
    };
    let payload = seal(key, Of::Request, ORIGIN, &open.header, &contents).unwrap();
    Envelope {
        salt: Bytes::new(),
        payload,
        ..open
    }
}

async fn submit(
    consumer: &RawConsumer,
    envelope: &Envelope,
) -> Result<wire::SubmitResponse, Refusal> {
    let request = wire::SubmitRequest {
        envelope: Some(envelope.to_wire()),
    };
    let response = consumer.client().submit(request).await;
    response
        .map(tonic::Response::into_inner)
        .map_err(|status| Refusal::read(&status))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_submission_is_refused_and_the_same_twice_is_one() {
    let world = World::new().await;
    let key = world.civil.bind_encryption_key(&world.switch).await;
    let consumer = world.raw_consumer().await;
    let well = by_hand(&consumer, &key, |_| {});
    // As a call; a call as a submission; in the open; for longer than any may wait.
    assert_eq!(consumer.refused(&well).await.code, Some(Code::Malformed));
    for wrong in [
        consumer.envelope(|_| {}),
        consumer.envelope(|header| header.deadline_ms = 3_600_000),
        by_hand(&consumer, &key, |header| header.deadline_ms = 120_000),
        by_hand(&consumer, &key, |header| header.deadline_ms = 2_592_000_001),
    ] {
        let refusal = submit(&consumer, &wrong).await.unwrap_err();
        assert_eq!(refusal.code, Some(Code::Malformed));
    }
    let purpose = by_hand(&consumer, &key, |header| {
        header.purpose = tests::agreements::part("curiosity");
    });
    let refusal = submit(&consumer, &purpose).await.unwrap_err();
    assert_eq!(refusal.code, Some(Code::PurposeNotGranted));
    let mut cut = well.clone();
    cut.payload = cut.payload.slice(..cut.payload.len() - 1);
    assert!(submit(&consumer, &cut).await.is_err());
    submit(&consumer, &well).await.unwrap();
    let again = submit(&consumer, &well).await.unwrap_err();
    assert_eq!(
        (again.code, again.word("outcome")),
        (Some(Code::Duplicate), "open")
    );
    // The id stays taken for as long as the first one is here, whatever else is forgotten.
    world.switch.clock().advance_ms(600_000);
    let id = proto::header::RequestHeader::open(&well.header)
        .unwrap()
        .exchange_id;
    let later = by_hand(&consumer, &key, |header| header.exchange_id = id);
    let again = submit(&consumer, &later).await.unwrap_err();
    assert_eq!(
        (again.code, again.word("outcome")),
        (Some(Code::Duplicate), "open")
    );
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Request), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_collect_get_the_same_until_one_has_it_and_strangers_get_nothing() {
    let world = world("").await;
    let (consumer, one) = submitted(&world).await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let raw = world.raw_consumer().await;
    let collect = |client: &RawConsumer, taken| {
        let mut client = client.client();
        let request = wire::CollectRequest {
            exchange_id: one.exchange_id.as_bytes().to_vec().into(),
            wait_ms: 20_000,
            taken,
        };
        async move {
            client
                .collect(request)
                .await
                .map(tonic::Response::into_inner)
        }
    };
    let [first, second] = [collect(&raw, false).await, collect(&raw, false).await];
    let first = first.unwrap();
    assert!(matches!(
        first.outcome,
        Some(wire::collect_response::Outcome::Answered(_))
    ));
    assert_eq!(first, second.unwrap());
    // Another agency is not even told that there is one.
    let channel = tests::channel::channel(
        world.switch.exchange(),
        world.civil.tls(world.switch.ground()),
    )
    .await
    .unwrap();
    let stranger = raw.over(channel);
    let refusal = Refusal::read(&collect(&stranger, false).await.unwrap_err());
    assert_eq!(refusal.code, Some(Code::Stale));
    let refusal = Refusal::read(&collect(&stranger, true).await.unwrap_err());
    assert_eq!(refusal.code, Some(Code::Stale));
    let mut client = stranger.client();
    let all = client
        .submissions(wire::SubmissionsRequest {})
        .await
        .unwrap();
    assert!(all.into_inner().submissions.is_empty());
    let withdrawal = wire::WithdrawRequest {
        exchange_id: one.exchange_id.as_bytes().to_vec().into(),
    };
    let refusal = Refusal::read(&client.withdraw(withdrawal).await.unwrap_err());
    assert_eq!(refusal.code, Some(Code::Stale));
    answer(&consumer, &one).await;
    let after = collect(&raw, false).await.unwrap();
    let Some(wire::collect_response::Outcome::Submission(after)) = after.outcome else {
        panic!("given out after it was collected");
    };
    assert_eq!(after.state(), State::Collected);
    assert_eq!(raw.header().consumer.to_string(), MOSS);
    handle.drain().await.unwrap();
    drop(consumer);
    world.finish().await;
}
