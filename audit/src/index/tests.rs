//! An index finds exactly what reading every entry finds, of this log and no other, and damage costs an error or a
//! rebuild, never an answer.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use bytes::Bytes;
use proto::commitment::{Commitment, Salt};
use proto::entry::{Draft, Entry, Kind, Stamp};
use proto::facts::{self, ExchangeFacts};
use proto::header::{RequestHeader, Subject};
use proto::limits::label;
use proto::seal::Seal;
use tempfile::TempDir;

use super::*;
use crate::checkpoint::tests::TestSigner;
use crate::tiles::fixtures::{ORIGIN, head_of, prune_by_hand, write_log};

/// Whole chunks: a database and a half.
const CHUNKS: u64 = 3 * CHUNK_ENTRIES;
/// Three more bundles.
const SEALED: u64 = CHUNKS + 3 * 256;
/// And a few entries more.
const SIZE: u64 = SEALED + 40;

fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

fn pseudonym(number: u64) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn exchange_id(number: u64) -> ExchangeId {
    ExchangeId::parse(&format!("0190a1b2-c3d4-7e5f-8a6b-{number:012x}")).unwrap()
}

/// The request of exchange `number`.
fn header(number: u64) -> RequestHeader {
    RequestHeader {
        exchange_id: exchange_id(number),
        attempt_of: None,
        run_id: [7; 16],
        sequence: number + 1,
        consumer: SystemId::parse(&format!("EG/GOV/C{}/s", number % 5)).unwrap(),
        provider: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
        service: part(if number.is_multiple_of(3) {
            "persons.v1"
        } else {
            "births.v1"
        }),
        operation: part("lookup"),
        contract: Digest::default(),
        purpose: part(if number == 1_777 { "rare" } else { "usual" }),
        agreement: None,
        delegation: Vec::new(),
        external_id_hash: None,
        case_reference: Some(pseudonym(2_000_000 + number % 7)),
        subjects: vec![Subject {
            scheme: part("nid"),
            pseudonym: pseudonym(number % 1_000),
        }],
        actor: Some(pseudonym(1_000_000 + number % 10)),
        fields: vec![part("name_ar")],
        issued_at_ms: 1,
        deadline_ms: 1,
        payload: Commitment::new("application/json", b"{}", &Salt([1; 32])),
        seen: None,
    }
}

/// Exchange `number` stands at `2 * number` and `2 * number + 1`.
fn entry(index: u64) -> Bytes {
    let number = index / 2;
    let stamp = Stamp {
        recorded_at_us: 3_600_000_000 * (index / 2_000),
        broker: 1,
        registry_size: 0,
        registry_root: Digest::default(),
    };
    let draft = if index.is_multiple_of(2) {
        let header = header(number).encode();
        let seal = (number == 5)
            .then(|| Seal::one(label::REQUEST, ORIGIN, &header, &TestSigner::new(3)).unwrap());
        Draft {
            kind: Kind::Request,
            facts: facts::encode(&ExchangeFacts::default()),
            header,
            seal,
        }
    } else {
        let facts = ExchangeFacts {
            request_index: index - 1,
            ..ExchangeFacts::default()
        };
        Draft {
            kind: Kind::Closing,
            facts: facts::encode(&facts),
            header: Bytes::new(),
            seal: None,
        }
    };
    Entry::new(draft, stamp).encode().unwrap()
}

/// A log of [`SIZE`] entries; shared, so tests work on copies or only read.
fn log() -> &'static (TempDir, Vec<Bytes>) {
    static LOG: OnceLock<(TempDir, Vec<Bytes>)> = OnceLock::new();
    LOG.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let entries: Vec<Bytes> = (0..SIZE).map(entry).collect();
        write_log(dir.path(), &entries, &[SIZE as usize]);
        (dir, entries)
    })
}

