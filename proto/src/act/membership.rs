//! Genesis, invitations, enrolments and keys.

use bytes::Bytes;
use prost::Message;

use super::{agency, digest, display_name, key, part, system};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::{AgencyId, Part, SystemId};
use crate::key::PublicKey;
use crate::limits::{GRANT_LIST_MAX, HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX, SEAL_BYTES_MAX};
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
        Ok(Self {
            origin: wire.origin,
            log_key: key(&wire.log_key)?,
            instance: part(&wire.instance)?,
            trust_domain: wire.trust_domain,
            authority_root: digest(&wire.authority_root_sha256)?,
            operators: wire
                .operators
                .iter()
                .map(|operator| {
                    Ok(Operator {
                        name: part(&operator.name)?,
                        key: key(&operator.key)?,
                    })
                })
                .collect::<Result<_, HeaderError>>()?,
            created_at_ms: wire.created_at_ms,
        })
    }
}

/// An operator's invitation of one agency, for one use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Who is invited.
    pub agency: AgencyId,
    /// SHA-256 of the one-time token.
    pub token: Digest,
    /// Unix time, milliseconds, after which it is worthless.
    pub expires_at_ms: u64,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

impl Invitation {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::Invitation {
            version: HEADER_VERSION,
            agency: self.agency.to_string(),
            token_sha256: self.token.0.to_vec().into(),
            expires_at_ms: self.expires_at_ms,
            issued_at_ms: self.issued_at_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::Invitation = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        Ok(Self {
            agency: agency(&wire.agency)?,
            token: digest(&wire.token_sha256)?,
            expires_at_ms: wire.expires_at_ms,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}

/// An agency's own word that it is there, with the key that will seal everything that binds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyEnrolment {
    /// Who enrols.
    pub agency: AgencyId,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// The agency authority key.
    pub authority_key: PublicKey,
    /// SHA-256 of the invitation's token.
    pub token: Digest,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// SHA-256 of entry 0: which switch this is for.
    pub genesis: Digest,
}

impl AgencyEnrolment {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::AgencyEnrolment {
            version: HEADER_VERSION,
            agency: self.agency.to_string(),
            name_ar: self.name_ar.clone(),
            name_en: self.name_en.clone(),
            authority_key: self.authority_key.spki().to_vec().into(),
            token_sha256: self.token.0.to_vec().into(),
            issued_at_ms: self.issued_at_ms,
            genesis_sha256: self.genesis.0.to_vec().into(),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::AgencyEnrolment = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        Ok(Self {
            agency: agency(&wire.agency)?,
            name_ar: display_name(wire.name_ar)?,
            name_en: display_name(wire.name_en)?,
            authority_key: key(&wire.authority_key)?,
            token: digest(&wire.token_sha256)?,
            issued_at_ms: wire.issued_at_ms,
            genesis: digest(&wire.genesis_sha256)?,
        })
    }
}

/// A seal key bound to one adapter instance of one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBinding {
    /// The system it speaks for.
    pub system: SystemId,
    /// The adapter instance that holds it.
    pub adapter: Part,
    /// The seal key.
    pub key: PublicKey,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// COSE_Sign1 of the new key over [`KeyBinding::possession_bytes`]; empty while being made.
    pub possession: Bytes,
}

impl KeyBinding {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::KeyBinding {
            version: HEADER_VERSION,
            system: self.system.to_string(),
            adapter: self.adapter.to_string(),
            key: self.key.spki().to_vec().into(),
            issued_at_ms: self.issued_at_ms,
            possession: self.possession.clone(),
        }
        .encode_to_vec()
        .into()
    }

    /// What the new key seals under `mohawel/possession/v1`: this binding without the proof.
    pub fn possession_bytes(&self) -> Bytes {
        Self {
            possession: Bytes::new(),
            ..self.clone()
        }
        .encode()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::KeyBinding = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        if wire.possession.len() > SEAL_BYTES_MAX {
            return Err(HeaderError::Malformed(
                "its proof of possession is too long",
            ));
        }
        Ok(Self {
            system: system(&wire.system)?,
            adapter: part(&wire.adapter)?,
            key: key(&wire.key)?,
            issued_at_ms: wire.issued_at_ms,
            possession: wire.possession,
        })
    }
}

/// The end of a seal key. What it sealed before stays evidence; nothing after does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEnd {
    /// The system it spoke for.
    pub system: SystemId,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub kid: Digest,
    /// A stable word: superseded, compromised, retired.
    pub reason: Part,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
}

impl KeyEnd {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::KeyEnd {
            version: HEADER_VERSION,
            system: self.system.to_string(),
            kid: self.kid.0.to_vec().into(),
            reason: self.reason.to_string(),
            issued_at_ms: self.issued_at_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::KeyEnd = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        Ok(Self {
            system: system(&wire.system)?,
            kid: digest(&wire.kid)?,
            reason: part(&wire.reason)?,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}
