//! What every journal must do, as one suite: [`run`] it on yours.
//!
//! Takes a way to make a journal and to open it again; says which rule does not hold. It cannot show that
//! a commit survives a power cut: `tests/scripts/powerloss.sh` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use proto::entry::{Draft, Kind};

use super::{Admission, Committed, Declined, Head, Journal, JournalError, Recorded, stamp_batch};

/// What the suite asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A new, empty journal.
    Fresh,
    /// The journal that was made last, opened again; its handles were dropped, nothing else was done.
    Again,
}

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal does not conform: {0}")]
pub struct Nonconforming(pub String);

impl From<JournalError> for Nonconforming {
    fn from(error: JournalError) -> Self {
        Self(error.to_string())
    }
}

type Verdict = Result<(), Nonconforming>;

/// Runs every rule on journals that `open` makes.
///
/// # Errors
/// The first rule that does not hold.
pub fn run(open: &mut dyn FnMut(Start) -> Arc<dyn Journal>) -> Verdict {
    starts_empty(&*open(Start::Fresh))?;
    records_in_order(&*open(Start::Fresh))?;
    leaves_declined_drafts_out(&*open(Start::Fresh))?;
    reads_what_was_asked(&*open(Start::Fresh))?;
    serialises_commits(open(Start::Fresh))?;
    keeps_everything_when_opened_again(open)
}

/// A draft whose facts are `text` and padding, `len` bytes in all.
fn draft(kind: Kind, text: &str, len: usize) -> Admission {
    let mut facts = text.as_bytes().to_vec();
    facts.resize(len.max(facts.len()), b'.');
    let draft = Draft {
        kind,
        facts: facts.into(),
        header: Bytes::new(),
        seal: None,
    };
    Admission {
        draft,
        judged_registry: None,
    }
}

/// Commits with a clock that runs backwards: stamps must not.
fn commit(journal: &dyn Journal, drafts: Vec<Admission>) -> Result<Committed, JournalError> {
    journal.commit(drafts, &mut |head, drafts| {
        stamp_batch(head, drafts, 1_000_000 - head.size().min(999_999), 7)
    })
}

fn check(holds: bool, rule: &str) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(Nonconforming(rule.to_owned()))
    }
}

fn recorded(committed: &Committed) -> Vec<Recorded> {
    committed.outcomes.iter().flatten().cloned().collect()
}

/// Every entry, read in small steps.
fn read_all(journal: &dyn Journal) -> Result<Vec<Bytes>, JournalError> {
    let size = journal.head()?.size();
    let mut all = Vec::new();
    while (all.len() as u64) < size {
        let found = journal.read(all.len() as u64..size, 700)?;
        let next = all.len() as u64;
        let contiguous = found
            .iter()
            .zip(next..)
            .all(|((index, _), expected)| *index == expected);
        if found.is_empty() || !contiguous {
            return Err(JournalError::Damaged(format!("a gap at entry {next}")));
        }
        all.extend(found.into_iter().map(|(_, entry)| entry));
    }
    Ok(all)
}

/// The head that a log of `entries` has.
fn head_of(entries: &[Bytes]) -> Result<Head, Nonconforming> {
    let mut head = Head::default();
    for entry in entries {
        head.follow(entry)
            .map_err(|error| Nonconforming(error.to_string()))?;
    }
    Ok(head)
}

fn starts_empty(journal: &dyn Journal) -> Verdict {
    check(
        journal.head()? == Head::default(),
        "a new journal has the empty head",
    )?;
    check(
        journal.read(0..10, 1_000)?.is_empty(),
        "a new journal reads as nothing",
    )?;
    let committed = commit(journal, Vec::new())?;
    check(
        committed.head == Head::default(),
        "an empty batch changes nothing",
    )?;
    journal.keep(0)?;
    check(
        journal.statistics().size == 0,
        "an empty journal counts nothing",
    )
}

fn records_in_order(journal: &dyn Journal) -> Verdict {
    let mut expected = Vec::new();
    let mut last = Head::default();
    for round in 0..40usize {
        let drafts = (0..=round % 7)
            .map(|place| {
                let kind = if (round + place) % 9 == 0 {
                    Kind::Agency
                } else {
                    Kind::Request
                };
                draft(kind, &format!("{round}/{place}"), 40 * place)
            })
            .collect::<Vec<_>>();
        let count = drafts.len();
        let mut shown = None;
        let committed = journal.commit(drafts, &mut |head, drafts| {
            shown = Some(head.clone());
            stamp_batch(head, drafts, 5, 7)
        })?;
        check(
            shown.as_ref() == Some(&last),
            "seal is shown the head of the commit before",
        )?;
        check(
            committed.before == last,
            "a commit names the head before it",
        )?;
        check(
            committed.outcomes.len() == count,
            "one outcome for each draft",
        )?;
        expected.extend(recorded(&committed).into_iter().map(|one| one.bytes));
        last = committed.head;
        check(
            journal.head()? == last,
            "the head is that of the last commit",
        )?;
        if round % 6 == 5 {
            journal.keep(last.size() / 2)?;
        }
    }
    check(
        read_all(journal)? == expected,
        "entries read back as they were recorded",
    )?;
    check(
        head_of(&expected)? == last,
        "the head is the head of the entries",
    )?;
    check(
        journal.statistics().size == last.size(),
        "the statistics count the entries",
    )
}

