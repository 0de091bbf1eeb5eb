//! What is refused because of how an agency, a key, an operation or the switch itself stands.

use super::*;

/// A new event, a new subscription, the receipt of what waits, and pulling it: each by whose it is.
fn all(bench: &Bench) -> Vec<(By, Sent)> {
    let receipt = bench.received(&bench.receipt(&bench.told));
    let pulled = bench.held.subscription_id.as_bytes().to_vec();
    vec![
        (
            By::Civil,
            Sent::Publish(Some(bench.publish(&bench.event()))),
        ),
        (
            By::Moss,
            Sent::Begin(Some(bench.begin(&bench.subscription()))),
        ),
        (By::Moss, Sent::Acknowledge(vec![receipt])),
        (By::Moss, Sent::Pull(pulled)),
    ]
}

/// Code and clause of each of [`all`], and whether it is recorded; `None`: it is done.
async fn codes(bench: &Bench) -> Vec<Option<(Code, String, bool)>> {
    let mut codes = Vec::new();
    for (by, sent) in all(bench) {
        let mut done = soon("an answer", bench.send(by, sent.clone())).await;
        // The connection may break under the first call; the next one dials again and is told.
        while matches!(&done, Err(status) if Refusal::read(status).code.is_none()) {
            done = soon("an answer", bench.send(by, sent.clone())).await;
        }
        codes.push(done.err().map(|status| {
            let refusal = Refusal::read(&status);
            let code = refusal.code.unwrap_or_else(|| panic!("{refusal:?}"));
            (
                code,
                refusal.word("clause").to_owned(),
                refusal.receipt.is_some(),
            )
        }));
    }
    codes
}

fn of(code: Code, clause: &str, is_recorded: bool) -> Option<(Code, String, bool)> {
    Some((code, clause.to_owned(), is_recorded))
}

async fn suspend(bench: &Bench, agency: proto::id::AgencyId) {
    let deed = OperatorDeed::SuspendAgency {
        agency,
        lifted: false,
        reason: "audit".to_owned(),
    };
    let switch = &bench.world.switch;
    switch.operate(&switch.operator(), deed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_agency_tells_and_is_told_nothing() {
    let bench = Bench::new().await;
    suspend(&bench, bench.world.civil.agency()).await;
    let standing = format!("standing {}", bench.world.civil.agency());
    let code = Code::AgencySuspended;
    assert_eq!(
        codes(&bench).await,
        [
            of(code, "", true),
            of(code, &standing, true),
            None,
            of(code, "", false)
        ]
    );
    bench.world.finish().await;

    let bench = Bench::new().await;
    suspend(&bench, bench.world.moss.agency()).await;
    let refused = of(code, "", true);
    let found = codes(&bench).await;
    assert_eq!(found[..2], [None, refused]);
    for found in &found[2..] {
        assert_eq!(found.as_ref().unwrap().0, code);
    }
    bench.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_has_ended_seals_nothing() {
    let bench = Bench::new().await;
    bench.world.civil.end_key(&bench.world.switch).await;
    bench.world.moss.end_key(&bench.world.switch).await;
    let ended = of(Code::KeyEnded, "", true);
    let found = codes(&bench).await;
    assert_eq!(found[..3], [ended.clone(), ended.clone(), ended]);
    bench.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_revoked_brings_nothing() {
    let bench = Bench::new().await;
    let deed = AgencyDeed::EndCertificate {
        sha256: Digest(bench.world.civil.certificate_sha256()),
        reason: part("stolen"),
    };
    let world = &bench.world;
    world.civil.does(&world.switch, deed).await.unwrap();
    // The connection may break under the first call; the next one dials again and is told.
    let refused = loop {
        let sent = Sent::Publish(Some(bench.publish(&bench.event())));
        let refused = soon("a refusal", bench.refused(By::Civil, sent)).await;
        if refused.code.is_some() {
            break refused;
        }
    };
    assert_eq!(refused.code, Some(Code::CertificateRevoked));
    assert!(refused.receipt.is_some());
    bench.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_switched_off_is_neither_told_nor_begun_and_what_waits_is_fetched() {
    let bench = Bench::new().await;
    let world = &bench.world;
    let notice = OperationNotice {
        system: world.civil.system.clone(),
        service: part("persons.v1"),
        operation: Some(part("read")),
        disabled: true,
        notice_ar: "صيانة حتى الغد".to_owned(),
        notice_en: "Maintenance until tomorrow".to_owned(),
    };
    let deed = AgencyDeed::Notice(notice);
    world.civil.does(&world.switch, deed).await.unwrap();
    let off = of(Code::OperationDisabled, "", true);
    assert_eq!(codes(&bench).await, [off.clone(), off, None, None]);
    bench.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_and_too_many_subscriptions_say_when_to_come_again() {
    let world = World::with_limits("event_mib = 0").await;
    let restricted = Bench::unprepared(world).await;
    let sent = Sent::Publish(Some(restricted.publish(&restricted.event())));
    let before = restricted.world.switch.size();
    let refused = soon("a refusal", restricted.refused(By::Civil, sent)).await;
    let row = nowhere(Code::Overloaded, Grpc::ResourceExhausted);
    told(&restricted, "a full store", &row, &refused, before);
    assert!(refused.retry.is_some());
    for _ in 0..proto::limits::SUBSCRIPTIONS_MAX {
        let begin = Sent::Begin(Some(restricted.begin(&restricted.subscription())));
        restricted.send(By::Moss, begin).await.unwrap();
    }
    let before = restricted.world.switch.size();
    let begin = Sent::Begin(Some(restricted.begin(&restricted.subscription())));
    let refused = soon("a refusal", restricted.refused(By::Moss, begin)).await;
    told(&restricted, "one too many", &row, &refused, before);
    assert!(refused.retry.is_some());
    let told = restricted.world.finish().await;
    assert_eq!(told.count(Kind::Event), 0);
}
