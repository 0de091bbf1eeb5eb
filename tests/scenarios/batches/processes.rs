//! `mohawel batch` as a process: killed, cut off and stopped in the middle, it goes on where it was and writes every result once.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;

use audit::clock::Clock;
use serde_json::{Value, json};
use tests::agency::TestAgency;
use tests::check::check_log_after_a_crash;
use tests::ground::Ground;
use tests::process::{Process, mohawel};
use tests::provider::{Backend, Does};
use tests::switch::TestSwitch;
use tests::world::{PERSONS, World};
use tests::{soon, until};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::Roll;
use crate::kill9::grounded;

const ITEMS: u64 = 18;

/// A folder with a file of items, and the home that asks for them.
struct Desk {
    folder: tempfile::TempDir,
    home: PathBuf,
}

impl Desk {
    fn of(agency: &TestAgency, nids: impl Iterator<Item = String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lines: String = nids.map(|nid| format!("{nid}\n")).collect();
        std::fs::write(folder.path().join("items.csv"), format!("nid\n{lines}")).unwrap();
        Self {
            folder,
            home: agency.home_dir(),
        }
    }

    fn numbered(agency: &TestAgency) -> Self {
        Self::of(agency, (0..ITEMS).map(|n| n.to_string()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(mohawel());
        command
            .arg("--json")
            .args(arguments)
            .env_clear()
            .env("MOHAWEL_HOME", &self.home)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Segments of four, one after the other.
    fn start(&self, more: &[&str]) -> Child {
        let mut arguments = vec!["batch", "run", "items.csv", "--batch", "2026-11", "--bare"];
        arguments.extend(["--service", PERSONS, "--operation", "read"]);
        arguments.extend(["--purpose", "social-benefit", "--fields", "name"]);
        arguments.extend(["--out", "out.csv", "--window", "1"]);
        if !more.contains(&"--segment") {
            arguments.extend(["--segment", "4"]);
        }
        arguments.extend(more);
        self.command(&arguments).spawn().unwrap()
    }

    async fn run(&self, more: &[&str]) -> (i32, Value, String) {
        read(
            soon("the batch ends", self.start(more).wait_with_output())
                .await
                .unwrap(),
        )
    }

    async fn say(&self, arguments: &[&str]) -> (i32, Value, String) {
        let ended = soon("the command ends", self.command(arguments).output()).await;
        read(ended.unwrap())
    }

    fn results(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("out.csv")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn holds_each_once(&self) {
        let lines = (0..ITEMS).map(|n| format!("{},{n},answered,Mona", n + 1));
        let expected: Vec<String> = ["item,nid,status,name".to_owned()]
            .into_iter()
            .chain(lines)
            .collect();
        assert_eq!(self.results(), expected);
    }
}

fn read(output: Output) -> (i32, Value, String) {
    let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), value, errors)
}

/// A world on the system's clock, which is the binary's too.
async fn world() -> World {
    let ground = Ground::found_at(Clock::System).await;
    World::populate(TestSwitch::on(ground, "").await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_killed_in_the_middle_asks_only_for_what_is_left() {
    let world = world().await;
    let permits = Arc::new(Semaphore::new(6));
    let backend = Backend::new(Does::Waits(Arc::clone(&permits)));
    let ground = world.switch.ground();
    let handle = world.civil.serve(ground, backend.clone()).await;
    let desk = Desk::numbered(&world.moss);
    let mut child = desk.start(&[]);
    // One segment is done; of the second, two items, and a third is asked.
    until("the second segment is asked", || backend.seen() == 7).await;
    child.kill().await.unwrap();
    let (_, shown, _) = desk.say(&["batch", "show", "2026-11"]).await;
    assert_eq!(
        (&shown["done"], &shown["complete"]),
        (&json!(4), &json!(false))
    );
    assert!(!desk.folder.path().join("out.csv").exists());

    permits.add_permits(100);
    let (code, told, errors) = desk.run(&[]).await;
    assert_eq!(code, 0, "{told} {errors}");
    assert_eq!(told["counts"]["answered"], ITEMS);
    assert_eq!(told["this_run"]["items"], ITEMS - 4);
    desk.holds_each_once();
    // At the most the one segment that was under way was asked twice.
    assert!(backend.seen() <= ITEMS + 4, "{}", backend.seen());
    // Complete, it asks nothing again.
    let (size, seen) = (world.switch.size(), backend.seen());
    let (code, told, _) = desk.run(&[]).await;
    assert_eq!((code, &told["this_run"]["items"]), (0, &json!(0)));
    assert_eq!((world.switch.size(), backend.seen()), (size, seen));
    // Another question is another batch.
    let (code, _, errors) = desk.run(&["--fields", "alive"]).await;
    assert!(
        code == 2 && errors.contains("it asks something else"),
        "{errors}"
    );
    let (_, list, _) = desk.say(&["batch", "list"]).await;
    assert_eq!(list[0]["batch"], "2026-11");
    handle.drain().await.unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_killed_in_the_middle_is_asked_again_when_it_is_back() {
    let world = world().await;
    let permits = Arc::new(Semaphore::new(6));
    let backend = Backend::new(Does::Waits(Arc::clone(&permits)));
    let ground = world.switch.ground();
    let handle = world.civil.serve(ground, backend.clone()).await;
    let desk = Desk::numbered(&world.moss);
    let child = desk.start(&["--retries", "16"]);
    until("the second segment is asked", || backend.seen() == 7).await;
    drop(handle);
    permits.add_permits(100);
    let handle = world.civil.serve(ground, Backend::new(Does::Answers)).await;
    let ended = soon("the batch ends", child.wait_with_output()).await;
    let (code, told, errors) = read(ended.unwrap());
    assert_eq!(code, 0, "{told} {errors}");
    desk.holds_each_once();
    handle.drain().await.unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_in_the_middle_cuts_a_batch_that_goes_on_later() {
    let (ground, members) = grounded(Ground::found_at(Clock::System).await).await;
    let process = Process::start(&ground).await;
    for agency in [&members.moss, &members.civil] {
        agency.point_at(process.exchange);
    }
    let permits = Arc::new(Semaphore::new(6));
    let backend = Backend::new(Does::Waits(Arc::clone(&permits)));
    let handle = members.civil.serve(&ground, backend.clone()).await;
    let desk = Desk::numbered(&members.moss);
    let child = desk.start(&["--retries", "0"]);
    until("the second segment is asked", || backend.seen() == 7).await;
    process.kill().await;
    let ended = soon("the batch ends", child.wait_with_output()).await;
    let (code, _, errors) = read(ended.unwrap());
    assert!(
        code == 5 && errors.contains("4 of 18 items are done"),
        "{code} {errors}"
    );
    drop(handle);

    let process = Process::start(&ground).await;
    for agency in [&members.moss, &members.civil] {
        agency.point_at(process.exchange);
    }
    let handle = members
        .civil
        .serve(&ground, Backend::new(Does::Answers))
        .await;
    let (code, told, errors) = desk.run(&[]).await;
    assert_eq!(code, 0, "{told} {errors}");
    desk.holds_each_once();
    handle.drain().await.unwrap();
    let (status, said) = process.stop().await;
    assert!(status.success(), "{status}: {said}");
    let told = check_log_after_a_crash(&ground.log_dir(), &ground.log_key());
    assert_eq!(told.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_item_is_proved_to_whoever_has_the_log_and_a_changed_proof_is_not() {
    let world = world().await;
    let handle = world.civil.serve(world.switch.ground(), Roll).await;
    let nids = ["1", "missing", "2", "3", "broken", "4"].map(str::to_owned);
    let desk = Desk::of(&world.moss, nids.into_iter());
    let (code, told, errors) = desk.run(&[]).await;
    assert_eq!(code, 1, "{told} {errors}");
    assert!(errors.contains("1 of 6 items"), "{errors}");
    assert_eq!(told["counts"]["not_found"], 1);
    assert_eq!(desk.results()[2], "2,missing,not_found,");
    assert_eq!(desk.results()[6], "6,4,answered,holder of 4");
    let prove = async |item: &str, out: &str| {
        let (code, _, errors) = desk
            .say(&["batch", "prove", "2026-11", item, "--out", out])
            .await;
        (code, errors)
    };
    assert_eq!(prove("6", "six.json").await.0, 0);
    assert_eq!(prove("2", "two.json").await.0, 0);
    assert_eq!(prove("1", "one.json").await.0, 0);
    let (code, errors) = prove("7", "seven.json").await;
    assert!(code == 2 && errors.contains("items 1 to 6"), "{errors}");
    assert_eq!(prove("1", "six.json").await.0, 2, "the place is taken");
    handle.drain().await.unwrap();
    let ground = world.switch.stop().await;
    let log = ground.log_dir();
    let log = log.to_str().unwrap();
    let verify = async |file: &str| desk.say(&["batch", "verify", file, "--log", log]).await;
    let (code, shown, errors) = verify("six.json").await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(
        (&shown["item"], &shown["answer"], &shown["item_number"]),
        (
            &json!("{\"nid\":\"4\"}"),
            &json!("{\"name\":\"holder of 4\"}"),
            &json!(6)
        )
    );
    assert_eq!(shown["root"], told["root"]);
    let (_, shown, _) = verify("two.json").await;
    assert_eq!(shown["status"], "not_found");
    // Another item, another answer, another place, another half.
    let file = |name: &str| desk.folder.path().join(name);
    let good: Value = serde_json::from_slice(&std::fs::read(file("six.json")).unwrap()).unwrap();
    let other: Value = serde_json::from_slice(&std::fs::read(file("one.json")).unwrap()).unwrap();
    for pointer in [
        "/request/item",
        "/request/index",
        "/request/path",
        "/request/item_key",
        "/request/manifest",
        "/request/header",
        "/answer",
        "/answer/item",
        "/answer/receipt",
        "/above",
    ] {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = other.pointer(pointer).unwrap().clone();
        std::fs::write(file("changed.json"), changed.to_string()).unwrap();
        let (code, _, errors) = verify("changed.json").await;
        assert_eq!(code, 4, "{pointer}: {errors}");
    }
    std::fs::write(file("changed.json"), "{}").unwrap();
    assert_eq!(verify("changed.json").await.0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_a_batch_are_told_and_nothing_is_sent() {
    let world = world().await;
    let desk = Desk::of(&world.moss, std::iter::empty());
    let size = world.switch.size();
    let (code, _, errors) = desk.run(&[]).await;
    assert!(
        code == 2 && errors.contains("there are no items"),
        "{errors}"
    );
    for (text, said) in [
        ("nid,nid\n1,2\n", "does not name every column once"),
        ("nid\n1,2\n", "found record with 2 fields"),
        ("", "does not name every column once"),
    ] {
        std::fs::write(desk.folder.path().join("items.csv"), text).unwrap();
        let (code, _, errors) = desk.run(&[]).await;
        assert!(code == 2 && errors.contains(said), "{text:?}: {errors}");
    }
    let (code, _, errors) = desk.run(&["--segment", "5"]).await;
    assert!(code == 2 && errors.contains("power of two"), "{errors}");
    let (code, _, errors) = desk.say(&["batch", "show", "none"]).await;
    assert!(
        code == 2 && errors.contains("no batch named none"),
        "{errors}"
    );
    assert_eq!(world.switch.size(), size);
    world.finish().await;
}
