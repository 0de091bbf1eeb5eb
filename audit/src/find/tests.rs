//! Scans find what is there, join endings to their requests however far apart, and say when it is not proved.

use std::fs;

use proto::Digest;
use proto::entry::Kind;
use tempfile::TempDir;

use super::*;
use crate::tiles::fixtures::{log_key, sample_entries, write_log};

mod events;
mod indexed;
pub(crate) mod script;

use script::{Ask, MONDAY_MS, Script};

fn rows(dir: &TempDir, options: Options<'_>) -> (Vec<Row>, Scanned) {
    let mut rows = Vec::new();
    let mut keep = |row: &Row| {
        rows.push(row.clone());
        ControlFlow::Continue(())
    };
    let scanned = scan(dir.path(), options, &mut keep).unwrap();
    assert_eq!(scanned.matched, rows.len() as u64);
    (rows, scanned)
}

fn under(filter: Filter, check: Check) -> Options<'static> {
    Options {
        key: Some(log_key()),
        filter,
        check,
        ..Options::default()
    }
}

/// `count` exchanges, one a second, clerk `n % 3`.
fn exchanges(count: u64) -> Script {
    let mut script = Script::new();
    for number in 0..count {
        let ask = Ask {
            actor: Some((number % 3) as u8),
            subjects: vec![Digest::of(&number.to_be_bytes())],
            ..Ask::at(MONDAY_MS + number * 1_000)
        };
        script.exchange(&ask);
    }
    script
}

#[test]
fn an_ending_tells_what_its_request_asked() {
    let mut script = exchanges(3);
    let refused = script.refuse(&Ask::at(MONDAY_MS + 9_000), "field_not_granted");
    let dir = script.write();
    let (rows, scanned) = rows(&dir, under(Filter::default(), Check::Hashes));
    assert_eq!(
        (scanned.scanned, scanned.range.clone(), &scanned.standing),
        (8, 0..8, &Standing::InTheLog)
    );
    let ending = &rows[2];
    assert_eq!(
        (ending.event.kind, ending.event.request_index),
        (Kind::Closing, Some(1))
    );
    assert_eq!(ending.event.actor, Some(Digest([0; 32])));
    assert_eq!(ending.event.subjects, rows[1].event.subjects);
    assert_eq!(ending.asked_at_us, Some(MONDAY_MS * 1_000));
    assert_ne!(ending.event.key, rows[1].event.key);
    assert_eq!(ending.answer.as_ref().unwrap().payload.length, 12);
    assert_eq!(rows[refused as usize].event.code, "field_not_granted");
}

#[test]
fn every_range_is_proved_alone_and_endings_outside_it_find_their_requests() {
    let script = exchanges(400);
    let dir = script.write();
    for (from, to) in [
        (0, 1),
        (2, 3),
        (255, 258),
        (256, 512),
        (700, 801),
        (801, 900),
        (5, 5),
    ] {
        let filter = Filter {
            from: Some(from),
            to: Some(to),
            ..Filter::default()
        };
        let (rows, scanned) = rows(&dir, under(filter, Check::Hashes));
        assert_eq!(scanned.standing, Standing::InTheLog, "{from}..{to}");
        assert_eq!(scanned.scanned, to.min(801) - from.min(801));
        let joined = rows.iter().filter(|row| row.event.kind == Kind::Closing);
        assert!(joined.clone().all(|row| row.event.consumer.is_some()));
    }
}

#[test]
fn one_clerks_exchanges_are_found_whole() {
    let dir = exchanges(300).write();
    let filter = Filter {
        actor: Some(Digest([2; 32])),
        ..Filter::default()
    };
    let (rows, scanned) = rows(&dir, under(filter, Check::Nothing));
    assert_eq!((rows.len(), scanned.scanned), (200, 601));
    assert_eq!(scanned.standing, Standing::NotLooked);
}

#[test]
fn a_request_that_is_no_longer_held_is_read_again_and_only_the_one_that_was_named() {
    let script = exchanges(1);
    let dir = script.write();
    let store = TileStore::new(dir.path());
    let published = read_published(dir.path()).unwrap().unwrap();
    let head = published.checkpoint.head();
    let leaf = proto::digest::leaf_hash(&script.entries[1]);
    for proved in [true, false] {
        let mut requests = Requests::new(&store, head, proved);
        assert_eq!(requests.named(1, &leaf.0).unwrap().leaf, leaf);
        for (index, leaf) in [(1, &[0; 32][..]), (1, &[][..]), (2, &leaf.0), (9, &leaf.0)] {
            assert!(requests.named(index, leaf).is_none(), "{index}");
        }
        let ending = proto::digest::leaf_hash(&script.entries[2]);
        assert!(
            requests.named(2, &ending.0).is_none(),
            "an ending is no request"
        );
    }
}

