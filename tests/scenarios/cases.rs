//! Cases over several agencies: a part that is refused hides no other, a consumer that is killed in the middle loses
//! nothing and does nothing twice, and the case is a thread in the log.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use adapters::journal::read;
use audit::clock::Clock;
use audit::find::{self, Check};
use audit::replay::Filter;
use proto::Digest;
use proto::act::{Erased, Erasure};
use proto::entry::Kind;
use proto::header::RequestHeader;
use proto::id::ExchangeId;
use serde_json::Value;
use tests::ground::Ground;
use tests::process::mohawel;
use tests::provider::{Backend, Does};
use tests::switch::TestSwitch;
use tests::until;
use tests::world::World;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

const COMPOSITION: &str = r#"
composition = "visit"
name_en = "Visit"
name_ar = "زيارة"
deadline_ms = 15000
retries = 0

[[inputs]]
name = "nid"
name_en = "National ID"
name_ar = "الرقم القومي"

[[parts]]
name = "person"
name_en = "Person"
name_ar = "الشخص"
service = "EG/GOV/CIVIL/registry/persons.v1"
operation = "read"
purpose = "social-benefit"
fields = ["name"]
payload = "plain"
parameters.nid = { input = "nid" }
once = ONCE

[[parts]]
name = "nobody"
name_en = "Nobody"
name_ar = "لا أحد"
service = "EG/GOV/NOWHERE/register/units.v1"
operation = "read"
purpose = "social-benefit"
fields = ["unit"]

[[parts]]
name = "later"
name_en = "Later"
name_ar = "لاحقًا"
service = "EG/GOV/CIVIL/registry/persons.v1"
operation = "read"
purpose = "social-benefit"
fields = ["name"]
payload = "plain"
parameters.unit = { part = "nobody", field = "unit" }
"#;

/// A world on the system's clock, which is the binary's too, and a folder with the composition.
struct Centre {
    world: World,
    folder: tempfile::TempDir,
}

impl Centre {
    async fn new(once: bool) -> Self {
        let ground = Ground::found_at(Clock::System).await;
        let switch = TestSwitch::on(ground, "").await.unwrap();
        let world = World::populate(switch).await;
        let folder = tempfile::tempdir().unwrap();
        let text = COMPOSITION.replace("ONCE", &once.to_string());
        std::fs::write(folder.path().join("visit.toml"), text).unwrap();
        Self { world, folder }
    }

