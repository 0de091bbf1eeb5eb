//! One permission inside an agreement.

use super::{ascending, display_name, optional_part, part, shown_text, system, texts};
use crate::canonical::HeaderError;
use crate::id::{Part, SystemId};
use crate::limits::{
    DELEGATION_MAX, DISPLAY_NAME_BYTES_MAX, FIELDS_MAX, GRANT_LIST_MAX, ROW_RULES_MAX,
};
use crate::wire::registry::v1 as wire;

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
    /// Requests a second, averaged; 0 means no limit.
    pub rate_per_s: u32,
    /// Only records for which every rule holds; the provider's adapter enforces it.
    pub row_scope: Vec<RowRule>,
    /// How often it may be handed on.
    pub delegation_depth: u32,
    /// The licence under which personal data is processed; may be empty.
    pub licence: String,
    /// `public`, `internal`, `personal`, `sensitive`, [`RESTRICTED`] or [`BREAK_GLASS`], where it was said.
    pub sensitivity: Option<Part>,
}

/// Which records a grant covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRule {
    /// A field of the record, granted or not.
    pub field: Part,
    /// What it must be, as text; `None`: the value of the asking agency in the agreement's group.
    pub equals: Option<String>,
}

/// The sensitivity of data that the switch must not see.
pub const RESTRICTED: &str = "restricted";
/// The sensitivity of data that is asked for in an emergency only, by a named person in a named case, and reviewed after.
pub const BREAK_GLASS: &str = "break-glass";

impl Grant {
    /// Whether payloads under this grant are sealed to their receivers: both agencies said that they are restricted, or
    /// more.
    pub fn wants_sealed(&self) -> bool {
        self.is_called(RESTRICTED) || self.wants_review()
    }

    /// Whether each exchange under this grant names who asks and in which case, and is reviewed afterwards.
    pub fn wants_review(&self) -> bool {
        self.is_called(BREAK_GLASS)
    }

    fn is_called(&self, word: &str) -> bool {
        self.sensitivity
            .as_ref()
            .is_some_and(|said| said.as_str() == word)
    }

    pub(super) fn to_wire(&self) -> wire::Grant {
        wire::Grant {
            system: self.system.to_string(),
            service: self.service.to_string(),
            operations: texts(&self.operations),
            purposes: texts(&self.purposes),
            fields: texts(&self.fields),
            legal_basis: self.legal_basis.clone(),
            daily_quota: self.daily_quota,
            retention_days: self.retention_days,
            rate_per_s: self.rate_per_s,
            row_scope: self
                .row_scope
                .iter()
                .map(|rule| wire::RowRule {
                    field: rule.field.to_string(),
                    equals: rule.equals.clone().unwrap_or_default(),
                    own_value: rule.equals.is_none(),
                })
                .collect(),
            delegation_depth: self.delegation_depth,
            licence: self.licence.clone(),
            sensitivity: self
                .sensitivity
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }

    pub(super) fn from_wire(wire: wire::Grant) -> Result<Self, HeaderError> {
        if wire.row_scope.len() > ROW_RULES_MAX || wire.delegation_depth as usize > DELEGATION_MAX {
            return Err(HeaderError::Malformed(
                "a grant has too many row rules or may be handed on too often",
            ));
        }
        Ok(Self {
            system: system(&wire.system)?,
            service: part(&wire.service)?,
            operations: ascending(&wire.operations, GRANT_LIST_MAX)?,
            purposes: ascending(&wire.purposes, GRANT_LIST_MAX)?,
            fields: ascending(&wire.fields, FIELDS_MAX)?,
            legal_basis: display_name(wire.legal_basis)?,
            daily_quota: wire.daily_quota,
            retention_days: wire.retention_days,
            rate_per_s: wire.rate_per_s,
            row_scope: wire
                .row_scope
                .into_iter()
                .map(RowRule::from_wire)
                .collect::<Result<_, _>>()?,
            delegation_depth: wire.delegation_depth,
            licence: shown_text(wire.licence)?,
            sensitivity: optional_part(&wire.sensitivity)?,
        })
    }
}

impl RowRule {
    fn from_wire(wire: wire::RowRule) -> Result<Self, HeaderError> {
        if wire.own_value != wire.equals.is_empty() || wire.equals.len() > DISPLAY_NAME_BYTES_MAX {
            return Err(HeaderError::Malformed(
                "a row rule has a value to compare with, or the agency's own, and not both",
            ));
        }
        Ok(Self {
            field: part(&wire.field)?,
            equals: (!wire.own_value).then_some(wire.equals),
        })
    }
}
