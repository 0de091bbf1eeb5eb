//! The tail cut, flipped, missing, from elsewhere.
//!
//! The rule for all of them: what was acknowledged is there, or the start is refused with the reason. A cut
//! may only take what no one was told.

use super::*;

/// A bench with `count` entries in the tail alone, and the last segment's bytes up to its last nonzero one.
fn tail_only(count: usize) -> (Bench, PathBuf, Vec<u8>, usize) {
    let bench = Bench::new();
    bench.record(&bench.create(), count);
    let path = bench.segments().pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (bench, path, bytes, written)
}

/// Follows the tail with the segment replaced by `bytes`: the entries it shows, and what it says.
fn follow(bench: &Bench, path: &Path, bytes: &[u8]) -> (Vec<Bytes>, tail::Replay) {
    fs::write(path, bytes).unwrap();
    let mut shown = Vec::new();
    let origin = bench.layout().origin;
    let replay = tail::replay(&bench.tail_dir(), &origin, &mut |step| {
        if let tail::Step::Entry { bytes, .. } = step {
            shown.push(bytes.clone());
        }
        Ok(())
    })
    .unwrap();
    (shown, replay)
}

/// Offsets where the frames start, in order, and where the last ends.
fn frame_starts(bytes: &[u8], written: usize) -> Vec<usize> {
    let starts = (8192..written)
        .step_by(8)
        .filter(|at| bytes[*at..].starts_with(b"MWTF"));
    starts.chain([written]).collect()
}

#[test]
fn a_tail_cut_at_any_byte_of_its_last_frames_ends_with_the_last_whole_one() {
    let (bench, path, bytes, written) = tail_only(12);
    let acked = bench.acked.lock().unwrap().clone();
    let starts = frame_starts(&bytes, written);
    assert_eq!(starts.len(), 13);
    for cut in starts[9]..=written {
        let whole = starts.iter().filter(|start| **start <= cut).count() - 1;
        // The last frame may lack its padding, but not its end.
        let expected = if cut == written { 12 } else { whole };
        let mut zeroed = bytes.clone();
        zeroed[cut..].fill(0);
        for state in [&bytes[..cut], &zeroed] {
            let (shown, replay) = follow(&bench, &path, state);
            assert_eq!(replay.damage, None, "cut at {cut}");
            assert!(
                shown.len() == expected || shown.len() == expected + 1,
                "cut at {cut}: {} shown, {expected} whole",
                shown.len()
            );
            assert_eq!(shown, acked[..shown.len()]);
        }
    }
}

#[test]
fn a_torn_tail_is_cut_for_good_and_written_on() {
    let (bench, path, bytes, written) = tail_only(12);
    for cut in [written - 1, written - 30, written - 60] {
        let bench = Bench {
            dir: tempfile::tempdir().unwrap(),
            ..clone_of(&bench)
        };
        fs::create_dir_all(bench.tail_dir()).unwrap();
        let path = bench.tail_dir().join(path.file_name().unwrap());
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        fs::write(&path, &torn).unwrap();
        bench.acked.lock().unwrap().truncate(11);
        let (journal, report) = bench.open().unwrap();
        assert!(report.torn_bytes > 0);
        assert_eq!(report.store, StoreFound::Missing);
        bench.record(&journal, 3);
        drop(journal);
        let report = bench.opens_whole();
        assert_eq!((report.size, report.torn_bytes), (14, 0));
    }
}

fn clone_of(bench: &Bench) -> Bench {
    Bench {
        acked: Arc::new(Mutex::new(bench.acked.lock().unwrap().clone())),
        ..Bench::new()
    }
}

#[test]
fn a_flipped_bit_in_the_last_frames_is_noticed_wherever_it_is() {
    let (bench, path, bytes, written) = tail_only(12);
    let acked = bench.acked.lock().unwrap().clone();
    let starts = frame_starts(&bytes, written);
    for at in starts[9]..written {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let (shown, replay) = follow(&bench, &path, &flipped);
        assert_eq!(shown, acked[..shown.len()], "byte {at}");
        // Between frames stands padding, which says nothing.
        let harmless = shown.len() == acked.len() && replay.damage.is_none();
        let next = starts.iter().find(|start| **start > at).unwrap();
        assert!(
            replay.damage.is_some() || (harmless && next - at < 8),
            "byte {at}: {replay:?}"
        );
    }
    // Behind the last frame, where nothing was ever written, a flip never costs an entry.
    for at in [written + 8, written + 40, written + 600, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        assert_eq!(follow(&bench, &path, &flipped).0, acked, "byte {at}");
    }
}

