//! Lies over what became of events.

use super::*;

impl Followed {
    /// A receipt under the operator's key.
    pub(crate) async fn taken_by_the_operator(&self) -> Appended {
        let (facts, header) = (self.facts(), self.receipt().encode());
        let by = (label::EVENT_RECEIPT, OPERATOR);
        self.teller
            .sealed(Kind::EventOutcome, facts, header, by)
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_for_somebody_who_does_not_follow_is_found() {
    let mut followed = Followed::new().await;
    // It follows another operation; the switch recorded its subscription all the same.
    let mut other = followed.teller.subscription();
    other.topic.operation = part("burials");
    let subscription = followed.teller.subscribe(&other).await;
    let facts = followed.teller.between(&subscription, &followed.event);
    let receipt = followed.teller.receipt_of(&other, &followed.told);
    followed.teller.receive(facts, &receipt).await;
    // No subscription at all, and no event.
    let facts = followed
        .teller
        .between(&followed.event, &followed.subscription);
    followed.teller.receive(facts, &followed.receipt()).await;
    let mut facts = followed.facts();
    facts.event_index = 999;
    followed.teller.receive(facts, &followed.receipt()).await;
    assert_eq!(followed.rules().await, [rule::EVENT; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_of_an_event_before_the_subscription_is_found() {
    let mut followed = Followed::new().await;
    followed.teller.forger.clock.advance_ms(1_000);
    for from_ms in [None, Some(NOW_MS + 1_000)] {
        let mut later = followed.teller.subscription();
        later.from_ms = from_ms;
        let subscription = followed.teller.subscribe(&later).await;
        let facts = followed.teller.between(&subscription, &followed.event);
        let receipt = followed.teller.receipt_of(&later, &followed.told);
        followed.teller.receive(facts, &receipt).await;
    }
    assert_eq!(followed.rules().await, [rule::EVENT; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_with_another_leaf_is_found() {
    let followed = Followed::new().await;
    let other: Bytes = Digest::of(b"another entry").0.to_vec().into();
    for leaf in [other, Bytes::new(), Bytes::from_static(b"short")] {
        let mut facts = followed.facts();
        facts.event_leaf = leaf.clone();
        followed.teller.receive(facts, &followed.receipt()).await;
        let mut facts = followed.facts();
        facts.subscription_leaf = leaf;
        followed.teller.receive(facts, &followed.receipt()).await;
    }
    assert_eq!(followed.rules().await, [rule::EVENT; 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_outcome_is_found() {
    let followed = Followed::new().await;
    followed.take().await;
    followed.take().await;
    followed.give_up("deadline", "attempts").await;
    assert_eq!(followed.rules().await, [rule::EVENT; 2]);

    let followed = Followed::new().await;
    followed.give_up("deadline", "attempts").await;
    followed.give_up("deadline", "age").await;
    assert_eq!(followed.rules().await, [rule::EVENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_under_anothers_seal_is_found() {
    for (label, seed) in [
        (label::EVENT_RECEIPT, 99),
        (label::EVENT_RECEIPT, OPERATOR),
        (label::EVENT_RECEIPT, CIVIL),
        (label::EVENT, MOSS),
    ] {
        let followed = Followed::new().await;
        let (facts, header) = (followed.facts(), followed.receipt().encode());
        let by = (label, seed);
        followed
            .teller
            .sealed(Kind::EventOutcome, facts, header, by)
            .await;
        assert_eq!(followed.rules().await, [rule::EVENT], "{label} {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_nobody_sealed_is_found() {
    let followed = Followed::new().await;
    // As taken, by the switch's word alone; and with a header, without a seal.
    followed.give_up("", "").await;
    let (kind, header) = (Kind::EventOutcome, followed.receipt().encode());
    let facts = facts::encode(&followed.facts());
    followed
        .teller
        .forger
        .append(kind, facts, header, None)
        .await;
    assert_eq!(followed.rules().await, [rule::EVENT; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_of_another_event_is_found() {
    let mut followed = Followed::new().await;
    let another = followed.teller.event();
    followed.teller.publish(&another).await;
    let mut receipts = vec![followed.teller.receipt_of(&followed.held, &another)];
    for _ in 0..3 {
        receipts.push(followed.receipt());
    }
    receipts[1].event_header = Digest::of(b"another header");
    receipts[2].subscription_id = followed.teller.id();
    // Refused by its subscriber, and recorded as taken.
    receipts[3].refusal = Some(Code::ContractViolation);
    for receipt in receipts {
        followed.teller.receive(followed.facts(), &receipt).await;
    }
    // Taken, and recorded as refused; refused, for another reason.
    let facts = followed
        .teller
        .because(followed.facts(), "contract_violation", "");
    followed
        .teller
        .receive(facts.clone(), &followed.receipt())
        .await;
    let mut receipt = followed.receipt();
    receipt.refusal = Some(Code::PayloadMismatch);
    followed.teller.receive(facts, &receipt).await;
    assert_eq!(followed.rules().await, [rule::EVENT; 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_up_for_no_reason_is_found() {
    for (code, clause) in [
        ("no_such_code", "attempts"),
        ("overloaded", "attempts"),
        ("deadline", "boredom"),
        ("deadline", ""),
    ] {
        let followed = Followed::new().await;
        followed.give_up(code, clause).await;
        // It was not settled by that.
        followed.take().await;
        assert_eq!(followed.rules().await, [rule::EVENT], "{code} {clause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn withheld_though_covered_and_brought_though_not_are_found() {
    let followed = Followed::new().await;
    followed.give_up("field_not_granted", "fields").await;
    assert_eq!(followed.rules().await, [rule::EVENT]);

    let followed = Followed::with(&["mother_id", "name_ar"]).await;
    followed.take().await;
    followed.give_up("deadline", "attempts").await;
    followed.give_up("field_not_granted", "clause").await;
    assert_eq!(followed.rules().await, [rule::EVENT; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_was_decided_at_another_time_is_found() {
    let followed = Followed::new().await;
    let mut facts = followed.facts();
    facts.decided_at_ms += 1;
    followed.teller.receive(facts, &followed.receipt()).await;
    assert_eq!(followed.rules().await, [rule::TIME]);
}
