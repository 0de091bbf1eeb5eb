//! What permits: only what both agencies sealed, only as long, only so often.

use proto::Code;
use proto::entry::Kind;
use proto::envelope::Envelope;
use tests::agency::TestAgency;
use tests::agreements::{DAY_MS, Terms, part, parts};
use tests::raw::{RawConsumer, Refusal};
use tests::soon;
use tests::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clause_that_decided_is_named() {
    let world = World::new().await;
    let consumer = world.raw_consumer().await;
    let proposed = world
        .civil
        .propose(&world.switch, &Terms::for_agency(&world.moss))
        .await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let foreign = world
        .civil
        .agree(&world.switch, &giza, &Terms::for_agency(&giza))
        .await;
    let cases = [
        (
            consumer.envelope(|header| header.agreement = None),
            Code::NoAgreement,
            "agreement",
        ),
        (
            consumer.envelope(|header| header.agreement = Some(proto::Digest::of(b"none"))),
            Code::NoAgreement,
            "agreement",
        ),
        (
            consumer.envelope(|header| header.agreement = Some(proposed)),
            Code::NoAgreement,
            "acceptance",
        ),
        (
            consumer.envelope(|header| header.agreement = Some(foreign)),
            Code::NoAgreement,
            "parties",
        ),
        (
            consumer.envelope(|header| header.service = part("cars.v1")),
            Code::OperationNotGranted,
            "service",
        ),
        (
            consumer.envelope(|header| header.operation = part("erase")),
            Code::OperationNotGranted,
            "operation",
        ),
        (
            consumer.envelope(|header| header.purpose = part("curiosity")),
            Code::PurposeNotGranted,
            "purpose",
        ),
        (
            consumer.envelope(|header| header.fields = parts(&["income", "name"])),
            Code::FieldNotGranted,
            "field income",
        ),
    ];
    for (envelope, code, clause) in &cases {
        names_its_clause(
            &world,
            &consumer.refused(envelope).await,
            envelope,
            *code,
            clause,
        );
    }
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Refusal), cases.len());
}

