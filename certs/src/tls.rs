//! rustls configurations for both ends of every connection.
//!
//! TLS 1.3 only, X25519MLKEM768 first, HTTP/2 only, no tickets, no resumption (a resumed session would skip the
//! certificate's verification), no early data (it can be replayed). aws-lc-rs is named in each configuration, so no
//! process-wide default is read or set.
//!
//! | listener | shows | demands |
//! |---|---|---|
//! | [`server_config`] | broker chain | a client certificate: a system or a person |
//! | [`enrolment_server_config`] | broker chain and root | nothing: the invitation's token speaks for the caller |
//!
//! Specification: `docs/protocol.md` §1 (enrolment, renewal) and §7.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use time::OffsetDateTime;

use crate::identity::{ReloadableIdentity, WithRoot};
use crate::name::{PeerName, PeerRole, TrustDomain};

mod clients;
mod gathered;
mod outside;
mod verify;

pub use gathered::Gathered;
pub use outside::{OUTSIDE_ROOTS_MAX, OutsideRootError, RSA_BITS_MIN};
pub use verify::{PeerRefusal, find_pinned_root, peer_refusal};

/// HTTP/2, the one protocol spoken here.
pub const ALPN: &[u8] = b"h2";

/// The largest TLS record that we send, its five bytes of header and what encryption adds included: rustls reads 4,096
/// bytes at a time, and a record that is larger makes the other side enlarge its buffer, and shrink it again, for each.
const RECORD_BYTES: usize = 4_096;
/// A record's last byte, which says its kind, and the tag of AES-GCM or ChaCha20-Poly1305.
const SEALED_BYTES: usize = 1 + 16;

/// Where handshakes take the time from.
pub type TimeSource = Arc<dyn TimeProvider>;

/// The system's clock.
#[must_use]
pub fn system_time() -> TimeSource {
    Arc::new(DefaultTimeProvider)
}

/// A clock that stands still, for tests and for looking back.
#[must_use]
pub fn fixed_time(now: OffsetDateTime) -> TimeSource {
    Arc::new(FixedTime(now))
}

#[derive(Debug)]
struct FixedTime(OffsetDateTime);

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.unix_timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

/// Whom one end believes: roots, and the trust domain that every name must lie in.
#[derive(Clone, Debug)]
pub struct Trust {
    trust_domain: TrustDomain,
    roots: Arc<RootCertStore>,
    outside: Option<Arc<RootCertStore>>,
}

impl Trust {
    /// Believes certificates below `roots` with names in `trust_domain`.
    ///
    /// # Errors
    /// [`TlsError::Roots`] when there is none or one cannot be read.
    pub fn new(trust_domain: TrustDomain, roots: &[CertificateDer<'_>]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone()).map_err(|_| TlsError::Roots)?;
        }
        if store.is_empty() {
            return Err(TlsError::Roots);
        }
        Ok(Self {
            trust_domain,
            roots: Arc::new(store),
            outside: None,
        })
    }

    /// Believes outside authorities too, for one thing only: that a client is the **system** which its certificate's
    /// SPIFFE name says, in this trust domain. Below an outside root nobody is a person or a broker. An RSA key,
    /// there, has at least 2048 bits. Replaces outside roots that were given before; with none of them, nobody
    /// outside is believed.
    ///
    /// What an outside leaf must carry is what ours carry: exactly one URI name, `clientAuth` and nothing else.
    /// Which system an outside authority *may* name, and since which entry, is for the registry to say.
    ///
    /// # Errors
    /// [`TlsError::OutsideRoots`] for more than [`OUTSIDE_ROOTS_MAX`], [`TlsError::OutsideRoot`] for one that is no
    /// authority's certificate, has a weak key, or is a root of the switch itself.
    pub fn with_outside_roots(mut self, roots: &[CertificateDer<'_>]) -> Result<Self, TlsError> {
        self.outside = outside::store(&self.roots, roots)?.map(Arc::new);
        Ok(self)
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }
}

/// The main listener: every client shows a certificate below `clients`' roots that names a system or a person of its
/// trust domain, for client authentication only; below an outside root, a system.
///
/// # Errors
/// [`TlsError::Configuration`].
pub fn server_config(
    identity: &ReloadableIdentity,
    clients: &Trust,
    time: TimeSource,
) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier = Arc::new(clients::Clients::new(clients)?);
    let config = ServerConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(identity.clone()));
    Ok(Arc::new(harden_server(config)))
}

