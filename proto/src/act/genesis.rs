//! Entry 0: which log this is, whom it starts from, and the purposes it starts with.

use bytes::Bytes;
use prost::Message;

use super::{arabic_name, digest, display_name, english_name, part, public_key};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::Part;
use crate::key::PublicKey;
use crate::limits::{GRANT_LIST_MAX, HEADER_VERSION, PURPOSES_MAX, REGISTRY_HEADER_BYTES_MAX};
use crate::wire::registry::v1 as wire;

/// Entry 0: which log this is, and whom it starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The log's origin.
    pub origin: String,
    /// The log key.
    pub log_key: PublicKey,
    /// The instance part of every name.
    pub instance: Part,
    /// SPIFFE trust domain.
    pub trust_domain: String,
    /// SHA-256 of the TLS authority's root certificate.
    pub authority_root: Digest,
    /// The first operators.
    pub operators: Vec<Operator>,
    /// Unix time, milliseconds.
    pub created_at_ms: u64,
    /// The catalogue of purposes to start with, ascending by code.
    pub purposes: Vec<Purpose>,
}

/// A legal reason that a request may state, and the law it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// The code that grants and requests name.
    pub code: Part,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// The law, shown to people.
    pub legal_basis_ar: String,
    /// The law, shown to people.
    pub legal_basis_en: String,
    /// No new agreement may name it.
    pub ended: bool,
}

impl Purpose {
    /// A purpose that says nothing but its code, for worlds that are made up.
    pub fn plain(code: Part) -> Self {
        Self {
            name_ar: "غرض".to_owned(),
            name_en: "Purpose".to_owned(),
            legal_basis_ar: "سند".to_owned(),
            legal_basis_en: "Basis".to_owned(),
            code,
            ended: false,
        }
    }

    pub(super) fn to_wire(&self) -> wire::Purpose {
        wire::Purpose {
            code: self.code.to_string(),
            name_ar: self.name_ar.clone(),
            name_en: self.name_en.clone(),
            legal_basis_ar: self.legal_basis_ar.clone(),
            legal_basis_en: self.legal_basis_en.clone(),
            ended: self.ended,
        }
    }

    pub(super) fn from_wire(wire: wire::Purpose) -> Result<Self, HeaderError> {
        Ok(Self {
            code: part(&wire.code)?,
            name_ar: arabic_name(wire.name_ar)?,
            name_en: english_name(wire.name_en)?,
            legal_basis_ar: display_name(wire.legal_basis_ar)?,
            legal_basis_en: display_name(wire.legal_basis_en)?,
            ended: wire.ended,
        })
    }
}

/// Who may invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name in the operator's certificate.
    pub name: Part,
    /// The key that seals what the operator does.
    pub key: PublicKey,
}

impl Genesis {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::Genesis {
            version: HEADER_VERSION,
            origin: self.origin.clone(),
            log_key: self.log_key.spki().to_vec().into(),
            instance: self.instance.to_string(),
            trust_domain: self.trust_domain.clone(),
            authority_root_sha256: self.authority_root.0.to_vec().into(),
            operators: self
                .operators
                .iter()
                .map(|operator| wire::Operator {
                    name: operator.name.to_string(),
                    key: operator.key.spki().to_vec().into(),
                })
                .collect(),
            created_at_ms: self.created_at_ms,
            purposes: self.purposes.iter().map(Purpose::to_wire).collect(),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::Genesis = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        let origin_char =
            |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'/' | b'_' | b':');
        if wire.origin.is_empty()
            || wire.origin.len() > 255
            || !wire.origin.bytes().all(origin_char)
        {
            return Err(HeaderError::Malformed(
                "its origin is not a schema-less URL",
            ));
        }
        let domain_char =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'_');
        if wire.trust_domain.is_empty()
            || wire.trust_domain.len() > 255
            || !wire.trust_domain.bytes().all(domain_char)
        {
            return Err(HeaderError::Malformed(
                "its trust domain is not a lower-case domain name",
            ));
        }
        if wire.operators.is_empty() || wire.operators.len() > GRANT_LIST_MAX {
            return Err(HeaderError::Malformed("it names no operator, or too many"));
        }
        let purposes_ascend = wire
            .purposes
            .windows(2)
            .all(|pair| pair[0].code < pair[1].code);
        if wire.purposes.len() > PURPOSES_MAX
            || !purposes_ascend
            || wire.purposes.iter().any(|purpose| purpose.ended)
        {
            return Err(HeaderError::Malformed(
                "its purposes are too many, not ascending, twice the same, or ended",
            ));
        }
        Ok(Self {
            origin: wire.origin,
            log_key: public_key(&wire.log_key)?,
            instance: part(&wire.instance)?,
            trust_domain: wire.trust_domain,
            authority_root: digest(&wire.authority_root_sha256)?,
            operators: wire
                .operators
                .iter()
                .map(|operator| {
                    Ok(Operator {
                        name: part(&operator.name)?,
                        key: public_key(&operator.key)?,
                    })
                })
                .collect::<Result<_, HeaderError>>()?,
            created_at_ms: wire.created_at_ms,
            purposes: wire
                .purposes
                .into_iter()
                .map(Purpose::from_wire)
                .collect::<Result<_, HeaderError>>()?,
        })
    }
}
