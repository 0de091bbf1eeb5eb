//! The journal as a whole: what was synced is there after any end, what cannot be written is told, memory is bounded.

use super::record::tests::record;
use super::*;

fn clock() -> Clock {
    Clock::fixed(1_795_000_000_000_000)
}

fn options() -> Options {
    Options::default()
}

fn all(dir: &Path) -> (Vec<Record>, read::Told) {
    let mut records = Vec::new();
    let told = read::read(dir, |record| records.push(record)).unwrap();
    (records, told)
}

fn ended(number: u8) -> Record {
    let mut ended = record(number);
    ended.request = None;
    ended.outcome = "answered".to_owned();
    ended.answer_receipt = Some(Bytes::from_static(b"receipt"));
    ended
}

#[tokio::test]
async fn what_was_noted_is_put_together_and_there_once_synced() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("journal");
    let journal = Journal::start(home.path(), options(), clock()).unwrap();
    assert!(!dir.exists());
    for number in 0..50 {
        journal.room().await.unwrap();
        journal.note(record(number));
    }
    for number in (0..50).rev().filter(|number| number % 10 != 3) {
        journal.note(ended(number));
    }
    let id = record(7).exchange;
    let key = (Role::Consumer, id, Half::Answer);
    journal.keep(key, 3, &[9; 32], Bytes::from_static(b"payload"));
    // No retention, or no salt: nothing to keep.
    let none = (Role::Consumer, record(8).exchange, Half::Answer);
    journal.keep(none, 0, &[9; 32], Bytes::from_static(b"payload"));
    journal.keep(none, 3, &[9; 31], Bytes::from_static(b"payload"));
    journal.synced().await.unwrap();
    let (records, told) = all(&dir);
    assert_eq!((told.exchanges, told.torn_bytes), (50, 0));
    assert_eq!(told.damaged, []);
    let complete = records.iter().filter(|record| record.is_complete()).count();
    assert_eq!(complete, 45);
    assert!(records[..45].iter().all(|record| record.request.is_some()));
    assert_eq!(records[45].exchange, record(3).exchange);
    let opened = disclose(&dir, Role::Consumer, id, Half::Answer).unwrap();
    assert_eq!(opened.unwrap().payload, b"payload");
    assert!(
        disclose(&dir, Role::Consumer, none.1, Half::Answer)
            .unwrap()
            .is_none()
    );
    // Without a sync, the last handle writes what is left.
    journal.note(ended(3));
    drop(journal);
    assert_eq!(all(&dir).0.iter().filter(|r| r.is_complete()).count(), 46);
    // Later runs go on, and destroy what is over.
    let later = Clock::fixed(1_795_000_000_000_000 + 4 * 86_400_000_000);
    let journal = Journal::start(home.path(), options(), later).unwrap();
    journal.note(ended(13));
    drop(journal);
    assert_eq!(all(&dir).0.iter().filter(|r| r.is_complete()).count(), 47);
    assert!(
        disclose(&dir, Role::Consumer, id, Half::Answer)
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_home_that_keeps_no_payloads_keeps_none() {
    let home = tempfile::tempdir().unwrap();
    let options = Options {
        keep_payload: false,
        ..options()
    };
    let journal = Journal::start(home.path(), options, clock()).unwrap();
    let key = (Role::Provider, record(1).exchange, Half::Request);
    journal.keep(key, 30, &[9; 32], Bytes::from_static(b"payload"));
    journal.note(record(1));
    drop(journal);
    assert!(home.path().join("journal/receipts").exists());
    assert!(!home.path().join("journal/kept").exists());
}

#[tokio::test]
async fn damage_is_told_and_a_torn_end_is_not_damage() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("journal");
    let journal = Journal::start(home.path(), options(), clock()).unwrap();
    for number in 0..10 {
        journal.note(ended(number));
    }
    drop(journal);
    let file = segments::list(&dir.join(RECORDS)).unwrap().pop().unwrap();
    let whole = std::fs::read(&file).unwrap();
    for at in [0, whole.len() / 2] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&file, &damaged).unwrap();
        let (records, told) = all(&dir);
        assert_eq!((records.len(), told.damaged.len()), (9, 1));
        assert_eq!(told.torn_bytes, 0);
    }
    std::fs::write(&file, &whole[..whole.len() - 5]).unwrap();
    let (records, told) = all(&dir);
    assert_eq!((records.len(), told.damaged.len()), (9, 0));
    assert_eq!(told.torn_bytes as usize, whole.len() / 10 - 5);
    // The next run cuts it, and its own records are whole.
    let journal = Journal::start(home.path(), options(), clock()).unwrap();
    journal.note(ended(20));
    drop(journal);
    let (records, told) = all(&dir);
    assert_eq!((records.len(), told.torn_bytes), (10, 0));
}

