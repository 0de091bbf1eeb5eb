//! Which records a permitted request may see.

use super::Permission;
use crate::act::RowRule;
use crate::header::RequestHeader;
use crate::id::Part;
use crate::registry::{DelegationRecord, Registry};

/// A condition that every record of an answer fulfils.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The field of the record.
    pub field: Part,
    /// What it is, as text.
    pub equals: String,
}

/// The rows that a permitted request may see: all conditions together; empty means every row. `None` when a rule
/// asks for a value that the asking agency does not have, so that it may see no row at all.
pub fn row_scope(
    registry: &Registry,
    request: &RequestHeader,
    permission: &Permission,
) -> Option<Vec<Row>> {
    let agreement = registry.agreement(&permission.agreement)?;
    let grant = agreement
        .content
        .grants
        .get((permission.grant as usize).checked_sub(1)?)?;
    // A grant that was handed on shows the rows of whom it was given to.
    let first: Option<&DelegationRecord> = request
        .delegation
        .first()
        .and_then(|id| registry.delegation(id));
    let holder = first.map_or_else(|| request.consumer.agency(), |link| link.from.clone());
    let own = agreement
        .content
        .consumer
        .member(&holder)
        .map(|member| member.value.clone())
        .filter(|value| !value.is_empty());
    let condition = |rule: &RowRule| {
        let equals = rule.equals.clone().or_else(|| own.clone())?;
        Some(Row {
            field: rule.field.clone(),
            equals,
        })
    };
    grant.row_scope.iter().map(condition).collect()
}
