//! The TLS certificate that the switch's authority gave: it is ours, and its entry is in the log.

use audit::checkpoint::LogKey;
use audit::receipt::{Proven, Receipt};
use bytes::Bytes;
use certs::{PeerIdentity, PeerName, TrustDomain};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::facts;
use proto::id::SystemId;

use super::EnrolError;

/// Proves that `chain_pem` begins with a certificate of `system` whose issuing stands in the log.
pub(crate) fn prove(
    chain_pem: &[u8],
    receipt: &Receipt,
    system: &SystemId,
    trust_domain: &TrustDomain,
    log_key: &LogKey,
) -> Result<Proven, EnrolError> {
    let chain = certs::pem::decode_chain(chain_pem)
        .map_err(|_| EnrolError::Certificate("it cannot be read"))?;
    let leaf = chain
        .first()
        .ok_or(EnrolError::Certificate("there is none"))?;
    let peer = PeerIdentity::from_certificate(leaf, trust_domain)
        .map_err(|_| EnrolError::Certificate("it names nobody of this trust domain"))?;
    let own = PeerName::system(trust_domain, system.as_str())
        .map_err(|_| EnrolError::Certificate("our system has no SPIFFE name"))?;
    if peer.uri != own.to_string() {
        return Err(EnrolError::Certificate("it names another system"));
    }
    let proven = receipt.verify(&Bytes::new(), None, log_key)?;
    let issued = facts::registry(&proven.entry.facts)
        .ok()
        .and_then(|facts| facts.certificate);
    let issued = issued.filter(|_| proven.entry.kind == Kind::Certificate);
    let recorded = issued.is_some_and(|issued| {
        issued.uri == peer.uri && Digest::from_slice(&issued.sha256) == Some(Digest::of(leaf))
    });
    if recorded {
        Ok(proven)
    } else {
        Err(EnrolError::Certificate(
            "its entry in the log is of another certificate",
        ))
    }
}