#[tokio::test]
async fn what_cannot_be_written_is_told_and_written_as_soon_as_it_can_be() {
    let home = tempfile::tempdir().unwrap();
    // A file stands where the folder should.
    let dir = home.path().join("journal");
    std::fs::write(&dir, b"in the way").unwrap();
    let go_on = Options {
        when_unwritable: WhenUnwritable::GoOn,
        ..options()
    };
    let lenient = Journal::start(home.path(), go_on, clock()).unwrap();
    let strict = Journal::start(home.path(), options(), clock()).unwrap();
    for (number, journal) in [&lenient, &strict].into_iter().enumerate() {
        journal.note(ended(number as u8));
        assert!(matches!(
            journal.synced().await,
            Err(JournalError::Unwritable(_))
        ));
    }
    assert!(matches!(
        strict.room().await,
        Err(JournalError::Unwritable(_))
    ));
    lenient.room().await.unwrap();
    std::fs::remove_file(&dir).unwrap();
    for journal in [&lenient, &strict] {
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while journal.synced().await.is_err() {
            assert!(std::time::Instant::now() < until);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        journal.room().await.unwrap();
        assert_eq!(journal.lost(), 0);
    }
    assert_eq!(all(&dir).0.len(), 2);
}

#[tokio::test]
async fn an_erasure_that_was_interrupted_is_finished_by_the_next() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("journal");
    let journal = Journal::start(home.path(), options(), clock()).unwrap();
    for number in 0..3 {
        let key = (Role::Consumer, record(number).exchange, Half::Answer);
        journal.keep(key, 9, &[number; 32], Bytes::from_static(b"payload"));
    }
    journal.synced().await.unwrap();
    let system = proto::id::SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    let ground = proto::id::Part::parse("subject-request").unwrap();
    let statement = proto::act::Erasure {
        agency: system.agency(),
        erased: proto::act::Erased::Payloads(system.clone(), vec![record(1).exchange]),
        ground: ground.clone(),
        issued_at_ms: 5,
    };
    std::fs::create_dir(dir.join("erasures")).unwrap();
    std::fs::write(dir.join("erasures/1-0.intent"), statement.encode()).unwrap();
    // One that power cut short.
    std::fs::write(dir.join("erasures/2-0.intent"), &statement.encode()[..9]).unwrap();
    let order = erasure::Order {
        system: &system,
        ground: &ground,
        now_ms: 6,
    };
    assert_eq!(erasure::erase(&dir, &|_| false, &order).unwrap(), []);
    assert_eq!(erasure::queued(&dir).unwrap(), 1);
    for (number, is_kept) in [(0, true), (1, false), (2, true)] {
        let opened = disclose(&dir, Role::Consumer, record(number).exchange, Half::Answer);
        assert_eq!(opened.unwrap().is_some(), is_kept);
    }
    assert_eq!(std::fs::read_dir(dir.join("erasures")).unwrap().count(), 1);
}

#[tokio::test]
async fn an_erased_payload_is_gone_and_its_receipts_stay() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("journal");
    let journal = Journal::start(home.path(), options(), clock()).unwrap();
    for number in 0..3 {
        journal.note(ended(number));
        for half in [Half::Request, Half::Answer] {
            let key = (Role::Consumer, record(number).exchange, half);
            journal.keep(key, 9, &[number; 32], Bytes::from_static(b"payload"));
        }
    }
    journal.synced().await.unwrap();
    let gone = record(1).exchange;
    let system = proto::id::SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    let ground = proto::id::Part::parse("subject-request").unwrap();
    let order = erasure::Order {
        system: &system,
        ground: &ground,
        now_ms: 1_795_000_000_000,
    };
    let erase = |wanted| erasure::erase(&dir, &|id| id == wanted, &order).unwrap();
    assert_eq!(erase(gone), [gone]);
    assert_eq!(erasure::queued(&dir).unwrap(), 1);
    // A second time nothing is left, and nothing more is said.
    assert_eq!(erase(gone), []);
    assert_eq!(erasure::queued(&dir).unwrap(), 1);
    for (number, is_kept) in [(0, true), (1, false), (2, true)] {
        for half in [Half::Request, Half::Answer] {
            let id = record(number).exchange;
            let opened = disclose(&dir, Role::Consumer, id, half).unwrap();
            assert_eq!(opened.is_some(), is_kept);
        }
    }
    // The running journal goes on with the new key file.
    let key = (Role::Consumer, record(9).exchange, Half::Answer);
    journal.keep(key, 9, &[9; 32], Bytes::from_static(b"payload"));
    journal.synced().await.unwrap();
    assert!(
        disclose(&dir, Role::Consumer, record(9).exchange, Half::Answer)
            .unwrap()
            .is_some()
    );
    assert!(
        disclose(&dir, Role::Consumer, gone, Half::Answer)
            .unwrap()
            .is_none()
    );
    assert_eq!(all(&dir).0.len(), 3);
}
