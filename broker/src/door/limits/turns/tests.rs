//! Turns without a network: who waits, who goes first, who makes room, and that nothing stays behind.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::*;

/// A turn for one of an agency that asks much.
fn take(turns: &Arc<Turns>, number: usize) -> Option<Turn> {
    turns.take(&agency(number), Share::Much)
}

/// And for one of an agency that asks little.
fn take_little(turns: &Arc<Turns>, number: usize) -> Turn {
    turns.take(&agency(number), Share::Little).unwrap()
}

fn agency(number: usize) -> AgencyId {
    AgencyId::parse(&format!("EG/GOV/A{number}")).unwrap()
}

/// As many at once as the switch begins with, all of agency 1.
fn busy(turns: &Arc<Turns>) -> Vec<Work> {
    let at_once = turns.lock().pace.at_once();
    let begun = || begin(take(turns, 1).unwrap());
    (0..at_once).map(|_| begun().unwrap()).collect()
}

/// The work of a turn that has come.
fn begin(turn: Turn) -> Option<Work> {
    let mut turn = turn;
    (&mut turn).now_or_never().map(Result::unwrap)
}

fn is_over(turn: &mut Turn) -> bool {
    matches!(turn.now_or_never(), Some(Err(Code::Overloaded)))
}

/// Whether it was called.
fn has_come(turn: &mut Turn) -> bool {
    match &turn.state {
        Waits::For { called, .. } => !called.is_empty(),
        _ => true,
    }
}

fn is_empty(turns: &Turns) -> bool {
    let state = turns.lock();
    let left = (state.working, state.here.len(), state.waiting.len());
    (left, state.calm.under_way()) == ((0, 0, 0), 0)
}

#[test]
fn agencies_are_served_in_turn_whatever_each_has_waiting() {
    let turns = Turns::new(512, 4_096);
    let mut working = busy(&turns);
    let mut waiting: Vec<(usize, Turn)> = Vec::new();
    for (of, count) in [(1, 40), (2, 20), (3, 12)] {
        waiting.extend((0..count).map(|_| (of, take(&turns, of).unwrap())));
    }
    let mut served = Vec::new();
    for _ in 0..9 {
        // One ends, and one is called.
        while turns.lock().waiting.len() == waiting.len() {
            working.remove(0);
        }
        let called = |(_, turn): &mut (usize, Turn)| turn.now_or_never().map(Result::unwrap);
        let at = waiting.iter_mut().enumerate();
        let (at, work) = at
            .filter_map(|(at, one)| called(one).map(|work| (at, work)))
            .next()
            .unwrap();
        served.push(waiting.remove(at).0);
        working.push(work);
    }
    let of = |agency| served.iter().filter(|one| **one == agency).count();
    assert_eq!((of(1), of(2), of(3)), (3, 3, 3), "{served:?}");
    drop((working, waiting));
    assert!(is_empty(&turns));
}

#[test]
fn an_agency_that_asks_little_does_not_wait_behind_a_flood() {
    let turns = Turns::new(512, 4_096);
    let working = busy(&turns);
    let waiting: Vec<_> = (0..400).map(|_| take(&turns, 1).unwrap()).collect();
    let little = begin(take_little(&turns, 2));
    assert!(little.is_some());
    // One that begins very many at once waits like any other, before those that ask much.
    let let_past = std::iter::from_fn(|| begin(take_little(&turns, 3)));
    let let_past: Vec<_> = let_past.take(400).collect();
    let at_once = turns.lock().pace.at_once();
    assert_eq!(let_past.len(), (at_once / FEW.1).max(FEW.0));
    drop((working, waiting, little, let_past));
    assert!(is_empty(&turns));
}