fn leaves_declined_drafts_out(journal: &dyn Journal) -> Verdict {
    commit(journal, vec![draft(Kind::Genesis, "genesis", 10)])?;
    let judged = |size, text| Admission {
        judged_registry: Some(size),
        ..draft(Kind::Refusal, text, 10)
    };
    let committed = commit(
        journal,
        vec![
            judged(1, "in time"),
            draft(Kind::Agency, "moves the registry", 10),
            judged(1, "too late"),
            draft(Kind::Refusal, "too large", 4_000),
            judged(2, "judged again"),
        ],
    )?;
    let outcomes: Vec<_> = committed
        .outcomes
        .iter()
        .map(|outcome| outcome.as_ref().err())
        .collect();
    check(
        matches!(
            outcomes[..],
            [
                None,
                None,
                Some(Declined::RegistryMoved { size: 2 }),
                Some(Declined::TooLarge(_)),
                None
            ]
        ),
        "a draft judged against another registry, or too large, is declined and no other",
    )?;
    check(committed.head.size() == 4, "declined drafts take no index")?;
    let before = journal.head()?;
    let declined = commit(journal, vec![judged(0, "far too late")])?;
    check(
        declined.head == before,
        "a batch of declined drafts changes nothing",
    )?;
    check(
        head_of(&read_all(journal)?)? == before,
        "declined drafts leave no trace",
    )
}

fn reads_what_was_asked(journal: &dyn Journal) -> Verdict {
    for place in 0..100 {
        let kind = if place % 10 == 0 {
            Kind::Service
        } else {
            Kind::Closing
        };
        commit(journal, vec![draft(kind, &place.to_string(), 200)])?;
        if place % 30 == 29 {
            journal.keep(0)?;
        }
    }
    let all = read_all(journal)?;
    for (start, end) in [
        (0, 100),
        (5, 6),
        (17, 43),
        (31, 60),
        (88, 95),
        (99, 200),
        (59, 61),
    ] {
        let found = journal.read(start..end, usize::MAX)?;
        let wanted = all
            .iter()
            .cloned()
            .zip(0u64..)
            .filter(|(_, index)| (start..end).contains(index));
        let wanted: Vec<_> = wanted.map(|(entry, index)| (index, entry)).collect();
        let prefix = !found.is_empty() && wanted.starts_with(&found);
        check(
            prefix,
            "a range reads as its entries in order, from its start",
        )?;
    }
    check(
        journal.read(10..90, 1)?.len() == 1,
        "one entry at least, whatever it weighs",
    )?;
    check(
        journal.read(100..120, 1_000)?.is_empty(),
        "nothing is read behind the head",
    )?;
    check(
        journal.read(30..30, 1_000)?.is_empty(),
        "an empty range reads as nothing",
    )
}

fn serialises_commits(journal: Arc<dyn Journal>) -> Verdict {
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let journal = Arc::clone(&journal);
            std::thread::spawn(move || {
                (0..25).try_for_each(|turn| {
                    let kind = if turn % 5 == 0 {
                        Kind::KeyBound
                    } else {
                        Kind::Late
                    };
                    commit(
                        &*journal,
                        vec![draft(kind, &format!("{thread}-{turn}"), 20)],
                    )
                    .map(drop)
                })
            })
        })
        .collect();
    for thread in threads {
        thread
            .join()
            .map_err(|_| Nonconforming("a committing thread panicked".into()))??;
    }
    let all = read_all(&*journal)?;
    let distinct: BTreeSet<_> = all.iter().map(|entry| entry.slice(53..)).collect();
    check(
        all.len() == 100 && distinct.len() == 100,
        "concurrent commits all stand, once each",
    )?;
    check(
        head_of(&all)? == journal.head()?,
        "concurrent commits follow one another",
    )
}

fn keeps_everything_when_opened_again(open: &mut dyn FnMut(Start) -> Arc<dyn Journal>) -> Verdict {
    let mut expected = Vec::new();
    let mut journal = open(Start::Fresh);
    for life in 0..6 {
        for turn in 0..30 {
            let kind = if turn % 11 == 0 {
                Kind::Certificate
            } else {
                Kind::Request
            };
            let committed = commit(&*journal, vec![draft(kind, &format!("{life}-{turn}"), 100)])?;
            expected.extend(recorded(&committed).into_iter().map(|one| one.bytes));
            if life % 2 == 1 && turn % 8 == 0 {
                journal.keep(0)?;
            }
        }
        let head = journal.head()?;
        drop(journal);
        journal = open(Start::Again);
        check(
            journal.head()? == head,
            "the head is the same when opened again",
        )?;
        check(
            read_all(&*journal)? == expected,
            "the entries are the same when opened again",
        )?;
    }
    Ok(())
}
