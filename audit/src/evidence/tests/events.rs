//! Evidence of events: what is in the bundle beside an outcome, and a lie over one that its verifier finds.

use super::*;
use crate::replay::tests::Followed;

/// Closes the log and takes the entry at `index` out of it, with what belongs to it.
async fn of(followed: Followed, index: u64) -> (Collected, Report) {
    let forger = followed.teller.forger;
    forger.log.close().await.unwrap();
    let wanted = Wanted {
        filter: Filter {
            from: Some(index),
            to: Some(index + 1),
            ..Filter::default()
        },
        ..Wanted::default()
    };
    let dir = forger.dir.path();
    let collected = collect(dir, wanted, &mut |_, _| {}).unwrap();
    let text = std::fs::read_to_string(dir.join("log.vkey")).unwrap();
    let trust = Trust {
        key: Some(LogKey::from_vkey(&text).unwrap()),
        ..Trust::default()
    };
    let report = verify(&collected.bundle, &trust);
    (collected, report)
}

fn failed(report: &Report) -> Vec<&str> {
    let verdicts = report.verdicts.iter();
    let failed = verdicts.filter(|verdict| verdict.state == State::Fails);
    failed.map(|verdict| verdict.check).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_brings_what_it_names_and_all_of_it_holds() {
    let followed = Followed::new().await;
    let taken = followed.take().await.index;
    followed.leave().await;
    let expected = [followed.subscription.index, followed.event.index, taken];
    let (collected, report) = of(followed, taken).await;
    assert_eq!(collected.wanted, expected);
    assert_eq!(failed(&report), Vec::<&str>::new());
    assert_eq!(state(&report, "seals"), State::Holds);
    assert_eq!(state(&report, "decisions"), State::Holds);
    let (good, said) = check(&collected.bundle, &[]);
    assert!(good, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_brings_the_subscription_that_it_ends() {
    let followed = Followed::new().await;
    let end = followed.leave().await.index;
    let expected = [followed.subscription.index, end];
    let (collected, report) = of(followed, end).await;
    assert_eq!(collected.wanted, expected);
    assert_eq!(failed(&report), Vec::<&str>::new());
    let (good, said) = check(&collected.bundle, &[]);
    assert!(good, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_alone_is_judged() {
    let followed = Followed::new().await;
    let event = followed.event.index;
    let (collected, report) = of(followed, event).await;
    assert_eq!(collected.wanted, [event]);
    assert_eq!(failed(&report), Vec::<&str>::new());
    assert_eq!(state(&report, "seals"), State::Holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_switch_made_up_about_events_fails() {
    // Withheld though covered.
    let followed = Followed::new().await;
    let lie = followed.give_up("field_not_granted", "fields").await.index;
    let (_, report) = of(followed, lie).await;
    assert_eq!(failed(&report), ["answers"]);
    // Ended though permitted.
    let followed = Followed::new().await;
    let lie = followed.ended_as("agreement_revoked", "revocation").await;
    let (_, report) = of(followed, lie.index).await;
    assert_eq!(failed(&report), ["decisions"]);
    // Told by nobody, and taken by nobody.
    let mut followed = Followed::new().await;
    let lie = followed.teller.made_up().await.index;
    let (_, report) = of(followed, lie).await;
    assert_eq!(failed(&report), ["seals"]);
    let followed = Followed::new().await;
    let lie = followed.taken_by_the_operator().await.index;
    let (_, report) = of(followed, lie).await;
    assert_eq!(failed(&report), ["seals"]);
}