/// To the caller and in the log.
fn names_its_clause(
    world: &World,
    refusal: &Refusal,
    envelope: &Envelope,
    code: Code,
    clause: &str,
) {
    assert_eq!((refusal.code, refusal.word("clause")), (Some(code), clause));
    let proven = refusal.prove(envelope, &world.switch.ground().log_key());
    assert_eq!(
        proto::facts::exchange(&proven.entry.facts).unwrap().clause,
        clause
    );
    // What an agreement says is told only to those it is between.
    let named = refusal.word("agreement");
    assert_eq!(
        named.is_empty(),
        matches!(clause, "agreement" | "parties"),
        "{clause}: {named}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agreement_counts_from_its_first_millisecond_to_its_last() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let now_ms = world.switch.now_ms();
    let terms = Terms {
        validity_ms: Some((now_ms + 1_000, now_ms + 2_000)),
        ..Terms::for_agency(&world.moss)
    };
    let agreement = world.civil.agree(&world.switch, &world.moss, &terms).await;
    let consumer = world.raw_consumer().await;
    for (advance_ms, expected) in [
        (999, Some(Code::AgreementExpired)),
        (1, None),
        (999, None),
        (1, Some(Code::AgreementExpired)),
    ] {
        world.switch.clock().advance_ms(advance_ms);
        let said = consumer
            .ask(&consumer.envelope(|header| header.agreement = Some(agreement)))
            .await;
        assert_eq!(
            said.err().and_then(|refusal| refusal.code),
            expected,
            "{}",
            world.switch.now_ms() - now_ms
        );
    }
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!(
        (told.coded("answered"), told.coded("agreement_expired")),
        (2, 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_party_revokes_for_good() {
    for by_consumer in [true, false] {
        let world = World::new().await;
        let consumer = world.raw_consumer().await;
        let party = if by_consumer {
            &world.moss
        } else {
            &world.civil
        };
        party.revoke(&world.switch, world.agreement).await;
        assert_eq!(
            consumer.ask_well().await.unwrap_err().code,
            Some(Code::AgreementRevoked)
        );
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_for_a_day_and_only_recorded_requests_count() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let terms = Terms {
        daily_quota: 2,
        ..Terms::for_agency(&world.moss)
    };
    let agreement = world.civil.agree(&world.switch, &world.moss, &terms).await;
    let consumer = world.raw_consumer().await;
    let ask = |fields: &[&str]| {
        let fields = parts(fields);
        let envelope = consumer.envelope(|header| {
            header.agreement = Some(agreement);
            header.fields = fields;
        });
        let consumer = consumer.clone();
        async move { consumer.ask(&envelope).await }
    };
    ask(&["name"]).await.unwrap();
    assert_eq!(
        ask(&["income"]).await.unwrap_err().code,
        Some(Code::FieldNotGranted)
    );
    ask(&["alive"]).await.unwrap();
    let over = ask(&["name"]).await.unwrap_err();
    assert_eq!(
        (over.code, over.word("clause")),
        (Some(Code::QuotaExceeded), "quota")
    );
    // It is noon: the next day begins in twelve hours.
    assert_eq!(over.retry.unwrap().as_millis(), u128::from(DAY_MS / 2));
    world.switch.clock().advance_ms(DAY_MS / 2 - 1);
    assert_eq!(
        ask(&["name"]).await.unwrap_err().code,
        Some(Code::QuotaExceeded)
    );
    world.switch.clock().advance_ms(1);
    ask(&["name"]).await.unwrap();
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    let used: Vec<_> = told
        .of(Kind::Request)
        .iter()
        .map(|(_, _, facts)| facts.quota_used)
        .collect();
    assert_eq!(used, [1, 2, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_decision_is_recorded_against_a_registry_it_was_not_made_against() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(64).await.answer_all());
    let consumer = world.raw_consumer().await;
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let consumer = consumer.clone();
            tokio::spawn(async move {
                let mut answered = 0_u64;
                loop {
                    match consumer.ask_well().await {
                        Ok(_) => answered += 1,
                        Err(refusal) => return (answered, refusal.code),
                    }
                }
            })
        })
        .collect();
    // The registry moves under running exchanges, and at last takes their agreement away.
    for _ in 0..10 {
        let other = world
            .civil
            .agree(&world.switch, &world.moss, &Terms::for_agency(&world.moss))
            .await;
        world.moss.revoke(&world.switch, other).await;
    }
    world.moss.revoke(&world.switch, world.agreement).await;
    let mut all = 0;
    for asking in asking {
        let (answered, code) = soon("the revocation is felt", asking).await.unwrap();
        assert_eq!(code, Some(Code::AgreementRevoked));
        all += answered;
    }
    // The replay judges each again by the registry at its index: that is the check.
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!(
        (told.coded("answered"), told.coded("agreement_revoked")),
        (all, 4)
    );
    assert!(all > 0, "nothing ran while the registry moved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_key_seals_nothing_more() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let consumer = world.raw_consumer().await;
    let sealed_before = consumer.envelope(|_| {});
    consumer.ask_well().await.unwrap();
    world.moss.end_key(&world.switch).await;
    // What was sealed before its end and comes after it is refused, too: the binding counts at the decision.
    assert_eq!(
        consumer.refused(&sealed_before).await.code,
        Some(Code::KeyEnded)
    );
    // The provider's key: its answer no longer holds.
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let agreement = world
        .civil
        .agree(&world.switch, &giza, &Terms::for_agency(&giza))
        .await;
    let giza = RawConsumer::connect(&world, &giza, world.switch.exchange()).await;
    world.civil.end_key(&world.switch).await;
    let refusal = giza
        .refused(&giza.envelope(|header| header.agreement = Some(agreement)))
        .await;
    assert_eq!(
        (refusal.code, refusal.word("clause")),
        (Some(Code::AnswerInvalid), "answer_invalid: seal")
    );
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!(
        (told.coded("answered"), told.coded("provider_failed")),
        (1, 1)
    );
}
