//! The two servers: which services stand behind which door.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use certs::PeerName;
use certs::tls::{self, Trust};
use proto::limits::REGISTRY_HEADER_BYTES_MAX;
use proto::wire::audit::v1::log_server::LogServer;
use proto::wire::registry::v1 as wire;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::interceptor::InterceptedService;
use tonic_health::pb::health_server::{Health as HealthService, HealthServer};
use wire::agencies_server::AgenciesServer;
use wire::enrolment_server::EnrolmentServer;
use wire::operations_server::OperationsServer;

use super::{Parts, StartError, trust};
use crate::api;
use crate::api::agencies::AgenciesApi;
use crate::api::enrolment::EnrolmentApi;
use crate::api::events::EventsApi;
use crate::api::exchange::ExchangeApi;
use crate::api::link::LinkApi;
use crate::api::log::LogApi;
use crate::api::operations::OperationsApi;
use crate::api::roles::Rpc;
use crate::door::{self, Settings, listen::Door, standing};
use crate::exchange::Exchange;

/// Bytes of a message to the registry's services: two acts with their seals, a token and a request.
const ACT_MESSAGE_BYTES_MAX: usize = 2 * REGISTRY_HEADER_BYTES_MAX + 16 * 1024;
/// Bytes of a message to the log's service: a few numbers.
const LOG_MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Connections of newcomers at once, and of one address.
const NEWCOMERS: (usize, usize) = (64, 8);
/// How long a newcomer's call may take.
const NEWCOMER_TIMEOUT: Duration = Duration::from_secs(30);

impl Parts {
    /// The door for members.
    pub(super) fn serve_exchange<H: HealthService>(
        &self,
        listener: TcpListener,
        exchange: &Arc<Exchange>,
        health: HealthServer<H>,
        servers: &TaskTracker,
    ) -> Result<Door, StartError> {
        let trust = Trust::new(
            self.authority.trust_domain().clone(),
            std::slice::from_ref(self.authority.root()),
        )?
        .with_outside_roots(&trust::outside_roots(&self.config)?)?;
        let tls = tls::server_config(&self.identity, &trust, trust::time(&self.clock))?;
        let settings = self.settings();
        let reflection = if self.config.reflection {
            let schemas = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::wire::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            let known = api::interceptor(self.registry.clone(), Rpc::Reflection);
            Some(InterceptedService::new(schemas.build_v1()?, known))
        } else {
            None
        };
        let agencies = AgenciesApi::new(self.registry.clone(), self.issuing.clone());
        let operations = OperationsApi::new(self.registry.clone());
        let log = LogApi::new(
            self.registry.clone(),
            self.log.clone(),
            Arc::clone(exchange),
            self.draining.clone(),
        );
        let (door, incoming) = Door::exchange(
            listener,
            tls,
            self.authority.trust_domain().clone(),
            self.clock.clone(),
            &settings,
        );
        door.follow(self.registry.clone());
        let incoming = standing::judged(
            incoming,
            Arc::clone(&door.connections),
            self.registry.clone(),
        );
        let known = api::interceptor(self.registry.clone(), Rpc::HealthCheck);
        let server = door::server(&settings)
            .add_service(InterceptedService::new(health, known))
            .add_optional_service(reflection)
            .add_service(ExchangeApi::service(
                Arc::clone(exchange),
                self.registry.clone(),
                self.draining.clone(),
            ))
            .add_service(LinkApi::service(Arc::clone(exchange)))
            .add_service(EventsApi::service(
                Arc::clone(exchange),
                self.registry.clone(),
            ))
            .add_service(
                AgenciesServer::new(agencies).max_decoding_message_size(ACT_MESSAGE_BYTES_MAX),
            )
            .add_service(
                OperationsServer::new(operations).max_decoding_message_size(ACT_MESSAGE_BYTES_MAX),
            )
            .add_service(LogServer::new(log).max_decoding_message_size(LOG_MESSAGE_BYTES_MAX))
            .serve_with_incoming_shutdown(incoming, self.draining.clone().cancelled_owned());
        servers.spawn(until(self.gone.clone(), "exchange", server));
        Ok(door)
    }

    /// The door for newcomers.
    pub(super) fn serve_enrolment(
        &self,
        listener: TcpListener,
        servers: &TaskTracker,
    ) -> Result<Door, StartError> {
        let tls = tls::enrolment_server_config(
            &self.identity,
            self.authority.root(),
            trust::time(&self.clock),
        )?;
        let (connections, connections_per_owner) = NEWCOMERS;
        let settings = Settings {
            handshakes: connections,
            connections,
            connections_per_owner,
            streams: 8,
            ..self.settings()
        };
        let enrolment = EnrolmentApi::new(
            self.registry.clone(),
            self.log.clone(),
            self.issuing.clone(),
            self.description()?,
        );
        let (door, incoming) = Door::enrolment(listener, tls, &settings);
        let server = door::server(&settings)
            .timeout(NEWCOMER_TIMEOUT)
            .add_service(
                EnrolmentServer::new(enrolment).max_decoding_message_size(ACT_MESSAGE_BYTES_MAX),
            )
            .serve_with_incoming_shutdown(incoming, self.draining.clone().cancelled_owned());
        servers.spawn(until(self.gone.clone(), "enrolment", server));
        Ok(door)
    }

    fn settings(&self) -> Settings {
        let limits = &self.config.limits;
        Settings {
            handshake_timeout: Duration::from_millis(limits.handshake_timeout_ms),
            connections: limits.connections,
            connections_per_owner: limits.connections_per_agency,
            ..Settings::default()
        }
    }

    /// What a newcomer must know; it never changes while the switch runs.
    fn description(&self) -> Result<wire::DescribeResponse, StartError> {
        let registry = self.registry.load();
        let genesis = registry
            .genesis()
            .ok_or(crate::registry::OpenError::NoGenesis)?;
        let broker = PeerName::broker(self.authority.trust_domain(), self.config.name.as_str())
            .map_err(certs::authority::AuthorityError::from)?;
        let entry = self
            .registry
            .entries_from(0, 1)
            .pop()
            .map(|(_, bytes)| bytes);
        Ok(wire::DescribeResponse {
            origin: genesis.origin.clone(),
            log_vkey: self.log.key().to_vkey(),
            instance: genesis.instance.to_string(),
            trust_domain: genesis.trust_domain.clone(),
            authority_root: Bytes::copy_from_slice(self.authority.root()),
            genesis_sha256: Bytes::copy_from_slice(registry.genesis_sha256().as_bytes()),
            genesis: entry.unwrap_or_default(),
            broker_uri: broker.to_string(),
            exchange_address: self.config.exchange_address.clone(),
            log_keys: self
                .log
                .key()
                .entries()
                .into_iter()
                .map(|(_, entry)| entry)
                .collect(),
        })
    }
}

/// Serves until the server has drained, or everything is cut off.
async fn until(
    gone: CancellationToken,
    name: &'static str,
    server: impl Future<Output = Result<(), tonic::transport::Error>>,
) {
    tokio::select! {
        biased;
        () = gone.cancelled() => {}
        ended = server => match ended {
            Ok(()) => tracing::debug!(name, "a server has drained"),
            Err(error) => tracing::error!(name, %error, "a server failed"),
        },
    }
}
