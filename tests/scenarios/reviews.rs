//! Breaking the glass: by a named person in a named case, reviewed within a week by whoever was asked, or no more of it.

use adapters::sealed::seal;
use adapters::{Answer, Consumer, ExchangeError};
use audit::receipt::Receipt;
use bytes::Bytes;
use proto::Code;
use proto::act::{Finding, Review, ReviewedRequest};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::key::Signer;
use proto::limits::{BREAK_GLASS_REVIEW_MS, label};
use proto::sealed::{EncryptionKey, Of};
use proto::wire::audit::v1 as wire;
use serde_json::json;
use tests::agency::TestAgency;
use tests::agreements::{DAY_MS, Terms, part};
use tests::ground::ORIGIN;
use tests::provider::{Backend, Does};
use tests::raw::PAYLOAD;
use tests::soon;
use tests::switch::TestSwitch;
use tests::world::{PERSONS, World};
use tonic::Status;
use tonic_types::StatusExt;

use crate::blind::contents;
use crate::reading::{log_of, sealed};

/// The one agreement gives way to one under which the glass is broken, and the provider can be sealed to.
async fn glass() -> (World, Digest, EncryptionKey) {
    let world = World::new().await;
    world.civil.revoke(&world.switch, world.agreement).await;
    let agreement = broken(&world).await;
    let key = world.civil.bind_encryption_key(&world.switch).await;
    (world, agreement, key)
}

/// The switch is started again: by now with another certificate.
async fn a_week_later(world: World) -> World {
    let ground = world.switch.stop().await;
    ground.renew_broker();
    let switch = TestSwitch::on(ground, "").await.unwrap();
    for agency in [&world.moss, &world.civil] {
        agency.point_at(switch.exchange());
    }
    World { switch, ..world }
}

async fn broken(world: &World) -> Digest {
    let terms = Terms {
        sensitivity: Some(part("break-glass")),
        ..Terms::for_agency(&world.moss)
    };
    world.civil.agree(&world.switch, &world.moss, &terms).await
}

async fn look(consumer: &Consumer, agreement: Digest) -> Result<Answer, ExchangeError> {
    let asked = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name"])
        .agreement(agreement)
        .actor(Digest::of(b"a doctor at night"))
        .case_reference(Digest::of(b"one child"))
        .payload_json(&json!({ "nid": "29001019900011" }));
    soon("an end", asked.send()).await
}

fn overdue(ended: Result<Answer, ExchangeError>) {
    match ended {
        Err(ExchangeError::Refused(refused)) => assert_eq!(
            (refused.code, refused.clause.as_deref()),
            (Code::PurposeNotGranted, Some("review_overdue"))
        ),
        other => panic!("{other:?}"),
    }
}

/// What waits, as this agency is told.
async fn waiting(world: &World, agency: &TestAgency) -> Vec<wire::WaitingReview> {
    let mut log = log_of(world, agency.tls(world.switch.ground())).await;
    let request = wire::ReviewsRequest::default();
    let page = log.reviews(request).await.unwrap().into_inner();
    assert!(!page.more);
    page.waiting
}

fn named(waiting: &[wire::WaitingReview]) -> Vec<ReviewedRequest> {
    let named = waiting.iter().map(|waiting| ReviewedRequest {
        index: waiting.index,
        leaf: Digest::from_slice(&waiting.leaf).unwrap(),
    });
    named.collect()
}

fn review(of: &TestAgency, requests: Vec<ReviewedRequest>) -> Review {
    Review {
        agency: of.agency(),
        requests,
        finding: Finding::Justified,
        reason_sha256: Digest::of(b"the child was in danger"),
        issued_at_ms: 0,
    }
}

async fn give(
    world: &World,
    by: &TestAgency,
    review: &Review,
    signer: &dyn Signer,
) -> Result<Receipt, Status> {
    let mut log = log_of(world, by.tls(world.switch.ground())).await;
    let act = sealed(Kind::Review, label::REVIEW, review.encode(), signer);
    let recorded = log.oversee(act).await?.into_inner();
    Ok(Receipt::from_wire(recorded.receipt.unwrap()).unwrap())
}

