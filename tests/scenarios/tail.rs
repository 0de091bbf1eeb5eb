//! The synced tail, cut, flipped, missing, or another log's: either everything acknowledged is there, or nothing starts.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use tests::ground::{Ground, copy};

use super::log_faults::{refuses, some_exchanges, starts_whole};

/// The newest tail segment, and where the bytes end that were written to it.
fn last_segment(ground: &Ground) -> (PathBuf, u64) {
    let mut segments: Vec<_> = std::fs::read_dir(ground.log_dir().join("tail"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    segments.sort();
    let path = segments.pop().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (path, written as u64)
}

/// Sets everything from `from` on to zero, as a preallocated file is behind a write that was cut short.
fn cut(path: &std::path::Path, from: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(from).unwrap();
    file.set_len(len).unwrap();
}

/// Whether a start with this log ends well: whole, or refused with a reason; never less than was acknowledged.
/// `kept` is a copy of the log as it was.
async fn whole_or_refused(ground: Ground, acks: &[tests::load::Ack], what: &str) -> (Ground, bool) {
    match tests::switch::TestSwitch::on(ground, "").await {
        Ok(switch) => {
            let ground = switch.stop().await;
            let told = tests::check::check_log(&ground.log_dir(), &ground.log_key());
            assert_eq!(
                tests::load::differences(acks, &told.entries),
                Vec::<String>::new(),
                "{what}"
            );
            (ground, true)
        }
        Err((error, ground)) => {
            let reason = error.to_string();
            assert!(
                reason.contains("refusing to start") || reason.contains("damaged"),
                "{what}: {reason}"
            );
            (ground, false)
        }
    }
}

fn restore(ground: &Ground, kept: &std::path::Path) {
    std::fs::remove_dir_all(ground.log_dir()).unwrap();
    copy(kept, &ground.log_dir());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_cut_anywhere_in_its_last_frames_opens_whole_or_not_at_all() {
    let (mut ground, acks, _agencies) = some_exchanges(3).await;
    let kept = tempfile::tempdir().unwrap();
    copy(&ground.log_dir(), kept.path());
    let (path, written) = last_segment(&ground);
    // Every byte of the frames' ends, and a sample of what lies before: a start takes some time. That every single
    // byte is covered is the journal's own test; this is the whole switch.
    let cuts: Vec<u64> = (0..12)
        .map(|back| written - back)
        .chain((1..8).map(|back| written - 400 * back))
        .collect();
    let (mut opened, mut refused) = (0, 0);
    for at in cuts {
        cut(&path, at);
        let (back, whole) =
            whole_or_refused(ground, &acks, &format!("cut at {at} of {written}")).await;
        ground = back;
        if whole {
            opened += 1
        } else {
            refused += 1
        }
        restore(&ground, kept.path());
    }
    assert!(opened > 0, "uncut it opens");
    assert!(
        refused > 0,
        "a tail that lost acknowledged entries was taken for whole"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_the_tail_is_never_believed() {
    let (mut ground, acks, _agencies) = some_exchanges(3).await;
    let kept = tempfile::tempdir().unwrap();
    copy(&ground.log_dir(), kept.path());
    let (path, written) = last_segment(&ground);
    let mut refused = 0;
    for at in [
        0,
        9,
        written / 3,
        written / 2,
        written - 700,
        written - 40,
        written - 1,
    ] {
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
        drop(file);
        let (back, whole) =
            whole_or_refused(ground, &acks, &format!("bit flipped at {at} of {written}")).await;
        ground = back;
        refused += usize::from(!whole);
        restore(&ground, kept.path());
    }
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_tail_is_refused_with_the_repair() {
    let (ground, acks, _agencies) = some_exchanges(2).await;
    let kept = tempfile::tempdir().unwrap();
    copy(&ground.log_dir(), kept.path());
    std::fs::remove_dir_all(ground.log_dir().join("tail")).unwrap();
    let (ground, reason) = refuses(ground).await;
    assert!(
        reason.contains("there is no tail") && reason.contains("Restore"),
        "{reason}"
    );
    // The named repair is one.
    restore(&ground, kept.path());
    starts_whole(ground, &acks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_of_another_log_is_refused() {
    let (ground, acks, _agencies) = some_exchanges(2).await;
    let kept = tempfile::tempdir().unwrap();
    copy(&ground.log_dir(), kept.path());
    // Of another log with the same name: only its content tells.
    let (other, _, _others) = some_exchanges(3).await;
    let tail = ground.log_dir().join("tail");
    std::fs::remove_dir_all(&tail).unwrap();
    copy(&other.log_dir().join("tail"), &tail);
    let (ground, reason) = refuses(ground).await;
    assert!(reason.contains("refusing to start"), "{reason}");
    // And the other way round: this tail under the other's store and checkpoint.
    restore(&ground, kept.path());
    let tail = other.log_dir().join("tail");
    std::fs::remove_dir_all(&tail).unwrap();
    copy(&ground.log_dir().join("tail"), &tail);
    let (_, reason) = refuses(other).await;
    assert!(reason.contains("refusing to start"), "{reason}");
    starts_whole(ground, &acks).await;
}
