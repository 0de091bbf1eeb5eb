//! Whether what the configuration names belongs together: log, genesis, authority and the broker's certificate.
//!
//! Takes what was opened. Gives the identity that the doors show, or every mismatch at once. A switch that started
//! with another authority or name than its log says would be refused by every adapter, one by one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use audit::checkpoint::LogKey;
use audit::clock::Clock;
use audit::log::Log;
use certs::tls::TimeSource;
use certs::{Authority, Identity, PeerIdentity, PeerRole};
use proto::act::Genesis;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;

use super::StartError;
use crate::config::Config;

/// Every way in which the parts do not belong together, a sentence each with what to do.
pub(super) fn mismatches(
    config: &Config,
    genesis: &Genesis,
    log: &Log,
    authority: &Authority,
    identity: &Identity,
    clock: &Clock,
) -> Vec<String> {
    let mut found = differences(config, genesis, Some(log.key()), authority);
    found.extend(certificate_problems(config, authority, identity, clock));
    found
}

/// Where configuration, log key (if it could be read) and authority are not the ones of `genesis`.
pub(super) fn differences(
    config: &Config,
    genesis: &Genesis,
    key: Option<&LogKey>,
    authority: &Authority,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, here: &str, in_genesis: &str| {
        if here != in_genesis {
            found.push(format!("{what} is {here}, the log's genesis says {in_genesis}: one of them is another switch's"));
        }
    };
    differ("switch.origin", &config.origin, &genesis.origin);
    if let Some(key) = key {
        let log_key = LogKey::new(&genesis.origin, &genesis.log_key).map(|key| key.to_vkey());
        differ(
            "the key in log.key",
            &key.first().to_vkey(),
            &log_key.unwrap_or_default(),
        );
    }
    differ(
        "the trust domain in tls.authority_dir",
        authority.trust_domain().as_str(),
        &genesis.trust_domain,
    );
    differ(
        "the root in tls.authority_dir",
        &hex::encode(authority.root_sha256()),
        &hex::encode(genesis.authority_root.as_bytes()),
    );
    found
}

/// What is wrong with the broker's own certificate.
pub(super) fn certificate_problems(
    config: &Config,
    authority: &Authority,
    identity: &Identity,
    clock: &Clock,
) -> Vec<String> {
    let mut found = Vec::new();
    let leaf = identity
        .chain()
        .first()
        .map(|leaf| leaf.as_ref())
        .unwrap_or_default();
    match PeerIdentity::from_certificate(leaf, authority.trust_domain()) {
        Ok(peer) if peer.role == PeerRole::Broker(config.name.as_str().to_owned()) => {}
        Ok(peer) => found.push(format!(
            "tls.certificate_chain is for {}, switch.name says broker/{}: use the certificate of this broker",
            peer.uri, config.name
        )),
        Err(error) => found.push(format!("tls.certificate_chain: {error}: use the certificate of this broker")),
    }
    let now_s = i64::try_from(clock.now_ms() / 1_000).unwrap_or(i64::MAX);
    if identity.not_after().unix_timestamp() <= now_s {
        found.push(format!(
            "tls.certificate_chain ended on {}: issue a new one for this broker",
            identity.not_after()
        ));
    }
    found
}

/// The roots of outside authorities that the configuration names, in its order.
pub(super) fn outside_roots(config: &Config) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let mut roots = Vec::new();
    for path in &config.outside_authorities {
        let unread = |why: String| StartError::OutsideRoot {
            path: path.clone(),
            why,
        };
        let file = std::fs::read(path).map_err(|error| unread(error.to_string()))?;
        let found = certs::pem::decode_chain(&file).map_err(|error| unread(error.to_string()))?;
        let [root] = &found[..] else {
            return Err(unread(format!("{} certificates, not one", found.len())));
        };
        roots.push(root.clone());
    }
    Ok(roots)
}

/// Handshakes take the time from the switch's one clock.
pub(super) fn time(clock: &Clock) -> TimeSource {
    Arc::new(ClockTime(clock.clone()))
}

struct ClockTime(Clock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_micros(
            self.0.now_us(),
        )))
    }
}

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClockTime({:?})", self.0)
    }
}