#[test]
fn what_the_key_did_not_sign_is_never_called_proved() {
    let script = exchanges(300);
    type Damage<'a> = (&'a str, &'a dyn Fn(&TempDir));
    let damages: [Damage<'_>; 4] = [
        ("an entry altered", &|dir| {
            let path = dir.path().join("tile/entries/001");
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("a hash tile altered", &|dir| {
            let path = dir.path().join("tile/1/000.p/2");
            let mut bytes = fs::read(&path).unwrap();
            bytes[0] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("the checkpoint altered", &|dir| {
            let path = dir.path().join("checkpoint");
            let note = fs::read_to_string(&path).unwrap();
            fs::write(path, note.replace("\n601\n", "\n600\n")).unwrap();
        }),
        ("a hash tile gone", &|dir| {
            fs::remove_file(dir.path().join("tile/1/000.p/2")).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let dir = script.write();
        damage(&dir);
        let filter = Filter {
            from: Some(256),
            ..Filter::default()
        };
        let (_, scanned) = rows(&dir, under(filter.clone(), Check::Hashes));
        assert!(matches!(scanned.standing, Standing::Broken(_)), "{what}");
        let (_, scanned) = rows(&dir, under(filter, Check::Nothing));
        assert!(!scanned.standing.is_proved(), "{what}");
    }
    let dir = script.write();
    let other = crate::checkpoint::LogKey::new(
        crate::tiles::fixtures::ORIGIN,
        proto::key::Signer::key(&crate::checkpoint::tests::TestSigner::new(2)),
    );
    let options = Options {
        key: Some(other.unwrap()),
        ..under(Filter::default(), Check::Hashes)
    };
    let (_, scanned) = rows(&dir, options);
    assert!(matches!(scanned.standing, Standing::Broken(_)));
}

#[test]
fn what_cannot_be_read_is_counted_and_the_rest_is_given() {
    let script = exchanges(300);
    let dir = script.write();
    fs::write(dir.path().join("tile/entries/000"), b"short").unwrap();
    let (rows, scanned) = rows(&dir, under(Filter::default(), Check::Hashes));
    let unreadable = scanned.unreadable.clone().unwrap();
    assert_eq!((unreadable.count, unreadable.first), (256, 0));
    assert_eq!((rows.len(), scanned.scanned), (345, 345));
    // What was read is proved all the same: the gap's hashes are the tiles'.
    assert_eq!(scanned.standing, Standing::InTheLog);

    // Entries that are in the log and are not entries of exchanges, as their kind claims.
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), &sample_entries(20), &[20]);
    let (rows, scanned) = self::rows(&dir, under(Filter::default(), Check::Hashes));
    assert_eq!(rows.len() as u64 + scanned.unreadable.unwrap().count, 20);
}

#[test]
fn a_log_is_scanned_as_it_was() {
    let script = exchanges(300);
    let dir = script.write();
    let half = crate::tiles::fixtures::head_of(&script.entries[..300]);
    let earlier = |root| Checkpoint {
        origin: crate::tiles::fixtures::ORIGIN.to_owned(),
        size: half.size,
        root,
    };
    let options = Options {
        under: Some(earlier(half.root)),
        ..under(Filter::default(), Check::Hashes)
    };
    let (rows, scanned) = rows(&dir, options);
    assert_eq!((rows.len(), &scanned.standing), (300, &Standing::InTheLog));
    let options = Options {
        under: Some(earlier(Digest([1; 32]))),
        ..under(Filter::default(), Check::Hashes)
    };
    let (_, scanned) = self::rows(&dir, options);
    assert!(matches!(scanned.standing, Standing::Broken(_)));
    let later = Checkpoint {
        size: 602,
        ..earlier(half.root)
    };
    let options = Options {
        under: Some(later),
        ..Options::default()
    };
    let refused = scan(dir.path(), options, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(
        refused,
        Err(FindError::Shorter { wanted: 602, .. })
    ));
}

#[test]
fn a_checkpoint_may_claim_any_size_and_the_scan_ends() {
    let dir = tempfile::tempdir().unwrap();
    let claimed = crate::tree::TreeHead {
        size: u64::MAX,
        root: Digest([3; 32]),
    };
    fs::write(
        dir.path().join("checkpoint"),
        crate::tiles::fixtures::signed(claimed),
    )
    .unwrap();
    let (rows, scanned) = rows(&dir, under(Filter::default(), Check::Hashes));
    assert!(rows.is_empty() && matches!(scanned.standing, Standing::Broken(_)));
    assert_eq!(scanned.unreadable.unwrap().count, u64::MAX);
    let empty = tempfile::tempdir().unwrap();
    let nothing = scan(empty.path(), Options::default(), &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(nothing, Err(FindError::NotPublished(_))));
}

#[test]
fn a_scan_stops_when_it_is_told_to() {
    let dir = exchanges(300).write();
    let mut given = 0;
    let mut stop = |_: &Row| {
        given += 1;
        ControlFlow::Break(())
    };
    let scanned = scan(dir.path(), Options::default(), &mut stop).unwrap();
    assert!((given, scanned.standing.is_proved()) == (1, false));
}
