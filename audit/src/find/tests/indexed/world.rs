//! The log of these tests with an index in every state that somebody may find it in.

use std::path::PathBuf;

use super::*;

/// What somebody may find under `index/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Absent,
    Whole,
    /// Told to end in the middle.
    Partial,
    /// Of the log when it was shorter.
    Stale,
    /// Of the stale one sled's files, of the whole one the plain file.
    Mixed,
    /// A whole one whose first database says nothing any more.
    Unsaid,
    /// Whole, and in sled's files of the first database there is nothing, or noise, or half.
    Emptied,
    Noise,
    Half,
    /// Whole, without the first database, or the last.
    Gone(bool),
    /// Somebody has it open.
    Locked,
    /// Of another log.
    Foreign,
    /// Whole, and then the log was pruned.
    Pruned,
    /// Of a log that was pruned before.
    AfterPruning,
}

pub(super) const STATES: [State; 13] = [
    State::Absent,
    State::Whole,
    State::Partial,
    State::Stale,
    State::Mixed,
    State::Unsaid,
    State::Emptied,
    State::Noise,
    State::Half,
    State::Gone(true),
    State::Gone(false),
    State::Foreign,
    State::Pruned,
];

pub(super) fn checkpoint(size: u64) -> Checkpoint {
    let head = head_of(&entries()[..size as usize]);
    Checkpoint {
        origin: crate::tiles::fixtures::ORIGIN.to_owned(),
        size: head.size,
        root: head.root,
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in fs::read_dir(from).unwrap() {
        let path = name.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn refresh(dir: &Path, size: u64, bundles: u64) {
    let mut index = Index::open(dir, checkpoint(size)).unwrap();
    let mut left = bundles;
    let mut go_on = |_, _| {
        left = left.saturating_sub(1);
        left > 0
    };
    index.refresh(false, &mut go_on).unwrap();
}

/// The log with an index in `state`, and what keeps that state.
pub(super) fn world(state: State) -> (TempDir, Option<sled::Db>) {
    // Made once, with an index over all of it, and copied.
    static WHOLE: OnceLock<TempDir> = OnceLock::new();
    let whole = WHOLE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        write_log(dir.path(), entries(), &[EARLIER as usize, SIZE as usize]);
        refresh(dir.path(), SIZE, u64::MAX);
        dir
    });
    let dir = tempfile::tempdir().unwrap();
    copy_tree(whole.path(), dir.path());
    let place = dir.path().join(INDEX_DIR);
    let database = |number: u64| place.join(format!("{:020}", number * 2 * CHUNK_ENTRIES));
    let forget = || fs::remove_dir_all(&place).unwrap();
    match state {
        State::Absent => {
            forget();
            return (dir, None);
        }
        State::AfterPruning => {
            forget();
            prune_by_hand(dir.path(), 5_500);
            refresh(dir.path(), SIZE, u64::MAX);
        }
        State::Partial => {
            forget();
            refresh(dir.path(), SIZE, 13);
        }
        State::Stale => {
            forget();
            refresh(dir.path(), EARLIER, u64::MAX);
        }
        _ => {}
    }
    let db: PathBuf = database(0).join("db");
    let mut held = None;
    match state {
        State::Mixed => {
            let (stale, _) = world(State::Stale);
            let whole = fs::read(database(0).join("state")).unwrap();
            fs::remove_dir_all(database(0)).unwrap();
            let first = format!("{INDEX_DIR}/{:020}", 0);
            copy_tree(&stale.path().join(first), &database(0));
            fs::write(database(0).join("state"), whole).unwrap();
        }
        State::Unsaid => fs::remove_file(database(0).join("state")).unwrap(),
        State::Emptied => fs::write(db, b"").unwrap(),
        State::Noise => {
            let length = fs::metadata(&db).unwrap().len() as usize;
            fs::write(db, vec![0xa5; length]).unwrap();
        }
        State::Half => {
            let whole = fs::read(&db).unwrap();
            let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
            fs::write(&db, &whole[..used / 2]).unwrap();
        }
        State::Gone(first) => fs::remove_dir_all(database(u64::from(!first))).unwrap(),
        State::Locked => held = Some(crate::journal::open_database(&database(0), 1 << 20).unwrap()),
        State::Foreign => {
            let state = database(0).join("state");
            let text = fs::read_to_string(&state).unwrap();
            fs::write(state, text.replace("log.example", "elsewhere.example")).unwrap();
        }
        State::Pruned => prune_by_hand(dir.path(), 5_500),
        _ => {}
    }
    (dir, held)
}
