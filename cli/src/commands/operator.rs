//! The operator's own folder: who invites, with which keys, at which switch.
//!
//! ```text
//! operator.toml              name, addresses, which switch
//! operator.key               seals what the operator does
//! tls.key  chain.pem         who is connected
//! root.pem  log.vkey         whom the operator believes
//! ```
//!
//! The folder needs nothing else of the switch's, so an operator may keep it on another machine.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adapters::identity::FileSigner;
use audit::checkpoint::LogKey;
use audit::clock::Clock;
use audit::receipt::{Proven, Receipt};
use certs::tls::{TimeSource, Trust, client_config};
use certs::{Identity, ReloadableIdentity, pem};
use hyper_util::rt::TokioIo;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::id::Part;
use proto::wire::registry::v1 as wire;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use wire::operations_client::OperationsClient;

use super::init::{certificates, now};
use super::refused;
use super::switch_dir::{Addresses, SwitchDir, host_of, in_file};
use crate::failure::Failure;

/// What the folder is called by.
pub const FILE: &str = "operator.toml";
/// The key that seals.
pub const SEAL_KEY: &str = "operator.key";
/// The TLS key.
pub const TLS_KEY: &str = "tls.key";
/// The TLS certificate and its intermediate.
pub const CHAIN: &str = "chain.pem";
/// The switch's root certificate.
pub const ROOT: &str = "root.pem";
/// The log's verifier key.
pub const LOG_KEY: &str = "log.vkey";

/// How long reaching the switch may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// `operator.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The operator's name, as the certificate and the genesis say.
    pub name: String,
    /// host:port of the exchange door.
    pub exchange: String,
    /// host:port of the enrolment door: what invitations say.
    pub enrol: String,
    /// The SPIFFE URI that the broker's certificate must carry.
    pub broker_uri: String,
    /// SHA-256 of entry 0, hex: which switch this is.
    pub genesis_sha256: String,
}

impl File {
    /// The file's text.
    ///
    /// # Errors
    /// A failure when a value is not text that TOML can hold.
    pub fn to_toml(&self) -> Result<String, Failure> {
        let body = toml::to_string(self).map_err(Failure::unavailable)?;
        Ok(format!(
            "# An operator of a switch. docs/operating.md explains every key.\n{body}"
        ))
    }
}

/// An operator, ready to act.
#[derive(Debug)]
pub struct Operator {
    /// The person's name.
    pub name: Part,
    /// Where the switch is reached.
    pub addresses: Addresses,
    /// The switch.
    pub genesis: Digest,
    /// Whose receipts are believed.
    pub log_key: LogKey,
    /// The switch's root certificate.
    pub root: CertificateDer<'static>,
    /// Seals what the operator does.
    pub signer: FileSigner,
    broker_uri: String,
    identity: ReloadableIdentity,
    time: TimeSource,
}

impl Operator {
    /// Opens the operator's folder of a switch; makes the certificate anew when it ends soon and the authority is
    /// at hand.
    ///
    /// # Errors
    /// A usage failure naming the file that is missing or wrong.
    pub fn open(switch: &SwitchDir, clock: &Clock) -> Result<Self, Failure> {
        let dir = switch.operator();
        let path = dir.join(FILE);
        let file: File = toml::from_str(&read(&path)?).map_err(|error| in_file(&path, error))?;
        certificates::renew_operator(switch, &file.name, now(clock)?)?;
        Self::open_at(switch, &dir, clock)
    }

