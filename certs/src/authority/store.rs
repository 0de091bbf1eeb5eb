//! The authority's directory: written key first and `trust-domain` last, read with every part judged against the
//! others.

use std::path::{Path, PathBuf};

use rcgen::{Issuer, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::{AuthorityError, Intermediate};
use crate::key_files::{self, KeyFileError};
use crate::keys::TlsKey;
use crate::name::TrustDomain;
use crate::pem;

const TRUST_DOMAIN: &str = "trust-domain";
const PARTS: [&str; 3] = ["root", "brokers", "agencies"];

/// Nothing of an older authority may stand there, not even a part of one.
pub(super) fn refuse_existing(dir: &Path) -> Result<(), AuthorityError> {
    let files = PARTS
        .iter()
        .flat_map(|part| [key_path(dir, part), pem_path(dir, part)]);
    for path in files.chain([dir.join(TRUST_DOMAIN)]) {
        if path.symlink_metadata().is_ok() {
            return Err(AuthorityError::Exists { path });
        }
    }
    Ok(())
}

/// Writes everything. `trust-domain` comes last: a directory without it was cut short and does not open.
pub(super) fn write(
    dir: &Path,
    trust_domain: &TrustDomain,
    parts: &[(&str, TlsKey, CertificateDer<'static>)],
) -> Result<(), AuthorityError> {
    key_files::private_dir(dir)?;
    for (part, key, certificate) in parts {
        key.save(&key_path(dir, part))?;
        pem::write_chain(&pem_path(dir, part), std::slice::from_ref(certificate))?;
    }
    Ok(key_files::replace_public(
        &dir.join(TRUST_DOMAIN),
        format!("{trust_domain}\n").as_bytes(),
    )?)
}

pub(super) fn read_trust_domain(dir: &Path) -> Result<TrustDomain, AuthorityError> {
    let path = dir.join(TRUST_DOMAIN);
    let read = |cause| {
        AuthorityError::File(KeyFileError::Read {
            path: path.clone(),
            cause,
        })
    };
    let bytes =
        key_files::read_bounded(std::fs::File::open(&path).map_err(read)?, 256).map_err(read)?;
    let text = String::from_utf8_lossy(&bytes);
    text.strip_suffix('\n')
        .unwrap_or(&text)
        .parse()
        .map_err(AuthorityError::TrustDomain)
}

/// The one certificate of a part's file.
pub(super) fn read_certificate(
    dir: &Path,
    part: &str,
) -> Result<CertificateDer<'static>, AuthorityError> {
    let mut chain = pem::read_chain(&pem_path(dir, part))?;
    match (chain.pop(), chain.is_empty()) {
        (Some(certificate), true) => Ok(certificate),
        _ => Err(inconsistent(part, "holds more than one certificate")),
    }
}

/// An intermediate: signed by the root, an authority, and the owner of its key.
pub(super) fn read_intermediate(
    dir: &Path,
    part: &str,
    root: &CertificateDer<'_>,
) -> Result<Intermediate, AuthorityError> {
    let key = TlsKey::load(&key_path(dir, part))?.to_p256()?;
    let der = read_certificate(dir, part)?;
    let certificate = parse(part, &der)?;
    let root = parse("root", root)?;
    if !certificate.is_ca() || !root.is_ca() {
        return Err(inconsistent(part, "is no authority"));
    }
    if certificate
        .verify_signature(Some(root.public_key()))
        .is_err()
    {
        return Err(inconsistent(part, "is not signed by the root"));
    }
    if certificate.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
        return Err(inconsistent(part, "goes with another key"));
    }
    let purpose = certificate.extended_key_usage().ok().flatten();
    let (server, client) = purpose.map_or((false, false), |found| {
        (found.value.server_auth, found.value.client_auth)
    });
    if (server, client) != (part == "brokers", part == "agencies") {
        return Err(inconsistent(part, "has another purpose"));
    }
    let not_after = certificate.validity().not_after.to_datetime();
    let issuer =
        Issuer::from_ca_cert_der(&der, key).map_err(|_| inconsistent(part, "cannot be read"))?;
    Ok(Intermediate {
        certificate: der,
        issuer,
        not_after,
    })
}

fn parse<'a>(
    part: &str,
    der: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, AuthorityError> {
    let parsed = X509Certificate::from_der(der);
    parsed
        .map(|(_, certificate)| certificate)
        .map_err(|_| inconsistent(part, "is no certificate"))
}

fn inconsistent(part: &str, what: &str) -> AuthorityError {
    AuthorityError::Inconsistent {
        what: format!("{part}.pem {what}"),
    }
}

fn key_path(dir: &Path, part: &str) -> PathBuf {
    dir.join(format!("{part}.key"))
}

fn pem_path(dir: &Path, part: &str) -> PathBuf {
    dir.join(format!("{part}.pem"))
}
