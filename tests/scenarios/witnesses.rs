//! A switch whose checkpoints are cosigned by witnesses in processes of their own: one away, too many away, and a log that
//! was put back behind what they saw.

use std::path::Path;

use audit::note::SignedNote;
use audit::policy::Policy;
use audit::tiles::published::read_published;
use broker::switch::GivenUp;
use broker::witnesses::{Lateness, Unwitnessed};
use broker::{Listeners, StartError, Switch};
use proto::entry::Kind;
use proto::facts;
use tests::ground::{Ground, copy, loopback};
use tests::process::mohawel;
use tests::soon;
use tests::switch::TestSwitch;
use tests::witness::Witnesses;
use tests::world::World;
use tokio::net::TcpListener;

/// Whether the published checkpoint has `size` entries at least and the policy accepts it.
fn accepted(log: &Path, policy: &Path, size: u64) -> bool {
    let policy = Policy::parse(&std::fs::read(policy).unwrap()).unwrap();
    let published = read_published(log).unwrap().unwrap();
    let note = SignedNote::parse(&published.note).unwrap();
    published.checkpoint.size >= size && policy.verify(&note).is_accepted()
}

/// Exit code and output of `mohawel audit verify --policy`.
fn verified(log: &Path, policy: &Path) -> (Option<i32>, String) {
    let told = std::process::Command::new(mohawel())
        .args(["--json", "audit", "verify", "--log"])
        .arg(log)
        .arg("--policy")
        .arg(policy)
        .output()
        .unwrap();
    (told.status.code(), String::from_utf8(told.stdout).unwrap())
}

async fn lateness(switch: &Switch, what: &str, holds: impl Fn(&Lateness) -> bool) {
    let mut counts = switch.witnessing().unwrap();
    soon(what, counts.wait_for(|lateness| holds(lateness)))
        .await
        .unwrap();
}

/// Starts on `ground` as it is configured, and gives up what is given up.
async fn start(
    ground: &Ground,
    witnesses: &Witnesses,
    given_up: GivenUp,
) -> Result<Switch, StartError> {
    let listeners = Listeners {
        exchange: TcpListener::bind(loopback()).await.unwrap(),
        enrol: TcpListener::bind(loopback()).await.unwrap(),
    };
    let addresses = [&listeners.exchange, &listeners.enrol].map(|one| one.local_addr().unwrap());
    ground.write_config(addresses[0], addresses[1], &witnesses.section());
    Box::pin(Switch::start_recovering(
        ground.config(),
        listeners,
        ground.clock.clone(),
        given_up,
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_are_enough_and_exchanges_go_on_without_them() {
    let ground = Ground::found().await;
    let mut witnesses = Witnesses::of(&["w1", "w2", "w3"], 2, &ground.log_key()).await;
    let (log, policy) = (ground.log_dir(), witnesses.policy());
    for one in 0..2 {
        witnesses.all[one].start().await;
    }
    let switch = TestSwitch::on(ground, &witnesses.section()).await.unwrap();
    let mut world = World::populate(switch).await;
    let raw = world.raw_consumer().await;
    let _ = raw.ask_well().await;
    let size = world.switch.size();
    tests::until("a quorum under the published checkpoint", || {
        accepted(&log, &policy, size)
    })
    .await;
    let (code, told) = verified(&log, &policy);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("\"quorum\": true") && told.contains("\"witness\": \"w1\""),
        "{told}"
    );
    // One more away: no quorum. Everything goes on, and somebody is told.
    witnesses.all[1].kill().await;
    let before = world.switch.size();
    let _ = raw.ask_well().await;
    assert!(world.switch.size() > before);
    lateness(world.switch.switch(), "the alarm", Lateness::is_alarmed).await;
    tests::until("published without a quorum", || {
        read_published(&log).unwrap().unwrap().checkpoint.size > before
    })
    .await;
    assert!(!accepted(&log, &policy, before + 1));
    let (code, told) = verified(&log, &policy);
    assert_eq!(code, Some(1));
    assert!(told.contains("witness_quorum"), "{told}");
    // Back, with what it remembers: the checkpoint that is published gets its quorum although nothing new comes.
    witnesses.all[1].start().await;
    lateness(world.switch.switch(), "a quorum again", |lateness| {
        !lateness.is_alarmed()
    })
    .await;
    tests::until("a quorum under it", || accepted(&log, &policy, before + 1)).await;
    world.switch = {
        let ground = world.switch.stop().await;
        // The last checkpoint of an orderly end is cosigned, too.
        assert!(accepted(&log, &policy, before + 1));
        assert_eq!(verified(&log, &policy).0, Some(0));
        TestSwitch::on(ground, &witnesses.section()).await.unwrap()
    };
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_put_back_does_not_start_and_does_not_go_on() {
    let ground = Ground::found().await;
    let mut witnesses = Witnesses::of(&["w1", "w2"], 1, &ground.log_key()).await;
    witnesses.all[0].start().await;
    let (log, policy) = (ground.log_dir(), witnesses.policy());
    let switch = TestSwitch::on(ground, &witnesses.section()).await.unwrap();
    let ground = switch.stop().await;
    let kept = tempfile::tempdir().unwrap();
    copy(&log, kept.path());
    let switch = TestSwitch::on(ground, &witnesses.section()).await.unwrap();
    switch.invite("EG/GOV/MOSS").await;
    let ground = switch.stop().await;
    let size = read_published(&log).unwrap().unwrap().checkpoint.size;
    assert!(accepted(&log, &policy, size));
    // The whole directory is put back, with every record that it has of itself.
    std::fs::remove_dir_all(&log).unwrap();
    copy(kept.path(), &log);
    let without = GivenUp {
        without_witnesses: true,
        ..GivenUp::default()
    };
    for given_up in [GivenUp::default(), without] {
        let refused = start(&ground, &witnesses, given_up).await.unwrap_err();
        let StartError::Unwitnessed(Unwitnessed::Against(against)) = &refused else {
            panic!("{refused}");
        };
        assert!(
            against.proven && !against.fork && against.theirs == size,
            "{against:?}"
        );
        assert!(refused.to_string().contains("the witness w1"), "{refused}");
    }
    // With the witness away nobody can know; the operator may go on, and that is on record.
    witnesses.all[0].kill().await;
    let refused = start(&ground, &witnesses, GivenUp::default())
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            StartError::Unwitnessed(Unwitnessed::NoQuorum { .. })
        ),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("--without-witnesses"),
        "{refused}"
    );
    let switch = start(&ground, &witnesses, without).await.unwrap();
    let last = switch.log().head().size() - 1;
    let epoch =
        proto::entry::Entry::decode(&switch.log().entry(last).await.unwrap().unwrap()).unwrap();
    assert_eq!(epoch.kind, Kind::Epoch);
    let recovery = facts::epoch(&epoch.facts).unwrap().recovery;
    assert!(recovery.ends_with("without_witnesses"), "{recovery}");
    // It is back: what it remembers ends the second history.
    witnesses.all[0].start().await;
    let reason = soon("the switch stops", switch.stopped()).await;
    assert!(reason.contains("the witness w1 cosigned"), "{reason}");
    assert!(switch.shutdown().await.is_err());
    // Nothing of the second history ever got a quorum.
    assert!(!accepted(&log, &policy, last + 1));
}
