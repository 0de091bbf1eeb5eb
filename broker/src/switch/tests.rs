//! A whole switch in one process, over real TLS: getting on board, acts, mirrors, failing, starting again.

use audit::receipt::Receipt;
use audit_wire::log_client::LogClient;
use certs::{TlsKey, request};
use proto::act::Operation;
use proto::act::{KeyEnd, ServiceDefinition};
use proto::digest::{Digest, leaf_hash, tree_head};
use proto::entry::Entry;
use proto::envelope::Envelope;
use proto::key::Signer as _;
use proto::limits::label;
use proto::wire::audit::v1 as audit_wire;
use proto::wire::registry::v1 as wire;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;
use wire::agencies_client::AgenciesClient;
use wire::enrolment_client::EnrolmentClient;
use wire::operations_client::OperationsClient;

use super::*;
use crate::testing::{Applicant, NOW_MS, OPERATOR, Site, part, seal_key, sealed};

mod failing;

const MOSS: &str = "EG/GOV/MOSS/takaful";
const CIVIL: &str = "EG/GOV/CIVIL/registry";

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details
        .error_info()
        .expect("every refusal carries its stable word");
    assert_eq!(info.domain, "mohawel");
    assert!(!info.metadata["remedy_en"].is_empty());
    info.reason.clone()
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), reason(&status))
}

async fn invite(site: &Site, switch: &Switch, applicant: &Applicant) {
    let mut operations = OperationsClient::new(site.connect_operator(switch, OPERATOR).await);
    let envelope = Some(site.invitation(applicant).to_wire());
    operations
        .invite(wire::InviteRequest { envelope })
        .await
        .unwrap();
}

/// Invites and enrols; gives the connection of the new member and its certificate chain.
async fn on_board(site: &Site, switch: &Switch, applicant: &Applicant) -> (Channel, String) {
    invite(site, switch, applicant).await;
    let mut enrolment = EnrolmentClient::new(site.connect_newcomer(switch).await);
    let genesis = switch.registry().load().genesis_sha256();
    let answer = enrolment
        .enrol(applicant.request(genesis))
        .await
        .unwrap()
        .into_inner();
    let chain = String::from_utf8(answer.certificate_chain.to_vec()).unwrap();
    (site.connect(switch, &chain, &applicant.tls).await, chain)
}

fn service(applicant: &Applicant, issued_at_ms: u64) -> Envelope {
    let operation = Operation {
        name: part("get"),
        name_ar: "بحث".into(),
        name_en: "Get".into(),
        fields: vec![part("name")],
    };
    let definition = ServiceDefinition {
        system: applicant.system.clone(),
        service: part("persons.v1"),
        name_ar: "الأشخاص".into(),
        name_en: "Persons".into(),
        operations: vec![operation],
        issued_at_ms,
    };
    sealed(
        label::AUTHORITY,
        definition.encode(),
        &applicant.authority_key,
    )
}

