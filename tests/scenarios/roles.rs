//! Every RPC as every role and as nobody, over real mutual TLS, held against the one table; and what each role may do
//! behind the door that the table opens.

use std::sync::Arc;

use broker::api::roles::{self, Role, Rpc};
use proto::Code;
use proto::act::{AgencyDeed, Invitation, OperatorAct, OperatorDeed, PersonRole, TwoOperators};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::AgencyId;
use proto::wire::audit::v1 as audit_wire;
use proto::wire::audit::v1::log_client::LogClient;
use proto::wire::events::v1 as events_wire;
use proto::wire::events::v1::events_client::EventsClient;
use proto::wire::exchange::v1 as exchange_wire;
use proto::wire::exchange::v1::exchange_client::ExchangeClient;
use proto::wire::exchange::v1::link_client::LinkClient;
use proto::wire::registry::v1 as wire;
use proto::wire::registry::v1::agencies_client::AgenciesClient;
use proto::wire::registry::v1::enrolment_client::EnrolmentClient;
use proto::wire::registry::v1::operations_client::OperationsClient;
use rustls::ClientConfig;
use tests::agreements::part;
use tests::channel::channel;
use tests::operator::Person;
use tests::switch::TestSwitch;
use tests::world::World;
use tests::{soon, until};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_types::StatusExt as _;

