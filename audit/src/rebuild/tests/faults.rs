//! Each write, rename and sync of a rebuilding fails once, before it was done or after: the directory opens as it should,
//! or the same command finishes it, also where nothing reached the disk that was not synced.

use super::cut_short::{cut, damage};
use super::*;
use crate::disk::plan::{Image, Left, Plan, SAID, When};

/// Rebuilds with the failing step, or with none, and judges what is left. Gives whether the step was met, and how many
/// there were when it ended.
async fn fails(damaged: &Path, whole: &Path, head: TreeHead, at: u64, when: When) -> (bool, u64) {
    let dir = copied(damaged);
    let plan = Plan::over_standing(dir.path(), Some((at, when)));
    let (_, result) = cut(dir.path(), whole, usize::MAX);
    let (failed, steps) = (plan.failed(), plan.steps());
    let Some(what) = failed else {
        assert!(result.unwrap().whole);
        return (false, steps);
    };
    match result {
        // Nobody needs what could not be removed.
        Ok(report) => assert!(report.whole && what.contains("rebuilding"), "{what}"),
        Err(reason) => assert!(reason.to_string().contains(SAID), "{what}: {reason}"),
    }
    let images = [Image::of(dir.path()), plan.image(Left::Synced)];
    drop(plan);
    for image in images {
        let left = tempfile::tempdir().unwrap();
        image.restore(left.path());
        // What a start does now, if it starts, is right.
        let start = copied(left.path());
        if let Ok(log) = Log::open(config(start.path()), signer()).await {
            assert_eq!(log.head().edge.head(), head, "after {what}");
            drop(log);
        }
        let (_, result) = cut(left.path(), whole, usize::MAX);
        assert!(result.unwrap().whole, "after {what}");
        let (opened, _) = opens(left.path()).await;
        assert_eq!(opened, head, "after {what}");
    }
    (true, steps)
}

/// Every `stride`-th step, for both kinds of failure, until the run ends without meeting one.
async fn every(stride: u64) -> u64 {
    let (dir, head) = stopped().await;
    let whole = copied(dir.path());
    damage(dir.path()).await;
    let mut tried = 0;
    for (when, first) in [(When::Before, 0), (When::After, stride / 2)] {
        for round in 0.. {
            let at = first + round * stride;
            let (met, steps) = fails(dir.path(), whole.path(), head, at, when).await;
            if !met {
                assert!(steps > 30, "hardly anything was done: {steps} steps");
                break;
            }
            tried += 1;
        }
    }
    println!(
        "{tried} failures of a step of rebuilding: 0 entries lost, each finished by the same command"
    );
    tried
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_rebuilding_that_fails_loses_nothing_and_the_same_command_finishes() {
    assert!(every(19).await > 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "every step twice takes three minutes: make faults"]
async fn every_step_of_rebuilding_that_fails_loses_nothing() {
    assert!(every(1).await > 60);
}