    fn home(&self) -> PathBuf {
        self.world.moss.home_dir()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(mohawel());
        command
            .arg("--json")
            .args(arguments)
            .env_clear()
            .env("MOHAWEL_HOME", self.home())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn start(&self, more: &[&str]) -> Child {
        let mut arguments = vec!["compose", "run", "visit.toml", "--case", "GIZA-1"];
        arguments.extend(["--actor", "h.salem", "--input", "nid=1"]);
        arguments.extend(more);
        self.command(&arguments).spawn().unwrap()
    }

    async fn run(&self, more: &[&str]) -> (i32, Value, String) {
        let child = self.start(more);
        let output = tests::soon("the case has ended", child.wait_with_output())
            .await
            .unwrap();
        let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), value, errors)
    }

    async fn shown(&self) -> Value {
        let output = self
            .command(&["compose", "show", "GIZA-1"])
            .output()
            .await
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Requests of the case in this home's journal.
fn journalled(home: &Path, case: Digest) -> Vec<RequestHeader> {
    let mut found = Vec::new();
    let told = read::read(&home.join("journal"), |record| {
        let header = record
            .request
            .map(|request| RequestHeader::open(&request.header).unwrap());
        found.extend(header.filter(|header| header.case_reference == Some(case)));
    });
    assert_eq!(told.unwrap().damaged, []);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_killed_in_the_middle_of_a_case_asks_the_very_same_again() {
    let centre = Centre::new(false).await;
    let permits = Arc::new(Semaphore::new(0));
    let backend = Backend::new(Does::Waits(Arc::clone(&permits)));
    let handle = centre
        .world
        .civil
        .serve(centre.world.switch.ground(), backend.clone())
        .await;
    let mut child = centre.start(&[]);
    until("the provider is asked", || backend.seen() == 1).await;
    child.kill().await.unwrap();

    // The page and the journal know what was sent, and that its end is not known.
    let shown = centre.shown().await;
    let case = Digest::from_hex(shown["case_reference"].as_str().unwrap()).unwrap();
    let sent = shown["sent"].as_array().unwrap();
    let person = sent.iter().find(|sent| sent["part"] == "person").unwrap();
    assert_eq!(person["outcome"], Value::Null);
    let first = ExchangeId::parse(person["first_exchange"].as_str().unwrap()).unwrap();
    let before = journalled(&centre.home(), case);
    assert!(
        before.iter().any(|header| header.exchange_id == first),
        "{before:?}"
    );

    // The same again names the first attempt. The switch tells the provider that nobody waits: its run then begins anew,
    // unless it had ended just before.
    permits.add_permits(2);
    let (code, value, errors) = centre.run(&[]).await;
    assert_eq!(code, 1, "{value} {errors}");
    let [person, nobody, later] = [0, 1, 2].map(|place| &value["parts"][place]);
    assert_eq!(
        (&person["outcome"], &person["attempt_of"]),
        (&"answered".into(), &first.to_string().into())
    );
    assert_eq!(person["rows"][0]["name"], "Mona");
    assert_eq!(nobody["proven"], true, "{nobody}");
    assert!(
        nobody["sentence_ar"].is_string()
            && nobody["remedy"].is_string()
            && nobody["receipt"].is_string()
    );
    assert_eq!(later["outcome"], "not_asked (needs_part)");
    let seen = backend.seen();
    assert!(seen <= 2, "{seen}");
    // And a run that ended is not repeated.
    let (_, value, _) = centre.run(&[]).await;
    assert_eq!(value["parts"][0]["attempt_of"], first.to_string());
    assert_eq!(backend.seen(), seen);

    handle.drain().await.unwrap();
    let ground = centre.world.switch.stop().await;
    let requests = thread(&ground.log_dir(), case);
    assert!(requests.iter().any(|asked| asked.attempt_of == Some(first)));
    let clerks: BTreeSet<_> = requests.iter().map(|asked| asked.actor.unwrap()).collect();
    assert_eq!(clerks.len(), 1);
}

/// What was asked in a case, as the log says, which replays clean.
fn thread(log: &Path, case: Digest) -> Vec<Arc<RequestHeader>> {
    let mut found = Vec::new();
    let options = find::Options {
        filter: Filter {
            case: Some(case),
            ..Filter::default()
        },
        check: Check::Replay,
        ..find::Options::default()
    };
    let mut on_row = |row: &find::Row| {
        found.extend(row.request.clone());
        std::ops::ControlFlow::Continue(())
    };
    let scanned = find::scan(log, options, &mut on_row).unwrap();
    assert!(scanned.standing.is_proved(), "{scanned:?}");
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_acts_is_not_asked_again_while_its_end_is_unknown() {
    let centre = Centre::new(true).await;
    let permits = Arc::new(Semaphore::new(0));
    let backend = Backend::new(Does::Waits(Arc::clone(&permits)));
    let handle = centre
        .world
        .civil
        .serve(centre.world.switch.ground(), backend.clone())
        .await;
    let mut child = centre.start(&[]);
    until("the provider is asked", || backend.seen() == 1).await;
    child.kill().await.unwrap();
    permits.add_permits(2);
    let (_, value, _) = centre.run(&[]).await;
    let person = &value["parts"][0];
    assert_eq!(
        (&person["outcome"], backend.seen()),
        (&"not_asked (end_unknown)".into(), 1)
    );
    let (_, value, _) = centre.run(&["--again", "person"]).await;
    let person = &value["parts"][0];
    assert_eq!(person["outcome"], "answered");
    // It names the first attempt: where that run had come to its end all the same, its answer is given.
    assert!(person["attempt_of"].is_string() && backend.seen() <= 2);
    handle.drain().await.unwrap();
    centre.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_acts_is_not_done_again_once_it_was_answered() {
    let centre = Centre::new(true).await;
    let backend = Backend::new(Does::Answers);
    let handle = centre
        .world
        .civil
        .serve(centre.world.switch.ground(), backend.clone())
        .await;
    for (turn, outcome) in ["answered", "done_earlier", "done_earlier"]
        .into_iter()
        .enumerate()
    {
        let (code, value, errors) = centre.run(&[]).await;
        let person = &value["parts"][0];
        assert_eq!(
            (code, &person["outcome"]),
            (1, &outcome.into()),
            "{turn}: {value} {errors}"
        );
        // Kept by the journal for the grant's days.
        assert_eq!(person["rows"][0]["name"], "Mona", "{turn}");
        assert_eq!(backend.seen(), 1);
    }
    let (_, value, _) = centre.run(&["--again", "person"]).await;
    assert_eq!(
        (value["parts"][0]["outcome"].as_str(), backend.seen()),
        (Some("answered"), 2)
    );

    // Nothing is begun for a mistake on the command line, or where everything must be permitted.
    for (more, code, said) in [
        (&["--input", "x=1"][..], 2, "'x' is no input"),
        (&["--input", "nid=2"], 2, "stands here a second time"),
        (&["--again", "fee"], 2, "no part is called 'fee'"),
        (&["--strict"], 3, "visit.toml:29:11: nobody publishes"),
    ] {
        let (ended, value, errors) = centre.run(more).await;
        assert!(
            ended == code && errors.contains(said) && value.is_null(),
            "{more:?}: {errors}"
        );
    }
    assert_eq!(backend.seen(), 2);
    handle.drain().await.unwrap();
    centre.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_is_forgotten_for_a_reason_loses_its_payloads_and_the_log_is_told() {
    let centre = Centre::new(false).await;
    let ground = centre.world.switch.ground();
    let backend = Backend::new(Does::Answers);
    let handle = centre.world.civil.serve(ground, backend).await;
    let (_, value, errors) = centre.run(&[]).await;
    let asked = value["parts"][0]["exchange_id"].as_str().unwrap();
    let asked = ExchangeId::parse(asked).unwrap_or_else(|| panic!("{value} {errors}"));
    let say = async |arguments: &[&str]| {
        let output = centre.command(arguments).output().await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code().unwrap(), value, errors)
    };
    let disclose = ["adapter", "receipts", "--disclose", &asked.to_string()];
    assert_eq!(say(&disclose).await.0, 0, "it is kept");
    let forget = ["compose", "forget", "GIZA-1", "--ground", "subject-request"];
    let (code, told, errors) = say(&forget).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(
        (
            &told["forgotten"],
            &told["statements_recorded"],
            &told["statements_queued"]
        ),
        (&"GIZA-1".into(), &1.into(), &0.into())
    );
    let erased = told["erased"].as_array().unwrap();
    assert!(erased.contains(&asked.to_string().into()), "{told}");
    assert_eq!(say(&disclose).await.0, 2, "it is gone");
    // So is the page, and there is nothing to forget twice.
    let (code, _, errors) = say(&forget).await;
    assert!(code == 2 && errors.contains("no case 'GIZA-1'"), "{errors}");
    // Without a ground only the opening goes, and nothing is to be said.
    centre.run(&[]).await;
    let (code, told, _) = say(&["compose", "forget", "GIZA-1"]).await;
    assert_eq!((code, &told["erased"]), (0, &Value::Null));
    handle.drain().await.unwrap();
    let told = centre.world.finish().await;
    let statements = told
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Erasure);
    let statements: Vec<Erasure> = statements
        .map(|entry| Erasure::open(&entry.header).unwrap())
        .collect();
    let [statement] = &statements[..] else {
        panic!("{statements:?}");
    };
    assert_eq!(statement.ground.as_str(), "subject-request");
    let Erased::Payloads(system, exchanges) = &statement.erased else {
        panic!("{statement:?}");
    };
    assert_eq!(system.as_str(), tests::world::MOSS);
    assert!(exchanges.contains(&asked));
}
