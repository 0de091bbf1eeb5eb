//! With an index beside the log, whatever its state, a scan gives the very same rows as without one.

use std::sync::OnceLock;

use proptest::prelude::*;
use proto::facts::{self, ExchangeFacts};
use proto::header::{DisputeHeader, Subject};
use proto::id::ExchangeId;

use super::script::{Ask, MONDAY_MS, Script, part};
use super::*;
use crate::index::{CHUNK_ENTRIES, INDEX_DIR};
use crate::tiles::fixtures::{head_of, prune_by_hand, write_log};

mod world;

use world::{STATES, State, world};

const FOLLOWERS: [&str; 2] = ["EG/GOV/GIZA/platform", "EG/COM/HOME/office"];

/// A database, a chunk and something more.
const SIZE: u64 = 3 * CHUNK_ENTRIES + 700;
/// When the stale index was made.
const EARLIER: u64 = CHUNK_ENTRIES + 512;

fn exchange_id(number: u64) -> ExchangeId {
    ExchangeId::parse(&format!("0190a1b2-c3d4-7e5f-8a6b-{number:012x}")).unwrap()
}

fn ask(number: u64) -> Ask {
    let consumers = [
        "EG/GOV/MOSS/takaful",
        "EG/GOV/MOSS/karama",
        "EG/GOV/TAX/vat",
    ];
    Ask {
        consumer: consumers[(number % 3) as usize],
        service: if number.is_multiple_of(500) {
            "births.v1"
        } else {
            "persons.v1"
        },
        purpose: if number == 1_900 { "rare" } else { "takaful" },
        actor: Some((number % 100) as u8),
        case: Some((number % 90) as u8),
        subjects: vec![Digest::of(&(number % 700).to_be_bytes())],
        ..Ask::at(MONDAY_MS + number * 10_000)
    }
}

/// Exchanges, refusals, and what a log that lies may hold: endings of requests that are none or far away or another's,
/// a dispute about another exchange than the one that it ends, entries that are none.
fn entries() -> &'static [Bytes] {
    static ENTRIES: OnceLock<Vec<Bytes>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let mut script = Script::new();
        let mut number = 0;
        while (script.entries.len() as u64) < SIZE - 10 {
            number += 1;
            let request = script.request(&ask(number));
            let mut append = |kind, facts: Bytes, header| {
                script.append(MONDAY_MS + number * 10_000, kind, facts, header, None);
            };
            let named = |exchange: u64, request_index: u64| {
                facts::encode(&ExchangeFacts {
                    exchange_id: exchange_id(exchange).as_bytes().to_vec().into(),
                    request_index,
                    request_leaf: vec![7; 32].into(),
                    ..ExchangeFacts::default()
                })
            };
            match number % 50 {
                7 => append(
                    Kind::Closing,
                    named(3_000_000 + number, request),
                    Bytes::new(),
                ),
                13 => append(Kind::Late, named(number, u64::MAX - number), Bytes::new()),
                19 => append(Kind::Closing, Bytes::from_static(b"\xff"), Bytes::new()),
                23 => append(Kind::Request, named(number, 0), Bytes::from_static(b"none")),
                29 => {
                    let dispute = DisputeHeader {
                        exchange_id: exchange_id(2_000_000 + number),
                        answer_header: Digest::default(),
                        code: proto::Code::Malformed,
                        issued_at_ms: 1,
                    };
                    append(Kind::Dispute, named(number, request), dispute.encode());
                }
                31 => drop(script.refuse(&ask(number), "field_not_granted")),
                // Its ending is in another chunk, or there is none.
                37 => {}
                41 if request > 3_000 => {
                    let asks = |entry: &Bytes| {
                        let entry = proto::entry::Entry::decode(entry).unwrap();
                        entry.kind == Kind::Request
                            && !entry.facts.is_empty()
                            && entry.seal.is_some()
                    };
                    let far = script.entries[2_901..].iter().position(asks).unwrap() as u64;
                    script.close(2_901 + far, 900, "answered");
                }
                43 => about_events(&mut script, number, request),
                _ => drop(script.close(request, 5, "answered")),
            }
        }
        script.entries.truncate((SIZE - 10) as usize);
        while (script.entries.len() as u64) < SIZE {
            script.entries.push(Bytes::from_static(b"\xee no entry"));
        }
        script.entries
    })
}

