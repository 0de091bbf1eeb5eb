//! What the services are made of: opened, and seen to belong together.

use std::sync::Arc;
use std::time::Duration;

use audit::clock::Clock;
use audit::log::Log;
use certs::{Authority, Identity, ReloadableIdentity};
use tokio_util::sync::CancellationToken;

use super::{StartError, trust};
use crate::config::Config;
use crate::door::limits::{Bounds, Limits};
use crate::exchange;
use crate::links;
use crate::registry::issuing::Issuing;
use crate::registry::{OpenError, RegistryHandle};

/// What the services are made of.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) log: Log,
    pub(super) registry: RegistryHandle,
    pub(super) issuing: Issuing,
    pub(super) identity: ReloadableIdentity,
    pub(super) authority: Arc<Authority>,
    pub(super) draining: CancellationToken,
    pub(super) gone: CancellationToken,
}

impl Parts {
    pub(super) async fn open(config: Config, clock: Clock, log: Log) -> Result<Self, StartError> {
        let registry = RegistryHandle::open(log.clone(), clock.clone()).await?;
        let authority = Arc::new(Authority::open(&config.tls.authority_dir)?);
        let identity = Identity::load(&config.tls.certificate_chain, &config.tls.key)?;
        let snapshot = registry.load();
        let genesis = snapshot.genesis().ok_or(OpenError::NoGenesis)?;
        let mismatches = trust::mismatches(&config, genesis, &log, &authority, &identity, &clock);
        if !mismatches.is_empty() {
            return Err(StartError::Mismatches(mismatches));
        }
        let issuing = Issuing::new(
            registry.clone(),
            Arc::clone(&authority),
            clock.clone(),
            config.limits.certificate_life,
        );
        Ok(Self {
            config,
            clock,
            log,
            registry,
            issuing,
            identity: ReloadableIdentity::new(identity),
            authority,
            draining: CancellationToken::new(),
            gone: CancellationToken::new(),
        })
    }

    pub(super) fn exchange(&self) -> exchange::Parts {
        let limits = &self.config.limits;
        exchange::Parts {
            log: self.log.clone(),
            registry: self.registry.clone(),
            limits: Limits::within(Bounds {
                all: limits.in_flight,
                per_agency: limits.in_flight_per_agency,
                per_provider: limits.in_flight_per_provider,
                waiting: limits.waiting,
            }),
            clock: self.clock.clone(),
            settings: exchange::Settings {
                window_ms: limits.window_ms,
                refusals_per_minute: limits.refusals_per_minute,
                idle: Duration::from_millis(limits.stream_idle_ms),
                ..exchange::Settings::default()
            },
            submissions: exchange::submission::Settings {
                dir: self.config.log.submissions_dir(),
                bounds: exchange::submission::Bounds {
                    per_agency: limits.submissions_per_agency,
                    bytes_per_agency: limits.submission_mib_per_agency << 20,
                },
            },
            events: exchange::event::Settings {
                dir: self.config.log.events_dir(),
                bytes_max: limits.event_mib << 20,
                policy: exchange::event::Policy {
                    kept_ms: u64::from(limits.event_days) * 86_400_000,
                    attempts: limits.event_attempts,
                    pause_ms: limits.event_pause_ms,
                },
            },
            links: links::Settings {
                in_flight_max: limits.in_flight,
                ..links::Settings::default()
            },
        }
    }
}
