//! Enrolment requests: PKCS#10, which prove possession of a key and ask for nothing else.
//!
//! Takes DER from a stranger. Gives the public key, once the request's own signature verified. Never passes on a
//! wish: names, purpose and validity of a certificate come from the registry.
//!
//! Specification: `docs/protocol.md` §1 (enrolment).

use rcgen::{CertificateParams, CertificateSigningRequestParams, DistinguishedName, PublicKeyData};
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY};
use x509_parser::prelude::FromDer;

use crate::keys::{KeyError, TlsKey};

/// The largest request that is read, in bytes. Ours have about 220.
pub const REQUEST_MAX: usize = 8 * 1024;

const PEM_MARK: &[u8] = b"-----BEGIN ";

/// Makes a request for `key`: DER, with an empty subject and no wishes.
///
/// # Errors
/// [`RequestError::Key`] unless the key is P-256.
pub fn make(key: &TlsKey) -> Result<Vec<u8>, RequestError> {
    let key = key.to_p256()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params
        .serialize_request(&key)
        .map_err(|_| RequestError::Key(KeyError::Randomness))?;
    Ok(request.der().to_vec())
}

/// The DER of a request that somebody brings as a file: one PEM section (`CERTIFICATE REQUEST`), or DER already.
///
/// # Errors
/// [`RequestError::Empty`], [`RequestError::TooLarge`], and [`RequestError::Malformed`] for PEM that is cut or holds
/// anything else than one request. What the request says is judged by [`ProvenKey::open`].
pub fn decode(file: &[u8]) -> Result<Vec<u8>, RequestError> {
    if file.is_empty() {
        return Err(RequestError::Empty);
    }
    // PEM takes four characters for three bytes, and people write a line about it before it.
    if file.len() > 2 * REQUEST_MAX {
        return Err(RequestError::TooLarge { bytes: file.len() });
    }
    if !file
        .windows(PEM_MARK.len())
        .any(|window| window == PEM_MARK)
    {
        return Ok(file.to_vec());
    }
    let mut requests = CertificateSigningRequestDer::pem_slice_iter(file);
    match (requests.next(), requests.next()) {
        (Some(Ok(request)), None) => Ok(request.to_vec()),
        _ => Err(RequestError::Malformed),
    }
}

/// A P-256 public key whose private half signed the request it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenKey {
    point: Vec<u8>,
}

impl ProvenKey {
    /// Opens a request: judges its size, its shape, its key and its signature.
    ///
    /// # Errors
    /// [`RequestError`], one variant for each of these.
    pub fn open(request: &[u8]) -> Result<Self, RequestError> {
        if request.is_empty() {
            return Err(RequestError::Empty);
        }
        if request.len() > REQUEST_MAX {
            return Err(RequestError::TooLarge {
                bytes: request.len(),
            });
        }
        let (rest, parsed) =
            X509CertificationRequest::from_der(request).map_err(|_| RequestError::Malformed)?;
        if !rest.is_empty() {
            return Err(RequestError::Malformed);
        }
        // The key is judged by its own algorithm field: rcgen tells the curve by the signature's, which is the
        // same for every curve with SHA-256.
        let spki = &parsed.certification_request_info.subject_pki;
        let curve = spki
            .algorithm
            .parameters
            .as_ref()
            .and_then(|parameters| parameters.as_oid().ok());
        let point = spki.subject_public_key.data.as_ref();
        let p256 =
            spki.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == Some(OID_EC_P256);
        if !p256 || point.len() != 65 || point.first() != Some(&4) {
            return Err(RequestError::KeyType);
        }
        let opened =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(request));
        match opened {
            Ok(opened) if opened.public_key.der_bytes() == point => Ok(Self {
                point: point.to_vec(),
            }),
            Err(
                rcgen::Error::UnsupportedSignatureAlgorithm
                | rcgen::Error::InvalidCertificationRequestSignature,
            ) => Err(RequestError::Signature),
            Err(rcgen::Error::UnsupportedExtension) => Err(RequestError::Wish),
            Ok(_) | Err(_) => Err(RequestError::Malformed),
        }
    }

    /// The public key: 65 bytes, the uncompressed point.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// The public key as DER `SubjectPublicKeyInfo`, 91 bytes.
    #[must_use]
    pub fn public_spki_der(&self) -> Vec<u8> {
        [&crate::keys::P256_SPKI_PREFIX[..], &self.point].concat()
    }
}

impl PublicKeyData for ProvenKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

/// Why a request was not opened.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No bytes.
    #[error("the certificate request is empty")]
    Empty,
    /// Larger than [`REQUEST_MAX`].
    #[error("a certificate request of {bytes} bytes; the largest has {REQUEST_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not one whole PKCS#10 request in DER.
    #[error("not a well-formed certificate request (PKCS#10, DER)")]
    Malformed,
    /// A key that is not P-256 with an uncompressed point.
    #[error("the request's key is not ECDSA P-256, which every TLS key here must be")]
    KeyType,
    /// The signature does not verify: the sender does not hold the key.
    #[error("the request's signature does not verify under its own key")]
    Signature,
    /// An extension that cannot be read. Wishes are never granted, and this one cannot even be told.
    #[error("the request asks for an extension that is not known here; ask for none")]
    Wish,
    /// The requester's own key could not be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