/// A subscription with an event and its outcome, outcomes that name an older one or none at all, and an end.
fn about_events(script: &mut Script, number: u64, request: u64) {
    let at_ms = MONDAY_MS + number * 10_000;
    let own = script.follow(at_ms, FOLLOWERS[(number / 50 % 2) as usize]);
    let event = script.tell(at_ms);
    script.outcome(at_ms, (own, event), Some(None));
    script.outcome(at_ms, (request, event), None);
    let older = script.entries.iter().position(|entry| {
        let entry = proto::entry::Entry::decode(entry).unwrap();
        entry.kind == Kind::Subscription
    });
    script.outcome(at_ms, (older.unwrap() as u64, event), Some(None));
    // An ending that names a subscription, before its own end.
    let facts = facts::encode(&ExchangeFacts {
        request_index: own,
        request_leaf: script.leaf(own),
        ..ExchangeFacts::default()
    });
    script.append(at_ms, Kind::Closing, facts, Bytes::new(), None);
    script.end(at_ms, own);
}

/// Everything that a scan says, but for how it came to it.
fn answer(dir: &Path, filter: &Filter, check: Check, by_index: bool) -> (String, Scanned) {
    let mut rows = String::new();
    let mut keep = |row: &Row| {
        rows.push_str(&format!("{:?} {:?}\n", row.event, row.asked_at_us));
        ControlFlow::Continue(())
    };
    let options = Options {
        by_index,
        ..under(filter.clone(), check)
    };
    let scanned = scan(dir, options, &mut keep).unwrap();
    rows.push_str(&format!(
        "{} {:?} {:?} {:?}",
        scanned.matched, scanned.range, scanned.unreadable, scanned.standing
    ));
    (rows, scanned)
}

fn filters() -> Vec<Filter> {
    let subject = |scheme: &str, number: u64| Subject {
        scheme: part(scheme),
        pseudonym: Digest::of(&number.to_be_bytes()),
    };
    let text = |text: &str| Some(text.to_owned());
    let (from, minute) = (MONDAY_MS, 60_000);
    let key = |index: usize| {
        let entry = proto::entry::Entry::decode(&entries()[index]).unwrap();
        Some(entry.seal.unwrap().open().unwrap().kid())
    };
    let mut all = vec![Filter::default(); 32];
    all[1].exchange = Some(exchange_id(1_900));
    all[2].exchange = Some(exchange_id(2_000_029));
    all[3].exchange = Some(exchange_id(3_000_007));
    all[4].exchange = Some(exchange_id(29));
    all[5].exchange = Some(exchange_id(9_999_999));
    all[6].party = text("EG/GOV/TAX");
    all[7].consumer = text("EG/GOV/MOSS/karama");
    all[8].provider = text("EG/GOV/MOSS/karama");
    all[9].party = text("EG/GOV");
    all[10].service = text("births.v1");
    all[11].service = text("");
    all[12].purpose = text("rare");
    all[13].purpose = text("not/a part");
    all[14].key = key(1);
    all[15].actor = Some(Digest([13; 32]));
    all[16].subject = Some(subject("nid", 13));
    all[17].subject = Some(subject("tax", 13));
    (all[18].from_ms, all[18].to_ms) = (Some(from + 40 * minute), Some(from + 45 * minute));
    (all[19].from_ms, all[19].to_ms) = (Some(from + 9 * minute), Some(from + 2 * minute));
    (all[20].from_ms, all[20].to_ms) = (Some(0), Some(u64::MAX));
    all[21].from_ms = Some(from + 600 * minute);
    all[22].kind = Some(Kind::Refusal);
    all[23].code = text("field_not_granted");
    (all[24].from, all[24].to) = (Some(2_559), Some(2_817));
    (all[25].from, all[25].to) = (Some(9_000), Some(2));
    all[26].agreement = Some(Digest::of(b"agreement"));
    all[27].case = Some(Digest::of(&[13]));
    all[28].party = text(FOLLOWERS[0]);
    all[29].consumer = text("EG/COM/HOME");
    all[30].service = text("licences.v1");
    (all[31].purpose, all[31].kind) = (text("supervision"), Some(Kind::EventOutcome));
    all
}

/// Both of what two filters ask, where the first asks nothing.
fn both(mut one: Filter, other: &Filter) -> Filter {
    macro_rules! also {
        ($($field:ident)*) => { $(one.$field = one.$field.or_else(|| other.$field.clone());)* };
    }
    also!(kind exchange party consumer provider service operation purpose code agreement key actor case subject
        from_ms to_ms from to);
    one
}

