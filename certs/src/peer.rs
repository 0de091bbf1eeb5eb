//! A peer's certificate, read once per connection.
//!
//! Takes the leaf's DER as the handshake carried it. Gives a [`PeerIdentity`]: one name, one role, and a purpose
//! that fits the role. Never judges signatures, chains or time: the handshake does.
//!
//! Specification: `docs/protocol.md` §1 (TLS key).

use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::name::{NameError, PeerName, PeerRole, TrustDomain};

/// The largest leaf that is read, in bytes. Ours have about 600; an outside authority's with RSA about 2,500.
pub const LEAF_MAX: usize = 16 * 1024;
/// The most subject alternative names a leaf may carry.
pub const NAMES_MAX: usize = 64;

/// Who is connected, as the certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The SPIFFE name, exactly as it stands in the certificate.
    pub uri: String,
    /// The role that the name spells.
    pub role: PeerRole,
    /// SHA-256 over the certificate's DER.
    pub cert_sha256: [u8; 32],
    /// The serial number in lower-case hex, without leading zero bytes.
    pub serial_hex: String,
    /// The end of the certificate. A connection must not outlive it.
    pub not_after: OffsetDateTime,
}

impl PeerIdentity {
    /// Reads a leaf whose name must lie in `trust_domain`.
    ///
    /// # Errors
    /// [`PeerError`], one variant for each way in which the certificate does not fit.
    pub fn from_certificate(der: &[u8], trust_domain: &TrustDomain) -> Result<Self, PeerError> {
        let (identity, name) = read(der)?;
        if name.trust_domain() == trust_domain {
            Ok(identity)
        } else {
            Err(PeerError::TrustDomain {
                found: name.trust_domain().to_string(),
            })
        }
    }

    /// Reads a leaf of whatever trust domain. Only for a caller that has pinned the root (enrolment): the root's
    /// pin then stands for the trust domain, which is returned.
    ///
    /// # Errors
    /// As [`PeerIdentity::from_certificate`], but never [`PeerError::TrustDomain`].
    pub fn from_pinned_certificate(der: &[u8]) -> Result<(Self, TrustDomain), PeerError> {
        let (identity, name) = read(der)?;
        Ok((identity, name.trust_domain().clone()))
    }
}

fn read(der: &[u8]) -> Result<(PeerIdentity, PeerName), PeerError> {
    if der.len() > LEAF_MAX {
        return Err(PeerError::TooLarge { bytes: der.len() });
    }
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| PeerError::Malformed)?;
    if !rest.is_empty() {
        return Err(PeerError::Malformed);
    }
    if certificate.is_ca() {
        return Err(PeerError::Authority);
    }
    let uri = only_uri(&certificate)?;
    let name: PeerName = uri.parse()?;
    purpose_fits(&certificate, name.role())?;
    let identity = PeerIdentity {
        uri: uri.to_owned(),
        role: name.role().clone(),
        cert_sha256: crate::sha256(der),
        serial_hex: serial_hex(certificate.raw_serial()),
        not_after: certificate.validity().not_after.to_datetime(),
    };
    Ok((identity, name))
}

fn only_uri<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, PeerError> {
    // A repeated extension is an error here, so a second list of names cannot hide.
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| PeerError::Malformed)?
        .ok_or(PeerError::NoUri)?;
    let names = &names.value.general_names;
    if names.len() > NAMES_MAX {
        return Err(PeerError::TooManyNames { names: names.len() });
    }
    let mut only = None;
    for name in names {
        match name {
            GeneralName::URI(_) if only.is_some() => return Err(PeerError::SeveralUris),
            GeneralName::URI(uri) => only = Some(*uri),
            GeneralName::Invalid(..) => return Err(PeerError::Malformed),
            _ => {}
        }
    }
    only.ok_or(PeerError::NoUri)
}

/// An absent purpose means "any" to X.509; here it means none. A broker serves, everybody else calls, nobody both.
fn purpose_fits(certificate: &X509Certificate<'_>, role: &PeerRole) -> Result<(), PeerError> {
    let purpose = certificate
        .extended_key_usage()
        .map_err(|_| PeerError::Malformed)?
        .ok_or(PeerError::Purpose)?;
    let purpose = purpose.value;
    let fits = match role {
        PeerRole::Broker(_) => purpose.server_auth && !purpose.client_auth,
        PeerRole::System { .. }
        | PeerRole::Operator(_)
        | PeerRole::Approver(_)
        | PeerRole::Auditor(_)
        | PeerRole::Dpo(_)
        | PeerRole::Administrator { .. } => purpose.client_auth && !purpose.server_auth,
    };
    if fits && !purpose.any {
        Ok(())
    } else {
        Err(PeerError::Purpose)
    }
}

/// A serial as text: lower-case hex without leading zero bytes (DER puts one before a high bit).
pub(crate) fn serial_hex(serial: &[u8]) -> String {
    let first = serial
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(serial.len());
    hex::encode(serial.get(first..).unwrap_or_default())
}

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Larger than [`LEAF_MAX`].
    #[error("a certificate of {bytes} bytes; the largest has {LEAF_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not one well-formed X.509 certificate.
    #[error("not a well-formed certificate")]
    Malformed,
    /// A certificate of an authority; a peer shows a leaf.
    #[error("the certificate of an authority, where a peer's own is expected")]
    Authority,
    /// No URI among the subject alternative names.
    #[error("the certificate carries no SPIFFE name")]
    NoUri,
    /// More than one URI among the subject alternative names.
    #[error("the certificate carries more than one SPIFFE name")]
    SeveralUris,
    /// More than [`NAMES_MAX`] subject alternative names.
    #[error("the certificate carries {names} names; the most is {NAMES_MAX}")]
    TooManyNames {
        /// How many.
        names: usize,
    },
    /// The URI is no name of ours.
    #[error("the certificate's name: {0}")]
    Name(#[from] NameError),
    /// A name of another trust domain.
    #[error("the certificate belongs to the trust domain `{found}`")]
    TrustDomain {
        /// The domain in the certificate.
        found: String,
    },
    /// Extended key usage absent or not exactly what the role does.
    #[error(
        "the certificate's purpose does not fit its name: brokers serve, everybody else calls, nobody both"
    )]
    Purpose,
}

#[cfg(test)]
mod tests;
