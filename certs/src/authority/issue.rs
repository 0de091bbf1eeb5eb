//! What goes into a certificate: life, serial, purpose, place in the chain; and the signing itself.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose as Purpose, IsCa, Issuer, KeyUsagePurpose, PublicKeyData, SanType,
    SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::{AuthorityError, BACKDATE, Issued, LEAF_LIFE_MAX};
use crate::keys::{KeyError, P256Key};
use crate::name::{PeerName, TrustDomain};
use crate::pem;

/// One of the two intermediates: its certificate, its key, its end.
pub(super) struct Intermediate {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) issuer: Issuer<'static, P256Key>,
    pub(super) not_after: OffsetDateTime,
}

impl Intermediate {
    /// Sets life and serial, then signs. A leaf never outlives its issuer: the end is moved forward if need be.
    pub(super) fn issue(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<Issued, AuthorityError> {
        if life < Duration::SECOND || life > LEAF_LIFE_MAX {
            return Err(AuthorityError::Life);
        }
        (params.not_before, params.not_after) = span(now, life)?;
        params.not_after = params.not_after.min(self.not_after);
        if params.not_after <= now {
            return Err(AuthorityError::Ended {
                not_after: self.not_after,
            });
        }
        let serial = random_serial()?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let leaf = params
            .signed_by(key, &self.issuer)
            .map_err(AuthorityError::Write)?;
        Ok(Issued {
            chain_pem: pem::encode_chain(&[leaf.der().clone(), self.certificate.clone()]),
            cert_der: leaf.der().to_vec(),
            serial_hex: hex::encode(serial),
            sha256: crate::sha256(leaf.der()),
            not_before: params.not_before,
            not_after: params.not_after,
        })
    }
}

/// An authority's own certificate: `depth` authorities may stand below it.
pub(super) fn ca_params(
    trust_domain: &TrustDomain,
    name: &str,
    depth: u8,
    purposes: &[Purpose],
    (now, life): (OffsetDateTime, Duration),
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, trust_domain.as_str());
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(depth));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // A purpose on the intermediate binds every leaf below it, whatever the leaf says.
    params.extended_key_usages = purposes.to_vec();
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = span(now, life)?;
    params.serial_number = Some(SerialNumber::from_slice(&random_serial()?));
    Ok(params)
}

/// A leaf with one name and one purpose; life and serial are set when it is signed.
pub(super) fn leaf_params(
    name: &PeerName,
    purpose: Purpose,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, name.role().last_part());
    let uri = name.to_string().try_into().map_err(AuthorityError::Write)?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Begin and end in whole seconds, which is all that a certificate can say.
fn span(
    now: OffsetDateTime,
    life: Duration,
) -> Result<(OffsetDateTime, OffsetDateTime), AuthorityError> {
    let now = now
        .to_offset(time::UtcOffset::UTC)
        .replace_nanosecond(0)
        .map_err(|_| AuthorityError::Life)?;
    let begin = now.checked_sub(BACKDATE).ok_or(AuthorityError::Life)?;
    let life = Duration::seconds(life.whole_seconds());
    Ok((begin, now.checked_add(life).ok_or(AuthorityError::Life)?))
}

/// 18 random bytes (142 free bits), positive and of one length.
fn random_serial() -> Result<[u8; 18], AuthorityError> {
    let mut serial = [0; 18];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| AuthorityError::Key(KeyError::Randomness))?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}
