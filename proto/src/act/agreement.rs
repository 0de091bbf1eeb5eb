//! Agreements: the content both agencies seal, and the acts that make it count.

use std::fmt;

use bytes::Bytes;
use prost::Message;

use super::{agency, ascending, digest, display_name, part, system, texts};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::{AgencyId, Part, SystemId};
use crate::limits::{
    FIELDS_MAX, GRANT_LIST_MAX, GRANTS_MAX, HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX,
};
use crate::wire::registry::v1 as wire;

/// Who may ask under an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerScope {
    /// One agency, which must accept.
    Agency(AgencyId),
    /// Every agency of a class, `EG/GOV/*`: a public grant, sealed by the provider alone.
    Class(Part, Part),
    /// Every agency of the instance, `EG/*/*`: a public grant, sealed by the provider alone.
    Everyone(Part),
}

impl ConsumerScope {
    /// Parses `EG/GOV/MOSS`, `EG/GOV/*` or `EG/*/*`.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        match text.split('/').collect::<Vec<_>>()[..] {
            [instance, "*", "*"] => Ok(Self::Everyone(part(instance)?)),
            [instance, class, "*"] => Ok(Self::Class(part(instance)?, part(class)?)),
            _ => agency(text).map(Self::Agency),
        }
    }

    /// Whether `agency` may ask.
    pub fn covers(&self, agency: &AgencyId) -> bool {
        match self {
            Self::Agency(one) => one == agency,
            Self::Class(instance, class) => {
                agency.instance() == instance.as_str() && agency.class() == class.as_str()
            }
            Self::Everyone(instance) => agency.instance() == instance.as_str(),
        }
    }

    /// Whether this is a public grant, which the provider seals alone.
    pub fn is_public(&self) -> bool {
        !matches!(self, Self::Agency(_))
    }
}

impl fmt::Display for ConsumerScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agency(agency) => agency.fmt(f),
            Self::Class(instance, class) => write!(f, "{instance}/{class}/*"),
            Self::Everyone(instance) => write!(f, "{instance}/*/*"),
        }
    }
}

/// What two agencies agree on. Its id is SHA-256 of its canonical bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementContent {
    /// 16 random bytes, so that two equal agreements have two ids.
    pub nonce: [u8; 16],
    /// The switch it is for.
    pub origin: String,
    /// Who may ask.
    pub consumer: ConsumerScope,
    /// Who answers.
    pub provider: AgencyId,
    /// The permissions.
    pub grants: Vec<Grant>,
    /// Unix time, milliseconds, from which it counts.
    pub not_before_ms: u64,
    /// Unix time, milliseconds, at which it no longer counts.
    pub not_after_ms: u64,
}

/// One permission inside an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The provider's system.
    pub system: SystemId,
    /// Its service.
    pub service: Part,
    /// Operations that may be asked.
    pub operations: Vec<Part>,
    /// Purposes that may be stated.
    pub purposes: Vec<Part>,
    /// Fields that may be returned.
    pub fields: Vec<Part>,
    /// The law it stands on, shown to people.
    pub legal_basis: String,
    /// Requests a day (UTC); 0 means no quota.
    pub daily_quota: u64,
    /// How long the parties keep payload and salt, days.
    pub retention_days: u32,
}

