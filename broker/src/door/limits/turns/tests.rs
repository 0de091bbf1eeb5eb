//! Turns without a network: who waits, who goes first, who makes room, and that nothing stays behind.

use futures_util::FutureExt as _;

use super::*;

fn agency(number: usize) -> AgencyId {
    AgencyId::parse(&format!("EG/GOV/A{number}")).unwrap()
}

/// As many at once as the switch begins with, all of agency 1.
fn busy(turns: &Arc<Turns>) -> Vec<Work> {
    let at_once = turns.lock().pace.at_once();
    let take = || begin(turns.take(&agency(1)).unwrap());
    (0..at_once).map(|_| take().unwrap()).collect()
}

/// The work of a turn that has come.
fn begin(turn: Turn) -> Option<Work> {
    let mut turn = turn;
    (&mut turn).now_or_never().map(Result::unwrap)
}

fn is_over(turn: &mut Turn) -> bool {
    matches!(turn.now_or_never(), Some(Err(Code::Overloaded)))
}

fn is_empty(turns: &Turns) -> bool {
    let state = turns.lock();
    (state.working, state.here, state.by_agency.len()) == (0, 0, 0) && state.lanes.len() == 0
}

#[test]
fn agencies_are_served_in_turn_whatever_each_has_waiting() {
    let turns = Turns::new(512, 4_096);
    let mut working = busy(&turns);
    let mut waiting: Vec<(usize, Turn)> = Vec::new();
    for (of, count) in [(1, 40), (2, 20), (3, 12)] {
        // Behind ten that were free: each has its share, so none of them is let past.
        working.extend((0..10).filter_map(|_| begin(turns.take(&agency(of)).unwrap())));
        waiting.extend((0..count).map(|_| (of, turns.take(&agency(of)).unwrap())));
    }
    let mut served = Vec::new();
    for _ in 0..9 {
        // One ends, and one is called, once those that were let past are gone.
        while turns.lock().lanes.len() == waiting.len() {
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
    let waiting: Vec<_> = (0..400).map(|_| turns.take(&agency(1)).unwrap()).collect();
    let little = begin(turns.take(&agency(2)).unwrap());
    assert!(little.is_some());
    // One that asks more than little of its share waits like any other.
    let let_past = std::iter::from_fn(|| begin(turns.take(&agency(3)).unwrap()));
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
    let mut flood: Vec<_> = (0..10).map(|_| turns.take(&agency(1)).unwrap()).collect();
    assert!(turns.take(&agency(1)).is_none(), "the flood has no more");
    // The first ones are let past, for they are little beside the flood.
    let take = || turns.take(&agency(2)).unwrap();
    let mut others = vec![take()];
    while turns.lock().lanes.lane_len(&agency(2)) < 5 {
        others.push(take());
    }
    assert!(turns.take(&agency(2)).is_none(), "five and five");
    let gone = flood.iter_mut().map(is_over);
    let gone: Vec<_> = gone.collect();
    assert_eq!(gone, [vec![false; 5], vec![true; 5]].concat());
    let third = turns.take(&agency(3)).unwrap();
    drop((working, flood, others, third));
    assert!(is_empty(&turns));
}

#[test]
fn what_goes_away_is_not_waited_for() {
    let turns = Turns::new(512, 4_096);
    let mut working = busy(&turns);
    let mut waiting: Vec<_> = (0..3).map(|_| turns.take(&agency(1)).unwrap()).collect();
    // Called and gone before it looked: the next one is called.
    working.pop();
    waiting.remove(0);
    waiting.remove(0);
    let last = begin(waiting.remove(0));
    assert!(last.is_some());
    // What was begun ends without waiting, and counts while it does.
    let ends = turns.go_on();
    let next = turns.take(&agency(1)).unwrap();
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
