//! Rates and daily quotas: of a grant, of an agency, of what was handed on; and what a provider says of an operation
//! that it switched off.

use std::time::Duration;

use adapters::ExchangeError;
use proto::Code;
use proto::act::{AgencyDeed, OperationNotice, OperatorDeed};
use proto::digest::Digest;
use proto::id::SystemId;
use tests::agency::TestAgency;
use tests::agreements::{Terms, part};
use tests::channel::channel;
use tests::provider::{Backend, Does};
use tests::raw::{RawConsumer, Refusal};
use tests::switch::TestSwitch;
use tests::world::{PERSONS, World};

const DAY_MS: u64 = tests::agreements::DAY_MS;

async fn agency_quota(world: &World, daily: u64) {
    let deed = OperatorDeed::SetQuota {
        agency: world.moss.agency(),
        daily,
    };
    let switch = &world.switch;
    switch.operate(&switch.operator(), deed).await.unwrap();
}

async fn ask(consumer: &RawConsumer, agreement: Digest, chain: &[Digest]) -> Result<(), Refusal> {
    let envelope = consumer.envelope(|header| {
        header.agreement = Some(agreement);
        header.delegation = chain.to_vec();
    });
    consumer.ask(&envelope).await.map(drop)
}

fn is_the_agency_s(refusal: &Refusal) {
    assert_eq!(refusal.code, Some(Code::QuotaExceeded), "{refusal:?}");
    // No agreement and no grant is at fault.
    assert_eq!(
        (
            refusal.word("clause"),
            refusal.word("agreement"),
            refusal.word("grant")
        ),
        ("quota", "", "")
    );
    assert!(refusal.retry.unwrap() <= Duration::from_millis(DAY_MS));
    assert_eq!(refusal.word("recording"), "recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agencys_quota_is_for_all_its_systems_together_and_outlives_a_restart() {
    let world = World::new().await;
    let pensions = SystemId::parse("EG/GOV/MOSS/pensions").unwrap();
    let (signer, identity) = world.moss.further_system(&world.switch, &pensions).await;
    let provider = tokio::spawn(world.raw_provider(8).await.answer_all());
    let takaful = world.raw_consumer().await;
    let tls = world.switch.ground().client_tls(&identity);
    let other = |world: &World| channel(world.switch.exchange(), tls.clone());
    let pensions = takaful.as_system(&pensions, signer, other(&world).await.unwrap());
    // Before there is a quota: it counts all the same, for this day.
    takaful.ask_well().await.unwrap();
    agency_quota(&world, 3).await;
    takaful.ask_well().await.unwrap();
    pensions.ask_well().await.unwrap();
    for consumer in [&takaful, &pensions] {
        is_the_agency_s(&consumer.ask_well().await.unwrap_err());
    }
    provider.abort();

    let world = world.restart().await;
    let _provider = tokio::spawn(world.raw_provider(8).await.answer_all());
    let takaful = world.raw_consumer().await;
    is_the_agency_s(&takaful.ask_well().await.unwrap_err());
    // A larger one leaves room for the difference, none leaves room for all.
    agency_quota(&world, 4).await;
    takaful.ask_well().await.unwrap();
    is_the_agency_s(&takaful.ask_well().await.unwrap_err());
    world.switch.clock().advance_ms(DAY_MS);
    for _ in 0..4 {
        takaful.ask_well().await.unwrap();
    }
    is_the_agency_s(&takaful.ask_well().await.unwrap_err());
    agency_quota(&world, 0).await;
    takaful.ask_well().await.unwrap();
    let told = world.finish().await;
    assert_eq!(told.coded("quota_exceeded"), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_set_after_a_restart_counts_what_was_asked_before_it() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(8).await.answer_all());
    for _ in 0..2 {
        world.raw_consumer().await.ask_well().await.unwrap();
    }
    provider.abort();
    // Longer ago than anything else is remembered.
    world.switch.clock().advance_ms(3_600_000);
    let world = world.restart().await;
    agency_quota(&world, 2).await;
    is_the_agency_s(&world.raw_consumer().await.ask_well().await.unwrap_err());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grants_rate_is_told_with_the_time_to_wait_and_leaves_no_entry() {
    let world = World::new().await;
    let terms = Terms {
        rate_per_s: 2,
        ..Terms::for_agency(&world.moss)
    };
    let agreement = world.civil.agree(&world.switch, &world.moss, &terms).await;
    let consumer = world.raw_consumer().await;
    // Refused for another reason, it does not count.
    for _ in 0..3 {
        let refusal = ask(&consumer, agreement, &[]).await.unwrap_err();
        assert_eq!(refusal.code, Some(Code::ProviderOffline));
    }
    let provider = tokio::spawn(world.raw_provider(8).await.answer_all());
    for _ in 0..2 {
        ask(&consumer, agreement, &[]).await.unwrap();
    }
    let size = world.switch.size();
    let refusal = ask(&consumer, agreement, &[]).await.unwrap_err();
    assert_eq!(refusal.code, Some(Code::RateLimited));
    assert_eq!(refusal.retry, Some(Duration::from_millis(500)));
    assert_eq!(
        (refusal.word("recording"), refusal.word("grant")),
        ("not_recorded", "1")
    );
    assert_eq!(refusal.word("agreement"), agreement.to_string());
    assert_eq!(world.switch.size(), size);
    // Another agreement has a rate of its own: none.
    consumer.ask_well().await.unwrap();
    world.switch.clock().advance_ms(499);
    assert!(ask(&consumer, agreement, &[]).await.is_err());
    world.switch.clock().advance_ms(1);
    ask(&consumer, agreement, &[]).await.unwrap();
    assert!(ask(&consumer, agreement, &[]).await.is_err());
    provider.abort();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_on_counts_under_the_grant_that_it_came_from() {
    let world = World::new().await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let terms = Terms {
        daily_quota: 2,
        delegation_depth: 1,
        ..Terms::for_agency(&world.moss)
    };
    let agreement = world.civil.agree(&world.switch, &world.moss, &terms).await;
    let delegation = world.moss.delegate(&world.switch, agreement, &giza).await;
    let provider = tokio::spawn(world.raw_provider(8).await.answer_all());
    let moss = world.raw_consumer().await;
    let giza = RawConsumer::connect(&world, &giza, world.switch.exchange()).await;
    ask(&giza, agreement, &[delegation]).await.unwrap();
    ask(&moss, agreement, &[]).await.unwrap();
    for refused in [
        ask(&giza, agreement, &[delegation]).await.unwrap_err(),
        ask(&moss, agreement, &[]).await.unwrap_err(),
    ] {
        assert_eq!(refused.code, Some(Code::QuotaExceeded));
        assert_eq!(refused.word("grant"), "1");
    }
    provider.abort();
    world.finish().await;
}

async fn notice(switch: &TestSwitch, provider: &TestAgency, disabled: bool) {
    let text = |text: &str| {
        if disabled {
            text.to_owned()
        } else {
            String::new()
        }
    };
    let notice = OperationNotice {
        system: provider.system.clone(),
        service: part("persons.v1"),
        operation: None,
        disabled,
        notice_ar: text("صيانة حتى الغد"),
        notice_en: text("Maintenance until tomorrow"),
    };
    let deed = AgencyDeed::Notice(notice);
    provider.does(switch, deed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumers_adapter_shows_what_the_provider_says_of_an_operation_that_is_off() {
    let world = World::new().await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let adapter = world.consumer().await;
    let consumer = adapter.consumer();
    let asked = || {
        consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"])
            .payload("application/json", tests::raw::PAYLOAD)
            .send()
    };
    notice(&world.switch, &world.civil, true).await;
    let ExchangeError::Refused(refused) = asked().await.unwrap_err() else {
        panic!("answered");
    };
    assert_eq!(refused.code, Code::OperationDisabled);
    assert_eq!(refused.notice_ar.as_deref(), Some("صيانة حتى الغد"));
    assert_eq!(
        refused.notice_en.as_deref(),
        Some("Maintenance until tomorrow")
    );
    let shown = ExchangeError::Refused(refused).to_string();
    assert!(shown.contains("Maintenance until tomorrow"), "{shown}");
    notice(&world.switch, &world.civil, false).await;
    asked().await.unwrap();
    handle.drain().await.unwrap();
    world.finish().await;
}