#[cfg(test)]
mod tests {
    use rcgen::{CustomExtension, KeyPair, SanType};

    use super::*;

    fn request_with(
        alg: &'static rcgen::SignatureAlgorithm,
        change: impl Fn(&mut CertificateParams),
    ) -> Vec<u8> {
        let key = KeyPair::generate_for(alg).unwrap();
        let mut params = CertificateParams::default();
        change(&mut params);
        params.serialize_request(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_request_of_ours_opens() {
        let key = TlsKey::generate().unwrap();
        let request = make(&key).unwrap();
        let proven = ProvenKey::open(&request).unwrap();
        assert_eq!(proven.point(), key.to_p256().unwrap().der_bytes());
        assert_eq!(
            proven.public_spki_der(),
            key.to_p256().unwrap().subject_public_key_info()
        );
    }

    #[test]
    fn a_file_may_be_der_or_pem_with_one_request() {
        let request = make(&TlsKey::generate().unwrap()).unwrap();
        let pem = crate::pem::section("CERTIFICATE REQUEST", &request);
        assert_eq!(decode(&request).unwrap(), request);
        assert_eq!(decode(pem.as_bytes()).unwrap(), request);
        assert_eq!(
            decode(format!("of Amal\n{pem}").as_bytes()).unwrap(),
            request
        );
        let certificate = crate::pem::section("CERTIFICATE", &request);
        for bad in [pem.repeat(2), certificate, pem[..pem.len() / 2].to_owned()] {
            let refused = decode(bad.as_bytes());
            assert!(matches!(refused, Err(RequestError::Malformed)), "{bad}");
        }
        assert!(matches!(decode(b""), Err(RequestError::Empty)));
        let huge = vec![b'x'; 2 * REQUEST_MAX + 1];
        assert!(matches!(decode(&huge), Err(RequestError::TooLarge { .. })));
    }

    #[test]
    fn every_cut_and_every_change_of_the_signed_part_is_refused() {
        let request = make(&TlsKey::generate().unwrap()).unwrap();
        let own = ProvenKey::open(&request).unwrap();
        let info = X509CertificationRequest::from_der(&request).unwrap().1;
        let info = info.certification_request_info.raw;
        let begin = request.windows(info.len()).position(|w| w == info).unwrap();
        let signed = begin..begin + info.len();
        assert!(signed.len() > 95);
        assert!(matches!(ProvenKey::open(&[]), Err(RequestError::Empty)));
        for end in 1..request.len() {
            assert!(ProvenKey::open(&request[..end]).is_err(), "cut at {end}");
        }
        for at in 0..request.len() {
            let mut changed = request.clone();
            changed[at] ^= 0x10;
            // Outside the signed part a reader may be lenient, but never about whose key it is.
            match ProvenKey::open(&changed) {
                Ok(proven) => assert!(proven == own && !signed.contains(&at), "changed at {at}"),
                Err(refused) => drop(refused),
            }
        }
        assert!(matches!(
            ProvenKey::open(&[&request[..], &[0]].concat()),
            Err(RequestError::Malformed)
        ));
        assert!(matches!(
            ProvenKey::open(&vec![0x30; REQUEST_MAX + 1]),
            Err(RequestError::TooLarge { bytes }) if bytes == REQUEST_MAX + 1
        ));
        assert!(matches!(
            ProvenKey::open(&[0x30; REQUEST_MAX]),
            Err(RequestError::Malformed)
        ));
        assert!(matches!(
            ProvenKey::open(&[0xa0, 0x80].repeat(4096)),
            Err(RequestError::Malformed)
        ));
    }

    #[test]
    fn another_key_in_the_same_request_is_refused() {
        let request = make(&TlsKey::generate().unwrap()).unwrap();
        let other = TlsKey::generate().unwrap();
        let own = ProvenKey::open(&request).unwrap();
        let at = request.windows(65).position(|w| w == own.point()).unwrap();
        let mut swapped = request;
        swapped[at..at + 65].copy_from_slice(other.to_p256().unwrap().der_bytes());
        assert!(matches!(
            ProvenKey::open(&swapped),
            Err(RequestError::Signature)
        ));
    }

    #[test]
    fn other_keys_are_refused() {
        for alg in [
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            // ecdsa-with-SHA256 like P-256, but another curve.
            &rcgen::PKCS_ECDSA_P521_SHA256,
            &rcgen::PKCS_RSA_SHA256,
        ] {
            let refused = ProvenKey::open(&request_with(alg, |_| {}));
            assert!(
                matches!(refused, Err(RequestError::KeyType)),
                "{alg:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn unknown_wishes_are_refused_and_known_ones_are_left_behind() {
        let unknown = request_with(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
            params.custom_extensions = vec![CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 4, 1, 99999],
                vec![5, 0],
            )];
        });
        assert!(matches!(ProvenKey::open(&unknown), Err(RequestError::Wish)));
        let known = request_with(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
            params.subject_alt_names = vec![SanType::DnsName("evil.example".try_into().unwrap())];
        });
        assert!(ProvenKey::open(&known).is_ok());
    }
}
