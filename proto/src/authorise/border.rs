//! Whether a grant holds across a border: only where the provider opened the operation to the asking agency's instance.
//!
//! Takes what the registry recorded. Gives the clause that refuses, if one does. Between agencies of one instance there
//! is no border, and nothing is looked at.

use super::Clause;
use crate::header::RequestHeader;
use crate::id::AgencyId;
use crate::registry::{Agreement, Registry};

/// The border between who asks and who answers.
pub(super) struct Border<'a> {
    registry: &'a Registry,
    agreement: &'a Agreement,
    /// Who asks; `None`: there is no border between the two.
    from_abroad: Option<AgencyId>,
    at_ms: u64,
}

impl<'a> Border<'a> {
    pub(super) fn between(
        registry: &'a Registry,
        agreement: &'a Agreement,
        consumer: &AgencyId,
        at_ms: u64,
    ) -> Self {
        let crosses = consumer.instance() != agreement.content.provider.instance();
        Self {
            registry,
            agreement,
            from_abroad: crosses.then(|| consumer.clone()),
            at_ms,
        }
    }

    /// As if nobody were abroad: for what the grants alone hold.
    pub(super) fn ignored(registry: &'a Registry, agreement: &'a Agreement) -> Self {
        Self {
            registry,
            agreement,
            from_abroad: None,
            at_ms: 0,
        }
    }

    /// Why grant `number` does not let the request across; `None`: it does.
    pub(super) fn shut(&self, number: u32, request: &RequestHeader) -> Option<Clause> {
        let consumer = self.from_abroad.as_ref()?;
        let mut was_open = false;
        for record in self.registry.openings_of(&self.agreement.id) {
            let opening = &record.opening;
            let fits = opening.grant == number
                && opening.instance.as_str() == consumer.instance()
                && opening.operations.contains(&request.operation);
            if fits && record.ended.is_none() && self.at_ms < opening.not_after_ms {
                return None;
            }
            was_open |= fits;
        }
        Some(if was_open {
            Clause::OpeningEnded
        } else {
            Clause::Opening
        })
    }
}
