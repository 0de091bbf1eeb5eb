//! No sequence of acts yields a right that no party sealed.
//!
//! Random people and agencies try random acts: sealed by the right key and by others, held back and recorded
//! later, recorded again, altered, or passed off as another kind. After each sequence every question is put to
//! the function that decides and to an oracle that knows nothing but the accepted acts: both say the same.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

mod attempts;
mod oracle;

use attempts::{Attempt, Play, attempts};

/// How much was really tried, over all sequences: a test that permits nothing proves nothing.
#[derive(Default)]
struct Seen {
    permitted: Cell<usize>,
    handed_on: Cell<usize>,
    refused: Cell<usize>,
    superseded: Cell<usize>,
    suspensions: Cell<usize>,
    crossed: Cell<usize>,
    shut: Cell<usize>,
}

fn count(cell: &Cell<usize>, more: usize) {
    cell.set(cell.get() + more);
}

fn judge(sequence: &[Attempt], seen: &Seen) -> Result<(), TestCaseError> {
    let mut play = Play::new();
    for attempt in sequence {
        let operators = attempt.is_operators();
        let before = operators.then(|| (play.rights(play.world.now_ms), play.oracle.clone()));
        play.attempt(attempt);
        let Some((before, oracle)) = before else {
            continue;
        };
        let lifted: BTreeSet<_> = oracle
            .suspended
            .difference(&play.oracle.suspended)
            .collect();
        let admitted = oracle.withdrawn.difference(&play.oracle.withdrawn).count();
        let after = play.rights(play.world.now_ms);
        prop_assert!(
            !lifted.is_empty() || admitted > 0 || after.is_subset(&before),
            "an operator added a right"
        );
        count(&seen.suspensions, play.oracle.suspended.len());
    }
    for at_ms in [play.world.now_ms, play.world.now_ms + 300] {
        for (request, place) in play.questions() {
            let decided = authorise(&play.world.registry, &request, at_ms);
            let sealed = play.oracle.permits(&request, at_ms);
            prop_assert_eq!(
                decided.is_ok(),
                sealed,
                "question {} at {}: {:?}",
                place,
                at_ms - NOW,
                decided
            );
            let abroad = request.consumer.part(0) != request.provider.part(0);
            if let Err(denial) = decided {
                count(&seen.refused, 1);
                count(
                    &seen.shut,
                    usize::from(denial.code == crate::refusal::Code::BorderClosed),
                );
                count(
                    &seen.superseded,
                    usize::from(denial.clause == Clause::Supersession),
                );
            } else {
                count(&seen.permitted, 1);
                count(&seen.crossed, usize::from(abroad));
                count(&seen.handed_on, usize::from(!request.delegation.is_empty()));
            }
        }
    }
    Ok(())
}

#[test]
fn no_sequence_of_acts_yields_a_right_that_no_party_sealed() {
    let seen = Seen::default();
    let config = Config {
        cases: 256,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&attempts(), |sequence| judge(&sequence, &seen));
    if let Err(error) = outcome {
        panic!("{error}");
    }
    for (name, seen, least) in [
        ("permitted", &seen.permitted, 2_000),
        ("handed on", &seen.handed_on, 100),
        ("refused", &seen.refused, 50_000),
        ("superseded", &seen.superseded, 100),
        ("suspended", &seen.suspensions, 50),
        ("crossed the border", &seen.crossed, 100),
        ("refused at the border", &seen.shut, 1_000),
    ] {
        println!("{name}: {}", seen.get());
        assert!(seen.get() >= least, "only {} {name}", seen.get());
    }
}
