//! The way to the switch: one HTTP/2 connection over our own TLS, dialled again when it breaks.
//!
//! Dialling is lazy and backs off with jitter, so a thousand adapters do not return at one instant
//! after a restart of the switch. With a new certificate it moves over to a second connection, and
//! the first closes with the last call that began on it. Message sizes are bounded on both sides.
//! Specification: `docs/protocol.md` §1 (renewal) and §7.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use audit::clock::Clock;
use certs::tls::{Gathered, TimeSource, TlsError, client_config, enrolment_client_config};
use hyper_util::rt::TokioIo;
use proto::digest::Digest;
use proto::limits::MESSAGE_BYTES_MAX;
use proto::wire::audit::v1::CheckpointRequest;
use proto::wire::audit::v1::log_client::LogClient;
use proto::wire::events::v1::events_client::EventsClient;
use proto::wire::exchange::v1::exchange_client::ExchangeClient;
use proto::wire::exchange::v1::link_client::LinkClient;
use proto::wire::registry::v1::agencies_client::AgenciesClient;
use proto::wire::registry::v1::enrolment_client::EnrolmentClient;
use rustls::ClientConfig;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::config::is_address;
use crate::identity::{Home, HomeError};

/// TCP and TLS together must stand within this time.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// A second connection must have answered within this time.
const MOVE_WAIT: Duration = Duration::from_secs(15);
/// How often a silent connection is asked whether it still lives, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2 windows, bytes.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// More than all streams of one consumer that nobody reads: they must not hold up its calls.
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

/// A connection to one door of the switch. Clones share it.
#[derive(Clone, Debug)]
pub struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    dialler: Dialler,
    /// Where calls begin. A call that has begun keeps the channel that it began on, and with it the
    /// connection under it.
    current: ArcSwap<Channel>,
    /// How often [`Connection::move_over`] succeeded.
    moves: watch::Sender<u64>,
}

impl Connection {
    /// To the exchange door, with the home's certificate. Nothing is dialled before the first call.
    ///
    /// # Errors
    /// [`ConnectionError`] when the address or the TLS material cannot be used.
    pub fn to_exchange(home: &Home, clock: &Clock) -> Result<Self, ConnectionError> {
        let config = home.config();
        let tls = client_config(
            home.identity(),
            &home.trust()?,
            &config.broker_uri,
            time_of(clock),
        )?;
        Self::new(&config.exchange, tls)
    }

    /// To the enrolment door, believing only a broker below the root with this SHA-256.
    ///
    /// # Errors
    /// As [`Connection::to_exchange`].
    pub fn to_enrolment(
        address: &str,
        root: &Digest,
        clock: &Clock,
    ) -> Result<Self, ConnectionError> {
        Self::new(address, enrolment_client_config(root.0, time_of(clock))?)
    }

