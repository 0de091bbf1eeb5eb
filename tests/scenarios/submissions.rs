//! Submissions: what is left for a provider that is not there reaches it once it is, and its answer whoever asked.

use std::time::Duration;

use adapters::consumer::{Collected, Kept, Submitted};
use adapters::{ExchangeError, Failure};
use proto::Code;
use proto::entry::Kind;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::SubmissionState as State;
use serde_json::{Value, json};
use tests::ground::walk;
use tests::provider::{Backend, Does};
use tests::world::{PERSONS, World};
use tests::{PATIENCE, soon, until};

const HOUR: Duration = Duration::from_secs(3_600);
/// Stands in the payload and nowhere else.
const MARKER: &str = "the neighbour of flat 17";

/// What every scenario here asks.
macro_rules! ask {
    ($consumer:expr) => {
        $consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"])
            .payload_json(&json!({ "nid": "29001019900011", "about": MARKER }))
    };
}

mod by_hand;
mod lanes;
mod processes;

/// Two agencies that agreed, and a provider that something can be sealed to.
async fn world(limits: &str) -> World {
    let world = World::with_limits(limits).await;
    world.civil.bind_encryption_key(&world.switch).await;
    world
}

async fn submitted(world: &World) -> (adapters::Consumer, Submitted) {
    let consumer = world.consumer().await.consumer();
    let submitted = soon("a receipt", ask!(consumer).submit(HOUR))
        .await
        .unwrap();
    assert_eq!(submitted.receipt.as_ref().unwrap().kind, Kind::Request);
    (consumer, submitted)
}

async fn standing(consumer: &adapters::Consumer, submitted: &Submitted) -> wire::Submission {
    let all = consumer.submissions().await.unwrap();
    let own = all
        .into_iter()
        .find(|one| one.exchange_id[..] == submitted.exchange_id.as_bytes()[..]);
    own.unwrap()
}

