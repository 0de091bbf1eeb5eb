//! The only place where parts are made and joined, and the order in which they end.
//!
//! Start: log, registry (its fold), trust (do the parts belong together?), epoch entry, exchange, doors, health.
//! End: health says not-serving, no connection is accepted, adapters are told to drain, exchanges under way finish
//! within a bound, links and connections close, the log takes its last entries, publishes and closes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use audit::clock::Clock;
use audit::log::{AppendError, Log, LogError};
use certs::authority::AuthorityError;
use certs::identity::IdentityError;
use certs::keys::KeyError;
use certs::tls::TlsError;
use certs::{Identity, ReloadableIdentity};
use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::door::connections::Connections;
use crate::door::listen::Door;
use crate::exchange::{Exchange, ResumeError};
use crate::metrics::Sources;
use crate::registry::{OpenError, RegistryHandle};
use crate::stamping::Standing;
use crate::witnesses::{Unwitnessed, Witnesses, WitnessesError};

mod check;
mod epoch;
mod health;
mod log_key;
mod metrics;
mod parts;
mod rotation;
mod serving;
mod time;
mod trust;
mod witness;

pub use epoch::GivenUp;
pub use log_key::{LogKeyFile, LogKeyFiles};
pub use rotation::Rotation;

use self::health::Health;
use self::parts::Parts;
use self::witness::Witnessing;

/// How long connections may take to end by themselves once nothing is under way on them.
const CONNECTIONS_END: Duration = Duration::from_secs(1);

/// The switch's two open ports.
#[derive(Debug)]
pub struct Listeners {
    /// For members, with certificates.
    pub exchange: TcpListener,
    /// For newcomers.
    pub enrol: TcpListener,
}

/// A running switch. Dropped without [`Switch::shutdown`] it ends at once and its log as if power were cut: nothing
/// acknowledged is lost, and what is left open is closed as abandoned at the next start.
#[derive(Debug)]
pub struct Switch {
    config: Config,
    exchange_address: SocketAddr,
    enrol_address: SocketAddr,
    log: Log,
    registry: RegistryHandle,
    exchange: Arc<Exchange>,
    identity: ReloadableIdentity,
    health: Health,
    witnessing: Option<Witnessing>,
    /// Where figures can be read.
    metrics_address: Option<SocketAddr>,
    /// How trusted time stands, where it is configured.
    time: Option<watch::Receiver<Standing>>,
    doors: [Door; 2],
    /// Cancelled first: streams end, servers take no new calls.
    draining: CancellationToken,
    /// Cancelled last: servers end whatever they still carry.
    gone: CancellationToken,
    servers: TaskTracker,
    /// Whether [`Switch::shutdown`] ended it.
    ended: bool,
}

impl Switch {
    /// Opens the log that `config` names and serves it on `listeners`.
    ///
    /// # Errors
    /// [`StartError`]: what does not open or does not belong together, and what to do.
    pub async fn start(
        config: Config,
        listeners: Listeners,
        clock: Clock,
    ) -> Result<Self, StartError> {
        Self::start_recovering(config, listeners, clock, GivenUp::default()).await
    }

