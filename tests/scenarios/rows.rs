//! Row rules: a signed term of the grant that the provider's adapter enforces, for each member its own rows.

use adapters::{ExchangeError, Failure, Provider, Reply, Request};
use proto::act::{ConsumerScope, GroupMember, RowRule};
use proto::header::AnswerStatus;
use serde_json::{Value, json};
use tests::agreements::{Terms, part};
use tests::provider::{Backend, Does};
use tests::world::{PERSONS, World};

/// A world whose only agreement is a group's: MOSS sees the records in which `name` is `value`.
async fn grouped(value: &str) -> World {
    let world = World::new().await;
    let switch = &world.switch;
    world.civil.revoke(switch, world.agreement).await;
    let members = vec![GroupMember {
        agency: world.moss.agency(),
        value: value.to_owned(),
    }];
    let terms = Terms {
        consumer: ConsumerScope::Group {
            name: part("ministries"),
            members,
        },
        row_scope: vec![RowRule {
            field: part("name"),
            equals: None,
        }],
        ..Terms::for_agency(&world.moss)
    };
    world.civil.propose(switch, &terms).await;
    world
}

/// Asks for one field, not the one that the rule compares.
async fn ask(world: &World) -> Result<Value, ExchangeError> {
    let adapter = world.consumer().await;
    let consumer = adapter.consumer();
    let asked = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["alive"])
        .payload_json(&json!({}));
    Ok(Box::pin(asked.send()).await?.json().unwrap())
}

fn status(asked: Result<Value, ExchangeError>) -> AnswerStatus {
    match asked.unwrap_err() {
        ExchangeError::Provider { status, .. } => status,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_sees_its_own_rows_and_of_others_not_even_that_they_are_there() {
    for (value, seen, expected) in [
        ("Mona", 1, Ok(json!({ "alive": true }))),
        ("Hoda", 1, Err(AnswerStatus::NotFound)),
        // Without a value of its own it sees none, and the backend is not even asked.
        ("", 0, Err(AnswerStatus::NotFound)),
    ] {
        let world = grouped(value).await;
        let backend = Backend::new(Does::Answers);
        let handle = world
            .civil
            .serve(world.switch.ground(), backend.clone())
            .await;
        let asked = ask(&world).await;
        match expected {
            Ok(record) => assert_eq!(asked.unwrap(), record),
            Err(expected) => assert_eq!(status(asked), expected, "{value}"),
        }
        assert_eq!(backend.seen(), seen, "{value}");
        handle.drain().await.unwrap();
        world.finish().await;
    }
}

/// An agency's own code that knows nothing of rows.
struct Careless;

impl Provider for Careless {
    async fn answer(&self, _: Request) -> Result<Reply, Failure> {
        Reply::new(["alive"], "application/json", "{\"alive\":true}")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_does_not_say_that_it_kept_to_the_rows_gives_out_nothing() {
    let world = grouped("Mona").await;
    let handle = world.civil.serve(world.switch.ground(), Careless).await;
    assert_eq!(status(ask(&world).await), AnswerStatus::Failed);
    handle.drain().await.unwrap();
    world.finish().await;
}
