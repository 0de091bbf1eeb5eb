//! A switch that is killed and goes on from an older copy of its log: what it acknowledged in between convicts it, in the
//! next run of the adapter that holds the receipt, whether the log is shorter, as long or longer by then.

use adapters::adapter::{Adapter, AdapterError};
use adapters::checkpoints::SeenError;
use adapters::consumer::{Answer, ExchangeError};
use audit::receipt::tlog_proof::TlogProof;
use audit::verify::{HeldError, compare};
use serde_json::json;
use tests::ground::{Ground, copy};
use tests::provider::{Backend, Does};
use tests::soon;
use tests::switch::TestSwitch;
use tests::world::{PERSONS, World};

async fn ask(adapter: &Adapter) -> Result<Answer, ExchangeError> {
    let consumer = adapter.consumer();
    let ask = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name"]);
    let asking = ask.payload_json(&json!({ "nid": "29001019900011" })).send();
    soon("an answer", Box::pin(asking)).await
}

/// The agency's home once more, as an adapter run starts.
async fn next_run(world: &World) -> Result<Adapter, AdapterError> {
    let adapter = Adapter::start(world.moss.home(), world.switch.clock().clone())?;
    adapter.ready(tests::PATIENCE).await?;
    Ok(adapter)
}

fn evidence(world: &World) -> usize {
    let files = std::fs::read_dir(world.moss.home_dir()).unwrap().flatten();
    files
        .filter(|file| {
            file.file_name()
                .to_string_lossy()
                .starts_with("fork-evidence-")
        })
        .count()
}

/// A world whose log was put back to before an exchange that was acknowledged, with `others` recorded since; and that
/// exchange's answer.
async fn put_back(others: usize) -> (World, Answer) {
    let World {
        switch,
        moss,
        civil,
        agreement,
        contract,
    } = World::new().await;
    let ground = switch.stop().await;
    let kept = tempfile::tempdir().unwrap();
    copy(&ground.log_dir(), kept.path());
    let again = async |ground: Ground, moss, civil| {
        let switch = TestSwitch::on(ground, "").await.unwrap();
        let world = World {
            switch,
            moss,
            civil,
            agreement,
            contract,
        };
        for agency in [&world.moss, &world.civil] {
            agency.point_at(world.switch.exchange());
        }
        world
    };
    let world = again(ground, moss, civil).await;
    let backend = Backend::new(Does::Answers);
    let provider = world.civil.serve(world.switch.ground(), backend).await;
    let adapter = next_run(&world).await.unwrap();
    let answer = ask(&adapter).await.unwrap();
    drop((adapter, provider));
    let World {
        switch,
        moss,
        civil,
        ..
    } = world;
    let ground = switch.stop().await;
    std::fs::remove_dir_all(ground.log_dir()).unwrap();
    copy(kept.path(), &ground.log_dir());
    // The other agency forgets: what counts here is what the consumer remembers.
    for name in ["checkpoint.txt", "promised.txt"] {
        let _ = std::fs::remove_file(civil.home_dir().join(name));
    }
    let world = again(ground, moss, civil).await;
    let raw = world.raw_consumer().await;
    for _ in 0..others {
        // Nobody serves: each of these is a request or a refusal on record.
        let _ = raw.ask_well().await;
    }
    (world, answer)
}

fn proof(answer: &Answer) -> TlogProof {
    TlogProof {
        extra: None,
        index: answer.receipt.index,
        proof: answer.receipt.proof.clone(),
        checkpoint: answer.receipt.checkpoint.clone(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_run_convicts_a_log_that_was_put_back_however_long_it_is() {
    for others in [0, 1, 2, 8] {
        let (world, answer) = put_back(others).await;
        // Only what the receipt promised is left: the published checkpoint is one that the older copy still extends.
        let _ = std::fs::remove_file(world.moss.home_dir().join("checkpoint.txt"));
        let _provider = world
            .civil
            .serve(world.switch.ground(), Backend::new(Does::Answers))
            .await;
        let run = next_run(&world).await.unwrap();
        let asked = ask(&run).await;
        let told = match asked {
            Err(_) => run.standing().hold().is_err(),
            // Longer by now: the answer is given only by those who do not wait for what is published.
            Ok(_) => {
                let settled = run
                    .checkpoints()
                    .settled(run.connection(), tests::PATIENCE)
                    .await;
                matches!(settled, Err(SeenError::Distrust(_)))
            }
        };
        assert!(told, "{others}");
        assert_eq!(evidence(&world), 1, "{others}");
        // No later run begins before a person has looked.
        drop(run);
        assert!(matches!(
            next_run(&world).await,
            Err(AdapterError::Distrust(_))
        ));
        // The receipt itself convicts the files.
        let ground = world.switch.stop().await;
        let compared = compare(&ground.log_dir(), &proof(&answer), &ground.log_key());
        assert!(
            matches!(
                compared,
                Err(HeldError::Shorter { .. } | HeldError::Forked { .. })
            ),
            "{others}: {compared:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_loses_nothing_convicts_nobody() {
    let mut world = World::new().await;
    for _ in 0..2 {
        let _provider = world
            .civil
            .serve(world.switch.ground(), Backend::new(Does::Answers))
            .await;
        let run = next_run(&world).await.unwrap();
        ask(&run).await.unwrap();
        drop(run);
        // Killed, in effect: what was not published is in the tail alone.
        world = world.after_a_power_cut().await;
        let run = next_run(&world).await.unwrap();
        let settled = run
            .checkpoints()
            .settled(run.connection(), tests::PATIENCE)
            .await;
        assert!(settled.unwrap());
        assert_eq!((run.standing().hold(), evidence(&world)), (Ok(()), 0));
    }
    world.finish().await;
}