    /// As [`Switch::start`]; `given_up` says what the operator does without for this start. It is recorded.
    ///
    /// # Errors
    /// As [`Switch::start`].
    pub async fn start_recovering(
        config: Config,
        listeners: Listeners,
        clock: Clock,
        given_up: GivenUp,
    ) -> Result<Self, StartError> {
        let keys = LogKeyFiles::load(&config.log.key).map_err(StartError::LogKey)?;
        let log_config = audit::log::Config {
            recovery: given_up.recovery,
            ..Self::log_config(&config, &clock)
        };
        let log = Log::open_with(log_config, keys.signers()).await?;
        // Boxed as what every crate awaits: so the servers are compiled in this one, once.
        let starting: BoxFuture<'_, _> = Box::pin(Self::start_over(
            config,
            listeners,
            clock,
            (log, given_up),
            Some(keys),
        ));
        starting.await
    }

    /// How `config` runs its log: what [`Switch::start`] opens it with.
    pub fn log_config(config: &Config, clock: &Clock) -> audit::log::Config {
        audit::log::Config {
            broker: config.broker,
            clock: clock.clone(),
            queue_entries: config.log.queue_entries,
            gather_us: config.log.gather_us,
            publish_interval: Duration::from_millis(config.log.publish_interval_ms),
            cosign_wait: config
                .witness
                .as_ref()
                .map_or(Duration::ZERO, Witnesses::hold),
            index: config.log.index,
            ..audit::log::Config::new(&config.log.dir, &config.origin)
        }
    }

    /// Serves `log`, which is open, on `listeners`. The log is closed by [`Switch::shutdown`].
    ///
    /// # Errors
    /// As [`Switch::start`].
    pub async fn start_with_log(
        config: Config,
        listeners: Listeners,
        clock: Clock,
        log: Log,
    ) -> Result<Self, StartError> {
        Self::start_over(config, listeners, clock, (log, GivenUp::default()), None).await
    }

    async fn start_over(
        config: Config,
        listeners: Listeners,
        clock: Clock,
        (log, given_up): (Log, GivenUp),
        keys: Option<LogKeyFiles>,
    ) -> Result<Self, StartError> {
        let parts = Parts::open(config, clock, log).await?;
        let (witnessing, without) = parts.witness(given_up.without_witnesses).await?;
        if let Some(keys) = keys {
            parts.rotate(&keys).await;
        }
        parts.record_epoch(without).await?;
        let (exchange, resumed) = Exchange::start(parts.exchange()).await?;
        let exchange_address = listeners
            .exchange
            .local_addr()
            .map_err(StartError::Listener)?;
        let enrol_address = listeners.enrol.local_addr().map_err(StartError::Listener)?;
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let health = Health::new(reporter).await;
        let servers = TaskTracker::new();
        let doors = [
            parts.serve_exchange(listeners.exchange, &exchange, health_service, &servers)?,
            parts.serve_enrolment(listeners.enrol, &servers)?,
        ];
        servers.spawn(
            health
                .clone()
                .follow(parts.log.clone(), parts.draining.clone()),
        );
        let time = parts.stamp(&servers)?;
        let metrics_address = parts
            .measure(&servers, || Sources {
                log: parts.log.clone(),
                exchange: Arc::clone(&exchange),
                connections: Arc::clone(&doors[0].connections),
                witnessing: witnessing.as_ref().map(Witnessing::lateness),
                time: time.clone(),
                clock: parts.clock.clone(),
            })
            .await?;
        tracing::info!(
            name = %parts.config.name, %exchange_address, %enrol_address, entries = parts.log.head().size(),
            abandoned = resumed.abandoned, "the switch serves"
        );
        Ok(Self {
            exchange_address,
            enrol_address,
            log: parts.log,
            registry: parts.registry,
            exchange,
            identity: parts.identity,
            config: parts.config,
            health,
            witnessing,
            metrics_address,
            time,
            doors,
            draining: parts.draining,
            gone: parts.gone,
            servers,
            ended: false,
        })
    }

    /// Where members connect.
    pub fn exchange_address(&self) -> SocketAddr {
        self.exchange_address
    }

    /// Where newcomers connect.
    pub fn enrol_address(&self) -> SocketAddr {
        self.enrol_address
    }

    /// The log that is served.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The registry that decides.
    pub fn registry(&self) -> &RegistryHandle {
        &self.registry
    }

    /// Members' live connections.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.doors[0].connections
    }

    /// The exchanges, and through them the attached adapters.
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// Reads the broker's certificate and key again; new connections see the new one.
    ///
    /// # Errors
    /// [`StartError::Identity`]; the old one then stays.
    pub fn reload_identity(&self) -> Result<(), StartError> {
        let tls = &self.config.tls;
        self.identity
            .replace(Identity::load(&tls.certificate_chain, &tls.key)?);
        Ok(())
    }

    /// Waits until the log has stopped and gives the reason: the process must then end and start again.
    pub async fn stopped(&self) -> Arc<str> {
        self.log.stopped().await
    }

    /// Ends the switch in order; see this file's head. Exchanges under way get `limits.drain_ms`.
    ///
    /// # Errors
    /// [`LogError::Stopped`] when the log had failed or fails on its way out.
    pub async fn shutdown(mut self) -> Result<(), LogError> {
        self.ended = true;
        self.health.not_serving().await;
        self.doors.iter().for_each(Door::stop_accepting);
        self.draining.cancel();
        self.exchange.links().drain();
        self.exchange
            .finish(Duration::from_millis(self.config.limits.drain_ms))
            .await;
        self.exchange.links().close().await;
        self.registry.finish().await;
        self.health.end().await;
        self.servers.close();
        // What members were told last reaches them before their connections are cut.
        let ended = tokio::time::timeout(CONNECTIONS_END, self.servers.wait()).await;
        for door in &self.doors {
            door.close().await;
        }
        if ended.is_err() {
            tracing::debug!("some connections did not end by themselves and were cut off");
        }
        self.gone.cancel();
        self.servers.wait().await;
        let closed = self.log.close().await;
        if let Some(witnessing) = &self.witnessing {
            witnessing.end().await;
        }
        tracing::info!(entries = self.log.head().size(), "the switch has ended");
        closed
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.draining.cancel();
        self.gone.cancel();
        for door in &self.doors {
            door.stop_accepting();
            door.connections.close_all();
        }
        // Its tasks hold the log; without a runtime there are none left.
        if !self.ended
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let exchange = Arc::clone(&self.exchange);
            runtime.spawn(async move {
                exchange.links().close().await;
                exchange.finish(Duration::ZERO).await;
            });
        }
    }
}

