//! Each write and sync of a log's life fails once, before it was done or after: the log stops, nothing is acknowledged
//! after, and the next start holds everything acknowledged; also where nothing reached the disk that was not synced.

use super::*;
use crate::disk::plan::{Left, Plan, When};

/// Lives with the failing step, or with none; judges what is left. Gives how many steps there were when it ended.
async fn fails(at: u64, when: When) -> (bool, u64, usize) {
    let dir = somewhere();
    let plan = Plan::over(dir.path(), Some((at, when)), None);
    let told = Mutex::new(Told::default());
    let life = Life {
        dir: dir.path(),
        told: &told,
    };
    let lived = life.live().await;
    let (failed, steps) = (plan.failed(), plan.steps());
    let told = told.into_inner().unwrap();
    let Some(what) = failed else {
        lived.unwrap();
        return (false, steps, told.entries.len());
    };
    let reason = lived.expect_err(&format!("{what}: nobody was told"));
    let (standing, synced) = (Image::of(dir.path()), plan.image(Left::Synced));
    drop(plan);
    survives(&standing, &told, &format!("{what} ({reason})")).await;
    survives(&synced, &told, &format!("{what}, then power cut")).await;
    (true, steps, told.entries.len())
}

/// Every `stride`-th step, for both kinds of failure, until the run ends without meeting one.
async fn every(stride: u64) -> u64 {
    let (mut tried, mut acknowledged) = (0, 0);
    for (when, first) in [(When::Before, 0), (When::After, stride / 2)] {
        for round in 0.. {
            let (met, steps, entries) = fails(first + round * stride, when).await;
            if !met {
                assert!(steps > 300, "hardly anything was done: {steps} steps");
                break;
            }
            tried += 1;
            acknowledged += entries;
        }
    }
    println!(
        "{tried} failures of a write or sync: {tried} stopped the log; {acknowledged} acknowledged, 0 lost, 0 root mismatches"
    );
    tried
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_or_sync_that_fails_stops_the_log_and_loses_nothing() {
    assert!(every(41).await > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "every step twice takes three minutes: make faults"]
async fn every_write_and_sync_that_fails_stops_the_log_and_loses_nothing() {
    assert!(every(1).await > 600);
}
