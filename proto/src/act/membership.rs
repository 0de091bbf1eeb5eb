//! Getting on board: invitations, applications, enrolments.

use bytes::Bytes;
use prost::Message;

use super::{agency, arabic_name, digest, display_name, english_name, optional_digest, public_key};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::AgencyId;
use crate::key::PublicKey;
use crate::limits::{HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX};
use crate::wire::registry::v1 as wire;

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
    /// SHA-256 of the only authority key that may use it; `None`: whoever holds the token.
    pub authority_kid: Option<Digest>,
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
            authority_kid: self
                .authority_kid
                .map(|kid| kid.0.to_vec().into())
                .unwrap_or_default(),
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
            authority_kid: optional_digest(&wire.authority_kid)?,
        })
    }
}

/// An agency's request to be invited, sealed by the authority key that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Who asks.
    pub agency: AgencyId,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// The agency authority key.
    pub authority_key: PublicKey,
    /// SHA-256 of the token that the applicant made and will enrol with.
    pub token: Digest,
    /// How the operator reaches its administrators, shown to people.
    pub contact: String,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// SHA-256 of entry 0: which switch this is for.
    pub genesis: Digest,
}

impl Application {
    /// SHA-256 of the canonical bytes: what an approval or rejection names.
    pub fn id(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::Application {
            version: HEADER_VERSION,
            agency: self.agency.to_string(),
            name_ar: self.name_ar.clone(),
            name_en: self.name_en.clone(),
            authority_key: self.authority_key.spki().to_vec().into(),
            token_sha256: self.token.0.to_vec().into(),
            contact: self.contact.clone(),
            issued_at_ms: self.issued_at_ms,
            genesis_sha256: self.genesis.0.to_vec().into(),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::Application = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        Ok(Self {
            agency: agency(&wire.agency)?,
            name_ar: arabic_name(wire.name_ar)?,
            name_en: english_name(wire.name_en)?,
            authority_key: public_key(&wire.authority_key)?,
            token: digest(&wire.token_sha256)?,
            contact: display_name(wire.contact)?,
            issued_at_ms: wire.issued_at_ms,
            genesis: digest(&wire.genesis_sha256)?,
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
            name_ar: arabic_name(wire.name_ar)?,
            name_en: english_name(wire.name_en)?,
            authority_key: public_key(&wire.authority_key)?,
            token: digest(&wire.token_sha256)?,
            issued_at_ms: wire.issued_at_ms,
            genesis: digest(&wire.genesis_sha256)?,
        })
    }
}
