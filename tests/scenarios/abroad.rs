//! Members abroad: nobody before an admission, nothing before its provider opened it, nothing after a withdrawal. The
//! provider's adapter judges it again.

use std::time::Duration;

use adapters::ExchangeError;
use bytes::Bytes;
use proto::Code;
use proto::Digest;
use proto::act::{BorderAct, BorderDeed, Invitation};
use proto::entry::Kind;
use proto::facts::ExchangeFacts;
use proto::header::AnswerStatus;
use proto::id::AgencyId;
use proto::limits::label;
use serde_json::{Value, json};
use tests::agency::TestAgency;
use tests::agreements::{DAY_MS, Terms, part};
use tests::double::Double;
use tests::provider::{Backend, Does};
use tests::raw::RawConsumer;
use tests::switch::TestSwitch;
use tests::world::{PERSONS, World};
use tests::{PATIENCE, soon};
use tonic::{Code as Grpc, Status};
use tonic_types::StatusExt;

const OFFICE: &str = "JO/COM/PETRA/office";

/// Jordan is admitted, a bidder of it enrolled, and agreed with the provider; nothing is open.
async fn petra(world: &World) -> (TestAgency, Digest) {
    world.switch.admit("JO").await;
    let petra = TestAgency::enrol(&world.switch, OFFICE).await;
    let terms = Terms::for_agency(&petra);
    let agreement = world.civil.agree(&world.switch, &petra, &terms).await;
    (petra, agreement)
}

async fn open(world: &World, agreement: Digest, until_ms: u64) -> Digest {
    let (switch, to) = (&world.switch, "JO");
    let opened = world.civil.open_abroad(switch, agreement, to, until_ms);
    opened.await.unwrap()
}

async fn ask(world: &World, petra: &TestAgency) -> Result<Value, ExchangeError> {
    let adapter = petra.adapter(world.switch.ground()).await;
    let consumer = adapter.consumer();
    let asked = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name"])
        .payload_json(&json!({ "nid": "29001019900011" }));
    Ok(soon("an end", Box::pin(asked.send()))
        .await?
        .json()
        .unwrap())
}

