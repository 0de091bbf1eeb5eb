//! sled empty, gone, garbage, older, of another log: rebuilt from tail and bundles, or refused.

use super::*;

/// A journal of 100 entries, 60 of them published, all of them stored.
fn stored() -> Bench {
    let mut bench = Bench::new();
    bench.segment_bytes = 16 << 10;
    let journal = bench.create();
    bench.record(&journal, 60);
    journal.keep(0).unwrap();
    journal.keep(60).unwrap();
    bench.record(&journal, 40);
    journal.keep(60).unwrap();
    drop(journal);
    bench.publish(60);
    assert!(
        !bench.segments()[0].ends_with(format!("{:020}.tail", 0)),
        "a segment was retired"
    );
    bench
}

fn database(bench: &Bench) -> PathBuf {
    bench.store_dir().join(format!("{:020}", 0))
}

#[test]
fn a_missing_store_is_rebuilt() {
    let bench = stored();
    fs::remove_dir_all(bench.store_dir()).unwrap();
    let report = bench.opens_whole();
    assert_eq!(report.store, StoreFound::Missing);
    assert!(report.rebuilt.end > 0 && report.rebuilt.end <= 60);
    assert_eq!(report.replayed, report.rebuilt.end..100);
    assert_eq!(bench.opens_whole().store, StoreFound::Whole);
}

#[test]
fn a_store_that_somebody_holds_is_waited_for_or_refused_and_never_set_aside() {
    let bench = stored();
    let held = || {
        sled::Config::new()
            .path(database(&bench))
            .segment_size(8 << 20)
            .open()
            .unwrap()
    };
    let let_go = held();
    let release = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(let_go);
    });
    assert_eq!(bench.opens_whole().store, StoreFound::Whole);
    release.join().unwrap();
    // The bench's own handles are gone a moment later.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let kept = held();
    assert!(bench.open().is_err(), "another process writes here");
    drop(kept);
    assert!(database(&bench).exists());
}

#[test]
fn a_store_that_opens_empty_is_rebuilt() {
    let bench = stored();
    fs::remove_dir_all(database(&bench)).unwrap();
    drop(
        sled::Config::new()
            .path(database(&bench))
            .segment_size(8 << 20)
            .open()
            .unwrap(),
    );
    let report = bench.opens_whole();
    assert_eq!(report.store, StoreFound::Empty);
    let names = fs::read_dir(bench.store_dir()).unwrap();
    let aside = names.filter(|name| {
        name.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("set-aside")
    });
    assert_eq!(aside.count(), 1, "the empty one is kept to be looked at");
}

#[test]
fn garbage_in_any_file_of_the_store_is_rebuilt_or_harmless() {
    let bench = stored();
    let whole = bench.dir.path().join("whole");
    copy(&database(&bench), &whole);
    let files: Vec<_> = fs::read_dir(&whole)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let mut rebuilt = 0;
    for file in files.iter().filter(|file| file.is_file()) {
        let len = fs::metadata(file).unwrap().len() as usize;
        for garbage in [vec![0xa5; len], vec![0; len], Vec::new()] {
            fs::remove_dir_all(bench.store_dir()).unwrap();
            copy(&whole, &database(&bench));
            fs::write(database(&bench).join(file.file_name().unwrap()), garbage).unwrap();
            rebuilt += usize::from(bench.opens_whole().store != StoreFound::Whole);
        }
    }
    assert!(
        rebuilt > 0,
        "garbage in the database file cannot go unnoticed"
    );
}

#[test]
fn an_older_store_is_brought_up_to_date_from_the_tail() {
    let mut bench = Bench::new();
    let journal = bench.create();
    bench.record(&journal, 30);
    journal.keep(0).unwrap();
    drop(journal);
    let old = bench.dir.path().join("old");
    copy(&bench.store_dir(), &old);
    let (journal, _) = bench.open().unwrap();
    bench.record(&journal, 30);
    journal.keep(0).unwrap();
    drop(journal);
    fs::remove_dir_all(bench.store_dir()).unwrap();
    fs::rename(&old, bench.store_dir()).unwrap();
    bench.publish(50);
    let report = bench.opens_whole();
    assert_eq!((report.store, report.replayed), (StoreFound::Whole, 30..60));
}

#[test]
fn a_store_of_another_log_is_not_believed() {
    let bench = stored();
    let other = Bench::new();
    let journal = other.create();
    let draft = |text: &str| Draft {
        kind: Kind::Request,
        facts: Bytes::copy_from_slice(text.as_bytes()),
        header: Bytes::new(),
        seal: None,
    };
    for index in 0..80 {
        let admission = Admission {
            draft: draft(&format!("other {index}")),
            judged_registry: None,
        };
        journal
            .commit(vec![admission], &mut |head, drafts| {
                stamp_batch(head, drafts, 9, 1)
            })
            .unwrap();
    }
    journal.keep(0).unwrap();
    drop(journal);
    fs::remove_dir_all(bench.store_dir()).unwrap();
    copy(&other.store_dir(), &bench.store_dir());
    let report = bench.opens_whole();
    assert!(matches!(report.store, StoreFound::Corrupt(_)), "{report}");
}