/// Calls `rpc` with next to nothing: whoever may call it hears that, or is answered.
#[expect(clippy::too_many_lines, reason = "one arm for each RPC")]
async fn call(channel: Channel, rpc: Rpc) -> Result<(), Status> {
    let nothing = || tokio_stream::empty();
    let health = HealthCheckRequest::default();
    match rpc {
        Rpc::Call => {
            let mut client = ExchangeClient::new(channel);
            client.call(exchange_wire::CallRequest::default()).await?;
        }
        Rpc::Calls => drop(
            ExchangeClient::new(channel)
                .calls(tokio_stream::empty::<exchange_wire::CallsRequest>())
                .await?,
        ),
        Rpc::Stream => {
            let request = exchange_wire::StreamRequest::default();
            ExchangeClient::new(channel).stream(request).await?;
        }
        Rpc::Upload => drop(
            ExchangeClient::new(channel)
                .upload(tokio_stream::empty::<exchange_wire::UploadRequest>())
                .await?,
        ),
        Rpc::Dispute => {
            let request = exchange_wire::DisputeRequest::default();
            ExchangeClient::new(channel).dispute(request).await?;
        }
        Rpc::LeaveRequest => {
            let request = exchange_wire::SubmitRequest::default();
            ExchangeClient::new(channel).submit(request).await?;
        }
        Rpc::Collect => {
            let request = exchange_wire::CollectRequest::default();
            ExchangeClient::new(channel).collect(request).await?;
        }
        Rpc::Submissions => {
            let request = exchange_wire::SubmissionsRequest {};
            ExchangeClient::new(channel).submissions(request).await?;
        }
        Rpc::Withdraw => {
            let request = exchange_wire::WithdrawRequest::default();
            ExchangeClient::new(channel).withdraw(request).await?;
        }
        Rpc::Publish => {
            let request = events_wire::PublishRequest::default();
            EventsClient::new(channel).publish(request).await?;
        }
        Rpc::Subscribe => {
            let request = events_wire::SubscribeRequest::default();
            EventsClient::new(channel).subscribe(request).await?;
        }
        Rpc::Subscriptions => {
            let request = events_wire::SubscriptionsRequest {};
            EventsClient::new(channel).subscriptions(request).await?;
        }
        Rpc::Pull => {
            let request = events_wire::PullRequest::default();
            EventsClient::new(channel).pull(request).await?;
        }
        Rpc::Acknowledge => {
            let request = events_wire::AcknowledgeRequest::default();
            EventsClient::new(channel).acknowledge(request).await?;
        }
        Rpc::EventStatus => {
            let request = events_wire::StatusRequest::default();
            EventsClient::new(channel).status(request).await?;
        }
        Rpc::Redeliver => {
            let request = events_wire::RedeliverRequest::default();
            EventsClient::new(channel).redeliver(request).await?;
        }
        Rpc::Attach => drop(LinkClient::new(channel).attach(nothing()).await?),
        Rpc::Submit => {
            let request = wire::SubmitRequest::default();
            AgenciesClient::new(channel).submit(request).await?;
        }
        Rpc::Renew => {
            let request = wire::RenewRequest::default();
            AgenciesClient::new(channel).renew(request).await?;
        }
        Rpc::Operate => {
            let request = wire::OperateRequest::default();
            OperationsClient::new(channel).operate(request).await?;
        }
        Rpc::Checkpoint => {
            let request = audit_wire::CheckpointRequest {};
            LogClient::new(channel).checkpoint(request).await?;
        }
        Rpc::Consistency => {
            let request = audit_wire::ConsistencyRequest::default();
            LogClient::new(channel).consistency(request).await?;
        }
        Rpc::Registry => {
            let request = audit_wire::RegistryRequest { from: 0 };
            let mut stream = LogClient::new(channel)
                .registry(request)
                .await?
                .into_inner();
            stream.message().await?.unwrap();
        }
        Rpc::Tile => {
            let request = audit_wire::TileRequest {
                width: 1,
                ..Default::default()
            };
            LogClient::new(channel).tile(request).await?;
        }
        Rpc::Times => {
            let request = audit_wire::TimesRequest::default();
            let mut stream = LogClient::new(channel).times(request).await?.into_inner();
            // Nobody stamps this log.
            assert_eq!(stream.message().await?, None);
        }
        Rpc::Entries => {
            let request = audit_wire::EntriesRequest {
                to: 1,
                ..Default::default()
            };
            let mut stream = LogClient::new(channel).entries(request).await?.into_inner();
            stream.message().await?.unwrap();
        }
        Rpc::Oversee => {
            let request = audit_wire::OverseeRequest::default();
            LogClient::new(channel).oversee(request).await?;
        }
        Rpc::Reviews => {
            let request = audit_wire::ReviewsRequest::default();
            LogClient::new(channel).reviews(request).await?;
        }
        Rpc::HealthCheck => drop(HealthClient::new(channel).check(health).await?),
        Rpc::HealthWatch => {
            let mut stream = HealthClient::new(channel).watch(health).await?.into_inner();
            stream.message().await?.unwrap();
        }
        Rpc::Reflection => {
            let asked = tokio_stream::once(ServerReflectionRequest::default());
            let mut client = ServerReflectionClient::new(channel);
            drop(client.server_reflection_info(asked).await?);
        }
        Rpc::Describe => {
            let request = wire::DescribeRequest {};
            EnrolmentClient::new(channel).describe(request).await?;
        }
        Rpc::Enrol => {
            let request = wire::EnrolRequest::default();
            EnrolmentClient::new(channel).enrol(request).await?;
        }
        Rpc::Apply => {
            let request = wire::ApplyRequest::default();
            EnrolmentClient::new(channel).apply(request).await?;
        }
        Rpc::ApplicationStatus => {
            let request = wire::ApplicationStatusRequest::default();
            let mut client = EnrolmentClient::new(channel);
            client.application_status(request).await?;
        }
        Rpc::Join => {
            let request = wire::JoinRequest::default();
            EnrolmentClient::new(channel).join(request).await?;
        }
    }
    Ok(())
}

/// Whether a call was turned away for who called, and not for what it said.
fn turned_away(answer: &Result<(), Status>) -> bool {
    let Err(status) = answer else { return false };
    let reason = status.get_details_error_info().map(|info| info.reason);
    let reason = reason.unwrap_or_else(|| panic!("no reason of ours: {status:?}"));
    let who = [
        Code::UnknownPeer,
        Code::WrongSigner,
        Code::CertificateRevoked,
        Code::AgencySuspended,
    ];
    who.iter().any(|code| code.name() == reason)
}

