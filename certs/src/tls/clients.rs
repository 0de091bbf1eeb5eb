//! Who may call: below the switch's own roots a system or a person, below an outside root a system and nobody else.
//!
//! A chain is tried against our own roots first. Only where that fails is it an outside authority's, so an outside root
//! can take nothing away from a name that our own authority gave, and add nothing but systems.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use super::verify::{PeerRefusal, refuse};
use super::{TlsError, Trust, outside, provider};
use crate::name::{PeerRole, TrustDomain};
use crate::peer::PeerIdentity;

/// A broker is not a client, even if some authority gave it the purpose.
#[derive(Debug)]
pub(super) struct Clients {
    own: Arc<dyn ClientCertVerifier>,
    outside: Option<Arc<dyn ClientCertVerifier>>,
    hints: Vec<DistinguishedName>,
    trust_domain: TrustDomain,
}

/// Under whose root a chain ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Own,
    Outside,
}

impl Clients {
    pub(super) fn new(trust: &Trust) -> Result<Self, TlsError> {
        let own = webpki(&trust.roots)?;
        let outside = trust.outside.as_ref().map(webpki).transpose()?;
        let roots = [Some(&own), outside.as_ref()];
        let hints = roots.into_iter().flatten();
        Ok(Self {
            hints: hints
                .flat_map(|verifier| verifier.root_hint_subjects())
                .cloned()
                .collect(),
            own,
            outside,
            trust_domain: trust.trust_domain.clone(),
        })
    }

    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(ClientCertVerified, Root), Error> {
        let refused = match self.own.verify_client_cert(leaf, intermediates, now) {
            Ok(verified) => return Ok((verified, Root::Own)),
            Err(refused) => refused,
        };
        let Some(outside) = &self.outside else {
            return Err(refused);
        };
        match outside.verify_client_cert(leaf, intermediates, now) {
            Ok(verified) => Ok((verified, Root::Outside)),
            // Told is why the chain fails under the root that it claims.
            Err(there) if unknown(&refused) => Err(there),
            Err(_) => Err(refused),
        }
    }
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let (verified, root) = self.verify_chain(leaf, intermediates, now)?;
        let peer = PeerIdentity::from_certificate(leaf, &self.trust_domain).map_err(refuse)?;
        match (root, peer.role) {
            (Root::Outside, PeerRole::System { .. }) => {
                outside::judge_key(leaf).map_err(refuse)?;
                Ok(verified)
            }
            (
                Root::Own,
                PeerRole::System { .. }
                | PeerRole::Operator(_)
                | PeerRole::Approver(_)
                | PeerRole::Auditor(_)
                | PeerRole::Dpo(_)
                | PeerRole::Administrator { .. },
            ) => Ok(verified),
            (_, PeerRole::Broker(_)) => Err(refuse(PeerRefusal::Role { found: peer.uri })),
            (
                Root::Outside,
                PeerRole::Operator(_)
                | PeerRole::Approver(_)
                | PeerRole::Auditor(_)
                | PeerRole::Dpo(_)
                | PeerRole::Administrator { .. },
            ) => Err(refuse(PeerRefusal::Outside { found: peer.uri })),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.own.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.own.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.own.supported_verify_schemes()
    }
}

fn webpki(roots: &Arc<RootCertStore>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let built = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider()).build();
    built.map_err(|error| TlsError::Configuration(Error::General(error.to_string())))
}

fn unknown(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::UnknownIssuer)
    )
}