fn reason(refused: Result<Receipt, Status>) -> String {
    let details = refused.unwrap_err();
    details.get_details_error_info().unwrap().reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overdue_review_stops_the_next_look_until_it_is_given_and_outlives_a_restart() {
    let (world, agreement, _) = glass().await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let consumer = world.consumer().await.consumer();
    look(&consumer, agreement).await.unwrap();
    world.switch.clock().advance_ms(DAY_MS);
    look(&consumer, agreement).await.unwrap();
    world
        .switch
        .clock()
        .advance_ms(BREAK_GLASS_REVIEW_MS - DAY_MS);
    overdue(look(&consumer, agreement).await);
    // Another agreement between the two sheds nothing.
    let newer = broken(&world).await;
    soon("the newer agreement", async {
        let size = world.switch.registry().size();
        let mirror = consumer.adapter().mirror();
        mirror.reached(size, tests::PATIENCE).await.unwrap();
    })
    .await;
    overdue(look(&consumer, newer).await);
    handle.drain().await.unwrap();
    drop(consumer);

    let world = a_week_later(world).await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let consumer = world.consumer().await.consumer();
    overdue(look(&consumer, agreement).await);
    let waits = waiting(&world, &world.civil).await;
    assert_eq!(waits.len(), 2);
    assert_eq!(waits, waiting(&world, &world.moss).await);
    let signer = world.civil.authority_signer();
    let first = review(&world.civil, named(&waits[..1]));
    give(&world, &world.civil, &first, &*signer).await.unwrap();
    // The second one still has a day.
    look(&consumer, agreement).await.unwrap();
    let again = give(&world, &world.civil, &first, &*signer).await;
    assert_eq!(reason(again), "not_waiting");
    assert_eq!(waiting(&world, &world.civil).await.len(), 2);
    handle.drain().await.unwrap();
    drop(consumer);
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Review), 1);
    assert_eq!(told.coded("purpose_not_granted"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_glass_is_not_broken_without_a_person_and_a_case() {
    let (world, agreement, key) = glass().await;
    let raw = world.raw_consumer().await;
    let (who, case) = (Some(Digest::of(b"clerk")), Some(Digest::of(b"case")));
    for (actor, case_reference, clause) in [
        (None, case, "actor"),
        (who, None, "case_reference"),
        (None, None, "actor"),
    ] {
        let open = raw.envelope(|header| {
            header.agreement = Some(agreement);
            header.payload = header.payload.clone().sealed();
            (header.actor, header.case_reference) = (actor, case_reference);
        });
        let contents = contents(PAYLOAD);
        let payload = seal(&key, Of::Request, ORIGIN, &open.header, &contents).unwrap();
        let refusal = raw
            .refused(&Envelope {
                salt: Bytes::new(),
                payload,
                ..open
            })
            .await;
        assert_eq!(refusal.code, Some(Code::PurposeNotGranted), "{refusal:?}");
        assert_eq!(refusal.word("clause"), clause);
        assert_eq!(refusal.word("recording"), "recorded");
    }
    drop(raw);
    assert!(waiting(&world, &world.civil).await.is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_was_asked_reviews_what_waits_and_nobody_else() {
    let (world, agreement, _) = glass().await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let consumer = world.consumer().await.consumer();
    look(&consumer, agreement).await.unwrap();
    let waits = named(&waiting(&world, &world.civil).await);
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    assert!(waiting(&world, &giza).await.is_empty());
    let size = world.switch.size();
    let (moss, civil) = (&world.moss, &world.civil);
    let own = review(moss, waits.clone());
    let mut elsewhere = review(civil, waits.clone());
    elsewhere.requests[0].index += 1;
    let mut other = review(civil, waits.clone());
    other.requests[0].leaf = Digest::of(b"another entry");
    let good = review(civil, waits);
    let refused = [
        // Who asked looks at it.
        give(&world, moss, &own, &*moss.authority_signer()).await,
        // Under the key of the system that answered, under the asker's, brought by another agency.
        give(&world, civil, &good, &*civil.seal_signer()).await,
        give(&world, civil, &good, &*moss.authority_signer()).await,
        give(&world, moss, &good, &*civil.authority_signer()).await,
        give(&world, civil, &elsewhere, &*civil.authority_signer()).await,
        give(&world, civil, &other, &*civil.authority_signer()).await,
    ];
    let said = refused.map(reason);
    let expected = [
        "not_waiting",
        "wrong_signer",
        "wrong_signer",
        "wrong_signer",
        "not_waiting",
        "not_waiting",
    ];
    assert_eq!(said, expected);
    assert_eq!(world.switch.size(), size);
    let signer = civil.authority_signer();
    // Two at once: one of them stands.
    let (one, two) = tokio::join!(
        give(&world, civil, &good, &*signer),
        give(&world, civil, &good, &*signer)
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert!(waiting(&world, civil).await.is_empty());
    handle.drain().await.unwrap();
    drop(consumer);
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Review), 1);
}