fn closed(asked: Result<Value, ExchangeError>) -> String {
    match asked {
        Err(ExchangeError::Refused(refused)) => {
            assert_eq!(refused.code, Code::BorderClosed);
            refused.clause.unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn word(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_provider_opened_crosses_the_border_until_it_is_closed_or_its_country_withdrawn() {
    let world = World::new().await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let (petra, agreement) = petra(&world).await;
    assert_eq!(closed(ask(&world, &petra).await), "opening");
    let until_ms = world.switch.now_ms() + DAY_MS;
    let opening = open(&world, agreement, until_ms).await;
    assert_eq!(ask(&world, &petra).await.unwrap()["name"], "Mona");
    world
        .civil
        .close_abroad(&world.switch, opening)
        .await
        .unwrap();
    assert_eq!(closed(ask(&world, &petra).await), "opening_ended");
    // Another act than the first one, which stands in the log already.
    open(&world, agreement, until_ms - 1).await;
    assert_eq!(ask(&world, &petra).await.unwrap()["name"], "Mona");
    world.switch.withdraw("JO").await;
    assert_eq!(closed(ask(&world, &petra).await), "withdrawal JO");
    // Cut off from asking and agreeing, not from taking back what it sealed.
    let refused = petra
        .open_abroad(&world.switch, agreement, "EG", until_ms)
        .await
        .unwrap_err();
    assert_eq!(word(&refused), "instance_withdrawn");
    petra.revoke(&world.switch, agreement).await;
    assert_eq!(backend.seen(), 2);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(told.coded("border_closed"), 3);
    // An admission, two openings, the end of one, a withdrawal.
    assert_eq!(told.count(Kind::BorderAct), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_of_a_country_that_is_not_admitted_is_invited_and_nobody_else_admits_one() {
    let switch = TestSwitch::start().await;
    let invitation = |issued_at_ms| Invitation {
        agency: AgencyId::parse("JO/COM/PETRA").unwrap(),
        token: Digest::of(b"token"),
        expires_at_ms: issued_at_ms + 1_000,
        issued_at_ms,
        authority_kid: None,
    };
    let header = invitation(switch.now_ms()).encode();
    let operator = switch.operator();
    let invited = switch.operate_as(&operator, Kind::Invitation, header.clone());
    let refused = invited.await.unwrap_err();
    assert_eq!(refused.code(), Grpc::InvalidArgument);
    assert_eq!(word(&refused), "other_instance");
    // An agency's authority key admits nobody, whoever's name stands in the act.
    let civil = TestAgency::enrol(&switch, "EG/GOV/CIVIL/registry").await;
    let act = BorderAct {
        issued_at_ms: switch.now_ms(),
        deed: BorderDeed::Withdraw {
            operator: part("amina"),
            instance: part("JO"),
            reason: "No".to_owned(),
        },
    };
    let sent = civil.submit(&switch, Kind::BorderAct, label::BORDER, act.encode());
    assert_eq!(word(&sent.await.unwrap_err()), "wrong_signer");
    let withdrawn = switch.at_the_border(&operator, act.deed.clone()).await;
    assert_eq!(word(&withdrawn.unwrap_err()), "not_admitted");
    switch.admit("JO").await;
    let invited = switch.operate_as(&operator, Kind::Invitation, header);
    invited.await.unwrap();
    switch.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_opened_nothing_refuses_what_its_switch_lets_across() {
    let world = World::new().await;
    let (petra, agreement) = petra(&world).await;
    let consumer = RawConsumer::connect(&world, &petra, world.switch.exchange()).await;
    let envelope = consumer.envelope(|header| header.agreement = Some(agreement));
    let facts = ExchangeFacts {
        peer_sha256: Bytes::copy_from_slice(&petra.certificate_sha256()),
        decided_at_ms: world.switch.now_ms(),
        agreement: Bytes::copy_from_slice(agreement.as_bytes()),
        grant: 1,
        ..ExchangeFacts::default()
    };
    let World { switch, civil, .. } = world;
    let ground = switch.stop().await;
    let mut double = Double::start(&ground).await;
    civil.point_at(double.address);
    let backend = Backend::new(Does::Answers);
    let handle = civil.serve(&ground, backend.clone()).await;
    let receipt = double.record(&envelope, facts).await.receipt.to_wire();
    let said = double.deliver(&envelope, Some(receipt)).await;
    assert_eq!(said.status, AnswerStatus::Refused(Code::BorderClosed));
    assert_eq!(backend.seen(), 0);
    drop(handle);
    double.log.close().await.unwrap();
    // The entry is a lie itself, and an auditor finds it.
    let options = audit::replay::Options {
        key: Some(ground.log_key()),
        ..Default::default()
    };
    assert!(!audit::replay::replay(&ground.log_dir(), options).is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_at_the_switch_ends_on_record_when_its_country_is_withdrawn() {
    let world = World::new().await;
    world.civil.bind_encryption_key(&world.switch).await;
    let (petra, agreement) = petra(&world).await;
    let until_ms = world.switch.now_ms() + DAY_MS;
    open(&world, agreement, until_ms).await;
    let adapter = petra.adapter(world.switch.ground()).await;
    let consumer = adapter.consumer();
    let asked = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name"])
        .payload_json(&json!({ "nid": "29001019900011" }));
    let waiting = soon("a receipt", asked.submit(Duration::from_secs(3_600)));
    let waiting = waiting.await.unwrap();
    world.switch.withdraw("JO").await;
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    // Whoever was cut off still collects what became of it.
    let ended = soon("its end", consumer.collect(waiting.exchange_id, PATIENCE)).await;
    match ended {
        Err(ExchangeError::Refused(refused)) => {
            assert_eq!(refused.code, Code::BorderClosed);
            assert_eq!(refused.clause.as_deref(), Some("cut: border_closed"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(backend.seen(), 0);
    handle.drain().await.unwrap();
    drop((consumer, adapter));
    world.finish().await;
}
