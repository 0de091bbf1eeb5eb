//! Agreements: the content both agencies seal, and the acts that make it count.

use bytes::Bytes;
use prost::Message;

use super::{ConsumerScope, Grant, agency, digest, optional_digest};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::AgencyId;
use crate::limits::{GRANTS_MAX, HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX};
use crate::wire::registry::v1 as wire;

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
    /// The agreement between the same two that it takes the place of, from `not_before_ms` on.
    pub supersedes: Option<Digest>,
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
            members: self.consumer.members_to_wire(),
            supersedes: self
                .supersedes
                .map(|id| id.0.to_vec().into())
                .unwrap_or_default(),
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
        let consumer = ConsumerScope::with_members(&wire.consumer, wire.members)?;
        let needs_group = grants
            .iter()
            .flat_map(|grant| &grant.row_scope)
            .any(|rule| rule.equals.is_none());
        if needs_group && !matches!(consumer, ConsumerScope::Group { .. }) {
            return Err(HeaderError::Malformed(
                "a row rule asks for the agency's own value, and there is no group with values",
            ));
        }
        Ok(Self {
            nonce: wire.nonce[..]
                .try_into()
                .map_err(|_| HeaderError::Malformed("its nonce is not 16 bytes"))?,
            origin: wire.origin,
            consumer,
            provider,
            grants,
            not_before_ms: wire.not_before_ms,
            not_after_ms: wire.not_after_ms,
            supersedes: optional_digest(&wire.supersedes)?,
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
    /// Hands a grant on; carries a [`super::Delegation`].
    Delegate,
    /// Ends a delegation, by the provider or anybody above it.
    EndDelegation,
}

impl Step {
    /// The word in pages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Accept => "accept",
            Self::Revoke => "revoke",
            Self::Delegate => "delegate",
            Self::EndDelegation => "end_delegation",
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
    /// SHA-256 of the previous act; `None` on propose; the proposal on delegate; the delegation that ends.
    pub previous: Option<Digest>,
    /// Who does it.
    pub agency: AgencyId,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// The canonical bytes of the content on propose, of the delegation on delegate.
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
            Step::Delegate => wire::AgreementStep::Delegate,
            Step::EndDelegation => wire::AgreementStep::EndDelegation,
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
            Ok(wire::AgreementStep::Delegate) => Step::Delegate,
            Ok(wire::AgreementStep::EndDelegation) => Step::EndDelegation,
            Ok(wire::AgreementStep::Unspecified) | Err(_) => {
                return Err(HeaderError::Malformed(
                    "its step is none of those that there are",
                ));
            }
        };
        let agreement = digest(&wire.agreement)?;
        let proposes = step == Step::Propose;
        let carries = proposes || step == Step::Delegate;
        if carries == wire.content.is_empty() || proposes != wire.previous.is_empty() {
            return Err(HeaderError::Malformed(
                "propose carries the content and delegate the delegation, every step but propose the previous act",
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