/// Why a switch does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The log's key cannot be used.
    #[error("log.key: {0}")]
    LogKey(#[source] KeyError),
    /// The log does not open.
    #[error("the log does not open: {0}")]
    Log(#[from] LogError),
    /// The registry does not fold.
    #[error(transparent)]
    Registry(#[from] OpenError),
    /// The authority does not open.
    #[error("tls.authority_dir: {0}")]
    Authority(#[from] AuthorityError),
    /// The broker's certificate or key cannot be used.
    #[error("tls.certificate_chain and tls.key: {0}")]
    Identity(#[from] IdentityError),
    /// Log, genesis, authority and certificate do not belong together.
    #[error("these do not belong together:\n  {}", .0.join("\n  "))]
    Mismatches(Vec<String>),
    /// TLS cannot be configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The root of an outside authority cannot be read.
    #[error("outside_authorities: {}: {why}; name a PEM file that holds one root certificate", path.display())]
    OutsideRoot {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The witnesses that the configuration names cannot be asked.
    #[error(transparent)]
    Witnesses(#[from] WitnessesError),
    /// The witnesses do not let the log go on, or are not there.
    #[error("{0}")]
    Unwitnessed(#[from] Unwitnessed),
    /// The roots of a time-stamp authority cannot be used.
    #[error("{}", .0.join("\n  "))]
    Time(Vec<String>),
    /// The start could not be recorded.
    #[error("the start could not be recorded: {0}")]
    Epoch(#[from] AppendError),
    /// What an earlier run left cannot be read or closed.
    #[error("what an earlier run left open: {0}")]
    Resume(#[from] ResumeError),
    /// A listener is not one.
    #[error("a listener cannot be used: {0}")]
    Listener(#[source] std::io::Error),
    /// Figures cannot be served.
    #[error(
        "metrics.listen: {listen}: {error}; name another loopback address, or leave out [metrics]"
    )]
    Metrics {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The schemas cannot be served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

#[cfg(test)]
mod tests;
