//! A switch in a process of its own, killed again and again while agencies leave submissions and others answer them.

use std::collections::BTreeSet;
use std::time::Duration;

use audit::clock::Clock;
use proto::id::ExchangeId;
use tests::agency::TestAgency;
use tests::check::check_log_after_a_crash;
use tests::ground::Ground;
use tests::process::Process;

use super::*;
use tests::switch::TestSwitch;

const ROUNDS: u64 = 6;

/// Who takes part, and what each side knows so far.
struct Members {
    ground: Ground,
    moss: TestAgency,
    civil: TestAgency,
    acknowledged: BTreeSet<ExchangeId>,
    answers: BTreeSet<ExchangeId>,
}

impl Members {
    async fn founded() -> Self {
        let ground = Ground::found_at(Clock::System).await;
        let world = World::populate(TestSwitch::on(ground, "").await.unwrap()).await;
        world.civil.bind_encryption_key(&world.switch).await;
        Self {
            ground: world.switch.stop().await,
            moss: world.moss,
            civil: world.civil,
            acknowledged: BTreeSet::new(),
            answers: BTreeSet::new(),
        }
    }

    async fn start(&self) -> (Process, adapters::Consumer) {
        let process = Process::start(&self.ground).await;
        for agency in [&self.moss, &self.civil] {
            agency.point_at(process.exchange);
        }
        let consumer = self.moss.adapter(&self.ground).await.consumer();
        (process, consumer)
    }

    /// Leaves and collects until the switch is killed, after `lives`; every other round somebody answers, too.
    async fn round(&mut self, round: u64, lives: Duration) {
        let (process, consumer) = self.start().await;
        let handle = match round % 2 {
            0 => None,
            _ => Some(
                self.civil
                    .serve(&self.ground, Backend::new(Does::Answers))
                    .await,
            ),
        };
        let waiting = self.acknowledged.clone();
        let collecting = tokio::spawn(collect_all(consumer.clone(), waiting));
        let leaving = tokio::spawn(leave_until_it_breaks(consumer));
        // The moment of the kill is what differs; it cannot be awaited.
        tokio::time::sleep(lives).await;
        process.kill().await;
        let left = soon("who submits notices", leaving).await.unwrap();
        self.acknowledged.extend(left);
        for id in soon("who collects notices", collecting).await.unwrap() {
            assert!(self.answers.insert(id), "given out twice");
        }
        drop(handle);
    }

    /// Sends again what got no receipt, and collects everything that the home keeps.
    async fn settle(&mut self, consumer: &adapters::Consumer) {
        let kept = || Kept::all(&self.moss.home_dir());
        for id in kept() {
            if !self.acknowledged.contains(&id) {
                match soon("it is known", consumer.submit_again(id)).await {
                    Ok(_) | Err(ExchangeError::Refused(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        let mut lost = Vec::new();
        for id in kept() {
            match soon("an answer", consumer.collect(id, PATIENCE)).await {
                Ok(Collected::Answered(_)) => assert!(self.answers.insert(id), "given out twice"),
                // Never got through, and is too old now.
                Err(ExchangeError::Refused(_)) if !self.acknowledged.contains(&id) => {}
                other => lost.push((id, format!("{other:?}"))),
            }
        }
        assert!(lost.is_empty(), "{lost:?}");
    }
}

async fn collect_all(
    consumer: adapters::Consumer,
    waiting: BTreeSet<ExchangeId>,
) -> Vec<ExchangeId> {
    let mut came = Vec::new();
    for id in waiting {
        let wait = Duration::from_millis(50);
        match consumer.collect(id, wait).await {
            Ok(Collected::Answered(answer)) => came.push(answer.exchange_id),
            Err(ExchangeError::Transport { .. }) => break,
            Ok(Collected::Not(_)) | Err(_) => {}
        }
    }
    came
}

async fn leave_until_it_breaks(consumer: adapters::Consumer) -> Vec<ExchangeId> {
    let mut left = Vec::new();
    while let Ok(submitted) = ask!(consumer).submit(HOUR).await {
        left.push(submitted.exchange_id);
    }
    left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_every_submission_is_answered_and_collected_once() {
    let mut members = Box::pin(Members::founded()).await;
    for round in 0..ROUNDS {
        let lives = Duration::from_millis(120 + 90 * round);
        members.round(round, lives).await;
    }
    let (process, consumer) = members.start().await;
    let backend = Backend::new(Does::Answers);
    let handle = members.civil.serve(&members.ground, backend).await;
    members.settle(&consumer).await;
    let missing = members.acknowledged.difference(&members.answers).count();
    // Read and noted, but cut off before this test heard of it.
    assert!(missing <= ROUNDS as usize, "{missing}");
    assert!(
        members.acknowledged.len() > 10,
        "{}",
        members.acknowledged.len()
    );
    drop(consumer);
    drop(handle);
    let (status, said) = process.stop().await;
    assert!(status.success(), "{status}: {said}");
    let (dir, key) = (members.ground.log_dir(), members.ground.log_key());
    let told = check_log_after_a_crash(&dir, &key);
    assert_eq!(told.report.open, 0);
    for id in members.acknowledged {
        assert_eq!(
            told.story(id),
            [(Kind::Request, ""), (Kind::Closing, "answered")]
        );
    }
}
