//! Each write, removal and sync of a pruning fails once, before it was done or after: nothing is lost, also where
//! nothing reached the disk that was not synced, and the same command finishes.

use super::cut_short::public;
use super::*;
use crate::disk::plan::{Image, Left, Plan, SAID, When};

/// Prunes with the failing step, or with none, and judges what is left. Gives whether the step was met, and how many
/// there were when it ended.
async fn fails(done: &Path, at: u64, when: When) -> (bool, u64) {
    let dir = stopped().await;
    let plan = Plan::over_standing(dir.path(), Some((at, when)));
    let options = Options {
        layout: Some(layout(dir.path())),
        ..Options::new(Before::Index(256))
    };
    let result = prune(dir.path(), options);
    let (failed, steps) = (plan.failed(), plan.steps());
    let Some(what) = failed else {
        result.unwrap();
        return (false, steps);
    };
    let reason = result.expect_err(&format!("{what}: nobody was told"));
    assert!(reason.to_string().contains(SAID), "{what}: {reason}");
    let images = [Image::of(dir.path()), plan.image(Left::Synced)];
    drop(plan);
    for image in images {
        let left = tempfile::tempdir().unwrap();
        image.restore(left.path());
        assert_eq!(errors(left.path()), [""; 0], "after {what}");
        let log = Log::open(config(left.path()), signer()).await.unwrap();
        assert_eq!(log.head().size(), 800, "after {what}");
        log.close().await.unwrap();
        drop(log);
        pruned(left.path(), Before::Index(256));
        assert_eq!(public(left.path()), public(done), "after {what}");
        assert_eq!(holds(left.path(), OLD), [""; 0], "after {what}");
        assert_eq!(errors(left.path()), [""; 0], "finished after {what}");
    }
    (true, steps)
}

/// Every `stride`-th step, for both kinds of failure, until the run ends without meeting one.
async fn every(stride: u64) -> u64 {
    let done = stopped().await;
    pruned(done.path(), Before::Index(256));
    let mut tried = 0;
    for (when, first) in [(When::Before, 0), (When::After, stride / 2)] {
        for round in 0.. {
            let (met, steps) = fails(done.path(), first + round * stride, when).await;
            if !met {
                assert!(steps > 20, "hardly anything was done: {steps} steps");
                break;
            }
            tried += 1;
        }
    }
    println!(
        "{tried} failures of a step of pruning: 0 entries lost, each finished by the same command"
    );
    tried
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_pruning_that_fails_loses_nothing_and_the_same_command_finishes() {
    assert!(every(17).await > 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "every step twice takes three minutes: make faults"]
async fn every_step_of_pruning_that_fails_loses_nothing() {
    assert!(every(1).await > 40);
}