fn submission(kind: Kind, envelope: &Envelope) -> wire::SubmitRequest {
    wire::SubmitRequest {
        kind: u32::from(kind as u8),
        envelope: Some(envelope.to_wire()),
    }
}

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
    for (request, expected) in [
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
    ] {
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
    // Recorded, and perhaps handed out: from now on the token opens nothing, also after a start.
    switch.shutdown().await.unwrap();
    let switch = start_again(&site).await;
    let mut enrolment = EnrolmentClient::new(site.connect_newcomer(&switch).await);
    assert_eq!(
        refused(enrolment.enrol(applicant.request(genesis)).await).1,
        "token_used"
    );
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

#[tokio::test]
async fn acts_are_carried_by_their_own_agency_and_seen_live_by_every_member() {
    let site = Site::found().await;
    let switch = site.start().await;
    let (moss, civil) = (Applicant::new(MOSS), Applicant::new(CIVIL));
    let (moss_channel, _) = on_board(&site, &switch, &moss).await;
    let (civil_channel, civil_chain) = on_board(&site, &switch, &civil).await;

    let mut log = LogClient::new(moss_channel.clone());
    let mut mirror = log
        .registry(audit_wire::RegistryRequest { from: 0 })
        .await
        .unwrap()
        .into_inner();
    let mut mirrored = proto::registry::Registry::empty();
    for _ in 0..switch.registry().load().size() {
        let message = mirror.message().await.unwrap().unwrap();
        mirrored
            .apply(message.index, &Entry::decode(&message.entry).unwrap())
            .unwrap();
    }
    assert!(mirrored.agency(&civil.agency).is_some());

    let mut agencies = AgenciesClient::new(civil_channel.clone());
    let publication = service(&civil, NOW_MS);
    let receipt = agencies
        .submit(submission(Kind::Service, &publication))
        .await
        .unwrap()
        .into_inner()
        .receipt;
    let receipt = Receipt::from_wire(receipt.unwrap()).unwrap();
    receipt
        .verify(
            &publication.header,
            Some(&publication.seal),
            switch.log().key(),
        )
        .unwrap();
    let live = mirror.message().await.unwrap().unwrap();
    assert_eq!(live.index, receipt.index);
    mirrored
        .apply(live.index, &Entry::decode(&live.entry).unwrap())
        .unwrap();
    assert_eq!(mirrored.services().count(), 1);

    let by_another = AgenciesClient::new(moss_channel.clone())
        .submit(submission(Kind::Service, &service(&civil, NOW_MS + 1)))
        .await;
    assert_eq!(
        refused(by_another),
        (Code::PermissionDenied, "wrong_signer".into())
    );
    let older = agencies
        .submit(submission(Kind::Service, &publication))
        .await;
    assert_eq!(
        refused(older),
        (Code::FailedPrecondition, "older_service".into())
    );
    let by_seal_key = sealed(
        label::AUTHORITY,
        service(&civil, NOW_MS + 2).header,
        &civil.seal_key,
    );
    assert_eq!(
        refused(
            agencies
                .submit(submission(Kind::Service, &by_seal_key))
                .await
        )
        .1,
        "bad_seal"
    );
    let invitation = submission(
        Kind::Invitation,
        &site.invitation(&Applicant::new("EG/GOV/X/y")),
    );
    assert_eq!(refused(agencies.submit(invitation).await).1, "wrong_signer");
    let no_kind = wire::SubmitRequest {
        kind: 999,
        ..submission(Kind::Service, &publication)
    };
    assert_eq!(refused(agencies.submit(no_kind).await).1, "not_registry");

    // A renewal, until the last key was ended.
    let new_key = TlsKey::generate().unwrap();
    let renewal = wire::RenewRequest {
        certificate_request: request::make(&new_key).unwrap().into(),
    };
    let renewed = agencies.renew(renewal.clone()).await.unwrap().into_inner();
    let chain = String::from_utf8(renewed.certificate_chain.to_vec()).unwrap();
    assert_ne!(chain, civil_chain);
    let mut agencies = AgenciesClient::new(site.connect(&switch, &chain, &new_key).await);
    let end = KeyEnd {
        system: civil.system.clone(),
        kid: civil.seal_key.key().kid(),
        reason: part("retired"),
        issued_at_ms: NOW_MS,
    };
    let end = sealed(label::AUTHORITY, end.encode(), &civil.authority_key);
    agencies
        .submit(submission(Kind::KeyEnded, &end))
        .await
        .unwrap();
    assert_eq!(
        refused(agencies.renew(renewal).await),
        (Code::PermissionDenied, "wrong_signer".into())
    );
    switch.shutdown().await.unwrap();
    let ended = mirror_end(&mut mirror)
        .await
        .expect("a mirror is told why it ends");
    assert_eq!(
        (ended.code(), reason(&ended).as_str()),
        (Code::Unavailable, "draining")
    );
}

/// Reads a stream to its end; the status that it ends with.
async fn mirror_end(mirror: &mut tonic::Streaming<audit_wire::RegistryResponse>) -> Option<Status> {
    loop {
        match mirror.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(status) => return Some(status),
        }
    }
}

