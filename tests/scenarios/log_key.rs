//! The log's key rotated under a real broker: exchanges before, during and after, by adapters that nobody told, and the
//! log for whoever wrote down either key.

use std::path::Path;
use std::process::{Command, Output};

use adapters::adapter::Adapter;
use audit::checkpoint::{LogKey, SUCCESSIONS_FILE};
use audit::clock::Clock;
use broker::switch::Rotation;
use serde_json::Value;
use tests::agency::TestAgency;
use tests::ground::Ground;
use tests::process::{Process, mohawel};
use tests::world::PERSONS;
use tests::{soon, until};

use crate::kill9::{Members, grounded};

/// How long both keys sign: enough for an exchange on a machine that is busy.
const OVERLAP_MS: u64 = 8_000;

fn run(arguments: &[&str]) -> Output {
    Command::new(mohawel()).args(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}{errors}");
    said
}

fn listed(switch: &str) -> Vec<Value> {
    let said = done(&["--json", "log-key", "list", "--switch", switch]);
    let listed: Value = serde_json::from_str(&said).unwrap();
    listed["log_keys"].as_array().unwrap().clone()
}

async fn ask(adapter: &Adapter) {
    let consumer = adapter.consumer();
    let asking = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name"])
        .send();
    soon("an answer", Box::pin(asking)).await.unwrap();
}

/// The consumer's adapter at the process, from its home as it is.
async fn connected(agency: &TestAgency, ground: &Ground, process: &Process) -> Adapter {
    agency.point_at(process.exchange);
    let adapter = agency.adapter(ground).await;
    let checkpoints = adapter.checkpoints().clone();
    soon(
        "the log is followed",
        checkpoints.reconcile(adapter.connection()),
    )
    .await
    .unwrap();
    adapter
}

/// One exchange, and what the parties keep of it.
async fn exchange(ground: &Ground, members: &Members, process: &Process) {
    let handle = members.serve(ground, process).await;
    let adapter = connected(&members.moss, ground, process).await;
    ask(&adapter).await;
    drop((adapter, handle));
}

fn receipts(agency: &TestAgency, to: &Path) {
    let home = agency.home_dir();
    let (home, to) = (home.to_str().unwrap(), to.to_str().unwrap());
    done(&["adapter", "receipts", "--home", home, "--export", to]);
}

async fn stopped(process: Process) {
    let (status, said) = process.stop().await;
    assert!(status.success(), "{status}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_go_on_over_a_rotation_and_either_key_proves_the_log() {
    let (ground, members) = grounded(Ground::found_at(Clock::System).await).await;
    let switch = ground.dir().to_str().unwrap().to_owned();
    let process = Process::start(&ground).await;
    exchange(&ground, &members, &process).await;

    // Asked for while the switch runs, which is not touched.
    let first = done(&["log-key", "show", "--switch", &switch])
        .trim()
        .to_owned();
    done(&[
        "log-key",
        "rotate",
        "--switch",
        &switch,
        "--overlap-days",
        "1",
    ]);
    assert_eq!(listed(&switch)[1]["state"], "waits");
    let path = ground.config().log.key;
    let left = Rotation::read(&path).unwrap().unwrap();
    let overlap_ms = OVERLAP_MS;
    Rotation { overlap_ms, ..left }.write(&path).unwrap();
    exchange(&ground, &members, &process).await;
    stopped(process).await;

    // Recorded at the next start; whoever had the first key goes on with it.
    let process = Process::start(&ground).await;
    let keys = listed(&switch);
    assert_eq!(
        (&keys[0]["state"], &keys[1]["state"]),
        (&"overlap".into(), &"signs".into())
    );
    let second = done(&["log-key", "show", "--switch", &switch])
        .trim()
        .to_owned();
    assert_ne!(first, second);
    let handle = members.serve(&ground, &process).await;
    let adapter = connected(&members.moss, &ground, &process).await;
    ask(&adapter).await;
    assert_eq!(adapter.home().log_key().to_vkey(), first);
    assert_eq!(adapter.home().log_key().newest().to_vkey(), second);

    // The overlap ends under them, and they go on.
    until("the older key has ended", || {
        listed(&switch)[0]["state"] == "ended"
    })
    .await;
    ask(&adapter).await;
    drop((adapter, handle));
    stopped(process).await;
    let kept = path.with_extension("kept");
    std::fs::rename(&path, &kept).unwrap();
    let process = Process::start(&ground).await;
    exchange(&ground, &members, &process).await;
    stopped(process).await;

    let log = ground.log_dir();
    let log = log.to_str().unwrap();
    let keys = [first.as_str(), &second];
    either_key_proves(log, keys);
    let stranger = LogKey::new(tests::ground::ORIGIN, ground.operator_signer().key()).unwrap();
    let stranger = stranger.to_vkey();
    let refused = run(&["audit", "verify", "--log", log, "--key", &stranger]);
    assert_eq!(refused.status.code(), Some(1));
    the_parties_agree(&members, log, keys);
    a_copy_needs_what_leads_from_key_to_key(log, keys);
}

/// Auditors who wrote down the one or the other.
fn either_key_proves(log: &str, keys: [&str; 2]) {
    for key in keys {
        for command in ["verify", "replay"] {
            let said = done(&["audit", command, "--log", log, "--key", key]);
            assert!(said.contains("The log holds."), "{said}");
        }
        let told = run(&["audit", "verify", "--log", log, "--key", key]);
        let told = [told.stdout, told.stderr].concat();
        assert!(String::from_utf8(told).unwrap().contains("was followed"));
    }
}

/// What the parties kept of all of it agrees with the log, for either key.
fn the_parties_agree(members: &Members, log: &str, keys: [&str; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let (moss, civil) = (folder.path().join("moss"), folder.path().join("civil"));
    receipts(&members.moss, &moss);
    receipts(&members.civil, &civil);
    let (moss, civil) = (moss.to_str().unwrap(), civil.to_str().unwrap());
    for key in keys {
        let arguments = ["audit", "reconcile", "--log", log, "--key", key];
        let sides = ["--receipts", moss, "--receipts", civil];
        done(&[&arguments[..], &sides].concat());
    }
}

fn a_copy_needs_what_leads_from_key_to_key(log: &str, [first, second]: [&str; 2]) {
    let copy = tempfile::tempdir().unwrap();
    let copied = |name: &str| format!("{log}/{name}");
    let to = copy.path().to_str().unwrap();
    let files = ["checkpoint", "log.vkey", "tile"].map(copied);
    let cp = Command::new("cp").arg("-r").args(files).arg(to).status();
    assert!(cp.unwrap().success());
    let refused = run(&["audit", "verify", "--log", to, "--key", second]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8([refused.stdout, refused.stderr].concat()).unwrap();
    assert!(said.contains(SUCCESSIONS_FILE), "{said}");
    std::fs::copy(copied(SUCCESSIONS_FILE), copy.path().join(SUCCESSIONS_FILE)).unwrap();
    done(&["audit", "verify", "--log", to, "--key", first]);
}
