//! What a service promises, from the command that publishes it to the adapter that keeps it: the real binary against a
//! real switch.

use std::process::Output;

use adapters::{ExchangeError, Failure, Provider, Reply, Request};
use audit::clock::Clock;
use proto::Code;
use proto::entry::Kind;
use proto::header::{AnswerHeader, AnswerStatus};
use proto::id::ServiceId;
use proto::registry::Service;
use serde_json::{Value, json};
use tests::agency::TestAgency;
use tests::ground::Ground;
use tests::process::mohawel;
use tests::provider::{Backend, Does};
use tests::switch::TestSwitch;
use tests::world::{PERSONS, World};
use tokio::process::Command;

/// Takes a national ID, answers with a person; what was published before had another operation and no schemas.
const DEFINITION: &str = r##"
service = "persons.v1"
name_ar = "الأشخاص"
name_en = "Persons"
owner_contact = "persons@civil.example"
sensitivity = "personal"
[[operations]]
name = "read"
name_ar = "قراءة"
name_en = "Read"
answer_schema = '''{"type":"object","required":["name"],"properties":{
  "name":{"type":"string"},"alive":{"type":"boolean"},"income":{"type":"integer"}}}'''
[operations.request_schema]
type = "object"
required = ["nid"]
properties = { nid = { type = "string", pattern = "^[0-9]{14}$", x-mohawel-subject = "nid" } }
"##;
const GOOD: &str = r#"{"nid":"29001018800017"}"#;

/// A switch on the system's clock, which is the binary's too.
async fn world() -> World {
    let ground = Ground::found_at(Clock::System).await;
    World::populate(TestSwitch::on(ground, "").await.unwrap()).await
}

/// Runs the binary as an administrator of `agency`.
async fn run(agency: &TestAgency, arguments: &[&str]) -> Output {
    let home = agency.home_dir();
    Command::new(mohawel())
        .arg("--json")
        .args(arguments)
        .args(["--home", home.to_str().unwrap()])
        .env_clear()
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

/// What it said, when it ended with `code`.
fn said(output: &Output, code: i32) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"))
}

async fn publish(agency: &TestAgency, definition: &str, options: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("persons.toml");
    std::fs::write(&file, definition).unwrap();
    let mut arguments = vec!["service", "publish", file.to_str().unwrap()];
    arguments.extend(options);
    run(agency, &arguments).await
}

fn published(world: &World, service: &str) -> Option<Service> {
    let id = ServiceId::parse(service).unwrap();
    world.switch.registry().service(&id).cloned()
}

/// Asks as the consumer, whose mirror is fresh.
async fn ask(world: &World, payload: &str) -> Result<Value, ExchangeError> {
    let adapter = world.consumer().await;
    let consumer = adapter.consumer();
    let asked = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name"])
        .payload("application/json", payload.to_owned());
    Ok(Box::pin(asked.send()).await?.json().unwrap())
}