impl AgreementContent {
    /// SHA-256 of the canonical bytes.
    pub fn id(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::AgreementContent {
            version: HEADER_VERSION,
            nonce: self.nonce.to_vec().into(),
            origin: self.origin.clone(),
            consumer: self.consumer.to_string(),
            provider: self.provider.to_string(),
            grants: self.grants.iter().map(Grant::to_wire).collect(),
            not_before_ms: self.not_before_ms,
            not_after_ms: self.not_after_ms,
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::AgreementContent = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        if wire.grants.is_empty() || wire.grants.len() > GRANTS_MAX {
            return Err(HeaderError::Malformed("it has no grant, or too many"));
        }
        if wire.not_before_ms >= wire.not_after_ms {
            return Err(HeaderError::Malformed("it ends before it begins"));
        }
        let provider = agency(&wire.provider)?;
        let grants = wire
            .grants
            .into_iter()
            .map(Grant::from_wire)
            .collect::<Result<Vec<_>, _>>()?;
        if grants
            .iter()
            .any(|grant| !grant.system.belongs_to(&provider))
        {
            return Err(HeaderError::Malformed(
                "a grant names a system that is not the provider's",
            ));
        }
        Ok(Self {
            nonce: wire.nonce[..]
                .try_into()
                .map_err(|_| HeaderError::Malformed("its nonce is not 16 bytes"))?,
            origin: wire.origin,
            consumer: ConsumerScope::parse(&wire.consumer)?,
            provider,
            grants,
            not_before_ms: wire.not_before_ms,
            not_after_ms: wire.not_after_ms,
        })
    }
}

impl Grant {
    fn to_wire(&self) -> wire::Grant {
        wire::Grant {
            system: self.system.to_string(),
            service: self.service.to_string(),
            operations: texts(&self.operations),
            purposes: texts(&self.purposes),
            fields: texts(&self.fields),
            legal_basis: self.legal_basis.clone(),
            daily_quota: self.daily_quota,
            retention_days: self.retention_days,
        }
    }

    fn from_wire(wire: wire::Grant) -> Result<Self, HeaderError> {
        Ok(Self {
            system: system(&wire.system)?,
            service: part(&wire.service)?,
            operations: ascending(&wire.operations, GRANT_LIST_MAX)?,
            purposes: ascending(&wire.purposes, GRANT_LIST_MAX)?,
            fields: ascending(&wire.fields, FIELDS_MAX)?,
            legal_basis: display_name(wire.legal_basis)?,
            daily_quota: wire.daily_quota,
            retention_days: wire.retention_days,
        })
    }
}

/// What an agency does to an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Carries the content; counts as the proposer's acceptance.
    Propose,
    /// The other party's acceptance.
    Accept,
    /// By either party, final.
    Revoke,
}

impl Step {
    /// The word in pages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Accept => "accept",
            Self::Revoke => "revoke",
        }
    }
}

/// An act on an agreement. Its id is SHA-256 of its canonical bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementAct {
    /// What is done.
    pub step: Step,
    /// To which agreement.
    pub agreement: Digest,
    /// SHA-256 of the previous act; `None` on propose.
    pub previous: Option<Digest>,
    /// Who does it.
    pub agency: AgencyId,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// The content's canonical bytes, on propose only.
    pub content: Bytes,
}

impl AgreementAct {
    /// SHA-256 of the canonical bytes.
    pub fn id(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        let step = match self.step {
            Step::Propose => wire::AgreementStep::Propose,
            Step::Accept => wire::AgreementStep::Accept,
            Step::Revoke => wire::AgreementStep::Revoke,
        };
        wire::AgreementAct {
            version: HEADER_VERSION,
            step: step as i32,
            agreement: self.agreement.0.to_vec().into(),
            previous: self
                .previous
                .map(|digest| digest.0.to_vec().into())
                .unwrap_or_default(),
            agency: self.agency.to_string(),
            issued_at_ms: self.issued_at_ms,
            content: self.content.clone(),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes. Content comes with propose and only with it, and matches the id.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::AgreementAct = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        let step = match wire::AgreementStep::try_from(wire.step) {
            Ok(wire::AgreementStep::Propose) => Step::Propose,
            Ok(wire::AgreementStep::Accept) => Step::Accept,
            Ok(wire::AgreementStep::Revoke) => Step::Revoke,
            Ok(wire::AgreementStep::Unspecified) | Err(_) => {
                return Err(HeaderError::Malformed(
                    "its step is not propose, accept or revoke",
                ));
            }
        };
        let agreement = digest(&wire.agreement)?;
        let proposes = step == Step::Propose;
        if proposes == wire.content.is_empty() || proposes != wire.previous.is_empty() {
            return Err(HeaderError::Malformed(
                "propose carries the content, every later step the previous act",
            ));
        }
        if proposes && Digest::of(&wire.content) != agreement {
            return Err(HeaderError::Malformed(
                "its content is not the agreement that it names",
            ));
        }
        let previous = if proposes {
            None
        } else {
            Some(digest(&wire.previous)?)
        };
        Ok(Self {
            step,
            agreement,
            previous,
            agency: agency(&wire.agency)?,
            issued_at_ms: wire.issued_at_ms,
            content: wire.content,
        })
    }
}
