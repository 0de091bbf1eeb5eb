//! Whether a token's signer is to be believed: its certificate leads to a given root, was valid when it signed, and is
//! for time-stamping and nothing else (RFC 3161 §2.3).
//!
//! Never asks anyone for a revocation list: a token is verified years later from files alone.

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::response::Token;
use super::signature::{certificate, chain};
use super::{TimestampError, oid};

/// Bytes of a file of roots at most.
pub(crate) const ROOTS_BYTES_MAX: u64 = 1 << 20;
/// Roots in one file at most.
const ROOTS_MAX: usize = 64;

/// The authorities' root certificates, from somewhere that the log's operator does not control.
#[derive(Clone, Debug)]
pub struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    names: Vec<String>,
}

impl Roots {
    /// Reads PEM text with one certificate or several.
    ///
    /// # Errors
    /// [`TimestampError::Roots`]: none, too many, or one that is no certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TimestampError> {
        let bad = |what: String| TimestampError::Roots(what);
        let mut roots = Self {
            anchors: Vec::new(),
            names: Vec::new(),
        };
        for read in CertificateDer::pem_slice_iter(pem) {
            let der = read.map_err(|error| bad(error.to_string()))?;
            let number = roots.anchors.len() + 1;
            if number > ROOTS_MAX {
                return Err(bad(format!("more than {ROOTS_MAX} certificates")));
            }
            let anchor = anchor_from_trusted_cert(&der)
                .map_err(|error| bad(format!("certificate {number}: {error}")))?;
            roots.anchors.push(anchor.to_owned());
            roots.names.push(certificate(&der)?.subject().to_string());
        }
        if roots.anchors.is_empty() {
            return Err(bad("no certificate in it".to_owned()));
        }
        Ok(roots)
    }

    /// Reads a PEM file of at most 1 MiB.
    ///
    /// # Errors
    /// [`TimestampError::Roots`].
    pub fn load(path: &std::path::Path) -> Result<Self, TimestampError> {
        let bad = |what: String| TimestampError::Roots(format!("{}: {what}", path.display()));
        let pem = crate::tiles::read_bounded(path, ROOTS_BYTES_MAX)
            .map_err(|error| bad(error.to_string()))?;
        Self::from_pem(&pem).map_err(|error| match error {
            TimestampError::Roots(what) => bad(what),
            other => bad(other.to_string()),
        })
    }

    /// Whom they name.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// Verifies that `signer`, a certificate of `token`, leads to one of `roots` at the time `at_us`; gives its name.
pub(super) fn verify(
    signer: &[u8],
    token: &Token<'_>,
    roots: &Roots,
    at_us: u64,
) -> Result<String, TimestampError> {
    let authority = for_time_stamping(signer)?;
    let others: Vec<_> = token
        .certificates
        .iter()
        .filter(|other| **other != signer)
        .map(|other| CertificateDer::from(*other))
        .collect();
    let der = CertificateDer::from(signer);
    let end = EndEntityCert::try_from(&der).map_err(chain)?;
    let at = UnixTime::since_unix_epoch(Duration::from_micros(at_us));
    // Of the signer more was asked above; authorities above it carry no purpose, or this one among others.
    let purpose = KeyUsage::required_if_present(oid::TIME_STAMPING);
    end.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &roots.anchors,
        &others,
        at,
        purpose,
        None,
        None,
    )
    .map_err(chain)?;
    Ok(authority)
}

/// The purpose must be there, critical, and the only one; a key usage, where there is one, must allow signatures.
fn for_time_stamping(der: &[u8]) -> Result<String, TimestampError> {
    let certificate = certificate(der)?;
    let twice = |_| TimestampError::NotForStamping("has an extension twice or a broken one");
    let purposes = certificate.extended_key_usage().map_err(twice)?;
    let purposes = purposes.ok_or(TimestampError::NotForStamping("says no purpose"))?;
    if !purposes.critical {
        return Err(TimestampError::NotForStamping(
            "does not make its purpose critical",
        ));
    }
    let purposes = purposes.value;
    let more = purposes.any
        || purposes.server_auth
        || purposes.client_auth
        || purposes.code_signing
        || purposes.email_protection
        || purposes.ocsp_signing
        || !purposes.other.is_empty();
    if !purposes.time_stamping || more {
        return Err(TimestampError::NotForStamping(
            "is not for time-stamping alone",
        ));
    }
    if let Some(usage) = certificate.key_usage().map_err(twice)?
        && !usage.value.digital_signature()
        && !usage.value.non_repudiation()
    {
        return Err(TimestampError::NotForStamping("is not for signatures"));
    }
    Ok(certificate.subject().to_string())
}
