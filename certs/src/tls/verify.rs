//! Verifiers: what webpki checks (chain, time, purpose, host, signatures), and then who the peer is.
//!
//! Each wraps rustls's own verifier and adds only the name, so that no connection is finished with a peer whose
//! name is missing, doubled, of another domain or of another role.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{RSA_BITS_MIN, TlsError, provider};
use crate::name::{PeerName, PeerRole};
use crate::peer::{PeerError, PeerIdentity};
use crate::pem::CHAIN_MAX;

/// The certificate in `chain` whose DER has the SHA-256 `pin`: after enrolment, the root to keep.
#[must_use]
pub fn find_pinned_root(
    chain: &[CertificateDer<'_>],
    pin: &[u8; 32],
) -> Option<CertificateDer<'static>> {
    let found = chain
        .iter()
        .take(CHAIN_MAX)
        .find(|certificate| crate::sha256(certificate) == *pin);
    found.map(|certificate| certificate.clone().into_owned())
}

/// Why our own end refused a peer's name, when that is why a handshake failed.
#[must_use]
pub fn peer_refusal(error: &Error) -> Option<&PeerRefusal> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
        _ => None,
    }
}

/// Why a certificate that is valid in itself was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefusal {
    /// The certificate names nobody.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A broker where a client belongs, or the other way round.
    #[error("`{found}` has no business on this end of a connection")]
    Role {
        /// The peer's name.
        found: String,
    },
    /// An outside authority that names somebody else than a system.
    #[error("`{found}` is below an outside authority, which may name systems only")]
    Outside {
        /// The peer's name.
        found: String,
    },
    /// An outside authority's certificate for a weak key.
    #[error("the certificate is for an RSA key of {bits} bits; {RSA_BITS_MIN} is the least")]
    WeakKey {
        /// The length of its modulus, in bits.
        bits: usize,
    },
    /// Another broker than the pinned one.
    #[error("the broker is `{found}`, but `{pinned}` is pinned")]
    OtherBroker {
        /// The peer's name.
        found: String,
        /// The pinned name.
        pinned: String,
    },
    /// No certificate of the chain is the pinned root.
    #[error("the server does not show the root that the invitation pins")]
    NotPinned,
}

pub(super) fn refuse(refusal: impl Into<PeerRefusal>) -> Error {
    Error::InvalidCertificate(CertificateError::Other(rustls::OtherError(Arc::new(
        refusal.into(),
    ))))
}

/// One broker by name, below known roots.
#[derive(Debug)]
pub(super) struct PinnedBroker {
    webpki: Arc<WebPkiServerVerifier>,
    broker: PeerName,
    uri: String,
}

impl PinnedBroker {
    pub(super) fn new(broker: PeerName, roots: Arc<RootCertStore>) -> Result<Self, TlsError> {
        Ok(Self {
            webpki: webpki(roots)?,
            uri: broker.to_string(),
            broker,
        })
    }
}

impl ServerCertVerifier for PinnedBroker {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.webpki
                .verify_server_cert(leaf, intermediates, server_name, ocsp_response, now)?;
        let peer =
            PeerIdentity::from_certificate(leaf, self.broker.trust_domain()).map_err(refuse)?;
        if peer.uri == self.uri {
            Ok(verified)
        } else {
            Err(refuse(PeerRefusal::OtherBroker {
                found: peer.uri,
                pinned: self.uri.clone(),
            }))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Any broker below the one root that an invitation pins. The root comes from the server; its digest does not.
#[derive(Debug)]
pub(super) struct PinnedRoot {
    pin: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedRoot {
    pub(super) fn new(pin: [u8; 32]) -> Self {
        Self {
            pin,
            algorithms: provider().signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for PinnedRoot {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let root = find_pinned_root(intermediates, &self.pin)
            .ok_or_else(|| refuse(PeerRefusal::NotPinned))?;
        let mut roots = RootCertStore::empty();
        roots.add(root).map_err(|_| CertificateError::BadEncoding)?;
        let webpki = webpki(Arc::new(roots)).map_err(|error| Error::General(error.to_string()))?;
        let verified =
            webpki.verify_server_cert(leaf, intermediates, server_name, ocsp_response, now)?;
        let (peer, _) = PeerIdentity::from_pinned_certificate(leaf).map_err(refuse)?;
        match peer.role {
            PeerRole::Broker(_) => Ok(verified),
            PeerRole::System { .. }
            | PeerRole::Operator(_)
            | PeerRole::Approver(_)
            | PeerRole::Auditor(_)
            | PeerRole::Dpo(_)
            | PeerRole::Administrator { .. } => Err(refuse(PeerRefusal::Role { found: peer.uri })),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn webpki(roots: Arc<RootCertStore>) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let built = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
    built.map_err(|error| TlsError::Configuration(Error::General(error.to_string())))
}
