//! Who may ask under an agreement: one agency, a public class, everyone, or a named list.

use std::fmt;

use super::{agency, part, shown_text};
use crate::canonical::HeaderError;
use crate::id::{AgencyId, Part};
use crate::limits::MEMBERS_MAX;
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
    /// The agencies of a named list, `@governorates`, which the provider seals with the agreement and alone.
    Group {
        /// The list's name, shown to people.
        name: Part,
        /// Its agencies, ascending, each once.
        members: Vec<GroupMember>,
    },
}

/// One agency of a named group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The agency.
    pub agency: AgencyId,
    /// What a row rule with `own_value` compares with, for example the governorate's name; may be empty.
    pub value: String,
}

impl ConsumerScope {
    /// Parses `EG/GOV/MOSS`, `EG/GOV/*` or `EG/*/*`. A group, `@NAME`, needs its members beside it.
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
            Self::Group { .. } => self.member(agency).is_some(),
        }
    }

    /// The agency's entry in the group; `None` outside it and where there is no group.
    pub fn member(&self, agency: &AgencyId) -> Option<&GroupMember> {
        match self {
            Self::Group { members, .. } => members
                .binary_search_by(|member| member.agency.cmp(agency))
                .ok()
                .map(|at| &members[at]),
            Self::Agency(_) | Self::Class(..) | Self::Everyone(_) => None,
        }
    }

    pub(super) fn members_to_wire(&self) -> Vec<wire::GroupMember> {
        let members = match self {
            Self::Group { members, .. } => &members[..],
            Self::Agency(_) | Self::Class(..) | Self::Everyone(_) => &[],
        };
        let to_wire = |member: &GroupMember| wire::GroupMember {
            agency: member.agency.to_string(),
            value: member.value.clone(),
        };
        members.iter().map(to_wire).collect()
    }

    pub(super) fn with_members(
        text: &str,
        members: Vec<wire::GroupMember>,
    ) -> Result<Self, HeaderError> {
        let Some(name) = text.strip_prefix('@') else {
            if members.is_empty() {
                return Self::parse(text);
            }
            return Err(HeaderError::Malformed("it has members and names no group"));
        };
        let ascend = members
            .windows(2)
            .all(|pair| pair[0].agency < pair[1].agency);
        if members.is_empty() || members.len() > MEMBERS_MAX || !ascend {
            return Err(HeaderError::Malformed(
                "its group has no members, too many, or they are not ascending, each once",
            ));
        }
        Ok(Self::Group {
            name: part(name)?,
            members: members
                .into_iter()
                .map(|member| {
                    Ok(GroupMember {
                        agency: agency(&member.agency)?,
                        value: shown_text(member.value)?,
                    })
                })
                .collect::<Result<_, HeaderError>>()?,
        })
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
            Self::Group { name, .. } => write!(f, "@{name}"),
        }
    }
}
