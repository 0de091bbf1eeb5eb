//! Entries about events say who told what to whom, also where only the subscription that they name says it.

use proto::refusal::Code;

use super::script::events::PUBLISHER;
use super::*;

const FOLLOWER: &str = "EG/GOV/GIZA/platform";

#[test]
fn outcomes_and_ends_are_found_by_whose_they_are() {
    let mut script = exchanges(2);
    let at = MONDAY_MS + 60_000;
    let own = script.follow(at, FOLLOWER);
    let others = script.follow(at, "EG/COM/HOME/office");
    let event = script.tell(at);
    let taken = script.outcome(at, (own, event), Some(None));
    let refused = script.outcome(at, (others, event), Some(Some(Code::NotLogged)));
    let withheld = script.outcome(at, (own, event), None);
    let end = script.end(at, own);
    let dir = script.write();
    let found = |filter: Filter| {
        let (rows, _) = rows(&dir, under(filter, Check::Hashes));
        rows.iter().map(|row| row.event.index).collect::<Vec<_>>()
    };
    let party = |name: &str| Filter {
        party: Some(name.to_owned()),
        ..Filter::default()
    };
    assert_eq!(found(party("EG/GOV/GIZA")), [own, taken, withheld, end]);
    assert_eq!(
        found(party(PUBLISHER)),
        [own, others, event, taken, refused, withheld, end]
    );
    let filter = Filter {
        kind: Some(Kind::EventOutcome),
        consumer: Some("EG/COM/HOME".to_owned()),
        ..Filter::default()
    };
    assert_eq!(found(filter), [refused]);
    let filter = Filter {
        service: Some("licences.v1".to_owned()),
        purpose: Some("supervision".to_owned()),
        code: Some("agreement_revoked".to_owned()),
        ..Filter::default()
    };
    assert_eq!(found(filter), [end]);
    let (rows, _) = rows(&dir, under(Filter::default(), Check::Hashes));
    let said = |index: u64| rows[index as usize].event.summary.as_str();
    assert_eq!(
        said(own),
        format!("{FOLLOWER} follows {PUBLISHER} licences.v1 licence")
    );
    assert!(said(taken).starts_with(&format!("{FOLLOWER} took 0190a1b2")));
    assert!(said(refused).starts_with("EG/COM/HOME/office refused 0190a1b2"));
    assert_eq!(
        said(withheld),
        format!("{FOLLOWER} was not told the event of entry {event}")
    );
    assert_eq!(said(end), format!("{FOLLOWER} is told no more"));
    assert!(
        rows.iter()
            .all(|row| !row.event.kind.is_event() || row.event.exchange.is_none())
    );
}

#[test]
fn an_outcome_that_names_no_subscription_is_nobodys() {
    let mut script = exchanges(1);
    let at = MONDAY_MS + 60_000;
    let event = script.tell(at);
    // A request, and an event.
    let wrong = [1, event].map(|named| script.outcome(at, (named, event), Some(None)));
    let dir = script.write();
    let (rows, _) = rows(&dir, under(Filter::default(), Check::Hashes));
    for index in wrong {
        let event = &rows[index as usize].event;
        assert!(event.consumer.is_none(), "{event:?}");
        assert!(
            event.summary.starts_with("the subscription of entry "),
            "{event:?}"
        );
    }
}