fn refused(asked: Result<Value, ExchangeError>) -> Code {
    match asked.unwrap_err() {
        ExchangeError::Refused(refused) => refused.code,
        ExchangeError::Provider {
            status: AnswerStatus::Refused(code),
            ..
        } => code,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_others_is_shown_with_their_agreements_and_not_published_without_the_word() {
    let world = world().await;
    let before = published(&world, PERSONS).unwrap();
    for options in [&[][..], &["--dry-run"]] {
        let shown = said(&publish(&world.civil, DEFINITION, options).await, 1);
        assert_eq!(shown["published"], json!(false));
        let changes = shown["breaking"].as_array().unwrap();
        let broken = |operation: &str, kind: &str| {
            let found = |change: &&Value| {
                change["operation"] == operation && (kind.is_empty() || change["kind"] == kind)
            };
            changes.iter().any(|change| found(&change))
        };
        assert!(broken("erase", "operation_removed"), "{changes:#?}");
        assert!(broken("read", ""), "{changes:#?}");
        let agreements = shown["agreements"].as_array().unwrap();
        assert_eq!(agreements.len(), 1, "{agreements:#?}");
        assert_eq!(
            agreements[0]["agreement"],
            json!(world.agreement.to_string())
        );
        assert_eq!(published(&world, PERSONS).unwrap().index, before.index);
    }
    let options = ["--dry-run", "--accept-breaking"];
    let shown = said(&publish(&world.civil, DEFINITION, &options).await, 0);
    assert_eq!(shown["published"], json!(false));
    assert_eq!(published(&world, PERSONS).unwrap().index, before.index);
    let shown = said(
        &publish(&world.civil, DEFINITION, &["--accept-breaking"]).await,
        0,
    );
    assert_eq!(shown["published"], json!(true));
    let after = published(&world, PERSONS).unwrap();
    assert_eq!(shown["contract"], json!(after.contract.to_string()));
    assert_eq!(after.definition.owner_contact, "persons@civil.example");
    assert_eq!(after.definition.operations[0].subjects[0].pointer, "/nid");
    // The same once more breaks nobody.
    let shown = said(&publish(&world.civil, DEFINITION, &[]).await, 0);
    assert_eq!(shown["breaking"], json!([]));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_breaks_its_schema_is_refused_before_the_backend_saw_it() {
    let world = world().await;
    said(
        &publish(&world.civil, DEFINITION, &["--accept-breaking"]).await,
        0,
    );
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let bad = [
        "{}",
        r#"{"nid":29001018800017}"#,
        r#"{"nid":"2900101880001x"}"#,
        r#"{"nid":"29001018800017","nid":"29001018800018"}"#,
        "[]",
        "{",
    ];
    for payload in bad {
        assert_eq!(
            refused(ask(&world, payload).await),
            Code::ContractViolation,
            "{payload}"
        );
    }
    assert_eq!(backend.seen(), 0);
    assert_eq!(ask(&world, GOOD).await.unwrap(), json!({ "name": "Mona" }));
    assert_eq!(backend.seen(), 1);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    // Each refusal stands in the log as the provider sealed it.
    let statuses: Vec<_> = told
        .of(Kind::Closing)
        .iter()
        .map(|(_, entry, _)| AnswerHeader::open(&entry.header).unwrap().status)
        .collect();
    let mut expected = vec![AnswerStatus::Refused(Code::ContractViolation); bad.len()];
    expected.push(AnswerStatus::Answered);
    assert_eq!(statuses, expected);
}

/// Answers with more than was asked for, or with what its contract does not promise.
struct Careless(&'static str);

impl Provider for Careless {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        Reply::new(
            request.fields.iter().map(|field| field.as_str()),
            "application/json",
            self.0,
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_field_leaves_that_was_not_asked_for_and_no_answer_that_was_not_promised() {
    let world = world().await;
    // Also where the definition has no schemas: it names fields.
    for described in [false, true] {
        if described {
            said(
                &publish(&world.civil, DEFINITION, &["--accept-breaking"]).await,
                0,
            );
        }
        let careless = Careless(r#"{"name":"Mona","income":9000,"diagnosis":"private"}"#);
        let handle = world.civil.serve(world.switch.ground(), careless).await;
        assert_eq!(ask(&world, GOOD).await.unwrap(), json!({ "name": "Mona" }));
        handle.drain().await.unwrap();
    }
    let careless = Careless(r#"{"name":7}"#);
    let handle = world.civil.serve(world.switch.ground(), careless).await;
    let failed = ask(&world, GOOD).await.unwrap_err();
    assert!(
        matches!(
            failed,
            ExchangeError::Provider {
                status: AnswerStatus::Failed,
                ..
            }
        ),
        "{failed}"
    );
    handle.drain().await.unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_switched_off_is_refused_at_once_until_it_is_on_again() {
    let world = world().await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    ask(&world, GOOD).await.unwrap();
    for operation in [&["--operation", "read"][..], &[]] {
        let mut off = vec!["service", "disable", PERSONS];
        off.extend(operation);
        off.extend([
            "--notice-ar",
            "صيانة",
            "--notice-en",
            "Maintenance until noon",
        ]);
        said(&run(&world.civil, &off).await, 0);
        assert_eq!(refused(ask(&world, GOOD).await), Code::OperationDisabled);
        let shown = said(&run(&world.moss, &["service", "show", PERSONS]).await, 0);
        let notice = &shown["disabled"][0]["notice_en"];
        assert_eq!(notice, "Maintenance until noon", "{shown:#?}");
        let mut on = vec!["service", "enable", PERSONS];
        on.extend(operation);
        said(&run(&world.civil, &on).await, 0);
        ask(&world, GOOD).await.unwrap();
    }
    // Nobody else's command even asks for it, and what is on is not switched on.
    for (agency, code) in [(&world.moss, 2), (&world.civil, 3)] {
        let output = run(agency, &["service", "enable", PERSONS]).await;
        assert_eq!(output.status.code(), Some(code));
    }
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(told.coded("operation_disabled"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_tries_its_own_service_without_any_agreement_with_others() {
    let world = world().await;
    let lonely = "EG/GOV/LAND/titles";
    let land = TestAgency::enrol(&world.switch, lonely).await;
    said(&publish(&land, DEFINITION, &[]).await, 0);
    let service = format!("{lonely}/persons.v1");
    let handle = land
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let before = world.switch.registry().agreements().count();
    let tried = |fields: &'static str| {
        let arguments = [
            "service", "try", &service, "read", "--fields", fields, "--data", GOOD,
        ];
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let land = &land;
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            run(land, &arguments).await
        }
    };
    for _ in 0..2 {
        let answer = said(&tried("name").await, 0);
        assert_eq!(answer["payload"], json!({ "name": "Mona" }));
        // Made once, used while it counts.
        assert_eq!(world.switch.registry().agreements().count(), before + 1);
    }
    said(&tried("alive").await, 0);
    let registry = world.switch.registry();
    assert_eq!(registry.agreements().count(), before + 2);
    for agreement in registry.agreements() {
        if agreement.content.provider == land.agency() {
            assert_eq!(agreement.content.consumer.to_string(), "EG/GOV/LAND");
            assert_eq!(agreement.content.grants[0].fields.len(), 1);
        }
    }
    // It lets nobody ask for what is another's.
    let output = run(&land, &["service", "try", PERSONS, "read"]).await;
    assert_eq!(output.status.code(), Some(2));
    handle.drain().await.unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_that_works_elsewhere_is_taken_over_word_for_word() {
    let world = world().await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let copy = |name: &'static str, source: &'static str, agency: &TestAgency| {
        let home = agency.home_dir();
        async move {
            Command::new(mohawel())
                .args(["service", "copy", source, "--as", name])
                .args(["--owner-contact", "services@giza.example"])
                .args(["--home", home.to_str().unwrap()])
                .env_clear()
                .kill_on_drop(true)
                .output()
                .await
                .unwrap()
        }
    };
    let output = copy("people.v1", PERSONS, &giza).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("adapter run") && text.contains("agreement propose"),
        "{text}"
    );
    let source = published(&world, PERSONS).unwrap().definition;
    let taken = published(&world, "EG/GOV/GIZA/services/people.v1").unwrap();
    assert_eq!(taken.definition.operations, source.operations);
    assert_eq!(taken.definition.owner_contact, "services@giza.example");
    // Not what does not exist, and not onto itself.
    for (name, source, agency) in [
        ("people.v2", "EG/GOV/CIVIL/registry/gone.v1", &giza),
        ("persons.v1", PERSONS, &world.civil),
    ] {
        assert_eq!(copy(name, source, agency).await.status.code(), Some(2));
    }
    world.finish().await;
}
