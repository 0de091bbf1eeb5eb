//! A whole switch in one process, over real TLS: getting on board, acts, mirrors, failing, starting again.

use audit::receipt::Receipt;
use audit_wire::log_client::LogClient;
use bytes::Bytes;
use certs::{TlsKey, request};
use proto::act::Operation;
use proto::act::{KeyEnd, ServiceDefinition};
use proto::digest::{Digest, leaf_hash, tree_head};
use proto::entry::{Entry, Kind};
use proto::envelope::Envelope;
use proto::facts;
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

mod acts;
mod enrolment;
mod exchange;
mod failing;
mod joining;
mod metrics;
mod pruned;

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
        .operate(wire::OperateRequest {
            kind: u32::from(Kind::Invitation as u8),
            envelope,
        })
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
