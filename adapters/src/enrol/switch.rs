//! Which switch this is: what it says of itself, held against the invitation's two pins.
//!
//! Takes the answer to Describe. Gives what a home keeps of the switch. Believes nothing that does
//! not follow from the pinned root or from the pinned entry 0.

use audit::checkpoint::LogKey;
use certs::{PeerName, PeerRole};
use proto::digest::Digest;
use proto::entry::Entry;
use proto::registry::Registry;
use proto::wire::registry::v1 as wire;
use rustls::pki_types::CertificateDer;

use super::{EnrolError, Invitation};
use crate::config::{self, is_address};

/// A switch that is the invitation's.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) switch: config::Switch,
    pub(super) root: CertificateDer<'static>,
    pub(super) log_key: LogKey,
    pub(super) trust_domain: String,
}

/// Holds the switch's words against the invitation.
pub(super) fn judge(
    described: &wire::DescribeResponse,
    invitation: &Invitation,
    enrol: &str,
) -> Result<Described, EnrolError> {
    if Digest::of(&described.authority_root) != invitation.root_sha256 {
        return Err(EnrolError::OtherSwitch(
            "its root certificate is not the invitation's",
        ));
    }
    if Digest::of(&described.genesis) != invitation.genesis_sha256 {
        return Err(EnrolError::OtherSwitch(
            "its entry 0 is not the invitation's",
        ));
    }
    // The same fold that everybody runs: entry 0 is sealed by the log key that it names.
    let mut registry = Registry::empty();
    let entry = Entry::decode(&described.genesis)
        .map_err(|_| EnrolError::OtherSwitch("its entry 0 cannot be read"))?;
    registry
        .apply(0, &entry)
        .map_err(|_| EnrolError::OtherSwitch("its entry 0 is not sealed by its log key"))?;
    let genesis = registry
        .genesis()
        .ok_or(EnrolError::OtherSwitch("its entry 0 is not a genesis"))?;
    if genesis.authority_root != invitation.root_sha256 {
        return Err(EnrolError::OtherSwitch(
            "its entry 0 names another root certificate",
        ));
    }
    let log_key = LogKey::new(&genesis.origin, &genesis.log_key)
        .map_err(|_| EnrolError::OtherSwitch("its log key cannot sign checkpoints"))?;
    if LogKey::from_vkey(&described.log_vkey).ok().as_ref() != Some(&log_key) {
        return Err(EnrolError::OtherSwitch(
            "its verifier key is not the one in entry 0",
        ));
    }
    log_key
        .follow_entries(&described.log_keys)
        .map_err(|_| EnrolError::OtherSwitch("its log key was not followed as it says"))?;
    let broker: Option<PeerName> = described.broker_uri.parse().ok();
    let broker_fits = broker.is_some_and(|name| {
        matches!(name.role(), PeerRole::Broker(_))
            && name.trust_domain().as_str() == genesis.trust_domain
    });
    if !broker_fits {
        return Err(EnrolError::OtherSwitch(
            "its broker is not named in its own trust domain",
        ));
    }
    if !is_address(&described.exchange_address) {
        return Err(EnrolError::OtherSwitch(
            "its exchange address is not host:port",
        ));
    }
    Ok(Described {
        switch: config::Switch {
            exchange: described.exchange_address.clone(),
            enrol: enrol.to_owned(),
            broker_uri: described.broker_uri.clone(),
            genesis: invitation.genesis_sha256,
        },
        root: CertificateDer::from(described.authority_root.to_vec()),
        log_key,
        trust_domain: genesis.trust_domain.clone(),
    })
}