#[tokio::test]
async fn only_known_peers_are_told_and_only_the_operators_own_seal_invites() {
    let site = Site::found().await;
    let switch = site.start().await;
    let applicant = Applicant::new(MOSS);
    let stranger = site.connect_operator(&switch, "nobody").await;
    let operator = site.connect_operator(&switch, OPERATOR).await;
    let (member, _) = on_board(&site, &switch, &applicant).await;
    let checkpoint = audit_wire::CheckpointRequest {};
    assert_eq!(
        refused(
            LogClient::new(stranger.clone())
                .checkpoint(checkpoint)
                .await
        ),
        (Code::Unauthenticated, "unknown_peer".into())
    );
    let published = LogClient::new(member.clone())
        .checkpoint(checkpoint)
        .await
        .unwrap()
        .into_inner();
    audit::checkpoint::open(&published.checkpoint, switch.log().key()).unwrap();

    let newcomer = Applicant::new(CIVIL);
    let invitation = wire::InviteRequest {
        envelope: Some(site.invitation(&newcomer).to_wire()),
    };
    for (channel, word) in [(stranger, "unknown_peer"), (member, "wrong_signer")] {
        assert_eq!(
            refused(
                OperationsClient::new(channel)
                    .invite(invitation.clone())
                    .await
            )
            .1,
            word
        );
    }
    let by_another = sealed(
        label::OPERATOR,
        site.invitation(&newcomer).header,
        &newcomer.authority_key,
    );
    let by_another = wire::InviteRequest {
        envelope: Some(by_another.to_wire()),
    };
    let mut operations = OperationsClient::new(operator);
    assert_eq!(
        refused(operations.invite(by_another).await).1,
        "wrong_signer"
    );
    operations.invite(invitation.clone()).await.unwrap();
    assert_eq!(refused(operations.invite(invitation).await).1, "token_used");
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn consistency_is_proved_up_to_what_is_published_and_no_further() {
    let site = Site::found().await;
    let switch = site.start().await;
    let (member, _) = on_board(&site, &switch, &Applicant::new(MOSS)).await;
    let size = switch.log().publish_now().await.unwrap().checkpoint.size;
    let mut log = LogClient::new(member);
    let asked = audit_wire::ConsistencyRequest {
        from_sizes: (0..=size).collect(),
        to_size: size,
    };
    let proofs = log.consistency(asked).await.unwrap().into_inner().proofs;
    assert_eq!(proofs.len() as u64, size + 1);
    let leaves: Vec<_> = {
        let entries = switch.log().entries(0..size).await.unwrap();
        entries.iter().map(|(_, bytes)| leaf_hash(bytes)).collect()
    };
    for (from, proof) in (1..size).zip(&proofs[1..]) {
        let hashes: Vec<_> = proof
            .hashes
            .iter()
            .map(|hash| Digest::from_slice(hash).unwrap())
            .collect();
        let (old, new) = (tree_head(&leaves[..from as usize]), tree_head(&leaves));
        audit::tree::verify_consistency(from, &old, size, &new, &hashes).unwrap();
    }
    for (from_sizes, to_size) in [(vec![1], size + 1), (vec![3], 2)] {
        let asked = audit_wire::ConsistencyRequest {
            from_sizes,
            to_size,
        };
        assert_eq!(
            refused(log.consistency(asked).await),
            (Code::OutOfRange, "not_published".into())
        );
    }
    let many = audit_wire::ConsistencyRequest {
        from_sizes: vec![1; 257],
        to_size: size,
    };
    assert_eq!(refused(log.consistency(many).await).1, "malformed");
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn parts_that_do_not_belong_together_do_not_start_and_all_of_it_is_told() {
    let site = Site::found().await;
    let other = Site::found().await;
    let mut config = site.config.clone();
    config.name = part("giza-1");
    config.tls.authority_dir = other.config.tls.authority_dir.clone();
    let started = Switch::start(config, Site::listeners().await, site.clock.clone()).await;
    let Err(StartError::Mismatches(mismatches)) = started else {
        panic!("{started:?}")
    };
    assert_eq!(mismatches.len(), 2, "{mismatches:?}");
    assert!(mismatches[0].starts_with("the root in tls.authority_dir"));
    assert!(mismatches[1].starts_with("tls.certificate_chain is for"));

    let mut config = site.config.clone();
    config.log.key = other.config.log.key.clone();
    let started = Switch::start(config, Site::listeners().await, site.clock.clone()).await;
    assert!(
        matches!(started, Err(StartError::Log(LogError::WrongDirectory(_)))),
        "{started:?}"
    );

    site.clock.advance_ms(8 * 86_400_000);
    let started = Switch::start(
        site.config.clone(),
        Site::listeners().await,
        site.clock.clone(),
    )
    .await;
    let Err(StartError::Mismatches(mismatches)) = started else {
        panic!("{started:?}")
    };
    assert!(
        mismatches.len() == 1 && mismatches[0].contains("ended on"),
        "{mismatches:?}"
    );
}

#[tokio::test]
async fn each_start_is_an_entry_and_the_registry_is_what_it_was() {
    let site = Site::found().await;
    let switch = site.start().await;
    let moss = Applicant::new(MOSS);
    on_board(&site, &switch, &moss).await;
    let before = switch.registry().load();
    let size = switch.log().head().size();
    let root = switch.log().head().edge.root();
    switch.shutdown().await.unwrap();
    let switch = site.start().await;
    let after = switch.registry().load();
    assert_eq!(after.size(), before.size());
    assert_eq!(
        after.agency(&moss.agency).unwrap().index,
        before.agency(&moss.agency).unwrap().index
    );
    let epoch = switch.log().entry(size).await.unwrap().unwrap();
    let epoch = Entry::decode(&epoch).unwrap();
    assert_eq!(epoch.kind, Kind::Epoch);
    let facts = facts::epoch(&epoch.facts).unwrap();
    assert_eq!(
        (facts.previous_size, facts.previous_root.to_vec()),
        (size, root.0.to_vec())
    );
    assert_eq!(
        facts.configuration_sha256.to_vec(),
        site.config.sha256.0.to_vec()
    );
    assert_eq!(facts.recovery, "");
    switch.shutdown().await.unwrap();
}

async fn serving(channel: &Channel, service: &str) -> bool {
    let asked = HealthCheckRequest {
        service: service.into(),
    };
    let answer = HealthClient::new(channel.clone())
        .check(asked)
        .await
        .unwrap()
        .into_inner();
    answer.status() == tonic_health::pb::health_check_response::ServingStatus::Serving
}