    /// Opens the folder `dir` of another person with a role at the same switch.
    ///
    /// # Errors
    /// As [`Operator::open`].
    pub fn open_at(switch: &SwitchDir, dir: &Path, clock: &Clock) -> Result<Self, Failure> {
        let path = dir.join(FILE);
        let file: File = toml::from_str(&read(&path)?).map_err(|error| in_file(&path, error))?;
        let name = Part::parse(&file.name).map_err(|error| in_file(&path, error))?;
        let genesis = Digest::from_hex(&file.genesis_sha256)
            .ok_or_else(|| in_file(&path, "genesis_sha256 is not 64 hex digits"))?;
        let path = dir.join(LOG_KEY);
        let log_key = LogKey::from_vkey(&read(&path)?).map_err(|error| in_file(&path, error))?;
        let path = dir.join(ROOT);
        let root = pem::read_chain(&path).map_err(Failure::usage)?;
        let root = root
            .into_iter()
            .next()
            .ok_or_else(|| in_file(&path, "no certificate"))?;
        let identity = Identity::load(&dir.join(CHAIN), &dir.join(TLS_KEY))
            .map_err(|error| in_file(dir, error))?;
        let addresses = Addresses {
            exchange: file.exchange,
            enrol: file.enrol,
        };
        Ok(Self {
            name,
            // A switch on port 0 says where it runs; everybody else's addresses stand in the file.
            addresses: switch.running_addresses()?.unwrap_or(addresses),
            genesis,
            log_key,
            root,
            signer: FileSigner::load(&dir.join(SEAL_KEY)).map_err(Failure::usage)?,
            broker_uri: file.broker_uri,
            identity: ReloadableIdentity::new(identity),
            time: Arc::new(ClockTime(clock.clone())),
        })
    }

    /// `operator.toml` of another person at the same switch.
    pub fn file_of(&self, name: &Part) -> File {
        File {
            name: name.to_string(),
            exchange: self.addresses.exchange.clone(),
            enrol: self.addresses.enrol.clone(),
            broker_uri: self.broker_uri.clone(),
            genesis_sha256: self.genesis.to_string(),
        }
    }

    /// Sends a sealed act of `kind` (invitation, operator act or approval) and proves its entry.
    ///
    /// # Errors
    /// What the switch refuses, that it cannot be reached, or that its receipt proves nothing.
    pub async fn operate(
        &self,
        kind: Kind,
        envelope: &Envelope,
    ) -> Result<(Receipt, Proven), Failure> {
        let mut client = OperationsClient::new(self.channel()?);
        let request = wire::OperateRequest {
            kind: u32::from(kind as u8),
            envelope: Some(envelope.to_wire()),
        };
        let response = client
            .operate(request)
            .await
            .map_err(|status| refused::failure(&status))?;
        let receipt = response
            .into_inner()
            .receipt
            .ok_or_else(|| Failure::untrusted("no receipt came back"))?;
        let receipt = Receipt::from_wire(receipt).map_err(Failure::untrusted)?;
        let proven = receipt
            .verify(&envelope.header, Some(&envelope.seal), &self.log_key)
            .map_err(Failure::untrusted)?;
        Ok((receipt, proven))
    }

    fn channel(&self) -> Result<Channel, Failure> {
        let domain = self
            .broker_uri
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.split('/').next());
        let domain = domain.unwrap_or_default().parse().map_err(Failure::usage)?;
        let trust = Trust::new(domain, std::slice::from_ref(&self.root)).map_err(Failure::usage)?;
        let tls = client_config(
            &self.identity,
            &trust,
            &self.broker_uri,
            Arc::clone(&self.time),
        )
        .map_err(Failure::usage)?;
        let address = self.addresses.exchange.clone();
        let host = ServerName::try_from(host_of(&address).to_owned()).map_err(Failure::usage)?;
        let origin = Uri::try_from(format!("https://{address}")).map_err(Failure::usage)?;
        let endpoint =
            Endpoint::from_shared(format!("http://{address}")).map_err(Failure::usage)?;
        let connector = tower::service_fn(move |_: Uri| {
            let (address, host, tls) = (address.clone(), host.clone(), Arc::clone(&tls));
            async move {
                let dialled =
                    tokio::time::timeout(CONNECT_TIMEOUT, dial(&address, host, tls)).await;
                dialled
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                    .map(TokioIo::new)
            }
        });
        Ok(endpoint
            .origin(origin)
            .connect_with_connector_lazy(connector))
    }
}

async fn dial(
    address: &str,
    host: ServerName<'static>,
    tls: Arc<ClientConfig>,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    TlsConnector::from(tls).connect(host, tcp).await
}

/// Certificates are judged by the one clock.
#[derive(Debug)]
pub(super) struct ClockTime(pub(super) Clock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_micros(
            self.0.now_us(),
        )))
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| in_file(path, error))
}