    fn new(address: &str, tls: Arc<ClientConfig>) -> Result<Self, ConnectionError> {
        let dialler = Dialler::new(address, tls)?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|_| ConnectionError::Address(address.to_owned()))?
            .origin(
                Uri::try_from(format!("https://{address}"))
                    .map_err(|_| ConnectionError::Address(address.to_owned()))?,
            )
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let current = ArcSwap::from_pointee(lazy(&endpoint, &dialler));
        Ok(Self(Arc::new(Shared {
            endpoint,
            dialler,
            current,
            moves: watch::Sender::default(),
        })))
    }

    /// Makes a second connection, which shows the home's certificate as it is now. Once the switch
    /// has answered on it, calls begin there; those under way finish where they began. Streams that
    /// stay open are told by [`Connection::moves`] and must move by themselves.
    ///
    /// # Errors
    /// What the switch, or the way to it, says; calls then go on over the first connection.
    pub(crate) async fn move_over(&self) -> Result<(), Status> {
        let channel = lazy(&self.0.endpoint, &self.0.dialler);
        // In TLS 1.3 only the first answer shows that the switch took the certificate.
        let mut log = LogClient::new(channel.clone());
        tokio::time::timeout(MOVE_WAIT, log.checkpoint(CheckpointRequest {}))
            .await
            .map_err(|_| {
                Status::unavailable("the switch does not answer on a second connection")
            })??;
        self.0.current.store(Arc::new(channel));
        self.0.moves.send_modify(|moves| *moves += 1);
        Ok(())
    }

    /// Changes with every move to another connection.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.0.moves.subscribe()
    }

    /// How often it moved to another connection.
    pub(crate) fn moved(&self) -> u64 {
        *self.0.moves.borrow()
    }

    fn channel(&self) -> Channel {
        Channel::clone(&self.0.current.load())
    }

    /// The consumer's calls.
    pub fn exchange(&self) -> ExchangeClient<Channel> {
        ExchangeClient::new(self.channel())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The provider's stream.
    pub fn link(&self) -> LinkClient<Channel> {
        LinkClient::new(self.channel())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The publisher's and the subscriber's calls.
    pub fn events(&self) -> EventsClient<Channel> {
        EventsClient::new(self.channel())
            // As many events of the largest kind as one pull gives out.
            .max_decoding_message_size(8 * MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The log, as members read it.
    pub fn log(&self) -> LogClient<Channel> {
        LogClient::new(self.channel())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Acts of the agency, sealed by its authority key.
    pub fn agencies(&self) -> AgenciesClient<Channel> {
        AgenciesClient::new(self.channel())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The enrolment door's calls; only on [`Connection::to_enrolment`].
    pub fn enrolment(&self) -> EnrolmentClient<Channel> {
        EnrolmentClient::new(self.channel())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

fn lazy(endpoint: &Endpoint, dialler: &Dialler) -> Channel {
    let dialler = dialler.clone();
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
        let dialler = dialler.clone();
        async move { dialler.dial().await.map(Gathered::new).map(TokioIo::new) }
    }))
}

/// Dials one address. After a failure the next attempt waits.
#[derive(Clone, Debug)]
struct Dialler {
    address: Arc<str>,
    host: ServerName<'static>,
    tls: Arc<ClientConfig>,
    pause: Arc<Mutex<Pause>>,
}

#[derive(Debug, Default)]
struct Pause {
    backoff: Backoff,
    until: Option<Instant>,
}

impl Dialler {
    fn new(address: &str, tls: Arc<ClientConfig>) -> Result<Self, ConnectionError> {
        let refuse = || ConnectionError::Address(address.to_owned());
        if !is_address(address) {
            return Err(refuse());
        }
        let (host, _) = address.rsplit_once(':').ok_or_else(refuse)?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        Ok(Self {
            address: address.into(),
            host: ServerName::try_from(host).map_err(|_| refuse())?,
            tls,
            pause: Arc::default(),
        })
    }

    async fn dial(&self) -> io::Result<TlsStream<TcpStream>> {
        let until = self
            .pause
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .until;
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
        let dialled = match tokio::time::timeout(DIAL_TIMEOUT, self.dial_now()).await {
            Ok(dialled) => dialled,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "no TLS connection within 10 s",
            )),
        };
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        match &dialled {
            Ok(_) => *pause = Pause::default(),
            Err(error) => {
                let wait = pause.backoff.next_wait();
                pause.until = Some(Instant::now() + wait);
                tracing::warn!(address = %self.address, %error, ?wait, "cannot reach the switch");
            }
        }
        dialled
    }

    async fn dial_now(&self) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(&*self.address).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(Arc::clone(&self.tls))
            .connect(self.host.clone(), tcp)
            .await
    }
}

/// Waits that double from a tenth of a second to three seconds, each cut by up to half at random.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST_MS: u64 = 100;
    const LONGEST_MS: u64 = 3_000;

    /// How long to wait after one more failure.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let whole = (Self::FIRST_MS << self.failures.min(10)).min(Self::LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(whole - random() % (whole / 2 + 1))
    }

    /// Something worked: begin again from the shortest wait.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Randomness for spreading load only; std's hasher seeds are random enough for that.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Certificates are judged by the adapter's one clock.
fn time_of(clock: &Clock) -> TimeSource {
    Arc::new(ClockTime(clock.clone()))
}

#[derive(Debug)]
struct ClockTime(Clock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_micros(
            self.0.now_us(),
        )))
    }
}

/// Why a connection cannot be made ready. That the switch cannot be reached shows on the first call.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// Not host:port.
    #[error("'{0}' is not host:port; correct it in adapter.toml")]
    Address(String),
    /// The TLS configuration.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The home's root certificate.
    #[error(transparent)]
    Home(#[from] HomeError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_are_spread() {
        let mut backoff = Backoff::default();
        let mut last = Duration::ZERO;
        for failure in 0..40_u32 {
            last = backoff.next_wait();
            let whole = (Backoff::FIRST_MS << failure.min(10)).min(Backoff::LONGEST_MS);
            assert!(last <= Duration::from_millis(whole));
            assert!(last >= Duration::from_millis(whole / 2));
        }
        assert!(last >= Duration::from_millis(Backoff::LONGEST_MS / 2));
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(Backoff::FIRST_MS));
    }
}
