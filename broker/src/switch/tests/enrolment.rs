//! Getting on board: invited, told whom one joins, enrolled; and every way in which that is refused.

use super::*;

#[tokio::test]
async fn an_agency_is_invited_sees_whom_it_joins_and_enrols() {
    let site = Site::found().await;
    let switch = site.start().await;
    let applicant = Applicant::new(MOSS);
    invite(&site, &switch, &applicant).await;

    let mut enrolment = EnrolmentClient::new(site.connect_newcomer(&switch).await);
    let told = enrolment
        .describe(wire::DescribeRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        certs::sha256(&told.authority_root),
        site.authority.root_sha256()
    );
    assert_eq!(Digest::of(&told.genesis).0.to_vec(), told.genesis_sha256);
    assert_eq!(
        (told.instance.as_str(), told.trust_domain.as_str()),
        ("EG", "switch.example")
    );
    assert_eq!(told.broker_uri, "spiffe://switch.example/broker/cairo-1");
    assert_eq!(told.exchange_address, "localhost:7400");
    let log_key = audit::checkpoint::LogKey::from_vkey(&told.log_vkey).unwrap();

    let genesis = Digest::from_slice(&told.genesis_sha256).unwrap();
    let request = applicant.request(genesis);
    let answer = enrolment.enrol(request.clone()).await.unwrap().into_inner();
    let receipts: Vec<_> = answer
        .receipts
        .iter()
        .map(|wire| Receipt::from_wire(wire.clone()).unwrap())
        .collect();
    let acts = [&request.agency, &request.key_binding]
        .map(|act| Envelope::from_wire(act.clone()).unwrap());
    assert_eq!(receipts.len(), 3);
    for (receipt, act) in receipts.iter().zip(&acts) {
        receipt
            .verify(&act.header, Some(&act.seal), &log_key)
            .unwrap();
    }
    let certificate = receipts[2].verify(&Bytes::new(), None, &log_key).unwrap();
    assert_eq!(certificate.entry.kind, Kind::Certificate);
    let facts = facts::registry(&certificate.entry.facts)
        .unwrap()
        .certificate
        .unwrap();
    assert_eq!(facts.uri, format!("spiffe://switch.example/{MOSS}"));

    let registry = switch.registry().load();
    assert_eq!(
        registry.agency(&applicant.agency).unwrap().authority_key,
        *applicant.authority_key.key()
    );
    assert!(
        registry
            .seal_key(&applicant.seal_key.key().kid(), &applicant.system)
            .is_ok()
    );
    let chain = certs::pem::decode_chain(&answer.certificate_chain).unwrap();
    assert_eq!(certs::sha256(&chain[0]).to_vec(), facts.sha256);
    assert!(
        registry
            .certificate(&Digest(certs::sha256(&chain[0])))
            .is_some()
    );
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_same_request_is_told_the_same_and_a_spent_token_opens_nothing_else() {
    let site = Site::found().await;
    let switch = site.start().await;
    let applicant = Applicant::new(MOSS);
    invite(&site, &switch, &applicant).await;
    let mut enrolment = EnrolmentClient::new(site.connect_newcomer(&switch).await);
    let request = applicant.request(switch.registry().load().genesis_sha256());
    let answer = enrolment.enrol(request.clone()).await.unwrap().into_inner();
    // The answer was lost on the way: the same request is told the same again, and records nothing.
    let entries = switch.log().head().size();
    assert_eq!(
        enrolment.enrol(request.clone()).await.unwrap().into_inner(),
        answer
    );
    // Whoever finds the spent token cannot stand beside the agency with a key of its own.
    let other_key = request::make(&TlsKey::generate().unwrap()).unwrap();
    let thief = wire::EnrolRequest {
        certificate_request: other_key.into(),
        ..request
    };
    assert_eq!(
        refused(enrolment.enrol(thief).await),
        (Code::FailedPrecondition, "token_used".into())
    );
    assert_eq!(switch.log().head().size(), entries);
    switch.shutdown().await.unwrap();
}

/// Every way in which an application does not hold, and what it is told.
fn bad_applications(
    applicant: &Applicant,
    other: &Applicant,
    genesis: Digest,
) -> Vec<(wire::EnrolRequest, (Code, &'static str))> {
    let good = applicant.request(genesis);
    let wrong_token = wire::EnrolRequest {
        token: vec![7; 32].into(),
        ..good.clone()
    };
    let no_token = wire::EnrolRequest {
        token: Bytes::new(),
        ..good.clone()
    };
    let elsewhere = applicant.request(Digest::of(b"another switch"));
    let uninvited = other.request(genesis);
    let forged = wire::EnrolRequest {
        agency: Some(
            sealed(
                label::AUTHORITY,
                applicant.enrolment(genesis).header,
                &seal_key(),
            )
            .to_wire(),
        ),
        ..good.clone()
    };
    let anothers_key = wire::EnrolRequest {
        key_binding: Some(other.binding(&other.seal_key).to_wire()),
        ..good.clone()
    };
    let mut unproven = applicant.binding(&applicant.seal_key);
    let mut binding = proto::act::KeyBinding::open(&unproven.header).unwrap();
    binding.possession = other.binding(&other.seal_key).seal.cose;
    unproven = sealed(label::AUTHORITY, binding.encode(), &applicant.authority_key);
    let unproven = wire::EnrolRequest {
        key_binding: Some(unproven.to_wire()),
        ..good.clone()
    };
    let one_key_twice = wire::EnrolRequest {
        key_binding: Some(applicant.binding(&applicant.authority_key).to_wire()),
        ..good.clone()
    };
    let no_request = wire::EnrolRequest {
        certificate_request: vec![0x30; 40].into(),
        ..good.clone()
    };
    let with_payload = wire::EnrolRequest {
        agency: good
            .agency
            .clone()
            .map(|act| proto::wire::exchange::v1::Envelope {
                payload: Bytes::from_static(b"x"),
                ..act
            }),
        ..good.clone()
    };
    vec![
        (wrong_token, (Code::PermissionDenied, "not_invited")),
        (no_token, (Code::InvalidArgument, "malformed")),
        (elsewhere, (Code::InvalidArgument, "other_switch")),
        (uninvited, (Code::PermissionDenied, "not_invited")),
        (forged, (Code::Unauthenticated, "bad_seal")),
        (anothers_key, (Code::InvalidArgument, "malformed")),
        (unproven, (Code::Unauthenticated, "no_possession")),
        (one_key_twice, (Code::AlreadyExists, "key_reused")),
        (no_request, (Code::InvalidArgument, "bad_request")),
        (with_payload, (Code::InvalidArgument, "malformed")),
        (
            wire::EnrolRequest::default(),
            (Code::InvalidArgument, "malformed"),
        ),
    ]
}

#[tokio::test]
async fn a_bad_application_is_refused_and_nothing_of_it_is_recorded() {
    let site = Site::found().await;
    let switch = site.start().await;
    let (applicant, other) = (Applicant::new(MOSS), Applicant::new(CIVIL));
    invite(&site, &switch, &applicant).await;
    let entries = switch.log().head().size();
    let mut enrolment = EnrolmentClient::new(site.connect_newcomer(&switch).await);
    let genesis = switch.registry().load().genesis_sha256();
    let good = applicant.request(genesis);

    for (request, expected) in bad_applications(&applicant, &other, genesis) {
        let (code, word) = refused(enrolment.enrol(request).await);
        assert_eq!((code, word.as_str()), expected);
    }
    site.clock.advance_ms(3_600_000);
    let (code, word) = refused(enrolment.enrol(good).await);
    assert_eq!(
        (code, word.as_str()),
        (Code::FailedPrecondition, "invitation_expired")
    );
    assert_eq!(switch.log().head().size(), entries);
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_enrolment_that_a_crash_cut_short_is_finished_by_the_same_request() {
    let site = Site::found().await;
    let switch = site.start().await;
    let applicant = Applicant::new(MOSS);
    invite(&site, &switch, &applicant).await;
    let genesis = switch.registry().load().genesis_sha256();
    let agency = applicant.enrolment(genesis);
    let facts = facts::RegistryFacts::default();
    switch
        .registry()
        .submit(Kind::Agency, facts, agency.header, Some(agency.seal))
        .await
        .unwrap();
    // As if power were cut here.
    drop(switch);

    let switch = start_again(&site).await;
    let mut enrolment = EnrolmentClient::new(site.connect_newcomer(&switch).await);
    let mut another = applicant.request(genesis);
    another.agency = Some(
        Applicant {
            authority_key: seal_key(),
            ..Applicant::new(MOSS)
        }
        .enrolment(genesis)
        .to_wire(),
    );
    assert_eq!(refused(enrolment.enrol(another).await).1, "token_used");
    let answer = enrolment
        .enrol(applicant.request(genesis))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.receipts.len(), 3);
    for (wire, act) in answer.receipts.iter().zip([
        applicant.enrolment(genesis),
        applicant.binding(&applicant.seal_key),
    ]) {
        let receipt = Receipt::from_wire(wire.clone()).unwrap();
        receipt
            .verify(&act.header, Some(&act.seal), switch.log().key())
            .unwrap();
    }
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_was_lost_is_made_again_after_a_start_for_the_same_tls_key_only() {
    let site = Site::found().await;
    let switch = site.start().await;
    let applicant = Applicant::new(MOSS);
    invite(&site, &switch, &applicant).await;
    let genesis = switch.registry().load().genesis_sha256();
    let mut enrolment = EnrolmentClient::new(site.connect_newcomer(&switch).await);
    enrolment.enrol(applicant.request(genesis)).await.unwrap();
    switch.shutdown().await.unwrap();

    let switch = start_again(&site).await;
    let mut enrolment = EnrolmentClient::new(site.connect_newcomer(&switch).await);
    // Whoever has the whole request but for the TLS key gets nothing, however often it asks.
    let entries = switch.log().head().size();
    let thief = Applicant {
        tls: TlsKey::generate().unwrap(),
        ..Applicant::new(MOSS)
    };
    let stolen = wire::EnrolRequest {
        certificate_request: request::make(&thief.tls).unwrap().into(),
        ..applicant.request(genesis)
    };
    for _ in 0..3 {
        assert_eq!(
            refused(enrolment.enrol(stolen.clone()).await).1,
            "token_used"
        );
    }
    assert_eq!(switch.log().head().size(), entries);

    let answer = enrolment
        .enrol(applicant.request(genesis))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(switch.log().head().size(), entries + 1);
    let chain = String::from_utf8(answer.certificate_chain.to_vec()).unwrap();
    let member = site.connect(&switch, &chain, &applicant.tls).await;
    LogClient::new(member)
        .checkpoint(audit_wire::CheckpointRequest {})
        .await
        .unwrap();

    // A certificate that was ended is no proof of anything any more.
    let registry = switch.registry().load();
    for certificate in registry.certificates() {
        let act = proto::act::AgencyAct {
            agency: applicant.agency.clone(),
            issued_at_ms: NOW_MS,
            deed: proto::act::AgencyDeed::EndCertificate {
                sha256: certificate.sha256,
                reason: part("stolen"),
            },
        };
        let act = sealed(label::AUTHORITY, act.encode(), &applicant.authority_key);
        switch
            .registry()
            .submit(
                Kind::AgencyAct,
                facts::RegistryFacts::default(),
                act.header,
                Some(act.seal),
            )
            .await
            .unwrap();
    }
    switch.shutdown().await.unwrap();
    let switch = start_again(&site).await;
    let mut enrolment = EnrolmentClient::new(site.connect_newcomer(&switch).await);
    let again = enrolment.enrol(applicant.request(genesis)).await;
    assert_eq!(refused(again).1, "token_used");
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_answer_is_not_made_again_for_ever() {
    let site = Site::found().await;
    let mut switch = site.start().await;
    let applicant = Applicant::new(MOSS);
    invite(&site, &switch, &applicant).await;
    let genesis = switch.registry().load().genesis_sha256();
    let mut answers = 0;
    loop {
        // Each request has another signature, so none is answered from memory.
        let mut enrolment = EnrolmentClient::new(site.connect_newcomer(&switch).await);
        match enrolment.enrol(applicant.request(genesis)).await {
            Ok(_) => answers += 1,
            Err(status) => {
                assert_eq!(reason(&status), "token_used");
                break;
            }
        }
        assert!(answers < 100);
        if answers == 2 {
            switch.shutdown().await.unwrap();
            switch = start_again(&site).await;
        }
    }
    assert_eq!(answers, 1 + crate::registry::issuing::REISSUED_MAX);
    switch.shutdown().await.unwrap();
}

/// Starts a switch whose predecessor was dropped: its last tasks may take a moment to let go of the log.
async fn start_again(site: &Site) -> Switch {
    for _ in 0..100 {
        match Switch::start(
            site.config.clone(),
            Site::listeners().await,
            site.clock.clone(),
        )
        .await
        {
            Ok(switch) => return switch,
            Err(StartError::Log(LogError::InUse(_))) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the log stayed in use");
}
