//! Who signed a token, and over what (RFC 5652 §5.4, RFC 3161 §2.4.2, RFC 5035).
//!
//! Takes a token's parts; gives the certificate that the signer named and whose key made the signature over the signed
//! attributes, which bind the content and that very certificate. Says nothing about whether the certificate is to be
//! believed: that is [`super::chain`].

use aws_lc_rs::digest::{self, Algorithm};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, aws_lc_rs as algorithms};
use x509_parser::asn1_rs::{Class, FromDer, Tag};
use x509_parser::certificate::X509Certificate;

use super::der::{Fields, dotted};
use super::response::{Signer, SignerId, Token};
use super::{TimestampError, oid};

/// The signed attributes that count; each at most once, with one value.
#[derive(Debug, Default)]
struct Attributes<'a> {
    content_type: Option<&'a [u8]>,
    message_digest: Option<&'a [u8]>,
    /// The value of signingCertificate, a SEQUENCE.
    certificate: Option<&'a [u8]>,
    certificate_v2: Option<&'a [u8]>,
}

/// The token's certificate whose key signed it.
pub(super) fn verify<'a>(token: &Token<'a>) -> Result<&'a [u8], TimestampError> {
    let signer = &token.signer;
    // RFC 5652 §5.4: the signature covers a SET OF, not the tag that stands in the message.
    let mut signed = signer.attributes.to_vec();
    if let Some(tag) = signed.first_mut() {
        *tag = 0x31;
    }
    let attributes = Attributes::read(&signed)?;
    if attributes.content_type != Some(oid::TST_INFO) {
        return Err(TimestampError::Attributes("the content type"));
    }
    let algorithm = digest_of(signer.digest)?;
    let content = digest::digest(algorithm, token.content);
    if attributes.message_digest != Some(content.as_ref()) {
        return Err(TimestampError::Attributes("the digest of the content"));
    }
    let certificate = named(token)?;
    attributes.bind(certificate)?;
    let der = CertificateDer::from(certificate);
    let key = EndEntityCert::try_from(&der).map_err(chain)?;
    let mut known = false;
    for algorithm in signature_algorithms(signer) {
        known = true;
        if key
            .verify_signature(algorithm, &signed, signer.signature)
            .is_ok()
        {
            return Ok(certificate);
        }
    }
    if known {
        return Err(TimestampError::BadSignature);
    }
    let id = Fields::of(signer.algorithm, "the signature's algorithm").oid()?;
    Err(TimestampError::Unsupported(format!(
        "a signature by {}",
        dotted(id)
    )))
}

/// Reads a certificate, which must be the whole of `bytes`.
pub(super) fn certificate(bytes: &[u8]) -> Result<X509Certificate<'_>, TimestampError> {
    match X509Certificate::from_der(bytes) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(TimestampError::Malformed("a certificate")),
    }
}

/// The one certificate of the token that the signer names.
fn named<'a>(token: &Token<'a>) -> Result<&'a [u8], TimestampError> {
    for bytes in &token.certificates {
        let certificate = certificate(bytes)?;
        let found = match &token.signer.id {
            SignerId::IssuerAndSerial(issuer, serial) => {
                certificate.issuer().as_raw() == *issuer
                    && unsigned(certificate.raw_serial()) == *serial
            }
            SignerId::KeyId(id) => certificate.iter_extensions().any(|extension| {
                use x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier;
                matches!(extension.parsed_extension(), SubjectKeyIdentifier(key) if key.0 == *id)
            }),
        };
        if found {
            return Ok(bytes);
        }
    }
    Err(TimestampError::NoCertificate)
}

/// A serial number without its leading zero.
fn unsigned(serial: &[u8]) -> &[u8] {
    match serial {
        [0, rest @ ..] => rest,
        serial => serial,
    }
}

fn digest_of(id: &[u8]) -> Result<&'static Algorithm, TimestampError> {
    match id {
        oid::SHA256 => Ok(&digest::SHA256),
        oid::SHA384 => Ok(&digest::SHA384),
        oid::SHA512 => Ok(&digest::SHA512),
        other => Err(TimestampError::Unsupported(format!(
            "the digest {}",
            dotted(other)
        ))),
    }
}

