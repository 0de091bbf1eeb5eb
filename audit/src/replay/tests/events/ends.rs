//! Lies over how subscriptions ended, or did not.

use super::*;

impl Followed {
    fn as_ended(&self, code: &str, clause: &str) -> EventFacts {
        let facts = EventFacts {
            agreement: self.teller.forger.agreement.0.to_vec().into(),
            ..self.teller.of(&self.subscription)
        };
        self.teller.because(facts, code, clause)
    }

    /// The switch ends the subscription by itself.
    pub(crate) async fn ended_as(&self, code: &str, clause: &str) -> Appended {
        let facts = self.as_ended(code, clause);
        self.teller.say(Kind::SubscriptionEnd, facts).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_by_the_switch_of_what_is_permitted_is_found() {
    for (code, clause) in [
        ("agreement_revoked", "revocation"),
        ("agreement_expired", "validity"),
        ("", ""),
        ("no_such_code", "revocation"),
    ] {
        let followed = Followed::new().await;
        followed.ended_as(code, clause).await;
        // It lives on.
        followed.take().await;
        assert_eq!(followed.rules().await, [rule::EVENT], "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_by_the_switch_for_another_reason_is_found() {
    for (code, clause) in [
        ("agreement_expired", "revocation"),
        ("agreement_revoked", "validity"),
        ("agreement_revoked", ""),
        ("", "revocation"),
    ] {
        let mut followed = Followed::new().await;
        followed.teller.revoke().await;
        followed.ended_as(code, clause).await;
        assert_eq!(followed.rules().await, [rule::EVENT], "{code} {clause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_by_the_switch_under_another_agreement_is_found() {
    let mut followed = Followed::new().await;
    followed.teller.revoke().await;
    let reason = ("agreement_revoked", "revocation");
    let mut facts = followed.as_ended(reason.0, reason.1);
    facts.agreement = Digest::of(b"another agreement").0.to_vec().into();
    followed
        .teller
        .say(Kind::SubscriptionEnd, facts.clone())
        .await;
    facts = followed.as_ended(reason.0, reason.1);
    facts.grant = 1;
    followed.teller.say(Kind::SubscriptionEnd, facts).await;
    assert_eq!(followed.rules().await, [rule::EVENT; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_because_of_a_suspension_is_found() {
    for agency in ["EG/GOV/MOSS", "EG/GOV/CIVIL"] {
        let mut followed = Followed::new().await;
        followed.teller.suspend(agency, false).await;
        let mut facts = followed.as_ended("agency_suspended", &format!("standing:{agency}"));
        if agency == "EG/GOV/MOSS" {
            facts.agreement = Bytes::new();
        } else {
            facts.grant = 1;
        }
        followed.teller.say(Kind::SubscriptionEnd, facts).await;
        assert_eq!(followed.rules().await, [rule::EVENT], "{agency}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_its_subscriber_did_not_seal_is_found() {
    for (label, seed) in [
        (label::SUBSCRIPTION_END, 99),
        (label::SUBSCRIPTION_END, OPERATOR),
        (label::SUBSCRIPTION_END, CIVIL),
        (label::SUBSCRIPTION, MOSS),
    ] {
        let followed = Followed::new().await;
        let header = followed.teller.end_of(&followed.held).encode();
        let facts = followed.teller.of(&followed.subscription);
        let by = (label, seed);
        followed
            .teller
            .sealed(Kind::SubscriptionEnd, facts, header, by)
            .await;
        assert_eq!(followed.rules().await, [rule::EVENT], "{label} {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_another_subscription_is_found() {
    let mut followed = Followed::new().await;
    let other = followed.teller.subscription();
    followed.teller.subscribe(&other).await;
    // The facts name the one, the sealed end the other.
    let end = followed.teller.end_of(&other);
    let facts = followed.teller.of(&followed.subscription);
    followed.teller.unsubscribe(facts, &end).await;
    // A code beside a seal.
    let end = followed.teller.end_of(&followed.held);
    let facts = followed.teller.of(&followed.subscription);
    let facts = followed.teller.because(facts, "agreement_revoked", "");
    followed.teller.unsubscribe(facts, &end).await;
    // Of no entry, of an event, and with another leaf.
    let mut facts = followed.teller.of(&followed.subscription);
    facts.subscription_index = 999;
    followed.teller.unsubscribe(facts, &end).await;
    let facts = followed.teller.of(&followed.event);
    followed.teller.unsubscribe(facts, &end).await;
    let mut facts = followed.teller.of(&followed.subscription);
    facts.subscription_leaf = Digest::of(b"another entry").0.to_vec().into();
    followed.teller.unsubscribe(facts.clone(), &end).await;
    facts.subscription_leaf = Bytes::new();
    followed.teller.unsubscribe(facts, &end).await;
    assert_eq!(followed.rules().await, [rule::EVENT; 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_what_has_ended_and_what_comes_after_it_are_found() {
    let mut followed = Followed::new().await;
    let end = followed.teller.end_of(&followed.held);
    let facts = followed.teller.of(&followed.subscription);
    followed.teller.unsubscribe(facts.clone(), &end).await;
    followed.teller.unsubscribe(facts, &end).await;
    followed.take().await;
    followed.give_up("deadline", "attempts").await;
    followed.teller.revoke().await;
    followed.ended_as("agreement_revoked", "revocation").await;
    assert_eq!(followed.rules().await, [rule::EVENT; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_goes_on_telling_after_the_agreement_was_revoked_is_found() {
    let mut followed = Followed::new().await;
    followed.teller.revoke().await;
    followed.teller.forger.clock.advance_ms(60_001);
    let told = followed.teller.event();
    let event = followed.teller.publish(&told).await;
    let facts = followed.teller.between(&followed.subscription, &event);
    let receipt = followed.teller.receipt_of(&followed.held, &told);
    followed.teller.receive(facts, &receipt).await;
    assert_eq!(followed.rules().await, [rule::EVENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_goes_on_telling_after_the_agreement_was_over_is_found() {
    let mut followed = Followed::new().await;
    followed.teller.forger.clock.advance_ms(86_400_000 + 60_001);
    let told = followed.teller.event();
    let event = followed.teller.publish(&told).await;
    let facts = followed.teller.between(&followed.subscription, &event);
    let receipt = followed.teller.receipt_of(&followed.held, &told);
    followed.teller.receive(facts, &receipt).await;
    assert_eq!(followed.rules().await, [rule::EVENT]);
}
