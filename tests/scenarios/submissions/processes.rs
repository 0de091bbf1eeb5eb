//! A switch in a process of its own, killed again and again while agencies leave submissions and others answer them.

use std::collections::BTreeSet;
use std::time::Duration;

use audit::clock::Clock;
use proto::id::ExchangeId;
use tests::check::check_log_after_a_crash;
use tests::ground::Ground;
use tests::process::Process;

use super::*;
use tests::switch::TestSwitch;

const ROUNDS: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_every_submission_is_answered_and_collected_once() {
    let ground = Ground::found_at(Clock::System).await;
    let world = World::populate(TestSwitch::on(ground, "").await.unwrap()).await;
    world.civil.bind_encryption_key(&world.switch).await;
    let World {
        switch,
        moss,
        civil,
        ..
    } = world;
    let ground = switch.stop().await;
    let mut acknowledged: BTreeSet<ExchangeId> = BTreeSet::new();
    let mut answers = BTreeSet::new();
    for round in 0..ROUNDS {
        let process = Process::start(&ground).await;
        for agency in [&moss, &civil] {
            agency.point_at(process.exchange);
        }
        let consumer = moss.adapter(&ground).await.consumer();
        let backend = Backend::new(Does::Answers);
        // Every other round nobody is there to answer.
        let handle = match round % 2 {
            0 => None,
            _ => Some(civil.serve(&ground, backend).await),
        };
        let collecting = {
            let (consumer, waiting) = (consumer.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut came = Vec::new();
                for id in waiting {
                    let wait = Duration::from_millis(50);
                    if let Ok(Collected::Answered(answer)) = consumer.collect(id, wait).await {
                        came.push(answer.exchange_id);
                    }
                }
                came
            })
        };
        let leaving = tokio::spawn(async move {
            let mut left = Vec::new();
            loop {
                match ask!(consumer).submit(HOUR).await {
                    Ok(submitted) => left.push(submitted.exchange_id),
                    Err(_) => return left,
                }
            }
        });
        // The moment of the kill is what differs; it cannot be awaited.
        tokio::time::sleep(Duration::from_millis(120 + 90 * round)).await;
        process.kill().await;
        let left = soon("who submits notices", leaving).await.unwrap();
        acknowledged.extend(left);
        for id in soon("who collects notices", collecting).await.unwrap() {
            assert!(answers.insert(id), "given out twice");
        }
        drop(handle);
    }
    let process = Process::start(&ground).await;
    for agency in [&moss, &civil] {
        agency.point_at(process.exchange);
    }
    let consumer = moss.adapter(&ground).await.consumer();
    let handle = civil.serve(&ground, Backend::new(Does::Answers)).await;
    // Also those of which no receipt came: the same bytes again, and whatever became of them.
    for id in Kept::all(&moss.home_dir()) {
        if !acknowledged.contains(&id) {
            match soon("it is known", consumer.submit_again(id)).await {
                Ok(_) | Err(ExchangeError::Refused(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    let (mut lost, mut stale) = (Vec::new(), 0);
    for id in Kept::all(&moss.home_dir()) {
        match soon("an answer", consumer.collect(id, PATIENCE)).await {
            Ok(Collected::Answered(_)) => {
                assert!(answers.insert(id), "given out twice");
            }
            // Never got through, and is too old now.
            Err(ExchangeError::Refused(_)) if !acknowledged.contains(&id) => stale += 1,
            other => lost.push((id, format!("{other:?}"))),
        }
    }
    assert!(lost.is_empty(), "{lost:?}");
    let missing: Vec<_> = acknowledged.difference(&answers).collect();
    // Read and noted, but cut off before the switch or this test heard of it.
    assert!(missing.len() <= ROUNDS as usize, "{missing:?}");
    assert!(
        acknowledged.len() > 10,
        "{} and {stale}",
        acknowledged.len()
    );
    drop(consumer);
    drop(handle);
    let (status, said) = process.stop().await;
    assert!(status.success(), "{status}: {said}");
    let told = check_log_after_a_crash(&ground.log_dir(), &ground.log_key());
    assert_eq!(told.report.open, 0);
    for id in acknowledged {
        assert_eq!(
            told.story(id),
            [(Kind::Request, ""), (Kind::Closing, "answered")]
        );
    }
}
