//! What somebody on the way can say in a witness's name, and what only a witness can show.

use audit::checkpoint::Checkpoint;
use proto::digest::Digest;

use super::*;

const AHEAD: &str = "HTTP/1.1 409 Conflict\r\nContent-Length: 3\r\n\r\n99\n";
const OTHERWISE: &str = "HTTP/1.1 422 Unprocessable\r\nContent-Length: 0\r\n\r\n";

/// Witnesses of a log whose task runs.
struct Watched {
    bench: Bench,
    witnesses: Arc<Witnesses>,
    done: CancellationToken,
    tasks: TaskTracker,
}

impl Watched {
    /// `fake` beside one that cosigns; either is a quorum.
    async fn beside(fake: &Fake, stop_on_unproved: bool) -> (Self, Fake) {
        let good = Fake::new("good", Does::Cosigns).await;
        let text = format!(
            "{}{}group g any good bad\nquorum g\n",
            good.line("good"),
            fake.line("bad")
        );
        let mut bench = Bench::new(&text).await;
        bench.config.stop_on_unproved = stop_on_unproved;
        let witnesses = Arc::new(bench.open().unwrap());
        let (done, tasks) = (CancellationToken::new(), TaskTracker::new());
        let running = Arc::clone(&witnesses).run(bench.log.clone(), done.clone(), tasks.clone());
        tasks.spawn(running);
        let watched = Self {
            bench,
            witnesses,
            done,
            tasks,
        };
        (watched, good)
    }

    async fn end(self) {
        self.done.cancel();
        self.tasks.close();
        within(self.tasks.wait()).await;
        within(self.bench.log.close()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_once_in_its_name_and_not_again_is_an_alarm_and_ends_nothing() {
    for says in [AHEAD, OTHERWISE] {
        let fake = Fake::new("bad", Does::Once(says)).await;
        let (watched, _good) = Watched::beside(&fake, true).await;
        watched.bench.append().await;
        let mut counts = watched.witnesses.counts();
        within(counts.wait_for(|lateness| lateness.counts.doubts == 1))
            .await
            .unwrap();
        let mut published = watched.bench.log.published();
        let both = |there: &Arc<SignedCheckpoint>| {
            let note = SignedNote::parse(&there.note).unwrap();
            // The log's own, and both witnesses'.
            there.checkpoint.size == 2 && note.signatures().len() == 3
        };
        within(published.wait_for(both)).await.unwrap();
        watched.bench.append().await;
        watched.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_again_and_again_and_never_shown_is_the_configurations_to_judge() {
    for (says, expected) in [
        (
            AHEAD,
            "the witness bad cosigned 99 entries of this log, and this log has 2",
        ),
        (
            OTHERWISE,
            "the witness bad cosigned another history of this log at",
        ),
    ] {
        let fake = Fake::new("bad", Does::Says(says)).await;
        let (watched, _good) = Watched::beside(&fake, true).await;
        watched.bench.append().await;
        let reason = within(watched.bench.log.stopped()).await;
        assert!(reason.contains(expected), "{reason}");
        assert!(
            reason.contains("shows no checkpoint") && reason.contains("3 times over plain HTTP"),
            "{reason}"
        );
        watched.tasks.close();
        within(watched.tasks.wait()).await;

        let (watched, _good) = Watched::beside(&fake, false).await;
        watched.bench.append().await;
        let mut counts = watched.witnesses.counts();
        within(counts.wait_for(|lateness| lateness.counts.doubts >= 2))
            .await
            .unwrap();
        // The other one's quorum is enough, at a start too.
        within(watched.witnesses.before_first_commit(&watched.bench.log))
            .await
            .unwrap();
        let silent = watched.witnesses.silent();
        assert!(
            silent.contains("it shows nothing for what it says"),
            "{silent}"
        );
        watched.bench.append().await;
        watched.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_with_the_logs_signature_that_it_does_not_extend_ends_it_at_once() {
    for (says, size, other, proven) in [
        (AHEAD, 99, true, true),
        // Another history of the same length.
        (OTHERWISE, 2, true, true),
        (AHEAD, 1, true, true),
        // What anybody could have kept of this very log is no proof.
        (AHEAD, 1, false, false),
        (OTHERWISE, 1, false, false),
    ] {
        // The log's key is known once there is a log.
        let bench = Bench::new("").await;
        bench.append().await;
        within(bench.log.publish_now()).await.unwrap();
        let root = match other {
            true => Digest([7; 32]),
            false => {
                bench
                    .log
                    .extension(size, bench.log.head().edge.head())
                    .await
                    .unwrap()
                    .0
                    .root
            }
        };
        let shown = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root,
        };
        let note = String::from_utf8(shown.sign(&*bench.key).unwrap().note.to_vec()).unwrap();
        let fake = Fake::new("w", Does::Shows(says, note.leak())).await;
        let policy = format!("{}quorum w\n", fake.line("w"));
        std::fs::write(&bench.config.policy, policy).unwrap();
        let witnesses = bench.open().unwrap();
        let refused = within(witnesses.before_first_commit(&bench.log)).await;
        let Unwitnessed::Against(against) = refused.unwrap_err() else {
            panic!("{says} {size}");
        };
        let expected = (proven, if proven { 1 } else { 3 });
        assert_eq!((against.proven, against.times), expected, "{says} {size}");
        let own = against.to_string().contains("It shows a checkpoint");
        assert_eq!(own, proven, "{against}");
        within(bench.log.close()).await.unwrap();
    }
}