#[test]
fn a_sector_that_never_reached_the_disk_is_a_tear_only_in_the_last_frame() {
    let bench = Bench::new();
    let journal = bench.create();
    let drafts = |count: usize| {
        let facts = Bytes::from(vec![b'x'; 400]);
        let draft = Draft {
            kind: Kind::Request,
            facts,
            header: Bytes::new(),
            seal: None,
        };
        vec![
            Admission {
                draft,
                judged_registry: None
            };
            count
        ]
    };
    for count in [3, 20] {
        journal
            .commit(drafts(count), &mut |head, drafts| {
                stamp_batch(head, drafts, 9, 1)
            })
            .unwrap();
    }
    drop(journal);
    let path = bench.segments().pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let last = frame_starts(&bytes, written)[1];
    for sector in (8192..written).step_by(512) {
        let mut holed = bytes.clone();
        holed[sector.max(8192)..(sector + 512).min(written)].fill(0);
        let (shown, replay) = follow(&bench, &path, &holed);
        if sector >= last {
            assert_eq!(
                (shown.len(), replay.damage),
                (3, None),
                "sector at {sector}"
            );
        } else {
            assert!(
                replay.damage.is_some() && shown.is_empty(),
                "sector at {sector}"
            );
        }
    }
}

#[test]
fn damage_is_refused_and_an_operator_may_accept_it() {
    let (mut bench, path, bytes, written) = tail_only(12);
    let mut flipped = bytes.clone();
    flipped[written - 50] ^= 4;
    fs::write(&path, &flipped).unwrap();
    let reason = bench.refuses();
    assert!(
        reason.contains("entries from 11 on") && reason.contains("Restore"),
        "{reason}"
    );
    bench.recovery = Recovery::AcceptTailLoss;
    bench.publish(12);
    let reason = bench.refuses();
    assert!(reason.contains("entries 11..12 are missing"), "{reason}");
    bench.publish(11);
    bench.acked.lock().unwrap().truncate(11);
    let report = bench.opens_whole();
    assert_eq!(report.remarks.len(), 1);
    bench.recovery = Recovery::Strict;
    let report = bench.opens_whole();
    assert!(report.remarks.is_empty());
}

#[test]
fn a_missing_tail_is_refused() {
    let mut bench = Bench::new();
    let journal = bench.create();
    bench.record(&journal, 30);
    journal.keep(0).unwrap();
    drop(journal);
    fs::remove_dir_all(bench.tail_dir()).unwrap();
    let reason = bench.refuses();
    assert!(
        reason.contains("there is no tail; entries from 30 on"),
        "{reason}"
    );
    bench.publish(30);
    bench.recovery = Recovery::AcceptTailLoss;
    bench.opens_whole();
}

#[test]
fn a_missing_or_older_segment_is_refused() {
    let mut bench = Bench::new();
    bench.segment_bytes = 16 << 10;
    let journal = bench.create();
    bench.record(&journal, 200);
    drop(journal);
    let segments = bench.segments();
    let away = bench.dir.path().join("away");
    for (place, expected) in [
        (1, "but the segment before it ends"),
        (segments.len() - 1, "is missing"),
        (0, "older copy"),
    ] {
        fs::rename(&segments[place], &away).unwrap();
        let reason = bench.refuses();
        assert!(reason.contains(expected), "segment {place}: {reason}");
        fs::rename(&away, &segments[place]).unwrap();
    }
    bench.opens_whole();
}

#[test]
fn the_tail_of_another_log_is_refused() {
    let bench = Bench::new();
    bench.record(&bench.create(), 5);
    let other = Layout {
        origin: proto::Digest::of(b"other.example/log"),
        ..bench.layout()
    };
    let Err(JournalError::Refused(reason)) =
        TailAndStore::open(other, bench.bundles(), None, Recovery::AcceptTailLoss)
    else {
        panic!("another log's tail was taken in");
    };
    assert!(reason.contains("another log"), "{reason}");
}

