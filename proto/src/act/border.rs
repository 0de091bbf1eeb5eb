//! What is done at the border: another instance is admitted or withdrawn by operators, and operations of one grant are
//! opened to it by the agency that answers.

use bytes::Bytes;
use prost::Message;

use super::operator::TwoOperators;
use super::{agency, arabic_name, ascending, digest, display_name, english_name, part, texts};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::{AgencyId, Part};
use crate::limits::{GRANT_LIST_MAX, HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX};
use crate::wire::registry::v1 as wire;
use wire::border_act::Act;

/// An act at the border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BorderAct {
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// What is done.
    pub deed: BorderDeed,
}

/// What is done at the border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BorderDeed {
    /// Agencies of another instance may be invited. Sealed by an operator.
    Admit(InstanceAdmission),
    /// They may no longer, and their questions are refused. Sealed by an operator.
    Withdraw {
        /// The operator's name.
        operator: Part,
        /// Which instance.
        instance: Part,
        /// Shown to people.
        reason: String,
    },
    /// Operations of a grant may be asked from another instance. Sealed by the provider's authority key.
    Open(OpeningAbroad),
    /// No longer. Sealed by the provider's authority key.
    Close {
        /// The provider.
        agency: AgencyId,
        /// SHA-256 of the act that opened.
        opening: Digest,
        /// Shown to people.
        reason: String,
    },
}

/// Another instance, as admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceAdmission {
    /// The operator's name.
    pub operator: Part,
    /// The first part of its agencies' names: a country code of two capital letters.
    pub instance: Part,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// The law or treaty it stands on, shown to people.
    pub legal_basis: String,
}

/// Operations of one grant, opened to agencies of another instance than the provider's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningAbroad {
    /// The provider.
    pub agency: AgencyId,
    /// The agreement.
    pub agreement: Digest,
    /// Number of the grant in it, from 1.
    pub grant: u32,
    /// Which of its operations, ascending, at least one.
    pub operations: Vec<Part>,
    /// To whose agencies.
    pub instance: Part,
    /// The law or treaty it stands on, shown to people.
    pub legal_basis: String,
    /// Unix time, milliseconds, from which it counts no longer.
    pub not_after_ms: u64,
}

impl BorderDeed {
    /// The stable word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Admit(_) => "instance_admission",
            Self::Withdraw { .. } => "instance_withdrawal",
            Self::Open(_) => "opening_abroad",
            Self::Close { .. } => "opening_end",
        }
    }

    /// The words of operators' acts. No policy can name them: version 1 has no words for them.
    pub const OF_OPERATORS: [&'static str; 2] = ["instance_admission", "instance_withdrawal"];

    /// Whether an act of this name needs two seals. To let a country in is as much as to give a role, so any policy that
    /// asks for two at all asks for two here; to turn it away is to suspend.
    pub fn needs_two(name: &str, policy: &TwoOperators) -> bool {
        match name {
            "instance_admission" => !policy.0.is_empty(),
            "instance_withdrawal" => policy.covers("agency_suspension"),
            _ => false,
        }
    }

    /// Whose act it is, where it is an agency's.
    pub fn agency(&self) -> Option<&AgencyId> {
        match self {
            Self::Admit(_) | Self::Withdraw { .. } => None,
            Self::Open(opening) => Some(&opening.agency),
            Self::Close { agency, .. } => Some(agency),
        }
    }

    fn to_wire(&self) -> Act {
        match self {
            Self::Admit(admission) => Act::Admission(wire::InstanceAdmission {
                operator: admission.operator.to_string(),
                instance: admission.instance.to_string(),
                name_ar: admission.name_ar.clone(),
                name_en: admission.name_en.clone(),
                legal_basis: admission.legal_basis.clone(),
            }),
            Self::Withdraw {
                operator,
                instance,
                reason,
            } => Act::Withdrawal(wire::InstanceWithdrawal {
                operator: operator.to_string(),
                instance: instance.to_string(),
                reason: reason.clone(),
            }),
            Self::Open(opening) => Act::Opening(wire::OpeningAbroad {
                agency: opening.agency.to_string(),
                agreement: opening.agreement.0.to_vec().into(),
                grant: opening.grant,
                operations: texts(&opening.operations),
                instance: opening.instance.to_string(),
                legal_basis: opening.legal_basis.clone(),
                not_after_ms: opening.not_after_ms,
            }),
            Self::Close {
                agency,
                opening,
                reason,
            } => Act::OpeningEnd(wire::OpeningEnd {
                agency: agency.to_string(),
                opening: opening.0.to_vec().into(),
                reason: reason.clone(),
            }),
        }
    }

    fn from_wire(act: Act) -> Result<Self, HeaderError> {
        Ok(match act {
            Act::Admission(admission) => Self::Admit(InstanceAdmission {
                operator: part(&admission.operator)?,
                instance: country(&admission.instance)?,
                name_ar: arabic_name(admission.name_ar)?,
                name_en: english_name(admission.name_en)?,
                legal_basis: display_name(admission.legal_basis)?,
            }),
            Act::Withdrawal(withdrawal) => Self::Withdraw {
                operator: part(&withdrawal.operator)?,
                instance: country(&withdrawal.instance)?,
                reason: display_name(withdrawal.reason)?,
            },
            Act::Opening(opening) => Self::Open(OpeningAbroad::from_wire(opening)?),
            Act::OpeningEnd(end) => Self::Close {
                agency: agency(&end.agency)?,
                opening: digest(&end.opening)?,
                reason: display_name(end.reason)?,
            },
        })
    }
}

impl OpeningAbroad {
    fn from_wire(wire: wire::OpeningAbroad) -> Result<Self, HeaderError> {
        if wire.grant == 0 || wire.operations.is_empty() {
            return Err(HeaderError::Malformed(
                "it opens no operation of a grant, which are numbered from 1",
            ));
        }
        Ok(Self {
            agency: agency(&wire.agency)?,
            agreement: digest(&wire.agreement)?,
            grant: wire.grant,
            operations: ascending(&wire.operations, GRANT_LIST_MAX)?,
            // The home instance of a foreign provider may be called otherwise than by a country's code.
            instance: part(&wire.instance)?,
            legal_basis: display_name(wire.legal_basis)?,
            not_after_ms: wire.not_after_ms,
        })
    }
}

/// Two capital letters, so that no two admitted instances differ only in case.
fn country(text: &str) -> Result<Part, HeaderError> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        part(text)
    } else {
        Err(HeaderError::Malformed(
            "an instance abroad is named by a country code of two capital letters",
        ))
    }
}

impl BorderAct {
    /// SHA-256 of the canonical bytes: what an approval, or the end of an opening, names.
    pub fn id(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::BorderAct {
            version: HEADER_VERSION,
            issued_at_ms: self.issued_at_ms,
            act: Some(self.deed.to_wire()),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::BorderAct = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        let act = wire
            .act
            .ok_or(HeaderError::Malformed("it says not what is done"))?;
        Ok(Self {
            issued_at_ms: wire.issued_at_ms,
            deed: BorderDeed::from_wire(act)?,
        })
    }
}
