//! A chain and its key: what one end shows the other, replaceable while connections are being made.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::keys::{KeyError, TlsKey};
use crate::pem::{self, CHAIN_MAX, PemError};

/// A certificate chain, leaf first, and the private key of the leaf.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Identity {
    /// Joins a chain and a key.
    ///
    /// # Errors
    /// [`IdentityError::Chain`] for an empty, overlong or unreadable chain, [`IdentityError::Mismatch`] when the
    /// key is not the leaf's.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: &TlsKey) -> Result<Self, IdentityError> {
        let leaf = chain.first().ok_or(IdentityError::Chain)?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| IdentityError::Chain)?;
        let not_before = parsed.validity().not_before.to_datetime();
        let not_after = parsed.validity().not_after.to_datetime();
        if chain.len() > CHAIN_MAX {
            return Err(IdentityError::Chain);
        }
        let certified = CertifiedKey::from_der(chain, key.to_rustls(), &crate::tls::provider());
        let certified = Arc::new(certified.map_err(|_| IdentityError::Mismatch)?);
        Ok(Self {
            certified,
            not_before,
            not_after,
        })
    }

    /// Joins a chain in PEM and a key.
    ///
    /// # Errors
    /// As [`Identity::new`], and [`IdentityError::Pem`].
    pub fn from_pem(chain_pem: &str, key: &TlsKey) -> Result<Self, IdentityError> {
        Self::new(pem::decode_chain(chain_pem.as_bytes())?, key)
    }

    /// Reads a chain file and an owner-only key file.
    ///
    /// # Errors
    /// As [`Identity::new`], and [`IdentityError::Pem`], [`IdentityError::Key`].
    pub fn load(chain: &Path, key: &Path) -> Result<Self, IdentityError> {
        Self::new(pem::read_chain(chain)?, &TlsKey::load(key)?)
    }

    /// The chain, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The beginning of the leaf's life; authorities set it a little before the issuing.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// The end of the leaf's life: renew well before.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// An identity whose parts need not fit, as a liar would show it.
    #[cfg(test)]
    pub(crate) fn forged(certified: CertifiedKey) -> Self {
        Self {
            certified: Arc::new(certified),
            not_before: OffsetDateTime::UNIX_EPOCH,
            not_after: OffsetDateTime::UNIX_EPOCH,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Identity({} certificates, until {})",
            self.certified.cert.len(),
            self.not_after
        )
    }
}

/// The identity that new connections show. Clones share it: replace it in one place and every configuration made
/// from it follows, without a restart. Connections that stand keep what they showed.
#[derive(Clone, Debug)]
pub struct ReloadableIdentity(Arc<ArcSwap<Identity>>);

impl ReloadableIdentity {
    /// Begins with `identity`.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(identity)))
    }

    /// Shows `identity` from the next handshake on.
    pub fn replace(&self, identity: Identity) {
        self.0.store(Arc::new(identity));
    }

    /// What is shown now.
    #[must_use]
    pub fn current(&self) -> Arc<Identity> {
        self.0.load_full()
    }
}

impl ResolvesServerCert for ReloadableIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

impl ResolvesClientCert for ReloadableIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Shows the same identity with the root at its end, for clients that know nothing but the root's digest.
#[derive(Debug)]
pub(crate) struct WithRoot {
    pub(crate) identity: ReloadableIdentity,
    pub(crate) root: CertificateDer<'static>,
}

impl ResolvesServerCert for WithRoot {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = Arc::clone(&self.identity.0.load().certified);
        if current.cert.contains(&self.root) {
            return Some(current);
        }
        let chain = current.cert.iter().chain([&self.root]).cloned().collect();
        Some(Arc::new(CertifiedKey::new(chain, Arc::clone(&current.key))))
    }
}

/// Why a chain and a key make no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The chain is empty, longer than [`CHAIN_MAX`], or its leaf cannot be read.
    #[error("the certificate chain is empty, longer than {CHAIN_MAX}, or cannot be read")]
    Chain,
    /// The key is not the one the leaf was issued for.
    #[error("the private key is not the one its certificate was issued for")]
    Mismatch,
    /// The chain file was refused.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The key file was refused.
    #[error(transparent)]
    Key(#[from] KeyError),
}