/// The enrolment listener: asks for no client certificate, and sends the root along, which the caller pins.
///
/// # Errors
/// [`TlsError::Configuration`].
pub fn enrolment_server_config(
    identity: &ReloadableIdentity,
    root: &CertificateDer<'static>,
    time: TimeSource,
) -> Result<Arc<ServerConfig>, TlsError> {
    let resolver = WithRoot {
        identity: identity.clone(),
        root: root.clone(),
    };
    let config = ServerConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    Ok(Arc::new(harden_server(config)))
}

/// An adapter's, operator's or auditor's end: shows `identity` and believes only the broker named `broker_uri`
/// (`spiffe://TRUST-DOMAIN/broker/NAME`), below `brokers`' roots, at the host it was dialled by.
///
/// # Errors
/// [`TlsError::Broker`] when `broker_uri` is no broker of the trust domain, [`TlsError::Configuration`].
pub fn client_config(
    identity: &ReloadableIdentity,
    brokers: &Trust,
    broker_uri: &str,
    time: TimeSource,
) -> Result<Arc<ClientConfig>, TlsError> {
    let broker: PeerName = broker_uri.parse().map_err(|_| TlsError::Broker)?;
    if !matches!(broker.role(), PeerRole::Broker(_))
        || broker.trust_domain() != &brokers.trust_domain
    {
        return Err(TlsError::Broker);
    }
    let verifier = verify::PinnedBroker::new(broker, Arc::clone(&brokers.roots))?;
    let config = ClientConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(identity.clone()));
    Ok(Arc::new(harden_client(config)))
}

/// A newcomer's end: shows no certificate and believes only a broker below the root whose DER has this SHA-256, as
/// the invitation says. The server sends that root; [`find_pinned_root`] finds it in the finished connection.
///
/// # Errors
/// [`TlsError::Configuration`].
pub fn enrolment_client_config(
    root_sha256: [u8; 32],
    time: TimeSource,
) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier = verify::PinnedRoot::new(root_sha256);
    let config = ClientConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(harden_client(config)))
}

fn harden_server(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Counted with the header and without what encryption adds.
    config.max_fragment_size = Some(RECORD_BYTES - SEALED_BYTES);
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    config
}

fn harden_client(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Counted with the header and without what encryption adds.
    config.max_fragment_size = Some(RECORD_BYTES - SEALED_BYTES);
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config
}

/// aws-lc-rs with the key exchanges in our order: hybrid post-quantum first, then the two that every stack has.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let kx_groups = vec![
        kx_group::X25519MLKEM768,
        kx_group::X25519,
        kx_group::SECP256R1,
    ];
    Arc::new(CryptoProvider {
        kx_groups,
        ..aws_lc_rs::default_provider()
    })
}

/// Why a configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No root, or one that cannot be read.
    #[error("no root certificate to trust, or one that cannot be read")]
    Roots,
    /// Too many outside roots.
    #[error("more than {OUTSIDE_ROOTS_MAX} outside roots")]
    OutsideRoots,
    /// An outside root that is not believed.
    #[error("outside root {number} is not believed: {why}")]
    OutsideRoot {
        /// Its place in the list, from 1.
        number: usize,
        /// Why not.
        #[source]
        why: OutsideRootError,
    },
    /// Not a broker of the trust domain.
    #[error("the pinned name is not spiffe://TRUST-DOMAIN/broker/NAME of the trusted domain")]
    Broker,
    /// rustls refused the configuration.
    #[error("the TLS configuration was refused")]
    Configuration(#[from] rustls::Error),
}

#[cfg(test)]
mod tests;
