//! What operators do to the registry, and the second seal on what needs two.

use std::fmt;

use bytes::Bytes;
use prost::Message;

use super::{
    Purpose, agency, ascending, digest, display_name, part, possession, public_key, shown_text,
    system,
};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::{AgencyId, Part, SystemId};
use crate::key::PublicKey;
use crate::limits::{HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX};
use crate::wire::registry::v1 as wire;
use wire::operator_act::Act;

/// An operator's act, sealed by the operator's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAct {
    /// The operator's name.
    pub operator: Part,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// What is done.
    pub deed: OperatorDeed,
}

/// What an operator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorDeed {
    /// An application is turned down.
    RejectApplication {
        /// SHA-256 of the application.
        application: Digest,
        /// Told to the applicant.
        reason: String,
    },
    /// An agency is cut off, or no longer.
    SuspendAgency {
        /// The agency.
        agency: AgencyId,
        /// No longer.
        lifted: bool,
        /// Shown to people.
        reason: String,
    },
    /// A system is over, with all its keys and certificates.
    EndSystem {
        /// The system.
        system: SystemId,
        /// A stable word.
        reason: Part,
    },
    /// A TLS certificate counts no longer.
    EndCertificate {
        /// SHA-256 of the certificate.
        sha256: Digest,
        /// A stable word.
        reason: Part,
    },
    /// A lost authority key is replaced. Needs a second operator and counts 72 hours after that.
    ReplaceAuthority {
        /// The agency that lost it.
        agency: AgencyId,
        /// The new authority key.
        key: PublicKey,
        /// COSE_Sign1 of the new key over [`OperatorDeed::replacement_bytes`].
        possession: Bytes,
    },
    /// A purpose of the catalogue is added, changed or ended.
    SetPurpose(Purpose),
    /// A person gets or loses a role.
    SetRole {
        /// Which role.
        role: PersonRole,
        /// The name in the certificate.
        name: Part,
        /// Seals what the person does; `None` for those who seal nothing.
        key: Option<PublicKey>,
        /// Loses it.
        ended: bool,
    },
    /// The most that all systems of an agency may ask in a day (UTC).
    SetQuota {
        /// The agency.
        agency: AgencyId,
        /// 0 means no limit.
        daily: u64,
    },
    /// Which acts need two seals. Replaces the policy before it.
    SetPolicy(TwoOperators),
}

/// A role beside the agencies' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersonRole {
    /// Runs the switch and acts on the registry.
    Operator,
    /// Puts the second seal on operators' acts, and makes none.
    Approver,
    /// Reads and checks the log.
    Auditor,
    /// Data-protection officer.
    Dpo,
}

impl PersonRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Approver, Self::Auditor, Self::Dpo];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Dpo => "dpo",
        }
    }

    /// Reads the stable word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether a person of this role seals, and so needs a key.
    pub fn seals(self) -> bool {
        matches!(self, Self::Operator | Self::Approver)
    }
}

impl fmt::Display for PersonRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The acts that need a second operator's or an approver's seal: [`OperatorDeed::name`], and
/// `invitation`. Ascending, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TwoOperators(pub Vec<Part>);

impl TwoOperators {
    /// Every act that a policy may name.
    pub const NAMES: [&'static str; 10] = [
        "agency_quota",
        "agency_suspension",
        "application_rejection",
        "authority_replacement",
        "certificate_end",
        "invitation",
        "policy",
        "purpose",
        "role",
        "system_end",
    ];

    /// Whether acts of this name need two. A policy that asks for two at all asks for two for itself and for
    /// roles: otherwise one operator could lift it, or seat the second person.
    pub fn covers(&self, name: &str) -> bool {
        match name {
            "authority_replacement" => true,
            "policy" | "role" if !self.0.is_empty() => true,
            name => self.0.iter().any(|listed| listed.as_str() == name),
        }
    }
}

