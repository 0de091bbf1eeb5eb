//! The next segment, made beforehand: what is in it is there after each start, whenever power is cut as it is begun, and where it
//! cannot be made the log goes on without.

use std::time::Duration;

use super::*;
use crate::disk::plan::{Image, Left, Plan, scatter};

/// The smallest segment that one is made for.
const SEGMENT_BYTES: u64 = 1 << 20;

fn bench() -> Bench {
    Bench {
        segment_bytes: SEGMENT_BYTES,
        ..Bench::new()
    }
}

/// Records until the next segment has been asked for.
fn record_until_due(bench: &Bench, journal: &TailAndStore) {
    while !locked(&journal.tail).unwrap().spare.is_making() {
        bench.record_together(journal, 100);
    }
}

fn wait_until_ready(journal: &TailAndStore) {
    for _ in 0..2_000 {
        if locked(&journal.tail).unwrap().spare.is_ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the next segment is not made");
}

fn is_filled(journal: &TailAndStore) -> bool {
    locked(&journal.tail).unwrap().active.is_filled()
}

#[test]
fn the_log_goes_over_to_it_once_and_then_from_one_full_segment_to_the_next() {
    let bench = bench();
    let journal = bench.create();
    record_until_due(&bench, &journal);
    assert!(!is_filled(&journal));
    wait_until_ready(&journal);
    bench.record(&journal, 1);
    assert!(is_filled(&journal));
    assert_eq!(bench.segments().len(), 2);
    // Half of it, and the rest.
    record_until_due(&bench, &journal);
    wait_until_ready(&journal);
    assert_eq!(bench.segments().len(), 3, "two, and what is made");
    while bench.segments().len() < 4 {
        bench.record_together(&journal, 100);
        assert!(is_filled(&journal));
    }
    drop(journal);
    assert_eq!(bench.segments().len(), 3, "nothing is left of what is made");
    bench.opens_whole();
}

#[test]
fn a_power_cut_at_any_step_of_going_over_loses_nothing() {
    type Cut = (String, Image, usize);
    let mut bench = bench();
    // In memory: each image is a whole log.
    if let Ok(dir) = tempfile::tempdir_in("/dev/shm") {
        bench.dir = dir;
    }
    let cuts: Arc<Mutex<Vec<Cut>>> = Arc::default();
    let watches = Arc::new(Mutex::new(false));
    let (noted, watched, acked) = (
        Arc::clone(&cuts),
        Arc::clone(&watches),
        Arc::clone(&bench.acked),
    );
    let on_step = move |durable: &crate::disk::plan::Durable, number: u64, name: &str| {
        if !*watched.lock().unwrap() {
            return;
        }
        let told = acked.lock().unwrap().len();
        for left in [
            Left::Everything,
            Left::Synced,
            Left::Pages(scatter(number)),
            Left::Pages(scatter(number + 1_000)),
        ] {
            let what = format!("before step {number} ({name}), left: {left:?}");
            let cut = (what, durable.image(left), told);
            noted.lock().unwrap().push(cut);
        }
    };
    let plan = Plan::over(bench.dir.path(), None, Some(Box::new(on_step)));
    let journal = bench.create();
    record_until_due(&bench, &journal);
    wait_until_ready(&journal);
    *watches.lock().unwrap() = true;
    bench.record(&journal, 3);
    *watches.lock().unwrap() = false;
    assert!(is_filled(&journal));
    drop((journal, plan));
    let cuts = std::mem::take(&mut *cuts.lock().unwrap());
    let steps: Vec<_> = cuts.iter().map(|(what, ..)| what).collect();
    // Its header is written and synced under its own name, each with four images; what follows has the segment's.
    let unnamed = steps.iter().filter(|what| what.contains("/next)"));
    assert_eq!(unnamed.count(), 8, "{steps:#?}");
    for (what, image, told) in &cuts {
        let cut = Bench {
            dir: tempfile::tempdir().unwrap(),
            acked: Arc::new(Mutex::new(bench.acked.lock().unwrap().clone())),
            ..self::bench()
        };
        image.restore(cut.dir.path());
        let (journal, _) = cut.open().unwrap_or_else(|error| panic!("{what}: {error}"));
        let found = all(&journal);
        let acked = bench.acked.lock().unwrap();
        assert!(found.len() >= *told, "{what}: {} of {told}", found.len());
        assert_eq!(found, acked[..found.len()], "{what}");
    }
}

#[test]
fn where_it_cannot_be_made_the_log_goes_on_and_asks_once_a_segment() {
    let bench = bench();
    let journal = bench.create();
    // No file can be made under a name that a directory has.
    let name = bench.tail_dir().join("next");
    fs::create_dir(&name).unwrap();
    record_until_due(&bench, &journal);
    wait_until_ready(&journal);
    while bench.segments().len() < 3 {
        bench.record_together(&journal, 100);
        assert!(!is_filled(&journal));
    }
    let is_making = locked(&journal.tail).unwrap().spare.is_making();
    assert!(!is_making, "not before this one is due");
    fs::remove_dir(&name).unwrap();
    record_until_due(&bench, &journal);
    wait_until_ready(&journal);
    bench.record(&journal, 1);
    assert!(is_filled(&journal));
    drop(journal);
    bench.opens_whole();
}

#[test]
fn what_a_killed_process_left_of_it_is_written_over() {
    let bench = bench();
    drop(bench.create());
    fs::write(bench.tail_dir().join("next"), vec![0xff; 3 << 20]).unwrap();
    let (journal, _) = bench.open().unwrap();
    record_until_due(&bench, &journal);
    wait_until_ready(&journal);
    bench.record(&journal, 1);
    assert!(is_filled(&journal));
    let newest = bench.segments().pop().unwrap();
    assert_eq!(fs::metadata(newest).unwrap().len(), SEGMENT_BYTES);
    drop(journal);
    bench.opens_whole();
}