#[test]
fn whoever_has_most_waiting_makes_room_with_its_last() {
    let turns = Turns::new(10, 4_096);
    let working = busy(&turns);
    let mut flood: Vec<_> = (0..10).map(|_| take(&turns, 1).unwrap()).collect();
    assert!(take(&turns, 1).is_none(), "the flood has no more");
    // Some of them while it had less than others.
    let shares = [
        Share::Much,
        Share::Less,
        Share::Less,
        Share::Much,
        Share::Much,
    ];
    let other = |share| turns.take(&agency(2), share).unwrap();
    let others: Vec<_> = shares.into_iter().map(other).collect();
    assert!(take(&turns, 2).is_none(), "five and five");
    let gone = flood.iter_mut().map(is_over);
    let gone: Vec<_> = gone.collect();
    assert_eq!(gone, [vec![false; 5], vec![true; 5]].concat());
    let third = take(&turns, 3).unwrap();
    drop((working, flood, others, third));
    assert!(is_empty(&turns));
}

#[test]
fn what_goes_away_is_not_waited_for() {
    let turns = Turns::new(512, 4_096);
    let mut working = busy(&turns);
    let mut waiting: Vec<_> = (0..3).map(|_| take(&turns, 1).unwrap()).collect();
    // Called and gone before it looked: the next one is called.
    working.pop();
    waiting.remove(0);
    waiting.remove(0);
    let last = begin(waiting.remove(0));
    assert!(last.is_some());
    // What was begun ends without waiting, and counts while it does.
    let ends = turns.go_on();
    let next = take(&turns, 1).unwrap();
    assert!(matches!(next.state, Waits::For { .. }));
    last.unwrap().done();
    assert!(
        begin(next).is_none(),
        "one that ends is one less that begins"
    );
    ends.done();
    drop(working);
    assert!(is_empty(&turns));
}

#[test]
fn while_somebody_asks_little_a_flood_has_less_under_way_until_it_is_closed() {
    let turns = Turns::new(512, 4_096);
    turns.stand_still();
    turns.refused();
    let mut working = busy(&turns);
    let mut waiting: Vec<_> = (0..400).map(|_| take(&turns, 1).unwrap()).collect();
    let mut little = begin(take_little(&turns, 2)).unwrap();
    assert!(little.whole().is_none(), "it takes no room of theirs");
    // What was recorded goes on to its provider, and the next ones begin.
    let mut whole = Vec::new();
    while !working.is_empty() {
        let at_provider = |mut work: Work| work.whole().unwrap();
        whole.extend(working.drain(..).map(at_provider));
        working.extend(waiting.extract_if(.., has_come).filter_map(begin));
    }
    let most = turns.lock().calm.window();
    assert_eq!((whole.len(), waiting.len()), (most, 32 + 400 - most));
    // One is closed, and one begins.
    whole.pop();
    let next: Vec<_> = waiting.extract_if(.., has_come).collect();
    assert_eq!(next.len(), 1);
    drop(little);
    assert!(waiting.iter_mut().all(|turn| !has_come(turn)));
    drop((waiting, next, whole));
    assert!(is_empty(&turns));
}

#[test]
fn whoever_has_less_goes_before_those_that_wait_for_room_until_others_are_closed() {
    let turns = Turns::new(512, 4_096);
    turns.stand_still();
    let working = busy(&turns);
    let mut flood: Vec<_> = (0..400).map(|_| take(&turns, 1).unwrap()).collect();
    let little = begin(take_little(&turns, 2));
    let less = || turns.take(&agency(3), Share::Less).unwrap();
    let mut waits = less();
    assert!(!has_come(&mut waits), "all that can be worked on are");
    // There is room to work, and none under way for those that ask much.
    let whole: Vec<_> = working
        .into_iter()
        .filter_map(|mut work| work.whole())
        .collect();
    assert!(has_come(&mut waits));
    assert!(flood.iter_mut().all(|turn| !has_come(turn)));
    assert!(has_come(&mut less()), "at once, while they wait");
    // One more that asks little, which does not wait either, keeps it calm for longer.
    // But not where nobody was told no lately: then there is no flood.
    let later = Instant::now() + Duration::from_secs(3_600);
    let comes = || turns.lock().is_free_for(&agency(2), Share::Little, later);
    assert!(comes() && !turns.lock().calm.is_calm(later));
    turns.lock().refused = Some(later);
    assert!(comes() && turns.lock().calm.is_calm(later));
    drop((little, waits, flood, whole));
    assert!(is_empty(&turns));
}