async fn answer(consumer: &adapters::Consumer, submitted: &Submitted) -> adapters::Answer {
    let collected = consumer.collect(submitted.exchange_id, PATIENCE);
    match soon("an answer", collected).await.unwrap() {
        Collected::Answered(answer) => *answer,
        Collected::Not(standing) => panic!("{standing:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_its_provider_and_its_answer_for_who_asked() {
    let world = world("").await;
    let (consumer, one) = submitted(&world).await;
    let two = soon("a receipt", ask!(consumer).submit(HOUR))
        .await
        .unwrap();
    let (first, second) = (&one.standing, &two.standing);
    assert_eq!((first.state(), first.before), (State::Waiting, 0));
    assert_eq!((second.state(), second.before), (State::Waiting, 1));
    assert_eq!(first.expires_at_ms - first.submitted_at_ms, 3_600_000);
    assert_eq!(
        (first.service.as_str(), first.operation.as_str()),
        (PERSONS, "read")
    );
    // Nothing of it lies in the open, neither here nor there.
    let holds = |dir: &std::path::Path| {
        let holds = |path: std::path::PathBuf| {
            let bytes = std::fs::read(&path).unwrap();
            bytes
                .windows(MARKER.len())
                .any(|seen| seen == MARKER.as_bytes())
        };
        walk(dir).into_iter().any(holds)
    };
    assert!(!holds(world.switch.ground().dir()));
    let collected = consumer.collect(one.exchange_id, Duration::ZERO);
    assert!(matches!(collected.await.unwrap(), Collected::Not(_)));
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let given = answer(&consumer, &one).await;
    assert_eq!(given.json::<Value>().unwrap(), json!({ "name": "Mona" }));
    until("the other is answered, too", || backend.seen() == 2).await;
    // Collected it is gone, here and in the home; the other waits.
    assert_eq!(standing(&consumer, &one).await.state(), State::Collected);
    assert_eq!(Kept::all(&world.moss.home_dir()), [two.exchange_id]);
    assert!(matches!(
        consumer.collect(one.exchange_id, Duration::ZERO).await,
        Err(ExchangeError::Unsent(_))
    ));
    answer(&consumer, &two).await;
    handle.drain().await.unwrap();
    drop(consumer);
    let told = world.finish().await;
    for submitted in [one, two] {
        assert_eq!(
            told.story(submitted.exchange_id),
            [(Kind::Request, ""), (Kind::Closing, "answered")]
        );
    }
    assert_eq!(told.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_outlives_power_cuts_before_and_after_its_answer() {
    let world = world("").await;
    let (consumer, one) = submitted(&world).await;
    drop(consumer);
    let world = world.after_a_power_cut().await;
    // A window and the longest deadline later nothing else of that time is remembered.
    world.switch.clock().advance_ms(300_000);
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = world.consumer().await.consumer();
    soon("it is answered", async {
        while standing(&consumer, &one).await.state() != State::Answered {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    drop(handle);
    drop(consumer);
    let world = world.after_a_power_cut().await;
    // Another run of the consumer, from the same home.
    let consumer = world.consumer().await.consumer();
    assert_eq!(standing(&consumer, &one).await.state(), State::Answered);
    let given = answer(&consumer, &one).await;
    assert_eq!(given.json::<Value>().unwrap(), json!({ "name": "Mona" }));
    assert_eq!(backend.seen(), 1);
    drop(consumer);
    let world = world.restart().await;
    let consumer = world.consumer().await.consumer();
    assert_eq!(standing(&consumer, &one).await.state(), State::Collected);
    drop(consumer);
    let told = world.finish().await;
    assert_eq!(
        told.story(one.exchange_id),
        [(Kind::Request, ""), (Kind::Closing, "answered")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_does_not_hold_is_set_aside_and_never_delivered() {
    let world = world("").await;
    let before = world.switch.ground().image();
    let (consumer, one) = submitted(&world).await;
    drop(consumer);
    // Its file beside a log in which it never was: an older copy, put back.
    let ground = world.switch.stop().await;
    let left = ground.dir().join("submissions");
    let back = before.dir().join("submissions");
    std::fs::create_dir_all(&back).unwrap();
    for file in walk(&left) {
        std::fs::copy(&file, back.join(file.file_name().unwrap())).unwrap();
    }
    let switch = tests::switch::TestSwitch::on(before, "").await.unwrap();
    let aside = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "broken");
    let found: Vec<_> = walk(&back).into_iter().filter(aside).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    let told = switch.finish().await;
    assert_eq!(told.story(one.exchange_id), []);
}

/// Waits until it waits for another attempt after so many.
async fn waits_after(consumer: &adapters::Consumer, one: &Submitted, attempts: u32) {
    soon("it waits again", async {
        loop {
            let now = standing(consumer, one).await;
            if now.state() == State::Waiting && now.attempts == attempts {
                assert!(now.next_at_ms > 0);
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_cannot_answer_or_goes_away_is_asked_again() {
    let world = world("").await;
    let (consumer, one) = submitted(&world).await;
    let backend = Backend::new(Does::Fails(Failure::Unavailable));
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    // The test's clock stands still, and a pause begins when the switch knows of the failure, not when its
    // backend was asked: moved before that, the clock would never reach the pause's end.
    waits_after(&consumer, &one, 1).await;
    assert_eq!(backend.seen(), 1);
    world.switch.clock().advance_ms(2_000);
    waits_after(&consumer, &one, 2).await;
    assert_eq!(backend.seen(), 2);
    handle.drain().await.unwrap();
    // One that takes it and is gone.
    let mut gone = world.raw_provider(1).await;
    world.switch.clock().advance_ms(10_000);
    gone.delivery().await;
    drop(gone);
    soon("the link is known to be lost", async {
        while standing(&consumer, &one).await.state() != State::Waiting {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    world.switch.clock().advance_ms(20_000);
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    answer(&consumer, &one).await;
    handle.drain().await.unwrap();
    drop(consumer);
    let told = world.finish().await;
    // Of all the asking the log has the one end.
    assert_eq!(
        told.story(one.exchange_id),
        [(Kind::Request, ""), (Kind::Closing, "answered")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_time_a_withdrawal_and_a_revocation_end_it_on_record() {
    let world = world("").await;
    let backend = Backend::new(Does::Answers);
    let consumer = world.consumer().await.consumer();
    let submit = |within| soon("a receipt", ask!(consumer).submit(within));
    let late = submit(Duration::from_secs(130)).await.unwrap();
    let back = submit(HOUR).await.unwrap();
    let cut = submit(HOUR).await.unwrap();
    let receipt = soon("a receipt", consumer.withdraw(back.exchange_id))
        .await
        .unwrap();
    assert_eq!(receipt.kind, Kind::Closing);
    world.switch.clock().advance_ms(140_000);
    let ended = soon("its end", consumer.collect(late.exchange_id, PATIENCE)).await;
    let refused = |ended: Result<Collected, ExchangeError>| match ended {
        Err(ExchangeError::Refused(refused)) => {
            assert!(refused.proven);
            (refused.code, refused.clause)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(ended), (Code::Deadline, None));
    world.civil.revoke(&world.switch, world.agreement).await;
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let ended = soon("its end", consumer.collect(cut.exchange_id, PATIENCE)).await;
    let clause = Some("cut: agreement_revoked".to_owned());
    assert_eq!(refused(ended), (Code::AgreementRevoked, clause));
    assert_eq!(backend.seen(), 0);
    // What the home kept of them is gone.
    assert!(Kept::all(&world.moss.home_dir()).is_empty());
    let standing = standing(&consumer, &back).await;
    assert_eq!(
        (standing.state(), standing.outcome.as_str()),
        (State::Ended, "cancelled")
    );
    handle.drain().await.unwrap();
    drop(consumer);
    let told = world.finish().await;
    for (submitted, outcome) in [(late, "deadline"), (back, "cancelled"), (cut, "cancelled")] {
        assert_eq!(
            told.story(submitted.exchange_id),
            [(Kind::Request, ""), (Kind::Closing, outcome)]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_with_a_time_and_has_room_again() {
    let world = world("submissions_per_agency = 2").await;
    let (consumer, one) = submitted(&world).await;
    soon("a receipt", ask!(consumer).submit(HOUR))
        .await
        .unwrap();
    let full = soon("a refusal", ask!(consumer).submit(HOUR))
        .await
        .unwrap_err();
    let ExchangeError::Refused(refused) = full else {
        panic!("{full:?}");
    };
    assert_eq!(refused.code, Code::Overloaded);
    assert_eq!(refused.retry_after, Some(Duration::from_secs(60)));
    assert_eq!(Kept::all(&world.moss.home_dir()).len(), 2);
    consumer.withdraw(one.exchange_id).await.unwrap();
    soon("a receipt", ask!(consumer).submit(HOUR))
        .await
        .unwrap();
    drop(consumer);
    let world = world.restart().await;
    assert_eq!(world.finish().await.count(Kind::Request), 3);
}