/// What the signature may be verified with; which of them depends on the key.
fn signature_algorithms(signer: &Signer<'_>) -> Vec<&'static dyn SignatureVerificationAlgorithm> {
    let id = Fields::of(signer.algorithm, "the signature's algorithm").oid();
    if matches!(id, Ok(oid::RSA_ENCRYPTION)) {
        return match signer.digest {
            oid::SHA256 => vec![algorithms::RSA_PKCS1_2048_8192_SHA256],
            oid::SHA384 => vec![algorithms::RSA_PKCS1_2048_8192_SHA384],
            oid::SHA512 => vec![algorithms::RSA_PKCS1_2048_8192_SHA512],
            _ => Vec::new(),
        };
    }
    let same = |known: &&&'static dyn SignatureVerificationAlgorithm| {
        known.signature_alg_id().as_ref() == signer.algorithm
    };
    ALL_VERIFICATION_ALGS.iter().filter(same).copied().collect()
}

impl<'a> Attributes<'a> {
    fn read(set: &'a [u8]) -> Result<Self, TimestampError> {
        let mut outer = Fields::of(set, "the signed attributes");
        let mut list = outer.expect(Tag::Set)?.fields("the signed attributes")?;
        outer.end()?;
        let mut found = Self::default();
        while !list.is_empty() {
            let mut attribute = list.next_sequence("a signed attribute")?;
            let id = attribute.oid()?;
            let mut values = attribute.expect(Tag::Set)?.fields("a signed attribute")?;
            attribute.end()?;
            let (place, tag) = match id {
                oid::CONTENT_TYPE => (&mut found.content_type, Tag::Oid),
                oid::MESSAGE_DIGEST => (&mut found.message_digest, Tag::OctetString),
                oid::SIGNING_CERTIFICATE => (&mut found.certificate, Tag::Sequence),
                oid::SIGNING_CERTIFICATE_V2 => (&mut found.certificate_v2, Tag::Sequence),
                _ => continue,
            };
            let value = values.expect(tag)?;
            values.end()?;
            if place.replace(value.content()).is_some() {
                return Err(TimestampError::Attributes("an attribute that stands twice"));
            }
        }
        Ok(found)
    }

    /// Refuses a certificate that is not the one that the signer's attributes name: another certificate for the same
    /// key would make the same signature hold.
    fn bind(&self, certificate: &[u8]) -> Result<(), TimestampError> {
        if self.certificate.is_none() && self.certificate_v2.is_none() {
            return Err(TimestampError::Attributes("the signer's certificate"));
        }
        for (value, version) in [(self.certificate, 1), (self.certificate_v2, 2)] {
            let Some(value) = value else { continue };
            let mut value = Fields::of(value, "the signing certificate");
            let mut ids = value.next_sequence("the signing certificate")?;
            // The first one is the signer's; policies may follow the list.
            bind(
                ids.next_sequence("the signing certificate")?,
                version,
                certificate,
            )?;
        }
        Ok(())
    }
}

/// One ESSCertID (version 1, SHA-1) or ESSCertIDv2.
fn bind(mut id: Fields<'_>, version: u8, der: &[u8]) -> Result<(), TimestampError> {
    let mut algorithm = &digest::SHA1_FOR_LEGACY_USE_ONLY;
    if version == 2 {
        algorithm = match id.optional(Class::Universal, Tag::Sequence)? {
            Some(given) => digest_of(given.fields("the certificate's digest")?.oid()?)?,
            None => &digest::SHA256,
        };
    }
    let hash = id.expect(Tag::OctetString)?.content();
    let other = TimestampError::Attributes("the signer's certificate");
    if digest::digest(algorithm, der).as_ref() != hash {
        return Err(other);
    }
    let Some(named) = id.optional(Class::Universal, Tag::Sequence)? else {
        return id.end();
    };
    id.end()?;
    let mut named = named.fields("the certificate's issuer")?;
    let mut names = named.next_sequence("the certificate's issuer")?;
    let serial = named.unsigned()?;
    named.end()?;
    let issuer = names.optional(Class::ContextSpecific, Tag(4))?;
    let issuer = issuer.ok_or_else(|| names.malformed())?.content();
    let certificate = certificate(der)?;
    if certificate.issuer().as_raw() != issuer || unsigned(certificate.raw_serial()) != serial {
        return Err(other);
    }
    Ok(())
}

pub(super) fn chain(error: webpki::Error) -> TimestampError {
    TimestampError::Chain(error.to_string())
}
