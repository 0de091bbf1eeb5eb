//! Power cut between any two steps of a log's life: what is left is opened as it stands, with only what was synced, and
//! with some pages of the rest. The control lives on a disk that does not sync the tail, and must lose.

use std::sync::mpsc;

use super::*;
use crate::disk::plan::{Left, Plan, scatter};

/// A cut: before which step, what stood there, and what had been told by then.
type Cut = (String, Image, Told);

/// Lives on a thread of its own; each cut waits until the one before it was judged.
fn cuts(stride: u64, cuts: mpsc::SyncSender<Cut>) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let dir = somewhere();
        let told = Arc::new(Mutex::new(Told::default()));
        let known = Arc::clone(&told);
        let on_step = move |durable: &crate::disk::plan::Durable, number: u64, name: &str| {
            if number % stride != scatter(stride) % stride {
                return;
            }
            let told = known.lock().unwrap().clone();
            for left in [Left::Everything, Left::Synced, Left::Pages(scatter(number))] {
                let what = format!("power cut before step {number} ({name}), left: {left:?}");
                // Whoever judges has failed when nobody takes it.
                let _ = cuts.send((what, durable.image(left), told.clone()));
            }
        };
        let plan = Plan::over(dir.path(), None, Some(Box::new(on_step)));
        let life = Life {
            dir: dir.path(),
            told: &told,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(life.live()).unwrap();
        plan.steps()
    })
}

async fn every(stride: u64) -> u64 {
    let (sender, receiver) = mpsc::sync_channel(2);
    let living = cuts(stride, sender);
    let (mut images, mut acknowledged) = (0, 0);
    while let Ok((what, image, told)) = tokio::task::block_in_place(|| receiver.recv()) {
        survives(&image, &told, &what).await;
        images += 1;
        acknowledged += told.entries.len();
    }
    let steps = living.join().unwrap();
    assert!(steps > 300, "hardly anything was done: {steps} steps");
    println!(
        "{images} images of a power cut over {steps} steps; {acknowledged} acknowledged, 0 lost, 0 root mismatches"
    );
    images
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cut_between_two_steps_loses_nothing() {
    assert!(every(23).await > 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "three images of every step take two minutes: make faults"]
async fn power_cut_between_any_two_steps_loses_nothing() {
    assert!(every(1).await > 900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_is_not_synced_loses_entries() {
    let dir = somewhere();
    let plan = Plan::over(dir.path(), None, None);
    let told = Mutex::new(Told::default());
    let life = Life {
        dir: dir.path(),
        told: &told,
    };
    let founded = Log::create(
        small(dir.path()),
        draft(Kind::Genesis, "genesis"),
        signer(1),
    );
    let log = founded.await.unwrap();
    plan.idle(&dir.path().join("tail"));
    let appended = log
        .append(draft(Kind::Request, "told"), None)
        .await
        .unwrap();
    life.note(&log, &appended);
    let (synced, everything) = (plan.image(Left::Synced), plan.image(Left::Everything));
    let told = told.lock().unwrap().clone();
    survives(&everything, &told, "kill").await;
    let judged = tokio::spawn(async move { survives(&synced, &told, "power cut").await });
    let lost = judged
        .await
        .expect_err("an entry that was never synced is there");
    let said = lost.into_panic();
    let said = said.downcast_ref::<String>().unwrap();
    assert!(said.contains("power cut: entry 1"), "{said}");
}