#[test]
fn every_filter_gives_the_same_rows_whatever_the_state_of_the_index() {
    // What is read where nobody asks an index: of the log, and of the log once it was pruned.
    let plain = [State::Absent, State::AfterPruning].map(|state| {
        let (dir, _) = world(state);
        let all = filters().into_iter();
        all.map(|filter| answer(dir.path(), &filter, Check::Hashes, false).0)
            .collect::<Vec<_>>()
    });
    for (turn, state) in STATES.into_iter().chain([State::AfterPruning]).enumerate() {
        let (dir, _held) = world(state);
        let pruned = matches!(state, State::Pruned | State::AfterPruning);
        let (mut skipped, mut remarks) = (0, 0);
        // Nothing can be looked up in these, whatever is wanted.
        let useless = matches!(
            state,
            State::Absent
                | State::Unsaid
                | State::Foreign
                | State::Gone(true)
                | State::Emptied
                | State::Noise
        );
        let each = filters().into_iter().enumerate();
        for (number, filter) in each.skip(1 + turn % 3).step_by(if useless { 9 } else { 3 }) {
            let wanted = &plain[usize::from(pruned)][number];
            let (found, scanned) = answer(dir.path(), &filter, Check::Hashes, true);
            assert!(
                found == *wanted,
                "{state:?}, filter {number}:\n{found}\n\n{wanted}"
            );
            skipped += scanned.skipped;
            remarks += u64::from(scanned.index_remark.is_some());
        }
        let damaged = !matches!(
            state,
            State::Absent
                | State::Whole
                | State::Partial
                | State::Stale
                | State::Gone(false)
                | State::Pruned
                | State::AfterPruning
        );
        // Where the first database went its successor tells nothing alone, and nobody can say that it ever was there.
        assert!(
            (remarks > 0) == (damaged && state != State::Gone(true)),
            "{state:?}"
        );
        if state != State::Half {
            assert!((skipped > 0) != useless, "{state:?}: {skipped}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_two_filters_in_any_range_give_the_same_rows(
        state in prop::sample::select(&STATES[1..]),
        one in 1..31_usize,
        other in 1..32_usize,
        from in 0..SIZE,
        length in 0..SIZE,
        proved in any::<bool>(),
        threads in 1..4_usize,
    ) {
        type Worlds = std::sync::Mutex<std::collections::HashMap<State, (TempDir, Option<sled::Db>)>>;
        static WORLDS: OnceLock<Worlds> = OnceLock::new();
        let mut worlds = WORLDS.get_or_init(Worlds::default).lock().unwrap();
        let (dir, _) = worlds.entry(state).or_insert_with(|| world(state));
        let range = Filter { from: Some(from), to: Some(from + length), ..Filter::default() };
        let all = filters();
        let filter = both(both(all[one].clone(), &all[other]), &range);
        let check = if proved { Check::Hashes } else { Check::Nothing };
        let (wanted, _) = answer(dir.path(), &filter, check, false);
        let (found, _) = answer(dir.path(), &filter, check, true);
        prop_assert_eq!(&found, &wanted);
        let options = Options { threads, by_index: true, ..under(filter, check) };
        let mut count = 0;
        let scanned = scan(dir.path(), options, &mut |_| { count += 1; ControlFlow::Continue(()) });
        let end = format!("{} {:?}", count, scanned.unwrap().range);
        prop_assert!(wanted.contains(&end));
    }
}

#[test]
fn an_altered_entry_that_is_found_is_not_called_proved() {
    let (dir, _) = world(State::Whole);
    let filter = Filter {
        purpose: Some("rare".to_owned()),
        ..Filter::default()
    };
    let (_, scanned) = answer(dir.path(), &filter, Check::Hashes, true);
    assert!(scanned.standing.is_proved() && scanned.matched == 2 && scanned.scanned < 300);
    assert_eq!(
        scanned.skipped + scanned.scanned + scanned.unreadable.unwrap().count,
        SIZE
    );
    let mut found = None;
    let mut keep = |row: &Row| {
        found = Some(row.event.index);
        ControlFlow::Continue(())
    };
    scan(dir.path(), under(filter.clone(), Check::Hashes), &mut keep).unwrap();
    let path = dir
        .path()
        .join(format!("tile/entries/{:03}", found.unwrap() / 256));
    let mut bytes = fs::read(&path).unwrap();
    // The hash tile says otherwise now.
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
    let (_, scanned) = answer(dir.path(), &filter, Check::Hashes, true);
    assert!(matches!(scanned.standing, Standing::Broken(_)));
}

#[test]
fn an_index_that_somebody_has_open_is_left_alone() {
    let (dir, _held) = world(State::Locked);
    let filter = filters().swap_remove(12);
    let (wanted, _) = answer(dir.path(), &filter, Check::Hashes, false);
    let (found, scanned) = answer(dir.path(), &filter, Check::Hashes, true);
    assert_eq!(found, wanted);
    assert_eq!(scanned.skipped, 0);
    let remark = scanned.index_remark.unwrap();
    assert!(remark.contains("lock"), "{remark}");
}