#[test]
fn a_lost_store_without_its_bundles_is_refused_and_the_range_named() {
    let bench = stored();
    fs::remove_dir_all(bench.store_dir()).unwrap();
    for bundles in [
        None,
        Some(Bundles::new(|_| {
            Err(std::io::Error::other("no such bundle"))
        })),
    ] {
        let Err(JournalError::Refused(reason)) =
            TailAndStore::open(bench.layout(), bundles, bench.published, Recovery::Strict)
        else {
            panic!("opened without its entries");
        };
        assert!(
            reason.contains("entries 0..") && reason.contains("Restore"),
            "{reason}"
        );
    }
    bench.opens_whole();
}

#[test]
fn bundles_of_another_log_do_not_rebuild_it() {
    let bench = stored();
    fs::remove_dir_all(bench.store_dir()).unwrap();
    let whole = bench.acked.lock().unwrap().clone();
    {
        let mut acked = bench.acked.lock().unwrap();
        let mut altered = acked[7].to_vec();
        *altered.last_mut().unwrap() ^= 1;
        altered[60] ^= 1;
        acked[7] = altered.into();
    }
    let reason = bench.refuses();
    assert!(reason.contains("do not lead to the head"), "{reason}");
    *bench.acked.lock().unwrap() = whole;
    bench.opens_whole();
}

#[test]
fn a_log_shorter_than_its_published_checkpoint_is_refused() {
    let bench = stored();
    let whole = bench.dir.path().join("whole");
    copy(&bench.tail_dir(), &whole.join("tail"));
    copy(&bench.store_dir(), &whole.join("store"));
    let journal = bench.open().unwrap().0;
    bench.record(&journal, 30);
    drop(journal);
    let mut bench = bench;
    bench.publish(120);
    for part in ["tail", "store"] {
        fs::remove_dir_all(bench.dir.path().join(part)).unwrap();
        copy(&whole.join(part), &bench.dir.path().join(part));
    }
    for recovery in [Recovery::Strict, Recovery::AcceptTailLoss] {
        bench.recovery = recovery;
        let reason = bench.refuses();
        assert!(reason.contains("entries 100..120 are missing"), "{reason}");
    }
}

#[test]
fn a_tail_missing_behind_a_short_store_is_refused_whatever_is_accepted() {
    let mut bench = stored();
    bench.publish(100);
    fs::remove_dir_all(bench.tail_dir()).unwrap();
    fs::remove_dir_all(bench.store_dir()).unwrap();
    for recovery in [Recovery::Strict, Recovery::AcceptTailLoss] {
        bench.recovery = recovery;
        bench.refuses();
    }
}

#[test]
fn a_published_checkpoint_with_another_root_is_refused() {
    let mut bench = stored();
    for size in [60, 100] {
        bench.published = Some(TreeHead {
            size,
            root: proto::Digest::of(b"another tree"),
        });
        let reason = bench.refuses();
        assert!(reason.contains("the roots differ"), "{reason}");
    }
}

/// A journal of 65 entries whose second database was begun at 60, and where that one lies.
fn begun() -> (Bench, PathBuf) {
    let mut bench = Bench::new();
    bench.store_entries = 50;
    let journal = bench.create();
    bench.record(&journal, 60);
    bench.publish(55);
    journal.keep(55).unwrap();
    bench.record(&journal, 5);
    drop(journal);
    let begun = bench.store_dir().join(format!("{:020}", 60));
    (bench, begun)
}

#[test]
fn a_database_that_was_only_begun_when_power_was_cut_stands_in_nobodys_way() {
    let (bench, begun) = begun();
    fs::write(begun.join("db"), vec![0xa5; 4096]).unwrap();
    // sled opens it as an empty one, and the one before it goes on.
    let report = bench.opens_whole();
    assert_eq!(report.store, StoreFound::Whole);
    assert_eq!(report.replayed, 60..65);
    assert_eq!(bench.opens_whole().store, StoreFound::Whole);
}

#[test]
fn a_database_that_power_left_empty_gives_way_to_the_one_before_it() {
    let (bench, begun) = begun();
    fs::remove_dir_all(&begun).unwrap();
    fs::create_dir(&begun).unwrap();
    let report = bench.opens_whole();
    assert_eq!(report.store, StoreFound::Whole);
    assert_eq!((report.replayed, report.rebuilt), (60..65, 0..0));
}

#[test]
fn a_database_begun_beyond_what_is_published_needs_the_one_before_it() {
    let mut bench = Bench::new();
    bench.store_entries = 50;
    let journal = bench.create();
    bench.record(&journal, 60);
    bench.publish(20);
    journal.keep(20).unwrap();
    bench.record(&journal, 60);
    // Full as well, and still waiting for its predecessor's entries to be published.
    journal.keep(20).unwrap();
    let databases = || fs::read_dir(bench.store_dir()).unwrap().count();
    assert_eq!(databases(), 2);
    drop(journal);
    let report = bench.opens_whole();
    assert_eq!(report.store, StoreFound::Whole);
    assert_eq!(report.replayed, 120..120);
    // Without it, everything is still in the tail, which keeps what is not published.
    fs::remove_dir_all(bench.store_dir().join(format!("{:020}", 0))).unwrap();
    let report = bench.opens_whole();
    assert!(
        matches!(&report.store, StoreFound::Corrupt(why) if why.contains("beyond what is published")),
        "{report}"
    );
    assert_eq!(report.replayed, 0..120);
    assert_eq!(bench.opens_whole().store, StoreFound::Whole);
}
