//! What an honest switch records of events replays clean.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_log_of_events_replays_clean() {
    let followed = Followed::new().await;
    followed.take().await;
    let mut teller = followed.teller;
    // Given up, and taken after all.
    let told = teller.event();
    let event = teller.publish(&told).await;
    let facts = teller.between(&followed.subscription, &event);
    let dead = teller.because(facts.clone(), "deadline", "attempts");
    teller.say(Kind::EventOutcome, dead).await;
    let receipt = teller.receipt_of(&followed.held, &told);
    teller.receive(facts, &receipt).await;
    // Refused by its subscriber; withheld.
    let told = teller.event();
    let event = teller.publish(&told).await;
    let mut receipt = teller.receipt_of(&followed.held, &told);
    receipt.refusal = Some(Code::ContractViolation);
    let facts = teller.between(&followed.subscription, &event);
    let facts = teller.because(facts, Code::ContractViolation.name(), "");
    teller.receive(facts, &receipt).await;
    let mut wide = teller.event();
    wide.fields = vec![part("mother_id")];
    let event = teller.publish(&wide).await;
    let facts = teller.between(&followed.subscription, &event);
    let facts = teller.because(facts, "field_not_granted", "fields");
    teller.say(Kind::EventOutcome, facts).await;
    // Ended by its subscriber; and one that follows from before.
    let end = teller.end_of(&followed.held);
    let facts = teller.of(&followed.subscription);
    teller.unsubscribe(facts, &end).await;
    let mut since = teller.subscription();
    since.from_ms = Some(NOW_MS);
    let other = teller.subscribe(&since).await;
    let facts = teller.between(&other, &followed.event);
    let receipt = teller.receipt_of(&since, &followed.told);
    teller.receive(facts, &receipt).await;
    // Ended by the switch as soon as nobody agrees any more.
    teller.revoke().await;
    let facts = EventFacts {
        agreement: teller.forger.agreement.0.to_vec().into(),
        ..teller.of(&other)
    };
    let facts = teller.because(facts, "agreement_revoked", "revocation");
    teller.say(Kind::SubscriptionEnd, facts).await;
    assert_eq!(teller.rules().await, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_holds_up_and_ends_nothing() {
    let mut followed = Followed::new().await;
    followed.teller.suspend("EG/GOV/MOSS", false).await;
    followed.teller.forger.clock.advance_ms(3_600_000);
    followed.teller.suspend("EG/GOV/MOSS", true).await;
    followed.take().await;
    assert_eq!(followed.rules().await, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_brought_when_the_agreement_ended_may_be_taken() {
    let mut followed = Followed::new().await;
    followed.teller.revoke().await;
    // Recorded while the switch had not looked yet.
    followed.teller.forger.clock.advance_ms(30_000);
    let told = followed.teller.event();
    let event = followed.teller.publish(&told).await;
    followed.take().await;
    let receipt = followed.teller.receipt_of(&followed.held, &told);
    let facts = followed.teller.between(&followed.subscription, &event);
    followed.teller.receive(facts, &receipt).await;
    assert_eq!(followed.rules().await, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_can_reach_nobody_any_more_is_none() {
    let followed = Followed::new().await;
    let days = 30 * 86_400_000;
    followed.teller.forger.clock.advance_ms(days);
    followed.give_up("deadline", "age").await;
    assert_eq!(followed.rules().await, [rule::EVENT]);
}