impl OperatorDeed {
    /// The stable word, as policies name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RejectApplication { .. } => "application_rejection",
            Self::SuspendAgency { .. } => "agency_suspension",
            Self::EndSystem { .. } => "system_end",
            Self::EndCertificate { .. } => "certificate_end",
            Self::ReplaceAuthority { .. } => "authority_replacement",
            Self::SetPurpose(_) => "purpose",
            Self::SetRole { .. } => "role",
            Self::SetQuota { .. } => "agency_quota",
            Self::SetPolicy(_) => "policy",
        }
    }

    /// What the new authority key of `agency` seals under `mohawel/possession/v1` when operators replace a lost one.
    pub fn replacement_bytes(agency: &AgencyId, key: &PublicKey) -> Bytes {
        wire::AuthorityReplacement {
            agency: agency.to_string(),
            key: key.spki().to_vec().into(),
            possession: Bytes::new(),
        }
        .encode_to_vec()
        .into()
    }

    fn to_wire(&self) -> Act {
        match self {
            Self::RejectApplication {
                application,
                reason,
            } => Act::ApplicationRejection(wire::ApplicationRejection {
                application: application.0.to_vec().into(),
                reason: reason.clone(),
            }),
            Self::SuspendAgency {
                agency,
                lifted,
                reason,
            } => Act::AgencySuspension(wire::AgencySuspension {
                agency: agency.to_string(),
                lifted: *lifted,
                reason: reason.clone(),
            }),
            Self::EndSystem { system, reason } => Act::SystemEnd(wire::SystemEnd {
                system: system.to_string(),
                reason: reason.to_string(),
            }),
            Self::EndCertificate { sha256, reason } => Act::CertificateEnd(wire::CertificateEnd {
                sha256: sha256.0.to_vec().into(),
                reason: reason.to_string(),
            }),
            Self::ReplaceAuthority {
                agency,
                key,
                possession,
            } => Act::AuthorityReplacement(wire::AuthorityReplacement {
                agency: agency.to_string(),
                key: key.spki().to_vec().into(),
                possession: possession.clone(),
            }),
            Self::SetPurpose(purpose) => Act::Purpose(purpose.to_wire()),
            Self::SetRole {
                role,
                name,
                key,
                ended,
            } => Act::Role(wire::Role {
                role: role.name().to_owned(),
                name: name.to_string(),
                key: key
                    .as_ref()
                    .map(|key| key.spki().to_vec().into())
                    .unwrap_or_default(),
                ended: *ended,
            }),
            Self::SetQuota { agency, daily } => Act::AgencyQuota(wire::AgencyQuota {
                agency: agency.to_string(),
                daily: *daily,
            }),
            Self::SetPolicy(policy) => Act::Policy(wire::Policy {
                two_operators: super::texts(&policy.0),
            }),
        }
    }

    fn from_wire(act: Act) -> Result<Self, HeaderError> {
        Ok(match act {
            Act::ApplicationRejection(rejection) => Self::RejectApplication {
                application: digest(&rejection.application)?,
                reason: display_name(rejection.reason)?,
            },
            Act::AgencySuspension(suspension) => Self::SuspendAgency {
                agency: agency(&suspension.agency)?,
                lifted: suspension.lifted,
                reason: display_name(suspension.reason)?,
            },
            Act::SystemEnd(end) => Self::EndSystem {
                system: system(&end.system)?,
                reason: part(&end.reason)?,
            },
            Act::CertificateEnd(end) => Self::EndCertificate {
                sha256: digest(&end.sha256)?,
                reason: part(&end.reason)?,
            },
            Act::AuthorityReplacement(replacement) => Self::ReplaceAuthority {
                agency: agency(&replacement.agency)?,
                key: public_key(&replacement.key)?,
                possession: possession(replacement.possession)?,
            },
            Act::Purpose(purpose) => Self::SetPurpose(Purpose::from_wire(purpose)?),
            Act::Role(role) => set_role(role)?,
            Act::AgencyQuota(quota) => Self::SetQuota {
                agency: agency(&quota.agency)?,
                daily: quota.daily,
            },
            Act::Policy(policy) => {
                let names = ascending(&policy.two_operators, TwoOperators::NAMES.len())?;
                if names
                    .iter()
                    .any(|name| !TwoOperators::NAMES.contains(&name.as_str()))
                {
                    return Err(HeaderError::Malformed(
                        "it names an act that does not exist",
                    ));
                }
                Self::SetPolicy(TwoOperators(names))
            }
        })
    }
}

fn set_role(wire: wire::Role) -> Result<OperatorDeed, HeaderError> {
    let role = PersonRole::parse(&wire.role).ok_or(HeaderError::Malformed(
        "its role is not operator, approver, auditor or dpo",
    ))?;
    if role.seals() == wire.key.is_empty() {
        return Err(HeaderError::Malformed(
            "an operator and an approver have a key, an auditor and a dpo have none",
        ));
    }
    let key = role.seals().then(|| public_key(&wire.key)).transpose()?;
    Ok(OperatorDeed::SetRole {
        role,
        name: part(&wire.name)?,
        key,
        ended: wire.ended,
    })
}

impl OperatorAct {
    /// SHA-256 of the canonical bytes: what an approval names.
    pub fn id(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::OperatorAct {
            version: HEADER_VERSION,
            operator: self.operator.to_string(),
            issued_at_ms: self.issued_at_ms,
            act: Some(self.deed.to_wire()),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::OperatorAct = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        let act = wire
            .act
            .ok_or(HeaderError::Malformed("it says not what is done"))?;
        Ok(Self {
            operator: part(&wire.operator)?,
            issued_at_ms: wire.issued_at_ms,
            deed: OperatorDeed::from_wire(act)?,
        })
    }
}

/// The second seal on an act that needs two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Who seals: another operator, or an approver.
    pub operator: Part,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// SHA-256 of the act or invitation.
    pub act: Digest,
    /// Turned down instead.
    pub rejected: bool,
    /// Shown to people; may be empty.
    pub reason: String,
}

impl Approval {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::Approval {
            version: HEADER_VERSION,
            operator: self.operator.to_string(),
            issued_at_ms: self.issued_at_ms,
            act: self.act.0.to_vec().into(),
            rejected: self.rejected,
            reason: self.reason.clone(),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::Approval = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        Ok(Self {
            operator: part(&wire.operator)?,
            issued_at_ms: wire.issued_at_ms,
            act: digest(&wire.act)?,
            rejected: wire.rejected,
            reason: shown_text(wire.reason)?,
        })
    }
}
