//! Outside authorities: which of their roots and keys are believed at all.
//!
//! Specification: `docs/protocol.md` §1 ("From an outside authority RSA of at least 2048 bits is accepted for TLS too").

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use super::TlsError;
use super::verify::PeerRefusal;
use crate::peer::PeerError;

/// The most outside roots of one switch: a handshake may have to look at each.
pub const OUTSIDE_ROOTS_MAX: usize = 32;
/// The shortest RSA modulus that is believed, in bits.
pub const RSA_BITS_MIN: usize = 2048;

/// The outside roots, judged; `None` when there is none.
pub(super) fn store(
    own: &RootCertStore,
    roots: &[CertificateDer<'_>],
) -> Result<Option<RootCertStore>, TlsError> {
    if roots.len() > OUTSIDE_ROOTS_MAX {
        return Err(TlsError::OutsideRoots);
    }
    let mut store = RootCertStore::empty();
    for (at, root) in roots.iter().enumerate() {
        add(&mut store, own, root).map_err(|why| TlsError::OutsideRoot {
            number: at + 1,
            why,
        })?;
    }
    Ok((!store.is_empty()).then_some(store))
}

fn add(
    store: &mut RootCertStore,
    own: &RootCertStore,
    root: &CertificateDer<'_>,
) -> Result<(), OutsideRootError> {
    let (rest, parsed) =
        X509Certificate::from_der(root).map_err(|_| OutsideRootError::Malformed)?;
    if !rest.is_empty() {
        return Err(OutsideRootError::Malformed);
    }
    if !parsed.is_ca() {
        return Err(OutsideRootError::NotAnAuthority);
    }
    if let Some(bits) = weak(&parsed) {
        return Err(OutsideRootError::WeakKey { bits });
    }
    // By its key: the same root in another certificate is the same root.
    let spki = parsed.public_key().subject_public_key.data.as_ref();
    let ours = |anchor: &rustls::pki_types::TrustAnchor<'_>| {
        anchor.subject_public_key_info.as_ref().ends_with(spki)
    };
    if own.roots.iter().any(ours) {
        return Err(OutsideRootError::Ours);
    }
    store
        .add(root.clone())
        .map_err(|_| OutsideRootError::Malformed)
}

/// Refuses a leaf for a weak key. What signed it was judged with the chain, by the same measure.
pub(super) fn judge_key(leaf: &CertificateDer<'_>) -> Result<(), PeerRefusal> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| PeerError::Malformed)?;
    match weak(&parsed) {
        Some(bits) => Err(PeerRefusal::WeakKey { bits }),
        None => Ok(()),
    }
}

/// The bits of an RSA key that is too short.
fn weak(certificate: &X509Certificate<'_>) -> Option<usize> {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()).filter(|bits| *bits < RSA_BITS_MIN),
        // What TLS cannot verify with is refused by the handshake.
        _ => None,
    }
}

/// Why a certificate is not believed as an outside root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutsideRootError {
    /// Not one well-formed certificate.
    #[error("it is not a well-formed certificate")]
    Malformed,
    /// A leaf, as far as its own basic constraints say.
    #[error("it is not the certificate of an authority; give the root, not a certificate below it")]
    NotAnAuthority,
    /// An RSA key that is too short.
    #[error("its RSA key has {bits} bits; {RSA_BITS_MIN} is the least")]
    WeakKey {
        /// The length of its modulus, in bits.
        bits: usize,
    },
    /// The switch's own root: everybody whom it names would stand below an outside root as well.
    #[error("it is the switch's own root, which is believed already")]
    Ours,
}