struct People {
    approver: Person,
    auditor: Person,
    dpo: Person,
    administrator: Arc<ClientConfig>,
}

async fn people(world: &World) -> People {
    let switch = &world.switch;
    People {
        approver: switch.person(PersonRole::Approver, "basma").await,
        auditor: switch.person(PersonRole::Auditor, "omar").await,
        dpo: switch.person(PersonRole::Dpo, "mina").await,
        administrator: world.moss.administrator(switch, "samia").await,
    }
}

fn tls_of(world: &World, people: &People, role: Role) -> Arc<ClientConfig> {
    let ground = world.switch.ground();
    match role {
        Role::Operator => ground.operator_tls(),
        Role::Approver => Arc::clone(&people.approver.tls),
        Role::Auditor => Arc::clone(&people.auditor.tls),
        Role::Dpo => Arc::clone(&people.dpo.tls),
        Role::Administrator => Arc::clone(&people.administrator),
        Role::System => world.moss.tls(ground),
        Role::Nobody => ground.system_tls("EG/GOV/NOBODY/x"),
    }
}

async fn tried(switch: &TestSwitch, tls: &Arc<ClientConfig>, rpc: Rpc) -> bool {
    let enrolment = rpc.path().starts_with("mohawel.registry.v1.Enrolment/");
    let address = if enrolment {
        switch.enrol()
    } else {
        switch.exchange()
    };
    let channel = channel(address, Arc::clone(tls)).await.unwrap();
    let answer = soon(rpc.path(), Box::pin(call(channel, rpc))).await;
    !turned_away(&answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_is_open_to_the_roles_of_its_row_and_to_nobody_else() {
    let world = World::new().await;
    let people = people(&world).await;
    let mut wrong = Vec::new();
    for role in Role::ALL {
        let tls = tls_of(&world, &people, role);
        for rpc in Rpc::ALL {
            let open = tried(&world.switch, &tls, *rpc).await;
            if open != rpc.allows(role) {
                wrong.push(format!("{} as {role}: open is {open}", rpc.path()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_alone_gives_no_role() {
    let world = World::new().await;
    let people = people(&world).await;
    let switch = &world.switch;
    let operator = switch.operator();
    let mut nobodies: Vec<_> = [
        "operator/omar",
        "approver/nobody",
        "auditor/nobody",
        "dpo/omar",
        "administrator/EG/GOV/MOSS/nobody",
        // The name of a real one, on a certificate that the switch never recorded.
        "administrator/EG/GOV/MOSS/samia",
        "administrator/EG/GOV/CIVIL/samia",
    ]
    .into_iter()
    .map(|path| (path, switch.person_tls(path)))
    .collect();
    switch
        .dismiss(&operator, PersonRole::Auditor, &people.auditor)
        .await;
    nobodies.push(("an auditor who was", Arc::clone(&people.auditor.tls)));
    for (who, tls) in nobodies {
        for rpc in Rpc::ALL {
            if rpc.path().starts_with("mohawel.registry.v1.Enrolment/") {
                continue;
            }
            assert!(!tried(switch, &tls, *rpc).await, "{} as {who}", rpc.path());
        }
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approver_puts_second_seals_with_the_own_key_and_makes_no_act() {
    let world = World::new().await;
    let switch = &world.switch;
    let operator = switch.operator();
    let approver = switch.person(PersonRole::Approver, "basma").await;
    let policy = OperatorDeed::SetPolicy(TwoOperators(vec![part("agency_quota")]));
    switch.operate(&operator, policy).await.unwrap();
    // Whatever the policy itself needs is put by the approver.
    let waiting: Vec<Digest> = switch.registry().waiting().map(|(id, _)| *id).collect();
    for act in waiting {
        switch.approve(&approver, act).await.unwrap();
    }
    let quota = |operator: &Person, daily| OperatorAct {
        operator: part(&operator.name),
        issued_at_ms: switch.now_ms(),
        deed: OperatorDeed::SetQuota {
            agency: world.moss.agency(),
            daily,
        },
    };
    let act = quota(&operator, 7);
    switch
        .operate_as(&operator, Kind::OperatorAct, act.encode())
        .await
        .unwrap();
    let daily = || {
        switch
            .registry()
            .agency(&world.moss.agency())
            .unwrap()
            .daily_quota
    };
    assert_eq!(daily(), 0);
    let size = switch.size();

    let reason = |status: Status| status.get_details_error_info().unwrap().reason;
    let own_act = quota(&approver, 9).encode();
    let made = switch
        .operate_as(&approver, Kind::OperatorAct, own_act)
        .await;
    assert_eq!(reason(made.unwrap_err()), "wrong_signer");
    let invitation = Invitation {
        agency: AgencyId::parse("EG/GOV/NEW").unwrap(),
        token: Digest::of(b"token"),
        expires_at_ms: switch.now_ms() + 1_000,
        issued_at_ms: switch.now_ms(),
        authority_kid: None,
    };
    let invited = switch
        .operate_as(&approver, Kind::Invitation, invitation.encode())
        .await;
    assert_eq!(reason(invited.unwrap_err()), "wrong_signer");
    // Somebody else's seal over the approver's connection, and the approver's over somebody else's.
    let borrowed = Person {
        signer: Arc::clone(&approver.signer),
        ..operator.clone()
    };
    let lent = Person {
        signer: Arc::clone(&operator.signer),
        ..approver.clone()
    };
    for mixed in [borrowed, lent] {
        let approved = switch.approve(&mixed, act.id()).await;
        assert_eq!(reason(approved.unwrap_err()), "wrong_signer");
    }
    let same_person = switch.approve(&operator, act.id()).await;
    assert_eq!(reason(same_person.unwrap_err()), "same_person");
    assert_eq!((daily(), switch.size()), (0, size));
    switch.approve(&approver, act.id()).await.unwrap();
    assert_eq!(daily(), 7);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_agencys_administrator_still_carries_what_only_takes_away() {
    let world = World::new().await;
    let switch = &world.switch;
    let administrator = world.moss.administrator(switch, "samia").await;
    let deed = OperatorDeed::SuspendAgency {
        agency: world.moss.agency(),
        lifted: false,
        reason: "audit".to_owned(),
    };
    switch.operate(&switch.operator(), deed).await.unwrap();
    let act = |deed| {
        let act = proto::act::AgencyAct {
            agency: world.moss.agency(),
            issued_at_ms: switch.now_ms(),
            deed,
        };
        let header = act.encode();
        let signer = world.moss.authority_signer();
        let seal = proto::seal::Seal::one(
            proto::limits::label::AUTHORITY,
            tests::ground::ORIGIN,
            &header,
            &*signer,
        );
        Request::new(wire::SubmitRequest {
            kind: u32::from(Kind::AgencyAct as u8),
            envelope: Some(proto::envelope::Envelope::bare(header, seal.unwrap()).to_wire()),
        })
    };
    let channel = channel(switch.exchange(), administrator).await.unwrap();
    let mut agencies = AgenciesClient::new(channel);
    let seated = AgencyDeed::Administrator {
        name: part("another"),
        ended: false,
    };
    let refused = agencies.submit(act(seated)).await.unwrap_err();
    assert_eq!(
        refused.get_details_error_info().unwrap().reason,
        "agency_suspended"
    );
    let end = AgencyDeed::EndSystem {
        system: world.moss.system.clone(),
        reason: part("compromised"),
    };
    agencies.submit(act(end)).await.unwrap();
    until("the system has ended", || {
        let registry = switch.registry();
        registry.system(&world.moss.system).unwrap().ended.is_some()
    })
    .await;
    world.finish().await;
}

#[test]
fn the_operators_page_shows_the_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = roles::table();
    assert!(
        page.contains(&table),
        "docs/operating.md must hold:\n{table}"
    );
}
