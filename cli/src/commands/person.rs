//! A person at the switch: who is connected, and whom that person believes. Operators seal besides; auditors and
//! data-protection officers only read.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::checkpoint::{LogKey, SUCCESSIONS_FILE};
use audit::clock::Clock;
use certs::tls::{TimeSource, Trust, client_config};
use certs::{Identity, ReloadableIdentity, pem};
use hyper_util::rt::TokioIo;
use proto::digest::Digest;
use proto::id::Part;
use proto::wire::audit::v1 as wire;
use proto::wire::audit::v1::log_client::LogClient;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use super::operator::{CHAIN, FILE, File, LOG_KEY, ROOT, TLS_KEY};
use super::refused;
use super::switch_dir::{Addresses, host_of, in_file};
use crate::failure::Failure;

/// How long reaching the switch may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A person's own folder, opened.
#[derive(Debug)]
pub struct Person {
    /// The person's name.
    pub name: Part,
    /// Where the switch is reached.
    pub addresses: Addresses,
    /// The switch.
    pub genesis: Digest,
    /// Whose receipts are believed: the key that came with the folder, and those that followed it.
    pub log_key: LogKey,
    /// The switch's root certificate.
    pub root: CertificateDer<'static>,
    broker_uri: String,
    identity: ReloadableIdentity,
    time: TimeSource,
}

impl Person {
    /// Opens the folder `dir`. `running` says where a switch on this machine serves now; else the folder's addresses
    /// count.
    ///
    /// # Errors
    /// A usage failure naming the file that is missing or wrong.
    pub fn open(dir: &Path, running: Option<Addresses>, clock: &Clock) -> Result<Self, Failure> {
        let path = dir.join(FILE);
        let file: File = toml::from_str(&read(&path)?).map_err(|error| in_file(&path, error))?;
        let name = Part::parse(&file.name).map_err(|error| in_file(&path, error))?;
        let genesis = Digest::from_hex(&file.genesis_sha256)
            .ok_or_else(|| in_file(&path, "genesis_sha256 is not 64 hex digits"))?;
        let path = dir.join(LOG_KEY);
        let log_key = LogKey::from_vkey(&read(&path)?)
            .map_err(|error| in_file(&path, error))?
            .kept_in(&dir.join(SUCCESSIONS_FILE))
            .map_err(Failure::usage)?;
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
            addresses: running.unwrap_or(addresses),
            genesis,
            log_key,
            root,
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

    /// Asks the switch by which keys the log's key was followed; each is sealed by the one before it.
    ///
    /// # Errors
    /// The switch cannot be reached, or what it shows does not lead from the key of this folder.
    pub async fn follow_log_key(&self) -> Result<(), Failure> {
        let asked = LogClient::new(self.channel()?)
            .checkpoint(wire::CheckpointRequest {})
            .await;
        let told = asked.map_err(|status| refused::failure(&status))?;
        let followed = self.log_key.follow_entries(&told.into_inner().log_keys);
        followed.map(drop).map_err(Failure::untrusted)
    }

    /// A channel to the exchange door, not dialled yet.
    ///
    /// # Errors
    /// A usage failure when address or certificates cannot be used.
    pub fn channel(&self) -> Result<Channel, Failure> {
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