/// A directory with the log's files, linked.
fn copy() -> TempDir {
    fn link(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for name in fs::read_dir(from).unwrap() {
            let path = name.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                link(&path, &target);
            } else {
                fs::hard_link(&path, &target).unwrap();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    link(log().0.path(), dir.path());
    dir
}

fn checkpoint() -> Checkpoint {
    let head = head_of(&log().1);
    Checkpoint {
        origin: ORIGIN.to_owned(),
        size: head.size,
        root: head.root,
    }
}

fn open(dir: &TempDir) -> Index {
    Index::open(dir.path(), checkpoint()).unwrap()
}

fn found(index: &Index, term: Term, range: Range<u64>) -> Vec<u64> {
    index.lookup(term, range).map(Result::unwrap).collect()
}

/// Indexes below `end` of entries whose exchange satisfies `wanted`.
fn of_exchanges(end: u64, wanted: impl Fn(u64) -> bool) -> Vec<u64> {
    (0..end).filter(|index| wanted(index / 2)).collect()
}

#[test]
fn it_finds_what_reading_everything_finds() {
    let dir = copy();
    let mut index = open(&dir);
    assert_eq!(
        (index.upto(), found(&index, Term::hour(0), 0..9).len()),
        (0, 0)
    );
    let first = index.refresh(true, &mut |_, _| true).unwrap();
    assert_eq!((first.entries, first.upto), (CHUNKS, CHUNKS));
    let again = index.refresh(true, &mut |_, _| true).unwrap();
    assert_eq!((again.entries, again.upto), (0, CHUNKS));
    let rest = index.refresh(false, &mut |_, _| true).unwrap();
    assert_eq!((rest.entries, rest.upto), (SEALED - CHUNKS, SEALED));
    let index = open(&dir);
    assert_eq!(index.upto(), SEALED);
    let all = 0..u64::MAX;
    let system = |text: &str| Term::system(&SystemId::parse(text).unwrap());
    let agency = |text: &str| Term::agency(&AgencyId::parse(text).unwrap());
    for (term, expected) in [
        (Term::exchange(&exchange_id(1_777)), vec![3_554, 3_555]),
        (Term::purpose(&part("rare")), vec![3_554, 3_555]),
        (Term::key(&kid()), vec![10]),
        (Term::exchange(&exchange_id(9_999_999)), vec![]),
        (
            Term::service(&part("persons.v1")),
            of_exchanges(SEALED, |number| number.is_multiple_of(3)),
        ),
        (
            Term::subject(&pseudonym(42)),
            of_exchanges(SEALED, |number| number % 1_000 == 42),
        ),
        (
            Term::actor(&pseudonym(1_000_003)),
            of_exchanges(SEALED, |number| number % 10 == 3),
        ),
        (
            Term::case(&pseudonym(2_000_003)),
            of_exchanges(SEALED, |number| number % 7 == 3),
        ),
        (
            system("EG/GOV/C4/s"),
            of_exchanges(SEALED, |number| number % 5 == 4),
        ),
        (agency("EG/GOV/CIVIL"), of_exchanges(SEALED, |_| true)),
        (Term::hour(3_600_000 * 2), (4_000..6_000).collect()),
    ] {
        assert_eq!(found(&index, term, all.clone()), expected, "{term:?}");
        let middle = 3_555..CHUNKS + 9;
        let within: Vec<u64> = expected
            .into_iter()
            .filter(|at| middle.contains(at))
            .collect();
        assert_eq!(found(&index, term, middle), within, "{term:?}");
    }
    // One dimension's value is not another's.
    assert_eq!(found(&index, Term::service(&part("usual")), all), [0; 0]);
}

fn kid() -> Digest {
    let bytes = entry(10);
    let entry = Entry::decode(&bytes).unwrap();
    entry.seal.unwrap().open().unwrap().kid()
}

#[test]
fn it_goes_on_where_it_was_told_to_end() {
    let dir = copy();
    let mut index = open(&dir);
    for (after, upto) in [(3u64, 0), (12, CHUNK_ENTRIES), (13, 2 * CHUNK_ENTRIES)] {
        let mut bundles = 0;
        let refreshed = index.refresh(false, &mut |_, _| {
            bundles += 1;
            bundles <= after
        });
        assert_eq!(refreshed.unwrap().upto, upto);
        assert_eq!(open(&dir).upto(), upto);
    }
    let refreshed = index.refresh(false, &mut |_, _| true).unwrap();
    assert_eq!(refreshed.entries, SEALED - 2 * CHUNK_ENTRIES);
    assert_eq!(
        found(&index, Term::exchange(&exchange_id(1_777)), 0..SIZE).len(),
        2
    );
}

#[test]
fn an_altered_bundle_is_not_indexed() {
    let dir = copy();
    let path = dir.path().join("tile/entries/007");
    let mut bytes = fs::read(&path).unwrap();
    bytes[900] ^= 1;
    // The link is to the shared log: never write through it.
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let mut index = open(&dir);
    let error = index.refresh(false, &mut |_, _| true).unwrap_err();
    assert!(matches!(error, IndexError::Bundle(_)), "{error}");
    assert_eq!(index.upto(), 0);
}

#[test]
fn what_is_damaged_or_another_logs_counts_as_none_and_is_made_again() {
    let dir = copy();
    open(&dir).refresh(false, &mut |_, _| true).unwrap();
    // The first of two.
    let database = dir.path().join(INDEX_DIR).join(format!("{:020}", 0));
    let state = database.join("state");
    let whole = fs::read_to_string(&state).unwrap();
    for bad in [
        String::new(),
        whole.replace(ORIGIN, "log.example/other"),
        whole.replace(&DATABASE_ENTRIES.to_string(), &(SEALED + 256).to_string()),
        whole.replace("mohawel index 3", "mohawel index 2"),
        format!("{whole}\n"),
    ] {
        assert_ne!(bad, whole);
        fs::write(&state, &bad).unwrap();
        assert_eq!(open(&dir).upto(), 0, "{bad}");
    }
    let refreshed = open(&dir).refresh(false, &mut |_, _| true).unwrap();
    assert_eq!(
        (refreshed.entries, refreshed.upto),
        (DATABASE_ENTRIES, SEALED)
    );
    // sled itself: an error, and never an answer that leaves something out.
    let db = database.join("db");
    let bytes = fs::read(&db).unwrap();
    fs::write(&db, vec![0xa5; bytes.len()]).unwrap();
    let index = open(&dir);
    let answers: Vec<_> = index.lookup(Term::hour(0), 0..SIZE).collect();
    assert!(
        matches!(answers[..], [Err(IndexError::Database { .. })]),
        "{answers:?}"
    );
    fs::remove_dir_all(dir.path().join(INDEX_DIR)).unwrap();
    assert_eq!(
        open(&dir).refresh(false, &mut |_, _| true).unwrap().upto,
        SEALED
    );
}

#[test]
fn of_a_pruned_log_what_is_there_is_indexed() {
    let dir = copy();
    prune_by_hand(dir.path(), 1_024);
    let mut index = open(&dir);
    index.refresh(false, &mut |_, _| true).unwrap();
    assert_eq!(index.upto(), SEALED);
    let gone = found(&index, Term::exchange(&exchange_id(300)), 0..SIZE);
    assert_eq!(gone, [0; 0]);
    let first: BTreeSet<u64> = found(&index, Term::hour(0), 0..SIZE).into_iter().collect();
    assert_eq!(first, (1_024..2_000).collect());
}