#[test]
fn a_segment_that_was_never_begun_is_dropped() {
    let bench = Bench::new();
    let journal = bench.create();
    bench.record(&journal, 5);
    drop(journal);
    let unfinished = bench.tail_dir().join(format!("{:020}.tail", 5));
    for bytes in [vec![], vec![0; 64 << 10], b"MOHTAIL\n\0".to_vec()] {
        fs::write(&unfinished, bytes).unwrap();
        bench.opens_whole();
        assert!(!unfinished.exists());
    }
}

#[test]
fn nothing_that_an_agency_sends_can_pass_as_a_frame() {
    // A request whose bytes are a whole frame, torn in the middle: the frame inside it must not count.
    let (bench, path, bytes, written) = tail_only(3);
    let frame = &bytes[frame_starts(&bytes, written)[1]..written];
    let other = Bench::new();
    let journal = other.create();
    other.record(&journal, 1);
    let mut header = vec![0xff; 5];
    for _ in 0..8 {
        header.extend_from_slice(frame);
        header.push(0xff);
    }
    let draft = Draft {
        kind: Kind::Request,
        facts: Bytes::new(),
        header: header.into(),
        seal: None,
    };
    let admission = Admission {
        draft,
        judged_registry: None,
    };
    journal
        .commit(vec![admission], &mut |head, drafts| {
            stamp_batch(head, drafts, 9, 1)
        })
        .unwrap();
    drop(journal);
    let path = other.tail_dir().join(path.file_name().unwrap());
    let mut torn = fs::read(&path).unwrap();
    let end = torn.iter().rposition(|byte| *byte != 0).unwrap();
    torn[end - 20..].fill(0);
    let (shown, replay) = follow(&other, &path, &torn);
    assert_eq!((shown.len(), &replay.damage), (1, &None));
    drop(bench);
}

#[test]
fn an_entry_of_a_newer_version_is_not_taken_for_damage() {
    let bench = Bench::new();
    let journal = bench.create();
    bench.record(&journal, 3);
    // What a version that knows a further kind would write: in every other way as it must be.
    let mut newer = |head: &Head, drafts: Vec<Admission>| {
        let mut sealed = stamp_batch(head, drafts, 2_000_000, 1);
        let recorded = sealed.outcomes[0].as_mut().unwrap();
        let mut bytes = recorded.bytes.to_vec();
        bytes[0] = 200;
        recorded.bytes = bytes.into();
        recorded.leaf = leaf_hash(&recorded.bytes);
        sealed.head = head.clone();
        let at_us = recorded.entry.stamp.recorded_at_us;
        sealed.head.push(Kind::Request, recorded.leaf, at_us);
        sealed
    };
    let admission = Admission {
        draft: Draft {
            kind: Kind::Request,
            facts: Bytes::new(),
            header: Bytes::new(),
            seal: None,
        },
        judged_registry: None,
    };
    journal.commit(vec![admission], &mut newer).unwrap();
    drop(journal);
    let before = bench
        .segments()
        .iter()
        .map(fs::read)
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    for _ in 0..2 {
        let refused = bench.open().unwrap_err().to_string();
        assert!(refused.contains("unknown entry kind 200"), "{refused}");
        assert!(!refused.contains("accept-tail-loss"), "{refused}");
    }
    let after = bench
        .segments()
        .iter()
        .map(fs::read)
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    assert_eq!(before, after);
}

#[test]
fn a_torn_mark_at_a_segments_end_costs_nothing_and_a_torn_frame_there_is_refused() {
    let mut bench = Bench::new();
    bench.segment_bytes = 16 << 10;
    let journal = bench.create();
    bench.record(&journal, 200);
    drop(journal);
    let path = bench.segments().swap_remove(0);
    let bytes = fs::read(&path).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let starts = frame_starts(&bytes, written);
    let mark = starts[starts.len() - 2];
    // Twice: what follows it is written on meanwhile.
    for cut in [written - 4, mark + 20] {
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        fs::write(&path, &torn).unwrap();
        let report = bench.opens_whole();
        assert_eq!((report.size, report.torn_bytes), (200, 0));
    }
    let mut torn = bytes.clone();
    torn[mark - 12..].fill(0);
    fs::write(&path, &torn).unwrap();
    let reason = bench.refuses();
    assert!(
        reason.contains("but the segment before it ends"),
        "{reason}"
    );
}
